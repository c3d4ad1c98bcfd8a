"""The context model of `learned`: a network (`fmalib.codec.integer_network`) finds the scale of a level from its neighbours.

Inputs of the network are logarithms of magnitudes already coded: of the two frames before, of two running averages, of the
passes before in the same frame on both sides of a bin, and, in the second channel, of the first. Bin frequency, the split of
the frame and of the one before complete them. Everything is in whole numbers, so every machine finds the same.
"""

import numpy as np

from fmalib.codec import contexts, entropy, integer_network, quantiser, signs
from fmalib.codec.integer_network import logarithms, windows

EDGE = 24  # zeros on both sides of a frame
REACH = (8, 5, 3, 3)  # bins on both sides: of the frame before, the one before that, and two running averages
KEEP = ((16, 4), (64, 16))  # running averages: units of a level, and the share of a new frame is 1 / the second number
OWN = ((), (-6, -2, 2, 6), (-7, -5, -3, -1, 1, 3, 5, 7))  # distances of bins that are known, by pass
OTHER = 4  # bins on both sides in the first channel
PAST = sum(2 * reach + 1 for reach in REACH) + 1
FEW_FRAMES = 8  # from the start of a chunk that are told from one another
SPLITS = 4
INPUTS = tuple(PAST + len(own) + bool(own) + 2 * OTHER + 2 + 3 + 2 * SPLITS for own in OWN)
_UNIT = integer_network.UNIT


class Neighbourhood:
    """What is known of a chunk while it is coded.

    Attributes:
        prior, parts, frame, signs: as of `fmalib.codec.contexts.Neighbourhood`; a part is a pass in one channel.
        switches: highest split of a frame.
        foretells: whether signs are foretold, if the network can.
        split: of the frame, which the caller sets before the first part.
    """

    switches = SPLITS - 1
    foretells = True

    def __init__(self, shape, hertz, network):
        """Starts a chunk.

        Args:
            shape: (channels, bins).
            hertz: distance of two bins.
            network: `fmalib.codec.integer_network.Network`; None where only inputs are wanted.
        """
        channels, bins = shape
        self._network, self._bins, self.prior = network, bins, network and network.counts
        self.signs = None
        if self.foretells and (network is None or network.signs):
            self.signs = signs.Signs(shape, hertz, network and network.signs)
        self.parts = tuple((slice(one, one + 1), part) for one in range(channels) for part in contexts.PASSES)
        self._trellis = quantiser.Trellis(channels, bins)
        self._padded = np.zeros((channels, bins + 2 * EDGE))
        self.frame = self._padded[:, EDGE : EDGE + bins]
        self._averages = np.zeros((len(KEEP), channels, bins))
        self._rows = np.zeros((len(REACH), channels, bins + 2 * EDGE))
        self._past = np.zeros((channels, bins, PAST))
        places = np.stack([logarithms(hertz * (np.arange(bins) + 0.5) / 200), np.full(bins, logarithms(hertz / 10))], axis=1)
        self._places, self._number, self.split, self._before = places, 0, 0, 0

    def split_table(self):
        """Returns the table of the split of the frame to come, by the one before: int64 of shape `(1,)`."""
        return np.array([2 * len(contexts.PASSES) * entropy.SCALES + self._before])

    def inputs(self, number):
        """Returns the inputs of the network for the bins of a part, whole numbers in float64, `(bins of the part, INPUTS)`."""
        channel, number = divmod(number, len(contexts.PASSES))
        part, own = contexts.PASSES[number], OWN[number]
        columns = [self._past[channel, part], self._places[part]]
        if own:
            row = self._padded[channel]
            near = np.stack([row[EDGE + off : EDGE + off + self._bins][part] for off in own], axis=1)
            columns += [logarithms(near), logarithms(self._wide(row, own[-1] - own[-2])[part, None])]
        others = np.zeros((self._bins, 2 * OTHER + 1))
        if channel:
            others = windows(logarithms(self._padded[channel - 1, EDGE - OTHER : OTHER - EDGE]), 2 * OTHER + 1)
        columns.append(others[part])
        told = np.zeros(2 + 2 * SPLITS)
        told[[0, 1]] = channel * _UNIT, min(self._number, FEW_FRAMES) * _UNIT // 4
        told[[2 + self.split, 2 + SPLITS + self._before]] = _UNIT
        columns.append(np.broadcast_to(told, (len(columns[0]), len(told))))
        return np.concatenate(columns, axis=1)

    def tables(self, number):
        """Returns the table of each bin of a part, int64 of shape `(1, bins of the part)`: by scale, pass and quantiser."""
        scales = self._network.scales(number % len(contexts.PASSES), self.inputs(number))
        return scales[None] + entropy.SCALES * (2 * (number % len(contexts.PASSES)) + self.halves(number))

    def halves(self, number):
        """Returns the quantiser of each bin of a part, 0 or 1, int64 of shape `(1, bins of the part)`."""
        return self._trellis.halves[self.parts[number]]

    def begin_signs(self, sizes):
        """Takes the magnitudes of the frame, `(channels, bins)`, before its signs."""
        self.signs.begin(sizes, self._trellis.halves, self.split)

    def next_frame(self, sizes):
        """Moves on with the magnitudes of the frame, `(channels, bins)`."""
        self._trellis.next_frame(sizes)
        self.frame[...] = np.minimum(sizes, quantiser.LARGEST)
        inner = slice(EDGE, EDGE + self._bins)
        self._rows[1] = self._rows[0]
        self._rows[0, :, inner] = logarithms(self.frame)
        for row, average, (unit, share) in zip(self._rows[2:], self._averages, KEEP):
            average += np.floor((unit * self.frame - average) / share)
            row[:, inner] = logarithms(average / unit)
        start = 0
        for row, reach in zip(self._rows, REACH):
            window = windows(row[:, EDGE - reach : EDGE + self._bins + reach], 2 * reach + 1)
            self._past[..., start : start + 2 * reach + 1] = window
            start += 2 * reach + 1
        for channel, row in enumerate(self._padded):
            self._past[channel, :, -1] = logarithms(self._wide(row, 1))
        self.frame[...] = 0
        self._before, self._number = self.split, self._number + 1

    def _wide(self, row, apart):
        """Returns the mean of the magnitudes up to 24 bins away, of which one in `apart` is known, for each bin."""
        sums = np.concatenate([[0.0], np.cumsum(row)])
        return (sums[2 * EDGE + 1 :] - sums[: self._bins]) * (apart / (2 * EDGE))
