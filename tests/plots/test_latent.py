"""Colours that colour-blind readers can tell apart, and figures that show every class."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from fmalib import plots
from fmalib.latent import variance

# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour, matrix):
    """Returns CIE L*a*b* of a colour as seen through a matrix on linear RGB."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    seen = np.clip(np.asarray(matrix) @ linear, 0, 1)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ seen / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colours_can_be_told_apart(kind):
    seen = {colour: lab(colour, BLINDNESS[kind]) for colour in plots.latent.COLOURS}
    distances = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(seen, 2)}
    assert min(distances.values()) > 10, min(distances, key=distances.get)  # 2.3 is just noticeable side by side


def test_every_one_of_64_genres_has_a_look_of_its_own():
    looks = [plots.latent.look(number) for number in range(64)]
    assert len(set(looks)) == 64 and len(set(looks[:8])) == 8
    assert len({colour for colour, _ in looks[:8]}) == len({marker for _, marker in looks[:8]}) == 8


def drawn(n=300):
    rng = np.random.default_rng(0)
    return {"PCA": (rng.normal(size=(n, 2)) * [5, 1], np.arange(n) % 8), "t-SNE": (rng.normal(size=(40, 2)), np.arange(40) % 8)}


def test_maps_share_a_legend_and_have_one_scale_on_both_axes():
    names = [f"genre {number}" for number in range(8)]
    figure = plots.latent.maps(drawn(), names, "title", columns=3, axes_names={"PCA": "component"})
    axes = figure.axes
    assert [panel.get_title() for panel in axes[:2]] == ["PCA", "t-SNE"] and len(figure.legends) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    assert axes[0].get_xlabel() == "component 1" and axes[1].get_ylabel() == "dimension 2"
    for panel in axes[:2]:
        assert np.ptp(panel.get_xlim()) == pytest.approx(np.ptp(panel.get_ylim())) and panel.get_box_aspect() == 1
    plt.close(figure)


def test_no_genre_lies_on_top_and_no_point_is_lost():
    points, labels = drawn(2400)["PCA"]
    figure, axes = plt.subplots()
    plots.latent.scatter(axes, points, labels)
    collections = [collection for collection in axes.collections if len(collection.get_offsets())]
    assert sum(len(collection.get_offsets()) for collection in collections) == 2400
    order = [tuple(collection.get_facecolor()[0][:3]) for collection in collections]
    last = {colour: len(order) - order[::-1].index(colour) for colour in set(order)}
    assert min(last.values()) > 0.8 * len(order)  # every genre is drawn again among the last
    outside = int(axes.texts[0].get_text().split()[0])
    low, high = axes.get_xlim()
    assert outside == ((points[:, 0] < low) | (points[:, 0] > high)).sum() > 0
    plt.close(figure)


def test_maps_of_many_genres_and_shared_axes():
    points = np.random.default_rng(0).normal(size=(90, 2))
    labels, genres = np.arange(90) % 30, [str(number) for number in range(30)]
    figure = plots.latent.maps({"a": (points, labels), "b": (3 * points, labels)}, genres, "t", shared=True)
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert figure.legends[0].get_texts()[-1].get_text() == "and 6 more"
    plt.close(figure)


@pytest.mark.parametrize("n_clusters, n_genres", [(2, 4), (4, 4), (5, 3)])
def test_matched_clusters_stand_on_the_diagonal(n_clusters, n_genres):
    labels = np.repeat(np.arange(n_genres), 10)
    clusters = 2 * ((labels + 2) % n_clusters)  # numbers with gaps, as where a cluster became empty
    if n_clusters > n_genres:
        clusters[::10] = 2 * n_clusters
    figure = plots.latent.clusters_and_genres(clusters, labels, list("abcd"), "t")
    counts = np.array([int(text.get_text()) for text in figure.axes[0].texts]).reshape(len(set(labels)), len(set(clusters)))
    diagonal = np.diag(counts)
    assert (diagonal >= 9).sum() == min(len(set(clusters)), n_genres)
    first = figure.axes[0].get_yticklabels()[0].get_text(), int(figure.axes[0].get_xticklabels()[0].get_text()) - 1
    assert ((labels == "abcd".index(first[0])) & (clusters == first[1])).sum() == counts[0, 0]
    plt.close(figure)


def test_the_other_figures_have_titles_and_units(tmp_path):
    rng = np.random.default_rng(0)
    loudness, tempo = rng.normal(size=(2, 40))
    columns = pd.DataFrame({"loudness": loudness, "tempo": tempo, "genre": ["a", "b"] * 20, "album": [""] * 40})
    values = rng.normal(size=(40, 3))
    places = np.arange(40)
    rows = pd.DataFrame({"track_id": places // 2, "label": places // 20, "artist": [f"x{n // 4}" for n in range(40)]})
    nested = variance.nested(values, rows, ["a", "b"])
    history = pd.DataFrame({"changed": [0, 0.5, 0.1], "nmi": [0.1, 0.2, 0.3]})
    accuracy = pd.DataFrame({"no map": {"latent": 0.4, "mfcc": 0.5}, "pca": {"latent": 0.2, "mfcc": None}})
    figures = {
        "explained": (plots.latent.shares_of_variance(variance.explained(values, columns), "t"), "variance, adjusted / %"),
        "nested": (plots.latent.nested_shares({"latent": nested}, "between genres"), "share / %"),
        "history": (plots.latent.cluster_history({"dec": history}, "t"), "update of the target"),
        "clusters": (plots.latent.clusters_and_genres(places % 3, places % 2, ["a", "b"], "t"), "cluster"),
        "accuracies": (plots.latent.accuracies(accuracy, 0.1, "t"), ""),
    }
    for name, (figure, label) in figures.items():
        axes = next(panel for panel in figure.axes if panel.get_title())
        assert axes.get_title() in ("t", "between genres") and any(label in panel.get_xlabel() for panel in figure.axes)
        figure.savefig(tmp_path / f"{name}.png")
        plt.close(figure)


def test_marks_are_at_the_permuted_mean_and_percentile():
    levels = pd.DataFrame({"share": [0.2, 0.8], "permuted_mean": [0.1, np.nan], "permuted": [0.15, np.nan]}, ["genre", "track"])
    figure = plots.latent.nested_shares({"latent": levels, "mfcc": levels}, "t")
    genre, track = figure.axes
    assert [bar.get_width() for bar in genre.patches] == pytest.approx([20, 20])
    assert [line.get_xdata().tolist() for line in genre.lines] == [[10, 10], [15, 15]]
    assert np.isnan(track.lines[0].get_xdata()).all() and track.get_title() == "between tracks"
    assert [text.get_text() for text in track.texts] == ["80", "80"] and figure.get_suptitle() == "t"
    plt.close(figure)
    columns = pd.DataFrame(
        {"share": [0.3, np.nan], "permuted_mean": [0.02, 0], "permuted": [0.4, 0], "n": [9, 9]}, ["artist", "album"]
    )
    figure = plots.latent.shares_of_variance(columns, "t")
    marks = {line.get_label(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert marks["mean of permuted labels"] == [2] and marks["95th percentile"] == [40]
    assert figure.axes[0].texts[0].xy[0] == 40  # right of the mark
    plt.close(figure)
