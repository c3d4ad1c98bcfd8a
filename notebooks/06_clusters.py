# %% [markdown]
# # Do clusters of a latent become genres, and what explains its variance?
#
# Segments of music differ in their latents: by genre, by artist, by loudness, and by much else. This notebook measures the
# share of each, searches for clusters without labels and compares them with genres, and decodes the points between two
# segments.
#
# - **You will** train autoencoders, and split the variance of their latents into components. You will cluster segments
#   by k-means, Gaussian mixtures, DEC and IDEC, and listen to an interpolation between two segments.
# - **It needs** nothing: the default is synthetic music. For real results, change `dataset` and `data_dir` in the
#   cell below (Colab), or pass `-p dataset fma_small -p data_dir FOLDER` (papermill).
# - **It takes** about five minutes on two cores the first time, and less after notebook 04, which trains the same models.

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
out_dir: str = "outputs/06_clusters"  # for metrics.json, figures and audio
seed: int = 0  # of initial weights, crops, clusters and permutations
quick: bool = False  # ten tracks a genre and at most two epochs, to see that everything runs
encoder: str = "study"  # the frequency domain also has sparse, pca, shallow, deep, lstm, variational, denoising
latent: int = 64  # channels of the latent; the study had 512 to 32 in frequency, 32 in time
features: str = "latent,untrained,time,denoising,variational,linear,classifier,log_mel,mfcc"  # the first is examined in detail
clusters: int = 0  # number of clusters; 0 takes the number of genres, or two of a single genre
# less often changed
tracks_per_genre: int = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
domain: str = "frequency"  # of the autoencoder, frequency or time
segments: int = 3  # of each track, 8.2 s each
points: str = "auto"  # clustered segments, test or all; auto is test unless that has fewer than ten artists
cluster_points: int = 160  # segments in the clustering at most, drawn by seed
updates: int = 12  # of deep clustering's target at most, each after a pass over these segments
epochs: int = 6  # at most, of each autoencoder
epochs_classifier: int = 8  # at most, with the encoder frozen, and again with everything trained
min_segments: int = 256  # an epoch has at least this many segments, so small data sets give several crops of each track

# %%
from fmalib import notebook  # fmalib before TensorFlow and Keras, whose settings it makes
from fmalib import plots
from fmalib.data import audio_cache, datasets, tracks
from fmalib.genres import descriptors
from fmalib.latent import clustering, deep_clustering, maps, representations, variance
from fmalib.models import architectures
from fmalib.training import autoencoders

import numpy as np
import pandas as pd
import seaborn as sns

sns.set_theme(style="ticks", palette="colorblind")

# %%
at_least_one = ("segments", "cluster_points", "updates", "epochs", "epochs_classifier", "min_segments")
lists = {"features": representations.REPRESENTATIONS}
choices = {"points": ("auto", "test", "all")}
setup = notebook.start(get_ipython(), least=dict.fromkeys(at_least_one, 1), choices=choices, lists=lists)
if clusters and not 2 <= clusters <= cluster_points:
    message = "clusters must be 0, or at least 2 and at most cluster_points"
    raise ValueError(f"{message}. Received: clusters={clusters}, cluster_points={cluster_points}")

# %%
architecture = architectures.find(domain, encoder)
kinds, named = representations.REPRESENTATIONS, f"{domain} {encoder} {latent}"
if quick:
    epochs, epochs_classifier, updates = min(2, epochs), min(2, epochs_classifier), min(2, updates)
    min_segments = min(64, min_segments)

# %% [markdown]
# ## Data
#
# All representations below describe the same segments in the same order, although their sample rates differ. Variance is
# measured over all splits. Clusters are of test segments, or of all where the test split has fewer than ten artists.

# %%
data = datasets.load(dataset, data_dir or None, tracks_per_genre=tracks_per_genre or (10 if quick else None))
setup.note = data.caveat
decoded = {name: audio_cache.build(data, rate) for name, rate in architectures.SAMPLE_RATES.items()}
phases = {"autoencoder": epochs, "frozen": epochs_classifier, "finetuned": epochs_classifier}
shared = representations.prepare(
    data, decoded, domain=domain, encoder=encoder, latent=latent, per_track=segments, epochs=phases, min_segments=min_segments
)
print(data, shared, sep="\n")
if len(shared.skipped):
    print(tracks.describe_excluded(shared.skipped))

