"""The listening room of the report: one song through every coder at the same bytes, from what notebook 05 kept."""

import io

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from fmalib.plots import players, style

NOTEBOOK, ORIGINAL = "05_compression", "original"
N_FFT, HOP, WIDTH, HEIGHT = 1024, 256, 900, 160  # of the spectrogram; pixels


def rooms(metrics, folder, media):
    """Returns the sounds by bitrate, a list of dicts with `kbps` and `sounds`; empty where there are none.

    Each sound has `name`, `note`, `audio` and `image`; the first of a bitrate is the original.

    Args:
        metrics: of notebook 05, whose rows of the section `demo` name coders and bitrates.
        folder: of its sounds.
        media: `fmalib.report.media.Media`.
    """
    rows = [row for row in metrics.get("rows", []) if row.get("section") == "demo"]
    found = {}
    for row in rows:
        kbps = f"{row['asked_kbps']:g}"
        path = folder / f"demo_{players.slug(f'{kbps} kbit/s')}_{players.slug(row['codec'])}.wav"
        if not path.is_file():
            continue
        note = f"{row['real_kbps']:.1f} kbit/s, SI-SDR {row['si_sdr_db']:.1f} dB"
        found.setdefault(kbps, []).append({"name": row["codec"], "note": note} | _files(path, media))
    first = next(iter(sorted(folder.glob(f"demo_{ORIGINAL}_*.wav"))), None)
    if first is None:
        return []
    original = {"name": ORIGINAL, "note": "not coded"} | _files(first, media)
    return [{"kbps": kbps, "sounds": [original, *sounds]} for kbps, sounds in found.items()]


def _files(path, media):
    """Returns the sound of a wav file as FLAC, and its spectrogram, as files of the report."""
    signal, rate = soundfile.read(path, dtype="float32")
    sound, image = io.BytesIO(), io.BytesIO()
    soundfile.write(sound, signal, rate, format="FLAC", subtype="PCM_16")
    level = style.level(signal, n_fft=N_FFT, hop=HOP)
    frames = np.linspace(0, level.shape[1] - 1, min(WIDTH, level.shape[1])).round().astype(int)
    rows = np.stack([part.max(axis=0) for part in np.array_split(level[:, frames], HEIGHT)])
    plt.imsave(image, rows - rows.max(), format="png", cmap="magma", vmin=-style.SPECTROGRAM_DB, vmax=0, origin="lower")
    return {"audio": media.add(sound.getvalue(), "audio", ".flac"), "image": media.add(image.getvalue(), "images", ".png")}
