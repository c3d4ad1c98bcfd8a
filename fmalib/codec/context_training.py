"""Examples for the network of `learned`, and its training: levels of music at random bitrates, and what was known of them."""

import dataclasses
import itertools
import warnings
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import soxr
import tensorflow as tf
from joblib import Parallel, delayed

from fmalib import content, files
from fmalib import paths as paths_of
from fmalib.codec import bitstream, contexts, entropy, file_codec, integer_network, learned_contexts, quantiser, rate_control
from fmalib.codec.bitstream import Header
from fmalib.codec.envelope_training import examples as of_envelope
from fmalib.codec.integer_network import FINE, UNIT
from fmalib.data import audio, formats
from fmalib.progress import bar
from fmalib.signal import mdct_frames

SECONDS = 8.5  # of an excerpt
BITS = 0.08, 7.0  # bits a coefficient, lowest and highest
RATES = (8000, 0.45), (16_000, 0.15)  # Hz, and the share of excerpts; the rest keeps its own
MONO = 0.4  # share of stereo excerpts whose channels are averaged
LONGEST = 60  # seconds read of a file
COMPARED = 5.0  # seconds of a clip whose bytes are counted
DECISIVE = ["quantiser", "learned_contexts", "block_switching", "rate_control", "waveform", "listening", "context_training"]
DECISIVE += ["envelope", "learned_envelope", "envelope_training"]
COLUMNS = "inputs", "sizes", "sets", "weights"
EXAMPLES = 8192  # of an excerpt and channel, at most
TOTAL = 1 << 14  # count of a table at the start
SHARES = (0.25, 0.25, 0.5)  # of bins in each pass


def excerpt(song, sample_rate, rng):
    """Returns (audio `(samples, channels)`, Hz) of a random stretch, at a random rate, of a song of the same shape."""
    if song.shape[1] == 2 and rng.random() < MONO:
        song = song.mean(axis=1, keepdims=True)
    start = rng.integers(max(1, len(song) - round(SECONDS * sample_rate)))
    song = song[start : start + round(SECONDS * sample_rate)]
    draw, lower = rng.random(), 0.0
    for rate, share in RATES:
        lower += share
        if draw < lower and rate < sample_rate:
            return soxr.resample(song, sample_rate, rate), rate
    return song, sample_rate


