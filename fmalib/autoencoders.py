"""Every autoencoder by name, trained with the settings of its source: the one door for notebooks and sweeps."""

import dataclasses
import time

import keras
import numpy as np
import pandas as pd

from fmalib import cache as caches
from fmalib import families, lapped, losses, models, sparse, training

SAMPLE_RATES = {"frequency": 8000, "time": 44_100}  # Hz, of the study's two branches
MODELS = {"frequency": ("study", "sparse", *families.FAMILIES), "time": ("study",)}
SNIPPET = 65_536  # samples of a training segment in the study
BATCH_SIZES = {"frequency": 8, "time": 32}
SPARSE_RATE = 3e-3  # of the angles of its windows


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """A trained autoencoder.

    Attributes:
        name: such as `"frequency_study_64"`.
        model: from `(batch, samples)` to `(batch, samples)`.
        encoder: its layer from `(batch, samples)` to the latent `(batch, frames, channels)`.
        history: one row per epoch; None where there was nothing to train.
        seconds: what its training took.
        run: name of its run folder, or None.
        description: one line that says how it came about.
    """

    name: str
    model: keras.Model
    encoder: keras.Model
    history: pd.DataFrame | None
    seconds: float
    run: str | None
    description: str

    def __str__(self):
        return self.description

    @property
    def latent_shape(self):
        """(frames, channels) of one segment's latent."""
        return tuple(self.encoder.output.shape[1:])

    @property
    def features(self):
        """Model from `(batch, samples)` to what the latent says, `(batch, frames, channels)`.

        The encoder itself, but for the sparse autoencoder: its words are no quantities, so they are read first, to the
        sizes of the coefficients that they point at.
        """
        if self.model.name != "sparse_autoencoder":
            return self.encoder
        coefficients = self.model.get_layer("decoder").get_layer("from_words")(self.encoder.output)
        return keras.Model(self.encoder.input, sparse.Sizes(name="sizes")(coefficients), name="encoder")

    @property
    def decoder(self):
        """Model from a latent `(batch, frames, channels)` to `(batch, samples)`."""
        decoder = self.model.get_layer("decoder")
        if len(decoder.output.shape) == 2:
            return decoder
        return keras.Model(decoder.input, self.model.get_layer("istft")(decoder.output), name="decoder")

    @property
    def latent_values(self):
        """Values in one segment's latent."""
        return int(np.prod(self.latent_shape))


def check(domain, model, loss):
    """Raises ValueError unless there is such a model and loss in a domain."""
    if domain not in MODELS:
        raise ValueError(f"domain must be one of {', '.join(MODELS)}. Received: domain={domain!r}")
    if model not in MODELS[domain]:
        raise ValueError(f"In the {domain} domain, model must be one of {', '.join(MODELS[domain])}. Received: model={model!r}")
    known = losses.LOSSES if domain == "time" else ("mse",)
    if loss not in known:
        raise ValueError(f"In the {domain} domain, loss must be one of {', '.join(known)}. Received: loss={loss!r}")


def snippet_length(domain, sample_rate):
    """Returns the samples of a segment: the study's 65,536, the same seconds at another rate, as the models need it."""
    wanted = SNIPPET * sample_rate // SAMPLE_RATES[domain]
    if domain == "time":
        return models.valid_length(wanted)
    return models.valid_length(wanted, kernel=models.FREQUENCY_SHORTEST, stride=models.FREQUENCY_STEP)


def compiled(domain, model, *, samples, latent, mean=0.0, std=1.0, loss="mse"):
    """Returns an autoencoder ready to be trained on (audio, audio).

    Args:
        domain, model: a pair of `MODELS`: `study`'s own network; `sparse`, ours; the others are `fmalib.families`.
        samples: length of a segment; see `snippet_length`.
        latent: channels, or values for each frame.
        mean, std: of the training audio.
        loss: one of `fmalib.losses.LOSSES` in the time domain; `mse` in the frequency domain.

    Raises:
        ValueError: an unknown name, or a latent that the model cannot have.
    """
    check(domain, model, loss)
    if domain == "time":
        network = models.time_autoencoder(samples=samples, latent=latent, mean=mean, std=std)
        network.compile(keras.optimizers.Adam(1e-3), losses.AudioLoss(loss, std))
    elif model == "study":
        network = models.frequency_autoencoder(samples=samples, latent=latent)
        network.compile(keras.optimizers.Adam(1e-3), models.SpectralLoss())
    elif model == "sparse":
        network = sparse.sparse_autoencoder(samples=samples, latent=latent)
        network.compile(keras.optimizers.Adam(SPARSE_RATE), losses.AudioLoss("mse", std))
    else:
        network = families.family(model, samples=samples, latent=latent, std=std)
        network.compile(keras.optimizers.Adam(1e-3), losses.AudioLoss("mse", std))
    return network


