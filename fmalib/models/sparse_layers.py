"""Keras layers for sparse codes."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("fmalib")
class KeepLargest(keras.layers.Layer):
    """Keeps the largest positive values of the last axis and sets all others to 0 (Makhzani and Frey 2013).

    Equal values at the border are all kept.

    Args:
        count: values that are kept, 1 or more.

    Raises:
        ValueError: a count that is no integer from 1 up.
    """

    def __init__(self, count, **options):
        super().__init__(**options)
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"count must be an integer of 1 or more. Received: count={count!r}")
        self.count = count

    def call(self, x):
        least = ops.top_k(x, self.count)[0][..., -1:]
        # Not relu: the root of `patch_autoencoder.pooled` has an infinite slope at 0, and 0 times that is nan.
        return ops.where(ops.logical_and(x >= least, x > 0), x, ops.zeros_like(x))

    def get_config(self):
        return {**super().get_config(), "count": self.count}
