"""Keras callbacks that make a training resumable and its epochs visible."""

import time

import h5py
import keras
import numpy as np

from fmalib import files

LOG = "history.csv"  # data set in a backup


class Clock(keras.callbacks.Callback):
    """Adds the `seconds` of each epoch to its logs; must be the first callback, so that the others see them."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = round(time.perf_counter() - self.started, 3)


class Reseed(keras.callbacks.Callback):
    """Makes the noise of an epoch (dropout, augmentation) a function of seed and epoch.

    Keras saves no random state with the weights, so a resumed training would see other noise without this.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        states = [variable for variable in self.model.variables if variable.path.endswith("seed_generator_state")]
        for number, state in enumerate(states):
            state.assign(np.array([self.seed + number, epoch << 24], dtype=state.dtype))


class Best(keras.callbacks.Callback):
    """Saves the weights of the best epoch by validation loss, in a file with a checksum that is replaced as a whole.

    Keras's ModelCheckpoint writes in place and without a checksum.
    """

    def __init__(self, path, lowest=None):
        super().__init__()
        self.path = path
        self.lowest = np.inf if lowest is None else lowest

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.lowest:
            self.lowest = logs["val_loss"]
            with files.sealed(self.path) as temporary:
                self.model.save_weights(temporary)


class Backup(keras.callbacks.Callback):
    """Saves weights, optimizer, epoch and log after each epoch, in one file with a checksum; see `restore`.

    Keras's BackupAndRestore writes weights and epoch to two files, neither atomically: a kill in between repeats an epoch. An
    epoch cannot be counted by the optimizer's steps: in half precision, steps that overflow are skipped.

    Args:
        path: of the file, which is replaced as a whole.
        log: path of the CSV file with a row an epoch, written before.
    """

    def __init__(self, path, log):
        super().__init__()
        self.path, self.log = path, log

    def on_epoch_end(self, epoch, logs=None):
        if np.isfinite(logs["loss"]):
            with files.sealed(self.path) as temporary:
                self.model.save_weights(temporary)
                with h5py.File(temporary, "a") as file:
                    file.attrs["epoch"] = epoch
                    file[LOG] = np.frombuffer(self.log.read_bytes(), np.uint8)  # an attribute holds 64 KiB at most


def restore(model, path, log):
    """Returns the last epoch in a file by `Backup`; loads its weights and optimizer into the model, and writes the log."""
    model.load_weights(path)
    with h5py.File(path) as file, files.atomic(log) as temporary:
        temporary.write_bytes(file[LOG][()].tobytes())
        return int(file.attrs["epoch"])


class Bar(keras.callbacks.Callback):
    """Advances a tqdm bar by one each epoch and shows the losses beside it."""

    def __init__(self, shown):
        super().__init__()
        self.shown = shown

    def on_epoch_end(self, epoch, logs=None):
        self.shown.set_postfix({key: f"{value:.4g}" for key, value in logs.items() if key in ("loss", "val_loss")})
        self.shown.update()


class ResumableEarlyStopping(keras.callbacks.EarlyStopping):
    """Early stopping that replays logged losses first, so that patience survives a restart."""

    def __init__(self, past_losses, **options):
        super().__init__(monitor="val_loss", mode="min", **options)
        self.past_losses = past_losses

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for epoch, loss in enumerate(self.past_losses):
            self.on_epoch_end(epoch, {"val_loss": loss})
