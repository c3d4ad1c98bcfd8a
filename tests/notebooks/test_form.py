"""The form of all notebooks: pairs in sync, first cells in order, short cells, something to try."""

import ast
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from click.testing import CliRunner
from helpers import REPOSITORY
from papermill.cli import papermill as papermill_command

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))
NAMES = {"01_data", "02_autoencoder", "03_classifier", "04_latent_space", "05_compression", "06_clusters", "07_codec"}
COMMON = {"dataset", "data_dir", "out_dir", "seed", "quick"}
SEPARATOR = "# less often changed"
MOST_LINES, USUAL_LINES, MOST_LONG_CELLS = 25, 14, 4  # the parameters and the imports are long in some notebooks

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path, kind=None):
    return [cell for cell in nbformat.read(path, 4).cells if kind in (None, cell.cell_type)]


def check(folder):
    """Returns the finished process of `pair.py --check` in a folder of notebooks."""
    return subprocess.run([sys.executable, str(folder / "pair.py"), "--check"], capture_output=True, text=True)


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} >= NAMES


def test_pairs_are_in_sync_and_free_of_outputs():
    done = check(REPOSITORY / "notebooks")
    assert done.returncode == 0, done.stdout
    for path in NOTEBOOKS:
        for cell in cells_of(path):
            assert not cell.get("outputs") and cell.get("execution_count") is None


def test_the_check_sees_a_difference(tmp_path):
    shutil.copytree(REPOSITORY / "notebooks", tmp_path / "notebooks")
    notebook = tmp_path / "notebooks" / "01_data.ipynb"
    notebook.write_text(notebook.read_text().replace("What is in the data set", "What is this"))
    done = check(tmp_path / "notebooks")
    assert done.returncode == 1 and "01_data.ipynb" in done.stdout


@each_notebook
def test_the_first_cells_are_in_order(path):
    title, colab, parameters, imports = cells_of(path)[:4]
    code = [cell.source for cell in cells_of(path, "code")]
    assert title.source.startswith("# ") and title.source.count("\n- ") == 3
    assert "Colab" in title.source and "-p " in title.source
    assert "google.colab" in colab.source
    assert parameters.metadata.tags == ["parameters"]
    assert imports.source.startswith("from fmalib import notebook")
    starts = [number for number, source in enumerate(code) if "notebook.start(" in source]
    assert starts in ([2], [3])  # with the imports, or right after them


def test_without_fmalib_the_set_up_is_one_line(tmp_path):
    (set_up,) = {cells_of(path, "code")[0].source for path in NOTEBOOKS}
    (tmp_path / "fmalib" / "notebooks").mkdir(parents=True)  # a checkout below the current folder is no installation
    command = [sys.executable, "-S", "-c", set_up]  # without installed packages
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for folder in (tmp_path, tmp_path / "fmalib" / "notebooks"):
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
        (line,) = done.stderr.splitlines()
        assert re.match(r"fmalib is not installed: pip install \S+ \(in a checkout: make setup, then use \.venv\)$", line)
        assert done.returncode == 1 and not done.stdout
    done = subprocess.run([sys.executable, "-c", set_up], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_papermill_prints_no_warning(tmp_path):
    """Needs the ipykernel of requirements.txt: `make setup`."""
    notebook = nbformat.v4.new_notebook(metadata=nbformat.read(NOTEBOOKS[0], 4).metadata)
    notebook.cells = [nbformat.v4.new_code_cell("1 + 1")]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "in.ipynb", "out.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and not done.stdout
    # papermill interrupts the kernel when it stops it, which the kernel of a busy machine reports.
    before = re.split(r"(?:\[IPKernelApp\] )?ERROR", done.stderr)[0]
    assert [line.split(":")[0] for line in before.splitlines()] == [
        "Input Notebook",
        "Output Notebook",
        "Executing notebook with kernel",
    ]


@each_notebook
def test_every_parameter_has_a_comment(path):
    lines = cells_of(path)[2].source.splitlines()
    assert SEPARATOR in lines and 4 <= lines.index(SEPARATOR) <= 10
    names = set()
    for line in lines:
        if line.startswith("#"):
            continue
        code, comment = line.split("  # ")
        assert comment and "=" not in comment
        names.add(code.partition(":")[0])
    assert names >= COMMON


@each_notebook
def test_cells_are_short(path):
    lengths = [len(cell.source.splitlines()) for cell in cells_of(path, "code")]
    assert max(lengths) <= MOST_LINES
    assert sum(length > USUAL_LINES for length in lengths) <= MOST_LONG_CELLS


@each_notebook
def test_there_is_something_to_try(path):
    assert "\n".join(cell.source for cell in cells_of(path, "markdown")).count("*Try this") >= 3


@pytest.mark.parametrize("name, least", [("02_autoencoder", 5), ("03_classifier", 8)])
def test_the_networks_are_in_the_notebook(name, least):
    assert (REPOSITORY / "notebooks" / f"{name}.py").read_text(encoding="utf-8").count("layers.") >= least


@each_notebook
def test_papermill_prints_every_parameter_with_its_type_and_help(path):
    done = CliRunner().invoke(papermill_command, ["--help-notebook", str(path)])
    assert done.exit_code == 0
    printed = " ".join(done.output.split(f"Parameters inferred for notebook '{path}':\n")[1].split())
    for line in cells_of(path)[2].source.splitlines():
        if not line.startswith("#"):
            name, kind, default, about = re.fullmatch(r"(\w+): (\w+) = (.*)  # (.*)", line).groups()
            assert type(ast.literal_eval(default)).__name__ == kind
            assert f"{name}: {kind} (default {default}) {about}" in printed
    assert "Unknown" not in printed
