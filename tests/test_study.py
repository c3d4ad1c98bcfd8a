import numpy as np
import pytest

from fmalib import cache, datasets, study


@pytest.fixture
def prepared(genre_folder, tmp_path):
    """A function that prepares the two-genre folder, decoded at 8 kHz."""
    data = datasets.load(str(genre_folder))
    decoded = cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    return lambda **options: study.prepare(data, decoded, progress=False, **options)


def test_lengths_keep_the_studys_seconds(prepared):
    own = prepared()
    assert own.length / 8000 == pytest.approx(131_072 / 44_100, rel=0.02)
    assert own.snippet / 8000 == pytest.approx(65_536 / 44_100, rel=0.02)
    assert own.crops == 512 // len(own.training) and f"{len(own.training)} training" in str(own)
    assert own.epochs == {"autoencoder": 20, "frozen": 20, "finetuned": 20, "network": 24}


def test_the_frequency_domain_needs_longer_tracks(prepared):
    with pytest.raises(ValueError, match="no track with a segment of 8.19 s"):
        prepared(domain="frequency", encoder="sparse", latent=16)


def test_wrong_choices_are_named(prepared, genre_folder, tmp_path):
    with pytest.raises(ValueError, match="Received: domain='space'"):
        prepared(domain="space")
    with pytest.raises(ValueError, match="Received: model='pca'"):
        prepared(encoder="pca")
    data = datasets.load(str(genre_folder), genres=["Low"])
    decoded = cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    with pytest.raises(ValueError, match="two genres or more. Received: .*music with Low"):
        study.prepare(data, decoded)
    data = datasets.load(str(genre_folder))
    with pytest.raises(ValueError, match="4500 Hz or more. Received: sample_rate=4000"):
        study.prepare(data, cache.build(data, 4000, cache_dir=tmp_path / "cache", progress=False))


def test_labels_change_and_what_autoencoders_hear_does_not(prepared):
    own = prepared()
    dealt, few = own.shuffled(3), own.with_artists(0.4, 0)
    for other in (dealt, few):
        assert all(one.equals(same) for one, same in zip(other.listened, own.listened)) and other.test.equals(own.test)
    assert sorted(dealt.training["label"]) == sorted(own.training["label"])
    assert (dealt.training["label"] != own.training["label"]).any()
    assert set(few.training["artist"]) < set(own.training["artist"]) and few.training["label"].nunique() == 2


def test_the_untrained_autoencoder_has_the_seeds_weights(prepared):
    own = prepared(latent=4, epochs={"autoencoder": 1}, min_segments=16)
    one, same, other = (study.train_autoencoder(own, seed, trained=False) for seed in (0, 0, 1))
    weights = [autoencoder.encoder.get_weights() for autoencoder in (one, same, other)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1]))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2]))
    assert study.encoder_for(own, one).input.shape == (None, own.length)
