"""The profile `listening`: MDCT coefficients of a chunk to bytes and back, with steps and noise that follow bands' powers.

Frames are short, 10 ms, so that noise of the quantiser stays near its cause. The powers of bands (`fmalib.codec.envelope`) set
the step of each coefficient: louder bands have larger steps, but less so than they are louder, and wide bands of high
frequencies have larger ones than narrow bands, which the ear tells apart (Zwicker 1961). What is rounded to 0 becomes noise
that has the power of its band together with what was coded (noise substitution: Herre and Schulz 1998).
"""

import dataclasses
import functools
import struct

import numpy as np

from fmalib.codec import context_models, contexts, envelope, learned_envelope, levels, quantiser, rate_control, waveform
from fmalib.codec.waveform import MID_SIDE, Frames
from fmalib.signal import mdct_frames

HEAD = struct.Struct(">HHBBH6b")  # number of the step, bins that are coded, mode, step and bytes of the envelope, six centroids
HOP_SECONDS = (0.01,)
MOST_SPLITS = 2  # a frame has up to four parts
ROUND_HOP = 16
FOLLOW = 0.75  # exponent with which a step follows a band's amplitude
WIDEN = 0.6  # exponent with which a step follows a band's width
FILL, MOST_FILL = 0.7, 0.35  # amplitude of noise: a share of what is missing, and at most so many steps
USUAL = 24  # step of the envelope; it is coarser where coefficients lie so many octaves below their steps, in the mean
ENOUGH, SLOPE = -2.6, 2.0  # octaves, and of them to double the step


@dataclasses.dataclass(frozen=True)
class Levels:
    """The integers of a chunk.

    Attributes:
        values, step, mode, centroid, splits: as of `fmalib.codec.waveform.Levels`.
        envelope: as by `fmalib.codec.envelope.quantise`; empty in silence.
        envelope_step: its step.
    """

    values: np.ndarray
    step: int
    mode: int = 0
    centroid: tuple = (0,) * 6
    splits: np.ndarray | None = None
    envelope: np.ndarray = None
    envelope_step: int = USUAL


def analyse(blocks, number, header):
    """Returns the `Frames` of audio in blocks `(channels, frames + 1, hop)`, cut for a step size near the one with a number."""
    splits = _choose_splits(blocks, number, header)
    return Frames(mdct_frames.forward(blocks, splits), splits)


def quantise(frames, step, header):
    """Returns the `Levels` of `Frames` at the step size with number `step`."""
    bands, coefficients, mode = envelope.edges(header.sample_rate, header.hop), frames.coefficients, 0
    picture = envelope.measure(coefficients, bands)
    if picture.max() <= envelope.FLOOR:
        return _silence(coefficients.shape, step)
    if len(coefficients) == 2:
        rotated = waveform.rotate(coefficients)
        other = envelope.measure(rotated, bands)
        if np.diff(bands) @ (other - picture).sum(axis=(0, 1)) < 0:
            coefficients, picture, mode = rotated, other, MID_SIDE
    shape = _Shape(header.sample_rate, header.hop)
    coarse = _envelope_step(picture, step, shape)
    coded = envelope.quantise(picture, coarse, basis_of(header))
    steps = shape.steps(powers(coded, coarse, picture.shape[1], header), step)
    scaled = coefficients / steps
    values = quantiser.quantise(scaled, 1.0, keep_peaks=True)
    centroid = quantiser.centroids(scaled, values, 1.0)
    bins = waveform.used_bins(values) or waveform.ROUND_BINS * bool(frames.splits.any())  # cuts are sent with the levels
    return Levels(values[..., :bins], step, mode, centroid, frames.splits, coded, coarse)


