"""Two ways from a cache to segments: whole records, whose checksums TensorFlow compares, or the segments' samples alone.

A segment of 65,536 samples is a quarter of a 30-s clip's record at 8 kHz, and a twentieth at 44.1 kHz.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import tensorflow as tf

from fmalib.data import shards


@dataclasses.dataclass(frozen=True)
class Source:
    """A way to the samples of some tracks.

    Attributes:
        tracks: function of a shard's number that returns a `tf.data.Dataset` of its tracks, each a tensor.
        facts: function of such a tensor that returns (handle, track id, samples, label); the label is -1 for other tracks.
        piece: function of (handle, first sample) that returns a tensor in place of a segment; segments are shuffled as such.
        audio: function of a batch of pieces that returns int16 `(batch, length)`.
        parallel: whether several shards should be read at once.
    """

    tracks: Callable
    facts: Callable
    piece: Callable
    audio: Callable
    parallel: bool


def records(cache, tracks, length):
    """Returns the `Source` of whole records; a wrong checksum is `tf.errors.DataLossError`.

    Args:
        cache: a `fmalib.data.audio_cache.Cache`.
        tracks: table by `fmalib.data.segments.select`; shards are numbered in its order.
        length: samples of a segment.
    """
    features = {"track_id": tf.io.FixedLenFeature([], tf.int64), "audio": tf.io.FixedLenFeature([], tf.string)}
    table = tf.lookup.KeyValueTensorInitializer(tracks.index.to_numpy(np.int64), tracks["label"].to_numpy(np.int64))
    paths, labels = tf.constant(_paths(cache, tracks)), tf.lookup.StaticHashTable(table, default_value=-1)
    buffer = None if shards.is_address(cache.place) else 0  # records are large: without a buffer they are copied once less

    def facts(record):
        example = tf.io.parse_single_example(record, features)
        samples = tf.cast(tf.strings.length(example["audio"]), tf.int64) // 2
        return example["audio"], example["track_id"], samples, labels.lookup(example["track_id"])

    return Source(
        tracks=lambda shard: tf.data.TFRecordDataset(paths[shard], buffer_size=buffer),
        facts=facts,
        piece=lambda audio, start: tf.strings.substr(audio, 2 * start, 2 * length),  # cheaper than decoding the whole track
        audio=lambda pieces: tf.io.decode_raw(pieces, tf.int16, little_endian=True),
        parallel=True,
    )


def ranges(cache, tracks, length):
    """Returns the `Source` of samples alone, args as for `records`; the cache lies in a folder.

    It compares no checksums. A shard that is gone, or whose size has changed, is `tf.errors.UnknownError`.
    """
    rows = cache.tracks[cache.tracks["shard"].isin(tracks["shard"].unique())]
    numbers, _ = pd.factorize(rows["shard"])
    layouts = [shards.layout(part.items()) for _, part in rows.groupby("shard", sort=False)["samples"]]
    columns = (
        numbers,
        [begin for begins, _ in layouts for begin in begins],
        rows.index,
        rows["samples"],
        tracks["label"].reindex(rows.index, fill_value=-1),
    )
    table = tf.constant(np.stack([np.asarray(column, np.int64) for column in columns], axis=1))
    limits = tf.constant(np.searchsorted(numbers, np.arange(len(layouts) + 1)))
    paths, sizes = _paths(cache, tracks), [size for _, size in layouts]

    def read(places):
        audio = np.empty((len(places), length), "<i2")
        for samples, (shard, begin) in zip(audio, places):
            shards.read_samples(paths[shard], sizes[shard], begin, samples)
        return audio

    return Source(
        tracks=lambda shard: tf.data.Dataset.range(limits[shard], limits[shard + 1]),
        facts=lambda row: (table[row, :2], table[row, 2], table[row, 3], table[row, 4]),
        piece=lambda place, start: tf.stack([place[0], place[1] + 2 * start]),
        audio=lambda pieces: tf.numpy_function(read, [pieces], tf.int16),
        parallel=False,
    )


def _paths(cache, tracks):
    return [cache.path(name) for name in tracks["shard"].unique()]
