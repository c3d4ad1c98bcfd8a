"""Figures. Every function returns a matplotlib figure with a title and units."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import LogLocator

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
    """Returns a grid of mel-scaled spectrograms on one colour scale.

    Args:
        clips: dict from label to float array `(samples,)` at full scale 1; None leaves a place empty, with its label in it.
        sample_rate: Hz.
        n_fft: of the STFT, in samples.
        columns: of the grid.
    """
    import librosa

    from fmalib import stft

    hop = n_fft // 4
    levels = {
        label: None if clip is None else stft.log_magnitude(stft.stft(clip, n_fft=n_fft, hop=hop)).numpy().T
        for label, clip in clips.items()
    }
    top = max(level.max() for level in levels.values() if level is not None)
    rows = -(-len(clips) // columns)
    figure, all_axes = plt.subplots(
        rows, columns, figsize=(5 * columns, 2.0 * rows + 0.6), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for number, (axes, (label, level)) in enumerate(zip(all_axes.flat, levels.items())):
        if level is None:
            axes.text(0.5, 0.5, label, ha="center", va="center", transform=axes.transAxes, color="0.4")
            axes.set_axis_off()
            continue
        image = librosa.display.specshow(
            level - top, sr=sample_rate, hop_length=hop, n_fft=n_fft, x_axis="s", y_axis="mel", vmin=-SPECTROGRAM_DB, vmax=0,
            cmap="magma", ax=axes,
        )
        axes.set_title(label, fontsize=10)
        below = list(levels.values())[number + columns :: columns]
        axes.set(xlabel="" if any(other is not None for other in below) else "time / s")
        axes.tick_params(labelbottom=bool(axes.get_xlabel()), labelleft=number % columns == 0)
        axes.set(ylabel="" if number % columns else "frequency / Hz")
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


def panel(original, output, sample_rate, title):
    """Returns waveforms above spectrograms, the original on the left, on common scales: the study's 2 x 2 figure.

    Args:
        original, output: float arrays of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
    """
    import librosa

    from fmalib import stft

    clips = {"input": original, "output": output}
    levels = [stft.log_magnitude(stft.stft(clip, n_fft=1024)).numpy().T for clip in clips.values()]
    top, peak = max(level.max() for level in levels), 1.05 * max(np.abs(clip).max() for clip in clips.values())
    figure, axes = plt.subplots(2, 2, figsize=(10, 5), sharex="col", sharey="row", layout="constrained")
    for column, ((label, clip), level) in enumerate(zip(clips.items(), levels)):
        axes[0, column].plot(np.arange(len(clip)) / sample_rate, clip, linewidth=0.3)
        axes[0, column].set(title=label, ylim=(-peak, peak), xlim=(0, len(clip) / sample_rate))
        image = librosa.display.specshow(
            level - top, sr=sample_rate, hop_length=256, n_fft=1024, x_axis="s", y_axis="linear", vmin=-SPECTROGRAM_DB, vmax=0,
            cmap="magma", ax=axes[1, column],
        )
        axes[1, column].set(xlabel="time / s", ylabel="frequency / Hz" if column == 0 else "")
    axes[0, 0].set_ylabel("amplitude, full scale 1")
    figure.colorbar(image, ax=axes[1, :], label="level / dB below the loudest")
    figure.suptitle(title)
    return figure


def latents(images, seconds, title, *, columns=2):
    """Returns latents as images, time from left to right, on one colour scale around 0.

    Args:
        images: dict from label to array of shape `(frames, channels)`.
        seconds: duration of each.
    """
    size = max(np.quantile(np.abs(image), 0.99) for image in images.values()) or 1.0
    signed = min(image.min() for image in images.values()) < 0
    rows = -(-len(images) // columns)
    figure, all_axes = plt.subplots(
        rows, columns, figsize=(5 * columns, 2.2 * rows + 0.6), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for axes, (label, image) in zip(all_axes.flat, images.items()):
        shown = axes.imshow(
            image.T, aspect="auto", origin="lower", interpolation="nearest", extent=(0, seconds, -0.5, image.shape[1] - 0.5),
            cmap="RdBu_r" if signed else "magma", vmin=-size if signed else 0, vmax=size,
        )
        axes.set_title(label, fontsize=10)
        axes.set(xlabel="time / s", ylabel="channel")
        axes.label_outer()
    for axes in all_axes.flat[len(images) :]:
        axes.set_axis_off()
    figure.colorbar(shown, ax=all_axes, label="value", shrink=0.8, extend="both" if signed else "max")
    figure.suptitle(title)
    return figure


def genre_latents(means, genres, title):
    """Returns the mean of each channel for each genre, as an image.

    Args:
        means: array of shape `(genres, channels)`, in deviations from the mean of all.
        genres: names by row.
    """
    size = np.nanmax(np.abs(means)) or 1.0
    figure, axes = plt.subplots(figsize=(10, 0.35 * len(genres) + 1.6), layout="constrained")
    shown = axes.imshow(means, aspect="auto", interpolation="nearest", cmap="RdBu_r", vmin=-size, vmax=size)
    axes.set_yticks(range(len(genres)), genres)
    axes.set(title=title, xlabel="channel")
    figure.colorbar(shown, ax=axes, label="standard deviations")
    return figure


def filter_bank(responses, highest, title):
    """Returns magnitude responses as an image, filters in order of their peak.

    Args:
        responses: array of shape `(filters, frequencies)`, from 0 Hz to `highest`.
        highest: Hz.
    """
    ordered = responses[np.argsort(np.argmax(responses, axis=1), kind="stable")]
    level = 20 * np.log10(np.maximum(ordered / ordered.max(axis=1, keepdims=True).clip(1e-12), 1e-2))
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    shown = axes.imshow(
        level.T, aspect="auto", origin="lower", interpolation="nearest", extent=(-0.5, len(level) - 0.5, 0, highest), cmap="magma"
    )
    axes.set(title=title, xlabel="filter, in order of peak frequency", ylabel="frequency / Hz")
    figure.colorbar(shown, ax=axes, label="level / dB below its peak")
    return figure


def filter_patches(kernels, title):
    """Returns two-dimensional filters on the real and imaginary part of a spectrogram, as images on one scale.

    Args:
        kernels: array of shape `(frames, bins, 2, filters)`.
    """
    size, count = np.abs(kernels).max() or 1.0, kernels.shape[-1]
    figure, axes = plt.subplots(2, count, figsize=(1.25 * count + 1, 3.2), sharex=True, sharey=True, layout="constrained")
    for (row, column), cell in np.ndenumerate(axes):
        shown = cell.imshow(kernels[:, :, row, column].T, origin="lower", cmap="RdBu_r", vmin=-size, vmax=size)
        cell.set(xticks=[], yticks=[], title=f"filter {column + 1}" if row == 0 else "")
    axes[0, 0].set_ylabel("real\nbin")
    axes[1, 0].set_ylabel("imaginary\nbin")
    for cell in axes[1]:
        cell.set_xlabel("frame")
    figure.colorbar(shown, ax=axes, label="weight", shrink=0.8)
    figure.suptitle(title)
    return figure


def errors(bars, xlabel, title):
    """Returns a bar chart of measures with their 95 % intervals, on a scale from 0.

    Args:
        bars: dict from label to (value, interval); the interval is (low, high) or None.
    """
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(bars) + 1.2), layout="constrained")
    for row, (value, interval) in enumerate(bars.values()):
        low, high = interval or (value, value)
        axes.barh(row, value, xerr=[[max(0, value - low)], [max(0, high - value)]], color=f"C{row % 10}", capsize=3)
        axes.annotate(f"{value:.3g}", (max(value, high), row), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(title=title, xlabel=xlabel)
    sns.despine(figure)
    return figure


def rate_distortion(table, title, *, published=None):
    """Returns the study's RMSE over bitrate, one line a codec, both axes logarithmic.

    Args:
        table: by `fmalib.compression.measure`; a row without any bitrate becomes a horizontal line.
        published: `fmalib.compression.PUBLISHED`, drawn dashed, or None.
    """
    figure, axes = plt.subplots(figsize=(9, 5.2), layout="constrained")
    flat = table["nominal_kbps"].isna()
    for number, (codec, rows) in enumerate(table[~flat].groupby("codec", sort=False)):
        kbps = rows["real_kbps"].fillna(rows["nominal_kbps"]).astype(float)
        axes.plot(kbps, rows["spectral_rmse"], marker="osD^vPX*"[number % 8], color=f"C{number}", label=codec)
        bounds = [interval or (value, value) for interval, value in zip(rows["spectral_rmse_ci95"], rows["spectral_rmse"])]
        axes.fill_between(kbps, *np.transpose(bounds), color=f"C{number}", alpha=0.12, linewidth=0)
    for _, row in table[flat].iterrows():
        axes.axhline(row["spectral_rmse"], color="0.3", linestyle=":", label=row["codec"])
    if published is not None:
        for column, marker in (("autoencoder", "o"), ("downsampling", "s")):
            known = published[published[column] > 0]
            axes.plot(
                known["nominal_kbps"], known[column], "--", marker=marker, color="0.6", markersize=4,
                label=f"2019: {column}\n(its own test split)",
            )
    axes.set(xscale="log", yscale="log", title=title, xlabel="bitrate / kbit/s", ylabel="spectral RMSE")
    ticks = [2**power for power in range(2, 9)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    return figure
