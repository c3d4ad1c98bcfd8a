"""Integers and their expected size, to bytes and back: adaptive tables of counts, and constriction's range coder.

A caller states a table for each magnitude. Tables come in sets: one for each scale, an integer that stands for an expected
size. How scales are found is not known here: from neighbours (`fmalib.codec.contexts`) or by a network. A scale has a shift: so
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
CLASSES = 31  # of escapes, by the length of the number
THIRDS = 1024, 1290, 1625  # an octave in three steps
OCTAVES = range(-7, 28)  # of expected magnitudes
_MODELS = constriction.stream.model.Categorical(perfect=False)
_OF_ESCAPES = constriction.stream.model.Categorical(np.array([2.0 ** max(20 - n, 0) for n in range(CLASSES)]), perfect=False)


def _edges():
    """Returns the lowest expected magnitude of each scale but the first, in 1/1024, and each scale's shift."""
    edges = np.array(sorted(third << n if n > 0 else third >> -n for n in OCTAVES for third in THIRDS))
    lows = np.concatenate([[0], edges])
    return edges, np.array([max(0, int(low).bit_length() - 12) for low in lows])  # from 4 on: 2 to 4 after the shift


EDGES, SHIFTS = _edges()
SCALES = len(SHIFTS)
_SCALES = EDGES.searchsorted(np.arange(1 << 15), side="right")  # of small magnitudes
FEW = 512  # from so many on, to look a scale up is faster than to search for it


