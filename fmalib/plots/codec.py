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
    """Returns errors over bitrate, one line a codec: above the RMSE relative to silence, below the log-spectral distance.

    Shaded are 95 % intervals. Above they are of the RMSE, divided by the same number as the RMSE itself.

    Args:
        table: by `fmalib.codec.coders.measure`; a row without any bitrate becomes a horizontal line.
        published: by `fmalib.codec.coders.published_relative`, drawn dashed above, or None.
    """
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(9, 8.4), sharex=True, layout="constrained")
    unit = table["spectral_rmse"] / table["relative_rmse"]  # silence
    bounds = [interval and tuple(np.divide(interval, silent)) for interval, silent in zip(table["spectral_rmse_ci95"], unit)]
    _lines(upper, table, table["relative_rmse"], bounds)
    _lines(lower, table, table["log_spectral_distance_db"], table["log_spectral_distance_db_ci95"])
    if published is not None:
        for column, marker in (("autoencoder", "o"), ("downsampling", "s")):
            known = published[published[column] > 0]
            options = {"marker": marker, "color": "0.6", "markersize": 4, "label": f"2019: {column}\n(its silence assumed)"}
            upper.plot(known["nominal_kbps"], known[column], "--", **options)
    upper.set(xscale="log", yscale="log", title=title, ylabel="spectral RMSE / RMSE of silence")
    lower.set(xlabel="bitrate / kbit/s", ylabel="log-spectral distance / dB")
    lower.set_xticks([2**power for power in range(2, 9)])
    lower.xaxis.set_major_formatter("{x:g}")
    upper.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    upper.yaxis.set_major_formatter("{x:g}")
    for axes in (upper, lower):
        axes.minorticks_off()
    return style.finish(figure)


def _lines(axes, table, values, intervals):
    """Draws values over bitrate with their 95 % intervals, one line a codec."""
    drawn = table.assign(value=values, interval=intervals)
    flat = drawn["nominal_kbps"].isna()
    for number, (codec, rows) in enumerate(drawn[~flat].groupby("codec", sort=False)):
        kbps = rows["real_kbps"].fillna(rows["nominal_kbps"]).astype(float)
        axes.plot(kbps, rows["value"], marker="osD^vPX*"[number % 8], color=f"C{number}", label=codec)
        bounds = [interval or (value, value) for interval, value in zip(rows["interval"], rows["value"])]
        axes.fill_between(kbps, *np.transpose(bounds), color=f"C{number}", alpha=0.12, linewidth=0)
    for _, row in drawn[flat].iterrows():
        axes.axhline(row["value"], color="0.3", linestyle=":", label=row["codec"])
