import numpy as np
import pandas as pd
import pytest

from fmalib import plots

HISTORY = pd.DataFrame({"loss": [3.0, 2.0], "val_loss": [3.5, 2.5]})
IMAGES = {"a": np.eye(4), "b": -np.ones((4, 4)), "c": np.zeros((4, 4))}
NOISE = np.random.default_rng(0)
FIGURES = {
    "learning_curves": lambda: plots.autoencoders.learning_curves({"a": HISTORY, "b": HISTORY}, "loss", "Loss", "loss"),
    "latents": lambda: plots.autoencoders.latents(IMAGES, 1.5, "Latents"),
    "silent latent": lambda: plots.autoencoders.latents({"a": np.zeros((4, 4))}, 1.5, "Latents", columns=1),
    "genre_latents": lambda: plots.autoencoders.genre_latents(np.array([[0.0, 1.0], [2.0, -1.0]]), ["A", "B"], "Genres"),
    "filter_bank": lambda: plots.autoencoders.filter_bank(np.abs(NOISE.normal(size=(8, 16))), 4000, "Filters"),
    "filter_patches": lambda: plots.autoencoders.filter_patches(NOISE.normal(size=(5, 5, 2, 8)), "Filters"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_and_units_and_is_written(check_figure, name):
    check_figure(FIGURES[name]())


def test_one_epoch_is_drawn_as_points():
    figure = plots.autoencoders.learning_curves({"a": HISTORY[:1]}, "loss", "Loss", "loss")
    assert [line.get_marker() for line in figure.axes[0].lines] == ["o", "o"]


@pytest.mark.parametrize("images, limits", [(IMAGES, (-1, 1)), ({"a": np.eye(4)}, (0, 1))])
def test_latents_share_one_colour_scale(images, limits):
    figure = plots.autoencoders.latents(images, 1.5, "Latents")
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(shown) == len(images) and {image.get_clim() for image in shown} == {limits}
    assert all(image.get_extent() == [0, 1.5, -0.5, 3.5] for image in shown)


def test_a_filter_bank_is_in_order_of_peaks():
    figure = plots.autoencoders.filter_bank(np.eye(5)[[3, 0, 4, 1, 2]], 4000, "Filters")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array().argmax(axis=0), range(5))


def test_patches_of_a_filter_stand_below_one_another():
    kernels = np.zeros((3, 4, 2, 5))
    kernels[0, 1, 1, 2] = 1.0
    figure = plots.autoencoders.filter_patches(kernels, "Filters")
    images = [axes.images[0].get_array() for axes in figure.axes[:10]]
    assert [np.abs(image).max() for image in images] == [0] * 7 + [1, 0, 0] and images[7][1, 0] == 1
    assert [axes.get_ylabel() for axes in figure.axes[:10:5]] == ["real\nbin", "imaginary\nbin"]
