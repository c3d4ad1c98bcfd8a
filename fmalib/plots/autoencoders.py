"""Figures of autoencoders: learning curves, latents, filters."""

import matplotlib.pyplot as plt
import numpy as np

from fmalib.plots import style


def learning_curves(histories, column, title, ylabel):
    """Returns training (dashed) and validation curves over epochs.

    Args:
        histories: dict from label to history table (`fmalib.training.runs.Run.history`).
        column: such as `"loss"`; the validation curve is then `"val_loss"`.
    """
    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    for number, (label, history) in enumerate(histories.items()):
        epochs = np.arange(1, len(history) + 1)
        options = {"color": f"C{number}", "marker": "o" if len(history) == 1 else None}
        axes.plot(epochs, history[column], "--", fillstyle="none", label=f"{label}, training", **options)
        axes.plot(epochs, history[f"val_{column}"], "-", label=f"{label}, validation", **options)
    axes.set(title=title, xlabel="epoch", ylabel=ylabel)
    return style.finish(figure, whole=True)


def latents(images, seconds, title, *, columns=2):
    """Returns latents as images, time from left to right, on one colour scale around 0.

    Args:
        images: dict from label to array of shape `(frames, channels)`.
        seconds: duration of each.
    """
    size = max(np.quantile(np.abs(image), 0.99) for image in images.values()) or 1.0
    signed = min(image.min() for image in images.values()) < 0
    colours = {"cmap": "RdBu_r", "vmin": -size} if signed else {"cmap": "magma", "vmin": 0}
    figure, grid = style.panels(len(images), columns, (5, 2.2), sharex=True, sharey=True)
    for axes, (label, image) in zip(grid, images.items()):
        extent = (0, seconds, -0.5, image.shape[1] - 0.5)
        shown = axes.imshow(
            image.T, aspect="auto", origin="lower", interpolation="nearest", extent=extent, vmax=size, **colours
        )
        axes.set_title(label, fontsize=10)
    style.label_outer(grid, columns, "time / s", "channel")
    figure.colorbar(shown, ax=figure.axes, label="value", shrink=0.8, extend="both" if signed else "max")
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
    extent = (-0.5, len(level) - 0.5, 0, highest)
    shown = axes.imshow(level.T, aspect="auto", origin="lower", interpolation="nearest", extent=extent, cmap="magma")
    axes.set(title=title, xlabel="filter, in order of peak frequency", ylabel="frequency / Hz")
    figure.colorbar(shown, ax=axes, label="level / dB below its peak")
    return figure


def filter_patches(kernels, title):
    """Returns filters `(frames, bins, 2, filters)` on the real and imaginary part of a spectrogram, as images on one scale."""
    size, count = np.abs(kernels).max() or 1.0, kernels.shape[-1]
    figure, grid = style.panels(2 * count, count, (1.35, 1.3))
    for number, axes in enumerate(grid):
        part, place = divmod(number, count)
        shown = axes.imshow(kernels[:, :, part, place].T, origin="lower", cmap="RdBu_r", vmin=-size, vmax=size)
        axes.set(xticks=[], yticks=[], title="" if part else f"filter {place + 1}")
    style.label_outer(grid, count, "frame", "real\nbin")
    grid[count].set_ylabel("imaginary\nbin")
    figure.colorbar(shown, ax=figure.axes, label="weight", shrink=0.8)
    figure.suptitle(title)
    return figure


def patterns(pictures, title, *, columns=8):
    """Returns patterns of a patch autoencoder as images on one colour scale, time from left to right, low bands below.

    Args:
        pictures: array `(patterns, frames, bands)` of one second each, in any unit, 0 where nothing is added.
    """
    size = np.quantile(np.abs(pictures), 0.995) or 1.0
    figure, grid = style.panels(len(pictures), min(columns, len(pictures)), (1.35, 1.3), sharex=True, sharey=True)
    for axes, picture in zip(grid, pictures):
        extent = (0, 1, 0.5, picture.shape[1] + 0.5)
        shown = axes.imshow(picture.T, aspect="auto", origin="lower", cmap="RdBu_r", vmin=-size, vmax=size, extent=extent)
        axes.set(xticks=[0, 1])
    style.label_outer(grid, min(columns, len(pictures)), "time / s", "band")
    figure.colorbar(shown, ax=figure.axes, label="level / dB", shrink=0.8, extend="both")
    figure.suptitle(title)
    return figure
