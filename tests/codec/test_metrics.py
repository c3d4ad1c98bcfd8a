"""Exact values; librosa is the oracle of the STFT."""

import json

import librosa
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmalib import intervals
from fmalib.codec import metrics


def noise(*shape, seed=0, level=0.1):
    return np.random.default_rng(seed).normal(0, level, shape).astype(np.float32)


def sine(frequency, amplitude, sample_rate=44_100, samples=16_384):
    wave = np.sin(2 * np.pi * frequency * np.arange(samples) / sample_rate)
    return (amplitude * np.hanning(samples) * wave).astype(np.float32)  # faded, since an abrupt end has all frequencies


def theirs(audio):
    return librosa.stft(audio, n_fft=512, hop_length=128, pad_mode="reflect")


def test_the_rmses_are_those_of_librosas_stft():
    x, y = noise(10_007), noise(10_007, seed=1)
    difference = theirs(x) - theirs(y)
    parts = np.stack([difference.real, difference.imag])
    assert metrics.spectral_rmse(x, y) == pytest.approx(np.sqrt((parts**2).mean()), rel=1e-5)
    magnitudes = np.abs(theirs(x)) - np.abs(theirs(y))
    assert metrics.magnitude_rmse(x, y) == pytest.approx(np.sqrt((magnitudes**2).mean()), rel=1e-5)


def test_the_log_spectral_distance_is_that_of_librosas_stft():
    x, y = noise(10_007), noise(10_007, seed=1)
    levels = [librosa.amplitude_to_db(np.abs(theirs(audio)), ref=1.0, amin=1e-4, top_db=None) for audio in (x, y)]
    expected = np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=0)).mean()
    assert metrics.log_spectral_distance(x, y) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("level", [0.001, 0.1, 0.9])
def test_silence_scores_9_795_times_the_rms(level):
    x = noise(65_536, level=level)
    rms = np.sqrt((x**2).mean())
    assert metrics.spectral_rmse(x, np.zeros_like(x)) == pytest.approx(np.sqrt(96) * rms, rel=0.01)
    assert metrics.magnitude_rmse(x, np.zeros_like(x)) == pytest.approx(np.sqrt(2 * 96) * rms, rel=0.01)
    assert metrics.spectral_rmse(x, x) == 0


def test_one_sample_of_delay_is_caught():
    x = noise(65_537)
    silent = metrics.spectral_rmse(x[1:], np.zeros_like(x[1:]))
    assert metrics.spectral_rmse(x[1:], x[:-1]) == pytest.approx(np.sqrt(2) * silent, rel=0.01)
    assert metrics.magnitude_rmse(x[1:], x[:-1]) < 0.1 * silent


def test_a_flipped_sign_is_free_for_magnitudes_only():
    x = noise(8192)
    assert metrics.magnitude_rmse(x, -x) == 0 and metrics.log_spectral_distance(x, -x) == 0
    assert metrics.spectral_rmse(x, -x) == pytest.approx(2 * metrics.spectral_rmse(x, np.zeros_like(x)), rel=1e-5)


def test_the_log_spectral_distance_of_a_gain_is_the_gain():
    x = noise(8192)
    assert metrics.log_spectral_distance(x, 0.5 * x) == pytest.approx(20 * np.log10(2), rel=1e-4)


def test_silence_has_a_level():
    x, zeros = np.full(8192, 0.5, np.float32), np.zeros(8192, np.float32)
    assert metrics.log_spectral_distance(zeros, zeros) == 0
    assert 0 < metrics.log_spectral_distance(x, zeros) < 140
    impulse = zeros.copy()
    impulse[4096] = 1e-3  # all bins of four frames near -60 dB and below
    assert 0 < metrics.log_spectral_distance(impulse, zeros) < 60 * 4 / 65
    assert metrics.log_spectral_distance(impulse, zeros, floor_db=-50.0) == 0


