"""A sparse autoencoder of patches: one second of a log-mel spectrogram, whitened, as a sum of few of many patterns.

Whitened patches and sparse codes are the recipe of Coates and Ng (2012), here learned by gradient descent as a k-sparse
autoencoder (Makhzani and Frey 2013). Whitening gives each principal component of the patches the same variance: without it, the
loudest and slowest changes would use up all patterns. On 160 real clips its code tells genres better than MFCCs do (0.72
against 0.58, notebook 03), and better than deep masked or denoising autoencoders (`outputs/reference/representations.txt`).
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from fmalib.models.layers import LogMel
from fmalib.models.sparse_layers import KeepLargest
from fmalib.signal import mel

SAMPLE_RATE = 22_050  # Hz, where no data set says another
MELS, BANDS = 128, 32  # mel bands, and means of four neighbours each, which the autoencoder sees
HIGHEST = 11_025  # Hz, of the bands, where the sample rate reaches so far
SECONDS = 1.0  # of a patch
HOP = 2  # frames from one patch to the next where a recording is described
COMPONENTS = 150  # principal components of a patch that are kept, of 1376
LATENT, ACTIVE = 1024, 10  # patterns, and how many of them describe a patch
LEAST = 1e-4  # of the first component's variance is added to all


@dataclasses.dataclass(frozen=True)
class Whitening:
    """Principal components of patches, each scaled to a variance of 1.

    Attributes:
        mean, components: float32 arrays `(frames * bands,)` and `(frames * bands, components)`.
    """

    mean: np.ndarray
    components: np.ndarray

    def __call__(self, patches):
        """Returns the whitened components `(patches, components)` of patches `(patches, frames * bands)`."""
        return (patches - self.mean) @ self.components

    def back(self, whitened):
        """Returns the patches `(patches, frames * bands)` of whitened components, as far as these tell."""
        return whitened @ np.linalg.pinv(self.components) + self.mean


def fit_whitening(patches, components=COMPONENTS):
    """Returns the `Whitening` of patches, float array `(patches, frames * bands)`."""
    mean = patches.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(patches - mean, rowvar=False))
    variances, axes = variances[::-1][:components], axes[:, ::-1][:, :components]
    scale = 1 / np.sqrt(np.maximum(variances, 0) + LEAST * variances[0] + 1e-12)  # silence has no variance
    return Whitening(mean.astype(np.float32), (axes * scale).astype(np.float32))


def patch_frames(sample_rate):
    """Returns the frames of a patch: 43 at 22,050 or 44,100 Hz."""
    return round(SECONDS * sample_rate / mel.frame_sizes(sample_rate)[1])


def spectrogram(sample_rate, samples=None):
    """Returns the model from audio `(batch, samples)` to its log-mel spectrogram `(batch, frames, 32)`, of mean 0.

    The mean over frames and bands is taken off: a recording that is louder as a whole has the same spectrogram.
    """
    audio = keras.Input((samples,), name="audio")
    highest = min(HIGHEST, sample_rate / 2)
    x = LogMel(sample_rate, MELS, *mel.frame_sizes(sample_rate), highest=highest, name="log_mel")(audio)
    x = layers.AveragePooling1D(MELS // BANDS, data_format="channels_first", dtype="float32", name="bands")(x)
    return keras.Model(audio, x - ops.mean(x, axis=(1, 2), keepdims=True), name="spectrogram")


def patch_autoencoder(*, components=COMPONENTS, latent=LATENT, active=ACTIVE):
    """Returns the autoencoder, uncompiled: from whitened patches `(batch, components)` to the same.

    Its layers `encoder` and `decoder` have a latent `(batch, latent)`, of which `active` values at most are above 0.
    """
    patch = keras.Input((components,), name="patch")
    start = keras.initializers.RandomNormal(stddev=components**-0.5)
    x = layers.Dense(latent, kernel_initializer=start, name="patterns")(patch)
    encoder = keras.Model(patch, KeepLargest(active, name="code")(x), name="encoder")
    code = keras.Input((latent,), name="code")
    decoder = keras.Model(code, layers.Dense(components, name="patch")(code), name="decoder")
    return keras.Model(patch, decoder(encoder(patch)), name="patch_autoencoder")


def waveform_encoder(encoder, whitening, sample_rate, samples=None):
    """Returns the model from audio `(batch, samples)` to codes `(batch, patches, latent)`, one every two frames.

    Args:
        encoder: of a `patch_autoencoder`; its layers are shared.
        whitening: the `Whitening` of its patches.
        sample_rate, samples: of the audio, in Hz, and its length; None takes any length of one patch or more.
    """
    frames = patch_frames(sample_rate)
    pictures = spectrogram(sample_rate, samples)
    options = {"strides": HOP, "trainable": False, "dtype": "float32"}  # in half precision, other patterns are the largest
    whiten = layers.Conv1D(whitening.components.shape[1], frames, name="whitening", **options)
    codes = whiten(pictures.output)
    for layer in encoder.layers[1:]:  # the model itself takes single patches only
        codes = layer(codes)
    kernel = whitening.components.reshape(frames, BANDS, -1)
    whiten.set_weights([kernel, -whitening.mean @ whitening.components])
    return keras.Model(pictures.input, codes, name="encoder")


def pooled(codes):
    """Returns the vector of a recording `(batch, latent)`: square roots of the means of codes `(batch, patches, latent)`."""
    return ops.sqrt(ops.mean(codes, axis=1))
