"""Reading a folder of genres and splitting it by artist, through `datasets.load`."""

import os

import pandas as pd
import pytest
import soundfile
from helpers import tone

from fmalib.data import datasets


def by_split(data, column):
    """Returns {split: set of the values of a column}."""
    return data.tracks.groupby("split")[column].agg(set).to_dict()


def test_tags_and_splits(genre_folder):
    data = datasets.load(str(genre_folder))
    assert data.name == "music" and data.genres == ("High", "Low") and len(data.tracks) == 20
    assert data.tracks["artist"].nunique() == 10
    assert data.tracks["duration"].tolist() == [3.0] * 20
    artists = by_split(data, "artist")
    assert not artists["training"] & artists["test"] and not artists["training"] & artists["validation"]
    assert not artists["test"] & artists["validation"]
    assert list(by_split(data, "genre").values()) == [{"High", "Low"}] * 3


def test_the_split_is_seeded(genre_folder):
    first, again, other = (datasets.load(str(genre_folder), seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first.tracks, again.tracks)
    assert first.fingerprint == again.fingerprint
    assert first.tracks["split"].tolist() != other.tracks["split"].tolist()
    assert first.fingerprint != other.fingerprint and first.audio_fingerprint == other.audio_fingerprint


def test_artists_from_folders_and_unknown_ones(tmp_path):
    for genre in ("A", "B"):
        for artist in ("x", "y", "z"):
            folder = tmp_path / genre / f"{artist} of {genre}"
            folder.mkdir(parents=True)
            for number in range(2):
                soundfile.write(folder / f"{number}.flac", tone(300, 1), 8000)
    data = datasets.load(str(tmp_path))
    assert set(data.tracks["artist"]) == {f"{artist} of {genre}" for artist in "xyz" for genre in "AB"}
    soundfile.write(tmp_path / "A" / "loose.wav", tone(300, 1), 8000)
    assert "Artists of 1 of 13 tracks are unknown" in datasets.load(str(tmp_path)).caveat


def test_the_artist_is_the_folder_below_the_genre_whatever_lies_below(write_genres):
    artists = {genre: {f"{genre}{number}": 4 for number in range(5)} for genre in "AB"}
    data = datasets.load(str(write_genres(artists)))
    assert data.tracks["artist"].nunique() == 10
    assert not by_split(data, "artist")["training"] & by_split(data, "artist")["test"]


@pytest.mark.parametrize("seed", range(6))
def test_one_prolific_artist_does_not_fill_the_test_set(write_genres, seed):
    data = datasets.load(str(write_genres({"A": {"big": 40, "x": 2, "y": 2, "z": 2}})), seed=seed)
    counts = data.tracks["split"].value_counts()
    assert counts["training"] >= 40 and counts["test"] >= 2 and counts["validation"] >= 2


def test_an_artist_of_two_genres_stays_in_one_split(write_genres):
    root = write_genres({genre: {f"artist {number}": 1 for number in range(8)} for genre in "AB"})
    for seed in range(5):
        data = datasets.load(str(root), seed=seed)
        datasets.assert_artists_disjoint(data.tracks)
        assert list(by_split(data, "genre").values()) == [{"A", "B"}] * 3


def test_unknown_artists_are_not_counted(tmp_path):
    for number in range(60):
        path = tmp_path / "A" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tone(300, 0.1), 8000)
    data = datasets.load(str(tmp_path))
    assert str(data).startswith(f"{tmp_path.name}: 60 tracks, 0 artists, 1 genres")
    assert "0 artists carry no accuracy claim" in data.caveat and "60 of 60 tracks are unknown" in data.caveat


def test_links_capitals_and_odd_names(write_genres):
    root = write_genres({"Bob $x_{ $ & Söhne": {"a b": 1, "b": 1, "c": 1}})
    elsewhere = write_genres({"Linked": {"d": 1, "e": 1, "f": 1}}, "elsewhere")
    (root / "Linked").symlink_to(elsewhere / "Linked", target_is_directory=True)
    (root / "Linked" / "loop").symlink_to(root, target_is_directory=True)
    soundfile.write(root / "Linked" / "LOUD.WAV", tone(300, 0.1), 8000)
    soundfile.write(root / "loose.wav", tone(300, 0.1), 8000)
    with open(os.fsencode(root / "Linked") + b"/caf\xe9.wav", "wb") as file:
        file.write((root / "loose.wav").read_bytes())
    data = datasets.load(str(root))
    assert data.genres == ("Bob $x_{ $ & Söhne", "Linked") and len(data.tracks) == 7
    assert sorted(data.excluded["reason"]) == ["file name is not UTF-8", "in no genre's subfolder"]


def test_an_fma_download_is_no_folder_of_genres(fma_folder):
    for wrong in (fma_folder, fma_folder / "fma_small"):
        with pytest.raises(ValueError, match="is an FMA download: use dataset='fma_small', data_dir="):
            datasets.load(str(wrong))


def test_unreadable_files_are_counted_and_named(genre_folder):
    (genre_folder / "High" / "text.mp3").write_text("no music")
    (genre_folder / "High" / "empty.wav").write_bytes(b"")
    data = datasets.load(str(genre_folder))
    assert sorted(data.excluded["path"]) == ["High/empty.wav", "High/text.mp3"]
    assert "2 tracks left out: 2 (not readable as audio)" in str(data)


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match=r"No audio in .*one subfolder per genre"):
        datasets.load(str(tmp_path))


def test_folder_with_only_broken_files(tmp_path):
    (tmp_path / "Rock").mkdir()
    (tmp_path / "Rock" / "a.mp3").write_text("no music")
    with pytest.raises(ValueError, match=r"No file in .* could be read.*Rock/a\.mp3"):
        datasets.load(str(tmp_path))


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'fma_small'.*Received: dataset='fma_smal'"):
        datasets.load("fma_smal")
