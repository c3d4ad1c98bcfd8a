"""Examples for the network of `learned`, and its training: levels of music at random bitrates, and what was known of them."""

import keras
import numpy as np
import soxr
from joblib import Parallel, delayed

from fmalib.codec import contexts, entropy, file_codec, integer_network, learned_contexts, rate_control
from fmalib.codec.bitstream import Header
from fmalib.models import context_network
from fmalib.signal import mdct_frames

SECONDS = 8.5  # of an excerpt
BITS = 0.08, 7.0  # bits a coefficient, lowest and highest
RATES = (8000, 0.45), (16_000, 0.15)  # Hz, and the share of excerpts; the rest keeps its own
MONO = 0.4  # share of stereo excerpts whose channels are averaged
EXAMPLES = 8192  # of an excerpt and channel, at most
TOTAL = 1 << 14  # count of a table at the start
SHARES = (0.25, 0.25, 0.5)  # of bins in each pass


def excerpt(audio, sample_rate, rng):
    """Returns (audio `(samples, channels)`, Hz) of a random stretch, at a random rate, of audio of the same shape."""
    if audio.shape[1] == 2 and rng.random() < MONO:
        audio = audio.mean(axis=1, keepdims=True)
    start = rng.integers(max(1, len(audio) - round(SECONDS * sample_rate)))
    audio = audio[start : start + round(SECONDS * sample_rate)]
    draw, lower = rng.random(), 0.0
    for rate, share in RATES:
        lower += share
        if draw < lower and rate < sample_rate:
            return soxr.resample(audio, sample_rate, rate), rate
    return audio, sample_rate


def coded(audio, sample_rate, bits, profile):
    """Returns (what the profile makes of audio `(samples, channels)` at about so many bits a coefficient, its `Header`)."""
    module = file_codec.PROFILES[profile]
    hops = [module.ROUND_HOP * round(sample_rate * seconds / module.ROUND_HOP) for seconds in module.HOP_SECONDS]
    numbers = []
    for hop in hops:
        counts = module.histogram(mdct_frames.forward(file_codec.alone(audio, hop)), sample_rate)
        numbers.append(rate_control.for_bits(counts, bits * audio.size))
    hop, number = hops[int(np.argmin(numbers))], min(numbers)
    frames = -(-len(audio) // hop) + 1
    header = Header(sample_rate, audio.shape[1], len(audio), hop, frames, number, "learned", profile)
    return module.quantise(module.analyse(file_codec.alone(audio, hop), number, header), number, header), header


def examples(audio, sample_rate, profile, seed):
    """Returns examples of audio `(samples, channels)`: a list of (inputs, sizes, sets, weights), one for each pass; and splits.

    Inputs are int16 of shape `(examples, inputs)`; sizes int32, sets int8 and weights float32 of shape `(examples,)`. A weight
    is 1 over the bits of a coefficient in the excerpt, so that a percent counts the same at all bitrates.
    """
    rng = np.random.default_rng(seed)
    audio, sample_rate = excerpt(audio, sample_rate, rng)
    bits = BITS[0] * (BITS[1] / BITS[0]) ** rng.random()
    chunk, header = coded(audio, sample_rate, bits, profile)
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


def gather(read, count, *, profile="waveform", seed=0, jobs=1, progress=None):
    """Returns the examples of `count` random excerpts, as by `examples` but joined, and how often a split followed another.

    Args:
        read: function of a `numpy.random.Generator` that returns (audio `(samples, channels)`, Hz) of a random piece of music.
        count: excerpts.
        profile: key of `fmalib.codec.file_codec.PROFILES`.
        seed: of the choice; an excerpt has its own, so `jobs` changes nothing.
        jobs: processes.
        progress: function of an iterable of known length that returns it, such as `fmalib.progress.bar`.
    """

    def one(number):
        rng = np.random.default_rng([seed, number])
        return examples(*read(rng), profile, rng.integers(1 << 31))

    numbers = progress(range(count)) if progress else range(count)
    found = [each for each in Parallel(n_jobs=jobs)(delayed(one)(number) for number in numbers) if each]
    if not found:
        raise ValueError(f"The music holds no sound to learn from. Received: {count} silent excerpts")
    passes = [tuple(np.concatenate(each) for each in zip(*rows)) for rows in zip(*(parts for parts, _ in found))]
    followed = np.zeros((learned_contexts.SPLITS,) * 2, np.int64)
    for _, splits in found:
        np.add.at(followed, (splits[:-1], splits[1:]), 1)
    return passes, followed


class Batches(keras.utils.PyDataset):
    """Random batches of examples as by `gather`; a new order each epoch."""

    def __init__(self, passes, batch_size, seed, **options):
        super().__init__(**options)
        self._passes, self._size, self._rng = passes, batch_size, np.random.default_rng(seed)
        self._sizes = [round(batch_size * share) for share in SHARES]
        self.on_epoch_end()

    def __len__(self):
        return min(len(part[1]) // size for part, size in zip(self._passes, self._sizes))

    def __getitem__(self, index):
        given, weights = {}, {}
        for number, (part, size, order) in enumerate(zip(self._passes, self._sizes, self._orders)):
            some = np.sort(order[index * size : (index + 1) * size])
            inputs, sizes, sets, weight = (each[some] for each in part)
            given |= {
                f"inputs_{number}": inputs.astype(np.float32),
                f"sizes_{number}": sizes,
                f"sets_{number}": sets.astype(np.int32),
            }
            weights[f"pass_{number}"] = weight
        return given, weights

    def on_epoch_end(self):
        self._orders = [self._rng.permutation(len(part[1])) for part in self._passes]


def compiled(*, width=64, learning_rate=2e-3, steps=30_000):
    """Returns the network, compiled: its loss is the mean of bits, relative to those of the excerpt."""
    tables = entropy.prior(), entropy.SHIFTS
    model = context_network.context_network(learned_contexts.INPUTS, *tables, width=width, unit=integer_network.UNIT)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    losses = {f"pass_{number}": relative_bits for number in range(3)}
    model.compile(keras.optimizers.Adam(rate), losses, loss_weights=list(SHARES))
    return model


def relative_bits(weights, bits):
    """Returns bits of shape `(batch,)` times their weights."""
    return keras.ops.reshape(weights, keras.ops.shape(bits)) * bits


def exported(model, followed):
    """Returns the `fmalib.codec.integer_network.Network` of a trained model; `followed` as by `gather`."""
    passes, tables = [], []
    for number in range(3):
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
