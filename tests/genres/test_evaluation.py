import numpy as np
import pandas as pd
import pytest

from fmalib.genres import evaluation


def table(track_ids, labels, artists):
    return pd.DataFrame({"track_id": track_ids, "label": labels, "artist": artists})


def test_votes_count_segments_not_probabilities():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.4, 0.6, 0.0]])
    voted = evaluation.votes(probabilities, table([7, 7, 7], [1, 1, 1], ["a"] * 3))
    assert voted.loc[7, "predicted"] == 1
    assert voted.loc[7, "confidence"] == pytest.approx((0.1 + 0.6 + 0.6) / 3)


def test_a_tie_goes_to_the_higher_mean_probability():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6]])
    assert evaluation.votes(probabilities, table([1, 1], [0, 0], ["a", "a"])).loc[1, "predicted"] == 0
    assert evaluation.votes(probabilities[:, ::-1], table([1, 1], [0, 0], ["a", "a"])).loc[1, "predicted"] == 1


def test_votes_need_a_row_for_each_segment():
    with pytest.raises(ValueError, match="Received: 1 for 2"):
        evaluation.votes(np.ones((1, 2)), table([1, 1], [0, 0], ["a", "a"]))


def test_summarise_exact_values():
    predicted = [0, 0, 1, 1, 1, 0]  # tracks 1, 2, 3 with two segments each
    probabilities = np.eye(3)[predicted] * 0.8 + 0.1
    result = evaluation.summarise(probabilities, table([1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 0, 0], list("aabbcc")), 3)
    assert result["accuracy_segment"] == pytest.approx(5 / 6)
    # Track 3 is a tie at equal probability: the higher label wins, which is wrong here.
    assert result["accuracy_vote"] == pytest.approx(2 / 3)
    assert result["f1_per_genre"] == [pytest.approx(2 / 3), pytest.approx(2 / 3), None]
    assert result["macro_f1"] == pytest.approx(2 / 3)  # the genre without a test track does not count
    low, high = result["accuracy_vote_ci95"]
    assert 0 <= low <= 2 / 3 <= high <= 1


def test_the_interval_of_independent_tracks_is_the_binomial_one():
    correct = np.arange(400) % 4 == 0
    low, high = evaluation.accuracy_interval(correct, np.arange(400))
    half = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert low == pytest.approx(0.25 - half, abs=0.01) and high == pytest.approx(0.25 + half, abs=0.01)


def test_tracks_of_one_artist_widen_the_interval():
    correct = np.repeat(np.arange(40) % 2 == 0, 10)
    independent = evaluation.accuracy_interval(correct, np.arange(400))
    clustered = evaluation.accuracy_interval(correct, np.repeat(np.arange(40), 10))
    ratio = (clustered[1] - clustered[0]) / (independent[1] - independent[0])
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_the_interval_repeats_and_refuses_nothing():
    correct, artists = np.arange(30) % 3 == 0, np.arange(30) // 2
    assert evaluation.accuracy_interval([True, True], ["only", "only"]) == (0.0, 1.0)
    assert evaluation.accuracy_interval(correct, artists) == evaluation.accuracy_interval(correct, artists)
    with pytest.raises(ValueError, match="Received: 0 rows"):
        evaluation.accuracy_interval([], [])


def test_four_artists_who_are_all_right_do_not_prove_perfection():
    low, high = evaluation.accuracy_interval([True] * 28, np.arange(28) % 4)
    assert (low, high) == pytest.approx((0.025 ** (1 / 4), 1))  # the exact binomial interval of four


def test_the_interval_of_a_difference_stays_in_its_range():
    first, second = np.arange(28) % 7 != 0, np.arange(28) % 7 == 0
    low, high = evaluation.compare(voted(first, np.arange(28) % 4), voted(second, np.arange(28) % 4))["difference_ci95"]
    assert -1 <= low < 5 / 7 < high <= 1


def test_shuffling_keeps_tracks_and_label_counts():
    tracks = pd.DataFrame({"label": np.arange(80) % 8, "artist": "a"}, index=np.arange(100, 180))
    permuted = evaluation.permute_labels(tracks, 0)
    assert permuted.index.equals(tracks.index)
    assert sorted(permuted["label"]) == sorted(tracks["label"])
    assert (permuted["label"] == tracks["label"]).mean() < 0.4
    assert evaluation.permute_labels(tracks, 0).equals(permuted) and tracks["label"].tolist() == [i % 8 for i in range(80)]


def test_the_mean_vote_counts_probabilities():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    segments = table([7, 7, 7], [1, 1, 1], ["a"] * 3)
    assert evaluation.votes(probabilities, segments, "mean").loc[7, "predicted"] == 0
    assert evaluation.votes(probabilities, segments, "majority").loc[7, "predicted"] == 1
    with pytest.raises(ValueError, match="Received: rule='best'"):
        evaluation.votes(probabilities, segments, "best")


