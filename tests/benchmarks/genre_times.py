"""Seconds an epoch of every genre system takes on FMA-small, extrapolated from a timed subset; reading and computing apart.

    python tests/benchmarks/genre_times.py [--domain time] [--encoder study] [--latent 32] [--clips 64] [--steps 6]

Clips are 30 s of noise, decoded length as in FMA, with one crop of each in an epoch. `compute` is the median time of a training
step on segments in memory. `read` is the time of the input pipeline for the same segments, from files that the system holds in
memory. The two overlap, so an epoch takes about the longer one, and more from a slow disk.
"""

import argparse
import tempfile
import time
from pathlib import Path

import fmalib  # noqa: F401 - before TensorFlow, whose settings it makes

# isort: split
import keras
import numpy as np
import pandas as pd
import soundfile

from fmalib.data import audio_cache, datasets, segments
from fmalib.genres import comparison, results
from fmalib.models import architectures, audeep, classifiers

FMA_SMALL = results.FMA_SMALL
SECONDS = 30
GENRES = 8


def folder_of_noise(root, clips, sample_rate):
    """Writes `clips` flac files of noise over eight genres, each by an artist of its own; returns the folder."""
    rng = np.random.default_rng(0)
    for number in range(clips):
        path = root / f"genre {number % GENRES}" / f"artist {number}" / f"{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(SECONDS * sample_rate), sample_rate)
    return root


def step_seconds(model, loss, inputs, target, steps):
    """Returns the median seconds of a training step, after two that warm up."""
    model.compile(keras.optimizers.Adam(1e-3), loss)
    taken = []
    for _ in range(2 + steps):
        started = time.perf_counter()
        model.train_on_batch(inputs, target)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken[2:]))


def read_seconds(own, tracks):
    """Returns the seconds that the input pipeline needs for the crops of FMA-small, by two passes after one that warms up."""
    crops = segments.random_crops(own.cache, tracks, own.length, batch_size=comparison.BATCH_SIZE, seed=0)
    batches = segments.n_batches(tracks, 1, comparison.BATCH_SIZE)
    list(crops.take(batches))
    started = time.perf_counter()
    list(crops.take(2 * batches))
    return (time.perf_counter() - started) / (2 * len(tracks)) * FMA_SMALL


def networks(own, audio, labels):
    """Yields (name, model, loss, inputs, target) of every network of the systems."""
    sparse, sizes = "sparse_categorical_crossentropy", {"samples": own.length, "sample_rate": own.cache.sample_rate}
    untrained = comparison.train_autoencoder(own, 0, trained=False)
    if own.domain == "time":
        part = audio[: architectures.BATCH_SIZES[own.domain], : own.autoencoder_length]
        yield "the autoencoder", untrained.model, "mse", part, part
    for head in classifiers.HEADS:
        frozen = classifiers.latent_classifier(comparison.encoder_for(own, untrained), GENRES, head=head)
        yield f"{head} head, frozen", frozen, sparse, audio, labels
        yield f"{head} head, fine-tuned", classifiers.unfrozen(frozen), sparse, audio, labels
    yield "cnn", classifiers.genre_cnn(GENRES, **sizes), "categorical_crossentropy", audio, np.eye(GENRES)[labels]
    yield "bbnn", classifiers.bbnn(GENRES, **sizes), sparse, audio, labels
    yield "audeep", audeep.recurrent_autoencoder(**sizes), audeep.loss(own.cache.sample_rate), audio, audio


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domain", default="time")
    parser.add_argument("--encoder", default="study")
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    rate = architectures.SAMPLE_RATES[options.domain]
    with tempfile.TemporaryDirectory() as folder:
        data = datasets.load(str(folder_of_noise(Path(folder) / "noise", options.clips, rate)))
        decoded = audio_cache.build(data, rate, cache_dir=folder, progress=False)
        named = {"domain": options.domain, "encoder": options.encoder, "latent": options.latent}
        own = comparison.prepare(data, decoded, **named, min_segments=1, progress=False)
        everything = pd.concat([own.training, own.validation, own.test])
        batches = segments.fixed_segments(decoded, everything, own.length, per_track=1, batch_size=comparison.BATCH_SIZE)
        audio, labels = (part.numpy() for part in next(iter(batches)))
        read, rows = read_seconds(own, everything), {}
        for name, model, loss, inputs, target in networks(own, audio, labels):
            seconds = step_seconds(model, loss, inputs, target, options.steps) / len(inputs)
            rows[name] = {"compute / s": seconds * FMA_SMALL, "parameters": model.count_params()}
    table = pd.DataFrame(rows).T
    print(f"{options.domain} {options.encoder} {options.latent}, segments of {own.length / rate:.2f} s at {rate} Hz")
    print(f"Seconds an epoch on {FMA_SMALL} clips; reading them takes {read:.0f} s beside it")
    print(table.round(0).astype(int).to_string())


if __name__ == "__main__":
    main()
