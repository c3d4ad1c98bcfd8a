"""The envelope of a chunk, the powers of its bands, to bytes and back: coded like an image, and restored in integers.

The power of a band in a frame is the logarithm of its mean square. Blocks of 16 frames by all bands go through a cosine
transform in both directions, as in JPEG (Wallace 1992), and are rounded coarsely. Music that stays the same, or has a smooth
spectrum, costs next to nothing, without any decision on how finely to divide time.

Over the bands, the transform may be learned instead. The inverse transform has integer weights. Products and sums of integers
below 2^53 are exact in float64: matrix products serve, and every machine restores the same powers.
"""

import functools
from pathlib import Path

import numpy as np
from scipy.fft import dct

from fmalib.codec import entropy, levels

ROWS = 16  # frames of a block
UNIT = 256  # a power is in 1/256 of an octave of the mean square: 3 dB
FLOOR, HIGHEST = -33, 32  # octaves of powers, lowest (-99 dB) and highest
STEP_UNIT = 8  # a step is in 1/8 octave
OUTWARD = 3  # eighths of a step from a coefficient that was rounded towards 0 to the mean of what it stands for
MOST = 1 << 15  # magnitude of a coefficient
NARROWEST, RELATIVE = 100, 0.2  # a band is so many Hz wide at least, and so much of its lower edge
_SCALE = 12  # bits of the weights behind the point
AVERAGE = 16  # times the running average is kept
# Weights in 1/1024 that fit 30 excerpts of music: of the usual magnitude, and of the running average here and beside; by row.
WEIGHTS = (190, 41, 4), (118, 18, 4)
ABOVE = 84, 22, 48  # of the row above, here and beside, and of the one above that


def edges(sample_rate, hop):
    """Returns the first bin of each band, and the bin behind the last: all bins from 0 to `hop`."""
    hertz = [0.0]
    while hertz[-1] < sample_rate / 2:
        hertz.append(hertz[-1] + max(NARROWEST, RELATIVE * hertz[-1]))
    bins = np.unique(np.rint(np.array(hertz[:-1]) * 2 * hop / sample_rate).astype(int))
    return np.append(bins[bins < hop - 1], hop)


def measure(coefficients, bands):
    """Returns the powers in octaves, float64 `(channels, frames, bands)`, of coefficients `(channels, frames, hop)`."""
    square = np.add.reduceat(np.square(coefficients), bands[:-1], axis=-1) / np.diff(bands)
    return np.log2(np.maximum(square, 2.0**FLOOR))


