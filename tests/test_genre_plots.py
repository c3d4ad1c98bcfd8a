import numpy as np
import pandas as pd
import pytest
from conftest import tone
from matplotlib.image import imread

from fmalib import genre_plots, plots

CURVE = pd.DataFrame({"majority": [0.3, 0.5], "mean": [0.3, 0.6], "low": [0.2, 0.4], "high": [0.4, 0.6]}, index=[1, 2])
ARTISTS = pd.DataFrame({"share": [0.5, 1.0], "accuracy": [0.3, 0.5], "low": [0.2, 0.4], "high": [0.4, 0.6]})
SAID = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])
FIGURES = {
    "confusion": lambda: genre_plots.confusion([0, 1, 1], [0, 0, 1], ["A", "B", "C"], "Confusion"),
    "accuracies": lambda: genre_plots.accuracies({"a": (0.5, 0.4, 0.6), "b": (0.9, 0.8, 1.0)}, 0.125, "Accuracy"),
    "genre_scores": lambda: genre_plots.genre_scores([0.5, None], ["A", "B"], "F1"),
    "vote_curves": lambda: genre_plots.vote_curves({"a": CURVE, "b": CURVE}, 0.125, "Votes"),
    "artist_curves": lambda: genre_plots.artist_curves({"a": ARTISTS}, 0.125, "Artists"),
    "calibration": lambda: genre_plots.calibration({"before": SAID, "after": SAID}, [0, 1, 1], "Calibration"),
    "genres_over_time": lambda: genre_plots.genres_over_time(tone(440), 8000, np.arange(3.0), SAID, ["A", "B"], "Genres"),
    "one segment": lambda: genre_plots.genres_over_time(tone(440), 8000, np.array([1.5]), SAID[:1], ["A", "B"], "Genres"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_and_units_and_is_written(tmp_path, name):
    figure = FIGURES[name]()
    assert figure.axes[0].get_title()
    assert any(axes.get_xlabel() for axes in figure.axes)
    path = tmp_path / f"{name}.png"
    plots.save(figure, path, "a note")
    pixels = imread(path)
    assert min(pixels.shape[:2]) > 100 and np.ptp(pixels[..., :3]) > 0.5


def test_the_confusion_matrix_counts_by_true_genre():
    figure = genre_plots.confusion([0, 1, 1, 1], [0, 0, 1, 1], ["A", "B"], "Confusion")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "0", "1", "2"]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[1, 0], [1 / 3, 2 / 3]])


def test_genres_over_time_reach_from_end_to_end():
    figure = genre_plots.genres_over_time(tone(440), 8000, np.array([0.5, 1.0, 2.0]), SAID, ["A", "B"], "Genres")
    mesh = figure.axes[1].collections[0]
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], [0, 0.75, 1.5, 3.0])
    np.testing.assert_allclose(mesh.get_array(), SAID.T)
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["A", "B"]
