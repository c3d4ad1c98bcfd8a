"""The quantiser: a trellis path better than rounding, centroids, step sizes by number."""

import itertools

import numpy as np
import pytest

from fmalib.codec import quantiser
from fmalib.signal import mdct_frames


def values_of(levels):
    """Returns the coefficients of levels `(channels, frames, bins)` at step 1 without centroids."""
    return quantiser.dequantise(np.asarray(levels), 1.0, (0,) * 6)


def test_the_quantiser_follows_from_odd_levels_before():
    levels = np.array([1, 1, 0, 2, 3, 1, 5, 0])[None, :, None]
    # States 0 2 3 3 3 1 0 2: the second half of them stand for the quantiser with levels halfway.
    assert quantiser.halves(levels).ravel().tolist() == [0, 1, 1, 1, 1, 0, 0, 1]
    assert values_of(levels).ravel().tolist() == [1, 0.5, 0, 1.5, 2.5, 1, 5, 0]
    assert values_of(-levels).ravel().tolist() == [-1, -0.5, 0, -1.5, -2.5, -1, -5, 0]


def test_bins_and_channels_have_paths_of_their_own():
    levels = np.random.default_rng(0).integers(-3, 4, (2, 9, 5))
    whole = quantiser.halves(levels)
    for channel, bin_ in itertools.product(range(2), range(5)):
        one = levels[channel : channel + 1, :, bin_ : bin_ + 1]
        np.testing.assert_array_equal(quantiser.halves(one)[0, :, 0], whole[channel, :, bin_])


def test_a_trellis_follows_frame_by_frame():
    levels = np.random.default_rng(0).integers(-3, 4, (2, 9, 5))
    trellis = quantiser.Trellis(2, 5)
    for frame in range(9):
        np.testing.assert_array_equal(trellis.halves, quantiser.halves(levels)[:, frame])
        trellis.next_frame(np.abs(levels[:, frame]))


def test_without_a_price_the_path_has_the_least_error(monkeypatch):
    monkeypatch.setattr(quantiser, "PRICE", 0.0)
    coefficients = np.random.default_rng(0).uniform(-2, 2, (1, 5, 1))
    paths = np.array(list(itertools.product(range(-3, 4), repeat=5)))[:, None, :, None]
    errors = [np.sum((values_of(path) - coefficients) ** 2) for path in paths]
    found = values_of(quantiser.quantise(coefficients, 1.0))
    assert np.sum((found - coefficients) ** 2) == pytest.approx(min(errors), rel=1e-6)


def test_it_has_less_error_than_rounding_at_the_same_step():
    coefficients = np.random.default_rng(0).normal(0, 8, (1, 200, 64))
    found = values_of(quantiser.quantise(coefficients, 1.0))
    assert 0.064 < np.mean((found - coefficients) ** 2) < 0.069  # rounding: 1/12 = 0.083


def test_small_coefficients_are_0():
    coefficients = np.random.default_rng(0).uniform(-0.2, 0.2, (1, 20, 16))
    assert not quantiser.quantise(coefficients, 1.0).any()


def test_levels_are_put_at_their_centroids():
    levels = np.array([1, 1, 0, 2, 3, 1, 5, 0])[None, :, None]
    coefficients = values_of(levels) + np.array([0.25, 0.125, 9, 0.0, 0.25, 0, -0.5, 9])[None, :, None]
    centroid = quantiser.centroids(coefficients, levels, 1.0)
    assert centroid == (32, 0, -128, 32, 0, 64)
    assert quantiser.centroids(-4 * coefficients, -levels, 4.0) == centroid
    back = quantiser.dequantise(levels, 4.0, centroid)
    assert (back / 4).ravel().tolist() == [1.125, 0.625, 0, 1.5, 2.75, 1.125, 4.5, 0]


def test_the_centroid_of_no_level_is_0():
    assert quantiser.centroids(np.zeros((1, 2, 3)), np.zeros((1, 2, 3), np.int64), 1.0) == (0,) * 6


