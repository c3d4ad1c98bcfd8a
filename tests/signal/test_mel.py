import librosa
import numpy as np
import pytest
from helpers import tone

from fmalib.signal import mel

SETTINGS = {"sample_rate": 8000, "n_mels": 40, "n_fft": 512, "hop": 256}


@pytest.mark.parametrize("sample_rate, n_fft", [(8000, 512), (22_050, 1024), (44_100, 2048)])
def test_frames_are_46_ms_to_the_nearest_power_of_two(sample_rate, n_fft):
    assert mel.frame_sizes(sample_rate) == (n_fft, n_fft // 2)


def test_the_spectrogram_is_librosas():
    signal = tone(440)
    ours = mel.log_mel(signal[None], **SETTINGS).numpy()[0]
    theirs = librosa.feature.melspectrogram(y=signal, sr=8000, n_fft=512, hop_length=256, n_mels=40).T
    assert ours.shape == (len(signal) // 256 + 1, 40) and ours.dtype == np.float32
    # Inside; librosa pads with zeros where ours mirrors.
    np.testing.assert_allclose(ours[2:-2], (10 * np.log10(theirs[2:-2]) + 40) / 20, atol=2e-3)
    assert mel.log_mel(np.zeros((1, 8000), np.float32), **SETTINGS).numpy() == pytest.approx(-2)
