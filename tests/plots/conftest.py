"""Fixtures for all figures."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.image import imread

from fmalib import plots


@pytest.fixture(autouse=True)
def closed_figures():
    """Closes what a test has opened: matplotlib keeps figures, and warns of more than 20."""
    yield
    plt.close("all")


@pytest.fixture
def check_figure(tmp_path):
    """Returns a function that checks a figure's title and units, and that it is written with something in it."""

    def check(figure):
        assert any([figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)])
        assert any(axes.get_xlabel() for axes in figure.axes)
        path = tmp_path / "figures" / "figure.png"
        assert plots.style.save(figure, path, "a note") is figure
        pixels = imread(path)
        assert min(pixels.shape[:2]) > 100 and np.ptp(pixels[..., :3]) > 0.5

    return check
