"""Figures of compression: error bars, error over bitrate."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import LogLocator

from fmalib.plots import style


def errors(bars, xlabel, title):
    """Returns a bar chart of errors, a dict from label to (error, its 95 % interval (low, high) or None)."""
    values = {label: value for label, (value, _) in bars.items()}
    intervals = [interval for _, interval in bars.values()]
    texts, colours = [f"{value:.3g}" for value in values.values()], sns.color_palette("colorblind", len(bars))
    figure, axes = style.bars(values, texts, intervals=intervals, colours=colours)
    axes.set(title=title, xlabel=xlabel)
    return style.finish(figure, legend=False, grid=False)


def rate_distortion(table, title, *, published=None):
    """Returns the study's RMSE over bitrate, one line a codec, both axes logarithmic.

    Args:
        table: by `fmalib.codec.coders.measure`; a row without any bitrate becomes a horizontal line.
        published: `fmalib.codec.coders.PUBLISHED`, drawn dashed, or None.
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
            options = {"marker": marker, "color": "0.6", "markersize": 4, "label": f"2019: {column}\n(its own test split)"}
            axes.plot(known["nominal_kbps"], known[column], "--", **options)
    axes.set(xscale="log", yscale="log", title=title, xlabel="bitrate / kbit/s", ylabel="spectral RMSE")
    axes.set_xticks([2**power for power in range(2, 9)])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    return style.finish(figure)
