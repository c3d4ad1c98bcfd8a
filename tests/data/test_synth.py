"""The synthetic corpus: FMA's layout and table, the same bytes every time, music whose genres a classifier separates."""

import shutil

import librosa
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import soundfile
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fmalib.data import synth

RENDERED = 8  # encoding MP3s is slow: the small corpus has one real track of each genre, the other files are there beforehand


def mp3_path(directory, track_id):
    return directory / "fma_small" / f"{track_id // 1000:03d}" / f"{track_id:06d}.mp3"


def make_small(directory, rendered=RENDERED):
    """Makes a corpus of 48 tracks as if a run had stopped when only the first `rendered` were missing."""
    mp3_path(directory, 1).parent.mkdir(parents=True)
    for track_id in range(rendered + 1, 49):
        mp3_path(directory, track_id).write_bytes(b"made before")
    return synth.make_corpus(directory, tracks_per_genre=6, n_jobs=1, progress=False)


def read_tracks(directory):
    return pd.read_csv(directory / "fma_metadata" / "tracks.csv", index_col=0, header=[0, 1])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_small(tmp_path_factory.mktemp("synth") / "corpus")


def test_layout_and_table(corpus):
    table = read_tracks(corpus)
    assert table.shape == (48, 52) and table.index.name == "track_id"
    assert list(table.index) == list(range(1, 49))
    assert table["track", "genre_top"].value_counts().to_dict() == dict.fromkeys(synth.GENRES, 6)
    assert set(table["set", "subset"]) == {"small"} and set(table["track", "duration"]) == {10}
    assert table["track", "title"].notna().all() and table["artist", "name"].notna().all()
    assert sorted(path.name for path in (corpus / "fma_small" / "000").iterdir()) == [f"{i:06d}.mp3" for i in range(1, 49)]
    genres = pd.read_csv(corpus / "fma_metadata" / "genres.csv", index_col=0)
    assert list(genres.columns) == ["#tracks", "parent", "title", "top_level"] and genres.loc[17, "title"] == "Folk"


@pytest.mark.parametrize("tracks_per_genre", [6, 7, 10, 40])
def test_no_artist_is_in_two_splits_and_every_split_has_every_genre(tracks_per_genre):
    table = synth.list_tracks(tracks_per_genre)
    assert (table.groupby(("artist", "id"))[[("set", "split")]].nunique() == 1).all(axis=None)
    assert (table.groupby(("artist", "id"))[[("track", "genre_top")]].nunique() == 1).all(axis=None)
    counts = pd.crosstab(table["track", "genre_top"], table["set", "split"])
    assert counts.shape == (8, 3) and (counts > 0).all(axis=None)
    if tracks_per_genre == 40:
        assert (counts[["training", "validation", "test"]] == [24, 6, 10]).all(axis=None)


@pytest.mark.parametrize("track_id", range(1, RENDERED + 1))
def test_decoded_audio(corpus, track_id):
    audio, rate = soundfile.read(mp3_path(corpus, track_id))
    assert rate == 44100 and audio.shape[1] == 2 and len(audio) >= 10 * rate
    assert np.isfinite(audio).all() and np.abs(audio).max() < 1
    seconds = audio[: 10 * rate].reshape(10, rate, 2)
    assert np.sqrt(np.mean(seconds**2, axis=1)).min() > 1e-3  # no second of silence in either channel
    assert np.abs(audio[:, 0] - audio[:, 1]).max() > 0.01  # real stereo


def test_same_seed_gives_same_bytes(corpus, tmp_path):
    other = make_small(tmp_path / "other", rendered=2)
    for track_id in (1, 2):
        assert mp3_path(other, track_id).read_bytes() == mp3_path(corpus, track_id).read_bytes()
    for name in ("tracks.csv", "genres.csv"):
        assert (other / "fma_metadata" / name).read_bytes() == (corpus / "fma_metadata" / name).read_bytes()


def test_an_interrupted_run_continues_to_the_same_bytes(corpus, tmp_path):
    copy = shutil.copytree(corpus, tmp_path / "copy")
    (copy / "fma_metadata" / "tracks.csv").unlink()
    mp3_path(copy, 3).unlink()
    kept = mp3_path(copy, 4).stat().st_mtime_ns
    synth.make_corpus(copy, tracks_per_genre=6, n_jobs=1, progress=False)
    files = [path.relative_to(corpus) for path in corpus.rglob("*") if path.is_file()]
    assert files and all((copy / path).read_bytes() == (corpus / path).read_bytes() for path in files)
    assert mp3_path(copy, 4).stat().st_mtime_ns == kept
    assert not list(copy.rglob("*.part"))


def test_progress_is_shown_on_standard_output_and_a_finished_corpus_returns_at_once(corpus, tmp_path, capsys):
    copy = shutil.copytree(corpus, tmp_path / "copy")
    assert synth.make_corpus(copy, tracks_per_genre=6) == copy
    assert capsys.readouterr().out == ""
    mp3_path(copy, 5).unlink()
    synth.make_corpus(copy, tracks_per_genre=6, n_jobs=1)
    assert "1/1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tracks_per_genre": 5}, "Received: tracks_per_genre=5$"),
        ({"tracks_per_genre": 6.5}, "Received: tracks_per_genre=6.5$"),
        ({"seconds": 9.9}, "Received: seconds=9.9$"),
        ({"seconds": float("nan")}, "Received: seconds=nan$"),
        ({"seed": -1}, "Received: seed=-1$"),
    ],
)
def test_wrong_parameters(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        synth.make_corpus(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_a_directory_of_other_data_is_left_alone(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"'seed': 0.*'seed': 1.*delete.*Received: directory="):
        synth.make_corpus(corpus, tracks_per_genre=6, seed=1)
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_text("the real FMA")
    with pytest.raises(ValueError, match="other data"):
        synth.make_corpus(tmp_path)
    assert (tmp_path / "fma_metadata" / "tracks.csv").read_text() == "the real FMA"


def mfcc_statistics(path):
    """Returns (140,): seven statistics over time of 20 MFCCs, as in FMA's own baselines."""
    audio, rate = soundfile.read(path, dtype="float32")
    mfcc = librosa.feature.mfcc(y=audio.mean(axis=1), sr=rate, n_mfcc=20)
    statistics = (np.mean, np.std, scipy.stats.skew, scipy.stats.kurtosis, np.median, np.min, np.max)
    return np.concatenate([statistic(mfcc, axis=1) for statistic in statistics])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_genres_are_separable_but_not_too_easily(tmp_path):
    table = read_tracks(synth.make_corpus(tmp_path))
    features = np.array([mfcc_statistics(mp3_path(tmp_path, track_id)) for track_id in table.index])
    genres, train, test = table["track", "genre_top"].to_numpy(), *(table["set", "split"] == s for s in ("training", "test"))

    def accuracy(labels):
        return make_pipeline(StandardScaler(), SVC(C=3)).fit(features[train], labels).score(features[test], genres[test])

    assert 0.60 <= accuracy(genres[train]) <= 0.90
    rng = np.random.default_rng(0)
    permuted = np.mean([accuracy(rng.permutation(genres[train])) for _ in range(20)])
    assert abs(permuted - 1 / 8) < 0.04
