"""Figures. Every function returns a matplotlib figure with a title and units."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

SPECTROGRAM_DB = 80  # shown below the loudest bin
DPI = 110
plt.rcParams["text.parse_math"] = False  # genres and titles may hold a dollar sign


def save(figure, path, note=""):
    """Writes a figure as PNG and returns it, so that it can be a cell's last line; `note` is printed below it."""
    figure.text(0.5, -0.01, note, ha="center", va="top", fontsize=8, style="italic", color="0.3")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)  # else the notebook shows it twice
    return figure


def split_counts(dataset):
    """Returns a bar chart: tracks of each genre in each split."""
    from fmalib.tracks import SPLITS

    figure, axes = plt.subplots(figsize=(8, 0.45 * len(dataset.genres) + 1.2), layout="constrained")
    order = [split for split in SPLITS if (dataset.tracks["split"] == split).any()]
    sns.countplot(dataset.tracks, y="genre", hue="split", order=dataset.genres, hue_order=order, palette="colorblind", ax=axes)
    axes.set(title=f"{dataset.name}: tracks by genre ({dataset.split} split)", xlabel="tracks", ylabel="")
    axes.xaxis.get_major_locator().set_params(integer=True)
    sns.move_legend(axes, "center left", bbox_to_anchor=(1, 0.5), frameon=False, title="")
    sns.despine(figure)
    return figure


def waveforms(clips, sample_rate, title):
    """Returns one waveform a row, on common axes.

    Args:
        clips: dict from label to float array `(samples,)` at full scale 1.
        sample_rate: Hz.
    """
    figure, all_axes = plt.subplots(
        len(clips), 1, figsize=(9, 0.9 * len(clips) + 0.8), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for axes, (label, clip) in zip(all_axes[:, 0], clips.items()):
        axes.plot(np.arange(len(clip)) / sample_rate, clip, linewidth=0.3, color="C0")
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
        axes.set_ylim(-1, 1)
        axes.set_yticks([-1, 0, 1])
        axes.margins(x=0)
    axes.set_xlabel("time / s")
    figure.suptitle(f"{title} (amplitude, full scale 1)")
    sns.despine(figure)
    return figure


def spectrograms(clips, sample_rate, title, *, n_fft=2048, columns=2):
    """Returns a grid of mel-scaled spectrograms on one colour scale; arguments as for `waveforms`."""
    import librosa

    from fmalib import stft

    hop = n_fft // 4
    levels = {label: stft.log_magnitude(stft.stft(clip, n_fft=n_fft, hop=hop)).numpy().T for label, clip in clips.items()}
    top = max(level.max() for level in levels.values())
    rows = -(-len(clips) // columns)
    figure, all_axes = plt.subplots(
        rows, columns, figsize=(5 * columns, 2.0 * rows + 0.6), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for axes, (label, level) in zip(all_axes.flat, levels.items()):
        image = librosa.display.specshow(
            level - top, sr=sample_rate, hop_length=hop, n_fft=n_fft, x_axis="s", y_axis="mel", vmin=-SPECTROGRAM_DB, vmax=0,
            cmap="magma", ax=axes,
        )
        axes.set_title(label, fontsize=10)
        axes.label_outer()
        axes.set(xlabel="time / s", ylabel="frequency / Hz")
        axes.label_outer()
    for axes in all_axes.flat[len(clips) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=all_axes, label="level / dB below the loudest", shrink=0.8)
    figure.suptitle(title)
    return figure


def learning_curves(histories, column, title, ylabel):
    """Returns training (dashed) and validation curves over epochs.

    Args:
        histories: dict from label to history table (`fmalib.training.Run.history`).
        column: such as `"loss"`; its validation partner is `"val_loss"`.
    """
    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    for number, (label, history) in enumerate(histories.items()):
        epochs = np.arange(1, len(history) + 1)
        marker = "o" if len(history) == 1 else None
        axes.plot(epochs, history[column], "--", color=f"C{number}", marker=marker, label=f"{label}, training")
        axes.plot(epochs, history[f"val_{column}"], "-", color=f"C{number}", marker=marker, label=f"{label}, validation")
    axes.set(title=title, xlabel="epoch", ylabel=ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(alpha=0.3)
    sns.despine(figure)
    return figure


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
