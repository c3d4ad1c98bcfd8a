"""What makes the code of the patch autoencoder tell genres: `python tests/benchmarks/patches.py GENRES MUSIC`.

GENRES is a folder of genres, cross-validated by artist; MUSIC is a folder of sound files without labels, on which one
autoencoder is trained for each row and seed. A row changes one thing. The classifier is a support vector machine on whole
clips, its penalty chosen on validation, on which it then trains too, as the system `pretrained_svm` in folds. Intervals are
95 %, over artists, of the paired difference to the first row, both means over seeds. Rows were chosen before this table was
made, from single runs.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from fmalib import files, intervals
from fmalib.data import audio_cache, datasets, formats
from fmalib.genres import comparison, patch_latent, probes
from fmalib.models import patch_autoencoder
from fmalib.training import patch_training, runs

RATE = patch_autoencoder.SAMPLE_RATE
VARIANTS = {  # row: what it changes
    "as shipped": {},
    "untrained": {"learned": False},
    "an eighth of the music": {"share": 1 / 8},
    "a quarter of the music": {"share": 1 / 4},
    "half of the music": {"share": 1 / 2},
    "patches of 0.25 s": {"seconds": 0.25},
    "patches of 2 s": {"seconds": 2.0},
    "256 patterns": {"latent": 256},
    "3 active": {"active": 3},
    "50 active": {"active": 50},
    "not whitened": {"whitened": False},
}


def encoder_of(paths, seed, *, learned=True, share=1.0, seconds=1.0, whitened=True, **sizes):
    """Returns the `patch_latent.Encoder` of a row, trained on a share of the sound files."""
    patch_autoencoder.SECONDS = seconds
    some = [paths[place] for place in np.random.default_rng(0).permutation(len(paths))[: round(share * len(paths))]]
    patches = patch_training.of_files(some, seed=seed, progress=False)
    if not whitened:
        patches = unscaled(patches)
    patches = dataclasses.replace(patches, key=f"{patches.key}-{seconds}-{whitened}")
    runs.set_seed(seed)
    network = patch_autoencoder.patch_autoencoder(components=patches.training.shape[1], **sizes)
    if learned:
        network = patch_training.train(network, patches, seed=seed, progress=False).model
    facts = {"whitening": patches.whitening, "sample_rate": RATE}
    return patch_latent.Encoder("benchmark", network.get_layer("encoder"), **facts), patches.hours


def unscaled(patches):
    """Returns patches whose principal components have their own variances, of which the mean is 1."""
    deviations = 1 / np.linalg.norm(patches.whitening.components, axis=0)
    scale = (deviations / np.sqrt(np.mean(deviations**2))).astype(np.float32)
    whitening = dataclasses.replace(patches.whitening, components=patches.whitening.components * scale)
    data = {"training": patches.training * scale, "validation": patches.validation * scale}
    return dataclasses.replace(patches, whitening=whitening, **data)


def right_of(encoder, compared):
    """Returns whether each clip's genre was found, and its artist, over all folds: a table indexed by `track_id`."""
    table = patch_latent.table(encoder, compared[0].cache, compared[0].cache.tracks, progress=False)
    parts = []
    for fold in compared:
        known = [(table.of(tracks), tracks["label"].to_numpy()) for tracks in (fold.training, fold.validation)]
        probe = probes.fit("svm", *known[0], *known[1], n_genres=len(fold.data.genres))
        probe = probe.refitted(*map(np.concatenate, zip(*known)))
        found = probe.predict(table.of(fold.test)).argmax(axis=1)
        parts.append(pd.DataFrame({"right": found == fold.test["label"], "artist": fold.test["artist"]}))
    return pd.concat(parts).sort_index()


def main(arguments=None):
    """Prints the table, a row at a time; writes all numbers to `--json FILE`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genres", metavar="GENRES")
    parser.add_argument("music", metavar="MUSIC")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--rows", nargs="+", default=list(VARIANTS), choices=VARIANTS, metavar="ROW")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(arguments)
    data = datasets.load(options.genres)
    cache, paths = audio_cache.build(data, RATE), formats.sound_files(options.music)
    compared = [
        comparison.prepare(part, cache, progress=False) for part in datasets.folds(data, datasets.choose_folds(data, 0))
    ]
    results, reference = {}, None
    print(f"{data.name}, {len(compared)} folds by artist, seeds {options.seeds}\n{'row':26s} hours  accuracy  difference")
    for name in options.rows:
        encoders = [encoder_of(paths, seed, **VARIANTS[name]) for seed in options.seeds]
        tables = [right_of(encoder, compared) for encoder, _ in encoders]
        right = np.mean([table["right"] for table in tables], axis=0)
        reference = right if reference is None else reference
        low, high = intervals.over_artists(right - reference, tables[0]["artist"], bounds=intervals.DIFFERENCE)
        facts = {"hours": encoders[0][1], "accuracies": [float(table["right"].mean()) for table in tables]}
        results[name] = facts | {"difference": float((right - reference).mean()), "difference_ci95": [low, high]}
        difference = f"{results[name]['difference']:+.3f} ({low:+.3f} to {high:+.3f})"
        print(
            f"{name:26s} {facts['hours']:5.2f}  {right.mean():.3f}     {difference if name != options.rows[0] else ''}",
            flush=True,
        )
        if options.json:
            files.write_json(
                Path(options.json), {"dataset": data.name, "n": len(right), "seeds": options.seeds, "rows": results}
            )


if __name__ == "__main__":
    main()
