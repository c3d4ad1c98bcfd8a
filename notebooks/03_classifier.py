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
data_dir = ""  # folder that holds fma_metadata and fma_small; a folder of genres is looked up in it too
out_dir = "outputs/03_classifier"  # where metrics.json, figures and audio go
seed = 0  # of initial weights, crops and shuffled labels
quick = False  # ten tracks a genre and at most two epochs, to see that everything runs
split = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
latent = 32  # channels of the latent; 32 in the original study
sample_rate = 44100  # Hz
segments_per_track = 5  # segments of a test track that vote
epochs_autoencoder = 20  # at most
epochs_frozen = 20  # at most, with the encoder as the autoencoder left it
epochs_finetuned = 20  # at most, with everything trainable

# %%
from fmalib import notebook  # comes first: it imports TensorFlow without its start-up messages
from fmalib import audio, cache, datasets, evaluation, features, models, plots, segments, tracks, training

import keras
import numpy as np
import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython())
sns.set_theme(style="ticks", palette="colorblind")
for name in ("epochs_autoencoder", "epochs_frozen", "epochs_finetuned", "segments_per_track"):
    if setup.params[name] < 1:
        raise ValueError(f"{name} must be at least 1. Received: {name}={setup.params[name]}")
min_segments = 512  # an epoch has at least this many segments: small data sets give several crops of each track
if quick:
    epochs_autoencoder, epochs_frozen, epochs_finetuned = (
        min(2, epochs) for epochs in (epochs_autoencoder, epochs_frozen, epochs_finetuned)
    )
    min_segments = 64

# %% [markdown]
# ## Data

# %%
limit = tracks_per_genre or (10 if quick else None)
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=limit)
print(data)
if len(data.genres) < 2:
    raise ValueError(f"A classifier needs two genres or more. Received: {data.root} with {', '.join(data.genres)}")
decoded = cache.build(data, sample_rate)
print(decoded)

# %% [markdown]
# The study trained its autoencoder on 65,536 samples (1.49 s) and its classifier on 131,072 (2.97 s); at other rates the
# lengths keep their seconds. Training takes random crops; validation and test take fixed, evenly spaced segments.

