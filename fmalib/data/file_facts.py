"""Durations, tags and checksums of the files of a folder, kept in the cache directory beside each file's size and times."""

import contextlib
import dataclasses
import hashlib

import joblib

from fmalib import files, paths
from fmalib.data import audio, ffmpeg, formats, tags, transfer
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
    found = _once(root, names, _read_facts, "tags", {"format": FORMAT, "ffmpeg": ffmpeg.is_there()})
    return [formats.reason_of(facts) if isinstance(facts, OSError) else facts for facts in found]


def digests(root, names):
    """Returns the SHA-256 of some whole files, in order, as hexadecimal strings.

    Args:
        root: folder of the files, absolute.
        names: their paths relative to it, strings.

    Raises:
        OSError: a file cannot be read; the message names it.
    """
    found = _once(root, names, lambda path: files.digest(path).hex(), "files", {})
    for error in found:
        if isinstance(error, OSError):
            raise error
    return found


def sha1s(root, names):
    """Returns the SHA-1 of some whole files, in order, as hexadecimal strings; an OSError for one that cannot be read.

    Args:
        root, names: as for `of_files`.
    """
    return _once(root, names, transfer.digest, "sha1", {})


def _once(root, names, read, kind, settings):
    """Returns what `read` gives for some files, in order, or its OSError; files that have not changed are not read again.

    Args:
        root, names: as for `of_files`.
        read: function of a path that returns a value for JSON.
        kind: of the values; part of the kept table's name.
        settings: dict of what else decides the values.
    """
    place = paths.cache_dir() / "folders" / f"{root.name}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}.{kind}.json"
    kept = _kept(place, settings)
    stamps = {name: _stamp(root / name) for name in names}
    new = [name for name in names if stamps[name] is None or kept.get(name, [None])[0] != stamps[name]]
    shown = bar(new, desc=f"Reading {kind}", unit="file", progress=len(new) >= SHOW_PROGRESS)
    with paths.quiet_stderr():
        found = joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(_try)(read, root / name) for name in shown)
    values = {name: kept[name][1] for name in names if name in kept} | dict(zip(new, found))
    fresh = {name: [stamps[name], values[name]] for name in new if not isinstance(values[name], OSError)}
    if fresh:
        # A full disk, or one that may not be written: the next call reads the files again.
        with contextlib.suppress(OSError), files.locked(place.parent / ".lock", "*.json"):
            # Files that this call was not asked about stay, and those that another process has added meanwhile.
            kept = {name: entry for name, entry in _kept(place, settings, say=False).items() if (root / name).exists()}
            files.write_json(place, {**settings, "files": kept | fresh}, checksum=True)
    return [values[name] for name in names]


def _kept(place, settings, *, say=True):
    """Returns {name: [stamp, value]} as kept, empty where there is nothing of these settings."""
    try:
        table = files.read_json(place, say=say) or {}
    except OSError:
        table = {}
    entries = table.pop("files", {})
    return entries if table == settings else {}


def _stamp(path):
    """Returns [size, two times of change] of a file, None where it cannot be asked.

    Tools may set the first time, of the content, back; the second is that of any change, also of owner or name.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _try(read, path):
    """Returns what a function gives for a regular file, or an OSError that names the file."""
    try:
        formats.check_file(path)
        return read(path)
    except OSError as error:
        return OSError(error.errno, error.strerror or str(error), str(path))


def _read_facts(path):
    try:
        return {"duration": audio.duration(path), **dataclasses.asdict(tags.read(path))}
    except audio.AudioError as error:
        return str(error)
