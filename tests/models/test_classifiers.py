"""Heads and networks against the shapes and parameter counts of their sources."""

import keras
import numpy as np
import pytest
from helpers import encoder_for, quiet_noise

from fmalib.models import architectures, classifiers, original
from fmalib.models.layers import LogCompression, Sample, SoftAssignment
from fmalib.training import autoencoders


def test_the_latent_classifier_is_the_studys():
    encoder = encoder_for(original.time_autoencoder(), 131_072)
    model = classifiers.latent_classifier(encoder, 8)
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers if layer.name != "audio"}
    assert shapes == {
        "encoder": (511, 32),
        "norm": (511, 32),
        "head_conv1": (507, 32),
        "head_pool1": (101, 32),
        "head_conv2": (97, 32),
        "head_pool2": (19, 32),
        "flatten": (608,),
        "head_dense": (100,),
        "genres": (8,),
    }
    assert not any(weight is own for weight in model.trainable_weights for own in encoder.weights)
    np.testing.assert_allclose(model.predict(quiet_noise(2, 131_072), verbose=0).sum(axis=1), 1, atol=1e-5)


def classifier(samples=16_384, genres=3):
    return classifiers.latent_classifier(encoder_for(original.time_autoencoder(samples=2048, latent=4), samples), genres)


def test_unfreezing_keeps_the_function_and_frees_the_encoder():
    frozen = classifier()
    free = classifiers.unfrozen(frozen)
    assert len(free.trainable_weights) == len(frozen.trainable_weights) + 4
    x = quiet_noise(2, 16_384)
    np.testing.assert_allclose(free.predict(x, verbose=0), frozen.predict(x, verbose=0), atol=1e-6)
    assert not frozen.get_layer("encoder").trainable


def test_a_frozen_encoder_stays_as_it_was():
    model = classifier()
    before = [weight.numpy() for weight in model.get_layer("encoder").weights]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(quiet_noise(6, 16_384), np.arange(6) % 3, verbose=0)
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, model.get_layer("encoder").weights))


def test_too_short_segments_and_too_few_genres_are_named():
    encoder = encoder_for(original.time_autoencoder(samples=2048), 8192)
    with pytest.raises(ValueError, match="Received: 31 frames"):
        classifiers.latent_classifier(encoder, 8)
    with pytest.raises(ValueError, match="n_genres=1"):
        classifiers.latent_classifier(encoder, 1)
    with pytest.raises(ValueError, match="Received: head='none'"):
        classifiers.latent_classifier(encoder, 8, head="none")


@pytest.mark.parametrize(
    "head, parameters",
    [
        # Layer normalisation of 255 x 4 has a scale and an offset each; an LSTM has four gates.
        ("lstm", 2 * 255 * 4 + 4 * (100 * (4 + 100) + 100) + 100 * 3 + 3),
        ("pooled", 1 + 4 * 4 + 4 * 5 * 128 + 3 * (128 * 128 + 128 * 256 + 256 * 256) + 4 * 768 + 3 * 256 * 3 + 3),
    ],
)
def test_the_other_heads_count_what_they_should(head, parameters):
    encoder = encoder_for(original.time_autoencoder(samples=2048, latent=4), 65_536)
    model = classifiers.latent_classifier(encoder, 3, head=head)
    assert model.count_params() - encoder.count_params() == parameters
    np.testing.assert_allclose(model.predict(quiet_noise(2, 65_536), verbose=0).sum(axis=1), 1, atol=1e-5)


def test_the_sparse_encoder_carries_a_head():
    """Codewords are no quantities: a head sees the sizes of their coefficients."""
    network = architectures.compiled("frequency", "sparse", samples=32_768, latent=8, std=0.1)
    encoder = autoencoders.Autoencoder("", architectures.find("frequency", "sparse"), network).features
    assert encoder.output.shape == (None, 64, 526)
    model = classifiers.unfrozen(classifiers.latent_classifier(encoder, 3))
    x = quiet_noise(2, 32_768)
    latent = model.get_layer("encoder").predict(x, verbose=0)
    assert (latent >= 0).all() and 0 < (latent > 0).sum() <= 2 * 64 * 8
    assert model.predict(x, verbose=0).shape == (2, 3)


def test_the_bbnn_is_the_papers():
    """647 frames of 128 bands in, 180,458 weights for ten genres (Liu et al. 2019, GTZAN)."""
    model = classifiers.bbnn(10, samples=30 * 22_050, sample_rate=22_050)
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert shapes["log_mel"] == (646, 128)  # 661,500 samples; GTZAN's clips are 661,794 long, 647 frames
    assert classifiers.bbnn(10, samples=661_794, sample_rate=22_050).get_layer("log_mel").output.shape[1:] == (647, 128)
    assert shapes["shallow_conv"] == (646, 128, 32) and shapes["shallow_pool"] == (161, 128, 32)
    assert [shapes[f"block{block}_output"] for block in (1, 2, 3)] == [(161, 128, 128)] * 3
    assert [shapes[f"block{block}_input"][-1] for block in (2, 3)] == [32 + 128, 32 + 2 * 128]
    assert shapes["transition_input"] == (161, 128, 32 + 3 * 128)
    assert shapes["transition"] == (161, 128, 32) and shapes["transition_pool"] == (80, 64, 32)
    assert shapes["decision_mean"] == (32,) and shapes["genres"] == (10,)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 180_458


