"""The way from files to batches, each step beside a peer in the same run: caches, facts of files, the pipeline, memory.

    python tests/benchmarks/data.py [--music FOLDER] [--clips 480] [--rate 8000] [--json FILE]

Clips are MP3s of 30 s: those of a folder, repeated under other tags, or 16 of synthetic stereo music at 44.1 kHz. Rates are
medians of turns in alternating order; a ratio is the median of the ratios within the turns. Where other work keeps the machine
busy, only ratios by processor time hold. Peers:

    cache       `soundfile.read` of the same files in as many threads, the limit; what decoding, averaging channels and
                resampling take with nothing else; and a loop over `librosa.load`
    facts       mutagen, which reads tags and the length that a header promises
    pipeline    memory-mapped arrays in `tf.data`; the segments that training the time-domain autoencoder consumes; and the
                pipeline in its first epoch, when it compares checksums
    memory      the peak of a process that builds a cache and draws two epochs of crops, of N and of 10 N clips

Bars: 0.75 of the limit, 2.5 librosa loops, 3 trainings, memory within 15 %.
"""

import argparse
import datetime
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import fmalib  # noqa: F401 - before TensorFlow, whose settings it makes

# isort: split
import lameenc
import librosa
import mutagen
import numpy as np
import soundfile
import soxr
import tensorflow as tf

from fmalib import paths
from fmalib.data import audio, audio_cache, datasets, file_facts, segments, sources
from fmalib.models import architectures

SECONDS, RATE = 30, 44_100  # of a clip
LENGTH, BATCH = 65_536, 32  # of a segment, of a batch
BARS = {"of the limit": 0.75, "librosa loops": 2.5, "trainings": 3.0, "times the memory": 1.15}


def synthetic(number):
    """Returns an MP3 of chords and noise in stereo, bytes."""
    rng, seconds = np.random.default_rng(number), np.arange(SECONDS * RATE) / RATE
    notes = sum(np.sin(2 * np.pi * hertz * seconds) * np.exp(-2 * (seconds % 0.5)) for hertz in rng.uniform(80, 3000, 6))
    sound = 0.1 * np.stack([notes, np.roll(notes, 400)], axis=1) + 0.02 * rng.standard_normal((len(seconds), 2))
    encoder = lameenc.Encoder()
    encoder.silence()
    for setting, value in (("quality", 7), ("bit_rate", 256), ("in_sample_rate", RATE), ("channels", 2)):
        getattr(encoder, f"set_{setting}")(value)
    return bytes(encoder.encode(audio.to_int16(sound).tobytes()) + encoder.flush())


def write_clips(folder, originals, count):
    """Writes clips in two genres, each by an artist of its own; files of the same bytes would be left out."""
    for number, data in zip(range(count), itertools.cycle(originals)):
        path = folder / f"genre {number % 2}" / f"artist {number}" / f"{number}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data + b"TAG" + str(number).ljust(125).encode())  # ID3v1


def measured(function, count):
    """Returns (things a second, milliseconds of processor time for each) of a function that does `count` of them."""
    started, busy = time.perf_counter(), time.process_time()
    function()
    return count / (time.perf_counter() - started), 1e3 * (time.process_time() - busy) / count


def in_turns(ways, turns):
    """Returns {name: array `(turns, 2)`} of functions without arguments that return what `measured` does."""
    found = {name: [] for name in ways}
    for turn in range(turns):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            found[name].append(ways[name]())
    return {name: np.array(values) for name, values in found.items()}


def shown(found, unit, ours, peers):
    """Prints and returns medians and ratios of a step; `peers`: {name of a peer: words for the ratio}."""
    rows = {}
    for name, values in found.items():
        rows[name] = [float(value) for value in np.median(values, axis=0)]
        print(f"  {name:28s} {rows[name][0]:9.1f} {unit}/s {rows[name][1]:9.2f} ms of processor time each")
    for peer, words in peers.items():
        ratio = float(np.median(found[ours][:, 0] / found[peer][:, 0]))
        busy = float(np.median(found[peer][:, 1] / found[ours][:, 1]))
        rows[words] = {"by_time": ratio, "by_processor_time": busy}
        print(f"  {ours}: {ratio:.2f} {words}{verdict(words, ratio)}; by processor time {busy:.2f}")
    return rows


