"""Maps of a latent space: every reducer to two dimensions by name, and what a map is worth, in numbers."""

import dataclasses
import functools
import time
import warnings

import numpy as np

from fmalib import evaluation

COMPONENTS = 50  # principal components that the other methods start from
FEWEST = 6  # points of a map
QUADRATIC_POINTS = 2000  # on which kernel PCA is fitted: its kernel has as many rows and columns; others are placed
SPARSITY = (0.3, 0.1, 0.03, 0.0)  # penalty of sparse PCA by the root of the number of points: the first that leaves both axes
JUDGED_POINTS = 2000  # on which trustworthiness and silhouette are measured: both compare all pairs
NEIGHBOURS = 5
DEALS = 20  # of labels over artists, for the accuracy by chance


@dataclasses.dataclass(frozen=True)
class Method:
    """A reducer.

    Attributes:
        title: as it stands above a map.
        axes: what its two axes are called.
        supervised: whether it is fitted with genres; then on training, and draws test.
        quadratic: whether time or memory grow with the square of the points that it is fitted on; then it is fitted on
            at most `QUADRATIC_POINTS` of them, and places the others.
    """

    title: str
    axes: str
    supervised: bool = False
    quadratic: bool = False


METHODS = {
    "pca": Method("PCA", "component"),
    "kernel_pca_rbf": Method("kernel PCA, rbf", "component", quadratic=True),
    "kernel_pca_poly": Method("kernel PCA, poly", "component", quadratic=True),
    "kernel_pca_sigmoid": Method("kernel PCA, sigmoid", "component", quadratic=True),
    "kernel_pca_cosine": Method("kernel PCA, cosine", "component", quadratic=True),
    "sparse_pca": Method("sparse PCA", "component"),
    "lda": Method("LDA (supervised)", "discriminant", supervised=True),
    "tsne": Method("t-SNE", "dimension"),
    "umap": Method("UMAP", "dimension"),
    "umap_supervised": Method("UMAP (supervised)", "dimension", supervised=True),
}


@dataclasses.dataclass(frozen=True)
class Map:
    """Points in the plane.

    Attributes:
        method: its name in `METHODS`.
        points: float32 `(points, 2)`, in the order of the values mapped.
        seconds: of fitting and placing, pre-steps included; not of compiling UMAP, once a process.
        n_fitted: points that it was fitted on.
    """

    method: str
    points: np.ndarray
    seconds: float
    n_fitted: int

    def __str__(self):
        return f"{METHODS[self.method].title}: {len(self.points)} points, fitted on {self.n_fitted}, {self.seconds:.1f} s"


def check(names):
    """Raises ValueError unless each is the name of a method."""
    for name in names:
        if name not in METHODS:
            raise ValueError(f"methods must be of {', '.join(METHODS)}. Received: {name!r}")


def subsample(n_points, most, seed):
    """Returns the rows that a cap leaves, in order: all, or `most` of them drawn by `seed`."""
    if most < 1:
        raise ValueError(f"At least one point must be left. Received: {most}")
    if n_points <= most:
        return np.arange(n_points)
    return np.sort(np.random.default_rng(seed).choice(n_points, most, replace=False))


def prepare(values):
    """Returns what maps start from: standardised features, then their (at most 50) principal components.

    Args:
        values: float array of shape `(points, features)`.

    Returns:
        float array of shape `(points, components)`; its mean squared norm is at most the number of features.
    """
    return _components(*_standardise(values, None))[0]


def plane(values):
    """Returns values `(points, features)` on the two axes along which they vary most, as they are: not standardised."""
    from sklearn.decomposition import PCA

    return PCA(2, svd_solver="full").fit_transform(values)


