"""Where files go: the project root, the cache directory, the runs; standard error silenced."""

import contextlib
import os
import sys
from pathlib import Path


def project_root():
    """Returns the folder that relative paths mean: the checkout the current folder lies in, else the current folder.

    So a notebook does the same whether it runs from the repository root or from `notebooks/`.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "fmalib" / "__init__.py").is_file() and (folder / "pyproject.toml").is_file():
            return folder
    return here


def resolve(path):
    """Returns `path` as an absolute `Path`: `~` expanded, relative paths taken from `project_root()`."""
    path = Path(path).expanduser()
    return Path(os.path.abspath(path if path.is_absolute() else project_root() / path))


def printable(name):
    """Returns a file's name as text that can be encoded: bytes that are not UTF-8 become backslash escapes."""
    return os.fspath(name).encode("utf-8", "backslashreplace").decode("utf-8")


def cache_dir():
    """Returns where decoded audio, features and synthetic music are kept.

    `$FMALIB_CACHE` where it is set, else `outputs/cache` under `project_root()`.
    """
    return resolve(os.environ.get("FMALIB_CACHE") or "outputs/cache")


def runs_dir():
    """Returns where trained models are kept and found again: `$FMALIB_RUNS`, else `outputs/runs`."""
    return resolve(os.environ.get("FMALIB_RUNS") or "outputs/runs")


@contextlib.contextmanager
def quiet_stderr():
    """Silences what C libraries print to the process's standard error meanwhile.

    mpg123 prints a line for every bad MP3 frame: which clips were bad is reported once, by name, instead. TensorFlow
    announces twice, whatever its log level, that there is no GPU.
    """
    if sys.stderr:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # no standard error at all, as under pythonw
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
