import keras
import numpy as np
import pytest

from fmalib.data import audio_cache
from fmalib.models import mdct_autoencoders
from fmalib.signal import mdct


@pytest.mark.parametrize("kind", mdct_autoencoders.KINDS)
def test_every_kind_has_the_same_latent(kind, tmp_path):
    keras.utils.set_random_seed(0)
    model = mdct_autoencoders.mdct_autoencoder(kind, samples=4096, latent=8, std=0.1, hop=64)
    assert model.get_layer("encoder").output.shape == (None, 65, 8)
    audio = 0.1 * np.random.default_rng(0).normal(size=(3, 4096)).astype(np.float32)
    assert model.predict(audio, verbose=0).shape == audio.shape
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    before = model.evaluate(audio, audio, verbose=0)
    analysis = model.get_layer("encoder").get_layer("mdct").get_weights()[0]
    model.fit(audio, audio, epochs=20, verbose=0)
    assert model.evaluate(audio, audio, verbose=0) < before
    np.testing.assert_array_equal(model.get_layer("encoder").get_layer("mdct").get_weights()[0], analysis)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(again.predict(audio, verbose=0), model.predict(audio, verbose=0), atol=1e-6)


def test_pca_is_the_best_linear_autoencoder(synth_data):
    """No other projection of the training frames keeps more of their energy; all components keep everything."""
    decoded = audio_cache.build(synth_data, 8000, progress=False)
    track_ids = decoded.tracks.index[:4]
    frames = []
    for _, samples in audio_cache.read(decoded, track_ids):
        blocks = samples[: len(samples) // 64 * 64].reshape(-1, 64) / 32768.0
        frames.append(np.concatenate([blocks[:-1], blocks[1:]], axis=1) @ mdct.mdct_basis(64).reshape(128, 64))
    frames = np.concatenate(frames)
    kept_by_svd = np.sum(np.linalg.svd(frames, compute_uv=False)[:8] ** 2) / np.sum(frames**2)
    model = mdct_autoencoders.fit_pca(
        mdct_autoencoders.mdct_autoencoder("pca", samples=4096, latent=8, hop=64), decoded, track_ids
    )
    components = model.get_layer("encoder").get_layer("latent").get_weights()[0]
    assert np.sum((frames @ components) ** 2) / np.sum(frames**2) == pytest.approx(kept_by_svd, rel=1e-4)
    np.testing.assert_allclose(components.T @ components, np.eye(8), atol=1e-5)

    everything = mdct_autoencoders.fit_pca(
        mdct_autoencoders.mdct_autoencoder("pca", samples=4096, latent=64, hop=64), decoded, track_ids
    )
    audio = np.random.default_rng(0).uniform(-1, 1, (2, 4096)).astype(np.float32)
    np.testing.assert_allclose(everything.predict(audio, verbose=0), audio, atol=1e-4)


def test_the_variational_latent_is_noisy_in_training_alone():
    model = mdct_autoencoders.mdct_autoencoder("variational", samples=1024, latent=4, hop=64)
    audio = np.random.default_rng(0).normal(size=(1, 1024)).astype(np.float32)
    encoder = model.get_layer("encoder")
    assert np.abs(encoder(audio, training=True) - encoder(audio, training=True)).max() > 1e-3
    np.testing.assert_array_equal(encoder(audio, training=False), encoder(audio, training=False))
    assert len(model.losses) == 1 and float(model.losses[0]) > 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kind": "wavenet"}, "kind must be one of pca, shallow.* Received: kind='wavenet'"),
        ({"kind": "deep", "latent": 0}, "Received: latent=0"),
        ({"kind": "deep", "std": 0.0}, "Received: std=0.0"),
    ],
)
def test_impossible_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        mdct_autoencoders.mdct_autoencoder(**options)
