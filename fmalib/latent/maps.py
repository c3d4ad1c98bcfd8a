"""Maps of a latent space: reducers to two dimensions by name, and measures of a map's quality."""

import contextlib
import dataclasses
import time
import warnings
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist, pdist
from sklearn.base import clone
from sklearn.decomposition import PCA, KernelPCA, SparsePCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as Lda
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from fmalib.intervals import SHARE, over_artists

COMPONENTS = 50  # principal components, at most, from which most methods start
FEWEST = 6  # points of a map
LARGEST = 1e100  # size of a value: the square of a larger one may overflow
QUADRATIC_POINTS = 2000  # that kernel PCA is fitted on: its kernel has a row and a column for each
SPARSITY = (0.3, 0.1, 0.03, 0.0)  # penalty of sparse PCA by the root of the number of points: the first that leaves both axes
MEASURED_POINTS = 2000  # for trustworthiness and silhouette, which compare all pairs
NEIGHBOURS = 5
PERMUTATIONS = 20  # of genres over artists, for the accuracy by chance


def _fit(estimator, points, labels, seed):
    """Fits an estimator; a few points have fewer neighbours than its settings ask for."""
    caps = {"perplexity": (len(points) - 1) / 3, "n_neighbors": len(points) - 1}
    settings = estimator.get_params()
    capped = {name: min(settings[name], cap) for name, cap in caps.items() if settings.get(name)}
    return estimator.set_params(**capped).fit(points, labels)


def _fit_kernel(estimator, points, labels, seed):
    """Fits kernel PCA; an open `gamma` is the inverse of the median squared distance (rbf) or of the mean squared norm."""
    if estimator.gamma is None:
        few = points[subsample(len(points), 1000, seed)]
        scale = np.median(pdist(few, "sqeuclidean")) if estimator.kernel == "rbf" else (points**2).sum(axis=1).mean()
        estimator.set_params(gamma=1.0 / (float(scale) or 1.0))
    return estimator.fit(points)


def _fit_sparse(estimator, points, labels, seed):
    """Fits sparse PCA; the penalty stands beside a sum over points, so `alpha` is scaled by the root of their number."""
    alpha = estimator.alpha
    for share in SPARSITY:
        estimator.set_params(alpha=share * np.sqrt(len(points)) * alpha).fit(points)
        if estimator.components_.any(axis=1).all():
            break
    return estimator


def _fit_lda(estimator, points, labels, seed):
    """Fits LDA; of two genres there is one discriminant. Raises ValueError where points do not spread within genres."""
    within = points - pd.DataFrame(points).groupby(labels).transform("mean").to_numpy()
    if np.abs(within).max() < 1e-9 * np.abs(points).max():
        raise ValueError("the training points of each genre are all the same, and LDA needs spread within genres")
    with contextlib.suppress(np.linalg.LinAlgError):
        fitted = estimator.set_params(n_components=min(2, len(np.unique(labels)) - 1)).fit(points, labels)
        if np.linalg.cond(fitted.covariance_) < 1e12:  # by rounding, LAPACK may not notice a singular one
            return fitted
    raise ValueError("training points are too few or too alike within genres: their covariance is singular")


@cache
def _compiled_umap():
    """Returns the module umap, imported and compiled: 20 s, so only when needed, and no part of a map's seconds."""
    import umap

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        few = np.random.default_rng(0).normal(size=(30, 4))
        reducer = umap.UMAP(n_neighbors=5, n_epochs=2, random_state=0, n_jobs=1)
        reducer.fit(few, np.arange(30) % 2).transform(few)
    return umap


@dataclasses.dataclass(frozen=True)
class Method:
    """A reducer to two dimensions."""

    title: str
    axes: str  # name of the two axes
    estimator: Callable  # function that returns the unfitted scikit-learn or umap estimator
    supervised: bool = False  # genres are used: it is fitted on training points and places the others
    quadratic: bool = False  # time or memory grow with the square of the fitted points, which `embed` then caps
    components: bool = True  # it starts from principal components; else from standardised features
    fit: Callable = _fit  # function of (estimator, points, labels, seed) that returns the estimator, set up for them and fitted


