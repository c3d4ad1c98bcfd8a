import keras
import librosa
import numpy as np
import pytest
from conftest import tone

from fmalib import mel

SETTINGS = {"sample_rate": 8000, "n_mels": 40, "n_fft": 512, "hop": 256}


@pytest.mark.parametrize("sample_rate, n_fft", [(8000, 512), (22_050, 1024), (44_100, 2048)])
def test_frames_are_46_ms_to_the_nearest_power_of_two(sample_rate, n_fft):
    assert mel.frame_sizes(sample_rate) == (n_fft, n_fft // 2)


def test_the_spectrogram_is_librosas():
    signal = tone(440)
    ours = mel.log_mel(signal[None], **SETTINGS).numpy()[0]
    theirs = librosa.feature.melspectrogram(y=signal, sr=8000, n_fft=512, hop_length=256, n_mels=40).T
    assert ours.shape == (len(signal) // 256 + 1, 40) and ours.dtype == np.float32
    # Inside; librosa pads with zeros what is mirrored here.
    np.testing.assert_allclose(ours[2:-2], (10 * np.log10(theirs[2:-2]) + 40) / 20, atol=2e-3)
    assert mel.log_mel(np.zeros((1, 8000), np.float32), **SETTINGS).numpy() == pytest.approx(-2)


def test_gain_is_within_its_range_and_only_in_training():
    layer, audio = mel.RandomGain(6.0), np.full((500, 4), 0.1, np.float32)
    np.testing.assert_array_equal(layer(audio, training=False), audio)
    decibels = 20 * np.log10(np.asarray(layer(audio, training=True)) / 0.1)
    assert np.ptp(decibels, axis=1).max() < 1e-3  # one gain a segment
    assert -6.01 <= decibels.min() < -5 and 5 < decibels.max() <= 6.01


def test_masks_are_stretches_of_frames_and_bands_only_in_training():
    layer, spectrogram = mel.SpecAugment(0.2), np.ones((300, 50, 40), np.float32)
    np.testing.assert_array_equal(layer(spectrogram, training=False), spectrogram)
    masked = np.asarray(layer(spectrogram, training=True))
    assert set(np.unique(masked)) == {0, 1}
    frames, bands = (masked.max(axis=axis) == 0 for axis in (2, 1))  # wholly masked ones
    np.testing.assert_array_equal(masked == 0, frames[:, :, None] | bands[:, None, :])
    for hidden, length in ((frames, 50), (bands, 40)):
        assert hidden.sum(axis=1).max() <= 2 * 0.2 * length  # two stretches
        assert (np.diff(hidden.astype(int), axis=1) == 1).sum(axis=1).max() <= 2
        assert 0.12 < hidden.mean() < 0.25 and hidden.any(axis=0).all()  # anywhere, about a fifth


def test_layers_keep_their_settings():
    layers = [mel.LogMel(**SETTINGS), mel.RandomGain(3.0), mel.SpecAugment(0.1), mel.LogMelLoss(**SETTINGS)]
    for layer in layers:
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_the_loss_is_zero_for_the_spectrogram_itself():
    signal = np.stack([tone(440), tone(700)])
    loss = mel.LogMelLoss(**SETTINGS)
    target = mel.log_mel(signal, **SETTINGS)
    assert float(loss(signal, target)) == 0 and float(loss(signal, target + 0.5)) == pytest.approx(0.25, rel=1e-4)
    assert isinstance(loss, keras.losses.Loss)
