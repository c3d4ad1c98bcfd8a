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
# # What does the latent space of an autoencoder know?
#
# The original study drew its latent space by PCA, kernel PCA, sparse PCA, LDA and t-SNE, and saw "no discernible
# boundaries" between genres. Here these maps are drawn again, and UMAP's; measured; and explained: what the latent's
# variance is made of, and which representations do separate genres.
#
# - **You will** train autoencoders, map their latents by ten methods, cluster them, find out what their variance is made of,
#   walk from one clip to another, and click your way through a map that plays.
# - **It needs** nothing: the default is synthetic music, whose numbers prove that the code runs and nothing else. Use
#   `-p dataset fma_small -p data_dir FOLDER` for real results.
# - **It takes** about five minutes on two cores the first time; what was trained is found again.

# %%
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q git+https://github.com/fmalib/fmalib")

# %% tags=["parameters"]
dataset = "synth"  # synth, fma_small, fma_medium, fma_large, fma_full, or a folder with one subfolder per genre
data_dir = ""  # folder that holds fma_metadata and fma_small; a folder of genres is looked up in it too
out_dir = "outputs/04_latent_space"  # where metrics.json, the interactive map, figures and audio go
seed = 0  # of initial weights, crops, maps and clusters
quick = False  # ten tracks a genre and at most two epochs, to see that everything runs
tracks_per_genre = 0  # at most this many tracks a genre, three or more; 0 takes all, or makes 40 for synth
domain = "frequency"  # of the autoencoder, frequency or time
encoder = "study"  # frequency also has sparse, pca, shallow, deep, lstm, variational, denoising
latent = 64  # channels of the latent; the study had 512 to 32 in frequency, 32 in time
methods = "all"  # of maps, a comma list such as pca,lda,tsne,umap; a wrong name lists them all
features = "latent,untrained,time,denoising,variational,linear,classifier,log_mel,mfcc"  # the first is looked at closest
max_points = 2000  # segments in a map at most, drawn by seed
segments = 3  # of each track, 8.2 s each
points = "auto"  # whose segments are mapped, test or all; auto is test unless that has fewer than ten artists
clusters = 0  # to look for; 0 takes as many as there are genres
cluster_points = 160  # segments in the clustering at most, drawn by seed
updates = 12  # of deep clustering's target at most, each after a pass over these segments
epochs = 6  # at most, of each autoencoder
epochs_classifier = 8  # at most, with the encoder frozen, and again with everything trained
min_segments = 256  # an epoch has up to so many: small data sets give several crops of each track

# %%
from fmalib import notebook  # comes first: it imports TensorFlow without its start-up messages
from fmalib import autoencoders, cache, clustering, datasets, embedding, interactive, map_plots, plots, progress, representations
from fmalib import features as track_features, tracks, variance

import numpy as np
import pandas as pd
import seaborn as sns

setup = notebook.start(get_ipython())
sns.set_theme(style="ticks", palette="colorblind")

# %%
notebook.at_least(
    1, segments=segments, epochs=epochs, epochs_classifier=epochs_classifier, min_segments=min_segments,
    max_points=max_points, cluster_points=cluster_points, updates=updates,
)
if clusters:
    notebook.at_least(2, clusters=clusters)
    notebook.at_least(clusters, cluster_points=cluster_points)
notebook.one_of(("auto", "test", "all"), points=points)
asked = list(embedding.METHODS) if methods == "all" else notebook.words(methods)
looked_at = notebook.words(features)
embedding.check(asked)
representations.check(looked_at)
autoencoders.check(domain, encoder, "mse")
if not asked or not looked_at:
    raise ValueError(f"methods and features must each name one or more. Received: methods={methods!r}, features={features!r}")
if quick:
    epochs, epochs_classifier, updates = min(2, epochs), min(2, epochs_classifier), min(2, updates)
    min_segments = min(64, min_segments)

# %% [markdown]
# ## Data
#
# Every representation below describes the same segments in the same order, whatever sample rate it hears them at. Maps show
# the test segments; where these are of fewer than ten artists, all, but for what was taught genres on training tracks.

