"""Every system by name, small; what the results must be where the answer is known."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers import tone
from keras import layers

from fmalib.codec import listening
from fmalib.data import audio_cache, datasets
from fmalib.genres import codec_latent, comparison, evaluation, systems
from fmalib.models import classifiers, original
from fmalib.training import callbacks, runs

EPOCHS = {"autoencoder": 1, "frozen": 1, "finetuned": 1, "network": 1}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """The comparison of 24 artists with high and low noisy tones: an easy task."""
    root = tmp_path_factory.mktemp("systems")
    for genre, pitch in (("High", 1500), ("Low", 200)):
        for number in range(24):
            folder = root / "music" / genre / f"artist {genre} {number // 2}"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{number}.wav", tone(pitch + 10 * number, seed=number), 8000)
    data = datasets.load(str(root / "music"))
    decoded = audio_cache.build(data, 8000, cache_dir=root / "cache", progress=False)
    return comparison.prepare(data, decoded, latent=4, epochs=EPOCHS, min_segments=16, segments_per_track=3, progress=False)


@pytest.fixture(autouse=True)
def own_runs(monkeypatch, tmp_path_factory):
    """Runs of this module, apart from those of other tests."""
    folder = tmp_path_factory.getbasetemp() / "systems_runs"
    monkeypatch.setenv("FMALIB_RUNS", str(folder))


SLOW = ("bbnn", "audeep", "latent_lstm", "latent_pooled", "random_frozen", "patches_linear", "patches_random")
AT_8_KHZ = [name for name in systems.SYSTEMS if not name.startswith("pretrained")]  # those are in test_patch_latent
WHOLE_CLIPS = ("mfcc_svm", "patches_svm", "patches_linear", "patches_finetuned", "patches_random")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in AT_8_KHZ])
def test_every_system_runs_by_name_on_a_folder_of_genres(tones, name):
    result = systems.run(name, tones)
    n_rows = len(tones.test) * (1 if name in WHOLE_CLIPS else 3)
    assert result.name == name and result.probabilities.shape == (n_rows, 2) and len(result.rows) == n_rows
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, atol=1e-4)
    assert set(result.votes.index) == set(tones.test.index)
    summary = result.summary()
    assert {"accuracy_segment", "accuracy_vote", "accuracy_vote_ci95", "macro_f1", "n_parameters", "seconds"} <= set(summary)
    assert (summary["n_parameters"] > 0 and summary["seconds"] > 0) or name == "majority"
    assert (result.model is not None) == (name in ("cnn", "bbnn", "random_frozen") or name in LATENT_HEADS)


LATENT_HEADS = ("latent_frozen", "latent_finetuned", "latent_lstm", "latent_pooled")


@pytest.mark.parametrize("name", ["mfcc_svm", "mel_pca", "codec_linear"])
def test_an_easy_task_is_solved(tones, name):
    assert systems.run(name, tones).summary()["accuracy_vote"] == 1


def test_a_second_run_gives_exactly_the_same(tones):
    for name in ("latent_finetuned", "latent_linear", "mfcc_svm"):
        one, other = systems.run(name, tones), systems.run(name, tones)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert one.summary() == other.summary()


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_where_it_was(tones, tmp_path, monkeypatch):
    """Ctrl-C in the second system's second epoch: the first is found, the second goes on, both with the same results."""
    two = dataclasses.replace(tones, epochs={**EPOCHS, "network": 2})
    sweep = ("latent_frozen", "cnn")
    undisturbed = [systems.run(name, two) for name in sweep]
    monkeypatch.setenv("FMALIB_RUNS", str(tmp_path / "stopped"))
    backup = callbacks.Backup.on_epoch_end

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        backup(self, epoch, logs)

    monkeypatch.setattr(callbacks.Backup, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        [systems.run(name, two) for name in sweep]
    monkeypatch.setattr(callbacks.Backup, "on_epoch_end", backup)
    resumed = [systems.run(name, two) for name in sweep]
    assert " found: " in resumed[0].description and " trained: " in resumed[1].description
    for one, other in zip(undisturbed, resumed):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_another_seed_is_another_training(tones):
    one, other = systems.repeat("latent_frozen", tones, (0, 1))
    assert (one.seed, other.seed) == (0, 1)
    assert one.runs != other.runs and not np.array_equal(one.probabilities, other.probabilities)


def study_classifier(encoder, n_genres, filters=32):
    """Returns the study's head on an encoder, layer by layer, as a notebook builds it; Keras names the layers."""
    decay = original.l2_penalty(1e-5)
    encoder.trainable = False
    audio = keras.Input(encoder.input.shape[1:])
    x = layers.LayerNormalization(axis=(1, 2))(encoder(audio, training=False))
    for _ in range(2):
        x = layers.Conv1D(filters, 5, activation="relu", **decay)(x)
        x = layers.MaxPooling1D(5)(x)
    x = layers.Dense(100, activation="relu", **decay)(layers.Flatten()(x))
    return keras.Model(audio, layers.Dense(n_genres, activation="softmax", dtype="float32", **decay)(x))


@pytest.mark.parametrize("name", ["latent_finetuned", pytest.param("random_frozen", marks=pytest.mark.slow)])
def test_a_callers_head_equal_to_the_librarys_finds_the_same_runs(tones, name):
    library = systems.run(name, tones)
    own = systems.run(name, dataclasses.replace(tones, head=study_classifier))
    assert own.runs == library.runs and " trained: " not in own.description
    np.testing.assert_array_equal(own.probabilities, library.probabilities)


def test_a_callers_head_is_used_in_the_studys_systems_alone(tones):
    asked = []

    def head(encoder, n_genres):
        asked.append((encoder.input.shape[1], n_genres))
        return study_classifier(encoder, n_genres, filters=24)

    own = dataclasses.replace(tones, head=head)
    edited, library = systems.run("latent_frozen", own), systems.run("latent_frozen", tones)
    assert asked == [(tones.length, 2)] and edited.runs[0] == library.runs[0] and edited.runs[1] != library.runs[1]
    assert edited.n_parameters < library.n_parameters and edited.runs[1].startswith("time_study_4_mse_study_frozen-")
    assert systems.run("latent_linear", own).runs == systems.run("latent_linear", tones).runs and len(asked) == 1


def test_two_phases_outside_the_library_are_found_by_it(tones):
    """As in a notebook: `compiled` and `train_or_load` with the library's names and patience."""
    own, epochs = dataclasses.replace(tones, head=lambda *args: study_classifier(*args, filters=24)), tones.epochs
    autoencoder, pipeline = comparison.train_autoencoder(own, 0), own.pipeline()
    options = {"seed": 0, "patience": systems.PATIENCE, "progress": False}
    runs.set_seed(0)
    model = systems.compiled(own.head(comparison.encoder_for(own, autoencoder), 2), pipeline)
    frozen = runs.train_or_load(f"{autoencoder.name}_study_frozen", model, pipeline, epochs=epochs["frozen"], **options)
    runs.set_seed(0)
    model = systems.compiled(classifiers.unfrozen(frozen.model), pipeline, first_epoch=epochs["frozen"])
    tuned = runs.train_or_load(f"{autoencoder.name}_study_finetuned", model, pipeline, epochs=epochs["finetuned"], **options)
    result = systems.run("latent_finetuned", own)
    assert result.runs == (autoencoder.run, frozen.directory.name, tuned.directory.name)
    assert result.description.count(" found: ") == 2


@pytest.fixture(scope="module")
def synth_comparison():
    """Ten synthetic tracks a genre, with the sparse latent, which separates them before any training."""
    data = datasets.load("synth", tracks_per_genre=10)
    decoded = audio_cache.build(data, 8000, progress=False)
    options = {"epochs": EPOCHS, "min_segments": 16, "segments_per_track": 2, "progress": False}
    return comparison.prepare(data, decoded, domain="frequency", encoder="sparse", latent=64, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mfcc_svm", "latent_linear"])
def test_shuffled_labels_are_at_chance(synth_comparison, name):
    """Chance, 1 of 8, lies in the mean interval of six permutations; with true labels, the same system is above all six."""
    permuted = [systems.run(name, synth_comparison.with_permuted_labels(seed)).summary() for seed in range(6)]
    low, high = np.mean([each["accuracy_vote_ci95"] for each in permuted], axis=0)
    assert low <= 1 / 8 <= high
    # The interval of 16 test tracks is too wide to be above its end: machines differ by a track or two.
    highest = max(each["accuracy_vote"] for each in permuted)
    assert systems.run(name, synth_comparison).summary()["accuracy_vote"] > highest
    assert systems.run(systems.PERMUTED + name, synth_comparison).summary() == permuted[0]


def test_the_learning_curve_uses_more_tracks_with_more_artists(tones):
    curve = systems.learning_curve("latent_linear", tones, (0.3, 1.0))
    assert curve["share"].tolist() == [0.3, 1.0] and curve["n_tracks"].is_monotonic_increasing
    assert curve["n_tracks"].iloc[-1] == len(tones.training) > curve["n_tracks"].iloc[0]
    assert ((curve["low"] <= curve["accuracy"]) & (curve["accuracy"] <= curve["high"])).all()


@pytest.mark.slow
def test_the_curve_over_bitrates_holds_the_system_at_the_codecs_step(tones):
    curve, tracks = systems.bitrate_curve(tones, "svm").set_index("step"), tones.tracks
    usual = curve.loc[listening.USUAL]
    system = systems.run("codec_svm", tones).summary()
    assert tuple(curve.index) == codec_latent.STEPS and curve["kbps"].is_monotonic_decreasing
    assert usual[["accuracy", "low", "high"]].tolist() == [system["accuracy_vote"], *system["accuracy_vote_ci95"]]
    assert usual["kbps"] == codec_latent.bitrates(tones.cache, tracks, tones.length)[listening.USUAL]


@pytest.fixture(scope="module")
def two_folds(tones):
    """The comparisons of two folds of the tones."""
    settings = {"latent": 4, "epochs": EPOCHS, "min_segments": 16, "segments_per_track": 3, "progress": False}
    return [comparison.prepare(part, tones.cache, **settings) for part in datasets.folds(tones.data, 2)]


@pytest.mark.parametrize("name", ["mfcc_svm", "latent_linear", "codec_linear"])
def test_folds_test_every_track_once_and_select_nothing_on_it(two_folds, name):
    result = systems.run(name, two_folds)
    assert sorted(result.votes.index) == sorted(two_folds[0].data.tracks.index) and len(result.votes) == 48
    alone = [systems.run(name, fold) for fold in two_folds]
    right = sum((fold.votes["predicted"] == fold.votes["label"]).sum() for fold in alone)
    assert result.name == name and result.summary()["accuracy_vote"] == right / 48
    assert result.description == f"2 folds, the first: {alone[0].description}"
    permuted = [dataclasses.replace(fold, test=evaluation.permute_labels(fold.test, 1)) for fold in two_folds]
    other = systems.run(name, permuted)
    assert (other.rows["label"] != result.rows["label"]).any()
    np.testing.assert_array_equal(other.probabilities, result.probabilities)


def test_seeds_and_learning_curves_over_folds(two_folds):
    one, other = systems.repeat("mfcc_svm", two_folds, (0, 1))
    assert (one.seed, other.seed) == (0, 1) and len(one.rows) == 48
    curve = systems.learning_curve("mfcc_svm", two_folds, (0.5, 1.0))
    assert curve["n_tracks"].tolist()[1] == round(sum(len(fold.training) for fold in two_folds) / 2)
    assert curve["accuracy"].tolist()[1] == one.summary()["accuracy_vote"] == 1  # an easy task


def test_the_latent_of_the_codec_is_an_encoder_for_probes(tones):
    named = dataclasses.replace(tones, encoder=comparison.CODEC)
    found = systems.run("latent_linear", named)
    np.testing.assert_array_equal(found.probabilities, systems.run("codec_linear", tones).probabilities)
    names = ["latent_linear", "latent_frozen", "shuffled_latent_svm", "shuffled_random_encoder", "cnn"]
    assert systems.possible(names, comparison.CODEC) == ["latent_linear", "shuffled_latent_svm", "cnn"]
    assert systems.possible(names, "study") == names
    for name in systems.OF_NETWORKS:
        with pytest.raises(ValueError, match=r"name latent_linear, latent_knn or latent_svm. Received: encoder='learned'"):
            systems.run(name, named)


def test_names_are_checked(tones):
    for name in ("svm", "shuffled_", "shuffled_majority", "latent_finetuned "):
        with pytest.raises(ValueError, match=r"systems must be of latent_frozen.*Received: "):
            systems.run(name, tones)
    systems.check([*systems.SYSTEMS, "shuffled_cnn"])
    assert all(systems.describe(name) == system.description for name, system in systems.SYSTEMS.items())
    assert systems.describe("shuffled_cnn").endswith("on permuted labels")


def test_a_probe_of_a_fold_is_selected_on_validation_and_then_trained_on_it_too(tones):
    """Only the test predictions change; what validation says is from before, and no test track counts."""
    before, after = (systems.run("mfcc_svm", dataclasses.replace(tones, refit=refit)) for refit in (False, True))
    assert before.description == after.description
    np.testing.assert_array_equal(before.validation_probabilities, after.validation_probabilities)
    assert not np.array_equal(before.probabilities, after.probabilities)
    fewer = dataclasses.replace(tones, refit=True, test=tones.test.iloc[::2])
    np.testing.assert_array_equal(systems.run("mfcc_svm", fewer).probabilities, after.probabilities[::2])
    assert dataclasses.replace(tones, refit=True).with_artists(0.5, 0).refit is False


def test_a_network_of_a_fold_is_trained_once_more_on_validation_too(tones, monkeypatch):
    """Only the test predictions change: they are of a second run, on the tracks of both and on no test track."""
    before = systems.run("cnn", tones)
    trained = []
    train_or_load = runs.train_or_load

    def watched(name, model, pipeline, **options):
        trained.append((set(pipeline.training.index), options["patience"]))
        return train_or_load(name, model, pipeline, **options)

    monkeypatch.setattr(runs, "train_or_load", watched)
    after = systems.run("cnn", dataclasses.replace(tones, refit=True))
    alone = set(tones.training.index)
    assert sorted(trained, key=str) == sorted([(alone | set(tones.validation.index), runs.LAST), (alone, runs.LAST)], key=str)
    assert after.runs[0] == before.runs[0] and len(after.runs) == 2 and after.seconds > before.seconds
    assert after.description.count("validation loss") == 1 and after.description.endswith(f"; {after.runs[1]}: validation too")
    np.testing.assert_array_equal(before.validation_probabilities, after.validation_probabilities)
    assert not np.array_equal(before.probabilities, after.probabilities)
    pd.testing.assert_frame_equal(before.histories["network"], after.histories["network"])


def test_the_rate_of_a_network_falls_to_zero_and_that_of_a_head_by_steps(tones):
    pipeline = tones.pipeline()
    network = systems.compiled(keras.Sequential([keras.Input((2,)), layers.Dense(2)]), pipeline, epochs=3).optimizer
    rates = [float(network._learning_rate(step)) for step in range(3 * pipeline.steps_per_epoch + 1)]
    assert rates[0] == pytest.approx(1e-3) and rates[-1] == pytest.approx(0, abs=1e-9) and np.all(np.diff(rates) < 0)
