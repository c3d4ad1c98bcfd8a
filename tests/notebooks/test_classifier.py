"""01 and 03 executed small, as a user would: by the papermill command; the network of 03 beside the library's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from helpers import NOTE, OPTIONS, REPOSITORY, SMALL, check_executed, check_refused, ended_well

NAME = "03_classifier.ipynb"
KEYS = {
    "dataset", "genres", "n_train_tracks", "n_test_tracks", "latent", "accuracy_segment", "accuracy_vote",
    "accuracy_vote_ci95", "macro_f1", "accuracy_shuffled", "accuracy_mfcc_svm", "train_seconds", "seed", "systems",
}  # fmt: skip
KEYS_SYSTEM = {"accuracy_segment", "accuracy_vote", "accuracy_vote_ci95", "macro_f1", "n_parameters", "seconds"}


def study_classifier(edit=lambda source: source):
    """Returns the function of the notebook's cell that builds the network; `edit` changes the cell's source first."""
    import keras
    from keras import layers

    from fmalib.models import original

    cells = nbformat.read(REPOSITORY / "notebooks" / NAME, 4).cells
    (source,) = [cell.source for cell in cells if cell.source.startswith("def study_classifier(")]
    namespace = {"keras": keras, "layers": layers, "original": original}
    exec(edit(source), namespace)
    return namespace["study_classifier"]


def study_encoder():
    """Returns an encoder from 8192 samples to a latent of 64 frames and 8 channels."""
    import keras
    from keras import layers

    samples = keras.Input((8192,), name="samples")
    x = layers.Reshape((8192, 1))(samples)
    return keras.Model(samples, layers.Conv1D(8, 128, strides=128, name="conv")(x), name="encoder")


def test_the_network_of_the_notebook_is_the_librarys():
    from fmalib.models import classifiers

    ours, theirs = study_classifier()(study_encoder(), 5), classifiers.latent_classifier(study_encoder(), 5)

    def configs(model):
        return [layer.get_config() for layer in model.layers if layer.name != "encoder"]

    assert configs(ours) == configs(theirs)
    assert [weight.shape for weight in ours.trainable_weights] == [weight.shape for weight in theirs.trainable_weights]
    ours.set_weights(theirs.get_weights())
    audio = np.random.default_rng(0).normal(size=(3, 8192)).astype(np.float32)
    np.testing.assert_array_equal(ours.predict(audio, verbose=0), theirs.predict(audio, verbose=0))


def test_the_patch_autoencoder_of_the_notebook_is_the_librarys():
    import keras
    from keras import layers

    from fmalib import content
    from fmalib.models import patch_autoencoder, sparse_layers
    from fmalib.training import runs

    cells = nbformat.read(REPOSITORY / "notebooks" / NAME, 4).cells
    (source,) = [cell.source for cell in cells if cell.source.startswith("def patch_autoencoder(")]
    namespace = {"keras": keras, "layers": layers, "KeepLargest": sparse_layers.KeepLargest}
    exec(source, namespace)
    keys = []
    for build in (namespace["patch_autoencoder"], patch_autoencoder.patch_autoencoder):
        runs.set_seed(0)
        keys.append(content.network(build(components=patch_autoencoder.COMPONENTS)))  # layers and first weights
    assert keys[0] == keys[1]


def test_the_shapes_in_the_comments_are_those_of_the_default_parameters():
    import keras

    sizes = keras.Input((131_072,)), keras.ops.zeros((1, 511, 32))
    encoder = keras.Model(sizes[0], keras.layers.Lambda(lambda x: sizes[1])(sizes[0]), name="encoder")
    source = []
    model = study_classifier(lambda text: source.append(text) or text)(encoder, 8)
    commented = [line.split("# (batch, ")[1].split(")")[0] for line in source[0].splitlines() if "# (batch, " in line]
    assert commented == [", ".join(map(str, layer.output.shape[1:])) for layer in model.layers]


def test_an_edited_network_is_the_one_that_the_systems_train(synth_data, tmp_path, monkeypatch):
    from fmalib.data import audio_cache
    from fmalib.genres import comparison, systems

    monkeypatch.setenv("FMALIB_RUNS", str(tmp_path))
    decoded = audio_cache.build(synth_data, 8000, progress=False)
    settings = {"epochs": {"autoencoder": 1, "frozen": 1}, "min_segments": 16, "progress": False}
    n_parameters = {}
    for filters in (32, 48):
        head = study_classifier(lambda source, filters=filters: source.replace("Conv1D(32,", f"Conv1D({filters},"))
        shared = comparison.prepare(synth_data, decoded, head=head, **settings)
        n_parameters[filters] = systems.run("latent_frozen", shared).n_parameters
    assert n_parameters[48] > n_parameters[32]
    assert len(list(tmp_path.glob("*_study_frozen-*"))) == 2


@pytest.mark.parametrize("name", ["01_data.ipynb", NAME])
def test_the_notebook_runs(executed, name):
    check_executed(executed, name)


def test_metrics_of_the_classifier(executed):
    metrics = json.loads((executed(NAME) / "metrics.json").read_text())
    assert set(metrics) >= KEYS
    assert (metrics["folds"], metrics["n_folds"]) == (0, 1)
    assert metrics["n_train_tracks"] == 16 and metrics["n_test_tracks"] == 16 and len(metrics["genres"]) == 8
    low, high = metrics["accuracy_vote_ci95"]
    assert 0 <= low <= metrics["accuracy_vote"] <= high <= 1
    # Two training tracks a genre are too few to learn from: the systems' own tests look at what they reach.
    asked = OPTIONS[NAME][-1].split(",")
    assert metrics["system"] == asked[0] and set(metrics["systems"]) == {*asked, f"shuffled_{asked[0]}", "mfcc_svm", "majority"}
    for summary in metrics["systems"].values():
        assert set(summary) >= KEYS_SYSTEM
        low, high = summary["accuracy_vote_ci95"]
        assert 0 <= low <= summary["accuracy_vote"] <= high <= 1 and 0 <= summary["accuracy_segment"] <= 1
    assert metrics["systems"][asked[0]]["accuracy_vote"] == metrics["accuracy_vote"]
    assert metrics["systems"]["majority"]["accuracy_vote"] == metrics["accuracy_majority"] == 1 / 8
    assert set(metrics["accuracy_leaky_random70"]) == {"mfcc_svm"}
    assert metrics["vote_curves"][asked[0]]["k"] == [1, 2, 3, 4, 5]
    kbps = metrics["bitrate_curve"]["kbps"]
    assert metrics["bitrate_curve"]["step"] == [3, 8, 24, 64, 144, 255] and kbps == sorted(kbps, reverse=True) and kbps[-1] > 0


def test_the_classifier_of_the_notebook_names_a_genre(executed, synth_data):
    out = executed(NAME)
    song = synth_data.root / synth_data.tracks["path"].iloc[0]
    command = [sys.executable, "-m", "fmalib", "classify", str(song), "--model", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"  {genre} " in done.stdout for genre in synth_data.genres) and NOTE in done.stdout


@pytest.mark.slow
def test_a_second_run_repeats_the_metrics_and_trains_nothing(executed, tmp_path):
    first = executed(NAME)
    runs = Path(os.environ["FMALIB_RUNS"])
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*.keras")}
    # From inside notebooks/, which must make no difference; with values as papermill hands them over.
    options = ["-r", "quick", "true", "-p", "tracks_per_genre", "6", "-p", "seed", "0.0", *OPTIONS[NAME]]
    text = ended_well(NAME, tmp_path, *options, cwd=REPOSITORY / "notebooks")
    assert (tmp_path / "metrics.json").read_text() == (first / "metrics.json").read_text()
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.keras")} == before
    # Two autoencoders and the head where they are trained, then the system and its control.
    assert text.count(" found: ") == 5 and " trained: " not in text and "Decoding" not in text


@pytest.mark.parametrize(
    "options, message",
    [
        (["-p", "latnt", "64"], "No such parameter"),
        (["-p", "latent", "0", *SMALL], "Received: latent=0"),
        (["-p", "segments", "0"], "Received: segments=0"),
        (["-p", "systems", "latent_finetuned,cnnn"], "Received: 'cnnn'"),
        (["-p", "systems", "majority"], "must name one that learns"),
        (["-p", "encoder", "sparse"], "Received: encoder='sparse'"),
        (["-p", "dataset", "fma_small", "-p", "data_dir", "nowhere"], "nowhere does not exist"),
        (["-p", "seed", "many"], "unchanged by -r seed VALUE. Received: seed='many' of type str"),
    ],
)  # fmt: skip
def test_wrong_parameters_fail_with_one_clear_error(tmp_path, options, message):
    check_refused(NAME, tmp_path, options, message)


@pytest.mark.slow
def test_a_folder_of_genres_is_cross_validated(genre_folder, tmp_path):
    options = ["-p", "dataset", str(genre_folder), "-p", "sample_rate", "8000", "-p", "quick", "True", "-p", "folds", "2"]
    options += ["-p", "systems", "mfcc_svm,latent_linear"]
    text = ended_well(NAME, tmp_path, *options)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["folds"], metrics["n_folds"]) == (2, 2)
    assert metrics["n_test_tracks"] == 20 and metrics["n_test_artists"] == 10  # every track
    assert "music, 2 folds by artist, 20 test tracks of 10 artists" in text and "LEAKY, 20 tracks" in text
    for summary in metrics["systems"].values():
        right = 20 * summary["accuracy_vote"]
        assert right == pytest.approx(round(right)) and len(summary["accuracy_vote_ci95"]) == 2
    assert metrics["accuracy_leaky_random70"].keys() == {"mfcc_svm"}
    assert metrics["learning_curves"]["patches_svm"]["n_tracks"][-1] == metrics["n_train_tracks"] == 6  # of a fold
    assert metrics["genres"] == ["High", "Low"] and "10 artists carry no accuracy claim" in text
    assert "The network above is not trained" in text


@pytest.mark.slow
def test_real_music(real_music, tmp_path):
    options = [
        "-p",
        "dataset",
        "fma_small",
        "-p",
        "data_dir",
        str(real_music),
        "-p",
        "quick",
        "True",
        "-p",
        "domain",
        "frequency",
    ]
    options += ["-p", "encoder", "sparse", "-p", "latent", "64", "-p", "systems", "latent_linear,latent_frozen"]
    text = ended_well(NAME, tmp_path, *options)
    assert "artists carry no accuracy claim" in text
    assert set(json.loads((tmp_path / "metrics.json").read_text())) >= KEYS
