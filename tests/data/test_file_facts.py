import hashlib
import json
import os

import pytest
import soundfile
from helpers import tone

from fmalib import files
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


def test_a_file_that_is_away_or_no_regular_file_has_a_reason_which_is_not_kept(folder, monkeypatch):
    os.mkfifo(folder / "pipe.flac")  # opening it would wait for ever
    reasons = ["file missing", "not a regular file"]
    assert file_facts.of_files(folder, ["0.flac", "away.flac", "pipe.flac"]) == [FACTS[0], *reasons]
    soundfile.write(folder / "away.flac", tone(300, 1), 8000)
    assert file_facts.of_files(folder, ["away.flac"])[0]["duration"] == 1.0


def test_an_error_that_may_pass_is_not_kept(folder, monkeypatch):
    def fail(path):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(file_facts.audio, "duration", fail)
        patch.setattr(files, "digest", fail)
        assert file_facts.of_files(folder, NAMES) == ["input/output error"] * 3
        with pytest.raises(OSError, match=rf"^\[Errno 5\] Input/output error: '{folder}/0\.flac'$"):
            file_facts.digests(folder, NAMES)
    assert file_facts.of_files(folder, NAMES) == FACTS and file_facts.digests(folder, NAMES) == sha256(folder, NAMES)


def test_without_ffmpeg_and_with_it_are_different_facts(folder, monkeypatch):
    (folder / "a.m4a").write_bytes(bytes(100))
    monkeypatch.setattr("fmalib.data.ffmpeg.is_there", lambda: False)
    assert "needs the program ffmpeg" in file_facts.of_files(folder, ["a.m4a"])[0]
    monkeypatch.setattr("fmalib.data.ffmpeg.is_there", lambda: True)
    monkeypatch.setattr(file_facts, "_read_facts", lambda path: "asked again")
    assert file_facts.of_files(folder, ["a.m4a"]) == ["asked again"]


def table(folder, kind):
    """Returns the path of the kept table of tags or files."""
    (found,) = (folder.parent / "cache" / "folders").glob(f"music-*.{kind}.json")
    return found


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"format": 1}', "flipped"])
@pytest.mark.parametrize("kind", ["tags", "files"])
def test_a_damaged_table_is_named_and_made_again(folder, caplog, kind, damage):
    file_facts.of_files(folder, NAMES)
    file_facts.digests(folder, NAMES)
    place = table(folder, kind)
    whole, hexadecimal = place.read_text(), sha256(folder, NAMES)[0]
    flipped = whole.replace("artist 0", "artist 1").replace(hexadecimal, hexadecimal[::-1])  # still a table
    assert flipped != whole
    place.write_text(flipped if damage == "flipped" else damage)
    assert file_facts.of_files(folder, NAMES) == FACTS and file_facts.digests(folder, NAMES) == sha256(folder, NAMES)
    assert place.read_text() == whole
    assert caplog.messages == [f"{place} is damaged: it is made again."]


def test_a_cache_that_cannot_be_written_is_done_without(folder):
    (folder.parent / "cache").write_text("a file where the folder should be")
    assert file_facts.of_files(folder, NAMES) == FACTS
    assert file_facts.digests(folder, NAMES) == sha256(folder, NAMES)


def test_what_killed_writers_left_is_removed(folder):
    file_facts.digests(folder, NAMES[:1])
    place = table(folder, "files")
    leftover = place.with_name(f".{'a' * 12}.tmp.{place.name}")
    leftover.write_text("half a table")
    file_facts.digests(folder, NAMES)
    assert sorted(path.name for path in place.parent.iterdir()) == [".lock", place.name] and not leftover.exists()


def sha256(folder, names):
    """Returns the digests that hashlib gives."""
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]


def test_whole_files_are_hashed_once(folder, monkeypatch):
    assert file_facts.digests(folder, NAMES) == sha256(folder, NAMES)
    monkeypatch.setattr(files, "digest", lambda path: pytest.fail(f"{path} was read again"))
    assert file_facts.digests(folder, NAMES[::-1]) == sha256(folder, NAMES)[::-1]
    assert file_facts.digests(folder, []) == []


def test_a_part_of_the_files_does_not_lose_the_others(folder, monkeypatch):
    file_facts.digests(folder, NAMES)
    (folder / "1.flac").unlink()
    (folder / "text.wav").write_text("new text")
    file_facts.digests(folder, NAMES[2:])
    monkeypatch.setattr(files, "digest", lambda path: pytest.fail(f"{path} was read again"))
    assert file_facts.digests(folder, ["0.flac", "text.wav"]) == sha256(folder, ["0.flac", "text.wav"])
    assert json.loads(table(folder, "files").read_text())["files"].keys() == {"0.flac", "text.wav"}


@pytest.mark.parametrize("place", [0, 100, -1])
def test_an_edit_is_seen_though_size_and_time_are_set_back(folder, place):
    before, status = file_facts.digests(folder, NAMES), (folder / "1.flac").stat()
    data = bytearray((folder / "1.flac").read_bytes())
    data[place] ^= 1
    (folder / "1.flac").write_bytes(data)
    os.utime(folder / "1.flac", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = file_facts.digests(folder, NAMES)
    assert after == sha256(folder, NAMES) and after[1] != before[1] and after[::2] == before[::2]


def test_a_file_that_cannot_be_hashed_is_named_and_the_others_are_kept(folder, monkeypatch):
    os.mkfifo(folder / "pipe.wav")  # opening it would wait for ever
    with pytest.raises(FileNotFoundError, match=rf"No such file or directory: '{folder}/away\.wav'$"):
        file_facts.digests(folder, [*NAMES, "away.wav"])
    with pytest.raises(OSError, match=rf"Not a regular file: '{folder}/pipe\.wav'$"):
        file_facts.digests(folder, ["pipe.wav"])
    monkeypatch.setattr(files, "digest", lambda path: pytest.fail(f"{path} was read again"))
    assert file_facts.digests(folder, NAMES) == sha256(folder, NAMES)


def test_progress_is_shown_for_many_new_files(folder, monkeypatch, capsys):
    monkeypatch.setattr(file_facts, "SHOW_PROGRESS", 3)
    for _ in range(2):
        file_facts.of_files(folder, NAMES)
        file_facts.digests(folder, NAMES)
    out = capsys.readouterr().out
    assert out.count("Reading tags: 100%") == out.count("Reading files: 100%") == 1 and "3/3" in out
