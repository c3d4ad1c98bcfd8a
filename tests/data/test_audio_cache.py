import hashlib
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import tensorflow as tf
from helpers import run_bound, tone

from fmalib.data import audio, audio_cache, datasets, file_facts, segments, shards


def load(folder):
    return datasets.load(str(folder))


def digest(directory):
    """Returns a hash of everything in a cache."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.name != ".lock"}


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(audio_cache, "TRACKS_PER_SHARD", 3)


def test_holds_the_decoded_audio(genre_folder, tmp_path):
    data = load(genre_folder)
    built = audio_cache.build(data, 4000, cache_dir=tmp_path / "cache", progress=False)
    assert sorted(built.tracks.index) == sorted(data.tracks.index) and built.failed.empty
    for track_id, samples in audio_cache.read(built):
        expected = audio.decode(data.root / data.tracks.loc[track_id, "path"], 4000)
        np.testing.assert_array_equal(samples, expected)
        assert built.tracks.loc[track_id, "samples"] == len(expected) == 12_000


def test_reading_some_tracks_keeps_the_order(genre_folder, tmp_path, small_shards):
    built = audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False)
    wanted = [17, 2, 9]
    assert [track_id for track_id, _ in audio_cache.read(built, wanted)] == [i for i in built.tracks.index if i in wanted]


def test_nothing_is_decoded_twice(genre_folder, tmp_path, monkeypatch):
    data = load(genre_folder)
    first = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    monkeypatch.setattr(shards, "decode", lambda *args, **options: pytest.fail("decoded again"))
    second = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    assert first.tracks.equals(second.tracks)
    other_split = datasets.load(str(genre_folder), split="random70")
    assert audio_cache.build(other_split, 8000, cache_dir=tmp_path / "cache", progress=False).key == first.key


def test_the_split_that_is_opened_first_changes_nothing(genre_folder, tmp_path, small_shards):
    """Tracks, their order and so the crops of a training are the same, whichever split has built the cache."""
    splits = [datasets.load(str(genre_folder), split=split) for split in ("official", "random70")]
    splits += datasets.folds(splits[0], 3)
    assert len({tuple(data.tracks["split"]) for data in splits}) == 5
    built = [
        audio_cache.build(data, 4000, cache_dir=tmp_path / str(number), progress=False) for number, data in enumerate(splits)
    ]
    for cache in built[1:]:
        assert cache.key == built[0].key and digest(cache.directory) == digest(built[0].directory)
        pd.testing.assert_frame_equal(cache.tracks, built[0].tracks)
    assert built[0].tracks["shard"].nunique() == 7


def truncate(file, to=None):
    file.write_bytes(file.read_bytes()[:to])


def flip(file, at=0.5):
    """Flips a bit of a file and puts its time back, as a failing disk does."""
    times, data = file.stat(), bytearray(file.read_bytes())
    data[int(at * len(data))] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


DAMAGE = {  # to a shard and its description: which of them the log names
    "missing": (lambda shard, description: shard.unlink(), None),
    "shortened": (lambda shard, description: truncate(shard, -1000), "tfrecord"),
    "flipped audio": (lambda shard, description: flip(shard), "tfrecord"),
    "flipped length": (lambda shard, description: flip(shard, 0), "tfrecord"),
    "a record short": (lambda shard, description: truncate(shard, shard.stat().st_size // 3), "tfrecord"),
    "no description": (lambda shard, description: description.unlink(), None),
    "empty description": (lambda shard, description: truncate(description, 0), "json"),
    "description {}": (lambda shard, description: description.write_text("{}"), "json"),
    "cut description": (lambda shard, description: truncate(description, 50), "json"),
    "flipped description": (lambda shard, description: flip(description), "json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_is_named_and_made_again(genre_folder, tmp_path, small_shards, caplog, damage):
    data = load(genre_folder)
    directory = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False).directory
    whole, (apply, named) = digest(directory), DAMAGE[damage]
    apply(directory / "00001.tfrecord", directory / "00001.json")
    audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    assert digest(directory) == whole
    expected = [f"{directory / '00001'}.{named} is damaged: it is made again."] if named else []
    assert caplog.messages == expected
    caplog.clear()
    audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    assert not caplog.messages


def test_a_copied_cache_is_read_through_once(genre_folder, tmp_path, monkeypatch):
    data = load(genre_folder)
    built = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    copy = tmp_path / "copy" / "audio" / built.directory.name
    copy.mkdir(parents=True)
    for file in sorted(built.directory.iterdir()):  # descriptions first
        (copy / file.name).write_bytes(file.read_bytes())
        time.sleep(0.01)
    monkeypatch.setattr(shards, "decode", lambda *args, **options: pytest.fail("decoded again"))
    read, is_sound = [], shards.is_sound
    monkeypatch.setattr(shards, "is_sound", lambda *args: read.append(Path(args[0]).name) or is_sound(*args))
    for _ in range(2):
        audio_cache.build(data, 8000, cache_dir=tmp_path / "copy", progress=False)
    assert sorted(read) == sorted(file.name for file in copy.glob("*.tfrecord"))


@pytest.mark.parametrize("how", ["read", "segments"])
def test_damage_while_a_cache_is_in_use_names_the_file_and_heals(genre_folder, tmp_path, small_shards, how):
    data = load(genre_folder)
    built = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    whole = digest(built.directory)
    flip(built.directory / "00002.tfrecord")
    tracks, _ = segments.select(data, built, "training", 8000)
    batches = segments.fixed_segments(built, tracks, 8000, per_track=1, batch_size=4)
    with pytest.raises(OSError, match=r"damaged; the next call makes it again.*00002\.tfrecord'") as raised:
        if how == "read":
            list(audio_cache.read(built))
        else:
            with audio_cache.damage_named(built):
                list(batches)
    assert "00001" not in str(raised.value)
    audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    assert digest(built.directory) == whole


READ_ONLY = """
import sys
from fmalib.data import audio_cache, datasets
built = audio_cache.build(datasets.load(sys.argv[1]), int(sys.argv[3]), cache_dir=sys.argv[2], progress=False)
print(len(list(audio_cache.read(built))))
"""


def test_a_complete_cache_is_used_where_nothing_may_be_written(genre_folder, tmp_path):
    built = audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False)
    (built.directory / ".lock").unlink()
    for folder in (built.directory, built.directory.parent, tmp_path / "cache"):
        folder.chmod(0o555)
    done, lacking = (run_bound(READ_ONLY, genre_folder, tmp_path / "cache", rate) for rate in (8000, 4000))
    for folder in (tmp_path / "cache", built.directory.parent, built.directory):
        folder.chmod(0o755)
    assert done.stdout.split() == ["20"], done.stderr
    assert "PermissionError" in lacking.stderr and "cannot be written" in lacking.stderr


def test_bad_files_are_counted_named_and_skipped(genre_folder, tmp_path, capfd):
    whole = genre_folder / "Low" / "whole.mp3"
    soundfile.write(whole, tone(440, 5, 44_100), 44_100)
    (genre_folder / "Low" / "truncated.mp3").write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    soundfile.write(genre_folder / "Low" / "silent.wav", np.zeros(24_000), 8000)
    capfd.readouterr()
    built = audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False)
    reasons = built.failed.set_index("path")["reason"]
    assert set(reasons.index) == {"Low/truncated.mp3", "Low/silent.wav"}
    assert reasons["Low/truncated.mp3"].startswith("truncated: 1.")
    assert "2 tracks left out" in str(built) and "Low/silent.wav" in str(built)
    assert len(built.tracks) == 21
    assert capfd.readouterr().err == ""  # mpg123 would complain here


def test_a_recording_over_2_gib_is_left_out_by_name(genre_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(file_facts, "digests", lambda root, names: names)  # reading 2 GiB takes seconds
    size, rate = (1 << 31) + 2, 44_100
    with open(genre_folder / "Low" / "long.wav", "wb") as file:  # its audio is a hole, which takes no place on the disk
        file.write(struct.pack("<4sI8sI", b"RIFF", size + 36, b"WAVEfmt ", 16))
        file.write(struct.pack("<HHIIHH4sI", 1, 1, rate, 2 * rate, 2, 16, b"data", size))
        file.truncate(size + 44)
    built = audio_cache.build(load(genre_folder), rate, cache_dir=tmp_path / "cache", progress=False)
    assert built.failed.to_numpy().tolist() == [["Low/long.wav", "longer than 3.4 h at 44100 Hz: cut it into pieces"]]
    assert len(built.tracks) == 20 and "1 (longer than 3.4 h at 44100 Hz): Low/long.wav (cut it into pieces)" in str(built)


def test_a_file_that_is_away_stops_the_build_and_is_taken_later(genre_folder, tmp_path, small_shards):
    data = load(genre_folder)
    (genre_folder / "Low").rename(genre_folder / "away")
    with pytest.raises(FileNotFoundError, match="Low"):
        audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    (genre_folder / "away").rename(genre_folder / "Low")
    assert len(audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False).tracks) == 20


def test_no_usable_file_at_all(tmp_path):
    (tmp_path / "music" / "Rock").mkdir(parents=True)
    soundfile.write(tmp_path / "music" / "Rock" / "a.wav", np.zeros(8000), 8000)
    with pytest.raises(ValueError, match=r"No track of music could be decoded.*digital silence.*a\.wav"):
        audio_cache.build(load(tmp_path / "music"), 8000, cache_dir=tmp_path / "cache", progress=False)


@pytest.mark.parametrize("rate", [0, 100, 8000.5])
def test_wrong_rate(genre_folder, tmp_path, rate):
    with pytest.raises(ValueError, match=f"Received: sample_rate={rate}"):
        audio_cache.build(load(genre_folder), rate, cache_dir=tmp_path / "cache", progress=False)


def test_standardisation_is_that_of_the_samples(genre_folder, tmp_path):
    built = audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False)
    ids = built.tracks.index[:7]
    everything = np.concatenate([audio.to_float(samples) for _, samples in audio_cache.read(built, ids)]).astype(np.float64)
    assert audio_cache.standardisation(built, ids) == pytest.approx((everything.mean(), everything.std()), abs=1e-9)


BUILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores Ctrl-C
from fmalib.data import audio_cache, datasets, shards
audio_cache.TRACKS_PER_SHARD = 3
decode = shards.decode
def slowly(*args, **options):
    time.sleep(0.15)
    return decode(*args, **options)
shards.decode = slowly
audio_cache.build(datasets.load(sys.argv[1]), 8000, cache_dir=sys.argv[2], progress=False, n_jobs=1)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_build_continues(genre_folder, tmp_path, small_shards, how):
    data = load(genre_folder)
    undisturbed = audio_cache.build(data, 8000, cache_dir=tmp_path / "undisturbed", progress=False)
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(genre_folder), str(tmp_path / "killed")], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed").rglob("0000*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, how)
    assert process.wait(timeout=60) != 0
    directory = tmp_path / "killed" / "audio" / undisturbed.directory.name
    done = list(directory.glob("0000*.json"))
    assert 0 < len(done) < undisturbed.tracks["shard"].nunique()
    resumed = audio_cache.build(data, 8000, cache_dir=tmp_path / "killed", progress=False)
    assert digest(directory) == digest(undisturbed.directory)  # nothing half-written is left
    assert resumed.tracks.equals(undisturbed.tracks)


LIMITED = """
import resource, signal, sys
from fmalib.data import audio_cache, datasets
data = datasets.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))  # like a full disk: writing fails half way
try:
    audio_cache.build(data, 8000, cache_dir=sys.argv[2], progress=False)
