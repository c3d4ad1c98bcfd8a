"""Time and memory of every map and clustering of many points, and the change of a map by rounding.

    python tests/benchmarks/maps.py [--points 8000] [--features 360] [--methods tsne,umap]

Points are Gaussian clusters with the number of features of pooled latents. Each method runs in a process of its own, so that
the peak of its memory is its own; times are also given as ratios to PCA's in the same run. Then, on at most 600 points: the
movement of the map when values change by a millionth, after the best rotation and scaling, as a share of its spread. On one
machine a seed gives exactly the same map; sums on two machines differ by about a millionth.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

CLUSTERINGS = ("kmeans", "gmm", "dec of vectors")


def data(n_points, n_features):
    """Returns (values, labels, artists) of eight genres with ten artists each, whose clusters overlap."""
    rng = np.random.default_rng(0)
    labels = np.arange(n_points) % 8
    artists = labels * 10 + rng.integers(0, 10, n_points)
    genres, centres = rng.normal(size=(8, n_features)), rng.normal(size=(80, n_features))
    return 0.3 * genres[labels] + 0.5 * centres[artists] + rng.normal(size=(n_points, n_features)), labels, artists


def peak():
    """Returns the most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(method, n_points, n_features):
    """Returns the time, memory and stability of a method, as a dict."""
    from fmalib.latent import clustering, deep_clustering, maps

    values, labels, artists = data(n_points, n_features)
    half = {"training": values[: n_points // 2], "training_labels": labels[: n_points // 2]}
    if method in maps.METHODS:
        maps.embed(method, values[:60], training=values[60:120], training_labels=labels[60:120])  # compiled, imported
    before = peak()
    if method in CLUSTERINGS:
        started = time.perf_counter()
        few = maps.prepare(values)[:, :10].astype(np.float32)
        if method == "dec of vectors":
            from digits import dec, stacked_autoencoder

            dec(stacked_autoencoder(10), few, 8, deep_clustering.Schedule(max_updates=5), progress=False)
        else:
            {"kmeans": clustering.kmeans, "gmm": clustering.gaussian_mixture}[method](few, 8)
        return {"seconds": time.perf_counter() - started, "mib": peak() - before, "fitted on": n_points}
    drawn = maps.embed(method, values, **half)
    found = {"seconds": drawn.seconds, "mib": peak() - before, "fitted on": drawn.n_fitted}
    started = time.perf_counter()
    maps.scores(drawn.points, maps.prepare(values), labels, artists)
    found["scores, seconds"] = time.perf_counter() - started
    few, half = values[:600], {"training": values[:300], "training_labels": labels[:300]}
    moved = few * (1 + 1e-6 * np.random.default_rng(1).normal(size=few.shape))
    first, again, other = (maps.embed(method, part, **half).points for part in (few, few, moved))
    found["same seed again"] = float(np.abs(first - again).max())
    found["changed by rounding"] = distance(first, other)
    return found


def distance(first, second):
    """Returns the root mean square distance of two maps after the best rotation and scaling, by the first one's spread."""
    from scipy.spatial import procrustes

    return float(np.sqrt(procrustes(first, second)[2]))


def main():
    from fmalib.latent import maps

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=8000)
    parser.add_argument("--features", type=int, default=360)
    parser.add_argument("--methods", default=",".join([*maps.METHODS, *CLUSTERINGS]))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.points, options.features)))
        return
    rows = {}
    for method in options.methods.split(","):
        command = [
            sys.executable,
            __file__,
            "--one",
            method,
            "--points",
            str(options.points),
            "--features",
            str(options.features),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{method} failed:\n{done.stderr[-2000:]}")
        rows[method] = json.loads(done.stdout.splitlines()[-1])
        print(f"{method}: {rows[method]['seconds']:.1f} s", flush=True)
    table = pd.DataFrame(rows).T
    if "pca" in rows:
        table.insert(1, "times PCA", table["seconds"] / table.loc["pca", "seconds"])
    print(f"{options.points} points of {options.features} features")
    print(table.to_string(float_format=lambda value: f"{value:.3g}", na_rep=""))


if __name__ == "__main__":
    main()
