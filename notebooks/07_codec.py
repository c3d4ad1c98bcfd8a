# %% [markdown]
# # What can a codec learn? The size and the sign of the next coefficient
#
# A codec turns audio into integers, and an entropy coder turns integers into bytes. The better it foretells the next integer,
# the fewer bytes it needs. Here two small networks learn to foretell it from the integers already sent: one its size, one its
# sign.
#
# - **You will** look at the integers of a piece of music, build the networks, and train them at random bitrates. You will write
#   real files with them, and count what they save against the same codec without learning.
# - **It needs** nothing: the default is synthetic music. To train on your own music, name a folder in `music`; for real
#   results, also change `dataset` and `data_dir` (Colab), or pass `-p music FOLDER` (papermill).
# - **It takes** about two minutes on two cores. The package's own weights took about an hour; their model card is
#   `fmalib/codec/weights/README.md`.

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
out_dir: str = "outputs/07_codec"  # for metrics.json, figures and the trained weights
seed: int = 0  # of excerpts, their rates and bitrates, initial weights and batches
quick: bool = False  # few excerpts and two epochs, to see that everything runs
music: str = ""  # folder with music to train on, or a text file with a path a line; empty takes the training tracks
profile: str = "waveform"  # waveform or listening: what the codec optimises
excerpts: int = 60  # of 8.5 s, each at a random bitrate; the last run of the package's had 2000 (waveform), 1000 (listening)
epochs: int = 6  # passes over the examples of these excerpts; the last run of the package's had 10 (waveform), 12 (listening)
start_from: str = "nothing"  # nothing, or package: go on from the weights of the package
# less often changed
width: int = 64  # units of both hidden layers; if start_from names weights, theirs
tracks_per_genre: int = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
test_clips: int = 4  # of the test split, whose bytes are counted
bits: str = "0.5,1,3"  # bits a coefficient at which they are counted; 8 times as many kbit/s at 8 kHz
jobs: int = 2  # processes that code excerpts

# %%
from fmalib import notebook  # fmalib before TensorFlow and Keras, whose settings it makes
from fmalib import paths, plots
import fmalib.codec
from fmalib.codec import context_models, context_training, entropy, envelope_training, examples, integer_network
from fmalib.codec import learned_contexts, learned_envelope, signs
from fmalib.data import datasets, formats
from fmalib.models.entropy_layers import ConditionalTables
from fmalib.training import runs

import keras
import numpy as np
import seaborn as sns

sns.set_theme(style="ticks", palette="colorblind")

# %%
choices = {"profile": ("waveform", "listening"), "start_from": ("nothing", "package")}
at_least_one = ("excerpts", "epochs", "width", "test_clips", "jobs")
setup = notebook.start(get_ipython(), least=dict.fromkeys(at_least_one, 1), choices=choices)
if quick:
    excerpts, epochs, test_clips = min(6, excerpts), min(2, epochs), 1
if start_from == "package":
    width = len(context_models.network(profile).passes[0]["second"])

# %% [markdown]
# ## Music
#
# Test clips are by artists that the training does not hear, if `music` is empty. With a folder of your own, that is yours to
# see to.

# %%
data = datasets.load(dataset, data_dir or None, tracks_per_genre=tracks_per_genre or (10 if quick else None))
setup.note = data.caveat
training, test = (data.tracks[data.tracks["split"] == split] for split in ("training", "test"))
heard = formats.sound_files(paths.resolve(music)) if music else [data.root / path for path in training["path"]]
clips = [data.root / path for path in test.groupby("artist").head(1)["path"][:test_clips]]
print(data, f"{len(heard)} files to train on; {len(clips)} test clips of as many artists", sep="\n")

# %% [markdown]
# ## From audio to integers
#
# The [MDCT](https://en.wikipedia.org/wiki/Modified_discrete_cosine_transform) cuts audio into overlapping frames and gives
# one coefficient for each sample. The codec divides coefficients by a step size and rounds them: these are the *levels*. A
# larger step gives smaller levels, which need fewer bits.

