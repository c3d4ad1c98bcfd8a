"""Clusters by k-means and Gaussian mixtures, and the agreement of clusters with genres."""

import contextlib
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

RESTARTS = 20  # of k-means and of the mixture, as published for DEC and IDEC


def kmeans(points, n_clusters, *, seed=0):
    """Returns (cluster of each point `(points,)`, centres `(clusters, features)`): the best of 20 starts of k-means."""
    check_points(points, n_clusters)
    with _quietly_in_one_thread():
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(points)
    return found.labels_, found.cluster_centers_


def gaussian_mixture(points, n_clusters, *, seed=0):
    """Returns the component of each point, `(points,)`: the best of 20 Gaussian mixtures with diagonal covariances."""
    check_points(points, n_clusters)
    with _quietly_in_one_thread():
        mixture = GaussianMixture(n_clusters, covariance_type="diag", n_init=RESTARTS, reg_covar=1e-3, random_state=seed)
        return mixture.fit_predict(np.asarray(points, np.float64))


def scores(clusters, labels):
    """Returns the agreement of clusters with labels, both ints `(points,)`, as a dict.

    `nmi`: normalised mutual information, arithmetic mean. `ari`: adjusted Rand index, 0 for a random partition. `accuracy`:
    after the best one-to-one match of clusters and labels (Hungarian method), above 1 / clusters for a random partition.
    All three are None where there is a single label, with which every partition agrees.
    """
    if len(np.unique(labels)) < 2:
        return dict.fromkeys(("nmi", "ari", "accuracy"))
    counts = contingency_matrix(labels, clusters)
    matched = counts[linear_sum_assignment(-counts)].sum()
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
        "accuracy": float(matched / len(labels)),
    }


def check_points(points, n_clusters):
    """Raises ValueError unless there are at least two clusters, a point for each, and the squares of all points are finite."""
    if not 2 <= n_clusters <= len(points):
        raise ValueError(f"n_clusters must be from 2 to the number of points. Received: {n_clusters} for {len(points)} points")
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(np.square(points)).reshape(len(points), -1).all(axis=1)
    if wrong.any():
        raise ValueError(f"Points must be finite, and so must their squares. Received: {wrong.sum()} points that are not")


@contextlib.contextmanager
def _quietly_in_one_thread():
    """Makes sums the same from run to run, and faster on few points; equal points that leave clusters empty are no warning."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        yield
