"""The notebook of the latent space, executed small; with all methods and representations among the slow tests."""

import json

import pytest
from conftest import OPTIONS, SMALL, check_executed, papermill

from fmalib import embedding, representations

NAME = "04_latent_space.ipynb"
KEYS = {"knn_accuracy", "trustworthiness", "silhouette", "seconds"}
CLUSTERINGS = {"kmeans", "gmm", "dec", "idec", "pca_kmeans", "log_mel_kmeans"}
DEFAULT = ["latent", "untrained", "time", "denoising", "variational", "linear", "classifier", "log_mel", "mfcc"]
COLUMNS = {"loudness", "tempo", "spectral_centroid", "artist", "album", "genre"}


def check_metrics(folder, methods, features):
    """Looks at metrics.json and the files beside it."""
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["methods"]) == set(methods) and set(metrics["representations"]) == set(features)
    for of_methods in metrics["representations"].values():
        for scores in of_methods.values():
            assert KEYS <= set(scores) and 0 < scores["trustworthiness"] <= 1
            assert scores["knn_accuracy"] is None or 0 <= scores["knn_accuracy"] <= 1
    assert CLUSTERINGS <= set(metrics["clustering"])
    assert all(set(scores) == {"nmi", "ari", "accuracy"} for scores in metrics["clustering"].values())
    assert COLUMNS <= set(metrics["variance_explained_by"])
    for shares in metrics["variance_nested"].values():
        assert sum(shares.values()) == pytest.approx(1)
    assert (folder / "map.html").stat().st_size > 4_000_000
    return metrics


def test_the_notebook_runs(executed):
    check_executed(executed, NAME)


def test_metrics_of_the_small_run(executed):
    options = dict(zip(OPTIONS[NAME][1::3], OPTIONS[NAME][2::3]))
    metrics = check_metrics(executed(NAME), options["methods"].split(","), options["features"].split(","))
    assert metrics["n_segments"] == 48 and metrics["n_tracks"] == 16 and metrics["points"] == "test"
    # Two test tracks a genre are by one artist, so that no neighbour by another can tell the genre: there is no answer.
    assert metrics["methods"]["pca"]["knn_accuracy"] is None and metrics["methods"]["pca"]["n_points"] == 0
    assert -1 <= metrics["methods"]["lda"]["silhouette"] <= 1 and metrics["walk_less_crossfade_db"] < 20


@pytest.mark.parametrize(
    "options, message",
    [
        (["-p", "methods", "pca,isomap"], "Received: 'isomap'"),
        (["-p", "features", "latent,pixels"], "Received: 'pixels'"),
        (["-p", "points", "training"], "Received: points='training'"),
        (["-p", "clusters", "9", "-p", "cluster_points", "8"], "Received: cluster_points=8"),
    ],
)
def test_wrong_parameters_fail_with_one_clear_error(tmp_path, options, message):
    status, log, _ = papermill(NAME, tmp_path, *options)
    assert status != 0 and message in log and not (tmp_path / "metrics.json").exists()


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(part) for key, part in value.items() if key != "seconds"}
    return value


@pytest.mark.slow
def test_everything_by_name_and_twice_the_same(tmp_path):
    names = ["latent", *(name for name in representations.REPRESENTATIONS if name != "latent")]
    options = [*SMALL, "-p", "features", ",".join(names), "-p", "domain", "time", "-p", "latent", "16"]
    found = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        status, log, _ = papermill(NAME, folder, *options)
        assert status == 0, log[-3000:]
        found.append(check_metrics(folder, embedding.METHODS, names))
    assert without_seconds(found[0]) == without_seconds(found[1])


@pytest.mark.slow
def test_words_and_a_single_map(tmp_path):
    status, log, text = papermill(
        NAME, tmp_path, *SMALL, "-p", "encoder", "sparse", "-p", "methods", "umap", "-p", "features", "log_mel", "-p",
        "max_points", "60", "-p", "clusters", "3",
    )
    assert status == 0, log[-3000:]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert "no DEC, no IDEC, no walk" in text and metrics["n_segments"] == 60 and "dec" not in metrics["clustering"]


@pytest.mark.slow
def test_real_music_by_every_method(real_music, tmp_path):
    status, log, text = papermill(
        NAME, tmp_path, "-p", "dataset", "fma_small", "-p", "data_dir", str(real_music), "-p", "quick", "True",
    )
    assert status == 0, log[-3000:]
    assert "artists carry no accuracy claim" in text
    check_metrics(tmp_path, embedding.METHODS, DEFAULT)
