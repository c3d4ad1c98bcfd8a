import numpy as np
import pandas as pd
import pytest

from fmalib import plots
from fmalib.codec import coders

RATES = pd.DataFrame(
    {
        "codec": ["A", "A", "B", "silence"],
        "nominal_kbps": [8.0, 16.0, 8.0, None],
        "real_kbps": [8.1, 16.2, None, None],
        "spectral_rmse": [0.5, 0.2, 0.7, 1.2],
        "spectral_rmse_ci95": [[0.4, 0.6], [0.1, 0.3], None, [1.0, 1.4]],
        "relative_rmse": [0.25, 0.1, 0.35, 0.6],
        "log_spectral_distance_db": [9.0, 5.0, 12.0, 60.0],
        "log_spectral_distance_db_ci95": [[8.0, 10.0], [4.0, 6.0], None, [55.0, 65.0]],
    }
)
RELATIVE = coders.PUBLISHED.assign(autoencoder=coders.PUBLISHED["autoencoder"] / 2)
FIGURES = {
    "errors": lambda: plots.codec.errors({"a": (0.5, (0.4, 0.6)), "b": (0.1, None)}, "spectral RMSE", "Errors"),
    "rate_distortion": lambda: plots.codec.rate_distortion(RATES, "Error over bitrate", published=RELATIVE),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_and_units_and_is_written(check_figure, name):
    check_figure(FIGURES[name]())


def lines_of(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_bitrates_are_real_where_there_are_bytes():
    upper, lower = (lines_of(axes) for axes in plots.codec.rate_distortion(RATES, "t").axes)
    np.testing.assert_allclose(upper["A"], [[8.1, 0.25], [16.2, 0.1]])
    np.testing.assert_allclose(upper["B"], [[8.0, 0.35]])
    np.testing.assert_allclose(upper["silence"][:, 1], 0.6)  # no bitrate, so a horizontal line
    np.testing.assert_allclose(lower["A"], [[8.1, 9.0], [16.2, 5.0]])
    np.testing.assert_allclose(lower["silence"][:, 1], 60.0)
    assert list(upper) == list(lower) == ["A", "B", "silence"]


def test_intervals_are_relative_to_silence_too():
    upper, lower = plots.codec.rate_distortion(RATES, "t").axes
    shaded = [[band.get_paths()[0].get_extents().intervaly for band in axes.collections] for axes in (upper, lower)]
    np.testing.assert_allclose(shaded[0], [[0.05, 0.3], [0.35, 0.35]])  # silence scores 2
    np.testing.assert_allclose(shaded[1], [[4.0, 10.0], [12.0, 12.0]])


def test_published_errors_are_drawn_above_only_and_as_given():
    upper, lower = (lines_of(axes) for axes in plots.codec.rate_distortion(RATES, "t", published=RELATIVE).axes)
    label = "2019: autoencoder\n(its silence assumed)"
    np.testing.assert_allclose(upper[label], RELATIVE[["nominal_kbps", "autoencoder"]])
    assert len(upper["2019: downsampling\n(its silence assumed)"]) == 4  # 0 is not on a logarithmic axis
    assert list(lower) == ["A", "B", "silence"]
