"""Training over Keras's `fit`: run folders, train-or-load by content, exact resume.

A run folder `outputs/runs/<name>-<key>/` holds

    run.json            parameters, versions, data fingerprint, duration, and checksums of the next two once it is finished
    history.csv         one row per epoch
    model.keras         the weights of the best epoch by validation loss, or of the last one
    best.weights.h5, backup.weights.h5      while it trains
"""

import contextlib
import dataclasses
import importlib.metadata
import platform
import subprocess
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

import fmalib
from fmalib import content, files, paths
from fmalib.data import audio_cache
from fmalib.progress import bar
from fmalib.training import callbacks, distribution

MAX_EPOCHS = 200  # of a learning-rate schedule
LAST = "last"  # as patience: nothing is selected on validation
DECISIVE = ("data.sources", "data.segments", "signal", "models", "training")  # code that decides what a training gives
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "librosa", "soundfile", "soxr", "scikit-learn", "pandas")


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        directory: the run folder.
        model: with the weights of its best epoch, or of the last one.
        history: one row per epoch: losses, metrics and `seconds`.
        loaded: whether it was found rather than trained.
    """

    directory: Path
    model: keras.Model
    history: pd.DataFrame
    loaded: bool

    @property
    def seconds(self):
        """Duration of the training, over all its interruptions."""
        return float(self.history["seconds"].sum())

    def __str__(self):
        best = self.history["val_loss"].idxmin()
        return (
            f"{self.directory.name} {'found' if self.loaded else 'trained'}: {len(self.history)} epochs in "
            f"{self.seconds:.0f} s; the lowest validation loss is {self.history['val_loss'][best]:.4g}, in epoch {best + 1}"
        )


def set_seed(seed):
    """Seeds Python, numpy and TensorFlow, and asks TensorFlow for deterministic kernels."""
    import tensorflow as tf

    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**31:
        raise ValueError(f"seed must be an integer from 0 to 2**31 - 1. Received: seed={seed!r}")
    keras.utils.set_random_seed(int(seed))
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def mixed_precision():
    """Makes models that are built inside compute in half precision where there is a GPU; does nothing on a CPU."""
    import tensorflow as tf

    before = keras.config.dtype_policy()
    if tf.config.list_physical_devices("GPU"):
        keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def staircase(initial, *, steps_per_epoch, factor=0.75, every=5, first_epoch=0):
    """Returns a learning-rate schedule: `initial`, times `factor` every `every` epochs, as in the original study.

    Args:
        first_epoch: epochs of an earlier phase of the training. The rate is constant after 200 more.
    """
    later = [epoch for epoch in range(first_epoch + 1, first_epoch + MAX_EPOCHS) if epoch % every == 0]
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [(epoch - first_epoch) * steps_per_epoch - 1 for epoch in later],
        [initial * factor ** (epoch // every) for epoch in (first_epoch, *later)],
    )


def train_or_load(name, model, pipeline, *, epochs, seed, patience=10, runs_dir=None, progress=True):
    """Returns the `Run` of a model: found if the same was trained before, resumed if it was stopped, else trained.

    "The same" is decided by content: layers, initial weights, optimizer, loss, metrics, the arguments below, the code and
    constants of `DECISIVE`, the code of the caller's own layers and loss, and the major versions of Keras and TensorFlow.
    Names of layers do not count, nor do the Python modules of registered classes. Global variables that the caller's own code
    reads are not compared. The model given stays untrained, so that the same call finds the run again.

    Args:
        name: of the run; part of the folder's name.
        model: compiled, built after `set_seed(seed)`; one that was built within `strategy.scope()` is trained by that strategy,
            see `fmalib.training.distribution`, which changes neither the run's name nor, but for rounding, its result.
        pipeline: the `fmalib.data.segments.Pipeline` to train on; the loss on its validation part selects the best epoch.
        epochs: the most epochs to train.
        seed: of crops and noise.
        patience: epochs without improvement before training stops; None never stops early; `LAST` trains all epochs too and
            keeps the last, for rates that fall to 0.
        runs_dir: parent folder; None means `fmalib.paths.runs_dir()`.
        progress: whether to show a bar.

    Raises:
        ValueError: `epochs` below 1, an impossible `seed`, or a model that is not compiled.
        FloatingPointError: the loss became NaN or infinite; the run folder keeps its history.
        OSError: the disk is full or read-only, or decoded audio is damaged (`audio_cache.damage_named`).
    """
    if not isinstance(epochs, (int, np.integer)) or epochs < 1:
        raise ValueError(f"epochs must be a positive integer. Received: epochs={epochs!r}")
    if not model.compiled:
        raise ValueError(f"The model must be compiled before training. Received: model={model.name!r}, not compiled")
    set_seed(seed)
    settings = {**pipeline.content(), "epochs": int(epochs), "patience": patience, "seed": int(seed)}
    with model.distribute_strategy.scope():  # which makes the optimizer's variables; Keras saves outside of it only
        key = content.key(content.training(model), content.code(*DECISIVE), settings, length=10)
    directory = (paths.resolve(runs_dir) if runs_dir else paths.runs_dir()) / f"{name}-{key}"
    there = distribution.by_chief(model, lambda: _finished(directory, say=False))
    loaded = bool(there) or _train_locked(name, model, pipeline, directory, settings, progress)
    # Read in either case, so that a second run cannot differ from the first. A copy has the names of the model given.
    trained = keras.models.clone_model(model)
    trained.load_weights(directory / "model.keras")
    return Run(directory, trained, pd.read_csv(directory / "history.csv"), loaded)


def _train_locked(name, model, pipeline, directory, settings, progress):
    """Trains unless another process does so meanwhile; returns whether it did."""
    # Two sweeps may want the same autoencoder at the same time: the second waits, then finds it.
    with distribution.locked(model, directory / ".lock"):
        if distribution.by_chief(model, lambda: _finished(directory)):
            return True
        with _left_as_it_was(model), audio_cache.damage_named(pipeline.cache):
            _train(name, model, pipeline, directory, settings, progress)
        return False


def _finished(directory, *, say=True):
    """Returns whether a run folder holds a whole training; `say`: whether to report damage."""
    info = files.read_json(directory / "run.json", say=say)
    for name, checksum in (info or {}).get("files", {}).items():
        file = directory / name
        if not file.exists() or files.digest(file).hex() != checksum:
            if say:
                files.report(file, "the model is trained again")
            return False
    return bool(info) and info["finished"]


@contextlib.contextmanager
def _left_as_it_was(model):
    """Puts back a model's weights, random states and optimizer after a training."""
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before):
            variable.assign(value)


