# %% [markdown]
# # Can a genre be read from an autoencoder's latent?
#
# The original study of 2019 compressed music with an autoencoder, then trained a small network to name the genre from the
# latent. On a random split it reached 42 % from one segment, and 45 % by a vote of five. This notebook builds the same network,
# and an autoencoder of our own that learns a vocabulary of sounds. It compares both with a network trained from scratch, and
# with controls.
#
# - **You will** build a classifier on an encoder, train it in two phases, and compare it with other systems on the same test
#   tracks. You will then look at the most confident errors, and classify a recording of your own.
# - **It needs** nothing: by default the code synthesises its own music. For real results, change the parameters in the cell
#   below (Colab), or add `-p dataset fma_small -p data_dir FOLDER` (papermill).
# - **It takes** five to six minutes on two cores the first time. Trained networks are found again, so that each extra system
#   adds only its own training time. Cross-validation, for small folders, trains every system once a fold.

# %%
import sys
from importlib.util import find_spec
from pathlib import Path

SOURCE = ""  # the repository; `make notebooks` writes it
advice = f"pip install {SOURCE or 'FOLDER_OF_THE_REPOSITORY'} (in a checkout: make setup, then use .venv)"
if "google.colab" in sys.modules:
    advice = "upload the repository's folder to /content, or to Drive and mount Drive; then run this cell again"
    copies = [path.parents[1] for top in (".", "*", "drive/MyDrive/*") for path in Path.cwd().glob(f"{top}/fmalib/paths.py")]
    if source := str(copies[0]) if copies else SOURCE:
        advice = f"the error of pip stands above; if it is the network, run this cell again. Received: {source}"
        get_ipython().run_line_magic("pip", f"install -q {source!r}")
if not getattr(find_spec("fmalib"), "origin", None):
    raise SystemExit(f"fmalib is not installed: {advice}")

# %% tags=["parameters"]
dataset: str = "synth"  # synth, fma_small, fma_medium, fma_large, fma_full, or a folder with one subfolder per genre
data_dir: str = ""  # folder that holds fma_metadata and fma_small; a folder of genres is looked up in it too
out_dir: str = "outputs/03_classifier"  # where metrics.json, the classifier, figures and audio go
seed: int = 0  # of initial weights, crops, augmentation and permuted labels
quick: bool = False  # ten tracks a genre and at most two epochs, to see that everything runs
domain: str = "time"  # of the autoencoder, time or frequency
latent: int = 32  # channels of the latent; 32 in the original study's time domain
systems: str = "patches_svm,patches_random,latent_finetuned,latent_frozen,latent_linear,cnn,mel_pca"  # the chosen one first
# less often changed
split: str = "official"  # official, or random70 as in the original study, which leaks artists
folds: int = 0  # of cross-validation; 0 takes 5 below 400 tracks of a folder data set, else one split; 1 is one split
tracks_per_genre: int = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
encoder: str = "study"  # or patches, pretrained, learned; in frequency sparse, pca, shallow, deep, lstm, variational, denoising
unlabelled: str = ""  # folder with more music, of any genre, on which our autoencoder of patches trains besides
segments: int = 5  # of a test track, which vote
seeds: int = 1  # trainings of each system, from seed up
learning_curve: str = "patches_svm,mfcc_svm"  # systems, a comma list, over the share of training artists; may be empty
leaky: str = "mfcc_svm"  # systems, a comma list, also measured on the random70 split; may be empty
sample_rate: int = 0  # Hz; 0 takes the study's, 44100 in the time domain and 8000 in the frequency domain
epochs_autoencoder: int = 20  # at most
epochs_frozen: int = 20  # at most, of the head on the frozen encoder
epochs_finetuned: int = 20  # at most, of head and encoder together
epochs_network: int = 24  # of networks trained from scratch
recording: str = ""  # an audio file to classify over time; empty takes a test track

# %%
from fmalib import notebook  # fmalib before TensorFlow and Keras, whose settings it makes
from fmalib import paths, plots
from fmalib.data import audio, audio_cache, datasets, formats, tracks
from fmalib.genres import comparison, evaluation, patch_latent, predict, probes, results
from fmalib.genres import systems as genre_systems
from fmalib.models import architectures, classifiers, original
from fmalib.models.sparse_layers import KeepLargest
from fmalib.training import patch_training, runs

import keras
import pandas as pd
import seaborn as sns
from keras import layers

