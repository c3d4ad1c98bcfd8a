"""Keras layers for entropy coding: the bits of integers under tables that a scale chooses."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("fmalib")
class ConditionalTables(keras.layers.Layer):
    """Bits of magnitudes under tables of probabilities: a scale, which a network predicts, lies between two tables.

    Tables are weights; after training they become the integer counts of a range coder. A table has a shift: so many low bits
    are sent as they are. Its last symbol is an escape, and what is above it is sent in an Elias gamma code (Elias 1975).

    Inputs: `[scales, sizes, sets]`, each of shape `(batch,)`: real numbers of tables; magnitudes, integers; and the set of
    tables of each. Output: bits, `(batch,)`, between those under the two tables next to a scale.

    Args:
        counts: array `(scales, symbols)`, from which each set of tables starts.
        shifts: of the tables, `(scales,)`.
        sets: number of sets of tables.
    """

    def __init__(self, counts, shifts, sets=2, **options):
        super().__init__(**options)
        self._plain = {"counts": np.asarray(counts).tolist(), "shifts": np.asarray(shifts).tolist(), "sets": sets}
        self._counts, self._shifts, self._sets = np.asarray(counts, np.float32), np.asarray(shifts, np.int32), sets

    def build(self, input_shape):
        start = np.log(self._counts / self._counts.sum(axis=1, keepdims=True))
        start = np.tile(start, (self._sets, 1, 1))
        self.logits = self.add_weight(
            name="logits", shape=start.shape, initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(start, dtype)
        )

    def call(self, inputs):
        scales, sizes, sets = inputs
        scales = tf.clip_by_value(scales, 0.0, len(self._shifts) - 1.001)
        low = tf.floor(scales)
        share, low = scales - low, tf.cast(low, tf.int32)
        bits = -tf.nn.log_softmax(self.logits) / tf.math.log(2.0)
        sizes, sets = tf.cast(sizes, tf.int32), tf.cast(sets, tf.int32)
        return (1 - share) * self._under(bits, low, sizes, sets) + share * self._under(bits, low + 1, sizes, sets)

    def _under(self, bits, tables, sizes, sets):
        shifts, escape = tf.gather(self._shifts, tables), self._counts.shape[1] - 1
        symbols = tf.bitwise.right_shift(sizes, shifts)
        excess = tf.cast(tf.maximum(symbols - escape + 1, 1), tf.float32)
        more = tf.where(symbols >= escape, 2 * tf.floor(tf.math.log(excess) / tf.math.log(2.0)) + 1, 0.0)
        coded = tf.gather_nd(bits, tf.stack([sets, tables, tf.minimum(symbols, escape)], axis=1))
        return coded + tf.cast(shifts, tf.float32) + more

    def get_config(self):
        return super().get_config() | self._plain

    def probabilities(self):
        """Returns the tables, float array `(sets, scales, symbols)`, each with sum 1."""
        return keras.ops.convert_to_numpy(keras.ops.softmax(self.logits))
