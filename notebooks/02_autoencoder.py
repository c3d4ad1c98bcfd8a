# %% [markdown]
# # What does an autoencoder of music keep?
#
# The original study of 2019 compressed music with two autoencoders: one reads the spectrum (frequency domain), one reads
# samples (time domain). This notebook builds either network layer by layer, trains it, and measures its output. In Colab,
# change a cell and run the cells below it again: everything below works on the edited network. On the command line,
# parameters follow `-p`: `papermill notebooks/02_autoencoder.ipynb out.ipynb -p latent 128`.
#
# - **You will** build and train an autoencoder, compare it with four simple coders, play inputs and outputs, and look at its
#   latent and its filters.
# - **It needs** nothing: the default is synthetic music. For real results, set `dataset` to `fma_small`, `data_dir` to its
#   folder, and more `epochs`.
# - **It takes** about two minutes on two cores the first time; a trained network is found again.

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
domain: str = "frequency"  # frequency (8 kHz, segments of 8.2 s) or time (44.1 kHz, segments of 1.5 s), as in the study
model: str = "study"  # study, built below; for frequency also sparse, pca, shallow, deep, lstm, variational, denoising
latent: int = 64  # channels of the latent; the study had 512, 256, 128, 64, 32 in frequency, 32 in time
loss: str = "mse"  # time domain only: mse, l1, mse_tv, stft_l1, stft_l2, log_stft_l1, log_stft_l2
epochs: int = 10  # at most; 50 in the study
quick: bool = False  # ten tracks a genre and at most two epochs, to see that everything runs
# less often changed
out_dir: str = "outputs/02_autoencoder"  # where metrics.json, figures and audio go
seed: int = 0  # of initial weights and crops
split: str = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre: int = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
min_segments: int = 256  # an epoch has at least this many segments: small data sets give several crops of each track

# %%
from fmalib import notebook  # fmalib before TensorFlow and Keras, whose settings it makes
from fmalib import plots
from fmalib.codec import coders, metrics
from fmalib.data import audio_cache, datasets, segments, tracks
from fmalib.models import architectures, losses, original
from fmalib.models.layers import FramedConv1D, FramedConv1DTranspose, Stft
from fmalib.training import autoencoders

import keras
import numpy as np
import pandas as pd
import seaborn as sns
from keras import layers

setup = notebook.start(get_ipython(), least={"latent": 1, "epochs": 1, "min_segments": 1})
sns.set_theme(style="ticks", palette="colorblind")

# %%
print(f"{model}: {architectures.find(domain, model, loss).description}")
if quick:
    epochs, min_segments = min(2, epochs), min(32, min_segments)

# %% [markdown]
# ## Data
#
# All tracks are decoded once, to one channel at the sample rate of the domain. A *segment* is the piece of a track that the
# network reads at once. In the official split no artist is in two splits, so all artists of the test are new to the network.

# %%
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=tracks_per_genre or (10 if quick else None))
setup.note = data.caveat
sample_rate = architectures.SAMPLE_RATES[domain]
decoded = audio_cache.build(data, sample_rate)
print(data, decoded, sep="\n")

# %%
length = architectures.segment_length(domain, sample_rate)
seconds = length / sample_rate
(training, validation, test), skipped = segments.select_splits(data, decoded, length)
mean, std = audio_cache.standardisation(decoded, training.index)
print(f"Tracks: {len(training)} training, {len(validation)} validation, {len(test)} test, {len(skipped)} skipped")
print(f"Segments of {length} samples, {seconds:.2f} s")
if len(skipped):
    print(tracks.describe_excluded(skipped))
about_data = {"dataset": data.name, "split": split, "fingerprint": data.fingerprint, "sample_rate_hz": sample_rate}
about_data |= {"segment_seconds": seconds, "n_train_tracks": len(training), "n_skipped": len(skipped)}

# %% [markdown]
# *Try this*: set `dataset` to the path of a folder with one subfolder per genre, and run all cells on your own music.

