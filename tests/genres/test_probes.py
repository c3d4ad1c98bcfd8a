import numpy as np
import pytest

from fmalib.data import audio_cache, datasets, segments
from fmalib.genres import probes

RNG = np.random.default_rng(0)


def rows(n=300, genres=4, seed=0):
    labels = np.arange(n) % genres
    return np.random.default_rng(seed).normal(size=(n, 10)) + 2.5 * np.eye(10)[labels], labels


@pytest.mark.parametrize("kind", probes.KINDS)
def test_probes_learn_and_are_at_chance_on_permuted_labels(kind):
    (x, y), (held, held_y), (test, test_y) = rows(), rows(seed=1), rows(400, seed=2)
    probe = probes.fit(kind, x, y, held, held_y, n_genres=5)
    probabilities = probe.predict(test)
    assert probabilities.shape == (400, 5) and not probabilities[:, 4].any()  # a genre without training rows
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == test_y).mean() > 0.85 and probe.n_parameters > 0
    permuted = probes.fit(kind, x, RNG.permutation(y), held, RNG.permutation(held_y), n_genres=4)
    assert 0.12 < (permuted.predict(test).argmax(axis=1) == test_y).mean() < 0.38


def test_the_better_section_is_selected_on_validation():
    (x, y), (held, held_y) = rows(), rows(seed=1)
    noise = RNG.normal(size=x.shape)
    probe = probes.fit(
        "linear",
        np.hstack([noise, x]),
        y,
        np.hstack([RNG.normal(size=held.shape), held]),
        held_y,
        sections={"noise": slice(0, 10), "signal": slice(10, None)},
        n_genres=4,
    )
    assert probe.description.startswith("linear on signal") and probe.n_parameters == 4 * 10 + 4


def test_parameters_are_counted_and_neighbours_bounded():
    x, y = rows(8, 2)
    probe = probes.fit("knn", x, y, x, y, n_genres=2)
    assert probe.n_parameters == x.size and probe.model[-1].n_neighbors <= 8
    machine = probes.fit("svm", x, y, x, y, n_genres=2)
    assert machine.n_parameters == sum(machine.model[-1].n_support_) * (10 + 1) + 1


def test_two_genres_and_wrong_names():
    x, y = rows(60, 2)
    probabilities = probes.fit("svm", x, y, x, y, n_genres=2).predict(x)
    assert (probabilities.argmax(axis=1) == y).mean() > 0.9
    with pytest.raises(ValueError, match="Received: 'tree'"):
        probes.fit("tree", x, y, x, y, n_genres=2)
    with pytest.raises(ValueError, match=r"two genres or more. Received: 1"):
        probes.fit("linear", x, np.zeros(60, int), x, y, n_genres=2)


def test_gains_are_of_artists_means():
    """Ten artists of two genres with six rows each: a feature of the genre, one of an artist, noise, and a constant."""
    rng, artists, labels = np.random.default_rng(0), np.repeat(np.arange(10), 6), np.repeat(np.arange(2), 30)
    genre, artist = labels + rng.normal(0, 0.5, 60), 5.0 * (artists == 7) + rng.normal(0, 0.5, 60)
    features = np.stack([genre, artist, rng.normal(size=60), np.ones(60)], axis=1)
    found = probes.gains(features, labels, artists)
    means = features.reshape(10, 6, 4).mean(axis=1)
    difference = means[5:, 0].mean() - means[:5, 0].mean()
    within = (means[:5, 0].var(ddof=1) + means[5:, 0].var(ddof=1)) / 2
    assert found[0] == pytest.approx(np.log1p(difference**2 / (within * 2 / 5)))
    assert found[0] > 3 > 1.5 > max(found[1:]) and found[3] == 0
    assert probes.gains(features, labels)[1] > found[1]  # counted by rows, one artist makes a genre
    np.testing.assert_array_equal(probes.gains(features, labels, labels), np.ones(4))  # an artist a genre


def test_gains_help_where_few_features_tell_genres():
    x, y = rows(60)
    held, held_y = rows(200, seed=1)
    noisy = [np.hstack([part, np.random.default_rng(len(part)).normal(size=(len(part), 300))]) for part in (x, held)]
    right = {}
    for kind in ("svm", "gained_svm"):
        probe = probes.fit(kind, noisy[0], y, noisy[1], held_y, n_genres=4, artists=np.arange(60) // 4)
        right[kind] = (probe.predict(noisy[1]).argmax(axis=1) == held_y).mean()
    assert right["gained_svm"] > right["svm"] + 0.1
    scaler = probe.model[0]
    assert scaler.power > 0 and probe.description.endswith(f"gains to the power {scaler.power:g}")
    moved = (noisy[0] - noisy[0].mean(axis=0)) / noisy[0].std(axis=0)
    moved *= probes.gains(noisy[0], y, np.arange(60) // 4) ** scaler.power
    np.testing.assert_allclose(scaler.transform(noisy[0]), moved, atol=1e-9)


@pytest.mark.parametrize("kind", probes.KINDS)
def test_a_refitted_probe_keeps_the_choice_and_learns_from_the_rows_it_gets(kind):
    (x, y), (held, held_y) = rows(60), rows(40, seed=1)
    sections = {"some": slice(0, 4), "all": slice(None)}
    chosen = probes.fit(kind, x, y, held, held_y, sections=sections, n_genres=4)
    again = chosen.refitted(x, y)
    np.testing.assert_array_equal(again.predict(held), chosen.predict(held))
    both = chosen.refitted(np.concatenate([x, held]), np.concatenate([y, held_y]))
    assert (both.description, both.section) == (chosen.description, chosen.section)
    np.testing.assert_allclose(both.model[0].mean_, np.concatenate([x, held])[:, chosen.section].mean(axis=0))
    np.testing.assert_allclose(chosen.model[0].mean_, x[:, chosen.section].mean(axis=0))  # unchanged


def test_mel_components_are_decorrelated(genre_folder, tmp_path):
    data = datasets.load(str(genre_folder))
    decoded = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    train, _ = segments.select(data, decoded, "training", 8192)
    encoder = probes.mel_pca_encoder(decoded, train, samples=8192, latent=6)
    batches = segments.fixed_segments(decoded, train, 8192, per_track=1, batch_size=64)
    frames = encoder.predict(batches, verbose=0)
    assert frames.shape[1:] == (33, 6)
    correlation = np.corrcoef(frames.reshape(-1, 6).T)
    np.testing.assert_allclose(correlation, np.eye(6), atol=1e-2)