except OSError as error:
    sys.exit(7 if "tfrecord" in str(error) else 8)
"""


def test_a_full_disk_leaves_nothing_behind_and_raises_what_is_promised(genre_folder, tmp_path):
    pytest.importorskip("resource")
    command = [sys.executable, "-c", LIMITED, str(genre_folder), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 7, done.stderr
    assert {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {".lock"}
    assert len(audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False).tracks) == 20


def test_remarks_on_used_tracks_are_kept_and_named(genre_folder, tmp_path):
    soundfile.write(genre_folder / "Low" / "loud.wav", 20_000 * tone(440), 8000, subtype="FLOAT")
    built = audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False)
    assert len(built.tracks) == 21 and built.notices["path"].tolist() == ["Low/loud.wav"]
    assert built.notices["reason"].iloc[0].endswith("divided by 32768")
    assert "1 remarks on tracks that are used: 1 (scaled): Low/loud.wav (values reach " in str(built)
    again = audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False)
    assert again.notices.equals(built.notices)


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of Dask on loopback."""
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install fmalib[dask]")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as local, distributed.Client(local) as client:
        yield client


def slow_down():
    """Makes each decoding of a worker take a moment longer; returns the worker's process id."""
    shards.decode = lambda *args, **options: time.sleep(0.1) or audio.decode(*args, **options)
    return os.getpid()


