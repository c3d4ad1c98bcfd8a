"""The network behind the codec's model `learned`: how large will the next level be?"""

import keras

from fmalib.models.entropy_layers import ConditionalTables


def context_network(inputs, counts, shifts, *, width=64, unit=256):
    """Returns a model of three passes, each with its own weights: inputs, magnitude and set of tables to bits.

    Each pass is a perceptron with a straight way from inputs to the scale, since logarithms of neighbours are nearly that.

    Inputs are named `inputs_0`, `sizes_0`, `sets_0` and so on, of shapes `(batch, inputs)`, `(batch,)`, `(batch,)`; outputs
    `pass_0` and so on, bits of shape `(batch,)`. `scale_0` and so on are the layers whose output is the scale.

    Args:
        inputs: number of inputs of each pass.
        counts, shifts: as for `ConditionalTables`.
        width: units of both hidden layers.
        unit: inputs are whole numbers, so many to 1.
    """
    given, bits = {}, {}
    for number, count in enumerate(inputs):
        x = given[f"inputs_{number}"] = keras.Input((count,), name=f"inputs_{number}")
        sizes = given[f"sizes_{number}"] = keras.Input((), dtype="int32", name=f"sizes_{number}")
        sets = given[f"sets_{number}"] = keras.Input((), dtype="int32", name=f"sets_{number}")
        x = keras.layers.Rescaling(1 / unit)(x)
        y = keras.layers.Dense(width, activation="relu", name=f"hidden_{number}")(x)
        y = keras.layers.Dense(width, activation="relu", name=f"second_{number}")(y)
        start = {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(len(counts) // 5)}
        y = keras.layers.Dense(1, name=f"scale_{number}", **start)(y)
        straight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=f"straight_{number}")(x)
        scale = keras.layers.Reshape(())(keras.layers.Add()([y, straight]))
        bits[f"pass_{number}"] = ConditionalTables(counts, shifts, name=f"pass_{number}")([scale, sizes, sets])
    return keras.Model(given, bits)
