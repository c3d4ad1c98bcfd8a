"""Elements that figures share: panels, bars, legends, spectrograms, saving."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from fmalib import files
from fmalib.signal import stft

SPECTROGRAM_DB = 80  # shown below the loudest bin
DPI = 110
FARTHEST = 3  # times the longest bar that an interval is drawn to
RIGHT = {"frameon": False, "loc": "center left", "bbox_to_anchor": (1, 0.5)}  # of a legend beside its axes
plt.rcParams["text.parse_math"] = False  # genres and titles may hold a dollar sign


def save(figure, path, note=""):
    """Writes a figure as PNG, with `note` once below it, and returns it."""
    for text in [text for text in figure.texts if text.get_gid() == "note"]:
        text.remove()
    figure.text(0.5, -0.01, note, ha="center", va="top", fontsize=8, style="italic", color="0.3", gid="note")
    with files.atomic(path) as temporary:
        figure.savefig(temporary, dpi=DPI, bbox_inches="tight")
    plt.close(figure)  # else the notebook shows it twice
    return figure


def finish(figure, *, legend=True, grid=True, whole=False, **legend_options):
    """Returns a figure of lines or bars after the last touches: no upper and right spines, legend beside the first axes.

    Args:
        legend: whether there is one; `legend_options` go to matplotlib.
        grid: whether to draw a faint grid.
        whole: whether x is a count, with ticks at whole numbers.
    """
    for axes in figure.axes:
        if grid:
            axes.grid(alpha=0.3)
        if whole:
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if legend:
        figure.axes[0].legend(**RIGHT | legend_options)
    sns.despine(figure)
    return figure


def bars(values, texts, *, intervals=None, colours="C0", clear=0):
    """Returns (figure, axes) of horizontal bars, the first on top, each with a text to the right of it.

    An interval that reaches beyond `FARTHEST` times the longest bar, as of two artists, leaves the axes.

    Args:
        values: dict from label to number.
        texts: one a bar.
        intervals: (low, high) or None for each bar, drawn as error bars.
        colours: of all bars, or of each.
        clear: numbers that the texts must also be to the right of.
    """
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(values) + 1.2), layout="constrained")
    lengths = np.array(list(values.values()), float)
    low, high = np.transpose([interval or (np.nan, np.nan) for interval in intervals or [None] * len(lengths)])
    errors = np.maximum(0, [lengths - low, high - lengths])
    axes.barh(list(values), lengths, xerr=errors, color=colours, height=0.7, capsize=3)
    farthest = FARTHEST * np.abs(lengths).max()
    ends = np.nanmax(np.broadcast_arrays(lengths, np.minimum(high, farthest), 0, clear), axis=0)
    for row, (end, text) in enumerate(zip(ends, texts)):
        axes.annotate(text, (end, row), (6, 0), textcoords="offset points", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.12)
    if np.nanmax(high, initial=0) > farthest:
        axes.set_xlim(right=1.15 * farthest)
    return figure, axes


def panels(count, columns, size, **options):
    """Returns (figure, array of `count` axes) of a grid; spare places stay blank.

    Args:
        columns: of the grid.
        size: width and height of a panel, in inches.
        options: of `matplotlib.pyplot.subplots`.
    """
    rows = -(-count // columns)
    size = (size[0] * columns, size[1] * rows + 0.6)
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)
    for spare in grid.flat[count:]:
        spare.set_axis_off()
    return figure, grid.flat[:count]


def label_outer(grid, columns, xlabel, ylabel):
    """Labels the lowest panel of each column and the first of each row; panels without axes do not count."""
    for number, axes in enumerate(grid):
        lowest = not any(other.axison for other in grid[number + columns :: columns])
        first = not any(other.axison for other in grid[number - number % columns : number])
        axes.set(xlabel=xlabel if lowest else "", ylabel=ylabel if first else "")
        axes.tick_params(labelbottom=lowest, labelleft=first)


def level(signal, *, n_fft, hop=None):
    """Returns the STFT of a signal `(samples,)` as levels in dB, `(bins, frames)`; a hop of None is `n_fft // 4`."""
    return stft.log_magnitude(stft.stft(signal, n_fft=n_fft, hop=hop)).numpy().T


def spectrogram(axes, levels, sample_rate, *, n_fft, hop=None, y_axis="mel"):
    """Returns the image of levels `(bins, frames)` in dB below the loudest, drawn on axes."""
    import librosa

    options = {"sr": sample_rate, "n_fft": n_fft, "hop_length": hop or n_fft // 4, "x_axis": "s", "y_axis": y_axis}
    return librosa.display.specshow(levels, vmin=-SPECTROGRAM_DB, vmax=0, cmap="magma", ax=axes, **options)
