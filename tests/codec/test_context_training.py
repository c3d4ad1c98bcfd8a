"""Training of the networks of `learned`: batches, bits that training saves, rounding, and going on."""

import keras
import numpy as np
import pytest
from helpers import music

from fmalib.codec import context_training, entropy, examples, integer_network, learned_contexts, signs
from fmalib.codec.integer_network import FINE, UNIT
from fmalib.models.entropy_layers import ConditionalTables


@pytest.fixture(scope="module")
def gathered():
    return examples.gather(music, 6, seed=1, progress=False)


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
    model.compile(keras.optimizers.Adam(5e-3), losses, loss_weights=dict(zip(bits, examples.CONTEXTS.shares)))
    return model


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
    assert data.content() == {"examples": "key", "columns": ["inputs", "sizes", "sets"], "batch_size": 64}
    assert data.of_signs().content() == {"examples": "key", "columns": ["signed", "told", "negative"], "batch_size": 64}
    given, weights = next(iter(data.of_signs().crops(0)))
    assert given["signed_1"].shape == (32, signs.SIGNED[1])
    assert weights["sign_0"].shape == (32,)


def test_training_saves_bits_and_rounding_keeps_scales(gathered):
    keras.utils.set_random_seed(0)
    data, model = context_training.Examples(gathered, gathered, "key", batch_size=512), network()
    history = model.fit(data.crops(0), steps_per_epoch=30, epochs=5, verbose=0, shuffle=False).history["loss"]
    assert history[-1] < 0.8 * history[0]
    found = context_training.exported(model, gathered["followed"])
    inputs = gathered["inputs_1"][:300].astype(np.float32)
    plain = keras.Model(model.get_layer("inputs_1").output, model.get_layer("sum_1").output)(inputs)
    plain = np.clip(np.asarray(plain)[:, 0], 0, entropy.SCALES - 1)
    assert np.abs(found.scales(1, inputs.astype(np.float64)) - plain).max() < 0.54
    splits = found.counts[6 * entropy.SCALES, :4]
    followed = gathered["followed"][0] + 0.5
    np.testing.assert_allclose(splits / splits.sum(), followed / followed.sum(), atol=0.002)


def test_training_goes_on_from_a_network(gathered):
    keras.utils.set_random_seed(0)
    trained = network()
    batches = context_training.Examples(gathered, gathered, "key", 512).crops(0)
    trained.fit(batches, steps_per_epoch=20, verbose=0, shuffle=False)
    exported = context_training.exported(trained, gathered["followed"])
    other = network()
    context_training.start_from(other, exported)
    again = context_training.exported(other, gathered["followed"])
    for one, two in zip(exported.passes, again.passes):
        assert all(np.array_equal(one[name], two[name]) for name in integer_network.NAMES)
    assert np.abs(again.counts - exported.counts).max() <= 18  # each count has one more than its share


def network_of_signs(width=16):
    """Returns a compiled network of the shape that notebook 07 shows."""
    given, bits = {}, {}
    for number, count in enumerate(signs.SIGNED):
        for name, shape in (("signed", (count,)), ("told", (signs.TOLD,)), ("negative", ())):
            given[f"{name}_{number}"] = keras.Input(shape, name=f"{name}_{number}")
        scaled = [keras.layers.Rescaling(1 / 256)(given[f"{name}_{number}"]) for name in ("signed", "told")]
        change = keras.layers.Dense(width, use_bias=False, name=f"change_{number}")(scaled[0])
        base = keras.layers.Dense(width, name=f"base_{number}")(scaled[1])
        second = keras.layers.Dense(width, activation="relu", name=f"second_{number}")
        out = keras.layers.Dense(1, use_bias=False, name=f"out_{number}")
        plus, minus = (out(second(keras.ops.relu(each))) for each in (base + change, base - change))
        logit = keras.layers.Identity(name=f"logit_{number}")((plus - minus)[:, 0])
        direction = 2 * keras.ops.cast(given[f"negative_{number}"], "float32") - 1
        bits[f"sign_{number}"] = keras.layers.Identity(name=f"sign_{number}")(keras.ops.softplus(direction * logit) / np.log(2))
    model = keras.Model(given, bits)
    model.compile(keras.optimizers.Adam(5e-3), dict.fromkeys(bits, context_training.relative_bits))
    return model


def test_signs_of_tones_are_learned_and_rounding_keeps_logits(gathered):
    keras.utils.set_random_seed(0)
    data, model = context_training.Examples(gathered, gathered, "key", batch_size=512).of_signs(), network_of_signs()
    history = model.fit(data.crops(0), steps_per_epoch=30, epochs=8, verbose=0, shuffle=False).history["loss"]
    assert history[-1] < 0.75 * history[0]
    found = context_training.exported_signs(model, data)
    signed, told = (gathered[f"{name}_1"][:300].astype(np.float32) for name in ("signed", "told"))
    seen = [model.get_layer(f"{name}_1").output for name in ("signed", "told")]
    plain = np.asarray(keras.Model(seen, model.get_layer("logit_1").output)([signed, told]))
    exact = found.logits(1, signed.astype(np.float64), told.astype(np.float64)) / (FINE * UNIT)
    assert np.abs(exact - plain).max() < 0.03
    right = found.counts[:, 0] / found.counts.sum(axis=1)
    assert right[0] < 0.65
    assert right[16] > right[0] + 0.1

    other = network_of_signs()
    context_training.start_signs_from(other, found)
    again = context_training.exported_signs(other, data)
    for one, two in zip(found.parts, again.parts):
        assert all(np.array_equal(one[name], two[name]) for name in integer_network.SIGN_NAMES)