# %% [markdown]
# ## The network
#
# An [autoencoder](https://www.deeplearningbook.org/contents/autoencoders.html) is trained to return its input. Its *encoder*
# ends in a *bottleneck*, the *latent*, which has fewer values than the input; its *decoder* sees nothing else. To keep the
# error small, the latent must hold what the decoder cannot guess.
#
# ### Frequency domain
#
# The [short-time Fourier transform](https://en.wikipedia.org/wiki/Short-time_Fourier_transform) (STFT) cuts audio into
# overlapping frames and takes the spectrum of each. It is the first layer here, so the network takes audio as it was decoded.
# Convolutions then read the spectrum as a picture with two channels. Shapes are those of the default parameters, without the
# batch.

# %%
n_fft, hop, filters = 512, 128, (8, 32)  # samples, samples, filters of the two convolutions


def frequency_network():
    """Returns the study's network from audio to its spectrum."""
    decay = original.l2_penalty(1e-5)  # the study's weight decay
    audio = keras.Input((length,), name="audio")  # (65536,)
    x = Stft(n_fft, hop, name="stft")(audio)  # (513, 257, 2): frames, bins, real and imaginary part
    x = layers.Conv2D(filters[0], 5, 2, activation="relu", name="encoder_conv1", **decay)(x)  # (255, 127, 8)
    x = layers.Conv2D(filters[1], 5, 2, activation="relu", name="encoder_conv2", **decay)(x)  # (126, 62, 32)
    bins = x.shape[2]
    x = layers.Reshape((-1, filters[1]), name="join_bins")(x)  # (7812, 32)
    x = FramedConv1D(latent, bins, bins, name="latent", **decay)(x)  # (126, 64): all 62 bins of a frame at once
    encoder = keras.Model(audio, x, name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")  # (126, 64)
    x = FramedConv1DTranspose(filters[1], bins, bins, activation="relu", name="decoder_conv1", **decay)(code)  # (7812, 32)
    x = layers.Reshape((-1, bins, filters[1]), name="split_bins")(x)  # (126, 62, 32)
    x = layers.Conv2DTranspose(filters[0], 5, 2, activation="relu", name="decoder_conv2", **decay)(x)  # (255, 127, 8)
    x = layers.Conv2DTranspose(2, 5, 2, name="decoder_conv3", **decay)(x)  # (513, 257, 2)
    decoder = keras.Model(code, x, name="decoder")
    return keras.Model(audio, decoder(encoder(audio)), name="frequency_autoencoder")


# %% [markdown]
# ### Time domain
#
# This network reads samples, and learns the filters that the STFT has fixed. Audio is first scaled by the mean and the standard
# deviation of the training tracks. The kernel of 512 samples moves by 256, so each frame of the latent covers 11.6 ms.

# %%
kernel, stride, channels = 512, 256, 64  # samples, samples, filters


def time_network():
    """Returns the study's network from audio to audio."""
    decay = original.l2_penalty(1e-5)  # the study's weight decay
    audio = keras.Input((length,), name="audio")  # (65536,)
    x = layers.Rescaling(1.0 / std, -mean / std, name="standardise")(audio)  # (65536,)
    x = layers.Reshape((-1, 1), name="add_channel")(x)  # (65536, 1)
    x = FramedConv1D(channels, kernel, stride, activation="relu", name="encoder_conv1", **decay)(x)  # (255, 64)
    x = FramedConv1D(latent, 1, activation="relu", name="latent", **decay)(x)  # (255, 64): frames, channels of the latent
    encoder = keras.Model(audio, x, name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")  # (255, 64)
    x = FramedConv1DTranspose(channels, 1, activation="relu", name="decoder_conv1", **decay)(code)  # (255, 64)
    x = FramedConv1DTranspose(1, kernel, stride, name="decoder_conv2", **decay)(x)  # (65536, 1)
    x = layers.Reshape((length,), name="drop_channel")(x)  # (65536,)
    x = layers.Rescaling(std, mean, name="destandardise")(x)  # (65536,)
    decoder = keras.Model(code, x, name="decoder")
    return keras.Model(audio, decoder(encoder(audio)), name="time_autoencoder")


# %% [markdown]
# ### Build and compile
#
# The seed decides the initial weights. The frequency network is trained on the squared error of STFT coefficients, the time
# network on the distance of waveforms named by `loss`. All other architectures come from the library, compiled.

# %%
label = model  # in titles and tables; name your edited network here
keras.utils.set_random_seed(seed)
if model == "study":
    network = frequency_network() if domain == "frequency" else time_network()
    distance = losses.SpectralLoss(n_fft, hop) if domain == "frequency" else losses.AudioLoss(loss, std)
    network.compile(optimizer=keras.optimizers.Adam(1e-3), loss=distance)
else:
    network = architectures.compiled(domain, model, samples=length, latent=latent, mean=mean, std=std, loss=loss)
network.summary(expand_nested=True)

# %% [markdown]
# *Try this*: change the 8 filters of the frequency network to 12, or add a layer below its `encoder_conv2`:
# `x = layers.Conv2D(filters[1], 3, padding="same", activation="relu")(x)`. Then run on.

# %% [markdown]
# ## Training
#
# The network trains on random crops of the training tracks, in batches of eight (frequency) or 32 (time). `train` is Keras's
# [`fit`](https://keras.io/api/models/model_training_apis/#fit-method) with early stopping, and a run folder that is found
# again by its content, so an edited network is trained anew. The epoch with the lowest validation loss is kept; training ends
# after ten epochs without a lower one.

# %%
batch_size, crops = architectures.BATCH_SIZES[domain], segments.crops_for(training, min_segments)
pipeline = segments.Pipeline(
    decoded, training, validation, length, target="audio", batch_size=batch_size, crops_per_track=crops
)
autoencoder = autoencoders.train(domain, model, pipeline, network=network, latent=latent, loss=loss, epochs=epochs, seed=seed)
print(autoencoder)

# %%
about_training = {"domain": domain, "model": model, "latent": latent, "loss": loss, "seed": seed}
about_training |= {"train_seconds": autoencoder.seconds, "run": autoencoder.run}
about_training |= {"n_parameters": autoencoder.model.count_params(), "latent_shape": autoencoder.latent_shape}
about_training |= {"compression_ratio": metrics.compression_ratio(length, autoencoder.latent_values)}

# %%
name = f"{data.name}, {domain} domain, {label}, latent {latent}"
if autoencoder.history is None:
    print("PCA is solved, not trained: there is no curve.")
else:
    setup.show(plots.autoencoders.learning_curves({loss: autoencoder.history}, "loss", name, "loss"), "loss")

# %% [markdown]
# The curves show the loss on training crops (dashed) and on fixed validation segments (solid). A solid curve that rises while
# the dashed one falls is overfitting. The curves do not show how the output sounds, and the values of two different losses
# cannot be compared.
#
# *Try this*: raise `epochs` until the solid curve stays flat, and compare the test error below.

# %% [markdown]
# ## The test
#
# Fixed segments of the test tracks pass through the network and through four simple coders. Downsampling to the same bitrate
# comes twice: with 16 bits a sample, as in the study, and with 3 to 16 bits on the
# [mu-law](https://en.wikipedia.org/wiki/%CE%9C-law_algorithm) scale, the best number for each segment. The second is the
# fair one: 16 bits are finer than most music needs. PCA has the same number of values and works on frames of the
# [modified discrete cosine transform](https://en.wikipedia.org/wiki/Modified_discrete_cosine_transform) (MDCT). Its frames
# overlap by half, yet it has one coefficient for each sample and can be inverted exactly: MP3 and Opus use it too. Silence
# sends nothing.
#
# FMA's clips are MP3s. Whatever that encoding took away is missing from the reference too, so no error here is one against the
# original recording.
#
# Bitrates count 16 bits for each latent value. The spectral RMSE is the study's error: the root mean square of the difference
# of all real and imaginary STFT coefficients. It is about 9.8 times the RMSE of the waveform.
#
# Intervals are 95 %, over artists. The [jackknife](https://en.wikipedia.org/wiki/Jackknife_resampling) leaves out each artist
# in turn and looks at how far the error moves. Tracks of one artist sound alike, so counting single tracks would give an
# interval that is too narrow. With few artists intervals are wide.

# %%
kbps = metrics.nominal_kbps(autoencoder.latent_values, seconds)
pca = autoencoders.pca_of_equal_size(pipeline, autoencoder.latent_values)
compared = [
    coders.autoencoder(autoencoder, sample_rate, codec=f"{label}, latent {latent}"),
    coders.downsampling(sample_rate, kbps),
    coders.downsampling_mu_law(sample_rate, kbps),
    coders.autoencoder(pca, sample_rate, codec="PCA of MDCT frames"),
    coders.silence(),
]
table = coders.measure(compared, decoded, test, length, per_track=coders.segments_that_fit(test, length))
shown = ["codec", "nominal_kbps", "real_kbps", "relative_rmse", *coders.METRICS, "n_clips"]
table[shown].style.format(precision=3, na_rep="").hide(axis="index")

# %%
ours, downsampled, companded, principal, silent = (table.iloc[number] for number in range(5))
about_test = {key: ours[key] for key in ("relative_rmse", *coders.METRICS, "spectral_rmse_ci95", "nominal_kbps", "real_kbps")}
about_test |= {"downsample_rmse": downsampled.spectral_rmse, "downsample_mu_law_rmse": companded.spectral_rmse}
about_test |= {"pca_rmse": principal.spectral_rmse, "silence_rmse": silent.spectral_rmse}
about_test |= {"n_test_clips": len(test), "n_test_segments": int(ours.n_segments), "n_test_artists": test["artist"].nunique()}

# %%
bars = {row.codec: (row.spectral_rmse, row.spectral_rmse_ci95) for row in table.itertuples()}
title = f"{name}: {kbps:.1f} kbit/s, {len(test)} test clips"
setup.show(plots.codec.errors(bars, "spectral RMSE, with 95 % interval over artists", title), "errors")

# %% [markdown]
# A shorter bar is a better reconstruction; silence is the error of sending nothing. `relative_rmse` in the table is the error
# divided by that, so it compares test sets of different loudness. Intervals that overlap do not rule out a
# difference, because all coders are measured on the same clips. The spectral RMSE does not show how the output sounds: a delay
# of one sample raises it, and no ear notices.
#
# *Try this*: halve `latent`, and see whether downsampling or the network loses more.

# %% [markdown]
# ## Inputs and outputs
#
# One segment from the middle of a test clip, for up to three genres, before and after the network.

# %%
chosen = test.groupby("genre").head(1)[:3]
tracks_read = [samples for _, samples in audio_cache.read(decoded, chosen.index)]
middles = [samples[(len(samples) - length) // 2 :][:length] for samples in tracks_read]
audio = np.stack([middle / np.float32(32768) for middle in middles]).astype(np.float32)
outputs = autoencoder.model.predict(audio, verbose=0)

# %%
labels = [f"{row.genre}: {row.artist}" for row in chosen.itertuples()]
pairs = {label: {"original": before, "output": after} for label, before, after in zip(labels, audio, outputs)}
setup.play(pairs, sample_rate, name, "segment")

# %%
setup.show(plots.audio.panel(audio[0], outputs[0], sample_rate, f"{name}: {chosen['genre'].iloc[0]}"), "panel")

# %% [markdown]
# All spectrograms of a figure have one level range, so a darker output is a quieter one. Where the output lacks a sound, the
# latent did not hold it, or the decoder could not use it. Three segments are examples; the measurement is the table above.
#
# *Try this*: play one pair, once for `epochs` 2 and once for 20. Is something lost, or is something added?

# %% [markdown]
# ## The latent
#
# One segment a picture, time from left to right. A latent of codewords (model `sparse`) is drawn as the sizes of the MDCT
# coefficients that it keeps.

# %%
features = autoencoder.features
images = dict(zip(chosen["genre"], features.predict(audio, verbose=0)))
setup.show(plots.autoencoders.latents(images, seconds, f"{name}: latent of single segments"), "latents")

# %% [markdown]
# A row is one channel of the latent. A vertical line is an event, such as a drum; a row that keeps its colour follows a sound
# that lasts. The order of the channels has no meaning, unless the architecture sorts them.

# %%
some = test.head(1000)
pieces = segments.fixed_segments(decoded, some, length, per_track=1, batch_size=8, target="audio")
every = np.abs(np.concatenate([features.predict_on_batch(batch) for batch, _ in pieces]))
about_latent = {"dead_share": float((every < 1e-5).mean())}
print(f"{about_latent['dead_share']:.1%} of the latent values of {len(every)} test clips are below 1e-5.")

# %%
means = {"mean size over the test set": every.mean(axis=0)}
setup.show(plots.autoencoders.latents(means, seconds, name, columns=1), "latent_mean")

# %% [markdown]
# The mean size of each value over the test set. A dark row is a channel that carries little or nothing: the bottleneck is then
# narrower than `latent` claims. A size is not an importance, because the decoder scales each channel by its own weights.

# %%
clips = pd.DataFrame(every.mean(axis=1), index=some.index)
scores = (clips - clips.mean()) / clips.std().where(clips.std() > 0, 1.0)
by_genre = scores.groupby(some["genre"]).mean()
title = f"{name}: mean size of each channel by genre"
if len(by_genre) > 1:
    setup.show(plots.autoencoders.genre_latents(by_genre.to_numpy(), list(by_genre.index), title), "latent_genres")
else:
    print("The test has one genre, so there is nothing to compare.")

# %% [markdown]
# Mean size of each channel in each genre, in standard deviations from the mean of all clips. A coloured cell is a channel that
# is larger or smaller in this genre. A row of one colour may only be a loud or a quiet genre. The figure does not show whether
# genres can be read from the latent: 03_classifier measures that.
#
# *Try this*: set `model` to `pca`, whose channels are sorted by variance, and compare the pictures.

# %% [markdown]
# ## The filters of the first layer

# %%
weights = autoencoders.first_kernel(autoencoder)
if weights.ndim == 4:
    figure = plots.autoencoders.filter_patches(weights, f"{name}: first layer, on the STFT")
else:
    responses = autoencoders.responses(autoencoder)
    title = f"{name}: {len(responses)} filters of the first layer"
    figure = plots.autoencoders.filter_bank(responses, sample_rate / 2, title)
setup.show(figure, "filters")

# %% [markdown]
# A filter on the STFT is a small patch: a column of one colour answers to onsets, a row to partials that last. A filter on
# samples or on the MDCT is drawn by its frequency response. Filters that look like noise are still near their initial weights,
# and the figure does not show how the later layers use them.
#
# *Try this*: set `domain` to `time`, and see at which frequencies the learned filters have their peaks.

# %% [markdown]
# ## What we saw

# %%
print(setup.write_metrics(about_data | about_training | about_test | about_latent | {"note": data.caveat}))

# %%
order = sorted(zip(table["spectral_rmse"], table["codec"]))
lower = [row.codec for row in (downsampled, companded, principal) if row.spectral_rmse < ours.spectral_rmse]
print(
    f"{data.name}, {len(test)} test clips of {about_test['n_test_artists']} artists, {kbps:.1f} kbit/s, seed {seed}.",
    "Spectral RMSE from best to worst: " + "; ".join(f"{codec} {value:.3f}" for value, codec in order) + ".",
    f"The error of {label} is {ours.relative_rmse:.0%} of the error of silence. Lower: {', '.join(lower) or 'none'}.",
    sep="\n",
)
