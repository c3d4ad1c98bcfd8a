"""Reading a folder of genres and splitting it by artist, through `datasets.load`."""

import itertools
import os
import shutil

import pandas as pd
import pytest
import soundfile
from helpers import tone

from fmalib.data import datasets, file_facts


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
    for seed, (genre, artist) in enumerate(itertools.product("AB", "xyz")):
        folder = tmp_path / genre / f"{artist} of {genre}"
        folder.mkdir(parents=True)
        for number in range(2):
            soundfile.write(folder / f"{number}.flac", tone(300, 1, seed=2 * seed + number), 8000)
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
        soundfile.write(path, tone(300, 0.1, seed=number), 8000)
    data = datasets.load(str(tmp_path))
    assert str(data).startswith(f"{tmp_path.name}: 60 tracks, 0 artists, 1 genres")
    assert "0 artists carry no accuracy claim" in data.caveat and "60 of 60 tracks are unknown" in data.caveat


def test_links_capitals_and_odd_names(write_genres):
    root = write_genres({"Bob $x_{ $ & Söhne": {"a b": 1, "b": 1, "c": 1}})
    elsewhere = write_genres({"Linked": dict.fromkeys("abcdef", 1)}, "elsewhere")
    for letter in "abc":  # the same bytes as in the other genre
        shutil.rmtree(elsewhere / "Linked" / letter)
    (root / "Linked").symlink_to(elsewhere / "Linked", target_is_directory=True)
    (root / "Linked" / "loop").symlink_to(root, target_is_directory=True)
    soundfile.write(root / "Linked" / "LOUD.WAV", tone(300, 0.1, seed=9), 8000)
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


def test_files_of_any_format_are_read_and_what_is_no_audio_is_not(genre_folder):
    for number, suffix in enumerate(["au", "AIFF", "aif", "opus", "oga", "w64", "caf", "snd"]):
        name = {"aif": "AIFF", "snd": "AU", "oga": "OGG", "opus": "OGG"}.get(suffix, suffix)
        options = {"subtype": "OPUS"} if suffix == "opus" else {}
        soundfile.write(genre_folder / "Low" / f"new.{suffix}", tone(300, 1, seed=number), 8000, format=name, **options)
    soundfile.write(genre_folder / "Low" / "no suffix", tone(300, 1, seed=9), 8000, format="FLAC")
    for name in ("cover.jpg", "notes.txt", "list.m3u", "thumbs.db", ".hidden.wav"):
        (genre_folder / "Low" / name).write_bytes(b"RIFF no audio")
    data = datasets.load(str(genre_folder))
    assert len(data.tracks) == 29 and data.excluded.empty


def test_files_that_need_ffmpeg_are_counted_and_named_by_suffix(genre_folder, monkeypatch):
    monkeypatch.setattr("fmalib.data.ffmpeg.is_there", lambda: False)
    (genre_folder / "Pop").mkdir()
    for name in ("a.m4a", "b.M4A", "c.wma"):
        (genre_folder / "Pop" / name).write_bytes(bytes(range(256)))
    data = datasets.load(str(genre_folder))
    remedy = "needs the program ffmpeg, install it or convert the files to flac"
    assert f"3 tracks left out: 2 (.m4a {remedy}): Pop/a.m4a, Pop/b.M4A; 1 (.wma {remedy}): Pop/c.wma" in str(data)
    assert "No usable track of Pop: see the tracks left out." in data.notes


def test_of_files_with_the_same_bytes_the_first_is_kept(genre_folder):
    for name in ("Low/copy.wav", "High/0 copy.wav", "High/artist/deep.wav"):
        (genre_folder / name).parent.mkdir(exist_ok=True)
        (genre_folder / name).write_bytes((genre_folder / "High" / "3.wav").read_bytes())
    changed = bytearray((genre_folder / "High" / "3.wav").read_bytes())
    changed[100] ^= 1  # the same size and middle
    (genre_folder / "High" / "changed.wav").write_bytes(changed)
    data = datasets.load(str(genre_folder))
    same = data.excluded["path"].tolist()
    assert same == ["High/3.wav", "High/artist/deep.wav", "Low/copy.wav"]
    assert set(data.excluded["reason"]) == {"same bytes as another file: High/0 copy.wav"}
    assert len(data.tracks) == 21 and "High/changed.wav" in set(data.tracks["path"])


def test_only_files_of_equal_size_are_read_to_find_copies(write_genres, monkeypatch):
    root = write_genres({"A": {"a": 2}, "B": {"b": 1}})
    soundfile.write(root / "A" / "long.wav", tone(300, 0.2), 8000)
    asked, digests = [], file_facts.digests
    monkeypatch.setattr(file_facts, "digests", lambda root, names: asked.append(names) or digests(root, names))
    assert datasets.load(str(root)).excluded.empty
    alike = ["A/a/album 0/0.wav", "A/a/album 1/1.wav", "B/b/album 0/0.wav"]
    assert asked == [alike, [*alike[:2], "A/long.wav", alike[2]]]  # for copies, for the fingerprint


