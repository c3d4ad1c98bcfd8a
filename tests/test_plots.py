import numpy as np
import pandas as pd
import pytest
from conftest import tone
from matplotlib.image import imread

from fmalib import compression, datasets, plots

CLIPS = {"low": tone(200), "high": tone(2000), "middle": tone(700)}
HISTORY = pd.DataFrame({"loss": [3.0, 2.0], "val_loss": [3.5, 2.5]})
RATES = pd.DataFrame({
    "codec": ["A", "A", "B", "silence"], "nominal_kbps": [8.0, 16.0, 8.0, None], "real_kbps": [8.1, 16.2, None, None],
    "spectral_rmse": [0.5, 0.2, 0.7, 1.2], "spectral_rmse_ci95": [[0.4, 0.6], [0.1, 0.3], None, [1.0, 1.4]],
})
FIGURES = {
    "split_counts": lambda folder: plots.split_counts(datasets.load(str(folder))),
    "waveforms": lambda folder: plots.waveforms(CLIPS, 8000, "Clips"),
    "spectrograms": lambda folder: plots.spectrograms(CLIPS, 8000, "Clips"),
    "learning_curves": lambda folder: plots.learning_curves({"a": HISTORY, "b": HISTORY}, "loss", "Loss", "loss"),
    "panel": lambda folder: plots.panel(CLIPS["low"], CLIPS["high"], 8000, "Panel"),
    "spectrograms with a gap": lambda folder: plots.spectrograms(CLIPS | {"none": None}, 8000, "Clips", columns=3),
    "latents": lambda folder: plots.latents({"a": np.eye(4), "b": -np.ones((4, 4)), "c": np.zeros((4, 4))}, 1.5, "Latents"),
    "silent latent": lambda folder: plots.latents({"a": np.zeros((4, 4))}, 1.5, "Latents"),
    "genre_latents": lambda folder: plots.genre_latents(np.array([[0.0, 1.0], [2.0, -1.0]]), ["A", "B"], "Genres"),
    "filter_bank": lambda folder: plots.filter_bank(np.abs(np.random.default_rng(0).normal(size=(8, 16))), 4000, "Filters"),
    "filter_patches": lambda folder: plots.filter_patches(np.random.default_rng(0).normal(size=(5, 5, 2, 8)), "Filters"),
    "errors": lambda folder: plots.errors({"a": (0.5, (0.4, 0.6)), "b": (0.1, None)}, "spectral RMSE", "Errors"),
    "rate_distortion": lambda folder: plots.rate_distortion(RATES, "Error over bitrate", published=compression.PUBLISHED),
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


def test_spectrograms_share_one_colour_scale():
    figure = plots.spectrograms({"loud": tone(440), "soft": 0.1 * tone(440)}, 8000, "Levels")
    meshes = [axes.collections[0] for axes in figure.axes[:2]]
    assert [mesh.get_clim() for mesh in meshes] == [(-80, 0)] * 2
    peaks = [float(mesh.get_array().max()) for mesh in meshes]
    assert peaks[0] == pytest.approx(0, abs=1e-3) and peaks[1] == pytest.approx(-20, abs=0.1)
