"""`fmalib report` by its exit status, what it prints and what it writes, with a stand-in for papermill."""

import subprocess

import papermill
import pytest
from helpers import REPOSITORY

from fmalib import __main__ as command


@pytest.fixture
def run(notebooks, tmp_path, executor, monkeypatch):
    """A function of arguments that runs the command on two small notebooks."""
    monkeypatch.setattr(papermill, "execute_notebook", executor)
    places = ["--notebooks", str(notebooks), "--out", str(tmp_path / "out")]
    return lambda *arguments: command.main(["report", *map(str, arguments), *places])


def test_a_report_of_all_notebooks(run, executor, tmp_path, capsys):
    (tmp_path / "music").mkdir()
    given = {"dataset": str(tmp_path / "music")}
    assert run("-p", "dataset", given["dataset"], "-p", "width", "4") == 0
    out = tmp_path / "out"
    assert executor.parameters == {
        "01_first": given | {"out_dir": str(out / "01_first")},
        "02_second": given | {"width": "4", "out_dir": str(out / "02_second")},
    }
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["[1/2] 01_first", "[2/2] 02_second", "Report"]
    assert (out / "report" / "index.html").is_file() and lines[-1] == f"Report: {out / 'report' / 'index.html'}"


def test_some_notebooks(run, executor, tmp_path):
    assert run("02_second") == 0
    assert set(executor.parameters) == {"02_second"} and not (tmp_path / "out" / "report" / "01_first.html").exists()


def test_a_failure_has_status_one_and_a_page(run, executor, tmp_path, capsys):
    executor.failing = {"01_first"}
    assert run() == 1
    assert capsys.readouterr().err == "error: 1 of 2 notebooks failed: 01_first\n"
    for page in ("index", "01_first"):
        assert "ValueError: a number is wrong" in (tmp_path / "out" / "report" / f"{page}.html").read_text()
    assert "What is second?" in (tmp_path / "out" / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "witdh", "4"], "No notebook has this parameter; there are dataset, seed, width. Received: witdh"),
        (["-p", "dataset", "fma_small"], "fma_small needs data_dir, the folder of its files. Run `python -m fmalib download"),
        (["03_third"], "No such notebook; there are 01_first, 02_second. Received: 03_third"),
    ],
)
def test_wrong_arguments_are_one_line_with_status_two(run, capsys, arguments, message):
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")


def test_outside_a_checkout_the_remedy_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["report"]) == 2
    assert "run the command in a checkout, or name their folder by --notebooks" in capsys.readouterr().err


def test_make_hands_parameters_over():
    arguments = ["DATASET=fma_small", "DATA_DIR=/my data", "NAMES=01_data"]
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "report", *arguments], cwd=REPOSITORY, capture_output=True, text=True
    )
    last = done.stdout.splitlines()[-1]
    assert last == ".venv/bin/fmalib report 01_data -p dataset 'fma_small' -p data_dir '/my data'"


def test_after_an_interrupt_the_same_command_goes_on(run, executor, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(papermill, "execute_notebook", interrupted)
    assert run() == 130
    assert capsys.readouterr() == ("", "stopped; the same command goes on\n")
    monkeypatch.setattr(papermill, "execute_notebook", executor)
    assert run() == 0
