"""Representations describe the same segments in the same order."""

import dataclasses

import numpy as np
import pytest
from helpers import encoder_for

from fmalib import plots
from fmalib.codec import listening
from fmalib.data import audio_cache
from fmalib.genres import codec_latent, descriptors, pooling
from fmalib.genres.comparison import CODEC
from fmalib.latent import representations
from fmalib.models import classifiers, original

EPOCHS = {"autoencoder": 1, "frozen": 1, "finetuned": 1}
OWN_LATENTS = {"frequency": 64, "time": 32}


@pytest.fixture(scope="module")
def shared(synth_data):
    rates = {"frequency": 8000, "time": 44_100}
    decoded = {domain: audio_cache.build(synth_data, rate, progress=False) for domain, rate in rates.items()}
    return representations.prepare(synth_data, decoded, latent=8, per_track=2, epochs=EPOCHS, min_segments=16, progress=False)


def test_rows_are_those_of_the_segments(shared):
    rows = shared.rows("test")
    assert len(rows) == 2 * len(shared.of("test")) == 32 and len(shared.rows("all")) == 96
    assert list(rows["track_id"].unique()) == list(shared.of("test").index)
    genres = np.array(shared.comparison.data.genres)
    assert (genres[rows["label"]] == shared.of("test").loc[rows["track_id"], "genre"]).all()
    assert not set(shared.of("training")["artist"]) & set(shared.of("test")["artist"])
    assert "2 segments of 8.19 s" in str(shared)


@pytest.mark.parametrize(
    "name, n_features",
    [
        ("untrained", 72),
        ("linear", 72),
        ("time", 288),
        ("log_mel", 256),
        ("codec", 119),
        ("mfcc", 140),
        ("pretrained", 1024),
        ("classifier", 100),
    ],
)
def test_every_representation_describes_all_segments(shared, name, n_features):
    table = representations.represent(name, shared)
    assert table.values.shape == (48, 2, n_features) and np.isfinite(table.values).all()
    assert table.of(shared.of("test")).shape == (32, n_features)
    assert set(table.track_ids) == set(shared.tracks.index)


class Chosen(Exception):
    """Carries the autoencoder that a representation would train."""


def chosen(name, shared, domain, encoder, monkeypatch):
    """Returns (domain, encoder, latent, trained) of a representation's autoencoder beside a named one with 8 channels."""

    def choose(comparison, seed, *, trained=True):
        raise Chosen(comparison.domain, comparison.encoder, comparison.latent, trained)

    monkeypatch.setattr(representations, "train_autoencoder", choose)
    named = dataclasses.replace(shared.comparisons[domain], encoder=encoder, latent=8)
    with pytest.raises(Chosen) as raised:
        representations.represent(
            name, dataclasses.replace(shared, domain=domain, comparisons=shared.comparisons | {domain: named})
        )
    return raised.value.args


@pytest.mark.parametrize("domain", OWN_LATENTS)
def test_other_autoencoders_have_their_own_size_or_the_named_ones(shared, domain, monkeypatch):
    latents = OWN_LATENTS | {domain: 8}
    expected = {
        "latent": (domain, "study", 8, True),
        "untrained": (domain, "study", 8, False),
        "frequency": ("frequency", "study", latents["frequency"], True),
        "time": ("time", "study", latents["time"], True),
        "denoising": ("frequency", "denoising", latents["frequency"], True),
        "variational": ("frequency", "variational", latents["frequency"], True),
        "linear": ("frequency", "pca", latents["frequency"], True),
    }
    assert {name: chosen(name, shared, domain, "study", monkeypatch) for name in expected} == expected


def test_the_studys_network_beside_another_one_has_its_own_size(shared, monkeypatch):
    assert chosen("frequency", shared, "frequency", "sparse", monkeypatch) == ("frequency", "study", 64, True)
    assert chosen("linear", shared, "frequency", "sparse", monkeypatch) == ("frequency", "pca", 8, True)


def test_mfccs_are_of_the_very_same_segments(shared):
    audio = representations.segment_audio(shared, shared.rows("test"))
    assert audio.shape == (32, 65_536)
    table = representations.represent("mfcc", shared).of(shared.of("test"))
    for row in (0, 5, 31):
        np.testing.assert_allclose(table[row], descriptors.mfcc_statistics(audio[row], 8000), rtol=1e-4, atol=1e-3)


def test_the_codecs_latent_is_of_the_very_same_segments(shared):
    audio = representations.segment_audio(shared, shared.rows("test"))
    table = representations.represent("codec", shared).of(shared.of("test"))
    for row in (0, 31):
        sent = codec_latent.integers(codec_latent.powers(audio[row], 8000), listening.USUAL)
        np.testing.assert_array_equal(table[row], codec_latent.pooled(sent, listening.USUAL))


