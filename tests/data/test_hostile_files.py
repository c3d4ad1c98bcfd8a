"""Damaged files on their way from a folder to the cache: each is used or named, and none stops the others."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from helpers import by_ffmpeg, id3, info_frame, mp3, mp3_frames, tone

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


def result(script, folder, timeout):
    """Returns what a script prints about a folder, in a process of its own: a crash of a decoder is its exit status."""
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def test_each_damaged_file_is_used_or_named(tmp_path):
    names = write(tmp_path, 70)
    named = result(BUILD, tmp_path / "music", 200)
    assert sorted(named) == names
    assert sum("whole" in name for name in names) == 12


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_each_of_2000_damaged_files_is_used_or_named_in_time(tmp_path):
    names = write(tmp_path, 2000)
    assert sorted(result(BUILD, tmp_path / "music", 1500)) == names
    seconds = result(TIME, tmp_path / "music", 1500)
    assert len(seconds) == len(names) and max(seconds.values()) < LONGEST, max(seconds, key=seconds.get)
