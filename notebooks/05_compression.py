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
# # Does an autoencoder compress music better than the simplest coder?
#
# In the original study it did not: at every bitrate its error was above plain downsampling, and above 30 kbit/s it stopped
# improving. Here its network is trained again, beside one that may choose what it keeps, and beside real coders.
#
# - **You will** sweep the latent size and compare error over bitrate with downsampling, PCA, MP3, Opus and silence; compare
#   families of autoencoders and losses of the time domain; and hear one song from 1 to 320 kbit/s.
# - **It needs** nothing: the default is synthetic music and two epochs, whose numbers prove that the code runs and nothing
#   else. Use `-p dataset fma_small -p data_dir FOLDER -p epochs 50` for real results.
# - **It takes** about ten minutes on two cores the first time, six with `-p latents 256,64`; trained models are found again.

# %%
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q git+https://github.com/fmalib/fmalib")

# %% tags=["parameters"]
dataset = "synth"  # synth, fma_small, fma_medium, fma_large, fma_full, or a folder with one subfolder per genre
data_dir = ""  # folder that holds fma_metadata and fma_small; a folder of genres is looked up in it too
out_dir = "outputs/05_compression"  # where metrics.json, figures and audio go
seed = 0  # of initial weights and crops
quick = False  # ten tracks a genre, one latent size, two families, one epoch, to see that everything runs
split = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
latents = "512,256,128,64,32"  # channels of the latent in the sweep, a comma list; for a single one say -r latents 64
family_latent = 64  # values a frame in the table of families
losses = "mse,l1,mse_tv,stft_l1,stft_l2,log_stft_l1,log_stft_l2"  # of the time domain, a comma list
epochs = 2  # at most; 50 in the study
min_segments = 128  # an epoch has at least this many segments: small data sets give several crops of each track
demo_seconds = 8.0  # of one song, at ten bitrates

# %%
from fmalib import notebook  # comes first: it imports TensorFlow without its start-up messages
from fmalib import autoencoders, baselines, cache, compression, datasets, families, plots, segments, tracks

import numpy as np
import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython())
sns.set_theme(style="ticks", palette="colorblind")
sizes = notebook.numbers("latents", latents)
kinds = [kind.strip() for kind in losses.split(",") if kind.strip()]
members, kbps_asked, demo_asked = list(families.FAMILIES), (8, 16, 32, 64), (1, 2, 4, 8, 16, 32, 64, 128, 192, 320)
if quick:
    sizes, members, kinds, kbps_asked, demo_asked = sizes[-1:], ["pca", "deep"], kinds[:2], (16,), (1, 8, 320)
    epochs, min_segments, demo_seconds = 1, 16, min(3.0, demo_seconds)
for kind in kinds:
    autoencoders.check("time", "study", kind)

# %% [markdown]
# ## Data

# %%
limit = tracks_per_genre or (10 if quick else None)
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=limit)
print(data)
decoded = {domain: cache.build(data, rate) for domain, rate in autoencoders.SAMPLE_RATES.items()}
print(*decoded.values(), sep="\n")


