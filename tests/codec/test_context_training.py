"""Examples for the network of `learned`: what a coder sees, the same with any number of processes; training and rounding."""

import keras
import numpy as np
import pytest
import soundfile

from fmalib.codec import context_training, entropy, integer_network, learned_contexts
from fmalib.models.entropy_layers import ConditionalTables

RATE = 8000


def song(seed, seconds=3.0):
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    notes = sum(np.sin(2 * np.pi * hertz * time) * np.exp(-3 * (time % 0.5)) for hertz in rng.uniform(100, 2000, 4))
    return (0.2 * notes + 0.01 * rng.normal(size=len(time))).astype(np.float32)[:, None]


def read(rng):
    return song(rng.integers(1 << 31)), RATE


@pytest.fixture(scope="module")
def gathered():
    return context_training.gather(read, 6, seed=1, progress=False)


def network(width=8):
    """Returns a compiled network of the shape that notebook 07 shows."""
    given, bits = {}, {}
    for number, inputs in enumerate(learned_contexts.INPUTS):
        for name, shape, kind in (("inputs", (inputs,), "float32"), ("sizes", (), "int32"), ("sets", (), "int32")):
            given[f"{name}_{number}"] = keras.Input(shape, dtype=kind, name=f"{name}_{number}")
        x = keras.layers.Rescaling(1 / 256)(given[f"inputs_{number}"])
        y = keras.layers.Dense(width, activation="relu", name=f"hidden_{number}")(x)
        y = keras.layers.Dense(width, activation="relu", name=f"second_{number}")(y)
        y = keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(22), name=f"scale_{number}")(y)
        y = keras.layers.Add(name=f"sum_{number}")([y, keras.layers.Dense(1, use_bias=False, name=f"straight_{number}")(x)])
        tables = ConditionalTables(entropy.prior(), entropy.SHIFTS, name=f"pass_{number}")
        bits[f"pass_{number}"] = tables([keras.layers.Reshape(())(y), given[f"sizes_{number}"], given[f"sets_{number}"]])
    model = keras.Model(given, bits)
    losses = dict.fromkeys(bits, context_training.relative_bits)
    model.compile(keras.optimizers.Adam(5e-3), losses, loss_weights=dict(zip(bits, context_training.SHARES)))
    return model


def test_examples_have_the_shapes_of_the_network(gathered):
    for number, inputs in enumerate(learned_contexts.INPUTS):
        columns = [gathered[f"{name}_{number}"] for name in context_training.COLUMNS]
        assert columns[0].shape == (len(columns[1]), inputs)
        assert [each.dtype for each in columns] == [np.int16, np.int32, np.int8, np.float32]
        assert set(np.unique(columns[2])) <= {0, 1}
    assert gathered["followed"].shape == (4, 4)
    assert len(gathered["sizes_2"]) == pytest.approx(2 * len(gathered["sizes_0"]), rel=0.1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_seed_and_not_the_processes_decides(gathered, jobs):
    again = context_training.gather(read, 6, seed=1, jobs=jobs, progress=False)
    assert set(again) == set(gathered)
    assert all(np.array_equal(again[name], gathered[name]) for name in again)


def test_silence_is_refused():
    with pytest.raises(ValueError, match="Received: 2 silent excerpts"):
        context_training.gather(lambda rng: (np.zeros((RATE, 1), np.float32), RATE), 2, progress=False)


@pytest.mark.parametrize("profile", ["waveform", "listening"])
def test_a_weight_is_one_over_the_bits_of_a_coefficient(profile):
    chunk, header = context_training.coded(song(0), RATE, 2.0, profile)
    assert header.profile == profile
    assert chunk.values.shape[:2] == (1, header.frames)
    parts, _ = context_training.examples(song(0), RATE, profile, 0)
    assert len({float(part[3][0]) for part in parts}) == 1
    assert 1 / parts[0][3][0] == pytest.approx(np.log2(1 + 3 * parts[2][1]).mean(), rel=0.3)


def test_epochs_have_orders_of_their_own_and_can_be_taken_up(gathered):
    data = context_training.Examples(gathered, gathered, "key", batch_size=64)
    given, weights = next(iter(data.crops(0)))
    assert [given[f"sizes_{number}"].shape[0] for number in range(3)] == [16, 16, 32]
    assert [weights[f"pass_{number}"].shape[0] for number in range(3)] == [16, 16, 32]
    steps = data.steps_per_epoch
    assert steps == min(len(gathered[f"sizes_{number}"]) // size for number, size in enumerate((16, 16, 32)))
    second = next(iter(data.crops(0).skip(steps)))[0]["inputs_0"]
    np.testing.assert_array_equal(second, next(iter(data.crops(0, first_epoch=1)))[0]["inputs_0"])
    assert not np.array_equal(second, given["inputs_0"])
    assert len(list(data.held_out())) == steps
    assert data.content() == {"examples": "key", "batch_size": 64}


def test_training_saves_bits_and_rounding_keeps_scales(gathered):
    keras.utils.set_random_seed(0)
    data, model = context_training.Examples(gathered, gathered, "key", batch_size=512), network()
    history = model.fit(data.crops(0), steps_per_epoch=30, epochs=5, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    found = context_training.exported(model, gathered["followed"])
    inputs = gathered["inputs_1"][:300].astype(np.float32)
    plain = keras.Model(model.get_layer("inputs_1").output, model.get_layer("sum_1").output)(inputs)
    plain = np.clip(np.asarray(plain)[:, 0], 0, entropy.SCALES - 1)
    assert np.abs(found.scales(1, inputs.astype(np.float64)) - plain).max() < 0.52
    splits = found.counts[6 * entropy.SCALES, :4]
    followed = gathered["followed"][0] + 0.5
    np.testing.assert_allclose(splits / splits.sum(), followed / followed.sum(), atol=0.002)


def test_training_goes_on_from_a_network(gathered):
    keras.utils.set_random_seed(0)
    trained = network()
    trained.fit(context_training.Examples(gathered, gathered, "key", 512).crops(0), steps_per_epoch=20, verbose=0)
    exported = context_training.exported(trained, gathered["followed"])
    other = network()
    context_training.start_from(other, exported)
    again = context_training.exported(other, gathered["followed"])
    for one, two in zip(exported.passes, again.passes):
        assert all(np.array_equal(one[name], two[name]) for name in integer_network.NAMES)
    assert np.abs(again.counts - exported.counts).max() <= 18  # each count has one more than its share


def test_a_reader_reads_no_more_than_a_minute(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros((8000 * 70, 2)), 8000)
    audio, rate = context_training.reader([tmp_path / "long.wav"])(np.random.default_rng(0))
    assert rate == 8000
    assert audio.shape[1] == 2
    assert 60 * 8000 <= len(audio) < 70 * 8000


def test_an_excerpt_is_at_one_of_the_rates():
    rng = np.random.default_rng(0)
    stereo = np.zeros((44_100 * 20, 2), np.float32)
    found = [context_training.excerpt(stereo, 44_100, rng) for _ in range(40)]
    assert {rate for _, rate in found} == {8000, 16_000, 44_100}
    assert {audio.shape[1] for audio, _ in found} == {1, 2}
    assert all(len(audio) == pytest.approx(context_training.SECONDS * rate, abs=1) for audio, rate in found)
