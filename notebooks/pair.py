"""Generates each notebook from its script: `python notebooks/pair.py` writes, `--check` only compares.

The script (`NN_name.py`, Jupytext percent format) is the source. Cells are numbered, so that the same script always gives
the same file.
"""

import argparse
import sys
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def generate(script):
    """Returns the text of the notebook that belongs to a script."""
    notebook = jupytext.read(script, config=jupytext.config.load_jupytext_config(str(HERE)))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.writes(notebook) + "\n"


def is_ahead(notebook, script, text):
    """Returns whether a notebook was edited after its script, and run: nothing carried its cells over, and they would be lost.

    JupyterLab with Jupytext, which `make setup` installs, writes both at once; other editors only the notebook.
    """
    try:
        cells, generated = nbformat.read(notebook, 4).cells, nbformat.reads(text, 4).cells
    except (OSError, ValueError):  # there is none, or it is damaged
        return False
    ran = any(cell.get("execution_count") or cell.get("outputs") for cell in cells)
    later = notebook.stat().st_mtime > script.stat().st_mtime
    return ran and later and [cell.source for cell in cells] != [cell.source for cell in generated]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a notebook is not what its script gives")
    check = parser.parse_args().check
    stale = []
    for script in sorted(HERE.glob("[0-9]*.py")):
        target, text = script.with_suffix(".ipynb"), generate(script)
        if not check and is_ahead(target, script, text):
            remedy = f"`jupytext --sync notebooks/{target.name}` takes its cells into the script; or delete the notebook"
            print(f"{target.name} was edited and run, and {script.name} was not: {remedy}", file=sys.stderr)
            return 1
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(target.name)
            if not check:
                target.write_text(text, encoding="utf-8")
    print(f"{'Stale' if check else 'Written'}: {', '.join(stale) or 'none'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