phases = ("autoencoder", "frozen", "finetuned", "network")
setup = notebook.start(
    get_ipython(),
    least={"folds": 0} | dict.fromkeys(["latent", "segments", "seeds", *(f"epochs_{phase}" for phase in phases)], 1),
    choices={
        "domain": architectures.ARCHITECTURES,
        "encoder": [*architectures.ARCHITECTURES.get(domain, ()), *patch_latent.ENCODERS, comparison.CODEC],
    },
    lists=dict.fromkeys(["systems", "learning_curve", "leaky"], genre_systems.check),
)
sns.set_theme(style="ticks", palette="colorblind")

# %% [markdown]
# ## The systems
#
# A *system* gives a probability of each genre for a segment of audio, or for a whole clip. The first one in `systems` is the
# chosen system, which later sections look at in detail. Choose it before the test, not by the test.
#
# A *[probe](https://arxiv.org/abs/1610.01644)* is a simple classifier, here a linear one or a support vector machine
# ([SVM](https://scikit-learn.org/stable/modules/svm.html)), trained on a frozen network's output. Its accuracy says how much of
# the genre is easy to read there. Three controls are always added:
#
# - an SVM on statistics of [MFCCs](https://en.wikipedia.org/wiki/Mel-frequency_cepstrum), which needs no network;
# - the chosen system trained on permuted labels, which carry no information;
# - the most frequent genre, named for every track.

# %%
asked = genre_systems.possible(setup.lists["systems"], encoder)
if left_out := [name for name in setup.lists["systems"] if name not in asked]:
    print(f"Left out, since no network is trained through the codec's integers: {', '.join(left_out)}.")
learning = [name for name in asked if name != "majority"]
if not learning:
    raise ValueError(f"systems must name one that learns. Received: systems={systems!r}")
chosen = learning[0]
control = genre_systems.PERMUTED + chosen.removeprefix(genre_systems.PERMUTED)
names = list(dict.fromkeys([*asked, "mfcc_svm", control, "majority"]))
descriptions = pd.DataFrame({"system": names, "description": [genre_systems.describe(name) for name in names]})
descriptions.style.hide(axis="index").set_properties(**{"text-align": "left"})

# %% [markdown]
# The list tells a story: ours and its untrained control, the study's latent fine-tuned, frozen and probed, a network trained
# from scratch, and what needs no learning. *Try this*: put `pretrained_svm` first, whose autoencoder heard other music only.
#
# ## The data
#
# Training uses crops, which are segments at random places. Validation and test use fixed, evenly spaced segments. All systems
# read the same segments at the same sample rate, with two exceptions: probes of our patches and MFCC statistics describe whole
# clips, and networks on our patches read longer segments. Each choice within a system (the epoch, a penalty, the number of
# neighbours) is made on validation.
#
# A folder of 100 clips leaves about 15 for a single test, which says little. Small folders get
# [cross-validation](https://scikit-learn.org/stable/modules/cross_validation.html) instead: each of `folds` *folds* tests the
# tracks of other artists, and trains and selects on the rest. So every track is tested once, by a classifier that does not
# know its artist. Tracks of unknown artists are dealt one by one, so that such an artist may be known.
#
# In a fold, a probe trains on the validation tracks too, once its setting is chosen on them. A network from scratch is trained
# twice: on the training tracks, for the temperature of its probabilities below, and on both for the test. A network that is
# fine-tuned cannot use them: they decide when its training stops.

# %%
rate = sample_rate or architectures.SAMPLE_RATES[domain]
source = {"dataset": dataset, "data_dir": data_dir or None, "tracks_per_genre": tracks_per_genre or (10 if quick else None)}
data = datasets.load(**source, split=split)
comparison.check_genres(data.tracks)
n_folds = datasets.choose_folds(data, folds)
parts = datasets.folds(data, n_folds)  # the data set n_folds times, each with another split
decoded = audio_cache.build(data, rate)
setup.note = parts[0].caveat
print(parts[0], decoded, sep="\n")

# %% [markdown]
# *Try this*: set `domain = "frequency"` and `latent = 64` for the study's other autoencoder, at 8 kHz.
#
# ## The network
#
# The encoder turns a segment into a latent: a sequence of frames with `latent` values each. The study's *head* is a small
# convolutional network on this sequence. [Layer normalisation](https://arxiv.org/abs/1607.06450) removes the mean and the scale
# of each segment's latent, so that its level hardly matters. Two convolutions look for patterns of five frames, max-pooling
# keeps the strongest of five neighbouring responses, and two dense layers turn the rest into probabilities.
#
# Shapes in the comments are of the default parameters.