def _kernel_pca(kernel, **settings):
    # The sigmoid is no positive kernel: of its eigenvalues some are negative, but not the two largest, which arpack finds.
    estimator = partial(KernelPCA, 2, kernel=kernel, eigen_solver="arpack", **settings)
    return Method(f"kernel PCA, {kernel}", "component", estimator, quadratic=True, fit=_fit_kernel)


METHODS = {
    "pca": Method("PCA", "component", partial(PCA, 2, svd_solver="full"), components=False),
    "kernel_pca_rbf": _kernel_pca("rbf"),
    "kernel_pca_poly": _kernel_pca("poly", degree=3, coef0=1.0),
    "kernel_pca_sigmoid": _kernel_pca("sigmoid", coef0=0.0),
    "kernel_pca_cosine": _kernel_pca("cosine"),
    "sparse_pca": Method(
        "sparse PCA", "component", partial(SparsePCA, 2, method="cd", max_iter=200), components=False, fit=_fit_sparse
    ),
    "lda": Method(
        "LDA (supervised)", "discriminant", partial(Lda, solver="eigen", shrinkage="auto"), supervised=True, fit=_fit_lda
    ),
    "tsne": Method("t-SNE", "dimension", partial(TSNE, 2, init="pca")),
    "umap": Method("UMAP", "dimension", lambda: _compiled_umap().UMAP(n_jobs=1)),
    "umap_supervised": Method("UMAP (supervised)", "dimension", lambda: _compiled_umap().UMAP(n_jobs=1), supervised=True),
}


@dataclasses.dataclass(frozen=True)
class Map:
    """Points in the plane."""

    method: Method
    points: np.ndarray  # float32 `(points, 2)`, in the order of the mapped values
    seconds: float  # of standardising, fitting and placing, without the compilation of UMAP (once a process)
    n_fitted: int  # points that it was fitted on

    def __str__(self):
        return f"{self.method.title}: {len(self.points)} points, fitted on {self.n_fitted}, {self.seconds:.1f} s"


def subsample(n_points, most, seed):
    """Returns the rows that a cap leaves, in order: all, or `most` of them drawn by `seed`."""
    if most < 1:
        raise ValueError(f"At least one point must be left. Received: {most}")
    if n_points <= most:
        return np.arange(n_points)
    return np.sort(np.random.default_rng(seed).choice(n_points, most, replace=False))


def prepare(values):
    """Returns the input of most maps: standardised features `(points, features)` as principal components, at most 50.

    Raises:
        ValueError: values that are not finite, or beyond 1e100.
    """
    values = _check_finite(values)
    return _prepare(values, values)[0]


def plane(values):
    """Returns values `(points, features)` on their two principal axes, `(points, 2)`; they are not standardised."""
    with np.errstate(invalid="ignore"):  # equal points have no variance to share out
        return PCA(2, svd_solver="full").fit_transform(values)


def embed(method, values, estimator=None, *, training=None, training_labels=None, seed=0, most=QUADRATIC_POINTS):
    """Returns the `Map` of values by a named method. The same seed gives the same map.

    PCA and sparse PCA start from standardised features, all others from at most 50 principal components of them.
    Supervised methods are fitted on the training points alone; the others never use a genre.

    Args:
        method: a name in `METHODS`, or any other name with an estimator.
        values: float array `(points, features)`.
        estimator: scikit-learn or umap estimator instead of the registry's. A clone of it is fitted, with `seed`, with
            perplexity and neighbours capped for few points, and with the kernel's width from the data unless `gamma` is set.
            The `alpha` of sparse PCA is relative to the library's penalty.
        training, training_labels: `(points, features)` and ints `(points,)`, for supervised methods.
        seed: of the method and of the subsample.
        most: points on which a quadratic method is fitted; t-SNE and UMAP take all.

    Raises:
        ValueError: an unknown method; or no such map of these values, with the method's name and the reason: too few points,
            values that are not finite or all the same, too few training points or genres, or no spread within genres (LDA).
    """
    if method not in METHODS and estimator is None:
        raise ValueError(f"method must be one of {', '.join(METHODS)}. Received: method={method!r}")
    kind = METHODS.get(method) or Method(method, "dimension", lambda: estimator)
    try:
        values = _check(values)
        training = _check_training(training, training_labels, values) if kind.supervised else values
        return _embed(kind, values, estimator, training, training_labels if kind.supervised else None, seed, most)
    except (ValueError, ArithmeticError, RuntimeError) as error:  # ARPACK's errors are of the last kind
        reason = " ".join(str(error).split())
        if "Received: " not in reason:
            reason = f"{reason.rstrip('.')}. Received: {len(values)} points of {values.shape[1]} features"
        raise ValueError(f"No map by {method}: {reason}") from error