def test_the_vote_curve_spreads_the_segments_and_rises_with_independent_ones():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 2, 600), 9)
    right = rng.random(5400) < 0.6
    probabilities = np.eye(2)[np.where(right, labels, 1 - labels)] * 0.8 + 0.1
    segments = table(np.repeat(np.arange(600), 9), labels, np.repeat(np.arange(600).astype(str), 9))
    curve = evaluation.vote_curve(probabilities, segments)
    assert curve.index.tolist() == list(range(1, 10))
    assert curve.loc[1, "majority"] == pytest.approx(right[4::9].mean())  # the middle segment alone
    assert curve.loc[9, "majority"] == pytest.approx(evaluation.summarise(probabilities, segments, 2)["accuracy_vote"])
    assert curve.loc[3, "majority"] == pytest.approx(0.6**3 + 3 * 0.6**2 * 0.4, abs=0.04)  # binomial
    assert (curve["low"] <= curve["majority"]).all() and (curve["majority"] <= curve["high"]).all()


def voted(correct, artists):
    labels = np.zeros(len(correct), int)
    return pd.DataFrame({"label": labels, "artist": artists, "predicted": np.where(correct, 0, 1)}, index=range(len(correct)))


def test_mcnemar_is_the_binomial_test_of_the_tracks_that_differ():
    first, second = np.ones(40, bool), np.ones(40, bool)
    second[:9], first[9:11] = False, False
    result = evaluation.compare(voted(first, np.arange(40)), voted(second, np.arange(40)))
    assert (result["only_first"], result["only_second"]) == (9, 2)
    assert result["mcnemar_p"] == pytest.approx(2 * (1 + 11 + 55) / 2**11)  # two-sided
    assert result["difference"] == pytest.approx(7 / 40)
    low, high = result["difference_ci95"]
    assert 0 < low < 7 / 40 < high
    same = evaluation.compare(voted(first, np.arange(40)), voted(first, np.arange(40)))
    # No track differs: at most 1 - 0.025^(1/40) of all artists do.
    assert same["mcnemar_p"] == 1 and same["difference_ci95"] == pytest.approx([0.025 ** (1 / 40) - 1, 1 - 0.025 ** (1 / 40)])
    with pytest.raises(ValueError, match="Received: 40 and 39"):
        evaluation.compare(voted(first, np.arange(40)), voted(first, np.arange(40))[1:])


def test_a_single_artist_gives_no_interval_of_a_difference():
    first, second = voted(np.ones(4, bool), ["only"] * 4), voted(np.zeros(4, bool), ["only"] * 4)
    assert evaluation.compare(first, second)["difference_ci95"] == [-1.0, 1.0]


def test_the_paired_interval_is_over_artists():
    first, second = np.repeat(np.arange(40) % 4 != 0, 10), np.repeat(np.arange(40) % 4 != 1, 10)
    clustered = evaluation.compare(voted(first, np.repeat(np.arange(40), 10)), voted(second, np.repeat(np.arange(40), 10)))
    independent = evaluation.compare(voted(first, np.arange(400)), voted(second, np.arange(400)))
    widths = [np.ptp(result["difference_ci95"]) for result in (clustered, independent)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(10), rel=0.15)


def test_calibration_of_exact_and_overconfident_probabilities():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 20_000)
    labels = np.where(rng.random(20_000) < confidence, 0, 1)
    calibrated = np.stack([confidence, 1 - confidence], axis=1)
    assert evaluation.calibration_error(calibrated, labels) < 0.01
    assert evaluation.fit_temperature(calibrated, labels) == pytest.approx(1, abs=0.05)
    overconfident = evaluation.with_temperature(calibrated, 1 / 3)  # logits three times too large
    assert evaluation.calibration_error(overconfident, labels) > 0.1
    temperature = evaluation.fit_temperature(overconfident, labels)
    assert temperature == pytest.approx(3, rel=0.05)
    np.testing.assert_allclose(evaluation.with_temperature(overconfident, 3), calibrated, atol=2e-4)
    exact = evaluation.calibration_error(np.array([[0.8, 0.2]] * 4), [0, 0, 0, 1])
    assert exact == pytest.approx(0.05)


def test_shares_of_artists_are_nested_and_keep_every_genre():
    tracks = pd.DataFrame({"label": np.repeat(np.arange(4), 20), "artist": np.repeat(np.arange(40).astype(str), 2)})
    small, half, whole = (evaluation.share_of_artists(tracks, share, 0) for share in (0.05, 0.5, 1.0))
    assert whole.equals(tracks) and set(small.index) < set(half.index)
    assert small.groupby("label")["artist"].nunique().tolist() == [1] * 4  # at least one
    assert half.groupby("label")["artist"].nunique().tolist() == [5] * 4 and (half["artist"].value_counts() == 2).all()
    with pytest.raises(ValueError, match="Received: share=0"):
        evaluation.share_of_artists(tracks, 0, 0)
