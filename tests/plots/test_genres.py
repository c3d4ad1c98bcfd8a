import numpy as np
import pandas as pd
import pytest
from helpers import tone

from fmalib import plots

CURVE = pd.DataFrame({"majority": [0.3, 0.5], "mean": [0.3, 0.6], "low": [0.2, 0.4], "high": [0.4, 0.6]}, index=[1, 2])
ARTISTS = pd.DataFrame({"share": [0.5, 1.0], "accuracy": [0.3, 0.5], "low": [0.2, 0.4], "high": [0.4, 0.6]})
BITRATES = pd.DataFrame({
    "step": [3, 24, 255], "kbps": [3.0, 0.8, 0.1], "accuracy": [0.6, 0.5, 0.2], "low": [0.5, 0.4, 0.1], "high": [0.7, 0.6, 0.3]
})  # fmt: skip
PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])
FIGURES = {
    "confusion": lambda: plots.genres.confusion([0, 1, 1], [0, 0, 1], ["A", "B", "C"], "Confusion"),
    "accuracies": lambda: plots.genres.accuracies({"a": (0.5, 0.4, 0.6), "b": (0.9, 0.8, 1.0)}, 0.125, "Accuracy"),
    "genre_scores": lambda: plots.genres.genre_scores([0.5, None], ["A", "B"], "F1"),
    "vote_curves": lambda: plots.genres.vote_curves({"a": CURVE, "b": CURVE}, 0.125, "Votes"),
    "artist_curves": lambda: plots.genres.artist_curves({"a": ARTISTS}, 0.125, "Artists"),
    "bitrate_curves": lambda: plots.genres.bitrate_curves(
        {"b": BITRATES, "c": BITRATES}, {"a": (0.7, 0.6, 0.8)}, 0.125, "Bitrates"
    ),
    "calibration": lambda: plots.genres.calibration(
        {"before": PROBABILITIES, "after": PROBABILITIES}, [0, 1, 1], "Calibration"
    ),
    "genres_over_time": lambda: plots.genres.genres_over_time(
        tone(440), 8000, np.arange(3.0), PROBABILITIES, ["A", "B"], "Genres"
    ),
    "one segment": lambda: plots.genres.genres_over_time(
        tone(440), 8000, np.array([1.5]), PROBABILITIES[:1], ["A", "B"], "Genres"
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_and_units_and_is_written(check_figure, name):
    check_figure(FIGURES[name]())


def test_the_confusion_matrix_counts_by_true_genre():
    figure = plots.genres.confusion([0, 1, 1, 1], [0, 0, 1, 1], ["A", "B"], "Confusion")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "0", "1", "2"]
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), [[1, 0], [1 / 3, 2 / 3]])


def test_genres_over_time_reach_from_end_to_end():
    figure = plots.genres.genres_over_time(tone(440), 8000, np.array([0.5, 1.0, 2.0]), PROBABILITIES, ["A", "B"], "Genres")
    mesh = figure.axes[1].collections[0]
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], [0, 0.75, 1.5, 3.0])
    np.testing.assert_allclose(mesh.get_array(), PROBABILITIES.T)
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["A", "B"]


def test_bitrates_are_on_a_logarithmic_axis():
    axes = plots.genres.bitrate_curves({"linear": BITRATES}, {"mfcc_svm": (0.7, 0.6, 0.8)}, 0.125, "Bitrates").axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[3.0, 0.6], [0.8, 0.5], [0.1, 0.2]])
    np.testing.assert_allclose(axes.collections[0].get_segments()[0], [[3.0, 0.5], [3.0, 0.7]])
    assert axes.get_xscale() == "log" and [label.get_text() for label in axes.get_xticklabels()] == ["3", "0.8", "0.1"]
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert labels == {"linear", "mfcc_svm: 70% (60% to 80%)", "most frequent genre"}
