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
# 42 % from one segment, 45 % by a vote of five, on a random split. Here is the same recipe, measured fairly, beside other ways
# to read a latent, networks trained from scratch, and controls.
#
# - **You will** train an autoencoder, let several systems name genres from its latent or without it, compare them on the same
#   test segments, see how sure they were when they were wrong, and let one listen to a recording of your own.
# - **It needs** nothing: the default is synthetic music, whose numbers prove that the code runs and nothing else. Use
#   `-p dataset fma_small -p data_dir FOLDER` for real results.
# - **It takes** five to six minutes on two cores the first time; what was trained is found again, so a system more
#   costs only itself.

# %%
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q git+https://github.com/fmalib/fmalib")

# %% tags=["parameters"]
dataset = "synth"  # synth, fma_small, fma_medium, fma_large, fma_full, or a folder with one subfolder per genre
data_dir = ""  # folder that holds fma_metadata and fma_small; a folder of genres is looked up in it too
out_dir = "outputs/03_classifier"  # where metrics.json, the classifier, figures and audio go
seed = 0  # of initial weights, crops, augmentation and shuffled labels
quick = False  # ten tracks a genre and at most two epochs, to see that everything runs
split = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
domain = "time"  # of the autoencoder, time or frequency
encoder = "study"  # frequency also has sparse, pca, shallow, deep, lstm, variational, denoising
latent = 32  # channels of the latent; 32 in the original study's time domain
systems = "latent_finetuned,latent_frozen,latent_linear,cnn,mel_pca,random_encoder"  # a comma list, the chosen one first
segments = 5  # of a test track, which vote
seeds = 1  # trainings of each system, from seed up
learning_curve = "latent_linear,mfcc_svm"  # systems, a comma list, over the share of training artists; may be empty
leaky = "mfcc_svm"  # systems, a comma list, also measured on the random70 split; may be empty
sample_rate = 0  # Hz; 0 takes the study's, 44100 in the time domain and 8000 in the frequency domain
epochs_autoencoder = 20  # at most
epochs_frozen = 20  # at most, with the encoder as the autoencoder left it
epochs_finetuned = 20  # at most, with everything trainable
epochs_network = 24  # at most, of networks trained from scratch
recording = ""  # an audio file to name over time; empty takes a test track

# %%
from fmalib import notebook  # comes first: it imports TensorFlow without its start-up messages
from fmalib import audio, autoencoders, cache, datasets, evaluation, genre_plots, paths, plots, predict, tracks
from fmalib import study as studies, systems as genre_systems

import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython())
sns.set_theme(style="ticks", palette="colorblind")
phases = ("autoencoder", "frozen", "finetuned", "network")
epochs = {phase: setup.params[f"epochs_{phase}"] for phase in phases}
notebook.at_least(1, segments=segments, seeds=seeds, **{f"epochs_{phase}": number for phase, number in epochs.items()})
asked, curved, leaking = (notebook.words(text) for text in (systems, learning_curve, leaky))
genre_systems.check(asked + curved + leaking)
autoencoders.check(domain, encoder, "mse")
if quick:
    epochs, curved = {phase: min(2, number) for phase, number in epochs.items()}, curved[:1]

# %% [markdown]
# The first system is the chosen one: its confusions and mistakes are shown below. Three controls always stand
# beside it: MFCC statistics with a support vector machine, its own recipe on shuffled labels, and the most frequent genre.

# %%
learning = [name for name in asked if name != "majority"]
if not learning:
    raise ValueError(f"systems must name one that learns. Received: systems={systems!r}")
chosen = learning[0]
control = genre_systems.SHUFFLED + chosen.removeprefix(genre_systems.SHUFFLED)
names = list(dict.fromkeys([*asked, "mfcc_svm", control, "majority"]))
pd.DataFrame({"what it is": [genre_systems.describe(name) for name in names]}, index=names).style.set_properties(
    **{"text-align": "left"}
)

# %% [markdown]
# ## Data

