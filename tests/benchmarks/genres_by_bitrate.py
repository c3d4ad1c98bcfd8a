"""Genre accuracy over the bitrate of the latent that the codec sends, by track, beside systems that read the audio itself.

    python tests/benchmarks/genres_by_bitrate.py [--dataset synth] [--data-dir FOLDER] [--folds 5]
        [--sample-rate 22050] [--json FILE]

The latent is the envelope of the profile `listening`, and kbit/s are of its real bytes: the whole file also has coefficients.
Its step goes from fine to the coarsest that a file can have. Bytes are of the middle segments of up to 32 tracks.
Five segments of 8.2 s of each track vote; `mfcc_svm` reads whole clips. Each fold tests tracks of other artists. Intervals are
95 %, over artists. Synthetic results only show that the code runs.
"""

import argparse
from pathlib import Path

import pandas as pd

from fmalib import files
from fmalib.data import audio_cache, datasets, tracks
from fmalib.genres import codec_latent, comparison, systems

PROBES = ("linear", "svm")
OTHERS = ("mfcc_svm", "mel_pca", "majority")
COMPONENTS = 64  # of `mel_pca`


def measure(compared):
    """Returns the table of results, one row a system and bitrate; `compared` has one `Comparison` a fold."""
    rows = []
    for kind in PROBES:
        curve = systems.bitrate_curve(compared, kind)
        rows += curve.assign(system=f"codec_{kind}").to_dict("records")
    for name in OTHERS:
        summary = systems.run(name, compared).summary()
        low, high = summary["accuracy_vote_ci95"]
        rows.append({"system": name, "accuracy": summary["accuracy_vote"], "low": low, "high": high})
    return pd.DataFrame(rows)[["system", "step", "kbps", "accuracy", "low", "high"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synth")
    parser.add_argument("--data-dir")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--sample-rate", type=int, default=22_050)
    parser.add_argument("--json", metavar="FILE", type=Path, help="where all numbers go")
    options = parser.parse_args()
    data = datasets.load(options.dataset, options.data_dir)
    decoded = audio_cache.build(data, options.sample_rate, progress=False)
    settings = {"domain": "frequency", "latent": COMPONENTS, "progress": False}
    compared = [comparison.prepare(part, decoded, **settings) for part in datasets.folds(data, options.folds)]
    test = pd.concat([fold.test for fold in compared])
    facts = {
        "dataset": data.name,
        "fingerprint": data.fingerprint,
        "folds": options.folds,
        "sample_rate_hz": options.sample_rate,
    }
    facts |= {"n_test_tracks": len(test), "n_test_artists": tracks.count_artists(test)}
    print(data, compared[0], ", ".join(f"{name} {value}" for name, value in facts.items()), sep="\n")
    table = measure(compared)
    print(table.to_string(index=False, float_format="{:.3f}".format, na_rep=""))
    print(data.caveat or "")
    if options.json:
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        files.write_json(options.json, facts | {"steps": codec_latent.STEPS, "results": rows})


if __name__ == "__main__":
    main()
