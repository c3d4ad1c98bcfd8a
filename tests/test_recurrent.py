import keras
import numpy as np
from conftest import tone

from fmalib import recurrent


def test_shapes_parameters_and_hop():
    model = recurrent.recurrent_autoencoder(samples=32_000, sample_rate=8000, units=16)
    n_fft, hop = recurrent.sizes(8000)
    assert (n_fft, hop) == (1024, 512) and model.output.shape == (None, 63, 64)
    assert recurrent.encoder_of(model).output.shape == (None, 16)
    gru = 3 * (64 * 16 + 16 * 16 + 2 * 16)
    assert model.count_params() == 2 * gru + 16 * 16 + 16 + 16 * 64 + 64


def test_the_decoder_sees_only_the_past():
    """Each frame is told from the latent and the frames before it, never from itself."""
    shown = np.random.default_rng(0).normal(size=(1, 5, 3)).astype(np.float32)
    delayed = np.asarray(recurrent.Delay()(shown))
    assert not delayed[:, 0].any()
    np.testing.assert_array_equal(delayed[:, 1:], shown[:, :-1])


def test_it_learns_and_saves(tmp_path):
    signal = np.stack([tone(pitch) for pitch in (200, 400, 800, 1600)])
    model = recurrent.recurrent_autoencoder(samples=signal.shape[1], sample_rate=8000, units=16)
    model.compile(keras.optimizers.Adam(1e-2), recurrent.loss(8000))
    losses = model.fit(signal, signal, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded.predict(signal, verbose=0), model.predict(signal, verbose=0))