# %%
song, sample_rate = examples.reader(clips[:1])(np.random.default_rng(seed))
song, sample_rate = examples.excerpt(song, sample_rate, np.random.default_rng(seed))
chunk, header = examples.coded(song, sample_rate, 1.0, profile)
seconds, hertz = header.hop / sample_rate, sample_rate / 2 / header.hop
setup.show(plots.coding.levels(np.abs(chunk.values[0]), seconds, hertz, "levels of a test clip"), "levels")

# %% [markdown]
# Large levels stand together: along time in notes, along frequency at onsets. So neighbours tell how large a level will be.
# Its sign seems random. A second network finds out below how random it is.
#
# *Try this*: ask for 4 bits a coefficient in place of 1.0. Which levels come up out of the dark?
#
# ## What the network sees
#
# The bins of a frame are coded in three *passes*: every fourth, those halfway between, all others. A pass knows the frames
# before, and the passes before it on both sides of a bin. Each pass has a network of its own. Its inputs are logarithms of
# magnitudes: two frames before, two running averages, known bins around, the first channel in the second; also the
# frequency, and whether the frame is cut into shorter ones. In `waveform`, a frame that is cut is coded part by part, as so
# many short frames. All inputs are whole numbers in 1/256.

# %%
n_inputs = dict(zip(("first", "second", "third"), learned_contexts.INPUTS))
near = learned_contexts.Neighbourhood((1, chunk.values.shape[2]), hertz, None)
for frame in np.abs(chunk.values[:1, :10]).swapaxes(0, 1):
    near.next_frame(frame)
print(f"Inputs by pass: {n_inputs}. The first ones of one bin:", near.inputs(0)[4, :17].astype(int), sep="\n")

# %% [markdown]
# ## The network
#
# A pass is a perceptron with two hidden layers, and a straight way from the inputs, because the logarithm of a level's size is
# nearly a weighted sum of its neighbours'. Its output is a *scale*: the number of a table of probabilities. Tables are learned
# together with the network, by the bits of the level under the two tables next to the scale.

# %%
tables = entropy.prior(), entropy.SHIFTS


def one_pass(number, scale, inputs, sizes, sets):
    """Returns the bits of levels in a pass that starts from a scale, and names the layers that are exported."""
    start = {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(scale)}
    x = keras.layers.Rescaling(1 / integer_network.UNIT)(inputs)
    y = keras.layers.Dense(width, activation="relu", name=f"hidden_{number}")(x)
    y = keras.layers.Dense(width, activation="relu", name=f"second_{number}")(y)
    y = keras.layers.Dense(1, name=f"scale_{number}", **start)(y)
    straight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=f"straight_{number}")(x)
    scale = keras.layers.Reshape(())(keras.layers.Add()([y, straight]))
    return ConditionalTables(*tables, name=f"pass_{number}")([scale, sizes, sets])


# %%
def network(n_inputs, scales=(22, 22, 22)):
    """Returns a network with so many inputs in each pass, which starts from a scale in each."""
    given, found = {}, {}
    for number, (count, scale) in enumerate(zip(n_inputs, scales)):
        columns = {"inputs": ((count,), "float32"), "sizes": ((), "int32"), "sets": ((), "int32")}
        named = {f"{name}_{number}": columns[name] for name in columns}
        mine = {name: keras.Input(shape, dtype=kind, name=name) for name, (shape, kind) in named.items()}
        found[f"pass_{number}"] = one_pass(number, scale, *mine.values())
        given |= mine
    return keras.Model(given, found)


# %%
runs.set_seed(seed)
model = network(learned_contexts.INPUTS)
if start_from == "package":
    context_training.start_from(model, context_models.network(profile))
print(f"{model.count_params():,} weights, of which {3 * 2 * entropy.prior().size:,} are tables")

# %% [markdown]
# ## Training
#
# Each excerpt is coded at a random bitrate, so one network serves all. A level counts by its bits over the bits of a
# coefficient in its excerpt: a percent is a percent at any bitrate. Only 8,192 levels of each excerpt are kept.


