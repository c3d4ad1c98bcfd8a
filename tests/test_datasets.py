import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone

from fmalib import datasets, tracks
from fmalib import fma as fma_module


def sides(data, column="artist"):
    """Returns {split: set of what stands there}."""
    return {split: set(data.tracks.loc[data.tracks["split"] == split, column]) for split in tracks.SPLITS}


def write_fma(root, rows, drop=()):
    """Writes an FMA of tiny MP3s; rows are (id, genre, artist id, split), file contents None means no file."""
    columns = pd.MultiIndex.from_tuples([column for column in fma_module.COLUMNS if column not in drop])
    records = []
    for track_id, genre, artist, split in rows:
        record = {
            ("set", "split"): split, ("set", "subset"): "small", ("track", "genre_top"): genre, ("track", "duration"): 100,
            ("track", "title"): f"Title {track_id}", ("artist", "id"): artist, ("artist", "name"): f"Artist {artist}",
            ("album", "id"): -1, ("album", "title"): None,
        }
        records.append([record[column] for column in columns])
        path = root / "fma_small" / f"{track_id // 1000:03d}" / f"{track_id:06d}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(440, 1), 8000)
    (root / "fma_metadata").mkdir()
    table = pd.DataFrame(records, index=pd.Index([row[0] for row in rows], name="track_id"), columns=columns)
    table.to_csv(root / "fma_metadata" / "tracks.csv")
    return root


FMA_ROWS = [
    (2, "Hip-Hop", 1, "training"), (3, "Rock", 2, "training"), (1002, "Hip-Hop", 3, "validation"), (1003, "Rock", 4, "test"),
]


@pytest.fixture
def fma(tmp_path):
    return write_fma(tmp_path, FMA_ROWS)


def test_synth_is_just_another_fma(synth_data):
    assert synth_data.genres == (
        "Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock",
    )
    assert list(synth_data.tracks.columns) == ["path", "genre", "artist", "album", "title", "split", "duration"]
    assert len(synth_data.tracks) == 48
    assert "nothing else" in synth_data.caveat
    assert all((synth_data.root / path).is_file() for path in synth_data.tracks["path"])
    datasets.assert_artists_disjoint(synth_data.tracks)


def test_fma_layout(fma):
    data = datasets.load("fma_small", fma)
    assert data.tracks["path"].tolist()[2] == "fma_small/001/001002.mp3"
    assert data.tracks["artist"].tolist() == ["Artist 1 (1)", "Artist 2 (2)", "Artist 3 (3)", "Artist 4 (4)"]
    assert data.tracks["album"].tolist() == [""] * 4
    assert data.tracks["duration"].tolist() == [30.0] * 4  # the clip's, not the track's 100 s
    assert data.genres == ("Hip-Hop", "Rock") and len(data.excluded) == 0
    assert "4 artists carry no accuracy claim" in str(data)


def test_known_bad_clips_are_excluded_by_name(tmp_path):
    data = datasets.load("fma_small", write_fma(tmp_path, [*FMA_ROWS, (99134, "Rock", 9, "training")]))
    assert data.excluded.loc[99134].tolist() == ["fma_small/099/099134.mp3", "known bad clip: no audio"]
    assert 99134 not in data.tracks.index
    assert "1 tracks left out: 1 (known bad clip: no audio): fma_small/099/099134.mp3" in str(data)


def test_missing_files_and_unknown_genres_are_counted_and_named(tmp_path):
    rows = [*FMA_ROWS, (5, "Polka", 5, "training"), (6, None, 6, "training"), (7, "Rock", 7, "training")]
    root = write_fma(tmp_path, rows)
    (root / "fma_small/000/000007.mp3").unlink()
    data = datasets.load("fma_small", root)
    assert data.excluded["reason"].to_dict() == {5: "unknown genre 'Polka'", 6: "no top-level genre", 7: "file missing"}
    assert len(data.tracks) == 4


def test_missing_column_is_named(tmp_path):
    root = write_fma(tmp_path, FMA_ROWS, drop=[("track", "genre_top")])
    with pytest.raises(ValueError, match=r"tracks\.csv lacks columns.*Received: a table without track/genre_top"):
        datasets.load("fma_small", root)


@pytest.mark.parametrize("content", ["", "hello", "a,b\n1,2\n", "\x00\x01"])
def test_a_table_that_is_none(fma, content):
    (fma / "fma_metadata" / "tracks.csv").write_text(content)
    with pytest.raises(ValueError, match=r"tracks\.csv"):
        datasets.load("fma_small", fma)


def test_a_table_without_tracks_of_the_subset(tmp_path):
    root = write_fma(tmp_path, FMA_ROWS)
    table = (root / "fma_metadata/tracks.csv").read_text().replace("small", "large")
    (root / "fma_metadata/tracks.csv").write_text(table)
    with pytest.raises(ValueError, match="lists no track of fma_small"):
        datasets.load("fma_small", root)


