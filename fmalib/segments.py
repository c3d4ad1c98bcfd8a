"""Segments of cached audio as `tf.data`: random crops to train on, fixed ones to measure on.

Both read shard by shard, so memory does not grow with the number of tracks.
"""

import dataclasses
import hashlib

import numpy as np
import pandas as pd

from fmalib.cache import Cache
from fmalib.tracks import describe_excluded, join_excluded

SHUFFLE_SEGMENTS = 256  # held as int16: 32 MiB of 65,536-sample segments
EPOCH_STRIDE = 1_000_003  # keeps the random seeds of different epochs apart
VALIDATION_SEGMENTS = 5  # of each track
TARGETS = ("label", "audio")


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """What a model is trained on: random crops of some tracks, fixed segments of others.

    Attributes:
        cache: the decoded audio.
        training, validation: track tables by `select`.
        length: samples of a segment.
        target: `"label"` for classifiers, `"audio"` for autoencoders.
        batch_size: segments in a batch.
        crops_per_track: random segments of each training track in an epoch.
        n_classes: with labels, gives them as one-hot vectors of this length instead of numbers; 0 leaves them.
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
            raise ValueError(
                f"mixup needs n_classes, and is 0 or more. Received: mixup={self.mixup}, n_classes={self.n_classes}"
            )

    @property
    def steps_per_epoch(self):
        """Batches in an epoch of training."""
        return n_batches(self.training, self.crops_per_track, self.batch_size)

    def crops(self, seed, first_epoch=0):
        """Returns the training data: `random_crops`, endless."""
        batches = random_crops(
            self.cache, self.training, self.length, batch_size=self.batch_size, seed=seed, target=self.target,
            crops_per_track=self.crops_per_track, first_epoch=first_epoch,
        )
        if self.n_classes:
            batches = batches.map(_one_hot(self.n_classes))
        if self.mixup:
            batches = batches.enumerate(first_epoch * self.steps_per_epoch).map(_mix(self.mixup, seed))
        return batches

    def held_out(self):
        """Returns the validation data: `fixed_segments`."""
        batches = fixed_segments(
            self.cache, self.validation, self.length, per_track=VALIDATION_SEGMENTS, batch_size=self.batch_size,
            target=self.target,
        )
        return batches.map(_one_hot(self.n_classes)) if self.n_classes else batches

    def content(self):
        """Returns plain values that tell this pipeline from any other; they become part of a run's name."""
        return {
            "training": fingerprint(self.cache, self.training), "validation": fingerprint(self.cache, self.validation),
            "sample_rate_hz": self.cache.sample_rate, "segment_samples": int(self.length), "target": self.target,
            "batch_size": int(self.batch_size), "crops_per_track": int(self.crops_per_track), "n_classes": int(self.n_classes),
            "mixup": float(self.mixup),
        }


