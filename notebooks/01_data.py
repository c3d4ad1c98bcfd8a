# %% [markdown]
# # What is in the data set?
#
# A result is only as good as its data. This notebook counts tracks and artists, checks their splits, and names the tracks that
# were left out. It then shows and plays tracks of each genre.
#
# - **You will** load a data set, check its splits, decode it once into a cache, and look at and listen to every genre.
# - **It needs** nothing: by default the code synthesises its own music. For the
#   [Free Music Archive](https://arxiv.org/abs/1612.01840) (FMA) or your own music, change the parameters below (Colab), or add
#   `-p dataset fma_small -p data_dir FOLDER` (papermill).
# - **It takes** about a minute on two cores. Decoding fma_small (8,000 clips) is estimated at ten minutes.

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
out_dir: str = "outputs/01_data"  # where metrics.json, figures and audio go
seed: int = 0  # of the draw of the tracks that are shown
quick: bool = False  # ten tracks a genre, to see that everything runs
# less often changed
split: str = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre: int = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
sample_rate: int = 44100  # Hz

# %%
from fmalib import notebook  # fmalib before TensorFlow and Keras, whose settings it makes
from fmalib import plots
from fmalib.data import audio, audio_cache, datasets, tracks

import numpy as np
import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython(), least={"sample_rate": 1000}, choices={"split": ("official", "random70")})
sns.set_theme(style="ticks", palette="colorblind")

# %% [markdown]
# ## The tracks
#
# Every source becomes one table with one row per track: path, genre, artist, album, title, split and duration. The label to
# predict is `genre`. The column `artist` decides which tracks must stay together in one split.

# %%
limit = tracks_per_genre or (10 if quick else None)
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=limit)
setup.note = data.caveat
about_data = {"dataset": data.name, "fingerprint": data.fingerprint, "split": split, "genres": data.genres, "seed": seed}
print(data)

# %%
data.tracks.sample(min(8, len(data.tracks)), random_state=seed).sort_index()

# %% [markdown]
# The rows are a random draw. They show the form of the table, not how often a genre or an artist occurs.
#
# *Try this*: change `seed` and run the cell above again to read other rows.
#
# ## Tracks left out
#
# Before decoding, a track is left out if its clip is known to be broken, its file is missing, or its genre is unknown.
# Decoding, below, may add corrupt files.

# %%
data.excluded if len(data.excluded) else print("Nothing was left out.")

# %% [markdown]
# *Try this*: put an empty file `broken.mp3` into one genre of your own folder, and find it named under *Decoding, once*.
#
# ## The splits
#
# Training fits the models, validation chooses between them, and the test is used once, to report a result. In the official
# split, all tracks of a known artist are in one split. Otherwise a network could recognise a singer or a studio and seem to
# recognise a genre. The effect is documented for [GTZAN](https://arxiv.org/abs/1306.1461).

# %%
setup.show(plots.audio.split_counts(data), "splits")

# %% [markdown]
# Bars of equal length mean balanced genres. Where one genre has far more tracks, a system that always names it scores well, so
# notebook 03 reports that score as a control. The figure counts tracks; the number of test artists, in the table below, limits
# the precision of a result.

# %%
sizes = data.tracks.groupby("split").agg(
    tracks=("path", "size"), artists=("artist", "nunique"), genres=("genre", "nunique"), hours=("duration", "sum")
)
sizes["hours"] = (sizes["hours"] / 3600).round(2)
sizes.reindex([name for name in tracks.SPLITS if name in sizes.index])

# %%
shared_artists = int((data.tracks.groupby("artist")["split"].nunique() > 1).sum())
about_splits = {"n_artists": tracks.count_artists(data.tracks), "n_artists_on_two_sides": shared_artists}
print(f"Artists in more than one split: {shared_artists} of {about_splits['n_artists']}")

# %% [markdown]
# *Try this*: set `split = "random70"`, the random split of the original study, and count the artists in more than one split.
#
# ## Decoding, once
#
# Every file is decoded to mono and resampled to one rate, once. All notebooks then read the cache of 16-bit samples, which is
# much faster than decoding MP3 in every epoch. Files are read whole: MP3 frames are counted, joined files read to their end.
# A *notice* names a file that is used although its header, its range of values or its end is wrong.

# %%
decoded = audio_cache.build(data, sample_rate)
about_audio = {"n_tracks": len(decoded.tracks), "n_excluded": len(data.excluded), "n_undecodable": len(decoded.failed)}
about_audio |= {"n_notices": len(decoded.notices)}
print(decoded)

# %% [markdown]
# *Try this*: set `sample_rate = 8000`, the rate of the study's frequency domain, and compare the sound further below.
#
# ## One track of each genre
#
# The first ten seconds of one training track of each genre. The test split is not looked at: what we learn from it by eye or
# ear could influence later choices.