ARTISTS = [
    "Sigur Rós",
    "SIGUR RO\u0301S",
    "  Sigur  Rós ",
    "Sigur Rós feat. Somebody",
    "Various Artists",
    "Unbekannter Interpret",
]


def test_one_artist_in_many_spellings_and_words_for_nobody(tmp_path):
    for seed, (genre, artist) in enumerate(itertools.product(("Rock", "Jazz"), ARTISTS)):
        (tmp_path / genre).mkdir(exist_ok=True)
        with soundfile.SoundFile(tmp_path / genre / f"{seed}.flac", "w", 8000, 1) as file:
            file.artist = artist
            file.write(tone(300, 0.5, seed=seed))
    data = datasets.load(str(tmp_path))
    assert data.tracks["artist"].value_counts()["Sigur Rós"] == 8
    assert data.tracks["artist"].str.startswith("unknown artist of").sum() == 4


def test_tags_and_folders_of_one_artist_stay_in_one_split(write_genres):
    root = write_genres({"Rock": dict.fromkeys(("beatles", "kinks", "who", "zombies", "yardbirds"), 4)})
    for path in sorted((root / "Rock" / "beatles").rglob("*.wav"))[:2]:  # the other two have no tags
        samples, rate = soundfile.read(path)
        with soundfile.SoundFile(path, "w", rate, 1) as file:
            file.artist = "The Beatles"
            file.write(samples)
    for seed in range(8):
        tracks = datasets.load(str(root), seed=seed).tracks
        assert tracks[tracks["path"].str.contains("beatles")]["split"].nunique() == 1


def test_genres_one_folder_deeper_are_named(write_genres, tmp_path):
    names = {"blues": 2, "jazz": 2, "metal": 2}
    write_genres({"genres_original": names})
    with pytest.raises(ValueError, match=r"has subfolders blues, jazz, metal\. Use dataset='.*/Data/genres_original'"):
        datasets.load(str((tmp_path / "genres").rename(tmp_path / "Data")))
    data = datasets.load(str(tmp_path / "Data" / "genres_original"))
    assert data.genres == ("blues", "jazz", "metal")
    root = write_genres({"train": names, "test": names}, "split by hand")
    with pytest.raises(ValueError, match=r"Use dataset='.*/test' or dataset='.*/train'"):
        datasets.load(str(root))


def test_genres_two_folders_deeper_are_named(write_genres, tmp_path):
    root = write_genres({"blues": {"a": 2}, "jazz": {"b": 2}}, "kaggle/Data/genres_original")
    with pytest.raises(
        ValueError, match=r"Data/genres_original has subfolders blues, jazz\. Use dataset='.*/Data/genres_original'"
    ):
        datasets.load(str(tmp_path / "kaggle"))
    assert datasets.load(str(root)).genres == ("blues", "jazz")
    write_genres({"000": {"a": 2}, "001": {"b": 2}}, "unpacked/fma_small")
    with pytest.raises(ValueError, match=r"/unpacked/fma_small looks like the audio of FMA"):
        datasets.load(str(tmp_path / "unpacked"))


def test_a_link_does_not_take_the_place_of_a_genre(write_genres):
    root = write_genres({"Jazz": {"a": 2}, "Rock": {"b": 2}})
    (root / "Jazz" / "like this").symlink_to(root / "Rock", target_is_directory=True)
    assert datasets.load(str(root)).tracks["genre"].value_counts().to_dict() == {"Jazz": 2, "Rock": 2}


def test_genres_in_two_spellings_get_a_note(write_genres):
    data = datasets.load(str(write_genres({"Hip-Hop": {"a": 1}, "hip hop": {"b": 1}, "Rock": {"c": 1}})))
    assert "Genres with nearly the same name: Hip-Hop, hip hop." in data.notes


def test_a_single_genre_gets_a_note_with_the_folder_that_may_be_meant(write_genres):
    root = write_genres({"Rock": {"Kinks": 2, "Who": 2, "Zombies": 2}})
    first, second = datasets.load(str(root)).notes[:2]
    assert first == "One genre only, Rock: autoencoders, maps and compression run, a classifier needs two."
    assert second == f"If its 3 subfolders (Kinks, Who, Zombies) are the genres, use dataset={str(root / 'Rock')!r}."


def test_files_without_subfolders_are_one_genre(tmp_path):
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", tone(300, 0.1, seed=number), 8000)
    assert datasets.load(str(tmp_path)).tracks["genre"].tolist() == [tmp_path.name] * 4


def test_subgenres_are_taken_for_artists_with_a_note(write_genres):
    data = datasets.load(str(write_genres({"Rock": {"Punk": 3, "Metal": 3}, "Jazz": {"Swing": 3, "Bebop": 3}})))
    assert "The folders below the genres, taken for artists, are named like genres: Bebop, Metal, Punk, Swing." in data.notes


def test_the_audio_of_fma_without_its_table(write_genres):
    with pytest.raises(ValueError, match=r"looks like the audio of FMA.*dataset='fma_small'"):
        datasets.load(str(write_genres({"000": {"a": 1}, "155": {"b": 1}})))


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
