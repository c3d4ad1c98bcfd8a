"""Which frames are cut into shorter ones: where sound changes fast, short transforms spread it over fewer coefficients."""

import numpy as np

from fmalib.codec import quantiser
from fmalib.signal import mdct_frames

MOST = 3  # splits: a frame has up to eight parts
PRICE = 60.0  # bits that a frame must save to be cut; with 16, files take 0.6 % more bytes (8 training excerpts, two rates)
# Weights of neighbours: distance in parts, distance in bins, weight. They sum to 1.
NEAR = (
    (0, -1, 0.22),
    (0, 1, 0.22),
    (0, -2, 0.08),
    (0, 2, 0.08),
    (1, 0, 0.16),
    (1, -1, 0.09),
    (1, 1, 0.09),
    (1, -2, 0.03),
    (1, 2, 0.03),
)
LEAST = 0.08  # level that is expected at least
LOST = 0.15  # part of a level below which a coefficient is 0


def choose(blocks, number):
    """Returns the split of each frame with the fewest bits, int64 of shape `(frames,)`; the first and the last are not cut.

    Each split is tried on all frames at once, so the overlap with a neighbour that is cut otherwise is not known yet.

    Args:
        blocks: audio `(channels, frames + 1, hop)`.
        number: of the step size.
    """
    frames = blocks.shape[1] - 1
    bits = [frame_bits(mdct_frames.forward(blocks, np.full(frames, split)), split, number) for split in range(MOST + 1)]
    bits[0] = bits[0] - PRICE
    splits = np.argmin(bits, axis=0)
    splits[[0, -1]] = 0
    return splits


def frame_bits(coefficients, split, number):
    """Returns about how many bits each frame takes, float32 of shape `(frames,)`.

    A coefficient follows a Laplace distribution whose scale is a mean of its neighbours: the context model knows no more. A sum
    of logarithms without neighbours chose frames whose real bytes were more, not less.

    Args:
        coefficients: `(channels, frames, hop)`, all frames with the same split.
        split: of all frames.
        number: of the step size.
    """
    frames = coefficients.shape[1]
    sizes = mdct_frames.apart(np.abs(coefficients / quantiser.step_size(number)).astype(np.float32), split)
    _, parts, bins = sizes.shape
    padded = np.pad(sizes, ((0, 0), (1, 0), (2, 2)))
    near = sum(w * padded[:, 1 - part : 1 - part + parts, 2 + off : 2 + off + bins] for part, off, w in NEAR) + np.float32(
        LEAST
    )
    levels = np.maximum(sizes - LOST, 0)
    bits = np.log2(1 + near) + levels * np.log2(1 + 1 / near) + np.minimum(levels, 1)  # the last one is the sign
    return bits.sum(axis=(0, 2)).reshape(frames, -1).sum(axis=1)
