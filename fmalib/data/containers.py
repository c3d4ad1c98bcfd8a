"""Parts of an audio file: stretches that a decoder reads in one go, found where headers lie or files were joined.

libsndfile stops at the end of the first Ogg stream, at a wrong length field, and at its guess for an MP3. Parts cover the
whole file. What libsndfile does not read goes to the program ffmpeg, where it is on the path.
"""

import dataclasses
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import soundfile

from fmalib.data import ffmpeg, mpeg
from fmalib.data.excerpts import Bytes, for_decoder, give_back

UNKNOWN_SIZE = 0x7FFFF000  # wav sizes from here on are of streams: the length was not known when the header was written
UNKNOWN_FRAMES = 1 << 60  # libsndfile's number of frames of such a stream is above this
MOST_CHUNKS = 10_000  # of a wav file: a hostile one may have a million
SURE_SECONDS = 1  # of counted MPEG frames that are believed without trying to open them
MOST_PARTS = 10_000  # of a file; a day of chained radio has a few hundred
_FOREIGN = re.compile(rb"(?P<other>PK\x03\x04|\xff\xd8\xff|\x89PNG|fLaC|OggS|Rar!|%PDF)|ID3|[A-Za-z][A-Za-z0-9 ]{3}")
_PAGE, _FLAC = re.compile(rb"OggS\0"), re.compile(rb"fLaC[\0\x80]\0\0\x22")


class AudioError(ValueError):
    """A file that cannot be used; the message gives the reason, without the file's name."""


class TooLongError(AudioError):
    """A file of more audio than a record of the cache may hold."""


class SoundFile(soundfile.SoundFile):
    """A sound file that is only read forwards: after each block, soundfile would seek, which fails at an unknown end.

    Args:
        file: path, file object, or the number of an excerpt's file in memory, which is given back when this is closed.
    """

    _lent = None

    def __init__(self, file):
        self._lent = (file, os.getpid()) if isinstance(file, int) else None
        try:
            super().__init__(file, closefd=False)
        except BaseException:
            self.close()
            raise

    def close(self):
        """See `soundfile.SoundFile`."""
        try:
            super().close()
        finally:
            lent, self._lent = self._lent, None
            if lent is not None:
                give_back(*lent)

    def seekable(self):
        """Returns False."""
        return False


