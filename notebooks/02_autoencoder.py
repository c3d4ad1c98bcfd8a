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
# # What does an autoencoder of music keep?
#
# The original study squeezed music through a bottleneck, in the frequency domain (an STFT as a picture) and in the time
# domain (samples). Here either is built, trained, measured beside the simplest alternatives, looked at and listened to.
#
# - **You will** train one autoencoder, compare its error with downsampling, PCA and silence at the same size, see and hear
#   input and output, and look into the latent: single clips, genres, dead values, learned filters.
# - **It needs** nothing: the default is synthetic music, whose numbers prove that the code runs and nothing else. Use
#   `-p dataset fma_small -p data_dir FOLDER` for real results, and more `epochs`.
# - **It takes** about two minutes on two cores the first time; trained models are found again.

# %%
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q git+https://github.com/fmalib/fmalib")

# %% tags=["parameters"]
dataset = "synth"  # synth, fma_small, fma_medium, fma_large, fma_full, or a folder with one subfolder per genre
data_dir = ""  # folder that holds fma_metadata and fma_small; a folder of genres is looked up in it too
out_dir = "outputs/02_autoencoder"  # where metrics.json, figures and audio go
seed = 0  # of initial weights and crops
quick = False  # ten tracks a genre and at most two epochs, to see that everything runs
split = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
domain = "frequency"  # frequency (8 kHz, 8.2-s segments) or time (44.1 kHz, 1.5-s segments), as in the study
model = "study"  # study; in the frequency domain also sparse (ours), pca, shallow, deep, lstm, variational, denoising
latent = 64  # channels of the latent; the study had 512, 256, 128, 64, 32 in frequency, 32 in time
loss = "mse"  # time domain only: mse, l1, mse_tv, stft_l1, stft_l2, log_stft_l1, log_stft_l2
epochs = 10  # at most; 50 in the study
min_segments = 256  # an epoch has at least this many segments: small data sets give several crops of each track

# %%
from fmalib import notebook  # comes first: it imports TensorFlow without its start-up messages
from fmalib import autoencoders, cache, compression, datasets, metrics, plots, segments, tracks

import numpy as np
import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython())
sns.set_theme(style="ticks", palette="colorblind")
autoencoders.check(domain, model, loss)
if quick:
    epochs, min_segments = min(2, epochs), min(32, min_segments)

# %% [markdown]
# ## Data

# %%
limit = tracks_per_genre or (10 if quick else None)
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=limit)
print(data)
sample_rate = autoencoders.SAMPLE_RATES[domain]
decoded = cache.build(data, sample_rate)
print(decoded)

# %%
length = autoencoders.snippet_length(domain, sample_rate)
sides = {name: segments.select(data, decoded, name, length) for name in tracks.SPLITS}
train, validation, test = (usable for usable, _ in sides.values())
skipped = tracks.join_excluded([data.excluded, *(left_out for _, left_out in sides.values())])
print(f"Tracks: {len(train)} training, {len(validation)} validation, {len(test)} test, {len(skipped)} skipped")
print(f"Segments of {length} samples, {length / sample_rate:.2f} s")
print(tracks.describe_excluded(skipped)) if len(skipped) else None

# %% [markdown]
# ## The network
#
# Audio goes in as it was decoded; the STFT (or the standardisation of samples) is its first layer.

# %%
mean, std = cache.standardisation(decoded, train.index)
autoencoders.compiled(domain, model, samples=length, latent=latent, mean=mean, std=std, loss=loss).summary(
    expand_nested=True
)

# %% [markdown]
# ## Training
#
# Random crops, Adam, batches of eight (frequency) or 32 (time). The epoch with the best validation loss is kept, and
# training stops when ten have brought nothing.

