"""What the envelope learns from music: principal components of bands, and examples for the network of its context model."""

import numpy as np
import pandas as pd
import soxr

from fmalib.codec import envelope, file_codec, learned_envelope, listening, waveform
from fmalib.signal import mdct_frames

RATES = (8000, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz, at which components are found
STEPS = 10, 200  # of the envelope, lowest and highest
TAKEN = (1.0, 0.6, 0.3)  # share of coefficients in each pass that become examples


def powers(song, sample_rate):
    """Returns the envelope of a song `(samples, channels)` as two channels and as mid and side, octaves `(versions, ...)`.

    A version has the shape `(channels, frames, bands)`. There is one of a song in one channel.
    """
    hop = listening.ROUND_HOP * round(sample_rate * listening.HOP_SECONDS[0] / listening.ROUND_HOP)
    coefficients = mdct_frames.forward(file_codec.alone(song, hop))
    versions = [coefficients, waveform.rotate(coefficients)] if len(coefficients) == 2 else [coefficients]
    return np.stack([envelope.measure(each, envelope.edges(sample_rate, hop)) for each in versions])


def components(songs):
    """Returns principal components of bands, a dict of arrays by `fmalib.codec.envelope.principal`; a key is a number of bands.

    Each song counts at each of RATES up to its own, as mid, left and side.

    Args:
        songs: list of (audio `(samples, channels)`, Hz).
    """
    found = {}
    for rate in RATES:
        pictures = []
        for song, own in songs:
            versions = powers(song if rate == own else soxr.resample(song, own, rate), rate)
            pictures += [versions[0, 0]] if len(versions) == 1 else [versions[1, 0], versions[0, 0], versions[1, 1]]
        found.setdefault(str(pictures[0].shape[1]), envelope.principal(pictures))
    return found


def examples(song, sample_rate, rng):
    """Returns examples of a song's envelope at a random step, as by `fmalib.codec.examples.examples`; None for silence.

    Args:
        song, sample_rate: float array `(samples, channels)` and Hz.
        rng: `numpy.random.Generator`, which also chooses between two channels, and mid and side.
    """
    versions = powers(song, sample_rate)
    picture = versions[rng.integers(len(versions))]
    if picture.max() <= envelope.FLOOR:
        return None
    channels, _, bands = picture.shape
    step = round(STEPS[0] * (STEPS[1] / STEPS[0]) ** rng.random())
    sizes = np.abs(envelope.quantise(picture, step, envelope.learned(bands)))
    near, found = learned_envelope.Blocks(channels, bands, step, None), [[] for _ in TAKEN]
    for block in sizes.transpose(1, 0, 2):
        for number, part in enumerate(near.parts):
            row, channel = divmod(number, channels)
            some = np.flatnonzero(rng.random(bands) < TAKEN[learned_envelope.PASS_OF[row]])
            inputs = near.inputs(number)[some].astype(np.int16)
            sets = np.full(len(some), channel, np.int8)
            found[learned_envelope.PASS_OF[row]].append((inputs, block[part][0, some].astype(np.int32), sets))
            near.frame[part] = block[part]
        near.next_frame(block)
    weight = 1 / max(0.05, float(np.log2(1 + 3 * sizes).mean()))
    parts = [[np.concatenate(each) for each in zip(*rows)] for rows in found]
    return [(*part, np.full(len(part[1]), weight, np.float32)) for part in parts], np.zeros(1, np.int64)


def compare(songs, networks, steps=(16, 24, 43, 85)):
    """Returns the bytes of songs' envelopes against rules by hand, in percent: a table, a row a step and a column a network.

    Args:
        songs: as for `components`; the first 8 s of each are coded, with channels averaged.
        networks: dict from label to `fmalib.codec.integer_network.Network`.
        steps: of the envelope.
    """
    pictures = [powers(song[: 8 * rate].mean(axis=1, keepdims=True), rate)[0] for song, rate in songs]
    rows = {}
    for step in steps:
        sizes = dict.fromkeys(["by hand", *networks], 0)
        for picture in pictures:
            bands = picture.shape[2]
            values = envelope.quantise(picture, step, envelope.learned(bands))
            sizes["by hand"] += len(envelope.pack(values))
            for label, network in networks.items():
                sizes[label] += len(envelope.pack(values, learned_envelope.Blocks(1, bands, step, network)))
        rows[step] = {label: 100 * (sizes[label] / sizes["by hand"] - 1) for label in networks}
    return pd.DataFrame(rows).T
