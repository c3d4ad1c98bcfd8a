import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import encoder_for, quiet_noise

from fmalib.models import losses, original
from fmalib.signal import stft


def test_the_time_autoencoder_is_the_studys():
    model = original.time_autoencoder()
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    assert encoder.output.shape == (None, 255, 32)
    assert model.output.shape == (None, 65_536)
    shapes = [tuple(weight.shape) for weight in encoder.weights + decoder.weights]
    assert shapes == [
        (512, 1, 64),
        (64,),
        (1, 64, 32),
        (32,),  # encoder: kernel 512 to 64 channels, kernel 1 to the latent
        (1, 64, 32),
        (64,),
        (512, 1, 64),
        (1,),  # decoder: its mirror
    ]
    assert encoder.get_layer("encoder_conv1").strides == (256,)
    assert (encoder.predict(quiet_noise(2, 65_536), verbose=0) >= 0).all()  # ReLU on the latent


@pytest.mark.parametrize("latent", [512, 256, 128, 64, 32])
def test_the_frequency_autoencoder_is_the_studys(latent):
    model = original.frequency_autoencoder(latent=latent)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    assert encoder.output.shape == (None, 126, latent)
    assert model.output.shape == (None, 513, 257, 2)
    assert model.count_params() == (
        (5 * 5 * 2 * 8 + 8)
        + (5 * 5 * 8 * 32 + 32)
        + (62 * 32 * latent + latent)  # encoder
        + (62 * latent * 32 + 32)
        + (5 * 5 * 32 * 8 + 8)
        + (5 * 5 * 8 * 2 + 2)  # decoder: its mirror
    )
    shapes = [tuple(weight.shape) for weight in encoder.weights + decoder.weights]
    assert shapes == [
        (5, 5, 2, 8),
        (8,),
        (5, 5, 8, 32),
        (32,),
        (62, 32, latent),
        (latent,),
        (62, 32, latent),
        (32,),
        (5, 5, 8, 32),
        (8,),
        (5, 5, 2, 8),
        (2,),  # Keras transposes kernels: output, input
    ]


def test_the_frequency_autoencoders_activations():
    """ReLU everywhere but on the latent and the spectrum, both of which have signs."""
    model = original.frequency_autoencoder(samples=4096, latent=16)
    latent = model.get_layer("encoder").predict(quiet_noise(2, 4096), verbose=0)
    spectrum = model.predict(quiet_noise(2, 4096), verbose=0)
    assert (latent < 0).mean() > 0.2 and (spectrum < 0).mean() > 0.2
    hidden = [layer for part in ("encoder", "decoder") for layer in model.get_layer(part).layers if hasattr(layer, "kernel")]
    assert [layer.activation.__name__ for layer in hidden] == ["relu", "relu", "linear", "relu", "relu", "linear"]