# %%
feature_names = representations.possible(setup.lists["features"], data.genres)
main = feature_names[0]
about = f"pooled latent of {named}" if main == "latent" else main
if len(data.genres) < 2:
    print(f"One genre, {data.genres[0]}: shares of genre and agreement with genres are undefined.")
if left_out := [name for name in setup.lists["features"] if name not in feature_names]:
    print(f"Representations left out, since they are trained with genres: {', '.join(left_out)}.")

# %%
auto = "test" if shared.of("test")["artist"].nunique() >= 10 else "all"
split = auto if points == "auto" else points
rows = shared.rows(split).reset_index(drop=True)
labels = rows["label"].to_numpy()
chosen = maps.subsample(len(rows), cluster_points, seed)
n_clusters, cluster_labels = clusters or max(2, len(data.genres)), labels[chosen]
if len(chosen) < n_clusters:
    raise ValueError(f"{n_clusters} clusters need as many segments: raise segments. Received: {len(chosen)} segments")

# %%
n_tracks, n_artists = rows["track_id"].nunique(), rows["artist"].nunique()
print(f"Clusters of {len(chosen)} out of {len(rows)} segments of {n_tracks} tracks by {n_artists} artists ({split})")
metrics = {
    "dataset": data.name, "fingerprint": data.fingerprint, "genres": data.genres, "seed": seed, "note": data.caveat,
    "n_segments": len(rows), "n_tracks": n_tracks, "n_artists": n_artists, "n_skipped": len(shared.skipped), "points": split,
    "segments_per_track": segments, "features": main, "n_clusters": n_clusters, "n_clustered_segments": len(chosen),
}  # fmt: skip

# %% [markdown]
# ## Autoencoder and representations
#
# An [autoencoder](https://en.wikipedia.org/wiki/Autoencoder) learns to rebuild audio from a small latent, a vector for
# each frame. Notebook 02 builds one layer by layer. Below, latents are pooled over time to one vector a segment. The
# linear autoencoder, log-mel bands and MFCCs are controls; the classifier's last features are *supervised*, trained with
# the genres of training tracks.

# %%
autoencoder = representations.named_autoencoder(shared, seed)
print(autoencoder)
metrics |= {"domain": domain, "encoder": encoder, "latent": latent, "run": autoencoder.run}
metrics["skipped"] = dict.fromkeys(left_out, "supervised, and there is one genre")

# %%
tables = {}
for name in dict.fromkeys([*feature_names, "latent", "linear", "log_mel"]):  # clusters are compared with the last two
    tables[name] = representations.represent(name, shared, seed)
    n_features = tables[name].values.shape[2]
    print(f"{name:12s} {n_features:4d} features: {kinds[name].description}")

# %% [markdown]
# *Try this*: set `features` to `log_mel,latent`, which examines log-mel bands first. Which bars of the next figure grow?
#
# ## What the variance is explained by
#
# A map may show no genres because something else varies most. Each bar is the share of the variance that a
# [regression](https://en.wikipedia.org/wiki/Coefficient_of_determination#Adjusted_R2) on one column explains, adjusted for
# its degrees of freedom. Features are averaged over each track, and reduced to 50 principal components at most.
#
# Dot and mark are mean and 95th percentile over permuted labels; a bar that ends left of the mark is not significant. Tracks of
# one artist stay together: genres are permuted over whole artists, albums within each artist, all others over tracks. Genres
# that mean nothing have a share too, since each artist's sound lies in one genre; the dot of `genre` shows how much.
# `numeric` is loudness, tempo and spectral centroid together; `beyond numeric` is the share that a categorical column adds.

# %%
part = "test" if kinds[main].supervised else "all"  # genres of the other tracks were used to fit a supervised one
everyone = shared.of(part)
properties = descriptors.property_table(decoded["frequency"])
columns = variance.columns_of(data.tracks.loc[everyone.index], properties)
of_tracks = tables[main].of(everyone).reshape(len(everyone), segments, -1).mean(axis=1)
explained = variance.explained(maps.prepare(of_tracks), columns, seed=seed)
if explained["share"].notna().any():
    setup.show(plots.latent.shares_of_variance(explained, f"{data.name}: variance of the {about}, by column"), "variance")
