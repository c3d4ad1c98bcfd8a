"""Executes every notebook small, as a user would: by the papermill command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))
COMMON = {"dataset", "data_dir", "out_dir", "seed", "quick"}
SMALL = ["-p", "quick", "True", "-p", "tracks_per_genre", "6"]
KEYS_03 = {
    "dataset", "genres", "n_train_tracks", "n_test_tracks", "latent", "accuracy_segment", "accuracy_vote",
    "accuracy_vote_ci95", "macro_f1", "accuracy_shuffled", "accuracy_mfcc_svm", "train_seconds", "seed",
}


KEYS_02 = {
    "spectral_rmse", "downsample_rmse", "pca_rmse", "silence_rmse", "nominal_kbps", "compression_ratio", "latent_shape",
    "n_parameters", "n_test_clips", "train_seconds",
}
KEYS_05 = {
    "codec", "latent", "nominal_kbps", "real_kbps", "spectral_rmse", "magnitude_rmse", "log_spectral_distance_db", "si_sdr_db",
    "n_clips", "section",
}


def papermill(name, out, *options, cwd=REPOSITORY):
    """Runs a notebook; returns (exit status, what it printed, outputs as text)."""
    out.mkdir(parents=True, exist_ok=True)
    source = os.path.relpath(REPOSITORY / "notebooks" / name, cwd)
    command = [sys.executable, "-m", "papermill", source, str(out / name), "-p", "out_dir", str(out), *options]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout + done.stderr, text_of(out / name)


def text_of(path):
    """Returns everything that an executed notebook printed."""
    if not path.exists():
        return ""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Returns a function that executes a notebook small, once, and returns its output folder."""
    done = {}

    def execute(name):
        if name not in done:
            out = tmp_path_factory.mktemp("notebooks") / Path(name).stem
            status, log, _ = papermill(name, out, *SMALL)
            assert status == 0, log[-3000:]
            done[name] = out
        return done[name]

    return execute


def test_there_are_notebooks():
    assert {f"{name}.ipynb" for name in ("01_data", "02_autoencoder", "03_classifier", "05_compression")} <= {path.name for path in NOTEBOOKS}


def test_pairs_are_in_sync_and_free_of_outputs():
    done = subprocess.run([sys.executable, "notebooks/pair.py", "--check"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, 4).cells:
            assert not cell.get("outputs") and cell.get("execution_count") is None


def test_the_check_sees_a_difference(tmp_path):
    import shutil

    shutil.copytree(REPOSITORY / "notebooks", tmp_path / "notebooks")
    notebook = tmp_path / "notebooks" / "01_data.ipynb"
    notebook.write_text(notebook.read_text().replace("What is in the data set", "What is this"))
    check = [sys.executable, str(tmp_path / "notebooks" / "pair.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 1 and "01_data.ipynb" in done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cells_are_in_order(path):
    cells = nbformat.read(path, 4).cells
    assert cells[0].source.startswith("# ") and cells[0].source.count("\n- ") == 3
    assert "google.colab" in cells[1].source
    assert cells[2].metadata.tags == ["parameters"]
    names = {line.split(" = ")[0] for line in cells[2].source.splitlines()}
    assert names >= COMMON
    for line in cells[2].source.splitlines():
        code, comment = line.split("  # ")
        assert "=" not in comment and comment
    assert "notebook.start(get_ipython())" in cells[3].source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs(executed, path):
    out = executed(path.name)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["dataset"] == "synth" and "nothing else" in metrics["note"]
    assert len(list((out / "figures").glob("*.png"))) >= 3
    assert list((out / "audio").glob("*.wav"))
    cells = nbformat.read(out / path.name, 4).cells
    assert not [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert "WARNING" not in text_of(out / path.name)
    assert "nothing else" in cells[-1].outputs[0].text


def test_metrics_of_the_classifier(executed):
    metrics = json.loads((executed("03_classifier.ipynb") / "metrics.json").read_text())
    assert set(metrics) >= KEYS_03
    assert metrics["n_train_tracks"] == 16 and metrics["n_test_tracks"] == 16 and len(metrics["genres"]) == 8
    low, high = metrics["accuracy_vote_ci95"]
    assert 0 <= low <= metrics["accuracy_vote"] <= high <= 1
    # Two training tracks a genre teach nobody much: what the systems reach is for tests of their own.
    assert all(0 <= metrics[key] <= 1 for key in metrics if key.startswith("accuracy") and "ci95" not in key)


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
    assert error["ours: sparse words", 256] < 0.5 * error["PCA of MDCT frames", 256]
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


def test_a_second_run_repeats_the_metrics_and_trains_nothing(executed, tmp_path):
    first = executed("03_classifier.ipynb")
    runs = Path(os.environ["FMALIB_RUNS"])
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*.keras")}
    # From inside notebooks/, which must make no difference.
    status, log, text = papermill("03_classifier.ipynb", tmp_path, *SMALL, cwd=REPOSITORY / "notebooks")
    assert status == 0, log[-3000:]
    assert (tmp_path / "metrics.json").read_text() == (first / "metrics.json").read_text()
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.keras")} == before
    assert text.count(" found: ") == 3 and " trained: " not in text and "Decoding" not in text


@pytest.mark.parametrize(
    "options, message",
    [
        (["-p", "latnt", "64"], "No such parameter"),
        (["-p", "latent", "0", *SMALL], "Received: latent=0"),
        (["-p", "segments_per_track", "0"], "Received: segments_per_track=0"),
        (["-p", "dataset", "fma_small", "-p", "data_dir", "nowhere"], "nowhere does not exist"),
    ],
)
def test_wrong_parameters_fail_with_one_clear_error(tmp_path, options, message):
    status, log, _ = papermill("03_classifier.ipynb", tmp_path, *options)
    assert status != 0
    assert message in log
    assert not (tmp_path / "metrics.json").exists()


def test_a_folder_of_genres(genre_folder, tmp_path):
    status, log, text = papermill(
        "03_classifier.ipynb", tmp_path, "-p", "dataset", str(genre_folder), "-p", "sample_rate", "8000", "-p", "quick", "True"
    )
    assert status == 0, log[-3000:]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["genres"] == ["High", "Low"] and "10 artists carry no accuracy claim" in text


def test_real_music(real_music, tmp_path):
    status, log, text = papermill(
        "03_classifier.ipynb", tmp_path, "-p", "dataset", "fma_small", "-p", "data_dir", str(real_music),
        "-p", "sample_rate", "16000", "-p", "quick", "True",
    )
    assert status == 0, log[-3000:]
    assert "artists carry no accuracy claim" in text
    assert set(json.loads((tmp_path / "metrics.json").read_text())) >= KEYS_03
