"""Shares of a latent's variance: by loudness, tempo, brightness, genre, artist and album, and nested variance components."""

import numpy as np
import pandas as pd

from fmalib.data.tracks import UNKNOWN_ARTIST
from fmalib.latent import maps

PERMUTATIONS = 200
MOST = 2000  # tracks: every artist is a column
LEVELS = ("genre", "artist", "track", "segment")


def columns_of(tracks, properties):
    """Returns the table for `explained`: properties of tracks, then artist, album and genre; unknown ones are empty.

    Args:
        tracks: table as `fmalib.data.datasets.Dataset.tracks`.
        properties: table by `fmalib.genres.descriptors.property_table` that holds these tracks.
    """
    names = tracks[["artist", "album", "genre"]].fillna("")
    known = ~names["artist"].str.startswith(UNKNOWN_ARTIST)
    # Albums of two artists may have one title.
    album = (names["artist"] + ": " + names["album"]).where(names["album"] != "", "")
    return properties.loc[tracks.index].assign(artist=names["artist"].where(known, ""), album=album, genre=names["genre"])


def explained(values, table, *, seed=0, most=MOST):
    """Returns the share of the variance of values that each column explains by itself, and all numeric ones together.

    By least squares on a numeric column and its square, or on the levels of a categorical one. Many levels explain much by
    chance. So shares are adjusted for their degrees of freedom (Ezekiel 1930): 0 on average for a meaningless column.

    Args:
        values: of tracks, `(tracks, features)`; features count by their variance, so scale them first.
        table: one row a track, columns numeric or categorical. Rows where a column is missing or empty are left out for it.
        seed: of the permutations and of a subsample of at most `most` tracks.

    Returns:
        Table indexed by column, then `numeric` (all numeric columns) and for each categorical one `... beyond numeric`, the
        share that it adds to them. Columns: `share` (adjusted; nan unless there are more tracks than levels), `raw`, `permuted`
        (95th percentile of the adjusted share over 200 permutations of residuals, Freedman and Lane 1983), `n` tracks, `levels`
        (degrees of freedom).
    """
    values = np.asarray(values, np.float64)
    if len(values) != len(table):
        raise ValueError(f"One row of values per row of the table is needed. Received: {len(values)} and {len(table)}")
    kept = maps.subsample(len(table), most, seed)
    values, table = values[kept], table.iloc[kept]
    numeric = [name for name in table if pd.api.types.is_numeric_dtype(table[name])]
    columns = {name: ([name], []) for name in table}
    if len(numeric) > 1:
        columns["numeric"] = numeric, []
        columns |= {f"{name} beyond numeric": ([name], numeric) for name in table if name not in numeric}
    known = table.notna() & (table.astype(str) != "")
    rng = np.random.default_rng(seed)
    rows = {}
    for name, (own, before) in columns.items():
        complete = known[own + before].all(axis=1).to_numpy()
        rows[name] = _share(values[complete], table.loc[complete, own], table.loc[complete, before], rng)
    return pd.DataFrame(rows, index=["share", "raw", "permuted", "n", "levels"]).T


def nested(values, segments, genres):
    """Returns the variance components of segments: between genres, artists of a genre, tracks of an artist, within a track.

    Args:
        values: of segments, `(segments, features)`.
        segments: table by `fmalib.data.segments.segment_table`; rows of unknown artists are left out.
        genres: names by label.

    Returns:
        Table indexed by `genre`, `artist`, `track`, `segment`. `share` of the sum of squares; the four sum to 1. `chance`:
        the share of meaningless levels, which is their share of the degrees of freedom. Undefined shares are nan: the genre's
        where there is one genre, and all where no two segments of known artists differ.
    """
    values = np.asarray(values, np.float64)
    named = ~segments["artist"].str.startswith(UNKNOWN_ARTIST).to_numpy()
    values, segments = values[named], segments[named]
    if len(values) < 2:
        return pd.DataFrame({"share": np.nan, "chance": np.nan}, index=LEVELS)
    artists = segments["artist"] + "\n" + segments["label"].map(lambda label: genres[label])
    keys = segments["label"], pd.factorize(artists)[0], segments["track_id"], np.arange(len(segments))
    centred = values - values.mean(axis=0)
    total = (centred**2).sum() or np.nan
    squares, counts = [0.0], [1]
    for key in keys:
        groups, place = np.unique(key, return_inverse=True)
        size = np.bincount(place)
        sums = np.zeros((len(groups), values.shape[1]))
        np.add.at(sums, place, centred)
        squares.append(float((sums**2 / size[:, None]).sum() / total))
        counts.append(len(groups))
    table = pd.DataFrame({"share": np.diff(squares), "chance": np.diff(counts) / (len(values) - 1)}, index=LEVELS)
    if segments["label"].nunique() < 2:
        table.loc["genre"] = np.nan
    return table


def _predictors(table):
    """Returns the predictors of each column, a list: a standardised number and its square, or one column a level."""
    parts = []
    for _, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            number = column.to_numpy(np.float64)
            number = (number - number.mean()) / (number.std() or 1.0)
            parts.append(np.stack([number, number**2], axis=1))
        else:
            parts.append(pd.get_dummies(column).to_numpy(np.float64))
    return parts


def _share(values, table, before, rng):
    """Returns (adjusted share, raw share, 95th percentile permuted, tracks, degrees of freedom) of columns after others."""
    n = len(values)
    if n < 2:
        return np.nan, np.nan, np.nan, n, 0
    base = _basis(np.concatenate([np.ones((n, 1)), *_predictors(before)], axis=1))
    design = np.concatenate(_predictors(table), axis=1)
    own = _basis(design - base @ (base.T @ design))  # the part beyond the base
    residuals = values - base @ (base.T @ values)
    total = ((values - values.mean(axis=0)) ** 2).sum()
    n_base, levels = base.shape[1], own.shape[1]
    if not total or levels < 1 or n - n_base - levels < 1:
        return np.nan, np.nan, np.nan, n, levels

    def shares(residuals):
        residuals = residuals - base @ (base.T @ residuals)  # permuted ones depend on the base a little, by chance
        left, gained = (residuals**2).sum(), ((own.T @ residuals) ** 2).sum()
        # Residual variances before and after, each by its own degrees of freedom, against the variance of all.
        adjusted = (left / (n - n_base) - (left - gained) / (n - n_base - levels)) * (n - 1) / total
        return float(adjusted), float(gained / total)

    adjusted, raw = shares(residuals)
    permuted = [shares(residuals[rng.permutation(n)])[0] for _ in range(PERMUTATIONS)]
    return adjusted, raw, float(np.percentile(permuted, 95)), n, levels


def _basis(design):
    """Returns an orthonormal basis of a design's columns, which may depend on one another or be 0: `(rows, rank)`."""
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, sizes > 1e-9 * max(1.0, np.abs(design).max(initial=0.0)) * np.sqrt(len(design))]
