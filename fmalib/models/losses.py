"""Every loss of the library: of waveforms, STFT coefficients and log-mel spectrograms.

Waveform losses divide by the standard deviation of the training audio, so that they do not depend on its level.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from fmalib.signal import mel, stft

N_FFT = 1024  # samples, as in the study's time domain; the hop is a quarter
TOTAL_VARIATION = 0.01  # weight of the squared difference of neighbouring samples, as in the study
FLOOR_DB = -60.0  # of log power: an STFT of silence has no logarithm


def _mse(target, output):
    return tf.reduce_mean((target - output) ** 2, axis=-1)


def _l1(target, output):
    return tf.reduce_mean(tf.abs(target - output), axis=-1)


def _total_variation(target, output):
    return _mse(target, output) + TOTAL_VARIATION * tf.reduce_mean((output[:, 1:] - output[:, :-1]) ** 2, axis=-1)


def _magnitude(audio):
    spectrum = stft.stft(audio, n_fft=N_FFT)
    # The gradient of a square root at 0 is infinite.
    return tf.sqrt(tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2 + 1e-8)


def _log_power(audio):
    return stft.log_magnitude(stft.stft(audio, n_fft=N_FFT), floor_db=FLOOR_DB) / 10.0


def _distance(of, power):
    """Returns the loss that is the mean of `|of(target) - of(output)| ** power` over frames and bins."""

    def loss(target, output):
        return tf.reduce_mean(tf.abs(of(target) - of(output)) ** power, axis=(1, 2))

    return loss


LOSSES = {
    "mse": _mse,
    "l1": _l1,
    "mse_tv": _total_variation,
    "stft_l1": _distance(_magnitude, 1),
    "stft_l2": _distance(_magnitude, 2),
    "log_stft_l1": _distance(_log_power, 1),
    "log_stft_l2": _distance(_log_power, 2),
}


@keras.saving.register_keras_serializable(package="fmalib")
class AudioLoss(keras.losses.Loss):
    """A distance of two waveforms `(batch, samples)`.

    Args:
        kind: `mse` and `l1` of samples; `mse_tv`, with the squared difference of neighbouring output samples; `stft_l1`,
            `stft_l2` of STFT magnitudes; `log_stft_l1`, `log_stft_l2` of log STFT power (bel).
        std: standard deviation of the training audio, by which both waveforms are divided.
    """

    def __init__(self, kind="mse", std=1.0, name="audio_loss", **options):
        super().__init__(name=name, **options)
        if kind not in LOSSES:
            raise ValueError(f"kind must be one of {', '.join(LOSSES)}. Received: kind={kind!r}")
        self.kind, self.std = kind, float(std)

    def call(self, target, output):
        return LOSSES[self.kind](target / self.std, output / self.std)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "std": self.std}


@keras.saving.register_keras_serializable(package="fmalib")
class SpectralLoss(keras.losses.Loss):
    """Mean squared error of STFT coefficients: of audio `(batch, samples)` and a spectrum `(batch, frames, bins, 2)`.

    The mean is over real and imaginary parts; its square root is the study's "RMSE".
    """

    def __init__(self, n_fft=512, hop=128, name="spectral_loss", **options):
        super().__init__(name=name, **options)
        self.n_fft, self.hop = n_fft, hop

    def call(self, audio, channels):
        return _mean_square(channels - stft.to_channels(stft.stft(audio, n_fft=self.n_fft, hop=self.hop)))

    def get_config(self):
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop}


@tf.custom_gradient
def _mean_square(error):
    """Returns the mean square of each `(batch, frames, bins, 2)` error, `(batch,)`, with a gradient in one pass, not four."""
    size = float(np.prod(error.shape[1:]))

    def gradient(upstream):
        return error * (2.0 / size * upstream[:, None, None, None])

    return tf.reduce_sum(error**2, axis=(1, 2, 3)) / size, gradient


@keras.saving.register_keras_serializable(package="fmalib")
class LogMelLoss(keras.losses.Loss):
    """Mean squared error of log-mel spectrograms: of audio `(batch, samples)` and a prediction `(batch, frames, n_mels)`."""

    def __init__(self, sample_rate, n_mels, n_fft, hop, name="log_mel_loss", **options):
        super().__init__(name=name, **options)
        self.settings = {"sample_rate": sample_rate, "n_mels": n_mels, "n_fft": n_fft, "hop": hop}

    def call(self, audio, predicted):
        return ops.mean((predicted - mel.log_mel(audio, **self.settings)) ** 2, axis=(1, 2))

    def get_config(self):
        return {**super().get_config(), **self.settings}
