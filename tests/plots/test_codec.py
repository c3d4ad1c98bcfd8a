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
HEARD = pd.DataFrame(
    {
        "codec": ["A", "A", "B"],
        "nominal_kbps": [8.0, 16.0, 8.0],
        "real_kbps": [8.1, 16.2, 7.9],
        "zimtohrli": [2.0, 3.0, 2.5],
        "zimtohrli_ci95": [[1.5, 2.5], [2.0, 4.0], None],
        "mel_distance": [2.0, 1.0, 1.5],
        "mel_distance_ci95": [[1.5, 2.5], [0.5, 2.0], None],
        "si_sdr_db": [9.0, None, 12.0],  # a silent reference: no panel
        "si_sdr_db_ci95": [None, None, None],
    }
)
PARTS = {
    "1 kbit/s": {"header": 264, "chunk heads": 88, "0 to 1 kHz": 352},
    "8 kbit/s": {"header": 264, "0 to 1 kHz": 264, "1 to 2 kHz": 528},
}
FIGURES = {
    "errors": lambda: plots.codec.errors({"a": (0.5, (0.4, 0.6)), "b": (0.1, None)}, "spectral RMSE", "Errors"),
    "listening": lambda: plots.codec.listening(HEARD, "Listening measures"),
    "bits": lambda: plots.codec.bits(PARTS, "Where the bits go"),
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


def test_listening_measures_that_are_there_have_a_panel():
    first, second, *rest = plots.codec.listening(HEARD, "t").axes
    assert [axes.get_ylabel() for axes in (first, second)] == ["Zimtohrli, 5 is best", "mel distance, 0 is best"]
    assert (first.get_yscale(), second.get_yscale(), first.get_xscale()) == ("linear", "log", "log")
    assert not [axes for axes in rest if axes.axison]
    np.testing.assert_allclose(lines_of(first)["A"], [[8.1, 2.0], [16.2, 3.0]])
    np.testing.assert_allclose(lines_of(second)["B"], [[7.9, 1.5]])
    assert first.get_xticks().tolist() == [8, 16]


def test_bits_are_stacked_to_one_hundred_percent():
    (axes,) = plots.codec.bits(PARTS, "t").axes
    bars = {container.get_label(): [(bar.get_x(), bar.get_width()) for bar in container] for container in axes.containers}
    assert bars["header"] == [(0, 37.5), (0, 25)]
    assert bars["chunk heads"] == [(37.5, 12.5), (25, 0)]
    assert bars["0 to 1 kHz"] == [(50, 50), (25, 25)]
    assert bars["1 to 2 kHz"] == [(100, 0), (50, 50)]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(PARTS)
