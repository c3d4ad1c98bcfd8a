from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import soxr
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


@pytest.mark.parametrize("blocks, batch", [(audio.BLOCK_VALUES, audio.BATCH), (44_100, audio.BATCH), (10_000, 5000)])
def test_resamples_in_blocks_as_in_one_piece(tmp_path, monkeypatch, blocks, batch):
    monkeypatch.setattr(audio, "BLOCK_VALUES", blocks)
    monkeypatch.setattr(audio, "BATCH", batch)
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


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
@pytest.mark.parametrize("place", [0, 60_000, -1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_enough(tmp_path, value, place, rate):
    signal = np.stack([tone(440, 2, 44_100)] * 2, axis=1)
    signal[place, 1] = value
    with pytest.raises(audio.AudioError, match="not finite"):
        audio.decode(write(tmp_path / "a.wav", signal, subtype="FLOAT"), rate)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("peak, scale", [(0.9, 1), (1.0, 1), (1.5, 1.5), (100, 100), (32_767, 1 << 15), (8_000_000, 1 << 23)])
@pytest.mark.parametrize("rate, channels", [(8000, 1), (4000, 1), (8000, 2), (4000, 3)])
def test_float_files_out_of_range_are_scaled(tmp_path, subtype, peak, scale, rate, channels):
    signal = np.stack([tone(300, 1, seed=seed) for seed in range(channels)], axis=1).astype(float)
    signal *= peak / np.abs(signal).max()
    notices = []
    decoded = audio.decode(write(tmp_path / "a.wav", signal, 8000, subtype=subtype), rate, notice=notices.append)
    normal = audio.decode(write(tmp_path / "b.wav", signal / scale, 8000, subtype=subtype), rate)
    np.testing.assert_allclose(decoded, normal, atol=1)
    assert notices == ([f"scaled: values reach {peak:.6g}, divided by {scale:.6g}"] if scale != 1 else [])


@pytest.mark.parametrize("share", [1, 0.5])
@pytest.mark.parametrize("rate", [8000, 44_100])
def test_opposite_channels_give_the_louder_one_at_every_rate(tmp_path, rate, share):
    left = tone(300, 3, 44_100)
    right = 0.99 * left * np.where(np.arange(len(left)) < share * len(left), -1, 1)
    path, notices = write(tmp_path / "a.wav", np.stack([right, left], axis=1), subtype="FLOAT"), []
    decoded = audio.decode(path, rate, notice=notices.append)
    np.testing.assert_array_equal(decoded, audio.decode(write(tmp_path / "b.wav", left, subtype="FLOAT"), rate))
    assert notices == ["opposite channels: their mean is silent, channel 2 is used"]


@pytest.mark.parametrize("seconds", [8, 30])
def test_of_a_damaged_file_with_opposite_channels_all_but_the_damage_is_read(tmp_path, seconds):
    left, notices = np.random.default_rng(0).normal(0, 0.1, seconds * 44_100), []
    path = write(tmp_path / "a.flac", np.stack([left, -0.99 * left], axis=1))
    path.write_bytes(path.read_bytes()[: int(0.97 * path.stat().st_size)])
    decoded = audio.decode(path, 8000, notice=notices.append)
    assert len(decoded) / 8000 == pytest.approx(0.97 * seconds, abs=0.15)
    assert [notice.split(":")[0] for notice in notices][:2] == ["damaged", "length"] and "opposite" in notices[-1]


def test_ordinary_stereo_is_averaged_without_a_notice(tmp_path):
    left, right = tone(200, 3, seed=1), tone(300, 3, seed=2)
    left[:800] = -right[:800]  # a little of it opposite
    path, notices = write(tmp_path / "a.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT"), []
    np.testing.assert_array_equal(audio.decode(path, 8000, notice=notices.append), audio.to_int16((left + right) / 2))
    assert notices == []


def test_a_recording_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "LONGEST_SAMPLES", 36_000)
    for name in ("a.wav", "a.mp3", "a.ogg"):
        assert len(audio.decode(write(tmp_path / name, tone(440, 4), 8000), 8000)) >= 32_000
        with pytest.raises(audio.AudioError, match=r"^longer than 0\.0 h at 8000 Hz: cut it into pieces$"):
            audio.decode(write(tmp_path / name, tone(440, 5), 8000), 8000)
    chained = tmp_path / "chained.ogg"
    chained.write_bytes(write(tmp_path / "a.ogg", tone(440, 3), 8000).read_bytes() * 2)
    with pytest.raises(audio.AudioError, match="longer than"):
        audio.decode(chained, 8000)


@pytest.mark.parametrize("rate, fine", [(1, False), (999, False), (1000, True), (655_350, True), (800_000, False)])
def test_absurd_rates_of_files_are_refused(tmp_path, rate, fine):
    path = write(tmp_path / "a.wav", tone(440, 1)[:1000], rate)
    if fine:
        assert len(audio.decode(path, 8000)) == round(8000 * audio.duration(path)) == round(8_000_000 / rate)
        return
    for reads in (lambda path: audio.decode(path, 8000), audio.duration):
        with pytest.raises(audio.AudioError, match=f"^a sample rate of {rate} Hz$"):
            reads(path)


def test_threads_and_files_that_take_turns_do_not_share_memory(tmp_path):
    paths = []
    for number, channels in enumerate((1, 6, 2, 3, 1, 2)):
        signal = np.stack([tone(200 + 50 * number, 1 + number, 44_100, seed=seed) for seed in range(channels)], axis=1)
        paths.append(write(tmp_path / f"{number}.wav", signal / channels))
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda path: audio.decode(path, 8000), paths * 5))
    for path, decoded in zip(paths * 5, together):
        signal, _ = soundfile.read(path, always_2d=True)
        expected = audio.to_int16(soxr.resample(signal.mean(axis=1).astype(np.float32), 44_100, 8000, quality="HQ"))
        np.testing.assert_allclose(decoded, expected, atol=2)


