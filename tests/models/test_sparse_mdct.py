import keras
import numpy as np
import pytest
import tensorflow as tf

from fmalib.codec import metrics
from fmalib.models import sparse_mdct
from fmalib.signal import codewords


@pytest.fixture(scope="module")
def music():
    """Three decaying tones a segment, with a little noise, `(batch, samples)`."""
    rng = np.random.default_rng(0)
    time = np.arange(8192) / 8000
    tones = [
        sum(
            np.sin(2 * np.pi * f * time) * np.exp(-d * (time % 0.25))
            for f, d in zip(rng.uniform(80, 2000, 3), rng.uniform(1, 9, 3))
        )
        for _ in range(4)
    ]
    return (0.1 * np.array(tones) + 0.003 * rng.normal(size=(4, 8192))).astype(np.float32)


@pytest.mark.parametrize("latent", [1, 8, 64, 255])
def test_the_latent_is_16_bit_codewords(music, latent):
    model = sparse_mdct.sparse_autoencoder(samples=8192, latent=latent, hop=256)
    code = model.get_layer("encoder").predict(music, verbose=0)
    assert code.shape == (4, 33, latent)
    assert code.min() >= 0 and code.max() < 2**16
    last = np.sum(code.reshape(4, -1) // 2 ** (16 - codewords.gap_bits(latent, 256)) + 1, axis=1) - 1
    assert last.max() < 33 * 256  # no codeword points beyond the segment
    np.testing.assert_array_equal(code, np.round(code))


def test_the_bytes_are_all_that_the_decoder_needs(music):
    model = sparse_mdct.sparse_autoencoder(samples=8192, latent=16, hop=256)
    code = model.get_layer("encoder").predict(music, verbose=0)
    files = [codewords.pack(segment) for segment in code]
    assert [len(file) for file in files] == [2 * 33 * 16] * 4
    again = np.stack([codewords.unpack(file, (33, 16)) for file in files])
    decoded = model.get_layer("decoder").predict(again, verbose=0)
    np.testing.assert_allclose(decoded, model.predict(music, verbose=0), atol=1e-6)


def test_silence_and_full_scale_survive():
    model = sparse_mdct.sparse_autoencoder(samples=4096, latent=64, hop=256)
    silence = np.zeros((1, 4096), np.float32)
    assert np.abs(model.predict(silence, verbose=0)).max() == 0
    loud = np.where(np.arange(4096) // 20 % 2, 1, -1).astype(np.float32)[None]
    assert metrics.spectral_rmse(loud, model.predict(loud, verbose=0))[0] < 0.2 * metrics.spectral_rmse(loud, silence)[0]


def test_quantisation_costs_little(music):
    """Quantising values to the remaining bits adds a few per cent to the squared error."""
    model = sparse_mdct.sparse_autoencoder(samples=8192, latent=16, hop=256)
    coefficients = model.get_layer("encoder").get_layer("mdct")(music).numpy().reshape(4, -1)
    places = codewords.select(tf.constant(coefficients), 33 * 16, 2 ** codewords.gap_bits(16, 256)).numpy()
    kept = np.zeros_like(coefficients)
    np.put_along_axis(kept, places, np.take_along_axis(coefficients, places, 1), 1)
    dropped = np.sum((coefficients - kept) ** 2)
    lost = np.sum((music - model.predict(music, verbose=0)) ** 2)
    assert dropped < lost * 1.001
    assert lost < 1.1 * dropped


def test_more_codewords_are_better(music):
    errors = [
        np.mean((music - sparse_mdct.sparse_autoencoder(samples=8192, latent=latent, hop=256).predict(music, verbose=0)) ** 2)
        for latent in (4, 16, 64, 128)
    ]
    assert errors == sorted(errors, reverse=True)


def test_both_windows_learn(music):
    """Started away from the sine window, training leads towards a better one, through the code."""
    keras.utils.set_random_seed(0)
    model = sparse_mdct.sparse_autoencoder(samples=8192, latent=16, hop=256)
    model.set_weights([np.full_like(weight, np.pi / 4) for weight in model.get_weights()])  # rectangular
    model.compile(keras.optimizers.Adam(3e-2), "mse")
    before = model.evaluate(music, music, verbose=0)
    model.fit(music, music, epochs=40, batch_size=4, verbose=0)
    assert model.evaluate(music, music, verbose=0) < 0.8 * before
    assert np.isfinite(np.concatenate([weight.ravel() for weight in model.get_weights()])).all()


def test_a_model_survives_saving(music, tmp_path):
    model = sparse_mdct.sparse_autoencoder(samples=8192, latent=16, hop=256)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(again.predict(music, verbose=0), model.predict(music, verbose=0))


@pytest.mark.parametrize("latent", [0, 256, 2.5, True])
def test_an_impossible_latent(latent):
    with pytest.raises(ValueError, match=f"Received: latent={latent}"):
        sparse_mdct.sparse_autoencoder(samples=8192, latent=latent, hop=256)
