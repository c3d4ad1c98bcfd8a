"""The bytes of a coded file: a header, then chunks with length and checksum, each found again behind damage.

    header  magic "fma", version, model, its hash, profile, channels, sample rate, hop, frames a chunk, samples, step, CRC-32
    chunk   number, length of its body, check of these two, CRC-32, body

Integers are big-endian. Checks and CRCs of a chunk start from the CRC of the header, so a chunk of another file, or at another
place, does not pass.
"""

import dataclasses
import struct
import zlib

import numpy as np

MAGIC, VERSION = b"fma", 1
MODELS = {"mdct": 0, "learned": 1}
PROFILES = {"waveform": 0, "listening": 1}
SAMPLE_RATES = 8000, 48_000  # Hz, lowest and highest
CHANNELS = 1, 2
MOST_CHUNKS = 1 << 16
MOST_HOP, MOST_FRAMES = 8192, 4096
HOP_MULTIPLE = 16  # of a hop, so that an eighth of a frame has two equal halves
LONGEST = 16  # seconds of a chunk: a short file that lies cannot fill the memory
LONGEST_CHUNK = (1 << 24) - 1  # bytes of a body
_HEADER = struct.Struct(">3sBB4sBBIHHQHI")
_PLACE = struct.Struct(">HBH")  # number, length in 24 bits
_CHUNK = struct.Struct(">HBHHI")
OVERHEAD = _HEADER.size, _CHUNK.size  # bytes of a file, and of each chunk
SMALLEST_CHUNK = _CHUNK.size + 1
BLOCK = 1 << 20  # bytes that are searched at once


class FormatError(ValueError):
    """A file that is none of ours, or whose header is damaged."""


