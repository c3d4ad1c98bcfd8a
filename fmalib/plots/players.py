"""A grid of players under spectrograms, to compare sounds side by side in a notebook."""

import base64
import html
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from fmalib import files
from fmalib.plots import style

N_FFT = 1024
WIDTH, HEIGHT = 220, 56  # pixels of a spectrogram
# Written into each element, since notebooks have styles of their own for tables and pictures.
TABLE = 'style="border-collapse:collapse;margin:4px 0"'
ROW = 'style="background:none"'
CELL = f'style="padding:2px 8px 4px 0;text-align:left;vertical-align:middle;border:0;max-width:{WIDTH}px;white-space:normal"'
IMAGE = f'style="display:block;width:{WIDTH}px;height:{HEIGHT}px;max-width:none;margin:0"'
AUDIO = f'style="display:block;width:{WIDTH}px;height:28px"'


def grid(sounds, sample_rate, title, stem):
    """Returns a HTML table with a spectrogram and a player in each cell, and keeps the sounds as wav files.

    The spectrograms have one range of levels and a linear frequency axis from 0 to half the sample rate.

    Args:
        sounds: dict from row label to dict from column label to float array `(samples,)` at full scale 1; a cell without
            sound, or with None, shows a dash. Labels are shown as plain text.
        sample_rate: Hz.
        title: above the table, plain text.
        stem: path of the wav files, to which the labels and the ending are added.

    Raises:
        ValueError: no sound at all.
    """
    from IPython.display import HTML

    columns = list(dict.fromkeys(column for row in sounds.values() for column in row))
    present = {(label, column): sound for label, row in sounds.items() for column, sound in row.items() if sound is not None}
    if not present:
        raise ValueError(f"There is nothing to play. Received: sounds={sounds!r}")
    levels = {place: _level(sound) for place, sound in present.items()}
    top = max(level.max() for level in levels.values())
    cells = {}
    for (label, column), sound in present.items():
        name, clipped = html.escape(f"{title}, {label}, {column}"), np.clip(sound, -1, 1)
        with files.atomic(stem.with_name(f"{stem.name}_{slug(label)}_{slug(column)}.wav")) as temporary:
            soundfile.write(temporary, clipped, sample_rate, subtype="PCM_16")
        cells[label, column] = _image(levels[label, column] - top, name) + _audio(clipped, sample_rate, name)
    rows = ["".join(f"<th {CELL}>{html.escape(column)}</th>" for column in ("", *columns))]
    for label in sounds:
        row = "".join(f"<td {CELL}>{cells.get((label, column), '–')}</td>" for column in columns)
        rows.append(f"<th {CELL}>{html.escape(label)}</th>{row}")
    table = "".join(f"<tr {ROW}>{row}</tr>" for row in rows)
    caption = html.escape(f"{title} (0 to {sample_rate / 2000:g} kHz, {style.SPECTROGRAM_DB} dB)")
    return HTML(f'<div style="overflow-x:auto"><div>{caption}</div><table {TABLE}>{table}</table></div>')


def _level(sound):
    """Returns the level in dB of the STFT, `(bins, frames)`, thinned to the size of the picture."""
    hop = min(max(N_FFT // 4, len(sound) // WIDTH), N_FFT)
    level = style.level(np.asarray(sound, np.float32), n_fft=N_FFT, hop=hop)
    frames = np.linspace(0, level.shape[1] - 1, min(WIDTH, level.shape[1])).round().astype(int)
    # The loudest bin of each row of pixels, so that a thin partial stays visible.
    return np.stack([part.max(axis=0) for part in np.array_split(level[:, frames], HEIGHT)])


def _image(level, name):
    file = io.BytesIO()
    plt.imsave(file, level, format="png", cmap="magma", vmin=-style.SPECTROGRAM_DB, vmax=0, origin="lower")
    return f'<img {IMAGE} alt="{name}" src="data:image/png;base64,{_base64(file)}">'


def _audio(sound, sample_rate, name):
    # FLAC is lossless, about half the size of wav, and current browsers play it.
    file = io.BytesIO()
    soundfile.write(file, sound, sample_rate, format="FLAC", subtype="PCM_16")
    return (
        f'<audio controls preload="metadata" {AUDIO} aria-label="{name}" src="data:audio/flac;base64,{_base64(file)}"></audio>'
    )


def slug(label):
    """Returns a label as a part of a file name, at most 60 characters."""
    return re.sub(r"[^\w.-]+", "_", label).strip("_")[:60]


def _base64(file):
    return base64.b64encode(file.getvalue()).decode()
