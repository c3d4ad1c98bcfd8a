"""Probes: what simple classifiers read from the latent of a frozen encoder, pooled over time.

Latent frames become one vector a segment. What to pool was found on small data (ten clips a genre): logarithms of sizes,
decorrelated without labels, and how much they change from frame to frame; that counts more than the classifier. Where a
latent's frames are short, the energy of several says more than each.
"""

import dataclasses
import hashlib
import time
import warnings

import keras
import numpy as np

from fmalib import mel, paths, segments
from fmalib.progress import bar

VERSION = 2  # part of the file names: bump when the features change
COMPONENTS = 40  # of the decorrelated latent, at most
LAGS = (1, 4)  # frames, over which change is measured
KNEE = 0.03  # of the latent's deviation: sizes well below it count as silence
FIT_TRACKS = 200  # on which the decorrelation is fitted
BATCH_SIZE = 16
CANDIDATES = {  # selected on validation
    "linear": {"C": (1e-4, 1e-3, 1e-2, 1e-1, 1.0)},
    "knn": {"n_neighbors": (1, 3, 5, 11, 21)},
    "svm": {"C": (0.3, 1.0, 3.0, 10.0)},
}


@dataclasses.dataclass(frozen=True)
class Whitening:
    """Latent frames to decorrelated components, fitted without labels.

    Attributes:
        knee: below which sizes are drowned; 0 leaves the latent as it is, for latents that are logarithmic already.
        mean, components: of the principal components of the (compressed) frames, whitened: `(channels,)` and
            `(channels, components)`.
    """

    knee: float
    mean: np.ndarray
    components: np.ndarray

    def compress(self, latent):
        """Returns the logarithm of the latent's sizes above the knee."""
        return np.log1p(np.abs(latent) / self.knee) if self.knee else latent

    def statistics(self, latent):
        """Returns what components do over time, `(segments, 9 * components)`, of latents `(segments, frames, channels)`.

        Mean, deviation, skew, kurtosis, median, least and largest value of each, and the deviations of its changes over 1 and
        4 frames.
        """
        from scipy import stats

        x = (self.compress(latent) - self.mean) @ self.components
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Precision loss", category=RuntimeWarning)  # of constant components
            shape = [stats.skew(x, axis=1), stats.kurtosis(x, axis=1)]
        parts = [
            x.mean(axis=1), x.std(axis=1), *shape, np.median(x, axis=1), x.min(axis=1), x.max(axis=1),
            *((x[:, lag:] - x[:, :-lag]).std(axis=1) if x.shape[1] > lag else np.zeros_like(x[:, 0]) for lag in LAGS),
        ]
        # Skew and kurtosis of a constant component are undefined, and count as 0.
        return np.nan_to_num(np.concatenate(parts, axis=1))


