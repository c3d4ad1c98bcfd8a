"""Colab rehearsed: `make test-colab`; with `FULL=1` at the default parameters instead of the quick ones.

Each of two published states of Colab becomes a fresh virtual environment with the packages of `.ci/colab.txt`. A notebook is
laid into an empty folder, alone. Its own set-up line installs the library, from a Git repository on this machine, and it runs
to its end. Then all packages of that environment have their versions still; what was added is removed for the next notebook.
A CPython that is not on the machine is replaced by the one that runs the tests, with a warning.

What the rehearsal cannot show: `google.colab` is an empty module here, so nothing tries Colab's shell, its `%pip`, the mounting
of Drive, or the frames that show players and maps. Several hundred packages that nothing here imports are missing; pip may
complain of them. Some versions are of January 2026, and Colab may have left them behind. Nothing tries GitHub, the badge, an
upload by the browser, system libraries, a GPU, or limits of memory and time. Where another CPython stands in, nothing shows
what depends on CPython's version.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import nbformat
import pair
import pytest
from helpers import OPTIONS, REPOSITORY, SMALL
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# A version of CPython, the package that .ci/colab.txt leaves open, and where a copy of the repository is uploaded to.
STATES = {"2026-08": ("3.13", "numpy==2.1.3", "fmalib"), "2026-07": ("3.12", "numpy==2.0.2", "drive/MyDrive/my copy")}
NOTEBOOKS = sorted(path.stem for path in (REPOSITORY / "notebooks").glob("[0-9]*.py"))
FULL = bool(os.environ.get("FMALIB_COLAB_FULL"))
SECONDS = 3600 if FULL else 600
KERNEL = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]

pytestmark = [pytest.mark.colab, pytest.mark.timeout(2 * SECONDS)]


class Colab(NamedTuple):
    """An environment with Colab's packages.

    Attributes:
        python: path of its interpreter.
        packages: versions of its packages before anything is installed, a dict by name.
        folder: where its kernel is described.
        place: where a copy of the repository is uploaded to, below the notebook's folder.
    """

    python: Path
    packages: dict
    folder: Path
    place: str

    def pip(self, *arguments):
        """Runs pip; returns what it prints. A failure says why in a few lines: pip's warnings would fill a report."""
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = [line[:200] for line in (done.stdout + done.stderr).splitlines() if line and not line.startswith("WARNING")]
            free = shutil.disk_usage(self.folder).free / 1e9
            pytest.fail(f"pip {arguments[0]} failed with {free:.1f} GB of disk free: " + "\n".join(lines[-10:]), pytrace=False)
        return done.stdout

    def versions(self):
        """Returns the versions of the packages, a dict by name."""
        return {package["name"]: package["version"] for package in json.loads(self.pip("list", "--format", "json"))}


