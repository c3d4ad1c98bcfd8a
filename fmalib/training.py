"""Training over Keras's `fit`: run folders, train-or-load by content, exact resume.

A run folder `outputs/runs/<name>-<key>/` holds

    run.json            parameters, versions, data fingerprint, duration, and whether the run is finished
    history.csv         one row per epoch
    model.keras         the weights of the best epoch by validation loss
    best.weights.h5, backup.weights.h5      while it trains
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import time
from pathlib import Path

import filelock
import keras
import numpy as np
import pandas as pd

import fmalib
from fmalib import paths
from fmalib.progress import bar

MAX_EPOCHS = 200  # for which a learning-rate schedule is laid out
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "librosa", "soundfile", "soxr", "scikit-learn", "pandas")


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        directory: the run folder.
        model: with the weights of its best epoch.
        history: one row per epoch: losses, metrics and `seconds`.
        loaded: whether it was found rather than trained.
    """

    directory: Path
    model: keras.Model
    history: pd.DataFrame
    loaded: bool

    @property
    def seconds(self):
        """What the training took, over all its interruptions."""
        return float(self.history["seconds"].sum())

    def __str__(self):
        best = self.history["val_loss"].idxmin()
        return (
            f"{self.directory.name} {'found' if self.loaded else 'trained'}: {len(self.history)} epochs in "
            f"{self.seconds:.0f} s; best is epoch {best + 1}, validation loss {self.history['val_loss'][best]:.4g}"
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
    """Lets models that are built inside compute in half precision where there is a GPU; on a CPU it changes nothing."""
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
        first_epoch: epochs that an earlier phase of the training has had. The rate stays after 200 more.
    """
    later = [epoch for epoch in range(first_epoch + 1, first_epoch + MAX_EPOCHS) if epoch % every == 0]
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [(epoch - first_epoch) * steps_per_epoch - 1 for epoch in later],
        [initial * factor ** (epoch // every) for epoch in (first_epoch, *later)],
    )


def train_or_load(name, build, pipeline, *, epochs, seed, patience=10, runs_dir=None, progress=True):
    """Returns the `Run` of a model: found if the same was trained before, resumed if it was stopped, else trained.

    "The same" is decided by content: architecture, initial weights, optimizer, loss, and all of the arguments below. The
    model of the best epoch by validation loss is kept.

    Args:
        name: of the run, for people; part of the folder's name.
        build: function without arguments that returns the compiled model; called after seeding.
        pipeline: the `segments.Pipeline` to train on; the loss on its validation part selects the epoch and stops early.
        epochs: how many at the most.
        seed: of initial weights and crops.
        patience: epochs without improvement before it stops; None never stops early.
        runs_dir: parent folder; None means `fmalib.paths.runs_dir()`.
        progress: whether to show a bar.

    Raises:
        ValueError: `epochs` below 1.
        FloatingPointError: the loss became NaN or infinite; the run folder keeps its history.
    """
    if not isinstance(epochs, (int, np.integer)) or epochs < 1:
        raise ValueError(f"epochs must be a positive integer. Received: epochs={epochs!r}")
    set_seed(seed)
    model = build()
    settings = {**pipeline.content(), "epochs": int(epochs), "patience": patience, "seed": int(seed)}
    key = _content_key(model, settings)
    directory = (paths.resolve(runs_dir) if runs_dir else paths.runs_dir()) / f"{name}-{key}"
    directory.mkdir(parents=True, exist_ok=True)
    # Two sweeps may want the same autoencoder at the same time: the second waits, then finds it.
    with filelock.FileLock(directory / ".lock"):
        info = _read_json(directory / "run.json")
        loaded = bool(info and info["finished"]) and all(
            (directory / file).exists() for file in ("model.keras", "history.csv")
        )
        if not loaded:
            paths.write_json(directory / "run.json", _describe(name, settings, model, finished=False))
            started = time.perf_counter()
            _fit(model, pipeline, directory, epochs, seed, patience, progress)
            with paths.atomic(directory / "model.keras") as temporary:
                model.save(temporary)
            finished = _describe(name, settings, model, finished=True)
            finished["training_seconds"] = float(pd.read_csv(directory / "history.csv")["seconds"].sum())
            finished["wall_seconds_since_last_resume"] = time.perf_counter() - started
            paths.write_json(directory / "run.json", finished)
            for leftover in ("best.weights.h5", "backup.weights.h5"):
                (directory / leftover).unlink(missing_ok=True)
    # Loaded in either case, so that a second run cannot differ from the first.
    model = keras.models.load_model(directory / "model.keras", compile=False)
    return Run(directory, model, pd.read_csv(directory / "history.csv"), loaded)


def _fit(model, pipeline, directory, epochs, seed, patience, progress):
    """Trains to the end, from the last whole epoch on; leaves the best epoch's weights in the model."""
    backup, best, log = (directory / file for file in ("backup.weights.h5", "best.weights.h5", "history.csv"))
    model.optimizer.build(model.trainable_variables)
    first_epoch = 0
    if backup.exists():
        model.load_weights(backup)
        # In half precision, steps that overflow are skipped and not counted, hence the rounding up.
        first_epoch = -(-int(model.optimizer.iterations) // pipeline.steps_per_epoch)
    past = pd.read_csv(log) if log.exists() and first_epoch else pd.DataFrame({"val_loss": []})
    past = past[:first_epoch]  # a kill between the log and the backup leaves a row too many
    if first_epoch:
        with paths.atomic(log) as temporary:
            past.to_csv(temporary, index=False)
    else:
        log.unlink(missing_ok=True)
    shown = bar(initial=first_epoch, total=epochs, desc=directory.name.rpartition("-")[0], unit="epoch", progress=progress)
    callbacks = [
        Clock(),
        Reseed(seed),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.ModelCheckpoint(
            best, save_best_only=True, save_weights_only=True,
            initial_value_threshold=past["val_loss"].min() if len(past) else None,
        ),
        keras.callbacks.CSVLogger(log, append=True),
        Backup(backup),
        Bar(shown),
    ]
    if patience is not None:
        callbacks.append(ResumableEarlyStopping(past["val_loss"].tolist(), patience=patience))
    with shown:
        if first_epoch < epochs and not _stopped_early(past["val_loss"].tolist(), patience):
            model.fit(
                pipeline.crops(seed, first_epoch), validation_data=pipeline.held_out(), initial_epoch=first_epoch,
                epochs=epochs, steps_per_epoch=pipeline.steps_per_epoch, callbacks=callbacks, verbose=0,
                shuffle=False,  # the pipeline does it
            )
    losses = pd.read_csv(log)["val_loss"] if log.exists() else pd.Series(dtype=float)
    if losses.empty or not np.isfinite(losses.to_numpy()).all():
        raise FloatingPointError(
            f"The loss is no longer finite in epoch {len(losses)}: lower the learning rate, or look for broken audio. "
            f"Received: run {directory}"
        )
    model.load_weights(best)


def _stopped_early(losses, patience):
    """Returns whether early stopping had already ended a training with these validation losses."""
    return patience is not None and len(losses) - 1 - int(np.argmin(losses)) >= patience if losses else False


def _content_key(model, settings):
    """Returns a short hash of everything that decides a training's result."""
    architecture = json.loads(model.to_json())
    del architecture["compile_config"]["optimizer"]["config"]["name"]  # Keras numbers them: adam, adam_1
    digest = hashlib.sha256(json.dumps([architecture, settings], sort_keys=True).encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:10]


def _describe(name, settings, model, *, finished):
    """Returns what made a run: the content of `run.json`."""
    return {
        "name": name,
        "finished": finished,
        "settings": settings,
        "n_parameters": model.count_params(),
        "versions": versions(),
        "commit": _git_commit(),
    }


def versions():
    """Returns the versions of what decides results, as a dict of strings."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"fmalib": fmalib.__version__, "python": platform.python_version(), **packages, "platform": platform.platform()}


def _git_commit():
    """Returns fmalib's commit, with `+` if files differ from it; None where it is not a checkout."""
    checkout = Path(fmalib.__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=10"], cwd=checkout, capture_output=True,
            text=True, timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a power failure may leave an empty file
        return None


class Clock(keras.callbacks.Callback):
    """Adds the `seconds` of each epoch to its logs; comes first, so that the others see them."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = round(time.perf_counter() - self.started, 3)


class Reseed(keras.callbacks.Callback):
    """Makes the noise of an epoch (dropout, augmentation) a function of seed and epoch.

    Keras saves no layer's random state with its weights, so without this a resumed training would see other noise.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        states = [variable for variable in self.model.variables if variable.path.endswith("seed_generator_state")]
        for number, state in enumerate(states):
            state.assign(np.array([self.seed + number, epoch << 24], dtype=state.dtype))


class Backup(keras.callbacks.Callback):
    """Saves weights and optimizer after each epoch, in one file that is replaced as a whole.

    Keras's BackupAndRestore writes weights and epoch to two files, neither atomically: a kill in between repeats an epoch.
    Here the epoch follows from the optimizer's step count.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        if np.isfinite(logs["loss"]):
            with paths.atomic(self.path) as temporary:
                self.model.save_weights(temporary)


class Bar(keras.callbacks.Callback):
    """Moves a tqdm bar on by one each epoch and shows the losses beside it."""

    def __init__(self, shown):
        super().__init__()
        self.shown = shown

    def on_epoch_end(self, epoch, logs=None):
        self.shown.set_postfix({key: f"{value:.4g}" for key, value in logs.items() if key in ("loss", "val_loss")})
        self.shown.update()


class ResumableEarlyStopping(keras.callbacks.EarlyStopping):
    """Early stopping that first relives the epochs before an interruption."""

    def __init__(self, past_losses, **options):
        super().__init__(monitor="val_loss", mode="min", **options)
        self.past_losses = past_losses

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for epoch, loss in enumerate(self.past_losses):
            self.on_epoch_end(epoch, {"val_loss": loss})
