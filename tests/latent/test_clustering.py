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
    assert clustering.scores(labels, np.zeros(6, int)) == {"nmi": None, "ari": None, "accuracy": None}  # one genre
    more = clustering.scores(np.arange(6), labels)  # more clusters than labels: three of them stay unmatched
    assert more["accuracy"] == pytest.approx(1 / 2)


def test_wrong_numbers_of_clusters():
    x, _ = blobs(20)
    with pytest.raises(ValueError, match="Received: 30 for 20 points"):
        clustering.kmeans(x, 30)
    with pytest.raises(ValueError, match="Received: 1 for 20"):
        clustering.gaussian_mixture(x, 1)
    for wrong in (np.nan, 1e30):  # the square of the second is no float32
        with pytest.raises(ValueError, match=r"Points must be finite.*Received: 2 points that are not"):
            clustering.kmeans(np.where(np.arange(20)[:, None] < 2, np.float32(wrong), x), 4)


@pytest.mark.filterwarnings("error")
def test_equal_points_are_one_cluster():
    same = np.ones((12, 3), np.float32)
    for found in (clustering.kmeans(same, 3)[0], clustering.gaussian_mixture(same, 3)):
        assert len(np.unique(found)) == 1
    two = same * np.repeat([0, 1], 6)[:, None]
    assert clustering.scores(clustering.kmeans(two, 3)[0], two[:, 0])["nmi"] == pytest.approx(1)
