"""Perceptual quality of pairs at 48 kHz, by packages that are asked for only where they are installed: `fmalib[quality]`.

Zimtohrli is strict with noise, ViSQOL is kind to noise of the right spectrum: read both, beside SI-SDR and the mel distance.
Neither replaces listening.
"""

import functools
import importlib
import importlib.metadata

import numpy as np
import pandas as pd
import soxr

from fmalib.codec import metrics

SAMPLE_RATE = 48_000  # Hz, of both
LEAST_SECONDS = 1.0  # Zimtohrli crashes below 0.1 s, ViSQOL needs 0.9 s
PACKAGES = {"zimtohrli": "zimtohrli", "visqol": "visqol-python"}  # by measure, the name on PyPI


def zimtohrli(reference, estimate, sample_rate):
    """Returns Zimtohrli's mean opinion score (Alakuijala et al. 2025), from 1 to 5, which is an identical sound.

    Args:
        reference, estimate: float arrays of shape `(samples,)` at full scale 1, aligned.
        sample_rate: Hz; other rates than 48 kHz are resampled.

    Raises:
        ValueError: other shapes, audio that is not floating point or not finite, or less than a second of it.
        ModuleNotFoundError: the package is not installed.
    """
    reference, estimate = _check(reference, estimate, sample_rate)
    scorer = _module("zimtohrli", "zimtohrli")
    return float(scorer.mos_from_signals(*(_at_48_khz(audio, sample_rate, np.float32) for audio in (reference, estimate))))


def visqol(reference, estimate, sample_rate):
    """Returns ViSQOL's mean opinion score in audio mode (Chinen et al. 2020), from 1 to 4.73, which is an identical sound.

    A silent reference gives nan. Arguments and errors as for `zimtohrli`.
    """
    reference, estimate = _check(reference, estimate, sample_rate)
    pair = [_at_48_khz(audio, sample_rate, np.float64) for audio in (reference, estimate)]
    return float(_visqol().measure_from_arrays(*pair, SAMPLE_RATE).moslqo)


MEASURES = {"zimtohrli": zimtohrli, "visqol": visqol}


def measure(reference, estimate, sample_rate):
    """Returns what listening measures say of a batch: SI-SDR, mel and STFT distance, and the perceptual ones installed.

    Args:
        reference, estimate: float arrays of shape `(segments, samples)` at full scale 1, a second or more.
        sample_rate: Hz.

    Returns:
        Table with one row a segment: `si_sdr_db`, `mel_distance`, `stft_distance`, and those of `installed()`.
    """
    if np.ndim(reference) != 2:
        raise ValueError(f"A batch of shape (segments, samples) is needed. Received: shape {np.shape(reference)}")
    columns = {
        "si_sdr_db": metrics.si_sdr(reference, estimate),
        "mel_distance": metrics.mel_distance(reference, estimate, sample_rate),
        "stft_distance": metrics.stft_distance(reference, estimate),
    }
    for name, score in installed().items():
        columns[name] = [score(*pair, sample_rate) for pair in zip(reference, estimate)]
    return pd.DataFrame(columns, dtype=np.float64)


def installed():
    """Returns the measures whose package is installed: dict from name to function of (reference, estimate, sample rate)."""
    return {name: measure for name, measure in MEASURES.items() if _is_installed(PACKAGES[name])}


def hint():
    """Returns a line that says how to install missing measures; empty where none is missing."""
    missing = [PACKAGES[name] for name in MEASURES if not _is_installed(PACKAGES[name])]
    if not missing:
        return ""
    return f"Not installed, so not measured: {', '.join(missing)}; pip install 'fmalib[quality]' (it needs a C++ compiler)"


def _is_installed(package):
    # By its package, since other ones have a module named visqol too.
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _module(name, package):
    if not _is_installed(package):
        raise ModuleNotFoundError(f"{package} is needed: pip install 'fmalib[quality]'. Received: no package {package!r}")
    return importlib.import_module(name)


@functools.lru_cache
def _visqol():
    scorer = _module("visqol", PACKAGES["visqol"]).VisqolApi()
    scorer.create(mode="audio")
    return scorer


def _check(reference, estimate, sample_rate):
    reference, estimate = metrics.floating(reference), metrics.floating(estimate)
    if reference.ndim != 1 or reference.shape != estimate.shape:
        raise ValueError(f"Two arrays of shape (samples,) are needed. Received: shapes {reference.shape} and {estimate.shape}")
    wrong = ~np.isfinite([reference, estimate])
    if wrong.any():
        raise ValueError(f"Audio must be finite. Received: {np.stack([reference, estimate])[wrong][0]}")
    if len(reference) < LEAST_SECONDS * sample_rate:
        raise ValueError(f"At least {LEAST_SECONDS:g} s of audio is needed. Received: {len(reference) / sample_rate:.3f} s")
    return reference, estimate


def _at_48_khz(audio, sample_rate, dtype):
    audio = audio.astype(dtype)
    return audio if sample_rate == SAMPLE_RATE else soxr.resample(audio, sample_rate, SAMPLE_RATE, quality="HQ")