# %%
data = datasets.load(dataset, data_dir or None, tracks_per_genre=tracks_per_genre or (10 if quick else None))
decoded = {name: cache.build(data, rate) for name, rate in autoencoders.SAMPLE_RATES.items()}
phases = {"autoencoder": epochs, "frozen": epochs_classifier, "finetuned": epochs_classifier}
spans = representations.prepare(
    data, decoded, domain=domain, encoder=encoder, latent=latent, per_track=segments, epochs=phases, min_segments=min_segments
)
print(data, spans, sep="\n")
print(tracks.describe_excluded(spans.skipped)) if len(spans.skipped) else None

# %%
if points == "auto":
    points = "test" if spans.of("test")["artist"].nunique() >= 10 else "all"
shown_tracks, rows = spans.of(points), spans.rows(points)
kept = embedding.subsample(len(rows), max_points, seed)
rows = rows.iloc[kept].reset_index(drop=True)
labels, artists = rows["label"].to_numpy(), rows["artist"].to_numpy()
is_test = rows["track_id"].isin(spans.of("test").index).to_numpy()
n_tracks, n_artists = rows["track_id"].nunique(), rows["artist"].nunique()
where = f"{len(rows)} segments of {n_tracks} tracks by {n_artists} artists ({points}), seed {seed}"
print(f"Maps of {where}")

# %%
number = clusters or len(data.genres)
needed = {"test segments": (is_test.sum(), embedding.FEWEST), "segments to cluster": (min(len(rows), cluster_points), number)}
for what, (count, least) in needed.items():
    if count < least:
        raise ValueError(f"Maps and clusters need {least} {what} or more: raise segments or max_points. Received: {count}")

# %% [markdown]
# ## Representations
#
# Latents are pooled over time: the energy of a few frames, its logarithm, decorrelated, and what that does over a segment.
# The linear autoencoder, log-mel bands and MFCCs are controls. The classifier's last features were taught genres, on
# training tracks.

# %%
tables = {}
for name in looked_at:
    tables[name] = representations.represent(name, spans, seed)
    print(f"{name:12s} {tables[name].values.shape[2]:4d} features: {representations.REPRESENTATIONS[name]}")
values = {name: table.of(shown_tracks)[kept] for name, table in tables.items()}
prepared = {name: embedding.prepare(part) for name, part in values.items()}
training = {name: table.of(spans.of("training")) for name, table in tables.items()}
main, named = looked_at[0], f"{domain} {encoder} {latent}"
about = f"pooled latent of {named}" if main == "latent" else main

# %% [markdown]
# ## Ten maps of one latent
#
# LDA and the supervised UMAP are fitted on training segments with their genres, and only place the test segments. All
# others never see a genre. Kernels take their width from the data; a kernel grows with the square of the points, so kernel
# PCA is fitted on at most 2,000 of them and places the others.

# %%
learned = embedding.subsample(len(spans.rows("training")), max_points, seed)
maps, taught = {}, spans.rows("training")["label"].to_numpy()[learned]


def untaught(name):
    """Returns the points of which a representation was not taught the genre."""
    return is_test | (name != "classifier")


def draw(name, method):
    """Returns the map of a representation by a method, which points it holds, and its scores."""
    mine = untaught(name) & (is_test | (not embedding.METHODS[method].supervised))
    drawn = embedding.embed(method, values[name][mine], training=training[name][learned], training_labels=taught, seed=seed)
    scored = embedding.scores(drawn.points, prepared[name][mine], labels[mine], artists[mine], seed=seed)
    return drawn, mine, {**scored, "seconds": drawn.seconds, "n_fitted": drawn.n_fitted}


for name, method in progress.bar([(name, method) for name in looked_at for method in asked], desc="Maps", unit="map"):
    maps[name, method] = draw(name, method)

# %%
only = "" if is_test.all() else ", test only"
titles = {method: kind.title + only * kind.supervised for method, kind in embedding.METHODS.items() if method in asked}
grid = {titles[method]: (maps[main, method][0].points, labels[maps[main, method][1]]) for method in asked}
axes_names = {titles[method]: embedding.METHODS[method].axes for method in asked}
figure = map_plots.maps(grid, data.genres, f"{data.name}: {about}, {where}", axes_names=axes_names)
plots.save(figure, setup.figures / "maps.png", data.caveat)

# %% [markdown]
# What is a map worth? How often the five nearest neighbours *by other artists* tell the genre; whether neighbours on the
# map were neighbours before (trustworthiness, 1 is best); how far genres stand apart (silhouette, from -1 to 1). Below the
# maps, the same of the features themselves, before any map, and by chance: genres dealt anew over the artists.

