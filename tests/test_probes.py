import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmalib import cache, datasets, models, probes, segments

RNG = np.random.default_rng(0)


def test_the_pooling_whitens_and_measures():
    latent = RNG.normal(size=(20, 100, 3)) * [0.1, 1.0, 10.0] @ RNG.normal(size=(3, 3))
    pooling = probes.fit_pooling(latent, logarithmic=True)
    whitened = (latent - pooling.fine.mean) @ pooling.fine.components
    np.testing.assert_allclose(np.cov(whitened.reshape(-1, 3).T), np.eye(3), atol=1e-3)
    pooled = pooling(latent)
    assert {name: group.shape for name, group in pooled.items()} == {"moments": (20, 4 * 3), "dynamics": (20, 9 * 3)}
    np.testing.assert_allclose(pooled["moments"][:, :3], latent.mean(axis=1), rtol=1e-4, atol=1e-5)
    dynamics = pooled["dynamics"].reshape(20, 9, 3)
    np.testing.assert_allclose(dynamics[:, 2], stats.skew(whitened, axis=1), atol=1e-4)
    np.testing.assert_allclose(dynamics[:, 8], (whitened[:, 4:] - whitened[:, :-4]).std(axis=1), atol=1e-4)


def test_compression_makes_loudness_an_offset():
    latent = np.abs(RNG.normal(size=(4, 50, 5))) + 1
    whitening = probes.fit_whitening(latent)
    assert whitening.knee == pytest.approx(probes.KNEE * latent.std())
    difference = whitening.compress(100 * latent) - whitening.compress(10 * latent)
    np.testing.assert_allclose(difference, np.log(10), atol=0.01)


def test_energy_forgets_the_phase():
    time = np.arange(512)[:, None]
    latent = np.stack([np.sin(2 * np.pi * time / 8 + phase) for phase in (0.0, 1.0, 2.0)])
    np.testing.assert_allclose(probes.energy(latent), np.full((3, 64, 1), np.sqrt(0.5)))
    assert probes.energy(np.ones((2, 126, 3))).shape == (2, 31, 3) and probes.energy(np.ones((2, 1, 3))).shape == (2, 1, 3)


@pytest.mark.parametrize("latent", [np.zeros((3, 10, 4)), np.ones((3, 1, 4)), np.r_[np.zeros((2, 9, 4)), np.ones((1, 9, 4))]])
def test_silent_constant_and_short_latents_give_finite_features(latent):
    groups = probes.fit_pooling(latent)(latent)
    assert list(groups) == ["moments", "dynamics", "energy"] and all(np.isfinite(group).all() for group in groups.values())


def rows(n=300, genres=4, seed=0):
    labels = np.arange(n) % genres
    return np.random.default_rng(seed).normal(size=(n, 10)) + 2.5 * np.eye(10)[labels], labels


@pytest.mark.parametrize("kind", probes.CANDIDATES)
def test_probes_learn_and_are_at_chance_on_shuffled_labels(kind):
    (x, y), (held, held_y), (test, test_y) = rows(), rows(seed=1), rows(400, seed=2)
    probe = probes.fit(kind, x, y, held, held_y, n_genres=5)
    said = probe.predict(test)
    assert said.shape == (400, 5) and not said[:, 4].any()  # a genre without training rows
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert (said.argmax(axis=1) == test_y).mean() > 0.85 and probe.n_parameters > 0
    dealt = probes.fit(kind, x, RNG.permutation(y), held, RNG.permutation(held_y), n_genres=4)
    assert 0.12 < (dealt.predict(test).argmax(axis=1) == test_y).mean() < 0.38


def test_the_better_section_is_selected_on_validation():
    (x, y), (held, held_y) = rows(), rows(seed=1)
    noise = RNG.normal(size=x.shape)
    probe = probes.fit(
        "linear", np.hstack([noise, x]), y, np.hstack([RNG.normal(size=held.shape), held]), held_y,
        sections={"noise": slice(0, 10), "signal": slice(10, None)}, n_genres=4,
    )
    assert probe.description.startswith("linear on signal") and probe.n_parameters == 4 * 10 + 4


def test_two_genres_and_wrong_names():
    x, y = rows(60, 2)
    said = probes.fit("svm", x, y, x, y, n_genres=2).predict(x)
    assert (said.argmax(axis=1) == y).mean() > 0.9
    with pytest.raises(ValueError, match="Received: 'tree'"):
        probes.fit("tree", x, y, x, y, n_genres=2)
    with pytest.raises(ValueError, match="two genres or more. Received: 1"):
        probes.fit("linear", x, np.zeros(60, int), x, y, n_genres=2)


def test_features_are_computed_once_and_belong_to_their_tracks(genre_folder, tmp_path, monkeypatch):
    data = datasets.load(str(genre_folder))
    decoded = cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    train, test = (segments.select(data, decoded, split, 8192)[0] for split in ("training", "test"))
    tracks = pd.concat([train, test])
    tracks = tracks.loc[decoded.tracks.index[decoded.tracks.index.isin(tracks.index)]]
    encoder = models.encoder_for(models.time_autoencoder(samples=2048, latent=4), 8192)
    arguments = ("tones", encoder, decoded, tracks, train, 8192, 3)
    table = probes.latent_features(*arguments, progress=False)
    assert table.values.shape == (len(tracks), 3, 4 * 4 + 9 * 4 + 9 * 4) and table.seconds > 0
    assert table.sections == {"moments": slice(0, 16), "dynamics": slice(16, 52), "energy": slice(52, 88)}
    few = segments.fixed_segments(decoded, train, 8192, per_track=1, batch_size=64)
    pooling = probes.fit_pooling(encoder.predict(few, verbose=0))
    own = pooling(encoder.predict(segments.fixed_segments(decoded, test, 8192, per_track=3, batch_size=64), verbose=0))
    np.testing.assert_allclose(table.of(test), np.concatenate(list(own.values()), axis=1), rtol=1e-3, atol=1e-3)
    other = probes.latent_features("others", *arguments[1:], progress=False)
    assert len(list(decoded.directory.glob("latent-*.npz"))) == 2 and other.seconds != table.seconds
    monkeypatch.setattr(probes, "_compute", lambda *args: pytest.fail("computed again"))
    again = probes.latent_features(*arguments, progress=False)
    np.testing.assert_array_equal(again.values, table.values)
    assert again.seconds == table.seconds


def test_mel_components_are_decorrelated(genre_folder, tmp_path):
    data = datasets.load(str(genre_folder))
    decoded = cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    train, _ = segments.select(data, decoded, "training", 8192)
    encoder = probes.mel_pca_encoder(decoded, train, samples=8192, latent=6)
    batches = segments.fixed_segments(decoded, train, 8192, per_track=1, batch_size=64)
    frames = encoder.predict(batches, verbose=0)
    assert frames.shape[1:] == (33, 6)
    correlation = np.corrcoef(frames.reshape(-1, 6).T)
    np.testing.assert_allclose(correlation, np.eye(6), atol=1e-2)
