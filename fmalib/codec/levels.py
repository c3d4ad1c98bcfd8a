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
    return _coded(values, near, splits, entropy.Encoder(near.prior, near.signs and near.signs.prior)).finish()


def bits(values, near, splits=None):
    """Returns the ideal code length in bits of each level, float64 of the shape of `values`; arguments as for `pack`.

    `pack` takes a few words more than their sum, and the splits.
    """
    meter = entropy.Meter(near.prior, near.signs and near.signs.prior)
    lengths, parts = np.zeros(values.shape), near.signs.parts if near.signs else ()
    of_signs = iter(_coded(values, near, splits, meter).of_signs)
    for coded, frame, integers in zip(meter.lengths, lengths.transpose(1, 0, 2), values.transpose(1, 0, 2)):
        _in_order(coded[1 if near.switches else 0 :], frame, near.parts)
        for part in parts:
            frame[part][integers[part] != 0] += next(of_signs) - 1  # a sign without tables takes one bit
    return lengths


@_one_thread
def _coded(values, near, splits, encoder):
    """Returns the encoder that has coded levels."""
    near = near.ahead(values, splits) if hasattr(near, "ahead") else near
    for number, frame in enumerate(values.transpose(1, 0, 2)):
        if near.switches:
            encoder.put(splits[[number]], near.split_table(), signed=False)
            near.split = int(splits[number])
        for place, part in enumerate(near.parts):
            tables = near.tables(place)
            known = encoder.put(frame[part].ravel(), tables.ravel(), signed=not near.signs)
            near.frame[part] = known.reshape(tables.shape)
        encoder.end_frame()
        if near.signs:
            near.begin_signs(np.abs(frame))
            for part in near.signs.parts:
                negative = frame[part][frame[part] != 0] < 0
                tables, foretold = near.signs.foretold(part)
                encoder.put_signs(negative ^ foretold, tables)
                near.signs.tell(negative)
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
    decoder, frames = entropy.Decoder(data, near.prior, near.signs and near.signs.prior), values.transpose(1, 0, 2)
    for number, frame in enumerate(frames):
        if near.switches:
            splits[number] = near.split = min(int(decoder.get(near.split_table())[0]), near.switches)
        for place, part in enumerate(near.parts):
            tables = near.tables(place)
            near.frame[part] = decoder.get(tables.ravel()).reshape(tables.shape)
        coded.append(decoder.end_frame()[1 if near.switches else 0 :])
        _in_order(coded[-1], frame, near.parts)
        sizes = frame.copy()
        if near.signs:
            near.begin_signs(sizes)
            for part in near.signs.parts:
                tables, foretold = near.signs.foretold(part)
                negative = decoder.get_signs(tables) ^ foretold
                frame[part][sizes[part] > 0] *= 1 - 2 * negative.astype(np.int64)
                near.signs.tell(negative)
        near.next_frame(sizes)
    if not near.signs:
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