# %%
scored = {method: maps[main, method][2] for method in asked}
unmapped = {}
for name, part in prepared.items():
    mine = untaught(name)
    unmapped[name] = embedding.scores(part[mine], part[mine], labels[mine], artists[mine], seed=seed)
by_chance = embedding.chance(prepared[main], labels, artists, seed=seed)

# %%
rest = {f"no map ({prepared[main].shape[1]} components)": unmapped[main], "chance": {"knn_accuracy": by_chance}}
listing = pd.DataFrame({**scored, **rest}).T
listing = listing[["knn_accuracy", "knn_accuracy_ci95", "n_points", "trustworthiness", "silhouette", "seconds", "n_fitted"]]
listing["knn_accuracy_ci95"] = [notebook.interval(ci) for ci in listing["knn_accuracy_ci95"]]
print(f"{data.name}: {about}, {where}. Intervals: 95 %, by bootstrap over artists. {data.caveat}")
listing.style.format({"n_points": "{:.0f}", "n_fitted": "{:.0f}"}, na_rep="", precision=3).set_properties(**{"white-space": "nowrap"})

# %% [markdown]
# ## Every representation, every map
#
# The first column needs no map: where it is at chance, no map can show genres; where it is above and the map is not, the
# map lost them.

# %%
accuracy = pd.DataFrame({
    name: {"no map": unmapped[name]["knn_accuracy"]} | {method: maps[name, method][2]["knn_accuracy"] for method in asked}
    for name in looked_at
}).T.rename({"classifier": "classifier" + only})
chance = "no answer" if by_chance is None else f"{by_chance:.0%}"
title = f"{data.name}: genre by 5 neighbours of other artists, chance {chance}\n{where}"
figure = map_plots.accuracies(accuracy, by_chance, title)
plots.save(figure, setup.figures / "accuracies.png", data.caveat)

# %%
closer = [method for method in ("pca", "lda", "tsne", "umap") if method in asked] or asked[:1]
side_by_side = {
    f"{name}: {titles[method]}": (maps[name, method][0].points, labels[maps[name, method][1]])
    for name in looked_at for method in closer
}
title = f"{data.name}: the same segments, represented otherwise\n{where}"
figure = map_plots.maps(side_by_side, data.genres, title, columns=len(closer))
plots.save(figure, setup.figures / "representations.png", data.caveat)

# %% [markdown]
# ## What the variance is made of
#
# Is a map empty of genres because what varies most is something else? This is of the same features that maps start from, at
# most 50 components of them, averaged over each track. Left of the mark of a bar is what columns without meaning reach too.
# Numbers are of whole tracks; `beyond numbers` is what a word adds to loudness, tempo and spectral centroid together.

# %%
everyone = spans.of("test" if main == "classifier" else "all")
properties = track_features.property_table(decoded["frequency"])
columns = variance.columns_of(data.tracks.loc[everyone.index], properties)
of_tracks = tables[main].of(everyone).reshape(len(everyone), segments, -1).mean(axis=1)
explained = variance.explained(embedding.prepare(of_tracks), columns, seed=seed)
title = f"{data.name}: what the {about} varies with"
figure = map_plots.shares_of_variance(explained, title)
plots.save(figure, setup.figures / "variance.png", data.caveat)

# %% [markdown]
# The same from above: of all that segments differ by, how much lies between genres, between artists of a genre, tracks of
# an artist, segments of a track? The last bar is what groups of the same sizes would have if they meant nothing.

# %%
levels = {
    name: variance.nested(embedding.prepare(table.of(spans.of("all"))), spans.rows("all"), data.genres)
    for name, table in tables.items() if name != "classifier"
}
if levels:
    figure = map_plots.nested_shares(levels, f"{data.name}: where segments differ, {len(spans.tracks)} tracks")
    display(plots.save(figure, setup.figures / "levels.png", data.caveat))

# %% [markdown]
# ## Clusters
#
# No genre is used, only their number. DEC goes on training the encoder until its clusters are pure; IDEC keeps it able to
# reconstruct meanwhile. Both begin at k-means on the same network. Controls: k-means on the linear autoencoder and on
# log-mel bands.

# %%
chosen = embedding.subsample(len(rows), cluster_points, seed)
autoencoder = representations.named_autoencoder(spans, seed)
print(autoencoder)
can_train = autoencoder.model.name != "sparse_autoencoder"
print("Deep clustering goes on from here." if can_train else "Its words cannot be trained further: no DEC, no IDEC, no walk.")

