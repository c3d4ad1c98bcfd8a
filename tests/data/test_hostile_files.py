"""Damaged files on their way from a folder to the cache: each is used or named, and none stops the others."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from helpers import bound_by_permissions, by_ffmpeg, id3, info_frame, mp3, mp3_frames, tone

from fmalib.data import ffmpeg

LONGEST = 10  # seconds for one file
BUILD = """
import json, sys
from fmalib.data import audio_cache, datasets
data = datasets.load(sys.argv[1])
cache = audio_cache.build(data, 8000, progress=False)
used = data.tracks.loc[cache.tracks.index, "path"]
print(json.dumps([*used, *data.excluded["path"], *cache.failed["path"]]))
"""
LOAD = """
import json, sys
from fmalib.data import datasets
try:
    data = datasets.load(*sys.argv[1:])
    print(json.dumps([len(data.tracks), dict(sorted(zip(data.excluded["path"], data.excluded["reason"])))]))
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
TIME = """
import json, pathlib, sys, time
from fmalib import paths
from fmalib.data import audio
def seconds(path):
    begin = time.monotonic()
    try:
        audio.duration(path), audio.decode(path, 8000)
    except audio.AudioError:
        pass
    return time.monotonic() - begin
with paths.quiet_stderr():
    print(json.dumps({str(path): seconds(path) for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*.*"))}))
"""


def originals(folder):
    """Returns {suffix: bytes of a file of a second}; m4a only where ffmpeg is."""
    signal, files = tone(300, 1), {}
    for suffix, format in {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "aiff": "AIFF", "opus": "OGG"}.items():
        file = io.BytesIO()
        soundfile.write(file, signal, 8000, format=format, subtype="OPUS" if suffix == "opus" else None)
        files[suffix] = file.getvalue()
    song = mp3(tone(300, 1, 44_100))
    frames = mp3_frames(song)
    files["mp3"] = id3(b"a picture" * 99) + info_frame(frames[0], len(frames), delay=576, padding=1000) + song
    if ffmpeg.is_there():
        files["m4a"] = by_ffmpeg(folder / "original.m4a", signal, 8000).read_bytes()
    return files


def mutated(data, rng):
    """Returns some bytes with one to four random injuries."""
    for _ in range(rng.integers(1, 5)):
        start = int(rng.integers(0, len(data) if rng.random() < 0.5 else min(200, len(data))))  # half of them in headers
        stop = start + int(rng.choice([1, 2, 4, 40, 1000]))
        kind = rng.choice(["flip", "noise", "ones", "zeros", "remove", "insert", "double", "truncate"])
        piece = np.frombuffer(data[start:stop], np.uint8)
        new = {
            "flip": piece ^ np.uint8(1 << rng.integers(0, 8)),
            "noise": rng.integers(0, 256, len(piece), np.uint8),
            "ones": np.full(len(piece), 255, np.uint8),
            "zeros": np.zeros(len(piece), np.uint8),
            "remove": piece[:0],
            "insert": np.concatenate([rng.integers(0, 256, len(piece), np.uint8), piece]),
            "double": np.tile(piece, 2),
            "truncate": piece,
        }[kind].tobytes()
        data = data[:start] + new + (data[stop:] if kind != "truncate" else b"")
        if not data:
            break
    return data


def write(folder, count):
    """Writes mutated files in folders of three genres, beside whole ones; returns their relative names."""
    rng, files, names = np.random.default_rng(0), originals(folder), []
    for number in range(count):
        suffix = list(files)[number % len(files)]
        names.append((f"genre {number % 3}/{number:04d}.{suffix}", mutated(files[suffix], rng)))
    for number in range(12):
        names.append((f"genre {number % 3}/whole {number}.flac", files["flac"] + bytes([number])))  # no same bytes
    for name, data in names:
        path = folder / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return sorted(name for name, _ in names)


def result(script, *arguments, timeout, **options):
    """Returns what a script prints about a folder, in a process of its own: a crash of a decoder is its exit status."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def test_each_damaged_file_is_used_or_named(tmp_path):
    names = write(tmp_path, 70)
    named = result(BUILD, tmp_path / "music", timeout=200)
    assert sorted(named) == names
    assert sum("whole" in name for name in names) == 12


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_each_of_2000_damaged_files_is_used_or_named_in_time(tmp_path):
    names = write(tmp_path, 2000)
    assert sorted(result(BUILD, tmp_path / "music", timeout=1500)) == names
    seconds = result(TIME, tmp_path / "music", timeout=1500)
    assert len(seconds) == len(names) and max(seconds.values()) < LONGEST, max(seconds, key=seconds.get)


def load(*arguments):
    """Returns [number of tracks, {path: reason} of the others], or [name of an error, its text], by who obeys permissions."""
    return result(LOAD, *arguments, timeout=100, preexec_fn=bound_by_permissions)


linux = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")


@pytest.fixture
def deny():
    """Returns a function that takes all permissions from some paths; the end gives them back, for pytest's own clearing."""
    denied = []

    def take(*paths):
        for path in paths:
            denied.append((path, path.stat().st_mode))
            path.chmod(0)

    yield take
    for path, mode in reversed(denied):
        path.chmod(mode)


@linux
def test_denied_files_and_folders_of_genres_are_named(write_genres, deny):
    root = write_genres({"A": {"a": 2, "b": 1, "c": 1}, "B": {"d": 2}, "C": {"e": 1}})
    file, unknown = root / "A" / "a" / "album 0" / "0.wav", root / "A" / "a" / "no suffix"
    unknown.write_bytes(file.read_bytes())
    (root / "A" / "linked.wav").symlink_to(file)
    os.mkfifo(root / "C" / "pipe.wav")
    deny(file, unknown, root / "A" / "b", root / "B")
    denied = ["A/a/album 0/0.wav", "A/b", "A/linked.wav", "B"]
    assert load(root) == [3, {**dict.fromkeys(denied, "permission denied"), "C/pipe.wav": "not a regular file"}]
    deny(root / "A", root / "C")
    left_out = "3 tracks left out: 3 (permission denied): A, B, C Received"
    assert load(root) == ["ValueError", f"No file in {root} could be read. {left_out}: dataset={str(root)!r}"]
    remedy = "permission denied. Allow reading it (`chmod -R u+rX`), or choose another. Received"
    deny(root)
    assert load(root) == ["PermissionError", f"{root}: {remedy}: dataset={str(root)!r}"]
    deny(root.parent)
    assert load(root) == ["PermissionError", f"{root}: {remedy}: dataset={str(root)!r}"]


@linux
def test_denied_files_and_folders_of_fma_are_named(write_fma, deny):
    root = write_fma((2002, "Rock", 5, "training"), (2003, "Rock", 6, "training"), (3002, "Rock", 7, "test"))
    audio = root / "fma_small"
    (audio / "001" / "001002.mp3").rename(audio / "001" / "001002.wav")
    deny(audio / "000" / "000002.mp3", audio / "001" / "001002.wav", audio / "002")
    (audio / "003").chmod(0o100)  # cannot be listed, but its files can be opened
    denied = ["000/000002.mp3", "001/001002.wav", "002/002002.mp3", "002/002003.mp3"]
    assert load("fma_small", root) == [3, {f"fma_small/{name}": "permission denied" for name in denied}]
    (audio / "003").chmod(0o755)
    remedy = "permission denied. Allow reading it (`chmod -R u+rX`), or choose another. Received"
    for place in (audio, root / "fma_metadata" / "tracks.csv", root):
        deny(place)
        assert load("fma_small", root) == ["PermissionError", f"{place}: {remedy}: data_dir={str(root)!r}"]