def test_16_bit_rounding_lies_just_above_the_floor():
    rounding = np.random.default_rng(0).uniform(-0.5, 0.5, 65_536) / 32768
    level = 10 * np.log10((np.abs(theirs(rounding)) ** 2).mean())
    assert metrics.FLOOR_DB < level < metrics.FLOOR_DB + 3


def test_si_sdr_ignores_scale():
    x = noise(4, 65_536)
    error = noise(4, 65_536, seed=1, level=0.01)
    np.testing.assert_allclose(metrics.si_sdr(x, x + error), 20.0, atol=0.1)
    np.testing.assert_allclose(metrics.si_sdr(x, 0.2 * (x + error)), metrics.si_sdr(x, x + error), atol=1e-3)


def test_si_sdr_at_its_limits():
    x, zeros = noise(1000), np.zeros(1000, np.float32)
    assert metrics.si_sdr(x, x) == np.inf and metrics.si_sdr(x, -2 * x) == np.inf
    assert metrics.si_sdr(x, zeros) == -np.inf
    assert metrics.si_sdr(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == -np.inf
    assert np.isnan(metrics.si_sdr(zeros, x)) and np.isnan(metrics.si_sdr(zeros, zeros))


def test_added_energy_is_a_share_of_the_references():
    low, high = sine(1000, 0.5), sine(8000, 0.05)
    assert metrics.added_energy(low, low + high, 44_100) == pytest.approx(0.01, rel=0.01)
    assert metrics.added_energy(low + high, low + high, 44_100) == 0
    assert metrics.added_energy(low + high, low, 44_100) < 1e-6  # taken away, not added
    assert metrics.added_energy(low, low + high, 44_100, above=10_000) < 1e-6
    assert metrics.added_energy(low, low + sine(2000, 0.5), 44_100) < 1e-6
    assert np.isnan(metrics.added_energy(np.zeros_like(low), high, 44_100))


@pytest.mark.parametrize("above", [4000.0, 5000.0, -1.0])
def test_added_energy_needs_bins_above(above):
    with pytest.raises(ValueError, match=f"below 4000 Hz. Received: above={above}"):
        metrics.added_energy(noise(4096), noise(4096), 8000, above=above)


def magnitudes_by_hand(audio, n_fft):
    """Returns STFT magnitudes `(frames, bins)` in float64: padded by reflection, a periodic Hann window, a hop of a quarter."""
    padded = np.pad(audio.astype(np.float64), n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    starts = range(0, len(padded) - n_fft + 1, n_fft // 4)
    return np.abs(np.stack([np.fft.rfft(padded[start : start + n_fft] * window) for start in starts]))


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("sample_rate", [8000, 44_100])
def test_the_mel_distance_is_the_formula(sample_rate):
    x, y = noise(6000), noise(6000, seed=1, level=0.03)
    expected = 0.0
    for n_fft, bands in zip((32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320)):
        mel = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=bands)
        levels = [np.log10(np.maximum(magnitudes_by_hand(audio, n_fft) @ mel.T, 1e-5)) for audio in (x, y)]
        expected += np.abs(levels[0] - levels[1]).mean()
    assert metrics.mel_distance(x, y, sample_rate) == pytest.approx(expected, rel=1e-5)


def test_the_stft_distance_is_the_formula():
    x, y = noise(6000), noise(6000, seed=1, level=0.03)
    expected = 0.0
    for n_fft in (2048, 512):
        first, second = (magnitudes_by_hand(audio, n_fft) for audio in (x, y))
        levels = [np.log10(np.maximum(magnitude, 1e-5) ** 2) for magnitude in (first, second)]
        expected += np.abs(levels[0] - levels[1]).mean() + np.abs(first - second).mean()
    assert metrics.stft_distance(x, y) == pytest.approx(expected, rel=1e-5)


def test_both_distances_of_a_gain():
    x = noise(2, 8192)
    # At 8 kHz every mel band holds a bin.
    np.testing.assert_allclose(metrics.mel_distance(x, x / 10, 8000), 7.0, rtol=1e-5)
    sizes = [sum(magnitudes_by_hand(audio, n_fft).mean() for n_fft in (2048, 512)) for audio in x]
    np.testing.assert_allclose(metrics.stft_distance(x, x / 10), 4 + 0.9 * np.array(sizes), rtol=1e-4)
    assert metrics.mel_distance(x, x, 8000).tolist() == metrics.stft_distance(x, x).tolist() == [0, 0]
    assert metrics.mel_distance(x, -x, 8000).tolist() == metrics.stft_distance(x, -x).tolist() == [0, 0]  # the phase is free


def test_below_the_least_magnitude_all_is_silence():
    x, zeros = np.full(8192, 1e-12, np.float32), np.zeros(8192, np.float32)
    assert metrics.mel_distance(x, zeros, 8000) == 0
    assert 0 < metrics.stft_distance(x, zeros) < 1e-10  # magnitudes differ, levels do not


KBPS, DB = np.array([6.0, 11.0, 24.0, 50.0]), np.array([9.0, 14.0, 21.0, 30.0])


def test_the_bd_rate_of_a_share_of_the_bits_is_that_share():
    assert metrics.bd_rate(KBPS, DB, 0.9 * KBPS, DB) == pytest.approx(-10, rel=1e-12)
    assert metrics.bd_rate(KBPS, DB, 2 * KBPS, DB) == pytest.approx(100, rel=1e-12)
    assert metrics.bd_rate(KBPS, DB, KBPS, DB) == 0
    # The unit of the quality, and the order of the points, do not matter.
    assert metrics.bd_rate(KBPS, 3 * DB + 7, 0.9 * KBPS[::-1], 3 * DB[::-1] + 7) == pytest.approx(-10, rel=1e-12)


def test_the_bd_rate_is_over_common_qualities():
    """Lines over the logarithm of the rate: the difference is linear, so its mean is that in the middle of the overlap."""
    first, second = 2.0 ** np.arange(5), 3.0 * 2.0 ** np.arange(5)  # 6 dB, and 5 dB, an octave
    quality, other = 6.0 * np.arange(5), 4 + 5.0 * np.arange(5)  # overlap: 4 to 24 dB
    octaves = np.log2(3) + (14 - 4) / 5 - 14 / 6
    assert metrics.bd_rate(first, quality, second, other) == pytest.approx(100 * (2**octaves - 1), rel=1e-12)


def test_points_that_cost_more_for_no_more_are_left_out():
    kbps, quality = np.append(KBPS, [40.0, 50.0, 60.0]), np.append(DB, [21.0, 29.0, 29.5])
    assert metrics.bd_rate(KBPS, DB, 0.9 * kbps, quality) == pytest.approx(-10, rel=1e-12)


def test_the_bd_rate_without_common_qualities_is_not_a_number():
    assert np.isnan(metrics.bd_rate(KBPS, DB, KBPS, DB + 30))
    assert np.isnan(metrics.bd_rate(KBPS, DB, [8.0], [12.0]))
    assert np.isnan(metrics.bd_rate(KBPS, DB, KBPS, -DB))  # more bits, less quality: one point is left


@pytest.mark.parametrize("kbps, quality", [([0, 1], [1, 2]), ([1, 2], [1, np.inf]), ([1, 2], [1, 2, 3])])
def test_the_bd_rate_needs_points(kbps, quality):
    with pytest.raises(ValueError, match=r"Received: kbps=\[\d"):
        metrics.bd_rate(KBPS, DB, kbps, quality)


def test_the_studys_bitrates():
    assert metrics.nominal_kbps(64 * 126, 65_536 / 8000) == 15.75
    assert metrics.nominal_kbps(64 * 126, 65_536 / 8000, bits=8) == 7.875
    assert metrics.compression_ratio(65_536, 64 * 126) == pytest.approx(8.127, abs=1e-3)
    assert metrics.real_kbps(16_000, 2.0) == 64.0


def test_nothing_has_no_bitrate():
    with pytest.raises(ValueError, match="Received: seconds=0"):
        metrics.real_kbps(10, 0)
    with pytest.raises(ValueError, match="Received: seconds=-1"):
        metrics.nominal_kbps(10, -1)
    with pytest.raises(ValueError, match="Received: latent_values=0"):
        metrics.compression_ratio(10, 0)


SPECTRAL = [
    metrics.spectral_rmse,
    metrics.magnitude_rmse,
    metrics.log_spectral_distance,
    metrics.si_sdr,
    lambda x, y: metrics.added_energy(x, y, 44_100),
]


@pytest.mark.parametrize("metric", SPECTRAL)
def test_each_clip_is_measured_alone(metric):
    x, y = noise(2, 3, 4096), noise(2, 3, 4096, seed=1)
    together = metric(x, y)
    assert together.shape == (2, 3)
    assert np.ndim(metric(x[0, 1], y[0, 1])) == 0
    np.testing.assert_allclose(together[0, 1], metric(x[0, 1], y[0, 1]), rtol=1e-5)


@pytest.mark.parametrize("metric", [*SPECTRAL, metrics.measure])
def test_wrong_audio_is_named(metric):
    with pytest.raises(ValueError, match=r"Received: \(2, 4096\) and \(2, 4095\)"):
        metric(noise(2, 4096), noise(2, 4095))
    with pytest.raises(ValueError, match="Received: int16"):
        metric(noise(2, 4096), np.zeros((2, 4096), np.int16))


def test_measure_is_the_metrics():
    x, y = noise(3, 8192), noise(3, 8192, seed=1)
    table = metrics.measure(x, x + 0.1 * y)
    assert list(table) == ["spectral_rmse", "magnitude_rmse", "log_spectral_distance_db", "si_sdr_db"]
    assert (table.dtypes == np.float64).all()
    for name, metric in zip(table, SPECTRAL):
        np.testing.assert_allclose(table[name], metric(x, x + 0.1 * y), rtol=1e-4)
    with pytest.raises(ValueError, match=r"Received: shape \(8192,\)"):
        metrics.measure(x[0], x[0])


def segments(artists, track_ids=None):
    return pd.DataFrame({"track_id": range(len(artists)) if track_ids is None else track_ids, "artist": list(artists)})


def test_pool_exact_values():
    table = pd.DataFrame({"spectral_rmse": [3.0, 4.0, 5.0], "log_spectral_distance_db": [1.0, 2.0, 6.0]})
    pooled = metrics.pool(table, segments("aab", [7, 7, 9]))
    assert pooled["spectral_rmse"] == pytest.approx(np.sqrt(50 / 3))
    assert pooled["log_spectral_distance_db"] == pytest.approx(3.0)
    assert pooled["n_clips"] == 2 and pooled["n_segments"] == 3
    # Squares of positive errors have a logarithmic scale, and the root of their interval is the RMSE's.
    squares = intervals.over_artists([9, 16, 25], list("aab"), bounds=intervals.POSITIVE)
    assert pooled["spectral_rmse_ci95"] == pytest.approx(np.sqrt(squares))
    distances = intervals.over_artists([1, 2, 6], list("aab"), bounds=intervals.POSITIVE)
    assert pooled["log_spectral_distance_db_ci95"] == pytest.approx(distances) and distances[0] < 3 < distances[1]


def test_decibels_of_any_sign_have_student_s_interval():
    pooled = metrics.pool(pd.DataFrame({"si_sdr_db": [-1.0, 2.0, 5.0]}), segments("abc"))
    half = stats.t.ppf(0.975, 2) * np.sqrt(3)  # means of three artists with a deviation of 3
    assert pooled["si_sdr_db_ci95"] == pytest.approx([2 - half, 2 + half])


def test_the_pooled_rmse_is_the_rmse_over_everything():
    x, y = noise(6, 8192) * np.arange(1, 7, dtype=np.float32)[:, None], noise(6, 8192, seed=1)
    pooled = metrics.pool(metrics.measure(x, y), segments("aabbcc"))
    difference = np.stack([theirs(a - b) for a, b in zip(x, y)])
    everything = np.sqrt(np.mean(difference.real**2 + difference.imag**2) / 2)
    assert pooled["spectral_rmse"] == pytest.approx(everything, rel=1e-4)


def test_pool_takes_artists_not_segments_as_independent():
    values = np.random.default_rng(0).normal(10, 1, 40)
    alone = metrics.pool(pd.DataFrame({"x": values}), segments(range(40)))["x_ci95"]
    half = 1.96 * values.std() / np.sqrt(40)
    assert alone == pytest.approx([values.mean() - half, values.mean() + half], abs=0.05)
    copies = metrics.pool(pd.DataFrame({"x": np.repeat(values, 10)}), segments(np.repeat(range(40), 10)))["x_ci95"]
    assert copies == pytest.approx(alone)


def test_a_single_artist_has_no_interval():
    pooled = metrics.pool(pd.DataFrame({"x": [1.0, 2.0]}), segments("aa"))
    assert pooled["x"] == 1.5 and pooled["x_ci95"] is None


def test_pool_goes_into_json():
    x = noise(3, 4096)
    estimates = x.copy()
    estimates[1] = 0.0
    pooled = metrics.pool(metrics.measure(x, estimates), segments("abc"))
    assert pooled["si_sdr_db"] is None and pooled["si_sdr_db_ci95"] is None
    assert json.loads(json.dumps(pooled, allow_nan=False)) == pooled


def test_a_silent_reference_does_not_define_si_sdr():
    x, y = noise(4, 4096), noise(4, 4096, seed=1)
    x[0] = 0.0
    table = metrics.measure(x, y)
    pooled = metrics.pool(table, segments("abcc"))
    assert pooled["si_sdr_db"] == pytest.approx(table["si_sdr_db"][1:].mean())
    assert np.isfinite(pooled["si_sdr_db_ci95"]).all()
    assert pooled["spectral_rmse"] > 0 and pooled["n_segments"] == 4


def test_artists_with_nothing_but_silence_do_not_count():
    table = pd.DataFrame({"si_sdr_db": [np.nan, 3.0, 5.0], "x_rmse": [1.0, 1.0, 1.0]})
    pooled = metrics.pool(table, segments("abb"))
    assert pooled["si_sdr_db"] == 4.0 and pooled["si_sdr_db_ci95"] is None  # a single artist is left
    assert pooled["x_rmse_ci95"] == [1.0, 1.0]
    silent = metrics.pool(table[:1], segments("a"))
    assert silent["si_sdr_db"] is None and silent["si_sdr_db_ci95"] is None


def test_a_model_that_diverged_is_not_left_out():
    x, y = noise(2, 4096), noise(2, 4096, seed=1)
    y[0, 100] = np.nan
    pooled = metrics.pool(metrics.measure(x, y), segments("ab"))
    assert pooled["spectral_rmse"] is None and pooled["log_spectral_distance_db"] is None


def test_pool_repeats_and_needs_a_row_for_each_segment():
    table = pd.DataFrame({"x": np.arange(10.0)}, index=np.zeros(10, int))  # tables of batches joined: indexes repeat
    assert metrics.pool(table, segments("aabbccddee")) == metrics.pool(table, segments("aabbccddee"))
    with pytest.raises(ValueError, match="Received: 10 for 3"):
        metrics.pool(table, segments("abc"))
    with pytest.raises(ValueError, match="Received: 0 for 0"):
        metrics.pool(table[:0], segments(""))
