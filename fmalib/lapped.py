"""Lapped transforms: frames of two blocks, one coefficient a sample. At first the MDCT, then whatever training makes of it.

Where an STFT with a hop of a quarter window holds four numbers a sample, the modified discrete cosine transform (MDCT; Princen,
Johnson and Bradley 1987) holds one, and still gives the signal back: neighbouring frames cancel each other's aliasing.
"""

import keras
import numpy as np
from keras import ops

HOP = 526  # samples; 65,536 samples then give 126 frames, as many as the study's frequency-domain latent has


def n_frames(samples, hop=HOP):
    """Returns the number of frames that cover `samples` samples twice, edges included."""
    return -(-samples // hop) + 1


def mdct_basis(hop=HOP):
    """Returns the orthonormal MDCT with a sine window, float32 of shape `(2, hop, hop)`: block of the frame, sample, bin.

    Frame times basis gives the coefficients, coefficients times its transpose the frame: the transform is its own inverse.
    """
    time, frequency = np.arange(2 * hop)[:, None], np.arange(hop)
    window = np.sin(np.pi * (time + 0.5) / (2 * hop))
    cosines = np.cos(np.pi / hop * (time + 0.5 + hop / 2) * (frequency + 0.5))
    return (np.sqrt(2 / hop) * window * cosines).reshape(2, hop, hop).astype(np.float32)


@keras.saving.register_keras_serializable(package="fmalib")
class LappedAnalysis(keras.layers.Layer):
    """Audio `(batch, samples)` to coefficients `(batch, frames, hop)`: the MDCT until it is trained."""

    def __init__(self, hop=HOP, **options):
        super().__init__(**options)
        self.hop = hop

    def build(self, shape):
        self.basis = self.add_weight(shape=(2, self.hop, self.hop), initializer=_Mdct(self.hop), name="basis")

    def call(self, audio):
        frames = n_frames(audio.shape[1], self.hop)
        missing = (frames + 1) * self.hop - self.hop - audio.shape[1]
        blocks = ops.reshape(ops.pad(audio, [[0, 0], [self.hop, missing]]), (-1, frames + 1, self.hop))
        return blocks[:, :-1] @ self.basis[0] + blocks[:, 1:] @ self.basis[1]

    def compute_output_shape(self, shape):
        return (shape[0], n_frames(shape[1], self.hop), self.hop)

    def get_config(self):
        return {**super().get_config(), "hop": self.hop}


@keras.saving.register_keras_serializable(package="fmalib")
class LappedSynthesis(keras.layers.Layer):
    """Coefficients `(batch, frames, hop)` to audio `(batch, samples)`: the inverse MDCT until it is trained."""

    def __init__(self, samples, **options):
        super().__init__(**options)
        self.samples = samples

    def build(self, shape):
        hop = shape[-1]
        self.basis = self.add_weight(shape=(2, hop, hop), initializer=_Mdct(hop), name="basis")

    def call(self, coefficients):
        first, second = (coefficients @ ops.transpose(self.basis[half]) for half in (0, 1))
        blocks = second[:, :-1] + first[:, 1:]  # the outer halves of the outer frames cover padding
        return ops.reshape(blocks, (-1, blocks.shape[1] * blocks.shape[2]))[:, : self.samples]

    def compute_output_shape(self, shape):
        return (shape[0], self.samples)

    def get_config(self):
        return {**super().get_config(), "samples": self.samples}


@keras.saving.register_keras_serializable(package="fmalib")
class _Mdct(keras.initializers.Initializer):
    def __init__(self, hop):
        self.hop = hop

    def __call__(self, shape, dtype=None):
        return ops.convert_to_tensor(mdct_basis(self.hop), dtype or "float32")

    def get_config(self):
        return {"hop": self.hop}
