"""What the envelope learns from: its powers, components of bands, examples as the coder sees them."""

import numpy as np
import pytest

from fmalib.codec import envelope, envelope_training, learned_envelope

RATE = 8000


def song(channels=2, seconds=2.0):
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE))[:, None] / RATE
    return np.sin(2 * np.pi * 440 * time) * np.exp(-9 * (time % 0.5)) + 0.1 * rng.normal(size=(len(time), channels))


def test_powers_are_of_channels_and_of_mid_and_side():
    same = np.repeat(song(1), 2, axis=1)
    versions = envelope_training.powers(same, RATE)
    assert versions.shape == (2, 2, 201, 17)
    np.testing.assert_array_equal(versions[0, 0], versions[0, 1])
    np.testing.assert_allclose(versions[1, 0], versions[0, 0] + 1, atol=1e-9)  # an octave: the mid has twice the power
    assert (versions[1, 1] == envelope.FLOOR).all()
    assert envelope_training.powers(same[:, :1], RATE).shape == (1, 1, 201, 17)


def test_components_are_of_mid_left_and_side_at_each_rate(monkeypatch):
    monkeypatch.setattr(envelope_training, "RATES", (8000, 16_000))
    found = envelope_training.components([(song(), RATE)])
    assert {name: basis.shape for name, basis in found.items()} == {"17": (17, 17), "21": (21, 21)}
    versions = envelope_training.powers(song(), RATE)
    np.testing.assert_array_equal(found["17"], envelope.principal([versions[1, 0], versions[0, 0], versions[1, 1]]))


def test_examples_are_what_the_coder_sees(monkeypatch):
    monkeypatch.setattr(envelope_training, "TAKEN", (1.0, 1.0, 1.0))
    monkeypatch.setattr(envelope_training, "STEPS", (24, 24))
    parts, splits = envelope_training.examples(song(1), RATE, np.random.default_rng(0))
    sizes = np.abs(envelope.quantise(envelope_training.powers(song(1), RATE)[0], 24, envelope.learned(17)))
    sizes = sizes.reshape(13, 16, 17)
    assert splits.tolist() == [0]
    for (inputs, found, sets, weights), rows in zip(parts, (slice(1), slice(1, 4), slice(4, 16))):
        np.testing.assert_array_equal(found, sizes[:, rows].ravel())
        assert inputs.shape == (found.size, learned_envelope.INPUTS[0]) and inputs.dtype == np.int16
        assert not sets.any()
        assert weights[0] == pytest.approx(1 / np.log2(1 + 3 * sizes).mean())
    near = learned_envelope.Blocks(1, 17, 24, None)
    near.next_frame(sizes[:1].reshape(1, -1))
    np.testing.assert_array_equal(parts[0][0][17:34], near.inputs(0))


def test_silence_has_no_examples():
    assert envelope_training.examples(np.zeros((RATE, 1)), RATE, np.random.default_rng(0)) is None


def test_bytes_are_compared_with_rules_by_hand():
    table = envelope_training.compare([(song(), RATE)], {"package": learned_envelope.network()}, steps=(24,))
    values = envelope.quantise(envelope_training.powers(song().mean(axis=1, keepdims=True), RATE)[0], 24, envelope.learned(17))
    learned = envelope.pack(values, learned_envelope.Blocks(1, 17, 24, learned_envelope.network()))
    assert table.loc[24, "package"] == pytest.approx(100 * (len(learned) / len(envelope.pack(values)) - 1))