class ChunkError(FormatError):
    """A damaged or missing chunk; `number` counts from 0."""

    def __init__(self, number, header, reason):
        start, end = header.seconds(number)
        super().__init__(f"chunk {number + 1} of {header.chunks} ({start:.1f} to {end:.1f} s) is damaged: {reason}")
        self.number, self.reason = number, reason

    def __reduce__(self):
        return FormatError, (str(self),)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        sample_rate: Hz.
        channels: 1 or 2.
        samples: of each channel.
        hop: samples from one frame to the next.
        chunk_frames: frames of a chunk; the last has the rest.
        step: number of the step size of most chunks (`fmalib.codec.quantiser.step_size`).
        model, profile: keys of MODELS and PROFILES.
        model_hash: first four bytes of the SHA-256 of the weights; zeros without weights.
    """

    sample_rate: int
    channels: int
    samples: int
    hop: int
    chunk_frames: int
    step: int = 0
    model: str = "mdct"
    profile: str = "waveform"
    model_hash: bytes = bytes(4)

    @property
    def frames(self):
        """Frames of the file: they cover each sample twice."""
        return -(-self.samples // self.hop) + 1

    @property
    def chunks(self):
        """Chunks of the file."""
        return -(-self.frames // self.chunk_frames)

    def frames_of(self, number):
        """Returns (first frame, frame behind the last) of a chunk."""
        return number * self.chunk_frames, min((number + 1) * self.chunk_frames, self.frames)

    def seconds(self, number):
        """Returns (start, end) of the audio that a chunk has a part in."""
        start, end = (block * self.hop / self.sample_rate for block in self.frames_of(number))
        return max(0.0, start - self.hop / self.sample_rate), min(end, self.samples / self.sample_rate)

    def pack(self):
        """Returns the bytes of the header."""
        values = (MAGIC, VERSION, MODELS[self.model], self.model_hash, PROFILES[self.profile], self.channels, self.sample_rate)
        data = _HEADER.pack(*values, self.hop, self.chunk_frames, self.samples, self.step, 0)[:-4]
        return data + struct.pack(">I", zlib.crc32(data))


def read_header(data):
    """Returns the `Header` at the start of bytes; FormatError where there is none, or it is impossible."""
    if data[:3] != MAGIC:
        raise FormatError(f"no file of this codec: it starts with {MAGIC!r}. Received: {bytes(data[:3])!r}")
    if data[3:4] != bytes([VERSION]):
        raise FormatError(f"only version {VERSION} of the format is known. Received: version {data[3] if data[3:4] else None}")
    if len(data) < _HEADER.size:
        raise FormatError(f"the header has {_HEADER.size} bytes. Received: {len(data)}")
    _, _, model, model_hash, profile, *numbers, crc = _HEADER.unpack_from(data)
    if crc != zlib.crc32(data[: _HEADER.size - 4]):
        raise FormatError(f"the header is damaged: its checksum differs. Received: CRC-32 {crc:08x}")
    tables = ((MODELS, model), (PROFILES, profile))
    names = [next((name for name in table if table[name] == given), None) for table, given in tables]
    if None in names:
        raise FormatError(f"the header names an unknown model or profile. Received: model={model}, profile={profile}")
    channels, rate, hop, frames, samples, step = numbers
    header = Header(rate, channels, samples, hop, frames, step, *names, model_hash)
    possible = channels in CHANNELS and SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1] and 0 < frames <= MOST_FRAMES
    possible = possible and 0 < hop <= MOST_HOP and not hop % HOP_MULTIPLE and hop * frames <= LONGEST * rate
    if not possible or not samples or header.chunks > MOST_CHUNKS:
        raise FormatError(f"the header is impossible. Received: {header}")
    return header


def pack_chunk(header, number, body):
    """Returns a chunk: its head and its body."""
    if len(body) > LONGEST_CHUNK:
        raise ValueError(f"a chunk has up to {LONGEST_CHUNK} bytes: take a coarser step. Received: {len(body)} bytes")
    place, check = _seal(header, number, len(body))
    return place + struct.pack(">HI", check & 0xFFFF, zlib.crc32(body, check)) + body


def _seal(header, number, length):
    place = _PLACE.pack(number, length >> 16, length & 0xFFFF)
    return place, zlib.crc32(place, zlib.crc32(header.pack()))


class Reader:
    """The chunks of a file that is open for reading and can seek.

    Attributes:
        header: `Header`.

    Raises:
        FormatError: no file of ours, a damaged header, or one that promises more chunks than the file has room for.
    """

    def __init__(self, file):
        self._file, self._size = file, file.seek(0, 2)
        self.header = read_header(self._at(0, _HEADER.size))
        self._seed = zlib.crc32(self.header.pack())
        room = (self._size - _HEADER.size) // SMALLEST_CHUNK
        if self.header.chunks > max(1, room):
            text = f"the file has room for {room} chunks, its header promises {self.header.chunks}"
            raise FormatError(f"{text}. Received: {self._size} bytes for {self.header.samples} samples")
        self._starts = {0: _HEADER.size}

    def read(self, number):
        """Returns the body of a chunk; ChunkError where it is damaged or missing."""
        start = self._start(number)
        if start is not None and start >= self._size:
            raise ChunkError(number, self.header, f"the file ends before it, after {self._size} bytes")
        place = None if start is None else self._place(start)
        if place is None or place[0] != number:
            raise ChunkError(number, self.header, "its head is damaged, or it is missing")
        body = self._at(start + _CHUNK.size, place[1])
        if len(body) < place[1]:
            raise ChunkError(number, self.header, f"the file ends after {len(body)} of its {place[1]} bytes")
        if zlib.crc32(body, place[2]) != place[3]:
            raise ChunkError(number, self.header, "its checksum differs")
        return body

    def __iter__(self):
        """Yields (number, body, or ChunkError) of all chunks."""
        for number in range(self.header.chunks):
            try:
                yield number, self.read(number)
            except ChunkError as error:
                yield number, error

    @property
    def rest(self):
        """Bytes behind the last chunk; 0 in a whole file."""
        start = self._start(self.header.chunks - 1)
        place = None if start is None else self._place(start)
        return 0 if place is None else self._size - start - _CHUNK.size - place[1]

    def _at(self, start, count):
        self._file.seek(start)
        return self._file.read(count)

    def _place(self, start):
        """Returns (number, length, seed of the CRC, CRC) by the head of a chunk; None where its check fails."""
        head = self._at(start, _CHUNK.size)
        if len(head) < _CHUNK.size:
            return None
        number, high, low, check, crc = _CHUNK.unpack(head)
        seed = zlib.crc32(head[: _PLACE.size], self._seed)
        return (number, high << 16 | low, seed, crc) if seed & 0xFFFF == check else None

    def _start(self, number):
        """Returns where a chunk starts: behind those before it, or, behind damage, where a search finds one."""
        known = max(n for n in self._starts if n <= number)
        while known < number and self._starts[known] is not None:
            start = self._starts[known]
            place = self._place(start)
            here = place is not None and place[0] == known
            following = known + 1, start + _CHUNK.size + place[1] if here else start
            if not here or (following[1] < self._size and (self._place(following[1]) or (None,))[0] != known + 1):
                following = self._search(known, start + here)
            self._starts.update(dict.fromkeys(range(known + 1, following[0])))
            self._starts[following[0]] = following[1]
            known = following[0]
        return self._starts.get(number)

    def _search(self, behind, start):
        """Returns (number, start) of the first whole chunk from `start` on, of those behind a number; start is None without."""
        while start < self._size:
            data = np.frombuffer(self._at(start, BLOCK + _CHUNK.size), np.uint8).astype(np.int64)
            numbers = data[:-1] << 8 | data[1:]
            for offset in np.flatnonzero((numbers > behind) & (numbers < self.header.chunks))[: BLOCK + 1]:
                place = self._place(start + int(offset))
                if place and offset < BLOCK and self._is_whole(start + int(offset), place):
                    return place[0], start + int(offset)
            start += BLOCK
        return self.header.chunks, None

    def _is_whole(self, start, place):
        body = self._at(start + _CHUNK.size, place[1])
        return len(body) == place[1] and zlib.crc32(body, place[2]) == place[3]