@pytest.mark.parametrize("samples, frames", [(1536, 1), (2048, 2), (16_384, 30), (65_536, 126), (131_072, 254)])
def test_lengths_of_the_frequency_autoencoder(samples, frames):
    model = original.frequency_autoencoder(samples=samples, latent=4)
    assert model.get_layer("encoder").output.shape == (None, frames, 4)
    assert model.output.shape == (None, samples // 128 + 1, 257, 2)
    assert original.waveform_model(model).output.shape == (None, samples)


@pytest.mark.parametrize("samples", [0, 512, 1024, 16_383, 16_512])
def test_impossible_lengths_of_the_frequency_autoencoder_are_named(samples):
    with pytest.raises(ValueError, match=f"multiple of 512, 1536 or more; see valid_length. Received: samples={samples}"):
        original.frequency_autoencoder(samples=samples)


def plain_twin(model):
    """Returns a model with the weights of another, built of Keras's own layers alone from the STFT on."""
    layers = keras.layers
    steps = [
        layers.Conv2D(8, 5, 2, activation="relu"),
        layers.Conv2D(32, 5, 2, activation="relu"),
        layers.Conv2D(4, (1, 62)),
        layers.Conv2DTranspose(32, (1, 62), activation="relu"),
        layers.Conv2DTranspose(8, 5, 2, activation="relu"),
        layers.Conv2DTranspose(2, 5, 2),
    ]
    twin = keras.Sequential([keras.Input(model.output.shape[1:]), *steps])
    twin.set_weights([own.reshape(new.shape) for own, new in zip(model.get_weights(), twin.weights, strict=True)])
    return twin


def test_the_frequency_autoencoder_equals_plain_convolutions():
    model = original.frequency_autoencoder(samples=4096, latent=4)
    x = quiet_noise(2, 4096)
    expected = plain_twin(model).predict(stft.to_channels(stft.stft(x)), verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5 * np.abs(expected).max())


def test_a_waveform_model_inverts_the_spectrum():
    model = original.frequency_autoencoder(samples=4096, latent=4)
    x = quiet_noise(2, 4096)
    expected = stft.istft(stft.from_channels(model.predict(x, verbose=0)))
    waveforms = original.waveform_model(model)
    np.testing.assert_allclose(waveforms.predict(x, verbose=0), expected, atol=1e-6)
    assert waveforms.get_layer("encoder") is model.get_layer("encoder")
    timely = original.time_autoencoder(samples=2048)
    assert original.waveform_model(timely) is timely


def compiled(samples=4096):
    model = original.frequency_autoencoder(samples=samples, latent=4)
    model.compile(keras.optimizers.Adam(1e-3), losses.SpectralLoss())
    return model


def test_the_frequency_autoencoder_learns():
    keras.utils.set_random_seed(0)
    model = compiled()
    x = (0.5 * np.sin(0.3 * np.arange(4096) + np.arange(8)[:, None])).astype(np.float32)
    history = model.fit(x, x, epochs=40, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]


def test_the_compiled_frequency_autoencoder_saves_and_loads(tmp_path):
    model = compiled()
    x = quiet_noise(2, 4096)
    model.fit(x, x, verbose=0)
    loss = model.evaluate(x, x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, x, verbose=0) == loss
    assert loaded.to_json() == model.to_json()


@pytest.mark.parametrize("latent", [1, 8, 64])
def test_latent_is_the_number_of_channels(latent):
    model = original.time_autoencoder(samples=2048, latent=latent)
    assert model.get_layer("encoder").output.shape == (None, 7, latent)


@pytest.mark.parametrize("latent", [0, -1, 1.5, "64", True])
@pytest.mark.parametrize("build", [original.time_autoencoder, original.frequency_autoencoder])
def test_impossible_latents_are_named(build, latent):
    with pytest.raises(ValueError, match=r"latent must be an integer from 1 up\. Received: latent="):
        build(samples=2048, latent=latent)


@pytest.mark.parametrize("samples", [0, 511, 513, 65_535])
def test_impossible_lengths_are_named(samples):
    with pytest.raises(ValueError, match=f"Received: samples={samples}"):
        original.time_autoencoder(samples=samples)


def test_silent_training_audio_is_named():
    with pytest.raises(ValueError, match=r"silent.*std=0\.0"):
        original.time_autoencoder(samples=2048, std=0.0)


@pytest.mark.parametrize("samples, valid", [(512, 512), (767, 512), (768, 768), (65_536, 65_536), (65_700, 65_536)])
def test_valid_length(samples, valid):
    assert original.valid_length(samples) == valid


def test_valid_length_of_the_frequency_autoencoder():
    options = {"kernel": original.FREQUENCY_SHORTEST, "stride": original.FREQUENCY_STEP}
    assert [original.valid_length(samples, **options) for samples in (1536, 2047, 65_536, 66_000)] == [
        1536,
        1536,
        65_536,
        65_536,
    ]


def test_valid_length_of_too_few_samples():
    with pytest.raises(ValueError, match="samples=511"):
        original.valid_length(511)


def test_standardisation_is_part_of_the_model():
    """A model with mean and deviation does to raw audio what one without does to standardised audio."""
    plain, scaled = original.time_autoencoder(samples=2048), original.time_autoencoder(samples=2048, mean=0.1, std=0.25)
    scaled.set_weights(plain.get_weights())
    x = quiet_noise(3, 2048)
    expected = plain.predict((x - 0.1) / 0.25, verbose=0) * 0.25 + 0.1
    np.testing.assert_allclose(scaled.predict(x, verbose=0), expected, atol=1e-5)


def test_weight_decay_has_pytorchs_gradient():
    """PyTorch's Adam adds weight_decay * w to the gradient of every weight and bias."""
    model = original.time_autoencoder(samples=2048, weight_decay=0.1)
    with tf.GradientTape() as tape:
        penalty = tf.add_n(model.losses)
    for weight, gradient in zip(model.trainable_weights, tape.gradient(penalty, model.trainable_weights)):
        np.testing.assert_allclose(gradient, 0.1 * weight.numpy(), rtol=1e-5, atol=1e-8)
    assert original.time_autoencoder(samples=2048, weight_decay=0).losses == []


def test_the_encoder_for_another_length_keeps_its_weights():
    model = original.time_autoencoder(samples=2048, latent=4, mean=0.1, std=0.2)
    longer = encoder_for(model, 4096)
    assert longer.output.shape == (None, 15, 4)
    x = quiet_noise(2, 4096)
    np.testing.assert_allclose(
        longer.predict(x, verbose=0)[:, :7], model.get_layer("encoder").predict(x[:, :2048], verbose=0), atol=1e-6
    )


def test_the_frequency_encoder_for_another_length_keeps_its_weights():
    model = original.frequency_autoencoder(samples=4096, latent=4)
    longer = encoder_for(model, 8192)
    assert longer.output.shape == (None, 14, 4)
    x = quiet_noise(2, 8192)  # the shorter one's last frames mirror its end
    np.testing.assert_allclose(
        longer.predict(x, verbose=0)[:, :5], model.get_layer("encoder").predict(x[:, :4096], verbose=0)[:, :5], atol=1e-5
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda: original.time_autoencoder(samples=2048, mean=0.1, std=0.2),
        lambda: original.frequency_autoencoder(samples=2048, latent=4),
        lambda: original.waveform_model(original.frequency_autoencoder(samples=2048, latent=4)),
    ],
)
def test_saves_and_loads(tmp_path, build):
    model = build()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")  # safe mode: no code in the file
    x = quiet_noise(2, model.input.shape[1])
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.to_json() == model.to_json()
