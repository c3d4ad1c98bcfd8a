"""Signs that are foretold: what the network sees, against plain loops; opposite music, opposite signs; tones are foretold."""

import numpy as np
import pytest
from helpers import sign_network

from fmalib.codec import entropy, integer_network, levels, signs
from fmalib.codec.signs import ACROSS, DEPTH, OWN, PARTS, SIGNED, TOLD, Signs

BINS, HERTZ = 24, 15.625


def frames(count, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return np.rint(rng.laplace(0, 3, (count, channels, BINS))).astype(np.int64), rng.integers(0, 2, (count, channels, BINS))


def follow(values, halves, splits, network=None):
    """Returns `Signs` after all frames but the last, whose magnitudes it knows."""
    known = Signs(values.shape[1:], HERTZ, network)
    for frame, half, split in zip(values[:-1], halves, splits):
        known.begin(np.abs(frame), half, split)
        for number, part in enumerate(PARTS):
            known.inputs(number)
            known.tell(frame[part][frame[part] != 0] < 0)
    known.begin(np.abs(values[-1]), halves[-1], splits[-1])
    return known


def test_inputs_are_what_was_coded():
    values, halves = frames(11)
    splits = [0, 1, 0, 0, 3, 0, 2, 0, 0, 1, 2]
    known = follow(values, halves, splits)
    half_steps = np.sign(values) * np.maximum(2 * np.abs(values) - halves, 0)

    def at(frame, channel, place):
        return int(half_steps[frame, channel, place]) if 0 <= place < BINS else 0

    for number in range(len(PARTS)):
        signed, told = known.inputs(number)
        places = [(c, k) for c in range(2) for k in range(number, BINS, 2) if values[10, c, k]]
        assert signed.shape == (len(places), SIGNED[number])
        assert told.shape == (len(places), TOLD)
        for row, facts, (channel, place) in zip(signed, told, places):
            around = range(place - ACROSS, place + ACROSS + 1)
            expected = [at(frame, channel, each) for frame in range(10 - DEPTH, 10) for each in around]
            expected += [at(10, channel, place + off) for off in OWN] if number else []
            largest = max(map(abs, expected))
            assert row.tolist() == [int(each * (256 / (largest + 1))) for each in expected]
            logs = [largest, HERTZ * (place + 0.5) / 200, HERTZ / 10, *(abs(at(10, channel, each)) for each in around)]
            logs = integer_network.logarithms(np.array(logs)).tolist()
            flags = [0, 256, 0, *(256 * (split > 0) for split in splits[10 - DEPTH : 10])]
            expected = [logs[0], 256 * (largest > 0), *logs[1:3], 256 * (1 - 2 * (place % 2)), *flags, *logs[3:]]
            assert facts.tolist() == expected
        known.tell(values[10][PARTS[number]][values[10][PARTS[number]] != 0] < 0)


def test_opposite_levels_have_opposite_signs_at_the_same_cost():
    values, halves = frames(11)
    found = []
    for direction in (1, -1):
        known = follow(direction * values, halves, [0] * 11, sign_network())
        found.append(known.foretold(PARTS[0]))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    certain = known._network.logits(0, *known.inputs(0)) != 0
    np.testing.assert_array_equal(found[0][1][certain], ~found[1][1][certain])


@pytest.mark.parametrize("values", [np.zeros((3, 2, 5, BINS), np.int64)[0], np.eye(5, BINS, dtype=np.int64)[None]])
def test_frames_without_or_with_few_signs_come_back(values):
    near = [_Plain(values.shape) for _ in range(2)]
    data = levels.pack(values, near[0])
    np.testing.assert_array_equal(levels.unpack(data, values.shape, near[1])[0], values)


def test_the_largest_levels_stay_in_bounds():
    known = Signs((1, BINS), HERTZ, sign_network())
    for _ in range(3):
        known.begin(np.full((1, BINS), 1 << 40), np.zeros((1, BINS), int), 0)
        for number in range(len(PARTS)):
            signed, told = known.inputs(number)
            known.tell(np.ones(len(signed), bool))
    assert np.abs(signed).max() <= integer_network.UNIT
    assert np.abs(told).max() < integer_network.LARGEST_INPUT


def test_ideal_lengths_hold_the_signs():
    values = frames(40)[0].swapaxes(0, 1)
    near = _Plain(values.shape)
    lengths = levels.bits(values, near)
    size = 8 * len(levels.pack(values, _Plain(values.shape)))
    assert 0 <= size - lengths.sum() < 0.002 * size + 96  # three words
    assert lengths.min() > 0


class _Plain:
    """A context model with one table, and foretold signs."""

    switches, split, ahead = 0, 0, None

    def __init__(self, shape):
        self.prior, self.parts = entropy.prior(), ((slice(None), slice(None)),)
        self.frame = np.zeros((shape[0], shape[2]))
        self.signs = signs.Signs((shape[0], shape[2]), HERTZ, sign_network())

    def tables(self, number):
        return np.full(self.frame.shape, 24)

    def begin_signs(self, sizes):
        self.signs.begin(sizes, np.zeros(sizes.shape, np.int64), 0)

    def next_frame(self, sizes):
        pass


@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_an_encoder_foretells_signs_of_several_frames_at_once(rows, monkeypatch):
    monkeypatch.setattr(signs, "ROWS", rows)
    values, halves = frames(9)
    values[[3, 6, 7]] = 0
    splits, network = [0, 1, 0, 0, 3, 0, 2, 0, 0], sign_network()
    near, ahead = Signs(values.shape[1:], HERTZ, network), signs.Ahead(Signs(values.shape[1:], HERTZ, network))
    for some in (slice(0, 6), slice(6, 8), slice(8, 9)):  # the second one is silent
        ahead.look(values[some], halves[some], splits[some])
        for frame, half, split in zip(values[some], halves[some], splits[some]):
            near.begin(np.abs(frame), half, split)
            for part in PARTS:
                for found, expected in zip(ahead.foretold(part), near.foretold(part)):
                    np.testing.assert_array_equal(found, expected)
                negative = frame[part][frame[part] != 0] < 0
                near.tell(negative)
                ahead.tell(negative)


def test_frames_of_which_nothing_is_told_leave_gaps():
    near, sizes = Signs((1, 16), HERTZ, None), np.full((1, 16), 3)
    for split in (0, 1):
        near.begin(sizes, 0 * sizes, split)
    near.skip(2)
    near.begin(sizes, 0 * sizes, 0)
    signed, told = near.inputs(0)
    kept = signed.reshape(len(signed), signs.DEPTH, -1)[3, :, signs.ACROSS]  # of the bin itself, the oldest frame first
    assert (kept != 0).tolist() == [False] * 4 + [True, True, False, False]
    assert (told[0, 8 : 8 + signs.DEPTH] > 0).tolist() == [False] * 5 + [True] * 3
    near.skip(100)
    near.begin(sizes, 0 * sizes, 0)
    assert not near.inputs(0)[0].any()
