import keras
import librosa
import numpy as np
import pytest

from fmalib import losses


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
    expected = np.mean([by_hand(kind, *clip) for clip in zip(target, output)])
    assert float(losses.AudioLoss(kind)(target, output)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", losses.LOSSES)
def test_a_loss_does_not_depend_on_how_loud_it_is(pair, kind):
    target, output = pair
    quiet = losses.AudioLoss(kind, std=0.01)(0.01 * target, 0.01 * output)
    assert float(quiet) == pytest.approx(float(losses.AudioLoss(kind)(target, output)), rel=1e-4)


@pytest.mark.parametrize("kind", losses.LOSSES)
def test_gradients_are_finite_in_silence(kind):
    import tensorflow as tf

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
    with pytest.raises(ValueError, match="kind must be one of mse, l1.* Received: kind='l3'"):
        losses.AudioLoss("l3")
