"""Fixtures of the data tests: small folders of music, written into `tmp_path`."""

import pandas as pd
import pytest
import soundfile
from helpers import tone

from fmalib.data import fma

ROWS = [
    (2, "Hip-Hop", 1, "training"),
    (3, "Rock", 2, "training"),
    (1002, "Hip-Hop", 3, "validation"),
    (1003, "Rock", 4, "test"),
]


@pytest.fixture
def write_fma(tmp_path):
    """Returns a function that writes an FMA of tiny MP3s and returns its folder; rows are (id, genre, artist id, split)."""

    def write(*more_rows, drop=(), subset="fma_small"):
        columns = [column for column in fma.COLUMNS if column not in drop]
        records = {}
        for track_id, genre, artist, split in [*ROWS, *more_rows]:
            track = {"genre_top": genre, "duration": 100, "title": f"Title {track_id}"}
            artist = {"id": artist, "name": f"Artist {artist}"}
            values = {"set": {"split": split, "subset": "small"}, "track": track, "artist": artist, "album": {"id": -1}}
            records[track_id] = [values[group].get(name) for group, name in columns]
            path = tmp_path / subset / f"{track_id // 1000:03d}" / f"{track_id:06d}.mp3"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, tone(440, 1), 8000)
        (tmp_path / "fma_metadata").mkdir()
        table = pd.DataFrame.from_dict(records, orient="index", columns=pd.MultiIndex.from_tuples(columns))
        table.rename_axis("track_id").to_csv(tmp_path / "fma_metadata" / "tracks.csv")
        return tmp_path

    return write


@pytest.fixture
def fma_folder(write_fma):
    """A folder of four tracks in FMA's layout."""
    return write_fma()


@pytest.fixture
def write_genres(tmp_path):
    """Returns a function that writes {genre: {artist: number of tracks}}, each in an album's folder, and returns the root."""

    def write(artists, name="genres"):
        tracks = [
            (genre, artist, number)
            for genre in artists
            for artist in artists[genre]
            for number in range(artists[genre][artist])
        ]
        for seed, (genre, artist, number) in enumerate(tracks):  # files of the same bytes would be left out
            path = tmp_path / name / genre / artist / f"album {number % 2}" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, tone(300, 0.1, seed=seed), 8000)
        return tmp_path / name

    return write
