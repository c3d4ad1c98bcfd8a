# %% [markdown]
# # Do maps of the latent space show genres?
#
# The original study drew its latent space by PCA, kernel PCA, sparse PCA, LDA and t-SNE, and saw "no discernible
# boundaries" between genres. This notebook draws the same maps, adds UMAP, and measures every map. Control
# representations show whether genres are missing from the latent, or only from the map.
#
# - **You will** train autoencoders, map their latents by ten methods, and measure each map. You will compare ten
#   representations of the same segments, and click on points to play them.
# - **It needs** nothing: the default is synthetic music. For real results, change `dataset` and `data_dir` in the
#   cell below (Colab), or pass `-p dataset fma_small -p data_dir FOLDER` (papermill).
# - **It takes** about five minutes on two cores the first time; later runs find the trained models.

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
out_dir: str = "outputs/04_latent_space"  # for metrics.json, map.html, figures and audio
seed: int = 0  # of initial weights, crops and maps
quick: bool = False  # ten tracks a genre and at most two epochs, to see that everything runs
encoder: str = "study"  # or patches, pretrained, learned; in frequency sparse, pca, shallow, deep, lstm, variational, denoising
latent: int = 64  # channels of the latent; the study had 512 to 32 in frequency, 32 in time
methods: str = "all"  # of maps, a comma list such as pca,lda,tsne,umap; a wrong name lists them all
features: str = "patches,patches_untrained,latent,untrained,denoising,linear,classifier,codec,log_mel,mfcc"  # first in detail
# less often changed
tracks_per_genre: int = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
domain: str = "frequency"  # of the autoencoder, frequency or time
segments: int = 3  # of each track, 8.2 s each
points: str = "auto"  # mapped segments, test or all; auto is test unless that has fewer than ten artists
max_points: int = 2000  # segments in a map at most, drawn by seed
epochs: int = 6  # at most, of each autoencoder
epochs_classifier: int = 8  # at most, with the encoder frozen, and again with everything trained
min_segments: int = 256  # an epoch has at least this many segments, so small data sets give several crops of each track

# %%
from fmalib import notebook  # fmalib before TensorFlow and Keras, whose settings it makes
from fmalib import plots, progress
from fmalib.data import audio_cache, datasets, tracks
from fmalib.genres import comparison, patch_latent
from fmalib.latent import maps, representations
from fmalib.models import architectures

import numpy as np
import pandas as pd
import seaborn as sns

sns.set_theme(style="ticks", palette="colorblind")

# %%
least = dict.fromkeys(("segments", "max_points", "epochs", "epochs_classifier", "min_segments"), 1)
lists = {"methods": ["all", *maps.METHODS], "features": representations.REPRESENTATIONS}
setup = notebook.start(get_ipython(), least=least, lists=lists, choices={"points": ("auto", "test", "all")})
if encoder in patch_latent.ENCODERS:
    domain = "time"  # whose sample rate has all their bands
elif encoder != comparison.CODEC:
    architectures.find(domain, encoder)
method_names = setup.lists["methods"]
if quick:
    epochs, epochs_classifier, min_segments = min(2, epochs), min(2, epochs_classifier), min(64, min_segments)

# %% [markdown]
# ## Data
#
# All representations below describe the same segments in the same order, although their sample rates differ. The maps
# show test segments, or all segments where the test split has fewer than ten artists. A method that is fitted with
# genres always shows test segments only.

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
feature_names = representations.possible(setup.lists["features"], data.genres, encoder)
left_out = [name for name in setup.lists["features"] if name not in feature_names]
if len(data.genres) < 2:
    print(f"One genre, {data.genres[0]}: accuracies, silhouettes and supervised maps are undefined and left out.")
if left_out:
    print(f"Representations left out, since they need genres or a network of the encoder: {', '.join(left_out)}.")

# %%
auto = "test" if shared.of("test")["artist"].nunique() >= 10 else "all"
split = auto if points == "auto" else points
drawn_rows = maps.subsample(len(shared.rows(split)), max_points, seed)
rows = shared.rows(split).iloc[drawn_rows].reset_index(drop=True)
labels, artists = rows["label"].to_numpy(), rows["artist"].to_numpy()
is_test = rows["track_id"].isin(shared.of("test").index).to_numpy()

