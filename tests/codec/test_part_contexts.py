"""Contexts of parts: levels come back, an encoder sees what a decoder sees, a cut frame is coded like short frames."""

import dataclasses

import numpy as np
import pytest
from codec.test_learned_contexts import HERTZ, network

from fmalib.codec import bitstream, context_models, entropy, learned_contexts, levels, part_contexts, quantiser, signs
from fmalib.codec.bitstream import Header
from fmalib.codec.integer_network import logarithms
from fmalib.codec.learned_contexts import EDGE, KEEP
from fmalib.codec.part_contexts import Parts
from fmalib.signal.mdct_frames import apart

BINS = 32


def some(channels, frames, seed=0, bins=BINS):
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 2.0 ** rng.uniform(-2, 8, bins), (channels, frames, bins))
    return np.rint(values).astype(np.int64), rng.integers(0, 4, frames)


@pytest.mark.parametrize("foretells", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [1, 2, 25])
@pytest.mark.parametrize("bins", [8, 16, 24, BINS])  # of 8, a part may have one: passes are empty
def test_levels_come_back(channels, foretells, frames, bins):
    weights = network(foretells=foretells)
    values, splits = some(channels, frames, bins=bins)
    data = levels.pack(values, Parts((channels, bins), HERTZ, weights), splits)
    back = levels.unpack(data, values.shape, Parts((channels, bins), HERTZ, weights))
    np.testing.assert_array_equal(back[0], values)
    np.testing.assert_array_equal(back[1], splits)


def test_what_is_not_cut_takes_the_bits_of_a_neighbourhood_and_its_splits():
    values, weights = some(2, 30)[0], network()
    alone = levels.bits(values, learned_contexts.Neighbourhood((2, BINS), HERTZ, weights), np.zeros(30, np.int64))
    np.testing.assert_allclose(levels.bits(values, Parts((2, BINS), HERTZ, weights), np.zeros(30, np.int64)), alone)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_frames_cut_alike_take_the_bits_of_short_frames(split):
    """With the same quantisers and told the same of cuts, parts are what frames of their length are."""
    values = np.abs(some(2, 12)[0]) & ~1  # even levels: the first quantiser takes all, whatever the length of frames
    weights = network()
    passes = tuple(each | {"hidden": _blind(each["hidden"]), "straight": _blind(each["straight"])} for each in weights.passes)
    weights = dataclasses.replace(weights, passes=passes, signs=None)
    cut = levels.bits(values, Parts((2, BINS), HERTZ, weights), np.full(12, split))
    short = apart(values, split)
    near = learned_contexts.Neighbourhood(short.shape[::2], HERTZ * (1 << split), weights)
    expected = levels.bits(short, near, np.zeros(short.shape[1], np.int64))
    np.testing.assert_allclose(apart(cut, split), expected)


def _blind(weights):
    """Returns weights that do not see the splits, the last inputs."""
    weights = weights.copy()
    weights[-2 * learned_contexts.SPLITS :] = 0
    return weights


def test_a_part_goes_on_from_one_of_another_length():
    weights = network()
    long, short = (part_contexts.Part((1, BINS >> split), HERTZ, weights, split) for split in (0, 2))
    for frame in (np.arange(BINS), np.full(BINS, 3)):
        long.expect(np.zeros((1, 1, BINS), np.int64))
        long.next_frame(frame[None])
    short.go_on(long)
    one_before, last = short.last_two()
    assert last.tolist() == [[3] * (BINS // 4)]
    assert one_before[0].tolist() == np.arange(BINS).reshape(-1, 4).mean(axis=1).tolist()
    again = part_contexts.Part((1, BINS), HERTZ, weights, 0)
    again.go_on(short)
    assert again.last_two()[0].ravel().tolist() == np.repeat(one_before, 4).tolist()
    inner, averages = slice(EDGE, EDGE + BINS), np.repeat(short._averages[0], 4, axis=-1)
    np.testing.assert_array_equal(again._rows[2, :, inner], logarithms(averages / KEEP[0][0]))
    assert averages.any() and again._number == 2 and again._before == 2


def test_an_encoder_that_knows_all_levels_sees_what_a_decoder_sees():
    values, splits = some(2, 20, seed=3)
    weights, ahead, found = network(), [], []
    for part, frames in Parts((2, BINS), HERTZ, weights).runs(values, splits):
        for block in part.ahead(frames, None).blocks():
            ahead += list(block)
    near, trellis = Parts((2, BINS), HERTZ, weights), quantiser.Trellis(2, BINS)
    for split, frame in zip(splits.tolist(), values.swapaxes(0, 1)):
        part = near.turn(split)
        part.expect(apart(trellis.halves[:, None], split).swapaxes(0, 1))
        for place in range(1 << split):
            here, tables = frame[:, place :: 1 << split], []
            for number, bins in enumerate(part.parts):
                tables.append(part.tables(number).ravel())
                part.frame[bins] = entropy.known(np.abs(here[bins]), tables[-1].reshape(here[bins].shape) % entropy.SCALES)
            part.begin_signs(np.abs(here))
            for number, bins in enumerate(part.signs.parts):
                part.signs.inputs(number)
                part.signs.tell(here[bins][here[bins] != 0] < 0)
            part.next_frame(np.abs(here))
            found.append(np.concatenate(tables))
        trellis.next_frame(frame)
    assert len(ahead) == len(found)
    for one, other in zip(ahead, found):
        np.testing.assert_array_equal(one, other)


def test_signs_know_how_many_parts_are_missing():
    near = Parts((1, BINS), HERTZ, network())
    part, loud = near.turn(1), np.ones((1, BINS // 2), np.int64)
    for _ in range(2):
        part.signs.begin(loud, 0 * loud, 1)
    near.turn(0)
    assert near.turn(1) is part
    rows = part.signs._rows[:, 0, signs.EDGE]
    assert rows[-4:].tolist() == [2, 2, 0, 0]
    assert part.signs._unusual[-4:].tolist() == [False, False, True, True]


def test_a_file_of_hardly_anything_but_parts_is_refused():
    """A small file may name so many parts that it takes a quarter of a minute: no encoder's chunk has as many."""
    frames = bitstream.MOST_FRAMES // 8 + 1
    values, weights = np.zeros((1, frames, 8), np.int64), network()
    data = levels.pack(values, Parts((1, 8), HERTZ, weights), np.full(frames, 3))
    with pytest.raises(ValueError, match="parts of frames"):
        levels.unpack(data, values.shape, Parts((1, 8), HERTZ, weights))


def test_bins_fill_parts_of_all_lengths():
    with pytest.raises(ValueError, match=r"multiple of 8\. Received: 20"):
        Parts((1, 20), HERTZ, network())


def test_only_waveform_is_coded_part_by_part():
    kinds = {"waveform": Parts, "listening": learned_contexts.Neighbourhood}
    for profile, kind in kinds.items():
        header = Header(8000, 1, 9000, 512, 20, 0, "learned", profile, context_models.named("learned", profile)[1])
        assert type(context_models.start(header, 1, 64)) is kind
