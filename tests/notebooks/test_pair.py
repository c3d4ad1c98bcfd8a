"""The repository's address: where it comes from, where it is written, and what the set-up cell does with it in Colab."""

import shutil
import subprocess
import sys

import pair
import pytest
from helpers import REPOSITORY

SCRIPTS = sorted((REPOSITORY / "notebooks").glob("[0-9]*.py"))
GITHUB = "https://github.com/owner/name"
# Stands in for the modules and the function that Colab has; the function prints the line of pip instead of executing it.
COLAB = """
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
magic = lambda name, line: print(name, line)
get_ipython = lambda: types.SimpleNamespace(run_line_magic=magic)
"""


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def set_up(script, address=""):
    """Returns the code of the set-up cell of a script with an address stamped into it."""
    return pair.stamp(script.read_text(encoding="utf-8"), script.stem, address).split("# %%")[2]


@pytest.fixture
def checkout(tmp_path):
    """A repository with pyproject.toml and the notebooks."""
    shutil.copytree(REPOSITORY / "notebooks", tmp_path / "checkout" / "notebooks")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path / "checkout")
    git(tmp_path / "checkout", "init")
    return tmp_path / "checkout"


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/owner/name",
        "https://github.com/owner/name.git/",
        "http://github.com/owner/name.git",
        "https://user:token@github.com/owner/name.git",
        "git@github.com:owner/name.git",
        "ssh://git@github.com:22/owner/name.git",
        "git+https://github.com/owner/name",
    ],
)
def test_an_address_on_the_web_becomes_https_without_credentials(remote):
    assert pair.web_address(remote) == GITHUB


@pytest.mark.parametrize(
    "remote",
    [
        "",
        "/srv/name.git",
        "../name",
        "C:/name",
        "C:\\name",
        "file:///srv/name",
        "https://localhost/name",
        "http://10.0.0.1/name",
    ]
    + ["server:owner/name", "https://git.org:8443/name", "https://git.org", 'https://git.org/na"me', "https://git.org/a b"],
)
def test_anything_else_is_no_address(remote):
    assert pair.web_address(remote) == ""


def test_the_origin_comes_before_the_setting(checkout):
    assert pair.find_address(checkout) == ""
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text() + '\n[project.urls]\nRepository = "https://gitlab.com/group/name"\n')
    assert pair.find_address(checkout) == "https://gitlab.com/group/name"
    git(checkout, "remote", "add", "origin", "/srv/name.git")
    assert pair.find_address(checkout) == "https://gitlab.com/group/name"
    git(checkout, "remote", "set-url", "origin", "git@github.com:owner/name.git")
    assert pair.find_address(checkout) == GITHUB


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_stamp_adds_a_badge_and_a_source_and_can_be_taken_away(script):
    bare = pair.stamp(script.read_text(encoding="utf-8"), script.stem, "")
    stamped = pair.stamp(bare, script.stem, GITHUB)
    added = [line for line in stamped.splitlines() if line not in bare.splitlines()]
    link = f"https://colab.research.google.com/github/owner/name/blob/main/notebooks/{script.stem}.ipynb"
    assert len(added) == 2 and added[0].startswith("# [![Colab](https://") and added[0].endswith(f"({link})")
    assert added[1].startswith(f'SOURCE = "git+{GITHUB}"')
    assert pair.stamp(stamped, script.stem, GITHUB) == stamped
    assert pair.stamp(stamped, script.stem, "") == bare
    elsewhere = pair.stamp(stamped, script.stem, "https://gitlab.com/group/name")
    assert "colab-badge" not in elsewhere and 'SOURCE = "git+https://gitlab.com/group/name"' in elsewhere


def test_only_a_stamp_looks_at_the_origin(checkout, tmp_path):
    def run(*options):
        command = [sys.executable, str(checkout / "notebooks" / "pair.py"), *options]
        return subprocess.run(command, capture_output=True, text=True)

    git(checkout, "remote", "add", "origin", f"{GITHUB}.git")
    assert f"Address: {GITHUB}" in run("--stamp").stdout
    script, notebook = (checkout / "notebooks" / name for name in ("01_data.py", "01_data.ipynb"))
    written = script.read_text()
    assert f'SOURCE = "git+{GITHUB}"' in written and f"git+{GITHUB}" in notebook.read_text()
    git(checkout, "remote", "set-url", "origin", str(tmp_path))  # as in a clone that CI makes
    assert run("--check").returncode == 0 and run().returncode == 0
    assert script.read_text() == written
    assert "Address: none" in run("--stamp").stdout and 'SOURCE = ""' in script.read_text()
    assert run("--check").returncode == 0


@pytest.mark.parametrize(
    "address, folder, installed",
    [
        (GITHUB, None, f"'git+{GITHUB}'"),
        (GITHUB, "fmalib", "'{here}/fmalib'"),
        ("", "fmalib-main", "'{here}/fmalib-main'"),
        ("", "drive/MyDrive/my copy", "'{here}/drive/MyDrive/my copy'"),
    ],
)
def test_in_colab_an_uploaded_copy_comes_before_the_address(tmp_path, address, folder, installed):
    if folder:
        (tmp_path / folder / "fmalib").mkdir(parents=True)
        (tmp_path / folder / "fmalib" / "paths.py").touch()
    command = [sys.executable, "-S", "-c", COLAB + set_up(SCRIPTS[0], address)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={})
    assert done.stdout == f"pip install -q {installed.format(here=tmp_path)}\n"
    source = installed.format(here=tmp_path).strip("'")
    reason = "the error of pip stands above; if it is the network, run this cell again"
    assert done.stderr == f"fmalib is not installed: {reason}. Received: {source}\n" and done.returncode == 1


def test_in_colab_without_address_and_copy_the_line_says_what_to_do(tmp_path):
    command = [sys.executable, "-S", "-c", COLAB + set_up(SCRIPTS[0])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={})
    assert done.stderr.startswith("fmalib is not installed: upload the repository's folder to /content, or to Drive")
    assert len(done.stderr.splitlines()) == 1 and done.returncode == 1 and not done.stdout


def test_in_colab_an_installed_fmalib_passes():
    command = [sys.executable, "-c", COLAB + set_up(SCRIPTS[0], GITHUB)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("pip install -q ")
