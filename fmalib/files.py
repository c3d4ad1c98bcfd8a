"""Files that are whole or not there: atomic writing, checksums, locks, tables computed once.

`atomic` gives a file its final name once it is whole. `sealed` also writes the SHA-256 of the content behind it, by which
`is_whole` finds damage. `locked` lets one process write at a time and removes what killed ones left.
"""

import contextlib
import errno
import glob
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from pathlib import Path

import filelock
import numpy as np

BLOCK = 1 << 20  # bytes read at once
SEAL = hashlib.sha256().digest_size  # bytes behind the content; HDF5 and zip files are read as before
FULL = (errno.ENOSPC, errno.EDQUOT)  # no space on the disk, or none in the user's quota
MAKE_ROOM = "free some, or name a folder on another disk"
CHECKSUM = "sha256"  # key in a JSON file with a checksum

log = logging.getLogger("fmalib")


@contextlib.contextmanager
def atomic(path):
    """Yields a temporary path beside `path`, which takes its final name only if the block succeeds.

    The name's ending is kept, since soundfile, Keras and others read the format from it. The error of a full disk is raised
    anew by `full_disk`: Python names no file where a write fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process's number: two containers on one volume have the same ones.
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in FULL:
            raise full_disk(path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder, *names):
    """Removes temporary files that killed writers left in a folder; call it while nobody writes there.

    Args:
        folder: not looked at below.
        names: patterns of final names, such as `"*.json"`.
    """
    for name in names:
        for leftover in Path(folder).glob(f".{'[0-9a-f]' * 12}.tmp.{name}"):
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(lock, *names):
    """Holds a lock, waiting for it if need be, and removes temporary files of its folder with some final names (`sweep`).

    Raises:
        OSError: the folder cannot be written.
    """
    lock = Path(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(lock)
        held.acquire()
    except OSError as error:
        text = f"{error.strerror or error}: something is missing here, and the folder cannot be written"
        raise OSError(error.errno, text, str(lock.parent)) from error
    try:
        sweep(lock.parent, *names)
        yield
    finally:
        held.release()


def digest(path, size=None):
    """Returns the SHA-256 of a file, or of its first `size` bytes, as bytes."""
    found, left = hashlib.sha256(), os.stat(path).st_size if size is None else size
    with open(path, "rb") as file:
        while left > 0 and (block := file.read(min(BLOCK, left))):
            found.update(block)
            left -= len(block)
    return found.digest()


@contextlib.contextmanager
def sealed(path):
    """Yields a temporary path as `atomic` does, and writes the SHA-256 of its content behind it; see `is_whole`."""
    with atomic(path) as temporary:
        yield temporary
        seal = digest(temporary)
        with open(temporary, "ab") as file:
            file.write(seal)


def is_whole(path, *, say=True):
    """Returns whether a file is there as `sealed` wrote it; `say`: whether to report one that is damaged."""
    try:
        size = os.stat(path).st_size - SEAL
    except FileNotFoundError:
        return False
    if size >= 0:
        with open(path, "rb") as file:
            file.seek(size)
            if file.read() == digest(path, size):
                return True
    if say:
        report(path)
    return False


def report(path, remedy="it is made again"):
    """Says in one line of the log that a file is damaged."""
    log.warning("%s is damaged: %s.", path, remedy)


def check_room(folder, needed, purpose):
    """Raises OSError (ENOSPC) unless the disk of a folder has room.

    Args:
        folder: it need not be there yet.
        needed: bytes.
        purpose: noun for the message, such as `"the rest of fma_small.zip"`.
    """
    mount, free = _disk(folder)
    if needed > free:
        has = f"the disk mounted at {mount} has {in_words(free)}; {MAKE_ROOM}"
        text = f"No space left on device: {purpose} takes {in_words(needed)}, {has}"
        raise OSError(errno.ENOSPC, text, str(folder))


def full_disk(path):
    """Returns an OSError (ENOSPC) that names a file and its disk."""
    mount, free = _disk(path)
    text = f"No space left on device: the disk mounted at {mount} has {in_words(free)}; {MAKE_ROOM}"
    return OSError(errno.ENOSPC, text, str(path))


def _disk(path):
    """Returns (where the disk of a path is mounted, its free bytes); the path need not be there yet."""
    mount = Path(os.path.realpath(path))
    while not mount.exists():
        mount = mount.parent
    free = shutil.disk_usage(mount).free
    while not os.path.ismount(mount):
        mount = mount.parent
    return mount, free


def in_words(size):
    """Returns a number of bytes for people, such as "7.2 GiB"."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.{int(size < 10 << power)}f} {unit}"
    return f"{size} bytes"


def write_json(path, value, *, checksum=False):
    """Writes `value` as indented JSON, atomically; NaN and infinity are refused, since JSON has none.

    Args:
        checksum: whether `value`, a dict, gets a checksum of the rest beside it, for `read_json`.
    """
    if checksum:
        value = {**value, CHECKSUM: _checksum(value)}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path, *, say=True):
    """Returns the dict in a file by `write_json` with a checksum; None where there is none, or it is damaged.

    Args:
        say: whether to report damage.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        value = None
    if isinstance(value, dict) and value.pop(CHECKSUM, None) == _checksum(value):
        return value
    if say:
        report(path)
    return None


def _checksum(value):
    """Returns the SHA-256 of plain values; keys that are numbers count as the strings that JSON makes of them."""
    return hashlib.sha256(json.dumps(value, allow_nan=False).encode()).hexdigest()


def computed_once(file, compute):
    """Returns the arrays of a `.npz` file, a dict; where there is none, calls `compute()` for them and writes it first.

    A damaged file is made again. Of two processes, the second waits for the first.

    Args:
        file: its name must tell the content from any other.
        compute: function that returns a dict of arrays. `seconds`, the time it took, is kept beside them.
    """
    if not is_whole(file, say=False):
        with locked(file.with_name(f".{file.name}.lock"), glob.escape(file.name)):
            if not is_whole(file):
                _compute(file, compute)
    with np.load(file, allow_pickle=False) as kept:
        return dict(kept)


def _compute(file, compute):
    started = time.perf_counter()
    arrays = compute()
    with sealed(file) as temporary:
        np.savez(temporary, **arrays, seconds=time.perf_counter() - started)