# %%
snippets = segments.Pipeline(
    decoded, train, validation, length, target="audio", batch_size=autoencoders.BATCH_SIZES[domain],
    crops_per_track=max(1, min_segments // len(train)),
)
autoencoder = autoencoders.train(
    domain, model, snippets, latent=latent, loss=loss, epochs=epochs, seed=seed
)
print(autoencoder)

# %%
name = f"{data.name}, {domain} domain, {model}, latent {latent}"
if autoencoder.history is None:
    print("PCA is solved, not trained: there is no curve.")
else:
    figure = plots.learning_curves({loss: autoencoder.history}, "loss", name, "loss")
    display(plots.save(figure, setup.figures / "loss.png", data.caveat))

# %% [markdown]
# ## The test
#
# Fixed segments of the test tracks, through the network and through what costs nothing to learn: downsampling to the same
# bitrate, PCA of MDCT frames with as many values, silence. Bitrates count 16 bits a latent value. The error is the
# study's: the root mean square of real and imaginary STFT coefficients, about 9.8 times that of the waveform.

# %%
seconds, values = length / sample_rate, autoencoder.latent_values
kbps = metrics.nominal_kbps(values, seconds)
pca = autoencoders.pca_of_equal_size(snippets, values)
coders = [
    compression.autoencoder(autoencoder, sample_rate, codec=f"{model}, latent {latent}"),
    compression.downsampling(sample_rate, kbps),
    compression.autoencoder(pca, sample_rate, codec="PCA of MDCT frames"),
    compression.silence(),
]
per_track = compression.segments_that_fit(test, length)
table = compression.measure(coders, decoded, test, length, per_track=per_track)

# %%
shown = ["codec", "nominal_kbps", "real_kbps", *compression.METRICS, "n_clips"]
display(table[shown].style.format(precision=3, na_rep="").hide(axis="index"))
print(data.caveat)

# %%
bars = {
    row.codec: (row.spectral_rmse, row.spectral_rmse_ci95) for row in table.itertuples()
}
title = f"{name}: {kbps:.1f} kbit/s, {len(test)} test clips"
figure = plots.errors(bars, "spectral RMSE, with 95 % interval over artists", title)
plots.save(figure, setup.figures / "errors.png", data.caveat)

# %% [markdown]
# ## See and hear
#
# The middle of the first test clips of different genres, before and after.

# %%
chosen = test.groupby("genre").head(1)[:3]
audio = np.stack([
    samples[(len(samples) - length) // 2 :][:length] / np.float32(32768)
    for _, samples in cache.read(decoded, chosen.index)
]).astype(np.float32)
outputs = autoencoder.model.predict(audio, verbose=0)

# %%
pairs = {}
for genre, before, after in zip(chosen["genre"], audio, outputs):
    pairs |= {f"{genre}, original": before, f"{genre}, reconstructed": after}
figure = plots.spectrograms(pairs, sample_rate, name, n_fft=1024)
plots.save(figure, setup.figures / "spectrograms.png", data.caveat)

# %%
figure = plots.panel(audio[0], outputs[0], sample_rate, f"{name}: {chosen['genre'].iloc[0]}")
plots.save(figure, setup.figures / "panel.png", data.caveat)

# %%
for (track_id, row), before, after in zip(chosen.iterrows(), audio, outputs):
    for side, sound in (("input", before), ("output", after)):
        path = setup.audio / f"{track_id:06d}_{side}.wav"
        display(notebook.player(sound, sample_rate, f"{row.artist}, {row.genre}: {side}", path))

# %% [markdown]
# ## The latent
#
# One clip a picture, time from left to right. (The sparse autoencoder's latent is a list of words; shown is what
# they say: the size of each coefficient.)

# %%
features = autoencoder.features
images = dict(zip(chosen["genre"], features.predict(audio, verbose=0)))
figure = plots.latents(images, seconds, f"{name}: latent of single clips")
plots.save(figure, setup.figures / "latents.png", data.caveat)

# %%
some = test.head(1000)
pieces = segments.fixed_segments(decoded, some, length, per_track=1, batch_size=8, target="audio")
every = np.abs(np.concatenate([features.predict_on_batch(audio) for audio, _ in pieces]))
dead = float((every < 1e-5).mean())
print(f"{dead:.1%} of the latent values of {len(every)} test clips are below 1e-5. {data.caveat}")

# %% [markdown]
# The mean size of each value over the test set, and of each channel in each genre, in deviations from the mean of all
# clips.

# %%
figure = plots.latents({"mean size over the test set": every.mean(axis=0)}, seconds, name, columns=1)
plots.save(figure, setup.figures / "latent_mean.png", data.caveat)

# %%
clips = pd.DataFrame(every.mean(axis=1), index=some.index)
scores = (clips - clips.mean()) / clips.std().where(clips.std() > 0, 1.0)
means = scores.groupby(some["genre"]).mean()
figure = plots.genre_latents(means.to_numpy(), list(means.index), f"{name}: mean size of each channel by genre")
plots.save(figure, setup.figures / "latent_genres.png", data.caveat)

# %% [markdown]
# ## What the first layer listens for

# %%
kernel = autoencoders.first_kernel(autoencoder)
if kernel.ndim == 4:
    figure = plots.filter_patches(kernel, f"{name}: first layer, on the STFT")
else:
    responses = autoencoders.responses(autoencoder)
    figure = plots.filter_bank(responses, sample_rate / 2, f"{name}: {len(responses)} filters of the first layer")
plots.save(figure, setup.figures / "filters.png", data.caveat)

# %% [markdown]
# ## What we saw

# %%
rows = table.set_index("codec")
ours, downsampled, principal, silent = (rows.iloc[number] for number in range(4))
results = {
    "dataset": data.name, "split": split, "fingerprint": data.fingerprint, "domain": domain, "model": model,
    "latent": latent, "loss": loss, "seed": seed, "sample_rate_hz": sample_rate, "segment_seconds": seconds,
    "n_train_tracks": len(train), "n_test_clips": int(ours.n_clips), "n_test_segments": int(ours.n_segments),
    "n_test_artists": test["artist"].nunique(), "n_skipped": len(skipped),
    **{key: ours[key] for key in compression.METRICS}, "spectral_rmse_ci95": ours.spectral_rmse_ci95,
    "downsample_rmse": downsampled.spectral_rmse, "pca_rmse": principal.spectral_rmse,
    "silence_rmse": silent.spectral_rmse, "nominal_kbps": kbps, "real_kbps": ours.real_kbps,
    "compression_ratio": metrics.compression_ratio(length, values), "latent_shape": autoencoder.latent_shape,
    "dead_share": dead, "n_parameters": autoencoder.model.count_params(),
    "train_seconds": autoencoder.seconds, "run": autoencoder.run, "note": data.caveat,
}
print(notebook.write_metrics(setup, results))

# %%
order = sorted(zip(table["spectral_rmse"], table["codec"]))
print(
    f"{data.name}, {len(test)} test clips of {results['n_test_artists']} artists, {kbps:.1f} kbit/s at 16 bits a value, "
    f"seed {seed}.\nSpectral RMSE from best to worst: " + "; ".join(f"{codec} {value:.3f}" for value, codec in order)
    + f".\nThe {domain}-domain autoencoder ({model}) leaves {ours.spectral_rmse / silent.spectral_rmse:.0%} of what "
    f"silence would, {'above' if ours.spectral_rmse > downsampled.spectral_rmse else 'not above'} downsampling to the "
    f"same bitrate.\n{data.caveat}"
)
