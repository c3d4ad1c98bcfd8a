import numpy as np
import pandas as pd
import pytest

from fmalib import bootstrap


def drawn_by_hand(values, artists, seed):
    """Returns the percentiles of 2,000 means over artists drawn with replacement."""
    grouped = pd.DataFrame({"value": np.asarray(values, float), "artist": artists}).groupby("artist")["value"]
    sums, counts = grouped.sum().to_numpy(), grouped.count().to_numpy()
    drawn = np.random.default_rng(seed).integers(len(counts), size=(2000, len(counts)))
    return np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])


@pytest.mark.parametrize("n_artists", [2, 4, 40])
def test_whole_artists_are_drawn(n_artists):
    rng = np.random.default_rng(n_artists)
    correct, artists = rng.random(120) < 0.6, rng.integers(n_artists, size=120)
    found = bootstrap.over_artists(correct, artists, seed=3)
    np.testing.assert_allclose(found, drawn_by_hand(correct, artists, 3), rtol=1e-12)
    assert 0 <= found[0] < correct.mean() < found[1] <= 1


def test_the_interval_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    values, artists = rng.normal(size=60), rng.integers(7, size=60)
    order = rng.permutation(60)
    found = bootstrap.over_artists(values[order], artists[order])
    assert found == pytest.approx(bootstrap.over_artists(values, artists), rel=1e-12)


def test_an_interval_over_artists_is_wider_than_one_over_tracks():
    artists = np.repeat(np.arange(10), 20)
    correct = artists < 6  # artists are right or wrong altogether
    low, high = bootstrap.over_artists(correct, artists)
    narrow = bootstrap.over_artists(correct, np.arange(200))
    assert high - low > 3 * (narrow[1] - narrow[0])


def test_a_single_artist_has_no_interval():
    assert bootstrap.over_artists([1, 0, 1], ["a", "a", "a"]) is None


def test_nothing_to_measure():
    with pytest.raises(ValueError, match="Received: 0 rows"):
        bootstrap.over_artists([], [])
