"""The losses that the study tried for its time-domain autoencoder, as one Keras loss with a name for each.

All of them see audio divided by the training set's standard deviation, so their size does not depend on how loud it is.
"""

import keras
import tensorflow as tf

from fmalib import stft

N_FFT = 1024  # samples, as in the study; the hop is a quarter
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
        std: standard deviation of the training audio, which both waveforms are divided by.

    Raises:
        ValueError: an unknown `kind`.
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
