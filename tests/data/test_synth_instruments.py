import numpy as np
import pytest

from fmalib.data import synth_instruments
from fmalib.data.synth_recipes import TIMBRES, Timbre


@pytest.mark.parametrize("name", TIMBRES)
def test_every_instrument_plays_at_about_unit_level_and_is_seeded(name):
    note, again = (synth_instruments.play(TIMBRES[name], 60, 0.5, np.random.default_rng(0)) for _ in range(2))
    assert note.shape == (22050,) and note.dtype == np.float32
    assert 0.05 < np.sqrt(np.mean(note**2)) < 2 and abs(note[-1]) < 0.1
    np.testing.assert_array_equal(note, again)


@pytest.mark.parametrize("method", ["wave", "fm", "pluck"])
def test_the_pitch_is_the_one_asked_for(method):
    note = synth_instruments.play(Timbre(method, index=0.5), 69, 1, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note))))
    assert abs(spectrum[:600].argmax() - 440) <= 2  # bins of 1 Hz


def test_the_drums_are_tuned_by_the_seed():
    first, again, other = (synth_instruments.drum_kit(np.random.default_rng(seed), ["kick", "hat"]) for seed in (0, 0, 1))
    assert list(first) == ["kick", "hat"] and first["kick"].dtype == np.float32
    np.testing.assert_array_equal(first["hat"], again["hat"])
    assert np.abs(first["kick"] - other["kick"]).max() > 0.01
