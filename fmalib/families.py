"""The autoencoders that Roche et al. 2018 compared, at equal latent size: linear, shallow, deep, LSTM, variational; denoising.

Roche et al. coded log magnitudes and kept the original's phase, which no file would hold. Here each works on the frames of an
MDCT, which carries the phase too, so that what comes out is a waveform and every one pays for all it needs. The linear one
is PCA when `fit_pca` has set it.
"""

import keras
import numpy as np
from keras import layers

from fmalib import cache as caches
from fmalib import lapped

HIDDEN = 512  # units of the layers between a frame and the latent
NOISE = 0.5  # of the input's standard deviation, in training of the denoising autoencoder
BETA = 1e-3  # weight of the variational autoencoder's divergence, per latent value and in units of the frames' variance


def _linear(frames, latent):
    return layers.Dense(latent, use_bias=False, name="latent")(frames)


def _linear_back(code, bins):
    return layers.Dense(bins, use_bias=False, name="frames")(code)


def _shallow(frames, latent):
    return layers.Dense(latent, activation="tanh", name="latent")(frames)


def _frames(code, bins):
    return layers.Dense(bins, name="frames")(code)


def _deep(frames, latent):
    x = layers.Dense(HIDDEN, activation="elu", name="hidden1")(frames)
    return layers.Dense(latent, name="latent")(x)


def _deep_back(code, bins):
    x = layers.Dense(HIDDEN, activation="elu", name="hidden2")(code)
    return layers.Dense(bins, name="frames")(x)


def _lstm(frames, latent):
    return layers.LSTM(latent, return_sequences=True, name="latent")(frames)


def _lstm_back(code, bins):
    x = layers.LSTM(HIDDEN // 2, return_sequences=True, name="hidden2")(code)
    return layers.Dense(bins, name="frames")(x)


def _variational(frames, latent):
    x = layers.Dense(HIDDEN, activation="elu", name="hidden1")(frames)
    mean = layers.Dense(latent, name="mean")(x)
    log_variance = layers.Dense(latent, name="log_variance", bias_initializer=keras.initializers.Constant(-4.0))(x)
    return Sample(BETA, name="latent")([mean, log_variance])


def _denoising(frames, latent):
    return _deep(layers.GaussianNoise(NOISE, name="noise")(frames), latent)


FAMILIES = {
    "pca": (_linear, _linear_back),
    "shallow": (_shallow, _frames),
    "deep": (_deep, _deep_back),
    "lstm": (_lstm, _lstm_back),
    "variational": (_variational, _deep_back),
    "denoising": (_denoising, _deep_back),
}


def family(kind, *, samples=65_536, latent=64, std=1.0, hop=lapped.HOP):
    """Returns an autoencoder of MDCT frames.

    Args:
        kind: `pca`, `shallow` (tanh), `deep` (one hidden layer of 512 on each side, ELU), `lstm`, `variational` (deep; Kingma
            and Welling 2014), or `denoising` (deep, noise on its input in training; Vincent et al. 2008).
        samples: length of input and output.
        latent: values for each frame.
        std: standard deviation of the training audio, by which frames are divided inside.
        hop: samples from frame to frame; 526 gives 126 frames for 65,536 samples, as the study's latent has.

    Returns:
        Model from `(batch, samples)` to `(batch, samples)`, with the layers `encoder` (to `(batch, frames, latent)`) and
        `decoder`, both models themselves. The MDCT is not trained.

    Raises:
        ValueError: an unknown `kind`, an impossible `latent` or `std`.
    """
    if kind not in FAMILIES:
        raise ValueError(f"kind must be one of {', '.join(FAMILIES)}. Received: kind={kind!r}")
    if not isinstance(latent, (int, np.integer)) or isinstance(latent, bool) or not 1 <= latent <= hop:
        raise ValueError(f"latent must be an integer from 1 to hop = {hop}. Received: latent={latent!r}")
    if not std > 0:
        raise ValueError(f"std must be positive: is the training audio silent? Received: std={std}")
    encode, decode = FAMILIES[kind]

    audio = keras.Input((samples,), name="audio")
    x = layers.Rescaling(1.0 / std, name="standardise")(audio)
    x = lapped.LappedAnalysis(hop, trainable=False, name="analysis")(x)
    encoder = keras.Model(audio, encode(x, latent), name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")
    x = lapped.LappedSynthesis(samples, trainable=False, name="synthesis")(decode(code, hop))
    x = layers.Rescaling(std, name="destandardise")(x)
    decoder = keras.Model(code, x, name="decoder")
    return keras.Model(audio, decoder(encoder(audio)), name=f"{kind}_autoencoder")


def fit_pca(model, cache, track_ids):
    """Sets the weights of a `pca` model to the principal components of some tracks' MDCT frames, and returns it.

    Components are of the uncentred frames: the mean of an MDCT frame is 0 but for a constant offset in the audio.

    Args:
        model: by `family("pca", ...)`.
        cache: a `fmalib.cache.Cache`.
        track_ids: of the training tracks.
    """
    hop, latent = model.get_layer("encoder").get_layer("latent").kernel.shape
    basis = lapped.mdct_basis(hop).reshape(2 * hop, hop)
    covariance = np.zeros((hop, hop))
    for _, samples in caches.read(cache, track_ids):
        blocks = samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float32) / 32768
        frames = np.concatenate([blocks[:-1], blocks[1:]], axis=1) @ basis
        covariance += frames.T @ frames
    components = np.linalg.eigh(covariance)[1][:, : -latent - 1 : -1].astype(np.float32)
    model.get_layer("encoder").get_layer("latent").set_weights([components])
    model.get_layer("decoder").get_layer("frames").set_weights([components.T])
    return model


@keras.saving.register_keras_serializable(package="fmalib")
class Sample(layers.Layer):
    """Mean and log variance to a sample of that Gaussian in training, to the mean otherwise; adds the divergence to the loss."""

    def __init__(self, beta, **options):
        super().__init__(**options)
        self.beta = beta
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, inputs, training=False):
        mean, log_variance = inputs
        divergence = 0.5 * keras.ops.mean(mean**2 + keras.ops.exp(log_variance) - 1.0 - log_variance)
        self.add_loss(self.beta * divergence)
        if not training:
            return mean
        return mean + keras.ops.exp(0.5 * log_variance) * keras.random.normal(keras.ops.shape(mean), seed=self.seeds)

    def compute_output_shape(self, shapes):
        return shapes[0]

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}