# %%
def train(name, model, data):
    """Returns the run that trained a network for few bits."""
    rate = keras.optimizers.schedules.CosineDecay(2.5e-3, epochs * data.steps_per_epoch)
    losses = dict.fromkeys(model.output_names, context_training.relative_bits)
    shares = dict(zip(model.output_names, data.layout.shares))
    model.compile(keras.optimizers.Adam(rate), losses, loss_weights=shares)
    return runs.train_or_load(name, model, data, epochs=epochs, seed=seed, patience=None)


# %%
data_of_levels = context_training.prepare(heard, excerpts, profile=profile, seed=seed, jobs=jobs)
run = train("codec", model, data_of_levels)
print(run)

# %%
title = f"{data.name}: bits of a level, relative to its excerpt's"
setup.show(plots.autoencoders.learning_curves({"network": run.history}, "loss", title, "relative bits"), "loss")

# %% [markdown]
# Dashed is the loss on training excerpts, solid on excerpts of other files. A gap between them asks for more excerpts, not for
# more epochs.
#
# *Try this*: raise `excerpts` to 400, and see whether the gap closes.
#
# ## Signs
#
# A steady tone moves on by the same phase from frame to frame, so its next coefficient follows from the last ones. A network
# sees the levels of the last eight frames around a bin with their signs, and the magnitudes of the frame itself. When all
# signs that it sees change, so must the sign that it foretells: its output is a difference of two branches that share weights.


# %%
def sign_bits(number, signed, told, negative):
    """Returns the bits of signs in a part, even bins or odd ones, and names the layers that are exported."""
    change = keras.layers.Dense(96, use_bias=False, name=f"change_{number}")(keras.layers.Rescaling(1 / 256)(signed))
    base = keras.layers.Dense(96, name=f"base_{number}")(keras.layers.Rescaling(1 / 256)(told))
    second = keras.layers.Dense(48, activation="relu", name=f"second_{number}")
    out = keras.layers.Dense(1, use_bias=False, name=f"out_{number}")
    plus, minus = (out(second(keras.ops.relu(each))) for each in (base + change, base - change))
    direction = 2 * keras.ops.cast(negative, "float32") - 1
    bits_of = keras.ops.softplus(direction * (plus - minus)[:, 0]) / np.log(2)
    return keras.layers.Identity(name=f"sign_{number}")(bits_of)


# %%
given, found = {}, {}
for number, count in enumerate(signs.SIGNED):
    columns = {"signed": ((count,), "float32"), "told": ((signs.TOLD,), "float32"), "negative": ((), "int32")}
    named = {f"{name}_{number}": columns[name] for name in columns}
    mine = {name: keras.Input(shape, dtype=kind, name=name) for name, (shape, kind) in named.items()}
    found[f"sign_{number}"] = sign_bits(number, *mine.values())
    given |= mine
model_of_signs = keras.Model(given, found)
if start_from == "package" and context_models.network(profile).signs:
    context_training.start_signs_from(model_of_signs, context_models.network(profile).signs)
data_of_signs = data_of_levels.of_signs()
run_of_signs = train("signs", model_of_signs, data_of_signs)
measured = run_of_signs.model.predict(data_of_signs.held_out(), verbose=0)
print("bits of a sign in excerpts of other files:", {name: round(float(bits.mean()), 3) for name, bits in measured.items()})

# %% [markdown]
# One bit would be a coin. Signs are foretold best in tonal music, at low bitrates, and in the short frames of `listening`.
#
# ## Whole numbers
#
# An encoder and a decoder must find the same probabilities to the last bit, or the rest of the chunk is noise. Floating point
# does not promise that between two machines. So weights are rounded to 1/4096 and tables to integer counts: products and sums
# of integers are exact in any order, as long as they stay below $2^{53}$.

# %%
weights = setup.out_dir / "weights.npz"
of_signs = context_training.exported_signs(run_of_signs.model, data_of_signs)
integer_network.save(context_training.exported(run.model, data_of_levels.training["followed"], of_signs), weights)
print(f"{weights}: {weights.stat().st_size / 1000:.0f} kB. To use them: python -m fmalib encode --model {weights}")

