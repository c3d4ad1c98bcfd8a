"""Shares of a latent's variance: by loudness, tempo, brightness, genre, artist and album, and nested variance components."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

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
    chance. So shares are adjusted for their degrees of freedom (Ezekiel 1930): 0 on average where tracks are exchangeable.

    They are not where artists differ: genres that mean nothing still divide artists, and have a share. So 200 permutations keep
    what belongs to one artist together. A genre moves with all tracks that an artist has in it. Levels within artists, such as
    albums, are permuted within each artist, so only their share beyond artists counts. Numbers and artists move by track.

    Args:
        values: of tracks, `(tracks, features)`; features count by their variance, so scale them first.
        table: one row a track, columns numeric or categorical; without a column `artist`, everything moves by track. Rows
            where a column is missing or empty are left out for it; each track of an empty artist counts as an artist.
        seed: of the permutations and of a subsample of at most `most` tracks.

    Returns:
        Table indexed by column, then `numeric` (all numeric columns) and for each categorical one `... beyond numeric`, the
        share that it adds to them. Columns: `share` (adjusted; nan unless there are more tracks than levels), `raw`,
        `permuted_mean` and `permuted` (mean and 95th percentile of the adjusted share over permutations), `n` tracks, `levels`
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
    alone = pd.Series([f"\n{row}" for row in range(len(table))], table.index)
    artists = table["artist"].where(known["artist"], alone) if "artist" in table else alone
    rng = np.random.default_rng(seed)
    rows = {}
    for name, (own, before) in columns.items():
        complete = known[own + before].all(axis=1).to_numpy()
        parts = table.loc[complete, own], table.loc[complete, before], artists[complete]
        rows[name] = _share(values[complete], *parts, rng)
    return pd.DataFrame(rows, index=["share", "raw", "permuted_mean", "permuted", "n", "levels"]).T


def nested(values, segments, genres, *, seed=0):
    """Returns the variance components of segments: between genres, artists of a genre, tracks of an artist, within a track.

    Each level has a null of its own, by 200 permutations that keep the levels above and below. Artists with all their tracks
    are permuted among genres, tracks among the artists of a genre, segments among the tracks of an artist. An artist of several
    genres counts once in each.

    Args:
        values: of segments, `(segments, features)`.
        segments: table by `fmalib.data.segments.segment_table`; rows of unknown artists are left out.
        genres: names by label.
        seed: of the permutations.

    Returns:
        Table indexed by `genre`, `artist`, `track`, `segment`. `share` of the sum of squares; the four sum to 1.
        `permuted_mean` and `permuted`: mean and 95th percentile of a meaningless level's share; nan for segments, the
        remainder. Undefined shares are nan: the genre's where there is one genre, and all where no two segments of known
        artists differ.
    """
    values = np.asarray(values, np.float64)
    named = ~segments["artist"].str.startswith(UNKNOWN_ARTIST).to_numpy()
    values, segments = values[named], segments[named]
    table = pd.DataFrame(np.nan, index=LEVELS, columns=["share", "permuted_mean", "permuted"])
    if len(values) < 2 or not np.ptp(values, axis=0).any():
        return table
    artists = segments["artist"] + "\n" + segments["label"].map(lambda label: genres[label])
    keys = np.zeros(len(values)), segments["label"], artists, segments["track_id"], np.arange(len(values))
    groups = [pd.factorize(key)[0] for key in keys]  # of each segment, from the whole down to itself
    centred = values - values.mean(axis=0)
    total = (centred**2).sum()
    squares = np.array([_between(centred, np.ones(len(centred)), group) / total for group in groups])
    table["share"] = np.diff(squares)
    rng = np.random.default_rng(seed)
    for number, level in enumerate(LEVELS[:-1]):
        whole, own, units = groups[number : number + 3]  # units move between own groups, and stay in the whole above them
        first = np.unique(units, return_index=True)[1]
        sums, sizes = _sums(centred, units), np.bincount(units)
        found = [
            _between(sums, sizes, own[first][_permutation(rng, whole[first])]) / total - squares[number]
            for _ in range(PERMUTATIONS)
        ]
        table.loc[level, ["permuted_mean", "permuted"]] = np.mean(found), np.percentile(found, 95)
    if segments["label"].nunique() < 2:
        table.loc["genre"] = np.nan
    return table


def _permutation(rng, groups):
    """Returns a random order of rows that stay within their groups; `groups` are ints, `(rows,)`."""
    order = np.empty(len(groups), int)
    order[np.argsort(groups, kind="stable")] = np.lexsort((rng.random(len(groups)), groups))
    return order


def _sums(values, groups):
    """Returns the sums of values `(rows, features)` over groups, ints from 0."""
    places = groups, np.arange(len(groups))
    return csr_matrix((np.ones(len(groups)), places)) @ values


def _between(sums, sizes, groups):
    """Returns the sum of squares between groups of units, which have sums `(units, features)` around 0 and sizes."""
    return float((_sums(sums, groups) ** 2 / np.bincount(groups, sizes)[:, None]).sum())


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


def _share(values, table, before, artists, rng):
    """Returns the items of a row of `explained`: those of columns after others."""
    n = len(values)
    if n < 2:
        return np.nan, np.nan, np.nan, np.nan, n, 0
    base = _basis(np.concatenate([np.ones((n, 1)), *_predictors(before)], axis=1))
    residuals = values - base @ (base.T @ values)
    total = ((values - values.mean(axis=0)) ** 2).sum()

    def basis(table):
        design = np.concatenate(_predictors(table), axis=1)
        return _basis(design - base @ (base.T @ design))  # the part beyond the base

    def shares(residuals, own):
        residuals = residuals - base @ (base.T @ residuals)  # permuted ones depend on the base a little, by chance
        left, gained = (residuals**2).sum(), ((own.T @ residuals) ** 2).sum()
        n_base, levels = base.shape[1], own.shape[1]
        # Residual variances before and after, each by its own degrees of freedom, against the variance of all.
        adjusted = (left / (n - n_base) - (left - gained) / (n - n_base - levels)) * (n - 1) / total
        return float(adjusted), float(gained / total)

    own = basis(table)
    levels = own.shape[1]
    if not total or levels < 1 or n - base.shape[1] - levels < 1:
        return np.nan, np.nan, np.nan, np.nan, n, levels
    within, blocks = _exchangeable(table, artists)
    if blocks is None:  # residuals move (Freedman and Lane 1983), which needs no new basis of many levels
        found = [shares(residuals[_permutation(rng, within)], own)[0] for _ in range(PERMUTATIONS)]
    else:
        label = table.iloc[np.unique(blocks, return_index=True)[1]]
        orders = (rng.permutation(len(label))[blocks] for _ in range(PERMUTATIONS))
        found = [shares(residuals, basis(label.iloc[order]))[0] for order in orders]
    return *shares(residuals, own), float(np.mean(found)), float(np.percentile(found, 95)), n, levels


def _exchangeable(table, artists):
    """Returns (groups in which tracks move, None) or (None, blocks of tracks whose labels move), ints `(tracks,)`."""
    freely = np.zeros(len(table), int), None
    if len(table.columns) > 1 or "artist" in table or pd.api.types.is_numeric_dtype(table.iloc[:, 0]):
        return freely
    column = table.iloc[:, 0].astype(str)
    blocks = pd.factorize(artists + "\n" + column)[0]
    n_blocks = blocks.max() + 1
    if n_blocks == len(table):
        return freely
    # Levels that lie within one artist, or nearly all of them, cannot move between artists.
    return (pd.factorize(artists)[0], None) if n_blocks < 1.5 * column.nunique() else (None, blocks)


def _basis(design):
    """Returns an orthonormal basis of a design's columns, which may depend on one another or be 0: `(rows, rank)`."""
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, sizes > 1e-9 * max(1.0, np.abs(design).max(initial=0.0)) * np.sqrt(len(design))]
