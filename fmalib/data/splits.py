"""Splits of tracks into training, validation and test: by artist, by track (leaky), and folds of cross-validation."""

import warnings

import numpy as np
import pandas as pd

from fmalib.data.tracks import SPLITS

FOLD_VALIDATION = 1 / 6  # of the tracks that a fold does not test


def assert_artists_disjoint(tracks):
    """Raises ValueError if an artist has tracks in two splits; `tracks` has columns `artist` and `split`."""
    splits = tracks.groupby("artist")["split"].nunique()
    leaking = sorted(splits.index[splits > 1])
    if leaking:
        raise ValueError(
            "The split leaks: all tracks of an artist must be in one split. Mend set/split in tracks.csv, or ask for "
            "split='random70', which is marked as leaky. "
            f"Received: {len(leaking)} artists in two splits: {', '.join(leaking[:5])}"
        )


def by_artist(tracks, seed, held_out=0.15, splits=("test", "validation")):
    """Returns a split for each track, stratified by genre as far as whole artists allow.

    For each genre, artists move in seeded order to test, then to validation, until each of the two holds its share of the
    genre's tracks (at least one track). Each genre keeps at least one artist in training.

    Args:
        tracks: table with columns `genre` and `artist`.
        seed: of the order of artists.
        held_out: share of a genre's tracks for each held-out split.
        splits: the held-out splits.

    Returns:
        List of split names, one a track.
    """
    rng = np.random.default_rng(seed)
    counts = {genre: part["artist"].value_counts().sort_index() for genre, part in tracks.groupby("genre")}
    genres_of = tracks.groupby("artist")["genre"].unique()
    free = {genre: len(artists) for genre, artists in counts.items()}
    moved = {}

    def move(split, reserve, artists, candidates):
        wanted = max(1, round(held_out * artists.sum()))
        have = sum(count for artist, count in artists.items() if moved.get(artist) == split)
        # Artists that would take more than twice the share come last: one of them may be most of the genre.
        for artist in sorted(candidates, key=lambda artist: artists[artist] > 2 * wanted):
            if have >= wanted or (have and have + artists[artist] > 2 * wanted):
                break
            genres = genres_of[artist]
            if all(free[genre] > max(1, min(reserve, len(counts[genre]) - 1)) for genre in genres):
                moved[artist] = split
                have += artists[artist]
                free.update({genre: free[genre] - 1 for genre in genres})

    for position, split in enumerate(splits):
        reserve = len(splits) - position  # artists of each genre for the other splits
        for artists in counts.values():
            order = artists.index[rng.permutation(len(artists))]
            move(split, reserve, artists, [artist for artist in order if artist not in moved])
    return [moved.get(artist, "training") for artist in tracks["artist"]]


def random70(n_tracks, seed):
    """Returns the study's split of `n_tracks` tracks, an array of names: 30 % test, a seventh of the rest for validation."""
    order = np.random.default_rng(seed).permutation(n_tracks)
    split = np.full(n_tracks, "training", dtype=object)
    split[order[: round(0.3 * n_tracks)]] = "test"
    split[order[round(0.3 * n_tracks) : round(0.4 * n_tracks)]] = "validation"
    return split


def subsample(tracks, tracks_per_genre, seed):
    """Returns at most `tracks_per_genre` tracks of each genre, each split in proportion but at least one track."""
    kept = []
    for _, genre in tracks.groupby("genre"):
        for split, count in _seats(genre["split"].value_counts().sort_index(), tracks_per_genre).items():
            kept.append(genre[genre["split"] == split].sample(count, random_state=seed))
    return pd.concat(kept).sort_index()


def _seats(counts, most):
    """Returns counts by split, lowered in proportion to a sum of `most`, by Webster's method after one for each split."""
    if counts.sum() <= most:
        return counts
    seats = pd.Series(1, counts.index)
    while seats.sum() < most:
        seats[(counts / (seats + 0.5)).idxmax()] += 1
    return seats


def most_folds(tracks, *, leaky=False):
    """Returns the largest number of folds that some tracks allow: one artist a fold (`leaky`: one track)."""
    return min(len(tracks) if leaky else tracks["artist"].nunique(), int(tracks["genre"].value_counts().max()))


def folds(tracks, n, seed=0, *, leaky=False):
    """Returns the splits of cross-validation: `n` folds, each of which tests other tracks.

    Test tracks are dealt by scikit-learn's `StratifiedGroupKFold`. `by_artist` takes a sixth of a fold's other tracks for
    validation, so that each classifier is selected inside its fold.

    Args:
        tracks: table with columns `genre` and `artist`, one row a track.
        n: number of folds, 2 or more.
        seed: of the folds.
        leaky: deals single tracks instead of whole artists.

    Returns:
        List of `n` series of training, validation or test, with the index of `tracks`. Every track is in test once.

    Raises:
        ValueError: more folds than artists, or artists too few for training on two genres and validation in each fold.
    """
    most, unit = most_folds(tracks, leaky=leaky), "track" if leaky else "artist"
    if not 2 <= n <= most:
        raise ValueError(
            f"folds must be 1, a single split, or more: here at most {most}, since each fold tests another {unit}, and another "
            f"track of the largest genre. Received: folds={n!r}"
        )
    grouped = tracks.assign(artist=tracks.index) if leaky else tracks
    return [_fold(grouped, tested, [seed, number]) for number, tested in enumerate(_deal(grouped, n, seed))]


def _deal(tracks, n, seed):
    """Returns the positions of the test tracks of each fold, a list of `n` arrays."""
    from sklearn.model_selection import StratifiedGroupKFold

    dealer = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Some folds do not test a genre of fewer tracks than folds.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return [tested for _, tested in dealer.split(tracks, tracks["genre"], tracks["artist"])]


def _fold(tracks, tested, seed):
    """Returns the split of a fold that tests the tracks at some positions, checked."""
    split = pd.Series("test", tracks.index, dtype=object, name="split")
    rest = tracks.drop(tracks.index[tested])
    split[rest.index] = by_artist(rest, seed, FOLD_VALIDATION, ["validation"])
    assert_artists_disjoint(tracks.assign(split=split))
    counts = {name: int((split == name).sum()) for name in SPLITS}
    n_genres = tracks["genre"][split == "training"].nunique()
    if not all(counts.values()) or n_genres < min(2, tracks["genre"].nunique()):
        raise ValueError(
            "Each fold needs training tracks of two genres, and validation and test tracks: add artists, three or more of each "
            "genre, or try another number of folds. "
            f"Received: {tracks['artist'].nunique()} artists; a fold has {counts} tracks, training of {n_genres} genres"
        )
    return split
