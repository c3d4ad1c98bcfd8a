"""Which frames are cut into shorter ones: where sound changes fast, short transforms spread it over fewer coefficients."""

import numpy as np

from fmalib.codec import quantiser, rate_control
from fmalib.signal import mdct_frames

MOST = 3  # splits: a frame has up to eight parts
PRICE = 3.0  # bits that a frame must save to be cut


def choose(blocks, number):
    """Returns the split of each frame with the fewest bits, int64 of shape `(frames,)`; the first and the last are not cut.

    Each split is tried on all frames at once, so the overlap with a neighbour that is cut otherwise is not known yet.

    Args:
        blocks: audio `(channels, frames + 1, hop)`.
        number: of the step size.
    """
    frames = blocks.shape[1] - 1
    bits = [frame_bits(mdct_frames.forward(blocks, np.full(frames, split)), number) for split in range(MOST + 1)]
    bits[0] = bits[0] - PRICE
    splits = np.argmin(bits, axis=0)
    splits[[0, -1]] = 0
    return splits


def frame_bits(coefficients, number):
    """Returns about how many bits each frame of coefficients `(channels, frames, hop)` takes; as `rate_control.bits`."""
    sizes = np.abs(coefficients / quantiser.step_size(number)).astype(np.float32)
    return np.log2(1 + rate_control.CUBIC * sizes**3 / (1 + sizes)).sum(axis=(0, 2)) / 2
