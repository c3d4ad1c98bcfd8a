"""Where the bits of a file go: parts that add up, in the right band."""

import io

import numpy as np
import pytest

import fmalib.codec
from fmalib.codec import bitstream, budget, file_codec, listening, waveform


def sine(hertz, rate, seconds=3, level=0.3):
    return (level * np.sin(2 * np.pi * hertz * np.arange(seconds * rate) / rate)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_parts_add_up_to_the_file(channels, monkeypatch):
    monkeypatch.setattr(file_codec, "CHUNK_SECONDS", 1)
    audio = np.random.default_rng(0).normal(0, 0.1, (24_000, channels)).astype(np.float32)
    data = fmalib.codec.encode(audio, 8000, 16)
    parts = budget.parts(data)
    assert sum(parts.values()) == pytest.approx(8 * len(data), abs=1e-6)
    assert parts["header"] == 8 * bitstream.OVERHEAD[0] and parts["chunk heads"] == 3 * 8 * bitstream.OVERHEAD[1]
    side = parts["side information"] - 3 * 8 * waveform.HEAD.size
    assert 0 <= side < 3 * 96  # three words a chunk
    assert list(parts)[3:] == ["0 to 0.5 kHz", "0.5 to 1 kHz", "1 to 2 kHz", "2 to 4 kHz"]


def test_the_envelope_is_side_information():
    audio = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    data = fmalib.codec.encode(audio, 8000, 8, profile="listening")
    body = bitstream.Reader(io.BytesIO(data)).read(0)
    envelope = listening.HEAD.unpack_from(body)[4]  # bytes
    parts = budget.parts(data)
    assert sum(parts.values()) == pytest.approx(8 * len(data), abs=1e-6)
    side = parts["side information"] - 8 * (listening.HEAD.size + envelope)
    assert envelope > 100 and 0 <= side < 96 + 2 * 302  # three words, and the cuts of 302 frames


@pytest.mark.parametrize("hertz, rate, band", [(700, 8000, "0.5 to 1 kHz"), (5000, 44_100, "4 to 8 kHz")])
def test_bits_lie_in_the_band_of_the_sound(hertz, rate, band):
    parts = budget.parts(fmalib.codec.encode(sine(hertz, rate), rate, step=0.01))
    coefficients = {name: bits for name, bits in parts.items() if name.endswith("kHz")}
    assert max(coefficients, key=coefficients.get) == band


def test_silence_is_all_frame_and_no_content():
    parts = budget.parts(fmalib.codec.encode(np.zeros(8000, np.float32), 8000, 8))
    assert parts == {"header": 264, "chunk heads": 88, "side information": 8 * waveform.HEAD.size}


def test_other_bytes_are_refused():
    data = fmalib.codec.encode(sine(700, 8000), 8000, 8)
    with pytest.raises(bitstream.FormatError, match="no file of this codec"):
        budget.parts(b"RIFF" + data[4:])
    broken = bytearray(data)
    broken[-1] ^= 1
    with pytest.raises(bitstream.ChunkError, match="checksum differs"):
        budget.parts(bytes(broken))
