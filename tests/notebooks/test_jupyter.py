"""A session in JupyterLab: a notebook is opened, edited, run and saved; then Git sees the edited cell and nothing else."""

import shutil
import subprocess
import sys

import jupytext.cli
import nbformat
import pytest
from helpers import REPOSITORY

NAME = "01_data"
NEW = "1 + 1  # a cell of one's own"


def git(folder, *words):
    """Returns what Git prints."""
    identity = ["-c", "user.name=A Reader", "-c", "user.email=reader@example.org"]
    return subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def changed(folder):
    """Returns the lines that Git sees changed by file, a dict of lists such as `["-old", "+new"]`."""
    files = (
        git(folder, "diff", "--name-only").splitlines() + git(folder, "ls-files", "--others", "--exclude-standard").splitlines()
    )
    return {
        name: [line for line in git(folder, "diff", "--unified=0", "--", name).splitlines()[4:] if not line.startswith("@@")]
        for name in files
    }


def hook(folder, *options):
    """Runs the command of the first hook of `.pre-commit-config.yaml`; returns the finished process."""
    return subprocess.run([sys.executable, "notebooks/pair.py", *options], cwd=folder, capture_output=True, text=True)


def by_jupytext(path, notebook):
    """Saves as an editor without Jupytext and then `jupytext --sync` do."""
    nbformat.write(notebook, path)
    jupytext.cli.jupytext(["--quiet", "--sync", str(path)])


def by_jupyterlab(path, notebook):
    """Opens and saves as the server of JupyterLab does, with Jupytext beside it."""
    pytest.importorskip("jupyter_server", reason="needs JupyterLab: pip install jupyterlab")
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)(root_dir=str(path.parents[1]))
    model = manager.get(f"notebooks/{path.name}")
    manager.save(model | {"content": notebook}, f"notebooks/{path.name}")


@pytest.fixture
def repository(tmp_path):
    """A repository with a notebook, its script and what pairs them."""
    (tmp_path / "notebooks").mkdir()
    for name in (f"{NAME}.py", f"{NAME}.ipynb", "pair.py", "jupytext.toml"):
        shutil.copy(REPOSITORY / "notebooks" / name, tmp_path / "notebooks")
    shutil.copy(REPOSITORY / ".gitignore", tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "All")
    return tmp_path


def session(path):
    """Returns the notebook after a session: all cells were run by another kernel, and a cell was added below the imports."""
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(4, nbformat.v4.new_code_cell(NEW))
    notebook.metadata["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    notebook.metadata["language_info"] |= {"version": "3.12.1", "file_extension": ".py"}
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            cell.execution_count, cell.metadata["scrolled"] = number, True
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen\n")]
    return notebook


@pytest.mark.parametrize("save", [by_jupytext, by_jupyterlab])
def test_only_what_was_edited_changes(repository, save):
    path = repository / "notebooks" / f"{NAME}.ipynb"
    save(path, session(path))
    assert "seen" in path.read_text(encoding="utf-8")  # the reader keeps the outputs until the commit
    assert changed(repository)[f"notebooks/{NAME}.py"] == ["+# %%", f"+{NEW}", "+"]
    assert hook(repository).returncode == 0
    found = changed(repository)
    assert set(found) == {f"notebooks/{NAME}.ipynb", f"notebooks/{NAME}.py"}
    lines = found[f"notebooks/{NAME}.ipynb"]
    assert f'+    "{NEW}"' in lines and all(line.startswith("+") and "seen" not in line for line in lines)
    assert len(lines) == 10


@pytest.mark.parametrize("save", [by_jupytext, by_jupyterlab])
def test_running_alone_changes_nothing(repository, save):
    path = repository / "notebooks" / f"{NAME}.ipynb"
    notebook = session(path)
    notebook.cells.pop(4)
    save(path, notebook)
    assert set(changed(repository)) == {f"notebooks/{NAME}.ipynb"}
    assert hook(repository).returncode == 0 and changed(repository) == {}


@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize("stamp", [[], ["--stamp"]])
def test_cells_that_only_the_notebook_has_are_not_lost(repository, stamp, run):
    path = repository / "notebooks" / f"{NAME}.ipynb"
    notebook = session(path)
    for cell in notebook.cells:
        if cell.cell_type == "code" and not run:
            cell.execution_count, cell.outputs = None, []
    nbformat.write(notebook, path)  # by an editor that knows nothing of scripts
    done = hook(repository, *stamp)
    assert done.returncode == 1 and NEW in path.read_text(encoding="utf-8")
    assert f"`.venv/bin/jupytext --sync notebooks/{NAME}.ipynb` takes their cells over" in done.stderr
    jupytext.cli.jupytext(["--quiet", "--sync", str(path)])
    assert hook(repository).returncode == 0 and changed(repository)[f"notebooks/{NAME}.py"] == ["+# %%", f"+{NEW}", "+"]
