"""The rehearsal's data set has FMA's form; what a notebook costs is measured with all its processes."""

import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from benchmarks import rehearsal

from fmalib.data import audio_cache, datasets, fma_archives, fma_copy
from fmalib.data.synth_recipes import GENRES

CLIPS, ROWS = 80, 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set of 80 clips of two seconds, all synthetic."""
    with joblib.parallel_config(backend="threading"):
        return rehearsal.make(tmp_path_factory.mktemp("fma"), clips=CLIPS, rows=ROWS, seconds=2.0, show=False)


@pytest.fixture
def data(folder, tmp_path, monkeypatch):
    """The same, read by the library."""
    monkeypatch.setenv("FMALIB_CACHE", str(tmp_path / "cache"))
    return datasets.load("fma_small", folder)


def test_the_table_has_the_form_of_fma(folder):
    table = pd.read_csv(folder / "fma_metadata" / "tracks.csv", index_col=0, header=[0, 1])
    assert table.shape == (ROWS, 52) and table.index.name == "track_id" and table.index.is_monotonic_increasing
    assert table["set", "subset"].value_counts()["small"] == CLIPS
    small = table[table["set", "subset"] == "small"]
    assert set(small["track", "genre_top"].value_counts()) == {CLIPS // len(GENRES)}
    assert small["set", "split"].value_counts().to_dict() == {"training": 64, "validation": 8, "test": 8}
    assert small.groupby(("artist", "id"))[[("set", "split")]].nunique().max().item() == 1
    assert 2 in small.index and small.index.isin([*fma_archives.BAD_CLIPS, *fma_archives.QUIET_CLIPS]).sum() == 9


def test_full_size_has_the_counts_of_fma():
    table, work = rehearsal.plan(8000, rehearsal.ROWS, 0, {})
    assert len(table) == 106_574 and table["set", "subset"].value_counts().to_dict() == {
        "small": 8000,
        "medium": 17_000,
        "large": 81_574,
    }
    splits = table[table["set", "subset"] == "small"]["set", "split"].value_counts().to_dict()
    assert splits == {"training": 6400, "validation": 800, "test": 800}
    tracks = [track for artist in work for track in artist.tracks]
    assert len(tracks) == len(set(tracks)) == 8000 and 2000 < len(work) < 3000


def test_bad_clips_are_bad_in_their_known_ways(folder, data):
    assert len(data.tracks) == CLIPS - 6 and set(data.excluded.index) == set(fma_archives.BAD_CLIPS)
    check = fma_copy.check("fma_small", folder, progress=False)
    assert check.is_whole and len(check.known_bad) == 6 and len(check.quiet) == 3 and not check.superfluous
    bad = [rehearsal.clip(folder, track) for track in fma_archives.BAD_CLIPS]
    lengths = [audio_cache.shards.decode(path, 8000).size / 8000 for path in bad if path.stat().st_size > 20]
    assert sorted(lengths) == pytest.approx([0.5, 1.5, 1.6], abs=0.1) and len(bad) - len(lengths) == 3


def test_clips_differ_and_quiet_ones_are_near_silence(data):
    decoded = audio_cache.build(data, 8000, progress=False)
    assert len(decoded.tracks) == len(data.tracks) and not len(decoded.failed)
    assert decoded.tracks["total_squares"].nunique() == len(data.tracks)
    levels = 10 * np.log10(decoded.tracks["total_squares"] / decoded.tracks["samples"] + 1e-12)
    quiet = levels.index.isin(fma_archives.QUIET_CLIPS)
    assert levels[quiet].max() < -80 and levels[~quiet].min() > -60


def test_music_of_an_artist_is_in_one_split(tmp_path):
    for artist in range(10):
        for number in range(2):
            path = tmp_path / "classical" / f"artist {artist}" / f"{number}.mp3"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = rehearsal.sources(tmp_path, 0)
    assert {key: len(paths) for key, paths in found.items()} == {
        ("Instrumental", "training"): 16,
        ("Instrumental", "validation"): 2,
        ("Instrumental", "test"): 2,
    }
    artists = {split: {path.parent.name for path in paths} for (_, split), paths in found.items()}
    assert not artists["training"] & artists["test"] and not artists["training"] & artists["validation"]


def test_a_stopped_make_goes_on(folder):
    path = rehearsal.clip(folder, 2)
    written, others = (
        path.read_bytes(),
        {each: each.stat().st_mtime_ns for each in folder.glob("fma_small/*/*") if each != path},
    )
    path.unlink()
    with joblib.parallel_config(backend="threading"):
        rehearsal.make(folder, clips=CLIPS, rows=ROWS, seconds=2.0, show=False)
    assert path.read_bytes() == written and {each: each.stat().st_mtime_ns for each in others} == others


@pytest.mark.parametrize("changed", [{"clips": 88}, {"clips": 84}, {"clips": 40}, {"rows": 70}])
def test_what_cannot_be_made_is_named(folder, changed):
    with pytest.raises(ValueError, match="Received: "):
        rehearsal.make(folder, **({"clips": CLIPS, "rows": ROWS, "seconds": 2.0, "show": False} | changed))


def test_processes_of_a_process_are_counted():
    child = "x = bytearray(300_000_000); sum(range(20_000_000)); import time; time.sleep(1.5)"
    script = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {child!r}]).returncode + 3)"
    status, seconds, peak = rehearsal.watched(subprocess.Popen([sys.executable, "-c", script]))
    assert status == 3 and seconds > 0.1 and 3e8 < peak < 6e8


def test_a_row_is_kept_after_each_notebook(folder, tmp_path, monkeypatch):
    def executed(name, folder, lab):
        return {"name": name, "error": "exit status 1" if name == "02" else None}

    monkeypatch.setattr(rehearsal, "executed", executed)
    out = tmp_path / "rows.json"
    assert rehearsal.run(folder, out, tmp_path, ["01", "02", "04"]) == 1
    found = rehearsal.read(out)
    assert [row["name"] for row in found["rows"]] == ["01", "04"] and found["data"]["clips"] == CLIPS
    monkeypatch.setattr(rehearsal, "executed", None)  # what is there is not run again
    assert rehearsal.run(folder, out, tmp_path, ["01"]) == 0