def test_many_channels_are_read_in_smaller_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK_VALUES", 20_000)
    signal = np.stack([tone(300, 1, seed=seed) for seed in range(100)], axis=1)
    decoded = audio.decode(write(tmp_path / "a.wav", signal, 8000, subtype="FLOAT"), 8000)
    np.testing.assert_allclose(decoded, audio.to_int16(signal.mean(axis=1)), atol=1)


def test_a_file_shorter_than_the_table_says_is_used_with_a_notice(tmp_path):
    notices = []
    path = write(tmp_path / "a.flac", tone(440, 3), 8000)
    assert len(audio.decode(path, 8000, expected_seconds=5, notice=notices.append)) == 24_000
    assert notices == ["length: 3.0 s were read, the data set's table has 5.0 s"]


@pytest.mark.parametrize("rate", [0, -1, 44_100.5, "44100"])
def test_wrong_rates_are_named(tmp_path, rate):
    with pytest.raises(ValueError, match="Received: sample_rate="):
        audio.decode(tmp_path / "a.wav", rate)


def test_a_spike_does_not_silence_the_music(tmp_path):
    music, notices = tone(440, 2), []
    spiked = music.copy()
    spiked[5000] = 1e6
    decoded = audio.decode(write(tmp_path / "a.wav", spiked, 8000, subtype="FLOAT"), 8000, notice=notices.append)
    assert decoded[5000] == 32767
    np.testing.assert_array_equal(np.delete(decoded, 5000), np.delete(audio.to_int16(music), 5000))
    assert notices == ["clipped: 1 of 16000 values are beyond full scale, up to 1e+06"]


def test_a_wav_of_hours_is_refused_by_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "LONGEST_SAMPLES", 8000)
    monkeypatch.setattr(audio, "_blocks", lambda *args: pytest.fail("decoded"))
    with pytest.raises(audio.AudioError, match=r"^longer than 0\.0 h at 8000 Hz: cut it into pieces$"):
        audio.decode(write(tmp_path / "a.wav", tone(440, 2), 8000), 8000)


def test_blocks_have_the_rate_and_channels_of_the_file(tmp_path):
    signal = np.stack([tone(200, 2.5, seed=1), tone(300, 2.5, seed=2)], axis=1)
    path = write(tmp_path / "a.wav", signal, 8000, subtype="FLOAT")
    assert audio.channels_of(path) == (8000, 2)
    parts = list(audio.blocks(path, 8000, 2))
    assert [len(part) for part in parts] == [8000, 8000, 4000]
    np.testing.assert_array_equal(np.concatenate(parts), signal)


@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_of_other_channels_are_averaged(tmp_path, channels):
    signal = np.stack([tone(200, 1, seed=seed) for seed in range(3)], axis=1)
    path = write(tmp_path / "a.wav", signal, 8000, subtype="FLOAT")
    found = np.concatenate(list(audio.blocks(path, 8000, channels)))
    np.testing.assert_allclose(found, np.repeat(signal.mean(axis=1, keepdims=True), channels, axis=1), atol=1e-7)


def test_blocks_are_resampled_as_in_one_piece(tmp_path):
    import soxr

    signal = np.stack([tone(200, 2.5, 44_100), tone(300, 2.5, 44_100)], axis=1)
    found = np.concatenate(list(audio.blocks(write(tmp_path / "a.wav", signal, subtype="FLOAT"), 48_000, 2)))
    np.testing.assert_allclose(found, soxr.resample(signal, 44_100, 48_000, quality="HQ"), atol=1e-5)


def test_blocks_of_a_truncated_file_are_an_error(tmp_path):
    with pytest.raises(audio.AudioError, match="truncated"):
        list(audio.blocks(broken(tmp_path, "truncated"), 44_100, 1))


def test_audio_does_not_depend_on_what_its_thread_decoded_before(tmp_path):
    def in_a_new_thread(path, rate):
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(audio.decode, path, rate).result()

    for name, rate in (("a", 44_100), ("b", 48_000), ("c", 8000)):
        write(tmp_path / f"{name}.wav", np.random.default_rng(rate).normal(0, 0.1, 12 * rate), rate)
    write(tmp_path / "broken.wav", np.full(44_100, np.nan), 44_100, subtype="FLOAT")
    alone = {(name, rate): in_a_new_thread(tmp_path / f"{name}.wav", rate) for name in "abc" for rate in (8000, 22_050)}
    for name, rate in [("a", 8000), ("a", 8000), ("b", 8000), ("c", 8000), ("a", 22_050), ("c", 8000), ("b", 22_050)]:
        with pytest.raises(audio.AudioError, match="not finite"):
            audio.decode(tmp_path / "broken.wav", 8000)
        assert np.array_equal(audio.decode(tmp_path / f"{name}.wav", rate), alone[name, rate])