def test_all_audio_missing(fma):
    shutil.rmtree(fma / "fma_small" / "000")
    shutil.rmtree(fma / "fma_small" / "001")
    with pytest.raises(FileNotFoundError, match=r"No usable track of fma_small.*4 \(file missing\)"):
        datasets.load("fma_small", fma)


@pytest.mark.parametrize("remove", ["", "fma_metadata", "fma_small"])
def test_wrong_data_dir_says_what_is_missing_and_where_to_get_it(fma, remove):
    shutil.rmtree(fma / remove)
    with pytest.raises(FileNotFoundError, match=r"does not exist.*fma_small\.zip.*SHA-1 ade154f.*Received: data_dir="):
        datasets.load("fma_small", fma)


def test_no_data_dir():
    with pytest.raises(ValueError, match="needs data_dir.*Received: data_dir=None"):
        datasets.load("fma_medium")


def test_an_artist_on_two_sides_of_the_official_split_is_an_error(tmp_path):
    root = write_fma(tmp_path, [*FMA_ROWS, (8, "Rock", 4, "training")])
    with pytest.raises(ValueError, match=r"1 artists on two sides: Artist 4 \(4\)"):
        datasets.load("fma_small", root)
    leaky = datasets.load("fma_small", root, split="random70")
    assert "Leaky" in leaky.caveat


def test_folder_of_genres(genre_folder):
    data = datasets.load(str(genre_folder))
    assert data.name == "music" and data.genres == ("High", "Low") and len(data.tracks) == 20
    assert data.tracks["artist"].nunique() == 10
    assert data.tracks["duration"].tolist() == [3.0] * 20
    artists = sides(data)
    assert not artists["training"] & artists["test"] and not artists["training"] & artists["validation"]
    assert not artists["test"] & artists["validation"]
    assert all(genres == {"High", "Low"} for genres in sides(data, "genre").values())


def test_the_folders_split_is_seeded(genre_folder):
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


def make_folder(root, artists):
    """Writes a folder of genres from {genre: {artist: number of tracks}}, each in an album's folder."""
    for genre, counts in artists.items():
        for artist, count in counts.items():
            for number in range(count):
                path = root / genre / artist / f"album {number % 2}" / f"{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, tone(300, 0.1), 8000)
    return root


def test_the_artist_is_the_folder_below_the_genre_whatever_lies_below(tmp_path):
    artists = {genre: {f"{genre}{number}": 4 for number in range(5)} for genre in "AB"}
    data = datasets.load(str(make_folder(tmp_path, artists)))
    assert data.tracks["artist"].nunique() == 10
    assert not sides(data)["training"] & sides(data)["test"]


@pytest.mark.parametrize("seed", range(6))
def test_one_prolific_artist_does_not_fill_the_test_set(tmp_path, seed):
    data = datasets.load(str(make_folder(tmp_path, {"A": {"big": 40, "x": 2, "y": 2, "z": 2}})), seed=seed)
    counts = data.tracks["split"].value_counts()
    assert counts["training"] >= 40 and counts["test"] >= 2 and counts["validation"] >= 2


def test_genres_that_a_split_lacks_are_named(tmp_path):
    artists = {"A": {"a": 2, "b": 2, "c": 2}, "B": {"d": 2}}
    data = datasets.load(str(make_folder(tmp_path, artists)))
    assert "No validation track of B." in data.caveat and "No test track of B." in data.caveat


def test_unknown_artists_are_no_artists(tmp_path):
    for number in range(60):
        path = tmp_path / "A" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tone(300, 0.1), 8000)
    data = datasets.load(str(tmp_path))
    assert str(data).startswith(f"{tmp_path.name}: 60 tracks, 0 artists, 1 genres")
    assert "0 artists carry no accuracy claim" in data.caveat and "60 of 60 tracks are unknown" in data.caveat


def test_links_capitals_and_odd_names(tmp_path):
    import os

    root = make_folder(tmp_path / "music", {"Bob $x_{ $ & Söhne": {"a b": 1, "b": 1, "c": 1}})
    make_folder(tmp_path / "elsewhere", {"Linked": {"d": 1, "e": 1, "f": 1}})
    (root / "Linked").symlink_to(tmp_path / "elsewhere" / "Linked", target_is_directory=True)
    (root / "Linked" / "loop").symlink_to(root, target_is_directory=True)
    soundfile.write(root / "Linked" / "LOUD.WAV", tone(300, 0.1), 8000)
    soundfile.write(root / "loose.wav", tone(300, 0.1), 8000)
    with open(os.fsencode(root / "Linked") + b"/caf\xe9.wav", "wb") as file:
        file.write((root / "loose.wav").read_bytes())
    data = datasets.load(str(root))
    assert data.genres == ("Bob $x_{ $ & Söhne", "Linked") and len(data.tracks) == 7
    assert sorted(data.excluded["reason"]) == ["file name is not UTF-8", "in no genre's subfolder"]


