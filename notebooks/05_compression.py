# %% [markdown]
# # Does an autoencoder compress music better than the simplest coder?
#
# In the original study of 2019 it did not: at every bitrate its error was above plain downsampling, and above 30 kbit/s it
# stopped improving. This notebook trains its network again, beside an autoencoder that chooses the coefficients it keeps, and
# beside coders that write files: ours, MP3 and Opus. In Colab, change the parameters and run all cells. On the command line,
# parameters follow `-p`: `papermill notebooks/05_compression.ipynb out.ipynb -p latents 256,64`. The network itself is built in
# 02_autoencoder.
#
# - **You will** compare the error over bitrate of autoencoders, downsampling, PCA and coders with files. You will also compare
#   architectures and losses, see where the bits of a file go, and play one song from 1 to 320 kbit/s.
# - **It needs** nothing: the default is synthetic music and two epochs. For real results, set `dataset` to `fma_small`,
#   `data_dir` to its folder, and `epochs` to 50.
# - **It takes** about eleven minutes on two cores the first time, seven with two latent sizes. Trained networks are found
#   again.

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
latents: str = "512,256,128,64,32"  # channels of the latent in the sweep, a comma list
architecture_latent: int = 64  # values a frame in the table of architectures
losses: str = "mse,l1,mse_tv,stft_l1,stft_l2,log_stft_l1,log_stft_l2"  # of the time domain, a comma list
epochs: int = 2  # at most; 50 in the study
demo_seconds: float = 8.0  # of one song, at ten bitrates
file_clips: int = 4  # test clips in the section on files, each of another artist; up to three of them are heard
quick: bool = False  # ten tracks a genre, one latent size, two architectures, one epoch, to see that everything runs
# less often changed
out_dir: str = "outputs/05_compression"  # where metrics.json, figures and audio go
seed: int = 0  # of initial weights and crops
split: str = "official"  # official, or random70 as in the original study, which leaks artists
tracks_per_genre: int = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
min_segments: int = 128  # an epoch has at least this many segments: small data sets give several crops of each track

# %%
from fmalib import notebook  # fmalib before TensorFlow and Keras, whose settings it makes
from fmalib import plots
from fmalib.codec import ablation, budget, classical, coders, metrics, quality
from fmalib.data import audio_cache, datasets, segments
from fmalib.models import architectures, mdct_autoencoders
from fmalib.models.losses import LOSSES
from fmalib.training import autoencoders
import fmalib.codec

import numpy as np
import pandas as pd
import seaborn as sns

least = {"architecture_latent": 1, "epochs": 1, "demo_seconds": 1, "file_clips": 1, "min_segments": 1}
setup = notebook.start(get_ipython(), least=least, lists={"latents": int, "losses": LOSSES})
sns.set_theme(style="ticks", palette="colorblind")

# %%
sizes, kinds, members = setup.lists["latents"], setup.lists["losses"], list(mdct_autoencoders.KINDS)
kbps_asked, demo_asked = (8, 16, 32, 64), (1, 2, 4, 8, 16, 32, 64, 128, 192, 320)
kbps_of_files, kbps_heard = (1, 4, 16, 64), (8, 16, 48)
if quick:
    sizes, members, kinds, kbps_asked, demo_asked = sizes[-1:], ["pca", "deep"], kinds[:2], (16,), (1, 16, 320)
    epochs, min_segments, demo_seconds, file_clips = 1, 16, min(3.0, demo_seconds), 1
    kbps_of_files, kbps_heard = (2, 16), (16,)

# %% [markdown]
# ## Data
#
# As in the study, the frequency domain is at 8 kHz (sweep, architectures) and the time domain at 44.1 kHz (losses, song). A
# *segment* is the piece of a track that a network reads at once. Networks train on random crops; all coders are measured on the
# same fixed segments of the test tracks.

# %%
data = datasets.load(dataset, data_dir or None, split=split, tracks_per_genre=tracks_per_genre or (10 if quick else None))
setup.note = data.caveat
decoded = {domain: audio_cache.build(data, rate) for domain, rate in architectures.SAMPLE_RATES.items()}
print(data, *decoded.values(), sep="\n")


