import numpy as np
import pytest

from fmalib import autoencoders, cache, lapped, models, segments

PAIRS = [(domain, model) for domain, names in autoencoders.MODELS.items() for model in names]


@pytest.fixture(scope="module")
def pipelines(synth_data):
    """Short segments of a few synthetic tracks, for either domain."""
    decoded, made = cache.build(synth_data, 8000, progress=False), {}
    for domain in autoencoders.MODELS:
        train, validation = (
            segments.select(synth_data, decoded, split, 8192)[0].iloc[:8] for split in ("training", "validation")
        )
        made[domain] = segments.Pipeline(decoded, train, validation, 8192, target="audio", batch_size=4)
    return made


@pytest.mark.parametrize("domain, model", PAIRS)
def test_every_autoencoder_is_trained_by_name(pipelines, tmp_path, domain, model):
    pipeline = pipelines[domain]
    result = autoencoders.train(
        domain, model, pipeline, latent=16, epochs=1, seed=0, runs_dir=tmp_path, progress=False
    )
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, (2, pipeline.length)).astype(np.float32)
    assert result.model.predict(audio, verbose=0).shape == audio.shape
    assert result.latent_shape[1] == 16
    assert result.encoder.predict(audio, verbose=0).shape == (2, *result.latent_shape)
    assert result.latent_values == np.prod(result.latent_shape)
    features = result.features.predict(audio, verbose=0)
    assert features.shape == ((2, lapped.n_frames(8192), lapped.HOP) if model == "sparse" else (2, *result.latent_shape))
    assert autoencoders.first_kernel(result).size
    if model == "pca":
        assert result.history is None and result.run is None and "principal components" in str(result)
    else:
        assert len(result.history) == 1 and (tmp_path / result.run / "model.keras").exists()
    if model != "study" or domain == "time":
        responses = autoencoders.responses(result)
        assert responses.ndim == 2 and (responses >= 0).all()


def test_a_trained_one_is_found_again(pipelines, tmp_path):
    options = dict(latent=8, epochs=1, seed=0, runs_dir=tmp_path, progress=False)
    first, again = (autoencoders.train("time", "study", pipelines["time"], loss="l1", **options) for _ in range(2))
    assert "trained" in str(first) and "found" in str(again) and first.run == again.run
    other = autoencoders.train("time", "study", pipelines["time"], loss="mse", **options)
    assert other.run != first.run


def test_segments_have_the_length_of_the_study():
    assert autoencoders.snippet_length("frequency", 8000) == 65_536
    assert autoencoders.snippet_length("time", 44_100) == 65_536
    assert autoencoders.snippet_length("frequency", 16_000) == 131_072
    assert autoencoders.snippet_length("time", 8000) / 8000 == pytest.approx(65_536 / 44_100, rel=0.03)


def test_pca_is_given_as_many_values(pipelines):
    frames = lapped.n_frames(8192)
    assert autoencoders.pca_of_equal_size(pipelines["frequency"], 20 * frames + 3).latent_shape == (frames, 20)


@pytest.mark.parametrize(
    "domain, model, loss, message",
    [
        ("space", "study", "mse", "domain must be one of frequency, time. Received: domain='space'"),
        ("time", "sparse", "mse", "In the time domain, model must be one of study. Received: model='sparse'"),
        ("frequency", "study", "l1", "In the frequency domain, loss must be one of mse. Received: loss='l1'"),
        ("time", "study", "l3", "Received: loss='l3'"),
    ],
)
def test_unknown_names(domain, model, loss, message):
    with pytest.raises(ValueError, match=message):
        autoencoders.check(domain, model, loss)


@pytest.mark.parametrize("domain", ["frequency", "time"])
def test_a_walk_begins_and_ends_at_its_clips(domain):
    model = autoencoders.compiled(domain, "study", samples=8192, latent=8, std=0.2)
    walker = autoencoders.Autoencoder("walker", models.waveform_model(model), model.get_layer("encoder"), None, 0.0, None, "")
    first, second = np.random.default_rng(0).normal(0, 0.2, (2, 8192)).astype(np.float32)
    stops = autoencoders.walk(walker, first, second, steps=4)
    assert stops.shape == (5, 8192)
    own = walker.model.predict(np.stack([first, second]), verbose=0)
    np.testing.assert_allclose(stops[[0, 3]], own, atol=1e-5)
    # The last one is a walk in time: near the first at its beginning, near the second at its end.
    early, late = slice(600, 800), slice(-800, -600)
    near = [np.abs(stops[4, part] - one[part]).mean() / np.abs(own[0, part] - own[1, part]).mean() for part, one in ((early, own[0]), (late, own[1]))]
    assert max(near) < 0.35
    with pytest.raises(ValueError, match="Received: steps=1"):
        autoencoders.walk(walker, first, second, steps=1)
