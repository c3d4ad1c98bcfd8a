"""Data sets: every source of music as one table of tracks.

Sources are the embedded synthetic corpus (`"synth"`), the Free Music Archive in its own layout (`"fma_small"`,
`"fma_medium"`, `"fma_large"`, `"fma_full"`), and a folder with one subfolder per genre (any other string).
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from fmalib import paths
from fmalib.data import file_facts, fma, fma_archives, formats, genre_folder, splits, synth
from fmalib.data.splits import assert_artists_disjoint
from fmalib.data.tracks import SPLITS, UNKNOWN_ARTIST, count_artists, describe_excluded

FEW_ARTISTS = 50  # with fewer, accuracies depend more on the artists than on the genres
FEW_TRACKS = 400  # with fewer, a single split tests too few tracks
FOLDS = 5  # of a folder with so few tracks


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A music data set.

    Attributes:
        name: `"synth"`, `"fma_small"` and so on, or the folder's name.
        source: `"synth"`, `"fma"` or `"folder"`.
        root: folder that the paths are relative to.
        tracks: one row a track, indexed by `track_id`; columns `path` (relative to `root`), `genre`, `artist`, `album`
            (empty where none), `title`, `split` (training, validation or test) and `duration` (seconds).
        genres: the genres that occur, in alphabetical order; a track's label is its genre's position here.
        excluded: tracks left out, indexed by `track_id`; columns `path` and `reason`.
        split: `"official"` or `"random70"`; by `folds`, such as `"fold 1 of 5"` or `"random70, fold 1 of 5"`.
        fingerprint: changes with the tracks, their audio, labels, artists and splits.
        audio_fingerprint: changes with the tracks' audio only, so that a new split does not decode again.
        notes: limits of every result on this data.
    """

    name: str
    source: str
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
        """The notes as one line, shown beside every result; empty where there are none."""
        return " ".join(self.notes)

    def __str__(self):
        counts = self.tracks["split"].value_counts()
        sizes = ", ".join(f"{counts.get(split, 0)} {split}" for split in SPLITS)
        first = (
            f"{self.name}: {len(self.tracks)} tracks, {count_artists(self.tracks)} artists, {len(self.genres)} genres; "
            f"{sizes} (split: {self.split}); fingerprint {self.fingerprint[:10]}"
        )
        excluded = [describe_excluded(self.excluded)] if len(self.excluded) else []
        return "\n".join([first, *excluded, *(f"Note: {note}" for note in self.notes)])


def load(dataset="synth", data_dir=None, *, split="official", tracks_per_genre=None, genres=None, seed=0):
    """Returns the `Dataset` of a source.

    Args:
        dataset: `"synth"`; `"fma_small"`, `"fma_medium"`, `"fma_large"` or `"fma_full"`, found under `data_dir` in FMA's
            own layout (`fma_metadata/tracks.csv` and `fma_small/000/000002.mp3`); any other string is a folder with one
            subfolder per genre, with audio files (`fmalib.data.formats`).
        data_dir: for FMA, the folder of the two above; for a folder of genres, its parent (may be None); for synth, the
            folder of the corpus (None is the cache directory).
        split: `"official"` is FMA's own; for a folder, one stratified by genre that keeps every known artist in one split.
            `"random70"` is the study's 70 % / 30 % by track, which leaks artists; of its 70 %, a seventh is for validation.
        tracks_per_genre: for synth, the number of tracks to make of each genre (default 40); else at most that many tracks a
            genre, drawn by `seed` from each split in proportion (default all).
        genres: keep these only.
        seed: of the folder's split, of `random70` and of the draw of `tracks_per_genre`.

    Raises:
        ValueError: an unknown split, genre or data set, a table that lacks a column, no usable track, or an artist in two
            splits of the official split.
        FileNotFoundError: `data_dir`, the metadata or the audio is not there.
        PermissionError: the folder may not be read. Single files and folders below it are named among `excluded`.
        OSError: a file could be opened but not read to its end; the message names it.
    """
    dataset = str(dataset)
    _check(dataset, split, tracks_per_genre, seed)
    source = dataset if dataset == "synth" else "fma" if dataset in fma_archives.SUBSETS else "folder"
    root, (tracks, excluded) = _read_source(dataset, data_dir, tracks_per_genre or 40, seed)
    tracks = _keep_genres(tracks, genres)
    if split == "random70":
        tracks["split"] = splits.random70(len(tracks), seed)
    else:
        assert_artists_disjoint(tracks)
    if tracks_per_genre is not None and source != "synth":
        tracks = splits.subsample(tracks, tracks_per_genre, seed)
    fingerprint, audio_fingerprint = _fingerprints(tracks, root)
    return Dataset(
        name=root.name if source == "folder" else dataset,
        source=source,
        root=root,
        tracks=tracks,
        genres=tuple(sorted(tracks["genre"].unique())),
        excluded=excluded,
        split=split,
        fingerprint=fingerprint,
        audio_fingerprint=audio_fingerprint,
        notes=tuple(_notes([tracks], source, split, root, excluded)),
    )


def choose_folds(data, asked=0):
    """Returns the number of folds for a data set: `asked`, or for 0 an automatic number; 1 is its single split.

    Automatic are FOLDS, or less with fewer artists, for a folder of fewer than FEW_TRACKS tracks, and 1 for any other data.
    """
    if asked or data.source != "folder" or len(data.tracks) >= FEW_TRACKS:
        return asked or 1
    return min(FOLDS, splits.most_folds(data.tracks, leaky=data.split == "random70"))


