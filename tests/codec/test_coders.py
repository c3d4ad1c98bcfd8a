import numpy as np
import pandas as pd
import pytest

import fmalib.codec
from fmalib.codec import classical, coders, metrics, quality
from fmalib.data import audio_cache, segments
from fmalib.training import autoencoders

LENGTH = 16_384


@pytest.fixture(scope="module")
def measured(synth_data):
    """Decoded audio, a pipeline, and test tracks of the smallest corpus."""
    decoded = audio_cache.build(synth_data, 8000, progress=False)
    train, validation, test = (
        segments.select(synth_data, decoded, split, LENGTH)[0].iloc[:4] for split in ("training", "validation", "test")
    )
    return decoded, segments.Pipeline(decoded, train, validation, LENGTH, target="audio", batch_size=4), test


def audio_of(decoded, test, per_track):
    batches = segments.fixed_segments(decoded, test, LENGTH, per_track=per_track, batch_size=64, target="audio")
    return next(iter(batches))[0].numpy()


def test_a_row_holds_the_errors_and_bitrates_of_a_coder(measured, tmp_path):
    decoded, pipeline, test = measured
    options = {"latent": 64, "epochs": 1, "seed": 0, "runs_dir": tmp_path, "progress": False}
    sparse, pca = (autoencoders.train("frequency", model, pipeline, **options) for model in ("sparse", "pca"))
    compared = [
        coders.autoencoder(sparse, 8000, codec="codewords"),
        coders.autoencoder(pca, 8000, codec="PCA"),
        coders.downsampling(8000, 16.0),
        coders.downsampling_mu_law(8000, 16.0),
        coders.classical("MP3", 8000, 16),
        coders.classical("Opus", 8000, 16),
        coders.silence(),
    ]
    table = coders.measure(compared, decoded, test, LENGTH, per_track=2, batch_size=3, progress=False).set_index("codec")
    audio = audio_of(decoded, test, 2)
    assert (table["n_clips"] == 4).all() and (table["n_segments"] == 8).all()
    assert table["spectral_rmse"]["silence"] == pytest.approx(np.sqrt(96 * np.mean(audio**2)), rel=0.01)
    expected = metrics.spectral_rmse(audio, classical.downsample(audio, 8000, 16.0))
    assert table["spectral_rmse"]["downsampling"] == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-4)
    mu_law = np.stack([classical.mu_law(segment, 8000, 16.0)[0] for segment in audio])
    expected = metrics.spectral_rmse(audio, mu_law)
    assert table["spectral_rmse"]["downsampling, mu-law"] == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-4)
    assert 15.5 < table["real_kbps"]["downsampling, mu-law"] <= 16.0
    np.testing.assert_allclose(table["relative_rmse"], table["spectral_rmse"] / table["spectral_rmse"]["silence"], rtol=1e-5)
    # A header, and 64 codewords for each of 33 frames, two bytes each
    assert table["real_kbps"]["codewords"] == pytest.approx((8 + 2 * 64 * 33) * 8 / (LENGTH / 8000) / 1000)
    assert table["nominal_kbps"]["codewords"] == pytest.approx(64 * 33 * 16 / (LENGTH / 8000) / 1000)
    assert table["real_kbps"][["PCA", "downsampling", "silence"]].isna().all()
    assert 15 < table["real_kbps"]["MP3"] < 20 and 14 < table["real_kbps"]["Opus"] < 25
    order = table["spectral_rmse"][["codewords", "PCA", "silence"]]
    assert order.is_monotonic_increasing
    assert table["latent"]["codewords"] == 64 and pd.isna(table["latent"]["MP3"])


def test_a_plain_print_shows_the_errors(measured, monkeypatch):
    decoded, _, test = measured
    compared = [coders.downsampling_mu_law(8000, 16.0), coders.silence()]
    table = coders.measure(compared, decoded, test, LENGTH, per_track=2, added_above=3000.0, progress=False)
    monkeypatch.setenv("COLUMNS", "80")
    with pd.option_context("display.max_columns", 0, "display.width", 80):  # as in a terminal
        header, mu_law, silent, *_ = str(table).splitlines()
    assert header.split() == ["codec", "nominal_kbps", "...", "si_sdr_db", "relative_rmse"]
    decibels, relative = table["si_sdr_db"][0], table["relative_rmse"][0]
    *beginning, shown_decibels, shown_relative = mu_law.split()
    assert beginning == ["0", "downsampling,", "mu-law", "16.0", "..."]
    # Pandas cuts off the zero that all values of a column end in, and on some machines they do.
    assert [float(shown_decibels), float(shown_relative)] == pytest.approx([decibels, relative], abs=1e-5)
    *beginning, shown_relative = silent.split()
    assert beginning == ["1", "silence", "NaN", "...", "NaN"] and float(shown_relative) == 1


