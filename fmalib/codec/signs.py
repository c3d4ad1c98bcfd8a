"""Signs of levels, foretold from levels already sent: a tone that goes on has coefficients that follow from its last ones.

A network in whole numbers (`fmalib.codec.integer_network`) sees the levels around a bin in the frames before, with their signs.
It also sees the magnitudes of the frame itself, which are sent first. Even bins come first, and odd ones see their signs. From
how a tone's phase has moved on, it foretells how it will: it helps where tones stand out.
"""

import numpy as np

from fmalib.codec import integer_network
from fmalib.codec.integer_network import UNIT, logarithms

DEPTH, ACROSS = 8, 2  # frames before, and bins on both sides
OWN = (-5, -3, -1, 1, 3, 5)  # distances of even bins whose signs an odd bin sees
PARTS = tuple((slice(None), slice(start, None, 2)) for start in range(2))
EDGE = max(ACROSS, *OWN)  # zeros on both sides of a frame
SIGNED = tuple(DEPTH * (2 * ACROSS + 1) + part * len(OWN) for part in range(len(PARTS)))
TOLD = 5 + 3 + DEPTH + 2 * ACROSS + 1
LARGEST = 1 << 28  # half steps
ROWS = 1024  # whose signs an encoder foretells at once; their activations fit into the processor's cache


class Signs:
    """What is known of signs while a chunk is coded: the last frames, and of the frame the magnitudes and signs so far.

    Attributes:
        prior: counts of the tables of signs before anything is coded.
        usual: split of the frames that tell the most; the network is told of others among the last.
        parts: indices of a frame `(channels, bins)`, in the order of coding.
    """

    parts = PARTS

    def __init__(self, shape, hertz, network):
        """Starts a chunk.

        Args:
            shape: (channels, bins).
            hertz: distance of two bins.
            network: `fmalib.codec.integer_network.SignNetwork`; None where only inputs are wanted.
        """
        channels, bins = shape
        self._network, self.prior = network, network and network.counts
        self._rows = np.zeros((DEPTH + 1, channels, bins + 2 * EDGE))  # of half steps, the last frame last
        self.usual, self._unusual = 0, np.zeros(DEPTH + 1, bool)
        self._places, self._told = None, np.zeros((channels, bins, TOLD))
        self._told[..., 2] = logarithms(hertz * (np.arange(bins) + 0.5) / 200)
        self._told[..., 3] = logarithms(hertz / 10)
        self._told[..., 4] = UNIT * (1 - 2 * (np.arange(bins) % 2))

    def begin(self, sizes, halves, split):
        """Takes a frame's magnitudes and quantisers, `(channels, bins)`, and its split, before any of its signs."""
        self._rows[:-1] = self._rows[1:]
        self._rows[-1, :, EDGE:-EDGE] = np.clip(2 * sizes - halves, 0, LARGEST)
        self._unusual = np.append(self._unusual[1:], split != self.usual)
        self._told[..., 5 : 8 + DEPTH] = UNIT * np.append(np.arange(1, 4) == split, self._unusual[:-1])
        logs = logarithms(self._rows[-1])
        for column, off in enumerate(range(-ACROSS, ACROSS + 1)):
            self._told[..., 8 + DEPTH + column] = logs[:, EDGE + off : logs.shape[1] - EDGE + off]

    def skip(self, frames):
        """Moves on by frames of which nothing is told."""
        for _ in range(min(frames, DEPTH + 1)):
            self._rows[:-1] = self._rows[1:]
            self._rows[-1] = 0
            self._unusual = np.append(self._unusual[1:], True)

    def inputs(self, number):
        """Returns what is known of the signs of a part: (`(n, SIGNED[number])`, `(n, TOLD)`), whole numbers in float64.

        There is a row for each level that is not 0. Signed inputs are levels over the largest of them. The rest is the same for
        a level and its opposite.
        """
        channels, bins = np.nonzero(self._rows[-1, :, EDGE + number : -EDGE : 2])
        bins = 2 * bins + number
        self._places = channels, bins + EDGE
        columns = self._rows[:-1, channels[:, None], bins[:, None] + np.arange(EDGE - ACROSS, EDGE + ACROSS + 1)]
        signed = columns.swapaxes(0, 1).reshape(len(bins), SIGNED[0])
        if number:
            signed = np.concatenate([signed, self._rows[-1, channels[:, None], bins[:, None] + np.add(OWN, EDGE)]], axis=1)
        largest = np.abs(signed).max(axis=1, keepdims=True)
        told = self._told[channels, bins]
        told[:, 0], told[:, 1] = logarithms(largest[:, 0]), UNIT * (largest[:, 0] > 0)
        return np.trunc(signed * (UNIT / (largest + 1))), told

    def foretold(self, part):
        """Returns (tables, foretold signs) of a part's levels that are not 0: int64, and booleans, true for a negative one."""
        number = PARTS.index(part)
        logits = self._network.logits(number, *self.inputs(number))
        return integer_network.sign_tables(logits), logits < 0

    def tell(self, negative):
        """Takes the signs of the levels whose signs were foretold last: booleans, true for a negative one."""
        channels, places = self._places
        self._rows[-1, channels, places] *= 1 - 2 * negative


class Ahead:
    """The signs of a `Signs` for an encoder, which knows all levels: of several frames at once, in larger matrices.

    Attributes:
        prior, parts: as of `Signs`.
    """

    def __init__(self, near):
        """Starts a chunk; `near` is a `Signs` at its start."""
        self._near, self._found = near, []
        self.prior, self.parts = near.prior, near.parts

    def look(self, frames, halves, splits):
        """Foretells the signs of the next frames: levels and quantisers `(frames, channels, bins)`, and their splits."""
        inputs = [[] for _ in PARTS]
        for frame, half, split in zip(frames, halves, splits):
            self._near.begin(np.abs(frame), half, split)
            for number, part in enumerate(PARTS):
                inputs[number].append(self._near.inputs(number))
                here = frame[part]
                self._near.tell(here[here != 0] < 0)
        by_part = [self._logits(number, *zip(*each)) for number, each in enumerate(inputs)]
        self._found += [each for frame in zip(*by_part) for each in frame]

    def foretold(self, _):
        """Returns (tables, foretold signs) of the next part, as `Signs.foretold`."""
        logits = self._found.pop(0)
        return integer_network.sign_tables(logits), logits < 0

    def tell(self, _):
        """Does nothing: the signs are known."""

    def _logits(self, number, signed, told):
        """Returns the logits of each frame in a part."""
        borders = np.cumsum([len(each) for each in signed])
        signed, told = np.concatenate(signed), np.concatenate(told)
        rows = [slice(start, start + ROWS) for start in range(0, max(len(signed), 1), ROWS)]
        logits = [self._near._network.logits(number, signed[some], told[some]) for some in rows]
        return np.split(np.concatenate(logits), borders[:-1])
