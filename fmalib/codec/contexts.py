"""How large the next coefficients will be, from those already coded: integers only, so every machine finds the same.

The bins of a frame are coded in three passes: every fourth; those halfway between; all odd ones. A pass knows the frames
before, and the passes before it in its own frame, on both sides of a bin. So numpy codes a pass at once. Products and sums of
integers below 2^53 are exact in float64, in any order: matrix products serve.
"""

import numpy as np

PASSES = (slice(0, None, 4), slice(2, None, 4), slice(1, None, 2))
MULTIPLE = 4  # of bins
EDGE = 8  # zeros on both sides of a frame
UNIT = 1024  # expected magnitudes are sums of magnitudes with weights that add up to about 1024
AVERAGE = 16  # times the running average is kept
# Weights by hand, between those that were best at 8 and at 32 kbit/s; a pair of neighbours has one weight. Rows are passes;
# columns the frame before at distances 0, 1, 2, and the running average, 16 times as large, at 0 and 1.
PAST = np.array([[192, 128, 48, 20, 5], [112, 80, 16, 10, 0], [64, 32, 0, 8, 0]], np.float64)
OWN = ((), ((2, 272), (6, 16)), ((1, 304), (3, 64)))  # (distance, weight) in the frame itself


class Neighbourhood:
    """The magnitudes already coded of a chunk.

    Attributes:
        frame: whole numbers, float64 of shape `(channels, bins)`, which the caller fills pass by pass; `next_frame` clears it.
    """

    def __init__(self, channels, bins):
        self._rows = np.zeros((2, channels, bins + 2 * EDGE))  # the frame, and the running average
        self._past = np.zeros((len(PASSES), channels, bins))
        self._parts = np.zeros((PAST.shape[1], channels, bins))
        self._bins = bins
        self.frame = self._rows[0, :, EDGE : EDGE + bins]

    def expected(self, number):
        """Returns the expected magnitude of each bin of a pass in 1/1024, whole numbers `(channels, bins of the pass)`."""
        expected = self._past[number][:, PASSES[number]]
        for distance, weight in OWN[number]:
            expected = expected + weight * self._around(self._rows[0], distance)[:, PASSES[number]]
        return expected

    def next_frame(self):
        """Moves on: the frame becomes the one before, and the running average takes a quarter of it."""
        now, running = self._rows
        running += np.floor((AVERAGE * now - running) / 4)
        self._parts[0], self._parts[3] = self.frame, self._inner(running, 0)
        for place, row, distance in ((1, now, 1), (2, now, 2), (4, running, 1)):
            np.add(self._inner(row, -distance), self._inner(row, distance), out=self._parts[place])
        self._past = (PAST @ self._parts.reshape(len(self._parts), -1)).reshape(self._past.shape)
        now[...] = 0

    def _inner(self, row, offset):
        return row[:, EDGE + offset : EDGE + offset + self._bins]

    def _around(self, row, distance):
        return self._inner(row, -distance) + self._inner(row, distance)
