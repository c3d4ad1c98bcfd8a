"""Integers to bytes: round trips, exact prior tables, near the ideal code length, damage that is an error."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmalib.codec import entropy


def coded(frames, scales, sets=2):
    """Returns (bytes, magnitudes known to the encoder) of frames of integers; even frames use set 0, odd ones set 1."""
    encoder, known = entropy.Encoder(np.tile(entropy.prior(), (sets, 1))), []
    for number, (values, scale) in enumerate(zip(frames, scales)):
        known.append(encoder.put(values, scale + number % sets * entropy.SCALES))
        np.testing.assert_array_equal(encoder.end_frame(), np.abs(values))
    return encoder.finish(), known


def decoded(data, scales, sets=2):
    decoder, known, sizes = entropy.Decoder(data, np.tile(entropy.prior(), (sets, 1))), [], [np.zeros(0, np.int64)]
    for number, scale in enumerate(scales):
        known.append(decoder.get(scale + number % sets * entropy.SCALES))
        sizes.append(decoder.end_frame())
    return decoder.finish(np.concatenate(sizes)), known


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 30))
def test_what_goes_in_comes_out(seed, frames, octave):
    rng = np.random.default_rng(seed)
    values = [rng.integers(-(1 << octave), (1 << octave) + 1, 16) for _ in range(frames)]
    scales = [rng.integers(0, entropy.SCALES, 16) for _ in range(frames)]
    data, known = coded(values, scales)
    back, known_back = decoded(data, scales)
    np.testing.assert_array_equal(back, np.concatenate(values))
    np.testing.assert_array_equal(known_back, known)


def test_nothing_takes_no_bytes():
    assert coded([], [])[0] == b""
    assert len(decoded(b"", [])[0]) == 0


def test_magnitudes_are_known_up_to_their_low_bits():
    scale = entropy.scales_of(np.array([64 * entropy.UNIT]))  # 64: shifted by 5
    assert entropy.SHIFTS[scale] == 5
    _, known = coded([np.array([-70])], [scale])
    assert known[0].tolist() == [64 + 16]
    _, known = coded([np.array([100_000])], [scale])
    assert known[0].tolist() == [(17 << 5) + 16]  # the escape


def test_levels_lie_a_third_of_an_octave_apart():
    scales = np.array([0, 1023, 1024, 1289, 1290, 1625, 2048, 1 << 60])
    scales = entropy.scales_of(scales)
    assert (scales - scales[2]).tolist() == [-scales[2], -1, 0, 0, 1, 2, 3, entropy.SCALES - 1 - scales[2]]


def test_the_prior_is_the_same_everywhere():
    """Integers only: a change breaks every file. Its hash is part of the format."""
    counts = entropy.prior()
    assert counts.dtype == np.int64
    assert counts.min() >= 1
    digest = hashlib.sha256(counts.astype("<i8").tobytes() + entropy.EDGES.astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == "baecd8d966dd2b4d"


def test_tables_learn_and_are_halved():
    tables = entropy.Tables(entropy.prior())
    before = tables.counts.copy()
    tables.learn(np.array([3, 3, 5]), np.array([0, 0, 17]))
    change = tables.counts - before
    assert change[3, 0] == 2 * entropy.GAIN
    assert change[5, 17] == entropy.GAIN
    assert change.sum() == 3 * entropy.GAIN
    tables.learn(np.full(5000, 3), np.zeros(5000, int))
    assert tables.counts[3].sum() <= entropy.MOST
    assert tables.counts.min() >= 1


def test_a_meter_knows_what_each_integer_takes():
    meter, table = entropy.Meter(entropy.prior()), int(entropy.scales_of(entropy.UNIT))
    counts = entropy.prior()[table]
    probability = counts / counts.sum()
    large = 5 * (17 + 4) + 3  # in the scale below it has a shift of 0
    meter.put(np.array([0, -2, large]), np.full(3, table))
    assert meter.end_frame().tolist() == [0, 2, large]
    excess = large - 17 + 1  # 92: class 6, six more bits
    expected = [-np.log2(probability[0]), 1 - np.log2(probability[2]), 1 - np.log2(probability[17]) + 7 + 6]
    assert excess.bit_length() == 7
    np.testing.assert_allclose(meter.lengths[0], expected, rtol=1e-12)
    meter.put(np.array([0]), np.array([table]))  # the table has learned
    meter.end_frame()
    assert meter.lengths[1][0] == pytest.approx(np.log2((counts.sum() + 96) / (counts[0] + 32)), rel=1e-12)
    shifted = int(entropy.scales_of(64 * entropy.UNIT))
    meter.put(np.array([-70]), np.array([shifted]))
    meter.end_frame()
    counts = entropy.prior()[shifted]
    assert meter.lengths[2][0] == pytest.approx(np.log2(counts.sum() / counts[70 >> 5]) + 5 + 1, rel=1e-12)


def test_counts_fit_into_float32_exactly():
    tables = entropy.Tables(entropy.prior())
    tables.learn(np.zeros(2000, int), np.zeros(2000, int))
    np.testing.assert_array_equal(tables.of(np.array([0]))[0], tables.counts[0])
    assert entropy.MOST + entropy.GAIN * 2**18 < 2**24


def test_bytes_are_near_the_ideal_code_length():
    rng = np.random.default_rng(0)
    scale = int(entropy.scales_of(2 * entropy.UNIT))
    frames = [np.rint(rng.laplace(0, 2, 256)).astype(np.int64) for _ in range(100)]
    values = np.concatenate(frames)
    counts = np.unique(values, return_counts=True)[1]
    ideal = -(counts * np.log2(counts / len(values))).sum() / 8
    size = len(coded(frames, [np.full(256, scale)] * 100)[0])
    assert ideal < size < 1.01 * ideal + 16


def test_bytes_that_are_cut_are_an_error_or_other_numbers():
    rng = np.random.default_rng(0)
    frames = [rng.integers(-100, 100, 64) for _ in range(10)]
    scales = [np.full(64, 60)] * 10
    data = coded(frames, scales)[0]
    with pytest.raises(ValueError, match="bits are missing"):
        decoded(data[:20], scales)