@pytest.mark.parametrize("killed", [False, True])
def test_a_cluster_makes_the_same_shards_whoever_dies(genre_folder, tmp_path, small_shards, cluster, killed):
    data = load(genre_folder)
    here = audio_cache.build(data, 8000, cache_dir=tmp_path / "here", progress=False)
    directory = tmp_path / "there" / "audio" / here.directory.name
    workers, killer = cluster.run(slow_down), None
    if killed:
        killer = threading.Thread(target=kill_in_the_middle, args=(min(workers.values()), directory))
        killer.start()
    there = audio_cache.build(data, 8000, cache_dir=tmp_path / "there", progress=False, cluster=cluster)
    if killed:
        killer.join()
        assert min(workers.values()) not in cluster.run(os.getpid).values()
    assert digest(directory) == digest(here.directory)
    pd.testing.assert_frame_equal(there.tracks, here.tracks)


def kill_in_the_middle(process, directory):
    """Kills a worker once a shard is there, and leaves what a writer killed on another machine would."""
    deadline = time.monotonic() + 60
    while not list(directory.glob("0*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    (directory / f".{'0' * 12}.tmp.00006.tfrecord").touch()
    os.kill(process, signal.SIGKILL)


def test_an_error_of_a_worker_ends_the_build(genre_folder, tmp_path, small_shards, cluster):
    data = load(genre_folder)
    (genre_folder / "Low").rename(genre_folder / "away")
    with pytest.raises(FileNotFoundError, match="Low"):
        audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False, cluster=cluster)


def test_a_cluster_without_dask_says_how_to_get_it(genre_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r"pip install fmalib\[dask\]. Received: cluster='tcp://127.0.0.1:1'"):
        audio_cache.build(load(genre_folder), 8000, cache_dir=tmp_path / "cache", progress=False, cluster="tcp://127.0.0.1:1")


def test_shards_at_an_address_hold_the_same(genre_folder, tmp_path, small_shards, caplog):
    """`ram://` is an address as `gs://` is; what lies there ends with the process."""
    data, address = load(genre_folder), f"ram://{tmp_path.name}"
    here = audio_cache.build(data, 8000, cache_dir=tmp_path / "here", progress=False)
    there = audio_cache.build(data, 8000, cache_dir=address, progress=False)
    assert there.place == f"{address}/audio/{here.directory.name}" and there.place in str(there)
    names = sorted(path.name for path in here.directory.iterdir() if path.name != ".lock")
    assert sorted(tf.io.gfile.listdir(there.place)) == names
    for name in names:
        assert tf.io.gfile.GFile(there.path(name), "rb").read() == (here.directory / name).read_bytes()
    tracks, _ = segments.select(data, there, "training", 8000)
    batches = [
        next(iter(segments.random_crops(cache, tracks, 8000, batch_size=4, seed=0)))[0].numpy() for cache in (here, there)
    ]
    np.testing.assert_array_equal(*batches)
    with tf.io.gfile.GFile(there.path("00001.tfrecord"), "wb") as file:
        file.write(b"damaged")
    again = audio_cache.build(data, 8000, cache_dir=address, progress=False)
    assert caplog.messages == [f"{there.path('00001.tfrecord')} is damaged: it is made again."]
    pd.testing.assert_frame_equal(again.tracks, here.tracks)
