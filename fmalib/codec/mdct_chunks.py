"""The `mdct` model: MDCT coefficients of a chunk to bytes and back, without any learning; a chunk is decoded alone."""

import dataclasses
import struct

import numpy as np

from fmalib.codec import contexts, entropy, quantiser

HEAD = struct.Struct(">HHB6b")  # number of the step, bins that are coded, mode, six centroids
SETS = 2 * len(contexts.PASSES)  # of tables: for both quantisers in each pass
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


def quantise(coefficients, step):
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


def dequantise(levels, hop):
    """Returns the coefficients, float64 of shape `(channels, frames, hop)`, of `Levels`."""
    channels, frames, bins = levels.values.shape
    coefficients = np.zeros((channels, frames, hop))
    coefficients[..., :bins] = quantiser.dequantise(levels.values, quantiser.step_size(levels.step), levels.centroid)
    return _rotate(coefficients) if levels.mode == MID_SIDE else coefficients


def pack(levels):
    """Returns the bytes of `Levels`."""
    channels, _, bins = levels.values.shape
    head = HEAD.pack(levels.step, bins, levels.mode, *levels.centroid)
    if not bins:
        return head
    encoder, near, trellis = entropy.Encoder(SETS), contexts.Neighbourhood(channels, bins), quantiser.Trellis(channels, bins)
    for frame in levels.values.transpose(1, 0, 2):
        for number, part in enumerate(contexts.PASSES):
            scales = entropy.scales_of(near.expected(number))
            known = encoder.put(frame[:, part].ravel(), scales.ravel(), _sets(trellis, number, scales))
            near.frame[:, part] = known.reshape(scales.shape)
        encoder.end_frame()
        _next_frame(np.abs(frame), near, trellis)
    return head + encoder.finish()


def unpack(data, channels, frames, hop):
    """Returns the `Levels` of bytes by `pack`; ValueError for others."""
    if len(data) < HEAD.size:
        raise ValueError(f"a chunk has at least {HEAD.size} bytes. Received: {len(data)}")
    step, bins, mode, *centroid = HEAD.unpack_from(data)
    if bins > hop or bins % contexts.MULTIPLE or mode > (MID_SIDE if channels == 2 else 0):
        raise ValueError(f"a chunk has up to {hop} bins and mode 0 or 1. Received: {bins} bins, mode {mode}")
    values = np.zeros((channels, frames, bins), np.int64)
    if bins:
        decoder, near = entropy.Decoder(data[HEAD.size :], SETS), contexts.Neighbourhood(channels, bins)
        trellis, coded = quantiser.Trellis(channels, bins), []
        for frame in values.transpose(1, 0, 2):
            for number, part in enumerate(contexts.PASSES):
                scales = entropy.scales_of(near.expected(number))
                known = decoder.get(scales.ravel(), _sets(trellis, number, scales))
                near.frame[:, part] = known.reshape(scales.shape)
            coded.append(decoder.end_frame())
            _in_order(coded[-1], frame)
            _next_frame(frame, near, trellis)
        signed = decoder.finish(np.concatenate(coded)).reshape(frames, -1)
        for frame, integers in zip(values.transpose(1, 0, 2), signed):
            _in_order(integers, frame)
    return Levels(values, step, mode, tuple(centroid))


def _sets(trellis, number, scales):
    """Returns the set of tables of each bin of a pass: by the pass, and, where levels are small, by the quantiser."""
    half = trellis.halves[:, contexts.PASSES[number]] & (entropy.SHIFTS[scales] == 0)
    return (2 * number + half).ravel()


def _next_frame(sizes, near, trellis):
    """Tells neighbours and trellis the magnitudes of a frame, `(channels, bins)`."""
    near.frame[...] = np.minimum(sizes, quantiser.LARGEST)  # sums stay exact whatever a hostile file holds
    near.next_frame()
    trellis.next_frame(sizes)


def _in_order(coded, frame):
    """Puts a frame's integers in the order of coding into `(channels, bins)`."""
    start = 0
    for part in contexts.PASSES:
        here = frame[:, part]
        here[...] = coded[start : start + here.size].reshape(here.shape)
        start += here.size


def _rotate(coefficients):
    """Returns mid and side of left and right, or the reverse: both are the same orthonormal map."""
    left, right = coefficients
    return np.stack([left + right, left - right]) * np.sqrt(0.5)


def _cost(scaled):
    return np.log2(1 + np.square(scaled)).sum()
