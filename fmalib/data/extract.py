"""A zip file to a folder that is whole or not there; nothing is ever written beside that folder.

Python's zipfile reads bzip2, which many `unzip` builds do not.
"""

import os
import stat
import threading
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import PurePosixPath

import joblib

from fmalib import files
from fmalib.data.transfer import part_of
from fmalib.progress import bar

BLOCK = 1 << 20  # bytes
ENCRYPTED = 1  # flag of a member
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)  # bz2 raises OSError without a number


def unpack(archive, folder, *, n_jobs=-1, progress=True):
    """Extracts an archive that holds one folder; whole files of an earlier call are kept.

    A new folder is filled under another name (`transfer.part_of`), and takes its own at the end: a stopped call goes on at the
    next one. A folder that is there gets what it lacks, file by file, and files that differ (CRC-32) are replaced.

    Args:
        archive: path of the zip file.
        folder: path of the folder, named as in the archive.
        n_jobs: threads, -1 is one per core; decompression releases the interpreter lock.
        progress: whether to show a bar.

    Raises:
        ValueError: a member lies elsewhere, is a link, or cannot be read; in the first two cases nothing is written.
        OSError: the disk is full or read-only; no temporary file is left.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = _checked(file.infolist(), archive, folder.name)
        target = folder if folder.exists() else part_of(folder)
        for place in {(target / _below(member)).parent for member in members}:
            files.sweep(place, "*")  # of killed calls
        missing = [member for member in members if not _is_whole(target / _below(member), member)]
        size = sum(member.file_size for member in missing)
        files.check_room(target, size, f"{folder.name}, unpacked,")
        target.mkdir(parents=True, exist_ok=True)
        with bar(total=size, desc=f"Unpacking {archive.name}", unit="B", progress=progress) as shown:
            _extract_all(archive, missing, target, joblib.cpu_count() if n_jobs == -1 else n_jobs, shown)
    except BROKEN as error:
        if getattr(error, "errno", None) is not None:  # of the disk
            raise
        raise ValueError(f"{archive} cannot be unpacked, it is damaged. Received: {error}") from error
    if target != folder:
        os.rename(target, folder)


def _checked(members, archive, top):
    """Returns the files among an archive's members; ValueError where one is not a plain file or folder below `top`."""
    names = set()
    for member in members:
        name, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
        reason = (
            "is an absolute path" if name.is_absolute() or ":" in member.filename else
            "leads out of its folder" if ".." in name.parts or "\\" in member.filename else
            f"does not lie in {top}" if name.parts[:1] != (top,) or (name.parts == (top,) and not member.is_dir()) else
            "is a link" if kind == stat.S_IFLNK else
            "is no regular file" if kind not in (0, stat.S_IFREG, stat.S_IFDIR) else
            "is encrypted" if member.flag_bits & ENCRYPTED else
            "occurs twice" if name in names else ""
        )  # fmt: skip
        if reason:
            raise ValueError(f"{archive} is not unpacked: a member {reason}. Received: {member.filename!r}")
        names.add(name)
    return [member for member in members if not member.is_dir()]


def _below(member):
    """Returns the path of a member relative to the archive's folder."""
    return PurePosixPath(member.filename).relative_to(PurePosixPath(member.filename).parts[0])


def _is_whole(path, member):
    """Returns whether a regular file has the size and the CRC-32 of a member."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != member.file_size:
        return False
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
    return crc == member.CRC


def _extract_all(archive, members, target, workers, shown):
    """Writes members below a folder, by threads; after an error or Ctrl-C, it ends once all have stopped."""
    stop = threading.Event()
    with ThreadPoolExecutor(workers) as threads:
        parts = [members[number::workers] for number in range(workers)]
        jobs = [threads.submit(_extract, archive, part, target, shown, stop) for part in parts if part]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            stop.set()
            raise


def _extract(archive, members, target, shown, stop):
    """Writes members below a folder, each under a temporary name until it is whole, until the event `stop` is set."""
    with zipfile.ZipFile(archive) as file:  # its own: an open one counts its readers without a lock
        for member in members:
            if stop.is_set():
                return
            with files.atomic(target / _below(member)) as temporary, file.open(member) as source:
                _copy(source, temporary, shown)


def _copy(source, path, shown):
    with open(path, "wb") as sink:
        while block := source.read(BLOCK):
            sink.write(block)
            shown.update(len(block))