# %%
deep, cluster_labels = {}, labels[chosen]
if can_train:
    audio = representations.span_audio(spans, rows.iloc[chosen])
    network = clustering.pooled_network(autoencoder, audio, reconstruct=True)
    deep = clustering.dec_and_idec(network, audio, number, max_updates=updates, seed=seed)
    heard = audio.shape[1] / spans.study.cache.sample_rate
    print(f"The middle {heard:.1f} s of {len(audio)} segments, {number} clusters")
    print(*(f"{name}: {result}" for name, result in deep.items()), sep="\n")

# %%
extra = {name: tables.get(name) or representations.represent(name, spans, seed) for name in ("latent", "linear", "log_mel")}
points_of = {name: embedding.prepare(table.of(shown_tracks)[kept])[chosen, :10] for name, table in (tables | extra).items()}
points_of["pca"] = points_of.pop("linear")
start = deep["dec"].stages[0] if deep else points_of["latent"]

# %%
found = {
    "kmeans": clustering.kmeans(start, number, seed=seed)[0],
    "gmm": clustering.gaussian_mixture(start, number, seed=seed),
    **{name: result.labels for name, result in deep.items()},
}
for name, part in points_of.items():
    if untaught(name).all():
        found[f"{name}_kmeans"] = clustering.kmeans(part, number, seed=seed)[0]

# %%
agreement = {name: clustering.scores(clustered, cluster_labels) for name, clustered in found.items()}
dealt = np.random.default_rng(seed).permutation(found["kmeans"])
listing = pd.DataFrame(agreement | {"chance: kmeans shuffled": clustering.scores(dealt, cluster_labels)}).T
print(f"{data.name}: {number} clusters of {len(chosen)} segments against {len(data.genres)} genres, seed {seed}. {data.caveat}")
listing.style.format(precision=3)

# %% [markdown]
# `kmeans`, `gmm`, `dec` and `idec` are of one network's ten-dimensional embedding (without deep clustering, of `latent`);
# the others are k-means on the first ten components of a representation above. `pca_kmeans` is the linear autoencoder's;
# `classifier_kmeans` was taught genres.
#
# DEC before, during and after: its embedding on the two axes that vary most over all three, coloured by genre, so what one
# sees is whether clusters become genres.

