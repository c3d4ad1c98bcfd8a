"""Measuring reconstructions: spectral distances, added noise, bitrates, and pooling over clips.

Audio is float at full scale 1, shape `(..., samples)`; every metric gives one number for each clip, shape `(...)`.
"""

import numpy as np
import pandas as pd

from fmalib import stft

N_FFT, HOP = 512, 128  # the original study's, at any sample rate
FLOOR_DB = -80.0  # 16-bit rounding noise lies at -78 dB in this STFT
UNDEFINED_IN_SILENCE = ("si_sdr_db", "added_energy")


def spectral_rmse(reference, estimate):
    """Returns the original study's RMSE: over all real and imaginary STFT coefficients of the difference.

    It is sqrt(96) = 9.798 times the RMSE over time, so it is a measure of waveforms: an estimate that is all zeros scores
    9.798 times the reference's RMS, and one sample of delay ruins it.

    Raises:
        ValueError: the shapes differ, or the audio is not floating point (so for every metric here).
    """
    reference, estimate = _check(reference, estimate)
    return _rms_of_parts(_stft(reference - estimate))


def magnitude_rmse(reference, estimate):
    """Returns the RMSE over all STFT magnitudes; it leaves the phase free.

    A coefficient counts once here and twice in `spectral_rmse`, so silence scores sqrt(2) times as much here as there.
    """
    return _magnitude_rmse(*_spectra(reference, estimate))


def log_spectral_distance(reference, estimate, *, floor_db=FLOOR_DB):
    """Returns the log-spectral distance in dB (Gray & Markel 1976).

    The root mean square over bins of the difference of levels, then the mean over frames. Levels below `floor_db` (dB
    relative to an STFT magnitude of 1) count as `floor_db`, so that digital silence has a level.
    """
    return _log_spectral_distance(*_spectra(reference, estimate), floor_db)