# %%
snippet = models.valid_length(65_536 * sample_rate // 44_100)
length = models.valid_length(131_072 * sample_rate // 44_100)
if sample_rate < 4500:
    raise ValueError(f"The classifier's poolings need 4500 Hz or more. Received: sample_rate={sample_rate}")
sides = {name: segments.select(data, decoded, name, length) for name in tracks.SPLITS}
train, validation, test = (usable for usable, _ in sides.values())
skipped = tracks.join_excluded([data.excluded, *(left_out for _, left_out in sides.values())])
print(f"Tracks: {len(train)} training, {len(validation)} validation, {len(test)} test, {len(skipped)} skipped")
print(tracks.describe_excluded(skipped)) if len(skipped) else None

# %% [markdown]
# ## The autoencoder
#
# Two convolutions down, two up: 65,536 samples become 255 frames of `latent` channels. Standardisation with the training
# set's mean and deviation is part of the model.

# %%
mean, std = cache.standardisation(decoded, train.index)


def build_autoencoder():
    model = models.time_autoencoder(samples=snippet, latent=latent, mean=mean, std=std)
    # The squared error is of standardised audio, as in the study: 1 is what silence scores.
    model.compile(keras.optimizers.Adam(1e-3), "mse", loss_weights=1 / std**2)
    return model


build_autoencoder().summary(expand_nested=True)

# %%
crops = max(1, min_segments // len(train))
snippets = segments.Pipeline(decoded, train, validation, snippet, target="audio", crops_per_track=crops)
autoencoder = training.train_or_load(
    "time_autoencoder", build_autoencoder, snippets, epochs=epochs_autoencoder, seed=seed
)
print(autoencoder)

# %%
figure = plots.learning_curves(
    {"autoencoder": autoencoder.history}, "loss", f"{data.name}: autoencoder, latent {latent}",
    "squared error / variance",
)
plots.save(figure, setup.figures / "autoencoder_loss.png", data.caveat)

# %% [markdown]
# ## The classifier
#
# Layer normalisation of the latent, two rounds of convolution and pooling, two dense layers. The
# encoder is frozen at first, then everything is trained; the learning rate falls by a quarter every
# five epochs. The epoch with the best validation loss is kept.


# %%
def compiled(model, pipeline, first_epoch):
    """Returns the model with the study's optimizer, as it stands after some epochs."""
    rate = training.staircase(
        1e-3, steps_per_epoch=pipeline.steps_per_epoch, factor=0.75, every=5, first_epoch=first_epoch
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train_classifier(name, pipeline):
    """Returns the runs of both phases: encoder frozen, then fine-tuned."""

    def build_frozen():
        encoder = models.encoder_for(autoencoder.model, length)
        return compiled(models.latent_classifier(encoder, len(data.genres)), pipeline, 0)

    frozen = training.train_or_load(f"{name}_frozen", build_frozen, pipeline, epochs=epochs_frozen, seed=seed)

    def build_finetuned():
        model = models.unfrozen(frozen.model)
        return compiled(model, pipeline, epochs_frozen)

    return frozen, training.train_or_load(
        f"{name}_finetuned", build_finetuned, pipeline, epochs=epochs_finetuned, seed=seed
    )


# %%
frozen, finetuned = train_classifier(
    "classifier", segments.Pipeline(decoded, train, validation, length, crops_per_track=crops)
)
print(frozen, finetuned, sep="\n")
finetuned.model.summary()

# %%
figure = plots.learning_curves(
    {"frozen": frozen.history, "fine-tuned": finetuned.history}, "accuracy",
    f"{data.name}: classifier on latent {latent}", "accuracy by segment",
)
plots.save(figure, setup.figures / "classifier_accuracy.png", data.caveat)

# %% [markdown]
# ## The test, once
#
# Evenly spaced segments of each test track; a track's genre is what most of its segments say.
# Intervals are 95 %, by bootstrap over artists, since tracks of one artist are not independent.

# %%
rows = segments.segment_table(test, length, segments_per_track)


def measure(model):
    """Returns the genre probabilities of every test segment, and their summary."""
    pieces = segments.fixed_segments(
        decoded, test, length, per_track=segments_per_track, batch_size=32
    )
    probabilities = model.predict(pieces, verbose=0)
    return probabilities, evaluation.summarise(probabilities, rows, len(data.genres))


probabilities, result = measure(finetuned.model)
result_frozen = measure(frozen.model)[1]
print(f"One segment {result['accuracy_segment']:.1%}, vote of {segments_per_track} {result['accuracy_vote']:.1%}")
print(f"n: {len(test)} tracks. {data.caveat}")

# %% [markdown]
# ## Controls
#
# The same recipe on shuffled labels. Music can tell it nothing: it should score like always naming the most
# frequent genre, or less, within its interval; more would be a fault of the measurement.

# %%
dealt = [evaluation.shuffle_labels(part, seed + number) for number, part in enumerate((train, validation))]
shuffled = train_classifier("shuffled", segments.Pipeline(decoded, *dealt, length, crops_per_track=crops))[-1]
result_shuffled = measure(shuffled.model)[1]
majority = float((test["label"] == train["label"].mode()[0]).mean())
print(f"Shuffled labels {result_shuffled['accuracy_vote']:.1%}, most frequent genre {majority:.1%}. {data.caveat}")

# %% [markdown]
# 140 statistics of MFCCs and a support vector machine: what a learned representation has to beat.

# %%
track_ids, values = features.mfcc_table(decoded)
predicted = evaluation.svm_predict(pd.DataFrame(values, index=track_ids), train, validation, test)
svm_correct = predicted == test["label"]
svm_interval = evaluation.accuracy_interval(svm_correct, test["artist"])
print(f"MFCC statistics and SVM {svm_correct.mean():.1%}. {data.caveat}")

# %% [markdown]
# ## Side by side

# %%
systems = {
    name: (summary["accuracy_vote"], *summary["accuracy_vote_ci95"])
    for name, summary in [
        ("latent classifier, fine-tuned", result),
        ("latent classifier, frozen", result_frozen),
        ("shuffled labels", result_shuffled),
    ]
} | {"MFCC statistics + SVM": (svm_correct.mean(), *svm_interval)}
figure = plots.accuracies(
    systems, majority, f"{data.name}: genre of {len(test)} test tracks, latent {latent}, seed {seed}"
)
plots.save(figure, setup.figures / "accuracies.png", data.caveat)

# %%
voted = evaluation.votes(probabilities, rows)
title = f"{data.name}: fine-tuned, vote of {segments_per_track}, {len(test)} tracks"
figure = plots.confusion(voted["label"], voted["predicted"], data.genres, title)
plots.save(figure, setup.figures / "confusion.png", data.caveat)

# %%
figure = plots.genre_scores(result["f1_per_genre"], data.genres, title)
plots.save(figure, setup.figures / "f1.png", data.caveat)

# %% [markdown]
# ## Listen to what went wrong
#
# The test tracks that it was surest of and wrong about.

# %%
wrong = voted[voted["label"] != voted["predicted"]].nlargest(3, "confidence")
for track_id, samples in cache.read(decoded, wrong.index):
    row, track = wrong.loc[track_id], data.tracks.loc[track_id]
    label = (
        f"{track.artist}, {track.title}: is {track.genre}, taken for {data.genres[row.predicted]} "
        f"(mean probability {row.confidence:.0%})"
    )
    sound = audio.to_float(samples[: 10 * sample_rate])
    display(notebook.player(sound, sample_rate, label, setup.audio / f"wrong_{track_id:06d}.wav"))

# %% [markdown]
# ## What we saw

# %%
runs = (autoencoder, frozen, finetuned)
metrics = {
    "dataset": data.name, "split": split, "fingerprint": data.fingerprint, "genres": data.genres,
    "n_train_tracks": len(train), "n_validation_tracks": len(validation), "n_test_tracks": len(test),
    "n_test_artists": test["artist"].nunique(), "n_skipped": len(skipped), "latent": latent,
    "seed": seed, "sample_rate_hz": sample_rate, "segments_per_track": segments_per_track, **result,
    "accuracy_frozen": result_frozen["accuracy_vote"], "accuracy_majority": majority,
    "accuracy_shuffled": result_shuffled["accuracy_vote"],
    "accuracy_shuffled_ci95": result_shuffled["accuracy_vote_ci95"],
    "accuracy_mfcc_svm": svm_correct.mean(), "accuracy_mfcc_svm_ci95": svm_interval,
    "train_seconds": sum(run.seconds for run in runs),
    "n_parameters": finetuned.model.count_params(),
    "runs": [run.directory.name for run in runs], "note": data.caveat,
}
print(notebook.write_metrics(setup, metrics))

# %%
low, high = result["accuracy_vote_ci95"]
print(
    f"{data.name}, {split} split, {len(test)} test tracks of {metrics['n_test_artists']} artists, seed {seed}:\n"
    f"the latent classifier names {result['accuracy_segment']:.1%} of segments and {result['accuracy_vote']:.1%} of "
    f"tracks\nby a vote of {segments_per_track} (95 % interval {low:.1%} to {high:.1%}); macro F1 "
    f"{result['macro_f1']:.2f}.\nAlways the most frequent genre gives {majority:.1%}, shuffled labels "
    f"{result_shuffled['accuracy_vote']:.1%}, MFCC statistics and an SVM {svm_correct.mean():.1%}.\n{data.caveat}"
)
