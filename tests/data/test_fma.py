"""Reading FMA's layout, through `datasets.load`."""

import os
import shutil
import sys
import types

import pytest
import soundfile

from fmalib.data import datasets


def test_layout(fma_folder):
    data = datasets.load("fma_small", fma_folder)
    assert data.tracks["path"].tolist()[2] == "fma_small/001/001002.mp3"
    assert data.tracks["artist"].tolist() == ["Artist 1 (1)", "Artist 2 (2)", "Artist 3 (3)", "Artist 4 (4)"]
    assert data.tracks["album"].tolist() == [""] * 4
    assert data.tracks["duration"].tolist() == [30.0] * 4  # the clip's, not the track's 100 s
    assert data.genres == ("Hip-Hop", "Rock") and len(data.excluded) == 0
    assert "4 artists carry no accuracy claim" in str(data)


def test_fma_full_has_whole_tracks(write_fma):
    data = datasets.load("fma_full", write_fma((99134, "Rock", 9, "training"), subset="fma_full"))
    assert data.tracks["duration"].tolist() == [100.0] * 5  # the bad clips are clips of the other archives


def test_known_bad_clips_are_excluded_by_name(write_fma):
    data = datasets.load("fma_small", write_fma((99134, "Rock", 9, "training")))
    assert data.excluded.loc[99134].tolist() == ["fma_small/099/099134.mp3", "known bad clip: no audio"]
    assert 99134 not in data.tracks.index
    assert "1 tracks left out: 1 (known bad clip): fma_small/099/099134.mp3 (no audio)" in str(data)


def test_missing_files_and_unknown_genres_are_counted_and_named(write_fma):
    unknown = [(5, "Polka", 5, "training"), (6, None, 6, "training"), (7, "Rock", 7, "training"), (8, "Rock", 8, "dev")]
    root = write_fma(*unknown)
    (root / "fma_small/000/000007.mp3").unlink()
    data = datasets.load("fma_small", root)
    reasons = {5: "unknown genre 'Polka'", 6: "no top-level genre", 7: "file missing", 8: "unknown split 'dev'"}
    assert data.excluded["reason"].to_dict() == reasons
    assert len(data.tracks) == 4


def test_missing_column_is_named(write_fma):
    root = write_fma(drop=[("track", "genre_top")])
    with pytest.raises(ValueError, match=r"tracks\.csv lacks columns.*Received: a table without track/genre_top"):
        datasets.load("fma_small", root)


@pytest.mark.parametrize("content", ["", "hello", "a,b\n1,2\n", "\x00\x01"])
def test_a_file_that_is_no_table(fma_folder, content):
    (fma_folder / "fma_metadata" / "tracks.csv").write_text(content)
    with pytest.raises(ValueError, match=r"tracks\.csv"):
        datasets.load("fma_small", fma_folder)


def test_a_table_without_tracks_of_the_subset(fma_folder):
    table = fma_folder / "fma_metadata/tracks.csv"
    table.write_text(table.read_text().replace("small", "large"))
    with pytest.raises(ValueError, match="lists no track of fma_small"):
        datasets.load("fma_small", fma_folder)


def test_all_audio_missing(fma_folder):
    shutil.rmtree(fma_folder / "fma_small" / "000")
    shutil.rmtree(fma_folder / "fma_small" / "001")
    with pytest.raises(FileNotFoundError, match=r"No usable track of fma_small.*4 \(file missing\)"):
        datasets.load("fma_small", fma_folder)


@pytest.mark.parametrize("remove", ["", "fma_metadata", "fma_small"])
def test_wrong_data_dir_names_the_missing_folder_and_the_command(fma_folder, remove):
    shutil.rmtree(fma_folder / remove)
    with pytest.raises(FileNotFoundError) as error:
        datasets.load("fma_small", fma_folder)
    assert str(error.value) == (
        f"{fma_folder / remove} does not exist. Run `python -m fmalib download fma_small --data-dir {fma_folder}` (7.5 GiB to "
        "download). In a copy of your own, the folder holds fma_metadata/tracks.csv and fma_small/000/000002.mp3. "
        f"Received: data_dir={str(fma_folder)!r}"
    )


@pytest.mark.parametrize("begun", ["fma_small.part", "fma_metadata.zip.part"])
def test_a_download_that_stopped_is_known(tmp_path, begun):
    (tmp_path / begun).mkdir()
    with pytest.raises(FileNotFoundError, match=r"\(7\.5 GiB to download, which goes on where it stopped\)"):
        datasets.load("fma_small", tmp_path)


