"""A cache of decoded audio: mono int16 in TFRecord shards, one cache per data set and sample rate.

Layout of `cache_dir/audio/<data set>-<rate>-<key>/`:

    00000.tfrecord    records of `track_id` (int64) and `audio` (int16 samples, little endian)
    00000.json        facts of its tracks, and reasons of failures; written last: a shard without it is made again

A record has a checksum, which TensorFlow compares whenever it reads one whole; training does so in its first epoch
(`fmalib.data.segments`). A shard that changed after its description was written is read through before it is used
(`fmalib.data.shards`).

Several machines build a cache as workers of a Dask cluster. All see the audio files and the cache under the same names: shared
folders, or for the cache an address that TensorFlow's file API knows. `pip install fmalib[dask]` on each of them, then

    dask scheduler                                                  on one machine, which prints its address
    dask worker tcp://10.0.0.1:8786 --nworkers 8 --nthreads 2       on each machine: two threads for every two cores
    audio_cache.build(data, 8000, cache_dir="/shared/cache", cluster="tcp://10.0.0.1:8786")

Each shard is a task. A worker that dies costs its tasks' time: others make the shards it had not finished.

fma_full, extrapolated from 22 ms of a core for a clip of 30 s at 8 kHz: 106,574 tracks of 270 s (assumed, 8,000 hours) take 6
hours of one core, 22 minutes of 16, if the disk gives 700 MB/s. They write 430 GiB. Before, one machine reads all 879 GiB for
their checksums: 80 minutes at 200 MB/s.
"""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import tensorflow as tf

from fmalib import files, paths
from fmalib.data import shards
from fmalib.data.audio import check_rate
from fmalib.data.tracks import describe_excluded, describe_notices, excluded_table
from fmalib.progress import bar

FORMAT = 8  # part of the key: raise it when records, shards or decoding change
TRACKS_PER_SHARD = 4  # 10 MB of 30-s clips at 44.1 kHz: a split of a tenth of the tracks reads a third of the shards
BACKENDS = ("soundfile", "tensorflow_io")
READERS = 16  # descriptions read at once from an address, where each takes a round trip


@dataclasses.dataclass(frozen=True)
class Cache:
    """Decoded audio on disk.

    Attributes:
        place: folder or address of the shards.
        directory: local folder of the shards and of tables made of them; of the tables alone where `place` is an address.
        sample_rate: Hz.
        tracks: one row per decoded track in reading order, indexed by `track_id`; columns `shard` (file name),
            `samples`, `total` and `total_squares` (sums over the samples at full scale 1).
        failed: tracks that could not be decoded, indexed by `track_id`; columns `path`, `reason`.
        notices: remarks on tracks that were decoded, such as a wrong length in a header; the same columns.
        key: hash of audio, rate and format.
    """

    place: str
    directory: Path
    sample_rate: int
    tracks: pd.DataFrame
    failed: pd.DataFrame
    notices: pd.DataFrame
    key: str

    def __str__(self):
        hours, root = self.tracks["samples"].sum() / self.sample_rate / 3600, paths.project_root()
        place = self.directory.relative_to(root) if self.directory.is_relative_to(root) else self.directory
        place = self.place if shards.is_address(self.place) else place
        lines = [f"Cache: {len(self.tracks)} tracks, {hours:.2f} h at {self.sample_rate} Hz in {place}"]
        lines += [describe_excluded(self.failed)] if len(self.failed) else []
        lines += [describe_notices(self.notices)] if len(self.notices) else []
        return "\n".join(lines)

    def path(self, shard):
        """Returns the path or address of a shard, a string, by its file name."""
        return f"{self.place}/{shard}"


