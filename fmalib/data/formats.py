"""Audio files in a folder: which files count as audio, asked of libsndfile rather than listed, and which may be opened."""

import contextlib
import errno
import mimetypes
import os
import stat
from pathlib import Path

import soundfile

from fmalib.data import ffmpeg, mpeg

ALIASES = [".aifc", ".bwf", ".iff", ".oga", ".opus", ".sf", ".snd", ".sph", ".wave"]  # libsndfile names each format once
SUFFIXES = frozenset(
    [f".{name.lower()}" for name in soundfile.available_formats()] + ALIASES + list(mpeg.SUFFIXES) + ffmpeg.SUFFIXES
)
_TYPES = mimetypes.MimeTypes()  # of Python itself: the machine's own list may differ


def audio_files(root, failed=None):
    """Returns the audio files below a folder, `Path`s relative to it and sorted.

    Links are followed; hidden files and folders are left out. Only regular files are opened. A suffix tells most files.
    libsndfile is asked about the others, since it knows many formats by their first bytes.

    Args:
        root: the folder.
        failed: function that is called with (relative path, reason) of each folder that cannot be listed, and of each
            file with an audio suffix that cannot be opened.
    """
    files, seen, failed = [], set(), failed or (lambda path, reason: None)

    def unreadable(error):
        failed(Path(error.filename).relative_to(root), reason_of(error))

    tops = [os.fspath(root)]
    while tops:  # links come last: a folder that lies here too keeps its own name
        for folder, subfolders, names in os.walk(tops.pop(0), onerror=unreadable):
            real = os.path.realpath(folder)
            subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not name.startswith("."))
            tops += [place for name in subfolders if os.path.islink(place := os.path.join(folder, name))]
            if real not in seen:
                relative = Path(folder).relative_to(root)
                shown = [relative / name for name in sorted(names) if not name.startswith(".")]
                files += [name for name in shown if _is_audio(root, name, failed)]
            seen.add(real)
    return sorted(files)


def check_file(path):
    """Raises OSError unless a path is a regular file that may be read, or a link to one; opens nothing.

    Opening a FIFO would wait for ever.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def check_allowed(path, received):
    """Raises PermissionError where a file or folder may not be read; an absent one passes.

    Args:
        path: of the file or folder.
        received: the parameter that names it, for the message, such as `"dataset='music'"`.
    """
    try:
        allowed = os.access(path, os.R_OK | os.X_OK if stat.S_ISDIR(os.stat(path).st_mode) else os.R_OK)
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        allowed = not isinstance(error, PermissionError)
    if not allowed:
        remedy = "Allow reading it (`chmod -R u+rX`), or choose another"
        raise PermissionError(f"{path}: permission denied. {remedy}. Received: {received}")


def reason_of(error):
    """Returns an OSError in a few words, such as "permission denied"."""
    return "file missing" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()


def _is_audio(root, relative, failed):
    suffix = relative.suffix.lower()
    kind = (_TYPES.guess_type(f"a{suffix}")[0] or "").split("/")[0]
    if kind and kind not in ("audio", "video") and suffix not in SUFFIXES:
        return False
    known = suffix in SUFFIXES or kind != ""
    try:
        check_file(root / relative)
        return known or _libsndfile_knows(root / relative)
    except OSError as error:
        if known:
            failed(relative, reason_of(error))
        return False


def _libsndfile_knows(path):
    """Returns whether libsndfile recognises a file by its first bytes; MP3 has no sure ones."""
    try:
        with open(path, "rb") as file, soundfile.SoundFile(file) as sound:
            return sound.format not in ("MP3", "RAW")
    except (soundfile.SoundFileError, TypeError, ValueError):
        return False


def sound_files(music, name="music"):
    """Returns the sound files in a folder and below, or those that a text file names, a path a line; `name` is for errors.

    Raises:
        ValueError: there are none.
    """
    music, found = Path(music).expanduser(), []
    if music.is_dir():
        found = [music / path for path in audio_files(music)]
    elif music.is_file():
        with contextlib.suppress(UnicodeDecodeError):  # no text, such as a sound file
            lines = music.read_text(encoding="utf-8").splitlines()
            found = [music.parent / line.strip() for line in lines if line.strip()]
    if not found:
        raise ValueError(
            f"{name} must be a folder with sound files, or a text file with their paths. Received: {name}={str(music)!r}"
        )
    return found
