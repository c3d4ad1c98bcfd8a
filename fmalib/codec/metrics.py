"""Metrics of reconstructions: spectral distances, added energy, bitrates, BD-rate, and pooling over segments.

Audio is float at full scale 1, of shape `(..., samples)`. Every metric has one value for each segment, shape `(...)`; it
raises ValueError where the two shapes differ or the audio is not floating point.
"""

import functools
import warnings

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from fmalib import intervals
from fmalib.signal import stft

N_FFT, HOP = 512, 128  # the study's, at any sample rate
FLOOR_DB = -80.0  # 16-bit rounding noise lies at -78 dB in this STFT
UNDEFINED_IN_SILENCE = ("si_sdr_db", "added_energy")
ROOTS = ("spectral_rmse", "magnitude_rmse")  # pooled as the root of the mean square, all others as the mean
POSITIVE = (*ROOTS, "log_spectral_distance_db", "added_energy", "mel_distance", "stft_distance")
OPINIONS = {"zimtohrli": (1, 5), "visqol": (1, 5)}  # mean opinion scores, and their range
MEL_BANDS = {32: 5, 64: 10, 128: 20, 256: 40, 512: 80, 1024: 160, 2048: 320}  # by samples of the window; DAC's
STFT_WINDOWS = 2048, 512  # samples; DAC's
LEAST_MAGNITUDE = 1e-5  # below it, both distances see silence


def spectral_rmse(reference, estimate):
    """Returns the study's RMSE: over all real and imaginary STFT coefficients of the difference.

    It measures waveforms: it is sqrt(96) = 9.798 times the RMSE over time, and one sample of delay ruins it.
    """
    reference, estimate = _check(reference, estimate)
    return _rms_of_parts(*_spectra(reference - estimate))


def magnitude_rmse(reference, estimate):
    """Returns the RMSE over all STFT magnitudes, which ignores phase.

    A coefficient counts once here and twice in `spectral_rmse`: silence scores sqrt(2) times its spectral RMSE.
    """
    return _magnitude_rmse(*_spectra(*_check(reference, estimate)))


def log_spectral_distance(reference, estimate, *, floor_db=FLOOR_DB):
    """Returns the log-spectral distance in dB (Gray & Markel 1976).

    The root mean square over bins of the difference of levels, then the mean over frames. Levels are at least `floor_db`
    (dB relative to an STFT magnitude of 1), so that digital silence has one.
    """
    return _log_spectral_distance(*_spectra(*_check(reference, estimate)), floor_db)