def embed(method, values, *, training=None, training_labels=None, seed=0, most=QUADRATIC_POINTS):
    """Returns the `Map` of values by a named method.

    Features are standardised first. Sparse PCA starts from these, since its components are made of few features; all others
    from their principal components, 50 at most. Kernels are scaled by the data: rbf by the median squared distance,
    poly (degree 3) and sigmoid by the mean squared norm. Supervised methods are fitted on training points with their
    genres and only place `values`; the others never see a genre and are fitted on `values` themselves. The same seed
    gives the same map.

    Args:
        method: a name in `METHODS`.
        values: float array of shape `(points, features)`.
        training, training_labels: `(points, features)` and ints `(points,)`, for supervised methods.
        seed: of what is random in a method, and of the subsample.
        most: points on which a quadratic method is fitted; t-SNE and UMAP take all.

    Raises:
        ValueError: an unknown method, too few points, values that are not finite or all the same, or too few training points
            for a supervised method.
    """
    from threadpoolctl import threadpool_limits

    check([method])
    values = _check(values)
    supervised = METHODS[method].supervised
    n_taught = n_genres = 0
    if training is not None and training_labels is not None:
        n_taught, n_genres = len(training), len(np.unique(training_labels))
    if supervised and (n_genres < 2 or n_taught <= n_genres):
        raise ValueError(
            f"{method} is supervised: it needs training points of two genres or more, and more points than genres. "
            f"Received: {n_taught} points of {n_genres} genres"
        )
    training = _check(training) if supervised else None
    if method.startswith("umap"):
        _compiled_umap()
    started = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings():  # one thread: the same sums in the same order
        warnings.filterwarnings("ignore", category=UserWarning, module="umap")  # of one thread, and of small graphs
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")  # of few neighbours
        scaled, fitted = _standardise(values, training)
        if method != "sparse_pca":
            scaled, fitted = _components(scaled, fitted)
        rows = subsample(len(fitted), most, seed) if METHODS[method].quadratic else np.arange(len(fitted))
        points = _reduce(method, scaled, fitted[rows], training_labels, seed)
    points = np.asarray(points, np.float32)
    return Map(method, points, time.perf_counter() - started, len(rows))


def _reduce(method, values, fitted, labels, seed):
    """Returns values `(points, components)` in the plane; `fitted` are the same but for quadratic and supervised methods."""
    if method == "pca":
        return values[:, :2]
    if method.startswith("kernel_pca"):
        return _kernel_pca(method.removeprefix("kernel_pca_"), fitted, seed).transform(values)
    if method == "sparse_pca":
        from sklearn.decomposition import SparsePCA

        # The penalty stands beside a sum over points: with scikit-learn's 1, nine of ten features would keep their weight.
        for share in SPARSITY:
            alpha = share * np.sqrt(len(fitted))
            sparse = SparsePCA(2, alpha=alpha, method="cd", max_iter=200, random_state=seed).fit(fitted)
            if sparse.components_.any(axis=1).all():
                break
        return sparse.transform(values)
    if method == "lda":
        return _discriminants(values, fitted, labels)
    if method == "tsne":
        from sklearn.manifold import TSNE

        return TSNE(2, perplexity=min(30.0, (len(values) - 1) / 3), init="pca", random_state=seed).fit_transform(values)
    reducer = _compiled_umap().UMAP(n_neighbors=min(15, len(fitted) - 1), random_state=seed, n_jobs=1)
    if method == "umap":
        return reducer.fit_transform(values)
    return reducer.fit(fitted, labels).transform(values)


@functools.cache
def _compiled_umap():
    """Returns umap, imported and compiled: 20 s, so only when asked for, and no part of a map's seconds."""
    import umap

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        few = np.random.default_rng(0).normal(size=(30, 4))
        reducer = umap.UMAP(n_neighbors=5, n_epochs=2, random_state=0, n_jobs=1)
        reducer.fit(few, np.arange(30) % 2).transform(few)
    return umap


def _kernel_pca(kernel, fitted, seed):
    from scipy.spatial.distance import pdist
    from sklearn.decomposition import KernelPCA

    norm = float((fitted**2).sum(axis=1).mean()) or 1.0
    few = fitted[subsample(len(fitted), 1000, seed)]
    scales = {"rbf": 1.0 / (float(np.median(pdist(few, "sqeuclidean"))) or 1.0), "poly": 1.0 / norm, "sigmoid": 1.0 / norm}
    offset = 1.0 if kernel == "poly" else 0.0
    # The sigmoid is no positive kernel: of all its eigenvalues some are negative, of the two largest none.
    return KernelPCA(
        2, kernel=kernel, gamma=scales.get(kernel), degree=3, coef0=offset, eigen_solver="arpack", random_state=seed
    ).fit(fitted)


