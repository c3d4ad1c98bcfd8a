"""Files as bytes: looking around in a file, and a selection of its bytes as a file of its own."""

import bisect
import errno
import io
import itertools
import os

BLOCK = 1 << 16
IN_MEMORY = 1 << 24  # bytes of an excerpt at most that are copied
KEPT = 1 << 21  # bytes at most of a file in memory that nobody uses
_FREE = []  # (process, number) of such files: new ones take a hundredth of decoding a clip


class Bytes:
    """The bytes of an open binary file by position; memory does not grow with the file.

    Attributes:
        size: position of the end; a reader may lower it.
    """

    def __init__(self, file):
        self.file = file
        self.size = file.seek(0, io.SEEK_END)

    def at(self, position, length):
        """Returns the bytes from a position on, at most `length`, none beyond either end."""
        if not 0 <= position < self.size:
            return b""
        self.file.seek(position)
        return self.file.read(min(length, self.size - position))

    def search(self, pattern, position):
        """Returns the first place of a compiled pattern, of 16 bytes at most, from a position on, else the end."""
        while position < self.size:
            match = pattern.search(self.at(position, BLOCK + 16))
            if match:
                return position + match.start()
            position += BLOCK
        return self.size


class Excerpt(io.RawIOBase):
    """Some bytes of a file as a file of its own, which decoders read and seek in like any other.

    Args:
        path: of the file.
        pieces: its content in order: bytes, and (start, stop) ranges of the file.
    """

    def __init__(self, path, pieces):
        super().__init__()
        self._pieces = [piece for piece in pieces if _size(piece)]
        self._ends = list(itertools.accumulate(map(_size, self._pieces)))
        self._position = 0
        self._file = open(path, "rb")  # noqa: SIM115 (`close` closes it)

    def readable(self):
        """See `io.IOBase`."""
        return True

    def seekable(self):
        """See `io.IOBase`."""
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        """See `io.IOBase`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer):
        """See `io.RawIOBase`."""
        number = bisect.bisect_right(self._ends, self._position)
        if number == len(self._ends):
            return 0
        piece, left = self._pieces[number], self._ends[number] - self._position
        length, start = min(left, len(buffer)), _size(piece) - left
        if isinstance(piece, bytes):
            data = piece[start : start + length]
        else:
            self._file.seek(piece[0] + start)
            data = self._file.read(length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def copied(self, number):
        """Returns the number of an open file once it holds the excerpt; the system copies without a way through here."""
        os.lseek(number, 0, os.SEEK_SET)
        for piece in self._pieces:
            if isinstance(piece, bytes):
                os.write(number, piece)
                continue
            start, stop = piece
            while start < stop and (sent := os.sendfile(number, self._file.fileno(), start, stop - start)):
                start += sent
        os.ftruncate(number, os.lseek(number, 0, os.SEEK_CUR))  # a file may have become shorter
        os.lseek(number, 0, os.SEEK_SET)
        return number

    def close(self):
        """See `io.IOBase`."""
        self._file.close()
        super().close()

    def __len__(self):
        return self._ends[-1] if self._ends else 0


def for_decoder(path, pieces, *, copy=True):
    """Returns an excerpt as `soundfile.SoundFile` takes it: the number of an open file for `give_back`, or a file object.

    For a file object, libsndfile calls Python twice a frame, and threads wait for each other: two decoders together were slower
    than one. So a small excerpt is copied to a file in memory, on Linux.

    Args:
        path, pieces: as for `Excerpt`.
        copy: whether it may be copied; a decoder that only looks at the beginning is done sooner without.
    """
    excerpt = Excerpt(path, pieces)
    if not copy or len(excerpt) > IN_MEMORY or not hasattr(os, "memfd_create"):
        return io.BufferedReader(excerpt, BLOCK)  # mpg123 reads twice a frame
    number = _free_file()
    try:
        with excerpt:
            return excerpt.copied(number)
    except OSError as error:
        os.close(number)
        if error.errno not in (errno.EINVAL, errno.ENOSYS):  # by which a file system says that it does not copy
            raise
    return for_decoder(path, pieces, copy=False)


def give_back(number, process):
    """Takes a file in memory that a process got from `for_decoder` and uses no longer; the next excerpt lies there.

    Another process, which inherited the number, shares the file with its parent and only closes it.
    """
    if process != os.getpid():
        os.close(number)
        return
    os.ftruncate(number, min(os.fstat(number).st_size, KEPT))
    _FREE.append((process, number))


def _free_file():
    """Returns the number of a file in memory, whose content is of no use."""
    while _FREE:
        process, number = _FREE.pop()
        if process == os.getpid():
            return number
        os.close(number)
    return os.memfd_create("excerpt")


def _size(piece):
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
