"""The sweep: by a fake papermill what is run, found, named and gathered; once by the real one on two genres."""

import importlib.util
import json
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from helpers import REPOSITORY

NOTEBOOKS = REPOSITORY / "notebooks"
CONFIGURATIONS = """
notebook: 03_classifier.ipynb
parameters: {leaky: "", segments: 3}
configurations:
  low: {systems: mfcc_svm, latent: 16}
  high: {latent: 64, segments: 7}
"""
ACCURACIES = {("low", 0): 0.5, ("low", 1): 0.7, ("high", 0): 0.8, ("high", 1): 0.8}


def loaded():
    spec = importlib.util.spec_from_file_location("sweep", NOTEBOOKS / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["sweep"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


sweep = loaded()


class Papermill:
    """Stands in for `papermill.execute_notebook`: counts, writes what it writes, and does as the dict `trouble` says."""

    def __init__(self):
        self.parameters, self.trouble = [], {}

    def __call__(self, notebook, executed, *, parameters, progress_bar):
        self.parameters.append(parameters)
        trouble = self.trouble.get(self.names[-1])
        facts = {"parameters": parameters, "duration": 60.0, "exception": True if trouble else None}
        copy = nbformat.read(notebook, 4)
        copy.metadata.papermill = facts
        copy.cells.insert(4, nbformat.v4.new_code_cell("# Parameters", metadata={"tags": ["injected-parameters"]}))
        nbformat.write(copy, executed)
        if trouble:
            raise trouble
        configuration, seed = self.names[-1]
        system = {"accuracy_vote": ACCURACIES.get((configuration, seed), 0.1), "accuracy_vote_ci95": [0.4, 0.9]}
        about = {"dataset": "songs", "fingerprint": "abc", "seed": seed, "latent": parameters["latent"], "n_test_tracks": 40}
        about |= {"note": "A note.", "systems": {"cnn": system | {"macro_f1": 0.25, "seconds": 5}}}
        (Path(parameters["out_dir"]) / "metrics.json").write_text(json.dumps(about))

    @property
    def names(self):
        """(configuration, seed) of the runs so far."""
        return [(Path(each["out_dir"]).parent.name, each["seed"]) for each in self.parameters]


@pytest.fixture
def fake(tmp_path):
    """A function of seeds and further arguments that runs the sweep of `CONFIGURATIONS`; its attribute counts the runs."""
    for path in NOTEBOOKS.glob("03_classifier.ipynb"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "sweep.yaml").write_text(CONFIGURATIONS)

    def run(*arguments, seeds=("0", "1")):
        run.executor.parameters = []
        file, out = str(tmp_path / "sweep.yaml"), str(tmp_path / "out")
        return sweep.main([file, "--out", out, "--seeds", *seeds, *arguments], run.executor)

    run.executor = Papermill()
    return run


def test_every_configuration_runs_with_every_seed(fake, tmp_path, capsys):
    assert fake("-p", "data_dir", "/data", "-p", "latent", "8", seeds=("0", "1", "0")) == 0
    assert fake.executor.names == [("low", 0), ("high", 0), ("low", 1), ("high", 1)]
    out = str(tmp_path / "out" / "high" / "seed_1")
    shared = {"leaky": "", "data_dir": "/data", "latent": "8"}
    assert fake.executor.parameters[-1] == shared | {"segments": 7, "seed": 1, "out_dir": out}
    assert fake.executor.parameters[0].items() >= (shared | {"segments": 3, "systems": "mfcc_svm"}).items()


def test_the_table_has_means_and_deviations_over_seeds(fake, capsys):
    assert fake() == 0
    header, *rows, note, hint = capsys.readouterr().out.split("\n\n")[1].splitlines()
    names = ["folder", "dataset", "fingerprint", "latent", "system", "accuracy_vote", "deviation", "seeds", "macro_f1"]
    assert header.split() == [*names, "n_test", "seconds"]
    assert rows[0].split() == ["low", "songs", "abc", "16", "cnn", "0.600", "0.141", "2", "0.250", "40", "5.000"]
    assert rows[1].split() == ["high", "songs", "abc", "64", "cnn", "0.800", "0.000", "2", "0.250", "40", "5.000"]
    assert len(rows) == 2 and note == "A note." and "--systems" in hint
    assert round(statistics.stdev([0.5, 0.7]), 3) == 0.141


def test_a_second_call_runs_nothing_and_prints_the_same_table(fake, capsys):
    fake()
    first = capsys.readouterr().out
    assert fake() == 0 and fake.executor.names == []
    second = capsys.readouterr().out
    assert second.split("\n\n")[1] == first.split("\n\n")[1]
    assert second.splitlines()[:2] == ["[1/4] low/seed_0: found, took 1 min", "[2/4] high/seed_0: found, took 1 min"]
    assert fake(seeds=("0", "1", "2")) == 0 and fake.executor.names == [("low", 2), ("high", 2)]


def test_each_data_set_has_a_folder(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "songs").mkdir(parents=True)
    for given, name in (["-p", "dataset", "my/songs"], "songs"), ([], ""):
        assert sweep.main([str(tmp_path / "sweep.yaml"), "--seeds", "0", *given], fake.executor) == 0
        assert fake.executor.parameters[-1]["out_dir"] == str(tmp_path / "outputs" / "sweep" / name / "high" / "seed_0")


def test_a_folder_may_have_a_number_as_its_name(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1990").mkdir()
    file = tmp_path / "sweep.yaml"
    file.write_text(file.read_text().replace("configurations:", "parameters: {dataset: 1990}\nconfigurations:"))
    assert sweep.main([str(file), "--seeds", "0"], fake.executor) == 0


def edit_parameter(folder):
    file = folder / "sweep.yaml"
    file.write_text(file.read_text().replace("latent: 64", "latent: 65"))


def edit_notebook(folder):
    notebook = nbformat.read(folder / "03_classifier.ipynb", 4)
    notebook.cells[5].source += "\n1 + 1"
    nbformat.write(notebook, folder / "03_classifier.ipynb")


def cut(name):
    def damage(folder):
        file = folder / "out" / "high" / "seed_1" / name
        file.write_bytes(file.read_bytes()[:-20])

    return damage


@pytest.mark.parametrize(
    "change, again",
    [
        (edit_parameter, [("high", 0), ("high", 1)]),
        (edit_notebook, [("low", 0), ("high", 0), ("low", 1), ("high", 1)]),
        (cut("metrics.json"), [("high", 1)]),
        (cut("03_classifier.ipynb"), [("high", 1)]),
        (lambda folder: (folder / "out" / "low" / "seed_0" / "metrics.json").unlink(), [("low", 0)]),
        (lambda folder: (folder / "out" / "low" / "seed_0" / "03_classifier.ipynb").write_text("[]"), [("low", 0)]),
    ],
    ids=["parameter", "notebook", "metrics", "executed", "no metrics", "foreign"],
)
def test_what_changed_or_is_damaged_runs_again(fake, tmp_path, change, again):
    fake()
    change(tmp_path)
    assert fake() == 0 and fake.executor.names == again


def test_a_failed_run_is_named_and_the_others_go_on(fake, tmp_path, capsys):
    error = papermill.PapermillExecutionError(3, 3, "1 / 0", "ValueError", "bad\nnews", [])
    fake.executor.trouble = {("low", 0): error, ("high", 1): RuntimeError("Kernel died")}
    assert fake() == 1 and len(fake.executor.names) == 4
    out, err = capsys.readouterr()
    executed = tmp_path / "out" / "low" / "seed_0" / "03_classifier.ipynb"
    assert out.splitlines()[0] == f"[1/4] low/seed_0: FAILED: ValueError: bad news (see {executed})"
    assert "[4/4] high/seed_1: FAILED: RuntimeError: Kernel died (see " in out
    assert [row.split()[5] for row in out.split("\n\n")[1].splitlines()[1:3]] == ["0.800", "0.700"]
    assert err == "error: 2 of 4 runs failed: low/seed_0, high/seed_1\n"
    fake.executor.trouble = {}
    assert fake() == 0 and fake.executor.names == [("low", 0), ("high", 1)]


def test_old_metrics_do_not_stand_for_a_failed_run(fake, tmp_path, capsys):
    fake()
    edit_parameter(tmp_path)
    fake.executor.trouble = {("high", 0): RuntimeError("no"), ("high", 1): RuntimeError("no")}
    capsys.readouterr()
    assert fake() == 1
    assert not (tmp_path / "out" / "high" / "seed_0" / "metrics.json").exists()
    assert "high" not in capsys.readouterr().out.split("\n\n")[1]


def test_after_an_interruption_the_rest_is_run(fake, capsys):
    fake.executor.trouble = {("low", 1): KeyboardInterrupt()}
    assert fake() == 130 and fake.executor.names == [("low", 0), ("high", 0), ("low", 1)]
    assert capsys.readouterr().out.endswith("[3/4] low/seed_1: stopped; the same command goes on\n")
    fake.executor.trouble = {}
    assert fake() == 0 and fake.executor.names == [("low", 1), ("high", 1)]


def test_time_left(capsys):
    def job(configuration):
        return sweep.Job("", configuration, Path(), Path(), {})

    took = [("slow", 100), ("slow", 200), ("fast", 30)]
    assert sweep.left([job("slow"), job("fast"), job("new")], took) == 150 + 30 + 110
    assert sweep.left([], took) == 0
    assert [sweep.duration(seconds) for seconds in (12.3, 45, 3570, 7500)] == ["12 s", "1 min", "1 h 00 min", "2 h 05 min"]


@pytest.mark.parametrize(
    "content, arguments, reason",
    [
        (CONFIGURATIONS, ["-p", "latents", "8"], "Received: latents"),
        (CONFIGURATIONS, ["-p", "seed", "8"], "Received: seed"),
        (CONFIGURATIONS, ["-p", "dataset", "fma_small"], "fma_small needs data_dir"),
        (CONFIGURATIONS, ["-p", "dataset", "my_musci"], "Received: dataset='my_musci'"),
        (CONFIGURATIONS.replace("low:", "a/b:"), [], "Received: 'a/b'"),
        (CONFIGURATIONS.replace("low:", "..:"), [], "Received: '..'"),
        (CONFIGURATIONS.replace("03_", "33_"), [], "33_classifier.ipynb"),
        ("notebook: 03_classifier.ipynb\nconfigurations: {}", [], "Received: configurations={}"),
        ("notebook: 03_classifier.ipynb", [], "KeyError: 'configurations'"),
        ("notebook: [", [], "ParserError"),
        ("- 1", [], "TypeError"),
    ],
)
def test_wrong_arguments_are_one_line_and_nothing_runs(fake, tmp_path, capsys, content, arguments, reason):
    (tmp_path / "sweep.yaml").write_text(content)
    assert fake(*arguments) == 2 and fake.executor.names == []
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert not out and line.startswith("error: ") and reason in line


def test_the_documented_sweep_fits_notebook_03():
    from fmalib.genres import systems as genre_systems

    jobs = sweep.plan(NOTEBOOKS / "sweep.yaml", [0, 1, 2], {"dataset": "fma_small"}, Path("/out"))
    assert [job.name for job in jobs[::4]] == ["nothing_learned/seed_0", "nothing_learned/seed_1", "nothing_learned/seed_2"]
    systems = [name for job in jobs[:4] for name in job.parameters["systems"].split(",")]
    genre_systems.check(systems)  # raises ValueError for an unknown name
    assert len(jobs) == 12 and len(systems) == len(set(systems))
    assert {"mel_pca", "latent_finetuned", "latent_frozen", "latent_linear", "patches_svm", "cnn"} <= set(systems)
    assert {key: jobs[5].parameters[key] for key in ("leaky", "seed", "dataset")} == {
        "leaky": "", "seed": 1, "dataset": "fma_small"
    }  # fmt: skip


def test_make_passes_everything_on():
    command = ["make", "--no-print-directory", "--dry-run", "sweep", "DATASET=fma_small", "DATA_DIR=/my data", "SEEDS=3 4"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    last = done.stdout.splitlines()[-1]
    assert last == ".venv/bin/python notebooks/sweep.py --seeds 3 4 -p dataset 'fma_small' -p data_dir '/my data'"


@pytest.mark.slow
def test_two_genres_by_papermill(genre_folder, tmp_path):
    """A run, one that fails, and the same again, which finds the first."""
    content = {"learning_curve": "", "leaky": "", "quick": True, "dataset": str(genre_folder), "folds": 1}
    configurations = {"good": {"systems": "mel_pca"}, "bad": {"systems": "no_such_system"}}
    file = tmp_path / "two.yaml"
    notebook = str(NOTEBOOKS / "03_classifier.ipynb")
    content = {"notebook": notebook, "parameters": content, "configurations": configurations}
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    command = [sys.executable, str(NOTEBOOKS / "sweep.py"), str(file), "--seeds", "0", "--out", str(tmp_path / "out")]
    done = [subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=280) for _ in range(2)]
    first, second = (each.stdout.splitlines() for each in done)
    assert [each.returncode for each in done] == [1, 1], done[0].stdout + done[0].stderr
    assert first[0].startswith("[1/2] good/seed_0: done in ") and second[0].startswith("[1/2] good/seed_0: found, took ")
    assert first[1].startswith("[2/2] bad/seed_0: FAILED: ValueError: ") and "no_such_system" in first[1]
    rows = [row for row in map(str.split, first) if row[:1] == ["good"]]
    assert [row[7] for row in rows] == ["mel_pca", "mfcc_svm", "shuffled_mel_pca", "majority"] and first[2:] == second[2:]
    assert [each.stderr for each in done] == ["error: 1 of 2 runs failed: bad/seed_0\n"] * 2