# %%
n_tracks, n_artists = rows["track_id"].nunique(), rows["artist"].nunique()
where = f"{len(rows)} segments of {n_tracks} tracks by {n_artists} artists ({split}), seed {seed}"
print(f"Maps of {where}")
metrics = {
    "dataset": data.name, "fingerprint": data.fingerprint, "genres": data.genres, "seed": seed, "note": data.caveat,
    "n_segments": len(rows), "n_tracks": n_tracks, "n_artists": n_artists, "n_skipped": len(shared.skipped), "points": split,
    "segments_per_track": segments, "features": feature_names[0],
}  # fmt: skip

# %% [markdown]
# ## Autoencoder and representations
#
# An [autoencoder](https://en.wikipedia.org/wiki/Autoencoder) learns to rebuild audio from a small latent, a vector for
# each frame. Notebook 02 builds one layer by layer. A map needs one vector a segment, so latents are pooled over time:
# energies of a few frames, their logarithms, decorrelated, and statistics of these over the segment.
#
# `patches` is our sparse autoencoder of notebook 03: how much a segment uses each of 1024 patterns of one second. Its control
# `patches_untrained` has random patterns. `pretrained` has patterns that the package brings, from other music.
#
# `codec` is the latent that the codec of notebook 05 sends: powers of bands, transformed and rounded, pooled over time.
# The linear autoencoder, log-mel bands and MFCCs are controls: a latent should show more than they do. The classifier's
# last features are *supervised*: they were trained with the genres of training tracks, so only test tracks are shown.

# %%
autoencoder = representations.named_autoencoder(shared, seed)
print(autoencoder or "The codec's envelope, with the package's weights")
metrics |= {"domain": domain, "encoder": encoder, "latent": latent, "run": autoencoder.run if autoencoder else None}

# %%
tables = {}
for name in feature_names:
    tables[name] = representations.represent(name, shared, seed)
    n_features = tables[name].values.shape[2]
    print(f"{name:12s} {n_features:4d} features: {representations.REPRESENTATIONS[name].description}")

# %%
values = {name: table.of(shared.of(split))[drawn_rows] for name, table in tables.items()}
prepared = {name: maps.prepare(part) for name, part in values.items()}
supervised = {name: representations.REPRESENTATIONS[name].supervised for name in feature_names}
unseen = {name: is_test | (not supervised[name]) for name in feature_names}  # points whose genre was not used in training

fitting_rows = maps.subsample(len(shared.rows("training")), max_points, seed)
training = {name: table.of(shared.of("training"))[fitting_rows] for name, table in tables.items()}
training_labels = shared.rows("training")["label"].to_numpy()[fitting_rows]

main = feature_names[0]
of_encoder = "the codec" if encoder == comparison.CODEC else f"{domain} {encoder} {latent}"
about = f"pooled latent of {of_encoder}" if main == "latent" else main

# %% [markdown]
# *Try this*: set `features` to `log_mel,latent`, which examines log-mel bands first. Which of the maps below change most?
#
# ## Ten maps of one representation
#
# Every map reduces standardised features to two coordinates.
#
# - [PCA](https://scikit-learn.org/stable/modules/decomposition.html#pca) keeps the two directions of largest variance.
#   [Sparse PCA](https://scikit-learn.org/stable/modules/decomposition.html#sparsepca) builds its directions of few
#   features each.
# - [Kernel PCA](https://scikit-learn.org/stable/modules/decomposition.html#kernel-pca) is PCA on similarities between
#   pairs of points. The kernel defines similarity, so curved structures can become straight axes.
# - [LDA](https://scikit-learn.org/stable/modules/lda_qda.html) finds the directions that separate given genres most,
#   relative to the spread within each genre.
# - [t-SNE](https://scikit-learn.org/stable/modules/manifold.html#t-sne) places points so that near neighbours stay
#   near. Distances between groups, and the sizes of groups, mean little.
# - [UMAP](https://umap-learn.readthedocs.io/en/latest/how_umap_works.html) lays out the graph of nearest neighbours. It is
#   faster than t-SNE, places new points, and can use labels.
#
# The dictionary below holds the estimators. The library fits copies of them and sets what depends on the data: kernel
# widths, the sparsity penalty, and the number of neighbours where points are few.