def test_levels_stay_in_bounds():
    found = quantiser.quantise(np.array([1e12, -1e12, 0.0])[None, :, None], 1.0).ravel()
    assert np.abs(found).max() <= quantiser.LARGEST
    assert np.sign(found).tolist() == [1, -1, 0]


@pytest.mark.parametrize("number", [0, 1, 40_000, 65_535])
def test_step_sizes_and_numbers(number):
    assert quantiser.step_number(quantiser.step_size(number)) == number


def test_step_sizes_span_32_octaves():
    assert quantiser.step_size(0) == 2.0**-20
    assert quantiser.step_size(20 * 2048) == 1.0
    assert (quantiser.step_number(1e-30), quantiser.step_number(1e30)) == (0, 65_535)


def test_a_peak_is_no_part_of_the_mean_around_it_unless_it_is_to_be_kept():
    scaled = np.zeros((1, 9, 9), np.float32)
    scaled[0, 4, 4] = 4.25
    lost, kept = (quantiser._groups(scaled, keep)[0] for keep in (False, True))
    assert (lost[4, 4], kept[4, 4]) == (0, 11)  # 0.5 * 0.4 * 4 is 5.7 octaves above 1/64
    assert (lost[4, 5], lost[3, 4], lost[4, 7], lost[2, 4]) == (10, 10, 0, 0)  # over 0.8, the weight of the others


def test_bits_of_prices_are_those_of_the_levels(monkeypatch):
    """Uniform magnitudes below 8, all in one group: a level takes an eighth of them, and with its sign 4 bits."""
    monkeypatch.setattr(quantiser, "PRICE", 1.0)
    monkeypatch.setattr(quantiser, "USUAL", 0)
    scaled = np.random.default_rng(0).uniform(0, 8, (1, 300, 200)).astype(np.float32)
    last = quantiser.GROUPS - 1
    prices = quantiser._prices(scaled, np.full(scaled.shape, last)).reshape(2, quantiser.GROUPS, quantiser.LEVELS)
    worth = 0.5 + 0.5 / (1 + quantiser.SMALLEST * 2.0 ** ((last + 0.5) / quantiser.PER_OCTAVE))
    np.testing.assert_allclose(prices[0, last, 2:7] / worth, 4, atol=0.1)
    assert (prices[0, last, 9:] > 10 * worth).all()


def test_neighbours_of_parts_are_those_of_short_frames():
    rng = np.random.default_rng(0)
    scaled = np.abs(rng.laplace(scale=3, size=(2, 6, 64))).astype(np.float32)
    expected = quantiser._groups(mdct_frames.apart(scaled, 2), False).reshape(2, 6, 4, 16).swapaxes(2, 3).reshape(2, 6, 64)
    np.testing.assert_array_equal(quantiser._groups_of_parts(scaled, False, np.full(6, 2)), expected)
    mixed = quantiser._groups_of_parts(scaled, False, np.array([0, 2, 0, 0, 2, 0]))
    np.testing.assert_array_equal(mixed[:, [1, 4]], expected[:, [1, 4]])
    np.testing.assert_array_equal(mixed[:, [0, 2, 3, 5]], quantiser._groups(scaled, False)[:, [0, 2, 3, 5]])


@pytest.mark.parametrize("bins", [8, 64])
def test_uncut_frames_have_the_same_levels_with_their_splits(bins):
    coefficients = np.random.default_rng(1).laplace(scale=2, size=(1, 9, bins))
    coefficients[..., 8 * (bins // 16 + 1) :] = 0
    alone = quantiser.quantise(coefficients, 1.0)
    np.testing.assert_array_equal(quantiser.quantise(coefficients, 1.0, splits=np.zeros(9, int)), alone)


def test_zeros_above_the_last_loud_bin_decide_nothing():
    """Without splits, how many bins a frame has beyond what is heard changes no level, nor any file of `mdct`."""
    coefficients = np.random.default_rng(2).laplace(scale=0.7, size=(1, 40, 21))
    levels = quantiser.quantise(coefficients, 1.0)
    padded = quantiser.quantise(np.pad(coefficients, ((0, 0), (0, 0), (0, 43))), 1.0)
    np.testing.assert_array_equal(padded[..., :21], levels)