else:
    print("No share is defined: the tracks are too few, or their features are all the same.")
metrics |= {"variance_explained_by": explained["share"].to_dict(), "variance_explained": explained.T.to_dict()}

# %% [markdown]
# Bars overlap and do not sum to one: artists have their genres, and genres their loudness. A bar beyond its mark means that
# the column predicts the features, not that it causes them. An album's bar includes its artist, and so does its dot. A column
# with many values, such as artist, needs many tracks a value; with two or three, its share is uncertain.
#
# *Try this*: set `features` to `classifier,latent`. Which bar grows when a network is trained with genres?
#
# ## Variance components
#
# [Variance components](https://en.wikipedia.org/wiki/Random_effects_model) split the sum of squares by levels that lie
# within each other: between genres, between artists of a genre, between tracks of an artist, and between segments of a
# track. The four shares sum to one. Dot and mark are mean and 95th percentile of a meaningless level: whole artists are
# permuted among genres, tracks among the artists of a genre, or segments among the tracks of an artist.

# %%
components = {}
for name in feature_names:
    if not kinds[name].supervised:
        values = maps.prepare(tables[name].of(shared.of("all")))
        components[name] = variance.nested(values, shared.rows("all"), data.genres, seed=seed)
if any(table["share"].notna().any() for table in components.values()):
    title = f"{data.name}: components of variance between segments, {len(shared.tracks)} tracks"
    setup.show(plots.latent.nested_shares(components, title), "levels")
metrics["variance_nested"] = {name: table["share"].to_dict() for name, table in components.items()}
permuted_levels = {name: table.drop(columns="share").T.to_dict() for name, table in components.items()}
metrics["variance_nested_permuted"] = permuted_levels

# %% [markdown]
# A level matters where its bar ends right of the mark. A genre share at its dot is what any division of these artists gives. A
# large share between segments means that the features follow the course of a track; it is the remainder and has no mark. The
# shares say nothing about single features, and a small genre share can still be enough for a classifier.
#
# *Try this*: set `segments` to 6. Which share grows with more segments a track, and which dots move?
#
# ## Clusters without labels
#
# [K-means](https://scikit-learn.org/stable/modules/clustering.html#k-means) assigns each segment to the nearest of a few
# centres, moves each centre to the mean of its segments, and repeats. A
# [Gaussian mixture](https://scikit-learn.org/stable/modules/mixture.html) gives each cluster a width along each axis. Neither
# uses a genre; only the number of clusters is given.
#
# *Deep embedded clustering* ([DEC](https://arxiv.org/abs/1511.06335)) trains the encoder further, so that its clusters
# become purer. An embedding `z[i]` is assigned to each centre `c[j]` with a weight that falls with distance. The target
# sharpens these weights; the division by the size of a cluster, `f[j]`, keeps one cluster from taking all segments:
#
#     q[i, j] = 1 / (1 + |z[i] - c[j]|²)     then each row is divided by its sum
#     p[i, j] = q[i, j]² / f[j]              likewise, where f[j] is the sum of column j of q
#
# The loss is the divergence KL(p, q). Encoder and centres follow its gradient; the target is computed anew
# after each pass. [IDEC](https://www.ijcai.org/proceedings/2017/243) adds the autoencoder's reconstruction error, which
# keeps the embedding from forgetting the audio.

# %%
deep = {}
if architecture.codewords:
    print("Codewords are no quantities and cannot be trained further: no DEC, no IDEC, no interpolation.")
else:
    audio = representations.segment_audio(shared, rows.iloc[chosen])
    network = deep_clustering.pooled_network(autoencoder, audio, reconstruct=True)
    deep = deep_clustering.dec_and_idec(network, audio, n_clusters, max_updates=updates, seed=seed)
    seconds = audio.shape[1] / shared.comparison.cache.sample_rate
    print(f"The middle {seconds:.1f} s of {len(audio)} segments, {n_clusters} clusters")
    print(*(f"{name}: {result}" for name, result in deep.items()), sep="\n")