# %%
def prepare(domain):
    """Returns the pipeline that trains a domain's autoencoders, the test tracks, and the segments to measure of each."""
    length = architectures.segment_length(domain, architectures.SAMPLE_RATES[domain])
    (training, validation, test), _ = segments.select_splits(data, decoded[domain], length)
    batch_size, crops = architectures.BATCH_SIZES[domain], segments.crops_for(training, min_segments)
    pipeline = segments.Pipeline(
        decoded[domain], training, validation, length, target="audio", batch_size=batch_size, crops_per_track=crops
    )
    return pipeline, test, coders.segments_that_fit(test, length)


# %%
pipeline, test, per_track = prepare("frequency")
rate, n_artists = pipeline.cache.sample_rate, test["artist"].nunique()
print(f"{len(pipeline.training)} training and {len(pipeline.validation)} validation tracks")
print(f"{len(test)} test tracks of {n_artists} artists, {per_track} segment(s) of {pipeline.length / rate:.2f} s from each")
about_data = {"dataset": data.name, "split": split, "fingerprint": data.fingerprint, "n_train_tracks": len(pipeline.training)}
about_data |= {"n_test_clips": len(test), "n_test_artists": n_artists}

# %% [markdown]
# *Try this*: set `dataset` to the path of a folder with one subfolder per genre, and run all cells on your own music.

# %% [markdown]
# ## The sweep
#
# An [autoencoder](https://www.deeplearningbook.org/contents/autoencoders.html) passes its input through a *bottleneck*: its
# latent has fewer values than the input, and the decoder sees nothing else. Three autoencoders of one latent size are compared:
#
# - the study's network, convolutions on the [STFT](https://en.wikipedia.org/wiki/Short-time_Fourier_transform) (short-time
#   Fourier transform), the spectra of overlapping frames of audio;
# - PCA of frames of the [MDCT](https://en.wikipedia.org/wiki/Modified_discrete_cosine_transform) (modified discrete cosine
#   transform), the best linear autoencoder. MDCT frames overlap by half, yet there is one coefficient for each sample, and
#   the transform can be inverted exactly. MP3 and Opus use it too;
# - sparse codewords, a step on the way from autoencoders to files. Each codeword is a 16-bit (index, value) pair of one MDCT
#   coefficient, so the largest coefficients are kept wherever they are. The other two spend the same number of latent values on
#   every frame.
#
# Bitrates count 16 bits for each latent value. Codewords are written to bytes and read again before they are measured; the
# other two are not even rounded, which flatters them.


# %%
def trained(domain, model, latent, loss="mse", pipeline=pipeline):
    """Returns an autoencoder, trained or found, and prints its training."""
    result = autoencoders.train(domain, model, pipeline, latent=latent, epochs=epochs, seed=seed, loss=loss)
    print(result)
    return result


names = {"study": "the study's network", "sparse": "sparse codewords", "pca": "PCA of MDCT frames"}
sweep = {(model, latent): trained("frequency", model, latent) for model in names for latent in sizes}

# %% [markdown]
# Six coders need no training:
#
# - `mdct`, the model of our files that learns nothing: MDCT coefficients in steps of one size, packed by how well their
#   neighbours foretell them. The section *Files* takes it apart;
# - downsampling to the same bitrate with 16 bits a sample, as in the study;
# - downsampling in a fair format, with 3 to 16 bits a sample on the
#   [mu-law](https://en.wikipedia.org/wiki/%CE%9C-law_algorithm) scale, the best number for each segment;
# - MP3 and Opus;
# - silence, which sends nothing.
#
# Real bitrates count every byte of a file, headers included; the weights of a decoder are no part of it. A file of 8.2 s is
# short: the Ogg container is 16 % of an Opus file at 8 kbit/s and 2 % at 64. MP3 spends its bits at a constant rate, while the
# others spend them where a segment needs them. LAME, the encoder of the MP3s, scales its input by 0.95; that is undone before
# measuring. FMA's clips are MP3s themselves, so no error here is one against the original recording.
#
# The spectral RMSE is the study's error: the root mean square of the difference of all real and imaginary STFT coefficients.
# Intervals are 95 %, over artists. The [jackknife](https://en.wikipedia.org/wiki/Jackknife_resampling) leaves out each artist
# in turn and looks at how far the error moves. Tracks of one artist sound alike, so counting single tracks would give an
# interval that is too narrow. With few artists intervals are wide.

