"""Patches of music for a `patch_autoencoder`, its training, and the file that holds a trained one."""

import dataclasses
import itertools
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from fmalib import content, files
from fmalib import paths as paths_of
from fmalib.data import audio, audio_cache
from fmalib.models import patch_autoencoder
from fmalib.progress import bar
from fmalib.signal import mel
from fmalib.training import runs

PATCHES = 100_000  # of training; one in ten as many are for validation
FITTED = 30_000  # on which the whitening is fitted
LONGEST = 600  # recordings: five hours of clips of 30 s; in one run, two hours were no better than one
BATCH_SIZE, EPOCHS = 1024, 10
LEARNING_RATE = 2e-3  # falls to 0 along a cosine
PACKAGE = Path(__file__).parent / "weights" / "patches.npz"
NAMES = ("mean", "components", "kernel", "bias", "active", "sample_rate")  # arrays of a file


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patches:
    """Whitened patches of music, as `fmalib.training.runs` wants its data.

    Attributes:
        training, validation: float32 `(patches, components)`.
        whitening: the `patch_autoencoder.Whitening` fitted on training patches.
        sample_rate: of the music, in Hz.
        hours: of music that patches were drawn from.
        key: tells this music from other music.
    """

    training: np.ndarray
    validation: np.ndarray
    whitening: patch_autoencoder.Whitening
    sample_rate: int
    hours: float
    key: str
    cache = None  # no decoded audio is read in training

    @property
    def steps_per_epoch(self):
        """Batches in an epoch of training."""
        return max(1, len(self.training) // BATCH_SIZE)

    def content(self):
        """Returns plain values that identify the patches."""
        return {"patches": self.key, "n_patches": len(self.training), "batch_size": BATCH_SIZE}

    def crops(self, seed, first_epoch=0):
        """Returns the training data, endless, in a new order each epoch: batches of (patches, patches)."""

        def batches():
            for epoch in itertools.count(first_epoch):
                order = np.random.default_rng([seed, epoch]).permutation(len(self.training))
                for step in range(self.steps_per_epoch):
                    some = self.training[order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]]
                    yield some, some

        batch = tf.TensorSpec((None, self.training.shape[1]), tf.float32)
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return tf.data.Dataset.from_generator(batches, output_signature=(batch, batch)).apply(endless).prefetch(2)

    def held_out(self):
        """Returns the validation data."""
        return tf.data.Dataset.from_tensor_slices((self.validation, self.validation)).batch(BATCH_SIZE)