# %%
def study_classifier(encoder, n_genres):
    """Returns the study's network, uncompiled: a frozen encoder and a head, from samples to genre probabilities."""
    decay = original.l2_penalty(1e-5)  # PyTorch's weight decay
    encoder.trainable = False
    waveform = keras.Input(encoder.input.shape[1:], name="audio")  # (batch, 131072)
    x = encoder(waveform, training=False)  # (batch, 511, 32), frames and channels
    x = layers.LayerNormalization(axis=(1, 2), name="norm")(x)  # (batch, 511, 32)
    x = layers.Conv1D(32, 5, activation="relu", name="head_conv1", **decay)(x)  # (batch, 507, 32)
    x = layers.MaxPooling1D(5, name="head_pool1")(x)  # (batch, 101, 32)
    x = layers.Conv1D(32, 5, activation="relu", name="head_conv2", **decay)(x)  # (batch, 97, 32)
    x = layers.MaxPooling1D(5, name="head_pool2")(x)  # (batch, 19, 32)
    x = layers.Flatten(name="flatten")(x)  # (batch, 608)
    x = layers.Dense(100, activation="relu", name="head_dense", **decay)(x)  # (batch, 100)
    x = layers.Dense(n_genres, activation="softmax", dtype="float32", name="genres", **decay)(x)  # (batch, 8)
    return keras.Model(waveform, x, name="latent_classifier")


# %% [markdown]
# *Try this*: change the 32 filters of both convolutions to 48, or add a `layers.Dropout(0.3)` before the last layer, and run
# on. Training is found by content, so an edited network is trained anew, and all results below are of the edited network.
#
# ## Our network: a vocabulary of sounds
#
# The study's latent must rebuild the waveform, so it spends its values on phase and pitch. Ours must rebuild one second of a
# *log-mel spectrogram*: 43 frames of 32 bands. Such a *patch* is first
# [whitened](https://en.wikipedia.org/wiki/Whitening_transformation): 150 principal components are scaled to the same variance.
# A patch is then a sum of only 10 of 1024 *patterns*, which makes it a [k-sparse autoencoder](https://arxiv.org/abs/1312.5663).
# How much a recording uses each pattern, over its whole length, is its vector of 1024 values.


# %%
def patch_autoencoder(*, components, latent=1024, active=10):
    """Returns our autoencoder, uncompiled: a whitened patch as a sum of few of many patterns."""
    start = keras.initializers.RandomNormal(stddev=components**-0.5)
    patch = keras.Input((components,), name="patch")  # (batch, 150), one second of music
    x = layers.Dense(latent, kernel_initializer=start, name="patterns")(patch)  # (batch, 1024)
    encoder = keras.Model(patch, KeepLargest(active, name="code")(x), name="encoder")  # 10 of them are not 0
    code = keras.Input((latent,), name="code")
    decoder = keras.Model(code, layers.Dense(components, name="patch")(code), name="decoder")  # (batch, 150)
    return keras.Model(patch, decoder(encoder(patch)), name="patch_autoencoder")


# %% [markdown]
# *Try this*: set `active=50`. The patches are rebuilt better; is the genre told better, too?
#
# ## Training in two phases
#
# Systems named `latent_` share the segments, the autoencoder and the numbers of epochs. The recording for the last section is
# read now, so that a wrong file name fails before the training. With cross-validation, the network here is of the first fold.

# %%
epochs = {phase: setup.params[f"epochs_{phase}"] for phase in phases}
epochs = {phase: min(2, number) for phase, number in epochs.items()} if quick else epochs
settings = {"domain": domain, "encoder": encoder, "latent": latent, "epochs": epochs, "segments_per_track": segments}
settings |= {"min_segments": 64 if quick else 512, "head": study_classifier, "network": patch_autoencoder}
settings |= {"refit": n_folds > 1}  # probes and networks from scratch, on validation too
settings |= {"music": tuple(formats.sound_files(paths.resolve(unlabelled), "unlabelled")) if unlabelled else ()}
compared = [comparison.prepare(part, decoded, **settings) for part in parts]
shared, test = compared[0], pd.concat([fold.test for fold in compared])
song = paths.resolve(recording) if recording else data.root / data.tracks.path[test.index[0]]
longer = encoder in patch_latent.ENCODERS  # segments of a network on patches
signal = predict.read_recording(song, rate, shared.of_patches("patches").length if longer else shared.length)
print(*compared, sep="\n")
print(tracks.describe_excluded(shared.skipped) if len(shared.skipped) else "No track was skipped.")