def train(domain, model, pipeline, *, latent, epochs, seed, loss="mse", patience=10, runs_dir=None, progress=True):
    """Returns the `Autoencoder`: trained, or found if the same was trained before.

    Args:
        pipeline: a `fmalib.segments.Pipeline` with `target="audio"`.
        domain, model, latent, loss: as for `compiled`.
        epochs, seed, patience, runs_dir, progress: as for `fmalib.training.train_or_load`.
    """
    mean, std = caches.standardisation(pipeline.cache, pipeline.training.index)
    name = f"{domain}_{model}_{latent}" + (f"_{loss}" if domain == "time" else "")

    def build():
        return compiled(domain, model, samples=pipeline.length, latent=latent, mean=mean, std=std, loss=loss)

    if model == "pca":
        started = time.perf_counter()
        network = families.fit_pca(build(), pipeline.cache, pipeline.training.index)
        seconds = time.perf_counter() - started
        description = f"{name}: principal components of {len(pipeline.training)} tracks in {seconds:.1f} s"
        return Autoencoder(name, network, network.get_layer("encoder"), None, seconds, None, description)
    run = training.train_or_load(
        name, build, pipeline, epochs=epochs, seed=seed, patience=patience, runs_dir=runs_dir, progress=progress
    )
    network = models.waveform_model(run.model)
    encoder = run.model.get_layer("encoder")
    return Autoencoder(name, network, encoder, run.history, run.seconds, run.directory.name, str(run))


def untrained(domain, model, pipeline, *, latent):
    """Returns the `Autoencoder` as it is before any training: the sparse one already works."""
    mean, std = caches.standardisation(pipeline.cache, pipeline.training.index)
    network = compiled(domain, model, samples=pipeline.length, latent=latent, mean=mean, std=std)
    name = f"{domain}_{model}_{latent}_untrained"
    return Autoencoder(name, models.waveform_model(network), network.get_layer("encoder"), None, 0.0, None, name)


def pca_of_equal_size(pipeline, values):
    """Returns the PCA `Autoencoder` whose latent has at most `values` values for a segment, in either domain."""
    frames = lapped.n_frames(pipeline.length)
    latent = int(np.clip(values // frames, 1, lapped.HOP))
    return train("frequency", "pca", pipeline, latent=latent, epochs=1, seed=0)


def walk(autoencoder, first, second, steps=5):
    """Returns what lies on the straight line between the latents of two segments.

    Args:
        autoencoder: an `Autoencoder`.
        first, second: float arrays of shape `(samples,)` at full scale 1.
        steps: stops on the way, both ends included.

    Returns:
        float32 array of shape `(steps + 1, samples)`: the decoded stops, and last a walk in time, which begins at the
        first latent's first frame and ends at the second's last.

    Raises:
        ValueError: fewer than two stops, or the sparse autoencoder, whose latent is words and no quantities.
    """
    if autoencoder.model.name == "sparse_autoencoder":
        raise ValueError("The sparse autoencoder's latent is words, between which there is nothing. Received: model='sparse'")
    if steps < 2:
        raise ValueError(f"A walk has two ends. Received: steps={steps}")
    start, end = autoencoder.encoder.predict(np.stack([first, second]), verbose=0)
    shares = [np.full((len(start), 1), share) for share in np.linspace(0, 1, steps)] + [np.linspace(0, 1, len(start))[:, None]]
    path = np.stack([(1 - share) * start + share * end for share in shares]).astype(np.float32)
    return autoencoder.decoder.predict(path, batch_size=8, verbose=0)


def first_kernel(autoencoder):
    """Returns the weights of an autoencoder's first layer that learns: `(..., filters)`.

    For the sparse one they are the MDCT's cosines under the window that it learned: `(samples, filters)`.
    """
    layer = next(layer for layer in autoencoder.encoder.layers if layer.trainable_weights)
    if isinstance(layer, lapped.LappedAnalysis):
        window = np.stack(layer.window())
        return (window[:, :, None] * layer.cosines).reshape(-1, layer.hop)
    return np.asarray(layer.trainable_weights[0])


def responses(autoencoder):
    """Returns the magnitude responses of the first layer's filters: `(filters, frequencies)`, from 0 to half the sample rate.

    Not for the study's frequency-domain autoencoder, whose first layer sees patches of a spectrum.
    """
    kernel = first_kernel(autoencoder)
    if autoencoder.name.startswith("frequency") and autoencoder.model.name != "sparse_autoencoder":
        return np.abs(kernel.T)  # on the bins of an MDCT
    return np.abs(np.fft.rfft(kernel.reshape(-1, kernel.shape[-1]).T, 2048))
