import numpy as np
import pandas as pd
import pytest

from fmalib import evaluation


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
    with pytest.raises(ValueError, match="Received: 0 tracks"):
        evaluation.accuracy_interval([], [])


def test_shuffling_keeps_tracks_and_label_counts():
    tracks = pd.DataFrame({"label": np.arange(80) % 8, "artist": "a"}, index=np.arange(100, 180))
    shuffled = evaluation.shuffle_labels(tracks, 0)
    assert shuffled.index.equals(tracks.index)
    assert sorted(shuffled["label"]) == sorted(tracks["label"])
    assert (shuffled["label"] == tracks["label"]).mean() < 0.4
    assert evaluation.shuffle_labels(tracks, 0).equals(shuffled) and tracks["label"].tolist() == [i % 8 for i in range(80)]


def test_the_svm_learns_and_is_at_chance_on_shuffled_labels():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    features = pd.DataFrame(rng.normal(size=(400, 10)) + 3 * np.eye(10)[labels])
    tracks = pd.DataFrame({"label": labels})
    parts = tracks[:240], tracks[240:300], tracks[300:]
    assert (evaluation.svm_predict(features, *parts) == parts[2]["label"]).mean() > 0.9
    dealt = [evaluation.shuffle_labels(part, number) for number, part in enumerate(parts[:2])]
    correct = evaluation.svm_predict(features, *dealt, parts[2]) == parts[2]["label"]
    low, high = evaluation.accuracy_interval(correct, np.arange(100))
    assert low <= 0.25 <= high