def test_codewords_are_decoded_from_their_bytes_alone(measured, monkeypatch):
    decoded, pipeline, test = measured
    sparse = autoencoders.untrained("frequency", "sparse", pipeline, latent=8)
    coder, audio = coders.autoencoder(sparse, 8000, codec="codewords"), audio_of(decoded, test, 1)
    expected, n_bytes = coder.run(audio)
    np.testing.assert_allclose(expected, sparse.model.predict_on_batch(audio), atol=1e-6)
    assert n_bytes == [8 + 2 * 33 * 8] * 4
    files = [coders._file(latent, LENGTH) for latent in sparse.encoder.predict_on_batch(audio)]
    assert coders.HEADER.unpack_from(files[0]) == (LENGTH, 33, 8)
    # The file of another segment gives that segment, whatever is in the audio.
    monkeypatch.setattr(coders, "_file", lambda latent, samples: files[2])
    swapped, _ = coder.run(audio)
    np.testing.assert_allclose(swapped, np.tile(expected[2], (4, 1)), atol=1e-6)
    with pytest.raises(ValueError, match=r"33 x 8 codewords are 528 bytes. Received: 527 bytes"):
        coders._latent(files[0][:-1])


def test_the_relative_rmse_does_not_depend_on_loudness(measured):
    decoded, _, test = measured
    halved = coders.Coder("halved", None, lambda audio: (audio / 2, None))
    table = coders.measure([halved, coders.silence()], decoded, test, LENGTH, per_track=2, batch_size=3, progress=False)
    np.testing.assert_allclose(table["relative_rmse"], [0.5, 1.0], rtol=1e-6)
    broken = coders.Coder("broken", None, lambda audio: (audio * np.nan, None))
    table = coders.measure([broken], decoded, test, LENGTH, per_track=1, progress=False)
    assert table["relative_rmse"][0] is None


def test_added_energy_is_measured_where_asked(measured):
    decoded, _, test = measured
    hiss = np.random.default_rng(0).normal(0, 0.1, (8, LENGTH)).astype(np.float32)
    noisy = coders.Coder("hiss", None, lambda audio: (audio + hiss[: len(audio)], None))
    compared = [noisy, coders.silence()]
    table = coders.measure(compared, decoded, test, LENGTH, per_track=1, added_above=3000.0, progress=False)
    assert table["added_energy"][0] > 0 and table["added_energy"][1] == 0


def test_a_coder_that_drops_samples_is_an_error(measured):
    decoded, _, test = measured
    shorter = coders.Coder("shorter", 1.0, lambda audio: (audio[:, :-1], None))
    with pytest.raises(ValueError, match=r"16384.*16383"):
        coders.measure([shorter], decoded, test, LENGTH, per_track=1, progress=False)


def test_segments_that_fit():
    assert coders.segments_that_fit(pd.DataFrame({"samples": [240_000] * 3}), 65_536) == 3
    assert coders.segments_that_fit(pd.DataFrame({"samples": [80_000]}), 65_536) == 1
    assert coders.segments_that_fit(pd.DataFrame({"samples": [10**6]}), 65_536, at_most=5) == 5
    assert coders.segments_that_fit(pd.DataFrame({"samples": [240_000] * 400}), 65_536) == 1


def plucked(seconds=2, rate=44_100):
    time = np.arange(seconds * rate) / rate
    low = 0.3 * np.sin(2 * np.pi * 300 * time) * np.exp(-3 * (time % 0.5))
    return (low + 0.1 * np.sin(2 * np.pi * 5000 * time)).astype(np.float32)


def test_a_file_is_decoded_from_its_bytes_alone(monkeypatch):
    audio = np.stack([plucked(), plucked()[::-1]])
    decoded, n_bytes = coders.files(44_100, 16).run(audio)
    data = [fmalib.codec.encode(segment, 44_100, 16) for segment in audio]
    assert list(n_bytes) == [len(each) for each in data]
    np.testing.assert_array_equal(decoded, [fmalib.codec.decode(each)[0] for each in data])
    monkeypatch.setattr(coders.file_codec, "encode", lambda *_, **__: data[1])
    np.testing.assert_array_equal(coders.files(44_100, 16).run(audio)[0], np.stack([decoded[1]] * 2))


def test_every_pair_of_the_codec_is_a_coder():
    assert coders.PAIRS[:2] == (("mdct", "waveform"), ("mdct", "listening"))
    assert [coders.label(*pair) for pair in (("mdct", "waveform"), ("learned", "listening"))] == ["mdct", "learned, listening"]
    for model, profile in coders.PAIRS:
        coder = coders.files(8000, 8, model=model, profile=profile)
        assert (coder.codec, coder.nominal_kbps) == (coders.label(model, profile), 8.0)


