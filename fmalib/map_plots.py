"""Figures of latent spaces: grids of maps, clusters as they form, shares of variance. See also `plots`."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

# Okabe and Ito 2008: eight colours that colour-blind readers can tell apart; the yellow is darker, for white paper.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#E3D012", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LARGER = {"P": 1.4, "X": 1.4, "*": 1.9}  # markers that cover less than a disc
LEGEND_GENRES = 24


def look(number):
    """Returns (colour, marker) of a genre by its number: each of eight has its own of both; then markers move on by one."""
    return COLOURS[number % 8], MARKERS[(number + number // 8) % 8]


def maps(drawn, genres, title, *, columns=5, axes_names=None, shared=False):
    """Returns a grid of maps with one legend.

    Genres are drawn in turn, a few points at a time, so that none covers the others. Both axes of a map have one scale;
    it has no units.

    Args:
        drawn: dict from a map's title to (points `(points, 2)`, genre numbers `(points,)`).
        genres: names by number.
        columns: of the grid.
        axes_names: dict from a map's title to the name of its axes, such as `"component"`.
        shared: whether all maps reach over the same.
    """
    rows = -(-len(drawn) // columns)
    columns = min(columns, len(drawn))
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.1 * columns + 1.6, 3.2 * rows + 0.5), layout="constrained", squeeze=False
    )
    everything = np.concatenate([points for points, _ in drawn.values()]) if shared else None
    for axes, (name, (points, labels)) in zip(grid.flat, drawn.items()):
        scatter(axes, points, labels, reach=everything)
        axes.set_title(name, fontsize=10)
        axis = (axes_names or {}).get(name, "dimension")
        axes.set_xlabel(f"{axis} 1", fontsize=8)
        axes.set_ylabel(f"{axis} 2", fontsize=8)
    for axes in grid.flat[len(drawn) :]:
        axes.set_axis_off()
    _legend(figure, genres)
    figure.suptitle(title)
    return figure


def scatter(axes, points, labels, *, reach=None):
    """Draws points of genres on square axes, genres in turn.

    Axes reach over nearly all points, or of `reach`: a few far ones would squeeze the others. How many lie outside is written
    there.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    size = float(np.clip(4000 / max(1, len(points)), 4, 30))
    rounds = int(np.clip(len(points) // 100, 3, 12))
    turns = np.random.default_rng(0).permutation(len(points)) % rounds
    for turn in range(rounds):
        for number in np.unique(labels):
            chosen = (labels == number) & (turns == turn)
            colour, marker = look(int(number))
            axes.scatter(
                *points[chosen].T, s=size * LARGER.get(marker, 1), c=colour, marker=marker, alpha=0.8, linewidths=0.3,
                edgecolors="white",
            )
    low, high = np.percentile(points if reach is None else reach, [2, 98], axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-9) * 1.3
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), box_aspect=1)
    axes.tick_params(labelsize=7)
    outside = int((np.abs(points - middle) > half).any(axis=1).sum())
    if outside:
        axes.annotate(f"{outside} outside", (0.98, 0.02), xycoords="axes fraction", ha="right", fontsize=7, color="0.3")


def _legend(figure, genres):
    shown = list(genres)[:LEGEND_GENRES]
    handles = [
        plt.Line2D([], [], linestyle="", color=look(number)[0], marker=look(number)[1], markersize=6, label=genre)
        for number, genre in enumerate(shown)
    ]
    if len(genres) > len(shown):
        handles.append(plt.Line2D([], [], linestyle="", label=f"and {len(genres) - len(shown)} more"))
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=9)


