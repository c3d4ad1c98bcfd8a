"""The notebooks of the compression study, executed small; in a file of their own, so that two workers share the notebooks."""

import json

import pytest
from conftest import SMALL, check_executed, papermill

KEYS_02 = {
    "spectral_rmse", "downsample_rmse", "pca_rmse", "silence_rmse", "nominal_kbps", "compression_ratio", "latent_shape",
    "n_parameters", "n_test_clips", "train_seconds",
}
KEYS_05 = {
    "codec", "latent", "nominal_kbps", "real_kbps", "spectral_rmse", "magnitude_rmse", "log_spectral_distance_db", "si_sdr_db",
    "n_clips", "section",
}


@pytest.mark.parametrize("name", ["02_autoencoder", "05_compression"])
def test_the_notebook_runs(executed, name):
    check_executed(executed, f"{name}.ipynb")


def test_metrics_of_the_autoencoder(executed):
    metrics = json.loads((executed("02_autoencoder.ipynb") / "metrics.json").read_text())
    assert set(metrics) >= KEYS_02
    assert metrics["latent_shape"] == [126, 64] and metrics["nominal_kbps"] == 15.75
    assert metrics["compression_ratio"] == pytest.approx(65_536 / (126 * 64))
    # Two epochs are no training to speak of; what needs none is in its place.
    assert 0 < metrics["pca_rmse"] < metrics["silence_rmse"] and 0 < metrics["downsample_rmse"] < metrics["silence_rmse"]


def test_metrics_of_the_compression_study(executed):
    metrics = json.loads((executed("05_compression.ipynb") / "metrics.json").read_text())
    rows = metrics["rows"]
    assert all(set(row) >= KEYS_05 for row in rows)
    assert {row["section"] for row in rows} == {"sweep", "families", "losses", "demo"}
    sweep = [row for row in rows if row["section"] == "sweep"]
    error = {(row["codec"], row["latent"]): row["spectral_rmse"] for row in sweep}
    assert error["ours: sparse words", 32] < 0.7 * error["PCA of MDCT frames", 32]
    for row in sweep:
        has_bytes = row["codec"] in ("MP3", "Opus", "ours: sparse words")
        assert (row["real_kbps"] is not None) == has_bytes
    silent = [row for row in sweep if row["codec"] == "silence"]
    assert len(silent) == 1 and silent[0]["nominal_kbps"] is None and silent[0]["si_sdr_db"] is None
    slowest = min(row["asked_kbps"] for row in rows if row["section"] == "demo" and row["codec"] != "Words")
    assert slowest == 8  # neither MP3 nor Opus goes lower, and nothing says they do


def test_an_autoencoder_that_does_not_exist_is_an_error(tmp_path):
    status, log, _ = papermill("02_autoencoder.ipynb", tmp_path, *SMALL, "-p", "domain", "time", "-p", "model", "deep")
    assert status != 0 and "In the time domain, model must be one of study. Received: model='deep'" in log
