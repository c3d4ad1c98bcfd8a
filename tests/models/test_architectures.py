import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import encoder_for

from fmalib.models import architectures, audeep, classifiers, original
from fmalib.training import autoencoders

PAIRS = [(domain, model) for domain, names in architectures.ARCHITECTURES.items() for model in names]
SAMPLES = 32_768
LOAD = """
import json, sys
from pathlib import Path
import keras, numpy as np
import fmalib.models.layers
folder = Path(sys.argv[1])
audio = np.load(folder / "audio.npy")
for path in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(path, compile=False)
    np.save(path.with_suffix(".npy"), model(audio[:, : model.input.shape[1]], training=False))
    path.with_suffix(".json").write_text(model.to_json())
"""


def sparse_features(latent=16):
    network = architectures.compiled("frequency", "sparse", samples=SAMPLES, latent=latent, std=0.2)
    return autoencoders.Autoencoder("", architectures.find("frequency", "sparse"), network).features


def heads():
    for head in classifiers.HEADS:
        encoder = encoder_for(original.time_autoencoder(samples=2048, latent=4), SAMPLES)
        yield f"head_{head}", classifiers.latent_classifier(encoder, 3, head=head)
    yield "head_on_codewords", classifiers.latent_classifier(sparse_features(), 3, head="pooled")


def every_model():
    """Yields names and models of every kind that the library builds."""
    for domain, model in PAIRS:
        samples = architectures.valid_length(domain, 8192)
        network = architectures.compiled(domain, model, samples=samples, latent=8, mean=0.01, std=0.2)
        yield f"{domain}_{model}", network
    yield "waveform", original.waveform_model(original.frequency_autoencoder(samples=8192, latent=8))
    yield "sparse_features", sparse_features()
    yield from heads()
    yield "genre_cnn", classifiers.genre_cnn(3, samples=SAMPLES, sample_rate=8000)
    yield "bbnn", classifiers.bbnn(3, samples=SAMPLES, sample_rate=8000)
    recurrent = audeep.recurrent_autoencoder(samples=8192, sample_rate=8000, units=8)
    yield "audeep", recurrent
    yield "audeep_encoder", audeep.encoder_of(recurrent)


@pytest.fixture(scope="module")
def models():
    return dict(every_model())


@pytest.fixture(scope="module")
def audio():
    return np.random.default_rng(0).normal(0, 0.2, (2, SAMPLES)).astype(np.float32)


def output(model, audio):
    return np.asarray(model(audio[:, : model.input.shape[1]], training=False))


@pytest.mark.slow
def test_every_model_loads_in_a_process_that_knows_only_the_layers(models, audio, tmp_path):
    np.save(tmp_path / "audio.npy", audio)
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, model in models.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), output(model, audio), err_msg=name)
        loaded = json.loads((tmp_path / f"{name}.json").read_text())
        assert loaded["config"] == json.loads(model.to_json())["config"], name


def test_every_model_is_cloned_with_its_weights(models, audio):
    for name, model in models.items():
        clone = keras.models.clone_model(model)
        clone.set_weights(model.get_weights())
        np.testing.assert_array_equal(output(clone, audio), output(model, audio), err_msg=name)


def test_encoders_and_networks_of_keras_operations_take_another_length(models, audio):
    encoders = [
        model.get_layer("encoder") for name, model in models.items() if "encoder" in [layer.name for layer in model.layers]
    ]
    others = [models[name] for name in ("sparse_features", "genre_cnn", "audeep_encoder")]
    for model in [*encoders, *others]:
        samples = model.input.shape[1]
        longer = original.with_length(model, 2 * samples)
        assert longer.input.shape == (None, 2 * samples) and longer.output.shape[2:] == model.output.shape[2:]
        for own, kept in zip(longer.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(own, kept)
        assert np.isfinite(longer(np.tile(audio, 2)[:, : 2 * samples], training=False)).all()


def test_every_classifier_is_built_and_saved_in_half_precision(audio, tmp_path):
    """The precision of a GPU, here on the CPU."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        built = [*heads(), ("cnn", classifiers.genre_cnn(3, samples=SAMPLES, sample_rate=8000))]
        built.append(("bbnn", classifiers.bbnn(3, samples=SAMPLES, sample_rate=8000)))
    finally:
        keras.config.set_dtype_policy(before)
    for name, model in built:
        half = [layer.name for layer in model.layers if getattr(layer, "compute_dtype", None) == "float16"]
        probabilities = output(model, audio)
        assert half and model.get_layer("genres").compute_dtype == "float32", name
        assert probabilities.dtype == np.float32, name
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5, err_msg=name)
        model.save(tmp_path / "model.keras")
        np.testing.assert_array_equal(
            output(keras.models.load_model(tmp_path / "model.keras"), audio), probabilities, err_msg=name
        )


def test_segments_have_the_length_of_the_study():
    assert architectures.segment_length("frequency", 8000) == 65_536
    assert architectures.segment_length("time", 44_100) == 65_536
    assert architectures.segment_length("frequency", 16_000) == 131_072
    assert architectures.segment_length("time", 8000) / 8000 == pytest.approx(65_536 / 44_100, rel=0.03)


@pytest.mark.parametrize("domain, model", PAIRS)
def test_every_entry_describes_itself(domain, model):
    entry = architectures.find(domain, model)
    assert entry.description and entry.filters in ("samples", "bins", "patches")


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
        architectures.find(domain, model, loss)
