"""Levels of a chunk to bytes and back, under a context model: what knows the tables of the next levels from those before.

A context model is a `fmalib.codec.part_contexts.Parts`, or has the attributes and functions of
`fmalib.codec.contexts.Neighbourhood`. An encoder knows all levels, so most models find the tables of many frames at once for it
(`fmalib.codec.contexts.Ahead`).
"""

import functools

import numpy as np
from threadpoolctl import ThreadpoolController

from fmalib.codec import bitstream, entropy, part_contexts, quantiser
from fmalib.signal import mdct_frames


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
    lengths, of_signs = np.zeros(values.shape), iter(_coded(values, near, splits, meter).of_signs)
    by_parts = isinstance(near, part_contexts.Parts)
    rows = meter.lengths[len(splits) :] if by_parts and near.switches else meter.lengths
    first = 1 if near.switches and not by_parts else 0
    for coded, frame, integers in zip(rows, _views(lengths, near, splits), _views(values, near, splits)):
        _in_order(coded[first:], frame, near.parts)
        for part in near.signs.parts if near.signs else ():
            frame[part][integers[part] != 0] += next(of_signs) - 1  # a sign without tables takes one bit
    return lengths


def _views(array, near, splits):
    """Yields views `(channels, bins)` of frames `(channels, frames, bins)`, or of their parts, in the order of coding."""
    for number, frame in enumerate(array.transpose(1, 0, 2)):
        parts = 1 << int(splits[number]) if isinstance(near, part_contexts.Parts) and splits is not None else 1
        for part in range(parts):
            yield frame[:, part::parts]


@_one_thread
def _coded(values, near, splits, encoder):
    """Returns the encoder that has coded levels."""
    if not isinstance(near, part_contexts.Parts):
        _code(values, near, splits, encoder)
        return encoder
    if near.switches:
        encoder.put(splits[:, None], near.split_tables(splits)[:, None], unsigned=1)
    for part, levels in near.runs(values, np.zeros(values.shape[1], np.int64) if splits is None else splits):
        _code(levels, part, None, encoder)
    return encoder


def _code(values, near, splits, encoder):
    """Codes levels `(channels, frames, bins)` from where a context model is."""
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
    values, splits = np.zeros(shape, np.int64), np.zeros(shape[1], np.int64)
    decoder = entropy.Decoder(data, near.prior, near.signs and near.signs.prior)
    if isinstance(near, part_contexts.Parts):
        coded = list(_parts(decoder, near, values, splits))
    else:
        coded = [_frame(decoder, near, frame, splits[n : n + 1]) for n, frame in enumerate(values.transpose(1, 0, 2))]
    if not near.signs:
        signed = np.split(decoder.finish(np.concatenate(coded)), np.cumsum([len(each) for each in coded])[:-1])
        for integers, frame in zip(signed, _views(values, near, splits)):
            _in_order(integers, frame, near.parts)
    return values, splits


def _parts(decoder, near, values, splits):
    """Decodes frames part by part into levels and splits; yields the magnitudes of each part in the order of coding."""
    for number in range(len(splits) if near.switches else 0):
        decoder.get(near.split_tables(splits[: number + 1])[-1:])
        splits[number] = min(int(decoder.end_frame()[0]), near.switches)
    if (parts := int((1 << splits).sum())) > bitstream.MOST_FRAMES:
        raise ValueError(f"a chunk has up to {bitstream.MOST_FRAMES} parts of frames. Received: {parts}")
    trellis = quantiser.Trellis(len(values), values.shape[2])
    for split, frame in zip(splits.tolist(), values.transpose(1, 0, 2)):
        part = near.turn(split)
        part.expect(mdct_frames.apart(trellis.halves[:, None], split).swapaxes(0, 1))
        for place in range(1 << split):
            yield _frame(decoder, part, frame[:, place :: 1 << split])
        trellis.next_frame(frame)


def _frame(decoder, near, frame, split=None):
    """Decodes a frame or a part, and its split, if it is sent with it; returns magnitudes in the order of coding."""
    if near.switches:
        split[0] = near.split = min(int(decoder.get(near.split_table())[0]), near.switches)
    for place, part in enumerate(near.parts):
        tables = near.tables(place)
        near.frame[part] = decoder.get(tables.ravel()).reshape(tables.shape)
    coded = decoder.end_frame()[1 if near.switches else 0 :]
    _in_order(coded, frame, near.parts)
    sizes = frame.copy()
    if near.signs:
        near.begin_signs(sizes)
        for part in near.signs.parts:
            tables, foretold = near.signs.foretold(part)
            negative = decoder.get_signs(tables) ^ foretold
            frame[part][sizes[part] > 0] *= 1 - 2 * negative.astype(np.int64)
            near.signs.tell(negative)
    near.next_frame(sizes)
    return coded


def _in_order(coded, frame, parts):
    """Puts a frame's numbers in the order of coding into `(channels, bins)`."""
    start = 0
    for part in parts:
        here = frame[part]
        here[...] = coded[start : start + here.size].reshape(here.shape)
        start += here.size
