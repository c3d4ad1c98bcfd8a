"""Runs a notebook for each configuration of a YAML file and each seed, and prints all results as one table.

    python notebooks/sweep.py --seeds 0 1 2 -p dataset fma_small -p data_dir /data

Each run has a folder `OUT/<configuration>/seed_<seed>` with the executed notebook and its metrics.json. A run is not repeated
where that notebook has the same cells and parameters and ended well; delete its folder to repeat it after other changes. After
Ctrl-C the same command goes on, and a training within a run resumes too. A failed run is named, and the others go on.

Exit status: 0; 1 where a run failed; 2 for wrong arguments; 130 after Ctrl-C.
"""

import argparse
import dataclasses
import statistics
import sys
import time
from pathlib import Path

import nbformat
import papermill
import yaml

from fmalib import paths, runs
from fmalib.report.execution import check_data, duration, error_line

HERE = Path(__file__).resolve().parent
OWN = ("seed", "out_dir")  # parameters that the sweep sets


@dataclasses.dataclass(frozen=True)
class Job:
    """One run: its name below the sweep's folder, its configuration, that folder, the notebook and its parameters."""

    name: str
    configuration: str
    folder: Path
    notebook: Path
    parameters: dict

    @property
    def executed(self):
        """Path of the executed notebook."""
        return self.folder / self.notebook.name

    def metrics(self):
        """Returns what the notebook measured; raises OSError or ValueError where there is nothing, or it is damaged."""
        return runs.read(self.folder / "metrics.json")

    def found(self):
        """Returns the seconds that the run took, if it ended well and has the same cells and parameters; else None."""
        try:
            executed, about = nbformat.read(self.executed, 4), {}
            about |= executed.metadata["papermill"]
            self.metrics()
        except (OSError, ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError):  # none, or cut off
            return None
        same = about.get("parameters") == self.parameters and code_of(executed) == code_of(nbformat.read(self.notebook, 4))
        return about.get("duration") if same and not about.get("exception") else None

    def run(self, execute):
        """Executes the notebook; returns None, or what went wrong in one line."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "metrics.json").unlink(missing_ok=True)  # of other parameters
            with paths.quiet_stderr():  # on a busy machine the kernel reports how papermill stops it
                execute(self.notebook, self.executed, parameters=self.parameters, progress_bar=False)
            if not (self.folder / "metrics.json").exists():
                return "the notebook has written no metrics.json"
            self.metrics()
        except Exception as error:  # a cell failed, the kernel died, the disk is full: the next run may still succeed
            return error_line(error)
        return None


def code_of(notebook):
    """Returns the sources of a notebook's code cells, without the one that papermill adds, a list of strings."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if "injected-parameters" not in cell.metadata.get("tags", [])]


def plan(file, seeds, given, out):
    """Returns the jobs of a sweep, all configurations of one seed after another.

    Args:
        file: YAML with `notebook` (a path from the file), `parameters` of all runs, and `configurations`, parameters by name.
        seeds: list of integers.
        given: parameters of all runs, which win over those of the file.
        out: folder of the sweep.

    Raises:
        OSError: no such file.
        ValueError: a file of another form, or a parameter that the notebook does not have.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        notebook, shared = file.parent / content["notebook"], content.get("parameters") or {}
        configurations = {str(name): shared | (own or {}) | given for name, own in content["configurations"].items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, UnicodeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{file} must have notebook and configurations. Received: {reason}") from error
    if not configurations:
        raise ValueError(f"{file} must have a configuration. Received: configurations={configurations}")
    known = papermill.inspect_notebook(notebook)
    for name, parameters in configurations.items():
        if Path(name).name != name or not name.strip("."):
            raise ValueError(f"A configuration's name must be one of a folder. Received: {name!r}")
        if wrong := [key for key in parameters if key not in known or key in OWN]:
            free = ", ".join(key for key in known if key not in OWN)
            raise ValueError(f"No such parameter of a configuration; there are {free}. Received: {', '.join(map(str, wrong))}")
    return [
        Job(f"{name}/seed_{seed}", name, folder, notebook, parameters | {"seed": seed, "out_dir": str(folder)})
        for seed in dict.fromkeys(seeds)
        for name, parameters in configurations.items()
        for folder in [out / name / f"seed_{seed}"]
    ]


def run_all(jobs, execute):
    """Runs what is not found, with a line for each run; returns the names of failed runs, a list of strings."""
    failed, found = [], {job.name: job.found() for job in jobs}
    took = {job.name: (job.configuration, found[job.name]) for job in jobs if found[job.name] is not None}
    waiting = [job for job in jobs if found[job.name] is None]
    for number, job in enumerate(jobs, start=1):
        print(f"[{number}/{len(jobs)}] {job.name}: ", end="", flush=True)
        if found[job.name] is not None:
            print(f"found, took {duration(found[job.name])}", flush=True)
            continue
        waiting.remove(job)
        started = time.monotonic()
        reason = job.run(execute)
        if reason:
            failed.append(job.name)
            print(f"FAILED: {reason} (see {job.executed})", flush=True)
            continue
        seconds = time.monotonic() - started
        took[job.name] = job.configuration, seconds
        rest = f", about {duration(left(waiting, list(took.values())))} left" if waiting else ""
        print(f"done in {duration(seconds)}{rest}", flush=True)
    return failed


def left(waiting, took):
    """Returns the seconds that some jobs will take: the mean of their configuration so far, else of all runs.

    Args:
        waiting: list of `Job`.
        took: (configuration, seconds) of each finished run, one or more.
    """
    everything = statistics.mean(seconds for _, seconds in took)
    own = [[seconds for name, seconds in took if name == job.configuration] for job in waiting]
    return sum(statistics.mean(seconds) if seconds else everything for seconds in own)


def summary(jobs):
    """Returns the results of finished jobs as text: means and deviations of systems over seeds, or a row a run."""
    metrics = {job.name: job.metrics() for job in jobs}
    systems = runs.by_system(metrics)
    table = runs.over_seeds(systems) if len(systems) else runs.by_run(metrics)
    return "\n".join([runs.as_text(table), *runs.notes(metrics)])


def read_arguments(arguments):
    """Returns the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=HERE / "sweep.yaml", help="default: %(default)s")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="default: 0 1 2")
    parser.add_argument("--out", metavar="OUT", help="folder of all runs, default: outputs/sweep/DATASET")
    parameter = {"nargs": 2, "action": "append", "default": [], "metavar": ("NAME", "VALUE")}
    parser.add_argument("-p", "--parameter", **parameter, help="a parameter of all runs")
    return parser.parse_args(arguments)


def main(arguments=None, execute=papermill.execute_notebook):
    """Runs the command line; returns the exit status."""
    options = read_arguments(arguments)
    given = dict(options.parameter)
    out = paths.resolve(options.out or Path("outputs/sweep", Path(given.get("dataset", "")).name))
    try:
        jobs = plan(options.file, options.seeds, given, out)
        check_data(jobs)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        failed = run_all(jobs, execute)
    except KeyboardInterrupt:
        print("stopped; the same command goes on")
        return 130
    if finished := [job for job in jobs if job.name not in failed]:
        print(f"\n{summary(finished)}\nAll values: python -m fmalib runs {out} --systems --csv FILE")
    if failed:
        print(f"error: {len(failed)} of {len(jobs)} runs failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
