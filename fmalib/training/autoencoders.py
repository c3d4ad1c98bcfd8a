"""Builds, trains or loads any autoencoder by name."""

import contextlib
import dataclasses
import functools
import time

import keras
import numpy as np
import pandas as pd
from keras import ops

from fmalib.data import audio_cache
from fmalib.models import architectures, original
from fmalib.signal import mdct
from fmalib.training import runs


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """A trained autoencoder.

    Attributes:
        name: such as `"frequency_study_64"`.
        architecture: its `fmalib.models.architectures.Architecture`.
        network: the model that was trained, from `(batch, samples)` to `(batch, samples)` or to a spectrum.
        history: one row per epoch; None without training.
        seconds: duration of its training.
        run: name of its run folder, or None.
        description: one line on its training.
    """

    name: str
    architecture: architectures.Architecture
    network: keras.Model
    history: pd.DataFrame | None = None
    seconds: float = 0.0
    run: str | None = None
    description: str = ""

    def __str__(self):
        return self.description

    @functools.cached_property
    def model(self):
        """Model from `(batch, samples)` to `(batch, samples)`."""
        return original.waveform_model(self.network)

    @property
    def encoder(self):
        """Model from `(batch, samples)` to the latent `(batch, frames, channels)`."""
        return self.network.get_layer("encoder")

    @functools.cached_property
    def decoder(self):
        """Model from a latent `(batch, frames, channels)` to `(batch, samples)`."""
        decoder = self.network.get_layer("decoder")
        if len(decoder.output.shape) == 2:
            return decoder
        return keras.Model(decoder.input, self.model.get_layer("istft")(decoder.output), name="decoder")

    @functools.cached_property
    def features(self):
        """Model from `(batch, samples)` to the quantities in the latent, `(batch, frames, channels)`.

        That is the encoder; codewords, which are no quantities, become the sizes of their coefficients.
        """
        if not self.architecture.codewords:
            return self.encoder
        coefficients = self.network.get_layer("decoder").get_layer("from_codewords")(self.encoder.output)
        return keras.Model(self.encoder.input, ops.abs(coefficients), name="encoder")

    @property
    def latent_shape(self):
        """(frames, channels) of one segment's latent."""
        return tuple(self.encoder.output.shape[1:])

    @property
    def latent_values(self):
        """Values in one segment's latent."""
        return int(np.prod(self.latent_shape))


def train(domain, model, pipeline, *, latent, epochs, seed, loss="mse", network=None, **options):
    """Returns the `Autoencoder`: trained, or found if the same was trained before.

    Args:
        domain, model: keys of `fmalib.models.architectures.ARCHITECTURES`.
        pipeline: a `fmalib.data.segments.Pipeline` with `target="audio"`.
        latent, loss: as for `architectures.compiled`.
        epochs, seed, options: as for `runs.train_or_load`. The option `strategy` is a `tf.distribute.Strategy` to train by,
            see `fmalib.training.distribution`; a `network` of one's own is built within its scope instead.
        network: a compiled model with the layers `encoder` and `decoder` to train instead, such as one of a notebook.
    """
    architecture = architectures.find(domain, model, loss)
    name = f"{domain}_{model}_{latent}" + (f"_{loss}" if domain == "time" else "")
    strategy = options.pop("strategy", None)
    if network is None:
        with strategy.scope() if strategy else contextlib.nullcontext():
            network = _compiled(domain, model, pipeline, latent, seed, loss)
    if architecture.solve:
        started = time.perf_counter()
        architecture.solve(network, pipeline.cache, pipeline.training.index)
        seconds = time.perf_counter() - started
        description = f"{name}: {architecture.description}, from {len(pipeline.training)} tracks in {seconds:.1f} s"
        facts = {"seconds": seconds, "description": description}
        return Autoencoder(name=name, architecture=architecture, network=network, **facts)
    run = runs.train_or_load(name, network, pipeline, epochs=epochs, seed=seed, **options)
    return Autoencoder(
        name=name,
        architecture=architecture,
        network=run.model,
        history=run.history,
        seconds=run.seconds,
        run=run.directory.name,
        description=str(run),
    )


def untrained(domain, model, pipeline, *, latent, seed=0):
    """Returns the `Autoencoder` with its initial weights, with which the sparse one already works."""
    name = f"{domain}_{model}_{latent}_untrained"
    network = _compiled(domain, model, pipeline, latent, seed)
    return Autoencoder(name=name, architecture=architectures.find(domain, model), network=network, description=name)


def _compiled(domain, model, pipeline, latent, seed, loss="mse"):
    """Returns the library's network for the segments of a pipeline, and for the mean and deviation of its training tracks."""
    runs.set_seed(seed)
    mean, std = audio_cache.standardisation(pipeline.cache, pipeline.training.index)
    return architectures.compiled(domain, model, samples=pipeline.length, latent=latent, mean=mean, std=std, loss=loss)


def pca_of_equal_size(pipeline, values):
    """Returns the PCA `Autoencoder` whose latent has at most `values` values for a segment, in either domain."""
    frames = mdct.n_frames(pipeline.length)
    latent = int(np.clip(values // frames, 1, mdct.HOP))
    return train("frequency", "pca", pipeline, latent=latent, epochs=1, seed=0)


def interpolate(autoencoder, first, second, steps=5):
    """Returns the decoded points on the straight line between the latents of two segments.

    Args:
        first, second: float arrays of shape `(samples,)` at full scale 1.
        steps: points on the line, both ends included.

    Returns:
        float32 array of shape `(steps + 1, samples)`: the decoded points, and last an interpolation over time, from the first
        latent in its first frame to the second one in its last.

    Raises:
        ValueError: fewer than two points, or a latent of codewords.
    """
    if autoencoder.architecture.codewords:
        raise ValueError(f"Codewords are no quantities and have no values in between. Received: {autoencoder.name}")
    if steps < 2:
        raise ValueError(f"An interpolation has two ends. Received: steps={steps}")
    start, end = autoencoder.encoder.predict(np.stack([first, second]), verbose=0)
    shares = [np.full((len(start), 1), share) for share in np.linspace(0, 1, steps)] + [np.linspace(0, 1, len(start))[:, None]]
    path = np.stack([(1 - share) * start + share * end for share in shares]).astype(np.float32)
    return autoencoder.decoder.predict(path, batch_size=8, verbose=0)


def first_kernel(autoencoder):
    """Returns the weights of an autoencoder's first trainable layer: `(..., filters)`.

    For a trainable MDCT they are its cosines under the trained window: `(samples, filters)`.
    """
    layer = next(layer for layer in autoencoder.encoder.layers if layer.trainable_weights)
    if hasattr(layer, "window"):
        window = np.stack(layer.window())
        return (window[:, :, None] * mdct.cosines(layer.hop)).reshape(-1, layer.hop)
    return np.asarray(layer.trainable_weights[0])


def responses(autoencoder):
    """Returns magnitude responses of the first layer, `(filters, frequencies)`, up to half the sample rate; not for patches."""
    kernel = first_kernel(autoencoder)
    if autoencoder.architecture.filters == "bins":
        return np.abs(kernel.T)
    return np.abs(np.fft.rfft(kernel.reshape(-1, kernel.shape[-1]).T, 2048))
