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
TOGETHER = 8  # frames whose tables an encoder finds at once; their inputs fit into the processor's cache
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

    def __init__(self, shape, hertz, network, together=1):
        """Starts a chunk.

        Args:
            shape: (channels, bins).
            hertz: distance of two bins.
            network: `fmalib.codec.integer_network.Network`; None where only inputs are wanted.
            together: frames whose inputs are found at once; more than one only by `Ahead`.
        """
        channels, bins = shape
        self._network, self._bins, self.prior = network, bins, network and network.counts
        self.signs, self._of = None, (shape, hertz, network)
        if self.foretells and (network is None or network.signs):
            self.signs = signs.Signs(shape, hertz, network and network.signs)
        self.parts = tuple((slice(one, one + 1), part) for one in range(channels) for part in contexts.PASSES)
        self._trellis = quantiser.Trellis(channels, bins)
        self._padded = np.zeros((together, channels, bins + 2 * EDGE))
        self.frame = self._padded[0, :, EDGE : EDGE + bins]
        self._averages = np.zeros((len(KEEP), channels, bins))
        self._rows = np.zeros((len(REACH), channels, bins + 2 * EDGE))
        self._last = np.zeros((channels, bins + 2 * EDGE))
        self._past = np.zeros((together, channels, bins, PAST))
        places = np.stack([logarithms(hertz * (np.arange(bins) + 0.5) / 200), np.full(bins, logarithms(hertz / 10))], axis=1)
        self._places, self._number, self.split, self._before = places, 0, 0, 0

    def split_table(self):
        """Returns the table of the split of the frame to come, by the one before: int64 of shape `(1,)`."""
        return table_after(np.array([self._before]))

    def inputs(self, number):
        """Returns the inputs of the network for the bins of a part, whole numbers in float64, `(bins of the part, INPUTS)`."""
        return self._inputs(number, self._told()[None])

    def tables(self, number):
        """Returns the table of each bin of a part, int64 of shape `(1, bins of the part)`: by scale, pass and quantiser."""
        return self._tables(number, self.inputs(number), self.halves(number))

    def halves(self, number):
        """Returns the quantiser of each bin of a part, 0 or 1, int64 of shape `(1, bins of the part)`."""
        return self._trellis.halves[self.parts[number]]

    def begin_signs(self, sizes):
        """Takes the magnitudes of the frame, `(channels, bins)`, before its signs."""
        self.signs.begin(sizes, self._trellis.halves, self.split)

    def next_frame(self, sizes):
        """Moves on with the magnitudes of the frame, `(channels, bins)`."""
        self._follow(sizes)
        self._show(0)
        self.frame[...] = 0

    def ahead(self, values, splits):
        """Returns `Ahead`: the same tables for an encoder, which knows all levels, found in less time."""
        return Ahead(type(self)(*self._of, TOGETHER), values, splits)

    def _inputs(self, number, told):
        """Returns the inputs for a part of one or more frames; `told` as by `_told`, `(frames, 2 + 2 * SPLITS)`."""
        channel, number = divmod(number, len(contexts.PASSES))
        part, own = contexts.PASSES[number], OWN[number]
        past = self._past[: len(told), channel, part]
        told[:, 0] = channel * _UNIT
        columns = [past, np.broadcast_to(self._places[part], (*past.shape[:2], 2))]
        if own:
            row = self._padded[: len(told), channel]
            logs = logarithms(row)
            columns.append(np.stack([logs[:, EDGE + off : EDGE + off + self._bins][:, part] for off in own], axis=-1))
            columns.append(logarithms(self._wide(row, own[-1] - own[-2])[:, part, None]))
        others = np.zeros((len(past), self._bins, 2 * OTHER + 1))
        if channel:
            others = windows(logarithms(self._padded[: len(told), channel - 1, EDGE - OTHER : OTHER - EDGE]), 2 * OTHER + 1)
        columns += [others[:, part], np.broadcast_to(told[:, None], (*past.shape[:2], told.shape[1]))]
        return np.concatenate(columns, axis=-1).reshape(-1, INPUTS[number])

    def _tables(self, number, inputs, halves):
        """Returns the tables of a part, of the shape of its quantisers `halves`."""
        scales = self._network.scales(number % len(contexts.PASSES), inputs).reshape(halves.shape)
        return scales + entropy.SCALES * (2 * (number % len(contexts.PASSES)) + halves)

    def _told(self):
        """Returns the inputs that are the same in all bins of the frame; the first one, the channel, is open."""
        told = np.zeros(2 + 2 * SPLITS)
        told[1] = min(self._number, FEW_FRAMES) * _UNIT // 4
        told[[2 + self.split, 2 + SPLITS + self._before]] = _UNIT
        return told

    def _follow(self, sizes):
        """Takes the magnitudes of a frame into the rows that the next frame knows."""
        self._trellis.next_frame(sizes)
        now, inner = np.minimum(sizes, quantiser.LARGEST).astype(np.float64), slice(EDGE, EDGE + self._bins)
        self._last[:, inner], self._rows[1] = now, self._rows[0]
        self._rows[0, :, inner] = logarithms(now)
        for row, average, (unit, share) in zip(self._rows[2:], self._averages, KEEP):
            average += np.floor((unit * now - average) / share)
            row[:, inner] = logarithms(average / unit)
        self._before, self._number = self.split, self._number + 1

    def _show(self, place):
        """Sets the inputs from frames before, for the frame at a place."""
        start, past = 0, self._past[place]
        for row, reach in zip(self._rows, REACH):
            window = windows(row[:, EDGE - reach : EDGE + self._bins + reach], 2 * reach + 1)
            past[..., start : start + 2 * reach + 1] = window
            start += 2 * reach + 1
        past[..., -1] = logarithms(self._wide(self._last, 1))

    def _wide(self, rows, apart):
        """Returns the mean of the magnitudes up to 24 bins away, of which one in `apart` is known, for each bin."""
        sums = np.zeros((len(rows), rows.shape[1] + 1))
        np.cumsum(rows, axis=1, out=sums[:, 1:])
        return (sums[:, 2 * EDGE + 1 :] - sums[:, : self._bins]) * (apart / (2 * EDGE))


