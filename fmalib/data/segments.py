"""Segments of cached audio as `tf.data`: random crops for training, fixed segments for validation and test.

Both read shard by shard, so memory does not grow with the number of tracks.
"""

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import tensorflow as tf

from fmalib.data import sources
from fmalib.data.audio_cache import Cache
from fmalib.data.shards import is_address
from fmalib.data.tracks import SPLITS, describe_excluded, join_excluded

SHUFFLE_SEGMENTS = 256  # held as int16: 32 MiB of 65,536-sample segments
EPOCH_STRIDE = 1_000_003  # keeps the random seeds of different epochs apart
VALIDATION_SEGMENTS = 5  # of each track
TARGETS = ("label", "audio")


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Training data of a model: random crops of the training tracks, fixed segments of the validation tracks.

    Attributes:
        cache: the decoded audio.
        training, validation: track tables by `select`.
        length: samples of a segment.
        target: `"label"` for classifiers, `"audio"` for autoencoders.
        batch_size: segments in a batch.
        crops_per_track: random segments of each training track in an epoch.
        n_classes: length of one-hot vectors that replace the labels; 0 keeps the labels.
        mixup: mixes the segments of a training batch pairwise, and their one-hot labels, by shares drawn from
            Beta(mixup, mixup) (Zhang et al. 2018; on waveforms: Tokozume et al. 2018); 0 does not.
    """

    cache: Cache
    training: pd.DataFrame
    validation: pd.DataFrame
    length: int
    target: str = "label"
    batch_size: int = 32
    crops_per_track: int = 1
    n_classes: int = 0
    mixup: float = 0.0

    def __post_init__(self):
        for name in ("length", "batch_size", "crops_per_track"):
            _check_positive(name, getattr(self, name))
        if self.mixup < 0 or (self.mixup and not self.n_classes):
            received = f"mixup={self.mixup}, n_classes={self.n_classes}"
            raise ValueError(f"mixup must be 0 or more, and needs n_classes. Received: {received}")

    @property
    def steps_per_epoch(self):
        """Batches in an epoch of training."""
        return n_batches(self.training, self.crops_per_track, self.batch_size)

    def crops(self, seed, first_epoch=0):
        """Returns the training data: `random_crops`, endless."""
        counts = {"batch_size": self.batch_size, "crops_per_track": self.crops_per_track, "first_epoch": first_epoch}
        batches = random_crops(self.cache, self.training, self.length, seed=seed, target=self.target, **counts)
        if self.n_classes:
            batches = batches.map(self._one_hot)
        if self.mixup:
            batches = batches.enumerate(first_epoch * self.steps_per_epoch).map(_mix(self.mixup, seed))
        return batches

    def held_out(self):
        """Returns the validation data: `fixed_segments`."""
        counts = {"per_track": VALIDATION_SEGMENTS, "batch_size": self.batch_size}
        batches = fixed_segments(self.cache, self.validation, self.length, target=self.target, **counts)
        return batches.map(self._one_hot) if self.n_classes else batches

    def content(self):
        """Returns plain values that identify this pipeline, for the name of a training run."""
        return {
            "training": fingerprint(self.cache, self.training),
            "validation": fingerprint(self.cache, self.validation),
            "sample_rate_hz": self.cache.sample_rate,
            "segment_samples": int(self.length),
            "target": self.target,
            "batch_size": int(self.batch_size),
            "crops_per_track": int(self.crops_per_track),
            "n_classes": int(self.n_classes),
            "mixup": float(self.mixup),
        }

    def _one_hot(self, audio, label):
        return audio, tf.one_hot(label, self.n_classes)


def select(dataset, cache, split, length):
    """Returns (tracks, skipped) of a split: tracks with at least one segment, and tracks without.

    Args:
        dataset, cache: a `fmalib.data.datasets.Dataset` and its `fmalib.data.audio_cache.Cache`.
        split: `"training"`, `"validation"` or `"test"`.
        length: samples of a segment.

    Returns:
        tracks: in reading order, indexed by `track_id`; columns `label` (position in `dataset.genres`), `genre`,
            `artist`, `shard`, `samples`.
        skipped: indexed by `track_id`; columns `path`, `reason`: not decoded, or shorter than a segment.

    Raises:
        ValueError: no track is left, or `length` is not a positive integer.
    """
    _check_positive("length", length)
    wanted = dataset.tracks[dataset.tracks["split"] == split]
    tracks = cache.tracks.loc[cache.tracks.index.isin(wanted.index), ["shard", "samples"]].copy()
    tracks[["genre", "artist"]] = wanted.loc[tracks.index, ["genre", "artist"]]
    tracks["label"] = [dataset.genres.index(genre) for genre in tracks["genre"]]
    segment, short = f"a segment of {length / cache.sample_rate:.2f} s", tracks["samples"] < length
    too_short = wanted.loc[tracks.index[short], ["path"]].assign(reason=f"shorter than {segment}")
    skipped = join_excluded([cache.failed[cache.failed.index.isin(wanted.index)], too_short])
    tracks = tracks[~short]
    if wanted.empty:
        raise ValueError(
            f"The {split} split of {dataset.name} has no track: each genre needs three artists or more, one a split. "
            f"Add artists, or ask for split='random70'. Received: {dataset.tracks['artist'].nunique()} artists"
        )
    if tracks.empty:
        raise ValueError(
            f"The {split} split of {dataset.name} has no track with {segment}. {describe_excluded(skipped)} "
            f"Received: {len(wanted)} tracks, length={length}"
        )
    return tracks, skipped


def select_splits(data, decoded, length):
    """Returns ((training, validation, test), skipped): track tables by `select`, and one table of left-out tracks.

    Args as for `select`. `skipped` holds the tracks that the data set excludes (`data.excluded`), then those of each split.
    """
    chosen, skipped = zip(*(select(data, decoded, split, length) for split in SPLITS))
    return chosen, join_excluded([data.excluded, *skipped])


def crops_for(tracks, min_segments):
    """Returns the crops of each track with which an epoch has at least `min_segments` segments."""
    return -(-min_segments // len(tracks))


def n_batches(tracks, segments_per_track, batch_size):
    """Returns the number of batches in one pass over some tracks; the last one may be smaller."""
    return -(-len(tracks) * segments_per_track // batch_size)


def random_crops(cache, tracks, length, *, batch_size, seed, target="label", crops_per_track=1, first_epoch=0):
    """Returns an endless `tf.data.Dataset` of random segments for training.

    Every crop depends on seed, epoch and track alone, so training resumed at `first_epoch` gets the crops of undisturbed
    training. `fit` needs `n_batches` as `steps_per_epoch`.

    The first epoch reads whole records, and TensorFlow compares their checksums. Later epochs read the crops alone, which takes
    a fraction of the time; damage done since then is noticed only if it changes the size of a file. At an address, every epoch
    reads whole records, since each crop would take a round trip.

    Args:
        cache: the `fmalib.data.audio_cache.Cache` to read.
        tracks: table by `select`; its column `label` is the classifier's target.
        length: samples of a segment.
        target: `"label"` gives (audio, label); `"audio"` gives (audio, audio) for autoencoders.
        crops_per_track: segments of each track in an epoch.

    Returns:
        Batches of audio, float32 `(batch, length)` at full scale 1, and the target: int64 `(batch,)` or the audio.

    Raises:
        ValueError: tracks that the cache lacks, or that are not in its reading order.
    """
    _check_order(cache, tracks)

    def crops(source, epochs):
        def epoch_of_crops(epoch):
            epoch_seed = seed + EPOCH_STRIDE * epoch
            shards = tf.range(tracks["shard"].nunique())
            order = tf.random.experimental.stateless_shuffle(shards, tf.stack([tf.cast(seed, tf.int64), epoch]))

            def start(track_id, samples, number):
                key = tf.stack([epoch_seed, track_id * crops_per_track + number])
                return tf.random.stateless_uniform([], key, 0, tf.maximum(samples - length, 0) + 1, tf.int64)

            several = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True} if source.parallel else {}
            mixed = tf.data.Dataset.from_tensor_slices(order).interleave(source.tracks, cycle_length=4, **several)
            return _shuffled_blocks(_cut(mixed, source, crops_per_track, start), epoch_seed).batch(batch_size)

        batches = epochs.flat_map(epoch_of_crops)
        return batches.map(_to_batch(source, length, target), num_parallel_calls=tf.data.AUTOTUNE)

    checked, forever = sources.records(cache, tracks, length), tf.data.Dataset.counter(start=first_epoch)
    if is_address(cache.place):
        return crops(checked, forever).prefetch(2)
    later = crops(sources.ranges(cache, tracks, length), forever.skip(1))
    return crops(checked, forever.take(1)).concatenate(later).prefetch(2)


def fixed_segments(cache, tracks, length, *, per_track, batch_size, target="label"):
    """Returns a `tf.data.Dataset` of evenly spaced segments, in the order of `segment_table`, for validation and test.

    One segment lies in the middle of its track; several span it from end to end, and overlap if the track is short.

    Args, element shapes, targets and errors as for `random_crops`; `per_track` is the number of segments of each track.
    """
    _check_positive("per_track", per_track)
    _check_order(cache, tracks)
    source = sources.records(cache, tracks, length)
    read = tf.data.Dataset.range(tracks["shard"].nunique()).flat_map(source.tracks)

    def start(track_id, samples, number):
        return _even_start(samples, length, per_track, number)

    batches = _cut(read, source, per_track, start).batch(batch_size).map(_to_batch(source, length, target))
    # Without a known number of batches, Keras warns at the end of the data.
    count = tf.data.experimental.assert_cardinality(n_batches(tracks, per_track, batch_size))
    return batches.apply(count).prefetch(2)


def segment_table(tracks, length, per_track):
    """Returns one row for each segment of `fixed_segments`, in its order: `track_id`, `label`, `artist`, `start` (samples)."""
    _check_positive("per_track", per_track)
    rows = [
        (track_id, label, artist, int(start))
        for track_id, label, artist, samples in tracks[["label", "artist", "samples"]].itertuples()
        for start in np.atleast_1d(_even_start(samples, length, per_track, tf.range(per_track, dtype=tf.int64)))
    ]
    return pd.DataFrame(rows, columns=["track_id", "label", "artist", "start"])


def fingerprint(cache, tracks):
    """Returns a hash of the audio and labels of some tracks, for the name of a training run."""
    rows = "".join(f"{track_id}:{label}\n" for track_id, label in tracks["label"].items())
    return hashlib.sha256(f"{cache.key}\n{rows}".encode()).hexdigest()[:12]


def _check_positive(name, value):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")


def _check_order(cache, tracks):
    # Segments come in the order of the shards, and the rows of `segment_table` in the order of the tracks.
    places = cache.tracks.index.get_indexer(tracks.index)
    if (places < 0).any() or (np.diff(places) <= 0).any():
        raise ValueError(f"Tracks must be in the cache's reading order (segments.select). Received: {list(tracks.index[:5])}")


def _cut(tracks, source, per_track, start):
    """Returns the segments of tracks as a dataset of (piece, label), see `fmalib.data.sources.Source`.

    Args:
        tracks: dataset of tracks as the source has them; those without a label are left out.
        source: the `Source`.
        per_track: segments of each track.
        start: function of (track id, samples of the track, number of the segment) that returns its first sample.
    """

    def cut(track):
        handle, track_id, samples, label = source.facts(track)

        def piece(number):
            return source.piece(handle, start(track_id, samples, number))

        numbers, first = tf.range(per_track, dtype=tf.int64), piece(tf.constant(0, tf.int64))
        # A loop over one number takes as long as the rest.
        pieces = first[tf.newaxis] if per_track == 1 else tf.map_fn(piece, numbers, fn_output_signature=first.dtype)
        count = tf.where(label >= 0, per_track, 0)
        return pieces[:count], tf.fill([count], label)

    return tracks.map(cut, num_parallel_calls=tf.data.AUTOTUNE).unbatch()


def _shuffled_blocks(segments, seed):
    """Returns a dataset shuffled in blocks of SHUFFLE_SEGMENTS: `Dataset.shuffle` takes no seed that is a tensor."""

    def shuffle(number, block):
        key = tf.stack([seed, number])
        places = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(block[1])[0]), key)
        return tuple(tf.gather(part, places) for part in block)

    return segments.batch(SHUFFLE_SEGMENTS).enumerate().map(shuffle).unbatch()


def _even_start(samples, length, per_track, number):
    """Returns the start of one of `per_track` segments, int64, evenly spaced from the track's first to its last one."""
    last = tf.maximum(tf.cast(samples, tf.int64) - length, 0)
    return last // 2 if per_track == 1 else last * number // (per_track - 1)


def _mix(alpha, seed):
    """Returns a function of (number of the batch, batch) that mixes each segment with its predecessor in the batch."""

    def mix(number, batch):
        size = tf.shape(batch[1])[0]
        # Two gamma variates make a beta variate; the keys lie beside those of the crops.
        first, second = (tf.random.stateless_gamma([size, 1], [seed + part, number], alpha) + 1e-6 for part in (1, 2))
        share = first / (first + second)
        return tuple(share * part + (1 - share) * tf.roll(part, 1, axis=0) for part in batch)

    return mix


def _to_batch(source, length, target):
    if target not in TARGETS:
        raise ValueError(f"target must be one of {TARGETS}. Received: target={target!r}")

    def to_batch(pieces, label):
        audio = tf.cast(tf.ensure_shape(source.audio(pieces), [None, length]), tf.float32) / 32768.0
        return audio, (label if target == "label" else audio)

    return to_batch
