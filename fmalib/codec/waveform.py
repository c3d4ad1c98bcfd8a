"""The profile `waveform`: MDCT coefficients of a chunk to bytes and back, with the least squared error."""

import dataclasses
import struct

import numpy as np

from fmalib.codec import context_models, contexts, levels, quantiser

HEAD = struct.Struct(">HHB6b")  # number of the step, bins that are coded, mode, six centroids
ROUND_BINS = 16
MID_SIDE = 1  # mode; 0 is left and right, or mono


@dataclasses.dataclass(frozen=True)
class Levels:
    """The integers of a chunk.

    Attributes:
        values: levels of the quantiser, int64 of shape `(channels, frames, bins)`; bins above them are 0.
        step: number of the step size.
        mode: 0, or `MID_SIDE`.
        centroid: as by `fmalib.codec.quantiser.centroids`.
    """

    values: np.ndarray
    step: int
    mode: int = 0
    centroid: tuple = (0,) * 6


def quantise(coefficients, step, header):
    """Returns the `Levels` of coefficients `(channels, frames, hop)` at the step size with number `step`."""
    size, mode = quantiser.step_size(step), 0
    if len(coefficients) == 2:
        rotated = _rotate(coefficients)
        if _cost(rotated / size) < _cost(coefficients / size):
            coefficients, mode = rotated, MID_SIDE
    values = quantiser.quantise(coefficients, size)
    centroid = quantiser.centroids(coefficients, values, size)
    used = np.flatnonzero(values.any(axis=(0, 1)))
    bins = min(-(-(used[-1] + 1) // ROUND_BINS) * ROUND_BINS, values.shape[-1]) if len(used) else 0
    return Levels(values[..., :bins], step, mode, tuple(centroid))


def dequantise(chunk, header):
    """Returns the coefficients, float64 of shape `(channels, frames, hop)`, of `Levels`."""
    channels, frames, bins = chunk.values.shape
    coefficients = np.zeros((channels, frames, header.hop))
    coefficients[..., :bins] = quantiser.dequantise(chunk.values, quantiser.step_size(chunk.step), chunk.centroid)
    return _rotate(coefficients) if chunk.mode == MID_SIDE else coefficients


def pack(chunk, header):
    """Returns the bytes of `Levels`."""
    channels, _, bins = chunk.values.shape
    head = HEAD.pack(chunk.step, bins, chunk.mode, *chunk.centroid)
    return head + levels.pack(chunk.values, context_models.start(header, channels, bins)) if bins else head


def unpack(data, frames, header):
    """Returns the `Levels` of bytes by `pack`; ValueError for others."""
    if len(data) < HEAD.size:
        raise ValueError(f"a chunk has at least {HEAD.size} bytes. Received: {len(data)}")
    step, bins, mode, *centroid = HEAD.unpack_from(data)
    channels, hop = header.channels, header.hop
    if bins > hop or bins % contexts.MULTIPLE or mode > (MID_SIDE if channels == 2 else 0):
        raise ValueError(f"a chunk has up to {hop} bins and mode 0 or 1. Received: {bins} bins, mode {mode}")
    values = np.zeros((channels, frames, bins), np.int64)
    if bins:
        values = levels.unpack(data[HEAD.size :], values.shape, context_models.start(header, channels, bins))
    return Levels(values, step, mode, tuple(centroid))


def _rotate(coefficients):
    """Returns mid and side of left and right, or the reverse: both are the same orthonormal map."""
    left, right = coefficients
    return np.stack([left + right, left - right]) * np.sqrt(0.5)


def _cost(scaled):
    return np.log2(1 + np.square(scaled)).sum()