def folds(data, n, seed=0):
    """Returns the folds of cross-validation, `n` data sets that differ in their splits, by `splits.folds`; for 1, `[data]`.

    Folds are by artist, or by track for the leaky `random70`. The decoded audio is the same. `notes` are of all folds.

    Args:
        data: a `Dataset`.
        n: number of folds.
        seed: of the folds.

    Raises:
        ValueError: more folds than the data has artists, or too few artists for a fold's training and validation.
    """
    if n == 1:
        return [data]
    leaky = data.split == "random70"
    parts = [data.tracks.assign(split=split) for split in splits.folds(data.tracks, n, seed, leaky=leaky)]
    notes = tuple(_notes(parts, data.source, data.split, data.root, data.excluded))
    prefix = "random70, " if leaky else ""
    named = []
    for number, part in enumerate(parts, start=1):
        fingerprint = hashlib.sha256(" ".join([data.fingerprint, *part["split"]]).encode()).hexdigest()
        facts = {"split": f"{prefix}fold {number} of {n}", "fingerprint": fingerprint, "notes": notes}
        named.append(dataclasses.replace(data, tracks=part, **facts))
    return named


def _check(dataset, split, tracks_per_genre, seed):
    if split not in ("official", "random70"):
        raise ValueError(f"split must be 'official' or 'random70'. Received: split={split!r}")
    if tracks_per_genre is not None and (not isinstance(tracks_per_genre, int) or tracks_per_genre < 3):
        raise ValueError(f"tracks_per_genre must be at least 3, one a split. Received: tracks_per_genre={tracks_per_genre!r}")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be an integer of at least 0. Received: seed={seed!r}")


def find_root(dataset, data_dir=None):
    """Returns the folder of a source, known to be there; None for synth, which is made where it is not.

    Args:
        dataset, data_dir: as for `load`.

    Raises:
        ValueError, OSError: there is no such source.
    """
    if not dataset:
        raise ValueError("dataset must be 'synth', an FMA subset or a folder. Received: dataset=''")
    if dataset == "synth":
        return None
    return (fma if dataset in fma_archives.SUBSETS else genre_folder).find_root(dataset, data_dir)


def _read_source(dataset, data_dir, tracks_per_genre, seed):
    """Returns (root, (tracks, excluded)); makes the synthetic corpus if it is not there yet."""
    root = find_root(dataset, data_dir)
    if dataset == "synth":
        parent = paths.resolve(data_dir) if data_dir else paths.cache_dir()
        root = parent / f"synth-v{synth.VERSION}-{tracks_per_genre}-per-genre"
        # The corpus has a fixed seed of its own: the seed of a run must not change its training data.
        synth.make_corpus(root, tracks_per_genre=tracks_per_genre, seed=0)
        return root, fma.read(root, "fma_small")
    return root, fma.read(root, dataset) if dataset in fma_archives.SUBSETS else genre_folder.read(root, seed)


def _notes(parts, source, split, root, excluded):
    """Yields the limits of results on some tracks, one sentence each; `parts` are track tables, one a fold."""
    tracks = parts[0]
    if source == "synth":
        yield "Synthetic results only show that the code runs."
    if split == "random70":
        yield "Leaky split (random70): artists have tracks in several splits, so accuracies are too high."
    if source == "folder":
        yield from genre_folder.notes(root, tracks, excluded)
    missing = (excluded["reason"] == formats.reason_of(FileNotFoundError())).sum()
    if source == "fma" and missing:
        yield f"{missing} clips of FMA are missing: python -m fmalib download puts them in."
    unknown = tracks["artist"].str.startswith(UNKNOWN_ARTIST).sum()
    if unknown:
        yield f"Artists of {unknown} of {len(tracks)} tracks are unknown: an artist may have tracks in two splits."
    # Some fold tests each genre. A genre absent from training has all its tracks in the test of one fold.
    where = {"training": " in the fold that tests it", "validation": " in some folds"} if len(parts) > 1 else {}
    for name in where or SPLITS:  # genres of fewer than three artists, mostly
        lacking = [set(part["genre"]) - set(part.loc[part["split"] == name, "genre"]) for part in parts]
        absent = sorted(set().union(*lacking))
        if absent:
            yield f"No {name} track of {', '.join(absent)}{where.get(name, '')}."
    n_artists = count_artists(tracks)
    if n_artists < FEW_ARTISTS and source != "synth":
        yield f"{n_artists} artists carry no accuracy claim: {FEW_ARTISTS} or more are needed for one."


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


def _fingerprints(tracks, root):
    """Returns (fingerprint, audio fingerprint) as hexadecimal strings; `file_facts.digests` tells files apart."""
    everything, audio = hashlib.sha256(), hashlib.sha256()
    table = tracks[["path", "genre", "artist", "split"]].assign(digest=file_facts.digests(root, list(tracks["path"])))
    for track_id, path, genre, artist, split, digest in table.itertuples():
        audio.update(f"{track_id}|{path}|{digest}\n".encode())
        everything.update(f"{track_id}|{path}|{digest}|{genre}|{artist}|{split}\n".encode())
    return everything.hexdigest(), audio.hexdigest()
