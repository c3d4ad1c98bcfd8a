"""The notebook of clusters, variance and interpolation, executed small; with all representations among the slow tests."""

import json

import pytest
from helpers import SMALL, check_executed, check_refused, ended_well

from fmalib.latent import representations

NAME = "06_clusters.ipynb"
CLUSTERINGS = {"kmeans", "gmm", "dec", "idec", "latent_kmeans", "pca_kmeans", "log_mel_kmeans"}
COLUMNS = {"loudness", "tempo", "spectral_centroid", "artist", "album", "genre", "numeric", "genre beyond numeric"}


def check_metrics(folder):
    """Checks metrics.json, and returns the metrics."""
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["clustering"]) >= CLUSTERINGS and set(metrics["clustering_converged"]) == {"dec", "idec"}
    for scores in metrics["clustering"].values():
        assert set(scores) == {"nmi", "ari", "accuracy"} and all(-1 <= score <= 1 for score in scores.values())
    assert COLUMNS <= set(metrics["variance_explained_by"]) == set(metrics["variance_explained"])
    for shares in metrics["variance_nested"].values():
        assert sum(shares.values()) == pytest.approx(1)
    return metrics


def test_the_notebook_runs(executed):
    check_executed(executed, NAME)


def test_metrics_of_the_small_run(executed):
    out = executed(NAME)
    metrics = check_metrics(out)
    assert metrics["n_segments"] == 48 and metrics["n_tracks"] == 16 and metrics["points"] == "test"
    assert metrics["n_clusters"] == 8 and metrics["n_clustered_segments"] == 48
    assert set(metrics["variance_nested"]) == {"latent", "mfcc"} and metrics["walk_less_crossfade_db"] < 20
    figures = {"variance", "levels", "dec", "clusters_over_updates", "clusters", "interpolation"}
    assert {path.stem for path in (out / "figures").iterdir()} == figures
    assert len(list((out / "audio").glob("interpolation_*.wav"))) == 12


@pytest.mark.parametrize(
    "options, message",
    [
        (["-p", "features", "latent,pixels"], "Received: 'pixels'"),
        (["-p", "clusters", "9", "-p", "cluster_points", "8"], "Received: clusters=9, cluster_points=8"),
    ],
)
def test_wrong_parameters_fail_with_one_clear_error(tmp_path, options, message):
    check_refused(NAME, tmp_path, options, message)


@pytest.mark.slow
def test_every_representation_and_twice_the_same(tmp_path):
    names = ",".join(["latent", *(name for name in representations.REPRESENTATIONS if name != "latent")])
    found = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        ended_well(NAME, folder, *SMALL, "-p", "features", names, "-p", "domain", "time", "-p", "latent", "16")
        found.append(check_metrics(folder))
    assert found[0] == found[1]


@pytest.mark.slow
def test_codewords_are_neither_trained_further_nor_interpolated(tmp_path):
    options = ["-p", "encoder", "sparse", "-p", "features", "log_mel", "-p", "cluster_points", "60", "-p", "clusters", "3"]
    text = ended_well(NAME, tmp_path, *SMALL, *options)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert "no DEC, no IDEC, no interpolation" in text and metrics["n_clustered_segments"] == 60
    assert "dec" not in metrics["clustering"] and metrics["walk_less_crossfade_db"] is None


@pytest.mark.slow
def test_real_music(real_music, tmp_path):
    options = ["-p", "dataset", "fma_small", "-p", "data_dir", str(real_music), "-p", "quick", "True"]
    text = ended_well(NAME, tmp_path, *options)
    assert "artists carry no accuracy claim" in text
    check_metrics(tmp_path)
