"""From channels to one: their sum, and a look at whether they cancel each other."""

import numpy as np

CANCELLED = 0.01  # of the channels' power is left in their mean: they are opposite
OPPOSITE = 0.1  # of a file's power, at least, lies in stretches like that
STRETCH = 28_672  # samples for which the first LOOKED_AT tell whether channels cancel: 0.65 s at 44.1 kHz
LOOKED_AT = STRETCH // 16


class Downmix:
    """Adds the channels of a file, block by block.

    Args:
        channels: number of them.
        chosen: index of the channel that stands for all of them; None means their sum.

    Attributes:
        divisor: by which the result becomes their mean.
    """

    def __init__(self, channels, chosen=None):
        self.divisor = channels if chosen is None else 1
        self._chosen = chosen
        self._space = np.empty(0, np.float32)
        self._power = 0.0  # of all channels, in what was looked at
        self._cancelled = np.zeros(channels)  # power of each, in stretches whose mean is far below the channels

    def add(self, block):
        """Returns one channel `(samples,)` of a block, float32 `(samples, channels)`; it lasts until the next call."""
        if self._chosen is not None or self.divisor == 1:
            return np.ascontiguousarray(block[:, self._chosen or 0])
        if len(self._space) < len(block):  # new memory for each block costs time
            self._space = np.empty(len(block), np.float32)
        total = np.add(block[:, 0], block[:, 1], out=self._space[: len(block)])
        for channel in block.T[2:]:  # numpy's `sum` takes nearly as long as decoding
            total += channel
        self._look_at(block, total)
        return total

    @property
    def opposite(self):
        """Index of the strongest channel where channels cancel each other, else None."""
        if self._cancelled.sum() > OPPOSITE * self._power > 0:
            return int(np.argmax(self._cancelled))
        return None

    def _look_at(self, block, total):
        """Adds the power of a block where it is looked at, and by channel that of stretches whose mean has nearly none."""
        channels = block.shape[1]
        part, mixed = _looked_at(block), _looked_at(total)
        power = _power(part)
        self._power += float(power.sum())
        silent = _power(mixed) < CANCELLED * channels * power
        if silent.any():
            self._cancelled += np.square(part[silent].reshape(-1, channels)).sum(axis=0, dtype=float)


def _looked_at(values):
    """Returns the first LOOKED_AT of each whole stretch of `(samples, ...)`, one a row; less than a stretch is one as well."""
    stretch = min(STRETCH, len(values))
    rows = values[: len(values) // stretch * stretch].reshape(-1, stretch * (values.size // len(values)))
    return rows[:, : LOOKED_AT * (values.size // len(values))]


def _power(rows):
    """Returns the sum of squares of each row; `@` would start threads that take the processors from other decoders."""
    return np.einsum("ij,ij->i", rows, rows)