metrics["clustering_converged"] = {name: result.converged for name, result in deep.items()}

# %% [markdown]
# The same two formulas by hand, on the embedding before DEC has trained it:

# %%
ten_components = {name: maps.prepare(table.of(shared.of(split)))[chosen, :10] for name, table in tables.items()}
embedding = deep["dec"].stages[0] if deep else ten_components["latent"]
kmeans_labels, centres = clustering.kmeans(embedding, n_clusters, seed=seed)

similarity = 1 / (1 + ((embedding[:, None] - centres) ** 2).sum(axis=2))  # (segments, clusters)
q = similarity / similarity.sum(axis=1, keepdims=True)
p = q**2 / q.sum(axis=0)
p /= p.sum(axis=1, keepdims=True)
print(f"Largest weight of a segment, on average: {q.max(axis=1).mean():.2f} in q, {p.max(axis=1).mean():.2f} in the target p")

# %% [markdown]
# How far clusters agree with genres is measured in three ways.
# [NMI](https://scikit-learn.org/stable/modules/clustering.html#mutual-info-score) is the information that clusters and
# genres share, from 0 to 1. [ARI](https://scikit-learn.org/stable/modules/clustering.html#rand-index) counts pairs of
# segments and is 0 on average for random clusters. Accuracy needs the best one-to-one match of clusters with genres.

# %%
found = {"kmeans": kmeans_labels, "gmm": clustering.gaussian_mixture(embedding, n_clusters, seed=seed)}
found |= {name: result.labels for name, result in deep.items()}
for name, values in ten_components.items():
    if not kinds[name].supervised or split == "test":
        prefix = "pca" if name == "linear" else name
        found[f"{prefix}_kmeans"] = clustering.kmeans(values, n_clusters, seed=seed)[0]

# %%
agreement = {name: clustering.scores(labels_found, cluster_labels) for name, labels_found in found.items()}
metrics["clustering"] = agreement
permuted = np.random.default_rng(seed).permutation(found["kmeans"])
listing = pd.DataFrame(agreement | {"chance: kmeans permuted": clustering.scores(permuted, cluster_labels)}).T.astype(float)
print(f"{data.name}: {n_clusters} clusters of {len(chosen)} segments against {len(data.genres)} genres, seed {seed}")
listing.style.format(precision=3, na_rep="undefined")

# %% [markdown]
# `kmeans`, `gmm`, `dec` and `idec` cluster one embedding of ten dimensions or fewer, and so compare methods. The other rows
# are k-means on the first ten components of a representation, and so compare representations; `pca_kmeans` is the linear
# autoencoder's. Small differences between rows are no findings, since one seed drew few segments.