def test_a_folder_with_a_blank_is_quoted_in_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--data-dir 'my music'`"):
        datasets.load("fma_small", "my music")


def test_the_archives_folder_is_not_data_dir(fma_folder):
    with pytest.raises(FileNotFoundError, match="data_dir must be the folder above"):
        datasets.load("fma_small", fma_folder / "fma_small")


def test_no_data_dir():
    with pytest.raises(ValueError) as error:
        datasets.load("fma_medium")
    assert str(error.value) == (
        "fma_medium needs data_dir, the folder of its files. Run `python -m fmalib download fma_medium --data-dir data` (22 "
        "GiB to download), then set data_dir to 'data'. In a copy of your own, the folder holds fma_metadata/tracks.csv and "
        "fma_medium/000/000002.mp3. Received: data_dir=None"
    )


def test_colab_is_told_which_cell_to_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    with pytest.raises(ValueError, match=r"Run `!python -m fmalib download fma_small --data-dir data` in a new cell \(7"):
        datasets.load("fma_small")


@pytest.mark.parametrize("old, new", [("1002,", "2,"), ("1002,", "x,"), (",100,", ",1:40,"), ("Title 1003", '"Title 1003')])
def test_a_damaged_table_names_the_file_and_the_remedy(fma_folder, old, new):
    table = fma_folder / "fma_metadata" / "tracks.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ValueError, match=r"tracks\.csv cannot be read; take tracks\.csv from fma_metadata\.zip"):
        datasets.load("fma_small", fma_folder)


def test_what_is_no_regular_file_is_left_out_with_its_reason(write_fma):
    root = write_fma(*((number, "Rock", 9, "training") for number in (4, 5, 2002, 3003, 3004)))
    clips = {number: root / f"fma_small/{number // 1000:03d}/{number:06d}.mp3" for number in (2, 3, 4, 5, 1003, 2002, 3003)}
    for clip in clips.values():
        clip.unlink()
    clips[3].mkdir()
    os.mkfifo(clips[4])  # opening it would wait for ever
    clips[5].symlink_to(clips[4])
    clips[1003].symlink_to(root / "nowhere.mp3")
    clips[2002].symlink_to(clips[2002])
    (root / "fma_small" / "002" / "unlisted").symlink_to("unlisted")
    (root / "fma_small" / "loop").symlink_to("loop")
    (root / "fma_small" / "003" / "003004.mp3").rename(root / "fma_small" / "004")  # a file in the place of a folder
    (root / "fma_small" / "003").rmdir()
    (root / "fma_small" / "003").symlink_to("004")
    reasons = {
        "file missing": [2, 1003],
        "not a regular file": [3, 4, 5],
        "too many levels of symbolic links": [2002],
        "not a directory": [3003, 3004],
    }
    excluded = datasets.load("fma_small", root).excluded
    assert {reason: sorted(names) for reason, names in excluded.groupby("reason").groups.items()} == reasons


def test_a_clip_in_another_format_takes_the_place_of_one_that_cannot_be_opened(fma_folder):
    clip = fma_folder / "fma_small" / "000" / "000002.mp3"
    soundfile.write(clip.with_suffix(".wav"), *soundfile.read(clip))
    assert datasets.load("fma_small", fma_folder).tracks["path"][2] == "fma_small/000/000002.mp3"
    clip.unlink()
    clip.symlink_to(clip)
    assert datasets.load("fma_small", fma_folder).tracks["path"][2] == "fma_small/000/000002.wav"


def test_empty_rows_of_a_spreadsheet_are_ignored_and_semicolons_named(fma_folder):
    table = fma_folder / "fma_metadata" / "tracks.csv"
    text = table.read_text()
    table.write_text(text + "," * text.splitlines()[0].count(",") + "\n" + "," * text.splitlines()[0].count(",") + "\n")
    assert datasets.load("fma_small", fma_folder).tracks.index.tolist() == [2, 3, 1002, 1003]
    table.write_text(text.replace(",", ";"))
    with pytest.raises(ValueError, match="save it with commas between the columns"):
        datasets.load("fma_small", fma_folder)


def test_fma_unpacked_into_itself_is_found(fma_folder):
    (fma_folder / "fma_small").rename(fma_folder / "inner")
    (fma_folder / "fma_small").mkdir()
    (fma_folder / "inner").rename(fma_folder / "fma_small" / "fma_small")
    with pytest.raises(FileNotFoundError, match=r"001, ... lie in .*/fma_small/fma_small: move them to .*/fma_small\."):
        datasets.load("fma_small", fma_folder)
    (fma_folder / "fma_metadata").rename(fma_folder / "fma_small" / "fma_metadata")
    with pytest.raises(FileNotFoundError, match=r"tracks.csv lies in .*/fma_small/fma_metadata: move it to"):
        datasets.load("fma_small", fma_folder)


def test_fma_converted_to_another_format_is_read(fma_folder):
    for path in (fma_folder / "fma_small").rglob("*.mp3"):
        soundfile.write(path.with_suffix(".wav"), *soundfile.read(path))
        if path.stem != "000002":
            path.unlink()
    paths = datasets.load("fma_small", fma_folder).tracks["path"]
    assert paths.tolist() == [
        f"fma_small/{name}" for name in ("000/000002.mp3", "000/000003.wav", "001/001002.wav", "001/001003.wav")
    ]
