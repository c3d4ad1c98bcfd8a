import dataclasses
import hashlib
import os

import numpy as np
import pytest
import soundfile
from helpers import NOTE, tone

from fmalib.data import datasets, file_facts, splits
from fmalib.data.tracks import SPLITS


def test_synth_is_just_another_fma(synth_data):
    genres = "Electronic, Experimental, Folk, Hip-Hop, Instrumental, International, Pop, Rock"
    assert synth_data.genres == tuple(genres.split(", "))
    assert list(synth_data.tracks.columns) == ["path", "genre", "artist", "album", "title", "split", "duration"]
    assert len(synth_data.tracks) == 48
    assert NOTE in synth_data.caveat
    assert all((synth_data.root / path).is_file() for path in synth_data.tracks["path"])
    splits.assert_artists_disjoint(synth_data.tracks)


def test_an_artist_in_two_splits_of_the_official_split_is_an_error(write_fma):
    root = write_fma((8, "Rock", 4, "training"))
    with pytest.raises(ValueError, match=r"1 artists in two splits: Artist 4 \(4\)"):
        datasets.load("fma_small", root)
    leaky = datasets.load("fma_small", root, split="random70")
    assert "Leaky" in leaky.caveat


def test_genres_that_a_split_lacks_are_named(write_genres):
    data = datasets.load(str(write_genres({"A": {"a": 2, "b": 2, "c": 2}, "B": {"d": 2}})))
    assert "No validation track of B." in data.caveat and "No test track of B." in data.caveat


def test_random70_is_the_studys_split(genre_folder):
    data = datasets.load(str(genre_folder), split="random70")
    assert data.tracks["split"].value_counts().to_dict() == {"training": 12, "test": 6, "validation": 2}


def test_folds_share_the_decoded_audio_and_differ_in_their_splits(genre_folder):
    data = datasets.load(str(genre_folder))
    parts = datasets.folds(data, 5)
    assert [part.split for part in parts] == [f"fold {number} of 5" for number in range(1, 6)]
    assert {part.audio_fingerprint for part in parts} == {data.audio_fingerprint}
    assert len({data.fingerprint, *(part.fingerprint for part in parts)}) == 6
    assert [part.fingerprint for part in datasets.folds(data, 5)] == [part.fingerprint for part in parts]
    for part in parts:
        splits.assert_artists_disjoint(part.tracks)
        assert part.tracks.drop(columns="split").equals(data.tracks.drop(columns="split"))
        assert [(part.tracks["split"] == split).sum() for split in SPLITS] == [12, 4, 4]
        assert part.notes == ("10 artists carry no accuracy claim: 50 or more are needed for one.",)
    assert "12 training, 4 validation, 4 test (split: fold 1 of 5)" in str(parts[0])
    assert datasets.folds(data, 1) == [data]


def test_folds_of_random70_are_by_track_and_marked(genre_folder):
    parts = datasets.folds(datasets.load(str(genre_folder), split="random70"), 5)
    assert parts[4].split == "random70, fold 5 of 5" and "Leaky" in parts[4].caveat
    counts = parts[0].tracks.groupby("split")["genre"].value_counts().to_dict()
    assert counts[("test", "High")] == counts[("test", "Low")] == 2
    with pytest.raises(ValueError, match="The split leaks"):
        splits.assert_artists_disjoint(parts[0].tracks)


def test_notes_on_absent_genres_are_true_of_the_folds(write_genres):
    root = write_genres({"A": dict.fromkeys("abcdef", 2), "B": {"g": 2, "h": 2}, "C": {"i": 2}})
    data = datasets.load(str(root))
    assert "No validation track of B, C. No test track of C." in data.caveat
    notes = datasets.folds(data, 5)[0].caveat
    assert "No training track of C in the fold that tests it. No validation track of B, C in some folds." in notes
    assert "No test" not in notes


def test_unknown_artists_are_dealt_by_track_and_noted(write_genres):
    root = write_genres({"A": {"": 5}, "B": {"": 5}})  # no artist's folder
    for path in root.rglob("*.wav"):
        path.rename(root / path.relative_to(root).parts[0] / path.name)
    data = datasets.load(str(root))
    parts = datasets.folds(data, datasets.choose_folds(data))
    assert [(part.tracks["split"] == "test").sum() for part in parts] == [2] * 5
    assert "Artists of 10 of 10 tracks are unknown" in parts[0].caveat


