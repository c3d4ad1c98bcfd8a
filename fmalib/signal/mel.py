"""Log-mel spectrograms as tensors."""

import numpy as np
import tensorflow as tf

from fmalib.signal import stft

FRAME_SECONDS = 0.046  # of the window: 2048 samples at 44.1 kHz, 1024 at 22.05 kHz
FLOOR = 1e-8  # power; -80 dB, which is 105 to 120 dB below a sine at full scale
RANGE_DB = 20.0  # dB, one unit of the output


def frame_sizes(sample_rate):
    """Returns (n_fft, hop) in samples: the power of two nearest to 46 ms by ratio, and half of it."""
    n_fft = 2 ** round(np.log2(FRAME_SECONDS * sample_rate))
    return n_fft, n_fft // 2


def log_mel(audio, *, sample_rate, n_mels, n_fft, hop, highest=None):
    """Returns the log-mel spectrogram, in units of 20 dB around -40 dB, -2 or more.

    Most music lies between -1 and 3. A sine at full scale reaches 3.2 to 4.

    Args:
        audio: float tensor of shape `(batch, samples)` at full scale 1.
        sample_rate: Hz.
        n_mels: number of bands.
        n_fft, hop: of the STFT, in samples.
        highest: frequency in Hz to which the bands reach from 0; None takes half the sample rate.

    Returns:
        float32 tensor of shape `(batch, frames, n_mels)` of `samples // hop + 1` frames.
    """
    bands = stft.mel(
        stft.stft(audio, n_fft=n_fft, hop=hop), sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, highest=highest
    )
    decibels = 10.0 / np.log(10.0) * tf.math.log(tf.maximum(bands, FLOOR))
    return (decibels + 40.0) / RANGE_DB
