"""The notebook of the codec's network, executed small: weights that code files, and bytes that are counted."""

import json

import numpy as np
import pytest
from helpers import check_executed, check_refused, tone

import fmalib.codec
from fmalib.codec import bitstream, integer_network

NAME = "07_codec.ipynb"


def test_the_notebook_runs(executed):
    check_executed(executed, NAME)


def test_metrics_and_weights_of_the_small_run(executed):
    out = executed(NAME)
    metrics = json.loads((out / "metrics.json").read_text())
    rows = metrics["rows"]
    assert {row["codec"] for row in rows} == {"package", "trained here"}
    assert len(rows) == 2 * 3 * metrics["n_test_clips"]
    assert {row["bits_per_coefficient"] for row in rows} == {0.5, 1, 3}
    for row in rows:
        assert abs(row["error_db"]) < 1.5
        assert -40 < row["bytes_percent"] < 100
    assert {path.stem for path in (out / "figures").iterdir()} == {"levels", "loss", "savings"}
    network = integer_network.load(out / "weights.npz")
    audio = tone(440, 1.0)
    data = fmalib.codec.encode(audio, 8000, 16, model=str(out / "weights.npz"))
    assert bitstream.read_header(data).model_hash == network.digest
    assert np.sqrt(np.mean((fmalib.codec.decode(data)[0] - audio) ** 2)) < 0.05


@pytest.mark.parametrize(
    "options, message",
    [
        (["-p", "profile", "loud"], "Received: profile='loud'"),
        (["-p", "music", "nowhere", "-p", "quick", "True", "-p", "tracks_per_genre", "6"], "must be a folder with sound files"),
    ],
)
def test_wrong_parameters_fail_with_one_clear_error(tmp_path, options, message):
    check_refused(NAME, tmp_path, options, message)
