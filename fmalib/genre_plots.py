"""Figures of genre classification: accuracies, confusion, votes, calibration, genres over time. See also `plots`."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from fmalib import evaluation, plots, stft


def confusion(labels, predicted, genres, title):
    """Returns a confusion matrix of counts, rows coloured by their share.

    Args:
        labels, predicted: int arrays of shape `(tracks,)`.
        genres: names by label.
    """
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    counts = confusion_matrix(labels, predicted, labels=range(len(genres)))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 0.62 * len(genres) + 2
    figure, axes = plt.subplots(figsize=(size + 1, size), layout="constrained")
    shown = ConfusionMatrixDisplay(share, display_labels=genres)
    shown.plot(ax=axes, cmap="Blues", xticks_rotation=45, im_kw={"vmin": 0, "vmax": 1}, include_values=False, colorbar=False)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, count, ha="center", va="center", color="white" if share[row, column] > 0.5 else "0.25")
    axes.set_xticks(range(len(genres)), genres, rotation=45, ha="right")
    figure.colorbar(shown.im_, ax=axes, label="share of the true genre", shrink=0.7)
    axes.set(title=title, xlabel="predicted genre", ylabel="true genre")
    return figure


def accuracies(systems, chance, title):
    """Returns a bar chart of accuracies with their 95 % intervals.

    Args:
        systems: dict from name to (accuracy, low, high).
        chance: accuracy of always naming the most frequent genre.
    """
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(systems) + 1.2), layout="constrained")
    names = list(systems)
    middle, low, high = (np.array(values) for values in zip(*systems.values()))
    colours = sns.color_palette("colorblind", len(names))
    axes.barh(names, middle, xerr=[np.maximum(0, middle - low), np.maximum(0, high - middle)], color=colours, capsize=4)
    for row, (value, upper) in enumerate(zip(middle, high)):
        axes.text(max(value, upper) + 0.015, row, f"{value:.0%}", va="center")
    axes.axvline(chance, color="0.3", linestyle=":", label=f"most frequent genre\n{chance:.1%}")
    axes.invert_yaxis()
    axes.set(title=title, xlabel="accuracy by track, with 95 % interval over artists", xlim=(0, 1.1))
    axes.set_xticks(np.arange(0, 1.01, 0.2))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    return figure


def genre_scores(scores, genres, title):
    """Returns a bar chart of the F1 score of each genre; None means that the genre has no test track."""
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(genres) + 1.2), layout="constrained")
    axes.barh(genres, [score or 0 for score in scores], color="C0")
    for row, score in enumerate(scores):
        axes.text((score or 0) + 0.01, row, "no test track" if score is None else f"{score:.2f}", va="center")
    axes.invert_yaxis()
    axes.set(title=title, xlabel="F1 score by track", xlim=(0, 1.1))
    sns.despine(figure)
    return figure


def vote_curves(curves, chance, title):
    """Returns accuracy by track over the number of segments that vote, with the interval of the first system.

    Args:
        curves: dict from system to table by `evaluation.vote_curve`.
        chance: accuracy of always naming the most frequent genre.
    """
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        axes.plot(curve.index, curve["majority"], "-o", color=f"C{number}", label=f"{name}, majority")
        axes.plot(curve.index, curve["mean"], "--", marker="s", markersize=4, color=f"C{number}", label=f"{name}, mean probability")
    first = next(iter(curves.values()))
    axes.fill_between(first.index, first["low"], first["high"], color="C0", alpha=0.12, linewidth=0, label="95 % interval")
    return _over_chance(figure, axes, chance, title, "segments of a track that vote")


def artist_curves(curves, chance, title):
    """Returns accuracy by track over the share of training artists whose labels were used.

    Args:
        curves: dict from system to table by `systems.learning_curve`.
        chance: accuracy of always naming the most frequent genre.
    """
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        axes.plot(100 * curve["share"], curve["accuracy"], "-o", color=f"C{number}", label=name)
        axes.fill_between(100 * curve["share"], curve["low"], curve["high"], color=f"C{number}", alpha=0.1, linewidth=0)
    return _over_chance(figure, axes, chance, title, "training artists with labels / %")


def _over_chance(figure, axes, chance, title, xlabel):
    axes.axhline(chance, color="0.3", linestyle=":", label="most frequent genre")
    axes.set(title=title, xlabel=xlabel, ylabel="accuracy by track", ylim=(0, 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    axes.grid(alpha=0.3)
    sns.despine(figure)
    return figure


def calibration(said, labels, title):
    """Returns a reliability diagram: the accuracy of segments over the confidence they were named with, dots by their number.

    Args:
        said: dict from label to probabilities `(segments, genres)`.
        labels: true genres, `(segments,)`.
    """
    figure, axes = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], ":", color="0.3", label="as sure as right")
    for number, (name, probabilities) in enumerate(said.items()):
        confidence, correct, counts = evaluation.reliability(probabilities, labels)
        error = evaluation.calibration_error(probabilities, labels)
        axes.plot(confidence, correct, "-o", markersize=3, color=f"C{number}", label=f"{name}: error {error:.3f}")
        axes.scatter(confidence, correct, s=300 * counts / counts.sum(), color=f"C{number}", alpha=0.4, linewidths=0)
    axes.set(title=title, xlabel="mean confidence in the bin", ylabel="accuracy by segment", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(alpha=0.3)
    sns.despine(figure)
    return figure


def genres_over_time(signal, sample_rate, times, probabilities, genres, title):
    """Returns a spectrogram above the genre probabilities of its segments, on one time axis.

    Args:
        signal: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
        times, probabilities: by `fmalib.predict.over_time`.
        genres: names by column.
    """
    import librosa

    # Half a minute has more frames than a figure has pixels; longer recordings are thinned.
    hop = max(512, len(signal) // 2000)
    level = stft.log_magnitude(stft.stft(signal, n_fft=2048, hop=min(hop, 2048))).numpy().T
    figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
    image = librosa.display.specshow(
        level - level.max(), sr=sample_rate, hop_length=min(hop, 2048), n_fft=2048, x_axis="time", y_axis="mel",
        vmin=-plots.SPECTROGRAM_DB, vmax=0, cmap="magma", ax=axes[0],
    )
    figure.colorbar(image, ax=axes[0], label="dB below the loudest")
    axes[0].set(title=title, xlabel="", ylabel="frequency / Hz")
    # Each column reaches half way to its neighbours, the outer ones to the ends of the recording.
    edges = np.concatenate([[0.0], (times[1:] + times[:-1]) / 2, [len(signal) / sample_rate]])
    shown = axes[1].pcolormesh(edges, np.arange(len(genres) + 1), probabilities.T, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes[1], label="probability")
    axes[1].set(xlabel="time / s", ylabel="", xlim=(0, len(signal) / sample_rate))
    axes[1].set_yticks(np.arange(len(genres)) + 0.5, genres)
    axes[1].invert_yaxis()
    return figure
