"""Levels of a chunk to bytes and back, under a context model: what knows the tables of the next levels from those before.

A context model has the attributes and functions of `fmalib.codec.contexts.Neighbourhood`.
"""

import functools

import numpy as np
from threadpoolctl import ThreadpoolController

from fmalib.codec import entropy


def _one_thread(function):
    """Returns a function whose matrix products take one thread: products are so small that threads wait for one another."""

    @functools.wraps(function)
    def limited(*args, **options):
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **options)

    return limited


@functools.cache
def _controller():
    return ThreadpoolController()


def pack(values, near, splits=None):
    """Returns the bytes of levels.

    Args:
        values: int64 of shape `(channels, frames, bins)`.
        near: a context model at its start.
        splits: of the frames, int64 of shape `(frames,)`, or None for a context model that has no `split_table`.
    """
    return _coded(values, near, splits, entropy.Encoder(near.prior)).finish()


def bits(values, near, splits=None):
    """Returns the ideal code length in bits of each level, float64 of the shape of `values`; arguments as for `pack`.

    `pack` takes a few words more than their sum, and the splits.
    """
    lengths, meter = np.zeros(values.shape), _coded(values, near, splits, entropy.Meter(near.prior))
    for coded, frame in zip(meter.lengths, lengths.transpose(1, 0, 2)):
        _in_order(coded[1 if near.switches else 0 :], frame, near.parts)
    return lengths


@_one_thread
def _coded(values, near, splits, encoder):
    """Returns the encoder that has coded levels."""
    for number, frame in enumerate(values.transpose(1, 0, 2)):
        if near.switches:
            encoder.put(splits[[number]], near.split_table(), signed=False)
            near.split = int(splits[number])
        for place, part in enumerate(near.parts):
            tables = near.tables(place)
            near.frame[part] = encoder.put(frame[part].ravel(), tables.ravel()).reshape(tables.shape)
        encoder.end_frame()
        near.next_frame(np.abs(frame))
    return encoder


@_one_thread
def unpack(data, shape, near):
    """Returns (levels, splits of the frames) of bytes by `pack`, int64; splits are 0 without switching.

    Args:
        data: bytes.
        shape: `(channels, frames, bins)`.
        near: as for `pack`.

    Raises:
        ValueError: other bytes.
    """
    values, splits, coded = np.zeros(shape, np.int64), np.zeros(shape[1], np.int64), []
    decoder, frames = entropy.Decoder(data, near.prior), values.transpose(1, 0, 2)
    for number, frame in enumerate(frames):
        if near.switches:
            splits[number] = near.split = min(int(decoder.get(near.split_table())[0]), near.switches)
        for place, part in enumerate(near.parts):
            tables = near.tables(place)
            near.frame[part] = decoder.get(tables.ravel()).reshape(tables.shape)
        coded.append(decoder.end_frame()[1 if near.switches else 0 :])
        _in_order(coded[-1], frame, near.parts)
        near.next_frame(frame)
    for integers, frame in zip(decoder.finish(np.concatenate(coded)).reshape(len(frames), -1), frames):
        _in_order(integers, frame, near.parts)
    return values, splits


def _in_order(coded, frame, parts):
    """Puts a frame's numbers in the order of coding into `(channels, bins)`."""
    start = 0
    for part in parts:
        here = frame[part]
        here[...] = coded[start : start + here.size].reshape(here.shape)
        start += here.size
