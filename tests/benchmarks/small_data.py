"""The small-data regime: genre from ten labelled clips of each, by probes on latents and by controls.

    python tests/benchmarks/small_data.py [--dataset synth] [--data-dir FOLDER] [--draws 10]
        [--tracks-per-genre 40] [--epochs 20] [--pretrained]

Each draw labels ten training clips a genre (whole artists); autoencoders train on all training clips, without labels. Labels of
the whole validation split are used too: they select penalties and numbers of neighbours. Accuracies are by track on
the whole test split. Intervals are over test artists, of each track's mean over draws; differences to MFCC statistics + SVM are
paired by track and draw. Deviations are over draws. A small folder is cross-validated by artist. `--pretrained` compares what
needs no training on this music, at 22,050 Hz, instead. Synthetic results only show that the code runs.
"""

import argparse
import dataclasses
from functools import partial

import librosa
import numpy as np
import pandas as pd

from fmalib import intervals
from fmalib.data import audio, audio_cache, datasets
from fmalib.genres import comparison, descriptors, pooling, probes, systems
from fmalib.models import architectures, patch_autoencoder

CLIPS = 10
LATENTS = (("frequency", "sparse", 64), ("frequency", "study", 64), ("time", "study", 32))
PROBES = ("latent_linear", "latent_svm", "latent_knn", "random_encoder")
PRETRAINED = ("pretrained_svm", "pretrained_linear")


def ten_clips(tracks, seed):
    """Returns about ten clips of each genre: whole artists, in seeded order, until there are ten."""
    kept = []
    for label, part in tracks.groupby("label"):
        artists = np.random.default_rng([seed, int(label)]).permutation(np.sort(part["artist"].unique()))
        counts = part["artist"].value_counts()[artists].cumsum()
        kept += list(counts.index[: int((counts < CLIPS).sum()) + 1])
    return tracks[tracks["artist"].isin(kept)]


def mfcc_with_changes(own):
    """Returns pooled MFCC frames with their changes over time as `descriptors.Features`: the pooling of latents, on MFCCs."""
    frames = {
        track_id: librosa.feature.mfcc(y=audio.to_float(samples), sr=own.cache.sample_rate, n_mfcc=20).T
        for track_id, samples in audio_cache.read(own.cache)
    }
    shortest = min(map(len, frames.values()))
    training = np.stack([frames[track_id][:shortest] for track_id in own.unlabelled[0].index])
    pool = pooling.fit_pooling(training, logarithmic=True)
    values = np.concatenate([pool(part[None])["dynamics"] for part in frames.values()])
    return descriptors.Features(values, np.array(list(frames)), {"all": slice(None)}, 0.0)


def correct_of(table, own, kind):
    """Returns whether a probe on features of whole clips has each test track right, bools by `track_id`."""
    training, validation, test = (
        (table.of(part), part["label"].to_numpy()) for part in (own.training, own.validation, own.test)
    )
    probe = probes.fit(kind, *training, *validation, n_genres=len(own.data.genres))
    return pd.Series(probe.predict(test[0]).argmax(axis=1) == test[1], own.test.index)


def measure_pretrained(data, decoded, draws):
    """Returns the same as `measure` of the pretrained encoder and of controls without learning."""
    whole, found = comparison.prepare(data, decoded, progress=False), {}
    tables = {"mfcc": descriptors.mfcc_table(decoded, progress=False), "mfcc_changes": mfcc_with_changes(whole)}
    for draw in range(draws):
        own = dataclasses.replace(whole, training=ten_clips(whole.training, draw))
        found |= {
            (f"{name}_{kind}", draw): correct_of(tables[name], own, kind) for name in tables for kind in ("svm", "linear")
        }
        for name in ("mel_pca", *PRETRAINED):
            votes = systems.run(name, own).votes
            found[name, draw] = votes["predicted"] == votes["label"]
    return pd.DataFrame(found).astype(float), whole


