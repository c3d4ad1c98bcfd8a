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
# # What is in the data set?
#
# Before any network is trained: which tracks there are, how they are split, what was left out and why, and what the
# music looks and sounds like.
#
# - **You will** load a data set, check its splits, decode it once into a cache, and look at and listen to every genre.
# - **It needs** nothing: the default is synthetic music that the code makes itself. The Free Music Archive or a folder of
#   your own (one subfolder per genre) is one parameter away.
# - **It takes** about a minute on two cores; decoding fma_small (8,000 clips) is estimated at ten.

# %%
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q git+https://github.com/fmalib/fmalib")

# %% tags=["parameters"]
dataset = "synth"  # synth, fma_small, fma_medium, fma_large, fma_full, or a folder with one subfolder per genre
data_dir = ""  # folder that holds fma_metadata and fma_small; a folder of genres is looked up in it too
out_dir = "outputs/01_data"  # where metrics.json, figures and audio go
seed = 0  # decides which clips are shown
quick = False  # ten tracks a genre, to see that everything runs
split = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
sample_rate = 44100  # Hz

# %%
from fmalib import notebook  # comes first: it imports TensorFlow without its start-up messages
from fmalib import audio, cache, datasets, plots, tracks

import numpy as np
import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython())
sns.set_theme(style="ticks", palette="colorblind")

# %% [markdown]
# ## The tracks
#
# Any source becomes one table: path, genre, artist, album, title, split and duration. The label is `genre`; `artist`
# decides what may stand on which side of the split.

# %%
limit = tracks_per_genre or (10 if quick else None)
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=limit)
print(data)

# %%
data.tracks.sample(min(8, len(data.tracks)), random_state=seed).sort_index()

# %% [markdown]
# ## What was left out
#
# Known bad clips by name, files that are missing, genres that are unknown; below, after decoding, files that turned out
# to be corrupt.

# %%
data.excluded if len(data.excluded) else print("Nothing was left out.")

# %% [markdown]
# ## The splits
#
# Training fits the models, validation chooses between them, test is opened once. No artist may stand on two sides of the
# official split: a network that recognises a singer or a studio would otherwise score as if it recognised genres.

# %%
plots.save(plots.split_counts(data), setup.figures / "splits.png", data.caveat)

# %%
sides = data.tracks.groupby("split").agg(
    tracks=("path", "size"), artists=("artist", "nunique"), genres=("genre", "nunique"), hours=("duration", "sum")
)
sides["hours"] = (sides["hours"] / 3600).round(2)
sides.reindex([name for name in tracks.SPLITS if name in sides.index])

# %%
on_two_sides = int((data.tracks.groupby("artist")["split"].nunique() > 1).sum())
print(f"Artists on more than one side: {on_two_sides} of {tracks.count_artists(data.tracks)}")

# %% [markdown]
# ## Decoding, once
#
# Every file is decoded to mono and resampled once; the cache of 16-bit samples is what all notebooks read from.

# %%
decoded = cache.build(data, sample_rate)
print(decoded)

# %% [markdown]
# ## One track of each genre
#
# The first ten seconds of a track from the training split: the test split stays closed.

# %%
long_enough = decoded.tracks.index[decoded.tracks["samples"] >= sample_rate]
training = data.tracks[data.tracks.index.isin(long_enough) & (data.tracks["split"] == "training")]
shown = training.groupby("genre").sample(1, random_state=seed)
sounds = {track_id: audio.to_float(samples) for track_id, samples in cache.read(decoded, shown.index)}
clips = {row.genre: sounds[row.Index][: 10 * sample_rate] for row in shown.itertuples()}

# %%
figure = plots.waveforms(clips, sample_rate, f"{data.name}: one track of each genre")
plots.save(figure, setup.figures / "waveforms.png")

# %%
figure = plots.spectrograms(clips, sample_rate, f"{data.name}: one track of each genre")
plots.save(figure, setup.figures / "spectrograms.png")

# %%
for row in shown.itertuples():
    label = f"{row.genre}: {row.artist}, {row.title}"
    file = setup.audio / f"{row.genre.replace(' ', '_').replace('/', '-')}.wav"
    display(notebook.player(clips[row.genre], sample_rate, label, file))

# %% [markdown]
# ## How loud, how long
#
# Where level or length differ between genres, a classifier may lean on them without hearing any music.

# %%
table = decoded.tracks.join(data.tracks[["genre", "split"]])
table["level / dBFS"] = 10 * np.log10(table["total_squares"] / table["samples"])
table["duration / s"] = table["samples"] / sample_rate
table.groupby("genre")[["level / dBFS", "duration / s"]].agg(["mean", "std", "min", "max"]).round(1)

# %% [markdown]
# ## What we saw

# %%
metrics = {
    "dataset": data.name, "fingerprint": data.fingerprint, "split": split, "genres": data.genres, "seed": seed,
    "n_tracks": len(decoded.tracks), "n_artists": tracks.count_artists(data.tracks),
    "n_excluded": len(data.excluded), "n_undecodable": len(decoded.failed), "n_artists_on_two_sides": on_two_sides,
    "hours": table["duration / s"].sum() / 3600, "sample_rate_hz": sample_rate, "note": data.caveat,
} | {f"n_{name}_tracks": int((table["split"] == name).sum()) for name in tracks.SPLITS}
notebook.write_metrics(setup, metrics)
pd.Series(metrics, name="value").drop("fingerprint").to_frame()

# %%
print(
    f"{data.name}: {len(decoded.tracks)} tracks of {metrics['n_artists']} artists in {len(data.genres)} genres, "
    f"{metrics['hours']:.2f} hours.\n{len(data.excluded)} left out by their table, {len(decoded.failed)} could not "
    f"be decoded.\n{on_two_sides} artists stand on two sides of the {split} split.\n{data.caveat}"
)