# %%
from sklearn.decomposition import PCA, KernelPCA, SparsePCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import TSNE
from umap import UMAP

# %%
reducers = {
    "pca": PCA(2, svd_solver="full"),
    "kernel_pca_rbf": KernelPCA(2, kernel="rbf", eigen_solver="arpack"),
    "kernel_pca_poly": KernelPCA(2, kernel="poly", degree=3, coef0=1.0, eigen_solver="arpack"),
    "kernel_pca_sigmoid": KernelPCA(2, kernel="sigmoid", coef0=0.0, eigen_solver="arpack"),
    "kernel_pca_cosine": KernelPCA(2, kernel="cosine", eigen_solver="arpack"),
    "sparse_pca": SparsePCA(2, method="cd", max_iter=200),
    "lda": LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"),
    "tsne": TSNE(2, init="pca"),
    "umap": UMAP(n_jobs=1),
    "umap_supervised": UMAP(n_jobs=1),
}

# %% [markdown]
# LDA and the supervised UMAP are fitted on training segments with their genres, and then place the test segments. The
# other methods use no genre, and are fitted on the segments that they show. A map that the data do not allow, such as
# LDA of a single genre, is skipped by name.

# %%
method_names = list(reducers) if "all" in method_names else method_names
supervised_methods = {name for name, method in maps.METHODS.items() if method.supervised}
drawn, held, quality, skipped = {}, {}, {}, {}
pairs = [(name, method) for name in feature_names for method in method_names]
for name, method in progress.bar(pairs, desc="Maps", unit="map"):
    shown = unseen[name] & (is_test | (method not in supervised_methods))
    fitting = {"training": training[name], "training_labels": training_labels}
    try:
        found = maps.embed(method, values[name][shown], estimator=reducers[method], **fitting, seed=seed)
    except ValueError as error:  # too few, equal or infinite points, one genre, no spread within genres
        skipped[f"{name}, {method}"] = str(error)
        continue
    scores = maps.scores(found.points, prepared[name][shown], labels[shown], artists[shown], seed=seed)
    drawn[name, method], held[name, method] = found, shown
    quality[name, method] = scores | {"seconds": found.seconds, "n_fitted": found.n_fitted}

# %%
mapped = [method for method in method_names if (main, method) in drawn]  # methods with a map of the first representation
for name, reason in skipped.items():
    print(f"Skipped {name}: {reason}")
if not mapped:
    print(f"There is no map of the {about}: figures, players and page of maps are left out below.")
metrics["skipped"] = skipped | dict.fromkeys(left_out, "needs genres or a network of the encoder")

# %%
test_only = "" if is_test.all() else ", test only"
kinds = {method: found.method for (_, method), found in drawn.items()}
titles = {method: kind.title + test_only * kind.supervised for method, kind in kinds.items()}
if mapped:
    grid = {titles[method]: (drawn[main, method].points, labels[held[main, method]]) for method in mapped}
    axes_names = {titles[method]: kind.axes for method, kind in kinds.items()}
    figure = plots.latent.maps(grid, data.genres, f"{data.name}: {about}, {where}", axes_names=axes_names)
    setup.show(figure, "maps")