# %%
limit = tracks_per_genre or (10 if quick else None)
rate = sample_rate or autoencoders.SAMPLE_RATES[domain]


def study_of(split):
    """Returns the data set under a split, and what all systems share."""
    data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=limit)
    decoded = cache.build(data, rate)
    return studies.prepare(
        data, decoded, domain=domain, encoder=encoder, latent=latent, segments_per_track=segments, epochs=epochs,
        min_segments=64 if quick else 512,
    )


study = study_of(split)
data, test = study.data, study.test
song = paths.resolve(recording) if recording else data.root / data.tracks.path[test.index[0]]
heard = predict.listen(song, rate, study.length)  # now, so that a wrong name does not come up after the training
print(data, study.cache, study, sep="\n")
print(tracks.describe_excluded(study.skipped)) if len(study.skipped) else None

# %% [markdown]
# Training takes random crops; validation and test take fixed, evenly spaced segments. All systems hear the same segments at the
# same sample rate, but for MFCC statistics, which are of whole clips. Whatever there is to select within a system (the epoch, a
# penalty, the number of neighbours) is selected on validation.
#
# ## Training
#
# One line for each training: the study's recipe is an autoencoder, then a head on its frozen encoder, then everything
# trained further. A later run finds all of this again.

# %%
results = {}
for name in names:
    results[name] = genre_systems.repeat(name, study, range(seed, seed + seeds))
    print(*results[name], sep="\n")
best = results[chosen][0]

# %%
if best.model is not None:
    best.model.summary()
for phase, history in best.histories.items():
    column, label = ("accuracy", "accuracy by segment") if "accuracy" in history else ("loss", "loss")
    figure = plots.learning_curves({phase: history}, column, f"{data.name}: {chosen}, {phase}", label)
    display(plots.save(figure, setup.figures / f"training_{phase.replace('-', '')}.png", data.caveat))

# %% [markdown]
# ## What a leaky split would claim
#
# The original study split at random: artists stand on both sides, and a system may recognise them instead of the genre. On FMA
# that is worth about 13 points. It is a column of the table below for the systems named by `leaky`.

# %%
leaky_accuracy = {}
if leaking and split == "official":
    try:
        loose = study_of("random70")
        for name in leaking:
            leaky_accuracy[name] = genre_systems.run(name, loose, seed).summary()["accuracy_vote"]
            print(f"{name}: {leaky_accuracy[name]:.1%} on random70 (LEAKY, {len(loose.test)} tracks)")
        print(loose.data.caveat)
    except ValueError as error:  # a handful of tracks may leave a side of it empty
        print(f"Not measured: {error}")

# %% [markdown]
# ## The test
#
# A track's genre is what most of its segments say. Intervals are 95 %, by bootstrap over artists, since tracks of one
# artist are not independent. Whole clips count as one segment. Whoever picks the best of many systems here has selected on
# the test: name the one you mean beforehand, as `systems` does.

# %%
summaries = {name: genre_systems.over_seeds(of_seeds) for name, of_seeds in results.items()}
table = genre_systems.table(summaries)
if leaky_accuracy:
    table.insert(2, "LEAKY vote", pd.Series(leaky_accuracy))
print(f"{data.name}, {split} split, {len(test)} test tracks of {test['artist'].nunique()} artists, seed {seed}. {data.caveat}")
table.style.format(na_rep="", precision=3).set_properties(**{"white-space": "nowrap"})

# %%
bars = {name: (summary["accuracy_vote"], *summary["accuracy_vote_ci95"]) for name, summary in summaries.items()}
majority = summaries["majority"]["accuracy_vote"]
title = f"{data.name}: genre of {len(test)} test tracks, {domain} {encoder} {latent}, seed {seed}"
figure = genre_plots.accuracies(bars, majority, title)
plots.save(figure, setup.figures / "accuracies.png", data.caveat)

# %% [markdown]
# Shuffled labels can tell a system nothing, so it scores at chance. One deal of labels scatters a little more than its
# interval, which is over test artists alone: more seeds deal again. Below, how each system differs from MFCC statistics
# and a support vector machine on the same tracks: McNemar's test, and an interval by paired bootstrap over artists.

