"""Telling clips apart by the SHA-256 of the whole file: the first time, and found again by size and times.

    python tests/benchmarks/fingerprint.py --clips 8000

Beside it: 4 KiB from the middle of each file, which misses edits elsewhere, and decoding as many clips, scaled from a sample.
Clips are random bytes in a temporary folder. `cold` is after the page cache has dropped them, `warm` with them in memory.
"""

import argparse
import os
import shutil
import tempfile
import time
import zlib
from pathlib import Path

import joblib

from fmalib.data import audio, file_facts, synth

CLIP_BYTES = 900_000  # FMA-small's 7.2 GiB in 8000 clips
SAMPLE = 16  # clips of 30 s that are decoded


def write(folder, clips):
    """Writes clips of random bytes, 1000 a folder as FMA has them; returns their names."""
    names = [f"{number // 1000:03d}/{number:06d}.mp3" for number in range(clips)]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(os.urandom(CLIP_BYTES))
    return names


def drop(folder, names):
    """Drops the clips from the page cache."""
    os.sync()
    for name in names:
        file = os.open(folder / name, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def probe(path):
    """Returns (size, checksum of 4 KiB in the middle) of a file."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size // 2 - 2048))
        return size, zlib.crc32(file.read(4096))


def seconds(function, *arguments):
    """Returns the seconds that a call takes."""
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def decoding(folder, clips, rate):
    """Returns the seconds of decoding some clips, scaled from a sample of synthetic ones, in as many threads as cores."""
    sample = [folder / f"{number}.mp3" for number in range(SAMPLE)]
    for number, path in enumerate(sample):
        synth._make_track(path, synth.GENRES[number % len(synth.GENRES)], (0, number), (0, number, 1), 30.0, os.getpid())
    threads = joblib.Parallel(n_jobs=-1, prefer="threads")
    return seconds(threads, [joblib.delayed(audio.decode)(path, rate) for path in sample]) * clips / SAMPLE


def main():
    """Prints seconds, MB/s and ratios to hashing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--rate", type=int, default=44_100, help="of the decoded audio in Hz")
    options = parser.parse_args()
    megabytes = options.clips * CLIP_BYTES / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "clips"
        folder.mkdir()
        free = shutil.disk_usage(folder).free / 1e6
        if free < 1.2 * megabytes:
            parser.error(f"the temporary folder has {free:.0f} MB free, {1.2 * megabytes:.0f} are needed; set TMPDIR")
        names = write(folder, options.clips)
        taken = {}
        for state in ("cold", "warm"):
            os.environ["FMALIB_CACHE"] = f"{name}/cache {state}"
            if state == "cold":
                drop(folder, names)
            taken[f"hashing, {state}"] = seconds(file_facts.digests, folder, names)
        taken["found again"] = seconds(file_facts.digests, folder, names)
        taken["4 KiB of each, warm"] = seconds(lambda: [probe(folder / name) for name in names])
        drop(folder, names)
        taken["4 KiB of each, cold"] = seconds(lambda: [probe(folder / name) for name in names])
        taken["decoding"] = decoding(folder, options.clips, options.rate)
    print(f"{options.clips} clips of {CLIP_BYTES / 1e6:.1f} MB, {joblib.cpu_count()} cores")
    for what, took in taken.items():
        rate = f"{megabytes / took:8.0f} MB/s" if what.startswith("hashing") else " " * 13
        print(f"{what:20s} {took:8.2f} s {rate}  {took / taken['hashing, cold']:7.3f} of hashing, cold")


if __name__ == "__main__":
    main()