# %%
compared = [coders.autoencoder(autoencoder, rate, codec=names[model]) for (model, _), autoencoder in sweep.items()]
bitrates = [coder.nominal_kbps for coder in compared[: len(sizes)]]
untrained_coders = (coders.files, coders.downsampling, coders.downsampling_mu_law)
compared += [coder(rate, kbps) for coder in untrained_coders for kbps in bitrates]
compared += [coders.classical(codec, rate, kbps) for codec in classical.CODECS for kbps in kbps_asked]
compared += [coders.silence()]
table = coders.measure(compared, decoded["frequency"], test, pipeline.length, per_track=per_track)
shown = ["codec", "latent", "nominal_kbps", "real_kbps", "relative_rmse", *coders.METRICS, "n_clips"]
table[shown].style.format(precision=3, na_rep="").hide(axis="index")

# %%
title = f"{data.name}: error over bitrate, {len(test)} test clips, seed {seed}"
published, assumed_silence = coders.published_relative(table)
setup.show(plots.codec.rate_distortion(table, title, published=published), "rate_distortion")

# %% [markdown]
# Lower is better, and left is cheaper; shaded are the intervals. Above is the spectral RMSE, divided by the RMSE of silence so
# that test sets of different loudness compare. A curve above downsampling with mu-law is a coder not worth its training, and so
# is one above `mdct`, which has none.
#
# The study does not state the RMSE of silence on its own test split. For the published points (grey) one number is assumed:
# with it, their downsampling lies as high as this one in the mean over bitrates. Read only the distance of the grey curves.
#
# Below is the [log-spectral distance](https://en.wikipedia.org/wiki/Log-spectral_distance) over all bins down to -80 dB. It
# punishes a coder that leaves quiet bins empty, as sparse codewords and downsampling do. MP3 and Opus serve the ear, so the
# spectral RMSE underrates them; neither measure replaces listening.

# %%
histories = {f"latent {latent}": sweep["study", latent].history for latent in sizes}
title = f"{data.name}: the study's network"
setup.show(plots.autoencoders.learning_curves(histories, "loss", title, "squared error of the STFT"), "study_loss")

# %% [markdown]
# Dashed is the loss on training crops, solid on validation segments. Curves that still fall belong to networks that need more
# epochs: their errors are then no limit of the architecture. The table below is by latent size: the root of the validation
# loss, which is the RMSE of the spectrum that the network returns. Columns that are equal after a few epochs and differ
# later show that a larger latent needs longer training.

# %%
reached = pd.DataFrame({latent: np.sqrt(sweep["study", latent].history["val_loss"]) for latent in sizes})
reached.index = pd.Index(reached.index + 1, name="epochs")
about_sweep = {"study_validation_rmse_by_epoch": {str(latent): reached[latent].dropna().tolist() for latent in sizes}}
marks = [epoch for epoch in (1, 2, 5, 10, 20, 30, 40, 50) if epoch in reached.index]
reached.loc[marks].style.format(precision=3, na_rep="").set_caption("validation RMSE by latent size")

# %% [markdown]
# *Try this*: set `latents` to `64` and `epochs` to 20. Does the study's network pass downsampling?

# %% [markdown]
# ## Architectures
#
# Roche et al. ([2018](https://arxiv.org/abs/1806.04096)) compared autoencoders of music at equal latent size. Here each of
# them codes the frames of an MDCT, phase included, in `architecture_latent` values. The last row is sparse codewords without
# training: only the windows of their transform are learned, the choice of coefficients is not.