# %%
about_data = {"dataset": data.name, "split": split, "folds": folds, "n_folds": n_folds}
about_data |= {"fingerprint": data.fingerprint, "genres": data.genres}
about_data |= {"n_train_tracks": len(shared.training), "n_validation_tracks": len(shared.validation)}
about_data |= {"n_test_tracks": len(test), "n_test_artists": tracks.count_artists(test), "n_skipped": len(shared.skipped)}
about_data |= {"domain": domain, "encoder": encoder, "latent": latent, "seed": seed, "seeds": seeds, "sample_rate_hz": rate}
unit = "track (LEAKY)" if split == "random70" else "artist" if tracks.count_artists(test) else "track (artists unknown)"
how = f"{split} split" if n_folds == 1 else f"{n_folds} folds by {unit}"
of_fold = "" if n_folds == 1 else f", fold 1 of {n_folds}"

# %% [markdown]
# First comes the autoencoder, which learns without labels (notebook 02). Then, in phase 1, the encoder is frozen and only the
# head is trained. In phase 2 the encoder is trained too: [fine-tuning](https://keras.io/guides/transfer_learning/) may change
# the latent in favour of genres, at the price of reconstruction.

# %%
study_systems = ("latent_frozen", "latent_finetuned")  # with the network above
with_network = any(name in names for name in study_systems) and encoder not in patch_latent.ENCODERS
pipeline, options = shared.pipeline(), {"seed": seed, "patience": genre_systems.PATIENCE}
trained = {}
if with_network:
    autoencoder = comparison.train_autoencoder(shared, seed)
    print(autoencoder)
else:
    print(
        f"The network above is not trained step by step: it needs {' or '.join(study_systems)}, and an encoder of notebook 02."
    )

# %% [markdown]
# `compiled` calls `model.compile` with cross-entropy as the loss and Adam as the optimizer. The learning rate of 0.001 falls by
# a quarter every five epochs. Training stops after `PATIENCE` epochs without a better validation loss, and the best epoch is
# kept.

# %%
if with_network:
    with runs.mixed_precision():  # half precision where there is a GPU
        runs.set_seed(seed)
        model = study_classifier(comparison.encoder_for(shared, autoencoder), len(data.genres))
        genre_systems.compiled(model, pipeline)
        model.summary()
        name = f"{autoencoder.name}_study_frozen"
        trained["frozen"] = runs.train_or_load(name, model, pipeline, epochs=epochs["frozen"], **options)
    print(trained["frozen"])

# %%
if with_network and "latent_finetuned" in names:
    with runs.mixed_precision():
        runs.set_seed(seed)
        model = classifiers.unfrozen(trained["frozen"].model)
        genre_systems.compiled(model, pipeline, first_epoch=epochs["frozen"])
        name = f"{autoencoder.name}_study_finetuned"
        trained["fine-tuned"] = runs.train_or_load(name, model, pipeline, epochs=epochs["finetuned"], **options)
    print(trained["fine-tuned"])

# %%
if trained:
    histories = {phase: run.history for phase, run in trained.items()}
    title = f"{data.name}: the study's network on {domain} {encoder} {latent}, seed {seed}{of_fold}"
    setup.show(plots.autoencoders.learning_curves(histories, "accuracy", title, "accuracy by segment"), "training")

# %% [markdown]
# Dashed curves are training accuracy, solid curves validation accuracy; each phase counts its epochs from 1. A gap between the
# two is overfitting: the network memorises its training tracks. The figure does not show the accuracy on new artists, since the
# epoch was selected on this validation split.
#
# *Try this*: set `epochs_frozen = 1`, so that phase 2 begins with a nearly random head, and compare the validation curves.
#
# ## Training ours
#
# Our autoencoder sees no genre either. Its patches come from random places of the training tracks, and from the folder
# `unlabelled`, which must hold no test track. `compiled` calls `model.compile` with the squared error and Adam, whose learning
# rate falls along a cosine.

# %%
with_patches = any(name.startswith("patches_") and name != "patches_random" for name in names)
if with_patches:
    patches, patch_epochs = patch_latent.prepare(shared, seed), patch_latent.epochs(shared)
    runs.set_seed(seed)
    network = patch_autoencoder(components=patches.training.shape[1])
    patch_training.compiled(network, patches, patch_epochs)
    network.summary()
    ours = runs.train_or_load("patches", network, patches, epochs=patch_epochs, seed=seed, patience=None)
    print(ours, f"{len(patches.training)} patches from {patches.hours:.2f} h of music", sep="\n")

