import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import damage

from fmalib import files
from fmalib.data import audio_cache, datasets, segments
from fmalib.models import classifiers, original
from fmalib.training import callbacks, runs

LENGTH = 2048


@pytest.fixture
def pipeline(genre_folder, tmp_path):
    """Random crops and fixed segments of the two-genre folder."""
    data = datasets.load(str(genre_folder))
    decoded = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    train, validation = (segments.select(data, decoded, split, LENGTH)[0] for split in ("training", "validation"))
    return segments.Pipeline(decoded, train, validation, LENGTH, target="audio", batch_size=8, crops_per_track=2)


def build(latent=4, learning_rate=1e-3, loss="mse"):
    model = original.time_autoencoder(samples=LENGTH, latent=latent)
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    return model


def train(pipeline, folder, *, build=build, seed=0, **options):
    runs.set_seed(seed)
    options = {"epochs": 3, "progress": False, "runs_dir": folder} | options
    return runs.train_or_load("run", build(), pipeline, seed=seed, **options)


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def stop_before_backup(monkeypatch, stopped):
    """Makes trainings stop as by Ctrl-C in an epoch, between its log and its backup."""
    back_up = callbacks.Backup.on_epoch_end

    def interrupt(self, epoch, logs=None):
        if epoch == stopped:
            raise KeyboardInterrupt
        back_up(self, epoch, logs)

    monkeypatch.setattr(callbacks.Backup, "on_epoch_end", interrupt)


def losses(run):
    return run.history[["epoch", "loss", "val_loss"]]


def test_a_run_learns_and_says_what_made_it(pipeline, tmp_path):
    run = train(pipeline, tmp_path / "runs", epochs=5)
    assert run.history["val_loss"].iloc[-1] < run.history["val_loss"].iloc[0]
    assert sorted(path.name for path in run.directory.iterdir() if path.name != ".lock") == [
        "history.csv",
        "model.keras",
        "run.json",
    ]
    info = json.loads((run.directory / "run.json").read_text())
    assert info["finished"] and info["settings"]["seed"] == 0 and info["settings"]["epochs"] == 5
    assert info["settings"]["training"] == segments.fingerprint(pipeline.cache, pipeline.training)
    assert {"tensorflow", "keras", "numpy", "python", "fmalib"} <= set(info["versions"])
    assert info["training_seconds"] == pytest.approx(run.seconds) and run.seconds > 0
    assert info["n_parameters"] == run.model.count_params()


def test_the_model_of_the_best_epoch_is_kept(pipeline, tmp_path):
    run = train(pipeline, tmp_path / "runs", epochs=4, build=lambda: build(learning_rate=0.05))
    run.model.compile(loss="mse")
    loss = run.model.evaluate(pipeline.held_out(), verbose=0)
    assert loss == pytest.approx(run.history["val_loss"].min(), rel=1e-4)


def test_the_model_of_the_last_epoch_is_kept_if_asked_for(pipeline, tmp_path):
    """At this rate, one of the first epochs has the lowest validation loss."""
    options = {"epochs": 4, "build": lambda: build(learning_rate=0.1)}
    run = train(pipeline, tmp_path / "runs", patience=runs.LAST, **options)
    run.model.compile(loss="mse")
    logged, loss = run.history["val_loss"], run.model.evaluate(pipeline.held_out(), verbose=0)
    assert logged.idxmin() < 3 and loss == pytest.approx(logged.iloc[3], rel=1e-4)
    assert train(pipeline, tmp_path / "runs", patience=None, **options).directory != run.directory


def test_the_same_run_is_found_not_trained(pipeline, tmp_path, monkeypatch):
    first = train(pipeline, tmp_path / "runs")
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **options: pytest.fail("trained again"))
    second = train(pipeline, tmp_path / "runs")
    assert second.loaded and not first.loaded
    assert second.directory == first.directory and same_weights(first.model, second.model)
    pd.testing.assert_frame_equal(first.history, second.history)


