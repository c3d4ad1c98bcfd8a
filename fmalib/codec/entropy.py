"""Integers and their expected size, to bytes and back: adaptive tables of counts, and constriction's range coder.

A caller states a level for each magnitude, an integer that stands for its expected size. How levels are found is not known
here: they may come from neighbours (`fmalib.codec.contexts`) or from a network. A level has a table of counts and a shift: so
many low bits of large magnitudes are sent as they are, and the rest is a symbol. The last symbol is an escape.

Counts are integers below 2^24, so float32 holds them exactly. constriction turns them to 24-bit probabilities by additions and
one division and product each, which IEEE 754 defines to the last bit: encoder and decoder agree on any machine.
"""

import functools

import constriction
import numpy as np

SYMBOLS = 18  # magnitudes 0 to 16 after the shift, and the escape
ESCAPE = SYMBOLS - 1
UNIT = 1024  # an expected magnitude is in 1/1024
PRIOR = 2048  # total count of a table at first
GAIN = 32  # added to the count of a symbol that was coded
MOST = 1 << 16  # total count of a table, above which its counts are halved
LEAST = 10  # added to the mean of a prior distribution, in 1/1024
CLASSES = 31  # of escapes, by the length of the number
THIRDS = 1024, 1290, 1625  # an octave in three steps
OCTAVES = range(-7, 28)  # of expected magnitudes
_MODELS = constriction.stream.model.Categorical(perfect=False)
_OF_ESCAPES = constriction.stream.model.Categorical(np.array([2.0 ** max(20 - n, 0) for n in range(CLASSES)]), perfect=False)


def _edges():
    """Returns the lowest expected magnitude of each level but the first, in 1/1024, and each level's shift."""
    edges = np.array(sorted(third << n if n > 0 else third >> -n for n in OCTAVES for third in THIRDS))
    lows = np.concatenate([[0], edges])
    return edges, np.array([max(0, int(low).bit_length() - 12) for low in lows])  # from 4 on: 2 to 4 after the shift


EDGES, SHIFTS = _edges()
LEVELS = len(SHIFTS)


@functools.lru_cache
def prior():
    """Returns the counts before anything is coded, int64 of shape `(LEVELS, SYMBOLS)`.

    Geometric distributions with 0.4, 1 and 2 times a level's expected magnitude, mixed 1:2:1; the arithmetic is in integers.
    """
    counts = np.ones((LEVELS, SYMBOLS), np.int64)
    for level, shift in enumerate(SHIFTS.tolist()):
        low, high = (int(EDGES[min(max(n, 0), LEVELS - 2)]) for n in (level - 1, level))
        middle = (low + high) // 2 >> shift if level else low // 2
        for factor, share in ((4, 1), (10, 2), (20, 1)):
            mean = middle * factor // 10 + LEAST
            left = PRIOR * share << 30
            for symbol in range(ESCAPE):
                more = left * mean // (UNIT + mean)
                counts[level, symbol] += (left - more) >> 32
                left = more
            counts[level, ESCAPE] += left >> 32
    return counts


def levels_of(scales):
    """Returns the level of each expected magnitude in 1/1024, an integer."""
    return np.searchsorted(EDGES, scales, side="right")


class Tables:
    """Counts of symbols by table; a level may have a table in each of several sets."""

    def __init__(self, sets):
        self.counts = np.tile(prior(), (sets, 1))
        self._refresh()

    def of(self, tables):
        """Returns the counts of each of many tables, float32 of shape `(many, SYMBOLS)`."""
        return self._floats[tables]

    def learn(self, tables, symbols):
        """Counts symbols, and the table that each was coded with."""
        seen = np.bincount(tables * SYMBOLS + symbols, minlength=self.counts.size)
        self.counts += GAIN * seen.reshape(self.counts.shape)
        full = self.counts.sum(axis=1) > MOST
        while full.any():
            self.counts[full] = (self.counts[full] >> 1) | 1
            full = self.counts.sum(axis=1) > MOST
        self._refresh()

    def _refresh(self):
        self._floats = self.counts.astype(np.float32)


class _Coder:
    """What encoder and decoder share: the tables, and what was coded with which."""

    def __init__(self, sets):
        self._tables, self._used, self._symbols, self._learned = Tables(sets), [], [], 0

    def _known(self, tables, symbols, shifts):
        """Returns magnitudes as far as symbols tell them, in the middle of what they leave open."""
        self._used.append(tables)
        self._symbols.append(symbols)
        return (symbols << shifts) + ((1 << shifts) >> 1)

    def _new(self):
        """Returns tables and symbols since the last time that tables were updated."""
        since, self._learned = slice(self._learned, None), len(self._used)
        return np.concatenate(self._used[since]), np.concatenate(self._symbols[since])

    def _all(self):
        """Returns all symbols, and their shifts."""
        return np.concatenate(self._symbols), SHIFTS[np.concatenate(self._used) % LEVELS]


