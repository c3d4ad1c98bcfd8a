import pytest
from helpers import tone

from fmalib import plots
from fmalib.data import datasets

CLIPS = {"low": tone(200), "high": tone(2000), "middle": tone(700)}
FIGURES = {
    "split_counts": lambda folder: plots.audio.split_counts(datasets.load(str(folder))),
    "waveforms": lambda folder: plots.audio.waveforms(CLIPS, 8000, "Clips"),
    "spectrograms": lambda folder: plots.audio.spectrograms(CLIPS, 8000, "Clips"),
    "spectrograms with a gap": lambda folder: plots.audio.spectrograms(CLIPS | {"none": None}, 8000, "Clips", columns=3),
    "panel": lambda folder: plots.audio.panel(CLIPS["low"], CLIPS["high"], 8000, "Panel"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_and_units_and_is_written(genre_folder, check_figure, name):
    check_figure(FIGURES[name](genre_folder))


def test_spectrograms_share_one_colour_scale():
    figure = plots.audio.spectrograms({"loud": tone(440), "soft": 0.1 * tone(440)}, 8000, "Levels")
    meshes = [axes.collections[0] for axes in figure.axes[:2]]
    assert [mesh.get_clim() for mesh in meshes] == [(-80, 0)] * 2
    peaks = [float(mesh.get_array().max()) for mesh in meshes]
    assert peaks[0] == pytest.approx(0, abs=1e-3) and peaks[1] == pytest.approx(-20, abs=0.1)


def test_a_missing_sound_leaves_its_label():
    figure = plots.audio.spectrograms({"a": tone(440), "no such pair": None}, 8000, "Gap")
    assert not figure.axes[1].axison and figure.axes[1].texts[0].get_text() == "no such pair"
