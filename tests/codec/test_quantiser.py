"""The quantiser: dead zone, centroids, step sizes by number."""

import numpy as np
import pytest

from fmalib.codec import quantiser


def test_levels_and_dead_zone():
    values = np.array([0.0, 0.65, -0.67, 1.5, 1.59, -2.57, -2.59, 1e12])
    assert quantiser.quantise(values, 1.0).tolist() == [0, 0, -1, 1, 2, -2, -3, 1 << 30]
    assert quantiser.quantise(values[:-1] / 8, 1 / 8).tolist() == [0, 0, -1, 1, 2, -2, -3]


def test_levels_are_put_at_their_centroids():
    values = np.array([0.7, -1.1, 2.0, 2.5, -3.25, 0.1])
    levels = quantiser.quantise(values, 1.0)
    assert levels.tolist() == [1, -1, 2, 2, -3, 0]
    centroid = quantiser.centroids(values, levels, 1.0)
    assert centroid == [-26, 64, 64]  # -0.1, 0.25, 0.25 in 1/256
    np.testing.assert_array_equal(quantiser.dequantise(levels, 1.0, centroid), [1 - 26 / 256, 26 / 256 - 1, 2.25, 2.25, -3.25, 0])


def test_the_centroid_of_no_level_is_0():
    assert quantiser.centroids(np.zeros(3), np.zeros(3, np.int64), 1.0) == [0, 0, 0]


@pytest.mark.parametrize("number", [0, 1, 40_000, 65_535])
def test_step_sizes_and_numbers(number):
    assert quantiser.step_number(quantiser.step_size(number)) == number


def test_step_sizes_span_32_octaves():
    assert quantiser.step_size(0) == 2.0**-20
    assert quantiser.step_size(20 * 2048) == 1.0
    assert (quantiser.step_number(1e-30), quantiser.step_number(1e30)) == (0, 65_535)