def build(dataset, sample_rate, *, cache_dir=None, n_jobs=-1, progress=True, cluster=None, backend="soundfile"):
    """Returns the `Cache` of a data set; decodes the missing shards.

    Shards are written in parallel, each under a temporary name until it is whole: a stopped build continues at the next call.
    Damaged shards are reported and made again. A complete cache needs no permission to write.

    Args:
        dataset: a `fmalib.data.datasets.Dataset`.
        sample_rate: rate to resample to, in Hz.
        cache_dir: parent folder, or an address that TensorFlow's file API knows, such as `gs://bucket/cache`; None means
            `fmalib.paths.cache_dir()`. An address has no lock: two builds at once write the same shards twice.
        n_jobs: threads, -1 is one per core; the decoders release the interpreter lock.
        progress: whether to show a progress bar while decoding.
        cluster: a `dask.distributed.Client`, or the address of its scheduler, whose workers decode; None decodes here.
        backend: `"soundfile"` decodes by `fmalib.data.audio`; `"tensorflow_io"` by `fmalib.data.tfio_decoder`, more slowly and
            beside TensorFlow 2.16 only, into a cache of its own.

    Raises:
        ValueError: no track could be decoded, an unknown backend, or the rate is not valid.
        OSError: a file cannot be opened any more, or the disk is full or read-only; no temporary file is left.
        ImportError: `cluster` is an address, and Dask is not installed; tensorflow-io does not load.
    """
    check_rate(sample_rate)
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}. Received: backend={backend!r}")
    kind = "" if backend == BACKENDS[0] else f"|{backend}"
    key = hashlib.sha256(f"{FORMAT}|{dataset.audio_fingerprint}|{sample_rate}{kind}".encode()).hexdigest()[:12]
    place, directory = _places(cache_dir, f"{dataset.name}-{sample_rate}-{key}")
    plan = _plan(dataset.tracks)
    found = _descriptions(place, plan, say=False)
    if None in found.values():
        alone = contextlib.nullcontext() if shards.is_address(place) else files.locked(directory / ".lock", *shards.NAMES)
        with alone:  # two notebooks may start at once
            again = _descriptions(place, [name for name, facts in found.items() if facts is None])
            missing = {name: plan[name] for name, facts in again.items() if facts is None}
            if missing:
                how = {"place": place, "root": str(dataset.root), "sample_rate": sample_rate, "backend": backend}
                _write_shards(functools.partial(shards.write, **how), _jobs(missing, dataset.tracks), n_jobs, progress, cluster)
        found = _descriptions(place, plan)
    rows, failed, notices = [], [], []
    for name, shard in found.items():
        rows += [(int(track_id), name, *facts) for track_id, facts in shard["tracks"].items()]
        failed += [(int(track_id), *facts) for track_id, facts in shard["failed"].items()]
        notices += [tuple(notice) for notice in shard["notices"]]
    failed = excluded_table(failed)
    if not rows:
        raise ValueError(f"No track of {dataset.name} could be decoded. {describe_excluded(failed)} Received: {dataset.root}")
    tracks = pd.DataFrame(rows, columns=["track_id", "shard", "samples", "total", "total_squares"]).set_index("track_id")
    return Cache(place, directory, int(sample_rate), tracks, failed, excluded_table(notices), key)


def read(cache, track_ids=None):
    """Yields `(track_id, audio)` of some or all tracks, in the cache's order; audio is int16 of shape `(samples,)`.

    Raises:
        OSError: as by `damage_named`.
    """
    wanted = cache.tracks if track_ids is None else cache.tracks[cache.tracks.index.isin(track_ids)]
    with damage_named(cache):
        for shard, tracks in wanted.groupby("shard", sort=False):
            yield from (record for record in shards.records(cache.path(shard)) if record[0] in tracks.index)