@functools.lru_cache
def prior():
    """Returns the counts before anything is coded, int64 of shape `(SCALES, SYMBOLS)`.

    A geometric distribution for each scale, in integers: symbol 0 has a share of its own, since it stands for both signs unless
    low bits were shifted off. Four constants were fitted to 15 excerpts of music at five bitrates; nothing else is learned.
    """
    counts = np.ones((SCALES, SYMBOLS), np.int64)
    for scale, shift in enumerate(SHIFTS.tolist()):
        low, high = (int(EDGES[min(n, SCALES - 2)]) if n >= 0 else 0 for n in (scale - 1, scale))
        mean = ((low + high) // 2 >> shift) * 7 // 8 + 10
        zero = UNIT if shift else 550 + 370 * UNIT // (UNIT + mean)
        more = max(mean + zero - UNIT, 130)  # of mean + zero, the share that goes on to the next symbol
        left = (PRIOR << 32) * mean // (mean + zero)
        counts[scale, 0] += PRIOR - (left >> 32)
        for symbol in range(1, ESCAPE):
            rest = left * more // (mean + zero)
            counts[scale, symbol] += (left - rest) >> 32
            left = rest
        counts[scale, ESCAPE] += left >> 32
    return counts


def scales_of(expected):
    """Returns the scale of each expected magnitude in 1/1024, a whole number."""
    if np.size(expected) < FEW:
        return EDGES.searchsorted(expected, side="right")
    found = _SCALES.take(np.minimum(expected, len(_SCALES) - 1).astype(np.intp))
    large = expected >= len(_SCALES)
    found[large] = EDGES.searchsorted(expected[large], side="right")
    return found


def known(sizes, scales):
    """Returns magnitudes as a decoder knows them before the end of a frame, by the scale of each."""
    shifts = SHIFTS.take(scales)
    return _middles(np.minimum(sizes >> shifts, ESCAPE), shifts)


def _middles(symbols, shifts):
    """Returns magnitudes as far as symbols tell them, in the middle of what they leave open."""
    return (symbols << shifts) + ((1 << shifts) >> 1)


class Tables:
    """Counts of symbols by table, from `(tables, symbols)` before anything is coded; a set of tables has one for each scale.

    Attributes:
        counts: whole numbers, float32 of shape `(tables, symbols)`.
        shifts: of each table's scale.
    """

    def __init__(self, counts):
        self.counts = np.array(counts, np.float32, order="C")
        self.shifts = np.resize(SHIFTS, len(counts))
        self._totals, self._room = self.counts.sum(axis=1, dtype=np.int64), 0

    def of(self, tables):
        """Returns the counts of each of many tables, float32 of shape `(many, symbols)`."""
        return self.counts.take(tables, axis=0)

    def learn(self, tables, symbols):
        """Counts symbols, and the table that each was coded with."""
        np.add.at(self.counts.ravel(), tables * self.counts.shape[1] + symbols, np.float32(GAIN))
        np.add.at(self._totals, tables, GAIN)
        self._room -= len(tables)
        if self._room < 0:
            self._halve()

    def _halve(self):
        """Halves the counts of tables that are full, and sets how many symbols may be counted before another one can be."""
        while (full := self._totals > MOST).any():
            self.counts[full] = (self.counts[full].astype(np.int64) >> 1) | 1
            self._totals[full] = self.counts[full].sum(axis=1, dtype=np.int64)
        self._room = (MOST - int(self._totals.max())) // GAIN


class _Coder:
    """What encoder and decoder share: the tables, and those of signs."""

    def __init__(self, counts, of_signs=None):
        self._tables = Tables(counts)
        self._of_signs = None if of_signs is None else Tables(of_signs)


class Encoder(_Coder):
    """Writes integers frame by frame; `counts` as for `Tables`, and `of_signs` where signs are foretold."""

    def __init__(self, counts, of_signs=None):
        super().__init__(counts, of_signs)
        self._range, self._bits, self._signs = constriction.stream.queue.RangeEncoder(), [], []

    def put(self, values, tables, *, unsigned=0):
        """Codes frames of integers under the table of each, both of shape `(frames, n)`; tables learn after each frame.

        No sign is sent of the first integers of a frame; `unsigned` is their number.
        """
        sizes, shifts = np.abs(values), self._tables.shifts.take(tables)
        symbols = np.minimum(sizes >> shifts, ESCAPE).astype(np.int32)
        escaped, shifted = ((each > 0).any(axis=1).tolist() for each in (symbols == ESCAPE, shifts))
        for frame, mine in enumerate(symbols):
            self._put_symbols(mine, tables[frame])
            if escaped[frame]:
                self._put_escapes(sizes[frame], mine, shifts[frame])
            if shifted[frame]:
                self._bits += _planes(sizes[frame], shifts[frame])
        self._signs.append(values[:, unsigned:][sizes[:, unsigned:] > 0] < 0)

    def _put_symbols(self, symbols, tables):
        """Codes the symbols of a frame, and updates the tables by them."""
        self._range.encode(symbols, _MODELS, self._tables.of(tables))
        self._tables.learn(tables, symbols)

    def _put_escapes(self, sizes, symbols, shifts):
        """Codes what the escapes of a frame stand for."""
        escaped = symbols == ESCAPE
        excess = (sizes[escaped] >> shifts[escaped]) - ESCAPE + 1
        lengths = np.frexp(excess)[1] - 1
        self._range.encode(lengths.astype(np.int32), _OF_ESCAPES)
        self._bits += _planes(excess, lengths)

    def put_signs(self, wrong, tables):
        """Codes signs that were foretold: booleans `(n,)`, true where that was wrong, and the table of each."""
        self._range.encode(wrong.astype(np.int32), _MODELS, self._of_signs.of(tables))
        self._of_signs.learn(tables, wrong)

    def finish(self):
        """Returns the bytes: words of the range coder from the front; escapes, low bits and signs from the back."""
        bits = [*self._bits, *self._signs]
        words = self._range.get_compressed().astype("<u4").tobytes()
        return words + np.packbits(np.concatenate(bits)).tobytes()[::-1] if bits else words


class Meter(Encoder):
    """An encoder that also keeps what each integer takes.

    Attributes:
        lengths: of each frame, the ideal code lengths in bits, float64 `(n,)`: the logarithm of what a table foretold, and
            sign, low bits and escape.
        of_signs: ideal code lengths of signs by each `put_signs`.
    """

    def __init__(self, counts, of_signs=None):
        super().__init__(counts, of_signs)
        self.lengths, self.of_signs = [], []

    def put_signs(self, wrong, tables):
        """Codes signs as an `Encoder` does, and keeps their lengths."""
        self.of_signs.append(_ideal(self._of_signs, tables, wrong.astype(int)))
        super().put_signs(wrong, tables)

    def put(self, values, tables, *, unsigned=0):
        """Codes frames as an `Encoder` does, and keeps their lengths."""
        first, sizes, shifts = len(self.lengths), np.abs(values), self._tables.shifts[tables]
        super().put(values, tables, unsigned=unsigned)
        for frame, lengths in enumerate(self.lengths[first:]):
            lengths += shifts[frame] + (sizes[frame] > 0)
            high = sizes[frame] >> shifts[frame]
            escaped = high >= ESCAPE
            classes = np.frexp(high[escaped] - ESCAPE + 1)[1] - 1
            lengths[escaped] += 2 * classes + 1  # a class takes about one bit more than its number, and that many bits follow

    def _put_symbols(self, symbols, tables):
        self.lengths.append(_ideal(self._tables, tables, symbols))  # before they learn from the frame
        super()._put_symbols(symbols, tables)


def _ideal(tables, numbers, symbols):
    """Returns the ideal code lengths of symbols under tables with numbers, in bits."""
    counts = tables.counts[numbers].astype(np.float64)
    return np.log2(counts.sum(axis=1) / counts[np.arange(len(symbols)), symbols])


class Decoder(_Coder):
    """Reads what an `Encoder` wrote. ValueError for bytes that it did not."""

    def __init__(self, data, counts, of_signs=None):
        super().__init__(counts, of_signs)
        words, self._since = np.frombuffer(data + bytes(-len(data) % 4), "<u4"), []
        self._range, self._bits = constriction.stream.queue.RangeDecoder(words.astype(np.uint32)), _Bits(data[::-1])

    def get(self, tables):
        """Returns the magnitudes of shape `(n,)` as far as known by now; `tables` as for one frame of `Encoder.put`."""
        symbols, shifts = self._decode(_MODELS, self._tables.of(tables)), self._tables.shifts.take(tables)
        self._since.append((tables, symbols, shifts))
        return _middles(symbols, shifts)

    def end_frame(self):
        """Updates the tables by a frame, and returns its magnitudes in the order of `get`."""
        tables, symbols, shifts = (np.concatenate(each) for each in zip(*self._since))
        self._since = []
        self._tables.learn(tables, symbols)
        escaped = symbols == ESCAPE
        if escaped.any():
            lengths = self._decode(_OF_ESCAPES, int(escaped.sum()))
            symbols[escaped] += self._bits.numbers(1 << lengths, lengths) - 1
        return self._bits.numbers(symbols << shifts, shifts)

    def get_signs(self, tables):
        """Returns whether each sign was foretold wrongly, booleans `(n,)`; `tables` as for `Encoder.put_signs`."""
        wrong = self._decode(_MODELS, self._of_signs.of(tables)).astype(bool)
        self._of_signs.learn(tables, wrong)
        return wrong

    def finish(self, sizes):
        """Returns integers of magnitudes in the order of coding, int64 of shape `(n,)`."""
        signed = sizes.copy()
        signed[sizes > 0] *= 1 - 2 * self._bits.take(int(np.count_nonzero(sizes))).astype(np.int64)
        return signed

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
