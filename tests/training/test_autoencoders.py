import numpy as np
import pytest

from fmalib.data import audio_cache, segments
from fmalib.models import architectures
from fmalib.signal import mdct
from fmalib.training import autoencoders, runs

PAIRS = [(domain, model) for domain, names in architectures.ARCHITECTURES.items() for model in names]


@pytest.fixture(scope="module")
def pipelines(synth_data):
    """Short segments of a few synthetic tracks, for either domain."""
    decoded, made = audio_cache.build(synth_data, 8000, progress=False), {}
    for domain in architectures.ARCHITECTURES:
        train, validation = (
            segments.select(synth_data, decoded, split, 8192)[0].iloc[:8] for split in ("training", "validation")
        )
        made[domain] = segments.Pipeline(decoded, train, validation, 8192, target="audio", batch_size=4)
    return made


@pytest.mark.parametrize("domain, model", PAIRS)
def test_every_autoencoder_is_trained_by_name(pipelines, tmp_path, domain, model):
    pipeline = pipelines[domain]
    result = autoencoders.train(domain, model, pipeline, latent=16, epochs=1, seed=0, runs_dir=tmp_path, progress=False)
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, (2, pipeline.length)).astype(np.float32)
    assert result.model.predict(audio, verbose=0).shape == audio.shape
    assert result.latent_shape[1] == 16
    assert result.encoder.predict(audio, verbose=0).shape == (2, *result.latent_shape)
    assert result.latent_values == np.prod(result.latent_shape)
    features = result.features.predict(audio, verbose=0)
    assert features.shape == ((2, mdct.n_frames(8192), mdct.HOP) if model == "sparse" else (2, *result.latent_shape))
    assert autoencoders.first_kernel(result).size
    if model == "pca":
        assert result.history is None and result.run is None and "principal components" in str(result)
    else:
        assert len(result.history) == 1 and (tmp_path / result.run / "model.keras").exists()
    if model != "study" or domain == "time":
        responses = autoencoders.responses(result)
        assert responses.ndim == 2 and (responses >= 0).all()


def test_a_trained_one_is_found_again(pipelines, tmp_path):
    options = {"latent": 8, "epochs": 1, "seed": 0, "runs_dir": tmp_path, "progress": False}
    first, again = (autoencoders.train("time", "study", pipelines["time"], loss="l1", **options) for _ in range(2))
    assert "trained" in str(first) and "found" in str(again) and first.run == again.run
    other = autoencoders.train("time", "study", pipelines["time"], loss="mse", **options)
    assert other.run != first.run


def test_pca_is_given_as_many_values(pipelines):
    frames = mdct.n_frames(8192)
    assert autoencoders.pca_of_equal_size(pipelines["frequency"], 20 * frames + 3).latent_shape == (frames, 20)


@pytest.mark.parametrize("domain, model", [("frequency", "study"), ("time", "study")])
def test_a_network_of_the_caller_is_trained_instead(pipelines, tmp_path, domain, model):
    """The library's own network, passed by the caller, is the library's run."""
    pipeline, options = pipelines[domain], {"epochs": 1, "seed": 0, "runs_dir": tmp_path, "progress": False}
    mean, std = audio_cache.standardisation(pipeline.cache, pipeline.training.index)
    runs.set_seed(0)
    network = architectures.compiled(domain, model, samples=pipeline.length, latent=8, mean=mean, std=std)
    before = network.get_weights()
    theirs = autoencoders.train(domain, model, pipeline, latent=8, network=network, **options)
    ours = autoencoders.train(domain, model, pipeline, latent=8, **options)
    assert theirs.run == ours.run and "trained" in str(theirs) and "found" in str(ours)
    for own, kept in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, kept)


def test_an_untrained_one_follows_from_its_seed(pipelines):
    first, again, other = (
        autoencoders.untrained("time", "study", pipelines["time"], latent=4, seed=seed) for seed in (1, 1, 2)
    )
    assert first.name == "time_study_4_untrained" and first.run is None and first.seconds == 0
    kernels = [autoencoders.first_kernel(one) for one in (first, again, other)]
    assert np.array_equal(kernels[0], kernels[1]) and not np.array_equal(kernels[0], kernels[2])


@pytest.mark.parametrize("domain", ["frequency", "time"])
def test_an_interpolation_begins_and_ends_at_its_segments(domain):
    network = architectures.compiled(domain, "study", samples=8192, latent=8, std=0.2)
    autoencoder = autoencoders.Autoencoder("untrained", architectures.find(domain, "study"), network)
    first, second = np.random.default_rng(0).normal(0, 0.2, (2, 8192)).astype(np.float32)
    points = autoencoders.interpolate(autoencoder, first, second, steps=4)
    assert points.shape == (5, 8192)
    ends = autoencoder.model.predict(np.stack([first, second]), verbose=0)
    np.testing.assert_allclose(points[[0, 3]], ends, atol=1e-5)
    # The last one goes over time: near the first at its beginning, near the second at its end.
    for part, end in ((slice(600, 800), ends[0]), (slice(-800, -600), ends[1])):
        distance = np.abs(points[4, part] - end[part]).mean()
        assert distance < 0.35 * np.abs(ends[0, part] - ends[1, part]).mean()
    with pytest.raises(ValueError, match="Received: steps=1"):
        autoencoders.interpolate(autoencoder, first, second, steps=1)


def test_there_is_nothing_between_codewords(pipelines):
    sparse = autoencoders.untrained("frequency", "sparse", pipelines["frequency"], latent=8)
    with pytest.raises(ValueError, match=r"Codewords are no quantities.*Received: frequency_sparse_8_untrained"):
        autoencoders.interpolate(sparse, *np.zeros((2, 8192), np.float32))


def test_the_first_kernel_of_a_trainable_mdct_is_its_basis(pipelines):
    sparse = autoencoders.untrained("frequency", "sparse", pipelines["frequency"], latent=8)
    kernel = autoencoders.first_kernel(sparse)
    np.testing.assert_allclose(kernel, mdct.mdct_basis().reshape(-1, mdct.HOP), atol=1e-6)
