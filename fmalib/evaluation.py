"""Measuring classifiers: votes over segments, intervals over artists, controls."""

import numpy as np
import pandas as pd

SVM_C = (0.3, 1.0, 3.0, 10.0)


def votes(probabilities, segments):
    """Returns the prediction for each track by majority vote over its segments; ties go to the higher mean probability.

    Args:
        probabilities: array of shape `(segments, genres)`.
        segments: table with columns `track_id`, `label`, `artist`, one row a segment (`fmalib.segments.segment_table`).

    Returns:
        Table indexed by `track_id`: `label`, `artist`, `predicted`, `confidence` (mean probability of the predicted genre).
    """
    probabilities = np.asarray(probabilities)
    if len(probabilities) != len(segments):
        raise ValueError(f"One row of probabilities per segment is needed. Received: {len(probabilities)} for {len(segments)}")
    n_genres = probabilities.shape[1]
    rows = []
    for track_id, part in segments.reset_index(drop=True).groupby("track_id", sort=False):
        own = probabilities[part.index]
        mean = own.mean(axis=0)
        counts = np.bincount(own.argmax(axis=1), minlength=n_genres)
        predicted = int(np.lexsort((mean, counts))[-1])
        rows.append((track_id, part["label"].iloc[0], part["artist"].iloc[0], predicted, float(mean[predicted])))
    table = pd.DataFrame(rows, columns=["track_id", "label", "artist", "predicted", "confidence"])
    return table.set_index("track_id")


def accuracy_interval(correct, artists, *, level=0.95, n_resamples=2000, seed=0):
    """Returns (low, high) of an accuracy by bootstrap over artists: tracks of one artist are not independent.

    Args:
        correct: bools of shape `(tracks,)`.
        artists: who made each, shape `(tracks,)`.

    Returns:
        Percentiles of the accuracy over resampled sets of artists (Efron 1979, clusters as units); (0, 1) for a single
        artist, who says nothing about others.
    """
    per_artist = pd.DataFrame({"correct": np.asarray(correct, float), "artist": np.asarray(artists)}).groupby("artist")["correct"]
    hits, counts = per_artist.sum().to_numpy(), per_artist.count().to_numpy()
    if not len(counts):
        raise ValueError("There is nothing to measure. Received: 0 tracks")
    if len(counts) == 1:
        return 0.0, 1.0
    drawn = np.random.default_rng(seed).integers(len(counts), size=(n_resamples, len(counts)))
    accuracies = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(accuracies, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summarise(probabilities, segments, n_genres):
    """Returns a dict of `accuracy_segment`, `accuracy_vote`, `accuracy_vote_ci95`, `macro_f1` and `f1_per_genre` (by vote).

    Args:
        probabilities, segments: as for `votes`.
        n_genres: number of genres; those without a test track are left out of the mean of `macro_f1`.
    """
    from sklearn.metrics import f1_score

    tracks = votes(probabilities, segments)
    correct = tracks["predicted"] == tracks["label"]
    f1 = f1_score(tracks["label"], tracks["predicted"], labels=range(n_genres), average=None, zero_division=0.0)
    present = np.isin(np.arange(n_genres), tracks["label"])
    return {
        "accuracy_segment": float((np.argmax(probabilities, axis=1) == segments["label"].to_numpy()).mean()),
        "accuracy_vote": float(correct.mean()),
        "accuracy_vote_ci95": list(accuracy_interval(correct, tracks["artist"])),
        "macro_f1": float(f1[present].mean()),
        "f1_per_genre": [float(value) if there else None for value, there in zip(f1, present)],
    }


def shuffle_labels(tracks, seed):
    """Returns a copy of a track table whose labels are dealt out anew: the control that must score at chance."""
    shuffled = tracks.copy()
    shuffled["label"] = np.random.default_rng(seed).permutation(tracks["label"].to_numpy())
    return shuffled


def svm_predict(features, training, validation, test):
    """Returns predicted labels of the test tracks by a support vector machine, its C selected on validation.

    Args:
        features: table indexed by `track_id`, one column per feature.
        training, validation, test: track tables with column `label` (`fmalib.segments.select`).

    Returns:
        int array of shape `(test tracks,)`.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    candidates = [make_pipeline(StandardScaler(), SVC(C=c)).fit(features.loc[training.index], training["label"]) for c in SVM_C]
    best = max(candidates, key=lambda svm: svm.score(features.loc[validation.index], validation["label"]))
    return best.predict(features.loc[test.index])
