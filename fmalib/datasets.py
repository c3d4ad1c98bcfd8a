"""Data sets: any source of music as one table of tracks.

Sources are the embedded synthetic corpus (`"synth"`), the Free Music Archive in its own layout (`"fma_small"`,
`"fma_medium"`, `"fma_large"`, `"fma_full"`), and a folder with one subfolder per genre (any other string).
"""

import dataclasses
import hashlib
import os
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from fmalib import fma, folder, paths, synth
from fmalib.tracks import SPLITS, UNKNOWN_ARTIST, count_artists, describe_excluded

FEW_ARTISTS = 50  # below this, accuracies say more about the artists than about the genres


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A music data set.

    Attributes:
        name: `"synth"`, `"fma_small"` and so on, or the folder's name.
        root: folder that the paths are relative to.
        tracks: one row a track, indexed by `track_id`; columns `path` (relative to `root`), `genre`, `artist`, `album`
            (empty where none), `title`, `split` (training, validation or test) and `duration` (seconds).
        genres: the genres that occur, in alphabetical order; a track's label is its genre's position here.
        excluded: tracks left out, indexed by `track_id`; columns `path` and `reason`.
        split: `"official"` or `"random70"`.
        fingerprint: changes with the tracks, their audio, labels, artists and splits.
        audio_fingerprint: changes with the tracks' audio only, so that a new split does not decode again.
        notes: what a reader must know beside any number.
    """

    name: str
    root: Path
    tracks: pd.DataFrame
    genres: tuple
    excluded: pd.DataFrame
    split: str
    fingerprint: str
    audio_fingerprint: str
    notes: tuple

    @property
    def caveat(self):
        """The notes as one line, to be shown beside every number; empty where there is nothing to say."""
        return " ".join(self.notes)

    def __str__(self):
        counts = self.tracks["split"].value_counts()
        lines = [
            f"{self.name}: {len(self.tracks)} tracks, {count_artists(self.tracks)} artists, "
            f"{len(self.genres)} genres; "
            + ", ".join(f"{counts.get(split, 0)} {split}" for split in SPLITS)
            + f" ({self.split} split); fingerprint {self.fingerprint[:10]}"
        ]
        if len(self.excluded):
            lines.append(describe_excluded(self.excluded))
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)


def load(dataset="synth", data_dir=None, *, split="official", tracks_per_genre=None, genres=None, seed=0):
    """Returns the `Dataset` of a source.

    Args:
        dataset: `"synth"`; `"fma_small"`, `"fma_medium"`, `"fma_large"` or `"fma_full"`, found under `data_dir` in
            FMA's own layout (`fma_metadata/tracks.csv` and `fma_small/000/000002.mp3`); any other string is a
            folder with one subfolder per genre, holding wav, mp3, flac or ogg files.
        data_dir: for FMA, the folder that holds the two above; for a folder of genres, the folder it lies in (may
            be None); for synth, where the music is made (the cache directory if None).
        split: `"official"` is FMA's own split, or for a folder one stratified by genre that keeps every known
            artist on one side. `"random70"` is the original study's 70 % / 30 % by track, which leaks artists; a
            tenth of all tracks is taken from its 70 % as a validation set.
        tracks_per_genre: synth: how many tracks to make of each genre (default 40). Others: at most that many tracks
            a genre, drawn by `seed` and divided over the splits as the whole data set is (default all).
        genres: keep these only.
        seed: of the folder's split, of `random70` and of the draw of `tracks_per_genre`.

    Raises:
        ValueError: an unknown split, genre or data set, a table that lacks a column, no usable track, or an artist on two
            sides of the official split.
        FileNotFoundError: `data_dir`, the metadata or the audio is not there.
    """
    if split not in ("official", "random70"):
        raise ValueError(f"split must be 'official' or 'random70'. Received: split={split!r}")
    if tracks_per_genre is not None and (not isinstance(tracks_per_genre, int) or tracks_per_genre < 3):
        raise ValueError(f"tracks_per_genre must be at least 3, one a split. Received: tracks_per_genre={tracks_per_genre!r}")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be an integer from 0 up. Received: seed={seed!r}")
    dataset = str(dataset)
    if not dataset:
        raise ValueError("dataset must be 'synth', an FMA subset or a folder. Received: dataset=''")
    notes = []
    if dataset == "synth":
        root = _make_synth(data_dir, tracks_per_genre or 40)
        tracks, excluded = fma.read(root, "fma_small")
        notes.append("Synthetic music: these numbers prove that the code runs, nothing else.")
    elif dataset in fma.ARCHIVES:
        root = fma.find_root(dataset, data_dir)
        tracks, excluded = fma.read(root, dataset)
    else:
        root = folder.find_root(dataset, data_dir)
        tracks, excluded = folder.read(root, seed)
    tracks = _keep_genres(tracks, genres)
    if split == "random70":
        tracks["split"] = _random70(len(tracks), seed)
        notes.append("Leaky split (random70): artists stand on both sides, so accuracies come out too high.")
    else:
        assert_artists_disjoint(tracks)
    if tracks_per_genre is not None and dataset != "synth":
        tracks = _subsample(tracks, tracks_per_genre, seed)
    unknown = tracks["artist"].str.startswith(UNKNOWN_ARTIST)
    if unknown.any():
        notes.append(
            f"Artists of {unknown.sum()} of {len(tracks)} tracks are unknown: an artist may stand on two sides of the split."
        )
    notes += _missing_genres(tracks)
    n_artists = count_artists(tracks)
    if n_artists < FEW_ARTISTS and dataset != "synth":
        notes.append(f"{n_artists} artists carry no accuracy claim: {FEW_ARTISTS} or more are needed for one.")
    fingerprint, audio_fingerprint = _fingerprints(tracks, root)
    return Dataset(
        name=dataset if dataset == "synth" or dataset in fma.ARCHIVES else root.name,
        root=root,
        tracks=tracks,
        genres=tuple(sorted(tracks["genre"].unique())),
        excluded=excluded,
        split=split,
        fingerprint=fingerprint,
        audio_fingerprint=audio_fingerprint,
        notes=tuple(notes),
    )


def assert_artists_disjoint(tracks):
    """Raises ValueError, naming the artists, if one stands on two sides of the split.

    Args:
        tracks: table with columns `artist` and `split`.
    """
    sides = tracks.groupby("artist")["split"].nunique()
    leaking = sorted(sides.index[sides > 1])
    if leaking:
        raise ValueError(
            "The split leaks: no artist may stand on two sides of it. Mend set/split in tracks.csv, or ask for "
            f"split='random70', which is marked as leaky. Received: {len(leaking)} artists on two sides: "
            + ", ".join(leaking[:5])
        )


def _make_synth(data_dir, tracks_per_genre):
    """Returns the folder of the synthetic corpus, in FMA's layout, made now if it is not there yet."""
    parent = paths.resolve(data_dir) if data_dir else paths.cache_dir()
    # The corpus has its own fixed seed: a run's seed must not change what it is trained on.
    root = parent / f"synth-v{synth.VERSION}-{tracks_per_genre}-per-genre"
    return Path(synth.make_corpus(root, tracks_per_genre=tracks_per_genre, seed=0))


