"""Generates each notebook from its script: `python notebooks/pair.py` writes, `--check` only compares.

The script (`NN_name.py`, Jupytext percent format) is the source. The id of a cell follows from its text: the same script always
gives the same file, and a new cell leaves all others as they are. `--stamp`, which only `make notebooks` calls, first writes
the repository's address into each script, for Colab: a badge below the title, and the line that installs the library. The other
calls take the scripts as they are, so that a clone whose origin is elsewhere passes the check.
"""

import argparse
import re
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import jupytext
import nbformat

try:
    import tomllib
except ModuleNotFoundError:  # CPython 3.10, for which jupytext installs it
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
ID = re.compile(r"cell-[0-9a-f]+")  # of the cells that come from a script
SOURCE = re.compile(r'^SOURCE = ".*?"', re.MULTILINE)
TITLE = re.compile(r"^# # .*\n#\n", re.MULTILINE)
BADGE = re.compile(r"^# \[!\[Colab\]\(.*\n#\n", re.MULTILINE)
COLAB = "https://colab.research.google.com"


def generate(script):
    """Returns the text of the notebook that belongs to a script."""
    notebook = jupytext.read(script, config=jupytext.config.load_jupytext_config(str(HERE)))
    times = Counter()
    for cell in notebook.cells:
        times[cell.source] += 1  # equal cells need ids of their own
        cell.id = f"cell-{zlib.crc32(f'{times[cell.source]} {cell.source}'.encode()):08x}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.writes(notebook) + "\n"


def is_ahead(script):
    """Returns whether the notebook of a script was edited after it, and run or given cells of its own, which would be lost.

    JupyterLab with Jupytext, which `make setup` installs, writes both at once; other editors only the notebook. Without either
    sign, a notebook that differs is one that Git has written, or an earlier script.
    """
    target = script.with_suffix(".ipynb")
    try:
        notebook = nbformat.read(target, 4)
    except (OSError, ValueError):  # there is none, or it is damaged
        return False
    own = any(not ID.fullmatch(cell.get("id", "cell-0")) for cell in notebook.cells)
    ran = any(cell.get("execution_count") or cell.get("outputs") for cell in notebook.cells)
    if not (own or ran) or target.stat().st_mtime < script.stat().st_mtime:
        return False
    return [cell.source for cell in notebook.cells] != [cell.source for cell in nbformat.reads(generate(script), 4).cells]


def web_address(remote):
    """Returns the https address of a Git remote, without credentials; an empty string where it is none on the web."""
    short = re.fullmatch(r"(?:[^@/:]+@)?([^@/:]+):([^/].*)", remote)  # git@github.com:owner/name.git
    scheme, _, rest = f"ssh://{short[1]}/{short[2]}".partition("://") if short else remote.partition("://")
    host, _, path = rest.rpartition("@")[2].partition("/")
    if scheme in ("ssh", "git"):  # their ports are not https's
        host = host.partition(":")[0]
    path = path.rstrip("/").removesuffix(".git")
    known = scheme.removeprefix("git+") in ("https", "http", "ssh", "git")
    if not known or not re.fullmatch(r"([\w-]+\.)+[a-z]{2,}", host) or not re.fullmatch(r"[\w.~+/-]+", path):
        return ""
    return f"https://{host}/{path}"


def find_address(folder=HERE.parent):
    """Returns the repository's https address: its origin, else `[project.urls] Repository` in pyproject.toml, else nothing."""
    command = ["git", "-C", str(folder), "remote", "get-url", "origin"]
    try:
        origin = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:  # no Git
        origin = ""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return web_address(origin) or web_address(project.get("urls", {}).get("Repository", ""))


def stamp(text, name, address):
    """Returns the text of a script with an address in its set-up line and, where Colab can open it, a badge below the title.

    Args:
        text: of the script.
        name: of the notebook, without its suffix.
        address: URL of the repository, on GitHub for a badge; an empty string takes both away.
    """
    source = f"git+{address}" if address else ""
    text = SOURCE.sub(lambda _: f'SOURCE = "{source}"', BADGE.sub("", text), count=1)
    repository = address.removeprefix("https://github.com/")
    if repository == address:
        return text
    link = f"{COLAB}/github/{repository}/blob/main/notebooks/{name}.ipynb"
    badge = f"# [![Colab]({COLAB}/assets/colab-badge.svg)]({link})\n#\n"
    return TITLE.sub(lambda title: title[0] + badge, text, count=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--check", action="store_true", help="write nothing, fail if a notebook is not what its script gives")
    modes.add_argument("--stamp", action="store_true", help="first write the repository's address into the scripts")
    modes = parser.parse_args()
    scripts, stale = sorted(HERE.glob("[0-9]*.py")), []
    if ahead := [f"notebooks/{script.stem}.ipynb" for script in scripts if not modes.check and is_ahead(script)]:
        remedy = f"`.venv/bin/jupytext --sync {' '.join(ahead)}` takes their cells over; or delete what you do not want"
        print(f"Edited beside their scripts: {', '.join(ahead)}. {remedy}", file=sys.stderr)
        return 1
    if modes.stamp:
        found = find_address()
        print(f"Address: {found or 'none; name an origin on the web, or [project.urls] Repository in pyproject.toml'}")
        for script in scripts:
            script.write_text(stamp(script.read_text(encoding="utf-8"), script.stem, found), encoding="utf-8")
    for script in scripts:
        target, text = script.with_suffix(".ipynb"), generate(script)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(target.name)
            if not modes.check:
                target.write_text(text, encoding="utf-8")
    print(f"{'Stale' if modes.check else 'Written'}: {', '.join(stale) or 'none'}")
    return 1 if modes.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
