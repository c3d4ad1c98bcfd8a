"""The profile waveform: round trips in integers, stereo, silence, bytes that are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmalib.codec import quantiser, waveform
from fmalib.codec.bitstream import Header
from fmalib.codec.waveform import Frames, Levels


def header(channels, hop):
    return Header(8000, channels, 8000, hop, 50)


def same(first, second):
    return np.array_equal(first.values, second.values) and (first.step, first.mode, first.centroid) == (
        second.step,
        second.mode,
        second.centroid,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2]), st.integers(1, 12), st.sampled_from([16, 64, 112]), st.integers(0, 28))
def test_levels_survive(seed, channels, frames, bins, octave):
    rng = np.random.default_rng(seed)
    sizes = 2.0 ** rng.uniform(-3, octave, (channels, 1, bins))
    levels = Levels(
        np.rint(rng.laplace(0, sizes, (channels, frames, bins))).astype(np.int64), 40_000, 0, (-3, 5, 127, -128, 0, 1)
    )
    assert same(waveform.unpack(waveform.pack(levels, header(channels, 128)), frames, header(channels, 128)), levels)


def test_silence_takes_the_head_only():
    levels = waveform.quantise(Frames(np.zeros((2, 50, 512))), 30_000, header(2, 512))
    data = waveform.pack(levels, header(2, 512))
    assert len(data) == waveform.HEAD.size
    assert not waveform.dequantise(waveform.unpack(data, 50, header(2, 512)), header(2, 512)).any()


def test_only_bins_that_are_used_are_coded():
    coefficients = np.zeros((1, 3, 512))
    coefficients[0, 1, 100] = 5.0
    levels = waveform.quantise(Frames(coefficients), quantiser.step_number(1.0), header(1, 512))
    assert levels.values.shape == (1, 3, 112)
    assert levels.values[0, 1, 100] == 5


def test_equal_channels_are_mid_and_side():
    left = np.random.default_rng(0).normal(size=(8, 64))
    assert waveform.quantise(Frames(np.stack([left, left])), 30_000, header(2, 64)).mode == waveform.MID_SIDE
    assert waveform.quantise(Frames(np.stack([left, np.zeros((8, 64))])), 30_000, header(2, 64)).mode == 0


@pytest.mark.parametrize("step", [0.5, 0.01])
def test_coefficients_are_as_near_as_the_step(step):
    coefficients = np.random.default_rng(0).normal(size=(2, 8, 64))
    coefficients[1] = 0.9 * coefficients[0]
    levels = waveform.quantise(Frames(coefficients), quantiser.step_number(step), header(2, 64))
    back = waveform.dequantise(waveform.unpack(waveform.pack(levels, header(2, 64)), 8, header(2, 64)), header(2, 64))
    assert levels.mode == waveform.MID_SIDE
    assert np.abs(back - coefficients).max() < step


def test_impossible_heads_are_refused():
    with pytest.raises(ValueError, match="at least 11 bytes"):
        waveform.unpack(b"abc", 4, header(1, 64))
    with pytest.raises(ValueError, match="Received: 80 bins, mode 0"):
        waveform.unpack(waveform.HEAD.pack(0, 80, 0, *bytes(6)), 4, header(1, 64))
    with pytest.raises(ValueError, match="Received: 64 bins, mode 1"):
        waveform.unpack(waveform.HEAD.pack(0, 64, 1, *bytes(6)), 4, header(1, 64))


def test_wrong_bytes_are_a_value_error_or_numbers():
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = waveform.HEAD.pack(30_000, 64, 0, *bytes(6)) + rng.bytes(int(rng.integers(0, 200)))
        try:
            values = waveform.unpack(data, 4, header(1, 64)).values
        except ValueError:
            continue
        assert np.abs(values).max() < 1 << 62
