"""Perceptual measures: exact scores where their packages are installed, honest errors everywhere."""

import sys
import types

import numpy as np
import pytest
import soxr

from fmalib.codec import metrics, quality

HERE = quality.installed()
RATE = 48_000


def music(seconds=2.0, rate=RATE):
    """Returns a plucked chord, decaying twice a second."""
    time = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * frequency * time) / number for number, frequency in enumerate((220, 277, 330, 1760), 1))
    return (0.2 * chord * np.exp(-4 * (time % 0.5))).astype(np.float32)


def noise(level, samples, seed=0):
    return np.random.default_rng(seed).normal(0, level, samples).astype(np.float32)


@pytest.mark.parametrize("name, best", [("zimtohrli", 5.0), ("visqol", 4.732101)])
def test_the_best_score_is_of_an_identical_sound(name, best):
    if name not in HERE:
        pytest.skip(quality.hint())
    sound = music()
    measure = HERE[name]
    assert measure(sound, sound, RATE) == pytest.approx(best, abs=1e-4)
    scores = [measure(sound, sound + noise(level, len(sound)), RATE) for level in (0.0001, 0.001, 0.01)]
    assert best > scores[0] > scores[1] > scores[2] >= 1


@pytest.mark.parametrize("name", HERE)
def test_other_rates_are_resampled(name):
    sound = music(rate=44_100)
    worse = sound + noise(0.01, len(sound))
    at_48 = (soxr.resample(audio, 44_100, RATE, quality="HQ") for audio in (sound, worse))
    assert HERE[name](sound, worse, 44_100) == pytest.approx(HERE[name](*at_48, RATE), abs=1e-3)


@pytest.mark.parametrize("name", quality.MEASURES)
def test_wrong_audio_is_refused_before_any_package_is_asked_for(name, monkeypatch):
    monkeypatch.setattr(quality, "_module", None)
    measure, sound = quality.MEASURES[name], music()
    with pytest.raises(ValueError, match=r"Received: shapes \(96000,\) and \(95999,\)"):
        measure(sound, sound[:-1], RATE)
    with pytest.raises(ValueError, match=r"Received: shapes \(2, 48000\)"):
        measure(sound.reshape(2, -1), sound.reshape(2, -1), RATE)
    with pytest.raises(ValueError, match="Received: int64"):
        measure(np.zeros(RATE, np.int64), sound, RATE)
    with pytest.raises(ValueError, match=r"At least 1 s .* Received: 0.999 s"):
        measure(sound[:47_952], sound[:47_952], RATE)
    broken = sound.copy()
    broken[7] = np.inf
    with pytest.raises(ValueError, match="Received: inf"):
        measure(sound, broken, RATE)


def test_measures_of_a_batch_are_those_of_each_segment(monkeypatch):
    monkeypatch.setattr(quality, "installed", lambda: {"distance": lambda x, y, rate: np.abs(x - y).max() * rate})
    reference = np.stack([music(), music()[::-1]])
    estimate = reference + noise(0.01, reference.shape)
    table = quality.measure(reference, estimate, RATE)
    assert list(table) == ["si_sdr_db", "mel_distance", "stft_distance", "distance"]
    for row, x, y in zip(table.itertuples(), reference, estimate):
        assert row.si_sdr_db == metrics.si_sdr(x, y)
        assert row.mel_distance == pytest.approx(metrics.mel_distance(x, y, RATE), rel=1e-6)
        assert row.stft_distance == pytest.approx(metrics.stft_distance(x, y), rel=1e-6)
        assert row.distance == np.float64(np.abs(x - y).max() * RATE)
    with pytest.raises(ValueError, match=r"Received: shape \(96000,\)"):
        quality.measure(reference[0], estimate[0], RATE)


def test_a_missing_package_is_left_out_and_named(monkeypatch):
    monkeypatch.setattr(quality, "_is_installed", lambda package: package != "visqol-python")
    assert list(quality.installed()) == ["zimtohrli"]
    line = "Not installed, so not measured: visqol-python; pip install 'fmalib[quality]' (it needs a C++ compiler)"
    assert quality.hint() == line
    quality._visqol.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fmalib\[quality\]'. Received: no package 'visqol-python'"):
        quality.visqol(music(), music(), RATE)
    monkeypatch.setattr(quality, "_is_installed", lambda package: True)
    assert list(quality.installed()) == ["zimtohrli", "visqol"] and quality.hint() == ""


def test_a_module_of_that_name_is_not_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "visqol", types.ModuleType("visqol"))
    monkeypatch.setitem(quality.PACKAGES, "visqol", "no-such-package-of-quality")
    assert "visqol" not in quality.installed()
