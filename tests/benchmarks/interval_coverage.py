"""Coverage of the intervals over artists, simulated: how often the 95 % interval holds the value of the population.

    python tests/benchmarks/interval_coverage.py [--repetitions 20000] [--artists 2,3,4,8,13,20,60]

Artists have 1 to 20 tracks, mostly few (a rounded log-normal), or `equal` ones 6 each. Each population draws artists, then
their tracks; its value is the expected sum over the expected number of tracks. The last two columns are of the percentile
bootstrap over artists, with 8 and 20 artists and fewer repetitions. The second table has the median width of the intervals.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from fmalib import intervals

ARTISTS = (2, 3, 4, 8, 13, 20, 60)
MOST_TRACKS, EQUAL_TRACKS = 20, 6
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)  # of expectations over a standard normal variable


class Population(NamedTuple):
    """`draw(rng, counts)` gives the sums of artists with these numbers of tracks; `value` is true; `bounds` of a track's."""

    draw: Callable
    value: float
    bounds: tuple


def numbers_of_tracks(rng, shape, *, equal=False):
    """Returns numbers of tracks of artists, ints of a shape."""
    if equal:
        return np.full(shape, EQUAL_TRACKS)
    return np.clip(np.ceil(rng.lognormal(1.2, 0.9, shape)), 1, MOST_TRACKS).astype(int)


def centre(share, spread):
    """Returns the mean of normal logits with a deviation of `spread` whose shares are `share` on average."""
    return brentq(lambda mean: WEIGHTS @ expit(mean + spread * NODES) / WEIGHTS.sum() - share, -20, 20)


def accuracy(share, spread):
    """Returns tracks that are right or wrong; the logits of artists are normal with a deviation of `spread`."""
    middle = centre(share, spread)
    return Population(
        lambda rng, counts: rng.binomial(counts, expit(rng.normal(middle, spread, counts.shape))), share, intervals.SHARE
    )


def difference(first, second, spread, common):
    """Returns paired differences, -1, 0 or 1: two systems whose artists have a share `common` of the variance of logits."""

    def draw(rng, counts):
        easy = rng.normal(0, spread * np.sqrt(common), counts.shape)
        own = spread * np.sqrt(1 - common)
        a, b = (expit(centre(share, spread) + easy + rng.normal(0, own, counts.shape)) for share in (first, second))
        # Of half of the tracks both systems are right or wrong as far as their shares allow, of the others independently.
        up, down = ((np.maximum(one - two, 0) + one * (1 - two)) / 2 for one, two in ((a, b), (b, a)))
        gained = rng.binomial(counts, up)
        return gained - rng.binomial(counts - gained, np.minimum(down / np.maximum(1 - up, 1e-9), 1))

    return Population(draw, first - second, intervals.DIFFERENCE)


def squares(spread):
    """Returns squared errors: log-normal with a deviation of `spread` over artists, and 0.5 over tracks."""

    def draw(rng, counts):
        tracks = rng.lognormal(0, 0.5, (*counts.shape, counts.max())) * (np.arange(counts.max()) < counts[..., None])
        return rng.lognormal(0, spread, counts.shape) * tracks.sum(axis=-1)

    return Population(draw, np.exp((spread**2 + 0.5**2) / 2), intervals.POSITIVE)


def levels(spread):
    """Returns values of any sign, such as decibels: normal with a deviation of `spread` over artists, and 1 over tracks."""

    def draw(rng, counts):
        return counts * rng.normal(0, spread, counts.shape) + np.sqrt(counts) * rng.normal(size=counts.shape)

    return Population(draw, 0.0, intervals.REAL)


POPULATIONS = (
    {f"accuracy {share}": accuracy(share, 1) for share in (0.3, 0.5, 0.6, 0.8, 0.9)}
    | {"accuracy 0.5, artists differ more": accuracy(0.5, 2), "accuracy 0.9, artists differ little": accuracy(0.9, 0.3)}
    | {"difference 0": difference(0.6, 0.6, 1, 0.5), "difference 0.1": difference(0.7, 0.6, 1.5, 0.8)}
    | {"difference 0.02, rare": difference(0.92, 0.9, 1.5, 0.9), "difference 0.3": difference(0.8, 0.5, 1, 0.3)}
    | {f"squared errors, {spread}": squares(spread) for spread in (0.5, 0.75, 1.0)}
    | {f"levels, {spread}": levels(spread) for spread in (0.2, 1.0)}
)


def percentile_bootstrap(sums, counts, *, bounds, resamples=500):
    """Returns the percentile bootstrap over artists of `(repetitions, artists)`, to compare with."""
    rng = np.random.default_rng(0)
    means = np.empty((resamples, len(sums)))
    for row in means:
        drawn = rng.integers(sums.shape[1], size=sums.shape)
        row[:] = np.take_along_axis(sums, drawn, 1).sum(axis=1) / np.take_along_axis(counts, drawn, 1).sum(axis=1)
    return np.percentile(means, [2.5, 97.5], axis=0)


def coverage(population, n_artists, repetitions, *, method=intervals.of_sums, equal=False):
    """Returns (share of the intervals that hold the value, median width)."""
    rng = np.random.default_rng(n_artists)
    counts = numbers_of_tracks(rng, (repetitions, n_artists), equal=equal)
    low, high = method(population.draw(rng, counts), counts, bounds=population.bounds)
    held = (low <= population.value + 1e-12) & (population.value - 1e-12 <= high)  # a bound at the value, but for rounding
    return float(held.mean()), float(np.median(high - low))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20_000)
    parser.add_argument("--artists", default=",".join(map(str, ARTISTS)))
    options = parser.parse_args()
    held, widths = {}, {}
    for equal in (False, True):
        for name, population in POPULATIONS.items():
            label = f"{name}, equal" if equal else name
            measure = partial(coverage, population, equal=equal)
            found = {int(n): measure(int(n), options.repetitions) for n in options.artists.split(",")}
            held[label] = {n: covered for n, (covered, _) in found.items()}
            held[label] |= {
                f"bootstrap {n}": measure(n, options.repetitions // 10, method=percentile_bootstrap)[0] for n in (8, 20)
            }
            widths[label] = {n: width for n, (_, width) in found.items()}
    print(f"Coverage / %, {options.repetitions} repetitions")
    print((100 * pd.DataFrame(held).T).round(1).to_string())
    print("\nMedian width")
    print(pd.DataFrame(widths).T.round(2).to_string())


if __name__ == "__main__":
    main()
