"""The context model of the envelope in `learned`: a network finds the scale of a coefficient from those already sent.

The network (`fmalib.codec.integer_network`) has three sets of weights: for the first row of a block, the next three, and the
others. Its inputs are logarithms of magnitudes. They come from both blocks before, two running averages, the rows above in the
block, and the same row of the first channel. Everything is in whole numbers, so every machine finds the same.
"""

import functools

import numpy as np

from fmalib.codec import context_models, entropy, envelope, integer_network
from fmalib.codec.envelope import ROWS
from fmalib.codec.integer_network import logarithms, windows

PASS_OF = (0, 1, 1, 1, *(2,) * (ROWS - 4))  # of each row
EDGE = 4  # zeros above the first row, and on both sides of a row
KEEP = (16, 3), (16, 8)  # running averages: units of a coefficient, and the share of a new block is 1 / the second number
FINER = 32  # times an average is larger in its logarithm, since most are far below 1
REACH = (
    2,
    1,
    0,
    0,
    1,
    0,
    1,
)  # components on both sides: of four rows above, all rows above, the first, and the other channel's
FEW_BLOCKS = 8  # from the start of a chunk that are told from one another
PAST = 5 * (1 + len(KEEP)) + 1 + 5 + 8
INPUTS = (PAST + sum(2 * reach + 1 for reach in REACH) + len(REACH),) * 3
_UNIT = integer_network.UNIT


@functools.lru_cache
def network():
    """Returns the network of the package, a part of the format; its digest goes into a file's header."""
    return integer_network.load(context_models.FOLDER / "envelope.npz")


class Blocks:
    """What is known of the envelope of a chunk while it is coded.

    Attributes:
        prior, parts, frame, switches, signs, ahead: as of `fmalib.codec.contexts.Neighbourhood`; a part is a row of a channel.
    """

    switches, signs, ahead = 0, None, None

    def __init__(self, channels, bands, step, weights):
        """Starts a chunk.

        Args:
            channels, bands: of the envelope.
            step: of its rounding, in 1/8 octave.
            weights: `fmalib.codec.integer_network.Network`; None where only inputs are wanted.
        """
        self._network, self.prior, self._channels, self._bands = weights, weights and weights.counts, channels, bands
        self.parts = [
            (slice(one, one + 1), slice(row * bands, row * bands + bands)) for row in range(ROWS) for one in range(channels)
        ]
        self.frame = np.zeros((channels, ROWS * bands))
        usual = envelope.usual(bands)
        self._averages = [np.repeat(usual[None] * unit // entropy.UNIT, channels, axis=0).astype(float) for unit, _ in KEEP]
        self._before = np.zeros((2, channels, ROWS, bands))
        row, column = np.arange(ROWS)[:, None], np.arange(bands)
        places = [logarithms(32 * usual / entropy.UNIT), logarithms(row), logarithms(column)]
        places += [64 * row, 32 * column, 32 * bands, logarithms(step)]
        places = np.stack([np.broadcast_to(each, (ROWS, bands)) for each in places], axis=-1)
        flags = np.broadcast_to(_UNIT * np.arange(channels)[:, None, None, None], (channels, ROWS, bands, 1))
        self._places = np.concatenate([np.repeat(places[None], channels, axis=0), flags], axis=-1)
        self._sizes = np.zeros((channels, EDGE + ROWS, bands + 2 * EDGE))
        self._number = 0
        self._foretell()

    def inputs(self, number):
        """Returns the inputs of the network for a part, whole numbers in float64 of shape `(bands, INPUTS)`."""
        row, channel = divmod(number, self._channels)
        self._sizes[:, EDGE:, EDGE:-EDGE] = self.frame.reshape(self._channels, ROWS, self._bands)
        above = self._sizes[channel, : EDGE + row]  # rows from here on are not known yet
        near = np.zeros((len(REACH), above.shape[1] + 1))
        near[:4, :-1], near[4, :-1] = above[:-5:-1], above.sum(axis=0)
        if row:
            near[5, :-1] = above[EDGE]
        if channel:
            near[6, :-1] = self._sizes[0, EDGE + row]
        near[:, -1] = near.sum(axis=1)
        logs = logarithms(near)
        columns = [windows(logs[n, EDGE - k : k - EDGE - 1], 2 * k + 1) for n, k in enumerate(REACH)]
        sums = np.broadcast_to(logs[:, -1], (self._bands, len(REACH)))
        return np.concatenate([self._past[channel, row], *columns, sums], axis=1)

    def tables(self, number):
        """Returns the table of each component of a part, int64 of shape `(1, bands)`: by scale, pass and channel."""
        row, channel = divmod(number, self._channels)
        scales = self._network.scales(PASS_OF[row], self.inputs(number))
        return scales[None] + entropy.SCALES * (2 * PASS_OF[row] + channel)

    def next_frame(self, sizes):
        """Moves on with the magnitudes of the block, `(channels, ROWS * bands)`."""
        sizes = np.minimum(sizes, envelope.MOST).reshape(self._before[0].shape)
        self._before = np.stack([sizes, self._before[0]])
        for average, (unit, share) in zip(self._averages, KEEP):
            average += np.floor((unit * sizes - average) / share)
        self.frame[...] = 0
        self._number += 1
        self._foretell()

    def _foretell(self):
        """Sets what the blocks before say of the next."""
        last, earlier = self._before
        averages = [logarithms(FINER * average / unit) for average, (unit, _) in zip(self._averages, KEEP)]
        columns = [each for table in (logarithms(last), *averages) for each in _around(table)] + [logarithms(earlier)]
        rows = last.sum(axis=2, keepdims=True)
        ahead = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1]
        sums = rows, ahead, ahead[:, :1], earlier.sum(axis=(1, 2), keepdims=True)
        columns += [np.broadcast_to(logarithms(each), last.shape) for each in sums]
        columns.append(np.full(last.shape, min(self._number, FEW_BLOCKS) * _UNIT // 4))
        self._past = np.concatenate([np.stack(columns, axis=-1), self._places], axis=-1)


def _around(table):
    """Returns a table `(channels, rows, bands)`, and what lies above, below, left and right of each place; 0 outside."""
    padded = np.pad(table, ((0, 0), (1, 1), (1, 1)))
    return table, padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]
