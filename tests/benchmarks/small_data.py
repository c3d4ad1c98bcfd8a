"""The small-data regime: genre from ten labelled clips of each, by probes on latents and by controls.

    python tests/benchmarks/small_data.py [--dataset synth] [--data-dir FOLDER] [--draws 10]

Each draw labels ten training clips a genre (whole artists); autoencoders hear all training clips, without labels. Accuracies
are by track on the whole test split, and differences to MFCC statistics + SVM are paired by draw. On synthetic music they
prove that the code runs, nothing else.
"""

import argparse

import numpy as np
import pandas as pd

from fmalib import autoencoders, cache, datasets, features, probes, study, systems

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
    """Returns accuracy of an SVM on pooled MFCC frames with their changes over time: what the probes do to latents."""
    import librosa

    from fmalib import audio

    frames = {
        track_id: librosa.feature.mfcc(y=audio.to_float(samples), sr=own.cache.sample_rate, n_mfcc=20).T
        for track_id, samples in cache.read(own.cache)
    }
    shortest = min(map(len, frames.values()))
    pool = probes.fit_pooling(
        np.stack([frames[track_id][:shortest] for track_id in own.listened[0].index]), logarithmic=True
    )
    return {track_id: pool(part[None])["dynamics"][0] for track_id, part in frames.items()}


def accuracy_of(table, own, kind):
    """Returns the accuracy of a probe on features of whole clips, a dict by track."""
    sides = [np.stack([table[track_id] for track_id in side.index]) for side in (own.training, own.validation, own.test)]
    probe = probes.fit(
        kind, sides[0], own.training["label"].to_numpy(), sides[1], own.validation["label"].to_numpy(),
        n_genres=len(own.data.genres),
    )
    return float((probe.predict(sides[2]).argmax(axis=1) == own.test["label"]).mean())


def main():
    import dataclasses

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synth")
    parser.add_argument("--data-dir")
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    data = datasets.load(options.dataset, options.data_dir)
    print(data)
    for rate in sorted({autoencoders.SAMPLE_RATES[domain] for domain, _, _ in LATENTS}):
        decoded, rows = cache.build(data, rate, progress=False), {}
        for domain, encoder, latent in LATENTS:
            if autoencoders.SAMPLE_RATES[domain] != rate:
                continue
            whole = study.prepare(data, decoded, domain=domain, encoder=encoder, latent=latent, progress=False)
            mfcc = features.mfcc_table(decoded, progress=False)
            plain = dict(zip(mfcc.track_ids, mfcc.values))
            changes = mfcc_with_changes(whole)
            for draw in range(options.draws):
                own = dataclasses.replace(whole, training=ten_clips(whole.training, draw))
                row = rows.setdefault(draw, {})
                row["mfcc_svm"] = accuracy_of(plain, own, "svm")
                row["mfcc_linear"] = accuracy_of(plain, own, "linear")
                row["mfcc_changes_svm"] = accuracy_of(changes, own, "svm")
                row["mfcc_changes_linear"] = accuracy_of(changes, own, "linear")
                row[f"mel_pca ({latent})"] = systems.run("mel_pca", own).summary()["accuracy_vote"]
                for name in PROBES:
                    row[f"{name}: {domain} {encoder} {latent}"] = systems.run(name, own).summary()["accuracy_vote"]
        table = pd.DataFrame(rows).T
        less = table.sub(table["mfcc_svm"], axis=0)
        summary = pd.DataFrame({"accuracy": table.mean(), "deviation": table.std(), "less mfcc_svm": less.mean(), "its deviation": less.std()})
        print(f"\n{rate} Hz, {len(whole.test)} test tracks, {options.draws} draws of {CLIPS} clips a genre")
        print(summary.round(3).sort_values("accuracy", ascending=False).to_string())
    print(data.caveat)


if __name__ == "__main__":
    main()