def dequantise(chunk, header):
    """Returns the coefficients, float64 of shape `(channels, frames, hop)`, of `Levels`."""
    channels, frames, bins = chunk.values.shape
    if not chunk.envelope.size:
        return np.zeros((channels, frames, header.hop))
    shape = _Shape(header.sample_rate, header.hop)
    picture = powers(chunk.envelope, chunk.envelope_step, frames, header)
    steps = shape.steps(picture, chunk.step)
    coefficients = np.zeros((channels, frames, header.hop))
    coefficients[..., :bins] = quantiser.dequantise(chunk.values, 1.0, chunk.centroid)
    coefficients *= steps
    coefficients += shape.noise(picture, coefficients, steps)
    return waveform.rotate(coefficients) if chunk.mode == MID_SIDE else coefficients


def synthesise(chunk, header):
    """Returns audio in blocks `(channels, frames + 1, hop)` of `Levels`; the first and the last hold one frame's half only."""
    return mdct_frames.inverse(dequantise(chunk, header), chunk.splits)


def pack(chunk, header):
    """Returns the bytes of `Levels`."""
    channels, _, bins = chunk.values.shape
    side = _side(chunk.envelope.tobytes(), chunk.envelope.shape, chunk.envelope_step, header) if chunk.envelope.size else b""
    head = HEAD.pack(chunk.step, bins, chunk.mode, chunk.envelope_step, len(side), *chunk.centroid)
    if not bins:
        return head + side
    return head + side + levels.pack(chunk.values, context_models.start(header, channels, bins), chunk.splits)


def unpack(data, frames, header):
    """Returns the `Levels` of bytes by `pack`; ValueError for others."""
    if len(data) < HEAD.size:
        raise ValueError(f"a chunk has at least {HEAD.size} bytes. Received: {len(data)}")
    step, bins, mode, coarse, size, *centroid = HEAD.unpack_from(data)
    channels, hop = header.channels, header.hop
    if bins > hop or bins % contexts.MULTIPLE or mode > (MID_SIDE if channels == 2 else 0) or not coarse:
        text = f"a chunk has up to {hop} bins, mode 0 or 1, a step of the envelope"
        raise ValueError(f"{text}. Received: {bins} bins, mode {mode}, step {coarse}")
    if not size:
        return _silence((channels, frames, hop), step)
    bands = len(envelope.edges(header.sample_rate, hop)) - 1
    coded = envelope.unpack(data[HEAD.size : HEAD.size + size], channels, frames, bands, _near(header, coarse))
    values, splits = np.zeros((channels, frames, bins), np.int64), np.zeros(frames, np.int64)
    if bins:
        near = context_models.start(header, channels, bins)
        values, splits = levels.unpack(data[HEAD.size + size :], values.shape, near)
    return Levels(values, step, mode, tuple(centroid), splits, coded, coarse)


def histogram(coefficients, sample_rate):
    """Returns the histogram that foretells the bits at a step size: of coefficients over what the envelope makes of steps."""
    shape = _Shape(sample_rate, coefficients.shape[-1])
    picture = envelope.measure(coefficients, shape.bands) - envelope.FLOOR
    return rate_control.histogram(coefficients / shape.steps(picture * envelope.UNIT, quantiser.step_number(1.0)))


def basis_of(header):
    """Returns the basis of the envelope in a file: learned if its model is."""
    bands = len(envelope.edges(header.sample_rate, header.hop)) - 1
    return envelope.cosines(bands) if header.model == "mdct" else envelope.learned(bands)


def powers(coded, coarse, frames, header):
    """Returns the powers that a decoder restores of an envelope at a step, as by `fmalib.codec.envelope.restore`."""
    outward = 0 if header.model == "mdct" else envelope.OUTWARD
    return envelope.restore(coded, coarse, frames, basis_of(header), outward)


@functools.lru_cache(64)
def _side(coded, shape, coarse, header):
    """Returns the bytes of an envelope, kept since a search for a step size asks for the same again and again."""
    return envelope.pack(np.frombuffer(coded, np.int64).reshape(shape), _near(header, coarse))


