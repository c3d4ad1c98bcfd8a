import warnings

import numpy as np
import pandas as pd
import pytest

from fmalib.data import splits
from fmalib.data.tracks import UNKNOWN_ARTIST


def table(artists):
    """Returns the tracks of {genre: {artist: number of tracks}}."""
    rows = [(genre, artist) for genre, counts in artists.items() for artist, count in counts.items() for _ in range(count)]
    tracks = pd.DataFrame(rows, columns=["genre", "artist"])
    return tracks.set_index(pd.Index(10 * np.arange(len(tracks)) + 3, name="track_id"))  # ids are no positions


def balanced(n_artists=10, tracks=2, genres="ABC"):
    return table({genre: {f"{genre} {number}": tracks for number in range(n_artists)} for genre in genres})


def unknown(n_tracks=12):
    return table({genre: {f"{UNKNOWN_ARTIST} of {genre}/{number}.wav": 1 for number in range(n_tracks)} for genre in "AB"})


def test_an_artist_in_two_splits_is_named():
    tracks = table({"A": {"x": 2, "y": 1}}).assign(split=["training", "test", "test"])
    with pytest.raises(ValueError, match=r"The split leaks: .* Received: 1 artists in two splits: x"):
        splits.assert_artists_disjoint(tracks)
    splits.assert_artists_disjoint(tracks.assign(split="test"))


def test_by_artist_holds_out_a_share_of_each_genre():
    tracks = balanced(n_artists=20, tracks=1)
    split = pd.Series(splits.by_artist(tracks, 0), tracks.index)
    counts = pd.crosstab(tracks["genre"], split)
    assert (counts[["test", "validation"]] == 3).all(axis=None) and (counts["training"] == 14).all()
    only = splits.by_artist(tracks, 0, 0.3, ["validation"])
    assert pd.Series(only).value_counts().to_dict() == {"training": 42, "validation": 18}
    assert splits.by_artist(tracks, 0) == list(split) != splits.by_artist(tracks, 1)


def test_by_artist_keeps_an_artist_of_each_genre_for_training():
    for artists, expected in ((1, {"training"}), (2, {"training", "test"}), (3, {"training", "test", "validation"})):
        assert set(splits.by_artist(balanced(artists, genres="A"), 0)) == expected


def test_random70_has_the_studys_shares():
    counts = pd.Series(splits.random70(100, 0)).value_counts().to_dict()
    assert counts == {"training": 60, "test": 30, "validation": 10}


def test_a_subsample_keeps_the_shares_of_splits():
    tracks = table({"A": {"x": 100}, "B": {"y": 4}}).assign(split="training")
    tracks.loc[tracks.index[:20], "split"] = "test"
    counts = splits.subsample(tracks, 10, 0).groupby("genre")["split"].value_counts().to_dict()
    assert counts == {("A", "training"): 8, ("A", "test"): 2, ("B", "training"): 4}


@pytest.mark.parametrize("sizes", [(6, 1, 1), (7, 2, 2), (24, 8, 8), (80, 10, 10), (5, 5, 5), (1, 1, 1), (100, 1, 30)])
@pytest.mark.parametrize("most", [3, 4, 5, 7, 10, 33, 1000])
def test_a_subsample_has_at_most_the_tracks_asked_for(sizes, most):
    """Rounding each split by itself gave one or two tracks more."""
    names = [split for split, size in zip(("training", "validation", "test"), sizes) for _ in range(size)]
    tracks = pd.DataFrame({"genre": "A", "split": names})
    counts = splits.subsample(tracks, most, 0)["split"].value_counts()
    assert counts.sum() == min(most, sum(sizes)) and len(counts) == 3
    for split, size in zip(("training", "validation", "test"), sizes):
        exact = size * min(1.0, most / sum(sizes))
        assert counts[split] <= size and (counts[split] == 1 or abs(counts[split] - exact) <= 2)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("tracks", [balanced(), unknown()], ids=["known", "unknown"])
def test_every_track_is_tested_once_by_classifiers_that_do_not_know_its_artist(tracks, n):
    parts = splits.folds(tracks, n)
    assert len(parts) == n and all(part.index.equals(tracks.index) for part in parts)
    assert (sum((part == "test").astype(int) for part in parts) == 1).all()
    for part in parts:
        splits.assert_artists_disjoint(tracks.assign(split=part))
        assert set(part) == {"training", "validation", "test"}


def test_folds_are_stratified_in_test_and_validation():
    tracks = balanced(n_artists=30, tracks=1)
    for part in splits.folds(tracks, 5):
        counts = pd.crosstab(tracks["genre"], part)
        assert (counts["test"] == 6).all() and (counts["validation"] == 4).all() and (counts["training"] == 20).all()


def test_folds_depend_on_the_seed_alone():
    tracks = balanced()
    one, same, other = (pd.concat(splits.folds(tracks, 3, seed)) for seed in (0, 0, 1))
    assert one.equals(same) and not one.equals(other)


def test_leaky_folds_divide_artists():
    tracks = table({genre: {f"{genre} {number}": 10 for number in range(2)} for genre in "AB"})
    parts = splits.folds(tracks, 5, leaky=True)
    assert (sum((part == "test").astype(int) for part in parts) == 1).all()
    with pytest.raises(ValueError, match="The split leaks"):
        splits.assert_artists_disjoint(tracks.assign(split=parts[0]))
    for part in parts:
        assert tracks["genre"][part == "test"].value_counts().to_dict() == {"A": 4, "B": 4}


def test_a_genre_with_fewer_artists_than_folds():
    tracks = table({"A": {f"a {number}": 4 for number in range(12)}, "B": {"b": 3, "c": 3}, "C": {"d": 5}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = splits.folds(tracks, 5)
    testing = [set(tracks["artist"][part == "test"]) for part in parts]
    assert sum("b" in tested for tested in testing) == sum("c" in tested for tested in testing) == 1
    for part, tested in zip(parts, testing):
        training = set(tracks["genre"][part == "training"])
        # The other artist of B stays in training; nobody is left of C.
        assert training == {"A", "B"} if "d" in tested else training == {"A", "B", "C"}


def test_four_artists_make_four_folds_and_no_fifth():
    tracks = balanced(n_artists=2, tracks=3, genres="AB")
    parts = splits.folds(tracks, 4)
    assert [(part == "test").sum() for part in parts] == [3] * 4 and splits.most_folds(tracks) == 4
    with pytest.raises(ValueError, match=r"at most 4, since each fold tests another artist.*Received: folds=5"):
        splits.folds(tracks, 5)


@pytest.mark.parametrize("n", [-1, 0, 1, 7])
def test_a_wrong_number_of_folds_is_named(n):
    with pytest.raises(ValueError, match=rf"here at most 6, .*Received: folds={n}"):
        splits.folds(balanced(n_artists=3, tracks=2), n)


def test_too_few_artists_for_training_or_validation_are_an_error():
    halves = table({"A": {"a": 6, "b": 6}, "B": {"c": 6, "d": 6}})
    with pytest.raises(
        ValueError, match=r"add artists, .*another number of folds. Received: 4 artists; a fold has .*'validation': 0"
    ):
        splits.folds(halves, 2)
    single = table({"A": {f"a {number}": 2 for number in range(8)}, "B": {"b": 6}})
    with pytest.raises(ValueError, match=r"Received: 9 artists; .* training of 1 genres"):
        splits.folds(single, 5)


def test_one_genre_can_be_divided_too():
    parts = splits.folds(balanced(genres="A"), 5)
    assert [(part == "test").sum() for part in parts] == [4] * 5
