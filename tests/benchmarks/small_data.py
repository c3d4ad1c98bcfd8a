"""The small-data regime: genre from ten labelled clips of each, by probes on latents and by controls.

    python tests/benchmarks/small_data.py [--dataset synth] [--data-dir FOLDER] [--draws 10]

Each draw labels ten training clips a genre (whole artists); autoencoders train on all training clips, without labels.
Accuracies are by track on the whole test split, and differences to MFCC statistics + SVM are paired by draw. Synthetic results
only show that the code runs.
"""

import argparse
import dataclasses

import librosa
import numpy as np
import pandas as pd

from fmalib.data import audio, audio_cache, datasets
from fmalib.genres import comparison, descriptors, pooling, probes, systems
from fmalib.models import architectures

CLIPS = 10
LATENTS = (("frequency", "sparse", 64), ("frequency", "study", 64), ("time", "study", 32))
PROBES = ("latent_linear", "latent_svm", "latent_knn", "random_encoder")


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


def accuracy_of(table, own, kind):
    """Returns the accuracy by track of a probe on features of whole clips."""
    training, validation, test = (
        (table.of(part), part["label"].to_numpy()) for part in (own.training, own.validation, own.test)
    )
    probe = probes.fit(kind, *training, *validation, n_genres=len(own.data.genres))
    return float((probe.predict(test[0]).argmax(axis=1) == test[1]).mean())


def measure(data, decoded, draws):
    """Returns (table of accuracies, draws by systems; number of test tracks) of all latents and controls at a sample rate."""
    rows = {draw: {} for draw in range(draws)}
    latents = [latent for latent in LATENTS if architectures.SAMPLE_RATES[latent[0]] == decoded.sample_rate]
    for domain, encoder, latent in latents:
        whole = comparison.prepare(data, decoded, domain=domain, encoder=encoder, latent=latent, progress=False)
        tables = {"mfcc": descriptors.mfcc_table(decoded, progress=False), "mfcc_changes": mfcc_with_changes(whole)}
        for draw, row in rows.items():
            own = dataclasses.replace(whole, training=ten_clips(whole.training, draw))
            for name, table in tables.items():
                row |= {f"{name}_{kind}": accuracy_of(table, own, kind) for kind in ("svm", "linear")}
            row[f"mel_pca ({latent})"] = systems.run("mel_pca", own).summary()["accuracy_vote"]
            for name in PROBES:
                row[f"{name}: {domain} {encoder} {latent}"] = systems.run(name, own).summary()["accuracy_vote"]
    return pd.DataFrame(rows).T, len(whole.test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synth")
    parser.add_argument("--data-dir")
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    data = datasets.load(options.dataset, options.data_dir)
    print(data)
    for rate in sorted({architectures.SAMPLE_RATES[domain] for domain, _, _ in LATENTS}):
        table, n_test = measure(data, audio_cache.build(data, rate, progress=False), options.draws)
        less = table.sub(table["mfcc_svm"], axis=0)
        columns = {
            "accuracy": table.mean(),
            "deviation": table.std(),
            "less mfcc_svm": less.mean(),
            "its deviation": less.std(),
        }
        print(f"\n{rate} Hz, {n_test} test tracks, {options.draws} draws of {CLIPS} clips a genre")
        print(pd.DataFrame(columns).round(3).sort_values("accuracy", ascending=False).to_string())
    print(data.caveat)


if __name__ == "__main__":
    main()