def table_after(splits):
    """Returns the tables of splits that follow others, int64 of the shape of `splits`."""
    return 2 * len(contexts.PASSES) * entropy.SCALES + splits


class Ahead:
    """The tables of a `Neighbourhood` for an encoder, which knows all levels: of several frames at once, in larger matrices.

    Attributes:
        signs: `fmalib.codec.signs.Ahead`, or None.
    """

    def __init__(self, near, values, splits):
        """Starts a chunk.

        Args:
            near: `Neighbourhood` with room for TOGETHER frames, between two frames.
            values: levels, int64 `(channels, frames, bins)`.
            splits: of the frames, or None where none is cut.
        """
        self._near, self._values = near, values.swapaxes(0, 1)
        self._splits = [0] * len(self._values) if splits is None else splits.tolist()
        self.signs = near.signs and signs.Ahead(near.signs)

    def blocks(self):
        """Yields the tables of the next frames, as `fmalib.codec.contexts.Ahead.blocks`, and foretells their signs."""
        for first in range(0, len(self._values), TOGETHER):
            some = slice(first, first + TOGETHER)
            near, splits, told, firsts, halves = self._near, self._splits[some], [], [], []
            sizes = np.abs(self._values[some])
            for place, frame in enumerate(sizes):
                near.split = splits[place]
                near._show(place)
                told.append(near._told())
                firsts.append(near.split_table())
                halves.append(near._trellis.halves)
                near._follow(frame)
            if self.signs:
                self.signs.look(self._values[some], halves, splits)
            tables = self._of_parts(sizes, np.stack(told), np.stack(halves))
            yield np.concatenate([np.stack(firsts), *tables] if near.switches else tables, axis=1)

    def _of_parts(self, sizes, told, halves):
        """Returns the tables of each part, `(frames, bins of the part)`."""
        near, found = self._near, []
        near._padded[...] = 0
        inner = near._padded[: len(sizes), :, EDGE:-EDGE]
        for number, part in enumerate(near.parts):
            here = slice(None), *part
            tables = near._tables(number, near._inputs(number, told), halves[here])
            found.append(tables.reshape(len(sizes), -1))
            inner[here] = entropy.known(sizes[here], tables % entropy.SCALES)
        return found
