"""Log-mel spectrograms inside a model, and what is done to them in training: gain and SpecAugment, as Keras layers."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from fmalib import stft

FRAME_SECONDS = 0.046  # of the window: 2048 samples at 44.1 kHz, 1024 at 22.05 kHz
FLOOR = 1e-8  # power; -80 dB below a band at full scale
RANGE_DB = 20.0  # one unit of the output


def frame_sizes(sample_rate):
    """Returns (n_fft, hop) in samples: the power of two nearest to 46 ms by ratio, and half of it."""
    n_fft = 2 ** round(np.log2(FRAME_SECONDS * sample_rate))
    return n_fft, n_fft // 2


def log_mel(audio, *, sample_rate, n_mels, n_fft, hop):
    """Returns the log-mel spectrogram, in units of 20 dB around -40 dB: most music lies between -2 and 2.

    Args:
        audio: float tensor of shape `(batch, samples)` at full scale 1.
        sample_rate: Hz.
        n_mels: bands from 0 Hz to half the sample rate.
        n_fft, hop: of the STFT, in samples.

    Returns:
        float32 tensor of shape `(batch, frames, n_mels)` of `samples // hop + 1` frames.
    """
    bands = stft.mel(stft.stft(audio, n_fft=n_fft, hop=hop), sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels)
    decibels = 10.0 / np.log(10.0) * tf.math.log(tf.maximum(bands, FLOOR))
    return (decibels + 40.0) / RANGE_DB


@keras.saving.register_keras_serializable(package="fmalib")
class LogMel(layers.Layer):
    """Audio `(batch, samples)` to its log-mel spectrogram `(batch, frames, n_mels)`: `log_mel` as a layer.

    It computes in single precision whatever the policy: half floats hold no quiet band's power.
    """

    def __init__(self, sample_rate, n_mels, n_fft, hop, **options):
        super().__init__(**{**options, "dtype": "float32"})
        self.sample_rate, self.n_mels, self.n_fft, self.hop = sample_rate, n_mels, n_fft, hop

    def call(self, audio):
        return log_mel(audio, sample_rate=self.sample_rate, n_mels=self.n_mels, n_fft=self.n_fft, hop=self.hop)

    def compute_output_shape(self, shape):
        return (shape[0], shape[1] // self.hop + 1, self.n_mels)

    def get_config(self):
        own = {"sample_rate": self.sample_rate, "n_mels": self.n_mels, "n_fft": self.n_fft, "hop": self.hop}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="fmalib")
class RandomGain(layers.Layer):
    """In training, makes each segment `(batch, samples)` louder or softer by up to `decibels`; else does nothing."""

    def __init__(self, decibels, **options):
        super().__init__(**{**options, "dtype": "float32"})  # what `LogMel` needs whole must not be rounded before it
        self.decibels = decibels
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, audio, training=False):
        if not training:
            return audio
        gain = keras.random.uniform((ops.shape(audio)[0], 1), -self.decibels, self.decibels, seed=self.seeds)
        return audio * ops.cast(10.0 ** (gain / 20.0), audio.dtype)

    def get_config(self):
        return {**super().get_config(), "decibels": self.decibels}


@keras.saving.register_keras_serializable(package="fmalib")
class SpecAugment(layers.Layer):
    """In training, sets bands and frames of a spectrogram `(batch, frames, bands)` to 0 (Park et al. 2019); else does nothing.

    Twice along each axis, a stretch of random place and of random width up to `share` of the axis. There is no time
    warping, which brought its authors little. A spectrogram around 0 is expected: put it behind a normalisation.
    """

    def __init__(self, share=0.2, **options):
        super().__init__(**options)
        self.share = share
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, spectrogram, training=False):
        if not training:
            return spectrogram
        for axis in (1, 2, 1, 2):
            spectrogram = spectrogram * ops.cast(self._mask(spectrogram, axis), spectrogram.dtype)
        return spectrogram

    def _mask(self, spectrogram, axis):
        """Returns 0 on a random stretch of an axis and 1 elsewhere, `(batch, frames, 1)` or `(batch, 1, bands)`."""
        length, batch = spectrogram.shape[axis], ops.shape(spectrogram)[0]
        width = ops.floor(keras.random.uniform((batch, 1), 0.0, self.share * length + 1, seed=self.seeds))
        start = ops.floor(keras.random.uniform((batch, 1), 0.0, 1.0, seed=self.seeds) * (length - width + 1))
        place = ops.arange(length, dtype="float32")[None, :]
        kept = ops.logical_or(place < start, place >= start + width)
        return ops.expand_dims(kept, 3 - axis)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "share": self.share}


@keras.saving.register_keras_serializable(package="fmalib")
class LogMelLoss(keras.losses.Loss):
    """Mean squared error of log-mel spectrograms: of audio `(batch, samples)` and a prediction `(batch, frames, n_mels)`."""

    def __init__(self, sample_rate, n_mels, n_fft, hop, name="log_mel_loss", **options):
        super().__init__(name=name, **options)
        self.settings = {"sample_rate": sample_rate, "n_mels": n_mels, "n_fft": n_fft, "hop": hop}

    def call(self, audio, predicted):
        return ops.mean((predicted - log_mel(audio, **self.settings)) ** 2, axis=(1, 2))

    def get_config(self):
        return {**super().get_config(), **self.settings}