def _missing_genres(tracks):
    """Returns notes on genres that a split lacks: those with fewer than three artists, mostly."""
    genres = set(tracks["genre"])
    missing = {split: genres - set(tracks.loc[tracks["split"] == split, "genre"]) for split in SPLITS}
    return [f"No {split} track of {', '.join(sorted(absent))}." for split, absent in missing.items() if absent]


def _keep_genres(tracks, genres):
    if genres is None:
        return tracks.copy()
    if isinstance(genres, str):
        raise ValueError(f"genres must be a list of names. Received: genres={genres!r}")
    known = sorted(tracks["genre"].unique())
    unknown = [genre for genre in genres if genre not in known]
    if unknown or not len(genres):
        raise ValueError(f"genres must be some of {', '.join(known)}. Received: genres={list(genres)!r}")
    return tracks[tracks["genre"].isin(genres)].copy()


def _random70(n_tracks, seed):
    """Returns the original study's split: 30 % test, and of the 70 % a seventh for validation."""
    order = np.random.default_rng(seed).permutation(n_tracks)
    split = np.full(n_tracks, "training", dtype=object)
    split[order[: round(0.3 * n_tracks)]] = "test"
    split[order[round(0.3 * n_tracks) : round(0.4 * n_tracks)]] = "validation"
    return split


def _subsample(tracks, tracks_per_genre, seed):
    kept = []
    for _, genre in tracks.groupby("genre"):
        share = min(1.0, tracks_per_genre / len(genre))
        for _, part in genre.groupby("split"):
            kept.append(part.sample(max(1, round(share * len(part))), random_state=seed))
    return pd.concat(kept).sort_index()


def _fingerprints(tracks, root):
    """Returns (fingerprint, audio fingerprint) as hexadecimal strings.

    A file is told apart by its size and a checksum of 4 KiB from its middle: hashing all of FMA would take hours.
    """
    everything, audio = hashlib.sha256(), hashlib.sha256()
    for track_id, path, genre, artist, split in tracks[["path", "genre", "artist", "split"]].itertuples():
        with open(root / path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size // 2 - 2048))
            probe = f"{track_id}|{path}|{size}|{zlib.crc32(file.read(4096))}"
        audio.update(f"{probe}\n".encode())
        everything.update(f"{probe}|{genre}|{artist}|{split}\n".encode())
    return everything.hexdigest(), audio.hexdigest()
