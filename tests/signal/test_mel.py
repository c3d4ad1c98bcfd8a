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


@pytest.mark.parametrize("sample_rate", [8000, 22_050, 44_100])
@pytest.mark.parametrize("hz", [200, 1000, 3500])
def test_the_range_is_what_the_docstring_says(sample_rate, hz):
    """A sine at full scale lies at 3.2 to 4 units, 105 to 120 dB above the floor."""
    n_fft, hop = mel.frame_sizes(sample_rate)
    sine = np.sin(2 * np.pi * hz * np.arange(sample_rate) / sample_rate)[None]
    highest = mel.log_mel(sine, sample_rate=sample_rate, n_mels=128, n_fft=n_fft, hop=hop).numpy()[0, 3:-3].max()
    assert 3.2 < highest < 4.0 and 104 < 20 * (highest + 2) < 120
