"""A cache of decoded audio: mono int16 in TFRecord shards, one cache per data set and sample rate.

Layout of `cache_dir/audio/<data set>-<rate>-<key>/`:

    00000.tfrecord    records of `track_id` (int64) and `audio` (int16 samples, little endian)
    00000.json        facts of its tracks, and reasons of failures; written last: a shard without it is made again

A record has a checksum, which TensorFlow compares whenever it reads one. A shard that changed after its description was
written is read through before it is used.
"""

import contextlib
import dataclasses
import errno
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import tensorflow as tf

from fmalib import files, paths
from fmalib.data.audio import AudioError, check_rate, decode
from fmalib.data.tracks import describe_excluded, describe_notices, excluded_table
from fmalib.progress import bar

FORMAT = 4  # part of the key: raise it when records, shards or decoding change
TRACKS_PER_SHARD = 4  # 10 MB of 30-s clips at 44.1 kHz: a split of a tenth of the tracks reads a third of the shards


@dataclasses.dataclass(frozen=True)
class Cache:
    """Decoded audio on disk.

    Attributes:
        directory: of the shards.
        sample_rate: Hz.
        tracks: one row per decoded track in reading order, indexed by `track_id`; columns `shard` (file name),
            `samples`, `total` and `total_squares` (sums over the samples at full scale 1).
        failed: tracks that could not be decoded, indexed by `track_id`; columns `path`, `reason`.
        notices: remarks on tracks that were decoded, such as a wrong length in a header; the same columns.
        key: hash of audio, rate and format.
    """

    directory: Path
    sample_rate: int
    tracks: pd.DataFrame
    failed: pd.DataFrame
    notices: pd.DataFrame
    key: str

    def __str__(self):
        hours, root = self.tracks["samples"].sum() / self.sample_rate / 3600, paths.project_root()
        place = self.directory.relative_to(root) if self.directory.is_relative_to(root) else self.directory
        lines = [f"Cache: {len(self.tracks)} tracks, {hours:.2f} h at {self.sample_rate} Hz in {place}"]
        lines += [describe_excluded(self.failed)] if len(self.failed) else []
        lines += [describe_notices(self.notices)] if len(self.notices) else []
        return "\n".join(lines)


def build(dataset, sample_rate, *, cache_dir=None, n_jobs=-1, progress=True):
    """Returns the `Cache` of a data set; decodes the missing shards.

    Shards are written in parallel, each under a temporary name until it is whole: a stopped build continues at the next call.
    Damaged shards are reported and made again. A complete cache needs no permission to write.

    Args:
        dataset: a `fmalib.data.datasets.Dataset`.
        sample_rate: rate to resample to, in Hz.
        cache_dir: parent folder; None means `fmalib.paths.cache_dir()`.
        n_jobs: threads, -1 is one per core; the decoders release the interpreter lock.
        progress: whether to show a progress bar while decoding.

    Raises:
        ValueError: no track could be decoded, or the rate is not valid.
        OSError: a file cannot be opened any more, or the disk is full or read-only; no temporary file is left.
    """
    check_rate(sample_rate)
    key = hashlib.sha256(f"{FORMAT}|{dataset.audio_fingerprint}|{sample_rate}".encode()).hexdigest()[:12]
    parent = paths.resolve(cache_dir) if cache_dir else paths.cache_dir()
    directory = parent / "audio" / f"{dataset.name}-{sample_rate}-{key}"
    plan = _plan(dataset.tracks)
    shards = {name: _read_shard(directory, name, say=False) for name in plan}
    if None in shards.values():
        with files.locked(directory / ".lock", "*.tfrecord", "*.json"):  # two notebooks may start at once
            missing = {name: ids for name, ids in plan.items() if shards[name] is None and not _read_shard(directory, name)}
            if missing:
                _write_shards(missing, dataset, directory, sample_rate, n_jobs, progress)
        shards = {name: _read_shard(directory, name) for name in plan}
    rows, failed, notices = [], [], []
    for name, shard in shards.items():
        rows += [(int(track_id), name, *facts) for track_id, facts in shard["tracks"].items()]
        failed += [(int(track_id), *facts) for track_id, facts in shard["failed"].items()]
        notices += [tuple(notice) for notice in shard["notices"]]
    failed = excluded_table(failed)
    if not rows:
        raise ValueError(f"No track of {dataset.name} could be decoded. {describe_excluded(failed)} Received: {dataset.root}")
    tracks = pd.DataFrame(rows, columns=["track_id", "shard", "samples", "total", "total_squares"]).set_index("track_id")
    return Cache(directory, int(sample_rate), tracks, failed, excluded_table(notices), key)


def read(cache, track_ids=None):
    """Yields `(track_id, audio)` of some or all tracks, in the cache's order; audio is int16 of shape `(samples,)`.

    Raises:
        OSError: as by `damage_named`.
    """
    wanted = cache.tracks if track_ids is None else cache.tracks[cache.tracks.index.isin(track_ids)]
    with damage_named(cache):
        for shard, tracks in wanted.groupby("shard", sort=False):
            yield from (record for record in _records(cache.directory / shard) if record[0] in tracks.index)


@contextlib.contextmanager
def damage_named(cache):
    """Raises OSError that names the damaged shards where TensorFlow finds a wrong checksum within the block.

    `build` makes these shards again. TensorFlow's own error names no file.
    """
    try:
        yield
    except tf.errors.DataLossError as error:
        damaged = [shard for shard in cache.tracks["shard"].unique() if not _is_sound(cache.directory / shard)]
        for shard in damaged:
            (cache.directory / shard).with_suffix(".json").unlink(missing_ok=True)
        text = "decoded audio is damaged; the next call makes it again"
        raise OSError(errno.EIO, text, ", ".join(str(cache.directory / shard) for shard in damaged)) from error


