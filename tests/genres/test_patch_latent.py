import dataclasses

import numpy as np
import pytest
import soundfile
from helpers import tone

from fmalib.data import audio_cache, datasets
from fmalib.genres import comparison, patch_latent, systems
from fmalib.models import patch_autoencoder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Two genres of ten tracks of 4 s at 22,050 Hz: steady noise, and the same noise in four pulses a second."""
    root, time = tmp_path_factory.mktemp("patches"), np.arange(4 * 22_050) / 22_050
    for genre, envelope in (("Steady", np.ones_like(time)), ("Pulses", time % 0.25 < 0.1)):
        folder = root / "music" / genre
        folder.mkdir(parents=True)
        for number in range(10):
            noise = np.random.default_rng(number).normal(size=len(time)) / 20
            with soundfile.SoundFile(folder / f"{number}.wav", "w", 22_050, 1) as file:
                file.artist = f"{genre} artist {number // 2}"
                file.write(noise * envelope)
    data = datasets.load(str(root / "music"))
    decoded = audio_cache.build(data, 22_050, cache_dir=root / "cache", progress=False)
    settings = {"epochs": {"autoencoder": 1, "frozen": 1, "finetuned": 1}, "min_segments": 16, "segments_per_track": 2}

    def network(*, components):
        return patch_autoencoder.patch_autoencoder(components=components, latent=32, active=4)

    return comparison.prepare(data, decoded, network=network, progress=False, **settings)


@pytest.fixture(autouse=True)
def own_runs(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("FMALIB_RUNS", str(tmp_path_factory.getbasetemp() / "patch_runs"))


def test_one_vector_a_track_of_its_whole_length(prepared):
    encoder = patch_latent.trained(prepared)
    tracks = prepared.cache.tracks
    table = patch_latent.table(encoder, prepared.cache, tracks, progress=False)
    assert table.values.shape == (20, 32) and list(table.track_ids) == list(tracks.index)
    track_id, samples = next(audio_cache.read(prepared.cache, [tracks.index[3]]))
    codes = np.asarray(encoder.of_length()(samples[None].astype(np.float32) / 32_768))
    np.testing.assert_allclose(table.values[list(table.track_ids).index(track_id)], np.sqrt(codes.mean(axis=1))[0], atol=1e-4)


def test_training_is_found_and_test_tracks_do_not_count(prepared):
    one = patch_latent.trained(prepared)
    other = patch_latent.trained(dataclasses.replace(prepared, test=prepared.test.iloc[:0]))
    assert one.run == other.run and one.run is not None and "h of music" in str(one)
    np.testing.assert_array_equal(one.patches.get_weights()[0], other.patches.get_weights()[0])
    untrained = patch_latent.trained(prepared, learned=False)
    np.testing.assert_array_equal(untrained.whitening.components, one.whitening.components)
    assert untrained.run is None and (untrained.patches.get_weights()[0] != one.patches.get_weights()[0]).any()


@pytest.mark.slow
def test_more_music_is_trained_on(prepared, tmp_path):
    soundfile.write(tmp_path / "more.wav", np.tile(tone(700, seed=3), 8), 8000)
    more = dataclasses.replace(prepared, music=(tmp_path / "more.wav",))
    assert patch_latent.prepare(more).hours > patch_latent.prepare(prepared).hours
    assert patch_latent.trained(more).run != patch_latent.trained(prepared).run
    first = patch_latent.trained(more, learned=False).whitening
    soundfile.write(tmp_path / "more.wav", np.tile(tone(900, seed=4), 8), 8000)  # other music of the same name
    assert (patch_latent.trained(more, learned=False).whitening.components != first.components).any()


@pytest.mark.parametrize("name", ["patches_svm", "pretrained_linear", "pretrained_finetuned"])
def test_an_easy_task_is_solved(prepared, name):
    assert systems.run(name, prepared).summary()["accuracy_vote"] == 1


@pytest.mark.parametrize("encoder", [pytest.param("patches", marks=pytest.mark.slow), "pretrained"])
def test_named_encoders_serve_the_systems_of_the_latent(prepared, encoder):
    named = dataclasses.replace(prepared, encoder=encoder)
    assert systems.run("latent_svm", named).description == systems.run(f"{encoder}_svm", prepared).description
    finetuned = systems.run("latent_finetuned", named)
    assert finetuned.model is not None and finetuned.probabilities.shape == (2 * len(named.test), 2)


def test_segments_of_a_classifier_are_no_longer_than_the_shortest_track(prepared):
    shortest = prepared.test["samples"].min()
    assert prepared.of_patches("patches").length == shortest == 4 * 22_050
    assert dataclasses.replace(prepared, patch_seconds=3.5).of_patches("patches").length == 3.5 * 22_050


def test_the_pretrained_encoder_needs_its_sample_rate(prepared):
    with pytest.raises(ValueError, match=r"needs sample_rate=22050 or 44100. Received: sample_rate=8000"):
        patch_latent.pretrained(8000)
    with pytest.raises(ValueError, match=r"needs sample_rate=22050 or 44100. Received: sample_rate=8000"):
        slow = dataclasses.replace(prepared.cache, sample_rate=8000)
        comparison.prepare(prepared.data, slow, domain="frequency", encoder="pretrained")  # before anything is trained
    assert patch_latent.pretrained(44_100).of_length(100_000).output.shape == (None, 28, patch_autoencoder.LATENT)
