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
    }
)
FIGURES = {
    "errors": lambda: plots.codec.errors({"a": (0.5, (0.4, 0.6)), "b": (0.1, None)}, "spectral RMSE", "Errors"),
    "rate_distortion": lambda: plots.codec.rate_distortion(RATES, "Error over bitrate", published=coders.PUBLISHED),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_and_units_and_is_written(check_figure, name):
    check_figure(FIGURES[name]())


def test_bitrates_are_real_where_there_are_bytes():
    lines = {line.get_label(): line.get_xydata() for line in plots.codec.rate_distortion(RATES, "t").axes[0].lines}
    np.testing.assert_allclose(lines["A"], [[8.1, 0.5], [16.2, 0.2]])
    np.testing.assert_allclose(lines["B"], [[8.0, 0.7]])
    np.testing.assert_allclose(lines["silence"][:, 1], 1.2)  # no bitrate, so a horizontal line
    assert list(lines) == ["A", "B", "silence"]
