"""Lapped transforms: frames of two blocks, one coefficient a sample: the MDCT, with a window that training may shape.

Where an STFT with a hop of a quarter window holds four numbers a sample, the modified discrete cosine transform (MDCT; Princen,
Johnson and Bradley 1987) holds one, and still gives the signal back: neighbouring frames cancel each other's aliasing. That
holds for every window whose halves are sine and cosine of the same angles, so the angles are what is learned.
"""

import functools

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
    window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))
    return (window.reshape(2, hop, 1) * _cosines(hop)).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _cosines(hop):
    time, frequency = np.arange(2 * hop)[:, None], np.arange(hop)
    cosines = np.sqrt(2 / hop) * np.cos(np.pi / hop * (time + 0.5 + hop / 2) * (frequency + 0.5))
    return cosines.reshape(2, hop, hop).astype(np.float32)


class _Lapped(keras.layers.Layer):
    """What analysis and synthesis share: the window, by the angles of its rising half, a sine window at first."""

    def _add_window(self, hop):
        self.angles = self.add_weight(shape=((hop + 1) // 2,), initializer=_SineWindow(hop), name="angles")
        self.cosines = _cosines(hop)

    def window(self):
        """Returns the window's two blocks, tensors of shape `(hop,)`."""
        hop = self.cosines.shape[1]
        falling = ops.cos(self.angles)[: hop // 2]
        rise = ops.concatenate([ops.sin(self.angles), ops.flip(falling)])
        return rise, ops.flip(rise)


@keras.saving.register_keras_serializable(package="fmalib")
class LappedAnalysis(_Lapped):
    """Audio `(batch, samples)` to coefficients `(batch, frames, hop)`: the MDCT."""

    def __init__(self, hop=HOP, **options):
        super().__init__(**options)
        self.hop = hop

    def build(self, shape):
        self._add_window(self.hop)

    def call(self, audio):
        frames = n_frames(audio.shape[1], self.hop)
        missing = frames * self.hop - audio.shape[1]
        blocks = ops.reshape(ops.pad(audio, [[0, 0], [self.hop, missing]]), (-1, frames + 1, self.hop))
        rise, fall = self.window()
        return (blocks[:, :-1] * rise) @ self.cosines[0] + (blocks[:, 1:] * fall) @ self.cosines[1]

    def compute_output_shape(self, shape):
        return (shape[0], n_frames(shape[1], self.hop), self.hop)

    def get_config(self):
        return {**super().get_config(), "hop": self.hop}


@keras.saving.register_keras_serializable(package="fmalib")
class LappedSynthesis(_Lapped):
    """Coefficients `(batch, frames, hop)` to audio `(batch, samples)`: the inverse MDCT."""

    def __init__(self, samples, **options):
        super().__init__(**options)
        self.samples = samples

    def build(self, shape):
        self._add_window(shape[-1])

    def call(self, coefficients):
        rise, fall = self.window()
        first, second = (coefficients @ self.cosines[half].T for half in (0, 1))
        # The outer halves of the outer frames cover padding.
        blocks = second[:, :-1] * fall + first[:, 1:] * rise
        return ops.reshape(blocks, (-1, blocks.shape[1] * blocks.shape[2]))[:, : self.samples]

    def compute_output_shape(self, shape):
        return (shape[0], self.samples)

    def get_config(self):
        return {**super().get_config(), "samples": self.samples}


@keras.saving.register_keras_serializable(package="fmalib")
class _SineWindow(keras.initializers.Initializer):
    def __init__(self, hop):
        self.hop = hop

    def __call__(self, shape, dtype=None):
        return ops.convert_to_tensor(np.pi * (np.arange(shape[0]) + 0.5) / (2 * self.hop), dtype or "float32")

    def get_config(self):
        return {"hop": self.hop}
