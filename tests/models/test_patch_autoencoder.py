import keras
import librosa
import numpy as np
import pytest

from fmalib.models import patch_autoencoder

RATE = 22_050


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=(2, 3 * RATE)).astype(np.float32) / 10


@pytest.fixture(scope="module")
def patches(noise):
    """All patches of the noise, `(patches, 1376)`."""
    pictures = patch_autoencoder.spectrogram(RATE)(noise)
    windows = np.lib.stride_tricks.sliding_window_view(pictures, 43, axis=1)
    return windows.transpose(0, 1, 3, 2).reshape(-1, 43 * 32)


def test_the_spectrogram_is_librosas_in_32_bands_of_mean_0(noise):
    found = np.asarray(patch_autoencoder.spectrogram(RATE)(noise))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0, atol=1e-5)
    power = librosa.feature.melspectrogram(y=noise[1], sr=RATE, n_fft=1024, hop_length=512, n_mels=128)
    wanted = (librosa.power_to_db(power, amin=1e-8, top_db=None) / 20).reshape(32, 4, -1).mean(axis=1).T
    inside, wanted = found[1][1:-1], wanted[1:-1]  # librosa puts zeros beyond both ends
    np.testing.assert_allclose(inside - inside.mean(), wanted - wanted.mean(), atol=2e-3)


def test_loudness_and_sample_rate_hardly_change_it(noise):
    one = np.asarray(patch_autoencoder.spectrogram(RATE)(noise))
    np.testing.assert_allclose(patch_autoencoder.spectrogram(RATE)(noise / 4), one, atol=1e-3)
    twice = librosa.resample(noise, orig_sr=RATE, target_sr=2 * RATE)
    other = np.asarray(patch_autoencoder.spectrogram(2 * RATE)(twice))[:, : one.shape[1]]
    assert np.abs(other - one)[:, 2:-2, :-1].mean() < 0.05  # 1 dB; its frames are the same, its bands nearly
    assert patch_autoencoder.patch_frames(RATE) == patch_autoencoder.patch_frames(2 * RATE) == 43


def test_whitened_patches_have_equal_variances(patches):
    whitening = patch_autoencoder.fit_whitening(patches, 20)
    whitened = whitening(patches)
    assert whitened.shape == (len(patches), 20)
    covariance = np.cov(whitened, rowvar=False)
    np.testing.assert_allclose(covariance, np.eye(20), atol=0.02)
    np.testing.assert_allclose(whitening(whitening.back(whitened)), whitened, atol=1e-3)


def test_silence_is_whitened_to_zeros():
    whitened = patch_autoencoder.fit_whitening(np.zeros((50, 64), np.float32), 8)(np.zeros((3, 64)))
    np.testing.assert_array_equal(whitened, 0)


def test_the_network_keeps_few_values():
    network = patch_autoencoder.patch_autoencoder(components=30, latent=40, active=3)
    codes = network.get_layer("encoder").predict(np.random.default_rng(0).normal(size=(64, 30)), verbose=0)
    assert codes.shape == (64, 40) and (codes > 0).sum(axis=1).max() == 3
    assert network.count_params() == 30 * 40 + 40 + 40 * 30 + 30


def test_audio_is_encoded_patch_by_patch(noise, patches):
    """A convolution gives what whitening and encoder give of single patches, every second frame."""
    keras.utils.set_random_seed(0)
    whitening = patch_autoencoder.fit_whitening(patches, 30)
    encoder = patch_autoencoder.patch_autoencoder(components=30, latent=50, active=5).get_layer("encoder")
    codes = np.asarray(patch_autoencoder.waveform_encoder(encoder, whitening, RATE)(noise))
    single = encoder.predict(whitening(patches), verbose=0).reshape(2, -1, 50)[:, :: patch_autoencoder.HOP]
    np.testing.assert_allclose(codes, single, atol=1e-4)
    fixed = patch_autoencoder.waveform_encoder(encoder, whitening, RATE, noise.shape[1])
    assert fixed.output.shape == (None, *codes.shape[1:])
    np.testing.assert_allclose(patch_autoencoder.pooled(codes), np.sqrt(codes.mean(axis=1)), rtol=1e-5)
    keras.config.set_dtype_policy("mixed_float16")  # as where there is a GPU
    try:
        np.testing.assert_array_equal(patch_autoencoder.waveform_encoder(encoder, whitening, RATE)(noise), codes)
    finally:
        keras.config.set_dtype_policy("float32")
