"""Genre systems over seeds, cross-validated by artist: `python tests/benchmarks/genre_seeds.py GENRES --json FILE`.

GENRES is a folder of genres. Every system is trained and selected inside each fold, once a seed, as in notebook 03.
Accuracies are means over seeds. Intervals are 95 %, over artists, of each clip's mean over seeds; differences are paired by
clip and seed. `--together pop rock` adds the accuracy with some genres as one. Systems in FILE that are not named again are
kept, so that the table grows; `--systems` without a name only shows it. Whatever was trained before is found.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fmalib import files, intervals
from fmalib.data import audio_cache, datasets, formats
from fmalib.genres import comparison, systems
from fmalib.models import patch_autoencoder

REFERENCES = {  # of paired differences, besides mfcc_svm
    "patches_svm": ("patches_random",),
    "patches_finetuned": ("patches_svm", "patches_linear"),
    "pretrained_finetuned": ("pretrained_svm",),
    "latent_finetuned": ("latent_linear",),
}
SYSTEMS = ("mfcc_svm", "mel_pca", "pretrained_svm", "pretrained_linear", "patches_svm", "patches_linear", "patches_random")
SYSTEMS += ("random_encoder", "latent_linear", "patches_finetuned", "cnn", "latent_finetuned")


def interval(values, artists, bounds):
    """Returns the 95 % interval of a mean over clips, a list of two numbers."""
    return list(intervals.over_artists(values, artists, bounds=bounds) or bounds)


def summary(predicted, labels, artists, together=()):
    """Returns accuracies and paired differences of systems, a dict by name.

    Args:
        predicted: predicted labels by system and seed, a dict of dicts of arrays `(clips,)`.
        labels, artists: of the clips.
        together: labels that also count as one.
    """
    as_one = np.where(np.isin(labels, together), -1, labels)
    right = {name: {seed: own == labels for seed, own in seeds.items()} for name, seeds in predicted.items()}
    found = {}
    for name, seeds in right.items():
        mean = np.mean(list(seeds.values()), axis=0)
        found[name] = {"accuracy": float(mean.mean()), "accuracy_ci95": interval(mean, artists, intervals.SHARE)}
        found[name]["of_seeds"] = {seed: float(own.mean()) for seed, own in seeds.items()}
        if len(together):
            merged = [np.where(np.isin(own, together), -1, own) == as_one for own in predicted[name].values()]
            found[name]["accuracy_together"] = float(np.mean(merged))
        for other in ("mfcc_svm", *REFERENCES.get(name, ())):
            common = [seed for seed in seeds if seed in right.get(other, {})] if other != name else []
            if common:
                less = np.mean([seeds[seed].astype(float) - right[other][seed] for seed in common], axis=0)
                facts = {"mean": float(less.mean()), "ci95": interval(less, artists, intervals.DIFFERENCE)}
                found[name].setdefault("less", {})[other] = facts | {"seeds": len(common)}
    return dict(sorted(found.items(), key=lambda item: -item[1]["accuracy"]))


def text(found):
    """Returns the summary as a table in words, and a line for each difference to another system than `mfcc_svm`."""
    spelled, rows, lines = "{:+.3f} ({:+.2f} to {:+.2f})".format, {}, []
    for name, facts in found.items():
        less = {other: spelled(less["mean"], *less["ci95"]) for other, less in facts.get("less", {}).items()}
        rows[name] = {
            "accuracy (95 % interval)": "{:.3f} ({:.2f} to {:.2f})".format(facts["accuracy"], *facts["accuracy_ci95"]),
            "of each seed": ", ".join(f"{value:.3f}" for value in facts["of_seeds"].values()),
            "as one": f"{facts['accuracy_together']:.3f}" if "accuracy_together" in facts else "",
            "less mfcc_svm": less.pop("mfcc_svm", ""),
        }
        lines += [f"{name} less {other}: {words}" for other, words in less.items()]
    return "\n".join([pd.DataFrame(rows).T.to_string(), *lines])


def main(arguments=None):
    """Prints the table; writes it, and each clip's predictions, to `--json FILE`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genres", metavar="GENRES")
    parser.add_argument("--unlabelled", metavar="MUSIC", help="folder with more music for our autoencoder")
    parser.add_argument("--systems", nargs="*", default=SYSTEMS, metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--together", nargs="+", default=[], metavar="GENRE", help="genres that also count as one")
    parser.add_argument("--json", required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    systems.check(options.systems)
    data = datasets.load(options.genres)
    n_folds, cache = datasets.choose_folds(data, 0), audio_cache.build(data, patch_autoencoder.SAMPLE_RATE)
    settings = {
        "music": tuple(formats.sound_files(options.unlabelled)) if options.unlabelled else (),
        "progress": False,
        "refit": n_folds > 1,
    }
    compared = [comparison.prepare(part, cache, **settings) for part in datasets.folds(data, n_folds)]
    clips = pd.concat([fold.test for fold in compared]).sort_index()
    about = {"dataset": data.name, "fingerprint": data.fingerprint, "folds": n_folds, "n": len(clips), "genres": data.genres}
    about |= {"n_artists": clips["artist"].nunique(), "together": options.together, "sample_rate_hz": cache.sample_rate}
    about |= {"labels": "".join(map(str, clips["label"]))}
    before = json.loads(Path(options.json).read_text()) if Path(options.json).exists() else {}
    digits = before.get("predicted", {}) if before.get("labels") == about["labels"] else {}
    together = [data.genres.index(genre) for genre in options.together]
    show = partial(summary, labels=clips["label"].to_numpy(), artists=clips["artist"].to_numpy(), together=together)
    for name in options.systems:
        for seed in options.seeds:
            votes = systems.run(name, compared, seed).votes.loc[clips.index]
            digits.setdefault(name, {})[str(seed)] = "".join(map(str, votes["predicted"]))
            predicted = {
                name: {seed: np.array(list(map(int, own))) for seed, own in seeds.items()} for name, seeds in digits.items()
            }
            files.write_json(Path(options.json), about | {"systems": show(predicted), "predicted": digits})
            print(f"{name}, seed {seed}: {(votes['predicted'] == clips['label']).mean():.3f}", flush=True)
    print(f"\n{data.name}, {len(clips)} clips, {n_folds} folds by artist, seeds {options.seeds}\n{text(show(predicted))}")


if __name__ == "__main__":
    main()