# %%
if with_patches:
    patterns, usage = patch_training.patterns(ours.model, patches)
    title = f"{data.name}: the 16 most used of {len(patterns)} patterns, seed {seed}{of_fold}"
    setup.show(plots.autoencoders.patterns(patterns[usage.argsort()[::-1][:16]], title), "patterns")

# %% [markdown]
# Each picture is one second of music: what the decoder adds to a patch for one pattern. Steady lines are held tones, vertical
# edges are onsets, and repeated edges are rhythms. The figure shows what is used often, not what tells genres apart.
#
# ## Fine-tuning that does not forget
#
# Training all 154,624 weights of this encoder on a hundred labelled clips forgets about as much as it learns. The system
# `patches_finetuned` tunes one number a pattern instead, its *gain*, in the spirit of [(IA)³](https://arxiv.org/abs/2205.05638).
# It is the logarithm of 1 + the [F value](https://en.wikipedia.org/wiki/F-test): how much the use of a pattern varies between
# genres, compared with how much it varies between the artists of a genre. An SVM reads all patterns, each times a power of its
# gain; validation chooses the power, and 0 leaves the code as it was.

# %%
if with_patches:
    coded = patch_latent.table(patch_latent.trained(shared, seed), decoded, shared.tracks)
    gains = probes.gains(coded.of(shared.training), shared.training["label"], shared.training["artist"])
    title = f"{data.name}: the 16 patterns that tell genres best, seed {seed}{of_fold}"
    setup.show(plots.autoencoders.patterns(patterns[gains.argsort()[::-1][:16]], title), "patterns_of_genres")

# %% [markdown]
# A pattern that is used often need not tell genres, if all genres share it. These were chosen on training tracks, so some are
# typical of these artists only. *Try this*: leave the artists out of `gains`, so that an artist with many tracks counts more.
#
# ## All systems
#
# Every system is trained here, or found: the two phases above have the same content and are not trained twice. The lines name
# the run of each network, with its epochs and seconds, or the choice that a probe made on validation. With cross-validation,
# each system is trained and selected in each fold, and its test predictions are pooled; the lines are of the first fold.
#
# The network from scratch, `cnn`, takes the mean of each mel band over the segment off first: that spectrum tells the recording
# more than the genre. Its learning rate falls to 0 along a cosine. All epochs are trained and the last is kept, since few
# validation tracks select an epoch badly.

# %%
outcomes = {}
for name in names:
    outcomes[name] = genre_systems.repeat(name, compared, range(seed, seed + seeds))
    print(*outcomes[name], sep="\n")
best = outcomes[chosen][0]

# %%
if best.histories and chosen not in study_systems:
    title = f"{data.name}: {chosen}, seed {seed}{of_fold}"
    setup.show(plots.autoencoders.learning_curves(best.histories, "loss", title, "loss"), "training_chosen")

# %% [markdown]
# *Try this*: add `latent_knn` to `systems`. It needs no further training of networks, only the nearest neighbours.
#
# ## The price of a leaky split
#
# The original study split at random, so that an artist can occur in training and test. A system may then recognise the artist
# instead of the genre; on FMA this is worth about 13 points of accuracy. The systems in `leaky` are measured on such a split
# too, for the table of the next section. With cross-validation, the folds of the leaky split are by track.

# %%
leaky_accuracy = {}
if setup.lists["leaky"] and split == "official":
    try:
        loose_data = datasets.load(**source, split="random70")
        loose_decoded = audio_cache.build(loose_data, rate)
        loose = [comparison.prepare(part, loose_decoded, **settings) for part in datasets.folds(loose_data, n_folds)]
        for name in genre_systems.possible(setup.lists["leaky"], encoder):
            leaky_accuracy[name] = genre_systems.run(name, loose, seed).summary()["accuracy_vote"]
            print(f"{name}: {leaky_accuracy[name]:.1%} on random70 (LEAKY, {sum(len(fold.test) for fold in loose)} tracks)")
    except ValueError as error:  # with a handful of tracks, a split may be empty
        print(f"Not measured: {error}")

# %% [markdown]
# The difference to the split by artist is the price of the leak plus the chance of two different test sets. A large positive
# difference is a warning; a small one does not prove that nothing leaks.
#
# *Try this*: set `leaky = "mfcc_svm,cnn"` and see whether the network gains more from known artists than the SVM does.
#
# ## The test
#
# The genre of a track is the majority vote of its segments. Probes of our patches and MFCC statistics have one vote a clip.
#
# Intervals are 95 %, over artists. The [jackknife](https://en.wikipedia.org/wiki/Jackknife_resampling) leaves out each artist
# in turn; the changes of the accuracy give its standard error. Quantiles are of Student's t and the beta distribution, since
# few artists are tested and accuracies end at 0 and 1. Tracks of one artist are alike, so counting single tracks would give
# intervals that are too narrow. In simulations with 8 to 60 artists, 94 to 99 % of the intervals hold the true accuracy. With
# cross-validation, artists are of the pooled test of all folds. The interval leaves out the chance of training on other tracks.