# %% [markdown]
# ## The envelope
#
# In `listening`, steps follow the powers of bands, the *envelope*. It is an image of bands by frames: blocks of 16 frames go
# through a cosine transform over time and principal components over bands, the best linear autoencoder. A second network of
# the same shape foretells its coefficients. Its passes are rows of a block: the first, the next three, the others. Most of
# their coefficients are 0, so they start from lower scales: from 22, training would overshoot, and stick.
#
# `bands.npz` and `envelope.npz` of the package are a part of the file format. These cells make such files from other music;
# the codec does not read them.

# %%
if profile == "listening":
    few = [examples.reader([path])(np.random.default_rng(seed)) for path in heard[:30]]
    np.savez_compressed(setup.out_dir / "bands.npz", **envelope_training.components(few))
    envelopes = context_training.prepare(heard, excerpts, profile="envelope", seed=seed, jobs=jobs)
    envelope_run = train("envelope", network(learned_envelope.INPUTS, (22, 13, 6)), envelopes)
    foretold = context_training.exported(envelope_run.model, envelopes.training["followed"])
    integer_network.save(foretold, setup.out_dir / "envelope.npz")

# %%
if profile == "listening":
    networks = {"package": learned_envelope.network(), "trained here": foretold}
    songs = [examples.reader([path])(np.random.default_rng(0)) for path in clips]
    print(envelope_training.compare(songs, networks).to_string(float_format="{:+.1f}".format))

# %% [markdown]
# Bytes of the test clips' envelopes, in percent of what rules by hand take; a row is a step. A convolutional autoencoder in
# place of the linear one did not pay: `outputs/reference/envelope_autoencoder.txt`.
#
# ## Bytes on disk
#
# The test clips as real files, in three ways at the same step size: without learning, with the package's weights, and with
# these. `learned` also cuts frames where that saves bits; the error hardly changes by it.
# The model card, `fmalib/codec/weights/README.md`, has a table of all parts that were tried, and what each bought.

# %%
rates = [float(value) for value in bits.split(",")]
table = context_training.compare(clips, rates, profile, {"package": "learned", "trained here": str(weights)})
table.style.format(precision=2).hide(axis="index")

# %%
setup.show(plots.coding.savings(table, f"{data.name}: {len(clips)} test clips, {profile}"), "savings")

# %% [markdown]
# Below zero, learning saves bytes. Savings shrink as bits grow: a large level needs bits for its digits, and no
# neighbour knows those. A point is a clip, so their spread shows how far a few clips decide.
#
# ## Does it sound the same?
#
# At the same bytes, `learned` has a smaller step than `mdct`, and so less error. Here is the first test clip at 12 kbit/s.

# %%
mono, versions = song.mean(axis=1), {}
for model_name in ("mdct", "learned"):
    coded = fmalib.codec.encode(mono, sample_rate, 12, model=model_name, profile=profile)
    versions[f"{model_name}, {len(coded):,} bytes"] = fmalib.codec.decode(coded)[0]
grid = {name: {profile: version} for name, version in ({"original": mono} | versions).items()}
setup.play(grid, sample_rate, f"{data.name}: the first test clip", "coded")

# %% [markdown]
# Look for partials and onsets that one row has and another lacks. One clip is an example; the table above counts.
#
# *Try this*: set `start_from` to `package` and `music` to a folder of yours. What does an hour of your music save?
#
# ## What we saw

# %%
mean = table.groupby(["codec", "bits_per_coefficient"])[["bytes_percent", "error_db"]].mean()
metrics = {"seed": seed, "note": data.caveat, "dataset": data.name, "fingerprint": data.fingerprint, "profile": profile}
metrics |= {"n_test_clips": len(clips), "n_training_files": len(heard), "excerpts": excerpts, "epochs": epochs}
metrics |= {"train_seconds": run.seconds, "rows": table.to_dict("records")}
print(setup.write_metrics(metrics))
print(f"{data.name}, {len(clips)} test clips, seed {seed}: bytes against the codec without learning, in percent")
print(mean.unstack("codec")["bytes_percent"].to_string(float_format="{:+.1f}".format))
