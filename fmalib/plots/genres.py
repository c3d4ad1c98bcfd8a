"""Figures of genre classification: accuracies, confusion, votes, calibration, genres over time."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from fmalib.genres import evaluation
from fmalib.plots import style


def confusion(labels, predicted, genres, title):
    """Returns a confusion matrix of counts, rows coloured by their share.

    Args:
        labels, predicted: int arrays of shape `(tracks,)`.
        genres: names by label.
    """
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(labels, predicted, labels=range(len(genres)))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 0.62 * len(genres) + 2
    figure, axes = plt.subplots(figsize=(size + 1, size), layout="constrained")
    options = {"vmin": 0, "vmax": 1, "square": True, "cbar_kws": {"label": "share of the true genre", "shrink": 0.7}}
    sns.heatmap(share, annot=counts, fmt="d", cmap="Blues", xticklabels=genres, yticklabels=genres, ax=axes, **options)
    axes.set_xticks(axes.get_xticks(), genres, rotation=45, ha="right")
    axes.tick_params(axis="y", rotation=0)
    axes.set(title=title, xlabel="predicted genre", ylabel="true genre")
    return figure


def accuracies(systems, chance, title):
    """Returns a bar chart of accuracies with their 95 % intervals.

    Args:
        systems: dict from name to (accuracy, low, high).
        chance: accuracy of always predicting the most frequent genre.
    """
    values = {name: accuracy for name, (accuracy, _, _) in systems.items()}
    texts, colours = [f"{value:.0%}" for value in values.values()], sns.color_palette("colorblind", len(systems))
    intervals = [(low, high) for _, low, high in systems.values()]
    figure, axes = style.bars(values, texts, intervals=intervals, colours=colours)
    axes.axvline(chance, color="0.3", linestyle=":", label=f"most frequent genre\n{chance:.1%}")
    axes.set(title=title, xlabel="accuracy by track, with 95 % interval over artists", xlim=(0, 1.1))
    axes.set_xticks(np.arange(0, 1.01, 0.2))
    return style.finish(figure, grid=False)


def genre_scores(scores, genres, title):
    """Returns a bar chart of the F1 score of each genre; None means that the genre has no test track."""
    values = {genre: score or 0 for genre, score in zip(genres, scores)}
    figure, axes = style.bars(values, ["no test track" if score is None else f"{score:.2f}" for score in scores])
    axes.set(title=title, xlabel="F1 score by track", xlim=(0, 1.1))
    return style.finish(figure, legend=False, grid=False)


def vote_curves(curves, chance, title):
    """Returns accuracy by track over the number of segments that vote, with the interval of the first system.

    Args:
        curves: dict from system to table by `evaluation.vote_curve`.
        chance: accuracy of always predicting the most frequent genre.
    """
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        colour = f"C{number}"
        axes.plot(curve.index, curve["majority"], "-o", color=colour, label=f"{name}, majority")
        axes.plot(curve.index, curve["mean"], "--s", markersize=4, color=colour, label=f"{name}, mean probability")
    first = next(iter(curves.values()))
    axes.fill_between(first.index, first["low"], first["high"], color="C0", alpha=0.12, linewidth=0, label="95 % interval")
    return _above_chance(figure, chance, title, "segments of a track that vote")


def artist_curves(curves, chance, title):
    """Returns accuracy by track over the share of training artists whose labels were used.

    Args:
        curves: dict from system to table by `systems.learning_curve`.
        chance: accuracy of always predicting the most frequent genre.
    """
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        share, colour = 100 * curve["share"], f"C{number}"
        axes.plot(share, curve["accuracy"], "-o", color=colour, label=name)
        axes.fill_between(share, curve["low"], curve["high"], color=colour, alpha=0.1, linewidth=0)
    return _above_chance(figure, chance, title, "training artists with labels / %")


def bitrate_curves(curves, others, chance, title):
    """Returns accuracy by track over the bitrate of the codec's latent, with lines for systems that read the audio itself.

    Args:
        curves: dict from probe to table by `systems.bitrate_curve`, all of the same bitrates.
        others: dict from system to (accuracy, low, high).
        chance: accuracy of always predicting the most frequent genre.
    """
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        errors = [curve["accuracy"] - curve["low"], curve["high"] - curve["accuracy"]]
        places = curve["kbps"] * (1 + 0.03 * number)  # so that error bars lie beside each other
        axes.errorbar(places, curve["accuracy"], errors, fmt="-o", color=f"C{number}", capsize=3, label=name)
    for number, (name, (accuracy, low, high)) in enumerate(others.items(), len(curves)):
        axes.axhline(accuracy, color=f"C{number}", linestyle="--", label=f"{name}: {accuracy:.0%} ({low:.0%} to {high:.0%})")
    axes.axhline(chance, color="0.3", linestyle=":", label="most frequent genre")
    axes.set(title=title, xlabel="bitrate of the latent / kbit/s", ylabel="accuracy by track", ylim=(0, 1), xscale="log")
    axes.set_xticks(curve["kbps"], [f"{kbps:.2g}" for kbps in curve["kbps"]])
    axes.minorticks_off()
    return style.finish(figure, fontsize=9)


def _above_chance(figure, chance, title, xlabel):
    axes = figure.axes[0]
    axes.axhline(chance, color="0.3", linestyle=":", label="most frequent genre")
    axes.set(title=title, xlabel=xlabel, ylabel="accuracy by track", ylim=(0, 1))
    return style.finish(figure, whole=True, fontsize=9)


def calibration(predicted, labels, title):
    """Returns a reliability diagram: accuracy of segments over confidence, with dots as large as their number of segments.

    Args:
        predicted: dict from label to probabilities `(segments, genres)`.
        labels: true genres, `(segments,)`.
    """
    figure, axes = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], ":", color="0.3", label="perfect calibration")
    for number, (name, probabilities) in enumerate(predicted.items()):
        confidence, correct, counts = evaluation.reliability(probabilities, labels)
        error = evaluation.calibration_error(probabilities, labels)
        axes.plot(confidence, correct, "-o", markersize=3, color=f"C{number}", label=f"{name}: error {error:.3f}")
        axes.scatter(confidence, correct, s=300 * counts / counts.sum(), color=f"C{number}", alpha=0.4, linewidths=0)
    axes.set(title=title, xlabel="mean confidence in the bin", ylabel="accuracy by segment", xlim=(0, 1), ylim=(0, 1))
    return style.finish(figure)


def genres_over_time(signal, sample_rate, times, probabilities, genres, title):
    """Returns a spectrogram above the genre probabilities of its segments, on one time axis.

    Args:
        signal: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
        times, probabilities: by `fmalib.genres.predict.over_time`.
        genres: names by column.
    """
    # Half a minute has more frames than a figure has pixels; longer recordings are thinned.
    hop = min(max(512, len(signal) // 2000), 2048)
    level = style.level(signal, n_fft=2048, hop=hop)
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
    image = style.spectrogram(above, level - level.max(), sample_rate, n_fft=2048, hop=hop)
    figure.colorbar(image, ax=above, label="level / dB\nbelow the loudest")
    above.set(title=title, xlabel="", ylabel="frequency / Hz")
    # Each column reaches half way to its neighbours, the outer ones to the ends of the recording.
    edges = np.concatenate([[0.0], (times[1:] + times[:-1]) / 2, [len(signal) / sample_rate]])
    shown = below.pcolormesh(edges, np.arange(len(genres) + 1), probabilities.T, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=below, label="probability")
    below.set(xlabel="time / s", xlim=(0, len(signal) / sample_rate))
    below.set_yticks(np.arange(len(genres)) + 0.5, genres)
    below.invert_yaxis()
    return figure
