"""A sparse frequency-domain autoencoder: every latent value is a 16-bit word that says which coefficient, and how large.

A network with a fixed number of latent channels gives every moment the same channels, so it can only tie with a linear
projection. Here the encoder keeps the largest coefficients of a lapped transform, wherever they are (k-sparse autoencoder:
Makhzani and Frey 2013), and writes each as one word: the distance from the one before, and its size in mu-law steps. The
words are integers of 16 bits, the decoder sees nothing else, and written to a file they are the bitrate that is claimed.

What is learned is the windows of the transform, some 500 numbers. The transform itself was learned at first (a million
weights from the MDCT on): with 23 training tracks, that fitted them and lost on others.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from fmalib import lapped

WORD_BITS = 16
KNEE = 0.002  # coefficients well below this size are quantised evenly, well above it by ratio


def gap_bits(latent, hop=lapped.HOP):
    """Returns how many bits of a word say where.

    A distance of 16 times the mean must fit, 1024 at the most; twice the mean must fit in any case, see `select`.
    """
    wanted = min(round(np.log2(hop / latent)) + 4, 10)
    return max(2, wanted, math.ceil(np.log2(2 * hop / latent)))


def sparse_autoencoder(*, samples=65_536, latent=64, hop=lapped.HOP):
    """Returns the sparse autoencoder; before any training it works with an MDCT under sine windows.

    Args:
        samples: length of input and output.
        latent: words for each frame on average; `latent * frames` of them for a segment, placed where they are needed.
        hop: samples from frame to frame of the lapped transform; 526 gives 126 frames for 65,536 samples.

    Returns:
        Model from `(batch, samples)` to `(batch, samples)`, with the layers `encoder` (to `(batch, frames, latent)`, whole
        numbers from 0 to 65,535) and `decoder`, both models themselves.

    Raises:
        ValueError: `latent` is not below `hop`, or too small for a word to bridge the distances.
    """
    lowest = -(-hop // 2**12)  # leaves four bits for the size
    if not isinstance(latent, (int, np.integer)) or isinstance(latent, bool) or not lowest <= latent < hop:
        raise ValueError(f"latent must be an integer from {lowest} to hop - 1 = {hop - 1}. Received: latent={latent!r}")
    bits = gap_bits(latent, hop)
    audio = keras.Input((samples,), name="audio")
    x = lapped.LappedAnalysis(hop, name="analysis")(audio)
    words = ToWords(latent, bits, name="to_words")(x)
    encoder = keras.Model(audio, words, name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")
    x = FromWords(hop, bits, name="from_words")(code)
    x = lapped.LappedSynthesis(samples, name="synthesis")(x)
    decoder = keras.Model(code, x, name="decoder")
    return keras.Model(audio, decoder(encoder(audio)), name="sparse_autoencoder")


def select(coefficients, count, gap):
    """Returns the places of the `count` largest coefficients such that no two neighbours are further apart than `gap`.

    The largest of every `gap // 2` neighbours is taken first, then the largest of all; `count` must suffice for the first.

    Args:
        coefficients: tensor of shape `(batch, places)`.

    Returns:
        int32 tensor of shape `(batch, count)`, ascending.
    """
    places, block = coefficients.shape[1], gap // 2
    size = tf.abs(coefficients)
    blocks = tf.reshape(tf.pad(size, [[0, 0], [0, -places % block]], constant_values=-1.0), [-1, -(-places // block), block])
    largest = tf.reshape(tf.one_hot(tf.argmax(blocks, axis=-1), block, dtype=size.dtype), [tf.shape(size)[0], -1])[:, :places]
    chosen = tf.math.top_k(size + largest * (1.0 + tf.reduce_max(size)), count, sorted=False).indices
    return tf.sort(chosen, axis=-1)


def pack(words):
    """Returns the bytes of one segment's words `(frames, latent)`: 16 bits each, little endian, nothing else."""
    return np.asarray(words).astype("<u2").tobytes()


