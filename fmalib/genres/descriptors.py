"""Hand-made descriptors of tracks: MFCC statistics, the control for learned representations; loudness, tempo, brightness."""

import dataclasses
import importlib.metadata
import warnings

import numpy as np
import pandas as pd
from scipy import stats

from fmalib import content, files
from fmalib.data import audio, audio_cache
from fmalib.progress import bar

N_MFCC = 20
STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
PROPERTIES = ("loudness", "tempo", "spectral_centroid")


@dataclasses.dataclass(frozen=True)
class Features:
    """Features of tracks.

    Attributes:
        values, track_ids: float32 `(tracks, segments, features)` or `(tracks, features)`, and `(tracks,)`.
        sections: places of the groups of features, slices by name; a probe selects one on validation.
        seconds: of their computation.
    """

    values: np.ndarray
    track_ids: np.ndarray
    sections: dict
    seconds: float

    def of(self, tracks):
        """Returns the rows of a track table, `(rows, features)`."""
        place = {track_id: number for number, track_id in enumerate(self.track_ids)}
        return self.values[[place[track_id] for track_id in tracks.index]].reshape(-1, self.values.shape[-1])


def statistics(values):
    """Returns the seven STATISTICS over axis 1, a list of arrays; skew and kurtosis of constant values are undefined."""
    shape = [stats.skew(values, axis=1), stats.kurtosis(values, axis=1)]
    return [values.mean(axis=1), values.std(axis=1), *shape, np.median(values, axis=1), values.min(axis=1), values.max(axis=1)]


def mfcc_statistics(signal, sample_rate):
    """Returns seven statistics over time of 20 MFCCs, as in FMA's feature set (Defferrard et al. 2017).

    Args:
        signal, sample_rate: float array of shape `(samples,)`, and Hz.

    Returns:
        float32 array of shape `(140,)`: 20 means, 20 deviations, and so on in the order of STATISTICS. Undefined values (near
        silence) are 0.
    """
    import librosa

    mfcc = librosa.feature.mfcc(y=signal, sr=sample_rate, n_mfcc=N_MFCC)
    return np.nan_to_num(np.concatenate(statistics(mfcc))).astype(np.float32)


def code():
    """Returns the key of the code that decides descriptors: this module and librosa's version."""
    return content.key(content.code("genres.descriptors"), importlib.metadata.version("librosa"))


def mfcc_table(cache, *, progress=True, n_jobs=2):
    """Returns `mfcc_statistics` of all decoded tracks as `Features`; computed once and kept on disk."""
    file = cache.directory / f"mfcc-{code()}.npz"
    kept = files.computed_once(file, lambda: _of_tracks(mfcc_statistics, cache, "MFCC statistics", progress, n_jobs))
    return Features(kept["values"], kept["track_ids"], {"all": slice(None)}, float(kept["seconds"]))


def track_properties(signal, sample_rate):
    """Returns the PROPERTIES of a track as a dict of floats.

    Args:
        signal, sample_rate: float array of shape `(samples,)`, and Hz.

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
    file = cache.directory / f"properties-{code()}.npz"
    kept = files.computed_once(file, lambda: _of_tracks(_property_values, cache, "Track properties", progress, n_jobs))
    return pd.DataFrame(kept["values"], index=pd.Index(kept["track_ids"], name="track_id"), columns=list(PROPERTIES))


def _property_values(signal, sample_rate):
    return list(track_properties(signal, sample_rate).values())


def _of_tracks(function, cache, title, progress, n_jobs):
    """Returns `track_ids` and `values`, a function's results for (signal, sample rate) of all decoded tracks, in a dict."""
    import joblib

    def of_track(track_id, samples):
        return track_id, function(audio.to_float(samples), cache.sample_rate)

    shown = bar(audio_cache.read(cache), total=len(cache.tracks), desc=title, unit="track", progress=progress)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Precision loss", category=RuntimeWarning)  # of near silence
        jobs = (joblib.delayed(of_track)(track_id, samples) for track_id, samples in shown)
        rows = joblib.Parallel(n_jobs=n_jobs, prefer="threads", pre_dispatch="2*n_jobs")(jobs)
    return {"track_ids": np.array([row[0] for row in rows]), "values": np.array([row[1] for row in rows])}
