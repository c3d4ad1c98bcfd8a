"""What decides which run and which features are found."""

import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from keras import layers, ops

from fmalib import content
from fmalib.data import segments
from fmalib.genres import descriptors
from fmalib.models import architectures, classifiers, losses
from fmalib.training import runs


def key(build, settings=None, seed=0):
    runs.set_seed(seed)
    return content.key(content.training(build()), settings or {})


def network(*, filters=8, activation="relu", loss="mse", rate=1e-3, names=(None, None, None, None), metrics=None):
    """A small autoencoder with a nested encoder, a wrapped layer and Keras operations, named or not."""
    encoder_name, conv, wrapped, output = names
    audio = keras.Input((64,))
    x = layers.Reshape((16, 4))(audio)
    encoder = keras.Model(
        audio, layers.Conv1D(filters, 3, activation=activation, padding="same", name=conv)(x), name=encoder_name
    )
    x = layers.TimeDistributed(layers.Dense(4, name=wrapped))(ops.sqrt(ops.abs(encoder(audio)) + 1e-3))
    x = layers.Dropout(0.1)(layers.Bidirectional(layers.GRU(2, return_sequences=True))(x))
    model = keras.Model(audio, layers.Reshape((64,), name=output)(x))
    model.compile(keras.optimizers.Adam(rate), loss, metrics=metrics)
    return model


def test_building_the_same_twice_gives_the_same_key():
    assert len({key(network) for _ in range(3)}) == 1


@pytest.mark.parametrize("model", architectures.ARCHITECTURES["frequency"])
def test_the_librarys_networks_have_one_key(model):
    keys = {key(lambda: architectures.compiled("frequency", model, samples=8192, latent=8, std=0.1)) for _ in range(2)}
    assert len(keys) == 1


def test_names_of_layers_do_not_count():
    """Even where a name is that of a precision, a padding, a loss, another layer, or another part of the graph."""
    for names in (
        ("encoder", "conv", "dense", "out"),
        ("float32", "same", "relu", "mse"),
        ("adam", "latent", "latent", "Dense"),
    ):
        assert key(lambda names=names: network(names=names)) == key(network)


def test_half_precision_counts_whatever_the_names():
    keys = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            keys += [key(network), key(lambda: network(names=("float32", "mixed_float16", "adam", "out")))]
        finally:
            keras.config.set_dtype_policy("float32")
    assert keys[0] == keys[1] and keys[2] == keys[3] and keys[0] != keys[2]


def test_anything_that_decides_the_result_counts():
    schedule = runs.staircase(1e-3, steps_per_epoch=7)
    keys = [
        key(network),
        key(network, seed=1),
        key(network, {"epochs": 2}),
        key(network, {"epochs": 3}),
        key(lambda: network(filters=12)),
        key(lambda: network(activation="elu")),
        key(lambda: network(loss="mae")),
        key(lambda: network(loss=losses.AudioLoss("mse", 0.1))),
        key(lambda: network(loss=losses.AudioLoss("mse", 0.2))),
        key(lambda: network(rate=2e-3)),
        key(lambda: network(rate=schedule)),
        key(lambda: network(metrics=["mae"])),
        key(lambda: network(metrics=[keras.metrics.MeanAbsoluteError(name="distance")])),
    ]
    assert len(set(keys)) == len(keys)


def graph(wire, names=("a", "b", "c")):
    """Two layers of equal size and equal weights, wired in some way."""
    x = keras.Input((4,), name=names[0])
    first, second = (layers.Dense(4, kernel_initializer="ones", name=name) for name in names[1:])
    model = keras.Model(x, wire(x, first, second))
    model.compile("adam", "mse")
    return model


