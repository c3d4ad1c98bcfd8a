"""The study's network trained until it stops improving: is its error a matter of epochs, seed, or music?

    python tests/benchmarks/longer_training.py --dataset fma_small --data-dir FOLDER [--latents 256,64] [--seeds 3]

Trains at 8 kHz as 05_compression does, until ten epochs bring no lower validation loss. A row is a training: the lowest
validation RMSE within 20 and 50 epochs and in all, and the test RMSE of the best epoch beside downsampling and PCA at the same
bitrate.
"""

import argparse

import numpy as np
import pandas as pd

from fmalib.codec import coders, metrics
from fmalib.data import audio_cache, datasets, segments
from fmalib.models import architectures
from fmalib.training import autoencoders

MIN_SEGMENTS, BATCH_SIZE = 256, architectures.BATCH_SIZES["frequency"]


def measure(trained, pipeline, test, per_track):
    """Returns a row of the result table for a training of the study's network."""
    rate = pipeline.cache.sample_rate
    kbps = metrics.nominal_kbps(trained.latent_values, pipeline.length / rate)
    pca = autoencoders.pca_of_equal_size(pipeline, trained.latent_values)
    compared = [coders.autoencoder(trained, rate, codec="network"), coders.downsampling(rate, kbps)]
    compared += [coders.autoencoder(pca, rate, codec="pca"), coders.silence()]
    table = coders.measure(compared, pipeline.cache, test, pipeline.length, per_track=per_track, progress=False)
    validation = np.sqrt(trained.history["val_loss"])
    row = {"latent": trained.latent_shape[-1], "kbps": kbps, "epochs": len(validation), "best": validation.idxmin() + 1}
    row |= {f"validation, {epochs}": validation[:epochs].min() for epochs in (20, 50)} | {"validation": validation.min()}
    names = ("test", "downsampling", "pca", "silence")
    return row | dict(zip(names, table["spectral_rmse"])) | {"interval": table["spectral_rmse_ci95"][0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data-dir")
    parser.add_argument("--latents", default="256,64")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=400, help="at most")
    options = parser.parse_args()
    data = datasets.load(options.dataset, options.data_dir)
    decoded = audio_cache.build(data, architectures.SAMPLE_RATES["frequency"])
    length = architectures.segment_length("frequency", decoded.sample_rate)
    (training, validation, test), _ = segments.select_splits(data, decoded, length)
    crops = segments.crops_for(training, MIN_SEGMENTS)
    settings = {"target": "audio", "batch_size": BATCH_SIZE, "crops_per_track": crops}
    pipeline = segments.Pipeline(decoded, training, validation, length, **settings)
    print(data, f"{len(training)} training, {len(validation)} validation, {len(test)} test tracks", sep="\n")
    rows = []
    for seed in range(options.seeds):
        for latent in map(int, options.latents.split(",")):
            trained = autoencoders.train(
                "frequency", "study", pipeline, latent=latent, epochs=options.epochs, seed=seed, progress=False
            )
            rows.append({"seed": seed} | measure(trained, pipeline, test, coders.segments_that_fit(test, length)))
            print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
