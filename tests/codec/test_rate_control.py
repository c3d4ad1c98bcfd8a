"""Step sizes for a number of bytes or a signal-to-noise ratio."""

import numpy as np
import pytest

from fmalib.codec import quantiser, rate_control


@pytest.fixture(scope="module")
def counts():
    return rate_control.histogram(np.random.default_rng(0).laplace(0, 0.01, 20_000))


def test_histogram_counts_eighths_of_octaves():
    found = rate_control.histogram(np.array([[1.0, -1.05], [2.0, 0.0]]))
    places = np.flatnonzero(found)
    assert found[places].tolist() == [2, 1]
    assert (places[1] - places[0], places[0]) == (8, 30 * 8)


def test_snr_is_the_energy_over_the_noise():
    values = np.random.default_rng(0).normal(size=100_000)
    number = quantiser.step_number(1e-3)
    found = rate_control.snr(rate_control.histogram(values), number)
    assert found == pytest.approx(10 * np.log10(1 / (rate_control.GRANULAR * 1e-6)), abs=0.1)
    assert rate_control.for_snr(rate_control.histogram(values), found) == pytest.approx(number, abs=1)


def test_noise_is_near_that_of_the_quantiser(counts):
    values = np.random.default_rng(0).laplace(0, 0.01, 20_000).reshape(1, 200, 100)
    for step in (0.001, 0.01, 0.03):
        number = quantiser.step_number(step)
        levels = quantiser.quantise(values, step)
        back = quantiser.dequantise(levels, step, quantiser.centroids(values, levels, step))
        assert 0.9 < rate_control.noise(counts, number) / np.sum((back - values) ** 2) < 1.5


def test_finest_is_the_border():
    assert rate_control.finest(lambda number: number >= 12_345) == 12_345
    assert rate_control.finest(lambda number: False) == 65_535
    assert rate_control.finest(lambda number: True) == 0


def test_bits_fall_as_steps_grow(counts):
    numbers = range(0, 65_536, 2048)
    bits = [rate_control.bits(counts, number) for number in numbers]
    assert bits == sorted(bits, reverse=True)
    number = rate_control.for_bits(counts, 30_000)
    assert rate_control.bits(counts, number) <= 30_000 < rate_control.bits(counts, number - 1)


def test_estimates_are_off_within_limits():
    assert [rate_control.off(*pair) for pair in ((10, 40.0), (1, 1e6), (1000, 0.0))] == [2.0, 0.125, 8.0]


def test_the_search_fills_what_it_may_and_no_more(counts):
    tried = []

    def size(number):
        tried.append(number)
        return rate_control.bits(counts, number) / 8 * 1.3 + 20

    found = rate_control.search(size, counts, 5000)
    assert 0.985 * 5000 <= size(found) <= 5000
    assert len(tried) <= 4


def test_the_search_ends_where_nothing_fits(counts):
    assert rate_control.search(lambda number: 1000, counts, 10) == 65_535
    assert rate_control.search(lambda number: 1000, counts, 10_000) <= 100


@pytest.mark.parametrize(("low", "found"), [(4960, 30_001), (4900, 30_000)])
def test_where_bytes_jump_the_nearer_number_is_taken(counts, low, found, monkeypatch):
    monkeypatch.setattr(rate_control, "MOST_TRIES", 99)
    assert rate_control.search(lambda number: 5050 if number <= 30_000 else low, counts, 5000, tolerance=0.005) == found