def measure(data, decoded, draws, epochs):
    """Returns (table of right test tracks, the last `Comparison`) of all latents and controls at a sample rate.

    The table has 1 where a system has a track right, else 0: one row a track, one column a (system, draw).
    """
    found = {}
    latents = [latent for latent in LATENTS if architectures.SAMPLE_RATES[latent[0]] == decoded.sample_rate]
    for domain, encoder, latent in latents:
        settings = {"domain": domain, "encoder": encoder, "latent": latent, "epochs": {"autoencoder": epochs}}
        whole = comparison.prepare(data, decoded, **settings, progress=False)
        tables = {"mfcc": descriptors.mfcc_table(decoded, progress=False), "mfcc_changes": mfcc_with_changes(whole)}
        for draw in range(draws):
            own = dataclasses.replace(whole, training=ten_clips(whole.training, draw))
            for name, table in tables.items():
                for kind in ("svm", "linear"):
                    found[f"{name}_{kind}", draw] = correct_of(table, own, kind)
            for name in ("mel_pca", *PROBES):
                votes = systems.run(name, own).votes
                label = f"mel_pca ({latent})" if name == "mel_pca" else f"{name}: {domain} {encoder} {latent}"
                found[label, draw] = votes["predicted"] == votes["label"]
    return pd.DataFrame(found).astype(float), whole


def summary(correct, artists):
    """Returns the table of results.

    Args:
        correct: 1 where a system has a test track right, else 0; one column a (system, draw).
        artists: of the test tracks.
    """
    rows = {}
    for system in correct.columns.unique(0):
        own, less = correct[system], correct[system] - correct["mfcc_svm"]
        rows[system] = {
            "accuracy": own.mean().mean(),
            "95 % interval": interval(own.mean(axis=1), artists, intervals.SHARE),
            "deviation": own.mean().std(),
            "less mfcc_svm": less.mean().mean(),
            "its interval": interval(less.mean(axis=1), artists, intervals.DIFFERENCE) if system != "mfcc_svm" else "",
            "its deviation": less.mean().std(),
        }
    return pd.DataFrame(rows).T.infer_objects().sort_values("accuracy", ascending=False)


def interval(values, artists, bounds):
    """Returns the 95 % interval of a mean over tracks in words; nothing for a single artist."""
    found = intervals.over_artists(values, artists, bounds=bounds)
    sign = "+" if bounds == intervals.DIFFERENCE else ""
    return " to ".join(f"{end:{sign}.2f}" for end in found or ())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synth")
    parser.add_argument("--data-dir")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--tracks-per-genre", type=int)
    parser.add_argument("--epochs", type=int, default=comparison.EPOCHS["autoencoder"])
    parser.add_argument("--pretrained", action="store_true")
    options = parser.parse_args()
    data = datasets.load(options.dataset, options.data_dir, tracks_per_genre=options.tracks_per_genre)
    parts = datasets.folds(data, datasets.choose_folds(data, 0))
    print(data)
    rates = {architectures.SAMPLE_RATES[domain] for domain, _, _ in LATENTS}
    for rate in [patch_autoencoder.SAMPLE_RATE] if options.pretrained else sorted(rates):
        decoded = audio_cache.build(data, rate, progress=False)
        how = partial(measure_pretrained, draws=options.draws)
        if not options.pretrained:
            how = partial(measure, draws=options.draws, epochs=options.epochs)
        tables, wholes = zip(*(how(part, decoded) for part in parts))
        correct = pd.concat(tables)
        artists = pd.concat([whole.test["artist"] for whole in wholes]).loc[correct.index]
        print(
            f"\n{rate} Hz, {options.draws} draws of {CLIPS} labelled training clips a genre, {len(parts)} folds, "
            f"and {len(wholes[0].validation)} labelled validation clips that select; "
            f"{len(correct)} test tracks of {artists.nunique()} artists"
        )
        print(summary(correct, artists).round(3).to_string(), flush=True)
    print(data.caveat)


if __name__ == "__main__":
    main()