def quantise(picture, step, basis):
    """Returns the coefficients, int64 of shape `(channels, blocks, ROWS * bands)`, of powers in octaves.

    The last frame is repeated to fill a block. The first row, the mean over time, is the difference from the block before.

    Args:
        picture: float array of shape `(channels, frames, bands)`.
        step: of the rounding, in 1/8 octave, 1 to 255.
        basis: over the bands, as by `cosines` or `learned`.
    """
    channels, frames, bands = picture.shape
    blocks = -(-frames // ROWS)
    filled = np.pad(picture - FLOOR, ((0, 0), (0, blocks * ROWS - frames), (0, 0)), mode="edge")
    rows = dct(filled.reshape(channels, blocks, ROWS, bands), norm="ortho", axis=2)
    scaled = rows @ basis.T * (STEP_UNIT / step / 2**_SCALE)
    values = np.trunc(scaled)  # rounding to the nearest costs more bits than it is worth
    means = np.rint(scaled[:, :, 0])
    values[:, :, 0] = np.diff(means, axis=1, prepend=0)
    return np.clip(values, -MOST, MOST).astype(np.int64).reshape(channels, blocks, ROWS * bands)


def restore(values, step, frames, basis, outward=0):
    """Returns the powers, int64 of shape `(channels, frames, bands)` in 1/256 octave above FLOOR, of what `quantise` made.

    Args:
        values, step, basis: as by and for `quantise`.
        frames: to return.
        outward: eighths of a step by which coefficients that are not 0 lie farther out than they were rounded to; OUTWARD has
            the least error. Means over time are rounded to the nearest, and stay.
    """
    channels, blocks, size = values.shape
    bands = size // ROWS
    values = values.reshape(channels, blocks, ROWS, bands).astype(np.float64)
    values[:, :, 0] = np.clip(np.cumsum(values[:, :, 0], axis=1), -MOST, MOST)
    values[:, :, 1:] += np.sign(values[:, :, 1:]) * (outward / 8)
    rows = np.floor(np.einsum("it,cbij->cbtj", cosines(ROWS), values) / 2 ** (_SCALE - 5))  # 5 bits: UNIT / STEP_UNIT
    picture = np.floor(rows @ basis * step / 2**_SCALE)
    return np.clip(picture, 0, UNIT * (HIGHEST - FLOOR)).astype(np.int64).reshape(channels, blocks * ROWS, bands)[:, :frames]


@functools.lru_cache
def cosines(size):
    """Returns the orthonormal cosine transform times 4096, rounded: float64 `(coefficients, places)`."""
    return np.rint(2**_SCALE * dct(np.eye(size), norm="ortho", axis=0))


@functools.lru_cache
def learned(bands):
    """Returns the principal components of changes of power in music times 4096, rounded: float64 `(coefficients, bands)`.

    They leave 7 % less error than cosines at the same bits. Where none were trained for so many bands, cosines are returned.
    The file is a part of the format and never changes; `envelope_training.components` makes such files.
    """
    with np.load(Path(__file__).parent / "weights" / "bands.npz", allow_pickle=False) as file:
        return file[str(bands)].astype(np.float64) if str(bands) in file else cosines(bands)


def principal(pictures):
    """Returns the basis in which changes of power need the fewest coefficients, int16 `(bands, bands)` in 1/4096.

    The Karhunen-Loeve transform of what is left of blocks without their mean over time: the best linear autoencoder
    (Baldi and Hornik 1989).

    Args:
        pictures: list of arrays `(frames, bands)` as by `measure`, of one channel.
    """
    blocks = np.concatenate([each[: len(each) // ROWS * ROWS].reshape(-1, ROWS, each.shape[1]) for each in pictures])
    changes = (blocks - blocks.mean(axis=1, keepdims=True)).reshape(-1, blocks.shape[2])
    vectors = np.linalg.eigh(changes.T @ changes)[1].T[::-1]
    vectors = vectors * np.where(vectors.sum(axis=1, keepdims=True) < 0, -1, 1)
    return np.rint(2**_SCALE * vectors).astype(np.int16)


def pack(values, near=None):
    """Returns the bytes of coefficients by `quantise`; `near` is a context model at its start, None for `Blocks`."""
    return levels.pack(values, near or Blocks(values.shape[0], values.shape[2] // ROWS))


def unpack(data, channels, frames, bands, near=None):
    """Returns the coefficients of bytes by `pack`; ValueError for others."""
    shape = channels, -(-frames // ROWS), ROWS * bands
    values, _ = levels.unpack(data, shape, near or Blocks(channels, bands))
    if np.abs(values).max(initial=0) > MOST:
        raise ValueError(f"a coefficient of the envelope is out of range. Received: {np.abs(values).max()}")
    return values


class Blocks:
    """A context model of coefficients: a running average of the blocks before, and the rows above in the same block.

    Attributes:
        prior, parts, frame, switches, signs, ahead: as of `fmalib.codec.contexts.Neighbourhood`; a part is a row.
    """

    switches, signs = 0, None
    prior = np.tile(entropy.prior(), (2, 1))  # one set for the first row, one for the others

    def __init__(self, channels, bands):
        self.parts = [(slice(None), slice(row * bands, (row + 1) * bands)) for row in range(ROWS)]
        self._usual = usual(bands)
        self._running = np.repeat(self._usual[None] * AVERAGE // entropy.UNIT, channels, axis=0)
        self.frame = np.zeros((channels, ROWS * bands))
        self._foretell()

    def tables(self, number):
        """Returns the table of each band of a row."""
        expected, above = self._expected[:, number], self.frame[self.parts[number - 1]]
        if number and above.any():
            expected = expected + ABOVE[0] * above + ABOVE[1] * _aside(above)
        if number > 1:
            expected = expected + ABOVE[2] * self.frame[self.parts[number - 2]]
        return entropy.scales_of(expected) + entropy.SCALES * min(number, 1)

    def next_frame(self, sizes):
        """Moves on with the magnitudes of the block; the running average takes an eighth of them."""
        self._running += (AVERAGE * np.minimum(sizes, MOST).reshape(self._running.shape) - self._running) >> 3
        self.frame[...] = 0
        self._foretell()

    def ahead(self, values, _):
        """Returns `Ahead`: the same tables for an encoder, which knows all coefficients."""
        return Ahead(self, values)

    def _foretell(self):
        """Sets what the blocks before, and what is usual, say of the next."""
        start, mean, aside = np.array(WEIGHTS).T[:, [0] + [1] * (ROWS - 1), None]
        self._expected = start * self._usual // entropy.UNIT + mean * self._running + aside * _aside(self._running)


class Ahead:
    """The tables of `Blocks` for an encoder, which knows all coefficients: of all blocks at once.

    Attributes:
        signs: None, as of `Blocks`.
    """

    signs = None

    def __init__(self, near, values):
        """Takes `Blocks` at its start, and coefficients as by `quantise`."""
        self._near, self._sizes = near, np.abs(values).swapaxes(0, 1)

    def blocks(self):
        """Yields the tables of all blocks in the order of coding, int64 `(blocks, n)`."""
        near, expected = self._near, []
        for sizes in self._sizes:
            expected.append(near._expected)
            near.next_frame(sizes)
        expected = np.stack(expected)
        sizes, tables = self._sizes.reshape(expected.shape), np.empty(expected.shape, np.int64)
        above, higher = np.zeros((2, *expected[:, :, 0].shape))
        for row in range(ROWS):
            mean = expected[:, :, row] + ABOVE[0] * above + ABOVE[1] * _aside(above) + ABOVE[2] * higher
            scales = entropy.scales_of(mean)
            tables[:, :, row] = scales + entropy.SCALES * min(row, 1)
            above, higher = entropy.known(sizes[:, :, row], scales).astype(np.float64), above
        yield tables.swapaxes(1, 2).reshape(len(tables), -1)


@functools.lru_cache
def usual(bands):
    """Returns the magnitude that is usual at each place, in 1/1024: rules that fit the means of 30 excerpts of music."""
    row, column = np.arange(ROWS)[:, None], np.arange(bands)
    table = 16 * 10 * entropy.UNIT // ((6 + row * row) * (10 + 7 * column))
    table[0] = entropy.UNIT // 2 + 4 * entropy.UNIT // (1 + column)
    return table


def _aside(rows):
    """Returns the sum of both neighbours of each band, the last axis."""
    result = np.zeros_like(rows)
    result[..., 1:] += rows[..., :-1]
    result[..., :-1] += rows[..., 1:]
    return result
