"""Examples for the networks of `learned`: levels of music at random bitrates, and what was known of them."""

import dataclasses
import warnings

import numpy as np
import soxr
from joblib import Parallel, delayed

from fmalib.codec import bitstream, context_models, contexts, file_codec, learned_contexts, part_contexts, rate_control
from fmalib.codec.bitstream import Header
from fmalib.codec.envelope_training import examples as of_envelope
from fmalib.data import audio
from fmalib.progress import bar
from fmalib.signal import mdct_frames

SECONDS = 8.5  # of an excerpt
BITS = 0.08, 7.0  # bits a coefficient, lowest and highest
RATES = (8000, 0.45), (16_000, 0.15)  # Hz, and the share of excerpts; the rest keeps its own
MONO = 0.4  # share of stereo excerpts whose channels are averaged
LONGEST = 60  # seconds read of a file
EXAMPLES = 8192  # of an excerpt and channel, at most
SIGN_SHARE = 3  # times the share of levels that become examples


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the examples of a network lie in arrays.

    Attributes:
        output: of the network, and start of the name of its weights in the loss: `pass_0`, `pass_weights_0`, and so on.
        columns: names of its inputs: `inputs_0`, and so on.
        shares: of the parts in a batch.
    """

    output: str
    columns: tuple
    shares: tuple

    def named(self, parts):
        """Returns a dict of the arrays of each part: those of the columns, and the weights."""
        names = *self.columns, f"{self.output}_weights"
        return {f"{name}_{number}": each for number, part in enumerate(parts) for name, each in zip(names, part)}


CONTEXTS = Layout("pass", ("inputs", "sizes", "sets"), (0.25, 0.25, 0.5))  # shares of bins
SIGNS = Layout("sign", ("signed", "told", "negative"), (0.5, 0.5))


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
    """Returns (examples of a song, its splits): a dict of arrays by `Layout.named`; None for silence.

    Inputs are int16 of shape `(examples, inputs)`; sizes int32, sets and `negative` int8 and weights float32 of shape
    `(examples,)`. A weight is 1 over the bits of a coefficient in the excerpt: a percent counts the same at all bitrates.
    """
    rng = np.random.default_rng(seed)
    song, sample_rate = excerpt(song, sample_rate, rng)
    if profile == "envelope":
        found = of_envelope(song, sample_rate, rng)
        return found and (CONTEXTS.named(found[0]), found[1])
    bits = BITS[0] * (BITS[1] / BITS[0]) ** rng.random()
    chunk, header = coded(song, sample_rate, bits, profile)
    channels, frames, bins = chunk.values.shape
    if not chunk.values.any():
        return None
    near = context_models.learned(header, channels, bins, None)
    share = min(1.0, EXAMPLES / (frames * bins))
    levels, signs = [[] for _ in contexts.PASSES], [[] for _ in near.signs.parts]
    for now, frame in _in_turn(near, chunk.values, chunk.splits):
        for number, part in enumerate(now.parts):
            sizes, sets = np.abs(frame[part]).ravel(), now.halves(number).ravel()
            row = now.inputs(number).astype(np.int16), sizes.astype(np.int32), sets.astype(np.int8)
            levels[number % len(levels)].append(_some(row, share, rng))
            now.frame[part] = np.abs(frame[part])
        now.begin_signs(np.abs(frame))
        for number, part in enumerate(now.signs.parts):
            negative = frame[part][frame[part] != 0] < 0
            signed, told = (each.astype(np.int16) for each in now.signs.inputs(number))
            signs[number].append(_some((signed, told, negative.astype(np.int8)), min(1.0, SIGN_SHARE * share), rng))
            now.signs.tell(negative)
        now.next_frame(np.abs(frame))
    weight = 1 / max(0.05, float(np.log2(1 + 3 * np.abs(chunk.values)).mean()))
    return CONTEXTS.named(_joined(levels, weight)) | SIGNS.named(_joined(signs, weight)), chunk.splits


def _in_turn(near, values, splits):
    """Yields what is known before each frame, or each part of one, and its levels `(channels, bins)`."""
    if isinstance(near, part_contexts.Parts):
        for part, levels in near.runs(values, splits):
            yield from ((part, frame) for frame in levels.swapaxes(0, 1))
        return
    for frame, split in zip(values.swapaxes(0, 1), splits.tolist()):
        near.split = split
        yield near, frame


def _some(columns, share, rng):
    """Returns a share of the rows of columns, chosen at random."""
    rows = np.flatnonzero(rng.random(len(columns[0])) < share)
    return [each[rows] for each in columns]


def _joined(parts, weight):
    """Returns the columns of each part, of lists of columns; a column of weights is the last."""
    joined = [[np.concatenate(each) for each in zip(*rows)] for rows in parts]
    return [(*part, np.full(len(part[0]), weight, np.float32)) for part in joined]


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

    Those of `examples` are joined; `followed` says how often a split followed another, int64 of shape
    `(splits before, splits)`.

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
    for name in list(found[0][0]):
        arrays[name] = np.concatenate([each.pop(name) for each, _ in found])  # pop: twice the memory would be too much
    return arrays
