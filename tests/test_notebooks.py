"""All notebooks' form; 01 and 03 executed small, as a user would: by the papermill command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import OPTIONS, REPOSITORY, SMALL, check_executed, papermill

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))
COMMON = {"dataset", "data_dir", "out_dir", "seed", "quick"}
KEYS_03 = {
    "dataset", "genres", "n_train_tracks", "n_test_tracks", "latent", "accuracy_segment", "accuracy_vote",
    "accuracy_vote_ci95", "macro_f1", "accuracy_shuffled", "accuracy_mfcc_svm", "train_seconds", "seed", "systems",
}
KEYS_SYSTEM = {"accuracy_segment", "accuracy_vote", "accuracy_vote_ci95", "macro_f1", "n_parameters", "seconds"}
FEW = ["-p", "systems", "latent_linear", "-p", "leaky", ""]


def test_there_are_notebooks():
    assert {f"{name}.ipynb" for name in ("01_data", "02_autoencoder", "03_classifier", "04_latent_space", "05_compression")} <= {path.name for path in NOTEBOOKS}


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


@pytest.mark.parametrize("name", ["01_data", "03_classifier"])
def test_the_notebook_runs(executed, name):
    check_executed(executed, f"{name}.ipynb")


def test_metrics_of_the_classifier(executed):
    metrics = json.loads((executed("03_classifier.ipynb") / "metrics.json").read_text())
    assert set(metrics) >= KEYS_03
    assert metrics["n_train_tracks"] == 16 and metrics["n_test_tracks"] == 16 and len(metrics["genres"]) == 8
    low, high = metrics["accuracy_vote_ci95"]
    assert 0 <= low <= metrics["accuracy_vote"] <= high <= 1
    # Two training tracks a genre teach nobody much: what the systems reach is for tests of their own.
    asked = OPTIONS["03_classifier.ipynb"][-1].split(",")
    assert metrics["system"] == asked[0] and set(metrics["systems"]) == {*asked, f"shuffled_{asked[0]}", "mfcc_svm", "majority"}
    for summary in metrics["systems"].values():
        assert KEYS_SYSTEM <= set(summary)
        low, high = summary["accuracy_vote_ci95"]
        assert 0 <= low <= summary["accuracy_vote"] <= high <= 1 and 0 <= summary["accuracy_segment"] <= 1
    assert metrics["systems"][asked[0]]["accuracy_vote"] == metrics["accuracy_vote"]
    assert metrics["systems"]["majority"]["accuracy_vote"] == metrics["accuracy_majority"] == 1 / 8
    assert set(metrics["accuracy_leaky_random70"]) == {"mfcc_svm"}
    assert metrics["vote_curves"][asked[0]]["k"] == [1, 2, 3, 4, 5]


def test_the_classifier_that_the_notebook_kept_names_a_genre(executed, synth_data):
    out = executed("03_classifier.ipynb")
    song = synth_data.root / synth_data.tracks["path"].iloc[0]
    command = [sys.executable, "-m", "fmalib", "classify", str(song), "--model", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"  {genre} " in done.stdout for genre in synth_data.genres) and "nothing else" in done.stdout


def test_a_second_run_repeats_the_metrics_and_trains_nothing(executed, tmp_path):
    first = executed("03_classifier.ipynb")
    runs = Path(os.environ["FMALIB_RUNS"])
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*.keras")}
    # From inside notebooks/, which must make no difference.
    status, log, text = papermill(
        "03_classifier.ipynb", tmp_path, *SMALL, *OPTIONS["03_classifier.ipynb"], cwd=REPOSITORY / "notebooks"
    )
    assert status == 0, log[-3000:]
    assert (tmp_path / "metrics.json").read_text() == (first / "metrics.json").read_text()
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.keras")} == before
    assert text.count(" found: ") == 2 and " trained: " not in text and "Decoding" not in text


@pytest.mark.parametrize(
    "options, message",
    [
        (["-p", "latnt", "64"], "No such parameter"),
        (["-p", "latent", "0", *SMALL], "Received: latent=0"),
        (["-p", "segments", "0"], "Received: segments=0"),
        (["-p", "systems", "latent_finetuned,cnnn"], "Received: 'cnnn'"),
        (["-p", "systems", "majority"], "must name one that learns"),
        (["-p", "encoder", "sparse"], "Received: model='sparse'"),
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
        "03_classifier.ipynb", tmp_path, "-p", "dataset", str(genre_folder), "-p", "sample_rate", "8000", "-p", "quick", "True",
        *FEW,
    )
    assert status == 0, log[-3000:]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["genres"] == ["High", "Low"] and "10 artists carry no accuracy claim" in text


def test_real_music(real_music, tmp_path):
    status, log, text = papermill(
        "03_classifier.ipynb", tmp_path, "-p", "dataset", "fma_small", "-p", "data_dir", str(real_music),
        "-p", "quick", "True", "-p", "domain", "frequency", "-p", "encoder", "sparse", "-p", "latent", "64",
        "-p", "systems", "latent_linear,latent_frozen",
    )
    assert status == 0, log[-3000:]
    assert "artists carry no accuracy claim" in text
    assert set(json.loads((tmp_path / "metrics.json").read_text())) >= KEYS_03
