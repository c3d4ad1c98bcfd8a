"""Notebooks executed by papermill: what has to run again, in which order, and how long it takes."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

import nbformat

import fmalib
from fmalib import files, paths, runs
from fmalib.data import datasets

RECORD = "report.json"  # in the folder of a notebook: what it was made of, and how that ended
OUTSIDE = ("report", "__main__.py")  # parts of the package that no notebook runs
VERSIONS = ("tensorflow", "keras", "numpy", "scipy", "pandas", "scikit-learn", "librosa", "soundfile", "umap-learn")
CODE = ("*.py", "*.npz")


@dataclasses.dataclass(frozen=True)
class Job:
    """A notebook to execute.

    Attributes:
        name: without its suffix.
        source: path of the notebook.
        folder: where it and what it makes go.
        parameters: dict; `out_dir` is added.
        seconds: that it may take.
    """

    name: str
    source: Path
    folder: Path
    parameters: dict
    seconds: float = 60.0

    @property
    def executed(self):
        """Path of the executed notebook."""
        return self.folder / f"{self.name}.ipynb"

    def key(self):
        """Returns what the result depends on as a hexadecimal string: cells, parameters, code, versions, the user's files."""
        found = hashlib.sha256(self.source.read_bytes())
        found.update(json.dumps([self.parameters, versions(), _code_digest()], sort_keys=True, default=str).encode())
        for name in ("dataset", "data_dir", "music", "unlabelled", "recording"):
            found.update(_listing(self.parameters.get(name)))
        return found.hexdigest()

    def record(self):
        """Returns what is known of the last execution, a dict; empty where there was none."""
        return files.read_json(self.folder / RECORD, say=False) or {}

    def metrics(self):
        """Returns the metrics that the notebook wrote, a dict; empty where there are none."""
        try:
            return runs.read(self.folder / "metrics.json")
        except (OSError, ValueError):
            return {}

    def is_found(self):
        """Returns whether the notebook has been executed with the same key, and ended well."""
        record = self.record()
        whole = self.executed.is_file() and self.metrics()
        return bool(whole) and record.get("key") == self.key() and record.get("error") is None

    def run(self, execute):
        """Executes the notebook, and writes the record; returns it."""
        key, started, error = self.key(), time.monotonic(), None
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (RECORD, "metrics.json", self.executed.name):
            (self.folder / name).unlink(missing_ok=True)  # of an earlier run
        try:
            with paths.quiet_stderr():  # on a busy machine the kernel reports how papermill stops it
                given = self.parameters | {"out_dir": str(self.folder)}
                execute(str(self.source), str(self.executed), parameters=given, progress_bar=False)
            if not self.metrics():
                error = "the notebook has written no metrics.json"
        except Exception as failure:  # a cell failed, the kernel died, the disk is full: the others go on
            error = error_line(failure)
        record = {"key": key, "seconds": time.monotonic() - started, "error": error}
        record |= {"date": time.strftime("%Y-%m-%d %H:%M"), "versions": versions()}
        files.write_json(self.folder / RECORD, record, checksum=True)
        return record


def error_line(failure):
    """Returns an exception, also one of a cell by papermill, as one line."""
    name, value = getattr(failure, "ename", type(failure).__name__), getattr(failure, "evalue", failure)
    return " ".join(f"{name}: {value}".split())


def versions():
    """Returns the versions of fmalib, Python and the packages that decide results, a dict of strings."""
    found = {"fmalib": fmalib.__version__, "python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _code_digest():
    """Returns the SHA-256 of the code and weights of the package, except its `OUTSIDE`."""
    root, found = Path(fmalib.__file__).parent, hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in root.rglob(pattern)):
        name = path.relative_to(root)
        if name.parts[0] not in OUTSIDE:
            found.update(f"{name.as_posix()} {files.digest(path).hex()}".encode())
    return found.hexdigest()


def _listing(name):
    """Returns names, sizes and times of the files in a folder as bytes; of a data set known by name, nothing."""
    if not isinstance(name, str) or not name or not paths.resolve(name).exists():
        return b""
    top = paths.resolve(name)
    found = [top] if top.is_file() else (Path(folder, file) for folder, _, names in os.walk(top) for file in names)
    facts = sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in found if path.exists())
    return json.dumps(facts).encode("utf-8", "surrogateescape")


def check_data(jobs):
    """Raises ValueError where a data set among the parameters is not there: all jobs would fail by it, one after another."""
    for name, folder in {(job.parameters.get("dataset", "synth"), job.parameters.get("data_dir")) for job in jobs}:
        try:
            datasets.find_root(str(name), str(folder or ""))  # a number, where YAML has a folder with such a name
        except OSError as error:
            raise ValueError(error) from error


def parameters_of(notebook):
    """Returns the names of a notebook's parameters, a list of strings, from its cell with that tag."""
    cells = [cell.source for cell in nbformat.read(notebook, 4).cells if "parameters" in cell.metadata.get("tags", [])]
    lines = [line for source in cells for line in source.splitlines() if " = " in line]
    return [line.split(" = ")[0].partition(":")[0].strip() for line in lines]


def run_all(jobs, execute, say, hint=lambda line: None):
    """Runs what is not found, with one line for each; returns the record of each job, a dict by name.

    Args:
        jobs: list of `Job`.
        execute: `papermill.execute_notebook`, or what does as it does.
        say: function that prints a line.
        hint: function that shows a line until the next one.
    """
    records, waiting, pace = {}, [job for job in jobs if not job.is_found()], [0.0, 0.0]  # seconds taken, seconds planned
    for number, job in enumerate(jobs, start=1):
        start = f"[{number}/{len(jobs)}] {job.name}:"
        if job not in waiting:
            records[job.name] = job.record()
            say(f"{start} found, took {duration(records[job.name]['seconds'])}")
            continue
        hint(f"{start} running, about {duration(left(waiting, *pace))} left")
        waiting.remove(job)
        record = records[job.name] = job.run(execute)
        pace = [pace[0] + record["seconds"], pace[1] + job.seconds]
        rest = f", about {duration(left(waiting, *pace))} left" if waiting else ""
        how = f"FAILED: {record['error']}" if record["error"] else f"done in {duration(record['seconds'])}"
        say(f"{start} {how}{rest}")
    return records


def left(waiting, taken, planned):
    """Returns the seconds that some jobs will take, if they are as much slower than planned as those before."""
    return sum(job.seconds for job in waiting) * (taken / planned if planned else 1.0)


def duration(seconds):
    """Returns seconds in words, such as `"1 h 05 min"`."""
    minutes = round(seconds / 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
