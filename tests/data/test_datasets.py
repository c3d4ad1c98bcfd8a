import numpy as np
import pytest
import soundfile
from helpers import NOTE, tone

from fmalib.data import datasets


def test_synth_is_just_another_fma(synth_data):
    genres = "Electronic, Experimental, Folk, Hip-Hop, Instrumental, International, Pop, Rock"
    assert synth_data.genres == tuple(genres.split(", "))
    assert list(synth_data.tracks.columns) == ["path", "genre", "artist", "album", "title", "split", "duration"]
    assert len(synth_data.tracks) == 48
    assert NOTE in synth_data.caveat
    assert all((synth_data.root / path).is_file() for path in synth_data.tracks["path"])
    datasets.assert_artists_disjoint(synth_data.tracks)


def test_an_artist_in_two_splits_of_the_official_split_is_an_error(write_fma):
    root = write_fma((8, "Rock", 4, "training"))
    with pytest.raises(ValueError, match=r"1 artists in two splits: Artist 4 \(4\)"):
        datasets.load("fma_small", root)
    leaky = datasets.load("fma_small", root, split="random70")
    assert "Leaky" in leaky.caveat


def test_genres_that_a_split_lacks_are_named(write_genres):
    data = datasets.load(str(write_genres({"A": {"a": 2, "b": 2, "c": 2}, "B": {"d": 2}})))
    assert "No validation track of B." in data.caveat and "No test track of B." in data.caveat


def test_random70_is_the_studys_split(genre_folder):
    data = datasets.load(str(genre_folder), split="random70")
    assert data.tracks["split"].value_counts().to_dict() == {"training": 12, "test": 6, "validation": 2}


def test_genres_can_be_chosen(fma_folder):
    assert datasets.load("fma_small", fma_folder, genres=["Rock"]).genres == ("Rock",)
    with pytest.raises(ValueError, match=r"genres must be a list of names\. Received: genres='Rock'"):
        datasets.load("fma_small", fma_folder, genres="Rock")
    with pytest.raises(ValueError, match=r"genres must be some of Hip-Hop, Rock\. Received: genres=\['Polka'\]"):
        datasets.load("fma_small", fma_folder, genres=["Polka"])


def test_tracks_per_genre_limits_each_split_in_proportion(genre_folder):
    data = datasets.load(str(genre_folder), tracks_per_genre=5)
    assert data.tracks["genre"].value_counts().to_dict() == {"High": 5, "Low": 5}
    assert (data.tracks.groupby("genre")["split"].nunique() == 3).all()


@pytest.mark.parametrize("options", [{"split": "other"}, {"tracks_per_genre": 2}, {"tracks_per_genre": 1.5}, {"seed": -1}])
def test_wrong_options_are_named(options):
    with pytest.raises(ValueError, match="Received: " + next(iter(options))):
        datasets.load("synth", **options)


def test_the_fingerprint_depends_on_audio_labels_and_splits(fma_folder):
    before = datasets.load("fma_small", fma_folder)
    soundfile.write(fma_folder / "fma_small/000/000002.mp3", tone(441, 1, seed=3), 8000)
    after = datasets.load("fma_small", fma_folder)
    assert before.audio_fingerprint != after.audio_fingerprint and before.fingerprint != after.fingerprint
    table = fma_folder / "fma_metadata" / "tracks.csv"
    table.write_text(table.read_text().replace("Hip-Hop", "Folk"))
    relabelled = datasets.load("fma_small", fma_folder)
    assert relabelled.audio_fingerprint == after.audio_fingerprint and relabelled.fingerprint != after.fingerprint


def test_real_music(real_music):
    data = datasets.load("fma_small", real_music)
    assert len(data.tracks) > 0 and len(data.excluded) == 0
    assert f"{data.tracks['artist'].nunique()} artists carry no accuracy claim" in data.caveat
    assert np.all(data.tracks["duration"] > 20)
