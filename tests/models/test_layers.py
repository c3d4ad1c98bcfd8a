import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import tone

from fmalib.models import layers, losses
from fmalib.models.layers import FramedConv1D, FramedConv1DTranspose
from fmalib.signal import mdct, mel, stft

MEL = {"sample_rate": 8000, "n_mels": 40, "n_fft": 512, "hop": 256}
DOWN, UP = (FramedConv1D, keras.layers.Conv1D), (FramedConv1DTranspose, keras.layers.Conv1DTranspose)
PAIRS = [DOWN, UP]
# fmt: off
SHAPES = [  # kernel, stride, channels, filters, steps
    (DOWN, 512, 256, 1, 64, 2048), (UP, 512, 256, 64, 1, 7),  # the time-domain autoencoder
    (DOWN, 62, 62, 32, 4, 620), (UP, 62, 62, 4, 32, 10),  # a whole axis, as in the frequency-domain one
    (DOWN, 1, 1, 5, 3, 11), (UP, 1, 1, 5, 3, 11),
    (DOWN, 12, 4, 2, 3, 12), (UP, 12, 4, 2, 3, 1),  # a single frame of three blocks
    (DOWN, 12, 4, 2, 3, 47), (UP, 12, 4, 2, 3, 9),  # down, a rest of three steps that no frame reaches
]
# fmt: on


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
def test_framed_convolutions_equal_keras_in_values_and_gradients(pair, kernel, stride, channels, filters, steps, options):
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


def test_framed_convolutions_save_and_load(tmp_path):
    x = keras.Input((1024, 1))
    code = FramedConv1D(4, 512, 256, activation="relu", kernel_regularizer=keras.regularizers.L2(0.1))(x)
    model = keras.Model(x, FramedConv1DTranspose(1, 512, 256)(code))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    audio = random(2, 1024, 1)
    np.testing.assert_array_equal(loaded.predict(audio, verbose=0), model.predict(audio, verbose=0))
    assert loaded.to_json() == model.to_json()


@pytest.mark.parametrize(
    "options, received",
    [
        ({"strides": 200}, "strides=200"),
        ({"padding": "same"}, "padding='same'"),
        ({"dilation_rate": 2}, "dilation_rate=2"),
        ({"data_format": "channels_first"}, "data_format='channels_first'"),
    ],
)
@pytest.mark.parametrize("framed", [pair[0] for pair in PAIRS])
def test_other_convolutions_are_errors(framed, options, received):
    with pytest.raises(ValueError, match=f"A framed convolution.*Received: .*{received}"):
        framed(4, 512, **options)


def test_stft_layers_are_the_transform_and_its_inverse():
    audio = np.random.default_rng(0).normal(size=(2, 4096)).astype(np.float32)
    channels = layers.Stft(512, 128)(audio)
    np.testing.assert_array_equal(channels, stft.to_channels(stft.stft(audio)))
    np.testing.assert_allclose(layers.Istft(512, 128, length=4096)(channels), audio, atol=1e-5)


def test_stft_channels_have_the_gradient_of_the_definition():
    """The layer copies nothing: it reads complex numbers as pairs of floats, with a gradient of its own."""
    gradients = []
    for to_channels in (stft.to_channels, lambda spectrum: tf.stack([tf.math.real(spectrum), tf.math.imag(spectrum)], -1)):
        x = random(2, 2048)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(to_channels(stft.stft(x)) ** 3)
        gradients.append(tape.gradient(total, x).numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5 * np.abs(gradients[0]).max())


@pytest.mark.parametrize("samples, hop", [(1000, 64), (1024, 63), (1, 8)])
def test_mdct_layers_are_the_transform_under_a_sine_window(samples, hop):
    audio = np.random.default_rng(1).uniform(-1, 1, (2, samples)).astype(np.float32)
    analysis, synthesis = layers.Mdct(hop), layers.Imdct(samples)
    coefficients = analysis(audio)
    assert coefficients.shape == (2, mdct.n_frames(samples, hop), hop)
    np.testing.assert_allclose(synthesis(coefficients), audio, atol=1e-5)
    window = np.concatenate([np.asarray(half) for half in analysis.window()])
    np.testing.assert_allclose(window, np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)), atol=1e-6)


def test_mdct_layers_save_and_load(tmp_path):
    audio = keras.Input((500,))
    model = keras.Model(audio, layers.Imdct(500)(layers.Mdct(64)(audio) * 2.0))
    assert model.output.shape == (None, 500)
    model.layers[1].set_weights([np.linspace(0, 0.7, 32)])  # as if it had been trained
    model.save(tmp_path / "model.keras")
    sound = np.random.default_rng(2).normal(size=(3, 500)).astype(np.float32)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(sound), model(sound))


def test_gain_is_within_its_range_and_only_in_training():
    layer, audio = layers.RandomGain(6.0), np.full((500, 4), 0.1, np.float32)
    np.testing.assert_array_equal(layer(audio, training=False), audio)
    decibels = 20 * np.log10(np.asarray(layer(audio, training=True)) / 0.1)
    assert np.ptp(decibels, axis=1).max() < 1e-3  # one gain a segment
    assert -6.01 <= decibels.min() < -5 and 5 < decibels.max() <= 6.01


def test_masks_are_stretches_of_frames_and_bands_only_in_training():
    layer, spectrogram = layers.SpecAugment(0.2), np.ones((300, 50, 40), np.float32)
    np.testing.assert_array_equal(layer(spectrogram, training=False), spectrogram)
    masked = np.asarray(layer(spectrogram, training=True))
    assert set(np.unique(masked)) == {0, 1}
    frames, bands = (masked.max(axis=axis) == 0 for axis in (2, 1))  # wholly masked ones
    np.testing.assert_array_equal(masked == 0, frames[:, :, None] | bands[:, None, :])
    for hidden, length in ((frames, 50), (bands, 40)):
        assert hidden.sum(axis=1).max() <= 2 * 0.2 * length  # two stretches
        assert (np.diff(hidden.astype(int), axis=1) == 1).sum(axis=1).max() <= 2
        assert 0.12 < hidden.mean() < 0.25 and hidden.any(axis=0).all()  # anywhere, about a fifth


def test_the_log_mel_layer_is_the_function():
    audio = tone(440)[None]
    np.testing.assert_array_equal(layers.LogMel(**MEL)(audio), mel.log_mel(audio, **MEL))


@pytest.mark.parametrize(
    "layer", [layers.LogMel(**MEL), layers.RandomGain(3.0), layers.SpecAugment(0.1), losses.LogMelLoss(**MEL)]
)
def test_layers_keep_their_settings(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_soft_assignments_are_students_t():
    layer = layers.SoftAssignment(2)
    points = np.array([[0.0, 0.0], [3.0, 0.0]], np.float32)
    layer.build(points.shape)
    layer.set_weights([np.array([[0.0, 0.0], [2.0, 0.0]], np.float32)])
    # Squared distances of 0 and 4, 9 and 1: closeness 1 and 1/5, 1/10 and 1/2.
    np.testing.assert_allclose(layer(points), [[5 / 6, 1 / 6], [1 / 6, 5 / 6]], rtol=1e-6)
    assert layer(keras.Input((2,))).shape == (None, 2)


def test_log_compression_is_odd_and_starts_at_its_knee():
    x = np.array([[-1.0, 0.0, 0.5]], np.float32)
    expected = np.sign(x) * np.log1p(np.abs(x) * np.exp(3.0))
    np.testing.assert_allclose(layers.LogCompression()(x), expected, rtol=1e-6)
