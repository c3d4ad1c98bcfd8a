"""Measuring classifiers: votes over segments, intervals over artists, comparisons, calibration, controls."""

import numpy as np
import pandas as pd

VOTES = ("majority", "mean")
CALIBRATION_BINS = 15


def votes(probabilities, segments, rule="majority"):
    """Returns the prediction for each track by a vote over its segments.

    Args:
        probabilities: array of shape `(segments, genres)`.
        segments: table with columns `track_id`, `label`, `artist`, one row a segment (`fmalib.segments.segment_table`).
        rule: `majority`: each segment has one vote, ties go to the higher mean probability; `mean`: the highest mean
            probability.

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
    table = pd.DataFrame(rows, columns=["track_id", "label", "artist", "predicted", "confidence"])
    return table.set_index("track_id")


def vote_curve(probabilities, segments):
    """Returns the accuracy by track over the number of segments that vote.

    Args:
        probabilities, segments: as for `votes`; every track has the same number of segments, in order of time.

    Returns:
        Table indexed by `k` from 1 to that number: `majority`, `mean` (accuracies by either rule) and `low`, `high`, the
        interval of the majority's. The k are spread evenly: one is the middle segment, all are all.
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


def accuracy_interval(correct, artists, *, level=0.95, n_resamples=2000, seed=0):
    """Returns (low, high) of an accuracy by bootstrap over artists: tracks of one artist are not independent.

    Args:
        correct: bools of shape `(tracks,)`.
        artists: who made each, shape `(tracks,)`.

    Returns:
        Percentiles of the accuracy over resampled sets of artists (Efron 1979, clusters as units); (0, 1) for a single
        artist, who says nothing about others.
    """
    hits, counts = _per_artist(correct, artists)
    if len(counts) == 1:
        return 0.0, 1.0
    drawn = _draw(len(counts), n_resamples, seed)
    return _percentiles(hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1), level)


def compare(first, second, *, level=0.95, n_resamples=2000, seed=0):
    """Returns how two systems differ on the same tracks.

    Args:
        first, second: tables by `votes`, with the same tracks.

    Returns:
        dict of `difference` (accuracy of the first less the second's), `difference_ci95` (paired bootstrap over artists),
        `only_first`, `only_second` (tracks that only one has right) and `mcnemar_p`, the exact two-sided p-value of these two
        counts (McNemar 1947). The p-value takes tracks as independent, which those of one artist are not: it is too small
        where artists have many tracks; the interval is not.

    Raises:
        ValueError: the tracks differ.
    """
    from scipy.stats import binomtest

    if set(first.index) != set(second.index):
        raise ValueError(f"Both tables must hold the same tracks. Received: {len(first)} and {len(second)}")
    second = second.loc[first.index]
    right = [(table["predicted"] == table["label"]).to_numpy() for table in (first, second)]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    gained, counts = _per_artist(right[0].astype(float) - right[1], first["artist"])
    drawn = _draw(len(counts), n_resamples, seed)
    interval = _percentiles(gained[drawn].sum(axis=1) / counts[drawn].sum(axis=1), level) if len(counts) > 1 else (-1.0, 1.0)
    return {
        "difference": float(gained.sum() / counts.sum()),
        "difference_ci95": list(interval),
        "only_first": only_first,
        "only_second": only_second,
        "mcnemar_p": float(binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0,
    }


def _per_artist(values, artists):
    """Returns sums of values and numbers of tracks for each artist."""
    grouped = pd.DataFrame({"value": np.asarray(values, float), "artist": np.asarray(artists)}).groupby("artist")["value"]
    if not len(grouped):
        raise ValueError("There is nothing to measure. Received: 0 tracks")
    return grouped.sum().to_numpy(), grouped.count().to_numpy()


def _draw(n_artists, n_resamples, seed):
    return np.random.default_rng(seed).integers(n_artists, size=(n_resamples, n_artists))


def _percentiles(values, level):
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def calibration_error(probabilities, labels, bins=CALIBRATION_BINS):
    """Returns the expected calibration error: by how much confidence and accuracy differ (Naeini et al. 2015), 0 to 1.

    Args:
        probabilities: array of shape `(segments, genres)`.
        labels: true genres, `(segments,)`.
        bins: of equal width, into which segments are sorted by their highest probability.
    """
    confidence, correct, counts = reliability(probabilities, labels, bins)
    return float(np.abs(confidence - correct) @ counts / counts.sum())


def reliability(probabilities, labels, bins=CALIBRATION_BINS):
    """Returns (mean confidence, accuracy, count) of each bin by confidence that is not empty, three arrays."""
    probabilities = np.asarray(probabilities, float)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(labels)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    sums = [np.bincount(place, weights=values, minlength=bins)[filled] / counts[filled] for values in (confidence, correct)]
    return *sums, counts[filled]


def fit_temperature(probabilities, labels):
    """Returns the temperature that makes validation probabilities most likely (Guo et al. 2017); above 1 softens.

    Args:
        probabilities, labels: of validation segments, as for `calibration_error`.
    """
    from scipy.optimize import minimize_scalar

    labels = np.asarray(labels)

    def loss(log_temperature):
        scaled = with_temperature(probabilities, np.exp(log_temperature))
        return -np.log(np.maximum(scaled[np.arange(len(labels)), labels], 1e-12)).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def with_temperature(probabilities, temperature):
    """Returns probabilities `(segments, genres)` with their logarithms divided by a temperature, summing to 1 again."""
    logits = np.log(np.maximum(np.asarray(probabilities, float), 1e-12)) / temperature
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)


def summarise(probabilities, segments, n_genres):
    """Returns a dict of `accuracy_segment`, `accuracy_vote`, `accuracy_vote_ci95`, `accuracy_mean_vote` (of probabilities),
    `macro_f1` and `f1_per_genre` (by majority vote).

    Args:
        probabilities, segments: as for `votes`.
        n_genres: number of genres; those without a test track are left out of the mean of `macro_f1`.
    """
    from sklearn.metrics import f1_score

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


def shuffle_labels(tracks, seed):
    """Returns a copy of a track table whose labels are dealt out anew: the control that must score at chance.

    An interval over test artists does not hold the randomness of the deal. Of 60 deals on the synthetic corpus, MFCC statistics
    and an SVM scored 0.127 on average (chance 0.125), and 52 of the 60 intervals held chance. Dealing each true genre
    its even share of every label changed neither.
    """
    shuffled = tracks.copy()
    shuffled["label"] = np.random.default_rng(seed).permutation(tracks["label"].to_numpy())
    return shuffled


def share_of_artists(tracks, share, seed):
    """Returns the tracks of a share of the artists of each genre, at least one: for learning curves.

    Larger shares hold the smaller ones. An artist of several genres is drawn in each, and kept if drawn in one.

    Args:
        tracks: table with columns `label`, `artist`.
        share: above 0, at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1. Received: share={share!r}")
    kept = set()
    for label, part in tracks.groupby("label"):
        artists = np.sort(part["artist"].unique())
        order = np.random.default_rng([seed, int(label)]).permutation(artists)
        kept |= set(order[: max(1, round(share * len(artists)))])
    return tracks[tracks["artist"].isin(kept)]