# %%
reference = results["mfcc_svm"][0].votes
differences = {
    name: evaluation.compare(of_seeds[0].votes, reference) for name, of_seeds in results.items() if name != "mfcc_svm"
}
against = pd.DataFrame(differences).T
against["difference_ci95"] = [f"{low:+.2f} to {high:+.2f}" for low, high in against["difference_ci95"]]
against.style.format({"difference": "{:+.3f}", "mcnemar_p": "{:.3g}"}).set_caption(f"less MFCC + SVM. {data.caveat}")

# %% [markdown]
# ## More segments, more votes

# %%
voting = [name for name in dict.fromkeys([chosen, *learning]) if len(results[name][0].rows) > len(test)][:4]
curves = {name: evaluation.vote_curve(results[name][0].probabilities, results[name][0].rows) for name in voting}
if curves and segments > 1:
    figure = genre_plots.vote_curves(curves, majority, f"{data.name}: votes of 1 to {segments} segments, {len(test)} tracks")
    display(plots.save(figure, setup.figures / "votes.png", data.caveat))

# %% [markdown]
# ## The chosen system, genre by genre

# %%
voted = best.votes
title = f"{data.name}: {chosen}, vote of {segments}, {len(test)} tracks"
figure = genre_plots.confusion(voted["label"], voted["predicted"], data.genres, title)
plots.save(figure, setup.figures / "confusion.png", data.caveat)

# %%
figure = genre_plots.genre_scores(summaries[chosen]["f1_per_genre"], data.genres, title)
plots.save(figure, setup.figures / "f1.png", data.caveat)

# %% [markdown]
# ## Is it as sure as it is right?
#
# One temperature, fitted on validation, softens or sharpens all probabilities; it changes no segment's prediction.

# %%
temperature = summaries[chosen]["temperature"]
said = {
    "as trained": best.probabilities,
    f"temperature {temperature:.2f}": evaluation.with_temperature(best.probabilities, temperature),
}
figure = genre_plots.calibration(said, best.rows["label"], f"{data.name}: {chosen}, {len(best.rows)} segments")
plots.save(figure, setup.figures / "calibration.png", data.caveat)

# %% [markdown]
# ## How many labelled artists does it take?
#
# Labels of a share of the training artists only. Autoencoders still hear all training tracks, without labels, and the
# labels of validation still select.

# %%
shares = (0.25, 0.5, 1.0)
artist_curves = {name: genre_systems.learning_curve(name, study, shares, seed) for name in curved}
if artist_curves:
    figure = genre_plots.artist_curves(artist_curves, majority, f"{data.name}: {len(test)} test tracks, seed {seed}")
    display(plots.save(figure, setup.figures / "artists.png", data.caveat))

# %% [markdown]
# ## Look and listen: what went wrong
#
# The test tracks that the chosen system was surest of and wrong about.

# %%
wrong = voted[voted["label"] != voted["predicted"]].nlargest(4, "confidence")
sounds = {track_id: audio.to_float(samples[: 10 * rate]) for track_id, samples in cache.read(study.cache, wrong.index)}
captions = {
    track_id: f"{data.tracks.genre[track_id]}, taken for {data.genres[row.predicted]} ({row.confidence:.0%})\n"
    f"{data.tracks.artist[track_id]}: {data.tracks.title[track_id]}"
    for track_id, row in wrong.iterrows()
}
if sounds:
    clips = {captions[track_id]: sounds[track_id] for track_id in wrong.index}
    figure = plots.spectrograms(clips, rate, f"{data.name}: surest mistakes of {chosen}, first 10 s")
    display(plots.save(figure, setup.figures / "mistakes.png", data.caveat))

# %%
for track_id in wrong.index:
    path = setup.audio / f"wrong_{track_id:06d}.wav"
    display(notebook.player(sounds[track_id], rate, captions[track_id].replace("\n", ": "), path))

