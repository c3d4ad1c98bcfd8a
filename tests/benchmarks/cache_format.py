"""TFRecord shards against per-track memory-mapped arrays: seconds to write, random crops per second, remote paths.

    python tests/benchmarks/cache_format.py --tracks 320 --seconds 10

Both hold the same int16 audio, and both give the same batches of float32 crops through `tf.data`, in alternating turns.
"""

import argparse
import tempfile
import time
from pathlib import Path

import fmalib  # noqa: F401 - before TensorFlow, whose settings it makes

# isort: split
import numpy as np
import pandas as pd
import tensorflow as tf

from fmalib.data import audio_cache, segments

LENGTH, BATCH = 65_536, 32


def write_shards(folder, tracks):
    """Writes TFRecord shards as `audio_cache` does; returns the table that `segments` reads."""
    rows = {}
    for first in range(0, len(tracks), audio_cache.TRACKS_PER_SHARD):
        name = f"{first:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for track_id in range(first, min(first + audio_cache.TRACKS_PER_SHARD, len(tracks))):
                writer.write(audio_cache._example(track_id, tracks[track_id]).SerializeToString())
                rows[track_id] = (name, len(tracks[track_id]), 0)
    return rows


def write_arrays(folder, tracks):
    """Writes one `.npy` file a track."""
    for track_id, audio in enumerate(tracks):
        np.save(folder / f"{track_id:06d}.npy", audio)


def mapped_crops(folder, n_tracks, seed):
    """Returns the endless `tf.data` pipeline of crops from memory-mapped arrays."""
    arrays = [np.load(folder / f"{track_id:06d}.npy", mmap_mode="r") for track_id in range(n_tracks)]

    def crop(track_id, number):
        audio = arrays[track_id]
        start = np.random.default_rng([seed, int(track_id), int(number)]).integers(len(audio) - LENGTH + 1)
        return audio[start : start + LENGTH].astype(np.float32) / 32768

    def load(number, track_id):
        audio = tf.numpy_function(crop, [track_id, number], tf.float32)
        return tf.ensure_shape(audio, [LENGTH]), track_id

    order = tf.data.Dataset.range(n_tracks).shuffle(n_tracks, seed=seed).repeat()
    return order.enumerate().map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)


def rate(batches, n_batches):
    """Returns crops per second, the first batches not counted."""
    iterator = iter(batches)
    for _ in range(3):
        next(iterator)
    started = time.perf_counter()
    for _ in range(n_batches):
        next(iterator)
    return n_batches * BATCH / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, default=320)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each track, at 44.1 kHz")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=60)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    samples = round(options.seconds * 44_100)
    tracks = [rng.integers(-20_000, 20_000, samples).astype(np.int16) for _ in range(options.tracks)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        rows = write_shards(folder, tracks)
        shards_seconds = time.perf_counter() - started
        started = time.perf_counter()
        write_arrays(folder, tracks)
        arrays_seconds = time.perf_counter() - started
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["shard", "samples", "label"])
        cache = audio_cache.Cache(folder, 44_100, table[["shard", "samples"]], pd.DataFrame(), "benchmark")
        ratios = []
        for turn in range(options.turns):
            records = segments.random_crops(cache, table, LENGTH, batch_size=BATCH, seed=turn)
            first, second = rate(records, options.batches), rate(mapped_crops(folder, len(tracks), turn), options.batches)
            ratios.append(second / first)
            print(f"turn {turn + 1}: TFRecord {first:6.0f} crops/s, memory-mapped {second:6.0f}, ratio {ratios[-1]:.2f}")
    print(f"writing: TFRecord {shards_seconds:.2f} s, arrays {arrays_seconds:.2f} s for {len(tracks)} tracks")
    print(f"memory-mapped / TFRecord: median {np.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    print("tf.io.gfile paths (gs://, hdfs://): TFRecord reads them; numpy.memmap needs a local file.")


if __name__ == "__main__":
    main()
