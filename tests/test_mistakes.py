"""The ten most likely mistakes of a newcomer: each is answered by one message that says what to do, without a traceback.

| mistake | what one does | what is said |
| --- | --- | --- |
| wrong Python | `make` with CPython 3.9, or with a name that is none | the versions; `make PYTHON=python3.12` |
| no space | `fmalib download`, or a cache fills the disk | what is needed, the disk and its free bytes; another disk |
| no network | `make setup`, `fmalib download` | to look at the network; what has come is kept |
| wrong folder | `fmalib report` outside a checkout; a folder of music that is not there, or too deep | what to name |
| mistyped parameter | `-p quik true`, `make report datset=x`, `fmalib reprot` | the known names |
| missing FMA | `dataset = "fma_small"` without its files | the command that downloads it, with its size |
| half-downloaded FMA | the same after a stopped download, or with clips missing | that command, which goes on |
| corrupt clip | `fmalib encode`, or a data set with it | its name; the others go on |
| no GPU | a notebook in Colab without one, or TensorFlow without CUDA | how to get it; nothing needs one |
| interrupted run | Ctrl-C in `fmalib report` | the same command goes on |
"""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple

import nbformat
import pytest
import tensorflow as tf
from data.conftest import fma_folder, write_fma  # noqa: F401  (fixtures)
from helpers import REPOSITORY
from IPython.core.interactiveshell import InteractiveShell

from fmalib import __main__ as command
from fmalib import files, notebook
from fmalib.data import audio_cache, datasets, transfer

PARAMETERS = 'dataset: str = "synth"\ndata_dir: str = ""\nout_dir = "out"\nseed = 0\nquick = False'
# A shell in the background ignores Ctrl-C, and what it starts as well.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from fmalib.__main__ import main
sys.exit(main())
"""
DOWNLOAD = "Run `python -m fmalib download fma_small --data-dir"


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """A function of arguments of `fmalib` in an empty folder; returns (status, the one line on standard error)."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")

    def run(*arguments):
        status = command.main(list(map(str, arguments)))
        (line,) = capsys.readouterr().err.splitlines()
        return status, line.removeprefix("error: ")

    return run


@pytest.fixture
def in_notebook(tmp_path, monkeypatch, capsys):
    """A function of lines that papermill injects; returns what the cell with `notebook.start` prints."""
    monkeypatch.chdir(tmp_path)

    def run(*injected):
        shell = InteractiveShell(user_ns={"notebook": notebook})
        cells = [PARAMETERS, "\n".join(["# Parameters", *injected]), "notebook.start(get_ipython())"]
        ended = [shell.run_cell(cell, store_history=True).success for cell in cells]
        assert ended[:2] == [True, True]
        return capsys.readouterr().out.strip().splitlines()

    return run


