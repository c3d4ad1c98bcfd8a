"""Integers to bytes: round trips, exact prior tables, near the ideal code length, damage that is an error."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmalib.codec import entropy


def coded(frames, scales, sets=2):
    """Returns the bytes of frames of integers; even frames use set 0, odd ones set 1."""
    encoder = entropy.Encoder(np.tile(entropy.prior(), (sets, 1)))
    for number, (values, scale) in enumerate(zip(frames, scales)):
        encoder.put(values[None], scale[None] + number % sets * entropy.SCALES)
    return encoder.finish()


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
    back, known = decoded(coded(values, scales), scales)
    np.testing.assert_array_equal(back, np.concatenate(values))
    np.testing.assert_array_equal(known, [entropy.known(np.abs(each), scale) for each, scale in zip(values, scales)])


@pytest.mark.parametrize("octave", [1, 4, 20])
def test_frames_that_are_put_together_take_the_same_bytes(octave):
    rng = np.random.default_rng(0)
    values, tables = rng.integers(-(1 << octave), 1 << octave, (50, 16)), rng.integers(0, entropy.SCALES, (50, 16))
    whole, single = entropy.Encoder(entropy.prior()), entropy.Encoder(entropy.prior())
    values[:, :2] = np.abs(values[:, :2])
    whole.put(values, tables, unsigned=2)
    for frame in range(50):
        single.put(values[frame : frame + 1], tables[frame : frame + 1], unsigned=2)
    assert whole.finish() == single.finish()


def test_nothing_takes_no_bytes():
    assert coded([], []) == b""
    assert len(decoded(b"", [])[0]) == 0


def test_magnitudes_are_known_up_to_their_low_bits():
    scale = entropy.scales_of(np.array([64 * entropy.UNIT]))  # 64: shifted by 5
    assert entropy.SHIFTS[scale] == 5
    assert entropy.known(np.array([70]), scale).tolist() == [64 + 16]
    assert entropy.known(np.array([100_000]), scale).tolist() == [(17 << 5) + 16]  # the escape


def test_levels_lie_a_third_of_an_octave_apart():
    scales = np.array([0, 1023, 1024, 1289, 1290, 1625, 2048, 1 << 60])
    scales = entropy.scales_of(scales)
    assert (scales - scales[2]).tolist() == [-scales[2], -1, 0, 0, 1, 2, 3, entropy.SCALES - 1 - scales[2]]


def test_a_scale_is_looked_up_as_it_is_searched_for():
    expected = np.concatenate([np.arange(1 << 16), 1 << np.arange(62)])
    assert len(expected) > entropy.FEW
    found = np.searchsorted(entropy.EDGES, expected, side="right")
    for magnitudes in (expected, expected.astype(float)):
        np.testing.assert_array_equal(entropy.scales_of(magnitudes), found)
        np.testing.assert_array_equal(entropy.scales_of(magnitudes[-50:]), found[-50:])


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


def test_tables_are_halved_as_soon_as_they_are_full():
    tables, counts = entropy.Tables(entropy.prior()), entropy.prior().copy()
    rng = np.random.default_rng(0)
    for _ in range(400):
        numbers, symbols = rng.integers(0, 4, 30), np.minimum(rng.geometric(0.4, 30) - 1, entropy.ESCAPE)
        tables.learn(numbers, symbols)
        np.add.at(counts, (numbers, symbols), entropy.GAIN)
        full = counts.sum(axis=1) > entropy.MOST
        counts[full] = counts[full] >> 1 | 1
        np.testing.assert_array_equal(tables.counts, counts)
    assert counts[:4].sum() < 4 * entropy.PRIOR + 400 * 30 * entropy.GAIN  # some were halved


def test_a_meter_knows_what_each_integer_takes():
    meter, table = entropy.Meter(entropy.prior()), int(entropy.scales_of(entropy.UNIT))
    counts = entropy.prior()[table]
    probability = counts / counts.sum()
    large = 5 * (17 + 4) + 3  # in the scale below it has a shift of 0
    meter.put(np.array([[0, -2, large]]), np.full((1, 3), table))
    excess = large - 17 + 1  # 92: class 6, six more bits
    expected = [-np.log2(probability[0]), 1 - np.log2(probability[2]), 1 - np.log2(probability[17]) + 7 + 6]
    assert excess.bit_length() == 7
    np.testing.assert_allclose(meter.lengths[0], expected, rtol=1e-12)
    meter.put(np.array([[0]]), np.array([[table]]))  # the table has learned
    assert meter.lengths[1][0] == pytest.approx(np.log2((counts.sum() + 96) / (counts[0] + 32)), rel=1e-12)
    shifted = int(entropy.scales_of(64 * entropy.UNIT))
    meter.put(np.array([[-70]]), np.array([[shifted]]))
    counts = entropy.prior()[shifted]
    assert meter.lengths[2][0] == pytest.approx(np.log2(counts.sum() / counts[70 >> 5]) + 5 + 1, rel=1e-12)


def test_counts_fit_into_float32_exactly():
    tables = entropy.Tables(entropy.prior())
    tables.learn(np.zeros(1900, int), np.zeros(1900, int))
    assert tables.of(np.array([0]))[0, 0] == entropy.prior()[0, 0] + 1900 * entropy.GAIN
    assert entropy.MOST + entropy.GAIN * 2**18 < 2**24


def test_bytes_are_near_the_ideal_code_length():
    rng = np.random.default_rng(0)
    scale = int(entropy.scales_of(2 * entropy.UNIT))
    frames = [np.rint(rng.laplace(0, 2, 256)).astype(np.int64) for _ in range(100)]
    values = np.concatenate(frames)
    counts = np.unique(values, return_counts=True)[1]
    ideal = -(counts * np.log2(counts / len(values))).sum() / 8
    size = len(coded(frames, [np.full(256, scale)] * 100))
    assert ideal < size < 1.01 * ideal + 16


def test_bytes_that_are_cut_are_an_error_or_other_numbers():
    rng = np.random.default_rng(0)
    frames = [rng.integers(-100, 100, 64) for _ in range(10)]
    scales = [np.full(64, 60)] * 10
    data = coded(frames, scales)
    with pytest.raises(ValueError, match="bits are missing"):
        decoded(data[:20], scales)
