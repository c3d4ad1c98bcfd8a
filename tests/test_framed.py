import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from fmalib.framed import FramedConv1D, FramedConv1DTranspose

DOWN, UP = (FramedConv1D, layers.Conv1D), (FramedConv1DTranspose, layers.Conv1DTranspose)
PAIRS = [DOWN, UP]
SHAPES = [  # kernel, stride, channels, filters, steps
    (DOWN, 512, 256, 1, 64, 2048), (UP, 512, 256, 64, 1, 7),  # the time-domain autoencoder
    (DOWN, 62, 62, 32, 4, 620), (UP, 62, 62, 4, 32, 10),  # a whole axis, as in the frequency-domain one
    (DOWN, 1, 1, 5, 3, 11), (UP, 1, 1, 5, 3, 11),
    (DOWN, 12, 4, 2, 3, 12), (UP, 12, 4, 2, 3, 1),  # a single frame of three blocks
    (DOWN, 12, 4, 2, 3, 47), (UP, 12, 4, 2, 3, 9),  # down, a rest of three steps that no frame reaches
]


def random(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def outcome(layer, x):
    """Returns a layer's output and the gradients of its input and weights."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * random(*y.shape, seed=1))
    return [y, *tape.gradient(loss, [x, *layer.trainable_weights])]


@pytest.mark.parametrize("options", [{}, {"activation": "relu"}, {"use_bias": False}])
@pytest.mark.parametrize("pair, kernel, stride, channels, filters, steps", SHAPES)
def test_equals_keras_in_values_and_gradients(pair, kernel, stride, channels, filters, steps, options):
    framed, plain = pair
    ours, theirs = framed(filters, kernel, stride, **options), plain(filters, kernel, stride, **options)
    x = random(3, steps, channels)
    ours.build(x.shape), theirs.build(x.shape)
    weights = [random(*weight.shape, seed=number) for number, weight in enumerate(theirs.get_weights())]
    ours.set_weights(weights), theirs.set_weights(weights)
    for own, expected in zip(outcome(ours, x), outcome(theirs, x), strict=True):
        assert own.shape == expected.shape
        np.testing.assert_allclose(own, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("framed, plain", PAIRS)
def test_initial_weights_are_those_of_keras(framed, plain):
    weights = []
    for kind in (framed, plain):
        keras.utils.set_random_seed(0)
        layer = kind(8, 512, 256)
        layer.build((None, 2048, 2))
        weights.append(layer.get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("framed, plain", PAIRS)
def test_output_shape_is_known_before_the_batch(framed, plain):
    x = keras.Input((1024, 2))
    assert framed(8, 512, 256)(x).shape == plain(8, 512, 256)(x).shape


def test_saves_and_loads(tmp_path):
    x = keras.Input((1024, 1))
    code = FramedConv1D(4, 512, 256, activation="relu", kernel_regularizer=keras.regularizers.L2(0.1))(x)
    model = keras.Model(x, FramedConv1DTranspose(1, 512, 256)(code))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    audio = random(2, 1024, 1)
    np.testing.assert_array_equal(loaded.predict(audio, verbose=0), model.predict(audio, verbose=0))
    assert loaded.to_json() == model.to_json()


@pytest.mark.parametrize("options, received", [
    ({"strides": 200}, "strides=200"), ({"padding": "same"}, "padding='same'"), ({"dilation_rate": 2}, "dilation_rate=2"),
    ({"data_format": "channels_first"}, "data_format='channels_first'"),
])
@pytest.mark.parametrize("framed", [pair[0] for pair in PAIRS])
def test_what_is_no_product_of_frames_is_named(framed, options, received):
    with pytest.raises(ValueError, match=f"A framed convolution.*Received: .*{received}"):
        framed(4, 512, **options)
