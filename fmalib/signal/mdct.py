"""The modified discrete cosine transform (MDCT): invertible, with one coefficient for each sample.

An STFT with a hop of a quarter window holds four numbers for each sample. The MDCT (Princen, Johnson and Bradley 1987) holds
one: frames of two blocks overlap by half, and neighbouring frames cancel each other's aliasing. That works for every window
whose rising half is the sine of some angles and whose falling half is their cosine.
"""

import functools

import numpy as np
from keras import ops

HOP = 526  # samples; 65,536 samples then give 126 frames, as in the study's frequency domain


def n_frames(samples, hop=HOP):
    """Returns the number of frames that cover `samples` samples twice, edges included."""
    return -(-samples // hop) + 1


def mdct_basis(hop=HOP):
    """Returns the orthonormal MDCT with a sine window, float32 of shape `(2, hop, hop)`: block of the frame, sample, bin.

    A frame times the basis gives coefficients; coefficients times the transposed basis give the frame.
    """
    window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))
    return (window.reshape(2, hop, 1) * cosines(hop)).astype(np.float32)


@functools.lru_cache(maxsize=4)
def cosines(hop):
    """Returns the MDCT without a window, float32 of shape `(2, hop, hop)`: block of the frame, sample, bin."""
    time, frequency = np.arange(2 * hop)[:, None], np.arange(hop)
    table = np.sqrt(2 / hop) * np.cos(np.pi / hop * (time + 0.5 + hop / 2) * (frequency + 0.5))
    return table.reshape(2, hop, hop).astype(np.float32)


def window_halves(angles, hop):
    """Returns the rising and the falling half of the window, tensors of shape `(hop,)`, from half as many angles."""
    falling = ops.cos(angles)[: hop // 2]
    rise = ops.concatenate([ops.sin(angles), ops.flip(falling)])
    return rise, ops.flip(rise)


def analyse(audio, window, hop):
    """Returns the coefficients `(batch, frames, hop)` of audio `(batch, samples)`; `window` by `window_halves`."""
    frames = n_frames(audio.shape[1], hop)
    missing = frames * hop - audio.shape[1]
    blocks = ops.reshape(ops.pad(audio, [[0, 0], [hop, missing]]), (-1, frames + 1, hop))
    rise, fall = window
    return (blocks[:, :-1] * rise) @ cosines(hop)[0] + (blocks[:, 1:] * fall) @ cosines(hop)[1]


def synthesise(coefficients, window, samples):
    """Returns audio `(batch, samples)` of coefficients `(batch, frames, hop)`: the inverse of `analyse`."""
    rise, fall = window
    first, second = (coefficients @ half.T for half in cosines(coefficients.shape[-1]))
    # The outer halves of the outer frames cover padding.
    blocks = second[:, :-1] * fall + first[:, 1:] * rise
    return ops.reshape(blocks, (-1, blocks.shape[1] * blocks.shape[2]))[:, :samples]