# %%
def prepare(domain):
    """Returns what a domain's autoencoders are trained on, its test tracks, and how many segments of each to measure."""
    length = autoencoders.snippet_length(domain, autoencoders.SAMPLE_RATES[domain])
    train, validation, test = (
        segments.select(data, decoded[domain], name, length)[0] for name in tracks.SPLITS
    )
    pipeline = segments.Pipeline(
        decoded[domain], train, validation, length, target="audio", batch_size=autoencoders.BATCH_SIZES[domain],
        crops_per_track=max(1, min_segments // len(train)),
    )
    return pipeline, test, compression.segments_that_fit(test, length)


pipeline, test, per_track = prepare("frequency")
rate = pipeline.cache.sample_rate
print(
    f"{len(pipeline.training)} training and {len(pipeline.validation)} validation tracks; {len(test)} test tracks of "
    f"{test['artist'].nunique()} artists, {per_track} segment(s) of {pipeline.length / rate:.2f} s from each"
)


# %%
def trained(domain, model, latent, loss="mse", pipeline=pipeline):
    """Returns an autoencoder, trained or found, and prints what it took."""
    result = autoencoders.train(
        domain, model, pipeline, latent=latent, epochs=epochs, seed=seed, loss=loss
    )
    print(result)
    return result


# %% [markdown]
# ## The sweep
#
# Three autoencoders of one latent size: the study's network; PCA of MDCT frames, the best linear one; and ours, whose
# latent values are 16-bit words, each of which says which coefficient it means and how large that is, so that it keeps what
# matters at the moment. Bitrates count 16 bits a latent value. Ours are bytes, written and read again before they are
# measured; the others' values are not even rounded, which flatters them.

# %%
names = {"study": "the study's network", "sparse": "ours: sparse words", "pca": "PCA of MDCT frames"}
sweep = {
    (model, latent): trained("frequency", model, latent) for model in names for latent in sizes
}

# %% [markdown]
# What needs no training: downsampling to the same bitrate, MP3 and Opus with all their bytes counted, silence.

# %%
coders = [
    compression.autoencoder(autoencoder, rate, codec=names[model]) for (model, _), autoencoder in sweep.items()
]
coders += [compression.downsampling(rate, coder.nominal_kbps) for coder in coders[: len(sizes)]]
coders += [compression.classical(codec, rate, kbps) for codec in baselines.CODECS for kbps in kbps_asked]
coders += [compression.silence()]
table = compression.measure(coders, decoded["frequency"], test, pipeline.length, per_track=per_track)

# %%
shown = ["codec", "latent", "nominal_kbps", "real_kbps", *compression.METRICS, "n_clips"]


def show(rows, columns=shown):
    """Shows a table with its caveat."""
    formats = {"added_energy": "{:.2e}", "n_parameters": "{:,}", "train_seconds": "{:.0f}"}
    formats = {column: form for column, form in formats.items() if column in columns}
    display(rows[columns].style.format(formats, precision=3, na_rep="").hide(axis="index"))
    print(data.caveat)


show(table)

# %% [markdown]
# The published points are the study's own, on its own test split, and louder or softer music moves all of them up or down:
# compare their shape, and where they lie beside their own downsampling.

# %%
title = f"{data.name}: error over bitrate, {len(test)} test clips, seed {seed}"
figure = plots.rate_distortion(table, title, published=compression.PUBLISHED)
plots.save(figure, setup.figures / "rate_distortion.png", data.caveat)

# %%
histories = {f"latent {latent}": sweep["study", latent].history for latent in sizes}
figure = plots.learning_curves(histories, "loss", f"{data.name}: the study's network", "squared error of the STFT")
plots.save(figure, setup.figures / "study_loss.png", data.caveat)

# %% [markdown]
# Above 30 kbit/s the published curve stops falling. When does that happen? The root of the validation loss (the study's
# RMSE, taken of the network's own spectrum) after so many epochs, by latent size: a training that is stopped
# early has no use for a larger latent yet.

# %%
reached = pd.DataFrame({latent: np.sqrt(sweep["study", latent].history["val_loss"]) for latent in sizes})
reached.index = pd.Index(reached.index + 1, name="epochs")
marks = [epoch for epoch in (1, 2, 5, 10, 20, 30, 40, 50) if epoch in reached.index]
display(reached.loc[marks].style.format(precision=3, na_rep="").set_caption("validation RMSE by latent size"))
print(data.caveat)

# %% [markdown]
# ## Families
#
# Roche et al. 2018 compared autoencoders of music at equal latent size. Here each of them codes the frames of an MDCT, phase
# included, in `family_latent` values. The last row says how much of ours is learned: its transform's windows are, its
# choice of what to keep is not.

# %%
kin = {kind: trained("frequency", kind, family_latent) for kind in members}
kin |= {names[model]: trained("frequency", model, family_latent) for model in ("study", "sparse")}
kin["sparse words, untrained"] = autoencoders.untrained("frequency", "sparse", pipeline, latent=family_latent)
family_table = compression.measure(
    [compression.autoencoder(autoencoder, rate, codec=kind) for kind, autoencoder in kin.items()],
    decoded["frequency"], test, pipeline.length, per_track=per_track,
)
family_table["n_parameters"] = [autoencoder.model.count_params() for autoencoder in kin.values()]
family_table["train_seconds"] = [autoencoder.seconds for autoencoder in kin.values()]
show(family_table, ["codec", *compression.METRICS, "n_clips", "n_parameters", "train_seconds"])

# %%
bars = {row.codec: (row.spectral_rmse, row.spectral_rmse_ci95) for row in family_table.itertuples()}
title = f"{data.name}: families at {family_latent} values a frame, {len(test)} test clips"
figure = plots.errors(bars, "spectral RMSE, with 95 % interval over artists", title)
plots.save(figure, setup.figures / "families.png", data.caveat)

# %% [markdown]
# ## Losses of the time domain
#
# The study's time-domain network kept the beat and added noise. Which loss takes the noise away? Measured is the energy
# above 4 kHz that was not in the input, as a share of the input's energy.

# %%
short, short_test, short_per_track = prepare("time")
by_loss = {kind: trained("time", "study", 32, kind, pipeline=short) for kind in kinds}
loss_table = compression.measure(
    [compression.autoencoder(autoencoder, short.cache.sample_rate, codec=kind) for kind, autoencoder in by_loss.items()],
    decoded["time"], short_test, short.length, per_track=short_per_track, added_above=4000.0,
)
show(loss_table, ["codec", *compression.METRICS, "n_clips", "added_energy"])

# %%
title = f"{data.name}: time domain, {len(short_test)} test clips"
for column, xlabel in (
    ("spectral_rmse", "spectral RMSE, with 95 % interval over artists"),
    ("added_energy", "energy above 4 kHz that was not in the input / energy of the input"),
):
    bars = {row.codec: (getattr(row, column), getattr(row, f"{column}_ci95")) for row in loss_table.itertuples()}
    display(plots.save(plots.errors(bars, xlabel, title), setup.figures / f"losses_{column}.png", data.caveat))

# %%
track_id, samples = next(cache.read(decoded["time"], short_test.index[:1]))
original = samples[(len(samples) - short.length) // 2 :][: short.length] / np.float32(32768)
clips = {"original": original}
clips |= {kind: by_loss[kind].model.predict(original[None], verbose=0)[0] for kind in kinds}
figure = plots.spectrograms(clips, short.cache.sample_rate, title)
plots.save(figure, setup.figures / "losses_spectrograms.png", data.caveat)

# %%
for kind, clip in clips.items():
    path = setup.audio / f"loss_{kind}.wav"
    display(notebook.player(clip, short.cache.sample_rate, kind, path))

# %%
noise, error = (loss_table.set_index("codec")[column] for column in ("added_energy", "spectral_rmse"))
near = noise[error <= 1.1 * error["mse"]] if "mse" in noise else noise
quietest = near.idxmin()
print(
    f"Of the losses whose RMSE is within 10 % of the squared error's, {quietest} adds least above 4 kHz: "
    f"{near[quietest]:.2g} of the input's energy, against {noise.iloc[0]:.2g} with {noise.index[0]}. {data.caveat}"
)

# %% [markdown]
# A loss of magnitudes alone leaves the phase free: any noise of the right level satisfies it, and the waveform's error is
# large. The squared error is ruled by the loudest moments. The absolute error cares for the quiet ones as much, which may be
# why it adds less noise on real music. The study's total variation term weighs a hundredth of the squared error:
# too little to change anything.

# %% [markdown]
# ## One song, from 1 to 320 kbit/s
#
# Our words straight from an MDCT of 2,048 samples at 44.1 kHz, not trained; MP3; Opus. No classical coder reaches 1 kbit/s:
# where a coder has no such bitrate, nothing is shown. Real bitrates count every byte.

# %%
song_rate = decoded["time"].sample_rate
track_id, samples = next(cache.read(decoded["time"], short_test.index[:1]))
song = samples[: round(demo_seconds * song_rate)] / np.float32(32768)
demo = compression.demo(song, song_rate, demo_asked)
demo_table = demo.drop(columns="audio")
show(demo_table, ["codec", "asked_kbps", "real_kbps", *compression.METRICS])

# %%
sounds = {(row.codec, row.asked_kbps): row for row in demo.itertuples()}
clips = {}
for kbps in demo_asked:
    for codec in demo["codec"].unique():
        row = sounds.get((codec, kbps))
        label = f"{codec}, {kbps} asked" + (f", {row.real_kbps:.1f} kbit/s" if row else ": not possible")
        clips[label] = row.audio if row else None
title = f"{data.tracks.loc[track_id, 'title']} ({data.tracks.loc[track_id, 'genre']})"
figure = plots.spectrograms({"original": song, " ": None, "  ": None} | clips, song_rate, title, columns=3)
plots.save(figure, setup.figures / "demo.png", data.caveat)

# %%
display(notebook.player(song, song_rate, "original", setup.audio / "demo_original.wav"))
for row in demo.itertuples():
    label = f"{row.codec}: {row.asked_kbps} kbit/s asked, {row.real_kbps:.2f} real"
    path = setup.audio / f"demo_{row.codec.lower()}_{row.asked_kbps:03d}.wav"
    display(notebook.player(row.audio, song_rate, label, path))

# %% [markdown]
# ## What we saw

# %%
parts = {"sweep": table, "families": family_table, "losses": loss_table, "demo": demo_table}
rows = pd.concat([part.assign(section=section) for section, part in parts.items()], ignore_index=True)
metrics = {
    "dataset": data.name, "split": split, "fingerprint": data.fingerprint, "seed": seed, "epochs": epochs,
    "n_train_tracks": len(pipeline.training), "n_test_clips": len(test), "n_test_artists": test["artist"].nunique(),
    "train_seconds": sum(run.seconds for run in [*sweep.values(), *kin.values(), *by_loss.values()]),
    "study_validation_rmse_by_epoch": {str(latent): values.dropna().tolist() for latent, values in reached.items()},
    "rows": rows.astype(object).where(rows.notna(), None).to_dict("records"), "note": data.caveat,
}
print(notebook.write_metrics(setup, metrics))

# %%
error = table.pivot_table("spectral_rmse", "latent", "codec", sort=False)
lower = table[table["codec"] == "downsampling"].set_index(error.index)["spectral_rmse"]
for model, name in names.items():
    ratio = error[name] / lower
    shares = (f"latent {latent} {error[name][latent]:.3f} ({ratio[latent]:.2f} of downsampling)" for latent in sizes)
    print(f"{name}: {', '.join(shares)}")
silent = table["spectral_rmse"].iloc[-1]
print(f"Silence {silent:.3f}; {data.name}, {len(test)} test clips, {epochs} epochs at most, seed {seed}.\n{data.caveat}")
