"""Figures of latent spaces: grids of maps, clusters as they form, shares of variance."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from fmalib.plots import style

# Okabe and Ito 2008: eight colours that colour-blind readers can tell apart; the yellow is darker, for white paper.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#E3D012", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LARGER = {"P": 1.4, "X": 1.4, "*": 1.9}  # markers that cover less than a disc
LEGEND_GENRES = 24


def look(number):
    """Returns (colour, marker) of a genre by its number: 64 different pairs, in groups of eight that differ in both."""
    return COLOURS[number % 8], MARKERS[(number + number // 8) % 8]


def maps(drawn, genres, title, *, columns=5, axes_names=None, shared=False):
    """Returns a grid of maps with one legend; both axes of a map have one scale, without units.

    Args:
        drawn: dict from a map's title to (points `(points, 2)`, genre numbers `(points,)`).
        genres: names by number.
        columns: of the grid.
        axes_names: dict from a map's title to the name of its axes, such as `"component"`.
        shared: whether all maps have the limits of all points together.
    """
    columns = min(columns, len(drawn))
    figure, grid = style.panels(len(drawn), columns, (3.1 + 1.6 / columns, 3.2))
    everything = np.concatenate([points for points, _ in drawn.values()]) if shared else None
    for axes, (name, (points, labels)) in zip(grid, drawn.items()):
        scatter(axes, points, labels, reach=everything)
        axes.set_title(name, fontsize=10)
        axis = (axes_names or {}).get(name, "dimension")
        axes.set_xlabel(f"{axis} 1", fontsize=8)
        axes.set_ylabel(f"{axis} 2", fontsize=8)
    _legend(figure, genres)
    figure.suptitle(title)
    return figure


def scatter(axes, points, labels, *, reach=None):
    """Draws points on square axes, genres in turn, a few points at a time, so that none covers the others.

    The axes are limited to nearly all points (of `reach`, where given), since a few outliers would squeeze the others. The
    number of points outside is written into the map.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    size = float(np.clip(4000 / max(1, len(points)), 4, 30))
    rounds = int(np.clip(len(points) // 100, 3, 12))
    turns = np.random.default_rng(0).permutation(len(points)) % rounds
    options = {"alpha": 0.8, "linewidths": 0.3, "edgecolors": "white"}
    for turn in range(rounds):
        for number in np.unique(labels):
            chosen = (labels == number) & (turns == turn)
            colour, marker = look(int(number))
            axes.scatter(*points[chosen].T, s=size * LARGER.get(marker, 1), c=colour, marker=marker, **options)
    low, high = np.percentile(points if reach is None else reach, [2, 98], axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-9) * 1.3
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), box_aspect=1)
    axes.tick_params(labelsize=7)
    outside = int((np.abs(points - middle) > half).any(axis=1).sum())
    if outside:
        axes.annotate(f"{outside} outside", (0.98, 0.02), xycoords="axes fraction", ha="right", fontsize=7, color="0.3")


def _legend(figure, genres):
    looks = {genre: look(number) for number, genre in enumerate(genres[:LEGEND_GENRES])}
    if len(genres) > LEGEND_GENRES:
        looks[f"and {len(genres) - LEGEND_GENRES} more"] = ("none", "")
    handles = [
        plt.Line2D([], [], linestyle="", color=colour, marker=marker, markersize=6, label=label)
        for label, (colour, marker) in looks.items()
    ]
    columns = 1 + int(0.2 * len(handles) / figure.get_figheight())  # a row is 0.2 inches high
    figure.set_figwidth(figure.get_figwidth() + 1.3 * (columns - 1))
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=9, ncols=columns)


