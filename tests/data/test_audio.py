import numpy as np
import pytest
import soundfile
from helpers import tone

from fmalib.data import audio


def write(path, signal, sample_rate=44_100, **options):
    soundfile.write(path, signal, sample_rate, **options)
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_decodes_every_format(tmp_path, name):
    signal = tone(440, seconds=2, sample_rate=44_100)
    decoded = audio.decode(write(tmp_path / name, signal), 44_100)
    assert decoded.dtype == np.int16 and decoded.ndim == 1
    assert abs(len(decoded) - len(signal)) <= 1152  # one MP3 frame
    assert np.corrcoef(decoded[:80_000], signal[:80_000])[0, 1] > 0.95


def test_averages_channels(tmp_path):
    left, right = tone(200, 1, seed=1), tone(300, 1, seed=2)
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    np.testing.assert_array_equal(audio.decode(path, 8000), audio.to_int16((left + right) / 2))


@pytest.mark.parametrize("blocks", [30, 1])
def test_resamples_in_blocks_as_in_one_piece(tmp_path, monkeypatch, blocks):
    import soxr

    monkeypatch.setattr(audio, "BLOCK_SECONDS", blocks)
    signal = tone(440, seconds=3.3, sample_rate=44_100)
    decoded = audio.decode(write(tmp_path / "a.wav", signal, subtype="FLOAT"), 8000)
    whole = soxr.resample(signal, 44_100, 8000, quality="HQ")
    assert len(decoded) == len(whole)
    np.testing.assert_allclose(decoded, audio.to_int16(whole), atol=1)


def test_int16_there_and_back():
    exact = np.array([-1.0, -0.5, 0.0, 0.5, 32767 / 32768], np.float32)
    np.testing.assert_array_equal(audio.to_int16(exact), [-32768, -16384, 0, 16384, 32767])
    np.testing.assert_array_equal(audio.to_float(audio.to_int16(exact)), exact)
    np.testing.assert_array_equal(audio.to_int16(np.array([-1.7, 1.7])), [-32768, 32767])
    assert audio.to_float(np.array([1], np.int16)).dtype == np.float32


def broken(folder, kind):
    """Returns a broken file of the named kind."""
    path = folder / f"{kind}.mp3"
    whole = write(folder / "whole.mp3", tone(440, seconds=10, sample_rate=44_100)).read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, 50_000, np.uint8).tobytes()
    content = {
        "empty": b"",
        "text": b"This is no music at all.\n" * 2000,
        "random": noise,
        "truncated": whole[: len(whole) // 2],
        "cut in the header": whole[:300],
    }
    path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize("kind", ["empty", "text", "random", "truncated", "cut in the header"])
def test_broken_files_are_refused_with_a_reason(tmp_path, kind):
    with pytest.raises(audio.AudioError, match=r"not readable|no audio|truncated"):
        audio.decode(broken(tmp_path, kind), 44_100, expected_seconds=10.0)


def test_the_error_gives_the_decoded_and_the_expected_seconds(tmp_path):
    with pytest.raises(audio.AudioError, match=r"truncated: 5\.0 s of 10\.0 s decoded"):
        audio.decode(broken(tmp_path, "truncated"), 44_100, expected_seconds=10.0)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):  # not an AudioError: the disk may come back
        audio.decode(tmp_path / "nowhere.mp3", 44_100)


def test_silence_and_nan_are_refused(tmp_path):
    with pytest.raises(audio.AudioError, match="silence"):
        audio.decode(write(tmp_path / "a.wav", np.zeros(8000), 8000), 8000)
    with pytest.raises(audio.AudioError, match="silence"):
        audio.decode(write(tmp_path / "c.wav", np.full(8000, 1e-6), 8000, subtype="FLOAT"), 8000)
    bad = np.full(8000, np.nan, np.float32)
    with pytest.raises(audio.AudioError, match="not finite"):
        audio.decode(write(tmp_path / "b.wav", bad, 8000, subtype="FLOAT"), 8000)


@pytest.mark.parametrize("rate", [0, -1, 44_100.5, "44100"])
def test_wrong_rates_are_named(tmp_path, rate):
    with pytest.raises(ValueError, match="Received: sample_rate="):
        audio.decode(tmp_path / "a.wav", rate)
