"""Results of many runs as one table: exact values of two runs of notebook 03, one of 02, and files that are no results."""

import json
import logging
import os

import pandas as pd
import pytest

from fmalib import __main__ as command
from fmalib import runs

NOTE = "Synthetic results prove little."
ABOUT = {"dataset": "songs", "fingerprint": "0123456789abcdef", "domain": "time", "encoder": "study", "latent": 32}
ABOUT |= {"sample_rate_hz": 8000, "n_test_tracks": 40, "genres": ["High", "Low"]}


def metrics(seed, **accuracies):
    """Returns metrics of notebook 03 with some systems, the first of which is the chosen one."""
    systems = {
        name: {"accuracy_vote": value, "accuracy_vote_ci95": [value - 0.1, None], "macro_f1": value / 2, "seconds": 10.0 + seed}
        for name, value in accuracies.items()
    }
    chosen = next(iter(systems))
    return ABOUT | {"seed": seed, "system": chosen, **systems[chosen], "systems": systems}


def write(folder, content):
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture
def results(tmp_path):
    """A folder of three runs: two seeds of notebook 03, one of 02."""
    write(tmp_path / "small" / "seed_0", metrics(0, cnn=0.5, mfcc_svm=0.75))
    write(tmp_path / "small" / "seed_1", metrics(1, cnn=0.7, mfcc_svm=0.75))
    write(tmp_path / "02_autoencoder", {"dataset": "synth", "seed": 3, "spectral_rmse": 0.25, "note": NOTE})
    return tmp_path


BROKEN = {
    "cut": ('{"dataset": "songs"', "damaged: "),
    "empty": ("", "damaged: "),
    "deep": ("[" * 100_000, "damaged: "),
    "list": ("[1, 2]", "dataset is not named"),
    "foreign": ('{"loss": 0.1}', "dataset is not named"),
    "systems": ('{"dataset": "x", "systems": [1]}', "its systems have other keys"),
    "keys": ('{"dataset": "x", "systems": {"cnn": {"accuracy_vote": 1}}}', "its systems have other keys"),
    "seeds": ('{"dataset": "x", "seed": [0]}', "a list where one value is expected"),
    "text": (json.dumps(metrics(0, cnn=0.5) | {"n_test_tracks": "40"}), "text where a number is expected"),
}


def test_a_row_for_each_run(results):
    table = runs.gather(results)
    assert table["folder"].tolist() == ["02_autoencoder", "small/seed_0", "small/seed_1"]
    assert table["dataset"].tolist() == ["synth", "songs", "songs"]
    assert table["seed"].tolist() == [3, 0, 1] and table["seed"].dtype == "Int64"
    assert table["accuracy_vote"].iloc[1:].tolist() == [0.5, 0.7] and pd.isna(table["accuracy_vote"].iloc[0])
    assert table["accuracy_vote_low"].iloc[1:].tolist() == [0.4, 0.7 - 0.1]
    assert table["latent"].iloc[1:].tolist() == [32, 32] and table["latent"].dtype == "Int64"
    assert "genres" not in table and "systems" not in table


def test_a_row_for_each_system(results):
    table = runs.gather(results, systems=True)
    assert list(table) == [
        "folder", "dataset", "fingerprint", "seed", "domain", "encoder", "latent", "rate_hz", "system",
        "accuracy_vote", "low", "high", "macro_f1", "n_test", "seconds",
    ]  # fmt: skip
    first = ["small/seed_0", "songs", "0123456789abcdef", 0, "time", "study", 32, 8000, "cnn", 0.5, 0.4]
    assert table.iloc[0, :11].tolist() == first
    assert pd.isna(table["high"]).all() and table.iloc[0, 12:].tolist() == [0.25, 40, 10.0]
    assert list(zip(table["seed"], table["system"])) == [(0, "cnn"), (0, "mfcc_svm"), (1, "cnn"), (1, "mfcc_svm")]


