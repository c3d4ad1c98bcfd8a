"""Figures of compression: error bars, error and listening measures over bitrate, where the bits go."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import LogLocator, NullLocator

from fmalib.plots import style

MEASURES = {  # of listening, by column: label, and whether the axis is logarithmic
    "zimtohrli": ("Zimtohrli, 5 is best", False),
    "visqol": ("ViSQOL, 4.73 is best", False),
    "mel_distance": ("mel distance, 0 is best", True),
    "stft_distance": ("STFT distance, 0 is best", True),
    "si_sdr_db": ("SI-SDR / dB", False),
}


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
    _kbps_ticks(lower, table)
    upper.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    upper.yaxis.set_major_formatter("{x:g}")
    for axes in (upper, lower):
        axes.minorticks_off()
    return style.finish(figure)


def listening(table, title):
    """Returns listening measures over bitrate, one panel a measure, one line a codec, with 95 % intervals shaded.

    Args:
        table: by `fmalib.codec.coders.listening`; measures that it lacks have no panel.
    """
    measures = [name for name in MEASURES if name in table and table[name].notna().all()]
    figure, grid = style.panels(len(measures), 2, (4.6, 2.9), sharex=True)
    for axes, name in zip(grid, measures):
        label, logarithmic = MEASURES[name]
        _lines(axes, table, table[name], table[f"{name}_ci95"])
        axes.set(xscale="log", yscale="log" if logarithmic else "linear", ylabel=label)
        axes.tick_params(labelbottom=True)
        _kbps_ticks(axes, table)
        _decimal_ticks(axes, table[name].astype(float), logarithmic)
    for axes in grid[-2:]:
        axes.set_xlabel("bitrate / kbit/s")
    figure.suptitle(title)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return style.finish(figure, legend=False)


def bits(parts, title):
    """Returns where the bits go: a bar for each file, stacked by part in percent of its bytes.

    Args:
        parts: dict from a label to the parts of its file, by `fmalib.codec.budget.parts`.
    """
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(parts) + 1.4), layout="constrained")
    names = list(dict.fromkeys(name for each in parts.values() for name in each))
    fixed = [name for name in names if not name.endswith("kHz")]
    colours = [*sns.color_palette("Greys", len(fixed) + 2)[2:], *sns.color_palette("viridis", len(names) - len(fixed))]
    shares = np.array([[each.get(name, 0) for name in names] for each in parts.values()])
    shares = 100 * shares / shares.sum(axis=1, keepdims=True)
    starts = np.cumsum(shares, axis=1) - shares
    for name, colour, width, left in zip(names, colours, shares.T, starts.T):
        axes.barh(list(parts), width, left=left, color=colour, label=name, height=0.7)
    axes.invert_yaxis()
    axes.set(title=title, xlabel="share of the bytes / %", xlim=(0, 100))
    return style.finish(figure, grid=False)


def _kbps_ticks(axes, table):
    """Labels a logarithmic axis of bitrates at powers of two."""
    kbps = table["real_kbps"].fillna(table["nominal_kbps"]).dropna().astype(float)
    powers = range(int(np.floor(np.log2(kbps.min()) + 0.1)), int(np.ceil(np.log2(kbps.max()) - 0.1)) + 1)
    axes.set_xticks([2.0**power for power in powers])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _decimal_ticks(axes, values, logarithmic):
    """Fits the vertical axis to the values, not to intervals of few clips, and writes its numbers as decimals."""
    low, high = (np.log(values) if logarithmic else values).agg(["min", "max"])
    limits = np.array([low, high]) + (0.15 * (high - low) + 0.1) * np.array([-1, 1])
    axes.set_ylim(np.exp(limits) if logarithmic else limits)
    if logarithmic:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


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