def test_how_layers_are_wired_counts():
    """Without names, graphs differ by the positions of their layers: none may fall together."""
    wirings = [
        lambda x, first, second: second(first(x)),
        lambda x, first, second: second(first(first(x))),
        lambda x, first, second: second(second(first(x))),
        lambda x, first, second: first(x) + second(x),
        lambda x, first, second: first(x) - second(first(x)),
        lambda x, first, second: second(first(x)) - first(x),
        lambda x, first, second: x - second(first(x)),
        lambda x, first, second: ops.maximum(first(x), second(x)),
        lambda x, first, second: layers.Concatenate()([first(x), second(first(x))]),
        lambda x, first, second: layers.Concatenate()([second(first(x)), first(x)]),
        lambda x, first, second: layers.Concatenate(axis=-1)([second(first(x)), x]),
    ]
    keys = [key(lambda wire=wire: graph(wire)) for wire in wirings]
    assert len(set(keys)) == len(keys)
    swapped = [key(lambda wire=wire: graph(wire, names=("c", "a", "b"))) for wire in wirings]
    assert swapped == keys


def test_settings_of_keras_operations_count():
    def build(pool, power, axis):
        x = keras.Input((64, 4))
        y = ops.mean(ops.average_pool(x**power, pool, pool), axis=axis)
        model = keras.Model(x, y)
        model.compile("adam", "mse")
        return model

    cases = [(2, 2, 1), (4, 2, 1), (2, 3, 1), (2, 2, 2)]
    keys = [key(lambda case=case: build(*case)) for case in cases]
    assert len(set(keys)) == len(cases) and key(lambda: build(2, 2, 1)) == keys[0]


def test_a_frozen_encoder_counts():
    def build(free):
        encoder = architectures.compiled("frequency", "deep", samples=65_536, latent=8).get_layer("encoder")
        model = classifiers.latent_classifier(encoder, 3)
        encoder.trainable = free
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    assert key(lambda: build(True)) != key(lambda: build(False))


def test_a_model_called_elsewhere_has_its_own_key():
    """Other models on the same layers add nodes to them, which are no part of the model."""
    runs.set_seed(0)
    model = network()
    before = content.training(model)
    encoder = model.layers[1]
    keras.Model(model.input, encoder(encoder.input) * 2.0)
    assert content.training(model) == before


def registered_in(module, *, factor=2.0, package="tests"):
    """Returns a layer class as if it were defined in a module of that name."""

    class Scaled(layers.Layer):
        def __init__(self, factor=factor, **options):
            super().__init__(**options)
            self.factor = factor

        def call(self, x):
            return x * self.factor

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    Scaled.__module__ = module
    sys.modules.setdefault(module, types.ModuleType(module))
    return keras.saving.register_keras_serializable(package=package)(Scaled) if package else Scaled


def test_moving_a_registered_class_to_another_module_changes_nothing():
    def build(**options):
        layer = registered_in(**options)()
        x = keras.Input((4,))
        model = keras.Model(x, layer(layers.Dense(4)(x)))
        model.compile("adam", "mse")
        return model

    here = key(lambda: build(module="old.place"))
    assert key(lambda: build(module="new.place")) == here
    assert key(lambda: build(module="new.place", factor=3.0)) != here
    assert key(lambda: build(module="new.place", package="others")) != here
    # Without registration a class is known by its module alone.
    assert key(lambda: build(module="one", package=None)) != key(lambda: build(module="other", package=None))


def noisy():
    return graph(lambda x, first, second: layers.Dropout(0.5)(second(first(x))))


def test_the_key_is_the_same_before_and_after_a_training():
    model, x = noisy(), np.ones((8, 4), np.float32)
    before = content.training(model)
    with runs._left_as_it_was(model):
        model.fit(x, x, epochs=2, verbose=0)
        assert content.training(model) != before
    assert content.training(model) == before


def test_the_state_of_the_optimizer_counts():
    model, x = noisy(), np.ones((8, 4), np.float32)
    before, weights = content.training(model), model.get_weights()
    model.fit(x, x, verbose=0)
    model.set_weights(weights)
    assert content.training(model) != before


CONSTANTS = [
    (losses, "TOTAL_VARIATION", 1.0),
    (segments, "SHUFFLE_SEGMENTS", 7),
    (classifiers, "CNN_FILTERS", (8, 8, 8)),
    (losses, "LOSSES", {**losses.LOSSES, "mse": losses.LOSSES["l1"]}),
    (losses, "LOSSES", {**losses.LOSSES, "mse": lambda target, output: target}),
]


