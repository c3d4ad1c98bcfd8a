"""Figures of the codec's insides: axes in seconds and kHz, one line a codec."""

import numpy as np
import pandas as pd

from fmalib.plots import coding


def test_levels_have_units():
    figure = coding.levels(np.arange(12).reshape(3, 4), 0.5, 100.0, "levels")
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("time / s", "frequency / kHz", "levels")
    image = axes.images[0]
    assert list(image.get_extent()) == [0, 1.5, 0, 0.4]
    np.testing.assert_allclose(image.get_array(), np.log2(1 + np.arange(12).reshape(3, 4).T))
    assert [text.get_text() for text in bar.get_yticklabels()] == ["0", "1", "3", "7"]


def test_savings_have_a_line_for_each_codec():
    table = pd.DataFrame(
        {"codec": ["a", "a", "b", "b"], "bits_per_coefficient": [0.5, 2, 0.5, 2], "bytes_percent": [-1, -2, 3, 4]}
    )
    axes = coding.savings(table, "savings").axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    assert [line.get_ydata().tolist() for line in lines[:2]] == [[-1, -2], [3, 4]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.5", "2"]
    assert axes.get_ylabel() == "bytes, against no learning / %"