# %%
summaries = {name: results.over_seeds(of_seeds) for name, of_seeds in outcomes.items()}
majority = summaries["majority"]["accuracy_vote"]
table = results.table(summaries)
if leaky_accuracy:
    table.insert(2, "LEAKY vote", pd.Series(leaky_accuracy))
print(f"{data.name}, {how}, {len(test)} test tracks of {about_data['n_test_artists']} artists, seed {seed}")
table.style.format(na_rep="", precision=3).set_properties(**{"white-space": "nowrap"})

# %%
bars = {name: (summary["accuracy_vote"], *summary["accuracy_vote_ci95"]) for name, summary in summaries.items()}
title = f"{data.name}: genre of {len(test)} test tracks, {domain} {encoder} {latent}, seed {seed}"
setup.show(plots.genres.accuracies(bars, majority, title), "accuracies")

# %%
about_systems = {"system": chosen, "segments_per_track": segments, **summaries[chosen], "runs": best.runs, "systems": summaries}
about_systems |= {"train_seconds": summaries[chosen]["seconds"], "accuracy_majority": majority}
about_systems |= {"accuracy_frozen": summaries.get("latent_frozen", {}).get("accuracy_vote")}
about_systems["accuracy_leaky_random70"] = leaky_accuracy
for label, name in (("shuffled", control), ("mfcc_svm", "mfcc_svm")):
    for key in ("accuracy_vote", "accuracy_vote_ci95"):
        about_systems[key.replace("vote", label)] = summaries[name][key]

# %% [markdown]
# The dotted line is the accuracy of the most frequent training genre. With cross-validation it may lie below the share of any
# genre: genres that a fold tests often are rarer in its training. The system trained on permuted labels should reach chance
# only. It scatters a little more than its interval, which is over test artists, not over permutations. Whoever picks the
# highest bar has selected on the test, and will find that system a little worse on new music.
#
# Overlapping intervals do not settle which of two systems is better, since both had the same tracks.
# [McNemar's test](https://en.wikipedia.org/wiki/McNemar%27s_test) uses only the tracks that exactly one of the two has right.
# With equally good systems, these tracks split like coin tosses. The table compares each system with MFCC statistics and an
# SVM; its intervals are over artists, of the paired differences of their tracks.

# %%
reference = outcomes["mfcc_svm"][0].votes
differences = {
    name: evaluation.compare(of_seeds[0].votes, reference) for name, of_seeds in outcomes.items() if name != "mfcc_svm"
}
against = pd.DataFrame(differences).T
against["difference_ci95"] = [f"{low:+.2f} to {high:+.2f}" for low, high in against["difference_ci95"]]
against.style.format({"difference": "{:+.3f}", "mcnemar_p": "{:.3g}"}).set_caption("compared with MFCC + SVM")

# %% [markdown]
# An interval that contains 0 does not show a difference, nor does it show equality. The p-value treats tracks as independent,
# and is too small where artists have many tracks.
#
# *Try this*: set `seeds = 3`. Where the deviation over seeds is as large as a difference above, one seed cannot rank the two.
#
# ## More segments, more votes

# %%
voting = [name for name in dict.fromkeys([chosen, *learning]) if len(outcomes[name][0].rows) > len(test)][:4]
curves = {name: evaluation.vote_curve(outcomes[name][0].probabilities, outcomes[name][0].rows) for name in voting}
if curves and segments > 1:
    title = f"{data.name}: votes of 1 to {segments} segments, {len(test)} tracks"
    setup.show(plots.genres.vote_curves(curves, majority, title), "votes")

# %% [markdown]
# A rising curve means that the segments of a track err in different ways, so that a vote corrects some of them. A flat curve
# means that they err together. The shaded interval belongs to the first system only; steps far smaller than it may be chance.
# Systems with one vote a clip have no curve.
#
# *Try this*: set `segments = 15`. Where does the curve become flat?
#
# ## How few bits hold a genre?
#
# The codec of notebook 05 sends a latent too. In its profile for the ear this is the *envelope*: the powers of about 25 bands
# over time, by cosine transform and principal components, rounded to integers. A linear probe reads these integers, pooled over
# the segment. A coarser rounding step makes fewer bytes; they are counted as the codec writes them.

