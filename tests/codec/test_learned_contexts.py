"""What the network of `learned` sees: against plain loops; encoder and decoder agree; hostile magnitudes stay in bounds."""

import numpy as np
import pytest
from helpers import logarithm, sign_network

from fmalib.codec import contexts, entropy, integer_network, learned_contexts, levels, quantiser
from fmalib.codec.learned_contexts import Neighbourhood

BINS, HERTZ = 32, 15.625


def network(seed=0, width=8, foretells=True):
    rng = np.random.default_rng(seed)
    passes = []
    for inputs in learned_contexts.INPUTS:
        shapes = {"hidden": (inputs, width), "second": (width, width), "scale": width, "straight": inputs}
        shapes |= {"hidden_bias": width, "second_bias": width, "scale_bias": ()}
        passes.append({name: 0.3 * rng.normal(size=shape) for name, shape in shapes.items()})
    counts = np.concatenate([np.tile(entropy.prior(), (6, 1)), np.ones((entropy.SCALES, entropy.SYMBOLS), np.int64)])
    return integer_network.rounded(passes, counts, sign_network() if foretells else None)


def test_inputs_are_what_was_coded():
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 50, (4, 2, BINS))
    near = Neighbourhood((2, BINS), HERTZ, None)
    for frame, split in zip(sizes[:3], (0, 2, 1)):
        near.split = split
        near.next_frame(frame)
    near.split, now = 3, sizes[3]
    known = np.zeros((2, BINS), int)  # what a decoder knows so far

    def at(table, channel, place):
        return logarithm(table[channel, place]) if 0 <= place < BINS else 0

    averages = [np.zeros((2, BINS)) for _ in range(2)]
    for frame in sizes[:3]:
        for average, (unit, share) in zip(averages, ((16, 4), (64, 16))):
            average += (unit * frame - average) // share
    for number, (channel, part) in enumerate((one, p) for one in range(2) for p in range(3)):
        inputs = near.inputs(number)
        places = np.arange(BINS)[contexts.PASSES[part]]
        assert inputs.shape == (len(places), learned_contexts.INPUTS[part])
        for row, place in zip(inputs, places):
            expected = [at(sizes[2], channel, place + off) for off in range(-8, 9)]
            expected += [at(sizes[1], channel, place + off) for off in range(-5, 6)]
            expected += [at(averages[0] / 16, channel, place + off) for off in range(-3, 4)]
            expected += [at(averages[1] / 64, channel, place + off) for off in range(-3, 4)]
            around = slice(max(0, place - 24), place + 25)
            expected.append(logarithm(sizes[2][channel, around].sum() * (1 / 48)))
            expected += [logarithm(HERTZ * (place + 0.5) / 200), logarithm(HERTZ / 10)]
            expected += [at(known, channel, place + off) for off in learned_contexts.OWN[part]]
            if part:
                expected.append(logarithm(known[channel, around].sum() * ((0, 4, 2)[part] / 48)))
            expected += [at(known, 0, place + off) if channel else 0 for off in range(-4, 5)]
            expected += [256 * channel, 3 * 64, 0, 0, 0, 256, 0, 256, 0, 0]
            assert row.tolist() == expected
        near.frame[near.parts[number]] = known[channel, places] = now[channel, places]


@pytest.mark.parametrize("foretells", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
def test_levels_come_back(channels, foretells):
    weights = network(foretells=foretells)
    rng = np.random.default_rng(0)
    values = np.rint(rng.laplace(0, 2.0 ** rng.uniform(-2, 8, BINS), (channels, 9, BINS))).astype(np.int64)
    splits = np.array([0, 0, 3, 1, 2, 0, 3, 3, 0])
    data = levels.pack(values, Neighbourhood((channels, BINS), HERTZ, weights), splits)
    back = levels.unpack(data, values.shape, Neighbourhood((channels, BINS), HERTZ, weights))
    np.testing.assert_array_equal(back[0], values)
    np.testing.assert_array_equal(back[1], splits)


def test_tables_follow_scale_pass_and_quantiser():
    near = Neighbourhood((2, BINS), HERTZ, network())
    near.next_frame(np.ones((2, BINS), int))  # odd levels: each bin has the other quantiser in the frame after
    half = quantiser.HALFWAY[quantiser.NEXT[0, 1]]
    for number in range(6):
        scales = network().scales(number % 3, near.inputs(number))
        np.testing.assert_array_equal(near.tables(number)[0], scales + entropy.SCALES * (2 * (number % 3) + half))
    assert near.split_table().tolist() == [6 * entropy.SCALES]


def test_the_largest_levels_stay_in_bounds():
    near = Neighbourhood((1, BINS), HERTZ, network())
    for _ in range(3):
        near.next_frame(np.full((1, BINS), 1 << 62))
    inputs = near.inputs(0)
    assert inputs.max() < integer_network.LARGEST_INPUT
    assert inputs.min() >= 0
    assert near.tables(0).max() < len(near.prior)


@pytest.mark.parametrize("frames", [1, 8, 19])
@pytest.mark.parametrize("foretells", [True, False])
def test_an_encoder_that_looks_ahead_has_the_tables_of_a_decoder(frames, foretells):
    weights, rng = network(foretells=foretells), np.random.default_rng(1)
    values = np.rint(rng.laplace(0, 2.0 ** rng.uniform(-2, 16, BINS), (2, frames, BINS))).astype(np.int64)
    splits = rng.integers(0, 4, frames)
    near, found = Neighbourhood((2, BINS), HERTZ, weights), []
    for frame, split in zip(values.transpose(1, 0, 2), splits.tolist()):
        found.append([near.split_table()])
        near.split = split
        for number, part in enumerate(near.parts):
            found[-1].append(near.tables(number)[0])
            near.frame[part] = entropy.known(np.abs(frame[part]), found[-1][-1] % entropy.SCALES)
        near.next_frame(np.abs(frame))
    blocks = list(Neighbourhood((2, BINS), HERTZ, weights).ahead(values, splits).blocks())
    np.testing.assert_array_equal(np.concatenate(blocks), [np.concatenate(each) for each in found])


def test_an_encoder_looks_ahead_where_no_frame_is_cut():
    weights, values = network(), np.random.default_rng(2).integers(-3, 4, (1, 9, BINS))
    ahead = [Neighbourhood((1, BINS), HERTZ, weights).ahead(values, splits) for splits in (None, np.zeros(9, np.int64))]
    for blocks in zip(*(each.blocks() for each in ahead)):
        np.testing.assert_array_equal(*blocks)
