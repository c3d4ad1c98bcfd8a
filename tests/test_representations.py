"""Representations: the same segments in the same order, whatever hears them."""

import numpy as np
import pytest

from fmalib import cache, features, interactive, models, representations

EPOCHS = {"autoencoder": 1, "frozen": 1, "finetuned": 1}


@pytest.fixture(scope="module")
def spans(synth_data):
    decoded = {"frequency": cache.build(synth_data, 8000, progress=False), "time": cache.build(synth_data, 44_100, progress=False)}
    return representations.prepare(synth_data, decoded, latent=8, per_track=2, epochs=EPOCHS, min_segments=16, progress=False)


def test_rows_are_those_of_the_segments(spans):
    rows = spans.rows("test")
    assert len(rows) == 2 * len(spans.of("test")) == 32 and len(spans.rows("all")) == 96
    assert list(rows["track_id"].unique()) == list(spans.of("test").index)
    assert (rows["label"].map(dict(enumerate(spans.study.data.genres))).to_numpy() == spans.of("test").loc[rows["track_id"], "genre"]).all()
    assert not set(spans.of("training")["artist"]) & set(spans.of("test")["artist"]) and "2 spans of 8.19 s" in str(spans)


@pytest.mark.parametrize("name, n_features", [("untrained", 72), ("linear", 72), ("time", 288), ("log_mel", 256), ("mfcc", 140), ("classifier", 100)])
def test_every_representation_describes_all_segments(spans, name, n_features):
    table = representations.represent(name, spans)
    assert table.values.shape == (48, 2, n_features) and np.isfinite(table.values).all()
    assert table.of(spans.of("test")).shape == (32, n_features)
    assert set(table.track_ids) == set(spans.tracks.index)


def test_mfccs_are_of_the_very_spans_that_are_heard(spans):
    audio = representations.span_audio(spans, spans.rows("test"))
    assert audio.shape == (32, 65_536)
    table = representations.represent("mfcc", spans).of(spans.of("test"))
    for row in (0, 5, 31):
        np.testing.assert_allclose(table[row], features.mfcc_statistics(audio[row], 8000), rtol=1e-4, atol=1e-3)


def test_the_same_spans_at_the_other_rate(spans):
    # The level of a span does not depend on the rate it is decoded at.
    rows = spans.rows("all").sample(frac=1, random_state=0)
    slow = representations.span_audio(spans, rows)
    other = representations.dataclasses.replace(spans, domain="time")
    fast = representations.span_audio(other, rows, samples=representations.length(44_100))
    levels = [np.log10(np.mean(audio**2, axis=1)) for audio in (slow, fast)]
    assert np.corrcoef(*levels)[0, 1] > 0.95
    middle = representations.span_audio(other, rows)
    assert middle.shape[1] == other.study.snippet
    start = (fast.shape[1] - middle.shape[1]) // 2
    np.testing.assert_array_equal(middle, fast[:, start : start + middle.shape[1]])


def test_the_classifier_hears_the_middle():
    encoder = models.encoder_for(models.time_autoencoder(samples=2048, latent=4), 16_384)
    from fmalib import classifiers

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


def test_sounds_are_by_segment_while_there_is_room(spans):
    rows = spans.rows("test").head(6)
    all_of_them = interactive.sounds(spans, rows)
    assert len(set(all_of_them)) == 6 and all(11_000 < len(sound) < 16_000 for sound in all_of_them)
    shared = interactive.sounds(spans, rows, megabytes=4 * interactive.SOUND_BYTES / 1e6)
    assert shared[0] == shared[1] == all_of_them[0] and len(set(shared)) == 3
    few = interactive.sounds(spans, rows, megabytes=2 * interactive.SOUND_BYTES / 1e6)
    assert few[4] is None and few[0] == all_of_them[0]


def test_wrong_names():
    with pytest.raises(ValueError, match="Received: 'pixels'"):
        representations.check(["latent", "pixels"])