@pytest.mark.parametrize("build", [classifiers.bbnn, classifiers.genre_cnn])
def test_networks_give_probabilities_and_save(tmp_path, build):
    model = build(3, samples=16_384, sample_rate=8000)
    x = quiet_noise(2, 16_384)
    predicted = model.predict(x, verbose=0)
    assert predicted.shape == (2, 3) and predicted.dtype == np.float32
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), predicted)
    assert loaded.to_json() == model.to_json()
    with pytest.raises(ValueError, match="mel frames; take longer ones"):
        build(3, samples=256, sample_rate=8000)


@pytest.mark.parametrize("sample_rate", [8000, 22_050, 44_100])
def test_our_network_stays_between_the_sizes_that_were_asked_for(sample_rate):
    model = classifiers.genre_cnn(8, samples=3 * sample_rate, sample_rate=sample_rate)
    assert 300_000 <= model.count_params() <= 800_000


def test_our_network_does_not_hear_the_mean_spectrum_of_a_recording():
    """A constant gain of each mel band, here of all, changes nothing above the floor of the log-mel spectrogram."""
    model, x = classifiers.genre_cnn(3, samples=16_384, sample_rate=8000), quiet_noise(2, 16_384)
    np.testing.assert_allclose(model.predict(x / 4, verbose=0), model.predict(x, verbose=0), atol=1e-4)
    inner = keras.Model(model.get_layer("log_mel").output, model.output)
    mel = keras.Model(model.input, model.get_layer("log_mel").output).predict(x, verbose=0)
    equalised = mel + np.linspace(-0.5, 0.5, mel.shape[-1], dtype=np.float32)  # 20 dB from the lowest band to the highest
    np.testing.assert_allclose(inner.predict(equalised, verbose=0), inner.predict(mel, verbose=0), atol=1e-4)


def test_half_precision_keeps_spectrograms_and_probabilities_single():
    """The precision of a GPU, here on the CPU."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = classifiers.genre_cnn(3, samples=16_384, sample_rate=8000)
        model.compile("adam", "categorical_crossentropy")
    finally:
        keras.config.set_dtype_policy(before)
    x, y = quiet_noise(4, 16_384), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    assert model.get_layer("log_mel").compute_dtype == "float32" and model.get_layer("genres").compute_dtype == "float32"
    assert model.get_layer("conv1").compute_dtype == "float16" and model.get_layer("gain").compute_dtype == "float32"
    assert np.isfinite(model.fit(x, y, epochs=2, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("name", [*classifiers.HEADS, "cnn", "bbnn"])
def test_half_precision_has_finite_gradients_where_audio_is_quiet(name):
    """1e-12 is 0 in half precision: the root of a small energy had an infinite slope, and every such step was skipped."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        if name in classifiers.HEADS:
            encoder = original.time_autoencoder(samples=65_536, latent=8).get_layer("encoder")
            model = classifiers.unfrozen(classifiers.latent_classifier(encoder, 3, head=name))
        else:
            build = {"cnn": classifiers.genre_cnn, "bbnn": classifiers.bbnn}[name]
            model = build(3, samples=16_384, sample_rate=8000)
    finally:
        keras.config.set_dtype_policy(before)
    quiet = 0.03 * quiet_noise(4, model.input.shape[1])
    with tf.GradientTape() as tape:
        probabilities = model(quiet, training=True)
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(np.array([0, 1, 2, 0]), probabilities))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert np.isfinite(np.asarray(gradient)).all(), variable.path


@pytest.mark.parametrize("layer", [LogCompression(), SoftAssignment(3), Sample(0.1)])
def test_layers_of_logarithms_and_exponentials_compute_in_single_precision(layer):
    restored = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    assert layer.compute_dtype == restored.compute_dtype == restored.variable_dtype == "float32"


def test_energy_is_the_root_mean_square_of_frames():
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    expected = np.sqrt(np.mean(x[:, :6].reshape(2, 3, 2, 3) ** 2, axis=2))
    np.testing.assert_allclose(classifiers.energy(x, 2), expected, rtol=1e-5)


def test_statistics_over_time_are_mean_deviation_and_maximum():
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    expected = [x.mean(axis=1), np.sqrt(x.var(axis=1) + 1e-3), x.max(axis=1)]
    np.testing.assert_allclose(classifiers.over_time(x), np.concatenate(expected, axis=1), rtol=1e-5)