# %% [markdown]
# Each panel shows the same segments, one point each, coloured by genre. A genre that is visible in one panel is in the
# features. A genre that is visible nowhere may still be there, in directions that no panel shows. The eye also finds
# groups in noise, so the next section measures them.
#
# *Try this*: set `perplexity=5` in `TSNE`, or import `Isomap` from `sklearn.manifold` and add
# `"isomap": Isomap()` to the dictionary. Run on: which groups stay?
#
# ## The quality of a map
#
# **Accuracy** is the share of segments whose genre is the majority among the five
# [nearest neighbours](https://scikit-learn.org/stable/modules/neighbors.html) *by other artists*. Neighbours by the same
# artist are left out, since they recognise the artist and not the genre
# ([Flexer 2007](https://archives.ismir.net/ismir2007/paper/000341.pdf)).
#
# **Intervals** are 95 %, over artists. The [jackknife](https://en.wikipedia.org/wiki/Jackknife_resampling) leaves out each
# artist in turn, with all segments; the changes of the accuracy give its standard error. With four artists or fewer the
# intervals are very wide. They leave out that neighbours of different artists depend on the same map.
#
# **[Trustworthiness](https://scikit-learn.org/stable/modules/generated/sklearn.manifold.trustworthiness.html)** is 1 if
# all neighbours on the map were neighbours before. The
# **[silhouette](https://scikit-learn.org/stable/modules/clustering.html#silhouette-coefficient)**, from -1 to 1, says how
# far genres lie apart on the map.

# %%
unmapped = {}
for name, part in prepared.items():
    shown = unseen[name]
    unmapped[name] = maps.scores(part[shown], part[shown], labels[shown], artists[shown], seed=seed)
by_chance = maps.chance(prepared[main], labels, artists, seed=seed)
metrics |= {
    "knn_accuracy_chance": by_chance,
    "knn_accuracy_without_map": {name: scores["knn_accuracy"] for name, scores in unmapped.items()},
    "methods": {method: quality.get((main, method)) for method in method_names},
    "representations": {name: {method: quality.get((name, method)) for method in method_names} for name in feature_names},
}

# %%
rest = {f"no map ({prepared[main].shape[1]} components)": unmapped[main], "chance": {"knn_accuracy": by_chance}}
listing = pd.DataFrame({method: quality[main, method] for method in mapped} | rest).T
measures = ["knn_accuracy", "knn_accuracy_ci95", "n_points", "trustworthiness", "silhouette", "seconds", "n_fitted"]
listing = listing.reindex(columns=measures)
listing["knn_accuracy_ci95"] = [notebook.interval(ci) for ci in listing["knn_accuracy_ci95"]]
print(f"{data.name}: {about}, {where}")
whole = dict.fromkeys(("n_points", "n_fitted"), "{:.0f}")
listing.style.format(whole, na_rep="", precision=3).set_properties(**{"white-space": "nowrap"})

# %% [markdown]
# The last two rows are references: the features before any map, and the accuracy with genres permuted over artists. A map
# can score above the features, since two coordinates also leave out noise. Genres of a single artist have no neighbours by
# others, so `n_points` can be smaller than the number of points.
#
# *Try this*: compare trustworthiness and accuracy. Does the map that keeps neighbours best also separate genres best?
#
# ## Every representation, every map

# %%
accuracy = pd.DataFrame({
    name: {"no map": unmapped[name]["knn_accuracy"]}
    | {method: quality.get((name, method), {}).get("knn_accuracy") for method in method_names}
    for name in feature_names
}).T.astype(float)  # fmt: skip
chance = "undefined" if by_chance is None else f"{by_chance:.0%}"
title = f"{data.name}: genre by 5 neighbours of other artists, chance {chance}\n{where}"
shown_names = {name: name + test_only * supervised[name] for name in feature_names}
if accuracy.notna().any(axis=None) or len(data.genres) > 1:
    setup.show(plots.latent.accuracies(accuracy.rename(shown_names), by_chance, title), "accuracies")

# %% [markdown]
# The first column needs no map. Where it is at chance, neighbours hold no genre, and a map is unlikely to show one. Where it
# is above chance and a map is not, the map lost the genres. Differences smaller than the intervals in the table above are
# no findings.

# %%
few = [method for method in ("pca", "lda", "tsne", "umap") if method in mapped] or mapped[:1]
side_by_side = {
    f"{name}: {titles[method]}": (drawn[name, method].points, labels[held[name, method]])
    for name in feature_names
    for method in few
    if (name, method) in drawn
}
title = f"{data.name}: the same segments in other representations\n{where}"
if side_by_side:
    setup.show(plots.latent.maps(side_by_side, data.genres, title, columns=len(few)), "representations")

