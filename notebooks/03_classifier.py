# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Can a genre be read from an autoencoder's latent?
#
# The original study compressed music with an autoencoder, then taught a small network to name the genre from the latent:
# 42 % from one segment, 45 % by a vote of five, on a random split. Here is the same recipe, measured fairly.
#
# - **You will** train the time-domain autoencoder, put the study's classifier on its frozen encoder, fine-tune both, and
#   compare with shuffled labels (must be at chance) and with MFCC statistics and a support vector machine.
# - **It needs** nothing: the default is synthetic music, whose numbers prove that the code runs and nothing else. Use
#   `-p dataset fma_small -p data_dir FOLDER` for real results.
# - **It takes** about four minutes on two cores the first time; trained models are found again.

# %%
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q git+https://github.com/fmalib/fmalib")

# %% tags=["parameters"]
dataset = "synth"  # synth, fma_small, fma_medium, fma_large, fma_full, or a folder with one subfolder per genre
data_dir = ""  # folder that holds fma_metadata and fma_small; empty for synth
out_dir = "outputs/03_classifier"  # where metrics.json, figures and audio go
seed = 0  # of initial weights, crops and shuffled labels
quick = False  # ten tracks a genre and two epochs, to see that everything runs
split = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre = 0  # at most this many tracks a genre; 0 takes all, or makes 40 for synth
latent = 32  # channels of the latent; 32 in the original study
sample_rate = 44100  # Hz
segments_per_track = 5  # segments of a test track that vote
epochs_autoencoder = 20  # at most
epochs_frozen = 20  # at most, with the encoder as the autoencoder left it
epochs_finetuned = 20  # at most, with everything trainable

# %%
from fmalib import notebook  # comes first: it imports TensorFlow without its start-up messages
from fmalib import audio, cache, datasets, evaluation, features, models, plots, segments, training

import keras
import numpy as np
import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython())
sns.set_theme(style="ticks", palette="colorblind")
batch_size = 32
min_segments = 512  # an epoch has at least this many segments: small data sets give several crops of each track
if quick:
    epochs_autoencoder, epochs_frozen, epochs_finetuned, min_segments = 2, 2, 2, 64

# %% [markdown]
# ## Data

# %%
limit = tracks_per_genre or (10 if quick else None)
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=limit)
print(data)
decoded = cache.build(data, sample_rate)
print(decoded)

# %% [markdown]
# The study trained its autoencoder on 65,536 samples (1.49 s) and its classifier on 131,072 (2.97 s); at other rates the
# lengths keep their seconds. Training takes random crops; validation and test take fixed, evenly spaced segments.