def test_equal_bytes_are_those_of_the_mp3():
    audio = plucked(4)[None]
    compared = coders.equal_bytes(44_100, 16, pairs=[("mdct", "waveform")])
    assert [coder.codec for coder in compared] == ["mdct", "MP3", "Opus", "Codewords"]
    assert {coder.nominal_kbps for coder in compared} == {16.0}
    sizes = {coder.codec: coder.run(audio)[1][0] for coder in compared}
    assert sizes["MP3"] == classical.mp3(audio[0], 44_100, 16)[1]
    assert 0.96 * sizes["MP3"] < sizes["mdct"] <= 1.005 * sizes["MP3"]
    assert 0.9 * sizes["MP3"] < sizes["Opus"] <= sizes["MP3"]
    assert sizes["Codewords"] == pytest.approx(sizes["MP3"], rel=0.1)
    # Without an MP3 of that bitrate, the bitrate itself counts.
    codec, mp3, opus, codewords = coders.equal_bytes(44_100, 4, pairs=[("mdct", "waveform")])
    assert 0.96 * 2000 < codec.run(audio)[1][0] <= 1.005 * 2000
    for coder, text in ((mp3, "kbps=4"), (opus, "n_bytes=2000")):
        with pytest.raises(ValueError, match=f"Received: {text}"):
            coder.run(audio)
    assert codewords.run(audio)[1][0] == pytest.approx(2000, rel=0.1)


def test_the_demo_keeps_to_its_bitrates():
    song = plucked(4)
    table = coders.demo(song, 44_100, (1, 16, 64, 320), pairs=[("mdct", "waveform")])
    asked = {codec: rows["asked_kbps"].tolist() for codec, rows in table.groupby("codec")}
    # No other bitrate is faked.
    assert asked == {"mdct": [1, 16, 64], "MP3": [16, 64, 320], "Opus": [16, 64], "Codewords": [1, 16, 64, 320]}
    mp3 = table[table["codec"] == "MP3"].set_index("asked_kbps")["real_kbps"]
    wanted = table["asked_kbps"].map(mp3).fillna(table["asked_kbps"])
    np.testing.assert_allclose(table["real_kbps"], wanted, rtol=0.1)
    for codec in ("mdct", "Codewords"):
        assert table.loc[table["codec"] == codec, "spectral_rmse"].is_monotonic_decreasing
    silent = metrics.spectral_rmse(song, np.zeros_like(song))
    np.testing.assert_allclose(table["relative_rmse"], table["spectral_rmse"] / silent, rtol=1e-6)
    assert all(audio.shape == song.shape for audio in table["audio"])


def test_listening_measures_are_pooled_over_clips(monkeypatch):
    monkeypatch.setattr(quality, "installed", dict)
    audio = np.stack([plucked(), plucked()[::-1]])
    clips = pd.DataFrame({"track_id": [1, 2], "artist": ["a", "b"]})
    compared = [coders.files(44_100, 16), coders.classical("MP3", 44_100, 16), coders.classical("MP3", 44_100, 17)]
    table = coders.listening(compared, audio, clips, 44_100, progress=False).set_index("codec")
    assert list(table.index) == ["mdct", "MP3"]  # LAME has no 17 kbit/s
    decoded, n_bytes = compared[0].run(audio)
    each = [metrics.mel_distance(*pair, 44_100) for pair in zip(audio, decoded)]
    assert table["mel_distance"]["mdct"] == pytest.approx(np.mean(each), rel=1e-5)
    assert table["real_kbps"]["mdct"] == pytest.approx(np.mean(n_bytes) * 8 / 2 / 1000)
    assert table["n_clips"].tolist() == [2, 2] and len(table["si_sdr_db_ci95"]["MP3"]) == 2


def test_published_points_of_the_study():
    """16 bits a value, C values for each of 126 frames in 8.192 s; numbers as published."""
    published = coders.PUBLISHED
    np.testing.assert_allclose(published["nominal_kbps"], published["latent"] * 126 * 16 / 8192)
    assert (published["autoencoder"] > published["downsampling"]).all()


def test_published_errors_are_relative_to_one_assumed_silence():
    table = pd.DataFrame(
        {
            "codec": ["ours", "downsampling", "downsampling", "downsampling", "silence"],
            "nominal_kbps": [7.875, 7.875, 126.0, 63.0, None],
            "relative_rmse": [0.1, 0.5, 0.001, 0.2, 1.0],
        }
    )
    relative, silent = coders.published_relative(table)
    assert silent == pytest.approx(np.sqrt((1.53 / 0.5) * (0.48 / 0.2)))  # 126 kbit/s has no published error
    published = coders.PUBLISHED
    np.testing.assert_allclose(relative["autoencoder"], published["autoencoder"] / silent)
    np.testing.assert_allclose(relative["downsampling"], published["downsampling"] / silent)
    assert relative["nominal_kbps"].equals(published["nominal_kbps"])
    # A louder test set moves nothing: only relative errors go in.
    assert coders.published_relative(table.assign(spectral_rmse=table["relative_rmse"] * 7))[1] == silent


@pytest.mark.parametrize(
    "rows", [{"codec": ["MP3"], "nominal_kbps": [7.875]}, {"codec": ["downsampling"], "nominal_kbps": [9.0]}]
)
def test_without_common_downsampling_nothing_is_assumed(rows):
    assert coders.published_relative(pd.DataFrame(rows | {"relative_rmse": [0.5]})) == (None, None)
