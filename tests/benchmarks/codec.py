"""The codec beside MP3, Opus and downsampling, at equal real bytes: `python tests/benchmarks/codec.py --data-dir FOLDER`

Error on the segments that 05_compression measures, at 8 kHz; then, with `--songs`, on a folder of sound files at their own rate
and channels; speed on one core, in multiples of real time by processor time. MP3 and Opus optimise for the ear, not for this
error. `--baselines FILE` names a module with a function `waveform(audio, kbps, rate)` to compare with, whose bits are ideal.
"""

import argparse
import importlib.util
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import threadpoolctl

import fmalib.codec
from fmalib.codec import classical, coders, metrics
from fmalib.data import audio_cache, datasets, segments
from fmalib.models import architectures

RATES = 7.9, 15.75, 31.5, 63.0  # kbit/s
SONG_RATES = 16, 32, 64, 128
OPUS_SETTINGS = 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128


def ours(audio, sample_rate, kbps):
    """Returns (audio after `mdct`, bytes)."""
    data = fmalib.codec.encode(audio, sample_rate, kbps)
    return fmalib.codec.decode(data)[0], len(data)


def at_bytes_of(coder, audio, sample_rate, kbps, settings):
    """Returns (audio, bytes) of a classical coder: the largest file within a bitrate, else the smallest of all."""
    results = [coder(audio, sample_rate, setting) for setting in settings]
    fitting = [each for each in results if each[1] <= 125 * kbps * len(audio) / sample_rate]
    return max(fitting, key=lambda each: each[1]) if fitting else min(results, key=lambda each: each[1])


def compared(sample_rate, baselines):
    """Returns the coders by name: functions of (audio, sample rate, kbit/s) to (audio, bytes)."""
    found = {
        "mdct": ours,
        "MP3": partial(_reordered, classical.mp3, classical.mp3_bitrates(sample_rate)),
        "Opus": partial(_reordered, classical.opus, OPUS_SETTINGS),
        "downsampling, 16 bits": lambda audio, rate, kbps: _ideal(classical.downsample, audio, rate, kbps),
        "downsampling, mu-law": classical.mu_law,
    }
    if baselines:
        spec = importlib.util.spec_from_file_location("baselines", baselines)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        decoded = lambda audio, rate, kbps: module.waveform(audio.astype(float), kbps, rate).astype(np.float32)  # noqa: E731
        found["waveform of the baselines"] = partial(_ideal, decoded)
    return found


def _ideal(coder, audio, sample_rate, kbps):
    return coder(audio, sample_rate, kbps), 125 * kbps * len(audio) / sample_rate


def _reordered(coder, settings, audio, sample_rate, kbps):
    return at_bytes_of(coder, audio, sample_rate, kbps, settings)


def errors(pieces, kbps_list, baselines):
    """Returns a table: spectral RMSE over all pieces, a list of (audio `(samples,)`, Hz), and real kbit/s, for each coder."""
    rows = []
    for name, coder in compared(pieces[0][1], baselines).items():
        for kbps in kbps_list:
            squares, sizes, seconds = [], 0, 0.0
            for audio, rate in pieces:
                decoded, size = coder(audio, rate, kbps)
                squares.append(metrics.spectral_rmse(audio, decoded) ** 2)
                sizes, seconds = sizes + size, seconds + len(audio) / rate
            rows.append(
                {"codec": name, "asked": kbps, "kbps": metrics.real_kbps(sizes, seconds), "rmse": np.mean(squares) ** 0.5}
            )
            print(f"{name:<26} {kbps:7.2f} {rows[-1]['kbps']:8.2f} kbit/s  RMSE {rows[-1]['rmse']:.5f}", flush=True)
    return pd.DataFrame(rows)


def speed(audio, sample_rate, kbps):
    """Returns (encoding, decoding) in multiples of real time, by processor time of one thread."""
    seconds = len(audio) / sample_rate
    with threadpoolctl.threadpool_limits(1):
        started = time.process_time()
        data = fmalib.codec.encode(audio, sample_rate, kbps)
        encoded = time.process_time()
        fmalib.codec.decode(data)
    return seconds / (encoded - started), seconds / (time.process_time() - encoded)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="fma_small")
    parser.add_argument("--data-dir")
    parser.add_argument("--songs", metavar="FOLDER", help="sound files; their channels are averaged for the errors")
    parser.add_argument("--baselines", metavar="FILE")
    parser.add_argument("--at-most", type=int, default=1000, help="segments, and songs")
    options = parser.parse_args()
    data, rate = datasets.load(options.dataset, options.data_dir), architectures.SAMPLE_RATES["frequency"]
    length, decoded = architectures.segment_length("frequency", rate), audio_cache.build(data, rate)
    (_, _, test), _ = segments.select_splits(data, decoded, length)
    per_track = coders.segments_that_fit(test, length)
    batches = segments.fixed_segments(decoded, test, length, per_track=per_track, batch_size=8, target="audio")
    pieces = [(audio, rate) for batch, _ in batches for audio in batch.numpy()][: options.at_most]
    print(f"{len(pieces)} segments of {length} samples, {rate} Hz")
    errors(pieces, RATES, options.baselines)
    long = np.concatenate([audio for audio, _ in pieces[:12]])
    for kbps in (8, 32):
        print("Speed, {} Hz mono, {} kbit/s: {:.0f} and {:.0f} times real time".format(rate, kbps, *speed(long, rate, kbps)))
    if options.songs:
        songs = [soundfile.read(path, dtype="float32", always_2d=True) for path in sorted(Path(options.songs).glob("*.*a*"))]
        songs = songs[: options.at_most]
        print(f"{len(songs)} songs")
        errors([(audio.mean(axis=1), rate) for audio, rate in songs], SONG_RATES, options.baselines)
        audio, rate = songs[0]
        for kbps in (16, 64, 128):
            text = "Speed, {} Hz, {} channels, {} kbit/s: {:.0f} and {:.0f} times real time"
            print(text.format(rate, audio.shape[1], kbps, *speed(audio, rate, kbps)))


if __name__ == "__main__":
    main()