def test_an_fma_download_is_no_folder_of_genres(fma):
    for wrong in (fma, fma / "fma_small"):
        with pytest.raises(ValueError, match="is an FMA download: use dataset='fma_small', data_dir="):
            datasets.load(str(wrong))
    with pytest.raises(FileNotFoundError, match="data_dir must be the folder above"):
        datasets.load("fma_small", fma / "fma_small")


@pytest.mark.parametrize(
    "old, new", [("1002,", "2,"), ("1002,", "x,"), (",100,", ",1:40,"), ("Title 1003", '"Title 1003')]
)
def test_a_damaged_table_names_the_file_and_the_remedy(fma, old, new):
    table = fma / "fma_metadata" / "tracks.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ValueError, match=r"tracks\.csv cannot be read; take tracks\.csv from fma_metadata\.zip"):
        datasets.load("fma_small", fma)


def test_a_folder_in_the_place_of_a_clip_is_a_missing_file(fma):
    clip = fma / "fma_small" / "000" / "000003.mp3"
    clip.unlink()
    clip.mkdir()
    (fma / "fma_small" / "001" / "001003.mp3").unlink()
    (fma / "fma_small" / "001" / "001003.mp3").symlink_to(fma / "nowhere.mp3")
    assert datasets.load("fma_small", fma).excluded["reason"].to_dict() == {3: "file missing", 1003: "file missing"}


def test_an_artist_of_two_genres_stays_on_one_side(tmp_path):
    for genre in ("A", "B"):
        for artist in range(8):
            folder = tmp_path / genre / f"artist {artist}"
            folder.mkdir(parents=True)
            soundfile.write(folder / "1.wav", tone(300, 1), 8000)
    for seed in range(5):
        data = datasets.load(str(tmp_path), seed=seed)
        datasets.assert_artists_disjoint(data.tracks)
        assert all(genres == {"A", "B"} for genres in sides(data, "genre").values())


def test_unreadable_files_in_a_folder_are_counted_and_named(genre_folder):
    (genre_folder / "High" / "text.mp3").write_text("no music")
    (genre_folder / "High" / "empty.wav").write_bytes(b"")
    data = datasets.load(str(genre_folder))
    assert sorted(data.excluded["path"]) == ["High/empty.wav", "High/text.mp3"]
    assert "2 tracks left out: 2 (not readable as audio)" in str(data)


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="No audio in .*one subfolder per genre"):
        datasets.load(str(tmp_path))


def test_folder_with_only_broken_files(tmp_path):
    (tmp_path / "Rock").mkdir()
    (tmp_path / "Rock" / "a.mp3").write_text("no music")
    with pytest.raises(ValueError, match="No file in .* could be read.*Rock/a.mp3"):
        datasets.load(str(tmp_path))


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(FileNotFoundError, match="Did you mean 'fma_small'.*Received: dataset='fma_smal'"):
        datasets.load("fma_smal")


def test_random70_is_the_studys_split(genre_folder):
    data = datasets.load(str(genre_folder), split="random70")
    assert data.tracks["split"].value_counts().to_dict() == {"training": 12, "test": 6, "validation": 2}


def test_genres_can_be_chosen(fma):
    assert datasets.load("fma_small", fma, genres=["Rock"]).genres == ("Rock",)
    with pytest.raises(ValueError, match="genres must be a list of names. Received: genres='Rock'"):
        datasets.load("fma_small", fma, genres="Rock")
    with pytest.raises(ValueError, match=r"genres must be some of Hip-Hop, Rock. Received: genres=\['Polka'\]"):
        datasets.load("fma_small", fma, genres=["Polka"])


def test_tracks_per_genre_limits_each_split_in_proportion(genre_folder):
    data = datasets.load(str(genre_folder), tracks_per_genre=5)
    assert data.tracks["genre"].value_counts().to_dict() == {"High": 5, "Low": 5}
    assert all(sides(data, "genre").values())


@pytest.mark.parametrize("options", [{"split": "other"}, {"tracks_per_genre": 2}, {"tracks_per_genre": 1.5}, {"seed": -1}])
def test_wrong_options_are_named(options):
    with pytest.raises(ValueError, match="Received: " + next(iter(options))):
        datasets.load("synth", **options)


def test_the_fingerprint_sees_audio_labels_and_splits(fma):
    before = datasets.load("fma_small", fma)
    soundfile.write(fma / "fma_small/000/000002.mp3", tone(441, 1, seed=3), 8000)
    after = datasets.load("fma_small", fma)
    assert before.audio_fingerprint != after.audio_fingerprint and before.fingerprint != after.fingerprint
    table = fma / "fma_metadata" / "tracks.csv"
    table.write_text(table.read_text().replace("Hip-Hop", "Folk"))
    relabelled = datasets.load("fma_small", fma)
    assert relabelled.audio_fingerprint == after.audio_fingerprint and relabelled.fingerprint != after.fingerprint


def test_real_music(real_music):
    data = datasets.load("fma_small", real_music)
    assert len(data.tracks) > 0 and len(data.excluded) == 0
    assert f"{data.tracks['artist'].nunique()} artists carry no accuracy claim" in data.caveat
    assert np.all(data.tracks["duration"] > 20)
