"""A classifier in a file, and the command line: what a reader does with a recording of their own."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile
from helpers import encoder_for, tone

from fmalib import __main__ as command
from fmalib.data import audio
from fmalib.genres import predict
from fmalib.models import original


@pytest.fixture(scope="module")
def loudness():
    """A classifier that needs no training: loud segments are Loud."""
    inputs = keras.Input((8000,))
    x = keras.layers.Reshape((8000, 1))(inputs)
    x = keras.layers.GlobalMaxPooling1D()(x)
    layer = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(inputs, layer(x))
    layer.set_weights([np.array([[40.0, 0.0]]), np.array([-12.0, 0.0])])
    return classifier_of(model, dataset="tones", note="A note.")


def classifier_of(model, **fields):
    """Returns a `predict.Classifier` of two genres at 8 kHz."""
    plain = {"system": "cnn", "genres": ("Loud", "Soft"), "sample_rate": 8000, "dataset": "none", "note": ""}
    return predict.Classifier(model=model, length=model.input.shape[1], **plain | fields)


@pytest.fixture
def folder(loudness, tmp_path):
    predict.save(loudness, tmp_path / "trained")
    return tmp_path / "trained"


@pytest.fixture
def recording(tmp_path):
    """Three seconds soft, then three loud, at another rate and in stereo."""
    signal = tone(440, 6.0, 16_000) * np.repeat([0.2, 1.0], 48_000)
    soundfile.write(tmp_path / "song.wav", np.stack([signal, signal], axis=1), 16_000)
    return tmp_path / "song.wav"


def test_saved_and_loaded_is_the_same(loudness, folder):
    loaded = predict.load(folder)
    assert (loaded.system, loaded.genres, loaded.sample_rate, loaded.length) == ("cnn", ("Loud", "Soft"), 8000, 8000)
    assert (loaded.dataset, loaded.note) == ("tones", "A note.")
    assert set(json.loads((folder / "classifier.json").read_text())) == {"format", *predict.KEYS.values()}
    x = np.random.default_rng(0).normal(0, 0.1, (3, 8000)).astype(np.float32)
    np.testing.assert_array_equal(loaded.model.predict(x, verbose=0), loudness.model.predict(x, verbose=0))


def test_the_layers_of_every_classifier_are_known_in_a_fresh_process(tmp_path):
    from fmalib.models import architectures, classifiers
    from fmalib.training import autoencoders

    built = {
        "time": encoder_for(original.time_autoencoder(samples=2048, latent=4), 16_384),
        "frequency": original.frequency_autoencoder(samples=32_768, latent=4).get_layer("encoder"),
    }
    for model in ("sparse", "variational", "lstm"):
        network = architectures.compiled("frequency", model, samples=32_768, latent=4, std=0.1)
        built[model] = autoencoders.Autoencoder(model, architectures.find("frequency", model), network).features
    heads = {name: classifiers.latent_classifier(encoder, 2, head="pooled") for name, encoder in built.items()}
    for name, model in {**heads, "cnn": classifiers.genre_cnn(2, samples=16_384, sample_rate=8000)}.items():
        predict.save(classifier_of(model, system=name), tmp_path / name)
    code = "import sys; from fmalib.genres import predict; [print(predict.load(folder).system) for folder in sys.argv[1:]]"
    done = subprocess.run([sys.executable, "-c", code, *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == sorted([*heads, "cnn"])


def test_segments_overlap_by_half_and_reach_the_end(loudness, recording):
    signal = predict.read_recording(recording, 8000, 8000)
    assert signal.dtype == np.float32 and len(signal) == 48_000
    times, probabilities = predict.over_time(loudness, signal[:-1000])
    np.testing.assert_allclose(times, [*np.arange(0.5, 5.1, 0.5), 5.375])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities[times < 2.4, 1] > 0.5).all() and (probabilities[times > 3.6, 0] > 0.5).all()


def test_long_recordings_come_in_batches(loudness):
    signal = np.tile(tone(440, 1.0), 70)
    times, probabilities = predict.over_time(loudness, signal)
    assert probabilities.shape == (139, 2) and times[-1] == pytest.approx(69.5)
    np.testing.assert_allclose(probabilities, probabilities[:1].repeat(139, axis=0), atol=0.2)


def test_the_command_line_names_the_genre(folder, recording):
    arguments = [sys.executable, "-m", "fmalib", "classify", str(recording), "--model", str(folder), "--over-time"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "song.wav: 11 segments of 1.0 s" in lines[0] and lines[1].split()[0] in ("Loud", "Soft")
    shares = {line.split()[0]: float(line.split()[1].rstrip("%")) for line in lines[1:3]}
    assert sum(shares.values()) == pytest.approx(100, abs=0.2)
    assert [line.split()[1] for line in lines[3:14]][:4] == ["Soft"] * 4 and lines[13].split()[1] == "Loud"
    assert lines[-1] == "cnn, trained on tones. A note." and not done.stderr


def test_files_that_cannot_be_read_are_named_and_the_others_go_on(folder, recording, tmp_path, capsys):
    (tmp_path / "broken.mp3").write_bytes(b"no audio" * 100)
    soundfile.write(tmp_path / "short.wav", tone(440, 0.5), 8000)
    files = [str(tmp_path / name) for name in ("broken.mp3", "short.wav", "missing.wav")] + [str(recording)]
    assert command.main(["classify", *files, "--model", str(folder)]) == 1
    shown = capsys.readouterr()
    assert "broken.mp3: not readable as audio" in shown.err and "Received: 0.5 s" in shown.err
    assert "no such file. Received" in shown.err and "song.wav: 11 segments" in shown.out


def test_a_missing_classifier_says_how_to_make_one(recording, tmp_path, capsys):
    assert command.main(["classify", str(recording), "--model", str(tmp_path / "nowhere")]) == 2
    assert "execute notebooks/03_classifier.ipynb" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main([])


def test_damaged_files_are_named(folder):
    description = json.loads((folder / "classifier.json").read_text())
    (folder / "classifier.json").write_text(json.dumps(description | {"format": 99}))
    with pytest.raises(ValueError, match=r"classifier.json is not of format 1"):
        predict.load(folder)
    (folder / "classifier.json").write_text("{")
    with pytest.raises(ValueError, match=r"classifier.json is damaged"):
        predict.load(folder)
    (folder / "classifier.json").write_text(json.dumps(description))
    (folder / "classifier.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"classifier.keras cannot be read"):
        predict.load(folder)


def test_no_code_from_a_model_file_is_run(folder):
    """Keras files can hold pickled functions; safe mode refuses them."""
    inputs = keras.Input((8000,))
    outputs = keras.layers.Lambda(lambda x: x[:, :2], output_shape=(2,))(inputs)
    keras.Model(inputs, outputs).save(folder / "classifier.keras")
    with pytest.raises(ValueError, match=r"classifier.keras cannot be read"):
        predict.load(folder)


def test_silence_is_named(loudness, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000), 8000)
    with pytest.raises(audio.AudioError, match=r"silence.wav: digital silence"):
        predict.read_recording(tmp_path / "silence.wav", 8000, 8000)
