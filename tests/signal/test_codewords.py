import numpy as np
import pytest
import tensorflow as tf

from fmalib.signal import codewords


def coefficients(batch=3, frames=9, hop=64, seed=0):
    rng = np.random.default_rng(seed)
    return tf.constant(0.1 * rng.normal(size=(batch, frames, hop)) * np.exp(-np.arange(hop) / 9), tf.float32)


@pytest.mark.parametrize("latent, bits", [(512, 4), (256, 5), (128, 6), (64, 7), (32, 8), (4, 10), (1, 11)])
def test_fewer_codewords_spend_more_bits_on_the_distance(latent, bits):
    assert codewords.gap_bits(latent, 526) == bits


def test_kept_are_the_largest_and_no_two_are_too_far_apart():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 1000)) * np.exp(-np.arange(1000) / 60)  # the largest lie at the front
    places = codewords.select(tf.constant(values, tf.float32), 120, 64).numpy()
    assert places.shape == (5, 120)
    distances = np.diff(places, axis=1, prepend=-1)
    assert distances.min() >= 1 and distances.max() <= 64
    for row, kept in zip(np.abs(values), places):
        forced = {block + np.argmax(row[block : block + 32]) for block in range(0, 1000, 32)}
        free = sorted(set(range(1000)) - forced, key=lambda place: -row[place])[: 120 - len(forced)]
        assert set(kept) == forced | set(free)


@pytest.mark.parametrize("latent", [2, 8, 63])
def test_decoding_gives_the_kept_coefficients_within_a_step(latent):
    x, bits = coefficients(), codewords.gap_bits(latent, 64)
    code = codewords.encode(x, latent, bits).numpy()
    assert code.shape == (3, 9, latent) and code.dtype == np.float32
    assert code.min() >= 0 and code.max() < 2**16
    np.testing.assert_array_equal(code, np.round(code))
    decoded, flat = codewords.decode(code, 64, bits).numpy().reshape(3, -1), x.numpy().reshape(3, -1)
    places = codewords.select(tf.constant(flat), 9 * latent, 2**bits).numpy()
    kept = np.zeros_like(flat)
    np.put_along_axis(kept, places, np.take_along_axis(flat, places, 1), 1)
    step = np.log1p(2 * np.sqrt(64) / codewords.KNEE) / (2 ** (15 - bits) - 1)
    np.testing.assert_allclose(decoded, kept, atol=codewords.KNEE * step, rtol=step)


def test_gradients_reach_the_kept_coefficients_alone():
    x = tf.Variable(coefficients())
    with tf.GradientTape() as tape:
        decoded = codewords.decode(codewords.encode(x, 4, 6), 64, 6)
        total = tf.reduce_sum(decoded)
    gradient = tape.gradient(total, x).numpy()
    kept = decoded.numpy() != 0
    assert np.isfinite(gradient).all() and not gradient[~kept].any()
    np.testing.assert_allclose(gradient[kept], 1, rtol=0.3)


def test_codewords_are_packed_into_two_bytes_each():
    code = codewords.encode(coefficients(batch=1), 8, 5).numpy()[0]
    packed = codewords.pack(code)
    assert len(packed) == 2 * 9 * 8
    np.testing.assert_array_equal(codewords.unpack(packed, (9, 8)), code)
    with pytest.raises(ValueError, match=r"144 bytes\. Received: 10 bytes"):
        codewords.unpack(bytes(10), (9, 8))
