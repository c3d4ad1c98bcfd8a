"""One shard of decoded audio: TFRecords of some tracks, and a description that is written last.

A place is a folder, or an address that TensorFlow's file API knows, such as `gs://bucket/music`. A shard takes its final name
once it is whole, and one without a description does not count: writing it a second time, on whatever machine, changes nothing.
"""

import contextlib
import errno
import os
import secrets
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from fmalib import files
from fmalib.data import tfio_decoder
from fmalib.data.audio import AudioError, decode

NAMES = ("*.tfrecord", "*.json")  # of a shard and its description
DAMAGED = "decoded audio is damaged"


def is_address(place):
    """Returns whether a place is an address of TensorFlow's file API rather than a folder."""
    return "://" in str(place)


def read(place, name, *, say=True):
    """Returns the description of a finished shard, or None where the shard is absent or damaged.

    Args:
        place: folder or address, a string.
        name: of the shard, such as `"00000.tfrecord"`.
        say: whether to report damage.

    Returns:
        A dict: `bytes`, the size of the shard; `tracks`, {id: (samples, sum, sum of squares at full scale 1)}; `failed`,
        {id: (path, reason)}; `notices`, a list of (id, path, remark).
    """
    shard, description = f"{place}/{name}", _description(f"{place}/{name}")
    facts, status = _read_json(description, say), _status(shard)
    if facts is None or status is None:
        return None
    if facts["bytes"] == status[0]:
        # It is older than its description, unless it was copied or changed by others. No tool sets the second of its times.
        if max(status[1:]) <= _status(description)[1]:
            return facts
        if is_sound(shard, facts):
            _touch(description)
            return facts
    if say:
        files.report(shard)
    return None


def is_sound(shard, facts=None):
    """Returns whether all records of a shard have their checksums; with a description, whether they are of its tracks."""
    try:
        found = {str(track_id): len(audio) for track_id, audio in records(shard)}
    except tf.errors.OpError:
        return False
    return facts is None or found == {track_id: samples for track_id, (samples, *_) in facts["tracks"].items()}


def records(shard):
    """Yields (track id, int16 audio `(samples,)`) of a shard."""
    for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        yield feature["track_id"].int64_list.value[0], np.frombuffer(feature["audio"].bytes_list.value[0], "<i2")


def layout(tracks):
    """Returns ([position of each track's audio in bytes], size in bytes) of a shard by its (track id, samples) pairs.

    It follows from the forms of TFRecords and of protocol buffers: a record is its length and two checksums around an example,
    which is five messages in one another, each with a tag and its own length before it.
    """
    begins, position = [], 0
    for track_id, samples in tracks:
        size, behind = 2 * samples, len(_example(track_id).SerializeToString()) - 2
        for more in (0, 0, len(b"\n\5audio"), behind, 0):
            size += 1 + _bytes_of(size) + more
        begins.append(position + 12 + size - behind - 2 * samples)
        position += 12 + size + 4
    return begins, position


def read_samples(shard, size, begin, samples):
    """Fills an int16 array from a position of a local shard, in bytes; compares no checksum.

    Raises:
        OSError: the shard is gone, or has another size than `size` bytes; its text holds DAMAGED.
    """
    left = memoryview(samples).cast("B")
    with contextlib.suppress(FileNotFoundError), open(shard, "rb", buffering=0) as file:
        whole = os.fstat(file.fileno()).st_size == size
        file.seek(begin)
        while whole and left and (count := file.readinto(left)):  # some file systems return less than was asked for
            left = left[count:]
    if left:
        raise OSError(errno.EIO, f"{DAMAGED}: {size} bytes expected", str(shard))


def write(name, tracks, *, place, root, sample_rate, backend="soundfile", stop=None):
    """Decodes the tracks of one shard and writes it, unless it is there; returns the number of tracks.

    Args:
        name: of the shard.
        tracks: list of (track id, path relative to `root`, seconds).
        place: folder or address, a string.
        root: folder of the audio files.
        sample_rate: Hz.
        backend: as for `fmalib.data.audio_cache.build`.
        stop: an event that, once set, ends the work by InterruptedError; None where nobody sets one.

    Raises:
        OSError: a file cannot be opened any more, or the shard cannot be written; no temporary file is left.
    """
    if read(place, name, say=False) is not None:
        return len(tracks)
    facts, shard = {"tracks": {}, "failed": {}, "notices": []}, f"{place}/{name}"
    try:
        with _whole(shard) as temporary:
            size = _write_records(temporary, _decoded(tracks, root, sample_rate, facts, stop, backend), facts)
        _write_json(_description(shard), {"bytes": size, **facts})
    except tf.errors.OpError as error:
        if any(os.strerror(number) in error.message for number in files.FULL):
            raise files.full_disk(shard) from error
        raise OSError(errno.EIO, f"The decoded audio cannot be written ({error.message})", shard) from error
    return len(tracks)


