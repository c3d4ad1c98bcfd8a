"""How large the next coefficients will be, from those already coded: integers only, so every machine finds the same.

The bins of a frame are coded in three passes: every fourth; those halfway between; all odd ones. A pass knows the frames
before, and the passes before it in its own frame, on both sides of a bin. So numpy codes a pass at once.
"""

import numpy as np

PASSES = (slice(0, None, 4), slice(2, None, 4), slice(1, None, 2))
MULTIPLE = 4  # of bins
EDGE = 8  # zeros on both sides of a frame
UNIT = 64  # scales are sums of magnitudes with weights that add up to about 64
AVERAGE = 4  # bits behind the point of the running average
# Weights by hand, between those that were best at 8 and at 32 kbit/s: of the frame before at distances 0 to 2, of the running
# average at 0 and 1, of the own frame at the distances that a pass knows.
BEFORE = ((12, 8, 3), (7, 5, 1), (4, 2, 0))  # the second and third count for two neighbours each
RUNNING = ((20, 5), (10, 0), (8, 0))
OWN = ((), ((2, 17), (6, 1)), ((1, 19), (3, 4)))  # (distance, weight) of each of two neighbours


class Neighbourhood:
    """The magnitudes already coded of a chunk.

    Attributes:
        frame: int64 of shape `(channels, bins)`, which the caller fills pass by pass; `next_frame` clears it.
    """

    def __init__(self, channels, bins):
        self._frame, self._before, self._running = np.zeros((3, channels, bins + 2 * EDGE), np.int64)
        self._bins = bins
        self.frame = self._frame[:, EDGE : EDGE + bins]

    def scales(self, number):
        """Returns the expected magnitude of each bin of a pass, in 1/64: int64 of shape `(channels, bins of the pass)`."""
        centre, near, far = BEFORE[number]
        scale = centre * self._at(self._before, number, 0) + near * self._around(self._before, number, 1)
        if far:
            scale += far * self._around(self._before, number, 2)
        centre, near = RUNNING[number]
        running = centre * self._at(self._running, number, 0)
        if near:
            running += near * self._around(self._running, number, 1)
        scale += running >> AVERAGE
        for distance, weight in OWN[number]:
            scale += weight * self._around(self._frame, number, distance)
        return scale

    def next_frame(self):
        """Moves on: the frame becomes the one before; the running average takes a quarter of it."""
        self._running += ((self._frame << AVERAGE) - self._running) >> 2
        self._before[...] = self._frame
        self._frame[...] = 0

    def _at(self, frame, number, offset):
        return frame[:, EDGE + offset : EDGE + offset + self._bins][:, PASSES[number]]

    def _around(self, frame, number, distance):
        return self._at(frame, number, -distance) + self._at(frame, number, distance)
