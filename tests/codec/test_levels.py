"""Levels to bytes under a context model: order, round trip, and bytes that end too early."""

import numpy as np
import pytest

from fmalib.codec import contexts, levels


def some(shape=(2, 5, 32)):
    return np.rint(np.random.default_rng(0).laplace(0, 20, shape)).astype(np.int64)


def test_levels_come_back():
    values = some()
    data = levels.pack(values, contexts.Neighbourhood(2, 32))
    back, splits = levels.unpack(data, values.shape, contexts.Neighbourhood(2, 32))
    np.testing.assert_array_equal(back, values)
    assert splits.tolist() == [0] * 5


def test_bytes_that_are_cut_are_an_error():
    data = levels.pack(some(), contexts.Neighbourhood(2, 32))
    with pytest.raises(ValueError, match="bits are missing"):
        levels.unpack(data[:8], (2, 5, 32), contexts.Neighbourhood(2, 32))


def test_ideal_code_lengths_add_up_to_the_bytes():
    values = some((2, 40, 64))
    values[:, :, 48:] = 0
    lengths = levels.bits(values, contexts.Neighbourhood(2, 64))
    assert lengths.shape == values.shape
    size = 8 * len(levels.pack(values, contexts.Neighbourhood(2, 64)))
    assert 0 <= size - lengths.sum() < 0.002 * size + 96  # three words
    by_bin = lengths.sum(axis=(0, 1))
    assert by_bin[52:].max() < 0.05 * by_bin[:48].min()  # each length lies where its level does