def standardisation(cache, track_ids):
    """Returns (mean, standard deviation) over all samples of some tracks, at full scale 1."""
    part = cache.tracks.loc[cache.tracks.index.isin(track_ids)]
    count = part["samples"].sum()
    mean = part["total"].sum() / count
    return float(mean), float(np.sqrt(part["total_squares"].sum() / count - mean**2))


def _plan(tracks):
    """Returns {shard name: track ids}, which decides the order of training crops.

    It follows from the tracks alone, not from their splits: a cache serves every split, and none may depend on the split that
    was opened first. The order is random and fixed, since a folder's tracks come sorted by genre.
    """
    ids = tracks.index.to_series().sample(frac=1.0, random_state=0).tolist()
    chunks = [ids[start : start + TRACKS_PER_SHARD] for start in range(0, len(ids), TRACKS_PER_SHARD)]
    return {f"{number:05d}.tfrecord": chunk for number, chunk in enumerate(chunks)}


def _read_shard(directory, name, *, say=True):
    """Returns the description of a finished shard, or None where the shard is absent or damaged; `say`: whether to report."""
    shard, description = directory / name, (directory / name).with_suffix(".json")
    facts = files.read_json(description, say=say)
    if facts is None or not shard.exists():
        return None
    status = shard.stat()
    if facts["bytes"] == status.st_size:
        # It is older than its description, unless it was copied or changed by others. No tool sets the second of its times.
        if max(status.st_mtime_ns, status.st_ctime_ns) <= description.stat().st_mtime_ns:
            return facts
        if _is_sound(shard, facts):
            with contextlib.suppress(OSError):  # on a read-only disk it is read through each time
                os.utime(description)
            return facts
    if say:
        files.report(shard)
    return None


def _is_sound(shard, facts=None):
    """Returns whether all records of a shard have their checksums; with a description, whether they are of its tracks."""
    try:
        found = {str(track_id): len(audio) for track_id, audio in _records(shard)}
    except tf.errors.OpError:
        return False
    return facts is None or found == {track_id: samples for track_id, (samples, *_) in facts["tracks"].items()}


def _records(shard):
    """Yields (track id, int16 audio `(samples,)`) of a shard."""
    for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        yield feature["track_id"].int64_list.value[0], np.frombuffer(feature["audio"].bytes_list.value[0], "<i2")


def _write_shards(plan, dataset, directory, sample_rate, n_jobs, progress):
    """Decodes and writes the shards of a plan, see `_plan`.

    After an error or Ctrl-C, it ends once all threads have stopped: one that outlives the interpreter would abort it.
    """
    total, stop = sum(map(len, plan.values())), threading.Event()
    shown = bar(total=total, desc=f"Decoding to {sample_rate} Hz", unit="track", progress=progress)
    workers = joblib.cpu_count() if n_jobs == -1 else n_jobs
    with shown, paths.quiet_stderr(), ThreadPoolExecutor(workers) as threads:
        jobs = [
            threads.submit(_write_shard, directory, name, dataset.tracks.loc[ids], dataset.root, sample_rate, stop)
            for name, ids in plan.items()
        ]
        try:
            for job in as_completed(jobs):
                shown.update(job.result())
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            raise


def _write_shard(directory, name, tracks, root, sample_rate, stop):
    """Decodes the tracks of one shard; returns their number."""
    facts = {"tracks": {}, "failed": {}, "notices": []}
    try:
        with files.atomic(directory / name) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
            for track_id, audio in _decoded(tracks, root, sample_rate, facts, stop):
                writer.write(_example(track_id, audio).SerializeToString(deterministic=True))
                facts["tracks"][track_id] = (len(audio), *_sums(audio))
    except tf.errors.OpError as error:
        if any(os.strerror(number) in error.message for number in files.FULL):
            raise files.full_disk(directory / name) from error
        raise OSError(errno.EIO, f"The decoded audio cannot be written ({error.message})", str(directory / name)) from error
    size = (directory / name).stat().st_size
    files.write_json((directory / name).with_suffix(".json"), {"bytes": size, **facts}, checksum=True)
    return len(tracks)


def _decoded(tracks, root, sample_rate, facts, stop):
    """Yields (track id, audio) of the tracks that can be decoded; reasons and remarks go to `facts`.

    Raises InterruptedError once the event `stop` is set.
    """
    for track_id, path, seconds in zip(tracks.index, tracks["path"], tracks["duration"]):
        if stop.is_set():
            raise InterruptedError
        remarks = []
        try:
            yield track_id, decode(root / path, sample_rate, expected_seconds=seconds, notice=remarks.append)
        except AudioError as error:
            facts["failed"][track_id] = (path, str(error))
        else:
            facts["notices"] += [(int(track_id), path, remark) for remark in remarks]


def _sums(audio, block=1 << 20):
    """Returns the sum and the sum of squares of int16 audio at full scale 1, added block by block."""
    total = total_squares = 0.0
    for start in range(0, len(audio), block):
        part = audio[start : start + block].astype(np.float64) / 32768
        total, total_squares = total + part.sum(), total_squares + part @ part
    return float(total), float(total_squares)


def _example(track_id, audio):
    """Returns one TFRecord example of int16 audio of shape `(samples,)`."""
    example = tf.train.Example()
    example.features.feature["track_id"].int64_list.value.append(track_id)
    example.features.feature["audio"].bytes_list.value.append(audio.astype("<i2").tobytes())
    return example