def of_tracks(cache, training, validation, *, paths=(), seed=0, progress=True):
    """Returns the `Patches` of tracks and sound files.

    Args:
        cache: decoded audio, as by `audio_cache.build`.
        training, validation: ids of tracks, of which 600 at most are read; without any for validation, training serves.
        paths: sound files for training besides.
        seed: of the places of patches.
        progress: whether to show bars.

    Raises:
        ValueError: no recording lasts a second.
    """
    some, held = (list(ids)[:: -(-max(len(ids), 1) // LONGEST)] for ids in (training, validation))
    signals = (audio.to_float(samples) for _, samples in audio_cache.read(cache, some))
    shown = bar(signals, total=len(some), desc="Spectrograms", unit="track", progress=progress)
    pictures = [*spectrograms(shown, cache.sample_rate), *of_music(paths, cache.sample_rate, progress=progress)]
    others = list(spectrograms((audio.to_float(samples) for _, samples in audio_cache.read(cache, held)), cache.sample_rate))
    key = content.key(cache.key, some, held, sound_facts(paths), seed, length=16)
    return drawn(pictures, others, cache.sample_rate, key=key, seed=seed)


def of_files(paths, sample_rate=patch_autoencoder.SAMPLE_RATE, *, seed=0, progress=True):
    """Returns the `Patches` of sound files, every tenth of which is for validation; the rest as for `of_tracks`."""
    held = paths[9::10]
    parts = [of_music(some, sample_rate, progress=progress) for some in ([path for path in paths if path not in held], held)]
    return drawn(*parts, sample_rate, key=content.key(sound_facts(paths), seed, length=16), seed=seed)


def of_music(paths, sample_rate, *, progress=True):
    """Returns the spectrograms of sound files, a list of arrays `(frames, bands)`; computed once and kept in the cache.

    Files that cannot be decoded are named in a warning and left out.
    """
    if not paths:
        return []

    def compute():
        shown = bar(_decoded(paths, sample_rate), total=len(paths), desc="Spectrograms", unit="file", progress=progress)
        pictures = list(spectrograms(shown, sample_rate)) or [np.zeros((0, patch_autoencoder.BANDS))]
        return {"frames": np.array(list(map(len, pictures))), "values": np.concatenate(pictures).astype(np.float16)}

    key = content.key(sound_facts(paths), sample_rate, content.code("signal", "models", "training.patch_training"), length=16)
    kept = files.computed_once(paths_of.cache_dir() / "spectrograms" / f"{key}.npz", compute)
    return np.split(kept["values"].astype(np.float32), np.cumsum(kept["frames"])[:-1])


def _decoded(paths, sample_rate):
    """Yields the audio of sound files, float32; one that cannot be decoded is named and left out."""
    for path in paths:
        try:
            yield audio.to_float(audio.decode(path, sample_rate))
        except (OSError, audio.AudioError) as error:  # it may have been deleted since it was listed
            files.log.warning("%s is left out: %s", path, error)


def sound_facts(paths):
    """Returns plain values that tell sound files, and their decoding, from others: names, sizes and times of change."""
    stats = [(str(path), Path(path).stat() if Path(path).exists() else None) for path in paths]
    return audio_cache.FORMAT, [(name, stat and (stat.st_size, stat.st_mtime_ns)) for name, stat in stats]


def spectrograms(signals, sample_rate):
    """Yields the log-mel spectrogram `(frames, bands)` of each recording `(samples,)` of a second or more."""
    model = patch_autoencoder.spectrogram(sample_rate)
    compute = tf.function(model, input_signature=[tf.TensorSpec((1, None), tf.float32)])
    for signal in signals:
        if len(signal) >= patch_autoencoder.SECONDS * sample_rate:
            yield compute(signal[None]).numpy()[0]


def drawn(training, validation, sample_rate, *, key, seed=0):
    """Returns the `Patches` at random places of spectrograms; the whitening is fitted on those of training.

    Args:
        training, validation: lists of arrays `(frames, bands)`; without any for validation, training serves.
        sample_rate: of the audio, in Hz.
        key: tells this music from other music.
        seed: of the places.

    Raises:
        ValueError: no spectrogram has a patch of one second.
    """
    rng, frames = np.random.default_rng(seed), patch_autoencoder.patch_frames(sample_rate)
    training, validation = ([picture for picture in part if len(picture) >= frames] for part in (training, validation))
    if not training:
        raise ValueError(f"Patches need recordings of {patch_autoencoder.SECONDS:g} s or more. Received: none")
    whitening = patch_autoencoder.fit_whitening(np.concatenate(list(_drawn(training, frames, FITTED, rng))))
    parts = [
        np.concatenate([whitening(patches) for patches in _drawn(some, frames, count, rng)])
        for some, count in ((training, PATCHES), (validation or training, PATCHES // 10))
    ]
    hours = sum(map(len, training)) / frames * patch_autoencoder.SECONDS / 3600
    facts = {"whitening": whitening, "sample_rate": sample_rate, "hours": hours, "key": key}
    return Patches(training=parts[0], validation=parts[1], **facts)


def _drawn(pictures, frames, count, rng):
    """Yields patches at random places, `(patches, frames * bands)`, about `count` in all, more of longer recordings."""
    places = [len(picture) - frames + 1 for picture in pictures]
    share = min(1.0, count / sum(places))
    for picture, most in zip(pictures, places):
        starts = rng.permutation(most)[: max(1, round(share * most))]
        windows = np.lib.stride_tricks.sliding_window_view(picture, frames, axis=0)[starts]
        yield windows.transpose(0, 2, 1).reshape(len(starts), -1)


def compiled(network, patches, epochs=EPOCHS):
    """Returns an autoencoder with the optimizer Adam, whose rate falls along a cosine, and the mean squared error."""
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * patches.steps_per_epoch)
    network.compile(keras.optimizers.Adam(rate), "mse")
    return network


def train(network, patches, *, epochs=EPOCHS, seed=0, progress=True):
    """Returns the `runs.Run` of an uncompiled `patch_autoencoder`: trained, or found if the same was trained before."""
    options = {"epochs": epochs, "seed": seed, "patience": None, "progress": progress}
    return runs.train_or_load("patches", compiled(network, patches, epochs), patches, **options)


def patterns(autoencoder, patches):
    """Returns (pictures, usage) of a trained autoencoder's patterns.

    Returns:
        What each pattern adds to a patch where it is used, in dB, `(latent, frames, bands)` at its mean size; and the share of
        validation patches that use it, `(latent,)`.
    """
    codes = autoencoder.get_layer("encoder").predict(patches.validation, batch_size=BATCH_SIZE, verbose=0)
    used = (codes > 0).sum(axis=0)
    size = codes.sum(axis=0) / np.maximum(used, 1)
    kernel, _ = autoencoder.get_layer("decoder").get_layer("patch").get_weights()
    pictures = patches.whitening.back(kernel * size[:, None]) - patches.whitening.mean
    return mel.RANGE_DB * pictures.reshape(len(kernel), -1, patch_autoencoder.BANDS), used / len(codes)


def save(path, autoencoder, whitening, sample_rate):
    """Writes an autoencoder and its whitening to a file, in half precision; `load` reads it."""
    encoder = autoencoder.get_layer("encoder")
    kernel, bias = encoder.get_layer("patterns").get_weights()
    facts = {"active": encoder.layers[-1].count, "sample_rate": sample_rate}
    arrays = {"mean": whitening.mean, "components": whitening.components, "kernel": kernel, "bias": bias}
    with files.atomic(Path(path)) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **{name: array.astype(np.float16) for name, array in arrays.items()}, **facts)


def load(path=PACKAGE):
    """Returns (encoder, whitening, sample rate in Hz) of a file by `save`; without a path, of the package's weights.

    Raises:
        ValueError: the file is none of `save`, or its arrays do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            mean, components, kernel, bias, active, sample_rate = (kept[name] for name in NAMES)
        if components.shape != (len(mean), len(kernel)) or kernel.shape[1:] != bias.shape or active.shape or sample_rate.shape:
            raise ValueError("its arrays do not fit together")
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be a file of a patch autoencoder. Received: {error}") from error
    sizes = {"components": len(kernel), "latent": len(bias), "active": int(active)}
    encoder = patch_autoencoder.patch_autoencoder(**sizes).get_layer("encoder")
    encoder.get_layer("patterns").set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    whitening = patch_autoencoder.Whitening(mean.astype(np.float32), components.astype(np.float32))
    return encoder, whitening, int(sample_rate)
