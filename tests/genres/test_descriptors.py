import librosa
import numpy as np
import pytest
from helpers import tone

from fmalib.data import audio, audio_cache, datasets
from fmalib.genres import descriptors


def test_the_statistics_are_those_of_librosas_mfcc():
    signal = tone(440, 3, 22_050)
    values = descriptors.mfcc_statistics(signal, 22_050)
    mfcc = librosa.feature.mfcc(y=signal, sr=22_050, n_mfcc=20)
    assert values.shape == (140,) and values.dtype == np.float32
    np.testing.assert_allclose(values[:20], mfcc.mean(axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(values[20:40], mfcc.std(axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(values[-20:], mfcc.max(axis=1), rtol=1e-5, atol=1e-4)
    assert len(descriptors.statistics(mfcc)) == len(descriptors.STATISTICS)


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_near_silence_gives_finite_features():
    assert np.isfinite(descriptors.mfcc_statistics(np.zeros(22_050, np.float32), 22_050)).all()


def test_the_table_is_computed_once(genre_folder, tmp_path, monkeypatch):
    built = audio_cache.build(datasets.load(str(genre_folder)), 8000, cache_dir=tmp_path / "cache", progress=False)
    table = descriptors.mfcc_table(built, progress=False)
    assert table.values.shape == (20, 140) and sorted(table.track_ids) == sorted(built.tracks.index) and table.seconds > 0
    some = built.tracks.iloc[[5, 2]]
    np.testing.assert_array_equal(table.of(some), table.values[[list(table.track_ids).index(id_) for id_ in some.index]])
    track_id, samples = next(audio_cache.read(built))
    np.testing.assert_allclose(
        table.values[list(table.track_ids).index(track_id)],
        descriptors.mfcc_statistics(audio.to_float(samples), 8000),
        rtol=1e-5,
    )
    monkeypatch.setattr(descriptors, "mfcc_statistics", lambda *args: pytest.fail("computed again"))
    again = descriptors.mfcc_table(built, progress=False)
    np.testing.assert_array_equal(again.values, table.values)
    assert again.seconds == table.seconds


def test_properties_of_known_sounds():
    rate = 8000
    loud = descriptors.track_properties(tone(1000, 4, rate), rate)
    quiet = descriptors.track_properties(0.1 * tone(1000, 4, rate), rate)
    assert loud["loudness"] == pytest.approx(20 * np.log10(np.sqrt(0.08 + 0.05**2)), abs=0.1)
    assert quiet["loudness"] == pytest.approx(loud["loudness"] - 20, abs=0.1)
    assert loud["spectral_centroid"] == pytest.approx(quiet["spectral_centroid"], abs=0.05)
    pure = np.sin(2 * np.pi * 1000 * np.arange(4 * rate) / rate).astype(np.float32)
    assert descriptors.track_properties(pure, rate)["spectral_centroid"] == pytest.approx(np.log2(1000), abs=0.1)
    clicks = np.zeros(20 * rate, np.float32)
    clicks[:: rate // 2] = 1.0  # 120 beats a minute
    assert descriptors.track_properties(np.convolve(clicks, np.ones(80))[: len(clicks)], rate)["tempo"] == pytest.approx(
        np.log2(120), abs=0.05
    )
    silent = descriptors.track_properties(np.zeros(2 * rate, np.float32), rate)
    assert silent["loudness"] == -80 and all(np.isfinite(value) for value in silent.values())


def test_the_properties_are_kept(genre_folder, tmp_path, monkeypatch):
    built = audio_cache.build(datasets.load(str(genre_folder)), 8000, cache_dir=tmp_path / "cache", progress=False)
    table = descriptors.property_table(built, progress=False)
    assert list(table.columns) == ["loudness", "tempo", "spectral_centroid"] and set(table.index) == set(built.tracks.index)
    track_id, samples = next(audio_cache.read(built))
    assert table.loc[track_id].to_dict() == pytest.approx(descriptors.track_properties(audio.to_float(samples), 8000))
    monkeypatch.setattr(descriptors, "track_properties", lambda *args: pytest.fail("computed again"))
    assert descriptors.property_table(built, progress=False).equals(table)
