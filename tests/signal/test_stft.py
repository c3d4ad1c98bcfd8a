"""librosa is the oracle."""

import librosa
import numpy as np
import pytest
import tensorflow as tf

from fmalib.signal import stft

SIZES = [(n_fft, n_fft // share) for n_fft in (256, 512, 1024, 2048) for share in (4, 2)]
LENGTHS = [8192, 8191, 10007]


def signal(samples, batch=None, seed=0):
    shape = (samples,) if batch is None else (batch, samples)
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


@pytest.mark.parametrize("n_fft, hop", [*SIZES, (255, 64), (400, 160)])
@pytest.mark.parametrize("samples", LENGTHS)
def test_stft_is_librosas(n_fft, hop, samples):
    x = signal(samples)
    ours = stft.stft(x, n_fft=n_fft, hop=hop).numpy()
    theirs = librosa.stft(x, n_fft=n_fft, hop_length=hop, pad_mode="reflect").T
    assert ours.shape == theirs.shape == ((samples - n_fft % 2) // hop + 1, n_fft // 2 + 1)
    assert ours.dtype == np.complex64
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("n_fft, hop", SIZES)
@pytest.mark.parametrize("samples", LENGTHS)
def test_inverse_returns_the_signal(n_fft, hop, samples):
    x = signal(samples, batch=2)
    back = stft.istft(stft.stft(x, n_fft=n_fft, hop=hop), n_fft=n_fft, hop=hop, length=samples).numpy()
    # See istft: half hops that do not divide the length leave the end to a window's edge.
    whole = samples if samples % hop == 0 or hop <= n_fft // 4 else samples - n_fft // 2
    assert back.shape == x.shape
    assert np.abs(back - x)[:, :whole].max() < 1e-5


@pytest.mark.parametrize("n_fft, hop", SIZES)
def test_inverse_is_librosas(n_fft, hop):
    spectrum = stft.stft(signal(8192), n_fft=n_fft, hop=hop).numpy()
    theirs = librosa.istft(spectrum.T, hop_length=hop, n_fft=n_fft)
    np.testing.assert_allclose(stft.istft(spectrum, n_fft=n_fft, hop=hop).numpy(), theirs, atol=1e-5)


def test_the_studys_shape():
    spectrum = stft.stft(signal(65_536), n_fft=512, hop=128)
    assert stft.to_channels(spectrum).shape == (513, 257, 2)


def test_channels_there_and_back():
    spectrum = stft.stft(signal(4096, batch=3))
    channels = stft.to_channels(spectrum)
    assert channels.dtype == tf.float32
    np.testing.assert_array_equal(channels[..., 0], np.real(spectrum))
    np.testing.assert_array_equal(stft.from_channels(channels), spectrum)


def test_log_magnitude_is_librosas():
    spectrum = stft.stft(signal(4096)).numpy()
    theirs = librosa.amplitude_to_db(np.abs(spectrum), ref=1.0, amin=1e-5, top_db=None)
    np.testing.assert_allclose(stft.log_magnitude(spectrum).numpy(), theirs, atol=1e-3)


def test_log_magnitude_of_silence_is_the_floor_and_has_a_gradient():
    x = tf.Variable(tf.zeros([1, 2048]))
    with tf.GradientTape() as tape:
        level = stft.log_magnitude(stft.stft(x), floor_db=-80.0)
    np.testing.assert_allclose(level.numpy(), -80.0, atol=1e-3)
    assert np.isfinite(tape.gradient(level, x).numpy()).all()


def test_mel_is_librosas():
    x = signal(22_050)
    ours = stft.mel(stft.stft(x, n_fft=1024, hop=256), sample_rate=22_050, n_fft=1024, n_mels=64).numpy()
    theirs = librosa.feature.melspectrogram(y=x, sr=22_050, n_fft=1024, hop_length=256, n_mels=64, pad_mode="reflect").T
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_works_in_a_graph_and_has_gradients():
    x = tf.Variable(signal(4096, batch=2))

    @tf.function
    def loss(x):
        return tf.reduce_sum(tf.abs(stft.istft(stft.stft(x), length=4096)) ** 2)

    with tf.GradientTape() as tape:
        value = loss(x)
    np.testing.assert_allclose(tape.gradient(value, x).numpy(), 2 * x.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_fft": 1}, "n_fft=1"),
        ({"n_fft": 512, "hop": 0}, "hop=0"),
        ({"n_fft": 512, "hop": 513}, "hop=513"),
        ({"n_fft": 8192, "hop": 128}, r"shape \(4096,\)"),
    ],
)
def test_wrong_sizes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        stft.stft(signal(4096), **options)
