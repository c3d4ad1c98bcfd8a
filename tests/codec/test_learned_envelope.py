"""The envelope's learned contexts: inputs against plain loops; bytes come back; fewer than by hand; hostile sizes in bounds."""

import numpy as np
import pytest
from helpers import logarithm
from hypothesis import given, settings
from hypothesis import strategies as st

from fmalib.codec import entropy, envelope, integer_network, learned_envelope
from fmalib.codec.learned_envelope import Blocks

ROWS, BANDS = envelope.ROWS, 5


def network(seed=0, width=8):
    rng = np.random.default_rng(seed)
    passes = []
    for inputs in learned_envelope.INPUTS:
        shapes = {"hidden": (inputs, width), "second": (width, width), "scale": width, "straight": inputs}
        shapes |= {"hidden_bias": width, "second_bias": width, "scale_bias": ()}
        passes.append({name: 0.3 * rng.normal(size=shape) for name, shape in shapes.items()})
    counts = np.concatenate([np.tile(entropy.prior(), (6, 1)), np.ones((entropy.SCALES, entropy.SYMBOLS), np.int64)])
    return integer_network.rounded(passes, counts)


class Told:
    """What a decoder knows of three blocks when a part of the last begins, place by place."""

    def __init__(self, sizes, row, channel, step):
        self.sizes, self.row, self.channel, self.step = sizes, row, channel, step  # (blocks, channels, ROWS, BANDS)

    def at(self, table, row, band):
        return table[row, band] if 0 <= row < ROWS and 0 <= band < BANDS else 0

    def past(self, band):
        """Returns the inputs that blocks before give, and the place."""
        row, channel, usual = self.row, self.channel, envelope.usual(BANDS)
        last, earlier, averages = self.sizes[1, channel], self.sizes[0, channel], []
        for share in (3, 8):
            average = usual * 16 // 1024
            for block in self.sizes[:2, channel]:
                average = average + (16 * block - average) // share
            averages.append(average * 2)  # 32 times, of 1/16
        tables = [last, *averages]
        near = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
        found = [logarithm(self.at(table, row + up, band + aside)) for table in tables for up, aside in near]
        found.append(logarithm(earlier[row, band]))
        found += [logarithm(each) for each in (last[row].sum(), last[row:].sum(), last.sum(), earlier.sum())]
        place = [logarithm(usual[row, band] / 32), logarithm(row), logarithm(band), 64 * row, 32 * band, 32 * BANDS]
        return [*found, 2 * 64, *place, logarithm(self.step), 256 * channel]

    def present(self, band):
        """Returns the inputs that the block itself gives."""
        row, now = self.row, self.sizes[2, self.channel]
        above = [now[row - back] if row >= back else np.zeros(BANDS, int) for back in (1, 2, 3, 4)]
        first = now[0] if row else np.zeros(BANDS, int)
        other = self.sizes[2, 0, row] if self.channel else np.zeros(BANDS, int)
        lines = [*above, now[:row].sum(axis=0), first, other]
        found = []
        for line, reach in zip(lines, (2, 1, 0, 0, 1, 0, 1)):
            found += [logarithm(line[band + off] if 0 <= band + off < BANDS else 0) for off in range(-reach, reach + 1)]
        return found + [logarithm(line.sum()) for line in lines]


@pytest.mark.parametrize("channels", [1, 2])
def test_inputs_are_what_was_coded(channels):
    sizes = np.random.default_rng(0).integers(0, 30, (3, channels, ROWS, BANDS))
    near = Blocks(channels, BANDS, 24, None)
    for block in sizes[:2]:
        near.next_frame(block.reshape(channels, -1))
    for number, part in enumerate(near.parts):
        row, channel = divmod(number, channels)
        told = Told(sizes, row, channel, 24)
        expected = [told.past(band) + told.present(band) for band in range(BANDS)]
        np.testing.assert_array_equal(near.inputs(number), expected)
        near.frame[part] = sizes[2].reshape(channels, -1)[part]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2]), st.integers(1, 50), st.integers(1, 27), st.floats(-3, 13))
def test_numbers_survive(seed, channels, frames, bands, octave):
    rng = np.random.default_rng(seed)
    shape = channels, -(-frames // ROWS), ROWS * bands
    values = np.clip(np.rint(rng.laplace(0, 2.0**octave, shape)), -envelope.MOST, envelope.MOST).astype(np.int64)
    data = envelope.pack(values, Blocks(channels, bands, 24, network()))
    back = envelope.unpack(data, channels, frames, bands, Blocks(channels, bands, 24, network()))
    np.testing.assert_array_equal(back, values)


def test_the_largest_numbers_stay_in_the_bounds_of_the_network():
    near = Blocks(2, 27, 255, None)
    for _ in range(40):
        for number, part in enumerate(near.parts):
            inputs = near.inputs(number)
            assert inputs.min() >= 0 and inputs.max() < integer_network.LARGEST_INPUT
            np.testing.assert_array_equal(inputs, np.floor(inputs))
            near.frame[part] = envelope.MOST
        near.next_frame(np.full((2, ROWS * 27), 1 << 40))


def music(channels):
    """Returns powers of notes that begin and fade, in octaves, `(channels, 480, 17)`."""
    rng = np.random.default_rng(0)
    time, power = np.arange(480), np.full((channels, 480, 17), -18.0)
    for _ in range(40):
        start, middle = rng.integers(480), rng.uniform(0, 17)
        note = np.where(time >= start, 8 - 0.05 * (time - start), -99)[:, None] - np.abs(np.arange(17) - middle)
        power = np.maximum(power, note - 10 + rng.uniform(-1, 1, (channels, 1, 1)))
    return power + 0.3 * rng.normal(size=power.shape)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_packages_weights_need_fewer_bytes_than_rules_by_hand(channels):
    values = envelope.quantise(music(channels), 24, envelope.learned(17))
    by_hand, learned = envelope.pack(values), envelope.pack(values, Blocks(channels, 17, 24, learned_envelope.network()))
    assert len(learned) < 0.98 * len(by_hand)