def si_sdr(reference, estimate):
    """Returns the scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019).

    An exact (scaled) copy scores inf, an estimate with nothing of the reference in it -inf, so does a silent one. It is
    not defined for a silent reference: nan.
    """
    reference, estimate = (np.asarray(audio, np.float64) for audio in _check(reference, estimate))
    energy = np.sum(reference**2, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = np.sum(reference * estimate, axis=-1, keepdims=True) / energy * reference
        signal, distortion = np.sum(target**2, axis=-1), np.sum((target - estimate) ** 2, axis=-1)
        # Both are 0 for a silent estimate, which is no perfect one.
        return np.where(signal == 0, -np.inf, 10.0 * np.log10(signal / distortion))[()]


def added_energy(reference, estimate, sample_rate, *, above=4000.0):
    """Returns the energy above a frequency that was not in the reference, as a share of the reference's whole energy.

    The sum over STFT bins above `above` of max(|Y|^2 - |X|^2, 0), over the sum of |X|^2 of all bins: a linear ratio, not
    in dB, and not bounded by 1. Not defined for a silent reference: nan.

    Args:
        reference, estimate: X and Y.
        sample_rate: Hz.
        above: Hz; below half the sample rate.
    """
    if not 0 <= above < sample_rate / 2:
        raise ValueError(f"above must be from 0 to below {sample_rate / 2:g} Hz. Received: above={above!r}")
    x, y = (_power(spectrum) for spectrum in _spectra(reference, estimate))
    high = np.arange(N_FFT // 2 + 1) * sample_rate / N_FFT > above
    added = _sum(np.maximum(y[..., high] - x[..., high], 0.0))
    total = _sum(x)
    return np.divide(added, total, out=np.full_like(total, np.nan), where=total > 0)[()]


def nominal_kbps(latent_values, seconds, *, bits=16):
    """Returns the bitrate on paper in kbit/s of `latent_values` values of `bits` bits each for `seconds` of audio."""
    return latent_values * bits / _positive("seconds", seconds) / 1000.0


def real_kbps(n_bytes, seconds):
    """Returns the bitrate in kbit/s of a whole file of `n_bytes` bytes, header included, that holds `seconds` of audio."""
    return 8.0 * n_bytes / _positive("seconds", seconds) / 1000.0


def compression_ratio(samples, latent_values):
    """Returns how many samples there are for each latent value."""
    return samples / _positive("latent_values", latent_values)


def measure(reference, estimate):
    """Returns the metrics of a batch, each STFT computed once.

    Args:
        reference, estimate: float arrays of shape `(clips, samples)`; a clip of 65,536 samples takes 1 MB a spectrum.

    Returns:
        Table with one row a clip; columns `spectral_rmse`, `magnitude_rmse`, `log_spectral_distance_db`, `si_sdr_db`.
    """
    if np.ndim(reference) != 2:
        raise ValueError(f"A batch of clips is needed, (clips, samples). Received: shape {np.shape(reference)}")
    x, y = _spectra(reference, estimate)
    return pd.DataFrame({
        "spectral_rmse": _rms_of_parts(x - y).astype(np.float64),
        "magnitude_rmse": _magnitude_rmse(x, y).astype(np.float64),
        "log_spectral_distance_db": _log_spectral_distance(x, y, FLOOR_DB).astype(np.float64),
        "si_sdr_db": si_sdr(reference, estimate),
    })


def pool(table, segments, *, n_resamples=2000, seed=0):
    """Returns a dict of each metric over all segments, with a 95 % interval by bootstrap over artists (Efron 1979).

    A column whose name ends in `rmse` is pooled as the root of the mean square, which is the RMSE over all coefficients of
    segments of one length; any other as the plain mean. Segments with a silent reference are left out of `si_sdr_db` and
    `added_energy`, which they do not define. What is not finite is None, since JSON has no name for it.

    Args:
        table: one row a segment, numbers in every column; rows of `measure`, for example.
        segments: table with columns `track_id` and `artist`, row by row those of `table` (`fmalib.segments.segment_table`).

    Returns:
        For each column its name and `<name>_ci95`, [low, high] or None for a single artist, who says nothing about others;
        then `n_clips` (different tracks) and `n_segments`.
    """
    if len(table) != len(segments) or not len(table):
        raise ValueError(f"One row of metrics per segment is needed. Received: {len(table)} for {len(segments)}")
    artists, names = pd.factorize(segments["artist"].to_numpy())
    drawn = np.random.default_rng(seed).integers(len(names), size=(n_resamples, len(names)))
    result = {}
    for name in table:
        values = table[name].to_numpy(np.float64)
        defined = ~np.isnan(values) if name in UNDEFINED_IN_SILENCE else np.full(len(values), True)
        root = name.endswith("rmse")
        pooled, interval = _pool(values[defined] ** (2 if root else 1), artists[defined], drawn)
        result[name] = None if pooled is None else float(np.sqrt(pooled) if root else pooled)
        result[f"{name}_ci95"] = None if interval is None else (np.sqrt(interval) if root else interval).tolist()
    return {**result, "n_clips": int(segments["track_id"].nunique()), "n_segments": len(table)}


def _pool(values, artists, drawn):
    """Returns (mean, percentiles of the mean over drawn sets of artists), None where there is no such number."""
    if not len(values) or not np.isfinite(values).all():
        return None, None
    sums = np.bincount(artists, values, minlength=drawn.shape[1])
    counts = np.bincount(artists, minlength=drawn.shape[1])
    if np.count_nonzero(counts) == 1:
        return values.mean(), None
    totals, numbers = sums[drawn].sum(axis=1), counts[drawn].sum(axis=1)
    some = numbers > 0  # a draw may hold only artists whose segments are all undefined
    return values.mean(), np.quantile(totals[some] / numbers[some], [0.025, 0.975])


def _check(reference, estimate):
    reference, estimate = np.asarray(reference), np.asarray(estimate)
    if reference.shape != estimate.shape:
        raise ValueError(f"Reference and estimate must have one shape. Received: {reference.shape} and {estimate.shape}")
    for audio in (reference, estimate):
        if not np.issubdtype(audio.dtype, np.floating):
            raise ValueError(f"Audio must be float at full scale 1 (fmalib.audio.to_float). Received: {audio.dtype}")
    return reference, estimate


def _positive(name, value):
    if not value > 0:
        raise ValueError(f"{name} must be above 0. Received: {name}={value!r}")
    return value


def _stft(audio):
    return stft.stft(audio, n_fft=N_FFT, hop=HOP).numpy()


def _spectra(reference, estimate):
    """Returns both STFTs, complex64 of shape `(..., frames, bins)`."""
    return tuple(_stft(audio) for audio in _check(reference, estimate))


def _power(spectrum):
    return spectrum.real**2 + spectrum.imag**2


def _sum(values):
    """Returns the sum over frames and bins, in double precision."""
    return values.sum(axis=(-2, -1), dtype=np.float64)


def _rms_of_parts(spectrum):
    return np.sqrt(_power(spectrum).mean(axis=(-2, -1)) / 2)  # two parts to each coefficient


def _magnitude_rmse(x, y):
    return np.sqrt(((np.abs(x) - np.abs(y)) ** 2).mean(axis=(-2, -1)))


def _log_spectral_distance(x, y, floor_db):
    x, y = (stft.log_magnitude(spectrum, floor_db=floor_db).numpy() for spectrum in (x, y))
    return np.sqrt(((x - y) ** 2).mean(axis=-1)).mean(axis=-1)