class Encoder(_Coder):
    """Writes signed integers; `sets` is the number of tables for each level."""

    def __init__(self, sets):
        super().__init__(sets)
        self._range, self._values = constriction.stream.queue.RangeEncoder(), []

    def put(self, values, levels, number):
        """Takes integers of shape `(n,)`, their levels, and the number of the set of tables.

        Returns their magnitudes as a decoder knows them by now.
        """
        shifts = SHIFTS[levels]
        symbols = np.minimum(np.abs(values) >> shifts, ESCAPE)
        self._values.append(values)
        return self._known(levels + number * LEVELS, symbols, shifts)

    def learn(self):
        """Codes all symbols since the last time, and updates the tables by them: after a frame."""
        tables, symbols = self._new()
        self._range.encode(symbols.astype(np.int32), _MODELS, self._tables.of(tables))
        self._tables.learn(tables, symbols)

    def finish(self):
        """Returns the bytes: words of the range coder from the front; signs, low bits and escapes from the back."""
        if not self._values:
            return b""
        values, (symbols, shifts) = np.concatenate(self._values), self._all()
        sizes = np.abs(values)
        escaped = symbols == ESCAPE
        excess = (sizes[escaped] >> shifts[escaped]) - ESCAPE + 1
        lengths = np.frexp(excess)[1] - 1
        if len(lengths):
            self._range.encode(lengths.astype(np.int32), _OF_ESCAPES)
        planes = [*_planes(excess, lengths), *_planes(sizes, shifts), values[values != 0] < 0]
        words = self._range.get_compressed().astype("<u4").tobytes()
        return words + np.packbits(np.concatenate(planes)).tobytes()[::-1]


class Decoder(_Coder):
    """Reads what an `Encoder` wrote. ValueError for bytes that it did not."""

    def __init__(self, data, sets):
        super().__init__(sets)
        self._data = data
        self._range = constriction.stream.queue.RangeDecoder(
            np.frombuffer(data + bytes(-len(data) % 4), "<u4").astype(np.uint32)
        )

    def get(self, levels, number):
        """Returns the magnitudes of shape `(n,)` as far as known by now; arguments as for `Encoder.put`."""
        tables = levels + number * LEVELS
        return self._known(tables, self._decode(_MODELS, self._tables.of(tables)), SHIFTS[levels])

    def learn(self):
        """Updates the tables by all symbols since the last time: after a frame."""
        self._tables.learn(*self._new())

    def finish(self):
        """Returns all integers in the order of coding, int64 of shape `(n,)`."""
        if not self._symbols:
            return np.zeros(0, np.int64)
        symbols, shifts = self._all()
        escaped = symbols == ESCAPE
        lengths = self._decode(_OF_ESCAPES, int(escaped.sum())) if escaped.any() else np.zeros(0, np.int64)
        bits = _Bits(self._data[::-1])
        excess = bits.numbers(1 << lengths, lengths)
        symbols[escaped] += excess - 1
        values = bits.numbers(symbols << shifts, shifts)
        minus = bits.take(int(np.count_nonzero(values)))
        values[values != 0] *= 1 - 2 * minus.astype(np.int64)
        return values

    def _decode(self, *model):
        try:
            return self._range.decode(*model).astype(np.int64)
        except AssertionError as error:
            raise ValueError("the range coder's words do not fit the tables") from error


def _planes(numbers, widths):
    """Yields the low bits of numbers, the highest first: booleans of all numbers that have a bit there."""
    for bit in range(int(widths.max(initial=0)) - 1, -1, -1):
        yield (numbers[widths > bit] >> bit & 1).astype(bool)


class _Bits:
    """Bits of bytes, taken from the front."""

    def __init__(self, data):
        self._bits, self._taken = np.unpackbits(np.frombuffer(data, np.uint8)), 0

    def take(self, count):
        """Returns the next bits, uint8 of shape `(count,)`; ValueError where fewer are left."""
        if count > len(self._bits) - self._taken:
            raise ValueError("bits are missing")
        self._taken += count
        return self._bits[self._taken - count : self._taken]

    def numbers(self, high, widths):
        """Returns numbers whose high bits are known and whose low bits, `widths` of each, lie in planes."""
        numbers = high.astype(np.int64)
        for bit in range(int(widths.max(initial=0)) - 1, -1, -1):
            has = widths > bit
            numbers[has] |= self.take(int(has.sum())).astype(np.int64) << bit
        return numbers
