"""Fixtures: everything the tests make goes to temporary folders."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile

REPOSITORY = Path(__file__).resolve().parent.parent
SMALL = ["-p", "quick", "True", "-p", "tracks_per_genre", "6"]
OPTIONS = {  # beside SMALL
    "03_classifier.ipynb": ["-p", "systems", "latent_frozen,latent_linear"],
    "04_latent_space.ipynb": ["-p", "methods", "pca,kernel_pca_rbf,lda,tsne", "-p", "features", "latent,mfcc", "-p", "points", "test"],
}


def pytest_collection_modifyitems(items):
    """Puts the slowest files first, so that two workers end at about the same time."""
    items.sort(key=lambda item: not item.path.name.startswith("test_notebooks"))


@pytest.fixture(scope="session", autouse=True)
def temporary_cache(tmp_path_factory):
    """Keeps the tests away from the user's cache and runs; subprocesses inherit it."""
    folder = tmp_path_factory.mktemp("fmalib")
    os.environ["FMALIB_CACHE"] = str(folder / "cache")
    os.environ["FMALIB_RUNS"] = str(folder / "runs")
    return folder


@pytest.fixture(scope="session")
def synth_data():
    """The smallest synthetic corpus: 48 tracks."""
    from fmalib import datasets

    return datasets.load("synth", tracks_per_genre=6)


@pytest.fixture(scope="session")
def real_music():
    """A folder of real music in FMA's layout, from $FMALIB_REAL_MUSIC."""
    folder = os.environ.get("FMALIB_REAL_MUSIC")
    if not folder:
        pytest.skip("set FMALIB_REAL_MUSIC to a folder with fma_metadata/ and fma_small/ of real music")
    return Path(folder)


def tone(frequency, seconds=3.0, sample_rate=8000, seed=0):
    """Returns a noisy tone of shape `(samples,)`."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    noise = np.random.default_rng(seed).normal(0, 0.05, len(time))
    return (0.4 * np.sin(2 * np.pi * frequency * time) + noise).astype(np.float32)


@pytest.fixture
def genre_folder(tmp_path):
    """A folder of two genres, ten wav files of 3 s each at 8 kHz, artists named by tags."""
    for genre, pitch in (("High", 1500), ("Low", 200)):
        (tmp_path / "music" / genre).mkdir(parents=True)
        for number in range(10):
            path = tmp_path / "music" / genre / f"{number}.wav"
            with soundfile.SoundFile(path, "w", 8000, 1) as file:
                file.artist = f"{genre} artist {number // 2}"
                file.write(tone(pitch + 10 * number, seed=number))
    return tmp_path / "music"


def papermill(name, out, *options, cwd=REPOSITORY):
    """Runs a notebook; returns (exit status, what it printed, outputs as text)."""
    out.mkdir(parents=True, exist_ok=True)
    source = os.path.relpath(REPOSITORY / "notebooks" / name, cwd)
    command = [sys.executable, "-m", "papermill", source, str(out / name), "-p", "out_dir", str(out), *options]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout + done.stderr, text_of(out / name)


def text_of(path):
    """Returns everything that an executed notebook printed."""
    if not path.exists():
        return ""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """Returns a function that executes a notebook small, once, and returns its output folder."""
    done = {}

    def execute(name):
        if name not in done:
            out = tmp_path_factory.mktemp("notebooks") / Path(name).stem
            status, log, _ = papermill(name, out, *SMALL, *OPTIONS.get(name, []))
            assert status == 0, log[-3000:]
            done[name] = out
        return done[name]

    return execute


def check_executed(executed, name):
    """Executes a notebook and looks at what every one must leave."""
    out = executed(name)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["dataset"] == "synth" and "nothing else" in metrics["note"]
    assert len(list((out / "figures").glob("*.png"))) >= 3
    assert list((out / "audio").glob("*.wav"))
    cells = nbformat.read(out / name, 4).cells
    assert not [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert "WARNING" not in text_of(out / name)
    assert "nothing else" in cells[-1].outputs[0].text