@pytest.mark.parametrize("module, name, value", CONSTANTS)
def test_every_constant_of_the_library_counts(monkeypatch, module, name, value):
    """A loss with another weight of total variation was found as if it were the same."""
    before = content.code(*runs.DECISIVE)
    monkeypatch.setattr(module, name, value)
    assert content.code(*runs.DECISIVE) != before
    monkeypatch.undo()
    assert content.code(*runs.DECISIVE) == before


@pytest.mark.parametrize(
    "package, version, same", [("keras", "4.0.0", False), ("tensorflow", "3.1.0", False), ("keras", None, True)]
)
def test_major_versions_count(monkeypatch, package, version, same):
    before, real = content.code("signal"), content.importlib.metadata.version
    minor = real("keras").split(".")[0] + ".99"
    monkeypatch.setattr(
        content.importlib.metadata, "version", lambda name: (version or minor) if name == package else real(name)
    )
    assert (content.code("signal") == before) == same


def test_code_counts_and_comments_do_not(tmp_path):
    def code(text):
        file = tmp_path / "module.py"
        file.write_text(text)
        return content._code_of_file(file, text)

    documented = '"""What it is."""\nA = 1  # one\n\n\ndef f(x):\n    """Returns more."""\n    return x + A\n'
    redocumented = '"""Other words."""\nA = (1)\ndef f(x):\n    """Returns much."""\n    return x+A  # more\n'
    assert code(documented) == code(redocumented) != code(documented.replace("x + A", "x - A"))


def test_keys_are_equal_in_every_process():
    """Sets of strings and hashes of objects differ from process to process."""
    script = "from fmalib import content; print(content.code('data.segments', 'signal', 'models', 'training', 'genres'))"
    environments = [{"PYTHONHASHSEED": seed} for seed in ("1", "2")]
    keys = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **more}
        ).stdout
        for more in environments
    }
    assert keys == {content.code("data.segments", "signal", "models", "training", "genres") + "\n"}


def test_the_callers_own_code_counts():
    """Their classes have a name and a configuration; an edited `call` changes neither."""

    def build(factor, loss=None):
        class Own(layers.Layer):
            def call(self, x):
                return x * 2.0 if factor == 2 else x * 3.0

        class Other(layers.Layer):
            def call(self, x):
                return x * 4.0

        Other.__name__, Other.__qualname__ = Own.__name__, Own.__qualname__
        x = keras.Input((4,))
        model = keras.Model(x, layers.Dense(4)((Own if factor else Other)(name="own")(x)))
        model.compile("adam", loss or "mse")
        return model

    def first(target, output):
        return ops.mean(ops.abs(target - output), axis=-1)

    def second(target, output):
        return ops.mean(ops.square(target - output), axis=-1)

    second.__name__, second.__qualname__ = first.__name__, first.__qualname__
    assert key(lambda: build(2)) == key(lambda: build(2)) != key(lambda: build(0))
    assert key(lambda: build(2, first)) == key(lambda: build(2, first)) != key(lambda: build(2, second))


def test_a_networks_key_is_its_layers_and_weights():
    """Two encoders of equal weights may differ in what has no weights: an activation, a stride."""

    def encoder(activation="relu", ones="ones"):
        x = keras.Input((8,))
        return keras.Model(x, layers.Dense(2, activation=activation, kernel_initializer=ones)(x))

    keys = [content.network(model) for model in (encoder(), encoder(), encoder("elu"), encoder(ones="zeros"))]
    assert keys[0] == keys[1] and len(set(keys)) == 3


def test_descriptors_are_known_by_their_code_and_librosa(monkeypatch):
    before = descriptors.code()
    monkeypatch.setattr(descriptors, "N_MFCC", 13)
    assert descriptors.code() != before
    monkeypatch.undo()
    real = content.importlib.metadata.version
    monkeypatch.setattr(content.importlib.metadata, "version", lambda name: "9.0" if name == "librosa" else real(name))
    assert descriptors.code() != before
