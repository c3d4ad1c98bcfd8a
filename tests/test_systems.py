"""Every system by name, small; what the results must be where the answer is known."""

import dataclasses

import numpy as np
import pytest

from fmalib import cache, datasets, study, systems, training

EPOCHS = {"autoencoder": 1, "frozen": 1, "finetuned": 1, "network": 1}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """The study of 24 artists with high and low noisy tones: easy to tell apart."""
    import soundfile
    from conftest import tone

    root = tmp_path_factory.mktemp("systems")
    for genre, pitch in (("High", 1500), ("Low", 200)):
        for number in range(24):
            folder = root / "music" / genre / f"artist {genre} {number // 2}"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{number}.wav", tone(pitch + 10 * number, seed=number), 8000)
    data = datasets.load(str(root / "music"))
    decoded = cache.build(data, 8000, cache_dir=root / "cache", progress=False)
    return study.prepare(data, decoded, latent=4, epochs=EPOCHS, min_segments=16, segments_per_track=3, progress=False)


@pytest.fixture(autouse=True)
def own_runs(monkeypatch, tmp_path_factory, request):
    """Runs of this module, apart from those of other tests."""
    folder = tmp_path_factory.getbasetemp() / "systems_runs"
    monkeypatch.setenv("FMALIB_RUNS", str(folder))


SLOW = ("bbnn", "audeep", "latent_lstm", "latent_pooled", "random_frozen")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in systems.SYSTEMS])
def test_every_system_runs_by_name_on_a_folder_of_genres(tones, name):
    result = systems.run(name, tones)
    n_rows = len(tones.test) * (1 if name == "mfcc_svm" else 3)
    assert result.name == name and result.probabilities.shape == (n_rows, 2) and len(result.rows) == n_rows
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, atol=1e-4)
    assert set(result.votes.index) == set(tones.test.index)
    summary = result.summary()
    assert {"accuracy_segment", "accuracy_vote", "accuracy_vote_ci95", "macro_f1", "n_parameters", "seconds"} <= set(summary)
    assert (summary["n_parameters"] > 0 and summary["seconds"] > 0) or name == "majority"
    assert (result.model is not None) == (name in ("cnn", "bbnn", "random_frozen") or name in LATENT_HEADS)


LATENT_HEADS = ("latent_frozen", "latent_finetuned", "latent_lstm", "latent_pooled")


@pytest.mark.parametrize("name", ["mfcc_svm", "mel_pca"])
def test_an_easy_task_is_solved(tones, name):
    assert systems.run(name, tones).summary()["accuracy_vote"] == 1


def test_a_second_run_says_exactly_the_same(tones):
    for name in ("latent_finetuned", "latent_linear", "mfcc_svm"):
        one, other = systems.run(name, tones), systems.run(name, tones)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert one.summary() == other.summary()


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_where_it_was(tones, tmp_path, monkeypatch):
    """Ctrl-C in the second system's second epoch: the first is found, the second goes on, and both say the same."""
    two = dataclasses.replace(tones, epochs={**EPOCHS, "network": 2})
    sweep = ("latent_frozen", "cnn")
    undisturbed = [systems.run(name, two) for name in sweep]
    monkeypatch.setenv("FMALIB_RUNS", str(tmp_path / "stopped"))
    backup = training.Backup.on_epoch_end

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        backup(self, epoch, logs)

    monkeypatch.setattr(training.Backup, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        [systems.run(name, two) for name in sweep]
    monkeypatch.setattr(training.Backup, "on_epoch_end", backup)
    resumed = [systems.run(name, two) for name in sweep]
    assert " found: " in resumed[0].description and " trained: " in resumed[1].description
    for one, other in zip(undisturbed, resumed):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_another_seed_is_another_training(tones):
    one, other = systems.repeat("latent_frozen", tones, (0, 1))
    assert one.runs != other.runs and not np.array_equal(one.probabilities, other.probabilities)
    summary = systems.over_seeds([one, other])
    accuracies = [result.summary()["accuracy_vote"] for result in (one, other)]
    assert summary["seeds"] == [0, 1] and summary["accuracy_vote"] == accuracies[0]
    assert summary["accuracy_vote_mean"] == pytest.approx(np.mean(accuracies))
    assert summary["accuracy_vote_std"] == pytest.approx(np.std(accuracies, ddof=1))
    table = systems.table({"latent_frozen": summary})
    assert table.loc["latent_frozen", "vote"] == summary["accuracy_vote"] and "vote, all seeds" in table


@pytest.fixture(scope="module")
def synth_study():
    """Ten synthetic tracks a genre, with the sparse latent, which tells them apart before any training."""
    data = datasets.load("synth", tracks_per_genre=10)
    return study.prepare(
        data, cache.build(data, 8000, progress=False), domain="frequency", encoder="sparse", latent=64, epochs=EPOCHS,
        min_segments=16, segments_per_track=2, progress=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mfcc_svm", "latent_linear"])
def test_shuffled_labels_are_at_chance(synth_study, name):
    """Chance, 1 of 8, lies in the mean interval of six shuffles; with true labels, the same system is above it."""
    dealt = [systems.run(name, synth_study.shuffled(seed)).summary()["accuracy_vote_ci95"] for seed in range(6)]
    low, high = np.mean(dealt, axis=0)
    assert low <= 1 / 8 <= high
    assert systems.run(name, synth_study).summary()["accuracy_vote"] > high
    assert systems.run(systems.SHUFFLED + name, synth_study).summary()["accuracy_vote_ci95"] == dealt[0]


def test_the_learning_curve_uses_more_tracks_with_more_artists(tones):
    curve = systems.learning_curve("latent_linear", tones, (0.3, 1.0))
    assert curve["share"].tolist() == [0.3, 1.0] and curve["n_tracks"].is_monotonic_increasing
    assert curve["n_tracks"].iloc[-1] == len(tones.training) > curve["n_tracks"].iloc[0]
    assert ((curve["low"] <= curve["accuracy"]) & (curve["accuracy"] <= curve["high"])).all()


def test_names_are_checked(tones):
    for name in ("svm", "shuffled_", "shuffled_majority", "latent_finetuned "):
        with pytest.raises(ValueError, match="systems must be of latent_frozen.*Received: "):
            systems.run(name, tones)
    systems.check([*systems.SYSTEMS, "shuffled_cnn"])
    assert systems.describe("shuffled_cnn").endswith("on shuffled labels")