# %%
snippet = models.valid_length(65_536 * sample_rate // 44_100)
length = models.valid_length(131_072 * sample_rate // 44_100)
sides = {name: segments.select(data, decoded, name, length) for name in datasets.SPLITS}
train, validation, test = (tracks for tracks, _ in sides.values())
skipped = pd.concat([data.excluded, *(left_out for _, left_out in sides.values())])
print(f"Tracks: {len(train)} training, {len(validation)} validation, {len(test)} test, {len(skipped)} skipped")
print(datasets.describe_excluded(skipped)) if len(skipped) else None

# %% [markdown]
# ## The autoencoder
#
# Two convolutions down, two up: 65,536 samples become 255 frames of `latent` channels. Standardisation with the training
# set's mean and deviation is part of the model.

# %%
mean, std = cache.standardisation(decoded, train.index)
crops = max(1, min_segments // len(train))


def build_autoencoder():
    model = models.time_autoencoder(samples=snippet, latent=latent, mean=mean, std=std)
    # The squared error is of standardised audio, as in the study: 1 is what silence scores.
    model.compile(keras.optimizers.Adam(1e-3), "mse", loss_weights=1 / std**2)
    return model


build_autoencoder().summary(expand_nested=True)

# %%
autoencoder = training.train_or_load(
    "time_autoencoder",
    build_autoencoder,
    lambda epoch: segments.random_crops(
        decoded, train, snippet, batch_size=batch_size, seed=seed, target="audio", crops_per_track=crops, first_epoch=epoch
    ),
    segments.fixed_segments(decoded, validation, snippet, per_track=5, batch_size=batch_size, target="audio"),
    steps_per_epoch=segments.steps_per_epoch(train, batch_size, crops),
    epochs=epochs_autoencoder,
    params={"training": segments.fingerprint(decoded, train), "validation": segments.fingerprint(decoded, validation),
            "segment_samples": snippet, "batch_size": batch_size, "crops_per_track": crops},
    seed=seed,
)  # fmt: skip
print(autoencoder)

# %%
figure = plots.learning_curves(
    {"autoencoder": autoencoder.history}, "loss", f"{data.name}: autoencoder, {latent} channels",
    "squared error / variance",
)  # fmt: skip
plots.save(figure, setup.figures / "autoencoder_loss.png")

# %% [markdown]
# ## The classifier
#
# Layer normalisation of the latent, two rounds of convolution and pooling, two dense layers. The encoder is frozen at
# first, then everything is trained; the learning rate falls by a quarter every five epochs. The epoch with the best
# validation loss is kept.


# %%
def train_phase(name, build, tracks, held_out, epochs):
    """Trains one phase of the classifier on tracks with labels, or finds it."""
    return training.train_or_load(
        name,
        build,
        lambda epoch: segments.random_crops(
            decoded, tracks, length, batch_size=batch_size, seed=seed, crops_per_track=crops, first_epoch=epoch
        ),
        segments.fixed_segments(decoded, held_out, length, per_track=5, batch_size=batch_size),
        steps_per_epoch=segments.steps_per_epoch(tracks, batch_size, crops),
        epochs=epochs,
        params={"training": segments.fingerprint(decoded, tracks), "validation": segments.fingerprint(decoded, held_out),
                "segment_samples": length, "batch_size": batch_size, "crops_per_track": crops},
        seed=seed,
    )  # fmt: skip


def compiled(model, first_epoch):
    rate = training.staircase(
        1e-3, steps_per_epoch=segments.steps_per_epoch(train, batch_size, crops), first_epoch=first_epoch
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# %%
def train_classifier(name, tracks, held_out):
    """Returns the runs of both phases: encoder frozen, then fine-tuned."""

    def build_frozen():
        encoder = models.encoder_for(autoencoder.model, length)
        return compiled(models.latent_classifier(encoder, len(data.genres)), 0)

    frozen = train_phase(f"{name}_frozen", build_frozen, tracks, held_out, epochs_frozen)

    def build_finetuned():
        model = keras.models.clone_model(frozen.model)
        model.set_weights(frozen.model.get_weights())
        model.get_layer("encoder").trainable = True
        return compiled(model, epochs_frozen)

    return frozen, train_phase(f"{name}_finetuned", build_finetuned, tracks, held_out, epochs_finetuned)


# %%
frozen, finetuned = train_classifier("classifier", train, validation)
print(frozen, finetuned, sep="\n")
finetuned.model.summary()

# %%
figure = plots.learning_curves(
    {"frozen": frozen.history, "fine-tuned": finetuned.history}, "accuracy", f"{data.name}: classifier, by segment",
    "accuracy by segment",
)  # fmt: skip
plots.save(figure, setup.figures / "classifier_accuracy.png")

# %% [markdown]
# ## The test, once
#
# Evenly spaced segments of each test track; a track's genre is what most of its segments say. Intervals are 95 %, by
# bootstrap over artists, since tracks of one artist are not independent.

# %%
rows = segments.segment_table(test, length, segments_per_track)


def measure(model):
    """Returns the class probabilities of every test segment, and their summary."""
    pieces = segments.fixed_segments(decoded, test, length, per_track=segments_per_track, batch_size=batch_size)
    probabilities = model.predict(pieces, verbose=0)
    return probabilities, evaluation.summarise(probabilities, rows, len(data.genres))


probabilities, result = measure(finetuned.model)
print(f"Segment {result['accuracy_segment']:.1%}, vote of {segments_per_track} {result['accuracy_vote']:.1%}, n={len(test)}")

# %% [markdown]
# ## Controls
#
# The same recipe on shuffled labels: whatever it scores above chance would be a fault of the measurement.

# %%
shuffled = train_classifier(
    "shuffled", evaluation.shuffle_labels(train, seed), evaluation.shuffle_labels(validation, seed + 1)
)[-1]  # fmt: skip
result_shuffled = measure(shuffled.model)[1]
print(f"Shuffled labels: {result_shuffled['accuracy_vote']:.1%}, chance is {1 / len(data.genres):.1%}")

# %% [markdown]
# 140 statistics of MFCCs and a support vector machine: what a learned representation has to beat.

# %%
track_ids, values = features.mfcc_table(decoded)
predicted = evaluation.svm_predict(pd.DataFrame(values, index=track_ids), train, validation, test)
svm_correct = predicted == test["label"]
svm_interval = evaluation.accuracy_interval(svm_correct, test["artist"])
print(f"MFCC statistics + SVM: {svm_correct.mean():.1%}")

# %% [markdown]
# ## Side by side

# %%
systems = {
    "latent classifier, fine-tuned": (result["accuracy_vote"], *result["accuracy_vote_ci95"]),
    "latent classifier, frozen": (lambda r: (r["accuracy_vote"], *r["accuracy_vote_ci95"]))(measure(frozen.model)[1]),
    "shuffled labels": (result_shuffled["accuracy_vote"], *result_shuffled["accuracy_vote_ci95"]),
    "MFCC statistics + SVM": (svm_correct.mean(), *svm_interval),
}
title = f"{data.name}: genre of {len(test)} test tracks, latent {latent}, seed {seed}"
plots.save(plots.accuracies(systems, 1 / len(data.genres), title), setup.figures / "accuracies.png")

# %%
voted = evaluation.votes(probabilities, rows)
figure = plots.confusion(voted["label"], voted["predicted"], data.genres, f"{data.name}: vote of {segments_per_track}")
plots.save(figure, setup.figures / "confusion.png")

# %%
figure = plots.genre_scores(result["f1_per_genre"], data.genres, f"{data.name}: F1 of each genre, vote of {segments_per_track}")
plots.save(figure, setup.figures / "f1.png")

# %% [markdown]
# ## Listen to what went wrong
#
# The test tracks it was surest of and wrong about.

# %%
wrong = voted[voted["label"] != voted["predicted"]].nlargest(3, "confidence")
for track_id, samples in cache.read(decoded, wrong.index):
    row, track = wrong.loc[track_id], data.tracks.loc[track_id]
    label = f"{track.artist}, <i>{track.title}</i>: is {track.genre}, taken for <b>{data.genres[row.predicted]}</b>"
    sound = audio.to_float(samples[: 10 * sample_rate])
    display(notebook.player(sound, sample_rate, label, setup.audio / f"wrong_{track_id:06d}.wav"))

# %% [markdown]
# ## What we saw

# %%
runs = (autoencoder, frozen, finetuned)
metrics = {
    "dataset": data.name, "split": split, "fingerprint": data.fingerprint, "genres": data.genres,
    "n_train_tracks": len(train), "n_validation_tracks": len(validation), "n_test_tracks": len(test),
    "n_test_artists": test["artist"].nunique(), "n_skipped": len(skipped), "latent": latent, "seed": seed,
    "sample_rate_hz": sample_rate, "segments_per_track": segments_per_track, **result,
    "accuracy_frozen": systems["latent classifier, frozen"][0], "accuracy_shuffled": result_shuffled["accuracy_vote"],
    "accuracy_shuffled_ci95": result_shuffled["accuracy_vote_ci95"], "accuracy_mfcc_svm": svm_correct.mean(),
    "accuracy_mfcc_svm_ci95": svm_interval, "train_seconds": sum(run.seconds for run in runs),
    "n_parameters": finetuned.model.count_params(), "runs": [run.directory.name for run in runs], "note": data.caveat,
}  # fmt: skip
print(notebook.write_metrics(setup, metrics))

# %%
low, high = result["accuracy_vote_ci95"]
print(
    f"On {data.name} ({split} split, {len(test)} test tracks of {metrics['n_test_artists']} artists, seed {seed}), the latent "
    f"classifier names {result['accuracy_segment']:.1%} of segments and {result['accuracy_vote']:.1%} of tracks by a vote of "
    f"{segments_per_track} (95 % interval {low:.1%} to {high:.1%}); macro F1 {result['macro_f1']:.2f}. Chance is "
    f"{1 / len(data.genres):.1%}, shuffled labels give {result_shuffled['accuracy_vote']:.1%}, MFCC statistics and an SVM "
    f"{svm_correct.mean():.1%}. {data.caveat}"
)