def unpack(data, latent_shape):
    """Returns the words `(frames, latent)`, float32, of bytes by `pack`.

    Raises:
        ValueError: another number of bytes than that shape has.
    """
    frames, latent = latent_shape
    if len(data) != 2 * frames * latent:
        raise ValueError(f"{frames} x {latent} words are {2 * frames * latent} bytes. Received: {len(data)} bytes")
    return np.frombuffer(data, "<u2").reshape(frames, latent).astype(np.float32)


@keras.saving.register_keras_serializable(package="fmalib")
class ToWords(keras.layers.Layer):
    """Coefficients `(batch, frames, hop)` to words `(batch, frames, latent)`; gradients reach the kept coefficients."""

    def __init__(self, latent, bits, **options):
        super().__init__(**options)
        self.latent, self.bits = latent, bits

    def call(self, coefficients):
        frames, hop = coefficients.shape[1:]
        flat = tf.reshape(coefficients, [-1, frames * hop])
        places = tf.stop_gradient(select(flat, frames * self.latent, 2**self.bits))
        gaps = places - tf.pad(places, [[0, 0], [1, 0]], constant_values=-1)[:, :-1] - 1
        steps = _compress(tf.gather(flat, places, batch_dims=1), self.bits, hop)
        steps = steps + tf.stop_gradient(tf.round(steps) - steps)
        words = tf.cast(gaps * 2 ** (WORD_BITS - self.bits), tf.float32) + steps
        return tf.reshape(words, [-1, frames, self.latent])

    def compute_output_shape(self, shape):
        return (shape[0], shape[1], self.latent)

    def get_config(self):
        return {**super().get_config(), "latent": self.latent, "bits": self.bits}


@keras.saving.register_keras_serializable(package="fmalib")
class FromWords(keras.layers.Layer):
    """Words `(batch, frames, latent)` to coefficients `(batch, frames, hop)`, 0 where no word points."""

    def __init__(self, hop, bits, **options):
        super().__init__(**options)
        self.hop, self.bits = hop, bits

    def call(self, words):
        frames = words.shape[1]
        count = frames * words.shape[2]
        words = tf.reshape(words, [-1, count])
        scale = 2 ** (WORD_BITS - self.bits)
        gaps = tf.stop_gradient(tf.math.floordiv(words, scale))
        values = _expand(words - gaps * scale, self.bits, self.hop)
        places = tf.cumsum(tf.cast(gaps, tf.int32) + 1, axis=1) - 1
        rows = tf.broadcast_to(tf.range(tf.shape(words)[0])[:, None], tf.shape(places))
        shape = [tf.shape(words)[0], frames * self.hop]
        return tf.reshape(tf.scatter_nd(tf.stack([rows, places], -1), values, shape), [-1, frames, self.hop])

    def compute_output_shape(self, shape):
        return (shape[0], shape[1], self.hop)

    def get_config(self):
        return {**super().get_config(), "hop": self.hop, "bits": self.bits}


@keras.saving.register_keras_serializable(package="fmalib")
class Sizes(keras.layers.Layer):
    """Coefficients of any shape to their absolute values."""

    def call(self, coefficients):
        return tf.abs(coefficients)

    def compute_output_shape(self, shape):
        return shape


def _levels(bits):
    """Returns the number of mu-law steps on each side of 0."""
    return 2 ** (WORD_BITS - bits - 1) - 1


def _compress(values, bits, hop):
    """Returns values as unrounded mu-law steps from 0 to `2 * levels`; the middle one is 0."""
    mu = 2 * np.sqrt(hop) / KNEE  # what full scale can reach in an orthonormal transform, over the knee
    size = tf.math.log1p(tf.abs(values) / KNEE) / np.log1p(mu)
    levels = _levels(bits)
    return levels + levels * tf.sign(values) * tf.minimum(size, 1.0)


def _expand(steps, bits, hop):
    mu = 2 * np.sqrt(hop) / KNEE
    levels = _levels(bits)
    part = (steps - levels) / levels
    return tf.sign(part) * KNEE * tf.math.expm1(tf.abs(part) * np.log1p(mu))
