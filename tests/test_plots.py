import numpy as np
import pandas as pd
import pytest
from conftest import tone
from matplotlib.image import imread

from fmalib import datasets, plots

CLIPS = {"low": tone(200), "high": tone(2000), "middle": tone(700)}
HISTORY = pd.DataFrame({"loss": [3.0, 2.0], "val_loss": [3.5, 2.5]})
FIGURES = {
    "split_counts": lambda folder: plots.split_counts(datasets.load(str(folder))),
    "waveforms": lambda folder: plots.waveforms(CLIPS, 8000, "Clips"),
    "spectrograms": lambda folder: plots.spectrograms(CLIPS, 8000, "Clips"),
    "learning_curves": lambda folder: plots.learning_curves({"a": HISTORY, "b": HISTORY}, "loss", "Loss", "loss"),
    "confusion": lambda folder: plots.confusion([0, 1, 1], [0, 0, 1], ["A", "B", "C"], "Confusion"),
    "accuracies": lambda folder: plots.accuracies({"a": (0.5, 0.4, 0.6), "b": (0.9, 0.8, 1.0)}, 0.125, "Accuracy"),
    "genre_scores": lambda folder: plots.genre_scores([0.5, None], ["A", "B"], "F1"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_and_units_and_is_written(genre_folder, tmp_path, name):
    figure = FIGURES[name](genre_folder)
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    assert any(titles)
    assert any(axes.get_xlabel() for axes in figure.axes)
    path = tmp_path / "figures" / f"{name}.png"
    assert plots.save(figure, path, "a note") is figure
    pixels = imread(path)
    assert min(pixels.shape[:2]) > 100 and np.ptp(pixels[..., :3]) > 0.5


def test_the_confusion_matrix_counts_by_true_genre():
    figure = plots.confusion([0, 1, 1, 1], [0, 0, 1, 1], ["A", "B"], "Confusion")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "0", "1", "2"]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[1, 0], [1 / 3, 2 / 3]])


def test_spectrograms_share_one_colour_scale():
    figure = plots.spectrograms({"loud": tone(440), "soft": 0.1 * tone(440)}, 8000, "Levels")
    meshes = [axes.collections[0] for axes in figure.axes[:2]]
    assert [mesh.get_clim() for mesh in meshes] == [(-80, 0)] * 2
    peaks = [float(mesh.get_array().max()) for mesh in meshes]
    assert peaks[0] == pytest.approx(0, abs=1e-3) and peaks[1] == pytest.approx(-20, abs=0.1)
