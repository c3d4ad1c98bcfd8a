"""Clusters, and their agreement with labels."""

import numpy as np
import pytest

from fmalib.latent import clustering


def blobs(n=200, k=4, spread=0.3):
    labels = np.arange(n) % k
    return (np.eye(k, 6)[labels] * 4 + np.random.default_rng(0).normal(size=(n, 6)) * spread).astype(np.float32), labels


@pytest.mark.parametrize("method", [lambda x, k: clustering.kmeans(x, k)[0], clustering.gaussian_mixture])
def test_clear_clusters_are_found(method):
    x, labels = blobs()
    assert clustering.scores(method(x, 4), labels) == {"nmi": pytest.approx(1), "ari": pytest.approx(1), "accuracy": 1}


def test_scores_match_clusters_with_labels():
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert clustering.scores(np.array([5, 5, 3, 3, 3, 9]), labels)["accuracy"] == pytest.approx(5 / 6)
    assert clustering.scores(np.zeros(6, int), labels) == {"nmi": 0, "ari": 0, "accuracy": pytest.approx(1 / 3)}
    more = clustering.scores(np.arange(6), labels)  # more clusters than labels: three of them stay unmatched
    assert more["accuracy"] == pytest.approx(1 / 2)


def test_wrong_numbers_of_clusters():
    x, _ = blobs(20)
    with pytest.raises(ValueError, match="Received: 30 for 20 points"):
        clustering.kmeans(x, 30)
    with pytest.raises(ValueError, match="Received: 1 for 20"):
        clustering.gaussian_mixture(x, 1)