def test_anything_that_changes_the_result_makes_another_run(pipeline, tmp_path, monkeypatch):
    class Started(Exception):
        pass

    def not_trained(model, pipeline, directory, *args):
        raise Started(directory)

    def directory(pipeline, **options):
        with pytest.raises(Started) as started:
            train(pipeline, tmp_path / "runs", **options)
        return started.value.args[0]

    monkeypatch.setattr(runs, "_fit", not_trained)
    relabelled = pipeline.training.assign(label=1 - pipeline.training["label"])
    directories = [
        directory(pipeline),
        directory(pipeline, epochs=2),
        directory(pipeline, patience=2),
        directory(pipeline, patience=None),
        directory(pipeline, patience=runs.LAST),
        directory(pipeline, seed=1),
        directory(pipeline, build=lambda: build(latent=5)),
        directory(pipeline, build=lambda: build(learning_rate=2e-3)),
        directory(pipeline, build=lambda: build(loss="mae")),
        directory(dataclasses.replace(pipeline, batch_size=4)),
        directory(dataclasses.replace(pipeline, training=relabelled)),
    ]
    assert len(set(directories)) == len(directories)
    assert directory(pipeline) == directories[0]


def test_the_same_seed_gives_the_same_weights(pipeline, tmp_path):
    one, other = train(pipeline, tmp_path / "one"), train(pipeline, tmp_path / "other")
    assert same_weights(one.model, other.model)
    pd.testing.assert_frame_equal(losses(one), losses(other))


@pytest.mark.parametrize(("stop_after", "patience"), [(1, 10), (3, 10), (3, runs.LAST)])
def test_an_interrupted_run_ends_as_an_undisturbed_one(pipeline, tmp_path, monkeypatch, stop_after, patience):
    options = {"epochs": 4, "patience": patience}
    undisturbed = train(pipeline, tmp_path / "undisturbed", **options)

    stop_before_backup(monkeypatch, stop_after)
    with pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path / "stopped", **options)
    monkeypatch.undo()
    resumed = train(pipeline, tmp_path / "stopped", **options)
    assert not resumed.loaded and same_weights(undisturbed.model, resumed.model)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))


@pytest.mark.slow
def test_dropout_augmentation_and_mixup_resume_exactly(pipeline, tmp_path, monkeypatch):
    """Keras saves no random state with the weights: every epoch's noise follows from seed and epoch instead."""
    noisy = dataclasses.replace(pipeline, target="label", length=8000, n_classes=2, mixup=0.3)

    def build():
        model = classifiers.genre_cnn(2, samples=8000, sample_rate=8000)
        model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")
        return model

    undisturbed = train(noisy, tmp_path / "undisturbed", build=build, epochs=3)

    stop_before_backup(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(noisy, tmp_path / "stopped", build=build, epochs=3)
    monkeypatch.undo()
    resumed = train(noisy, tmp_path / "stopped", build=build, epochs=3)
    assert not resumed.loaded and same_weights(undisturbed.model, resumed.model)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))


@pytest.fixture
def half_precision():
    """The precision of a GPU, here on the CPU."""
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_skipped_steps_do_not_move_the_epoch_of_a_resumed_training(pipeline, tmp_path, monkeypatch, half_precision):
    """Half precision skips steps whose gradients overflow, without counting them: more than an epoch of them here."""

    def build():
        model = original.time_autoencoder(samples=LENGTH, latent=4)
        model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3), initial_scale=2.0**40), "mse")
        return model

    undisturbed = train(pipeline, tmp_path / "undisturbed", build=build, epochs=6)
    stop_before_backup(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path / "stopped", build=build, epochs=6)
    monkeypatch.undo()
    (backup,) = (tmp_path / "stopped").rglob("backup.weights.h5")
    stopped = build()
    stopped.optimizer.build(stopped.trainable_variables)
    assert callbacks.restore(stopped, backup, tmp_path / "log.csv") == 3
    assert int(stopped.optimizer.iterations) < 3 * pipeline.steps_per_epoch
    resumed = train(pipeline, tmp_path / "stopped", build=build, epochs=6)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))
    assert same_weights(undisturbed.model, resumed.model)


