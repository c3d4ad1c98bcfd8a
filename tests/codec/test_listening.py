"""The profile listening: round trips in integers, steps, noise of the right power, stereo, silence, bytes that are none."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmalib.codec import envelope, learned_envelope, listening, quantiser, rate_control
from fmalib.codec.bitstream import Header
from fmalib.codec.listening import Levels
from fmalib.codec.waveform import MID_SIDE, Frames

RATE, HOP = 8000, 80
COARSEST = 65_535
COSINES = envelope.cosines(17)


def header(channels, hop=HOP):
    return Header(RATE, channels, RATE, hop, 100, profile="listening")


def noise(channels=1, frames=64, size=0.1):
    return np.random.default_rng(0).normal(0, size, (channels, frames, HOP))


def coded(coefficients, step):
    number = step if step == COARSEST else quantiser.step_number(step)
    frames = Frames(coefficients, np.zeros(coefficients.shape[1], np.int64))
    return listening.quantise(frames, number, header(len(coefficients)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2]), st.integers(1, 40), st.sampled_from([0, 16, 64, 80]), st.integers(0, 28))
def test_levels_survive(seed, channels, frames, bins, octave):
    rng = np.random.default_rng(seed)
    values = np.rint(rng.laplace(0, 2.0 ** rng.uniform(-3, octave), (channels, frames, bins))).astype(np.int64)
    size = envelope.ROWS * (len(envelope.edges(RATE, HOP)) - 1)
    picture = rng.integers(-9, 10, (channels, -(-frames // envelope.ROWS), size))
    splits = rng.integers(0, 3, frames) * (bins > 0)
    chunk = Levels(values, 40_000, channels - 1, (-3, 5, 127, -128, 0, 1), splits, picture, 99)
    back = listening.unpack(listening.pack(chunk, header(channels)), frames, header(channels))
    np.testing.assert_array_equal(back.values, values)
    np.testing.assert_array_equal(back.splits, splits)
    np.testing.assert_array_equal(back.envelope, picture)
    assert (back.step, back.mode, back.centroid, back.envelope_step) == (40_000, channels - 1, chunk.centroid, 99)


@pytest.mark.parametrize("size", [0.0, 1e-9])
def test_silence_takes_the_head_only(size):
    chunk = coded(noise(2, 50, size), 0.1)
    data = listening.pack(chunk, header(2))
    assert len(data) == listening.HEAD.size
    assert not listening.synthesise(listening.unpack(data, 50, header(2)), header(2)).any()


def test_what_is_rounded_to_zero_becomes_noise_of_the_power_of_its_band():
    chunk = coded(noise(), COARSEST)
    assert not chunk.values.any()
    back = listening.dequantise(chunk, header(1))
    bands = envelope.edges(RATE, HOP)
    restored = envelope.restore(chunk.envelope, chunk.envelope_step, 64, envelope.cosines(17)) / envelope.UNIT + envelope.FLOOR
    expected = restored + 2 * np.log2(listening.FILL)
    np.testing.assert_allclose(envelope.measure(back, bands), expected, atol=0.1)  # powers change inside of a band
    assert "".join("-+"[int(each > 0)] for each in back[0, 0, :16]) == "+-+------+++++-+"  # on any machine


def test_noise_is_at_most_a_share_of_the_step():
    coefficients = noise()
    chunk = coded(coefficients, 1.0)
    steps = _steps(chunk)
    empty = np.pad(chunk.values, ((0, 0), (0, 0), (0, HOP - chunk.values.shape[2]))) == 0
    back = listening.dequantise(chunk, header(1))
    share = np.abs(back / steps)[empty]
    assert share.max() == pytest.approx(listening.FILL * listening.MOST_FILL)


def _steps(chunk):
    shape = listening._Shape(RATE, HOP)
    picture = envelope.restore(chunk.envelope, chunk.envelope_step, chunk.values.shape[1], envelope.cosines(17))
    return shape.steps(picture, chunk.step)


def test_steps_follow_power_and_width():
    shape, number = listening._Shape(RATE, HOP), quantiser.step_number(1.0)
    bands = len(shape.bands) - 1
    quiet, loud = (shape.steps(np.full((1, 1, bands), power * envelope.UNIT), number) for power in (20, 22))
    np.testing.assert_allclose(loud / quiet, 2**listening.FOLLOW)  # two octaves of the square are one of the amplitude
    assert quiet[0, 0, 0] == pytest.approx(2 ** (listening.FOLLOW * (20 + envelope.FLOOR) / 2))
    wide = (74 - 62) * 50 / 100  # bins of 50 Hz, in 100 Hz
    assert quiet[0, 0, 67] / quiet[0, 0, 0] == pytest.approx(wide**listening.WIDEN, rel=0.01)


@pytest.mark.parametrize("step", [0.1, 0.01])
def test_coefficients_are_as_near_as_the_step(step):
    coefficients = noise(2)
    coefficients[1] = 0.9 * coefficients[0]
    chunk = coded(coefficients, step)
    back = listening.dequantise(listening.unpack(listening.pack(chunk, header(2)), 64, header(2)), header(2))
    assert chunk.mode == MID_SIDE
    assert np.abs(back - coefficients).max() < 2 * _steps(chunk).max()


def test_a_click_is_cut_and_a_tone_is_not():
    tone = np.sin(0.3 * np.arange(20 * HOP)).reshape(1, 20, HOP)
    number = quantiser.step_number(0.5)
    assert not listening.analyse(tone, number, header(1)).splits.any()
    click = np.zeros((1, 20, HOP))
    click[0, 9, 20], click[0, 9, 60] = 1, -1  # in frame 8, which ends in the middle of block 9, and in the next
    frames = listening.analyse(click, number, header(1))
    assert frames.splits.tolist() == [0] * 8 + [1, 1] + [0] * 9


def test_cuts_are_sent_even_where_all_levels_are_zero():
    frames = Frames(noise(), np.ones(64, np.int64))
    chunk = listening.quantise(frames, COARSEST, header(1))
    assert chunk.values.shape == (1, 64, 16)
    assert listening.unpack(listening.pack(chunk, header(1)), 64, header(1)).splits.tolist() == [1] * 64


def test_equal_channels_stay_equal():
    left = noise()[0]
    chunk = coded(np.stack([left, left]), 0.5)
    assert chunk.mode == MID_SIDE
    back = listening.dequantise(chunk, header(2))
    np.testing.assert_array_equal(back[0], back[1])
    assert coded(np.stack([left, np.zeros(left.shape)]), 0.5).mode == 0


def test_the_envelope_gets_coarser_where_few_bits_are_wanted():
    found = [coded(noise(), step).envelope_step for step in (0.1, 1, 8, 32, 1000)]
    assert found == sorted(found)
    assert found[0] == listening.USUAL
    assert found[-1] == 255


def test_the_histogram_counts_steps():
    coefficients = np.full((1, 4, HOP), 0.5)  # all bands have the power 0.25, -2 octaves
    shape = listening._Shape(RATE, HOP)
    steps = shape.steps(
        np.full((1, 4, len(shape.bands) - 1), (-2 - envelope.FLOOR) * envelope.UNIT), quantiser.step_number(1.0)
    )
    np.testing.assert_array_equal(listening.histogram(coefficients, RATE), rate_control.histogram(coefficients / steps))


def test_impossible_heads_are_refused():
    with pytest.raises(ValueError, match="at least 14 bytes"):
        listening.unpack(b"abc", 4, header(1))
    for bins, mode, coarse, channels in ((96, 0, 9, 1), (64, 1, 9, 1), (64, 0, 0, 2), (62, 0, 9, 1)):
        with pytest.raises(ValueError, match=f"Received: {bins} bins, mode {mode}, step {coarse}"):
            listening.unpack(listening.HEAD.pack(0, bins, mode, coarse, 0, *bytes(6)), 4, header(channels))


def test_wrong_bytes_are_a_value_error_or_audio():
    rng = np.random.default_rng(0)
    for _ in range(200):
        head = listening.HEAD.pack(int(rng.integers(0, 65_536)), 64, 0, 255, int(rng.integers(0, 100)), *bytes(6))
        try:
            chunk = listening.unpack(head + rng.bytes(int(rng.integers(0, 300))), 20, header(1))
        except ValueError:
            continue
        assert np.isfinite(listening.synthesise(chunk, header(1))).all()


@pytest.mark.parametrize("channels", [1, 2])
def test_learned_files_have_an_envelope_of_their_own(channels):
    """Its context model is a network, and coefficients lie farther out than they were rounded to."""
    plain = header(channels)
    learned = dataclasses.replace(plain, model="learned")
    picture = envelope.quantise(np.cumsum(np.random.default_rng(0).normal(-0.2, 1, (channels, 64, 17)), axis=1), 24, COSINES)
    chunk = Levels(np.zeros((channels, 64, 0), np.int64), COARSEST, 0, (0,) * 6, np.zeros(64, np.int64), picture, 24)
    packed = listening.pack(chunk, learned)
    near = learned_envelope.Blocks(channels, 17, 24, learned_envelope.network())
    assert packed[listening.HEAD.size :] == envelope.pack(picture, near) != envelope.pack(picture)
    np.testing.assert_array_equal(listening.unpack(packed, 64, learned).envelope, picture)
    for each, outward, basis in ((plain, 0, COSINES), (learned, envelope.OUTWARD, envelope.learned(17))):
        expected = envelope.restore(picture, 24, 64, basis, outward)
        np.testing.assert_array_equal(listening.powers(picture, 24, 64, each), expected)
