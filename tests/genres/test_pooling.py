import keras
import numpy as np
import pandas as pd
import pytest
from helpers import encoder_for
from scipy import stats

from fmalib.data import audio_cache, datasets, segments
from fmalib.genres import pooling
from fmalib.models import original

RNG = np.random.default_rng(0)


def test_the_pooling_whitens_and_measures():
    latent = RNG.normal(size=(20, 100, 3)) * [0.1, 1.0, 10.0] @ RNG.normal(size=(3, 3))
    pool = pooling.fit_pooling(latent, logarithmic=True)
    whitened = (latent - pool.fine.mean) @ pool.fine.components
    np.testing.assert_allclose(np.cov(whitened.reshape(-1, 3).T), np.eye(3), atol=1e-3)
    pooled = pool(latent)
    assert {name: group.shape for name, group in pooled.items()} == {"moments": (20, 4 * 3), "dynamics": (20, 9 * 3)}
    np.testing.assert_allclose(pooled["moments"][:, :3], latent.mean(axis=1), rtol=1e-4, atol=1e-5)
    dynamics = pooled["dynamics"].reshape(20, 9, 3)
    np.testing.assert_allclose(dynamics[:, 2], stats.skew(whitened, axis=1), atol=1e-4)
    np.testing.assert_allclose(dynamics[:, 8], (whitened[:, 4:] - whitened[:, :-4]).std(axis=1), atol=1e-4)


def test_compression_makes_loudness_an_offset():
    latent = np.abs(RNG.normal(size=(4, 50, 5))) + 1
    whitening = pooling.fit_whitening(latent)
    assert whitening.knee == pytest.approx(pooling.KNEE * latent.std())
    difference = whitening.compress(100 * latent) - whitening.compress(10 * latent)
    np.testing.assert_allclose(difference, np.log(10), atol=0.01)


def test_energy_does_not_depend_on_the_phase():
    time = np.arange(512)[:, None]
    latent = np.stack([np.sin(2 * np.pi * time / 8 + phase) for phase in (0.0, 1.0, 2.0)])
    np.testing.assert_allclose(pooling.energy(latent), np.full((3, 64, 1), np.sqrt(0.5)))
    assert pooling.energy(np.ones((2, 126, 3))).shape == (2, 31, 3) and pooling.energy(np.ones((2, 1, 3))).shape == (2, 1, 3)


@pytest.mark.parametrize("latent", [np.zeros((3, 10, 4)), np.ones((3, 1, 4)), np.r_[np.zeros((2, 9, 4)), np.ones((1, 9, 4))]])
def test_silent_constant_and_short_latents_give_finite_features(latent):
    groups = pooling.fit_pooling(latent)(latent)
    assert list(groups) == ["moments", "dynamics", "energy"] and all(np.isfinite(group).all() for group in groups.values())


def test_features_are_computed_once_and_belong_to_their_tracks(genre_folder, tmp_path, monkeypatch):
    data = datasets.load(str(genre_folder))
    decoded = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    train, test = (segments.select(data, decoded, split, 8192)[0] for split in ("training", "test"))
    tracks = pd.concat([train, test])
    tracks = tracks.loc[decoded.tracks.index[decoded.tracks.index.isin(tracks.index)]]
    encoder = encoder_for(original.time_autoencoder(samples=2048, latent=4), 8192)
    arguments = ("tones", encoder, decoded, tracks, train, 3)
    table = pooling.latent_features(*arguments, progress=False)
    assert table.values.shape == (len(tracks), 3, 4 * 4 + 9 * 4 + 9 * 4) and table.seconds > 0
    assert table.sections == {"moments": slice(0, 16), "dynamics": slice(16, 52), "energy": slice(52, 88)}
    few = segments.fixed_segments(decoded, train, 8192, per_track=1, batch_size=64)
    pool = pooling.fit_pooling(encoder.predict(few, verbose=0))
    own = pool(encoder.predict(segments.fixed_segments(decoded, test, 8192, per_track=3, batch_size=64), verbose=0))
    np.testing.assert_allclose(table.of(test), np.concatenate(list(own.values()), axis=1), rtol=1e-3, atol=1e-3)
    other = keras.Model(encoder.input, keras.ops.abs(encoder.output))  # the same weights
    pooling.latent_features("tones", other, *arguments[2:], progress=False)
    assert len(list(decoded.directory.glob("latent-tones-*.npz"))) == 2
    monkeypatch.setattr(pooling, "fit_pooling", lambda *args, **options: pytest.fail("computed again"))
    again = pooling.latent_features(*arguments, progress=False)
    np.testing.assert_array_equal(again.values, table.values)
    assert again.seconds == table.seconds