@dataclasses.dataclass(frozen=True)
class Part:
    """A stretch of a file.

    Attributes:
        open: function that returns a `SoundFile` or a `fmalib.data.ffmpeg.File`; `whole=False` says to a `SoundFile` that it
            is only looked at.
        seconds: duration by counting frames; None where they are not counted.
        count: function without arguments that returns the duration without decoding; None where a `SoundFile` knows it.
        promised: duration by a header, which may be wrong; None where there is none.
    """

    open: Callable
    seconds: float | None = None
    count: Callable | None = None
    promised: float | None = None


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of a file in order.

    Attributes:
        parts: list of `Part`, at least one.
        cut: whether the file stops in the middle of a frame or page.
        truncated: whether it also has fewer frames than its header promises.
        remarks: notices on the file as a whole, a tuple of strings.
    """

    parts: list
    cut: bool = False
    truncated: bool = False
    remarks: tuple = ()


def find(path):
    """Returns the `Parts` of a file.

    Raises:
        OSError: the file cannot be opened; this may be temporary.
        AudioError: neither libsndfile nor ffmpeg reads it; the message has the remedy. Or it has too many parts.
    """
    path = Path(path)
    with open(path, "rb", buffering=1 << 14) as file:
        found = _split(path, Bytes(file)) or Parts([_part(path)])
    if len(found.parts) > MOST_PARTS:
        raise AudioError(f"more than {MOST_PARTS} parts in one file")
    try:
        if (found.parts[0].seconds or 0) < SURE_SECONDS:
            found.parts[0].open(whole=False).close()
        return found
    except AudioError as error:
        suffix = path.suffix.lower()
        if not ffmpeg.is_there():
            reason = f"{suffix} needs the program ffmpeg, install it or convert the files to flac"
            raise AudioError(reason if suffix in ffmpeg.SUFFIXES or _for_ffmpeg(path) else "not readable as audio") from error
    return Parts([Part(partial(_by_ffmpeg, ffmpeg.File, path), count=partial(_by_ffmpeg, ffmpeg.seconds, path))])


def _for_ffmpeg(path):
    """Returns whether a file begins like an MP4, ASF, Matroska or AAC file, whatever its suffix."""
    with open(path, "rb") as file:
        return re.match(rb"....ftyp|0&\xb2u|\x1aE\xdf\xa3|\xff[\xf0\xf1\xf8\xf9]", file.read(16), re.DOTALL) is not None


def _by_ffmpeg(function, path):
    try:
        return function(path)
    except ffmpeg.FfmpegError as error:
        why = f": {error}" if path.suffix.lower() in ffmpeg.SUFFIXES else ""
        raise AudioError(f"not readable as audio{why}") from error


def _split(path, data):
    """Returns the `Parts` of a file by its first bytes, or None where it is one part."""
    start = mpeg.id3_end(data, 0)
    if data.at(0, 4) == b"RIFF":
        return _riff(path, data)
    if data.at(0, 4) == b"FORM":
        return _aiff(path, data)
    if data.at(start, 4) == b"OggS":
        return _ogg(path, data, start)
    if data.at(start, 4) == b"fLaC":
        return _flac(path, data, start)
    if path.suffix.lower() in mpeg.SUFFIXES or start or mpeg.parse(data.at(0, 4)):
        return _mpeg(path, data)
    return None


def _part(path, pieces=None, **facts):
    """Returns a whole file, or some pieces of it, as one part."""

    def opened(*, whole=True):
        try:
            if pieces is not None:
                return SoundFile(for_decoder(path, pieces, copy=whole))
            # A name that is not UTF-8 goes as bytes, which Windows does not take.
            return SoundFile(os.fsencode(path) if os.name == "posix" else path)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:  # TypeError: a file named .raw needs a format
            raise AudioError("not readable as audio") from error

    return Part(opened, **facts)


def _mpeg(path, data):
    runs = mpeg.runs(data)
    if not runs:
        return None
    parts = [_part(path, None if run.plain else run.pieces(), seconds=run.seconds, promised=run.promised) for run in runs]
    size, junk = sum(stop - start for run in runs for start, stop in run.ranges), runs[-1].junk
    lost = junk / size * sum(run.seconds for run in runs)
    remarks = (f"not MP3: {junk:,} bytes between or behind the frames, as long as {lost:.1f} s of them",) if lost > 0.1 else ()
    return Parts(parts, runs[-1].cut, runs[-1].truncated, remarks)


def _ogg(path, data, start):
    """Returns one part for each link of a chained stream: a link begins with pages that begin streams."""
    links, position, end, first_before = [], start, start, False
    while position < data.size:
        page = data.at(position, 27 + 255)
        if page[:5] != b"OggS\0" or len(page) < 27:
            position = data.search(_PAGE, position + 1)
            continue
        first = page[5] & 2 > 0
        if first and not first_before:
            links.append(position)
        first_before = first
        position = end = position + 27 + page[26] + sum(page[27 : 27 + page[26]])
    if len(links) < 2 and start == 0:
        return Parts([_part(path)], cut=end > data.size)
    return Parts([_part(path, [link]) for link in zip(links, [*links[1:], data.size])], cut=end > data.size)


def _flac(path, data, start):
    """Returns one part for each FLAC stream of a file, its length set to unknown, so that the decoder reads all of it."""
    parts, end = [], mpeg.end_of_audio(data)
    while start < end:
        head = data.at(start, 26)
        following = min(end, data.search(_FLAC, start + 4))
        rate, total = int.from_bytes(head[18:21], "big") >> 4, int.from_bytes(head[21:26], "big") & (1 << 36) - 1
        unknown = head[:21] + bytes([head[21] & 0xF0, 0, 0, 0, 0]) if len(head) == 26 else head
        promised = total / rate if total and rate else None
        parts.append(_part(path, [unknown, (start + len(head), following)], promised=promised))
        start = following
    return Parts(parts)


def _riff(path, data):
    """Returns one part for each wav file in a file, or None where libsndfile finds all audio by itself.

    A data chunk with anything but a chunk or a known kind of file behind it has a wrong size: it goes on to the end.
    """
    parts, position, data.size = [], 0, mpeg.end_of_audio(data)
    while data.at(position, 4) == b"RIFF":
        begin, end = _wav_data(data, position + 12)
        behind = _behind_chunks(data, end)
        if begin is None or end >= data.size:
            behind = data.size
        elif behind == end and data.at(end, 4) != b"RIFF" and data.search(mpeg.NOT_ZERO, end) < data.size:
            if foreign := _FOREIGN.match(data.at(end, 4)) or _FOREIGN.match(data.at(end - 1, 4)):  # no byte of padding
                rest = f"not wav: {data.size - end:,} bytes behind the audio are not read"
                parts.append(_part(path, [(position, end)]))
                return Parts(parts, remarks=(rest,) if foreign["other"] else ())
            size = (data.size - begin).to_bytes(4, "little")
            promised = (end - begin) / max(1, int.from_bytes(data.at(position + 28, 4), "little")) or None
            parts.append(_part(path, [(position, begin - 4), size, (begin, data.size)], promised=promised))
            return Parts(parts)
        parts.append(_part(path, [(position, behind)]))
        position = behind
    return Parts(parts) if len(parts) > 1 else None


def _aiff(path, data):
    """Returns one part for each of several AIFF files in a file, None for a single one."""
    parts, position = [], 0
    while data.at(position, 4) == b"FORM":
        size = int.from_bytes(data.at(position + 4, 4), "big")
        end = min(data.size, position + 8 + size + size % 2)
        parts.append(_part(path, [(position, end)]))
        position = end
    return Parts(parts) if len(parts) > 1 else None


def _wav_data(data, chunk):
    """Returns (begin, end) of the samples of a wav file from its first chunk on; None and the end where there are none."""
    for _ in range(MOST_CHUNKS):
        size = int.from_bytes(data.at(chunk + 4, 4), "little")
        if data.at(chunk, 4) == b"data":
            return chunk + 8, data.size if size >= UNKNOWN_SIZE else chunk + 8 + size + size % 2
        chunk += 8 + size + size % 2
    return None, data.size


def _behind_chunks(data, position):
    """Returns the end of the chunks of a wav file that begin at a position."""
    for _ in range(MOST_CHUNKS):
        name, size = data.at(position, 4), int.from_bytes(data.at(position + 4, 4), "little")
        end = position + 8 + size + size % 2
        if name == b"RIFF" or len(name) < 4 or not all(32 <= byte < 127 for byte in name) or end > data.size + 1:
            break
        position = end
    return min(position, data.size)