def si_sdr(reference, estimate):
    """Returns the scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019).

    A scaled copy scores inf; an orthogonal or silent estimate scores -inf; a silent reference gives nan.
    """
    reference, estimate = (np.asarray(audio, np.float64) for audio in _check(reference, estimate))
    energy = np.sum(reference**2, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = np.sum(reference * estimate, axis=-1, keepdims=True) / energy * reference
        signal, distortion = np.sum(target**2, axis=-1), np.sum((target - estimate) ** 2, axis=-1)
        # Both are 0 for a silent estimate, which is no perfect one.
        return np.where(signal == 0, -np.inf, 10.0 * np.log10(signal / distortion))[()]


def added_energy(reference, estimate, sample_rate, *, above=4000.0):
    """Returns the energy that the estimate adds above a frequency, as a share of the reference's energy.

    The sum over STFT bins above `above` of max(|Y|^2 - |X|^2, 0), divided by the sum of |X|^2 over all bins: a linear ratio,
    not bounded by 1. A silent reference gives nan.

    Args:
        reference, estimate: X and Y.
        sample_rate: Hz.
        above: Hz, from 0 to below half the sample rate; ValueError otherwise.
    """
    if not 0 <= above < sample_rate / 2:
        raise ValueError(f"above must be from 0 to below {sample_rate / 2:g} Hz. Received: above={above!r}")
    x, y = (_power(spectrum) for spectrum in _spectra(*_check(reference, estimate)))
    high = np.arange(N_FFT // 2 + 1) * sample_rate / N_FFT > above
    added, total = (energy.sum(axis=(-2, -1), dtype=np.float64) for energy in (np.maximum(y[..., high] - x[..., high], 0.0), x))
    return np.divide(added, total, out=np.full_like(total, np.nan), where=total > 0)[()]


def mel_distance(reference, estimate, sample_rate):
    """Returns the mel distance of DAC (Kumar et al. 2023, section 3.4), without unit; 0 is best.

    For windows of 32, 64, ..., 2048 samples with 5, 10, ..., 320 mel bands: the mean over frames and bands of
    `|log10 max(M x, 1e-5) - log10 max(M y, 1e-5)|`, summed over the seven windows. M are librosa's bands, and x and y are STFT
    magnitudes with a hop of a quarter window. A gain of 1/10 scores 7, apart from bands near silence. Windows are in samples,
    so values at different sample rates do not compare.

    Args:
        sample_rate: Hz.
    """
    reference, estimate = _check(reference, estimate)
    total = 0.0
    for n_fft, bands in MEL_BANDS.items():
        matrix = _mel_matrix(sample_rate, n_fft, bands)
        x, y = (_logarithm(magnitude @ matrix) for magnitude in _magnitudes(n_fft, reference, estimate))
        total = total + np.abs(x - y).mean(axis=(-2, -1), dtype=np.float64)
    return total


def stft_distance(reference, estimate):
    """Returns the multi-resolution STFT distance of DAC (Kumar et al. 2023; Engel et al. 2020), without unit; 0 is best.

    For windows of 2048 and 512 samples: the mean over frames and bins of
    `|log10 max(x, 1e-5)^2 - log10 max(y, 1e-5)^2| + |x - y|`, summed over both. x and y are magnitudes, the hop is a quarter
    window. It weighs all frequencies alike, so it sees missing highs that a mel distance forgives.
    """
    total = 0.0
    for n_fft in STFT_WINDOWS:
        x, y = _magnitudes(n_fft, *_check(reference, estimate))
        parts = 2 * np.abs(_logarithm(x) - _logarithm(y)) + np.abs(x - y)
        total = total + parts.mean(axis=(-2, -1), dtype=np.float64)
    return total


def bd_rate(anchor_kbps, anchor_quality, kbps, quality):
    """Returns the mean difference in bitrate at equal quality, in percent; below 0, the second coder needs fewer bits.

    Bjontegaard (2001): the mean difference of logarithmic bitrates over the qualities that both curves reach. Between points, a
    curve is monotone piecewise cubic (PCHIP), as in the test conditions of HEVC. A point that a cheaper one equals is left out.

    Args:
        anchor_kbps, anchor_quality: points of the first coder; kbit/s, and any measure that grows with quality, such as dB.
        kbps, quality: points of the second.

    Returns:
        float; nan where the curves share no quality, or one has a single point.

    Raises:
        ValueError: bitrates that are not positive, values that are not finite, or lists of different lengths.
    """
    anchor, other = _curve(anchor_kbps, anchor_quality), _curve(kbps, quality)
    if min(len(anchor[0]), len(other[0])) < 2:
        return float("nan")
    low, high = max(anchor[0][0], other[0][0]), min(anchor[0][-1], other[0][-1])
    if not low < high:
        return float("nan")
    first, second = (PchipInterpolator(*points).integrate(low, high) for points in (anchor, other))
    return float(100 * np.expm1((second - first) / (high - low)))


def _curve(kbps, quality):
    """Returns (qualities, logarithms of bitrates), both rising; points that a cheaper one equals are left out."""
    kbps, quality = np.asarray(kbps, np.float64), np.asarray(quality, np.float64)
    valid = kbps.ndim == 1 and kbps.shape == quality.shape
    if not valid or not (kbps > 0).all() or not np.isfinite([kbps, quality]).all():
        text = "Each point needs a positive bitrate and a finite quality"
        raise ValueError(f"{text}. Received: kbps={kbps.tolist()}, quality={quality.tolist()}")
    order = np.lexsort((-quality, kbps))
    kbps, quality = kbps[order], quality[order]
    better = np.diff(np.maximum.accumulate(quality), prepend=-np.inf) > 0
    return quality[better], np.log(kbps[better])


def nominal_kbps(latent_values, seconds, *, bits=16):
    """Returns the bitrate in kbit/s of `latent_values` values of `bits` bits each for `seconds` of audio."""
    return latent_values * bits / _positive("seconds", seconds) / 1000.0


def real_kbps(n_bytes, seconds):
    """Returns the bitrate in kbit/s of a file of `n_bytes` bytes, header included, that holds `seconds` of audio."""
    return 8.0 * n_bytes / _positive("seconds", seconds) / 1000.0


def compression_ratio(samples, latent_values):
    """Returns the number of samples for each latent value."""
    return samples / _positive("latent_values", latent_values)


def measure(reference, estimate):
    """Returns the metrics of a batch; each STFT is computed once.

    Args:
        reference, estimate: float arrays of shape `(segments, samples)`; a segment of 65,536 samples takes 1 MB a spectrum.

    Returns:
        Table with one row a segment; columns `spectral_rmse`, `magnitude_rmse`, `log_spectral_distance_db`, `si_sdr_db`.
    """
    if np.ndim(reference) != 2:
        raise ValueError(f"A batch of shape (segments, samples) is needed. Received: shape {np.shape(reference)}")
    x, y = _spectra(*_check(reference, estimate))
    columns = {
        "spectral_rmse": _rms_of_parts(x - y),
        "magnitude_rmse": _magnitude_rmse(x, y),
        "log_spectral_distance_db": _log_spectral_distance(x, y, FLOOR_DB),
        "si_sdr_db": si_sdr(reference, estimate),
    }
    return pd.DataFrame(columns, dtype=np.float64)


def pool(table, segments):
    """Returns a dict of each metric over all segments, with a 95 % interval over artists (`fmalib.intervals`).

    Columns in `ROOTS` are pooled as the root of the mean square, all others as the mean. Segments with a silent
    reference are left out of `si_sdr_db` and `added_energy`. A value that is not finite is None, since JSON has no name for it.

    Args:
        table: numbers, one row a segment, such as rows of `measure`.
        segments: their `track_id` and `artist` (`fmalib.data.segments.segment_table`); ValueError for another number of rows.

    Returns:
        For each column its name and `<name>_ci95`, which is [low, high] or, for a single artist, None; then `n_clips`
        (different tracks) and `n_segments`.
    """
    if len(table) != len(segments) or not len(table):
        raise ValueError(f"One row of metrics per segment is needed. Received: {len(table)} for {len(segments)}")
    artists = segments["artist"].to_numpy()
    result = {}
    for name in table:
        values = table[name].to_numpy(np.float64)
        defined = ~np.isnan(values) if name in UNDEFINED_IN_SILENCE else np.full(len(values), True)
        bounds = intervals.POSITIVE if name in POSITIVE else OPINIONS.get(name, intervals.REAL)
        result[name], result[f"{name}_ci95"] = _pool(values[defined], artists[defined], bounds, root=name in ROOTS)
    return {**result, "n_clips": int(segments["track_id"].nunique()), "n_segments": len(table)}


def _pool(values, artists, bounds, *, root):
    """Returns (mean or root mean square, [low, high]); None where there is no such number."""
    if not len(values) or not np.isfinite(values).all():
        return None, None
    values = values**2 if root else values
    pooled = np.array([values.mean(), *(intervals.over_artists(values, artists, bounds=bounds) or ())])
    mean, *interval = (np.sqrt(pooled) if root else pooled).tolist()
    return mean, interval or None


def floating(audio):
    """Returns audio as an array, checked to be floating point."""
    audio = np.asarray(audio)
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"Audio must be float at full scale 1 (fmalib.data.audio.to_float). Received: {audio.dtype}")
    return audio


def _check(reference, estimate):
    if np.shape(reference) != np.shape(estimate):
        raise ValueError(f"The shapes must be equal. Received: {np.shape(reference)} and {np.shape(estimate)}")
    return floating(reference), floating(estimate)


def _positive(name, value):
    if not value > 0:
        raise ValueError(f"{name} must be above 0. Received: {name}={value!r}")
    return value


def _spectra(*signals):
    """Returns the STFT of each signal, complex64 of shape `(..., frames, bins)`."""
    return [stft.stft(audio, n_fft=N_FFT, hop=HOP).numpy() for audio in signals]


def _magnitudes(n_fft, *signals):
    """Returns the STFT magnitudes of each signal with a hop of a quarter window, float32 of shape `(..., frames, bins)`."""
    return [np.abs(stft.stft(audio, n_fft=n_fft).numpy()) for audio in signals]


def _logarithm(magnitudes):
    return np.log10(np.maximum(magnitudes, LEAST_MAGNITUDE))


@functools.lru_cache
def _mel_matrix(sample_rate, n_fft, bands):
    """Returns librosa's mel bands, float32 of shape `(bins, bands)`; narrow ones may hold no bin, as in DAC."""
    import librosa

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters")
        return librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=bands).T


def _power(spectrum):
    return spectrum.real**2 + spectrum.imag**2


def _rms_of_parts(spectrum):
    return np.sqrt(_power(spectrum).mean(axis=(-2, -1)) / 2)  # a coefficient has two parts


def _magnitude_rmse(x, y):
    return np.sqrt(((np.abs(x) - np.abs(y)) ** 2).mean(axis=(-2, -1)))


def _log_spectral_distance(x, y, floor_db):
    x, y = (stft.log_magnitude(spectrum, floor_db=floor_db).numpy() for spectrum in (x, y))
    return np.sqrt(((x - y) ** 2).mean(axis=-1)).mean(axis=-1)
