import librosa
import numpy as np
import pytest
from conftest import tone

from fmalib import audio, cache, datasets, features


def test_the_statistics_are_those_of_librosas_mfcc():
    signal = tone(440, 3, 22_050)
    values = features.mfcc_statistics(signal, 22_050)
    mfcc = librosa.feature.mfcc(y=signal, sr=22_050, n_mfcc=20)
    assert values.shape == (140,) and values.dtype == np.float32
    np.testing.assert_allclose(values[:20], mfcc.mean(axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(values[20:40], mfcc.std(axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(values[-20:], mfcc.max(axis=1), rtol=1e-5, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_near_silence_gives_finite_features():
    assert np.isfinite(features.mfcc_statistics(np.zeros(22_050, np.float32), 22_050)).all()


def test_the_table_is_computed_once(genre_folder, tmp_path, monkeypatch):
    built = cache.build(datasets.load(str(genre_folder)), 8000, cache_dir=tmp_path / "cache", progress=False)
    table = features.mfcc_table(built, progress=False)
    assert table.values.shape == (20, 140) and sorted(table.track_ids) == sorted(built.tracks.index) and table.seconds > 0
    track_id, samples = next(cache.read(built))
    np.testing.assert_allclose(
        table.values[list(table.track_ids).index(track_id)], features.mfcc_statistics(audio.to_float(samples), 8000), rtol=1e-5
    )
    monkeypatch.setattr(features, "mfcc_statistics", lambda *args: pytest.fail("computed again"))
    again = features.mfcc_table(built, progress=False)
    np.testing.assert_array_equal(again.values, table.values)
    assert again.seconds == table.seconds
