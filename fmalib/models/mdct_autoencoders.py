"""The autoencoders that Roche et al. 2018 compared (PCA, shallow, deep, LSTM, variational) and a denoising one.

Roche et al. coded log magnitudes and kept the original's phase, which costs bits of its own. Here all of them code the frames
of an MDCT, which include the phase, so that their latents hold everything a waveform needs.
"""

import keras
import numpy as np
from keras import layers

from fmalib.data import audio_cache
from fmalib.models.layers import Imdct, Mdct, Sample
from fmalib.models.original import check_latent, check_std
from fmalib.signal import mdct

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
    return _frames(layers.Dense(HIDDEN, activation="elu", name="hidden2")(code), bins)


def _lstm(frames, latent):
    return layers.LSTM(latent, return_sequences=True, name="latent")(frames)


def _lstm_back(code, bins):
    return _frames(layers.LSTM(HIDDEN // 2, return_sequences=True, name="hidden2")(code), bins)


def _variational(frames, latent):
    x = layers.Dense(HIDDEN, activation="elu", name="hidden1")(frames)
    mean = layers.Dense(latent, name="mean")(x)
    log_variance = layers.Dense(latent, name="log_variance", bias_initializer=keras.initializers.Constant(-4.0))(x)
    return Sample(BETA, name="latent")([mean, log_variance])


def _denoising(frames, latent):
    return _deep(layers.GaussianNoise(NOISE, name="noise")(frames), latent)


def fit_pca(model, cache, track_ids):
    """Sets the weights of a `pca` model to the principal components of the MDCT frames of some tracks, and returns it.

    The frames are not centred: their mean is 0 unless the audio has a constant offset. `cache` is a
    `fmalib.data.audio_cache.Cache`.
    """
    hop, latent = model.get_layer("encoder").get_layer("latent").kernel.shape
    basis = mdct.mdct_basis(hop).reshape(2 * hop, hop)
    covariance = np.zeros((hop, hop))
    for _, samples in audio_cache.read(cache, track_ids):
        blocks = samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float32) / 32768
        frames = np.concatenate([blocks[:-1], blocks[1:]], axis=1) @ basis
        covariance += frames.T @ frames
    components = np.linalg.eigh(covariance)[1][:, : -latent - 1 : -1].astype(np.float32)
    model.get_layer("encoder").get_layer("latent").set_weights([components])
    model.get_layer("decoder").get_layer("frames").set_weights([components.T])
    return model


KINDS = {  # name: (encoder, decoder, function that sets the weights where they are not trained, description)
    "pca": (_linear, _linear_back, fit_pca, "principal components of MDCT frames, the best linear autoencoder"),
    "shallow": (_shallow, _frames, None, "one tanh layer between MDCT frame and latent"),
    "deep": (_deep, _deep_back, None, "a hidden layer of 512 (ELU) on each side of the latent"),
    "lstm": (_lstm, _lstm_back, None, "an LSTM on each side of the latent"),
    "variational": (_variational, _deep_back, None, "the deep one with a Gaussian latent (Kingma and Welling 2014)"),
    "denoising": (_denoising, _deep_back, None, "the deep one, with noise on its input in training (Vincent et al. 2008)"),
}


def mdct_autoencoder(kind, *, samples=65_536, latent=64, std=1.0, hop=mdct.HOP):
    """Returns an autoencoder of MDCT frames.

    Args:
        kind: a name in `KINDS`.
        samples: length of input and output.
        latent: values for each frame.
        std: standard deviation of the training audio, by which frames are divided inside.
        hop: samples from frame to frame; 526 gives 126 frames for 65,536 samples, as in the study's latent.

    Returns:
        Model from `(batch, samples)` to `(batch, samples)`, with the models `encoder` (to `(batch, frames, latent)`) and
        `decoder` as layers. The MDCT is not trained.

    Raises:
        ValueError: an unknown `kind`, an impossible `latent` or `std`.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}. Received: kind={kind!r}")
    check_latent(latent, highest=hop)
    check_std(std)
    encode, decode, *_ = KINDS[kind]

    audio = keras.Input((samples,), name="audio")
    x = layers.Rescaling(1.0 / std, name="standardise")(audio)
    x = Mdct(hop, trainable=False, name="mdct")(x)
    encoder = keras.Model(audio, encode(x, latent), name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")
    x = Imdct(samples, trainable=False, name="imdct")(decode(code, hop))
    x = layers.Rescaling(std, name="destandardise")(x)
    decoder = keras.Model(code, x, name="decoder")
    return keras.Model(audio, decoder(encoder(audio)), name=f"{kind}_autoencoder")