def clusters_and_genres(clusters, labels, genres, title):
    """Returns how many points of each genre each cluster holds; on the diagonal, the clusters matched with genres."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(-counts)
    rows, columns = (
        np.concatenate([matched, np.setdiff1d(np.arange(size), matched)]) for matched, size in zip((rows, columns), counts.shape)
    )
    present = [genres[number] for number in np.unique(labels)[rows]]
    names = np.unique(clusters)[columns] + 1
    figure, axes = plt.subplots(figsize=(0.6 * counts.shape[1] + 2.5, 0.5 * len(present) + 1.4), layout="constrained")
    sns.heatmap(
        counts[np.ix_(rows, columns)], annot=True, fmt="d", cmap="Blues", vmin=0, yticklabels=present, xticklabels=names, ax=axes,
        cbar_kws={"label": "points"},
    )
    axes.set(title=title, xlabel="cluster; the diagonal is the best match of clusters with genres", ylabel="genre")
    axes.tick_params(rotation=0)
    return figure


def cluster_history(histories, title):
    """Returns agreement with genres over the updates of the target.

    Args:
        histories: dict from method to table with columns `changed` and `nmi`, one row an update.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True, layout="constrained")
    for number, (name, history) in enumerate(histories.items()):
        above.plot(history.index, history["nmi"], "-o", markersize=3, color=f"C{number}", label=name)
        below.plot(history.index[1:], 100 * history["changed"].iloc[1:], "-o", markersize=3, color=f"C{number}", label=name)
    above.set(title=title, ylabel="NMI with genres")
    below.set(xlabel="update of the target", ylabel="points that\nchanged cluster / %")
    below.xaxis.get_major_locator().set_params(integer=True)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    above.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    return figure


def shares_of_variance(table, title):
    """Returns a bar chart of `fmalib.variance.explained`, with a mark that 95 % of shuffled columns stay below."""
    known = table[table["share"].notna()]
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(known) + 1.2), layout="constrained")
    names = [f"{name.replace('_', ' ')} ({row.n:.0f} tracks)" for name, row in known.iterrows()]
    axes.barh(names, 100 * known["share"], color="C0", height=0.65)
    axes.plot(100 * known["shuffled"], range(len(known)), "|", color="black", markersize=14, label="95 % of shuffled columns below")
    for row, share in enumerate(known["share"]):
        axes.annotate(f"{100 * share:.1f}", (max(100 * share, 0), row), (16, 0), textcoords="offset points", va="center", fontsize=9)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(title=title, xlabel="share of the variance, adjusted / %")
    axes.legend(frameon=False, fontsize=9, loc="upper right")
    sns.despine(figure)
    return figure


def nested_shares(tables, title):
    """Returns stacked bars of `fmalib.variance.nested`, one a representation, above what levels without meaning would have.

    Args:
        tables: dict from representation to table.
    """
    chance = next(iter(tables.values()))["chance"]
    bars = {name: table["share"] for name, table in tables.items()} | {"if levels meant nothing": chance}
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(bars) + 1.4), layout="constrained")
    left = np.zeros(len(bars))
    for number, level in enumerate(chance.index):
        widths = np.array([100 * bar[level] for bar in bars.values()])
        axes.barh(list(bars), widths, left=left, color=COLOURS[number], height=0.7, label=level, edgecolor="white")
        for row, width in enumerate(widths):
            if width > 4:
                axes.text(left[row] + width / 2, row, f"{width:.0f}", ha="center", va="center", color="white", fontsize=9)
        left += widths
    axes.invert_yaxis()
    axes.set(title=title, xlabel="share of the variance of segments / %", xlim=(0, 100))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), title="between")
    sns.despine(figure)
    return figure


def accuracies(table, chance, title):
    """Returns a heat map of k-nearest-neighbour accuracies, methods by representations.

    Args:
        table: one row a representation, one column a method; shares, or missing.
        chance: where the colours begin, or None.
    """
    figure, axes = plt.subplots(figsize=(0.95 * len(table.columns) + 2.2, 0.45 * len(table) + 2.2), layout="constrained")
    values = table.astype(float)
    sns.heatmap(
        100 * values, annot=True, fmt=".0f", cmap="viridis", vmin=100 * (chance or 0), vmax=100, ax=axes,
        cbar_kws={"label": "accuracy / %"}, linewidths=0.5,
    )
    axes.set(title=title, xlabel="", ylabel="")
    axes.set_xticks(np.arange(len(table.columns)) + 0.5, table.columns, rotation=40, ha="right")
    axes.tick_params(axis="y", rotation=0)
    return figure