def verdict(words, ratio):
    """Returns the bar of a ratio and whether it is reached, as text; empty where there is no bar."""
    if words not in BARS:
        return ""
    reached = ratio <= BARS[words] if words == "times the memory" else ratio >= BARS[words]
    return f" (bar {BARS[words]}: {'reached' if reached else 'missed'})"


def caches(data, folder, rate, turns):
    """Cache building beside `soundfile.read` and `librosa.load`; and by one worker and by two."""
    files, numbers = [data.root / name for name in data.tracks["path"]], itertools.count()
    cores = os.cpu_count()

    def build(n_jobs):
        place = folder / f"cache {next(numbers)}"
        return measured(lambda: audio_cache.build(data, rate, cache_dir=place, n_jobs=n_jobs, progress=False), len(files))

    def read_all(workers):
        def read(path):
            soundfile.read(path, dtype="float32")

        with ThreadPoolExecutor(workers) as threads:
            return measured(lambda: list(threads.map(read, files)), len(files))

    def resample(path):
        place = np.empty((audio.BLOCK_SECONDS * RATE, 2), np.float32)
        with soundfile.SoundFile(path) as file:
            resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32", quality="HQ")
            while len(block := file.read(len(place), dtype="float32", always_2d=True, out=place[:, : file.channels])):
                resampler.resample_chunk((block[:, 0] + block[:, -1]) * np.float32(0.5))

    def resample_all():
        with ThreadPoolExecutor(cores) as threads:
            return measured(lambda: list(threads.map(resample, files)), len(files))

    few = files[: max(1, len(files) // 4)]
    ways = {"cache": lambda: build(cores), "soundfile.read": lambda: read_all(cores), "cache, 1 worker": lambda: build(1)}
    ways |= {"soundfile.read, 1 worker": lambda: read_all(1)}
    ways |= {"decoding and resampling": resample_all}
    ways |= {"librosa.load loop": lambda: measured(lambda: [librosa.load(path, sr=rate) for path in few], len(few))}
    with paths.quiet_stderr():
        found = in_turns(ways, turns)
    print(f"cache at {rate} Hz, {len(files)} clips, {cores} cores")
    peers = {"soundfile.read": "of the limit", "decoding and resampling": "of decoding and resampling"}
    peers |= {"librosa.load loop": "librosa loops", "cache, 1 worker": "times one worker"}
    return shown(found, "clips", "cache", peers)


def facts(data, turns):
    """Tags and durations of all files beside mutagen's."""
    names = list(data.tracks["path"])

    def read():
        with tempfile.TemporaryDirectory() as cache:
            os.environ["FMALIB_CACHE"] = cache
            return measured(lambda: file_facts.of_files(data.root, names), len(names))

    def by_mutagen():
        return measured(lambda: [mutagen.File(data.root / name) for name in names], len(names))

    found = in_turns({"facts": read, "mutagen": by_mutagen}, turns)
    print(f"facts of {len(names)} files")
    return shown(found, "files", "facts", {"mutagen": "of mutagen"})


def mapped_crops(cache, folder, seed):
    """Returns the endless `tf.data` pipeline of crops from memory-mapped arrays, one a track."""
    arrays = []
    for number, (_, samples) in enumerate(audio_cache.read(cache)):
        if not (folder / f"{number}.npy").exists():
            np.save(folder / f"{number}.npy", samples)
        arrays.append(np.load(folder / f"{number}.npy", mmap_mode="r"))

    def crop(track, number):
        start = np.random.default_rng([seed, int(track), int(number)]).integers(len(arrays[track]) - LENGTH + 1)
        return audio.to_float(arrays[track][start : start + LENGTH])

    def load(number, track):
        return tf.ensure_shape(tf.numpy_function(crop, [track, number], tf.float32), [LENGTH]), track

    order = tf.data.Dataset.range(len(arrays)).shuffle(len(arrays), seed=seed).repeat()
    return order.enumerate().map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)


def pipeline(data, folder, rate, turns, batches=40):
    """Random crops beside memory-mapped arrays, and beside training."""
    cache = audio_cache.build(data, rate, cache_dir=folder / "pipeline", progress=False)
    tracks, _ = segments.select(data, cache, "training", LENGTH)
    model = architectures.compiled("time", "study", samples=LENGTH, latent=64, std=0.1)
    some = np.random.default_rng(0).normal(0, 0.1, (BATCH, LENGTH)).astype(np.float32)
    model.train_on_batch(some, some)
    (folder / "arrays").mkdir(exist_ok=True)

    def drawn(dataset):
        iterator = iter(dataset)
        for _ in range(3):
            next(iterator)
        return measured(lambda: [next(iterator) for _ in range(batches)], batches * BATCH)

    def trained():
        return measured(lambda: [model.train_on_batch(some, some) for _ in range(batches // 2)], batches // 2 * BATCH)

    def crops(later=sources.ranges):
        with mock.patch.object(sources, "ranges", later):
            return segments.random_crops(cache, tracks, LENGTH, batch_size=BATCH, seed=0, target="audio")

    ways = {"pipeline": lambda: drawn(crops()), "pipeline, first epoch": lambda: drawn(crops(sources.records))}
    ways |= {"memory-mapped arrays": lambda: drawn(mapped_crops(cache, folder / "arrays", 0)), "training": trained}
    print(f"segments of {LENGTH} samples at {rate} Hz, batches of {BATCH}, a crop of each clip in an epoch")
    peers = {"memory-mapped arrays": "of memory-mapped arrays", "training": "trainings"}
    peers |= {"pipeline, first epoch": "times its first epoch"}
    return shown(in_turns(ways, turns), "segments", "pipeline", peers)


def peak_mib():
    """Returns the peak memory of this process; the operating system's own count starts at the size of the process before it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) / 1024


def peak(folder, rate):
    """Prints the peak memory in MiB of building a cache, and with two epochs of crops, in a process of its own."""
    data = datasets.load(str(folder / "music"))
    cache = audio_cache.build(data, rate, cache_dir=folder / "cache", progress=False)
    built = peak_mib()
    tracks, _ = segments.select(data, cache, "training", LENGTH)
    # With eight of each clip, the pipeline's shuffling is full for the smaller set too: it holds SHUFFLE_SEGMENTS.
    crops = segments.random_crops(cache, tracks, LENGTH, batch_size=BATCH, seed=0, crops_per_track=8)
    for _ in crops.take(2 * segments.n_batches(tracks, 8, BATCH)):
        pass
    print(built, peak_mib())


def memory(originals, clips, rate):
    """Peak memory of `clips` and of ten times as many."""
    peaks, words = [], "times the memory"
    print(f"memory at {rate} Hz")
    for count in (clips, 10 * clips):
        with tempfile.TemporaryDirectory() as name:
            write_clips(Path(name) / "music", originals, count)
            command = [sys.executable, __file__, "--peak", name, "--rate", str(rate)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "FMALIB_CACHE": name})
        peaks.append([float(peak) for peak in done.stdout.split()[-2:]])
        held = count * SECONDS * rate * 4 / 2**20
        built, drawn = peaks[-1]
        print(f"  {count:5d} clips: building {built:.0f} MiB, with crops {drawn:.0f} MiB; as float32: {held:.0f} MiB")
    ratios = [larger / smaller for smaller, larger in zip(*peaks)]
    for what, ratio in zip(("building", "with crops"), ratios):
        print(f"  {what}: {ratio:.2f} {words}{verdict(words, ratio)}")
    return {"peaks_mib": peaks, words: ratios}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, help="folder with MP3s")
    parser.add_argument("--clips", type=int, default=480)
    parser.add_argument("--memory-clips", type=int, default=50, help="clips of the smaller set; 0 leaves memory out")
    parser.add_argument("--rate", type=int, default=8000, help="Hz")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return peak(options.peak, options.rate)
    if options.music:
        originals = [path.read_bytes() for path in sorted(options.music.rglob("*.mp3"))[: options.clips]]
    else:
        originals = [synthetic(number) for number in range(16)]
    about = {
        "music": "synthetic" if options.music is None else "real",
        "date": f"{datetime.date.today()}",
        "cores": os.cpu_count(),
    }
    about |= {"clips": options.clips, "rate_hz": options.rate, "turns": options.turns, "memory_clips": options.memory_clips}
    results = {"about": about}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FMALIB_CACHE"] = str(folder)
        write_clips(folder / "music", originals, options.clips)
        data = datasets.load(str(folder / "music"))
        results["cache"] = caches(data, folder, options.rate, options.turns)
        results["pipeline"] = pipeline(data, folder, options.rate, options.turns)
        results["facts"] = facts(data, options.turns)
    if options.memory_clips:
        results["memory"] = memory(originals, options.memory_clips, options.rate)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
