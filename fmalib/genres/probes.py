"""Probes: simple classifiers that measure the genre information in the pooled latent of a frozen encoder."""

import dataclasses
import itertools
import warnings

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from fmalib.data import audio_cache
from fmalib.genres import pooling
from fmalib.models import layers
from fmalib.signal import mel

MEL_BANDS = 128
HIGHEST_F = 1e6  # of a feature that is constant within genres


def gains(features, labels, artists=None):
    """Returns how well each feature tells genres apart, across artists: the logarithm of 1 + its F value, `(features,)`.

    The F value is the variance between genres over the variance within, of the means of artists: a feature that only tells one
    prolific artist from others gets no gain. Without two artists of any genre, all gains are 1.

    Args:
        features, labels: of training rows, `(rows, features)` and `(rows,)`.
        artists: who made each row, `(rows,)`; None counts every row as an artist's.
    """
    whose = np.arange(len(labels)) if artists is None else np.asarray(artists)
    means = pd.DataFrame(features).groupby([np.asarray(labels), whose]).mean()
    genres = means.index.get_level_values(0).to_numpy()
    if len(genres) == len(np.unique(genres)):
        return np.ones(features.shape[1])
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # of constant features
        warnings.simplefilter("ignore")
        values, _ = f_classif(means.to_numpy(), genres)
    return np.log1p(np.minimum(np.nan_to_num(values, posinf=HIGHEST_F), HIGHEST_F))


class GainedScaler(StandardScaler):
    """Standardises features, then multiplies each by a power of its `gains`; `scale_` holds both."""

    def __init__(self, power=1.0):
        super().__init__()
        self.power = power

    def fit(self, features, labels, artists=None):
        """Returns itself, fitted on training rows; the arguments are those of `gains`."""
        super().fit(features)
        self.scale_ = self.scale_ / np.maximum(gains(features, labels, artists), 1e-12) ** self.power
        return self


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of probe: an unfitted scikit-learn classifier and the candidate values of one setting.

    `fitted` names the attributes that hold its parameters. A `bounded` setting cannot exceed the number of training rows.
    With `powers`, features are scaled by `GainedScaler`, by the power that is best on validation.
    """

    classifier: object
    setting: str
    values: tuple
    fitted: tuple
    bounded: bool = False
    powers: tuple = ()


_SVM = Kind(SVC(), "C", (0.3, 1.0, 3.0, 10.0), ("support_vectors_", "dual_coef_", "intercept_"))
KINDS = {
    "linear": Kind(LogisticRegression(max_iter=300), "C", (1e-4, 1e-3, 1e-2, 1e-1, 1.0), ("coef_", "intercept_")),
    "knn": Kind(KNeighborsClassifier(weights="distance"), "n_neighbors", (1, 3, 5, 11, 21), ("_fit_X",), bounded=True),
    "svm": _SVM,
    "gained_svm": dataclasses.replace(_SVM, powers=(0.5, 1.0, 0.0)),
}


@dataclasses.dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        model, section: scikit-learn pipeline of a scaler and the classifier, and the slice of features that it reads.
        n_genres: columns of its probabilities.
        n_parameters: of the classifier, without scaler and pooling.
        description: kind, section and setting, as selected on validation.
    """

    model: object
    section: slice
    n_genres: int
    n_parameters: int
    description: str

    def predict(self, features):
        """Returns genre probabilities `(rows, genres)` of features `(rows, features)`; 0 for genres without training rows."""
        features = features[:, self.section]
        if hasattr(self.model, "predict_proba"):
            known = self.model.predict_proba(features)
        else:
            decision = self.model.decision_function(features)
            if decision.ndim == 1:  # of two classes
                decision = np.stack([-decision, decision], axis=1)
            known = softmax(decision, axis=1)
        full = np.zeros((len(features), self.n_genres))
        full[:, self.model.classes_] = known
        return full

    def refitted(self, features, labels, artists=None):
        """Returns the probe with the same setting and section, fitted on other rows; the arguments are those of `fit`."""
        scaler, classifier = (clone(step) for _, step in self.model.steps)
        model = _fitted(scaler, classifier, features[:, self.section], labels, artists)
        return dataclasses.replace(self, model=model, n_parameters=_size(classifier))


