import keras
import librosa
import numpy as np
import pytest
import tensorflow as tf
from helpers import quiet_noise, tone

from fmalib.models import layers, losses
from fmalib.signal import mel, stft


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(2, 5000)).astype(np.float32)
    return target, (target + 0.3 * rng.normal(size=target.shape)).astype(np.float32)


def by_hand(kind, target, output):
    if kind in ("mse", "l1", "mse_tv"):
        error = target - output
        return {
            "mse": np.mean(error**2),
            "l1": np.mean(np.abs(error)),
            "mse_tv": np.mean(error**2) + 0.01 * np.mean(np.diff(output) ** 2),
        }[kind]
    power = [np.abs(librosa.stft(audio, n_fft=1024, pad_mode="reflect")) ** 2 for audio in (target, output)]
    x, y = (np.log10(np.maximum(part, 1e-6)) if kind.startswith("log") else np.sqrt(part) for part in power)
    return np.mean(np.abs(x - y) ** (1 if kind.endswith("l1") else 2))


@pytest.mark.parametrize("kind", losses.LOSSES)
def test_a_loss_is_what_its_name_says(pair, kind):
    target, output = pair
    expected = np.mean([by_hand(kind, *segment) for segment in zip(target, output)])
    assert float(losses.AudioLoss(kind)(target, output)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", losses.LOSSES)
def test_a_loss_does_not_depend_on_how_loud_it_is(pair, kind):
    target, output = pair
    quiet = losses.AudioLoss(kind, std=0.01)(0.01 * target, 0.01 * output)
    assert float(quiet) == pytest.approx(float(losses.AudioLoss(kind)(target, output)), rel=1e-4)


@pytest.mark.parametrize("kind", losses.LOSSES)
def test_gradients_are_finite_in_silence(kind):
    output = tf.Variable(np.zeros((1, 4000), np.float32))
    with tf.GradientTape() as tape:
        value = losses.AudioLoss(kind)(np.zeros((1, 4000), np.float32), output)
    assert np.isfinite(tape.gradient(value, output).numpy()).all()
    assert float(value) == pytest.approx(0, abs=1e-6)


def test_phase_is_left_free_by_magnitudes_alone(pair):
    target, _ = pair
    assert float(losses.AudioLoss("stft_l2")(target, -target)) == pytest.approx(0, abs=1e-6)
    assert float(losses.AudioLoss("mse")(target, -target)) == pytest.approx(4 * np.mean(target**2), rel=1e-3)


def test_a_loss_survives_saving():
    loss = keras.losses.deserialize(keras.losses.serialize(losses.AudioLoss("stft_l1", 0.2)))
    assert (loss.kind, loss.std) == ("stft_l1", 0.2)


def test_an_unknown_loss():
    with pytest.raises(ValueError, match=r"kind must be one of mse, l1.* Received: kind='l3'"):
        losses.AudioLoss("l3")


def test_the_spectral_loss_is_the_studys():
    """Against the definition, with librosa's STFT; and silence scores sqrt(96) of the audio's RMS."""
    x = quiet_noise(3, 16_384)
    spectrum = stft.to_channels(stft.stft(quiet_noise(3, 16_384, seed=1))).numpy()
    target = librosa.stft(x, n_fft=512, hop_length=128, pad_mode="reflect").transpose(0, 2, 1)
    error = spectrum - np.stack([target.real, target.imag], axis=-1)
    assert float(losses.SpectralLoss()(x, spectrum)) == pytest.approx(np.mean(error**2), rel=1e-5)
    silence = float(losses.SpectralLoss()(x, np.zeros_like(spectrum))) ** 0.5
    assert silence == pytest.approx(96**0.5 * np.sqrt(np.mean(x**2)), rel=0.02)


def test_shortcuts_equal_the_definitions():
    """The front end and the loss in values and gradients: both have gradients of their own."""

    def shortcut(x, y):
        return tf.reduce_sum(losses.SpectralLoss(reduction=None)(x, y + layers.Stft(512, 128)(2 * x)) * [1.0, 2.0])

    def definition(x, y):
        error = y + stft.to_channels(stft.stft(2 * x)) - stft.to_channels(stft.stft(x))
        return tf.reduce_sum(tf.reduce_mean(error**2, axis=(1, 2, 3)) * [1.0, 2.0])

    results = []
    for loss in (shortcut, definition):
        x, y = tf.constant(quiet_noise(2, 2048)), stft.to_channels(stft.stft(quiet_noise(2, 2048, seed=1)))
        with tf.GradientTape() as tape:
            tape.watch([x, y])
            value = loss(x, y)
        results.append([value, *tape.gradient(value, [x, y])])
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_the_log_mel_loss_is_zero_for_the_spectrogram_itself():
    signal, settings = np.stack([tone(440), tone(700)]), {"sample_rate": 8000, "n_mels": 40, "n_fft": 512, "hop": 256}
    loss = losses.LogMelLoss(**settings)
    target = mel.log_mel(signal, **settings)
    assert float(loss(signal, target)) == 0 and float(loss(signal, target + 0.5)) == pytest.approx(0.25, rel=1e-4)
    assert isinstance(loss, keras.losses.Loss)
