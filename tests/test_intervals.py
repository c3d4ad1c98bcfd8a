"""Intervals over artists: coverage by simulation, exact values, and samples that show no variation."""

import numpy as np
import pytest
from benchmarks import interval_coverage
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fmalib import intervals

ROWS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40)


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("name", interval_coverage.POPULATIONS)
def test_intervals_cover(name, equal):
    population = interval_coverage.POPULATIONS[name]
    held = {n: interval_coverage.coverage(population, n, 10_000, equal=equal)[0] for n in (8, 20, 60)}
    assert all(0.90 <= share <= 0.99 for share in held.values()), held


@pytest.mark.parametrize("name", ["accuracy 0.8", "difference 0.1", "squared errors, 0.75", "levels, 1.0"])
def test_a_percentile_bootstrap_of_eight_artists_does_not(name):
    population, method = interval_coverage.POPULATIONS[name], interval_coverage.percentile_bootstrap
    assert interval_coverage.coverage(population, 8, 2000, method=method)[0] < 0.89


def test_equal_artists_have_student_s_interval_of_their_means():
    values = np.random.default_rng(0).normal(size=(7, 3)) + np.arange(7)[:, None]
    found = intervals.over_artists(values.ravel(), np.repeat(np.arange(7), 3))
    means = values.mean(axis=1)
    expected = stats.t.interval(0.95, 6, means.mean(), means.std(ddof=1) / np.sqrt(7))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_unequal_artists_have_fewer_degrees_of_freedom():
    sums, counts = np.array([3.0, 4, 10]), np.array([1, 2, 5])
    without = np.array([14 / 7, 13 / 6, 7 / 3])  # the mean without each artist
    error = np.sqrt(2 / 3 * ((without - 17 / 8) ** 2).sum())
    half = stats.t.ppf(0.975, 64 / 30 - 1) * error
    np.testing.assert_allclose(intervals.of_sums(sums, counts), [17 / 8 - half, 17 / 8 + half], rtol=1e-12)
    rows = np.repeat(sums / counts, counts)
    np.testing.assert_allclose(
        intervals.over_artists(rows, np.repeat(list("abc"), counts)), [17 / 8 - half, 17 / 8 + half], rtol=1e-9
    )


def test_positive_values_have_their_interval_on_a_logarithmic_scale():
    values = np.array([1.0, 2, 4, 8])
    low, high = intervals.over_artists(values, list("abcd"), bounds=intervals.POSITIVE)
    logs = np.log([(15 - value) / 3 for value in values])
    error = np.sqrt(3 / 4 * ((logs - np.log(15 / 4)) ** 2).sum())
    half = stats.t.ppf(0.975, 3) * error
    np.testing.assert_allclose(np.log([low, high]), np.log(15 / 4) + error**2 + np.array([-half, half]), rtol=1e-12)
    scaled = intervals.over_artists(10 * values, list("abcd"), bounds=intervals.POSITIVE)
    np.testing.assert_allclose(scaled, [10 * low, 10 * high], rtol=1e-12)


def test_one_artist_with_all_errors_and_none_with_any():
    low, high = intervals.over_artists([0.0, 0, 3], list("abc"), bounds=intervals.POSITIVE)
    assert low == 0 and high == pytest.approx(1 + stats.t.ppf(0.975, 2))  # means 0, 0, 3: their standard error is 1
    assert intervals.over_artists([0.0, 0, 0], list("abc"), bounds=intervals.POSITIVE) == (0, 0)


def test_independent_tracks_have_jeffreys_interval():
    correct = np.arange(400) % 4 == 0
    found = intervals.over_artists(correct, np.arange(400), bounds=intervals.SHARE)
    np.testing.assert_allclose(found, stats.beta.ppf([0.025, 0.975], 100.5, 300.5), atol=5e-4)


@pytest.mark.parametrize("n", [2, 4, 60])
def test_artists_without_variation_do_not_prove_that_there_is_none(n):
    artists, unlike = np.repeat(np.arange(n), 3), 1 - 0.025 ** (1 / n)
    right = intervals.over_artists([True] * 3 * n, artists, bounds=intervals.SHARE)
    np.testing.assert_allclose(right, stats.binomtest(n, n).proportion_ci(method="exact"), atol=1e-12)
    wrong = intervals.over_artists([False] * 3 * n, artists, bounds=intervals.SHARE)
    np.testing.assert_allclose(wrong, [0, unlike], atol=1e-12)
    half = intervals.over_artists([0, 1] * n, np.repeat(np.arange(n), 2), bounds=intervals.SHARE)
    np.testing.assert_allclose(half, [0.5 - unlike / 2, 0.5 + unlike / 2], atol=1e-12)
    same = intervals.over_artists([0] * 3 * n, artists, bounds=intervals.DIFFERENCE)
    np.testing.assert_allclose(same, [-unlike, unlike], atol=1e-12)


def test_an_interval_over_artists_is_wider_than_one_over_tracks():
    artists = np.repeat(np.arange(10), 20)
    correct = artists < 6  # artists are right or wrong altogether
    low, high = intervals.over_artists(correct, artists, bounds=intervals.SHARE)
    narrow = intervals.over_artists(correct, np.arange(200), bounds=intervals.SHARE)
    assert high - low > 3 * (narrow[1] - narrow[0])


@settings(max_examples=100, deadline=None)
@given(ROWS, st.randoms())
def test_an_interval_holds_the_mean_within_bounds_in_any_order_of_rows(rows, random):
    artists, correct = zip(*rows)
    found = intervals.over_artists(correct, artists, bounds=intervals.SHARE)
    if len(set(artists)) == 1:
        assert found is None
        return
    mean = np.mean(correct)
    assert 0 <= found[0] <= mean + 1e-12 and mean - 1e-12 <= found[1] <= 1 and found[1] - found[0] > 0.05
    random.shuffle(rows)
    artists, correct = zip(*rows)
    assert intervals.over_artists(correct, artists, bounds=intervals.SHARE) == pytest.approx(found, rel=1e-9, abs=1e-12)
    doubled = intervals.over_artists(2.0 * np.array(correct) - 1, artists, bounds=intervals.DIFFERENCE)
    assert doubled == pytest.approx([2 * end - 1 for end in found], rel=1e-9, abs=1e-12)


def test_nothing_to_measure_and_values_out_of_bounds():
    with pytest.raises(ValueError, match="Received: 0 rows"):
        intervals.over_artists([], [])
    with pytest.raises(ValueError, match=r"from 0 to 1. Received: 0.0 to 1.5"):
        intervals.over_artists([0, 1.5], list("ab"), bounds=intervals.SHARE)
