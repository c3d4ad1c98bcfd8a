"""Levels of a chunk to bytes and back, under a context model: what knows the tables of the next levels from those before.

A context model has the attributes and functions of `fmalib.codec.contexts.Neighbourhood`. An encoder knows all levels, so most
models find the tables of many frames at once for it (`fmalib.codec.contexts.Ahead`).
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
    frames, ahead = values.swapaxes(0, 1), near.ahead(values, splits) if near.ahead else None
    integers = np.concatenate([frames[(slice(None), *part)].reshape(len(frames), -1) for part in near.parts], axis=1)
    if near.switches:
        integers = np.concatenate([splits[:, None], integers], axis=1)
    first = 0
    for tables in ahead.blocks() if ahead else _frame_by_frame(near, frames, splits):
        here = slice(first, first + len(tables))
        if near.signs:
            _put_with_signs((frames[here], integers[here], tables), (ahead or near).signs, encoder)
        else:
            encoder.put(integers[here], tables, unsigned=int(near.switches > 0))
        first += len(tables)
    return encoder


def _put_with_signs(block, signs, encoder):
    """Codes frames whose signs are foretold: levels `(channels, bins)`, integers in the order of coding, and tables of each."""
    for frame, integers, tables in zip(*block):
        encoder.put(integers[None], tables[None], unsigned=len(integers))
        for part in signs.parts:
            negative = frame[part][frame[part] != 0] < 0
            of_signs, foretold = signs.foretold(part)
            encoder.put_signs(negative ^ foretold, of_signs)
            signs.tell(negative)


def _frame_by_frame(near, frames, splits):
    """Yields the tables of each frame `(1, n)` in the order of coding, as a decoder finds them."""
    for number, sizes in enumerate(np.abs(frames)):
        tables = []
        if near.switches:
            tables.append(near.split_table())
            near.split = int(splits[number])
        for place, part in enumerate(near.parts):
            tables.append(near.tables(place).ravel())
            near.frame[part] = entropy.known(sizes[part].ravel(), tables[-1] % entropy.SCALES).reshape(sizes[part].shape)
        if near.signs:
            near.begin_signs(sizes)
        yield np.concatenate(tables)[None]
        near.next_frame(sizes)


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
