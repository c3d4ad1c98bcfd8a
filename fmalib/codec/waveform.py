"""The profile `waveform`: MDCT coefficients of a chunk to bytes and back, with the least squared error."""

import dataclasses
import struct

import numpy as np

from fmalib.codec import block_switching, context_models, contexts, levels, quantiser, rate_control
from fmalib.signal import mdct_frames

HEAD = struct.Struct(">HHB6b")  # number of the step, bins that are coded, mode, six centroids
HOP_SECONDS = 0.032, 0.048, 0.064, 0.096  # the one is taken that codes best
ROUND_HOP, ROUND_BINS = 32, 16
MID_SIDE = 1  # mode; 0 is left and right, or mono


@dataclasses.dataclass(frozen=True)
class Levels:
    """The integers of a chunk.

    Attributes:
        values: levels of the quantiser, int64 of shape `(channels, frames, bins)`; bins above them are 0.
        step: number of the step size.
        mode: 0, or `MID_SIDE`.
        centroid: as by `fmalib.codec.quantiser.centroids`.
        splits: of the frames, as for `fmalib.signal.mdct_frames.forward`; None where the model cuts none.
    """

    values: np.ndarray
    step: int
    mode: int = 0
    centroid: tuple = (0,) * 6
    splits: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Frames:
    """MDCT coefficients, float64 of shape `(channels, frames, hop)`, and the splits of their frames, or None."""

    coefficients: np.ndarray
    splits: np.ndarray | None = None


def analyse(blocks, number, header):
    """Returns the `Frames` of audio in blocks `(channels, frames + 1, hop)`, cut for a step size near the one with a number."""
    splits = block_switching.choose(blocks, number) if context_models.switches(header) else None
    return Frames(mdct_frames.forward(blocks, splits), splits)


def quantise(frames, number, header):
    """Returns the `Levels` of `Frames` at the step size with a number."""
    coefficients, size, mode = frames.coefficients, quantiser.step_size(number), 0
    if header.channels == 2:
        rotated = rotate(coefficients)
        if _cost(rotated / size) < _cost(coefficients / size):
            coefficients, mode = rotated, MID_SIDE
    values = quantiser.quantise(coefficients, size, splits=frames.splits)
    centroid = quantiser.centroids(coefficients, values, size)
    return Levels(values[..., : used_bins(values)], number, mode, tuple(centroid), frames.splits)


def dequantise(chunk, header):
    """Returns the coefficients, float64 of shape `(channels, frames, hop)`, of `Levels`."""
    channels, frames, bins = chunk.values.shape
    coefficients = np.zeros((channels, frames, header.hop))
    coefficients[..., :bins] = quantiser.dequantise(chunk.values, quantiser.step_size(chunk.step), chunk.centroid)
    return rotate(coefficients) if chunk.mode == MID_SIDE else coefficients


def synthesise(chunk, header):
    """Returns audio in blocks `(channels, frames + 1, hop)` of `Levels`; the first and the last hold one frame's half only."""
    return mdct_frames.inverse(dequantise(chunk, header), chunk.splits)


def pack(chunk, header):
    """Returns the bytes of `Levels`."""
    channels, _, bins = chunk.values.shape
    head = HEAD.pack(chunk.step, bins, chunk.mode, *chunk.centroid)
    return head + levels.pack(chunk.values, context_models.start(header, channels, bins), chunk.splits) if bins else head


def unpack(data, frames, header):
    """Returns the `Levels` of bytes by `pack`; ValueError for others."""
    if len(data) < HEAD.size:
        raise ValueError(f"a chunk has at least {HEAD.size} bytes. Received: {len(data)}")
    step, bins, mode, *centroid = HEAD.unpack_from(data)
    channels, hop = header.channels, header.hop
    if bins > hop or bins % contexts.MULTIPLE or mode > (MID_SIDE if channels == 2 else 0):
        raise ValueError(f"a chunk has up to {hop} bins and mode 0 or 1. Received: {bins} bins, mode {mode}")
    values, splits = np.zeros((channels, frames, bins), np.int64), np.zeros(frames, np.int64)
    if bins:
        near = context_models.start(header, channels, bins)
        values, splits = levels.unpack(data[HEAD.size :], values.shape, near)
    return Levels(values, step, mode, tuple(centroid), splits if context_models.switches(header) else None)


def histogram(coefficients, sample_rate):
    """Returns the histogram of coefficients by `fmalib.codec.rate_control` that foretells the bits at a step size."""
    return rate_control.histogram(coefficients)


def used_bins(values):
    """Returns how many bins of levels `(channels, frames, bins)` have to be coded: a multiple of 16, or all."""
    used = np.flatnonzero(values.any(axis=(0, 1)))
    return min(-(-(used[-1] + 1) // ROUND_BINS) * ROUND_BINS, values.shape[-1]) if len(used) else 0


def rotate(coefficients):
    """Returns mid and side of left and right, or the reverse: both are the same orthonormal map."""
    left, right = coefficients
    return np.stack([left + right, left - right]) * np.sqrt(0.5)


def _cost(scaled):
    return np.log2(1 + np.square(scaled)).sum()
