"""What a latent's variance is made of: loudness, tempo, brightness, genre, artist, album."""

import numpy as np
import pandas as pd

from fmalib import embedding
from fmalib.tracks import UNKNOWN_ARTIST

PERMUTATIONS = 200
MOST = 2000  # tracks: every artist is a column
LEVELS = ("genre", "artist", "track", "segment")


def columns_of(tracks, properties):
    """Returns the table for `explained`: what is measured of tracks, then their artist, album and genre; unknown ones empty.

    Args:
        tracks: table indexed by `track_id` with columns `artist`, `album`, `genre` (`fmalib.datasets.Dataset.tracks`).
        properties: by `fmalib.features.property_table`, of these tracks and others.
    """
    words = tracks[["artist", "album", "genre"]].fillna("")
    known = ~words["artist"].str.startswith(UNKNOWN_ARTIST)
    # Albums of two artists may have one title.
    album = (words["artist"] + ": " + words["album"]).where(words["album"] != "", "")
    return properties.loc[tracks.index].assign(artist=words["artist"].where(known, ""), album=album, genre=words["genre"])


def explained(values, table, *, seed=0, most=MOST):
    """Returns how much of the variance of values each column of a table explains by itself, and the numeric ones together.

    By least squares on each column: numbers with their square, words as one level each. A column of many words explains
    much by chance, so the share is also given adjusted for its degrees of freedom (Ezekiel 1930), which is 0 on average
    for a column that says nothing, and beside the share that 95 % of shuffled columns stay below.

    Args:
        values: of tracks, `(tracks, features)`; features count by their variance, so scale them first.
        table: one row a track; numbers, or words. Rows where a column is missing or empty are left out for that column.
        seed: of the shuffles.
        most: tracks at most, drawn by the seed.

    Returns:
        Table indexed by column, then `numbers` (all numeric ones) and `words beyond numbers` for each column of words:
        what it adds to all the numbers. Columns: `share` (adjusted), `raw`, `shuffled` (95th percentile of the adjusted share
        of 200 shuffles; residuals are shuffled, Freedman and Lane 1983), `n` tracks, `levels` degrees of freedom. A share is nan
        where there are not more tracks than levels.
    """
    values = np.asarray(values, np.float64)
    if len(values) != len(table):
        raise ValueError(f"One row of values per row of the table is needed. Received: {len(values)} and {len(table)}")
    kept = embedding.subsample(len(table), most, seed)
    values, table = values[kept], table.iloc[kept]
    numeric = [name for name in table if pd.api.types.is_numeric_dtype(table[name])]
    rng = np.random.default_rng(seed)
    rows = {}
    for name in table:
        known = _known(table[name])
        rows[name] = _share(values[known], _design(table.loc[known, name]), rng)
    if len(numeric) > 1:
        known = np.all([_known(table[name]) for name in numeric], axis=0)
        together = np.concatenate([_design(table.loc[known, name]) for name in numeric], axis=1)
        rows["numbers"] = _share(values[known], together, rng)
        for name in (name for name in table if name not in numeric):
            both = known & _known(table[name])
            before = np.concatenate([_design(table.loc[both, number]) for number in numeric], axis=1)
            rows[f"{name} beyond numbers"] = _share(values[both], _design(table.loc[both, name]), rng, before)
    return pd.DataFrame(rows, index=["share", "raw", "shuffled", "n", "levels"]).T


def nested(values, segments, genres):
    """Returns where the variance of segments lies: between genres, artists of a genre, tracks of an artist, within a track.

    Args:
        values: of segments, `(segments, features)`.
        segments: table with columns `track_id`, `label`, `artist`, one row a segment (`fmalib.segments.segment_table`); those
            of unknown artists are left out.
        genres: names by label.

    Returns:
        Table indexed by `genre`, `artist`, `track`, `segment`: `share` of the sum of squares; the four are 1 together.
        `chance`: the share that levels as many would have if they meant nothing, their share of the degrees of freedom.
    """
    values = np.asarray(values, np.float64)
    named = ~segments["artist"].str.startswith(UNKNOWN_ARTIST).to_numpy()
    values, segments = values[named], segments[named]
    keys = [
        segments["label"].to_numpy(), pd.factorize(segments["artist"] + "\n" + segments["label"].map(lambda label: genres[label]))[0],
        segments["track_id"].to_numpy(), np.arange(len(segments)),
    ]
    centred = values - values.mean(axis=0)
    total = (centred**2).sum() or 1.0
    squares, counts = [0.0], [1]
    for key in keys:
        groups, place = np.unique(key, return_inverse=True)
        size = np.bincount(place)
        sums = np.zeros((len(groups), values.shape[1]))
        np.add.at(sums, place, centred)
        squares.append(float((sums**2 / size[:, None]).sum() / total))
        counts.append(len(groups))
    freedom = max(1, len(values) - 1)
    return pd.DataFrame({"share": np.diff(squares), "chance": np.diff(counts) / freedom}, index=LEVELS)


def _known(column):
    return (column.notna() & (column.astype(str) != "")).to_numpy()


def _design(column):
    """Returns a column as predictors, without the constant: a number and its square, or one column a word."""
    if pd.api.types.is_numeric_dtype(column) and len(column):
        number = column.to_numpy(np.float64)
        number = (number - number.mean()) / (number.std() or 1.0)
        return np.stack([number, number**2], axis=1)
    return pd.get_dummies(column).to_numpy(np.float64)


def _share(values, design, rng, before=None):
    """Returns (adjusted share, raw share, 95th percentile of shuffled, tracks, degrees of freedom) of a design after another."""
    n = len(values)
    if n < 2:
        return np.nan, np.nan, np.nan, n, 0
    base = _basis(np.concatenate([np.ones((n, 1)), *([] if before is None else [before])], axis=1))
    own = _basis(design - base @ (base.T @ design))  # what it adds to the base
    rest = values - base @ (base.T @ values)
    total = ((values - values.mean(axis=0)) ** 2).sum()
    n_base, levels = base.shape[1], own.shape[1]
    if not total or levels < 1 or n - n_base - levels < 1:
        return np.nan, np.nan, np.nan, n, levels

    def shares(rest):
        rest = rest - base @ (base.T @ rest)  # shuffled residuals depend on the base a little, by chance
        left, gained = (rest**2).sum(), ((own.T @ rest) ** 2).sum()
        # Residual variances before and after, each by its own degrees of freedom, against the variance of all.
        adjusted = (left / (n - n_base) - (left - gained) / (n - n_base - levels)) * (n - 1) / total
        return float(adjusted), float(gained / total)

    adjusted, raw = shares(rest)
    shuffled = [shares(rest[rng.permutation(n)])[0] for _ in range(PERMUTATIONS)]
    return adjusted, raw, float(np.percentile(shuffled, 95)), n, levels


def _basis(design):
    """Returns an orthonormal basis of a design's columns, which may depend on one another or be 0: `(rows, rank)`."""
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, sizes > 1e-9 * max(1.0, np.abs(design).max(initial=0.0)) * np.sqrt(len(design))]
