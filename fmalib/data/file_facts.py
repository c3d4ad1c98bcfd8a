"""Duration and tags of the files of a folder, read once and kept in the cache directory beside each file's size and time."""

import contextlib
import dataclasses
import hashlib
import json
import os
import zlib

import joblib

from fmalib import files, paths
from fmalib.data import audio, ffmpeg, formats, tags
from fmalib.progress import bar

FORMAT = 1  # raise it when durations or tags are read in another way
SHOW_PROGRESS = 300  # files from which on reading takes seconds


def of_files(root, names):
    """Returns the facts of some files, in order: a dict, or the reason why a file cannot be used, a string.

    The dict has `duration` in seconds, and `artist`, `album_artist`, `album` and `title` by `tags.read`.

    Args:
        root: folder of the files, absolute.
        names: their paths relative to it, strings.
    """
    place = paths.cache_dir() / "folders" / f"{root.name}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}.json"
    settings = {"format": FORMAT, "ffmpeg": ffmpeg.is_there()}
    kept = _read(place, settings)
    stamps = {name: _stamp(root / name) for name in names}
    new = [name for name in names if kept.get(name, [None])[0] != stamps[name] or stamps[name] is None]
    shown = bar(new, desc="Reading tags", unit="file", progress=len(new) >= SHOW_PROGRESS)
    with paths.quiet_stderr():
        found = joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(_read_facts)(root / name) for name in shown)
    facts = {name: kept[name][1] for name in names if name in kept} | dict(zip(new, found))
    if new or kept.keys() - set(names):
        entries = {name: [stamps[name], facts[name]] for name in names if stamps[name] is not None}
        with contextlib.suppress(OSError):  # a full disk, or one that may not be written: the next call reads the files again
            files.write_json(place, {**settings, "files": entries})
    return [facts[name] for name in names]


def probe(path):
    """Returns (size, checksum of 4 KiB in the middle) of a file: hashing all of FMA would take hours."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size // 2 - 2048))
        return size, zlib.crc32(file.read(4096))


def _read(place, settings):
    """Returns {name: [stamp, facts]} as kept, empty where there is nothing of these settings."""
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        return kept["files"] if {key: kept[key] for key in settings} == settings else {}
    except (OSError, ValueError, TypeError, KeyError):  # none yet, or damaged
        return {}


def _stamp(path):
    """Returns [size, time of the last change] of a file, None where it cannot be asked."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _read_facts(path):
    try:
        return {"duration": audio.duration(path), **dataclasses.asdict(tags.read(path))}
    except audio.AudioError as error:
        return str(error)
    except OSError as error:
        return formats.reason_of(error)
