"""The bytes of a file: header, chunks, damage that stays where it is."""

import dataclasses
import io
import struct
import zlib

import pytest

from fmalib.codec import bitstream
from fmalib.codec.bitstream import ChunkError, FormatError, Header

HEADER = Header(8000, 1, 8000, 64, 21, 30_000)  # 126 frames, 6 chunks
BODIES = [bytes([number]) * (10 + number) for number in range(6)]


def file_of(header=HEADER, bodies=BODIES):
    return header.pack() + b"".join(bitstream.pack_chunk(header, number, body) for number, body in enumerate(bodies))


def read(data):
    """Returns the bodies of a file, None for those that are damaged."""
    return [None if isinstance(body, ChunkError) else body for _, body in bitstream.Reader(io.BytesIO(data))]


def start_of(number):
    return bitstream.OVERHEAD[0] + sum(bitstream.OVERHEAD[1] + len(body) for body in BODIES[:number])


def without(*numbers):
    return [None if number in numbers else body for number, body in enumerate(BODIES)]


def test_the_header_survives():
    header = Header(44_100, 2, 1 << 30, 2112, 168, 65_535, "learned", "listening", b"\1\2\3\4")
    assert bitstream.read_header(header.pack()) == header
    assert len(header.pack()) == bitstream.OVERHEAD[0] == 33


def test_frames_cover_each_sample_twice():
    header = Header(8000, 1, 1000, 64, 4)
    assert (header.frames, header.chunks) == (17, 5)
    assert [header.frames_of(number) for number in range(5)] == [(0, 4), (4, 8), (8, 12), (12, 16), (16, 17)]
    assert header.seconds(0) == (0.0, 4 * 64 / 8000)
    assert header.seconds(4) == (15 * 64 / 8000, 1000 / 8000)
    assert Header(8000, 1, 1, 64, 4).frames == 2


def test_a_whole_file_is_read():
    reader = bitstream.Reader(io.BytesIO(file_of()))
    assert [reader.read(number) for number in range(6)] == BODIES
    assert reader.rest == 0
    assert bitstream.Reader(io.BytesIO(file_of())).read(4) == BODIES[4]  # from any chunk
    assert bitstream.Reader(io.BytesIO(file_of() + b"abc")).rest == 3


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "starts with b'fma'. Received: b''"),
        (b"RIFFabcd", "Received: b'RIF'"),
        (b"fma", "Received: version None"),
        (b"fma\2" + HEADER.pack()[4:], "Received: version 2"),
        (HEADER.pack()[:20], "has 33 bytes. Received: 20"),
        (HEADER.pack()[:10] + b"\xff" + HEADER.pack()[11:], "its checksum differs"),
    ],
)
def test_what_is_no_file_is_refused(data, text):
    with pytest.raises(FormatError, match=text):
        bitstream.Reader(io.BytesIO(data))


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_rate": 7999}, {"sample_rate": 48_001}, {"channels": 0}, {"channels": 3}, {"samples": 0}, {"hop": 0},
        {"hop": 6}, {"hop": 8196}, {"chunk_frames": 0}, {"chunk_frames": 4097}, {"samples": 2**40},
        {"sample_rate": 8000, "hop": 8192, "chunk_frames": 16},
    ],
)  # fmt: skip
def test_impossible_headers_are_refused(changes):
    with pytest.raises(FormatError, match="the header is impossible"):
        bitstream.read_header(dataclasses.replace(HEADER, **changes).pack())


def test_unknown_models_are_refused():
    data = bytearray(HEADER.pack())
    data[4] = 9
    data[-4:] = struct.pack(">I", zlib.crc32(data[:-4]))
    with pytest.raises(FormatError, match="Received: model=9, profile=0"):
        bitstream.read_header(data)


def test_a_header_that_promises_more_than_there_is_room_for_is_refused():
    lying = dataclasses.replace(HEADER, samples=8_000_000)
    with pytest.raises(FormatError, match=r"room for \d+ chunks, its header promises 5953. Received: \d+ bytes for 8000000"):
        bitstream.Reader(io.BytesIO(file_of(lying)))


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("offset", [0, 1, 2, 4, 5, 6, 8, 10, 11, 15])
def test_each_flipped_bit_costs_its_chunk_only(number, offset):
    data = bytearray(file_of())
    data[start_of(number) + offset] ^= 0x10
    assert read(bytes(data)) == without(number)


def test_the_error_names_the_chunk():
    data = bytearray(file_of())
    data[start_of(2) + 12] ^= 1
    with pytest.raises(ChunkError, match=r"chunk 3 of 6 \(0.3 to 0.5 s\) is damaged: its checksum differs") as caught:
        bitstream.Reader(io.BytesIO(bytes(data))).read(2)
    assert caught.value.number == 2


def test_bytes_lost_or_added_cost_one_chunk():
    data = file_of()
    assert read(data[: start_of(2) + 5] + data[start_of(2) + 7 :]) == without(2)
    assert read(data[: start_of(2) + 13] + data[start_of(2) + 14 :]) == without(2)
    assert read(data[: start_of(2)] + b"rubbish" + data[start_of(2) :]) == without()
    assert read(data[: start_of(2)] + data[start_of(4) :]) == without(2, 3)


def test_swapped_chunks_are_not_mistaken_for_each_other():
    data = file_of()
    first, second, third = (data[start_of(number) : start_of(number + 1)] for number in (2, 3, 4))
    swapped = data[: start_of(2)] + second + first + third + data[start_of(5) :]
    assert read(swapped) == without(2)


def test_chunks_of_another_file_do_not_pass():
    other = file_of(dataclasses.replace(HEADER, step=29_999))
    data = file_of()
    assert read(data[: start_of(1)] + other[start_of(1) : start_of(2)] + data[start_of(2) :]) == without(1)


def test_a_truncated_file_keeps_its_beginning():
    assert read(file_of()[: start_of(3) + 15]) == without(3, 4, 5)
    with pytest.raises(ChunkError, match="the file ends after 4 of its 13 bytes"):
        bitstream.Reader(io.BytesIO(file_of()[: start_of(3) + 15])).read(3)


def test_a_search_goes_on_over_blocks(monkeypatch):
    monkeypatch.setattr(bitstream, "BLOCK", 16)
    data = file_of()
    assert read(data[: start_of(1)] + bytes(100) + data[start_of(3) :]) == without(1, 2)


def test_a_chunk_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="Received: 16777216 bytes"):
        bitstream.pack_chunk(HEADER, 0, bytes(1 << 24))
