"""Fixtures: everything the tests make goes to temporary folders."""

import os
from pathlib import Path

import pytest
import soundfile
from helpers import OPTIONS, SMALL, ended_well, tone


def pytest_collection_modifyitems(items):
    """Puts the slowest files first, so that two workers end at about the same time."""
    items.sort(key=lambda item: item.path.parent.name != "notebooks")


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
    from fmalib.data import datasets

    return datasets.load("synth", tracks_per_genre=6)


@pytest.fixture(scope="session")
def real_music():
    """A folder of real music in FMA's layout, from $FMALIB_REAL_MUSIC."""
    folder = os.environ.get("FMALIB_REAL_MUSIC")
    if not folder:
        pytest.skip("set FMALIB_REAL_MUSIC to a folder with fma_metadata/ and fma_small/ of real music")
    return Path(folder)


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


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """Returns a function that executes a notebook small, once, and returns its output folder."""
    done = {}

    def execute(name):
        if name not in done:
            out = tmp_path_factory.mktemp("notebooks") / Path(name).stem
            ended_well(name, out, *SMALL, *OPTIONS.get(name, []))
            done[name] = out
        return done[name]

    return execute