# %%
if deep:
    stages = deep["dec"].stages
    moments = sorted({0, len(stages) // 2, len(stages) - 1})
    together = embedding.plane(np.concatenate([stages[moment] for moment in moments]))
    parts = np.split(together, len(moments))
    panels = {f"after {moment} updates" if moment else "before": (part, cluster_labels) for moment, part in zip(moments, parts)}
    title = f"{data.name}: DEC of {named}, {len(chosen)} segments, seed {seed}"
    figure = map_plots.maps(panels, data.genres, title, columns=3, shared=True)
    display(plots.save(figure, setup.figures / "dec.png", data.caveat))

# %%
if deep:
    histories = {
        name: result.history.assign(nmi=[clustering.scores(stage, cluster_labels)["nmi"] for stage in result.stage_labels])
        for name, result in deep.items()
    }
    figure = map_plots.cluster_history(histories, f"{data.name}: {number} clusters of {len(chosen)} segments as they form")
    display(plots.save(figure, setup.figures / "clusters_over_updates.png", data.caveat))

# %%
title = f"{data.name}: {'DEC' if deep else 'k-means'}, {number} clusters of {len(chosen)} segments"
figure = map_plots.clusters_and_genres(found["dec" if deep else "kmeans"], cluster_labels, data.genres, title)
plots.save(figure, setup.figures / "clusters.png", data.caveat)

# %% [markdown]
# ## A walk from one clip to another
#
# On the straight line between the latents of two segments of different genres, decoded at five stops, and at last a walk in
# time, from all of the first to all of the second. How far is a stop from simply mixing the two decoded ends? Where that is
# little, the latent is as good as linear, and the way through it is a cross-fade.

# %%
ends = [int(labels.argmin()), int(labels.argmax())] if len(np.unique(labels)) > 1 else [0, len(rows) - 1]
rate = spans.study.cache.sample_rate
heard = representations.span_audio(spans, rows.iloc[ends])
stops, mixed = None, None
if can_train:
    stops = autoencoders.walk(autoencoder, *heard)
    halfway = (stops[0] + stops[4]) / 2
    mixed = float(10 * np.log10((np.sum((stops[2] - halfway) ** 2) + 1e-12) / (np.sum(halfway**2) + 1e-12)))
    print(f"Halfway, the decoded latent differs from a cross-fade of the decoded ends by {mixed:.1f} dB of its power.")

# %%
called = [f"{data.tracks.genre[track_id]}: {data.tracks.title[track_id]}" for track_id in rows["track_id"].iloc[ends]]
shares = [f"from {called[0]}", "a quarter of the way", "halfway", "three quarters", f"to {called[1]}", "from one to the other in time"]
if stops is not None:
    figure = plots.spectrograms(dict(zip(shares, stops)), rate, f"{data.name}: a walk through {named}")
    display(plots.save(figure, setup.figures / "walk.png", data.caveat))

# %%
for number_of_stop, (share, stop) in enumerate(zip(shares, stops if stops is not None else [])):
    display(notebook.player(stop, rate, f"decoded: {share}", setup.audio / f"walk_{number_of_stop}.wav"))

# %% [markdown]
# ## Click your way through
#
# Every point is a segment: hover for its name, click to hear it, click genres in the legend to hide them, choose another
# map above. Where all sounds would need more than 10 MB, segments share that of their track's first one, and some have
# none. The page holds everything, `map.html` in the output folder too: it needs no network.

# %%
sounds = interactive.sounds(spans, rows)
captions = [
    f"{data.tracks.artist[row.track_id]}: {data.tracks.title[row.track_id]}\n"
    f"{data.tracks.genre[row.track_id]}, from {row.start / decoded['frequency'].sample_rate:.0f} s"
    for row in rows.itertuples()
]
clickable = {titles[method]: interactive.spread(*maps[main, method][:2]) for method in asked}
title = f"{data.name}: {about}, {where}"
page = interactive.page(clickable, labels, data.genres, captions, sounds, title, data.caveat)
print(notebook.write_text(setup, "map.html", page))
interactive.frame(page)

# %% [markdown]
# ## What we saw

# %%
metrics = {
    "dataset": data.name, "fingerprint": data.fingerprint, "genres": data.genres, "n_segments": len(rows), "n_tracks": n_tracks,
    "n_artists": n_artists, "n_skipped": len(spans.skipped), "points": points, "domain": domain, "encoder": encoder,
    "latent": latent, "seed": seed, "segments_per_track": segments, "features": main, "run": autoencoder.run,
    "knn_accuracy_chance": by_chance,
    "knn_accuracy_without_map": {name: part["knn_accuracy"] for name, part in unmapped.items()},
    "methods": scored,
    "representations": {name: {method: maps[name, method][2] for method in asked} for name in looked_at},
    "n_clusters": number, "n_clustered_segments": len(chosen), "clustering": agreement,
    "clustering_converged": {name: result.converged for name, result in deep.items()},
    "variance_explained_by": explained["share"].to_dict(), "variance_explained": explained.T.to_dict(),
    "variance_nested": {name: table["share"].to_dict() for name, table in levels.items()}, "walk_less_crossfade_db": mixed,
    "note": data.caveat,
}
print(notebook.write_metrics(setup, metrics))

# %%
best = max(scored, key=lambda method: scored[method]["knn_accuracy"] or 0)


def tell(scores):
    """Returns an accuracy in words."""
    return "no answer" if scores["knn_accuracy"] is None else f"{scores['knn_accuracy']:.0%}"


percent = {name: tell(part) for name, part in unmapped.items()}
single = explained["share"][columns.columns].dropna().sort_values(ascending=False)
print(
    f"{data.name}, {where}, {about}:\n"
    f"Five neighbours by other artists tell the genre of {percent[main]} of {unmapped[main]['n_points']} segments before any "
    f"map,\nand of at most {tell(scored[best])} on one ({best}, picked on these points); by chance {chance}.\n"
    f"Without any map, by representation: {', '.join(f'{name} {share}' for name, share in percent.items())}.\n"
    f"The variance of the {about}, column by column:\n {', '.join(f'{name} {share:.0%}' for name, share in single.items())}.\n"
    f"Clusters and genres, NMI: {', '.join(f'{name} {value:.2f}' for name, value in listing['nmi'].items())}.\n{data.caveat}"
)
