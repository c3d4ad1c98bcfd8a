"""Intervals by bootstrap over artists: tracks of one artist are not independent, so whole artists are drawn (Efron 1979)."""

import numpy as np
import pandas as pd

LEVEL = 0.95
RESAMPLES = 2000


def over_artists(values, artists, *, seed=0):
    """Returns the 95 % interval (low, high) of a mean, or None for a single artist, who says nothing about others.

    Args:
        values: numbers or bools of shape `(rows,)`; differences for a paired comparison.
        artists: who made each, `(rows,)`.
        seed: of the resampled sets of artists.

    Raises:
        ValueError: no rows.
    """
    from scipy.stats import bootstrap

    grouped = pd.DataFrame({"value": np.asarray(values, float), "artist": np.asarray(artists)}).groupby("artist")["value"]
    if not len(grouped):
        raise ValueError("There is nothing to measure. Received: 0 rows")
    if len(grouped) == 1:
        return None

    def mean(sums, counts, axis=-1):
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    found = bootstrap(
        (grouped.sum().to_numpy(), grouped.count().to_numpy()),
        mean,
        paired=True,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