# %% [markdown]
# ## A recording over time
#
# The classifier goes into a file, from which `python -m fmalib classify FILE` and the next cell take it. Name a recording of
# your own by `-p recording FILE`.

# %%
networks = [name for name in names if results[name][0].model is not None and not name.startswith("shuffled_")]
if networks:
    classifier = predict.Classifier(
        results[networks[0]][0].model, networks[0], data.genres, rate, study.length, data.name, data.caveat
    )
    print(predict.save(classifier, setup.out_dir))
else:
    print("None of these systems is a network, so there is nothing to save; add latent_finetuned or cnn to systems.")

# %%
if networks:
    times, probabilities = predict.over_time(classifier, heard)
    title = f"{networks[0]} on {song.name}"
    figure = genre_plots.genres_over_time(heard, rate, times, probabilities, data.genres, title)
    display(plots.save(figure, setup.figures / "over_time.png", data.caveat))
    display(notebook.player(heard[: 30 * rate], rate, title, setup.audio / "over_time.wav"))

# %% [markdown]
# ## What it would cost on FMA-small
#
# Seconds of one epoch on its 6,400 training and 800 validation clips, or of a probe's one pass: measured here and scaled by the
# number of segments. Reading 30-s clips takes longer than these, above all from a slow disk.

# %%
cost = {name: summary["seconds_per_epoch_fma_small"] for name, summary in summaries.items() if name != control}
for name, seconds in cost.items():
    print(f"{name:20s} {seconds:6.0f} s" if seconds else f"{name:20s} nothing to hear")
print(f"On {notebook.machine()}. Where there is a GPU, classifiers are trained in half precision by themselves.")

# %% [markdown]
# ## What we saw

# %%
metrics = {
    "dataset": data.name, "split": split, "fingerprint": data.fingerprint, "genres": data.genres,
    "n_train_tracks": len(study.training), "n_validation_tracks": len(study.validation), "n_test_tracks": len(test),
    "n_test_artists": test["artist"].nunique(), "n_skipped": len(study.skipped), "domain": domain, "encoder": encoder,
    "latent": latent, "seed": seed, "seeds": seeds, "sample_rate_hz": rate, "segments_per_track": segments,
    "system": chosen, **summaries[chosen], "train_seconds": summaries[chosen]["seconds"], "runs": best.runs,
    "accuracy_majority": majority, "accuracy_shuffled": summaries[control]["accuracy_vote"],
    "accuracy_shuffled_ci95": summaries[control]["accuracy_vote_ci95"],
    "accuracy_mfcc_svm": summaries["mfcc_svm"]["accuracy_vote"],
    "accuracy_mfcc_svm_ci95": summaries["mfcc_svm"]["accuracy_vote_ci95"],
    "accuracy_frozen": summaries.get("latent_frozen", {}).get("accuracy_vote"),
    "systems": summaries, "less_mfcc_svm": differences, "accuracy_leaky_random70": leaky_accuracy,
    "vote_curves": {name: curve.reset_index().to_dict("list") for name, curve in curves.items()},
    "learning_curves": {name: curve.to_dict("list") for name, curve in artist_curves.items()}, "note": data.caveat,
}
print(notebook.write_metrics(setup, metrics))

# %%
result = summaries[chosen]
low, high = result["accuracy_vote_ci95"]
print(
    f"{data.name}, {split} split, {len(test)} test tracks of {metrics['n_test_artists']} artists, seed {seed}:\n"
    f"{chosen} names {result['accuracy_segment']:.1%} of segments and {result['accuracy_vote']:.1%} of tracks\n"
    f"by a vote of {segments} (95 % interval {low:.1%} to {high:.1%}); macro F1 {result['macro_f1']:.2f}.\n"
    f"Always the most frequent genre gives {majority:.1%}, shuffled labels {metrics['accuracy_shuffled']:.1%}, "
    f"MFCC statistics\nand an SVM {metrics['accuracy_mfcc_svm']:.1%}. Highest on this test (picked on it): "
    f"{table['vote'].idxmax()}, {table['vote'].max():.1%}.\n{data.caveat}"
)
