"""Decoding a folder: this library, which counts frames and looks at what it reads, against plain libsndfile and librosa.

    python tests/benchmarks/decoding.py FOLDER --rate 8000

Each row is the median of three turns over the same files, one thread, in alternating order; the ratio is to plain libsndfile.
The last rows are `datasets.load` of a folder of genres: facts of all files read, and found again.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr

from fmalib import paths
from fmalib.data import audio, file_facts, formats


def plain(path, rate):
    """Decodes what libsndfile finds."""
    samples, own = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(sum(samples.T) / np.float32(samples.shape[1]), own, rate, quality="HQ")


def by_librosa(path, rate):
    """Decodes by `librosa.load`."""
    return librosa.load(path, sr=rate)[0]


def seconds(function, files):
    """Returns the seconds that a function takes over all files."""
    started = time.perf_counter()
    for path in files:
        function(path)
    return time.perf_counter() - started


def main():
    """Prints clips per second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=int, default=8000)
    parser.add_argument("--files", type=int, default=100)
    options = parser.parse_args()
    names = formats.audio_files(options.folder)[: options.files]
    files = [options.folder / name for name in names]
    ways = {
        "libsndfile": lambda path: plain(path, options.rate),
        "fmalib": lambda path: audio.decode(path, options.rate),
        "librosa.load": lambda path: by_librosa(path, options.rate),
        "durations only": audio.duration,
    }
    with paths.quiet_stderr():
        taken = [{name: seconds(way, files) for name, way in ways.items()} for _ in range(3)]
    print(f"{len(files)} files to {options.rate} Hz")
    for name in ways:
        median = statistics.median(turn[name] for turn in taken)
        ratio = statistics.median(turn[name] / turn["libsndfile"] for turn in taken)
        print(f"{name:16s} {len(files) / median:7.1f} files/s  {ratio:5.2f} of libsndfile's time")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FMALIB_CACHE"] = cache
        for turn in ("facts read", "facts found"):
            took = seconds(lambda root: file_facts.of_files(root, [name.as_posix() for name in names]), [options.folder])
            print(f"{turn:16s} {len(files) / took:7.1f} files/s")


if __name__ == "__main__":
    main()
