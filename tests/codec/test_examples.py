"""Examples for the networks of `learned`: what a coder sees, the same with any number of processes."""

import numpy as np
import pytest
import soundfile
from helpers import music

from fmalib.codec import examples, integer_network, learned_contexts, signs

RATE = 8000


@pytest.fixture(scope="module")
def gathered():
    return examples.gather(music, 6, seed=1, progress=False)


def test_examples_have_the_shapes_of_the_network(gathered):
    for number, inputs in enumerate(learned_contexts.INPUTS):
        columns = [gathered[f"{name}_{number}"] for name in ("inputs", "sizes", "sets", "pass_weights")]
        assert columns[0].shape == (len(columns[1]), inputs)
        assert [each.dtype for each in columns] == [np.int16, np.int32, np.int8, np.float32]
        assert set(np.unique(columns[2])) <= {0, 1}
    assert gathered["followed"].shape == (4, 4)
    assert len(gathered["sizes_2"]) == pytest.approx(2 * len(gathered["sizes_0"]), rel=0.1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_seed_and_not_the_processes_decides(gathered, jobs):
    again = examples.gather(music, 6, seed=1, jobs=jobs, progress=False)
    assert set(again) == set(gathered)
    assert all(np.array_equal(again[name], gathered[name]) for name in again)


def test_silence_is_refused():
    with pytest.raises(ValueError, match="Received: 2 silent excerpts"):
        examples.gather(lambda rng: (np.zeros((RATE, 1), np.float32), RATE), 2, progress=False)


@pytest.mark.parametrize("profile", ["waveform", "listening"])
def test_a_weight_is_one_over_the_bits_of_a_coefficient(profile):
    chunk, header = examples.coded(*music(np.random.default_rng(0)), 2.0, profile)
    assert header.profile == profile
    assert chunk.values.shape[:2] == (1, header.frames)
    found, _ = examples.examples(*music(np.random.default_rng(0)), profile, 0)
    weights = {float(each) for name in found if "weights" in name for each in found[name]}
    assert len(weights) == 1
    assert 1 / weights.pop() == pytest.approx(np.log2(1 + 3 * found["sizes_2"]).mean(), rel=0.3)


def test_examples_of_signs_have_the_shapes_of_the_network(gathered):
    for number, inputs in enumerate(signs.SIGNED):
        columns = [gathered[f"{name}_{number}"] for name in ("signed", "told", "negative", "sign_weights")]
        count = len(columns[2])
        assert count > 100
        assert [each.shape for each in columns] == [(count, inputs), (count, signs.TOLD), (count,), (count,)]
        assert [each.dtype for each in columns] == [np.int16, np.int16, np.int8, np.float32]
        assert set(np.unique(columns[2])) == {0, 1}
        assert np.abs(columns[0]).max() < integer_network.UNIT


def test_a_reader_reads_no_more_than_a_minute(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros((8000 * 70, 2)), 8000)
    audio, rate = examples.reader([tmp_path / "long.wav"])(np.random.default_rng(0))
    assert rate == 8000
    assert audio.shape[1] == 2
    assert 60 * 8000 <= len(audio) < 70 * 8000


def test_an_excerpt_is_at_one_of_the_rates():
    rng = np.random.default_rng(0)
    stereo = np.zeros((44_100 * 20, 2), np.float32)
    found = [examples.excerpt(stereo, 44_100, rng) for _ in range(40)]
    assert {rate for _, rate in found} == {8000, 16_000, 44_100}
    assert {audio.shape[1] for audio, _ in found} == {1, 2}
    assert all(len(audio) == pytest.approx(examples.SECONDS * rate, abs=1) for audio, rate in found)