def fit_whitening(latent, *, logarithmic=False):
    """Returns the `Whitening` for latents like these `(segments, frames, channels)`; `logarithmic` leaves out the compression."""
    from sklearn.decomposition import PCA

    knee = 0.0 if logarithmic else KNEE * float(latent.std()) or 1.0
    frames = Whitening(knee, None, None).compress(latent).reshape(-1, latent.shape[-1])
    with np.errstate(invalid="ignore"):  # silence has no variance to share out
        pca = PCA(min(COMPONENTS, *frames.shape), svd_solver="full").fit(frames)
    # A channel that never speaks has no variance to whiten.
    scale = 1.0 / np.sqrt(np.maximum(pca.explained_variance_, 1e-6 * pca.explained_variance_[0] + 1e-12))
    return Whitening(knee, pca.mean_, pca.components_.T * scale)


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Latent frames to one vector a segment.

    Attributes:
        fine: of the latent's own frames.
        coarse: of the energy of several frames, which a filter's phase does not change; None for logarithmic latents.
    """

    fine: Whitening
    coarse: Whitening | None

    def __call__(self, latent):
        """Returns groups of features of latents `(segments, frames, channels)`, a dict of float32 `(segments, features)`.

        `moments`: means and deviations of channels, as they are and compressed. `dynamics`: `Whitening.statistics`. `energy`: the
        same of the energy.
        """
        compressed = self.fine.compress(latent)
        moments = [part for values in (latent, compressed) for part in (values.mean(axis=1), values.std(axis=1))]
        groups = {"moments": np.concatenate(moments, axis=1), "dynamics": self.fine.statistics(latent)}
        if self.coarse:
            groups["energy"] = self.coarse.statistics(energy(latent))
        return {name: values.astype(np.float32) for name, values in groups.items()}


def energy(latent):
    """Returns the root mean square of every few frames of latents `(segments, frames, channels)`: of four, or to leave 64."""
    pool = energy_frames(latent.shape[1])
    frames = latent.shape[1] // pool
    return np.sqrt((latent[:, : frames * pool] ** 2).reshape(len(latent), frames, pool, -1).mean(axis=2))


def energy_frames(frames):
    """Returns how many of so many frames `energy` takes together."""
    return min(max(4, frames // 64), frames)


def fit_pooling(latent, *, logarithmic=False):
    """Returns the `Pooling` for latents like these.

    Args:
        latent: float array of shape `(segments, frames, channels)`.
        logarithmic: whether its values are logarithms already.
    """
    fine = fit_whitening(latent, logarithmic=logarithmic)
    return Pooling(fine, None if logarithmic else fit_whitening(energy(latent)))


@dataclasses.dataclass(frozen=True)
class Features:
    """Pooled latents of segments.

    Attributes:
        values: float32 `(tracks, segments, features)`.
        track_ids: `(tracks,)`.
        sections: where groups of features lie, slices by name; a probe selects one on validation.
        seconds: what computing them took, when they were computed.
    """

    values: np.ndarray
    track_ids: np.ndarray
    sections: dict
    seconds: float

    def of(self, tracks):
        """Returns the rows of a track table, `(tracks * segments, features)`."""
        place = {track_id: number for number, track_id in enumerate(self.track_ids)}
        return self.values[[place[track_id] for track_id in tracks.index]].reshape(-1, self.values.shape[-1])


def latent_features(name, encoder, cache, tracks, listened, length, per_track, *, logarithmic=False, progress=True):
    """Returns the `Features` of all tracks, from disk where the same encoder gave them before.

    Args:
        name: tells encoders apart whose weights do not, such as the sparse one's at different latent sizes.
        encoder: model from `(batch, samples)` to `(batch, frames, channels)`, pooled by `Pooling`, or to `(batch, features)`.
        cache: the `fmalib.cache.Cache` to read.
        tracks: table by `segments.select`, of all splits.
        listened: those of them on which the pooling is fitted: the training tracks.
        length: samples of a segment.
        per_track: segments of each track.
        logarithmic: as for `fit_pooling`.
    """
    pieces = [VERSION, name, cache.key, length, per_track, logarithmic, encoder.output.shape, list(tracks.index), list(listened.index)]
    digest = hashlib.sha256(repr(pieces).encode())
    for weight in encoder.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    file = cache.directory / f"latent-{name}-{digest.hexdigest()[:16]}.npz"
    if not file.exists():
        started = time.perf_counter()
        groups = _compute(encoder, cache, tracks, listened, length, per_track, logarithmic, progress)
        with paths.atomic(file) as temporary:
            np.savez(
                temporary, values=np.concatenate(list(groups.values()), axis=1).reshape(len(tracks), per_track, -1),
                track_ids=tracks.index.to_numpy(), names=list(groups), sizes=[group.shape[1] for group in groups.values()],
                seconds=time.perf_counter() - started,
            )
    with np.load(file, allow_pickle=False) as kept:
        ends = np.cumsum(kept["sizes"])
        sections = {str(name): slice(int(end - size), int(end)) for name, size, end in zip(kept["names"], kept["sizes"], ends)}
        return Features(kept["values"], kept["track_ids"], sections, float(kept["seconds"]))


def _compute(encoder, cache, tracks, listened, length, per_track, logarithmic, progress):
    """Returns groups of features, a dict of `(segments, features)`; one group, `latent`, where there is nothing to pool."""
    pool = None
    if len(encoder.output.shape) == 3:
        few = listened.iloc[:: -(-len(listened) // FIT_TRACKS)]
        sample = segments.fixed_segments(cache, few, length, per_track=1, batch_size=BATCH_SIZE)
        pool = fit_pooling(encoder.predict(sample, verbose=0), logarithmic=logarithmic)
    rows = []
    batches = segments.fixed_segments(cache, tracks, length, per_track=per_track, batch_size=BATCH_SIZE)
    total = segments.n_batches(tracks, per_track, BATCH_SIZE)
    for audio, _ in bar(batches, total=total, desc="Latent features", unit="batch", progress=progress):
        latent = encoder.predict_on_batch(audio)
        rows.append(pool(latent) if pool else {"latent": latent})
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


@dataclasses.dataclass(frozen=True)
class Probe:
    """A fitted probe: `predict` gives probabilities; `description` says what was selected on validation."""

    model: object
    section: slice
    n_parameters: int
    description: str

    def predict(self, features):
        """Returns genre probabilities `(rows, genres)` of features `(rows, features)`."""
        return _probabilities(self.model, features[:, self.section])


def fit(kind, features, labels, held_out, held_out_labels, *, sections=None, n_genres):
    """Returns the `Probe` with the best accuracy on validation, of all settings and groups of features.

    Args:
        kind: `linear`: logistic regression with a squared penalty; `knn`: k nearest neighbours, weighted by distance; `svm`:
            a support vector machine with a Gaussian kernel, whose probabilities are a softmax of its decision values.
            All see standardised features.
        features, labels: of the training rows, `(rows, features)` and `(rows,)`.
        held_out, held_out_labels: of the validation rows.
        sections: groups of features, slices by name; None takes all.
        n_genres: columns of the probabilities; a genre without a training row gets 0.

    Raises:
        ValueError: an unknown kind, or training rows of fewer than two genres.
    """
    if kind not in CANDIDATES:
        raise ValueError(f"A probe must be one of {', '.join(CANDIDATES)}. Received: {kind!r}")
    if len(np.unique(labels)) < 2:
        raise ValueError(f"A probe needs training rows of two genres or more. Received: {len(np.unique(labels))}")
    from threadpoolctl import threadpool_limits

    best, best_score = None, -1.0
    (setting, values), = CANDIDATES[kind].items()
    for name, section in (sections or {"all": slice(None)}).items():
        for value in values:
            if kind == "knn" and value > len(labels):
                continue
            with threadpool_limits(1):  # several threads on products this small take ten times as long
                model = _classifier(kind, value).fit(features[:, section], labels)
            probe = Probe(_Padded(model, n_genres), section, 0, f"{kind} on {name}, {setting} {value:g}")
            score = float((probe.predict(held_out).argmax(axis=1) == held_out_labels).mean())
            if score > best_score:
                best, best_score = probe, score
    return dataclasses.replace(best, n_parameters=_count(best.model.model))


def _classifier(kind, value):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    model = {
        "linear": lambda: LogisticRegression(C=value, max_iter=300),
        "knn": lambda: KNeighborsClassifier(value, weights="distance"),
        "svm": lambda: SVC(C=value, decision_function_shape="ovr"),
    }[kind]()
    return make_pipeline(StandardScaler(), model)


@dataclasses.dataclass(frozen=True)
class _Padded:
    """A scikit-learn classifier whose columns are all genres, also those that its training rows lacked."""

    model: object
    n_genres: int


def _probabilities(padded, features):
    model = padded.model
    if hasattr(model, "predict_proba"):
        known = model.predict_proba(features)
    else:
        decision = model.decision_function(features)
        if decision.ndim == 1:  # of two classes
            decision = np.stack([-decision, decision], axis=1)
        known = np.exp(decision - decision.max(axis=1, keepdims=True))
        known /= known.sum(axis=1, keepdims=True)
    full = np.zeros((len(features), padded.n_genres))
    full[:, model.classes_] = known
    return full


def _count(pipeline):
    """Returns how many fitted numbers the classifier itself has; the scaler and the pooling are not counted."""
    model = pipeline[-1]
    if hasattr(model, "coef_") and not hasattr(model, "support_vectors_"):
        return int(model.coef_.size + model.intercept_.size)
    if hasattr(model, "support_vectors_"):
        return int(model.support_vectors_.size + model.dual_coef_.size + model.intercept_.size)
    return int(model.n_samples_fit_ * model.n_features_in_)


def mel_pca_encoder(cache, tracks, *, samples, latent):
    """Returns principal components of log-mel frames as an encoder: the linear control that never saw an autoencoder.

    Args:
        cache, tracks: the training audio.
        samples: length of a segment.
        latent: components for each frame, at most 128, the number of mel bands.

    Returns:
        Model from `(batch, samples)` to `(batch, frames, min(latent, 128))`, logarithmic already.
    """
    from sklearn.decomposition import PCA

    n_fft, hop = mel.frame_sizes(cache.sample_rate)
    audio = keras.Input((samples,), name="audio")
    spectrogram = mel.LogMel(cache.sample_rate, 128, n_fft, hop, name="log_mel")(audio)
    few = tracks.iloc[:: -(-len(tracks) // FIT_TRACKS)]
    batches = segments.fixed_segments(cache, few, samples, per_track=1, batch_size=BATCH_SIZE)
    frames = keras.Model(audio, spectrogram).predict(batches, verbose=0).reshape(-1, 128)
    pca = PCA(min(latent, *frames.shape), svd_solver="full").fit(frames)
    project = keras.layers.Dense(pca.n_components_, name="pca")
    encoder = keras.Model(audio, project(spectrogram), name="encoder")
    project.set_weights([pca.components_.T, -pca.mean_ @ pca.components_.T])
    return encoder