def _train(name, model, pipeline, directory, settings, progress):
    """Trains to the end and fills the run folder."""
    info = {"name": name, "settings": settings, "n_parameters": model.count_params()}
    info |= {"versions": versions(), "commit": _git_commit()}
    if distribution.is_chief(model):
        files.write_json(directory / "run.json", {**info, "finished": False}, checksum=True)
    started = time.perf_counter()
    _fit(model, pipeline, directory, settings, progress)
    info["wall_seconds_since_last_resume"] = time.perf_counter() - started
    distribution.by_chief(model, lambda: _finish(model, directory, info))


def _finish(model, directory, info):
    """Writes the trained model, and that the run is finished."""
    with files.atomic(directory / "model.keras") as temporary:
        model.save(temporary)
    info["training_seconds"] = float(pd.read_csv(directory / "history.csv")["seconds"].sum())
    info["files"] = {name: files.digest(directory / name).hex() for name in ("model.keras", "history.csv")}
    files.write_json(directory / "run.json", {**info, "finished": True}, checksum=True)
    for leftover in ("best.weights.h5", "backup.weights.h5"):
        (directory / leftover).unlink(missing_ok=True)


def _fit(model, pipeline, directory, settings, progress):
    """Trains from the last whole epoch on; leaves the weights of the best epoch in the model, or of the last one."""
    epochs, seed, patience = settings["epochs"], settings["seed"], settings["patience"]
    backup, best, log = (directory / file for file in ("backup.weights.h5", "best.weights.h5", "history.csv"))
    best = None if patience == LAST else best
    first_epoch, past_losses = _resume(model, backup, best, log)
    shown = bar(initial=first_epoch, total=epochs, desc=directory.name.rpartition("-")[0], unit="epoch", progress=progress)
    watching = [callbacks.Clock(), callbacks.Reseed(seed), keras.callbacks.TerminateOnNaN()]
    if distribution.is_chief(model):
        watching += [callbacks.Best(best, min(past_losses, default=None))] if best else []
        watching += [keras.callbacks.CSVLogger(log, append=True), callbacks.Backup(backup, log), callbacks.Bar(shown)]
    if patience not in (None, LAST):
        watching.append(callbacks.ResumableEarlyStopping(past_losses, patience=patience))
    with shown:
        if first_epoch < epochs and not _stopped_early(past_losses, patience):
            distribution.prepare(model, pipeline.held_out())
            model.fit(
                distribution.shared(pipeline.crops(seed, first_epoch)),
                validation_data=distribution.shared(pipeline.held_out()),
                initial_epoch=first_epoch,
                epochs=epochs,
                steps_per_epoch=pipeline.steps_per_epoch,
                callbacks=watching,
                verbose=0,
                shuffle=False,  # the pipeline does it
            )
    distribution.by_chief(model)  # whose files are written by now
    _check_finite(log, directory)
    if best:
        model.load_weights(best)


def _resume(model, backup, best, log):
    """Returns (first epoch to train, validation losses before it); loads weights and optimizer of a stopped training."""
    first_epoch = distribution.by_chief(model, lambda: _restore(model, backup, best, log))
    if first_epoch and not distribution.is_chief(model):
        model.load_weights(backup)
    return first_epoch, pd.read_csv(log)["val_loss"].tolist() if first_epoch else []


def _restore(model, backup, best, log):
    """Returns the first epoch to train; loads a stopped training, or removes what is left of a damaged one."""
    needed = [backup, best] if best else [backup]
    if backup.exists() and all(map(files.is_whole, needed)):
        return callbacks.restore(model, backup, log) + 1
    for file in (*needed, log):
        file.unlink(missing_ok=True)
    return 0


def _check_finite(log, directory):
    """Raises FloatingPointError unless all logged validation losses are finite."""
    losses = pd.read_csv(log)["val_loss"] if log.exists() else pd.Series(dtype=float)
    if losses.empty or not np.isfinite(losses.to_numpy()).all():
        raise FloatingPointError(
            f"The loss is no longer finite in epoch {len(losses)}: lower the learning rate, or look for broken audio. "
            f"Received: run {directory}"
        )


def _stopped_early(losses, patience):
    """Returns whether early stopping had already ended a training with these validation losses."""
    return bool(losses) and patience not in (None, LAST) and len(losses) - 1 - int(np.argmin(losses)) >= patience


def versions():
    """Returns the versions of Python and of the packages that decide results, a dict of strings."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"fmalib": fmalib.__version__, "python": platform.python_version(), **packages, "platform": platform.platform()}


def _git_commit():
    """Returns fmalib's commit, with `+` if files differ from it; None where it is not a checkout."""
    checkout = Path(fmalib.__file__).resolve().parent.parent
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=10"]
    if (checkout / ".git").exists():
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=10).stdout.strip() or None
    return None