def forget(shard):
    """Removes the description of a shard, so that it is made again."""
    with contextlib.suppress(tf.errors.NotFoundError):
        tf.io.gfile.remove(_description(shard))


def sweep(place):
    """Removes temporary files that killed writers left; call it while nobody writes there."""
    if not is_address(place):
        return files.sweep(place, *NAMES)
    for leftover in tf.io.gfile.glob(f"{place}/*.tmp"):
        tf.io.gfile.remove(leftover)


def _description(shard):
    return str(shard).removesuffix(".tfrecord") + ".json"


def _status(path):
    """Returns (bytes, two times of change in nanoseconds) of a file, None where it is not there; an address has one time."""
    try:
        if is_address(path):
            status = tf.io.gfile.stat(path)
            return status.length, status.mtime_nsec, status.mtime_nsec
        status = os.stat(path)
    except (FileNotFoundError, tf.errors.NotFoundError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _touch(path):
    """Sets a file's time to now; where that fails, as at an address, its shard is read through each time."""
    if not is_address(path):
        with contextlib.suppress(OSError):
            os.utime(path)


@contextlib.contextmanager
def _whole(path):
    """Yields a temporary path on a local disk; its content gets the name `path` only if the block succeeds."""
    if not is_address(path):
        with files.atomic(path) as temporary:
            yield temporary
        return
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory() as local:
        yield Path(local, name)
        half = f"{folder}/{secrets.token_hex(6)}.tmp"
        tf.io.gfile.makedirs(folder)
        tf.io.gfile.copy(os.path.join(local, name), half)
        tf.io.gfile.rename(half, path, overwrite=True)


def _write_json(path, value):
    if not is_address(path):
        return files.write_json(path, value, checksum=True)
    with _whole(path) as temporary:
        files.write_json(temporary, value, checksum=True)


def _read_json(path, say):
    """Returns a dict as `fmalib.files.read_json` does; one at an address is copied to a local disk first."""
    if not is_address(path):
        return files.read_json(path, say=say)
    with tempfile.TemporaryDirectory() as local:
        copy = Path(local, "description.json")
        try:
            tf.io.gfile.copy(path, str(copy))
        except tf.errors.NotFoundError:
            return None
        value = files.read_json(copy, say=False)
    if value is None and say:
        files.report(path)
    return value


def _write_records(path, decoded, facts):
    """Writes (track id, audio) pairs as TFRecords, and their sums to `facts`; returns the bytes of the file."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for track_id, audio in decoded:
            writer.write(_example(track_id, audio).SerializeToString(deterministic=True))
            facts["tracks"][track_id] = (len(audio), *_sums(audio))
    return os.stat(path).st_size


def _decoded(tracks, root, sample_rate, facts, stop, backend):
    """Yields (track id, audio) of the tracks that can be decoded; reasons and remarks go to `facts`.

    Raises InterruptedError once the event `stop` is set.
    """
    for track_id, path, seconds in tracks:
        if stop is not None and stop.is_set():
            raise InterruptedError
        remarks = []
        try:
            by = tfio_decoder.decode if backend == "tensorflow_io" else decode
            yield track_id, by(Path(root, path), sample_rate, expected_seconds=seconds, notice=remarks.append)
        except AudioError as error:
            facts["failed"][track_id] = (path, str(error))
        else:
            facts["notices"] += [(int(track_id), path, remark) for remark in remarks]


def _sums(audio, block=1 << 18):
    """Returns the sum and the sum of squares of int16 audio at full scale 1, added block by block.

    `part @ part` would start threads that wait in a loop, and take a quarter of two processors from the decoders.
    """
    total = total_squares = 0.0
    for start in range(0, len(audio), block):
        part = audio[start : start + block].astype(np.float64)
        total, total_squares = total + np.einsum("i->", part), total_squares + np.einsum("i,i", part, part)
    return float(total) / 32768, float(total_squares) / 32768**2


def _example(track_id, audio=None):
    """Returns one TFRecord example of int16 audio of shape `(samples,)`, or without audio."""
    example = tf.train.Example()
    example.features.feature["track_id"].int64_list.value.append(track_id)
    if audio is not None:
        example.features.feature["audio"].bytes_list.value.append(audio.astype("<i2", copy=False).tobytes())
    return example


def _bytes_of(number):
    """Returns the bytes that a number takes in a protocol buffer: seven bits each."""
    return max(1, -(-int(number).bit_length() // 7))