def make(folder, *arguments, **environment):
    """Runs `make` in a copy of what it needs; returns (status, lines, without those by which make ends)."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder)
    command = ["make", "--no-print-directory", *arguments]
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}  # `make test`
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=outer | environment, timeout=60)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make: ***")]
    assert "Traceback" not in done.stderr
    return done.returncode, lines


def test_the_table_has_ten_rows_and_each_is_tested():
    mistakes = re.findall(r"^\| (\w.*?) \|", __doc__, re.MULTILINE)[1:]
    assert len(mistakes) == 10
    for mistake in mistakes:
        name = f"test_{re.sub(r'[ -]', '_', mistake.lower())}"
        assert any(each.startswith(name) for each in globals()), name


@pytest.mark.parametrize("name", ["python3.9", "python-is-nowhere"])
def test_wrong_python(tmp_path, name):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *%d.%d*) echo 3.9 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    status, lines = make(tmp_path, "report", f"PYTHON={name}", PATH=f"{tmp_path}:{os.environ['PATH']}")
    version = "3.9" if name == "python3.9" else ""
    remedy = "fmalib needs CPython 3.10 to 3.13; name one: make PYTHON=python3.12."
    assert (status, lines) == (2, [f"{remedy} Received: {name} {version}"])


def test_no_space_for_a_download(said, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(1 << 30))
    status, line = said("download", "fma_small", "--data-dir", tmp_path)
    assert status == 1
    assert re.search(
        r"fma_small with its metadata takes 1\d GiB, the disk mounted at /\S* has 1\.0 GiB; free some, or name a", line
    )


def test_no_space_for_a_cache(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"the disk mounted at \S+ has .*; free some, or name a folder on another disk") as error:
        files.write_json(tmp_path / "cache.json", {})
    assert error.value.filename == str(tmp_path / "cache.json")


def test_no_network_for_a_download(said, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(1 << 40))
    monkeypatch.setattr(transfer, "WAIT", 0.0)
    status, line = said("download", "fma_small", "--data-dir", tmp_path, "--from", "http://127.0.0.1:9")
    assert status == 1
    assert "fma_metadata.zip cannot be fetched" in line and line.endswith("what has come is kept, and the next call goes on")


def test_no_network_for_packages(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\ncase "$*" in *install*) echo "ERROR: of pip" >&2; exit 1 ;; *%d.%d*) echo 3.12 ;; esac\n')
    python.chmod(0o755)
    shutil.copy(python, tmp_path / ".venv" / "bin" / "python")
    status, lines = make(tmp_path, "setup", f"PYTHON={python}")
    assert status == 2 and "ERROR: of pip" in lines
    assert "Packages are missing: look at pip's error, at the network and at the disk; the same command goes on" in lines


def test_wrong_folder_of_notebooks(said):
    status, line = said("report")
    assert status == 2 and "run the command in a checkout, or name their folder by --notebooks" in line


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("my_musci", "is neither a folder nor a data set known by name (synth, fma_small"),
        ("fma_smal", "Did you mean 'fma_small'? Received: dataset='fma_smal'"),
        ("data/fma_small", "is an FMA download: use dataset='fma_small', data_dir="),
    ],
)
def test_wrong_folder_of_music(said, tmp_path, name, remedy):
    for folder in ("fma_small", "fma_metadata"):
        (tmp_path / "empty" / "data" / folder).mkdir(parents=True)
    status, line = said("report", "--notebooks", REPOSITORY / "notebooks", "-p", "dataset", name)
    assert status == 2 and remedy in line


def test_mistyped_parameter_of_the_report(said):
    status, line = said("report", "--notebooks", REPOSITORY / "notebooks", "-p", "quik", "true")
    assert status == 2 and re.match(r"No notebook has this parameter; there are .*\bquick\b.*\. Received: quik$", line)


def test_mistyped_parameter_of_a_notebook(in_notebook):
    known = "dataset, data_dir, out_dir, seed, quick"
    assert in_notebook("quik = True") == [f"ValueError: No such parameter; there are {known}. Received: quik"]


def test_mistyped_variable_of_make(tmp_path):
    for name in ("dataset", "datset"):
        status, (line,) = make(tmp_path, "--dry-run", "report", f"{name}=fma_small")
        assert status == 2
        assert re.search(rf"No such variable; there are .*\bDATASET\b.*\. Received: {name}\.", line)


def test_mistyped_variable_of_make_is_not_one_that_is_read():
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    own = set(re.findall(r"^([A-Z_]+) :=", text, re.MULTILINE))
    (known,) = re.findall(r"^KNOWN := (.*)", text, re.MULTILINE)
    assert set(re.findall(r"\$\(([A-Z_]+)\)", text)) - own == set(known.split())


def test_mistyped_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["reprot"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert "invalid choice: 'reprot' (choose from" in last and "report" in last


def test_missing_fma(said, in_notebook):
    status, line = said("report", "--notebooks", REPOSITORY / "notebooks", "-p", "dataset", "fma_small")
    remedy = f"fma_small needs data_dir, the folder of its files. {DOWNLOAD} data` (7.5 GiB to download), then set data_dir to"
    assert status == 2 and line.startswith(remedy)
    (line,) = in_notebook('dataset = "fma_small"')
    assert line.startswith(f"ValueError: {remedy}")


def test_half_downloaded_fma_archive(said, in_notebook, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fma_small.zip.part").touch()
    (line,) = in_notebook('dataset = "fma_small"', f"data_dir = {str(tmp_path / 'data')!r}")
    assert f"{DOWNLOAD} {tmp_path}/data` (7.5 GiB to download, which goes on where it stopped)." in line
    status, line = said("download", "fma_small", "--data-dir", tmp_path / "data", "--check")
    assert status == 1 and f"{DOWNLOAD} {tmp_path}/data`" in line


def test_half_downloaded_fma_without_clips(request, capsys):
    folder = request.getfixturevalue("fma_folder")
    (folder / "fma_small" / "000" / "000003.mp3").unlink()
    data = datasets.load("fma_small", folder)
    assert "1 tracks left out: 1 (file missing): fma_small/000/000003.mp3" in str(data)
    assert "1 clips of FMA are missing: python -m fmalib download puts them in." in data.caveat
    assert command.main(["download", "fma_small", "--data-dir", str(folder), "--check"]) == 1
    shown = capsys.readouterr().out
    assert "missing: fma_small/000/000003.mp3" in shown
    assert "the same command without --check fetches the whole archive (7.2 GiB) and puts in what is missing" in shown


def test_corrupt_clip_in_a_data_set(genre_folder):
    broken = genre_folder / "Low" / "3.wav"
    broken.write_bytes(broken.read_bytes()[:30])
    data = datasets.load(str(genre_folder))
    decoded = audio_cache.build(data, 8000, progress=False)
    assert len(decoded.tracks) == 19 and "1 tracks left out" in f"{data}\n{decoded}" and "Low/3.wav" in f"{data}\n{decoded}"


def test_corrupt_clip_on_the_command_line(said, tmp_path):
    (tmp_path / "broken.mp3").write_bytes(b"no sound")
    status, line = said("encode", tmp_path / "broken.mp3", "out.fma")
    assert status == 1 and line.startswith(f"{tmp_path}/broken.mp3: ") and not os.listdir()


def test_no_gpu(in_notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = in_notebook("quick = True")
    assert ", no GPU" in lines[0] and lines[1].startswith("Parameters: ")
    (tmp_path / "nvidia-smi").touch(0o755)
    assert "TensorFlow cannot use this machine's GPU: pip install 'tensorflow[and-cuda]'" in in_notebook("quick = True")[1]
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert "No GPU: everything runs without one" in in_notebook("quick = True")[1]


def test_interrupted_run(tmp_path):
    cells = [
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("import pathlib, time\npathlib.Path(out_dir, 'here').touch()\ntime.sleep(100)"),
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(metadata=spec, cells=cells), tmp_path / "01_long.ipynb")
    words = ["report", "--notebooks", str(tmp_path), "--out", str(tmp_path / "out")]
    started = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "out" / "01_long" / "here").exists():
        assert started.poll() is None, started.communicate()
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    shown, error = started.communicate(timeout=60)
    assert (started.returncode, shown, error) == (130, "", "stopped; the same command goes on\n")
