"""Seconds an epoch of every genre system takes on FMA-small, extrapolated from a timed subset; reading and computing apart.

    python tests/benchmarks/genre_times.py [--domain time] [--encoder study] [--latent 32] [--clips 64] [--steps 6]

Clips are 30 s of noise, decoded length as in FMA, one crop of each an epoch. `compute` is a training step on segments in memory,
the median of some; `read` is what the input pipeline needs for the same segments from a cache that the system holds in
memory; they overlap, so an epoch takes about the longer of the two, and more from a slow disk.
"""

import argparse
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import soundfile

from fmalib import autoencoders, cache, classifiers, datasets, recurrent, segments, study, systems

FMA_SMALL = systems.FMA_SMALL
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


def step_seconds(model, inputs, target, steps):
    """Returns the median seconds of a training step, after two that warm up."""
    for _ in range(2):
        model.train_on_batch(inputs, target)
    taken = []
    for _ in range(steps):
        started = time.perf_counter()
        model.train_on_batch(inputs, target)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def compiled(model, loss):
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domain", default="time")
    parser.add_argument("--encoder", default="study")
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    rate = autoencoders.SAMPLE_RATES[options.domain]
    with tempfile.TemporaryDirectory() as folder:
        data = datasets.load(str(folder_of_noise(Path(folder) / "noise", options.clips, rate)))
        decoded = cache.build(data, rate, cache_dir=folder, progress=False)
        own = study.prepare(
            data, decoded, domain=options.domain, encoder=options.encoder, latent=options.latent, min_segments=1, progress=False
        )
        everything = pd.concat([own.training, own.validation, own.test])
        batch = next(iter(segments.fixed_segments(decoded, everything, own.length, per_track=1, batch_size=study.BATCH_SIZE)))
        audio, labels = (part.numpy() for part in batch)
        crops = segments.random_crops(decoded, everything, own.length, batch_size=study.BATCH_SIZE, seed=0)
        batches = segments.n_batches(everything, 1, study.BATCH_SIZE)
        list(crops.take(batches))  # the first pass warms up
        started = time.perf_counter()
        list(crops.take(2 * batches))
        read = (time.perf_counter() - started) / (2 * len(everything)) * FMA_SMALL

        untrained = study.train_autoencoder(own, 0, trained=False)
        rows = {}

        def timed(name, model, loss, target=labels, inputs=audio):
            seconds = step_seconds(compiled(model, loss), inputs, target, options.steps)
            rows[name] = {"compute / s": seconds / len(inputs) * FMA_SMALL, "parameters": model.count_params()}

        part = audio[: autoencoders.BATCH_SIZES[options.domain], : own.snippet]
        mean_square = "mse" if options.domain == "time" else None
        if mean_square:
            timed("the autoencoder", untrained.model, mean_square, part, part)
        for head in classifiers.HEADS:
            frozen = classifiers.latent_classifier(study.encoder_for(own, untrained), GENRES, head=head)
            timed(f"{head} head, frozen", frozen, "sparse_categorical_crossentropy")
            timed(f"{head} head, fine-tuned", classifiers.unfrozen(frozen), "sparse_categorical_crossentropy")
        sizes = {"samples": own.length, "sample_rate": rate}
        timed("cnn", classifiers.genre_cnn(GENRES, **sizes), "categorical_crossentropy", np.eye(GENRES)[labels])
        timed("bbnn", classifiers.bbnn(GENRES, **sizes), "sparse_categorical_crossentropy")
        timed("audeep", recurrent.recurrent_autoencoder(**sizes), recurrent.loss(rate), audio)
    table = pd.DataFrame(rows).T
    print(f"{options.domain} {options.encoder} {options.latent}, segments of {own.length / rate:.2f} s at {rate} Hz")
    print(f"Seconds an epoch on {FMA_SMALL} clips; reading them takes {read:.0f} s beside it")
    print(table.round(0).astype(int).to_string())


if __name__ == "__main__":
    main()