def _near(header, coarse):
    """Returns the context model of an envelope at a step."""
    bands = len(envelope.edges(header.sample_rate, header.hop)) - 1
    if header.model == "mdct":
        return envelope.Blocks(header.channels, bands)
    return learned_envelope.Blocks(header.channels, bands, coarse, learned_envelope.network())


def _silence(shape, step):
    nothing = np.zeros((*shape[:2], 0), np.int64)
    return Levels(nothing, step, envelope=nothing)


def _choose_splits(blocks, number, header):
    """Returns the split of each frame with the fewest bits, int64 of shape `(frames,)`; the first and the last are not cut."""
    shape, bits = _Shape(header.sample_rate, header.hop), []
    for split in range(min(MOST_SPLITS, context_models.switches(header)) + 1):
        coefficients = mdct_frames.forward(blocks, np.full(blocks.shape[1] - 1, split))
        picture = envelope.measure(coefficients, shape.bands) - envelope.FLOOR
        sizes = np.abs(coefficients / shape.steps(picture * envelope.UNIT, number)).astype(np.float32)
        bits.append(np.log2(1 + rate_control.CUBIC * sizes**3 / (1 + sizes)).sum(axis=(0, 2)))  # as `rate_control.bits`
    splits = np.argmin(bits, axis=0)
    splits[[0, -1]] = 0
    return splits


def _envelope_step(picture, step, shape):
    """Returns the step of the envelope: coarser where coefficients are so small for their steps that few bits are wanted."""
    excess = (1 - FOLLOW) / 2 * picture - WIDEN * shape.width - np.log2(quantiser.step_size(step))
    excess = excess[picture > envelope.FLOOR].mean()
    return int(np.clip(np.rint(USUAL * 2.0 ** ((ENOUGH - excess) / SLOPE)), USUAL, 255))


class _Shape:
    """How powers of bands become steps and noise of bins.

    Attributes:
        bands: as by `fmalib.codec.envelope.edges`.
        width: of each band, in octaves above the narrowest.
    """

    def __init__(self, sample_rate, hop):
        self.bands = envelope.edges(sample_rate, hop)
        middles = (self.bands[:-1] + self.bands[1:] - 1) / 2
        self._between = np.stack([np.interp(np.arange(hop), middles, row) for row in np.eye(len(middles))])
        self.width = np.log2(np.diff(self.bands) * sample_rate / 2 / hop / envelope.NARROWEST)

    def octaves(self, picture):
        """Returns the amplitude of each bin in octaves, of powers by `fmalib.codec.envelope.restore`."""
        return (picture / envelope.UNIT + envelope.FLOOR) / 2 @ self._between

    def steps(self, picture, number):
        """Returns the step of each bin, float64 `(channels, frames, hop)`."""
        follow = FOLLOW * self.octaves(picture) + WIDEN * self.width @ self._between
        return np.exp2(follow) * quantiser.step_size(number)

    def noise(self, picture, coefficients, steps):
        """Returns noise, float64 `(channels, frames, hop)`, for bins whose coefficient is 0; none in bands at the floor."""
        power = np.exp2(2 * self.octaves(picture))
        starts, empty = self.bands[:-1], coefficients == 0
        whole, free = (np.add.reduceat(each, starts, axis=-1) for each in (power, power * empty))
        missing = np.maximum(whole - np.add.reduceat(np.square(coefficients), starts, axis=-1), 0) * (picture > 0)
        share = np.sqrt(missing / np.maximum(free, 1e-30))
        size = np.repeat(share, np.diff(self.bands), axis=-1) * np.sqrt(power)
        words = np.random.PCG64(0).random_raw(-(-power.size // 64)).astype("<u8")  # the same on any machine
        signs = 1 - 2.0 * np.unpackbits(words.view(np.uint8))[: power.size].reshape(power.shape)
        return np.where(empty, FILL * np.minimum(size, MOST_FILL * steps) * signs, 0)