def _embed(kind, values, estimator, training, labels, seed, most):
    """Returns the `Map` of checked values; raises whatever the estimator raises."""
    own = kind.estimator()  # in any case, so that UMAP is compiled before the clock starts
    estimator = clone(own if estimator is None else estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    started = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings():  # one thread: the same sums in the same order
        # Of one thread, of small graphs and of few neighbours.
        warnings.filterwarnings("ignore", category=UserWarning, module="umap|sklearn")
        values, training = _prepare(values, training, kind.components)
        if np.ptp(training, axis=0).max() < 1e-9:  # t-SNE would crash the process
            raise ValueError("All points are the same, but for rounding")
        rows = subsample(len(training), most if kind.quadratic else len(training), seed)
        fitted = kind.fit(estimator, training[rows], labels, seed)
        # t-SNE cannot place points that it was not fitted on.
        points = fitted.transform(values) if hasattr(fitted, "transform") else fitted.embedding_
        if points.shape[1] == 1:
            points = np.concatenate([points, values[:, :1]], axis=1)
    points = np.asarray(points, np.float32)
    if not np.isfinite(points).all():
        raise ValueError("it places points at infinity")
    return Map(kind, points, time.perf_counter() - started, len(rows))


def _prepare(values, fitted, components=True):
    """Returns values and the points that a method is fitted on, both standardised by the latter, as principal components.

    Components of no variance are left out, since LDA would divide by it; two are kept in any case.
    """
    scaler = StandardScaler().fit(fitted)
    values, fitted = scaler.transform(values), scaler.transform(fitted)
    if not components:
        return values, fitted
    with np.errstate(invalid="ignore"):  # equal points have no variance to share out
        pca = PCA(max(1, min(COMPONENTS, len(fitted) - 1, fitted.shape[1])), svd_solver="full").fit(fitted)
    kept = max(2, int((pca.explained_variance_ > 1e-12 * pca.explained_variance_[0]).sum()))
    return pca.transform(values)[:, :kept], pca.transform(fitted)[:, :kept]


def _check_training(training, labels, values):
    given = training is not None and labels is not None
    n_points, n_genres = (len(training), len(np.unique(labels))) if given else (0, 0)
    if n_genres < 2 or n_points <= n_genres:
        raise ValueError(
            "it is supervised and needs training points of two genres or more, and more points than genres. "
            f"Received: {n_points} points of {n_genres} genres"
        )
    training = _check(training)
    if len(labels) != n_points or training.shape[1] != values.shape[1]:
        raise ValueError(
            "Training points need a label each, and as many features as the values. "
            f"Received: {len(labels)} labels, shapes {training.shape} and {values.shape}"
        )
    return training


def _check(values):
    values = _check_finite(values)
    if values.ndim != 2 or len(values) < FEWEST or values.shape[1] < 2:
        raise ValueError(f"A map needs {FEWEST} points or more, of two features or more. Received: shape {values.shape}")
    if not np.ptp(values, axis=0).any():
        raise ValueError(f"All points are the same, so there is nothing to map: is it silence? Received: {len(values)} points")
    return values


def _check_finite(values):
    values = np.asarray(values, np.float64)
    wrong = ~(np.abs(values) < LARGEST)
    if wrong.any():
        raise ValueError(
            f"Values must be finite, and at most {LARGEST:.0e}. Received: {wrong.any(axis=-1).sum()} points that are not"
        )
    return values


def scores(points, values, labels, artists, *, seed=0):
    """Returns measures of a map's quality, a dict; None where one is undefined.

    Args:
        points: `(points, 2)`, or of any dimension.
        values: the mapped values, as by `prepare`: `(points, components)`.
        labels, artists: genres as ints, and artists, `(points,)`.
        seed: of the subsample of 2,000 points on which the last two are measured.

    Returns:
        `knn_accuracy`: of the majority genre of the five nearest neighbours by other artists (Flexer 2007: the same artist's
        would measure artists), over the `n_points` points whose genre has another artist here; None for a single genre.
        `knn_accuracy_ci95`: by `over_artists`. `trustworthiness` (Venna and Kaski 2001): of five neighbours, 1 if all of the
        map's neighbours are neighbours in `values`. `silhouette` of genres (Rousseeuw 1987): from -1 to 1.
    """
    labels, artists = np.asarray(labels), np.asarray(artists)
    known = answerable(labels, artists)
    correct = (nearest_genres(points, labels, artists) == labels)[known]
    rows = subsample(len(points), MEASURED_POINTS, seed)
    few_points, few_labels = np.asarray(points)[rows], labels[rows]
    separable = 2 <= len(np.unique(few_labels)) < len(rows)
    compared, neighbours = (np.asarray(values)[rows], few_points), min(NEIGHBOURS, max(0, len(rows) - 1) // 2)
    return {
        "knn_accuracy": float(correct.mean()) if known.any() else None,
        "knn_accuracy_ci95": list(over_artists(correct, artists[known], bounds=SHARE)) if known.any() else None,
        "n_points": int(known.sum()),
        "trustworthiness": float(trustworthiness(*compared, n_neighbors=neighbours)) if neighbours else None,
        "silhouette": float(silhouette_score(few_points, few_labels)) if separable else None,
    }


def answerable(labels, artists):
    """Returns for which points a neighbour by another artist can have the same genre, bools `(points,)`; none of one genre."""
    if len(np.unique(labels)) < 2:  # every neighbour would have it
        return np.zeros(len(labels), bool)
    pairs = np.unique(np.stack([labels, np.unique(np.asarray(artists), return_inverse=True)[1]]), axis=1)
    n_artists = np.bincount(pairs[0], minlength=np.max(labels) + 1)
    return n_artists[np.asarray(labels)] > 1


def nearest_genres(points, labels, artists, *, neighbours=NEIGHBOURS, chunk=512):
    """Returns the majority genre of each point's nearest neighbours by other artists; -1 where there are none.

    Ties go to the nearer. Memory grows with the number of points, not its square.

    Args:
        points, labels, artists: `(points, dimensions)`, ints from 0 `(points,)`, and `(points,)`.
    """
    points, labels = np.asarray(points, np.float64), np.asarray(labels)
    artists = np.unique(np.asarray(artists), return_inverse=True)[1]
    predicted = np.full(len(points), -1)
    k = min(neighbours, len(points))
    for first in range(0, len(points), chunk):
        part = slice(first, first + chunk)
        distance = cdist(points[part], points)
        distance[artists[part, None] == artists] = np.inf
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
        own = np.take_along_axis(distance, nearest, axis=1)
        order = np.argsort(own, axis=1, kind="stable")
        nearest, own = np.take_along_axis(nearest, order, axis=1), np.take_along_axis(own, order, axis=1)
        # A vote counts one, and a nearer one a little more, which only decides ties.
        weight = np.where(np.isfinite(own), 1.0 + 0.1 * 0.5 ** np.arange(1, k + 1), 0.0)
        votes = np.zeros((len(own), labels.max() + 1))
        np.add.at(votes, (np.arange(len(own))[:, None], labels[nearest]), weight)
        predicted[part] = np.where(weight.any(axis=1), votes.argmax(axis=1), -1)
    return predicted


def chance(points, labels, artists, *, seed=0):
    """Returns the k-nearest-neighbour accuracy of genres permuted over artists, a mean of 20; None if no genre has two.

    It is not 1 / genres: genres have different sizes, and leaving out the own artist leaves fewer of the own genre.
    """
    labels, rng, found = np.asarray(labels), np.random.default_rng(seed), []
    _, first, place = np.unique(np.asarray(artists), return_index=True, return_inverse=True)
    for _ in range(PERMUTATIONS):
        permuted = rng.permutation(labels[first])[place]
        known = answerable(permuted, artists)
        if known.any():
            found.append((nearest_genres(points, permuted, artists) == permuted)[known].mean())
    return float(np.mean(found)) if found else None
