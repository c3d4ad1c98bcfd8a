"""Figures of the codec's insides: the levels of a piece of music, and what learning saves."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from fmalib.plots import style


def levels(sizes, seconds, hertz, title):
    """Returns a picture of magnitudes `(frames, bins)`; frames are `seconds` apart, bins `hertz`."""
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    frames, bins = sizes.shape
    image = axes.imshow(
        np.log2(1 + sizes.T), origin="lower", aspect="auto", extent=(0, frames * seconds, 0, bins * hertz / 1000), cmap="magma"
    )
    bar = figure.colorbar(image, ax=axes, label="magnitude of the level")
    powers = np.arange(int(np.log2(1 + sizes.max())) + 1)
    bar.set_ticks(powers, labels=[str(2**power - 1) for power in powers])
    axes.set(title=title, xlabel="time / s", ylabel="frequency / kHz")
    return style.finish(figure, legend=False, grid=False)


def savings(table, title):
    """Returns bytes against the codec without learning, over bits a coefficient, one line a codec, and a point a clip.

    Args:
        table: columns `codec`, `bits_per_coefficient`, `bytes_percent`.
        title: above the figure.
    """
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    options = {"x": "bits_per_coefficient", "y": "bytes_percent", "hue": "codec", "ax": axes}
    sns.lineplot(table, errorbar=None, marker="o", **options)
    sns.scatterplot(table, alpha=0.35, s=18, legend=False, **options)
    axes.axhline(0, color="0.5", linewidth=1)
    axes.set(title=title, xscale="log", xlabel="bits a coefficient", ylabel="bytes, against no learning / %")
    ticks = sorted(table["bits_per_coefficient"].unique())
    axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    return style.finish(figure)
