import dataclasses

import numpy as np
import pandas as pd
import pytest

from fmalib.genres import evaluation, results


def result_of(predicted, seed=0):
    """Returns the `Result` of predictions for three tracks with two segments each; the true genres are 0, 1, 0."""
    rows = pd.DataFrame({"track_id": [1, 1, 2, 2, 3, 3], "label": [0, 0, 1, 1, 0, 0], "artist": list("aabbcc"), "start": 0})
    probabilities = np.eye(2)[predicted] * 0.8 + 0.1
    validation = {"validation_probabilities": np.eye(2)[[0, 0, 1, 1, 0, 0]] * 0.8 + 0.1, "validation_rows": rows}
    costs = {"n_parameters": 1234, "seconds": 5.6, "description": "six segments"}
    return results.Result(name="own", seed=seed, probabilities=probabilities, rows=rows, **validation, **costs)


def test_a_summary_is_of_the_test_and_scaled_by_validation():
    result = result_of([0, 0, 1, 0, 1, 1])
    summary = result.summary()
    assert str(result) == "own, seed 0: six segments" and result.votes["predicted"].tolist()[::2] == [0, 1]
    assert summary["accuracy_segment"] == pytest.approx(3 / 6)
    assert (summary["n_parameters"], summary["seconds"], summary["seconds_per_epoch_fma_small"]) == (1234, 5.6, None)
    assert summary["calibration_error"] == pytest.approx(0.9 - 0.5)
    # All validation segments are right at 0.9, so scaling sharpens, which makes the errors of this test worse.
    assert summary["temperature"] < 1 and summary["calibration_error_scaled"] > summary["calibration_error"]
    expected = evaluation.summarise(result.probabilities, result.rows, 2)
    assert {key: summary[key] for key in expected} == expected


def shifted(result, by, **facts):
    """Returns a result with other tracks and artists."""
    rows = result.rows.assign(track_id=result.rows["track_id"] + by, artist=result.rows["artist"] + str(by))
    return dataclasses.replace(result, rows=rows, **facts)


def test_folds_are_pooled_to_one_result():
    one = dataclasses.replace(result_of([0, 0, 1, 1, 0, 0]), runs=("a", "b"), seconds_fma_small=2.0)
    other = shifted(result_of([1, 1, 1, 1, 1, 1]), 10, runs=("c",), seconds_fma_small=4.0, n_parameters=9)
    both = results.pooled([one, other])
    summary = both.summary()
    assert summary["accuracy_vote"] == pytest.approx(4 / 6) and summary["accuracy_segment"] == pytest.approx(8 / 12)
    assert both.votes.index.tolist() == [1, 2, 3, 11, 12, 13] and both.votes["predicted"].tolist() == [0, 1, 0, 1, 1, 1]
    low, high = summary["accuracy_vote_ci95"]
    assert low < 4 / 6 < high
    assert (both.seconds, both.seconds_fma_small, both.n_parameters) == (pytest.approx(11.2), 3.0, 1234)
    assert both.runs == ("a", "b", "c") and both.description == "2 folds, the first: six segments"
    assert len(both.validation_rows) == len(both.validation_probabilities) == 12
    assert both.rows.index.tolist() == list(range(12)) and evaluation.vote_curve(both.probabilities, both.rows).index[-1] == 2


def test_a_single_fold_is_itself_and_no_track_is_tested_twice():
    one = result_of([0] * 6)
    assert results.pooled([one]) is one
    with pytest.raises(ValueError, match=r"must be tested once. Received: twice \[1, 2, 3\]"):
        results.pooled([one, one])
    with pytest.raises(ValueError, match="One result or more is needed"):
        results.pooled([])
    assert results.pooled([one, shifted(one, 10)]).seconds_fma_small is None


def test_over_seeds_and_table():
    runs = [result_of([0, 0, 1, 1, 0, 0]), result_of([0, 0, 1, 1, 1, 1], seed=1)]
    summary = results.over_seeds(runs)
    assert summary["seeds"] == [0, 1] and summary["accuracy_vote"] == 1
    assert summary["accuracy_vote_mean"] == pytest.approx((1 + 2 / 3) / 2)
    assert summary["accuracy_vote_std"] == pytest.approx(np.std([1, 2 / 3], ddof=1))
    alone = results.over_seeds(runs[:1])
    assert alone["accuracy_segment_mean"] == 1 and alone["accuracy_segment_std"] is None
    table = results.table({"own": summary})
    assert table.loc["own", "vote"] == 1 and table.loc["own", "parameters"] == "1,234" and table.loc["own", "seconds"] == 6
    assert table.loc["own", "vote, all seeds"] == "0.833 ± 0.236"
    assert "vote, all seeds" not in results.table({"own": alone})


def test_results_are_built_by_keyword():
    with pytest.raises(TypeError):
        results.Result("own", 0)
    assert dataclasses.replace(result_of([0] * 6), name="other").name == "other"
