"""Clusters by k-means and Gaussian mixtures, and the agreement of clusters with genres."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

RESTARTS = 20  # of k-means and of the mixture, as published for DEC and IDEC


def kmeans(points, n_clusters, *, seed=0):
    """Returns (cluster of each point `(points,)`, centres `(clusters, features)`): the best of 20 starts of k-means."""
    check_points(points, n_clusters)
    with threadpool_limits(1):  # exact from run to run, and faster on this few points
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(points)
    return found.labels_, found.cluster_centers_


def gaussian_mixture(points, n_clusters, *, seed=0):
    """Returns the component of each point, `(points,)`: the best of 20 Gaussian mixtures with diagonal covariances."""
    check_points(points, n_clusters)
    with threadpool_limits(1):
        mixture = GaussianMixture(n_clusters, covariance_type="diag", n_init=RESTARTS, reg_covar=1e-3, random_state=seed)
        return mixture.fit_predict(np.asarray(points, np.float64))


def scores(clusters, labels):
    """Returns the agreement of clusters with labels, both ints `(points,)`, as a dict.

    `nmi`: normalised mutual information, arithmetic mean. `ari`: adjusted Rand index, 0 for a random partition. `accuracy`:
    after the best one-to-one match of clusters and labels (Hungarian method), above 1 / clusters for a random partition.
    """
    counts = contingency_matrix(labels, clusters)
    matched = counts[linear_sum_assignment(-counts)].sum()
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
        "accuracy": float(matched / len(labels)),
    }


def check_points(points, n_clusters):
    """Raises ValueError unless there are at least two clusters, and a point for each."""
    if not 2 <= n_clusters <= len(points):
        raise ValueError(f"n_clusters must be from 2 to the number of points. Received: {n_clusters} for {len(points)} points")