# %%
by_architecture = {kind: trained("frequency", kind, architecture_latent) for kind in members}
by_architecture |= {names[model]: trained("frequency", model, architecture_latent) for model in ("study", "sparse")}
untrained = autoencoders.untrained("frequency", "sparse", pipeline, latent=architecture_latent)
by_architecture["sparse codewords, untrained"] = untrained

# %%
compared = [coders.autoencoder(autoencoder, rate, codec=name) for name, autoencoder in by_architecture.items()]
architecture_table = coders.measure(compared, decoded["frequency"], test, pipeline.length, per_track=per_track)
architecture_table["n_parameters"] = [autoencoder.model.count_params() for autoencoder in by_architecture.values()]
architecture_table["train_seconds"] = [autoencoder.seconds for autoencoder in by_architecture.values()]
shown = ["codec", "relative_rmse", *coders.METRICS, "n_clips", "n_parameters", "train_seconds"]
architecture_table[shown].style.format({"train_seconds": "{:.0f}"}, precision=3, na_rep="", thousands=",").hide(axis="index")

# %%
bars = {row.codec: (row.spectral_rmse, row.spectral_rmse_ci95) for row in architecture_table.itertuples()}
title = f"{data.name}: architectures at {architecture_latent} values a frame, {len(test)} test clips"
setup.show(plots.codec.errors(bars, "spectral RMSE, with 95 % interval over artists", title), "architectures")

# %% [markdown]
# A bar shorter than PCA's is an architecture that gains from being nonlinear, or from choosing its coefficients. Intervals
# that overlap do not rule out a difference, because all coders are measured on the same clips. With few epochs the figure shows
# which network learns fastest, not which one ends best.
#
# *Try this*: raise `epochs`, and see which bars still become shorter.

# %% [markdown]
# ## Losses of the time domain
#
# The study's time-domain network kept the beat and added noise. Which loss takes the noise away? The measure is the energy
# above 4 kHz that the input does not have, as a share of the energy of the input.

# %%
short, short_test, short_per_track = prepare("time")
by_loss = {kind: trained("time", "study", 32, kind, pipeline=short) for kind in kinds}
song_rate = short.cache.sample_rate
compared = [coders.autoencoder(autoencoder, song_rate, codec=kind) for kind, autoencoder in by_loss.items()]
loss_table = coders.measure(compared, decoded["time"], short_test, short.length, per_track=short_per_track, added_above=4000.0)
shown = ["codec", "relative_rmse", *coders.METRICS, "n_clips", "added_energy"]
loss_table[shown].style.format({"added_energy": "{:.2e}"}, precision=3, na_rep="").hide(axis="index")

# %%
measures = {"spectral_rmse": "spectral RMSE, with 95 % interval over artists"}
measures["added_energy"] = "energy above 4 kHz that was not in the input / energy of the input"
title = f"{data.name}: time domain, {len(short_test)} test clips"
for column, xlabel in measures.items():
    bars = {row.codec: (getattr(row, column), getattr(row, f"{column}_ci95")) for row in loss_table.itertuples()}
    setup.show(plots.codec.errors(bars, xlabel, title), f"losses_{column}")

# %% [markdown]
# Read both figures together: silence adds no energy, so little added energy is worth something only beside a low error. A loss
# of magnitudes alone leaves the phase free, and its waveform error is large; that does not show how it sounds. The total
# variation term of `mse_tv` weighs a hundredth of the squared error, too little to change much.

# %%
noise, error = (loss_table.set_index("codec")[column] for column in ("added_energy", "spectral_rmse"))
near = noise[error <= 1.1 * error["mse"]] if "mse" in noise else noise
print(f"Of the losses {'within 10 % of the RMSE of mse' if 'mse' in noise else 'named'}, {near.idxmin()} adds the least")
print(f"above 4 kHz: {near.min():.2g} of the energy of the input, against {noise.iloc[0]:.2g} with {noise.index[0]}.")

