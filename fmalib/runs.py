"""Results of many runs as one table: each `metrics.json` that the notebooks wrote below a folder.

A single training, kept and found again, is the business of `fmalib.training.runs`.
"""

import json
from pathlib import PurePath

import pandas as pd

from fmalib import files, paths

FACTS = {"dataset": "dataset", "fingerprint": "fingerprint", "seed": "seed"}  # column of a table of systems: key of the metrics
FACTS |= {"domain": "domain", "encoder": "encoder", "latent": "latent", "rate_hz": "sample_rate_hz"}
SCORES = ["accuracy_vote", "low", "high", "macro_f1", "n_test", "seconds"]
BY_SYSTEM = ["folder", *FACTS, "system", *SCORES]
ON_SCREEN = ["folder", *FACTS, "model", "system", "accuracy_vote", "low", "high", "accuracy_vote_low", "accuracy_vote_high"]
ON_SCREEN += ["deviation", "seeds", "macro_f1", "spectral_rmse", "n_test", "n_test_tracks", "n_test_clips"]
ON_SCREEN += ["seconds", "train_seconds"]
MEANS = ("accuracy_vote", "macro_f1", "seconds")  # over seeds
VALUE = (str, int, float, type(None))


def gather(folder, *, systems=False):
    """Returns the results below a folder as a table: `by_run`, or `by_system`; files that are no results are logged.

    Args:
        folder: a relative one is taken from `fmalib.paths.project_root()`.
        systems: whether each system of notebook 03 gets a row.

    Raises:
        ValueError: no such folder.
    """
    found, left_out = find(folder)
    for file, reason in left_out.items():
        files.log.warning("%s is left out: %s", file, reason)
    return by_system(found) if systems else by_run(found)


def read(file):
    """Returns the metrics of a run, a dict, from the `metrics.json` of a notebook.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or no notebook of fmalib wrote it.
    """
    if not file.is_file():
        raise ValueError("not a file")
    try:
        metrics = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"damaged: {error}") from error
    if not isinstance(metrics, dict) or not isinstance(metrics.get("dataset"), str):
        raise ValueError("no metrics of a notebook: dataset is not named")
    _systems(metrics)
    return metrics


def find(folder):
    """Returns (metrics by run folder, reasons by file that is no result), of each `metrics.json` below a folder.

    Run folders are relative to `folder`. Links to folders are not followed.

    Raises:
        ValueError: no such folder.
    """
    folder = paths.resolve(folder)
    if not folder.is_dir():
        raise ValueError(f"There is no such folder of runs. Received: folder={paths.printable(folder)!r}")
    found, left_out = {}, {}
    for file in sorted(folder.rglob("metrics.json")):
        try:
            found[paths.printable(file.parent.relative_to(folder).as_posix())] = read(file)
        except (OSError, ValueError) as error:
            left_out[paths.printable(file)] = getattr(error, "strerror", None) or str(error)
    return found, left_out


def _systems(metrics):
    """Returns a row for each system in the metrics of a run, a list of dicts; raises ValueError for foreign metrics."""
    facts, rows = {column: metrics.get(key) for column, key in FACTS.items()}, []
    try:
        for system, summary in metrics.get("systems", {}).items():
            low, high = summary["accuracy_vote_ci95"]
            scores = {"accuracy_vote": summary["accuracy_vote"], "low": low, "high": high, "macro_f1": summary["macro_f1"]}
            rows.append(facts | {"system": system, **scores, "n_test": metrics["n_test_tracks"], "seconds": summary["seconds"]})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("no metrics of a notebook: its systems have other keys") from error
    if not all(isinstance(value, VALUE) for row in [facts, *rows] for value in row.values()):
        raise ValueError("no metrics of a notebook: a list where one value is expected")
    if any(isinstance(row[score], str) for row in rows for score in SCORES):
        raise ValueError("no metrics of a notebook: text where a number is expected")
    return rows


def by_run(found):
    """Returns metrics by run folder as a table: a row a run; columns `folder` and each metric that is one value.

    Intervals, such as `accuracy_vote_ci95`, become two columns, `accuracy_vote_low` and `accuracy_vote_high`.
    """
    rows = []
    for folder, metrics in found.items():
        row = {}
        for name, value in metrics.items():
            if isinstance(value, VALUE):
                row[name] = value
            elif name.endswith("_ci95") and isinstance(value, list) and len(value) == 2:
                stem = name.removesuffix("_ci95")
                row |= {f"{stem}_low": value[0], f"{stem}_high": value[1]}
        rows.append(row | {"folder": folder})
    return _table(rows, list(dict.fromkeys(["folder", *(name for row in rows for name in row)])))


def by_system(found):
    """Returns metrics by run folder as a table of `BY_SYSTEM`: a row for each system of each run of notebook 03.

    `low` and `high` are the 95 % interval of `accuracy_vote`, over artists; a run of several seeds gives its first.
    """
    return _table([{"folder": folder, **row} for folder, metrics in found.items() for row in _systems(metrics)], BY_SYSTEM)


def over_seeds(table):
    """Returns a table `by_system` with one row for all seeds of a system in a configuration, the parent of the run folder.

    `accuracy_vote`, `macro_f1` and `seconds` are means; `deviation` of the accuracy is of a sample, missing for one seed.
    """
    table = table.assign(folder=[str(PurePath(folder).parent) for folder in table["folder"]]).astype(
        dict.fromkeys(MEANS, float)
    )
    same = ["folder", *(name for name in FACTS if name != "seed"), "system", "n_test"]
    grouped = table.groupby(same, sort=False, dropna=False)
    scores = {name: (name, "mean") for name in MEANS}
    return grouped.agg(seeds=("seed", "nunique"), deviation=("accuracy_vote", "std"), **scores).reset_index()


def as_text(table):
    """Returns the columns of `ON_SCREEN` that a table has values in, as text for a terminal."""
    shown = table[[name for name in ON_SCREEN if name in table]].dropna(axis="columns", how="all")
    for name in shown.columns[shown.dtypes == "Int64"]:  # whose missing values pandas would show as <NA>
        shown = shown.assign(**{name: shown[name].astype(object).where(shown[name].notna(), "")})
    if "fingerprint" in shown:
        shown = shown.assign(fingerprint=[str(key)[:8] for key in shown["fingerprint"].fillna("")])
    return shown.to_string(index=False, na_rep="", float_format="{:.3f}".format)


def notes(found):
    """Returns the notes that the notebooks of some metrics print below their figures, each once, a list of strings."""
    return list(dict.fromkeys(str(metrics["note"]) for metrics in found.values() if metrics.get("note")))


def as_html(table):
    """Returns a table as a page of HTML."""
    title = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Runs</title>'
    return f"{title}\n{table.to_html(index=False, na_rep='', float_format='{:.4g}'.format)}\n</html>\n"


def _table(rows, columns):
    """Returns rows as a table; columns of whole numbers stay whole where values are missing."""
    table = pd.DataFrame(rows, columns=columns)
    for name in columns:
        values = [row[name] for row in rows if row.get(name) is not None]
        if values and all(type(value) is int and abs(value) < 2**63 for value in values):
            table[name] = pd.array([row.get(name) for row in rows], dtype="Int64")
    return table
