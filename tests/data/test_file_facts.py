import json
import os

import pytest
import soundfile
from helpers import tone

from fmalib.data import file_facts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two files with tags, and one that is no audio; its facts are kept in a folder of their own."""
    monkeypatch.setenv("FMALIB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "music").mkdir()
    for number in range(2):
        with soundfile.SoundFile(tmp_path / "music" / f"{number}.flac", "w", 8000, 1) as file:
            file.artist, file.title = f"artist {number}", f"title {number}"
            file.write(tone(300, number + 1))
    (tmp_path / "music" / "text.wav").write_text("no audio")
    return tmp_path / "music"


NAMES = ["0.flac", "1.flac", "text.wav"]
NO_TAGS = {"album_artist": "", "album": ""}
FACTS = [
    {"duration": 1.0, "artist": "artist 0", "title": "title 0", **NO_TAGS},
    {"duration": 2.0, "artist": "artist 1", "title": "title 1", **NO_TAGS},
    "not readable as audio",
]


def test_facts_are_read_once(folder, monkeypatch):
    assert file_facts.of_files(folder, NAMES) == FACTS
    monkeypatch.setattr(file_facts, "_read_facts", lambda path: pytest.fail(f"{path} was read again"))
    assert file_facts.of_files(folder, NAMES) == FACTS
    assert file_facts.of_files(folder, NAMES[1:]) == FACTS[1:]


def test_a_changed_file_is_read_again(folder):
    file_facts.of_files(folder, NAMES)
    soundfile.write(folder / "0.flac", tone(300, 3), 8000)
    os.utime(folder / "1.flac", ns=(0, 0))  # only its time
    changed = file_facts.of_files(folder, NAMES)
    assert changed == [{"duration": 3.0, "artist": "", "title": "", **NO_TAGS}, *FACTS[1:]]


def test_a_file_that_is_away_has_a_reason_which_is_not_kept(folder):
    assert file_facts.of_files(folder, ["0.flac", "away.flac"]) == [FACTS[0], "no such file or directory"]
    soundfile.write(folder / "away.flac", tone(300, 1), 8000)
    assert file_facts.of_files(folder, ["away.flac"])[0]["duration"] == 1.0


def test_without_ffmpeg_and_with_it_are_different_facts(folder, monkeypatch):
    (folder / "a.m4a").write_bytes(bytes(100))
    monkeypatch.setattr("fmalib.data.ffmpeg.is_there", lambda: False)
    assert "needs the program ffmpeg" in file_facts.of_files(folder, ["a.m4a"])[0]
    monkeypatch.setattr("fmalib.data.ffmpeg.is_there", lambda: True)
    monkeypatch.setattr(file_facts, "_read_facts", lambda path: "asked again")
    assert file_facts.of_files(folder, ["a.m4a"]) == ["asked again"]


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"format": 1}'])
def test_a_damaged_table_is_made_again(folder, damage):
    file_facts.of_files(folder, NAMES)
    (table,) = (folder.parent / "cache" / "folders").iterdir()
    whole = json.loads(table.read_text())
    table.write_text(damage)
    assert file_facts.of_files(folder, NAMES) == FACTS
    assert json.loads(table.read_text()) == whole


def test_a_cache_that_cannot_be_written_is_done_without(folder):
    (folder.parent / "cache").write_text("a file where the folder should be")
    assert file_facts.of_files(folder, NAMES) == FACTS
