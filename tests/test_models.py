import keras
import numpy as np
import pytest

from fmalib import models


def audio(batch, samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.2, (batch, samples)).astype(np.float32)


def test_the_time_autoencoder_is_the_studys():
    model = models.time_autoencoder()
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    assert encoder.output.shape == (None, 255, 32)
    assert model.output.shape == (None, 65_536)
    shapes = [tuple(weight.shape) for weight in encoder.weights + decoder.weights]
    assert shapes == [
        (512, 1, 64), (64,), (1, 64, 32), (32,),  # encoder: kernel 512 to 64 channels, kernel 1 to the latent
        (1, 64, 32), (64,), (512, 1, 64), (1,),  # decoder: its mirror
    ]
    assert encoder.get_layer("encoder_conv1").strides == (256,)
    assert (encoder.predict(audio(2, 65_536), verbose=0) >= 0).all()  # ReLU on the latent


@pytest.mark.parametrize("latent", [1, 8, 64])
def test_latent_is_the_number_of_channels(latent):
    model = models.time_autoencoder(samples=2048, latent=latent)
    assert model.get_layer("encoder").output.shape == (None, 7, latent)


@pytest.mark.parametrize("latent", [0, -1, 1.5, "64", True])
def test_impossible_latents_are_named(latent):
    with pytest.raises(ValueError, match="latent must be a positive number of channels. Received: latent="):
        models.time_autoencoder(samples=2048, latent=latent)


@pytest.mark.parametrize("samples", [0, 511, 513, 65_535])
def test_impossible_lengths_are_named(samples):
    with pytest.raises(ValueError, match=f"Received: samples={samples}"):
        models.time_autoencoder(samples=samples)


def test_silent_training_audio_is_named():
    with pytest.raises(ValueError, match="silent.*std=0.0"):
        models.time_autoencoder(samples=2048, std=0.0)


@pytest.mark.parametrize("samples, valid", [(512, 512), (767, 512), (768, 768), (65_536, 65_536), (65_700, 65_536)])
def test_valid_length(samples, valid):
    assert models.valid_length(samples) == valid


def test_valid_length_of_too_few_samples():
    with pytest.raises(ValueError, match="samples=511"):
        models.valid_length(511)


def test_standardisation_is_part_of_the_model():
    """A model with mean and deviation does to raw audio what one without does to standardised audio."""
    plain, scaled = models.time_autoencoder(samples=2048), models.time_autoencoder(samples=2048, mean=0.1, std=0.25)
    scaled.set_weights(plain.get_weights())
    x = audio(3, 2048)
    expected = plain.predict((x - 0.1) / 0.25, verbose=0) * 0.25 + 0.1
    np.testing.assert_allclose(scaled.predict(x, verbose=0), expected, atol=1e-5)


def test_weight_decay_has_pytorchs_gradient():
    """PyTorch's Adam adds weight_decay * w to the gradient of every weight and bias."""
    import tensorflow as tf

    model = models.time_autoencoder(samples=2048, weight_decay=0.1)
    with tf.GradientTape() as tape:
        penalty = tf.add_n(model.losses)
    for weight, gradient in zip(model.trainable_weights, tape.gradient(penalty, model.trainable_weights)):
        np.testing.assert_allclose(gradient, 0.1 * weight.numpy(), rtol=1e-5, atol=1e-8)
    assert models.time_autoencoder(samples=2048, weight_decay=0).losses == []


def test_the_encoder_for_another_length_keeps_its_weights():
    model = models.time_autoencoder(samples=2048, latent=4, mean=0.1, std=0.2)
    longer = models.encoder_for(model, 4096)
    assert longer.output.shape == (None, 15, 4)
    x = audio(2, 4096)
    np.testing.assert_allclose(
        longer.predict(x, verbose=0)[:, :7], model.get_layer("encoder").predict(x[:, :2048], verbose=0), atol=1e-6
    )


def test_the_latent_classifier_is_the_studys():
    encoder = models.encoder_for(models.time_autoencoder(), 131_072)
    model = models.latent_classifier(encoder, 8)
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers if layer.name != "audio"}
    assert shapes == {
        "encoder": (511, 32), "norm": (511, 32), "head_conv1": (507, 32), "head_pool1": (101, 32),
        "head_conv2": (97, 32), "head_pool2": (19, 32), "flatten": (608,), "head_dense": (100,), "genres": (8,),
    }
    assert not any(weight is own for weight in model.trainable_weights for own in encoder.weights)
    np.testing.assert_allclose(model.predict(audio(2, 131_072), verbose=0).sum(axis=1), 1, atol=1e-5)


def classifier(samples=16_384, genres=3):
    return models.latent_classifier(models.encoder_for(models.time_autoencoder(samples=2048, latent=4), samples), genres)


def test_unfreezing_keeps_the_function_and_frees_the_encoder():
    frozen = classifier()
    free = models.unfrozen(frozen)
    assert len(free.trainable_weights) == len(frozen.trainable_weights) + 4
    x = audio(2, 16_384)
    np.testing.assert_allclose(free.predict(x, verbose=0), frozen.predict(x, verbose=0), atol=1e-6)
    assert not frozen.get_layer("encoder").trainable


def test_a_frozen_encoder_stays_as_it_was():
    model = classifier()
    before = [weight.numpy() for weight in model.get_layer("encoder").weights]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(audio(6, 16_384), np.arange(6) % 3, verbose=0)
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, model.get_layer("encoder").weights))


@pytest.mark.parametrize("build", [lambda: models.time_autoencoder(samples=2048, mean=0.1, std=0.2), classifier])
def test_saves_and_loads(tmp_path, build):
    model = build()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")  # safe mode: no code in the file
    x = audio(2, model.input.shape[1])
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.to_json() == model.to_json()


def test_too_short_segments_and_too_few_genres_are_named():
    encoder = models.encoder_for(models.time_autoencoder(samples=2048), 8192)
    with pytest.raises(ValueError, match="Received: 31 frames"):
        models.latent_classifier(encoder, 8)
    with pytest.raises(ValueError, match="n_genres=1"):
        models.latent_classifier(encoder, 1)
