"""Bits under tables that a scale chooses: against the logarithm of the table's probability."""

import keras
import numpy as np
import pytest

from fmalib.models.entropy_layers import ConditionalTables

COUNTS = np.array([[6, 1, 1], [2, 4, 2], [1, 1, 6]])
SHIFTS = [0, 0, 2]


def bits(scales, sizes, sets=None):
    layer = ConditionalTables(COUNTS, SHIFTS)
    inputs = [np.float32(scales), np.int32(sizes), np.int32(sets or [0] * len(scales))]
    return np.asarray(layer(inputs))


def test_a_whole_scale_is_a_table():
    np.testing.assert_allclose(bits([0, 1, 1], [0, 0, 1]), -np.log2([6 / 8, 2 / 8, 4 / 8]), rtol=1e-5)


def test_between_two_tables_bits_are_the_mean():
    assert bits([0.25], [0])[0] == pytest.approx(-0.75 * np.log2(6 / 8) - 0.25 * np.log2(2 / 8), rel=1e-5)


def test_low_bits_and_escapes_are_paid_for():
    # Table 1: 2 is the escape and costs one bit more; 5 is 4 above the first escape, five bits of an Elias gamma code.
    np.testing.assert_allclose(bits([1, 1], [2, 5]), [2 + 1, 2 + 5], rtol=1e-5)
    # The last table: 3 has two low bits, its symbol is 0. Scales are kept below the last by 0.001.
    assert bits([2], [3])[0] == pytest.approx(-np.log2(1 / 8) + 2, abs=0.02)


def test_probabilities_sum_to_one_and_are_learned():
    layer = ConditionalTables(COUNTS, SHIFTS, sets=2)
    given = [keras.Input(()), keras.Input((), dtype="int32"), keras.Input((), dtype="int32")]
    model = keras.Model(given, layer(given))
    model.compile(keras.optimizers.Adam(0.1), lambda weights, found: weights * found)
    inputs = [np.zeros(2048, np.float32), np.full(2048, 1, np.int32), np.ones(2048, np.int32)]
    assert np.asarray(model(inputs))[0] == pytest.approx(3, rel=1e-5)
    model.fit(inputs, np.ones(2048, np.float32), epochs=1, verbose=0)
    tables = layer.probabilities()
    assert tables.shape == (2, 3, 3)
    np.testing.assert_allclose(tables.sum(axis=2), 1, rtol=1e-5)
    assert tables[1, 0, 1] > 0.8
    np.testing.assert_allclose(tables[0], COUNTS / 8, rtol=1e-5)


def test_a_layer_is_made_again_from_its_configuration():
    layer = ConditionalTables(COUNTS, SHIFTS, sets=3, name="tables")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    given = [np.float32([0.5, 1.2]), np.int32([0, 2]), np.int32([2, 1])]
    np.testing.assert_array_equal(again(given), layer(given))
