"""Measuring classifiers: votes over segments, intervals over artists, comparisons, calibration, controls."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from fmalib import intervals

VOTES = ("majority", "mean")
CALIBRATION_BINS = 15


def votes(probabilities, segments, rule="majority"):
    """Returns the prediction for each track by a vote over its segments.

    Args:
        probabilities: array of shape `(segments, genres)`.
        segments: table by `fmalib.data.segments.segment_table`, one row a segment.
        rule: `majority`: one vote a segment, ties go to the higher mean probability; `mean`: the highest mean probability.

    Returns:
        Table indexed by `track_id`: `label`, `artist`, `predicted`, `confidence` (mean probability of the predicted genre).
    """
    if rule not in VOTES:
        raise ValueError(f"rule must be one of {', '.join(VOTES)}. Received: rule={rule!r}")
    probabilities = np.asarray(probabilities)
    if len(probabilities) != len(segments):
        raise ValueError(f"One row of probabilities per segment is needed. Received: {len(probabilities)} for {len(segments)}")
    n_genres = probabilities.shape[1]
    rows = []
    for track_id, part in segments.reset_index(drop=True).groupby("track_id", sort=False):
        own = probabilities[part.index]
        mean = own.mean(axis=0)
        counts = np.bincount(own.argmax(axis=1), minlength=n_genres) if rule == "majority" else np.zeros(n_genres)
        predicted = int(np.lexsort((mean, counts))[-1])
        rows.append((track_id, part["label"].iloc[0], part["artist"].iloc[0], predicted, float(mean[predicted])))
    return pd.DataFrame(rows, columns=["track_id", "label", "artist", "predicted", "confidence"]).set_index("track_id")


def vote_curve(probabilities, segments):
    """Returns the accuracy by track over the number of segments that vote.

    Args:
        probabilities, segments: as for `votes`; every track has the same number of segments, in order of time.

    Returns:
        Table indexed by `k` from 1 to that number: `majority`, `mean` (accuracies by either rule) and `low`, `high`, the
        interval for `majority`. The k segments are spread evenly; k = 1 takes the middle one.
    """
    numbers = segments.groupby("track_id", sort=False).cumcount().to_numpy()
    n_segments = int(numbers.max()) + 1
    rows = []
    for k in range(1, n_segments + 1):
        chosen = np.isin(numbers, np.round((np.arange(k) + 0.5) * n_segments / k - 0.5).astype(int))
        part = np.asarray(probabilities)[chosen], segments[chosen]
        tracks = {rule: votes(*part, rule) for rule in VOTES}
        correct = {rule: table["predicted"] == table["label"] for rule, table in tracks.items()}
        interval = accuracy_interval(correct["majority"], tracks["majority"]["artist"])
        rows.append((k, correct["majority"].mean(), correct["mean"].mean(), *interval))
    return pd.DataFrame(rows, columns=["k", "majority", "mean", "low", "high"]).set_index("k")


def accuracy_interval(correct, artists):
    """Returns the 95 % interval (low, high) of an accuracy, by `intervals.over_artists`; (0, 1) for a single artist.

    `correct` and `artists` are bools and names, `(tracks,)`.
    """
    return intervals.over_artists(correct, artists, bounds=intervals.SHARE) or (0.0, 1.0)


def compare(first, second):
    """Returns the difference of two systems on the same tracks; `first` and `second` are tables by `votes`.

    Returns:
        dict of `difference` (accuracy of the first less the second's), `difference_ci95` (paired, over artists; -1 to 1 for a
        single artist), `only_first`, `only_second` (tracks that only one has right) and `mcnemar_p`, the exact
        two-sided p-value of these two counts (McNemar 1947). The p-value treats tracks as independent: it is too small where
        artists have many tracks. The interval is not.

    Raises:
        ValueError: the tracks differ.
    """
    if set(first.index) != set(second.index):
        raise ValueError(f"Both tables must hold the same tracks. Received: {len(first)} and {len(second)}")
    right = [(table["predicted"] == table["label"]).to_numpy() for table in (first, second.loc[first.index])]
    gained = right[0].astype(float) - right[1]
    interval = intervals.over_artists(gained, first["artist"], bounds=intervals.DIFFERENCE)
    only_first, only_second = int((gained > 0).sum()), int((gained < 0).sum())
    return {
        "difference": float(gained.mean()),
        "difference_ci95": list(interval or intervals.DIFFERENCE),
        "only_first": only_first,
        "only_second": only_second,
        "mcnemar_p": float(binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0,
    }


def calibration_error(probabilities, labels, bins=CALIBRATION_BINS):
    """Returns the expected calibration error: the mean gap between confidence and accuracy (Naeini et al. 2015), 0 to 1.

    Args:
        probabilities, labels: `(segments, genres)`, and the true genres `(segments,)`.
        bins: number of bins of equal width for the confidence, the highest probability of a segment.
    """
    confidence, correct, counts = reliability(probabilities, labels, bins)
    return float(np.abs(confidence - correct) @ counts / counts.sum())


def reliability(probabilities, labels, bins=CALIBRATION_BINS):
    """Returns three arrays over the bins of confidence that are not empty: mean confidence, accuracy, count."""
    probabilities = np.asarray(probabilities, float)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(labels)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    sums = [np.bincount(place, weights=values, minlength=bins)[filled] / counts[filled] for values in (confidence, correct)]
    return *sums, counts[filled]


def fit_temperature(probabilities, labels):
    """Returns the temperature that makes validation labels most likely (Guo et al. 2017); above 1 softens.

    Args as for `calibration_error`.
    """
    labels = np.asarray(labels)

    def loss(log_temperature):
        scaled = with_temperature(probabilities, np.exp(log_temperature))
        return -np.log(np.maximum(scaled[np.arange(len(labels)), labels], 1e-12)).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def with_temperature(probabilities, temperature):
    """Returns probabilities `(segments, genres)` with their logarithms divided by a temperature, summing to 1 again."""
    logits = np.log(np.maximum(np.asarray(probabilities, float), 1e-12)) / temperature
    return softmax(logits, axis=1)


def summarise(probabilities, segments, n_genres):
    """Returns accuracies, the 95 % interval of the majority vote's, and its F1 scores, a dict; args as for `votes`.

    Genres without a test track have the F1 score None and are left out of `macro_f1`.
    """
    tracks = votes(probabilities, segments)
    correct = tracks["predicted"] == tracks["label"]
    by_mean = votes(probabilities, segments, "mean")
    f1 = f1_score(tracks["label"], tracks["predicted"], labels=range(n_genres), average=None, zero_division=0.0)
    present = np.isin(np.arange(n_genres), tracks["label"])
    return {
        "accuracy_segment": float((np.argmax(probabilities, axis=1) == segments["label"].to_numpy()).mean()),
        "accuracy_vote": float(correct.mean()),
        "accuracy_vote_ci95": list(accuracy_interval(correct, tracks["artist"])),
        "accuracy_mean_vote": float((by_mean["predicted"] == by_mean["label"]).mean()),
        "macro_f1": float(f1[present].mean()),
        "f1_per_genre": [float(value) if there else None for value, there in zip(f1, present)],
    }


def permute_labels(tracks, seed):
    """Returns a copy of a track table with permuted labels: the control that must score at chance.

    An interval over test artists leaves out the variation between permutations. Over 60 permutations on the synthetic corpus,
    MFCC statistics and an SVM scored 0.127 on average (chance 0.125), and 52 of the 60 intervals held chance. Permutations
    stratified by genre changed neither.
    """
    return tracks.assign(label=np.random.default_rng(seed).permutation(tracks["label"].to_numpy()))


def share_of_artists(tracks, share, seed):
    """Returns the tracks of a share of the artists of each genre, at least one: for learning curves.

    A larger share contains every smaller one. An artist of several genres is kept if drawn in one of them.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1. Received: share={share!r}")
    kept = set()
    for label, part in tracks.groupby("label"):
        artists = np.sort(part["artist"].unique())
        order = np.random.default_rng([seed, int(label)]).permutation(artists)
        kept |= set(order[: max(1, round(share * len(artists)))])
    return tracks[tracks["artist"].isin(kept)]
