"""Run by `make test-tfio` too, in an environment with TensorFlow 2.16: this file needs numpy, soundfile and pytest alone."""

import importlib.util

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from fmalib.data import audio, audio_cache, datasets, tfio_decoder

RATE = 16_000
loads = pytest.mark.skipif(
    not (importlib.util.find_spec("tensorflow_io") and tf.__version__.startswith("2.16.")),
    reason="tensorflow-io needs TensorFlow 2.16: make test-tfio",
)


@pytest.fixture
def music(tmp_path, monkeypatch):
    """A folder of two genres, three stereo files of 2 s each."""
    monkeypatch.setenv("FMALIB_CACHE", str(tmp_path / "cache"))
    time = np.arange(2 * RATE) / RATE
    for number, suffix in enumerate(["mp3", "flac", "wav", "mp3", "ogg", "mp3"]):
        path = tmp_path / "music" / f"genre {number % 2}" / f"artist {number}" / f"{number}.{suffix}"
        path.parent.mkdir(parents=True)
        sound = [0.3 * np.sin(2 * np.pi * (200 + 50 * number + channel) * time) for channel in range(2)]
        soundfile.write(path, np.stack(sound, axis=1), RATE)
    return tmp_path / "music"


@loads
@pytest.mark.parametrize("rate", [RATE, 8000])
def test_decodes_what_soundfile_decodes(music, rate):
    for path in sorted(music.rglob("*.*")):
        ours, theirs = audio.decode(path, rate), tfio_decoder.decode(path, rate)
        assert theirs.dtype == np.int16 and abs(len(ours) - len(theirs)) <= 0.2 * rate  # an MP3 has some silence at its ends
        size = min(len(ours), len(theirs)) - rate // 4
        lags = range(-rate // 8, rate // 8, 1) if path.suffix == ".mp3" else range(-8, 9)
        start = rate // 4
        best = max(np.corrcoef(ours[start:size], theirs[start + lag : size + lag])[0, 1] for lag in lags)
        assert best > 0.99, path


@loads
def test_decodes_within_a_graph(music):
    files = [str(path) for path in sorted(music.rglob("*.mp3"))]
    found = list(tf.data.Dataset.from_tensor_slices(files).map(tfio_decoder.function(".mp3", RATE, 8000)))
    assert len(found) == 3
    for path, sound in zip(files, found):
        np.testing.assert_array_equal(sound.numpy(), tfio_decoder.decode(path, 8000))


@loads
def test_a_cache_of_its_own(music, tmp_path):
    data = datasets.load(str(music))
    usual = audio_cache.build(data, 8000, cache_dir=tmp_path, progress=False)
    other = audio_cache.build(data, 8000, cache_dir=tmp_path, progress=False, backend="tensorflow_io")
    assert other.key != usual.key and len(other.tracks) == len(usual.tracks) == 6
    with pytest.raises(audio.AudioError, match=r"Received: \.opus"):
        tfio_decoder.function(".opus", RATE, 8000)


@pytest.mark.skipif(tf.__version__.startswith("2.16."), reason="tensorflow-io loads beside TensorFlow 2.16")
def test_the_error_says_which_versions_go_together(music, tmp_path):
    text = r"tensorflow-io 0.37.1 needs TensorFlow 2.16, CPython 3.10 to 3.12 and numpy 1.*Received: .*TensorFlow 2"
    with pytest.raises(ImportError, match=text):
        audio_cache.build(datasets.load(str(music)), 8000, cache_dir=tmp_path, progress=False, backend="tensorflow_io")


def test_an_unknown_backend(music, tmp_path):
    with pytest.raises(ValueError, match="Received: backend='sox'"):
        audio_cache.build(datasets.load(str(music)), 8000, cache_dir=tmp_path, progress=False, backend="sox")