def select(dataset, cache, split, length):
    """Returns (tracks, skipped) of a split: those that hold at least one segment, and those that do not.

    Args:
        dataset: a `fmalib.datasets.Dataset`.
        cache: its `fmalib.cache.Cache`.
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
    short = tracks["samples"] < length
    too_short = wanted.loc[tracks.index[short], ["path"]].assign(
        reason=f"shorter than a segment of {length / cache.sample_rate:.2f} s"
    )
    skipped = join_excluded([cache.failed[cache.failed.index.isin(wanted.index)], too_short])
    tracks = tracks[~short]
    if wanted.empty:
        raise ValueError(
            f"The {split} split of {dataset.name} has no track: each genre needs three artists or more, so that none stands on "
            f"two sides. Add artists, or ask for split='random70'. Received: {dataset.tracks['artist'].nunique()} artists"
        )
    if tracks.empty:
        raise ValueError(
            f"The {split} split of {dataset.name} has no track with a segment of {length / cache.sample_rate:.2f} s. "
            f"{describe_excluded(skipped)} Received: {len(wanted)} tracks, length={length}"
        )
    return tracks, skipped


def n_batches(tracks, segments_per_track, batch_size):
    """Returns the number of batches in one pass over some tracks; the last one may be smaller."""
    return -(-len(tracks) * segments_per_track // batch_size)


def random_crops(cache, tracks, length, *, batch_size, seed, target="label", crops_per_track=1, first_epoch=0):
    """Returns an endless `tf.data.Dataset` of random segments for training.

    Every crop is a function of seed, epoch and track alone, so training that resumes at `first_epoch` sees what it would
    have seen undisturbed. Tell `fit` where an epoch ends by `steps_per_epoch`, which is `n_batches`.

    Args:
        cache: the `fmalib.cache.Cache` to read.
        tracks: table by `select`; its column `label` is what the classifier learns.
        length: samples of a segment.
        target: `"label"` gives (audio, label); `"audio"` gives (audio, audio) for autoencoders.
        crops_per_track: segments of each track in an epoch.

    Returns:
        Batches of audio, float32 `(batch, length)` at full scale 1, and the target: int64 `(batch,)` or the audio.
    """
    import tensorflow as tf

    shards, labels = _shards(cache, tracks), _label_table(tracks)

    def epoch_of_crops(epoch):
        epoch_seed = seed + EPOCH_STRIDE * epoch

        def crop(track_id, audio, crop_number):
            limit = _n_samples(audio) - length + 1
            key = tf.stack([epoch_seed, track_id * crops_per_track + crop_number])
            start = tf.random.stateless_uniform([], key, 0, limit, tf.int64)
            return _cut(audio, start, length), labels.lookup(track_id)

        def crops(record):
            track_id, audio = _parse(record)
            numbers = tf.range(crops_per_track, dtype=tf.int64)
            return tf.data.Dataset.from_tensor_slices(numbers).map(lambda number: crop(track_id, audio, number))

        order = tf.random.experimental.stateless_shuffle(shards, tf.stack([tf.cast(seed, tf.int64), epoch]))
        records = tf.data.Dataset.from_tensor_slices(order).interleave(
            tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        segments = records.filter(lambda record: labels.lookup(_parse(record)[0]) >= 0).flat_map(crops)

        # Dataset.shuffle takes no seed that is known only here, so blocks are shuffled instead of a sliding window.
        def shuffled(number, block):
            key = tf.stack([epoch_seed, number])
            places = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(block[1])[0]), key)
            return tf.data.Dataset.from_tensor_slices(tuple(tf.gather(part, places) for part in block))

        return segments.batch(SHUFFLE_SEGMENTS).enumerate().flat_map(shuffled).batch(batch_size)

    epochs = tf.data.Dataset.counter(start=first_epoch).flat_map(epoch_of_crops)
    return epochs.map(_to_batch(length, target), num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def fixed_segments(cache, tracks, length, *, per_track, batch_size, target="label"):
    """Returns a `tf.data.Dataset` of evenly spaced segments, in the order of `segment_table`, for measuring.

    One segment lies in the middle of its track; more span it from end to end, and overlap if the track is short.

    Args, element shapes and targets as for `random_crops`; `per_track` is the number of segments of each track.
    """
    import tensorflow as tf

    _check_positive("per_track", per_track)
    labels = _label_table(tracks)

    def cut(record):
        track_id, audio = _parse(record)
        starts = _starts(_n_samples(audio), length, per_track)
        label = labels.lookup(track_id)
        return tf.data.Dataset.from_tensor_slices(starts).map(lambda start: (_cut(audio, start, length), label))

    records = tf.data.Dataset.from_tensor_slices(_shards(cache, tracks)).flat_map(tf.data.TFRecordDataset)
    segments = records.filter(lambda record: labels.lookup(_parse(record)[0]) >= 0).flat_map(cut)
    batches = segments.batch(batch_size).map(_to_batch(length, target))
    # Keras warns of running out of data where it does not know the number of batches.
    count = tf.data.experimental.assert_cardinality(n_batches(tracks, per_track, batch_size))
    return batches.apply(count).prefetch(2)


def segment_table(tracks, length, per_track):
    """Returns one row for each segment of `fixed_segments`, in its order: `track_id`, `label`, `artist`, `start` (samples)."""
    _check_positive("per_track", per_track)
    rows = [
        (track_id, label, artist, int(start))
        for track_id, label, artist, samples in tracks[["label", "artist", "samples"]].itertuples()
        for start in np.asarray(_starts(samples, length, per_track))
    ]
    return pd.DataFrame(rows, columns=["track_id", "label", "artist", "start"])


def fingerprint(cache, tracks):
    """Returns a hash of which audio with which labels these tracks give; part of what identifies a training run."""
    rows = "".join(f"{track_id}:{label}\n" for track_id, label in tracks["label"].items())
    return hashlib.sha256(f"{cache.key}\n{rows}".encode()).hexdigest()[:12]


def _check_positive(name, value):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")


def _shards(cache, tracks):
    return [str(cache.directory / name) for name in tracks["shard"].unique()]


def _label_table(tracks):
    """Returns a lookup from track id to label, -1 for tracks that are not wanted."""
    import tensorflow as tf

    table = tf.lookup.KeyValueTensorInitializer(tracks.index.to_numpy(np.int64), tracks["label"].to_numpy(np.int64))
    return tf.lookup.StaticHashTable(table, default_value=-1)


def _parse(record):
    """Returns (track id, audio as bytes) of a TFRecord."""
    import tensorflow as tf

    features = {"track_id": tf.io.FixedLenFeature([], tf.int64), "audio": tf.io.FixedLenFeature([], tf.string)}
    example = tf.io.parse_single_example(record, features)
    return example["track_id"], example["audio"]


def _n_samples(audio):
    import tensorflow as tf

    return tf.cast(tf.strings.length(audio), tf.int64) // 2


def _cut(audio, start, length):
    """Returns the bytes of `length` int16 samples from `start` on; cheaper than decoding the whole track."""
    import tensorflow as tf

    return tf.strings.substr(audio, 2 * tf.cast(start, tf.int64), 2 * length)


def _starts(samples, length, per_track):
    """Returns evenly spaced int64 starts `(per_track,)`, from the track's first to its last segment."""
    import tensorflow as tf

    last = tf.cast(samples, tf.int64) - length
    if per_track == 1:
        return tf.reshape(last // 2, [1])
    return last * tf.range(per_track, dtype=tf.int64) // (per_track - 1)


def _one_hot(n_classes):
    import tensorflow as tf

    return lambda audio, label: (audio, tf.one_hot(label, n_classes))


def _mix(alpha, seed):
    """Returns a function of (batch's number, batch) that mixes each segment with the one before it in the batch."""
    import tensorflow as tf

    def mix(number, batch):
        size = tf.shape(batch[1])[0]
        # Two gamma variates make a beta variate; the keys lie beside those of the crops.
        first, second = (tf.random.stateless_gamma([size, 1], [seed + part, number], alpha) + 1e-6 for part in (1, 2))
        share = first / (first + second)
        return tuple(share * part + (1 - share) * tf.roll(part, 1, axis=0) for part in batch)

    return mix


def _to_batch(length, target):
    import tensorflow as tf

    if target not in TARGETS:
        raise ValueError(f"target must be one of {TARGETS}. Received: target={target!r}")

    def to_batch(audio, label):
        audio = tf.io.decode_raw(audio, tf.int16, little_endian=True)
        audio = tf.cast(tf.ensure_shape(audio, [None, length]), tf.float32) / 32768.0
        return audio, (label if target == "label" else audio)

    return to_batch
