"""Where files go: the project root, the cache directory; writing without half-written files; tables computed once."""

import contextlib
import json
import os
import secrets
import sys
import time
from pathlib import Path

import numpy as np


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
def atomic(path):
    """Yields a temporary path beside `path`, which takes its final name only if the block succeeds.

    The name's ending is kept, since soundfile, Keras and others read the format from it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process's number: two containers on one volume have the same ones.
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path, value):
    """Writes `value` as indented JSON, atomically; NaN and infinity are refused, since JSON has none."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def computed_once(file, compute):
    """Returns the arrays of a `.npz` file, a dict; where there is none, calls `compute()` for them and writes it first.

    Args:
        file: its name must tell the content from any other.
        compute: function that returns a dict of arrays. `seconds`, the time it took, is kept beside them.
    """
    if not file.exists():
        started = time.perf_counter()
        arrays = compute()
        with atomic(file) as temporary:
            np.savez(temporary, **arrays, seconds=time.perf_counter() - started)
    with np.load(file, allow_pickle=False) as kept:
        return dict(kept)


@contextlib.contextmanager
def quiet_stderr():
    """Silences what C libraries print to the process's standard error meanwhile.

    mpg123 prints a line for every bad MP3 frame: which clips were bad is reported once, by name, instead. TensorFlow
    announces twice, whatever its log level, that there is no GPU.
    """
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
