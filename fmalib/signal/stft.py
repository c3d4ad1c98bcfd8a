"""Short-time Fourier transform in librosa's convention, differentiable, by `tf.signal`.

Periodic Hann window as long as the transform, centred frames, reflect padding. Unlike librosa, time comes before
frequency, which is the layout of convolutions: `(batch, frames, bins)`.
"""

import functools
import math

import numpy as np
import tensorflow as tf


def stft(audio, *, n_fft=512, hop=None):
    """Returns the centred STFT.

    Args:
        audio: float tensor of shape `(..., samples)`, more than `n_fft // 2` samples.
        n_fft: length of window and transform, in samples.
        hop: samples from frame to frame; None means `n_fft // 4`.

    Returns:
        complex64 tensor of shape `(..., frames, bins)`: `(samples - n_fft % 2) // hop + 1` frames, `n_fft // 2 + 1` bins.

    Raises:
        ValueError: fewer than two samples in `n_fft`, a hop outside 1..n_fft, or audio too short to reflect.
    """
    hop = _check(n_fft, hop)
    audio = tf.convert_to_tensor(audio, tf.float32)
    if audio.shape[-1] is not None and audio.shape[-1] <= n_fft // 2:
        raise ValueError(f"Audio must be longer than n_fft // 2 = {n_fft // 2} samples. Received: shape {audio.shape}")
    padding = [[0, 0]] * (audio.shape.rank - 1) + [[n_fft // 2, n_fft // 2]]
    frames = tf.signal.frame(tf.pad(audio, padding, mode="REFLECT"), n_fft, hop)
    return tf.signal.rfft(frames * _hann(n_fft), [n_fft])


def istft(spectrum, *, n_fft=512, hop=None, length=None):
    """Returns the signal of a centred STFT: overlap-add, divided by the sum of squared windows (Griffin & Lim 1984).

    With a hop of half the window and a length that it does not divide, the last few samples lie only under the edge of a
    window, where single precision loses them, as in librosa. A hop of a quarter window returns every sample.

    Args:
        spectrum: complex tensor of shape `(..., frames, bins)` by `stft`; the number of frames must be static.
        n_fft, hop: as given to `stft`.
        length: samples of the result; None means `hop * (frames - 1)`.

    Returns:
        float32 tensor of shape `(..., length)`.
    """
    hop = _check(n_fft, hop)
    window = _hann(n_fft)
    frames = tf.signal.irfft(spectrum, [n_fft]) * window
    count = frames.shape[-2]
    length = hop * (count - 1) if length is None else length
    audio = tf.signal.overlap_and_add(frames, hop)
    audio = audio / _window_sum(n_fft, hop, count)
    start = n_fft // 2
    audio = audio[..., start : start + length]
    missing = length - (audio.shape[-1] or 0)
    return tf.pad(audio, [[0, 0]] * (audio.shape.rank - 1) + [[0, missing]]) if missing > 0 else audio


@tf.custom_gradient
def to_channels(spectrum):
    """Returns a complex `(..., frames, bins)` tensor as float `(..., frames, bins, 2)`: real and imaginary part."""
    # A complex number is two floats in memory. The copy that tf.stack makes took a fifth of a training step.
    return tf.bitcast(spectrum, tf.float32), from_channels


def from_channels(channels):
    """Returns a float `(..., frames, bins, 2)` tensor as complex `(..., frames, bins)`: the inverse of `to_channels`."""
    return tf.complex(channels[..., 0], channels[..., 1])


def log_magnitude(spectrum, *, floor_db=-100.0):
    """Returns `20 log10 |spectrum|` in dB relative to 1, not below `floor_db`; any shape."""
    # A square root has no gradient at 0, so the power is taken and floored before the logarithm.
    power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
    return 10.0 / math.log(10.0) * tf.math.log(tf.maximum(power, 10.0 ** (floor_db / 10.0)))


def mel(spectrum, *, sample_rate, n_fft=512, n_mels=64, highest=None):
    """Returns the power `(..., frames, n_mels)` in mel bands (Slaney's scale and normalisation, librosa's default).

    Args:
        spectrum: complex tensor of shape `(..., frames, bins)` by `stft` with the same `n_fft`.
        sample_rate: Hz.
        highest: frequency in Hz to which the bands reach from 0; None takes half the sample rate.
    """
    power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
    return tf.tensordot(power, _mel_matrix(sample_rate, n_fft, n_mels, highest), axes=1)


def _check(n_fft, hop):
    if not isinstance(n_fft, (int, np.integer)) or n_fft < 2:
        raise ValueError(f"n_fft must be an integer of at least 2. Received: n_fft={n_fft!r}")
    hop = n_fft // 4 if hop is None else hop
    if not isinstance(hop, (int, np.integer)) or not 1 <= hop <= n_fft:
        raise ValueError(f"hop must be an integer from 1 to n_fft={n_fft}. Received: hop={hop!r}")
    return hop


@functools.lru_cache
def _hann(n_fft):
    # tf.signal.hann_window is symmetric for odd lengths even when asked for a periodic one; librosa's never is.
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


@functools.lru_cache
def _window_sum(n_fft, hop, count):
    """Returns the sum of squared windows over time, `(samples,)`; 1 where it is practically 0, as librosa does."""
    total = np.zeros(n_fft + hop * (count - 1))
    for frame in range(count):
        total[frame * hop : frame * hop + n_fft] += _hann(n_fft).astype(np.float64) ** 2
    return np.where(total > np.finfo(np.float32).tiny, total, 1.0).astype(np.float32)


@functools.lru_cache
def _mel_matrix(sample_rate, n_fft, n_mels, highest):
    import librosa

    return librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmax=highest).T
