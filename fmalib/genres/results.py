"""Results of genre systems, pooled over folds, and their summary over seeds."""

import dataclasses

import keras
import numpy as np
import pandas as pd

from fmalib.data.segments import VALIDATION_SEGMENTS
from fmalib.genres import evaluation

FMA_SMALL = 6400  # training clips, for which times are extrapolated
PROBABILITIES = ("probabilities", "validation_probabilities")
ROWS = ("rows", "validation_rows")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """A system's genre probabilities on validation and test, and its costs.

    Attributes:
        name, seed, description: of the system, of the run, and one line.
        probabilities, rows: of the test, `(segments, genres)` and their segment table; one row a track for whole clips.
        validation_probabilities, validation_rows: the same of validation, for calibration.
        n_parameters: of the encoder and the classifier, without a probe's pooling and scaling.
        seconds: of training, autoencoder included, as logged then; of a probe, of the features of all splits, without fitting.
        seconds_fma_small: an epoch (or the one pass of a probe) on 6,400 clips, extrapolated; None where no audio is read.
        runs, histories: names of run folders, and a dict from phase to table of epochs.
        model: Keras model from segments to probabilities; None for probes and controls.
    """

    name: str = ""
    seed: int
    probabilities: np.ndarray
    rows: pd.DataFrame
    validation_probabilities: np.ndarray
    validation_rows: pd.DataFrame
    n_parameters: int
    seconds: float
    seconds_fma_small: float | None = None
    runs: tuple = ()
    model: keras.Model | None = None
    histories: dict = dataclasses.field(default_factory=dict)
    description: str = ""

    def __str__(self):
        return f"{self.name}, seed {self.seed}: {self.description}"

    @property
    def votes(self):
        """The majority vote of each test track, see `evaluation.votes`."""
        return evaluation.votes(self.probabilities, self.rows)

    def scaled(self):
        """Returns (probabilities of the test with the temperature of their fold, the mean temperature).

        A temperature is fitted on the validation of its own fold: validation tracks of one fold are test tracks of another.
        """
        scaled, temperatures = np.empty_like(self.probabilities, float), []
        for fold, tested in self.rows.groupby(_fold_of(self.rows)).indices.items():
            validated = (_fold_of(self.validation_rows) == fold).to_numpy()
            labels = self.validation_rows.loc[validated, "label"]
            temperatures.append(evaluation.fit_temperature(self.validation_probabilities[validated], labels))
            scaled[tested] = evaluation.with_temperature(self.probabilities[tested], temperatures[-1])
        return scaled, float(np.mean(temperatures))

    def summary(self):
        """Returns `evaluation.summarise` of the test, with `n_parameters`, `seconds`, calibration before and after scaling."""
        labels, (scaled, temperature) = self.rows["label"], self.scaled()
        return {
            **evaluation.summarise(self.probabilities, self.rows, self.probabilities.shape[1]),
            "n_parameters": self.n_parameters,
            "seconds": self.seconds,
            "seconds_per_epoch_fma_small": self.seconds_fma_small,
            "calibration_error": evaluation.calibration_error(self.probabilities, labels),
            "temperature": temperature,
            "calibration_error_scaled": evaluation.calibration_error(scaled, labels),
        }


def seconds_at_fma_small(training, pipeline):
    """Returns the seconds of an epoch with one crop of each of 6,400 clips and FMA-small's 800 validation clips.

    A validation segment has no backward pass and counts as a third of a training segment.
    """
    seconds = training.history["seconds"]
    later = seconds[1:] if len(seconds) > 1 else seconds  # the first one compiles
    validation = VALIDATION_SEGMENTS / 3
    here = len(pipeline.training) * pipeline.crops_per_track + len(pipeline.validation) * validation
    return float(later.median() * (FMA_SMALL + FMA_SMALL / 8 * validation) / here)


def _fold_of(rows):
    """Returns the fold of each row, a series; 0 for a single split."""
    return rows["fold"] if "fold" in rows else pd.Series(0, rows.index)


def pooled(results):
    """Returns the results of a system's folds as one `Result`, in which every track is tested once; a single one as it is.

    Test and validation segments of all folds follow one another, so that votes, intervals over artists and calibration are of
    all tracks; their column `fold` tells them apart. `seconds` are summed, `seconds_fma_small` is a mean, and `runs` are of all
    folds. The other fields are of the first fold.

    Raises:
        ValueError: no result, or a track in the test of two folds.
    """
    if not results:
        raise ValueError("One result or more is needed. Received: []")
    first = results[0]
    if len(results) == 1:
        return first
    tested = pd.concat([pd.Series(result.rows["track_id"].unique()) for result in results])
    if tested.duplicated().any():
        raise ValueError(f"Each track must be tested once. Received: twice {tested[tested.duplicated()].tolist()[:5]}")
    seconds_fma_small = [result.seconds_fma_small for result in results]
    return dataclasses.replace(
        first,
        **{name: np.concatenate([getattr(result, name) for result in results]) for name in PROBABILITIES},
        **{name: _joined([getattr(result, name) for result in results]) for name in ROWS},
        seconds=sum(result.seconds for result in results),
        seconds_fma_small=None if None in seconds_fma_small else float(np.mean(seconds_fma_small)),
        runs=tuple(run for result in results for run in result.runs),
        description=f"{len(results)} folds, the first: {first.description}",
    )


def _joined(parts):
    return pd.concat([rows.assign(fold=fold) for fold, rows in enumerate(parts)], ignore_index=True)


def over_seeds(results):
    """Returns the summary of a system's first result, with means and deviations over the results of all seeds.

    Adds `seeds`, `accuracy_segment_mean`, `accuracy_segment_std`, `accuracy_vote_mean`, `accuracy_vote_std`; the deviation is
    of a sample, None for one seed. `seconds` are of one seed.
    """
    summaries = [result.summary() for result in results]
    spread = {"seeds": [result.seed for result in results]}
    for key in ("accuracy_segment", "accuracy_vote"):
        values = [summary[key] for summary in summaries]
        spread[f"{key}_mean"] = float(np.mean(values))
        spread[f"{key}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {**summaries[0], **spread}


def table(summaries):
    """Returns summaries by `over_seeds`, a dict by name, as a table for display: one row a system."""
    several = any(len(summary["seeds"]) > 1 for summary in summaries.values())
    rows = {}
    for name, summary in summaries.items():
        rows[name] = {
            "segment": summary["accuracy_segment"],
            "vote": summary["accuracy_vote"],
            "95 % interval": "{:.2f} to {:.2f}".format(*summary["accuracy_vote_ci95"]),
            "mean vote": summary["accuracy_mean_vote"],
            "macro F1": summary["macro_f1"],
            "calibration error": summary["calibration_error"],
            "after scaling": summary["calibration_error_scaled"],
            "parameters": f"{summary['n_parameters']:,}",
            "seconds": round(summary["seconds"]),
        }
        if several:
            rows[name]["vote, all seeds"] = f"{summary['accuracy_vote_mean']:.3f} ± {summary['accuracy_vote_std']:.3f}"
    return pd.DataFrame(rows).T.infer_objects()
