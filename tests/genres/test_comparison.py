import numpy as np
import pytest

from fmalib.data import audio_cache, datasets, segments
from fmalib.genres import comparison, systems


@pytest.fixture
def prepared(genre_folder, tmp_path):
    """A function that prepares the two-genre folder, decoded at 8 kHz."""
    data = datasets.load(str(genre_folder))
    decoded = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    return lambda **options: comparison.prepare(data, decoded, progress=False, **options)


def test_lengths_keep_the_studys_seconds(prepared):
    own = prepared()
    assert own.length / 8000 == pytest.approx(131_072 / 44_100, rel=0.02)
    assert own.autoencoder_length / 8000 == pytest.approx(65_536 / 44_100, rel=0.02)
    assert own.crops == -(-512 // len(own.training)) and f"{len(own.training)} training" in str(own)
    assert own.epochs == {"autoencoder": 20, "frozen": 20, "finetuned": 20, "network": 24}
    assert prepared(epochs={"frozen": 3}).epochs == own.epochs | {"frozen": 3}


def test_the_frequency_domain_needs_longer_tracks(prepared):
    with pytest.raises(ValueError, match=r"no track with a segment of 8.19 s"):
        prepared(domain="frequency", encoder="sparse", latent=16)


def test_wrong_choices_are_named(prepared, genre_folder, tmp_path):
    with pytest.raises(ValueError, match="Received: domain='space'"):
        prepared(domain="space")
    with pytest.raises(ValueError, match="Received: model='pca'"):
        prepared(encoder="pca")
    data = datasets.load(str(genre_folder))
    with pytest.raises(ValueError, match=r"4500 Hz or more. Received: sample_rate=4000"):
        comparison.prepare(data, audio_cache.build(data, 4000, cache_dir=tmp_path / "cache", progress=False))


def test_a_single_genre_has_autoencoders_and_no_classifier(genre_folder, tmp_path):
    data = datasets.load(str(genre_folder), genres=["Low"])
    with pytest.raises(ValueError, match=r"two genres or more; .* Received: 10 tracks of Low"):
        comparison.check_genres(data.tracks)
    decoded = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    own = comparison.prepare(data, decoded, progress=False)
    assert len(own.training) == 6
    with pytest.raises(ValueError, match="Received: 6 tracks of Low"):
        systems.run("latent_linear", own)  # before the autoencoder's 20 epochs


def test_labels_change_and_the_tracks_of_autoencoders_do_not(prepared):
    own = prepared()
    permuted, few = own.with_permuted_labels(3), own.with_artists(0.4, 0)
    for other in (permuted, few):
        assert all(one.equals(same) for one, same in zip(other.unlabelled, own.unlabelled)) and other.test.equals(own.test)
    assert sorted(permuted.training["label"]) == sorted(own.training["label"])
    assert (permuted.training["label"] != own.training["label"]).any()
    assert set(few.training["artist"]) < set(own.training["artist"]) and few.training["label"].nunique() == 2


def test_training_on_validation_too_takes_its_labels_and_no_test_track(prepared):
    own = prepared(min_segments=40).with_permuted_labels(3)
    both = own.with_validation()
    assert set(both.training.index) == set(own.training.index) | set(own.validation.index)
    assert not set(both.training.index) & set(own.test.index)
    for part in (own.training, own.validation):
        assert both.training.loc[part.index, "label"].equals(part["label"])
    batches = segments.fixed_segments(own.cache, both.training, own.length, per_track=1, batch_size=4)  # in reading order
    assert np.concatenate([label for _, label in batches]).tolist() == both.training["label"].tolist()


def test_pipelines_and_segment_tables_agree(prepared):
    own = prepared(segments_per_track=3, min_segments=40)
    for split in ("training", "validation", "test"):
        rows, batches = own.rows(split), list(own.batches(split))
        assert len(rows) == 3 * len(getattr(own, split))
        np.testing.assert_array_equal(np.concatenate([label for _, label in batches]), rows["label"])
        assert batches[0][0].shape[1] == own.length
    plain, mixed, audio = own.pipeline(), own.pipeline(0.3), own.audio_pipeline(own.autoencoder_length, 8)
    assert (plain.n_classes, plain.mixup, mixed.n_classes, mixed.mixup) == (0, 0.0, 2, 0.3)
    assert (audio.target, audio.length, audio.batch_size) == ("audio", own.autoencoder_length, 8)
    assert plain.crops_per_track == audio.crops_per_track == -(-40 // len(own.training))
    few = own.with_artists(0.4, 0)
    assert few.pipeline().crops_per_track == 40 // len(few.training) > plain.crops_per_track
    assert few.audio_pipeline(own.autoencoder_length, 8).content() == audio.content()


def test_the_untrained_autoencoder_has_the_seeds_weights(prepared):
    own = prepared(latent=4, epochs={"autoencoder": 1}, min_segments=16)
    one, same, other = (comparison.train_autoencoder(own, seed, trained=False) for seed in (0, 0, 1))
    weights = [autoencoder.encoder.get_weights() for autoencoder in (one, same, other)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1]))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2]))
    assert comparison.encoder_for(own, one).input.shape == (None, own.length)
