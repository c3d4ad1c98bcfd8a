"""Hand-made features of whole tracks: the controls that a learned representation has to beat."""

import dataclasses
import time
import warnings

import numpy as np

from fmalib import audio, cache as audio_cache, paths
from fmalib.progress import bar

N_MFCC = 20
STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
MFCC_VERSION = 2  # part of the file name: bump when the feature changes


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