def interpreter_of(version):
    """Returns the path of a CPython that runs, or None; the command that pyenv puts on the path may only complain."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for path in (shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python{version}"))):
        if path and not subprocess.run([path, "-c", "import ensurepip, venv"], capture_output=True).returncode:
            return path
    return None


@pytest.fixture(scope="module", params=[pytest.param(state, marks=pytest.mark.xdist_group(state)) for state in STATES])
def environment(request):
    """A state of Colab, made from nothing."""
    version, numpy, place = STATES[request.param]
    interpreter = interpreter_of(version)
    if not interpreter:
        ours = "{}.{}".format(*sys.version_info)
        warnings.warn(f"No CPython {version} on this machine: Colab of {request.param} is rehearsed with {ours}", stacklevel=1)
    with tempfile.TemporaryDirectory(prefix="colab") as folder:
        folder = Path(folder)
        subprocess.run([interpreter or sys.executable, "-m", "venv", folder / "venv"], check=True)
        made = Colab(folder / "venv" / "bin" / "python", {}, folder, place)
        made.pip("install", "--quiet", "--requirement", str(REPOSITORY / ".ci" / "colab.txt"), numpy)
        (site,) = (folder / "venv").glob("lib/python3.*/site-packages")
        (site / "google" / "colab").mkdir(parents=True)
        (site / "google" / "colab" / "__init__.py").touch()
        startup = folder / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "colab.py").write_text("import google.colab\n")
        kernel = {"argv": [str(made.python), *KERNEL], "display_name": "Colab", "language": "python"}
        (folder / "kernels" / "colab").mkdir(parents=True)
        (folder / "kernels" / "colab" / "kernel.json").write_text(json.dumps(kernel))
        yield made._replace(packages=made.versions())


@pytest.fixture
def colab(environment, monkeypatch):
    """A state of Colab, without what an earlier notebook has installed, and kernels that take nothing from this process."""
    for name in ("FMALIB_CACHE", "FMALIB_RUNS", "PYTHONPATH", "MPLBACKEND", "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_PATH", str(environment.folder))
    monkeypatch.setenv("IPYTHONDIR", str(environment.folder / "ipython"))
    yield environment
    if added := environment.versions().keys() - environment.packages.keys():
        environment.pip("uninstall", "--quiet", "--yes", *added)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The files of this checkout, as a Git repository of one commit."""
    folder = tmp_path_factory.mktemp("git") / "fmalib"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / name)
    author = ["-c", "user.name=Colab", "-c", "user.email=colab@localhost"]
    for command in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--message", "Rehearsal"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def execute(name, address, folder, parameters):
    """Executes a notebook with an address stamped into it, in a folder that becomes the current one; returns the notebook."""
    folder.mkdir(exist_ok=True)
    script = folder.parent / f"{name}.py"
    script.write_text(pair.stamp((REPOSITORY / "notebooks" / script.name).read_text(encoding="utf-8"), name, address))
    notebook = nbformat.reads(pair.generate(script), 4)
    if parameters:  # as papermill does it
        (place,) = (number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
        lines = [f"{name} = {value!r}" for name, value in parameters.items()]
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(["# Parameters", *lines])))
    nbformat.write(notebook, folder / f"{name}.ipynb")
    NotebookClient(notebook, timeout=SECONDS, kernel_name="colab", resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def quick(name):
    """Returns the quick parameters of a notebook, a dict."""
    options = [*SMALL, *OPTIONS.get(f"{name}.ipynb", [])]
    return dict(zip(options[1::3], options[2::3]))


def check(colab, folder, name, notebook):
    """Looks at what a notebook leaves, and that no package of Colab has another version."""
    metrics = json.loads((folder / "outputs" / name / "metrics.json").read_text())
    assert metrics["dataset"] == "synth"
    assert not [output for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    after = colab.versions()
    assert {name: after.get(name) for name in colab.packages} == colab.packages
    assert {"fmalib", "lameenc", "papermill"} <= after.keys() - colab.packages.keys()
    assert "No broken requirements" in colab.pip("check")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_alone_runs_to_its_end(colab, repository, tmp_path, name):
    content = tmp_path / "content"
    notebook = execute(name, repository.as_uri(), content, {} if FULL else quick(name))
    check(colab, content, name, notebook)


def test_without_an_address_an_uploaded_folder_is_found(colab, repository, tmp_path):
    content = tmp_path / "content"
    shutil.copytree(repository, content / colab.place, ignore=shutil.ignore_patterns(".git"))
    check(colab, content, "01_data", execute("01_data", "", content, quick("01_data")))


@pytest.mark.parametrize(
    "address, advice",
    [("", "upload the repository's folder to /content"), ("file:///nowhere/fmalib", "the error of pip stands above")],
)
def test_where_nothing_can_be_installed_the_set_up_says_what_to_do(colab, tmp_path, address, advice):
    with pytest.raises(CellExecutionError, match=f"fmalib is not installed: {advice}"):
        execute("01_data", address, tmp_path / "content", {})
    assert colab.versions() == colab.packages
