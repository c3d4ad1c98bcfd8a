"""What is executed, found, and named when it fails, with a stand-in for papermill; once with the real one."""

import dataclasses

import nbformat
import papermill
import pytest

from fmalib.report import execution
from fmalib.report.execution import Job


@pytest.fixture
def jobs(notebooks, tmp_path):
    """Two jobs; the parameters differ."""
    names = {"01_first": {"seed": 1}, "02_second": {}}
    return [Job(name, notebooks / f"{name}.ipynb", tmp_path / "out" / name, given, 60.0) for name, given in names.items()]


def run(jobs, executor):
    """Returns (records, lines)."""
    lines = []
    return execution.run_all(jobs, executor, lines.append), lines


def test_a_hint_comes_before_each_execution(jobs, executor):
    hints = []
    execution.run_all(jobs, executor, lambda line: None, hints.append)
    assert hints[0] == "[1/2] 01_first: running, about 2 min left" and len(hints) == 2
    execution.run_all(jobs, executor, lambda line: None, hints.append)
    assert len(hints) == 2


def test_one_line_a_notebook_and_nothing_twice(jobs, executor):
    records, lines = run(jobs, executor)
    assert executor.parameters["01_first"] == {"seed": 1, "out_dir": str(jobs[0].folder)}
    assert [record["error"] for record in records.values()] == [None, None]
    assert lines == ["[1/2] 01_first: done in 0 s, about 0 s left", "[2/2] 02_second: done in 0 s"]
    executor.parameters.clear()
    again, lines = run(jobs, executor)
    assert not executor.parameters and again == records
    assert lines == ["[1/2] 01_first: found, took 0 s", "[2/2] 02_second: found, took 0 s"]


def change_parameters(jobs):
    jobs[0] = dataclasses.replace(jobs[0], parameters={"seed": 2})


def change_cells(jobs):
    text = jobs[0].source.read_text()
    jobs[0].source.write_text(text.replace("1 + 1", "1 + 2"))


def change_metrics(jobs):
    (jobs[0].folder / "metrics.json").write_text("{")


def change_record(jobs):
    path = jobs[0].folder / execution.RECORD
    path.write_text(path.read_text().replace("null", '"no"'))


def lose_notebook(jobs):
    jobs[0].executed.unlink()


CHANGES = [change_parameters, change_cells, change_metrics, change_record, lose_notebook]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changed_or_is_damaged_runs_again_and_nothing_else(jobs, executor, change):
    run(jobs, executor)
    executor.parameters.clear()
    change(jobs)
    run(jobs, executor)
    assert set(executor.parameters) == {"01_first"}


def test_music_in_a_folder_counts(jobs, executor, tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.wav").write_bytes(b"a")
    jobs[0] = dataclasses.replace(jobs[0], parameters={"dataset": str(tmp_path / "music")})
    before = jobs[0].key()
    assert jobs[0].key() == before
    (tmp_path / "music" / "b.wav").write_bytes(b"b")
    assert jobs[0].key() != before


def test_code_and_versions_count(jobs, monkeypatch):
    before = jobs[0].key()
    monkeypatch.setattr(execution, "OUTSIDE", ("report", "__main__.py", "paths.py"))
    assert jobs[0].key() != before
    monkeypatch.undo()
    monkeypatch.setattr(execution, "VERSIONS", ("numpy", "no such package"))
    assert jobs[0].key() != before


def test_a_failed_notebook_does_not_stop_the_others_and_runs_again(jobs, executor):
    executor.failing = {"01_first"}
    records, lines = run(jobs, executor)
    assert records["01_first"]["error"] == "ValueError: a number is wrong" and records["02_second"]["error"] is None
    assert lines[0] == "[1/2] 01_first: FAILED: ValueError: a number is wrong, about 0 s left"
    executor.failing, executor.parameters = set(), {}
    assert run(jobs, executor)[0]["01_first"]["error"] is None and set(executor.parameters) == {"01_first"}


def test_no_metrics_is_a_failure(jobs, executor):
    def silent(source, target, **options):
        nbformat.write(nbformat.v4.new_notebook(), target)

    assert run(jobs[:1], silent)[0]["01_first"]["error"] == "the notebook has written no metrics.json"


def test_an_interrupt_stops(jobs):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(jobs, interrupted)
    assert not jobs[0].is_found()


def test_time_left_follows_the_pace(jobs):
    assert execution.left(jobs, 0, 0) == 120
    assert execution.left(jobs, 30, 60) == 60
    assert [execution.duration(seconds) for seconds in (12.3, 45, 3570, 7500)] == ["12 s", "1 min", "1 h 00 min", "2 h 05 min"]


def test_parameters_of(notebooks):
    assert execution.parameters_of(notebooks / "02_second.ipynb") == ["dataset", "width"]


def test_by_papermill(notebooks, tmp_path):
    """A cell that fails leaves its traceback in the executed notebook."""
    notebook = nbformat.read(notebooks / "01_first.ipynb", 4)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells[2].source = "1 / (seed - 1)"
    nbformat.write(notebook, notebooks / "01_first.ipynb")
    job = Job("01_first", notebooks / "01_first.ipynb", tmp_path / "out", {"seed": 1})
    assert job.run(papermill.execute_notebook)["error"] == "ZeroDivisionError: division by zero"
    assert "ZeroDivisionError" in job.executed.read_text()
