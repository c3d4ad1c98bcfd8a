"""The synthetic corpus: FMA's layout and table, the same bytes every time, music whose genres a classifier separates."""

import hashlib
import shutil
import subprocess
import sys
import time

import librosa
import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.stats
import soundfile
from helpers import bound_by_permissions
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fmalib import files
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


@pytest.fixture
def copy(corpus, tmp_path):
    """A copy of the corpus, to be damaged."""
    return shutil.copytree(corpus, tmp_path / "copy")


def contents(directory):
    """Returns {name: bytes} of all files of a corpus."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def without_checksums(directory):
    """Turns a corpus into that of a run that was stopped before its end."""
    note = files.read_json(directory / "synth.json")
    files.write_json(directory / "synth.json", {**note, "files": {}}, checksum=True)


def test_an_interrupted_run_continues_to_the_same_bytes(corpus, copy, caplog):
    without_checksums(copy)
    (copy / "fma_metadata" / "tracks.csv").unlink()
    mp3_path(copy, 3).unlink()
    killed = [copy, copy / "fma_metadata", copy / "fma_small" / "000"]  # what killed makers left
    for folder, name in zip(killed, ("synth.json", "tracks.csv", "000003.mp3")):
        (folder / f".{'0' * 12}.tmp.{name}").write_text("half a file")
    kept = mp3_path(copy, 4).stat().st_mtime_ns
    synth.make_corpus(copy, tracks_per_genre=6, n_jobs=1, progress=False)
    assert contents(copy) == contents(corpus)
    assert mp3_path(copy, 4).stat().st_mtime_ns == kept and not caplog.messages


def test_progress_is_shown_on_standard_output_and_a_finished_corpus_returns_at_once(copy, capsys):
    assert synth.make_corpus(copy, tracks_per_genre=6) == copy
    assert capsys.readouterr().out == ""
    mp3_path(copy, 5).unlink()
    synth.make_corpus(copy, tracks_per_genre=6, n_jobs=1)
    assert "1/1" in capsys.readouterr().out


def test_the_note_has_parameters_and_checksums(corpus):
    note = files.read_json(corpus / "synth.json")
    assert note["parameters"] == {"version": 1, "tracks_per_genre": 6, "seconds": 10.0, "seed": 0}
    everything = {name: hashlib.sha256(data).hexdigest() for name, data in contents(corpus).items() if "/" in name}
    assert note["files"] == everything and len(everything) == 50


def damage(path, how):
    """Cuts a file in the middle, flips a bit of it, empties it or removes it."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if how != "gone":
        path.write_bytes({"flipped": data, "cut": data[: len(data) // 2], "empty": b""}[how])


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "gone"])
def test_damaged_files_are_named_and_made_again(corpus, copy, caplog, how):
    damaged = [mp3_path(copy, 7), copy / "fma_metadata" / "genres.csv", copy / "fma_metadata" / "tracks.csv"]
    for path in damaged:
        damage(path, how)
    synth.make_corpus(copy, tracks_per_genre=6, n_jobs=1, progress=False)
    assert contents(copy) == contents(corpus)
    assert caplog.messages == [f"{path} is damaged: it is made again." for path in damaged]
    caplog.clear()
    synth.make_corpus(copy, tracks_per_genre=6)
    assert not caplog.messages


@pytest.mark.parametrize("how", ["flipped", "cut", "empty"])
def test_after_damage_of_the_note_all_is_made_again(corpus, copy, caplog, monkeypatch, how):
    made, original = [], {path.name: path.read_bytes() for path in (corpus / "fma_small" / "000").iterdir()}

    def make(path, *_):
        made.append(path.name)
        path.write_bytes(original[path.name])

    monkeypatch.setattr(synth, "_make_track", make)
    damage(copy / "synth.json", how)
    damage(mp3_path(copy, 20), "flipped")  # no checksum tells
    synth.make_corpus(copy, tracks_per_genre=6, n_jobs=1, progress=False)
    assert contents(copy) == contents(corpus) and made == sorted(original)
    assert caplog.messages == [f"{copy / 'synth.json'} is damaged: it is made again."]
    synth.make_corpus(copy, tracks_per_genre=6)
    assert len(made) == 48 and len(caplog.messages) == 1


MAKE = "import sys; from fmalib.data import synth; synth.make_corpus(sys.argv[1], tracks_per_genre=6, n_jobs=int(sys.argv[2]))"


def make(directory, n_jobs=1, **options):
    """Starts to make a corpus in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", MAKE, str(directory), str(n_jobs)], **pipes, **options)


def test_of_two_makers_the_second_waits(corpus, copy):
    damage(mp3_path(copy, 1), "gone")
    damage(mp3_path(copy, 2), "cut")
    makers = [make(copy) for _ in range(2)]
    outputs = sorted((maker.communicate(timeout=200) for maker in makers), key=lambda output: len(output[0]))
    assert [maker.returncode for maker in makers] == [0, 0] and contents(copy) == contents(corpus)
    assert outputs[0] == ("", "") and "2/2" in outputs[1][0] and outputs[1][1].count("is damaged") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_read_only_disk_is_enough_for_a_whole_corpus(copy):
    (copy / ".lock").unlink()
    copy.chmod(0o555)
    whole = make(copy, preexec_fn=bound_by_permissions)
    assert whole.communicate(timeout=200) == ("", "") and whole.returncode == 0
    damage(mp3_path(copy, 1), "cut")
    _, error = make(copy, preexec_fn=bound_by_permissions).communicate(timeout=200)
    copy.chmod(0o755)
    reason = "Permission denied: something is missing here, and the folder cannot be written"
    assert error.splitlines()[-1] == f"PermissionError: [Errno 13] {reason}: '{copy}'"


def test_workers_end_with_their_maker(corpus, tmp_path):
    maker = make(tmp_path, n_jobs=2)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("fma_small/000/0*.mp3"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = psutil.Process(maker.pid).children(recursive=True)  # workers and trackers of resources
    maker.kill()
    maker.wait()
    assert len(children) >= 3
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    made = sorted(tmp_path.glob("fma_small/000/0*.mp3"))
    assert 4 <= len(made) < 48 and len({path.stat().st_size for path in made}) == 1
    assert all(path.read_bytes() == mp3_path(corpus, int(path.stem)).read_bytes() for path in made[:4])


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
    assert [path.name for path in tmp_path.iterdir()] == ["fma_metadata"]


def test_an_interrupted_run_is_not_continued_with_other_parameters(copy):
    without_checksums(copy)
    with pytest.raises(ValueError, match=r"'seed': 0.*'seed': 1.*Received: directory="):
        synth.make_corpus(copy, tracks_per_genre=6, seed=1)


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
