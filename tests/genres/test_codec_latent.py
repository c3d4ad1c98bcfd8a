"""The codec's latent as features: the very integers of a file, what is pooled of them, and their bytes."""

import numpy as np
import pytest
from helpers import tone

from fmalib.codec import bitstream, envelope, file_codec, learned_envelope, listening
from fmalib.data import audio_cache, datasets, segments
from fmalib.genres import codec_latent
from fmalib.signal import mdct_frames

RATE = 8000


def test_the_integers_are_those_of_the_listening_profile():
    """Of frames that are not cut, at the step that the profile chooses."""
    header = bitstream.Header(RATE, 1, 2 * RATE, 80, 201, 0, "learned", "listening")
    signal = tone(440, 2, RATE)
    coefficients = mdct_frames.forward(file_codec.alone(signal[:, None].astype(float), 80))
    sent = listening.quantise(listening.Frames(coefficients, np.zeros(201, int)), 60, header)
    picture = codec_latent.powers(signal, RATE)
    assert picture.shape == (1, 201, 17) and sent.envelope.shape == (1, 13, 16 * 17)
    np.testing.assert_array_equal(codec_latent.integers(picture, sent.envelope_step), sent.envelope)


def test_features_of_known_integers():
    values = np.zeros((1, 3, envelope.ROWS, 2), int)
    values[0, :, 0, 0] = 10, -2, 4  # levels 10, 8, 12
    values[0, :, 1, 1] = 3, 0, -4
    values[0, 0, 2:4, 1] = 6, 8
    values[0, :, 8, 0] = 5
    features = codec_latent.pooled(values.reshape(1, 3, -1), step=32)  # a unit is 32 / 8 octaves / sqrt(16) = 1 octave
    expected = {
        "mean": (10, 0), "deviation": (np.sqrt(8 / 3), 0), "change": (np.sqrt(10), 0),
        "row 1": (0, 5 / np.sqrt(3)), "rows 2, 3": (0, 10 / np.sqrt(3)), "rows 4 to 7": (0, 0), "rows from 8": (5, 0),
    }  # fmt: skip
    np.testing.assert_allclose(features, np.concatenate(list(expected.values())), rtol=1e-6)
    assert features.dtype == np.float32
    groups = codec_latent.sections(len(features))
    np.testing.assert_allclose(features[groups["moments"]], [10, 0, np.sqrt(8 / 3), 0], rtol=1e-6)


def test_a_level_is_the_mean_power_in_octaves():
    """Of a constant envelope: its components are those of the bands, above the floor of powers."""
    picture = np.full((1, 32, 17), -5.0) + np.arange(17) / 4
    features = codec_latent.pooled(codec_latent.integers(picture, 1), 1)
    expected = envelope.learned(17) / 4096 @ (picture[0, 0] - envelope.FLOOR)
    np.testing.assert_allclose(features[:17], expected, atol=1 / 8 / 4 / 2)  # half a step
    np.testing.assert_array_equal(features[17:], 0)


def test_silence_sends_nothing_and_has_features_of_zero():
    values = codec_latent.integers(codec_latent.powers(np.zeros(RATE, np.float32), RATE), 24)
    assert values.shape == (1, 0, 16 * 17) and codec_latent.n_bytes(values, 24) == 0
    np.testing.assert_array_equal(codec_latent.pooled(values, 24), np.zeros(7 * 17, np.float32))


@pytest.mark.parametrize("samples, frames", [(1, 2), (80, 2), (500, 8)])
def test_a_signal_shorter_than_a_block_is_one_block(samples, frames):
    picture = codec_latent.powers(tone(440, 1, RATE)[:samples], RATE)
    values = codec_latent.integers(picture, 24)
    features = codec_latent.pooled(values, 24)
    assert picture.shape == (1, frames, 17) and values.shape == (1, 1, 16 * 17)
    np.testing.assert_array_equal(features[17 : 3 * 17], 0)  # no deviation and no change of a single level
    np.testing.assert_array_equal(envelope.unpack(envelope.pack(values), 1, frames, 17), values)
    assert np.isfinite(features).all() and features[:17].any()


@pytest.fixture
def decoded(genre_folder, tmp_path):
    """The cache of a small folder of genres, and its training tracks."""
    data = datasets.load(str(genre_folder))
    cache = audio_cache.build(data, RATE, cache_dir=tmp_path / "cache", progress=False)
    return cache, segments.select(data, cache, "training", RATE)[0]


def test_tables_hold_each_segment_and_are_computed_once(decoded, monkeypatch):
    cache, tracks = decoded
    steps = {"steps": (8, 64), "progress": False}
    found = codec_latent.tables(cache, tracks, RATE, 2, **steps)
    batches = segments.fixed_segments(cache, tracks, RATE, per_track=2, batch_size=2)
    for row, (batch, _) in zip(range(3), batches):
        for step, number in ((8, 0), (64, 1)):
            values = codec_latent.integers(codec_latent.powers(np.asarray(batch)[number], RATE), step)
            np.testing.assert_array_equal(found[step].values[row, number], codec_latent.pooled(values, step))
    assert list(found) == [8, 64] and found[8].values.shape == (len(tracks), 2, 7 * 17)
    monkeypatch.setattr(codec_latent, "powers", lambda *args: pytest.fail("computed again"))
    again = codec_latent.tables(cache, tracks, RATE, 2, **steps)
    np.testing.assert_array_equal(again[64].of(tracks), found[64].of(tracks))


def test_bitrates_are_of_real_bytes(decoded):
    cache, tracks = decoded
    kbps = codec_latent.bitrates(cache, tracks, RATE, steps=(3, 24, 255))
    middles = segments.fixed_segments(cache, tracks, RATE, per_track=1, batch_size=1)
    pictures = [codec_latent.powers(np.asarray(batch)[0], RATE) for batch, _ in middles]
    network = learned_envelope.network()
    sizes = [
        len(envelope.pack(envelope.quantise(picture, 24, envelope.learned(17)), learned_envelope.Blocks(1, 17, 24, network)))
        for picture in pictures
    ]
    assert kbps[24] == pytest.approx(np.mean(sizes) * 8 / 1000)  # of one second
    assert kbps[3] > kbps[24] > kbps[255] > 0