def test_means_and_deviations_over_seeds(results):
    write(results / "other" / "seed_0", metrics(0, cnn=0.9))
    table = runs.over_seeds(runs.gather(results, systems=True)).set_index(["folder", "system"])
    assert list(table.index) == [("other", "cnn"), ("small", "cnn"), ("small", "mfcc_svm")]
    assert table["seeds"].tolist() == [1, 2, 2]
    assert table["accuracy_vote"].tolist() == pytest.approx([0.9, 0.6, 0.75])
    assert table["deviation"].iloc[1:].tolist() == pytest.approx([0.02**0.5, 0])  # of a sample: sqrt(2 * 0.1 ** 2 / 1)
    assert pd.isna(table["deviation"].iloc[0])
    assert table["seconds"].tolist() == [10, 10.5, 10.5]


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_result_is_named_and_the_others_stay(results, caplog, name):
    content, reason = BROKEN[name]
    write(results / "broken", content)
    with caplog.at_level(logging.WARNING):
        assert len(runs.gather(results)) == 3
    (record,) = caplog.records
    assert str(results / "broken" / "metrics.json") in record.getMessage() and reason in record.getMessage()


def test_the_command(results, capsys):
    csv, html = results / "new" / "runs.csv", results / "runs.html"
    assert command.main(["runs", str(results), "--systems", "--csv", str(csv), "--html", str(html)]) == 0
    out, err = capsys.readouterr()
    header, first, *others, note = out.splitlines()
    assert not err and len(others) == 3 and note == NOTE
    assert header.split()[:3] == ["folder", "dataset", "fingerprint"] and "high" not in header  # empty columns are not shown
    assert first.split()[:5] == ["small/seed_0", "songs", "01234567", "0", "time"]
    assert first.split()[5:] == ["study", "32", "8000", "cnn", "0.500", "0.400", "0.250", "40", "10.000"]
    kept = pd.read_csv(csv)
    pd.testing.assert_frame_equal(kept, runs.gather(results, systems=True).astype(kept.dtypes), check_exact=True)
    page = html.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and page.count("<tr") == 5 and "<td>0123456789abcdef</td>" in page


def test_missing_values_are_empty_and_notes_stand_below(results, capsys):
    assert command.main(["runs", str(results)]) == 0
    header, autoencoder, *classifiers, note = capsys.readouterr().out.splitlines()
    assert autoencoder.split() == ["02_autoencoder", "synth", "3", "0.250"] and note == NOTE
    assert len({len(line) for line in (header, autoencoder, *classifiers)}) == 1 and "NA" not in header + autoencoder


def test_the_command_names_what_is_no_result(results, capsys):
    write(results / "broken\n\x1b[31m", "{")
    write(results / "strange", {"dataset": "<b>\x1b[31m\ud800", "seed": 10**30, "folder": "elsewhere", "fingerprint": 7})
    os.mkdir(results / "small" / "metrics.json")
    assert command.main(["runs", str(results), "--html", str(results / "a.html"), "--csv", str(results / "a.csv")]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 6 and "\x1b" not in out + err
    lines = err.splitlines()
    assert len(lines) == 2 and all(line.startswith("error: ") for line in lines)
    assert "broken\\n\\x1b[31m/metrics.json: damaged" in lines[0] and lines[1].endswith("metrics.json: not a file")
    assert "&lt;b&gt;" in (results / "a.html").read_text(encoding="utf-8")
    assert "strange" in out and "elsewhere" not in out


@pytest.mark.parametrize("name, problem", [("", "no metrics.json below"), ("none", "no such folder")])
def test_without_runs_the_command_says_so(tmp_path, capsys, name, problem):
    assert command.main(["runs", str(tmp_path / name)]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert not out and line.startswith("error: ") and problem in line and line.endswith(f"Received: folder='{tmp_path / name}'")


def test_a_table_that_cannot_be_written_is_one_line(results, capfd):
    blocked = results / "file"
    blocked.write_text("")
    assert command.main(["runs", str(results), "--csv", str(blocked / "runs.csv")]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: the output cannot be written: ")
