"""How large the next levels will be, from those already coded: integers only, so every machine finds the same.

The bins of a frame are coded in three passes: every fourth; those halfway between; all odd ones. A pass knows the frames
before, and the passes before it in its own frame, on both sides of a bin. So numpy codes a pass at once. Products and sums of
integers below 2^53 are exact in float64, in any order: matrix products serve.
"""

import functools

import numpy as np

from fmalib.codec import entropy, quantiser

PASSES = (slice(0, None, 4), slice(2, None, 4), slice(1, None, 2))
MULTIPLE = 4  # of bins
EDGE = 8  # zeros on both sides of a frame
TOGETHER = 1 << 14  # levels whose tables an encoder finds at once; what is computed of them fits into the processor's cache
UNIT = 1024  # expected magnitudes are sums of magnitudes with weights that add up to about 1024
AVERAGE = 16  # times the running average is kept
# Weights by hand, between those that were best at 8 and at 32 kbit/s; a pair of neighbours has one weight. Rows are passes;
# columns the frame before at distances 0, 1, 2, and the running average, 16 times as large, at 0 and 1.
PAST = np.array([[192, 128, 48, 20, 5], [112, 80, 16, 10, 0], [64, 32, 0, 8, 0]], np.float64)
SPLIT_COUNTS = [[900, 100, 50], [500, 500, 50], [500, 300, 250]]  # of splits, by the one before
_SHIFTED = np.argmax(entropy.SHIFTS > 0)  # the first scale whose levels are shifted
OWN = ((), ((2, 272), (6, 16)), ((1, 304), (3, 64)))  # (distance, weight) in the frame itself
_COLUMNS = (0, 0), (0, 1), (0, 2), (1, 0), (1, 1)  # of PAST: the frame before or the running average, and the distance


@functools.lru_cache
def prior():
    """Returns the counts before anything is coded: a set of tables for both quantisers in each pass."""
    return np.tile(entropy.prior(), (2 * len(PASSES), 1))


class Neighbourhood:
    """The magnitudes already coded of a chunk.

    Attributes:
        prior: counts of all tables before anything is coded, int64 `(tables, SYMBOLS)`.
        parts: indices of `frame`, in the order of coding.
        switches: highest split of a frame; 0, since this model cuts no frames.
        signs: `fmalib.codec.signs.Signs`, or None, since this model foretells no signs: each takes one bit.
        ahead: function that returns what finds the tables of many frames at once, for an encoder; None where nothing does.
        frame: whole numbers, float64 of shape `(channels, bins)`, which the caller fills part by part; `next_frame` clears it.
    """

    parts = tuple((slice(None), bins) for bins in PASSES)
    switches = 0
    signs = None

    def __init__(self, channels, bins):
        self._rows = np.zeros((2, channels, bins + 2 * EDGE))  # the frame, and the running average
        self._past = np.zeros((len(PASSES), channels, bins))
        self._parts = np.zeros((PAST.shape[1], channels, bins))
        self._bins, self._trellis, self.prior = bins, quantiser.Trellis(channels, bins), prior()
        self.frame = self._rows[0, :, EDGE : EDGE + bins]

    def expected(self, number):
        """Returns the expected magnitude of each bin of a pass in 1/1024, whole numbers `(channels, bins of the pass)`."""
        expected = self._past[number][:, PASSES[number]]
        for distance, weight in OWN[number]:
            expected = expected + weight * self._around(self._rows[0], distance)[:, PASSES[number]]
        return expected

    def tables(self, number):
        """Returns the table of each bin of a pass: by its scale, the pass, and, where levels are small, the quantiser."""
        scales = entropy.scales_of(self.expected(number))
        half = self._trellis.halves[:, PASSES[number]] & (scales < _SHIFTED)
        return scales + entropy.SCALES * (2 * number + half)

    def next_frame(self, sizes):
        """Moves on with the magnitudes of the frame, `(channels, bins)`; the running average takes a quarter of them."""
        self._trellis.next_frame(sizes)
        now, running = self._rows
        self.frame[...] = np.minimum(sizes, quantiser.LARGEST)  # sums stay exact whatever a hostile file holds
        running += np.floor((AVERAGE * now - running) / 4)
        self._parts[0], self._parts[3] = self.frame, self._inner(running, 0)
        for place, row, distance in ((1, now, 1), (2, now, 2), (4, running, 1)):
            np.add(self._inner(row, -distance), self._inner(row, distance), out=self._parts[place])
        self._past = (PAST @ self._parts.reshape(len(self._parts), -1)).reshape(self._past.shape)
        now[...] = 0

    def ahead(self, values, splits):
        """Returns `Ahead`: the same tables for an encoder, which knows all levels."""
        return Ahead(self, values, splits)

    def _inner(self, row, offset):
        return row[:, EDGE + offset : EDGE + offset + self._bins]

    def _around(self, row, distance):
        return self._inner(row, -distance) + self._inner(row, distance)


