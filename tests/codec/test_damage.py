"""Damaged files: chunks are named, the others are kept, and no mutant brings a crash, a hang, much memory or wrong audio."""

import dataclasses
import io
import itertools
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import tone

import fmalib.codec
from fmalib.codec import bitstream, context_models, file_codec
from fmalib.codec.bitstream import ChunkError, FormatError

SECOND = 8000
CODES = [(model, profile) for model in context_models.MODELS for profile in file_codec.PROFILES]
FIELDS = (4, 1), (9, 1), (10, 1), (11, 4), (15, 2), (17, 2), (19, 8)  # place and bytes: model to samples, without the hash
MUTANTS = dict(zip(CODES, (4500, 3000, 1500, 1000)))
LONGEST_DECODING, MOST_MEMORY = 10, 200  # seconds of the processor for a file, MB


@pytest.fixture(scope="module", params=CODES, ids="-".join)
def song(request):
    return song_of(*request.param)


def song_of(model, profile):
    """Returns (bytes of six chunks, their audio, the header) by a model in a profile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_codec, "CHUNK_SECONDS", 0.25)
        data = fmalib.codec.encode(tone(440, 1.5), SECOND, 16, model=model, profile=profile)
    header = bitstream.read_header(data)
    assert header.chunks == 6
    return data, fmalib.codec.decode(data)[0], header


def starts(data):
    """Returns where each chunk starts, and the end."""
    found = [bitstream.OVERHEAD[0]]
    for _, body in bitstream.Reader(io.BytesIO(data)):
        found.append(found[-1] + bitstream.OVERHEAD[1] + len(body))
    return found


def expected(audio, header, damaged):
    """Returns the audio with silence in all blocks that damaged chunks have a part in."""
    result = audio.copy()
    for number in damaged:
        first, behind = header.frames_of(number)
        result[max(0, first - 1) * header.hop : behind * header.hop] = 0
    return result


def test_a_damaged_chunk_is_named_and_the_others_are_kept(song):
    data, audio, header = song
    broken = bytearray(data)
    broken[starts(data)[2] + 40] ^= 1
    with pytest.raises(ChunkError, match=r"chunk 3 of 6 .* is damaged"):
        fmalib.codec.decode(bytes(broken))
    named = []
    back, _ = fmalib.codec.decode(bytes(broken), keep_going=True, damaged=named.append)
    assert [error.number for error in named] == [2]
    np.testing.assert_array_equal(back, expected(audio, header, [2]))


def test_a_file_that_lost_nearly_all_is_refused(song):
    data, _, header = song
    with pytest.raises(FormatError, match="room for 0 chunks"):
        fmalib.codec.decode(data[: starts(data)[0]], keep_going=True)
    liar = dataclasses.replace(header, samples=header.samples - 1)  # no chunk is of this header
    for one in (liar, dataclasses.replace(liar, chunk_frames=liar.frames)):
        with pytest.raises(FormatError, match="Received: 0 whole chunks of"):
            fmalib.codec.decode(one.pack() + data[bitstream.OVERHEAD[0] :], keep_going=True)


def mutated(data, rng, places):
    """Returns damaged bytes: flipped bits, a cut, noise, lost or doubled bytes, swapped chunks, or a lying header."""
    data, kind = bytearray(data), rng.integers(0, 7)
    place = int(rng.integers(0, len(data)))
    if kind == 0:
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(0, len(data))] ^= 1 << int(rng.integers(0, 8))
    elif kind == 1:
        del data[place:]
    elif kind == 2:
        data[place : place + 20] = rng.bytes(len(data[place : place + 20]))
    elif kind == 3:
        del data[place : place + int(rng.integers(1, 50))]
    elif kind == 4:
        data[place:place] = data[place : place + int(rng.integers(1, 500))]
    elif kind == 5:
        first, second = sorted(rng.choice(len(places) - 1, 2, replace=False))
        parts = [bytes(data[start:stop]) for start, stop in itertools.pairwise(places)]
        parts[first], parts[second] = parts[second], parts[first]
        data[places[0] :] = b"".join(parts)
    else:
        data[: bitstream.OVERHEAD[0]] = lying(data, rng)
    return bytes(data)


def lying(data, rng):
    """Returns the header of bytes with one field or two wrong, and a right checksum."""
    head = bytearray(data[: bitstream.OVERHEAD[0]])
    for field, size in rng.permutation(FIELDS)[: rng.integers(1, 3)].tolist():
        lies = 2**40, 1, 0, 2 ** (8 * size) - 1, int(rng.integers(0, 2**31)), int(rng.integers(0, 2**13)) // 4 * 4
        head[field : field + size] = (int(rng.choice(lies)) % 2 ** (8 * size)).to_bytes(size, "big")
    return head[:-4] + struct.pack(">I", zlib.crc32(head[:-4]))


def forged(data, rng):
    """Returns bytes with a lying header and damaged bodies, every checksum right; None where the header is refused."""
    try:
        header = bitstream.read_header(lying(data, rng) if rng.integers(0, 4) else data)
    except FormatError:
        return None
    bodies = [bytearray(body) for _, body in bitstream.Reader(io.BytesIO(data))]
    for body in bodies:
        if rng.integers(0, 2):
            body[rng.integers(0, len(body))] ^= 1 << int(rng.integers(0, 8))
    chunks = [bitstream.pack_chunk(header, number, bytes(body)) for number, body in enumerate(bodies)]
    return header.pack() + b"".join(chunks)


def check_mutant(data, audio, header):
    """Decodes damaged bytes: an error of the format, or audio that is right where it is not silent."""
    named = []
    try:
        back, _ = fmalib.codec.decode(data, keep_going=True, damaged=named.append)
    except FormatError:
        return
    assert back.shape == audio.shape
    np.testing.assert_array_equal(back, expected(audio, header, [error.number for error in named]))
    try:
        fmalib.codec.decode(data)
        assert not named
    except ChunkError as error:
        assert error.number == named[0].number


def check_forged(data):
    """Decodes bytes whose checksums are right: an error of the format, or finite audio of the promised length."""
    try:
        back, _ = fmalib.codec.decode(data, keep_going=True)
    except FormatError:
        return
    header = bitstream.read_header(data)
    assert len(back) == header.samples
    assert np.isfinite(back).all()


def check_mutants(song, seed, count):
    """Checks mutants, every fourth one forged; returns the longest time of the processor for one, in seconds."""
    data, audio, header = song
    places, rng, longest = starts(data), np.random.default_rng(seed), 0.0
    for number in range(count):
        fake = forged(data, rng) if number % 4 == 3 else None
        started = time.process_time()  # other processes must not count
        if fake:
            check_forged(fake)
        else:
            check_mutant(mutated(data, rng, places), audio, header)
        longest = max(longest, time.process_time() - started)
    return longest


def test_mutants(song):
    check_mutants(song, 0, 30 if song[2].model == "learned" else 80)


MANY = """
import importlib.util, resource, sys
sys.path.insert(0, sys.argv[1])
spec = importlib.util.spec_from_file_location("test_damage", sys.argv[2])
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
song = tests.song_of(sys.argv[3], sys.argv[4])
before = peak()
print(tests.check_mutants(song, 1, int(sys.argv[5])), peak() - before)
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("code", CODES, ids="-".join)
def test_ten_thousand_mutants_take_little_time_and_memory(code):
    """In a process of its own, whose memory nothing else has filled; a network takes longer, so it has fewer."""
    place, count = Path(__file__), MUTANTS[code]
    command = [sys.executable, "-c", MANY, str(place.parent.parent), str(place), *code, str(count)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
    longest, memory = map(float, done.stdout.split())
    assert longest < LONGEST_DECODING
    assert memory < MOST_MEMORY


def test_a_hop_that_cuts_cannot_divide_is_refused(song):
    data, _, header = song
    lie = dataclasses.replace(header, hop=header.hop + 8)
    with pytest.raises(FormatError, match="the header is impossible"):
        fmalib.codec.decode(lie.pack() + data[len(header.pack()) :])