@contextlib.contextmanager
def damage_named(cache):
    """Raises OSError that names the damaged shards where TensorFlow finds a wrong checksum, or size, within the block.

    `build` makes these shards again. TensorFlow's own error names no file.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.UnknownError) as error:  # UnknownError: by `fmalib.data.sources.ranges`
        if isinstance(error, tf.errors.UnknownError) and shards.DAMAGED not in error.message:
            raise
        damaged = [path for path in map(cache.path, cache.tracks["shard"].unique()) if not shards.is_sound(path)]
        for path in damaged:
            shards.forget(path)
        text = f"{shards.DAMAGED}; the next call makes it again"
        raise OSError(errno.EIO, text, ", ".join(damaged)) from error


def standardisation(cache, track_ids):
    """Returns (mean, standard deviation) over all samples of some tracks, at full scale 1."""
    part = cache.tracks.loc[cache.tracks.index.isin(track_ids)]
    count = part["samples"].sum()
    mean = part["total"].sum() / count
    return float(mean), float(np.sqrt(part["total_squares"].sum() / count - mean**2))


def _places(cache_dir, name):
    """Returns (place of the shards, local folder of tables made of them) of a cache with a folder's name."""
    if cache_dir is not None and shards.is_address(cache_dir):
        return f"{str(cache_dir).rstrip('/')}/audio/{name}", paths.cache_dir() / "audio" / name
    directory = (paths.resolve(cache_dir) if cache_dir else paths.cache_dir()) / "audio" / name
    return str(directory), directory


def _plan(tracks):
    """Returns {shard name: track ids}, which decides the order of training crops.

    It follows from the tracks alone, not from their splits: a cache serves every split, and none may depend on the split that
    was opened first. The order is random and fixed, since a folder's tracks come sorted by genre.
    """
    ids = tracks.index.to_series().sample(frac=1.0, random_state=0).tolist()
    chunks = [ids[start : start + TRACKS_PER_SHARD] for start in range(0, len(ids), TRACKS_PER_SHARD)]
    return {f"{number:05d}.tfrecord": chunk for number, chunk in enumerate(chunks)}


def _descriptions(place, names, *, say=True):
    """Returns {shard name: its description, or None where the shard is absent or damaged}, in the order of the names."""
    read = functools.partial(shards.read, place, say=say)
    with ThreadPoolExecutor(READERS) as threads:
        return dict(zip(names, (threads.map if shards.is_address(place) else map)(read, names)))


def _jobs(plan, tracks):
    """Returns a list of (shard name, its tracks as plain tuples) for `shards.write`."""
    rows = {track_id: (track_id, path, seconds) for track_id, path, seconds in tracks[["path", "duration"]].itertuples()}
    return [(name, [rows[track_id] for track_id in ids]) for name, ids in plan.items()]


def _write_shards(write, jobs, n_jobs, progress, cluster):
    """Makes shards by a function of (shard name, tracks), in threads here or by the workers of a cluster."""
    total, rate = sum(len(tracks) for _, tracks in jobs), write.keywords["sample_rate"]
    with bar(total=total, desc=f"Decoding to {rate} Hz", unit="track", progress=progress) as shown:
        if cluster is None:
            _by_threads(write, jobs, joblib.cpu_count() if n_jobs == -1 else n_jobs, shown.update)
        else:
            _by_dask(write, jobs, cluster, shown.update)
            shards.sweep(write.keywords["place"])


def _by_threads(write, jobs, n_threads, done):
    """Calls a function for each job and `done` with its result.

    After an error or Ctrl-C, it ends once all threads have stopped: one that outlives the interpreter would abort it.
    """
    stop = threading.Event()
    with paths.quiet_stderr(), ThreadPoolExecutor(n_threads) as threads:
        running = [threads.submit(write, *job, stop=stop) for job in jobs]
        try:
            for job in as_completed(running):
                done(job.result())
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            raise


def _by_dask(write, jobs, cluster, done):
    """Does the same by the workers of a Dask cluster, see `build`. A task whose worker died is given to another one."""
    try:
        from dask import distributed
    except ImportError as error:
        text = f"Decoding on a cluster needs Dask: pip install fmalib[dask]. Received: cluster={cluster!r}"
        raise ImportError(text) from error
    with distributed.Client(cluster) if isinstance(cluster, str) else contextlib.nullcontext(cluster) as client:
        tasks = client.map(write, *zip(*jobs), pure=False, batch_size=1000)
        try:
            for task in distributed.as_completed(tasks):
                done(task.result())
                task.release()  # else a dead worker's finished tasks would be looked at again
        except BaseException:
            client.cancel(tasks)
            raise