def clusters_and_genres(clusters, labels, genres, title):
    """Returns the numbers of points by genre and cluster as an image, with matched genres and clusters on the diagonal."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(labels, clusters)
    matched = linear_sum_assignment(-counts)
    rows, columns = (np.append(own, np.setdiff1d(np.arange(size), own)) for own, size in zip(matched, counts.shape))
    figure, axes = plt.subplots(figsize=(0.6 * counts.shape[1] + 2.5, 0.5 * len(counts) + 1.4), layout="constrained")
    names = {
        "yticklabels": [genres[number] for number in np.unique(labels)[rows]],
        "xticklabels": np.unique(clusters)[columns] + 1,
        "cbar_kws": {"label": "points"},
    }
    sns.heatmap(counts[np.ix_(rows, columns)], annot=True, fmt="d", cmap="Blues", vmin=0, ax=axes, **names)
    axes.set(title=title, xlabel="cluster; the diagonal is the best match of clusters with genres", ylabel="genre")
    axes.tick_params(rotation=0)
    return figure


def cluster_history(histories, title):
    """Returns agreement with genres over the updates of the target: `nmi` and `changed` of tables in a dict by method."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True, layout="constrained")
    for number, (name, history) in enumerate(histories.items()):
        options = {"markersize": 3, "color": f"C{number}", "label": name}
        above.plot(history.index, history["nmi"], "-o", **options)
        below.plot(history.index[1:], 100 * history["changed"].iloc[1:], "-o", **options)
    above.set(title=title, ylabel="NMI with genres")
    below.set(xlabel="update of the target", ylabel="points that\nchanged cluster / %")
    return style.finish(figure, whole=True)


def shares_of_variance(table, title):
    """Returns a bar chart of `fmalib.latent.variance.explained`, with marks at the permuted mean and 95th percentile."""
    known = table[table["share"].notna()]
    shares, marks = 100 * known["share"], 100 * known["permuted"]
    names = [f"{name.replace('_', ' ')} ({n:.0f} tracks)" for name, n in known["n"].items()]
    figure, axes = style.bars(dict(zip(names, shares)), [f"{share:.1f}" for share in shares], clear=marks)
    _permuted(axes, known)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set(title=title, xlabel="share of the variance, adjusted / %")
    return style.finish(figure, grid=False, fontsize=9)


def nested_shares(tables, title):
    """Returns a panel of bars a level, of tables by `fmalib.latent.variance.nested`, a dict by representation.

    The four bars of a representation sum to 100 %. Marks are at the permuted mean and 95th percentile.
    """
    levels = next(iter(tables.values())).index
    figure, grid = style.panels(len(levels), len(levels), (2.3, 0.4 * len(tables) + 0.9), sharex=True, sharey=True)
    for axes, level in zip(grid, levels):
        known = pd.DataFrame({name: table.loc[level] for name, table in tables.items()}).T
        axes.barh(list(tables), 100 * known["share"], color="C0", height=0.7)
        for place, row in enumerate(known.itertuples()):
            if np.isfinite(row.share):
                end = np.nanmax([row.share, row.permuted])
                axes.text(100 * end + 5, place, f"{100 * row.share:.0f}", va="center", fontsize=9)
        _permuted(axes, known)
        axes.set(title=f"between {level}s", xlabel="share / %", xlim=(0, 118), xticks=range(0, 101, 50))
    grid[0].invert_yaxis()
    figure.suptitle(title)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    return style.finish(figure, legend=False, grid=False)


def _permuted(axes, table):
    """Marks the mean and the 95th percentile of permuted shares on horizontal bars."""
    places, options = range(len(table)), {"linestyle": "", "color": "black"}
    axes.plot(100 * table["permuted_mean"], places, marker="o", markersize=4, label="mean of permuted labels", **options)
    axes.plot(100 * table["permuted"], places, marker="|", markersize=14, label="95th percentile", **options)


def accuracies(table, chance, title):
    """Returns a heat map of k-nearest-neighbour accuracies, methods by representations.

    Args:
        table: one row a representation, one column a method; shares, or missing.
        chance: where the colours begin, or None.
    """
    figure, axes = plt.subplots(figsize=(0.95 * len(table.columns) + 2.2, 0.45 * len(table) + 2.2), layout="constrained")
    options = {"vmin": 100 * (chance or 0), "vmax": 100, "linewidths": 0.5, "cbar_kws": {"label": "accuracy / %"}}
    sns.heatmap(100 * table.astype(float), annot=True, fmt=".0f", cmap="viridis", ax=axes, **options)
    axes.set(title=title, xlabel="", ylabel="")
    axes.set_xticks(np.arange(len(table.columns)) + 0.5, table.columns, rotation=40, ha="right")
    axes.tick_params(axis="y", rotation=0)
    return figure