def test_small_folders_get_folds(genre_folder, synth_data, fma_folder, monkeypatch):
    data = datasets.load(str(genre_folder))
    assert datasets.choose_folds(data) == 5 and datasets.choose_folds(data, 1) == 1 and datasets.choose_folds(data, 3) == 3
    assert datasets.choose_folds(synth_data) == 1 and datasets.choose_folds(synth_data, 4) == 4
    assert datasets.choose_folds(datasets.load("fma_small", fma_folder)) == 1
    few = dataclasses.replace(data, tracks=data.tracks[data.tracks["artist"].isin(["High artist 0", "Low artist 1"])])
    assert datasets.choose_folds(few) == 2
    monkeypatch.setattr(datasets, "FEW_TRACKS", 20)
    assert datasets.choose_folds(data) == 1


def test_genres_can_be_chosen(fma_folder):
    assert datasets.load("fma_small", fma_folder, genres=["Rock"]).genres == ("Rock",)
    with pytest.raises(ValueError, match=r"genres must be a list of names\. Received: genres='Rock'"):
        datasets.load("fma_small", fma_folder, genres="Rock")
    with pytest.raises(ValueError, match=r"genres must be some of Hip-Hop, Rock\. Received: genres=\['Polka'\]"):
        datasets.load("fma_small", fma_folder, genres=["Polka"])


def test_tracks_per_genre_limits_each_split_in_proportion(genre_folder):
    data = datasets.load(str(genre_folder), tracks_per_genre=5)
    assert data.tracks["genre"].value_counts().to_dict() == {"High": 5, "Low": 5}
    assert (data.tracks.groupby("genre")["split"].nunique() == 3).all()


@pytest.mark.parametrize("options", [{"split": "other"}, {"tracks_per_genre": 2}, {"tracks_per_genre": 1.5}, {"seed": -1}])
def test_wrong_options_are_named(options):
    with pytest.raises(ValueError, match="Received: " + next(iter(options))):
        datasets.load("synth", **options)


def test_the_fingerprint_depends_on_audio_labels_and_splits(fma_folder):
    before = datasets.load("fma_small", fma_folder)
    soundfile.write(fma_folder / "fma_small/000/000002.mp3", tone(441, 1, seed=3), 8000)
    after = datasets.load("fma_small", fma_folder)
    assert before.audio_fingerprint != after.audio_fingerprint and before.fingerprint != after.fingerprint
    table = fma_folder / "fma_metadata" / "tracks.csv"
    table.write_text(table.read_text().replace("Hip-Hop", "Folk"))
    relabelled = datasets.load("fma_small", fma_folder)
    assert relabelled.audio_fingerprint == after.audio_fingerprint and relabelled.fingerprint != after.fingerprint


@pytest.mark.parametrize("place", [50, 2_000, -1])
def test_an_edit_anywhere_changes_the_fingerprint(genre_folder, place):
    path = genre_folder / "High" / "0.wav"
    before, status, data = datasets.load(str(genre_folder)), path.stat(), bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as tools that edit tags do
    after = datasets.load(str(genre_folder))
    assert path.stat().st_size == status.st_size and path.stat().st_mtime_ns == status.st_mtime_ns
    assert before.audio_fingerprint != after.audio_fingerprint and before.fingerprint != after.fingerprint


def test_only_chosen_tracks_are_read_for_the_fingerprint(fma_folder, monkeypatch):
    monkeypatch.setattr(file_facts, "digests", lambda root, names: names)
    chosen = datasets.load("fma_small", fma_folder, genres=["Rock"])
    paths = {3: "fma_small/000/000003.mp3", 1003: "fma_small/001/001003.mp3"}
    lines = "".join(f"{number}|{path}|{path}\n" for number, path in paths.items())
    assert chosen.audio_fingerprint == hashlib.sha256(lines.encode()).hexdigest()


def test_real_music(real_music):
    data = datasets.load("fma_small", real_music)
    assert len(data.tracks) > 0 and len(data.excluded) == 0
    assert f"{data.tracks['artist'].nunique()} artists carry no accuracy claim" in data.caveat
    assert np.all(data.tracks["duration"] > 20)


def test_a_source_is_looked_for_before_it_is_read(genre_folder):
    assert datasets.find_root("synth") is None
    assert datasets.find_root(genre_folder.name, genre_folder.parent) == genre_folder
    for name, data_dir in ("", None), ("fma_small", None), ("nowhere", genre_folder):
        with pytest.raises((ValueError, OSError), match=r"Received: (dataset|data_dir)="):
            datasets.find_root(name, data_dir)