def fit(kind, features, labels, held_out, held_out_labels, *, sections=None, n_genres, artists=None):
    """Returns the `Probe` with the best accuracy on validation, of all settings and groups of features.

    Args:
        kind: `linear`: logistic regression with a squared penalty; `knn`: k nearest neighbours, weighted by distance; `svm`:
            a support vector machine with a Gaussian kernel, whose probabilities are a softmax of its decision values;
            `gained_svm`: the same, with features scaled by a power of their `gains`, which may be 0. All take standardised
            features.
        features, labels: of the training rows, `(rows, features)` and `(rows,)`.
        held_out, held_out_labels: of the validation rows.
        sections: groups of features, slices by name; None takes all.
        n_genres: columns of the probabilities.
        artists: of the training rows, `(rows,)`, for gains.

    Raises:
        ValueError: an unknown kind, or training rows of fewer than two genres.
    """
    if kind not in KINDS:
        raise ValueError(f"A probe must be one of {', '.join(KINDS)}. Received: {kind!r}")
    if (found := len(np.unique(labels))) < 2:
        raise ValueError(f"A probe needs training rows of two genres or more. Received: {found}")
    chosen = KINDS[kind]

    scalers = {f", gains to the power {power:g}": GainedScaler(power) for power in chosen.powers} or {"": StandardScaler()}
    places = sections or {"all": slice(None)}
    allowed = [value for value in chosen.values if value <= len(labels) or not chosen.bounded]

    def candidates():
        for (name, section), value, (words, scaler) in itertools.product(places.items(), allowed, scalers.items()):
            classifier = clone(chosen.classifier).set_params(**{chosen.setting: value})
            model = _fitted(clone(scaler), classifier, features[:, section], labels, artists)
            yield Probe(model, section, n_genres, _size(classifier), f"{kind} on {name}, {chosen.setting} {value:g}{words}")

    return max(candidates(), key=lambda probe: (probe.predict(held_out).argmax(axis=1) == held_out_labels).mean())


def _fitted(scaler, classifier, features, labels, artists):
    """Returns the pipeline of a scaler and a classifier, fitted."""
    given = {"gainedscaler__artists": artists} if isinstance(scaler, GainedScaler) else {}
    with threadpool_limits(1):  # several threads on products this small take ten times as long
        return make_pipeline(scaler, classifier).fit(features, labels, **given)


def _size(classifier):
    """Returns the number of parameters of a fitted classifier."""
    fitted = next(kind.fitted for kind in KINDS.values() if isinstance(classifier, type(kind.classifier)))
    return sum(getattr(classifier, attribute).size for attribute in fitted)


def mel_pca_encoder(cache, tracks, *, samples, latent):
    """Returns principal components of log-mel frames as an encoder: the linear control for autoencoders.

    Args:
        cache, tracks: the training audio.
        samples, latent: length of a segment, and components of each frame, at most 128, the number of mel bands.

    Returns:
        Model from `(batch, samples)` to `(batch, frames, min(latent, 128))`, logarithmic already.
    """
    n_fft, hop = mel.frame_sizes(cache.sample_rate)
    audio = keras.Input((samples,), name="audio")
    spectrogram = layers.LogMel(cache.sample_rate, MEL_BANDS, n_fft, hop, name="log_mel")(audio)
    batches = pooling.middle_segments(cache, tracks, samples)
    with audio_cache.damage_named(cache):
        frames = keras.Model(audio, spectrogram).predict(batches, verbose=0).reshape(-1, MEL_BANDS)
    pca = PCA(min(latent, *frames.shape), svd_solver="full").fit(frames)
    project = keras.layers.Dense(pca.n_components_, name="pca")
    encoder = keras.Model(audio, project(spectrogram), name="encoder")
    project.set_weights([pca.components_.T, -pca.mean_ @ pca.components_.T])
    return encoder
