"""Training of the networks of `learned`: a pipeline of examples, and the way from a trained model to whole numbers and back."""

import dataclasses
import itertools
from functools import partial

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from fmalib import content, files
from fmalib import paths as paths_of
from fmalib.codec import bitstream, entropy, file_codec, integer_network, learned_contexts, quantiser
from fmalib.codec.examples import CONTEXTS, SIGNS, Layout, gather, reader
from fmalib.codec.integer_network import FINE, PER_NAT, SIGN_NAMES, SIGN_TABLES, UNIT

COMPARED = 5.0  # seconds of a clip whose bytes are counted
DECISIVE = ["quantiser", "learned_contexts", "block_switching", "rate_control", "waveform", "listening", "examples"]
DECISIVE += ["signs", "part_contexts", "integer_network", "contexts", "envelope", "learned_envelope", "envelope_training"]
TOTAL = 1 << 14  # count of a table at the start


@dataclasses.dataclass(frozen=True)
class Examples:
    """Training and validation examples: a pipeline for `fmalib.training.runs.train_or_load`.

    Attributes:
        training, validation: dicts by `fmalib.codec.examples.gather`.
        key: tells these examples from any other.
        batch_size: examples of all parts in a batch.
        layout: `CONTEXTS`, or `SIGNS` for those of signs.
    """

    training: dict
    validation: dict
    key: str
    batch_size: int = 4096
    layout: Layout = CONTEXTS
    cache = None  # no decoded audio is read

    @property
    def steps_per_epoch(self):
        """Batches in an epoch of training."""
        return self._steps(self.training)

    def content(self):
        """Returns plain values that identify the examples."""
        return {"examples": self.key, "columns": list(self.layout.columns), "batch_size": self.batch_size}

    def of_signs(self):
        """Returns the examples of signs of the same music."""
        return dataclasses.replace(self, layout=SIGNS)

    def crops(self, seed, first_epoch=0):
        """Returns the training data, endless, in a new order each epoch."""
        batches = self._batches(self.training, lambda epoch: np.random.default_rng([seed, epoch]), itertools.count(first_epoch))
        return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    def held_out(self):
        """Returns the validation data."""
        batches = self._batches(self.validation, lambda epoch: np.random.default_rng(0), range(1))
        return batches.apply(tf.data.experimental.assert_cardinality(self._steps(self.validation)))

    def _parts(self, arrays):
        """Returns, for each part, the number of its examples, and how many of them are in a batch."""
        first, sizes = self.layout.columns[0], [round(self.batch_size * share) for share in self.layout.shares]
        return [(len(arrays[f"{first}_{number}"]), size) for number, size in enumerate(sizes)]

    def _steps(self, arrays):
        return max(1, min(count // size for count, size in self._parts(arrays)))

    def _batches(self, arrays, generator, epochs):
        def batches():
            for epoch in epochs:
                rng = generator(epoch)
                orders = [rng.permutation(count) for count, _ in self._parts(arrays)]
                for step in range(self._steps(arrays)):
                    sizes = [size for _, size in self._parts(arrays)]
                    yield self._batch(arrays, [np.sort(order[step * n : step * n + n]) for order, n in zip(orders, sizes)])

        given, weights = {}, {}
        for number in range(len(self.layout.shares)):
            for name in self.layout.columns:
                shape = arrays[f"{name}_{number}"].shape[1:]
                given[f"{name}_{number}"] = tf.TensorSpec((None, *shape), tf.float32 if shape else tf.int32)
            weights[f"{self.layout.output}_{number}"] = tf.TensorSpec((None,), tf.float32)
        return tf.data.Dataset.from_generator(batches, output_signature=(given, weights)).prefetch(2)

    def _batch(self, arrays, rows):
        given, weights = {}, {}
        for number, some in enumerate(rows):
            given |= {f"{name}_{number}": arrays[f"{name}_{number}"][some] for name in self.layout.columns}
            weights[f"{self.layout.output}_{number}"] = arrays[f"{self.layout.output}_weights_{number}"][some]
        return given, weights


def prepare(paths, excerpts, *, profile, seed, jobs=1, validation=0.1, progress=True):
    """Returns the `Examples` of random excerpts: made once, and kept in the cache.

    Args:
        paths: sound files; those for validation are others than those for training.
        excerpts: of the training; `validation` times as many, two at least, are for validation.
        profile, seed, jobs, progress: as for `gather`.
        validation: share of files and excerpts.
    """
    held = max(1, round(validation * len(paths)))
    if len(paths) < 2:
        raise ValueError(f"Training and validation need two files at least. Received: {len(paths)}")
    order = np.random.default_rng(seed).permutation(len(paths)).tolist()
    groups = [(order[held:], excerpts, seed), (order[:held], max(2, round(validation * excerpts)), seed + 1)]
    code = content.code("signal.mdct_frames", *(f"codec.{name}" for name in DECISIVE))
    parts, keys = [], []
    for chosen, count, first in groups:
        files_of = [paths[number] for number in chosen]
        facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files_of]
        keys.append(content.key(facts, code, {"count": count, "seed": first, "profile": profile}, length=16))
        make = partial(gather, reader(files_of), count, profile=profile, seed=first, jobs=jobs, progress=progress)
        kept = paths_of.cache_dir() / "levels" / f"{keys[-1]}.npz"
        parts.append(files.computed_once(kept, make))
    return Examples(*parts, key="-".join(keys))


def compare(clips, bits, profile, models):
    """Returns a table of bytes and errors against the codec without learning, at the same step sizes.

    Args:
        clips: paths of sound files; the first 5 s of each are coded, in one channel.
        bits: bits a coefficient, about.
        profile: key of `fmalib.codec.file_codec.PROFILES`.
        models: dict from label to model, as for `fmalib.codec.encode`.

    Returns:
        DataFrame with a row a clip, bitrate and label: `clip`, `bits_per_coefficient`, `codec`, `n_bytes`, `bytes_percent`
        and `error_db`.
    """
    rows = []
    for path in clips:
        song, sample_rate = reader([path])(np.random.default_rng(0))
        song = song[: round(COMPARED * sample_rate)].mean(axis=1)
        for value in bits:
            kbps = float(np.clip(value * sample_rate / 1000, *file_codec.KBPS))
            plain = file_codec.encode(song, sample_rate, kbps, profile=profile)
            step = quantiser.step_size(bitstream.read_header(plain).step)
            sizes = {}
            for label, model in {"mdct": "mdct", **models}.items():
                data = file_codec.encode(song, sample_rate, step=step, model=model, profile=profile)
                decoded = file_codec.decode(data)[0]
                sizes[label] = len(data), float(np.square(decoded - song).sum())
            for label in models:
                (size, error), (usual, usual_error) = sizes[label], sizes["mdct"]
                row = {"clip": path.stem, "bits_per_coefficient": value, "codec": label, "n_bytes": size}
                row["bytes_percent"] = 100 * (size / usual - 1)
                row["error_db"] = 10 * float(np.log10(max(error, 1e-30) / max(usual_error, 1e-30)))
                rows.append(row)
    return pd.DataFrame(rows)


@keras.saving.register_keras_serializable("fmalib")
def relative_bits(weights, bits):
    """Returns bits of shape `(batch,)` times their weights: a loss."""
    return keras.ops.reshape(weights, keras.ops.shape(bits)) * bits


def exported(model, followed, signs=None):
    """Returns the `fmalib.codec.integer_network.Network` of a trained model.

    Args:
        followed: as by `fmalib.codec.examples.gather`.
        signs: as by `exported_signs`, or None.
        model: its layers `hidden_0`, `second_0`, `scale_0` and `straight_0` are dense, and `pass_0` has the tables; so with 1
            and 2.
    """
    passes, tables = [], []
    for number in range(len(CONTEXTS.shares)):
        arrays = {}
        for name in ("hidden", "second", "scale"):
            kernel, bias = (np.asarray(each) for each in model.get_layer(f"{name}_{number}").get_weights())
            arrays |= {name: kernel, f"{name}_bias": bias}
        straight = model.get_layer(f"straight_{number}").get_weights()[0]
        arrays |= {"scale": arrays["scale"][:, 0], "scale_bias": arrays["scale_bias"][0], "straight": straight[:, 0]}
        passes.append(arrays)
        tables.append(1 + np.rint(TOTAL * model.get_layer(f"pass_{number}").probabilities()).astype(np.int64))
    splits = np.ones((entropy.SCALES, entropy.SYMBOLS), np.int64)
    shares = (followed + 0.5) / (followed + 0.5).sum(axis=1, keepdims=True)
    splits[: learned_contexts.SPLITS, : learned_contexts.SPLITS] += np.rint(2048 * shares).astype(np.int64)
    counts = np.concatenate([np.concatenate(tables).reshape(-1, entropy.SYMBOLS), splits])
    return integer_network.rounded(passes, counts, signs)


def exported_signs(model, examples):
    """Returns the `fmalib.codec.integer_network.SignNetwork` of a trained model.

    Args:
        model: its layers `change_0` of signed inputs, `base_0` of the others, `second_0` and `out_0` are dense; so with 1.
        examples: `Examples` of signs, of which a part says how often each table was right.
    """
    parts = []
    for number in range(len(SIGNS.shares)):
        arrays = {"signed": model.get_layer(f"change_{number}").kernel, "out": model.get_layer(f"out_{number}").kernel[:, 0]}
        for name, label in (("told", "base"), ("second", "second")):
            layer = model.get_layer(f"{label}_{number}")
            arrays |= {name: layer.kernel, f"{name}_bias": layer.bias}
        parts.append({name: np.asarray(arrays[name]) for name in SIGN_NAMES})
    network = integer_network.rounded_signs(parts, np.ones((SIGN_TABLES, 2)))
    right = 1 / (1 + np.exp(-(np.arange(SIGN_TABLES) + 0.5) / PER_NAT))
    seen = 64 * np.stack([right, 1 - right], axis=1)  # what the network says of itself, where music says little
    for number in range(len(parts)):
        signed, told, negative, weights = (
            examples.validation[f"{name}_{number}"] for name in (*SIGNS.columns, f"{SIGNS.output}_weights")
        )
        logits = network.logits(number, signed.astype(np.float64), told.astype(np.float64))
        np.add.at(seen, (integer_network.sign_tables(logits), ((logits < 0) != (negative > 0)).astype(int)), weights)
    counts = 1 + np.rint(TOTAL * seen / seen.sum(axis=1, keepdims=True)).astype(np.int64)
    return dataclasses.replace(network, counts=counts)


def start_from(model, network):
    """Gives a model as for `exported` the weights of a network, to go on training it."""
    for number, weights in enumerate(network.passes):
        plain = {name: values / FINE for name, values in weights.items()}
        for name in ("hidden", "second", "scale"):
            layer = model.get_layer(f"{name}_{number}")
            layer.set_weights([plain[name].reshape(layer.kernel.shape), plain[f"{name}_bias"].reshape(-1) / UNIT])
        model.get_layer(f"straight_{number}").set_weights([plain["straight"][:, None]])
        rows = slice(2 * number * entropy.SCALES, 2 * (number + 1) * entropy.SCALES)
        tables = network.counts[rows].reshape(2, entropy.SCALES, entropy.SYMBOLS)
        model.get_layer(f"pass_{number}").set_weights([np.log(tables / tables.sum(axis=2, keepdims=True))])


def start_signs_from(model, network):
    """Gives a model as for `exported_signs` the weights of a `SignNetwork`, to go on training it."""
    for number, weights in enumerate(network.parts):
        plain = {name: values / FINE for name, values in weights.items()}
        model.get_layer(f"change_{number}").set_weights([plain["signed"]])
        model.get_layer(f"out_{number}").set_weights([plain["out"][:, None]])
        for name, label in (("told", "base"), ("second", "second")):
            model.get_layer(f"{label}_{number}").set_weights([plain[name], plain[f"{name}_bias"] / UNIT])