def test_the_same_segments_at_the_other_rate(shared):
    # The level of a segment does not depend on the rate it is decoded at.
    rows = shared.rows("all").sample(frac=1, random_state=0)
    slow = representations.segment_audio(shared, rows)
    other = dataclasses.replace(shared, domain="time")
    fast = representations.segment_audio(other, rows, samples=representations.length(44_100))
    levels = [np.log10(np.mean(audio**2, axis=1)) for audio in (slow, fast)]
    assert np.corrcoef(*levels)[0, 1] > 0.95
    middle = representations.segment_audio(other, rows)
    assert middle.shape[1] == other.comparison.autoencoder_length
    start = (fast.shape[1] - middle.shape[1]) // 2
    np.testing.assert_array_equal(middle, fast[:, start : start + middle.shape[1]])


def test_a_classifier_on_patches_reads_no_more_than_a_segment(shared):
    comparison = shared.comparisons["time"]
    assert comparison.test["samples"].min() > 10 * 44_100  # which it would read in notebook 03
    assert comparison.of_patches("patches").length == representations.length(44_100)


def test_the_classifier_describes_the_middle():
    encoder = encoder_for(original.time_autoencoder(samples=2048, latent=4), 16_384)
    classifier = classifiers.latent_classifier(encoder, 3)
    last = representations._last_features(classifier, 20_001)
    audio = np.random.default_rng(0).normal(0, 0.2, (2, 20_001)).astype(np.float32)
    other = audio.copy()
    other[:, :1808], other[:, -1809:] = 0, 0
    np.testing.assert_allclose(last.predict(audio, verbose=0), last.predict(other, verbose=0), atol=1e-5)
    kernel, bias = classifier.layers[-1].get_weights()
    logits = last.predict(audio, verbose=0) @ kernel + bias
    middle = audio[:, 1808 : 1808 + 16_384]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict(middle, verbose=0), expected, atol=1e-5)


def test_sounds_are_by_segment_while_there_is_room(shared):
    rows, size = shared.rows("test").head(6), plots.interactive.SOUND_BYTES / 1e6
    by_segment = plots.interactive.sounds(shared, rows)
    assert len(set(by_segment)) == 6 and all(11_000 < len(sound) < 16_000 for sound in by_segment)
    by_track = plots.interactive.sounds(shared, rows, megabytes=4 * size)
    assert by_track[0] == by_track[1] == by_segment[0] and len(set(by_track)) == 3
    few = plots.interactive.sounds(shared, rows, megabytes=2 * size)
    assert few[4] is None and few[0] == by_segment[0]


def test_the_codecs_latent_is_an_encoder_without_a_network(shared):
    named = dataclasses.replace(shared.comparison, encoder=CODEC)
    of_codec = dataclasses.replace(shared, comparisons=shared.comparisons | {"frequency": named})
    latent, codec = (representations.represent(name, of_codec) for name in ("latent", "codec"))
    np.testing.assert_array_equal(latent.values, codec.values)
    assert representations.named_autoencoder(of_codec) is None
    with pytest.raises(ValueError, match=r"no network is trained.*Received: encoder='learned'"):
        representations.represent("untrained", of_codec)


def test_one_genre_has_no_supervised_representation(shared, monkeypatch):
    assert representations.possible(["latent", "classifier", "mfcc"], ("Rock",)) == ["latent", "mfcc"]
    assert representations.possible(["latent", "classifier"], ("Pop", "Rock")) == ["latent", "classifier"]
    with pytest.raises(ValueError, match=r"without a network. Received: classifier"):
        representations.possible(["classifier"], ("Rock",))
    names = ["latent", "untrained", "classifier", "mfcc"]
    assert representations.possible(names, ("Pop", "Rock"), CODEC) == ["latent", "mfcc"]
    comparison = dataclasses.replace(shared.comparison, data=dataclasses.replace(shared.comparison.data, genres=("Rock",)))
    alone = dataclasses.replace(shared, comparisons=shared.comparisons | {"frequency": comparison})
    with pytest.raises(ValueError, match=r"classifier is supervised and needs two genres or more. Received: Rock"):
        representations.represent("classifier", alone)  # before anything is trained


def test_values_that_are_not_finite_are_named(shared, monkeypatch):
    values = np.zeros((4, 2, 3))
    values[1, 0, 2] = np.nan
    broken = representations.Representation(lambda *_: pooling.Features(values, np.arange(4), {}, 0.0), "broken")
    monkeypatch.setitem(representations.REPRESENTATIONS, "broken", broken)
    with pytest.raises(ValueError, match=r"broken is not finite: .*Received: 1 segments that are not"):
        representations.represent("broken", shared)


def test_wrong_names():
    with pytest.raises(ValueError, match="Received: name='pixels'"):
        representations.represent("pixels", None)
    with pytest.raises(ValueError, match="Received: domain='space'"):
        representations.prepare(None, {}, domain="space")