# %%
long_enough = decoded.tracks.index[decoded.tracks["samples"] >= sample_rate]
training = data.tracks[data.tracks.index.isin(long_enough) & (data.tracks["split"] == "training")]
shown = training.groupby("genre").sample(1, random_state=seed)
sounds = {track_id: audio.to_float(samples) for track_id, samples in audio_cache.read(decoded, shown.index)}
clips = {row.genre: sounds[row.Index][: 10 * sample_rate] for row in shown.itertuples()}
shown[["genre", "artist", "title"]].style.hide(axis="index")

# %%
setup.show(plots.audio.waveforms(clips, sample_rate, f"{data.name}: one track of each genre"), "waveforms")

# %% [markdown]
# The waveform shows level and attacks: single peaks are percussive, an even band is sustained or strongly compressed. It does
# not show pitch. One track cannot stand for its genre.
#
# A [spectrogram](https://en.wikipedia.org/wiki/Spectrogram) does show pitch. The short-time Fourier transform (STFT) splits the
# signal into short overlapping frames and measures the level of each frequency in each of them. The
# [mel scale](https://en.wikipedia.org/wiki/Mel_scale) of the vertical axis spaces frequencies about as hearing does.

# %%
setup.show(plots.audio.spectrograms(clips, sample_rate, f"{data.name}: one track of each genre"), "spectrograms")

# %% [markdown]
# Horizontal lines are sustained tones with their harmonics, vertical lines are attacks, and a diffuse area is noise. A sharp
# upper edge is often the low-pass filter of an MP3 encoder. Such an edge says how a file was made, not what is played, and a
# network can learn it all the same.

# %%
others = training[~training["artist"].isin(shown["artist"])].sample(frac=1, random_state=seed).groupby("genre").head(1)
beginnings = {genre: {"one artist": clip[: 5 * sample_rate]} for genre, clip in clips.items()}
for track_id, samples in audio_cache.read(decoded, others.index):
    beginnings[others["genre"][track_id]]["another artist"] = audio.to_float(samples[: 5 * sample_rate])
setup.play(beginnings, sample_rate, f"{data.name}: first 5 s of training tracks", "genre")

# %% [markdown]
# A genre is what its artists have in common, and two artists in a row can be further apart than two genres in a column. The
# spectrograms above the players are linear in frequency and on one scale. The other tracks of a genre may sound different.
#
# *Try this*: listen without looking at the genre, and count how many you name correctly. Change `seed` for other tracks.
#
# ## Level and duration
#
# A classifier takes any cue that separates the labels. Where level or duration differs between genres, it can score without
# using the music. Level is the mean power in [dBFS](https://en.wikipedia.org/wiki/DBFS), decibels relative to full scale.

# %%
table = decoded.tracks.join(data.tracks[["genre", "split"]])
table["level / dBFS"] = 10 * np.log10(table["total_squares"] / table["samples"])
table["duration / s"] = table["samples"] / sample_rate
table.groupby("genre")[["level / dBFS", "duration / s"]].agg(["mean", "std", "min", "max"]).round(1)

# %%
levels = table["level / dBFS"].replace(-np.inf, np.nan)  # a silent track has no level
between = levels.groupby(table["genre"]).transform("mean").var() / levels.var()
share = f"{between:.0%}" if len(data.genres) > 1 and np.isfinite(between) else "an undefined share"
print(f"Genre accounts for {share} of the variance of the level between tracks.")

# %% [markdown]
# A share near 0 % makes level useless as a cue; a large share makes it a shortcut, and one to remove or to report. With few
# tracks the share is too high: the means of random groups differ as well. The table says nothing about timbre or rhythm.
#
# *Try this*: compute the same share for `table["duration / s"]`, then for `artist` instead of `genre`.
#
# ## What we saw

# %%
about_audio |= {"hours": table["duration / s"].sum() / 3600, "sample_rate_hz": sample_rate}
counts = {f"n_{name}_tracks": int((table["split"] == name).sum()) for name in tracks.SPLITS}
metrics = about_data | about_splits | about_audio | counts | {"note": data.caveat}
setup.write_metrics(metrics)
pd.Series(metrics, name="value").drop(["fingerprint", "note"]).to_frame()

# %%
print(
    f"{data.name}: {len(decoded.tracks)} tracks by {metrics['n_artists']} artists in {len(data.genres)} genres, "
    f"{metrics['hours']:.2f} hours.\n{len(data.excluded)} tracks were left out before decoding, {len(decoded.failed)} could "
    f"not be decoded.\nIn the {split} split, {shared_artists} artists occur in more than one split; "
    f"genre accounts for {share} of the variance of the level."
)
