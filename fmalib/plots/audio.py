"""Figures of audio: waveforms, spectrograms, tracks by genre."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from fmalib.data.tracks import SPLITS
from fmalib.plots import style


def split_counts(dataset):
    """Returns a bar chart: tracks of each genre in each split."""
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(dataset.genres) + 1.2), layout="constrained")
    order = [split for split in SPLITS if (dataset.tracks["split"] == split).any()]
    sns.countplot(dataset.tracks, y="genre", hue="split", order=dataset.genres, hue_order=order, palette="colorblind", ax=axes)
    axes.set(title=f"{dataset.name}: tracks by genre ({dataset.split} split)", xlabel="tracks", ylabel="")
    return style.finish(figure, grid=False, whole=True, title="")


def waveforms(clips, sample_rate, title):
    """Returns one waveform a row, on common axes.

    Args:
        clips: dict from label to float array `(samples,)` at full scale 1.
        sample_rate: Hz.
    """
    figure, rows = style.panels(len(clips), 1, (9, 0.9), sharex=True, sharey=True)
    for axes, (label, clip) in zip(rows, clips.items()):
        axes.plot(np.arange(len(clip)) / sample_rate, clip, linewidth=0.3, color="C0")
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
        axes.set(ylim=(-1, 1), yticks=[-1, 0, 1])
        axes.margins(x=0)
    axes.set_xlabel("time / s")
    figure.suptitle(f"{title} (amplitude, full scale 1)")
    return style.finish(figure, legend=False, grid=False)


def spectrograms(clips, sample_rate, title, *, n_fft=2048, columns=2):
    """Returns a grid of mel-scaled spectrograms on one colour scale.

    Args:
        clips: dict from label to float array `(samples,)` at full scale 1; None leaves a panel blank, with its label in it.
        sample_rate: Hz.
        n_fft: of the STFT, in samples.
        columns: of the grid.
    """
    levels = {label: clip if clip is None else style.level(clip, n_fft=n_fft) for label, clip in clips.items()}
    top = max(level.max() for level in levels.values() if level is not None)
    figure, grid = style.panels(len(clips), columns, (5, 2), sharex=True, sharey=True)
    for axes, (label, level) in zip(grid, levels.items()):
        if level is None:
            axes.text(0.5, 0.5, label, ha="center", va="center", transform=axes.transAxes, color="0.4")
            axes.set_axis_off()
            continue
        image = style.spectrogram(axes, level - top, sample_rate, n_fft=n_fft)
        axes.set_title(label, fontsize=10)
    style.label_outer(grid, columns, "time / s", "frequency / Hz")
    figure.colorbar(image, ax=figure.axes, label="level / dB below the loudest", shrink=0.8)
    figure.suptitle(title)
    return figure


def panel(original, output, sample_rate, title):
    """Returns waveforms above spectrograms, the original on the left, on common scales: the study's 2 x 2 figure.

    Args:
        original, output: float arrays of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
    """
    clips = {"input": original, "output": output}
    levels = [style.level(clip, n_fft=1024) for clip in clips.values()]
    top, peak = max(level.max() for level in levels), 1.05 * max(np.abs(clip).max() for clip in clips.values())
    figure, grid = style.panels(4, 2, (5, 2.2), sharex="col", sharey="row")
    for above, below, (label, clip), level in zip(grid[:2], grid[2:], clips.items(), levels):
        above.plot(np.arange(len(clip)) / sample_rate, clip, linewidth=0.3)
        image = style.spectrogram(below, level - top, sample_rate, n_fft=1024, y_axis="linear")
        above.set(title=label, ylim=(-peak, peak), xlim=(0, len(clip) / sample_rate))
    style.label_outer(grid, 2, "time / s", "frequency / Hz")
    grid[0].set_ylabel("amplitude, full scale 1")
    figure.colorbar(image, ax=list(grid[2:]), label="level / dB below the loudest")
    figure.suptitle(title)
    return figure
