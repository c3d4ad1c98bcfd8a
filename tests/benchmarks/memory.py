"""Does memory stay flat as tracks grow? `python tests/benchmarks/memory.py`

Builds a cache of N and of 8 N noise tracks of 30 s and goes through an epoch of random crops, each in a process of its own,
and prints the peak memory of both beside what holding the decoded tracks would take.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 22_050
SECONDS = 30
LENGTH = 65_536


def make_tracks(folder, count):
    """Writes noise in two genres."""
    for number in range(count):
        path = folder / f"genre {number % 2}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(0, 0.1, SAMPLE_RATE * SECONDS).astype(np.float32)
        soundfile.write(path, noise, SAMPLE_RATE)


def measure(folder):
    """Builds the cache, reads one epoch and prints the peak memory in MiB and the tracks read."""
    from fmalib.data import audio_cache, datasets, segments

    data = datasets.load(str(folder / "music"))
    decoded = audio_cache.build(data, SAMPLE_RATE, cache_dir=folder / "cache", progress=False)
    tracks, _ = segments.select(data, decoded, "training", LENGTH)
    crops = segments.random_crops(decoded, tracks, LENGTH, batch_size=32, seed=0)
    for _ in crops.take(segments.n_batches(tracks, 1, 32)):
        pass
    print(len(data.tracks), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=100, help="tracks of the smaller set")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(options.measure)
    results = []
    for count in (options.tracks, 8 * options.tracks):
        with tempfile.TemporaryDirectory() as name:
            make_tracks(Path(name) / "music", count)
            done = subprocess.run([sys.executable, __file__, "--measure", name], check=True, capture_output=True, text=True)
        tracks, peak = done.stdout.split()
        results.append(float(peak))
        held = count * SECONDS * SAMPLE_RATE * 4 / 2**20
        print(f"{tracks} tracks: peak {float(peak):.0f} MiB; all of them as float32: {held:.0f} MiB")
    print(f"8 times the tracks take {results[1] / results[0]:.2f} times the memory")


if __name__ == "__main__":
    main()