def _discriminants(values, fitted, labels):
    """Returns the first two discriminants; of two genres there is one, and the largest component beside it."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=min(2, len(np.unique(labels)) - 1))
    points = lda.fit(fitted, labels).transform(values)
    return points if points.shape[1] == 2 else np.concatenate([points, values[:, :1]], axis=1)


def _standardise(values, fitted):
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values if fitted is None else fitted)
    scaled = scaler.transform(values)
    return scaled, scaled if fitted is None else scaler.transform(fitted)


def _components(values, fitted):
    from sklearn.decomposition import PCA

    pca = PCA(min(COMPONENTS, *fitted.shape), svd_solver="full").fit(fitted)
    return tuple(pca.transform(part) for part in (values, fitted))


def _check(values):
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or len(values) < FEWEST or values.shape[1] < 2:
        raise ValueError(f"A map needs {FEWEST} points or more, of two features or more. Received: shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"Values must be finite. Received: {(~np.isfinite(values)).any(axis=1).sum()} points that are not")
    if not np.ptp(values, axis=0).any():
        raise ValueError(f"All points are the same, so there is nothing to map: is it silence? Received: {len(values)} points")
    return values


def scores(points, values, labels, artists, *, seed=0):
    """Returns what a map is worth.

    Args:
        points: `(points, 2)`, or of any dimension.
        values: what it was made of, as by `prepare`: `(points, components)`.
        labels: genres, ints `(points,)`.
        artists: who made each, `(points,)`.
        seed: of the subsample of 2,000 points on which the last two are measured.

    Returns:
        dict of `knn_accuracy`: how often the five nearest neighbours by other artists tell the genre (Flexer 2007: with the
        same artist's, it measures artists), of points whose genre other artists here have too, `n_points` of them; its
        `knn_accuracy_ci95` by bootstrap over artists; `trustworthiness` (Venna and Kaski 2001) of five neighbours, 1 if all of the
        map's neighbours are neighbours before; `silhouette` of genres (Rousseeuw 1987), from -1 to 1. None where undefined.
    """
    from sklearn.manifold import trustworthiness
    from sklearn.metrics import silhouette_score

    labels, artists = np.asarray(labels), np.asarray(artists)
    predicted = nearest_genres(points, labels, artists)
    known = answerable(labels, artists)
    correct = (predicted == labels)[known]
    rows = subsample(len(points), JUDGED_POINTS, seed)
    few_points, few_labels = np.asarray(points)[rows], labels[rows]
    separable = 2 <= len(np.unique(few_labels)) < len(rows)
    neighbours = min(NEIGHBOURS, (len(rows) - 1) // 2)
    return {
        "knn_accuracy": float(correct.mean()) if known.any() else None,
        "knn_accuracy_ci95": list(evaluation.accuracy_interval(correct, artists[known])) if known.any() else None,
        "n_points": int(known.sum()),
        "trustworthiness": float(trustworthiness(np.asarray(values)[rows], few_points, n_neighbors=neighbours)),
        "silhouette": float(silhouette_score(few_points, few_labels)) if separable else None,
    }


def answerable(labels, artists):
    """Returns for which points a neighbour by another artist can have the same genre, bools `(points,)`."""
    pairs = np.unique(np.stack([labels, np.unique(np.asarray(artists), return_inverse=True)[1]]), axis=1)
    n_artists = np.bincount(pairs[0], minlength=np.max(labels) + 1)
    return n_artists[np.asarray(labels)] > 1


def nearest_genres(points, labels, artists, *, neighbours=NEIGHBOURS, chunk=512):
    """Returns the genre that most of a point's nearest neighbours by other artists have; -1 where all are by its own.

    Ties go to the nearer. Memory grows with the number of points, not its square.

    Args:
        points: `(points, dimensions)`.
        labels: ints from 0, `(points,)`.
        artists: `(points,)`.
    """
    from scipy.spatial.distance import cdist

    points, labels = np.asarray(points, np.float64), np.asarray(labels)
    who = np.unique(np.asarray(artists), return_inverse=True)[1]
    predicted = np.full(len(points), -1)
    for first in range(0, len(points), chunk):
        part = slice(first, first + chunk)
        distance = cdist(points[part], points)
        distance[who[part, None] == who] = np.inf
        k = min(neighbours, len(points))
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
        own = np.take_along_axis(distance, nearest, axis=1)
        order = np.argsort(own, axis=1, kind="stable")
        nearest, own = np.take_along_axis(nearest, order, axis=1), np.take_along_axis(own, order, axis=1)
        # A vote is worth one, and the nearer ones a little more, which only decides ties.
        worth = np.where(np.isfinite(own), 1.0 + 0.1 * 0.5 ** np.arange(1, k + 1), 0.0)
        votes = np.zeros((len(own), labels.max() + 1))
        np.add.at(votes, (np.arange(len(own))[:, None], labels[nearest]), worth)
        predicted[part] = np.where(worth.any(axis=1), votes.argmax(axis=1), -1)
    return predicted


def chance(points, labels, artists, *, seed=0):
    """Returns the k-nearest-neighbour accuracy when genres are dealt anew over artists: the mean of 20 deals; None if undefined.

    It is not 1 / genres: genres have different sizes, and leaving out the own artist leaves fewer of the own genre.
    """
    labels = np.asarray(labels)
    who, first, place = np.unique(np.asarray(artists), return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(DEALS):
        dealt = rng.permutation(labels[first])[place]
        known = answerable(dealt, artists)
        if known.any():
            found.append((nearest_genres(points, dealt, artists) == dealt)[known].mean())
    return float(np.mean(found)) if found else None
