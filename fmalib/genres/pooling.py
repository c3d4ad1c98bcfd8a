"""Pooling of latent frames to one vector a segment, and the pooled features of a whole data set, kept on disk.

The features were selected on small data (ten clips a genre): logarithms of sizes, decorrelated without labels, and their change
from frame to frame. Where the frames of a latent are short, the energy of several frames is more informative than each frame.
"""

import dataclasses
import warnings

import numpy as np
from sklearn.decomposition import PCA

from fmalib import content, files
from fmalib.data import audio_cache, segments
from fmalib.genres.descriptors import Features, statistics
from fmalib.progress import bar

# Code that decides the features.
DECISIVE = ("data.sources", "data.segments", "signal", "models", "genres.descriptors", "genres.pooling")
COMPONENTS = 40  # of the decorrelated latent, at most
LAGS = (1, 4)  # frames, over which change is measured
KNEE = 0.03  # of the latent's deviation: sizes well below it count as silence
FIT_TRACKS = 200  # on which the decorrelation is fitted
BATCH_SIZE = 16


@dataclasses.dataclass(frozen=True)
class Whitening:
    """Decorrelation of latent frames, fitted without labels.

    Attributes:
        knee: size below which the compression is linear; 0 for latents that are logarithms already.
        mean, components: mean and whitened principal components of compressed frames, `(channels,)`, `(channels, components)`.
    """

    knee: float
    mean: np.ndarray | None = None
    components: np.ndarray | None = None

    def compress(self, latent):
        """Returns the logarithm of the latent's sizes above the knee."""
        return np.log1p(np.abs(latent) / self.knee) if self.knee else latent

    def statistics(self, latent):
        """Returns statistics over time of the components of latents `(segments, frames, channels)`.

        Returns:
            Array of shape `(segments, 9 * components)`: `descriptors.STATISTICS` of each, then the deviations of its changes
            over 1 and 4 frames. Undefined values (constant components) are 0.
        """
        x = (self.compress(latent) - self.mean) @ self.components
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Precision loss", category=RuntimeWarning)  # of constant components
            parts = statistics(x)
        for lag in LAGS:
            parts.append((x[:, lag:] - x[:, :-lag]).std(axis=1) if x.shape[1] > lag else np.zeros_like(x[:, 0]))
        return np.nan_to_num(np.concatenate(parts, axis=1))


def fit_whitening(latent, *, logarithmic=False):
    """Returns the `Whitening` fitted on latents `(segments, frames, channels)`; `logarithmic` leaves out the compression."""
    knee = 0.0 if logarithmic else KNEE * float(latent.std()) or 1.0
    frames = Whitening(knee).compress(latent).reshape(-1, latent.shape[-1])
    with np.errstate(invalid="ignore"):  # silence has no variance to share out
        pca = PCA(min(COMPONENTS, *frames.shape), svd_solver="full").fit(frames)
    # A constant channel has no variance to whiten.
    scale = 1.0 / np.sqrt(np.maximum(pca.explained_variance_, 1e-6 * pca.explained_variance_[0] + 1e-12))
    return Whitening(knee, pca.mean_, pca.components_.T * scale)


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Pooling of latent frames to one vector a segment.

    Attributes:
        fine, coarse: whitening of single frames, and of the energy of several, which does not depend on a filter's phase;
            `coarse` is None for logarithmic latents.
    """

    fine: Whitening
    coarse: Whitening | None

    def __call__(self, latent):
        """Returns groups of features of latents `(segments, frames, channels)`, a dict of float32 `(segments, features)`.

        `moments`: means and deviations of channels, plain and compressed. `dynamics`: `Whitening.statistics`. `energy`: the
        same of the energy.
        """
        compressed = self.fine.compress(latent)
        moments = [part for values in (latent, compressed) for part in (values.mean(axis=1), values.std(axis=1))]
        groups = {"moments": np.concatenate(moments, axis=1), "dynamics": self.fine.statistics(latent)}
        if self.coarse:
            groups["energy"] = self.coarse.statistics(energy(latent))
        return {name: values.astype(np.float32) for name, values in groups.items()}


def energy(latent):
    """Returns root mean squares of `energy_frames` successive frames of latents `(segments, frames, channels)`."""
    pool = energy_frames(latent.shape[1])
    frames = latent.shape[1] // pool
    return np.sqrt((latent[:, : frames * pool] ** 2).reshape(len(latent), frames, pool, -1).mean(axis=2))


def energy_frames(frames):
    """Returns the frames of a latent that `energy` takes together: four, or more so that about 64 are left."""
    return min(max(4, frames // 64), frames)


def fit_pooling(latent, *, logarithmic=False):
    """Returns the `Pooling` fitted on latents `(segments, frames, channels)`, which may be logarithmic already."""
    fine = fit_whitening(latent, logarithmic=logarithmic)
    return Pooling(fine, None if logarithmic else fit_whitening(energy(latent)))


def middle_segments(cache, tracks, length):
    """Returns batches of the middle segment of each of at most FIT_TRACKS tracks, to fit on; `length` in samples."""
    few = tracks.iloc[:: -(-len(tracks) // FIT_TRACKS)]
    return segments.fixed_segments(cache, few, length, per_track=1, batch_size=BATCH_SIZE)


def latent_features(name, encoder, cache, tracks, unlabelled, per_track, *, logarithmic=False, progress=True):
    """Returns the `Features` of all tracks; computed once for an encoder's layers and weights, and kept on disk.

    Args:
        name: of the encoder; part of the file's name.
        encoder: model from `(batch, samples)` to `(batch, frames, channels)`, pooled by `Pooling`, or to `(batch, features)`.
        cache, tracks: audio cache and track table by `segments.select`, of all splits, in reading order.
        unlabelled: the training tracks among them, on which the pooling is fitted.
        per_track: segments of each track.
        logarithmic: as for `fit_pooling`.
    """
    length, track_ids = encoder.input.shape[1], (list(tracks.index), list(unlabelled.index))
    made_by = content.network(encoder), content.code(*DECISIVE)
    key = content.key(*made_by, cache.key, per_track, logarithmic, *track_ids, length=16)

    def compute():
        pool = None
        if len(encoder.output.shape) == 3:
            sample = encoder.predict(middle_segments(cache, unlabelled, length), verbose=0)
            pool = fit_pooling(sample, logarithmic=logarithmic)
        batches = segments.fixed_segments(cache, tracks, length, per_track=per_track, batch_size=BATCH_SIZE)
        total = segments.n_batches(tracks, per_track, BATCH_SIZE)
        rows = []
        for audio, _ in bar(batches, total=total, desc="Latent features", unit="batch", progress=progress):
            latent = encoder.predict_on_batch(audio)
            rows.append(pool(latent) if pool else {"latent": latent})
        groups = {group: np.concatenate([row[group] for row in rows]) for group in rows[0]}
        return {"track_ids": tracks.index.to_numpy(), **groups}

    with audio_cache.damage_named(cache):
        groups = files.computed_once(cache.directory / f"latent-{name}-{key}.npz", compute)
    track_ids, seconds = groups.pop("track_ids"), float(groups.pop("seconds"))
    ends = np.cumsum([group.shape[1] for group in groups.values()]).tolist()
    sections = {group: slice(start, end) for group, start, end in zip(groups, [0, *ends], ends)}
    values = np.concatenate(list(groups.values()), axis=1).reshape(len(track_ids), per_track, -1)
    return Features(values, track_ids, sections, seconds)