def coded(song, sample_rate, bits, profile):
    """Returns (what the profile makes of a song `(samples, channels)` at about so many bits a coefficient, its `Header`)."""
    module = file_codec.PROFILES[profile]
    hops = [module.ROUND_HOP * round(sample_rate * seconds / module.ROUND_HOP) for seconds in module.HOP_SECONDS]
    numbers = []
    for hop in hops:
        counts = module.histogram(mdct_frames.forward(file_codec.alone(song, hop)), sample_rate)
        numbers.append(rate_control.for_bits(counts, bits * song.size))
    hop, number = hops[int(np.argmin(numbers))], min(numbers)
    frames = -(-len(song) // hop) + 1
    header = Header(sample_rate, song.shape[1], len(song), hop, frames, number, "learned", profile)
    return module.quantise(module.analyse(file_codec.alone(song, hop), number, header), number, header), header


def examples(song, sample_rate, profile, seed):
    """Returns (examples of a song, its splits): a list of (inputs, sizes, sets, weights), one for each pass; None for silence.

    Inputs are int16 of shape `(examples, inputs)`; sizes int32, sets int8 and weights float32 of shape `(examples,)`. A weight
    is 1 over the bits of a coefficient in the excerpt, so that a percent counts the same at all bitrates.
    """
    rng = np.random.default_rng(seed)
    song, sample_rate = excerpt(song, sample_rate, rng)
    if profile == "envelope":
        return of_envelope(song, sample_rate, rng)
    bits = BITS[0] * (BITS[1] / BITS[0]) ** rng.random()
    chunk, header = coded(song, sample_rate, bits, profile)
    channels, frames, bins = chunk.values.shape
    if not chunk.values.any():
        return None
    near = learned_contexts.Neighbourhood((channels, bins), sample_rate / 2 / header.hop, None)
    taken = min(1.0, EXAMPLES / (frames * bins))
    weight = 1 / max(0.05, float(np.log2(1 + 3 * np.abs(chunk.values)).mean()))
    found = [[] for _ in contexts.PASSES]
    for frame, split in zip(chunk.values.transpose(1, 0, 2), chunk.splits):
        near.split = int(split)
        for number, part in enumerate(near.parts):
            sizes, sets = np.abs(frame[part]).ravel(), near.halves(number).ravel()
            some = np.flatnonzero(rng.random(len(sizes)) < taken)
            inputs = near.inputs(number)[some].astype(np.int16)
            found[number % 3].append((inputs, sizes[some].astype(np.int32), sets[some].astype(np.int8)))
            near.frame[part] = np.abs(frame[part])
        near.next_frame(np.abs(frame))
    parts = [[np.concatenate(each) for each in zip(*rows)] for rows in found]
    return [(*part, np.full(len(part[1]), weight, np.float32)) for part in parts], chunk.splits


def sound_files(music):
    """Returns the sound files in a folder and below, or those that a text file names, a path a line.

    Raises:
        ValueError: there are none.
    """
    music = Path(music)
    if music.is_dir():
        found = sorted(path for path in music.rglob("*") if path.suffix.lower() in formats.SUFFIXES)
    elif music.is_file():
        found = [music.parent / line.strip() for line in music.read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        found = []
    if not found:
        raise ValueError(
            f"music must be a folder with sound files, or a text file with their paths. Received: music={str(music)!r}"
        )
    return found


def reader(paths):
    """Returns a function of a generator that reads the first minute or less of a random file: `(samples, channels)` and Hz."""

    def read(rng):
        path = paths[rng.integers(len(paths))]
        sample_rate, channels = audio.channels_of(path)
        sample_rate, channels = int(np.clip(sample_rate, *bitstream.SAMPLE_RATES)), min(channels, 2)
        blocks, samples = [], 0
        for block in audio.blocks(path, sample_rate, channels):
            blocks.append(block)
            samples += len(block)
            if samples >= LONGEST * sample_rate:
                break
        return np.concatenate(blocks), sample_rate

    return read


def gather(read, count, *, profile="waveform", seed=0, jobs=1, progress=True):
    """Returns the examples of `count` random excerpts, a dict of arrays.

    `inputs_0`, `sizes_0`, `sets_0`, `weights_0` and so on are those of `examples`, joined; `followed` says how often a split
    followed another, int64 of shape `(splits before, splits)`.

    Args:
        read: function of a `numpy.random.Generator` that returns (audio `(samples, channels)`, Hz), such as by `reader`.
        count: excerpts.
        profile: key of `fmalib.codec.file_codec.PROFILES`, or "envelope", for the envelope of `listening`.
        seed: of the choice; an excerpt has its own, so `jobs` changes nothing.
        jobs: processes.
        progress: whether to show a bar.

    Raises:
        ValueError: all excerpts are silent.
    """

    def one(number):
        rng = np.random.default_rng([seed, number])
        return examples(*read(rng), profile, rng.integers(1 << 31))

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped")  # joblib starts another: nothing is lost
        found = Parallel(n_jobs=jobs, return_as="generator")(delayed(one)(number) for number in range(count))
        found = [each for each in bar(found, total=count, desc="Coding excerpts", unit="excerpt", progress=progress) if each]
    if not found:
        raise ValueError(f"The music holds no sound to learn from. Received: {count} silent excerpts")
    arrays = {"followed": np.zeros((learned_contexts.SPLITS,) * 2, np.int64)}
    for _, splits in found:
        np.add.at(arrays["followed"], (splits[:-1], splits[1:]), 1)
    for number in range(len(SHARES)):
        rows = zip(*(parts[number] for parts, _ in found))
        arrays |= {f"{name}_{number}": np.concatenate(row) for name, row in zip(COLUMNS, rows)}
    return arrays


@dataclasses.dataclass(frozen=True)
class Examples:
    """Training and validation examples: a pipeline for `fmalib.training.runs.train_or_load`.

    Attributes:
        training, validation: dicts by `gather`.
        key: tells these examples from any other.
        batch_size: examples of all three passes in a batch.
    """

    training: dict
    validation: dict
    key: str
    batch_size: int = 4096
    cache = None  # no decoded audio is read

    @property
    def steps_per_epoch(self):
        """Batches in an epoch of training."""
        return self._steps(self.training)

    def content(self):
        """Returns plain values that identify the examples."""
        return {"examples": self.key, "batch_size": self.batch_size}

    def crops(self, seed, first_epoch=0):
        """Returns the training data, endless, in a new order each epoch."""
        batches = self._batches(self.training, lambda epoch: np.random.default_rng([seed, epoch]), itertools.count(first_epoch))
        return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    def held_out(self):
        """Returns the validation data."""
        batches = self._batches(self.validation, lambda epoch: np.random.default_rng(0), range(1))
        return batches.apply(tf.data.experimental.assert_cardinality(self._steps(self.validation)))

    def _steps(self, arrays):
        return max(1, min(len(arrays[f"sizes_{number}"]) // size for number, size in enumerate(self._sizes())))

    def _sizes(self):
        return [round(self.batch_size * share) for share in SHARES]

    def _batches(self, arrays, generator, epochs):
        def batches():
            for epoch in epochs:
                rng = generator(epoch)
                orders = [rng.permutation(len(arrays[f"sizes_{number}"])) for number in range(len(SHARES))]
                for step in range(self._steps(arrays)):
                    yield self._batch(
                        arrays, [np.sort(order[step * n : step * n + n]) for order, n in zip(orders, self._sizes())]
                    )

        kinds = {"inputs": tf.float32, "sizes": tf.int32, "sets": tf.int32}
        given, weights = {}, {}
        for number in range(len(SHARES)):
            for name, kind in kinds.items():
                shape = (None, arrays[f"inputs_{number}"].shape[1]) if name == "inputs" else (None,)
                given[f"{name}_{number}"] = tf.TensorSpec(shape, kind)
            weights[f"pass_{number}"] = tf.TensorSpec((None,), tf.float32)
        return tf.data.Dataset.from_generator(batches, output_signature=(given, weights)).prefetch(2)

    @staticmethod
    def _batch(arrays, rows):
        given, weights = {}, {}
        for number, some in enumerate(rows):
            given |= {f"{name}_{number}": arrays[f"{name}_{number}"][some] for name in COLUMNS[:3]}
            weights[f"pass_{number}"] = arrays[f"weights_{number}"][some]
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


def exported(model, followed):
    """Returns the `fmalib.codec.integer_network.Network` of a trained model; `followed` as by `gather`.

    Args:
        model: its layers `hidden_0`, `second_0`, `scale_0` and `straight_0` are dense, and `pass_0` has the tables; so with 1
            and 2.
    """
    passes, tables = [], []
    for number in range(len(SHARES)):
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
    return integer_network.rounded(passes, counts)


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
