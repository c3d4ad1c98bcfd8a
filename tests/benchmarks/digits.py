"""Do DEC and IDEC do here what their papers report? `python tests/benchmarks/digits.py [--seeds 5]`

On scikit-learn's 1,797 handwritten digits (8 x 8), scaled to a mean square of 1: k-means on the pixels and on the embedding of
the papers' autoencoder (500-500-2000-10), against DEC and IDEC that start from the same autoencoder. Published beside it: what
Guo et al. 2017 report on USPS (9,298 digits of 16 x 16), the closest to this in size; quoted, not run here.
"""

import argparse

import keras
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from fmalib import clustering

UPDATE_INTERVAL = 30  # steps; the published one for USPS
PUBLISHED = pd.DataFrame(  # Guo et al. 2017, USPS
    {"accuracy": [0.6681, 0.6931, 0.7408, 0.7605], "nmi": [0.6263, 0.6620, 0.7529, 0.7846]},
    index=["kmeans of pixels", "kmeans of embedding", "dec", "idec"],
)


def measure(seed, vectors, labels):
    """Returns the scores of the four methods with one seed, as a table."""
    network = clustering.pretrained(vectors, seed=seed)
    encoder = keras.Model(network.inputs, network.outputs[0])
    options = {"update_interval": UPDATE_INTERVAL, "seed": seed, "progress": False}
    dec = clustering.deep_clusters(encoder, vectors, 10, **options)
    idec = clustering.deep_clusters(network, vectors, 10, reconstruction_loss="mse", **options)
    found = {
        "kmeans of pixels": clustering.kmeans(vectors, 10, seed=seed)[0],
        "kmeans of embedding": clustering.kmeans(dec.stages[0], 10, seed=seed)[0],
        "dec": dec.labels,
        "idec": idec.labels,
    }
    print(f"seed {seed}: DEC {dec}; IDEC {idec}", flush=True)
    return pd.DataFrame({name: clustering.scores(clusters, labels) for name, clusters in found.items()}).T


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    vectors, labels = load_digits(return_X_y=True)
    vectors = (vectors / np.sqrt(np.mean(vectors**2))).astype(np.float32)
    tables = pd.concat({seed: measure(seed, vectors, labels) for seed in range(options.seeds)})
    means, spread = (getattr(tables.groupby(level=1), what)().loc[PUBLISHED.index] for what in ("mean", "std"))
    print(f"\nMean (and deviation) over {options.seeds} seeds, n = {len(vectors)}")
    print((means.map("{:.3f}".format) + " (" + spread.map("{:.3f}".format) + ")").to_string())
    gains = (tables.drop("kmeans of embedding", level=1) - tables.xs("kmeans of embedding", level=1).reindex(
        tables.drop("kmeans of embedding", level=1).index, level=0
    )).groupby(level=1)[["accuracy", "nmi"]].agg(["mean", "min"])
    published = (PUBLISHED - PUBLISHED.loc["kmeans of embedding"]).loc[["dec", "idec"]].add_suffix(", published on USPS")
    print("\nAbove k-means on the same autoencoder")
    print(gains.loc[["dec", "idec"]].to_string(float_format="{:+.3f}".format))
    print(published.to_string(float_format="{:+.3f}".format))


if __name__ == "__main__":
    main()