# %%
bit_curve = genre_systems.bitrate_curve(compared, seed=seed)
readers = {name: bars[name] for name in ("mfcc_svm", "mel_pca") if name in bars}
title = f"{data.name}: genre from the codec's latent, {len(test)} tracks, seed {seed}"
setup.show(plots.genres.bitrate_curves({"linear probe of the codec's latent": bit_curve}, readers, majority, title), "bitrates")

# %% [markdown]
# A flat stretch means that the bits saved there said nothing about the genre that this probe can read. Dashed lines are of
# systems that read the audio itself. The bitrate is of the latent alone: to be heard, it needs the rest of the file.
#
# *Try this*: give `bitrate_curve` the argument `"svm"`. Does another probe read more from the same bits?
#
# ## The chosen system by genre

# %%
voted = best.votes
voters = f"vote of {segments}" if len(best.rows) > len(test) else "one vote each"
title = f"{data.name}: {chosen}, {voters}, {len(test)} tracks"
setup.show(plots.genres.confusion(voted["label"], voted["predicted"], data.genres, title), "confusion")

# %% [markdown]
# Each row is a true genre, each column a predicted one, and correct tracks lie on the diagonal. Two genres that are confused in
# both directions are similar for the system. A full column is a genre that it predicts too often. Cells with few tracks are no
# evidence.

# %%
scores = summaries[chosen]["f1_per_genre"]
setup.show(plots.genres.genre_scores(scores, data.genres, title), "f1")

# %% [markdown]
# [F1](https://en.wikipedia.org/wiki/F-score) is the harmonic mean of precision (how many of the named tracks are right) and
# recall (how many tracks of the genre are found). A low value says that a genre is difficult for this system, not why.
#
# *Try this*: compare the confusions of `latent_frozen` and `cnn` by putting each first in `systems`.
#
# ## Calibration
#
# A classifier is [calibrated](https://arxiv.org/abs/1706.04599) if, of the votes with a confidence of 70 %, 70 % are right.
# Networks are often overconfident. Temperature scaling divides the logarithms of all probabilities by one number, fitted on the
# validation of its own fold; above 1 it lowers the confidence. It changes no prediction.

# %%
scaled, temperature = best.scaled()
probabilities = {"as trained": best.probabilities, f"temperature {temperature:.2f}": scaled}
figure = plots.genres.calibration(probabilities, best.rows["label"], f"{data.name}: {chosen}, {len(best.rows)} votes")
setup.show(figure, "calibration")

# %% [markdown]
# Points below the diagonal are overconfident, points above it underconfident, and larger dots hold more votes. The number in
# the legend is the mean distance from the diagonal, weighted by votes. It comes out above 0 for a perfect system too, since
# bins with few votes scatter.
#
# *Try this*: put `cnn` first in `systems` and compare a network's calibration with an SVM's.
#
# ## How many labelled artists are needed?
#
# The systems in `learning_curve` are trained again with the labels of a share of the training artists. The autoencoder still
# trains on all tracks, since it needs no labels. Validation keeps its labels and still selects.

# %%
curved = genre_systems.possible(setup.lists["learning_curve"], encoder)[: 1 if quick else None]
artist_curves = {name: genre_systems.learning_curve(name, compared, (0.25, 0.5, 1.0), seed) for name in curved}
if artist_curves:
    title = f"{data.name}: {len(test)} test tracks, seed {seed}"
    setup.show(plots.genres.artist_curves(artist_curves, majority, title), "artists")

# %% [markdown]
# A curve that still rises on the right would gain from more labelled artists. A latent that was learned without labels should
# help most on the left, where labels are few. Each share is one draw of artists, so small crossings of the curves mean nothing.
# Validation tracks only select here, in folds too, so that the curve ends below the table's accuracy.
#
# *Try this*: add `cnn` to `learning_curve`, a network that learns everything from labels.
#
# ## The most confident errors
#
# The test tracks that the chosen system got wrong with the highest mean probability, at most four.

# %%
wrong = voted[voted["label"] != voted["predicted"]].nlargest(4, "confidence")
sounds = {track_id: audio.to_float(samples[: 10 * rate]) for track_id, samples in audio_cache.read(decoded, wrong.index)}
captions = {
    track_id: f"{number}: {data.tracks.genre[track_id]}, taken for {data.genres[row.predicted]} ({row.confidence:.0%})"
    for number, (track_id, row) in enumerate(wrong.iterrows(), start=1)
}
if sounds:
    named = {
        f"{captions[track_id]}\n{data.tracks.artist[track_id]}: {data.tracks.title[track_id]}": sounds[track_id]
        for track_id in wrong.index
    }
    figure = plots.audio.spectrograms(named, rate, f"{data.name}: most confident errors of {chosen}, first 10 s")
    setup.show(figure, "confident_errors")

