import keras
import numpy as np
import pytest
import tensorflow as tf

from fmalib.models.sparse_layers import KeepLargest


def test_the_largest_positive_values_are_kept():
    x = np.array([[3.0, -5.0, 1.0, 2.0], [-1.0, -2.0, 0.5, -3.0]], np.float32)
    np.testing.assert_array_equal(KeepLargest(2)(x), [[3, 0, 0, 2], [0, 0, 0.5, 0]])


def test_equal_values_at_the_border_are_all_kept():
    np.testing.assert_array_equal(KeepLargest(1)(np.array([[2.0, 2.0, 1.0]], np.float32)), [[2, 2, 0]])


def test_slopes_are_finite_where_nothing_is_kept():
    """The root of a mean of zeros has an infinite slope, which must not reach the weights."""
    x = tf.Variable([[[-1.0, 0.5, -2.0], [0.0, 1.5, -1.0]]])
    with tf.GradientTape() as tape:
        root = tf.sqrt(tf.reduce_mean(KeepLargest(2)(x), axis=1))  # of 0, 1 and 0
    np.testing.assert_array_equal(tape.gradient(root, x), [[[0, 0.25, 0], [0, 0.25, 0]]])


def test_it_saves_and_loads(tmp_path):
    patch = keras.Input((3, 4))
    model = keras.Model(patch, KeepLargest(3)(patch))
    model.save(tmp_path / "model.keras")
    again, x = keras.models.load_model(tmp_path / "model.keras"), np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_array_equal(again(x), model(x))
    assert again.layers[-1].count == 3 and (np.asarray(model(x)) > 0).sum(axis=-1).max() <= 3


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_an_impossible_count_is_refused(count):
    with pytest.raises(ValueError, match=f"Received: count={count}"):
        KeepLargest(count)
