"""A classifier in a file, and what it says of recordings."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile
from helpers import encoder_for, tone

from fmalib import files
from fmalib.data import audio
from fmalib.genres import patch_latent, predict
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
    facts = json.loads((folder / "classifier.json").read_text())
    assert set(facts) == {"format", "model_sha256", "sha256", *predict.KEYS.values()} and facts["format"] == 2
    assert facts["model_sha256"] == hashlib.sha256((folder / "classifier.keras").read_bytes()).hexdigest()
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
    patterns = classifiers.latent_classifier(patch_latent.pretrained(22_050).of_length(22_050), 2, head="patterns")
    heads = {name: classifiers.latent_classifier(encoder, 2, head="pooled") for name, encoder in built.items()}
    heads["patterns"] = patterns
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


def test_sixteen_bits_are_the_same_recording(loudness, recording):
    signal = predict.read_recording(recording, 8000, 8000)
    whole = audio.decode(recording, 8000)
    assert whole.dtype == np.int16
    for ours, theirs in zip(predict.over_time(loudness, whole), predict.over_time(loudness, signal)):
        np.testing.assert_array_equal(ours, theirs)


def test_a_recording_in_plain_values(loudness, recording, monkeypatch):
    decode = audio.decode

    def remarking(path, sample_rate, *, notice):
        notice("scaled: peak at +3.0 dBFS")
        return decode(path, sample_rate)

    monkeypatch.setattr(audio, "decode", remarking)
    found = predict.classify(loudness, recording)
    times, probabilities = predict.over_time(loudness, decode(recording, 8000))
    assert list(found) == ["file", "segments", "genre", "probabilities", "notes"]
    assert found["file"] == str(recording) and found["segments"] == 11 and found["notes"] == ["scaled: peak at +3.0 dBFS"]
    assert found["probabilities"] == pytest.approx(dict(zip(loudness.genres, probabilities.mean(axis=0))))
    assert found["genre"] == next(iter(found["probabilities"])) == loudness.genres[probabilities.mean(axis=0).argmax()]
    rows = predict.classify(loudness, recording, each_segment=True)["over_time"]
    assert [row["seconds"] for row in rows] == list(times)
    assert [row["probability"] for row in rows] == [float(row.max()) for row in probabilities]
    assert [row["genre"] for row in rows][:4] == ["Soft"] * 4 and rows[-1]["genre"] == "Loud"
    assert json.loads(json.dumps(rows)) == rows


def test_values_that_are_not_finite_are_no_genre(recording):
    inputs = keras.Input((8000,))
    layer = keras.layers.Dense(2)
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full((8000, 2), np.nan), np.zeros(2)])
    with pytest.raises(ValueError, match=r"values that are not finite: train it again"):
        predict.classify(classifier_of(model), recording)


def test_a_name_is_a_file_or_all_audio_of_a_folder(recording, tmp_path):
    assert predict.recordings(recording) == ([recording], {}) == predict.recordings(str(recording))
    for name in ("music/b.wav", "music/a/z.flac", "music/.hidden.wav", "music/.away/c.wav", "music/list.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no audio")
        else:
            soundfile.write(path, tone(440, 0.1), 8000)
    (tmp_path / "music" / "a" / "loop").symlink_to(tmp_path / "music")
    os.mkfifo(tmp_path / "music" / "pipe.wav")
    found, failed = predict.recordings(tmp_path / "music")
    assert found == [tmp_path / "music/a/z.flac", tmp_path / "music/b.wav"]
    assert {path: str(error) for path, error in failed.items()} == {tmp_path / "music/pipe.wav": "not a regular file"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(audio.AudioError, match=r"^no audio file in this folder$"):
        predict.recordings(tmp_path / "empty")
    with pytest.raises(audio.AudioError, match=r"pipe.wav: not a regular file$"):
        predict.read_recording(tmp_path / "music" / "pipe.wav", 8000, 8000)


def spoiled(data, how):
    """Returns bytes emptied, cut in half, a byte short or long, replaced, or with one bit flipped somewhere."""
    if how in ("first", "middle", "last"):
        place = {"first": 0, "middle": len(data) // 2, "last": len(data) - 1}[how]
        return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
    return {"empty": b"", "half": data[: len(data) // 2], "short": data[:-1], "long": data + b"x", "other": b"null"}[how]


@pytest.mark.parametrize("how", ["empty", "half", "short", "long", "other", "first", "middle", "last"])
@pytest.mark.parametrize("name", ["classifier.json", "classifier.keras"])
def test_a_damaged_file_is_one_error(folder, name, how):
    (folder / name).write_bytes(spoiled((folder / name).read_bytes().rstrip(), how))
    remedy = f"^{folder / name} is damaged or .*: execute the notebook again\\. Received: (format|SHA-256) "
    with pytest.raises(ValueError, match=remedy):
        predict.load(folder)


def test_every_bit_of_the_description_counts(folder):
    whole = (folder / "classifier.json").read_bytes()
    for number in range(8 * len(whole.rstrip())):
        changed = bytearray(whole)
        changed[number // 8] ^= 1 << number % 8
        if changed.split() == whole.split():  # another blank between values
            continue
        (folder / "classifier.json").write_bytes(changed)
        with pytest.raises(ValueError, match=r"classifier.json is damaged"):
            predict.load(folder)


@pytest.mark.parametrize("number", [1, 99])
def test_another_format_is_an_error(folder, number):
    file = folder / "classifier.json"
    files.write_json(file, files.read_json(file) | {"format": number}, checksum=True)
    with pytest.raises(ValueError, match=rf"classifier.json is .*not of format 2: execute .* Received: format {number}$"):
        predict.load(folder)


def test_a_kill_between_both_writes_pairs_no_model_with_other_genres(loudness, folder, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_json", killed)
    other = keras.models.clone_model(loudness.model)  # with other weights, of the same shapes
    with pytest.raises(KeyboardInterrupt):
        predict.save(classifier_of(other, genres=("Jazz", "Rock")), folder)
    with pytest.raises(ValueError, match=r"classifier.keras is damaged or belongs to another classifier.json: execute the"):
        predict.load(folder)
    monkeypatch.undo()
    predict.save(classifier_of(other, genres=("Jazz", "Rock")), folder)
    assert predict.load(folder).genres == ("Jazz", "Rock")


def test_what_killed_writers_left_is_removed_and_nothing_else(loudness, folder):
    left = [folder / f".{'0' * 12}.tmp.classifier.{suffix}" for suffix in ("keras", "json")]
    others = [folder / f".{'0' * 12}.tmp.metrics.json", folder / "metrics.json"]
    for file in (*left, *others):
        file.write_text("half")
    predict.save(loudness, folder)
    assert {*folder.iterdir()} == {folder / "classifier.keras", folder / "classifier.json", *others}


@pytest.mark.parametrize("fields", [{"genres": ("Loud",)}, {"length": 4000}])
def test_a_model_must_have_the_genres_and_the_length_described(loudness, tmp_path, fields):
    predict.save(dataclasses.replace(loudness, **fields), tmp_path)
    message = rf"^{tmp_path}/classifier.keras must have .* execute the notebook again. Received: 8000 samples and 2 genres$"
    with pytest.raises(ValueError, match=message):
        predict.load(tmp_path)


def test_no_code_from_a_model_file_is_run(tmp_path):
    """Keras files can hold pickled functions; safe mode refuses them."""
    inputs = keras.Input((8000,))
    outputs = keras.layers.Lambda(lambda x: x[:, :2], output_shape=(2,))(inputs)
    predict.save(classifier_of(keras.Model(inputs, outputs)), tmp_path)
    with pytest.raises(ValueError, match=r"classifier.keras cannot be read: execute .* Received: .*arbitrary code"):
        predict.load(tmp_path)


def test_silence_is_named(loudness, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000), 8000)
    with pytest.raises(audio.AudioError, match=r"silence.wav: digital silence"):
        predict.read_recording(tmp_path / "silence.wav", 8000, 8000)
