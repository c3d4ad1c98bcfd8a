"""Levels of a chunk to bytes and back, under a context model: what knows the tables of the next levels from those before.

A context model has the attributes and functions of `fmalib.codec.contexts.Neighbourhood`.
"""

import numpy as np

from fmalib.codec import entropy


def pack(values, near):
    """Returns the bytes of levels, int64 of shape `(channels, frames, bins)`; `near` is a context model at its start."""
    return _coded(values, near, entropy.Encoder(near.prior)).finish()


def bits(values, near):
    """Returns the ideal code length in bits of each level, float64 of the shape of `values`; arguments as for `pack`.

    `pack` takes a few words more than their sum.
    """
    lengths, meter = np.zeros(values.shape), _coded(values, near, entropy.Meter(near.prior))
    for coded, frame in zip(meter.lengths, lengths.transpose(1, 0, 2)):
        _in_order(coded, frame, near.parts)
    return lengths


def _coded(values, near, encoder):
    """Returns the encoder that has coded levels."""
    for frame in values.transpose(1, 0, 2):
        for number, part in enumerate(near.parts):
            tables = near.tables(number)
            near.frame[part] = encoder.put(frame[part].ravel(), tables.ravel()).reshape(tables.shape)
        encoder.end_frame()
        near.next_frame(np.abs(frame))
    return encoder


def unpack(data, shape, near):
    """Returns the levels, int64 of shape `(channels, frames, bins)`, of bytes by `pack`; ValueError for others."""
    values, coded = np.zeros(shape, np.int64), [np.zeros(0, np.int64)]
    decoder, frames = entropy.Decoder(data, near.prior), values.transpose(1, 0, 2)
    for frame in frames:
        for number, part in enumerate(near.parts):
            tables = near.tables(number)
            near.frame[part] = decoder.get(tables.ravel()).reshape(tables.shape)
        coded.append(decoder.end_frame())
        _in_order(coded[-1], frame, near.parts)
        near.next_frame(frame)
    for integers, frame in zip(decoder.finish(np.concatenate(coded)).reshape(len(frames), -1), frames):
        _in_order(integers, frame, near.parts)
    return values


def _in_order(coded, frame, parts):
    """Puts a frame's numbers in the order of coding into `(channels, bins)`."""
    start = 0
    for part in parts:
        here = frame[part]
        here[...] = coded[start : start + here.size].reshape(here.shape)
        start += here.size