def test_precision_is_full_without_a_gpu_and_half_with_one(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with runs.mixed_precision():
        assert keras.config.dtype_policy().name == "float32"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    with pytest.raises(RuntimeError), runs.mixed_precision():
        assert keras.config.dtype_policy().name == "mixed_float16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


TRAIN = """
import sys, time
import keras
from fmalib.data import audio_cache, datasets, segments
from fmalib.models import original
from fmalib.training import callbacks, runs
data = datasets.load(sys.argv[1])
decoded = audio_cache.build(data, 8000, cache_dir=sys.argv[2], progress=False)
train, validation = (segments.select(data, decoded, split, 2048)[0] for split in ("training", "validation"))
pipeline = segments.Pipeline(decoded, train, validation, 2048, target="audio", batch_size=8, crops_per_track=2)
runs.set_seed(0)
model = original.time_autoencoder(samples=2048, latent=4)
model.compile(keras.optimizers.Adam(1e-3), "mse")
end = callbacks.Backup.on_epoch_end
def slowly(self, epoch, logs=None):
    time.sleep(0.3)
    end(self, epoch, logs)
callbacks.Backup.on_epoch_end = slowly
runs.train_or_load("run", model, pipeline, epochs=8, seed=0, progress=False, runs_dir=sys.argv[3])
"""


def test_a_killed_run_ends_as_an_undisturbed_one(pipeline, genre_folder, tmp_path):
    undisturbed = train(pipeline, tmp_path / "undisturbed", epochs=8)
    folders = [str(genre_folder), str(tmp_path / "cache"), str(tmp_path / "killed")]
    process = subprocess.Popen([sys.executable, "-c", TRAIN, *folders], stderr=subprocess.DEVNULL)
    history = tmp_path / "killed" / undisturbed.directory.name / "history.csv"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (history.exists() and history.read_text().count("\n") >= 4):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert 3 <= history.read_text().count("\n") - 1 < 8
    assert not (history.parent / "model.keras").exists()
    resumed = train(pipeline, tmp_path / "killed", epochs=8)
    assert same_weights(undisturbed.model, resumed.model)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A function that trains once and returns a copy of its run in a folder."""
    kept = {}

    def copy(pipeline, folder):
        if not kept:
            kept["folder"] = tmp_path_factory.mktemp("finished")
            kept["run"] = train(pipeline, kept["folder"])
        shutil.copytree(kept["folder"], folder)
        return kept["run"]

    return copy


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "fmalib"]


# `make test-faults` tries all files with all kinds of damage.
@pytest.mark.parametrize("name, how", [("model.keras", "flipped"), ("history.csv", "a row short"), ("run.json", "empty")])
def test_a_damaged_run_is_named_and_trained_again(pipeline, tmp_path, finished, caplog, name, how):
    undisturbed = finished(pipeline, tmp_path / "runs")
    (file,) = (tmp_path / "runs").rglob(name)
    damage(file, how)
    again = train(pipeline, tmp_path / "runs")
    assert not again.loaded and same_weights(undisturbed.model, again.model)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(again))
    remedy = "it is made again" if name == "run.json" else "the model is trained again"
    assert said(caplog) == [f"{file} is damaged: {remedy}."]
    assert train(pipeline, tmp_path / "runs").loaded


STOPPED = [
    ("backup.weights.h5", "flipped"),
    ("best.weights.h5", "cut"),
    ("history.csv", "a row short"),
    ("run.json", "flipped"),
]


@pytest.mark.faults
@pytest.mark.parametrize("name, how", STOPPED)
def test_damage_to_a_stopped_run_changes_no_result(pipeline, tmp_path, finished, monkeypatch, caplog, name, how):
    undisturbed = finished(pipeline, tmp_path / "undisturbed")
    stop_before_backup(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path / "stopped")
    monkeypatch.undo()
    (file,) = (tmp_path / "stopped").rglob(name)
    damage(file, how)
    resumed = train(pipeline, tmp_path / "stopped")
    assert same_weights(undisturbed.model, resumed.model)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))
    expected = [] if name == "history.csv" else [f"{file} is damaged: it is made again."]  # the log is also in the backup
    assert said(caplog) == expected


def test_a_finished_run_is_found_where_nothing_may_be_written(pipeline, tmp_path, monkeypatch):
    run = train(pipeline, tmp_path / "runs")
    monkeypatch.setattr(files, "locked", lambda *args: pytest.fail("locked"))
    assert train(pipeline, tmp_path / "runs").loaded
    monkeypatch.undo()
    leftover = run.directory / f".{'0' * 12}.tmp.model.keras"
    leftover.write_text("x")
    (run.directory / "run.json").unlink()
    train(pipeline, tmp_path / "runs")
    assert not leftover.exists()


def test_damaged_audio_is_named_and_the_training_goes_on_after_it_is_mended(pipeline, genre_folder, tmp_path):
    undisturbed = train(pipeline, tmp_path / "undisturbed")
    shard = pipeline.cache.directory / pipeline.training["shard"].iloc[-1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(OSError, match=f"damaged; the next call makes it again.*{shard.name}"):
        train(pipeline, tmp_path / "runs")
    audio_cache.build(datasets.load(str(genre_folder)), 8000, cache_dir=tmp_path / "cache", progress=False)
    assert same_weights(undisturbed.model, train(pipeline, tmp_path / "runs").model)


def test_early_stopping_survives_an_interruption(pipeline, tmp_path, monkeypatch):
    def wild():
        return build(learning_rate=0.3)

    undisturbed = train(pipeline, tmp_path / "undisturbed", epochs=20, patience=2, build=wild)
    assert len(undisturbed.history) < 20
    stop_after = len(undisturbed.history) - 1  # between the last log and its backup

    stop_before_backup(monkeypatch, stop_after)
    with pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path / "stopped", epochs=20, patience=2, build=wild)
    monkeypatch.undo()
    resumed = train(pipeline, tmp_path / "stopped", epochs=20, patience=2, build=wild)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))
    assert same_weights(undisturbed.model, resumed.model)


def test_a_kill_between_the_end_and_the_model_file_trains_no_further(pipeline, tmp_path, monkeypatch):
    def wild():
        return build(learning_rate=0.3)

    monkeypatch.setattr(keras.Model, "save", lambda *args, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path / "runs", epochs=20, patience=2, build=wild)
    monkeypatch.undo()
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **options: pytest.fail("trained again"))
    assert len(train(pipeline, tmp_path / "runs", epochs=20, patience=2, build=wild).history) < 20


def test_a_loss_that_is_no_number_stops_with_one_clear_error(pipeline, tmp_path):
    def exploding():
        model = original.time_autoencoder(samples=LENGTH, latent=4)
        model.compile(keras.optimizers.SGD(1e30), "mse")
        return model

    with pytest.raises(FloatingPointError, match=r"no longer finite in epoch .*lower the learning rate.*Received: run"):
        train(pipeline, tmp_path / "runs", build=exploding)
    assert not list((tmp_path / "runs").rglob("model.keras"))


@pytest.mark.parametrize(
    "options, message", [({"epochs": 0}, "epochs=0"), ({"epochs": -1}, "epochs=-1"), ({"seed": -1}, "seed=-1")]
)
def test_wrong_numbers_are_named(pipeline, tmp_path, options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        train(pipeline, tmp_path / "runs", **options)


def test_the_staircase_is_the_studys():
    rate = runs.staircase(1e-3, steps_per_epoch=10, factor=0.75, every=5)
    assert [round(float(rate(epoch * 10)), 9) for epoch in (0, 4, 5, 10)] == [1e-3, 1e-3, 7.5e-4, 5.625e-4]
    assert float(rate(49)) == pytest.approx(1e-3)
    for first_epoch in (7, 20):
        later = runs.staircase(1e-3, steps_per_epoch=10, factor=0.75, every=5, first_epoch=first_epoch)
        for epoch in range(30):
            assert float(later(epoch * 10)) == pytest.approx(float(rate((first_epoch + epoch) * 10)), rel=1e-5)


def test_a_model_that_is_not_compiled_is_named(pipeline, tmp_path):
    with pytest.raises(ValueError, match=r"must be compiled.*Received: model='time_autoencoder', not compiled"):
        train(pipeline, tmp_path, build=lambda: original.time_autoencoder(samples=LENGTH, latent=4))


def variables(model):
    return [np.array(variable) for variable in [*model.variables, *model.optimizer.variables]]


def test_the_model_given_stays_as_it_was_and_finds_its_run_again(pipeline, tmp_path):
    runs.set_seed(0)
    model = build()
    model.optimizer.build(model.trainable_variables)
    before, options = variables(model), {"epochs": 2, "seed": 0, "progress": False, "runs_dir": tmp_path}
    first = runs.train_or_load("run", model, pipeline, **options)
    for one, other in zip(before, variables(model), strict=True):
        np.testing.assert_array_equal(one, other)
    second = runs.train_or_load("run", model, pipeline, **options)
    assert second.loaded and not first.loaded and same_weights(first.model, second.model)
    assert not same_weights(model, first.model)


class Halve(keras.layers.Layer):
    """A layer that is not registered with Keras, as a reader may write it in a notebook."""

    def call(self, x):
        return x / 2


def unnamed(names=(None, None)):
    """A model whose layers Keras names: `dense`, and `dense_1` in the next cell."""
    audio = keras.Input((LENGTH,))
    encoder = keras.Model(audio, keras.layers.Dense(4)(audio), name=names[0])
    x = keras.layers.Dropout(0.2)(Halve()(encoder(audio)))
    model = keras.Model(audio, keras.layers.Dense(LENGTH, name=names[1])(x))
    model.compile("adam", "mse")
    return model


def test_a_stopped_cell_that_is_run_again_goes_on_in_the_same_session(pipeline, tmp_path, monkeypatch):
    undisturbed = train(pipeline, tmp_path / "undisturbed", build=unnamed)

    stop_before_backup(monkeypatch, 2)
    runs.set_seed(0)
    model = unnamed()
    with pytest.raises(KeyboardInterrupt):
        runs.train_or_load("run", model, pipeline, epochs=3, seed=0, progress=False, runs_dir=tmp_path / "stopped")
    monkeypatch.undo()
    assert not same_weights(model, undisturbed.model)
    again = runs.train_or_load("run", model, pipeline, epochs=3, seed=0, progress=False, runs_dir=tmp_path / "stopped")
    pd.testing.assert_frame_equal(losses(undisturbed), losses(again))
    assert not again.loaded and same_weights(undisturbed.model, again.model)
    # A cell that is run anew builds a model with other names: it finds that run, under its own names.
    found = train(pipeline, tmp_path / "stopped", build=lambda: unnamed(names=("encoder", "frames")))
    assert found.loaded and same_weights(undisturbed.model, found.model)
    assert found.model.get_layer("encoder").output.shape == (None, 4) and found.model.get_layer("frames").units == LENGTH


def test_a_renamed_model_resumes_a_stopped_run(pipeline, tmp_path, monkeypatch):
    undisturbed = train(pipeline, tmp_path / "undisturbed", build=unnamed)

    stop_before_backup(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path / "stopped", build=unnamed)
    monkeypatch.undo()
    resumed = train(pipeline, tmp_path / "stopped", build=lambda: unnamed(names=("encoder", "frames")))
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))
    assert not resumed.loaded and same_weights(undisturbed.model, resumed.model)


@pytest.mark.slow
def test_a_model_trained_before_resumes_at_the_right_epoch(pipeline, tmp_path, monkeypatch):
    """An earlier training has left steps in the optimizer, which are no epochs of this one."""

    def trained_before():
        model, x = build(), np.full((8, LENGTH), 0.1, np.float32)
        model.fit(x, x, batch_size=1, shuffle=False, verbose=0)
        return model

    undisturbed = train(pipeline, tmp_path / "undisturbed", build=trained_before)

    stop_before_backup(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path / "stopped", build=trained_before)
    monkeypatch.undo()
    resumed = train(pipeline, tmp_path / "stopped", build=trained_before)
    pd.testing.assert_frame_equal(losses(undisturbed), losses(resumed))
    assert same_weights(undisturbed.model, resumed.model)