# %% [markdown]
# Each row shows one representation, each column one method. Rows can be compared with each other: if the untrained or the
# linear row looks like the latent's row, training added little that a map shows. The figure does not say which row is
# best; the accuracies above do.
#
# *Try this*: set `encoder` to `denoising` and `latent` to 32. Does another architecture make a better map?
#
# ## The sound of neighbours
#
# Neighbours on a map should sound alike. The grid plays one segment of several genres, and its nearest neighbour by
# another artist, before the map and on it.

# %%
from scipy.spatial.distance import cdist

trios = []  # a segment, its neighbour before the map, its neighbour on the map
if few:
    places, shown = drawn[main, few[-1]].points, np.flatnonzero(held[main, few[-1]])
    asked = [np.flatnonzero(labels[shown] == label)[0] for label in np.unique(labels[shown])[:4]]
    same_artist = artists[shown][asked][:, None] == artists[shown]
    spaces = (prepared[main][shown], places)
    nearest = [np.where(same_artist, np.inf, cdist(space[asked], space)).argmin(axis=1) for space in spaces]
    trios = [shown[list(trio)] for trio in zip(asked, *nearest)]

# %%
players = {}
for number, trio in enumerate(trios, 1):
    sounds = representations.segment_audio(shared, rows.iloc[trio])
    columns = ("segment", "neighbour before the map", f"neighbour on the map ({titles[few[-1]]})")
    players[f"{number}: " + ", ".join(data.genres[label] for label in labels[trio])] = dict(zip(columns, sounds))
if players:
    setup.play(players, shared.comparison.cache.sample_rate, f"{data.name}: neighbours in {about}", "neighbours")

# %% [markdown]
# Row titles name the three genres. Neighbours of different genres that sound alike are no error of the map: genres are
# labels, and features measure sound. The rows are examples, the first segment of up to four genres, and no measurement.
#
# *Try this*: set `features` to `mfcc` and listen again. Which neighbours are more alike, in timbre or in rhythm?
#
# ## A map to click
#
# Every point is a segment. Hover over it for its name, click to play it, click on genres in the legend to hide them, and
# choose another map above. The page is `map.html` in the output folder too, and needs no network.

# %%
sounds = plots.interactive.sounds(shared, rows)
rate = decoded["frequency"].sample_rate
about_track = data.tracks.loc[rows["track_id"]]
captions = [
    f"{track.artist}: {track.title}\n{track.genre}, from {start / rate:.0f} s"
    for track, start in zip(about_track.itertuples(), rows["start"])
]

# %%
clickable = {titles[method]: plots.interactive.spread(drawn[main, method], held[main, method]) for method in mapped}
title, page = f"{data.name}: {about}, {where}", None
if clickable:
    page = plots.interactive.page(clickable, labels, data.genres, captions, sounds, title, data.caveat)
    print(setup.write_text("map.html", page))
plots.interactive.frame(page) if page else print("There is no map to click.")

# %% [markdown]
# Sounds are the middle 5 s of a segment, as MP3. Where all sounds would need more than 10 MB, segments share the sound of
# their track's first segment, and some have none.
#
# *Try this*: click on a point far inside another genre. Is its label wrong, or its sound unusual?
#
# ## What we saw

# %%
print(setup.write_metrics(metrics))
shares, n_points = accuracy.loc[main], unmapped[main]["n_points"]
best = shares[mapped].fillna(0).idxmax() if mapped else None
on_best = f"{shares[best]:.0%} on the best map ({titles[best]}, chosen on these segments)" if mapped else "no map"
without_map = ", ".join(f"{name} {share:.0%}" for name, share in accuracy["no map"].items())
found = (
    f"{data.name}, {where}, {about}; {len(drawn)} maps, {len(skipped)} skipped.\n"
    f"Genre by five neighbours of other artists, {n_points} segments: {shares['no map']:.0%} before any map,\n"
    f"{on_best}, {chance} by chance.\n"
    f"Before any map, by representation: {without_map}."
)
print(found.replace("nan%", "undefined"))