# %%
chosen = short_test.groupby("genre").head(1)[:3]
tracks_read = [samples for _, samples in audio_cache.read(decoded["time"], chosen.index)]
middles = [samples[(len(samples) - short.length) // 2 :][: short.length] for samples in tracks_read]
originals = np.stack([middle / np.float32(32768) for middle in middles])
outputs = {"original": originals}
outputs |= {kind: by_loss[kind].model.predict(originals, verbose=0) for kind in kinds}
grid = {kind: dict(zip(chosen["genre"], rows)) for kind, rows in outputs.items()}
setup.play(grid, song_rate, f"{data.name}: time domain, one segment for each genre", "loss")

# %% [markdown]
# A row is a loss, a column one segment of a test clip. Noise is an even haze in the upper half of a spectrogram whose original
# is dark there. Three segments are examples; the measurement is the table above.
#
# *Try this*: play the row of `mse` and another row by two clicks, and see whether the table agrees with your ear.

# %% [markdown]
# ## Files
#
# `fmalib.codec.encode` writes files that any machine decodes to the same audio, at 8 to 48 kHz. A file has a *model*, which
# foretells the coefficients of an MDCT, and a *profile*. `waveform` has the least squared error. `listening` follows the ear:
# louder bands get larger steps, and what is dropped becomes noise of the right level, so its error is larger on purpose. All
# pairs of model and profile are compared here, on some clips of the test set; a name without profile means `waveform`.
#
# The model `mdct` learns nothing. Each coefficient becomes an integer number of steps, and a
# [range coder](https://en.wikipedia.org/wiki/Range_coding) spends few bits on integers that their neighbours foretell. Bitrates
# are of real bytes: the length of the file, header included. In `learned`, a network foretells the integers (see 07_codec),
# and frames are cut into shorter ones where sound changes fast. MP3 and Opus optimise for the ear, not for this error.

# %%
few = test.groupby("artist").head(1)[:file_clips]
compared = [coders.files(rate, kbps, model=m, profile=p) for m, p in coders.PAIRS for kbps in kbps_of_files]
compared += [coders.autoencoder(sweep["sparse", latent], rate, codec=names["sparse"]) for latent in sizes]
compared += [coders.downsampling_mu_law(rate, kbps) for kbps in kbps_of_files]
compared += [coders.classical(codec, rate, kbps) for codec in classical.CODECS for kbps in kbps_asked]
file_table = coders.measure(compared, decoded["frequency"], few, pipeline.length, per_track=1)
title = f"{data.name}: files, {len(few)} test clips, {rate / 1000:g} kHz"
setup.show(plots.codec.rate_distortion(file_table, title), "files")

# %% [markdown]
# Bitrate and error are on logarithmic axes, so an equal distance is an equal factor. The BD-rate (Bjontegaard 2001) puts the
# horizontal distance into one number: how many percent more bits than `mdct` a coder needs at equal error, in the mean over the
# errors that both reach. Below 0, it needs fewer.

# %%
curves = {
    codec: (rows["real_kbps"].astype(float), -20 * np.log10(rows["spectral_rmse"].astype(float)))
    for codec, rows in file_table.groupby("codec", sort=False)
}
bd_rates = {codec: metrics.bd_rate(*curves["mdct"], *curve) for codec, curve in curves.items() if codec != "mdct"}
for codec, percent in bd_rates.items():
    print(f"{codec}: {percent:+.1f} % more bits than mdct at equal spectral RMSE")

# %% [markdown]
# *Try this*: set `file_clips` to 2, and see how far two clips decide.

# %% [markdown]
# ### Where the bits go
#
# The header and the heads of chunks have a fixed size. Side information is what a decoder must know beside the coefficients,
# such as step sizes, and in `listening` the levels of bands. The bits of a coefficient follow from the probability that its
# table foretold.

# %%
options = {"per_track": 1, "batch_size": len(few), "target": "audio"}
(audio, _), *_ = segments.fixed_segments(decoded["frequency"], few, pipeline.length, **options)
bits = {}
for (model, profile), kbps in ((pair, kbps) for pair in coders.PAIRS for kbps in kbps_of_files):
    file = fmalib.codec.encode(audio[0].numpy(), rate, kbps, model=model, profile=profile)
    bits[f"{coders.label(model, profile)}, {kbps} kbit/s"] = budget.parts(file)
setup.show(plots.codec.bits(bits, f"{data.name}: where the bits of one clip go"), "bits")

# %% [markdown]
# The lower the bitrate, the larger the share of the low bands. Most energy of music lies there, so the highs are dropped
# first: an error of the waveform hardly notices, an ear does.

# %% [markdown]
# ### What each part buys
#
# An [ablation](https://en.wikipedia.org/wiki/Ablation_(artificial_intelligence)): the codec with one part replaced by a plainer
# one, in encoder and decoder alike, on the same clips. Bars are BD-rates: how many percent more bytes the codec then needs at
# equal error.

# %%
pieces = {artist: [piece] for artist, piece in zip(few["artist"][:4], audio.numpy())}
models = [model for model, profile in coders.PAIRS if profile == "waveform"]
ablated = pd.concat([ablation.table(pieces, rate, model=model) for model in models])
bars = {f"{row.model}: {row.variant}": (row.percent, row.percent_ci95) for row in ablated.itertuples()}
title = f"{data.name}: without one part, {len(pieces)} test clips"
setup.show(plots.codec.errors(bars, "more bytes at equal error / %", title), "ablation")

# %% [markdown]
# A bar whose interval reaches 0 is a part that these few clips do not prove to be worth its code. Parts overlap: without one,
# another does some of its work, so the bars do not add up.
#
# *Try this*: add a `Variant` to `ablation.VARIANTS["mdct"]`, such as other weights in `fmalib.codec.contexts`.

# %% [markdown]
# ### What the ear would say
#
# The same coders at 44.1 kHz and equal bytes, by measures of codec papers: SI-SDR, the scale-invariant signal-to-distortion
# ratio; the mel and STFT distances of [DAC](https://arxiv.org/abs/2306.06546); and two models of hearing where they are
# installed, [Zimtohrli](https://github.com/google/zimtohrli) and [ViSQOL](https://github.com/google/visqol). Zimtohrli is
# strict with noise, ViSQOL is kind to it.

# %%
song_rate = short.cache.sample_rate
sounds = [samples / np.float32(32768) for _, samples in audio_cache.read(decoded["time"], few.index[:3])]
length = min(round(demo_seconds * song_rate), *map(len, sounds))
middles = np.stack([sound[(len(sound) - length) // 2 :][:length] for sound in sounds])
compared = [coder for kbps in kbps_heard for coder in coders.equal_bytes(song_rate, kbps) if coder.codec != "Codewords"]
heard = coders.listening(compared, middles, few[:3].reset_index(names="track_id"), song_rate)
title = f"{data.name}: listening measures, {len(middles)} test clips of {length / song_rate:.1f} s"
setup.show(plots.codec.listening(heard, title), "listening")
print(quality.hint() or "Both models of hearing are installed.")

# %% [markdown]
# Compare this with the error above: the coder with the least error of the waveform need not lead here, since it spends its bits
# on loud partials and leaves the highs silent. With three clips the intervals are wide, and no measure replaces listening.
#
# *Try this*: install `fmalib[quality]`, run the section again, and see where Zimtohrli and ViSQOL disagree.

# %% [markdown]
# ## One song, from 1 to 320 kbit/s
#
# All files of a row have about the same number of bytes: those of the MP3, or, where MP3 has no such bitrate, those of the
# bitrate itself. Beside our files, MP3 and Opus stand codewords straight from an MDCT of 2,048 samples, without training. No
# classical coder reaches 1 kbit/s: a bitrate that a coder does not have is left empty.

# %%
first = short_test.index[:1]
track_id, samples = next(audio_cache.read(decoded["time"], first))
song = samples[: round(demo_seconds * song_rate)] / np.float32(32768)
demo = coders.demo(song, song_rate, demo_asked)
demo_table = demo.drop(columns="audio")
shown = ["codec", "asked_kbps", "real_kbps", *coders.METRICS]
demo_table[shown].style.format({"asked_kbps": "{:g}"}, precision=3, na_rep="").hide(axis="index")

# %%
columns = [coder.codec for coder in coders.equal_bytes(song_rate, demo_asked[0])]
grid = {"original": dict.fromkeys(columns, song)}
for kbps, rows in demo.groupby("asked_kbps"):
    grid[f"{kbps:g} kbit/s"] = dict(zip(rows["codec"], rows["audio"]))
setup.play(grid, song_rate, f"{data.tracks.loc[track_id, 'title']} ({data.tracks.loc[track_id, 'genre']})", "demo")

# %%
for kbps in (demo_asked[0], 16):
    at_equal_bytes = demo[demo["asked_kbps"] == kbps]
    clips = dict(zip(at_equal_bytes["codec"], at_equal_bytes["audio"]))
    title = f"{data.tracks.loc[track_id, 'title']}, {at_equal_bytes['real_kbps'].mean():.1f} kbit/s"
    figure = plots.audio.spectrograms({"original": song} | clips, song_rate, title, columns=3)
    setup.show(figure, f"demo_{kbps}_kbps")

# %% [markdown]
# The original stands at the head of every column, and bitrates grow downwards. At low bitrates, see which coder drops the highs
# and which one keeps single partials. One song is an example, and a low error of the waveform is not the same as a good sound.
#
# *Try this*: find for each coder the lowest bitrate at which you cannot tell it from the original.

# %% [markdown]
# ## What we saw

# %%
parts = {"sweep": table, "architectures": architecture_table, "losses": loss_table, "demo": demo_table}
parts |= {"files": file_table, "listening": heard}
rows = pd.DataFrame([row | {"section": section} for section, part in parts.items() for row in part.to_dict("records")])
about_run = {"seed": seed, "epochs": epochs, "note": data.caveat, "published_silence_rmse_assumed": assumed_silence}
about_run["train_seconds"] = sum(run.seconds for run in [*sweep.values(), *by_architecture.values(), *by_loss.values()])
about_run |= {"bd_rate_percent": bd_rates, "bits": bits, "ablation": ablated.to_dict("records")}
about_run["rows"] = rows.astype(object).where(rows.notna(), None).to_dict("records")
print(setup.write_metrics(about_data | about_sweep | about_run))

# %%
error = table.pivot_table("spectral_rmse", "latent", "codec", sort=False)
by_codec = table.groupby("codec")["spectral_rmse"]
sixteen, companded = (by_codec.get_group(name).to_numpy() for name in ("downsampling", "downsampling, mu-law"))
lines = [f"{data.name}, {len(test)} test clips, at most {epochs} epochs, seed {seed}. Spectral RMSE:"]
for name in names.values():
    shares = zip(sizes, error[name], error[name] / sixteen, error[name] / companded)
    shares = [f"{rmse:.3f} at {size} ({of_16:.2f} and {of_mu_law:.2f})" for size, rmse, of_16, of_mu_law in shares]
    lines.append(f"{name}: {', '.join(shares)}")
lines.append("In parentheses: divided by downsampling at 16 bits, and with mu-law.")
print(*lines, f"silence: {table['spectral_rmse'].iloc[-1]:.3f}", sep="\n")

# %%
print("BD-rate against mdct, spectral RMSE:", ", ".join(f"{codec} {percent:+.0f} %" for codec, percent in bd_rates.items()))
without = ", ".join(f"{row.variant} {row.percent:+.1f} %" for row in ablated.itertuples())
print("More bytes at equal error without one part:", without)
columns = ["codec", "real_kbps", *(name for name in plots.codec.MEASURES if name in heard)]
print(f"Listening measures, {len(middles)} clips at 44.1 kHz, files of equal bytes:")
print(heard[columns].to_string(index=False, float_format="{:.2f}".format))

# %%
columns = ["codec", "real_kbps", "relative_rmse", "log_spectral_distance_db", "si_sdr_db"]
print("All coders with bytes, by more than one measure:")
print(table.loc[table["real_kbps"].notna(), columns].to_string(index=False, float_format="{:.3f}".format))
