"""Hand-made features: MFCC statistics, the control that a learned representation has to beat; loudness, tempo, brightness."""

import dataclasses
import time
import warnings

import numpy as np
import pandas as pd

from fmalib import audio, cache as audio_cache, paths
from fmalib.progress import bar

N_MFCC = 20
STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
MFCC_VERSION = 2  # part of the file name: bump when the feature changes
PROPERTIES_VERSION = 1  # likewise


def mfcc_statistics(signal, sample_rate):
    """Returns seven statistics over time of 20 MFCCs, as in FMA's feature set (Defferrard et al. 2017).

    Args:
        signal: float array of shape `(samples,)`.
        sample_rate: Hz.

    Returns:
        float32 array of shape `(140,)`: the 20 means, then the 20 deviations, and so on in the order of STATISTICS.
    """
    import librosa
    from scipy import stats

    mfcc = librosa.feature.mfcc(y=signal, sr=sample_rate, n_mfcc=N_MFCC)
    columns = [
        mfcc.mean(axis=1), mfcc.std(axis=1), stats.skew(mfcc, axis=1), stats.kurtosis(mfcc, axis=1),
        np.median(mfcc, axis=1), mfcc.min(axis=1), mfcc.max(axis=1),
    ]
    # Skew and kurtosis of a constant coefficient (near silence) are undefined, and count as 0.
    return np.nan_to_num(np.concatenate(columns)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class MfccTable:
    """MFCC statistics of tracks: `track_ids` `(tracks,)`, `values` `(tracks, 140)`, and the `seconds` that they took."""

    track_ids: np.ndarray
    values: np.ndarray
    seconds: float


def mfcc_table(cache, *, progress=True, n_jobs=2):
    """Returns the `MfccTable` of all decoded tracks; computed once and kept on disk."""
    import joblib

    file = cache.directory / f"mfcc-v{MFCC_VERSION}.npz"
    if not file.exists():
        started = time.perf_counter()
        tracks = bar(audio_cache.read(cache), total=len(cache.tracks), desc="MFCC statistics", unit="track", progress=progress)
        jobs = (joblib.delayed(_one)(track_id, samples, cache.sample_rate) for track_id, samples in tracks)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Precision loss", category=RuntimeWarning)  # of near silence
            rows = joblib.Parallel(n_jobs=n_jobs, prefer="threads", pre_dispatch="2*n_jobs")(jobs)
        track_ids, values = np.array([row[0] for row in rows]), np.stack([row[1] for row in rows])
        with paths.atomic(file) as temporary:
            np.savez(temporary, track_ids=track_ids, values=values, seconds=time.perf_counter() - started)
    with np.load(file, allow_pickle=False) as kept:
        return MfccTable(kept["track_ids"], kept["values"], float(kept["seconds"]))


def _one(track_id, samples, sample_rate):
    return track_id, mfcc_statistics(audio.to_float(samples), sample_rate)


def track_properties(signal, sample_rate):
    """Returns what a listener would name first of a track, as a dict of floats.

    Args:
        signal: float array of shape `(samples,)`.
        sample_rate: Hz.

    Returns:
        `loudness`: RMS level in dBFS, not below -80. `tempo`: base-2 logarithm of beats a minute, by autocorrelation of the
        onset strength (Ellis 2007, as in librosa), whose errors are octaves mostly. `spectral_centroid`: base-2 logarithm of
        the mean in Hz over frames that are not silent.
    """
    import librosa

    magnitude = np.abs(librosa.stft(signal, n_fft=1024, hop_length=512))
    loud = magnitude.sum(axis=0) > 1e-3
    centroid = librosa.feature.spectral_centroid(S=magnitude[:, loud], sr=sample_rate) if loud.any() else np.ones(1)
    onsets = librosa.onset.onset_strength(S=librosa.power_to_db(magnitude**2), sr=sample_rate)
    tempo = float(librosa.feature.tempo(onset_envelope=onsets, sr=sample_rate)[0])
    return {
        "loudness": max(-80.0, 20.0 * np.log10(max(float(np.sqrt(np.mean(signal**2))), 1e-12))),
        "tempo": float(np.log2(max(tempo, 1.0))),
        "spectral_centroid": float(np.log2(max(float(centroid.mean()), 1.0))),
    }


def property_table(cache, *, progress=True, n_jobs=2):
    """Returns `track_properties` of all decoded tracks as a table indexed by `track_id`; computed once and kept on disk."""
    import joblib

    file = cache.directory / f"properties-v{PROPERTIES_VERSION}.npz"
    if not file.exists():
        tracks = bar(audio_cache.read(cache), total=len(cache.tracks), desc="Track properties", unit="track", progress=progress)
        jobs = (joblib.delayed(_properties)(track_id, samples, cache.sample_rate) for track_id, samples in tracks)
        rows = joblib.Parallel(n_jobs=n_jobs, prefer="threads", pre_dispatch="2*n_jobs")(jobs)
        with paths.atomic(file) as temporary:
            names = list(rows[0][1])
            values = np.array([list(row[1].values()) for row in rows])
            np.savez(temporary, track_ids=np.array([row[0] for row in rows]), names=names, values=values)
    with np.load(file, allow_pickle=False) as kept:
        return pd.DataFrame(kept["values"], index=pd.Index(kept["track_ids"], name="track_id"), columns=kept["names"])


def _properties(track_id, samples, sample_rate):
    return track_id, track_properties(audio.to_float(samples), sample_rate)
