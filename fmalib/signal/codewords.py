"""Codewords of 16 bits for the largest coefficients of a transform: (index, value) pairs.

The upper bits of a codeword hold the distance from the coefficient before, the lower bits the value in mu-law steps.
"""

import math

import numpy as np
import tensorflow as tf

CODEWORD_BITS = 16
KNEE = 0.002  # far below this size, the steps of coefficients are equal; far above it, their ratios are


def gap_bits(latent, hop):
    """Returns the number of bits of a codeword for the distance.

    It holds 16 times the mean distance, at most 1024, and always twice the mean distance, which `select` needs.
    """
    wanted = min(round(np.log2(hop / latent)) + 4, 10)
    return max(2, wanted, math.ceil(np.log2(2 * hop / latent)))


def select(coefficients, count, gap):
    """Returns the places of the `count` largest of `(batch, places)` coefficients, int32 `(batch, count)`, ascending.

    No two neighbours are further apart than `gap`: the largest of each block of `gap // 2` is taken first, then the largest
    of all. `count` must be at least the number of blocks.
    """
    places, block = coefficients.shape[1], gap // 2
    size = tf.abs(coefficients)
    blocks = tf.reshape(tf.pad(size, [[0, 0], [0, -places % block]], constant_values=-1.0), [-1, -(-places // block), block])
    largest = tf.reshape(tf.one_hot(tf.argmax(blocks, axis=-1), block, dtype=size.dtype), [tf.shape(size)[0], -1])[:, :places]
    chosen = tf.math.top_k(size + largest * (1.0 + tf.reduce_max(size)), count, sorted=False).indices
    return tf.sort(chosen, axis=-1)


def encode(coefficients, latent, bits):
    """Returns the codewords `(batch, frames, latent)` of coefficients `(batch, frames, hop)`, float32 whole numbers.

    Gradients reach the kept coefficients. `latent` is the mean number of codewords in a frame, `bits` comes from `gap_bits`.
    """
    frames, hop = coefficients.shape[1:]
    flat = tf.reshape(coefficients, [-1, frames * hop])
    places = tf.stop_gradient(select(flat, frames * latent, 2**bits))
    gaps = places - tf.pad(places, [[0, 0], [1, 0]], constant_values=-1)[:, :-1] - 1
    steps = _compress(tf.gather(flat, places, batch_dims=1), bits, hop)
    steps = steps + tf.stop_gradient(tf.round(steps) - steps)
    codewords = tf.cast(gaps * 2 ** (CODEWORD_BITS - bits), tf.float32) + steps
    return tf.reshape(codewords, [-1, frames, latent])


def decode(codewords, hop, bits):
    """Returns the coefficients `(batch, frames, hop)` of codewords `(batch, frames, latent)`; 0 where no codeword points."""
    frames = codewords.shape[1]
    count = frames * codewords.shape[2]
    codewords = tf.reshape(codewords, [-1, count])
    scale = 2 ** (CODEWORD_BITS - bits)
    gaps = tf.stop_gradient(tf.math.floordiv(codewords, scale))
    values = _expand(codewords - gaps * scale, bits, hop)
    places = tf.cumsum(tf.cast(gaps, tf.int32) + 1, axis=1) - 1
    rows = tf.broadcast_to(tf.range(tf.shape(codewords)[0])[:, None], tf.shape(places))
    shape = [tf.shape(codewords)[0], frames * hop]
    return tf.reshape(tf.scatter_nd(tf.stack([rows, places], -1), values, shape), [-1, frames, hop])


def pack(codewords):
    """Returns the bytes of one segment's codewords `(frames, latent)`: 16 bits each, little endian, nothing else."""
    return np.asarray(codewords).astype("<u2").tobytes()


def unpack(data, latent_shape):
    """Returns the codewords `(frames, latent)`, float32, of bytes by `pack`.

    Raises:
        ValueError: another number of bytes than that shape has.
    """
    frames, latent = latent_shape
    if len(data) != 2 * frames * latent:
        raise ValueError(f"{frames} x {latent} codewords are {2 * frames * latent} bytes. Received: {len(data)} bytes")
    return np.frombuffer(data, "<u2").reshape(frames, latent).astype(np.float32)


def _levels(bits):
    """Returns the number of mu-law steps on each side of 0."""
    return 2 ** (CODEWORD_BITS - bits - 1) - 1


def _mu(hop):
    """Returns the largest coefficient of full-scale audio in an orthonormal transform, divided by the knee."""
    return 2 * np.sqrt(hop) / KNEE


def _compress(values, bits, hop):
    """Returns values as unrounded mu-law steps from 0 to `2 * levels`; the middle one is 0."""
    size = tf.math.log1p(tf.abs(values) / KNEE) / np.log1p(_mu(hop))
    levels = _levels(bits)
    return levels + levels * tf.sign(values) * tf.minimum(size, 1.0)


def _expand(steps, bits, hop):
    levels = _levels(bits)
    part = (steps - levels) / levels
    return tf.sign(part) * KNEE * tf.math.expm1(tf.abs(part) * np.log1p(_mu(hop)))
