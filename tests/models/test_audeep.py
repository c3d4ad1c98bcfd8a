import keras
import numpy as np
from helpers import tone

from fmalib.models import audeep


def test_shapes_parameters_and_hop():
    model = audeep.recurrent_autoencoder(samples=32_000, sample_rate=8000, units=16)
    n_fft, hop = audeep.frame_sizes(8000)
    assert (n_fft, hop) == (1024, 512) and model.output.shape == (None, 63, 64)
    assert audeep.encoder_of(model).output.shape == (None, 16)
    gru = 3 * (64 * 16 + 16 * 16 + 2 * 16)
    assert model.count_params() == 2 * gru + 16 * 16 + 16 + 16 * 64 + 64


def test_the_decoder_sees_only_the_past():
    """Each frame follows from the latent and the frames before it, never from itself."""
    model = audeep.recurrent_autoencoder(samples=8000, sample_rate=8000, units=8)
    seen = keras.Model(model.input, [model.get_layer("log_mel").output, model.get_layer("decoder_gru").input[0]])
    spectrogram, delayed = seen.predict(tone(440, seconds=1)[None], verbose=0)
    assert not delayed[:, 0].any()
    np.testing.assert_array_equal(delayed[:, 1:], spectrogram[:, :-1])


def test_it_learns_and_saves(tmp_path):
    signal = np.stack([tone(pitch) for pitch in (200, 400, 800, 1600)])
    model = audeep.recurrent_autoencoder(samples=signal.shape[1], sample_rate=8000, units=16)
    model.compile(keras.optimizers.Adam(1e-2), audeep.loss(8000))
    losses = model.fit(signal, signal, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded.predict(signal, verbose=0), model.predict(signal, verbose=0))
