"""Compares DEC and IDEC with their papers: `python tests/benchmarks/digits.py [--seeds 5]`

On scikit-learn's 1,797 handwritten digits (8 x 8), scaled to a mean square of 1: k-means on the pixels and on the embedding of
the papers' autoencoder (500-500-2000-10), against DEC and IDEC that start from the same autoencoder. Published results stand
beside it: Guo et al. 2017 on USPS (9,298 digits of 16 x 16), the closest in size; they are quoted, not run here.
"""

import argparse

import fmalib  # noqa: F401 - before TensorFlow, whose settings it makes

# isort: split
import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.datasets import load_digits

from fmalib.latent import clustering, deep_clustering
from fmalib.training import runs

SCHEDULE = deep_clustering.Schedule(update_interval=30)  # steps, as published for USPS
STACK = (500, 500, 2000, 10)  # units of the autoencoder of both papers
PUBLISHED = pd.DataFrame(  # Guo et al. 2017, USPS
    {"accuracy": [0.6681, 0.6931, 0.7408, 0.7605], "nmi": [0.6263, 0.6620, 0.7529, 0.7846]},
    index=["kmeans of pixels", "kmeans of embedding", "dec", "idec"],
)


def stacked_autoencoder(features, units=STACK):
    """Returns the fully connected autoencoder of both papers, for vectors.

    Args:
        features: of an input.
        units: of the encoder's layers, with ReLU except for the last. The decoder mirrors them.

    Returns:
        Model from `(batch, features)` to (embeddings `(batch, units[-1])`, reconstructions `(batch, features)`).
    """
    x = inputs = keras.Input((features,), name="vectors")
    for number, size in enumerate(units[:-1]):
        x = layers.Dense(size, activation="relu", name=f"encoder{number + 1}")(x)
    x = embedding = layers.Dense(units[-1], name="embedding")(x)
    for number, size in enumerate(units[-2::-1]):
        x = layers.Dense(size, activation="relu", name=f"decoder{number + 1}")(x)
    return keras.Model(inputs, [embedding, layers.Dense(features, name="reconstruction")(x)], name="stacked_autoencoder")


def pretrained(vectors, *, units=STACK, epochs=150, dropout=0.2, batch_size=256, seed=0):
    """Returns a `stacked_autoencoder` trained as a whole to undo dropout on its input (Vincent et al. 2008).

    Args:
        vectors: float array of shape `(points, features)`; both papers scale them to a mean square of 1.
        units: as for `stacked_autoencoder`.
        dropout: share of an input's values that are set to 0.
    """
    runs.set_seed(seed)
    network = stacked_autoencoder(vectors.shape[1], units)
    inputs = keras.Input(vectors.shape[1:])
    noisy = layers.Dropout(dropout, seed=seed)(inputs)
    autoencoder = keras.Model(inputs, network(noisy)[1])
    autoencoder.compile(keras.optimizers.Adam(1e-3), "mse")
    autoencoder.fit(vectors, vectors, batch_size=batch_size, epochs=epochs, verbose=0)
    return network


def dec(network, vectors, n_clusters, schedule, **options):
    """Returns the `DeepClusters` of DEC by gradient descent at 0.01 with momentum 0.9, as in IDEC's comparison."""
    encoder, optimizer = keras.Model(network.inputs, network.outputs[0]), keras.optimizers.SGD(0.01, 0.9)
    return deep_clustering.deep_clusters(encoder, vectors, n_clusters, schedule, optimizer=optimizer, **options)


def measure(seed, vectors, labels):
    """Returns the scores of the four methods with one seed, as a table."""
    network = pretrained(vectors, seed=seed)
    options = {"seed": seed, "progress": False}
    by_dec = dec(network, vectors, 10, SCHEDULE, **options)
    by_idec = deep_clustering.deep_clusters(network, vectors, 10, SCHEDULE, reconstruction_weight=1.0, **options)
    found = {
        "kmeans of pixels": clustering.kmeans(vectors, 10, seed=seed)[0],
        "kmeans of embedding": clustering.kmeans(by_dec.stages[0], 10, seed=seed)[0],
        "dec": by_dec.labels,
        "idec": by_idec.labels,
    }
    print(f"seed {seed}: DEC {by_dec}; IDEC {by_idec}", flush=True)
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
    others, start = tables.drop("kmeans of embedding", level=1), tables.xs("kmeans of embedding", level=1)
    gains = (others - start.reindex(others.index, level=0)).groupby(level=1)[["accuracy", "nmi"]].agg(["mean", "min"])
    published = (PUBLISHED - PUBLISHED.loc["kmeans of embedding"]).loc[["dec", "idec"]].add_suffix(", published on USPS")
    print("\nAbove k-means on the same autoencoder")
    print(gains.loc[["dec", "idec"]].to_string(float_format="{:+.3f}".format))
    print(published.to_string(float_format="{:+.3f}".format))


if __name__ == "__main__":
    main()