class CutNeighbourhood(Neighbourhood):
    """A neighbourhood for frames that may be cut: the table of a split is that of the split before.

    Attributes:
        split: of the frame, which the caller sets before the first part.
    """

    switches = 2

    def __init__(self, channels, bins):
        super().__init__(channels, bins)
        self.split, self.prior = 0, cut_prior()

    def split_table(self):
        """Returns the table of the split of the frame to come, int64 of shape `(1,)`."""
        return np.array([len(prior()) + self.split])


@functools.lru_cache
def cut_prior():
    """Returns the counts of `prior`, and those of a table for each split that a frame may follow."""
    splits = np.ones((entropy.SCALES, entropy.SYMBOLS), np.int64)
    splits[: CutNeighbourhood.switches + 1, : CutNeighbourhood.switches + 1] = SPLIT_COUNTS
    return np.concatenate([prior(), splits])


class Ahead:
    """The tables of a `Neighbourhood` for an encoder, which knows all levels: of many frames at once.

    Attributes:
        signs: None, as of `Neighbourhood`.
    """

    signs = None

    def __init__(self, near, values, splits):
        """Starts a chunk.

        Args:
            near: `Neighbourhood`, which says whether frames are cut.
            values: levels, int64 `(channels, frames, bins)`.
            splits: of the frames, int64 `(frames,)`; None where none is cut.
        """
        self._sizes, self._halves = (each.swapaxes(0, 1) for each in (np.abs(values), quantiser.halves(values)))
        self._of_splits = len(prior()) + np.append(0, splits[:-1])[:, None] if near.switches else None

    def blocks(self):
        """Yields the tables of the next frames in the order of coding, that of the split first: int64 `(frames, n)`."""
        frames, channels, bins = self._sizes.shape
        together = max(1, TOGETHER // (channels * bins))
        rows = np.zeros((2, together + 1, channels, bins + 2 * EDGE))  # the frame before and its running average; one later
        for first in range(0, frames, together):
            some = slice(first, first + together)
            sizes = self._sizes[some]
            self._follow(sizes, rows)
            tables = self._of_passes(sizes, self._halves[some], rows[:, : len(sizes)])
            yield np.concatenate(tables if self._of_splits is None else [self._of_splits[some], *tables], axis=1)
            rows[:, 0] = rows[:, -1]

    def _follow(self, sizes, rows):
        """Fills in frames and running averages behind the first, as `Neighbourhood.next_frame`."""
        now, running = rows[:, :, :, EDGE:-EDGE]
        now[1 : 1 + len(sizes)] = np.minimum(sizes, quantiser.LARGEST)
        for number, new in enumerate(AVERAGE // 4 * now[1 : 1 + len(sizes)]):
            running[number + 1] = np.floor(0.75 * running[number]) + new

    def _of_passes(self, sizes, halves, rows):
        """Returns the tables of each pass, `(frames, channels * bins of the pass)`."""
        own, found = np.zeros_like(rows[0]), []
        for number, part in enumerate(PASSES):
            past = [(rows[row], distance, weight) for (row, distance), weight in zip(_COLUMNS, PAST[number]) if weight]
            expected = 0.0
            for row, distance, weight in [*past, *((own, *each) for each in OWN[number])]:
                here, there = (row[:, :, EDGE + off : row.shape[2] - EDGE + off][:, :, part] for off in (-distance, distance))
                expected = expected + weight * (here + there if distance else here)
            scales = entropy.scales_of(expected)
            half = halves[:, :, part] & (scales < _SHIFTED)
            found.append((scales + entropy.SCALES * (2 * number + half)).reshape(len(sizes), -1))
            own[:, :, EDGE:-EDGE][:, :, part] = entropy.known(sizes[:, :, part], scales)
        return found
