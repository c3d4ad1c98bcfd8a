import os
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import mp3, tone

from fmalib.data import audio, formats

SUFFIX = {"SVX": "iff", "IRCAM": "sf", "NIST": "sph", "WAVEX": "wav", "MPC2K": "mpc"}  # else the format's name
LOSSY = {"MP3": 0.95, "OGG": 0.95}  # correlation with the signal, else above 0.999
WRITABLE = sorted(set(soundfile.available_formats()) - {"RAW", "SD2", "XI"})  # no header; a resource fork; no sample rate
OTHERS = [("aif", "AIFF"), ("aifc", "AIFF"), ("snd", "AU"), ("oga", "OGG"), ("wave", "WAV"), ("bwf", "WAV")]


@pytest.mark.parametrize("suffix, format", [*((SUFFIX.get(name, name.lower()), name) for name in WRITABLE), *OTHERS])
def test_every_format_of_libsndfile_is_found_and_decoded(tmp_path, suffix, format):
    signal = tone(440, 1)
    soundfile.write(tmp_path / f"a.{suffix}", signal, 8000, format=format)
    assert formats.audio_files(tmp_path) == [Path(f"a.{suffix}")]
    decoded = audio.decode(tmp_path / f"a.{suffix}", 8000)
    assert abs(len(decoded) - 8000) <= (1152 if format == "MP3" else 60)  # SDS has packets of 60 samples
    assert np.corrcoef(decoded[:8000], signal[: len(decoded)])[0, 1] > LOSSY.get(format, 0.999)
    assert audio.duration(tmp_path / f"a.{suffix}") == pytest.approx(len(decoded) / 8000, abs=1 / 8000)


def test_opus(tmp_path):
    soundfile.write(tmp_path / "a.opus", tone(440, 1), 8000, format="OGG", subtype="OPUS")
    assert len(audio.decode(tmp_path / "a.opus", 8000)) == 8000 and formats.audio_files(tmp_path) == [Path("a.opus")]


def test_files_in_order_without_hidden_ones_and_what_is_no_audio(tmp_path):
    names = "b/2.MP3 b/10.wav a/x.m4a a/.hidden.mp3 .git/x.mp3 cover.jpg notes.txt b/list.m3u8 b/read.me tracks.csv b/song.kar"
    for name in names.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"anything")
    found = [path.as_posix() for path in formats.audio_files(tmp_path)]
    assert found == ["a/x.m4a", "b/10.wav", "b/2.MP3"]


def test_libsndfile_tells_files_without_a_known_suffix(tmp_path):
    soundfile.write(tmp_path / "song", tone(440, 0.1), 8000, format="FLAC")
    (tmp_path / "song.00001").write_bytes((tmp_path / "song").read_bytes())
    (tmp_path / "mp3 without suffix").write_bytes(mp3(tone(440, 0.1)))  # begins like many other files
    (tmp_path / "README").write_text("no audio")
    (tmp_path / "empty").write_bytes(b"")
    assert formats.audio_files(tmp_path) == [Path("song"), Path("song.00001")]


def test_links_are_followed_once_and_what_cannot_be_opened_is_named(tmp_path):
    rock = tmp_path / "music" / "rock"
    rock.mkdir(parents=True)
    soundfile.write(tmp_path / "elsewhere.wav", tone(440, 0.1), 8000)
    (rock / "linked.wav").symlink_to(tmp_path / "elsewhere.wav")
    (rock / "again").symlink_to(tmp_path / "music")
    (rock / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (rock / "folder.wav").mkdir()
    for name in ("loop.wav", "loop"):
        (rock / name).symlink_to(name)
    for name in ("pipe.wav", "pipe"):  # opening one would wait for ever
        os.mkfifo(rock / name)
        (rock / f"linked {name}").symlink_to(name)
    os.mknod(rock / "socket.wav", stat.S_IFSOCK | 0o600)
    failed = []
    assert formats.audio_files(tmp_path / "music", lambda *found: failed.append(found)) == [Path("rock/linked.wav")]
    assert failed == [
        (Path("rock/gone.wav"), "file missing"),
        (Path("rock/linked pipe.wav"), "not a regular file"),
        (Path("rock/loop.wav"), "too many levels of symbolic links"),
        (Path("rock/pipe.wav"), "not a regular file"),
        (Path("rock/socket.wav"), "not a regular file"),
    ]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    failed = []
    assert formats.audio_files(tmp_path, lambda *found: failed.append(found)) == []
    assert failed == [(Path("closed"), "permission denied")]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has such names")
def test_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    soundfile.write(os.fsencode(path), tone(440, 0.5), 8000, format="WAV")
    assert formats.audio_files(tmp_path) == [Path(path.name)]
    assert len(audio.decode(path, 8000)) == 4000


def test_sound_files_of_a_folder_or_a_list(tmp_path):
    for name in ("b.wav", "below/a.MP3", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "._b.wav").touch()  # hidden, such as macOS makes
    (tmp_path / "folder.wav").mkdir()
    assert formats.sound_files(tmp_path) == [tmp_path / "b.wav", tmp_path / "below" / "a.MP3"]
    (tmp_path / "list.txt").write_text("b.wav\n\n/elsewhere/c.ogg\n")
    assert formats.sound_files(tmp_path / "list.txt") == [tmp_path / "b.wav", Path("/elsewhere/c.ogg")]


@pytest.mark.parametrize("name", ["nowhere", "empty", "song.flac"])
def test_no_sound_files_are_an_error_that_names_the_parameter(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "song.flac").write_bytes(b"fLaC\x80\xff")  # a sound file is neither a folder nor a list
    with pytest.raises(ValueError, match=r"unlabelled must be a folder with sound files.* Received: unlabelled='"):
        formats.sound_files(tmp_path / name, "unlabelled")