# %%
if sounds:
    grid = {"first 10 s": {captions[track_id]: sounds[track_id] for track_id in wrong.index}}
    setup.play(grid, rate, f"{data.name}: most confident errors of {chosen}", "error")

# %% [markdown]
# Listen for the reason: an instrument of the other genre, a quiet introduction, or a label that is arguable in the first place.
# Four tracks are examples, not a statistic.
#
# *Try this*: replace `nlargest` by `nsmallest` for errors near the border of two genres.
#
# ## A recording over time
#
# The first of the systems that is a network is written to a file. `python -m fmalib classify FILE` reads it, and so does the
# cell after the next. Name a recording of your own by `recording` above, or by `-p recording FILE`. With cross-validation, the
# network is of the first fold, which has not trained on all tracks.

# %%
networks = [name for name in names if name in genre_systems.SYSTEMS and outcomes[name][0].model is not None]
if networks:
    model = outcomes[networks[0]][0].model
    facts = {"genres": data.genres, "sample_rate": rate, "length": model.input.shape[1], "dataset": data.name}
    classifier = predict.Classifier(model=model, system=networks[0], note=setup.note, **facts)
    print(predict.save(classifier, setup.out_dir))
else:
    print("None of these systems is a network, so no classifier is written; add latent_finetuned or cnn to systems.")

# %%
if networks:
    times, over_time = predict.over_time(classifier, signal)
    title = f"{networks[0]} on {song.name}"
    setup.show(plots.genres.genres_over_time(signal, rate, times, over_time, data.genres, title), "over_time")
    setup.play({"recording": {"first 30 s": signal[: 30 * rate]}}, rate, title, "over_time")

# %% [markdown]
# Dark cells are genres with a high probability. Changes between neighbouring segments can be changes in the music, or
# uncertainty. The system must choose among its genres: music of any other kind gets probabilities that sum to 1, too.
#
# *Try this*: classify a recording of a genre that is not among these, and see which genre takes it.
#
# ## The cost on FMA-small
#
# Seconds for one epoch on its 6,400 training and 800 validation clips, or for a probe's one pass. They are measured here and
# scaled by the number of segments. Reading 30-s clips takes longer than reading these, above all from a slow disk.

# %%
cost = {name: summary["seconds_per_epoch_fma_small"] for name, summary in summaries.items() if name != control}
for name, seconds in cost.items():
    print(f"{name:20s} {seconds:6.0f} s" if seconds else f"{name:20s} reads no audio")
print(f"On {notebook.machine()}. Where there is a GPU, classifiers are trained in half precision.")

# %% [markdown]
# *Try this*: multiply by the number of epochs in the lines of *All systems* for the training time of each system.
#
# ## What we saw

# %%
votes = {"vote_curves": {name: curve.reset_index().to_dict("list") for name, curve in curves.items()}}
labels = {"learning_curves": {name: curve.to_dict("list") for name, curve in artist_curves.items()}}
labels |= {"less_mfcc_svm": differences, "bitrate_curve": bit_curve.to_dict("list")}
metrics = about_data | about_systems | votes | labels | {"note": setup.note}
print(setup.write_metrics(metrics))

# %%
result, bits = summaries[chosen], bit_curve.iloc[-1]
low, high = result["accuracy_vote_ci95"]
print(
    f"{data.name}, {how}, {len(test)} test tracks of {metrics['n_test_artists']} artists, seed {seed}:\n"
    f"{chosen} has {result['accuracy_vote']:.1%} of tracks right, {voters} (95 % interval {low:.1%} to {high:.1%});\n"
    f"macro F1 is {result['macro_f1']:.2f}.\n"
    f"Controls: most frequent genre {majority:.1%}, permuted labels {metrics['accuracy_shuffled']:.1%}, "
    f"MFCC statistics and an SVM {metrics['accuracy_mfcc_svm']:.1%}.\n"
    f"A linear probe has {bits['accuracy']:.1%} of tracks from {bits['kbps']:.2f} kbit/s of the codec's latent, its coarsest.\n"
    f"Highest on this test, and so selected on it: {table['vote'].idxmax()}, {table['vote'].max():.1%}."
)
