"""Expected magnitudes: what a bin's neighbours weigh, in whole numbers."""

import numpy as np
import pytest

from fmalib.codec import contexts, entropy, quantiser

BINS = 16


def expected_of(near, number):
    found = near.expected(number)
    np.testing.assert_array_equal(found, np.round(found))
    return found[0].astype(int).tolist()


def test_passes_cover_each_bin_once():
    bins = np.concatenate([np.arange(BINS)[part] for part in contexts.PASSES])
    assert sorted(bins.tolist()) == list(range(BINS))


def test_nothing_is_expected_at_first():
    near = contexts.Neighbourhood(2, BINS)
    assert all(not near.expected(number).any() for number in range(3))


def test_the_frame_before_is_expected_around_a_bin():
    near = contexts.Neighbourhood(1, BINS)
    near.next_frame(100 * (np.arange(BINS) == 8)[None])
    assert not near.frame.any()
    # The running average is a quarter, 16 times as large: 400. At distance 0, 1, 2.
    assert expected_of(near, 0) == [0, 0, 192 * 100 + 20 * 400, 0]
    assert expected_of(near, 1) == [0, 16 * 100, 16 * 100, 0]
    assert expected_of(near, 2) == [0, 0, 0, 32 * 100, 32 * 100, 0, 0, 0]


def test_passes_before_are_seen_on_both_sides():
    near = contexts.Neighbourhood(1, BINS)
    near.frame[0, 8] = 10
    assert expected_of(near, 1) == [16 * 10, 272 * 10, 272 * 10, 16 * 10]
    assert expected_of(near, 2) == [0, 0, 64 * 10, 304 * 10, 304 * 10, 64 * 10, 0, 0]


def test_a_steady_signal_is_expected_at_its_size():
    near = contexts.Neighbourhood(1, 64)
    for _ in range(40):
        near.frame[...] = 50
        inner = [near.expected(number)[0, 4:-4] for number in range(3)]
        near.next_frame(np.full((1, 64), 50))
    for found in inner:
        assert np.all(np.abs(found / contexts.UNIT / 50 - 1) < 0.1)


def test_channels_are_apart():
    near = contexts.Neighbourhood(2, BINS)
    near.next_frame(np.array([[0], [5]]) + np.zeros((2, BINS), int))
    assert not near.expected(0)[0].any()
    assert near.expected(0)[1].all()


def test_products_of_integers_stay_exact():
    largest = 1 << 31  # a rough magnitude has fewer bits
    rows = contexts.PAST.copy()
    rows[:, 3:] *= contexts.AVERAGE
    own = [sum(2 * weight for _, weight in pairs) for pairs in contexts.OWN]
    assert max(rows.sum(axis=1) * 2 + own) * largest < 2**53


def test_tables_follow_scale_pass_and_quantiser():
    near = contexts.Neighbourhood(1, BINS)
    near.next_frame(np.eye(1, BINS, 8, dtype=int))  # one odd level: its bin has the other quantiser in the frame after
    assert near.prior.shape == (6 * entropy.SCALES, entropy.SYMBOLS)
    for number in range(3):
        scales = entropy.scales_of(near.expected(number)[0])
        halves = quantiser.HALFWAY[quantiser.NEXT[0, (np.arange(BINS) == 8).astype(int)]][contexts.PASSES[number]]
        np.testing.assert_array_equal(near.tables(number)[0], scales + entropy.SCALES * (2 * number + halves))


def test_splits_have_a_table_by_the_split_before():
    near = contexts.CutNeighbourhood(1, 16)
    first = len(contexts.prior())
    assert near.split_table().tolist() == [first]
    near.split = 2
    assert near.split_table().tolist() == [first + 2]
    assert near.prior[first : first + 3, :4].tolist() == [[900, 100, 50, 1], [500, 500, 50, 1], [500, 300, 250, 1]]


@pytest.mark.parametrize("kind", [contexts.Neighbourhood, contexts.CutNeighbourhood])
@pytest.mark.parametrize("together", [1, 3 * 2 * BINS, contexts.TOGETHER])
def test_an_encoder_that_looks_ahead_has_the_tables_of_a_decoder(kind, together, monkeypatch):
    monkeypatch.setattr(contexts, "TOGETHER", together)
    rng, near, found = np.random.default_rng(1), kind(2, BINS), []
    values = np.rint(rng.laplace(0, 2.0 ** rng.uniform(-2, 28, BINS), (2, 40, BINS))).astype(np.int64)
    values[:, 20] = quantiser.LARGEST
    splits = rng.integers(0, 3, 40) if near.switches else None
    for number, frame in enumerate(values.transpose(1, 0, 2)):
        tables = []
        if near.switches:
            tables.append(near.split_table())
            near.split = int(splits[number])
        for place, part in enumerate(near.parts):
            tables.append(near.tables(place).ravel())
            near.frame[part] = entropy.known(np.abs(frame[part]), near.tables(place) % entropy.SCALES)
        found.append(np.concatenate(tables))
        near.next_frame(np.abs(frame))
    np.testing.assert_array_equal(np.concatenate(list(kind(2, BINS).ahead(values, splits).blocks())), found)
