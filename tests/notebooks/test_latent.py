"""The notebook of maps, executed small; with all methods and representations among the slow tests."""

import json

import nbformat
import pytest
import soundfile
from helpers import OPTIONS, REPOSITORY, SMALL, check_executed, check_refused, ended_well, tone

from fmalib.latent import maps, representations

NAME = "04_latent_space.ipynb"
KEYS = {"knn_accuracy", "knn_accuracy_ci95", "n_points", "trustworthiness", "silhouette", "seconds", "n_fitted"}
DEFAULT = ["patches", "patches_untrained", "latent", "untrained", "denoising", "linear"]
DEFAULT += ["classifier", "codec", "log_mel", "mfcc"]


def check_metrics(folder, methods, features):
    """Checks metrics.json and the files beside it, and returns the metrics."""
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["methods"]) == set(methods) and set(metrics["representations"]) == set(features)
    assert set(metrics["knn_accuracy_without_map"]) == set(features)
    for of_methods in metrics["representations"].values():
        for scores in of_methods.values():
            assert set(scores) == KEYS and 0 < scores["trustworthiness"] <= 1
            assert scores["knn_accuracy"] is None or 0 <= scores["knn_accuracy"] <= 1
    assert {path.stem for path in (folder / "figures").iterdir()} == {"maps", "accuracies", "representations"}
    assert (folder / "map.html").stat().st_size > 4_000_000
    return metrics


def test_the_notebook_runs(executed):
    check_executed(executed, NAME)


def test_metrics_of_the_small_run(executed):
    options = dict(zip(OPTIONS[NAME][1::3], OPTIONS[NAME][2::3]))
    metrics = check_metrics(executed(NAME), options["methods"].split(","), options["features"].split(","))
    assert metrics["n_segments"] == 48 and metrics["n_tracks"] == 16 and metrics["points"] == "test"
    # Two test tracks a genre are by one artist, so no neighbour by another artist has the genre: accuracy is undefined.
    assert metrics["methods"]["pca"]["knn_accuracy"] is None and metrics["methods"]["pca"]["n_points"] == 0
    assert -1 <= metrics["methods"]["lda"]["silhouette"] <= 1


@pytest.mark.slow
def test_the_reducers_are_those_of_the_library():
    cells = [cell.source for cell in nbformat.read(REPOSITORY / "notebooks" / NAME, 4).cells if cell.cell_type == "code"]
    variables = {}
    for source in cells:
        if "from umap import" in source or source.startswith("reducers = {"):
            exec(source, variables)
    assert list(variables["reducers"]) == list(maps.METHODS)
    for name, estimator in variables["reducers"].items():
        own = maps.METHODS[name].estimator()
        assert type(estimator) is type(own) and estimator.get_params() == own.get_params(), name


@pytest.mark.parametrize(
    "options, message",
    [
        (["-p", "methods", "pca,isomap"], "Received: 'isomap'"),
        (["-p", "features", "latent,pixels"], "Received: 'pixels'"),
        (["-p", "features", ","], "features must name one or more of latent, frequency"),
        (["-p", "points", "training"], "Received: points='training'"),
    ],
)
def test_wrong_parameters_fail_with_one_clear_error(tmp_path, options, message):
    check_refused(NAME, tmp_path, options, message)


@pytest.fixture(scope="module")
def one_genre(tmp_path_factory):
    """A folder of one genre: ten wav files of 10 s at 8 kHz, artists unknown."""
    folder = tmp_path_factory.mktemp("music")
    (folder / "Only").mkdir()
    for number in range(10):
        soundfile.write(folder / "Only" / f"{number}.wav", tone(300 + 40 * number, 10.0, seed=number), 8000)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("methods, drawn", [("pca,lda", ["pca"]), ("lda", [])])
def test_one_genre_is_mapped_without_what_needs_two(one_genre, tmp_path, methods, drawn):
    options = ["-p", "quick", "True", "-p", "methods", methods, "-p", "features", "classifier,mfcc", "-p", "epochs", "1"]
    text = ended_well(NAME, tmp_path, "-p", "dataset", str(one_genre), *options, "-p", "min_segments", "1")
    assert "Representations left out, since they need genres or a network of the encoder: classifier." in text
    assert "Skipped mfcc, lda: No map by lda: it is supervised" in text and ("There is no map of the mfcc" in text) != bool(
        drawn
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["skipped"]) == {"mfcc, lda", "classifier"} and metrics["features"] == "mfcc"
    assert [method for method, scores in metrics["methods"].items() if scores] == drawn and metrics["methods"]["lda"] is None
    assert metrics["knn_accuracy_chance"] is None and metrics["knn_accuracy_without_map"] == {"mfcc": None}
    assert all(scores["knn_accuracy"] is scores["silhouette"] is None for scores in metrics["methods"].values() if scores)
    figures = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert figures == ({"maps", "representations"} if drawn else set())
    assert (tmp_path / "map.html").exists() == bool(drawn) == bool(list((tmp_path / "audio").iterdir()))


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
        ended_well(NAME, folder, *options)
        found.append(check_metrics(folder, maps.METHODS, names))
    assert without_seconds(found[0]) == without_seconds(found[1])


@pytest.mark.slow
def test_codewords_and_a_single_map(tmp_path):
    options = ["-p", "encoder", "sparse", "-p", "methods", "umap", "-p", "features", "log_mel", "-p", "max_points", "60"]
    ended_well(NAME, tmp_path, *SMALL, *options)
    assert check_metrics(tmp_path, ["umap"], ["log_mel"])["n_segments"] == 60


@pytest.mark.slow
def test_real_music_by_every_method(real_music, tmp_path):
    options = ["-p", "dataset", "fma_small", "-p", "data_dir", str(real_music), "-p", "quick", "True"]
    text = ended_well(NAME, tmp_path, *options)
    assert "artists carry no accuracy claim" in text
    check_metrics(tmp_path, maps.METHODS, DEFAULT)