# %%
if deep:
    stages = deep["dec"].stages
    moments = sorted({0, len(stages) // 2, len(stages) - 1})
    together = maps.plane(np.concatenate([stages[moment] for moment in moments]))
    parts = dict(zip(moments, np.split(together, len(moments))))
    panels = {f"after update {moment}" if moment else "before": (part, cluster_labels) for moment, part in parts.items()}
    title = f"{data.name}: DEC of {named}, {len(chosen)} segments, seed {seed}"
    setup.show(plots.latent.maps(panels, data.genres, title, columns=3, shared=True), "dec")

# %% [markdown]
# The embedding before, during and after DEC, on the two axes of largest variance over all three panels. DEC contracts
# points to centres whether or not the clusters are genres. Only the colours, which DEC does not use, show whether a cluster
# holds one genre.

# %%
if deep:
    histories = {}
    for name, result in deep.items():
        nmi = [clustering.scores(stage, cluster_labels)["nmi"] for stage in result.stage_labels]
        histories[name] = result.history.assign(nmi=np.array(nmi, float))  # nan for a single genre
    title = f"{data.name}: {n_clusters} clusters of {len(chosen)} segments over updates"
    setup.show(plots.latent.cluster_history(histories, title), "clusters_over_updates")

# %% [markdown]
# The upper panel shows the agreement with genres, the lower one how many segments still change their cluster. Training
# ends when hardly any do, or after `updates`. Purer clusters need not agree better with genres: no label says which
# grouping is wanted.

# %%
shown = "dec" if deep else "kmeans"
title = f"{data.name}: {shown}, {n_clusters} clusters of {len(chosen)} segments"
setup.show(plots.latent.clusters_and_genres(found[shown], cluster_labels, data.genres, title), "clusters")

# %% [markdown]
# Each row is a genre, each column a cluster, matched as well as possible on the diagonal. A column with several large
# entries mixes genres; a row with several splits a genre. The match uses the genres, so the diagonal of random clusters is
# not empty either.
#
# *Try this*: set `clusters` to 20 and look for a cluster of one artist. Do clusters settle with `updates` 40?
#
# ## Latent interpolation
#
# [Latent interpolation](https://arxiv.org/abs/1807.07543) decodes points on the straight line between the latents of two
# segments, here of different genres. A latent of musical properties would decode to plausible music between them. A
# linear network can only cross-fade, so the cross-fade of the decoded ends is the reference.

# %%
ends = [int(labels.argmin()), int(labels.argmax())] if len(np.unique(labels)) > 1 else [0, len(rows) - 1]
originals = representations.segment_audio(shared, rows.iloc[ends])
first, second = (f"{data.tracks.genre[track]}: {data.tracks.title[track]}" for track in rows["track_id"].iloc[ends])
names = ("first", "a quarter", "halfway", "three quarters", "second", "first to second over time")
stops, difference = None, None
if not architecture.codewords:
    stops = autoencoders.interpolate(autoencoder, *originals)  # five shares of the second latent, then a change over time
    halfway = (stops[0] + stops[4]) / 2
    difference = float(10 * np.log10((np.sum((stops[2] - halfway) ** 2) + 1e-12) / (np.sum(halfway**2) + 1e-12)))
    print(f"Halfway, the decoded latent differs from the cross-fade by {difference:.1f} dB of the cross-fade's power.")
metrics["walk_less_crossfade_db"] = difference

# %%
rate = shared.comparison.cache.sample_rate
if stops is not None:
    title = f"{data.name}: interpolation in {named}\nfirst is {first}, second is {second}"
    setup.show(plots.audio.spectrograms(dict(zip(names, stops)), rate, title), "interpolation")

# %% [markdown]
# The decoded points in order. An interpolation that is a cross-fade shows the partials of both ends halfway, each weaker.
# New pitches or onsets halfway mean that the latent is not linear. The figure shows one pair of segments, and no average.

# %%
if stops is not None:
    weights = [*np.linspace(0, 1, 5), np.linspace(0, 1, len(stops[0]))]
    known, grid = {"first": originals[0], "second": originals[1]}, {}
    for name, stop, weight in zip(names, stops, weights):
        faded = None if name in known else (1 - weight) * stops[0] + weight * stops[4]
        grid[name] = {"original": known.get(name), "decoded latent": stop, "cross-fade of the decoded ends": faded}
    setup.play(grid, rate, f"{data.name}: from {first} to {second}", "interpolation")

# %% [markdown]
# Each row holds one point of the line, decoded and as a cross-fade, and the originals of both ends. Hiss and lost treble in
# both columns are the autoencoder's, not the interpolation's. How close the two columns are is the number in dB above:
# the lower, the more linear the latent.
#
# *Try this*: set `encoder` to `pca`, which is linear, and compare its number. Then try `variational`.
#
# ## What we saw

# %%
print(setup.write_metrics(metrics))
single = explained["share"][columns.columns].dropna().sort_values(ascending=False)
by_column = ", ".join(f"{name} {share:.0%} ({explained['permuted'][name]:.0%})" for name, share in single.items())
by_method = ", ".join(f"{name} {nmi:.2f}" for name, nmi in listing["nmi"].dropna().items()) or "undefined"
interpolated = "undefined" if difference is None else f"{difference:.1f} dB"
print(
    f"{data.name}, {about}, seed {seed}.\n"
    f"Variance explained by column (95th percentile of permuted labels), n = {len(everyone)} tracks: {by_column}.\n"
    f"Clusters and genres, n = {len(chosen)} segments, NMI: {by_method}.\n"
    f"Halfway interpolation against the cross-fade: {interpolated}."
)
