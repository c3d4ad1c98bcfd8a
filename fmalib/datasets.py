"""Data sets: any source of music as one table of tracks.

Sources are the embedded synthetic corpus (`"synth"`), the Free Music Archive in its own layout (`"fma_small"`,
`"fma_medium"`, `"fma_large"`, `"fma_full"`), and a folder with one subfolder per genre (any other string).

FMA: M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson, "FMA: A Dataset for Music Analysis", ISMIR 2017.
Metadata CC BY 4.0; every track has its artist's own licence.
"""

import dataclasses
import difflib
import hashlib
import itertools
import os
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from fmalib import paths, synth

SPLITS = ("training", "validation", "test")

FMA_URL = "https://os.unil.cloud.switch.ch/fma/"
FMA_METADATA = ("fma_metadata.zip", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733", "342 MiB")
FMA_ARCHIVES = {  # name: (archive, SHA-1, size)
    "fma_small": ("fma_small.zip", "ade154f733639d52e35e32f5593efe5be76c6d70", "7.2 GiB"),
    "fma_medium": ("fma_medium.zip", "c67b69ea232021025fca9231fc1c7c1a063ab50b", "22 GiB"),
    "fma_large": ("fma_large.zip", "497109f4dd721066b5ce5e5f250ec604dc78939e", "93 GiB"),
    "fma_full": ("fma_full.zip", "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab", "879 GiB"),
}
FMA_GENRES = (
    "Blues", "Classical", "Country", "Easy Listening", "Electronic", "Experimental", "Folk", "Hip-Hop",
    "Instrumental", "International", "Jazz", "Old-Time / Historic", "Pop", "Rock", "Soul-RnB", "Spoken",
)
FMA_CLIP_SECONDS = 30.0
FMA_BAD_CLIPS = {
    98565: "known bad clip: 1.6 s long",
    98567: "known bad clip: 0.5 s long",
    98569: "known bad clip: 1.5 s long",
    99134: "known bad clip: no audio",
    108925: "known bad clip: no audio",
    133297: "known bad clip: no audio",
}
FMA_COLUMNS = (
    ("set", "split"), ("set", "subset"), ("track", "genre_top"), ("track", "duration"), ("track", "title"),
    ("artist", "id"), ("artist", "name"), ("album", "id"), ("album", "title"),
)
AUDIO_SUFFIXES = (".wav", ".mp3", ".flac", ".ogg")
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
            f"{self.name}: {len(self.tracks)} tracks, {self.tracks['artist'].nunique()} artists, "
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
    if tracks_per_genre is not None and (not isinstance(tracks_per_genre, int) or tracks_per_genre < 1):
        raise ValueError(f"tracks_per_genre must be a positive integer. Received: tracks_per_genre={tracks_per_genre!r}")
    dataset = str(dataset)
    notes = []
    if dataset == "synth":
        root = _make_synth(data_dir, tracks_per_genre or 40)
        tracks, excluded = _read_fma(root, "fma_small")
        notes.append("Synthetic music: these numbers prove that the code runs, nothing else.")
    elif dataset in FMA_ARCHIVES:
        root = _fma_root(dataset, data_dir)
        tracks, excluded = _read_fma(root, dataset)
    else:
        root = _folder_root(dataset, data_dir)
        tracks, excluded, unknown = _read_folder(root, seed)
        if unknown:
            notes.append(
                f"Artists of {unknown} of {len(tracks)} tracks are unknown: an artist may stand on two sides of the split."
            )
    tracks = _keep_genres(tracks, genres)
    if split == "random70":
        tracks["split"] = _random70(len(tracks), seed)
        notes.append("Leaky split (random70): artists stand on both sides, so accuracies come out too high.")
    else:
        assert_artists_disjoint(tracks)
    if tracks_per_genre is not None and dataset != "synth":
        tracks = _subsample(tracks, tracks_per_genre, seed)
    n_artists = tracks["artist"].nunique()
    if n_artists < FEW_ARTISTS and dataset != "synth":
        notes.append(f"{n_artists} artists carry no accuracy claim: {FEW_ARTISTS} or more are needed for one.")
    fingerprint, audio_fingerprint = _fingerprints(tracks, root)
    return Dataset(
        name=dataset if dataset == "synth" or dataset in FMA_ARCHIVES else root.name,
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


def describe_excluded(excluded):
    """Returns one line that counts and names left-out tracks by reason; `excluded` has columns `path`, `reason`."""
    parts = []
    for reason, group in excluded.groupby("reason", sort=False):
        names = ", ".join(group["path"].head(5)) + (", ..." if len(group) > 5 else "")
        parts.append(f"{len(group)} ({reason}): {names}")
    return f"{len(excluded)} tracks left out: " + "; ".join(parts)


def join_excluded(tables):
    """Returns several tables of left-out tracks as one."""
    return _excluded_table([row for table in tables for row in table[["path", "reason"]].itertuples()])


def _excluded_table(rows):
    """Returns the table of left-out tracks from (track_id, path, reason) rows."""
    table = pd.DataFrame(rows, columns=["track_id", "path", "reason"])
    return table.set_index("track_id")


# --- synth and FMA ----------------------------------------------------------------------------------------------------


def _make_synth(data_dir, tracks_per_genre):
    """Returns the folder of the synthetic corpus, in FMA's layout, made now if it is not there yet."""
    parent = paths.resolve(data_dir) if data_dir else paths.cache_dir()
    # The corpus has its own fixed seed: a run's seed must not change what it is trained on.
    root = parent / f"synth-v{synth.VERSION}-{tracks_per_genre}-per-genre"
    return Path(synth.make_corpus(root, tracks_per_genre=tracks_per_genre, seed=0))


def _fma_root(dataset, data_dir):
    """Returns the checked `data_dir` of an FMA subset."""
    archive, sha1, size = FMA_ARCHIVES[dataset]
    remedy = (
        f"It must hold fma_metadata/tracks.csv and {dataset}/000/000002.mp3: unpack {FMA_METADATA[0]} ({FMA_METADATA[2]}, "
        f"SHA-1 {FMA_METADATA[1]}) and {archive} ({size}, SHA-1 {sha1}) from {FMA_URL} there "
        "(`python -m zipfile -e ARCHIVE FOLDER` copes with their bzip2 compression)."
    )
    if not data_dir:
        raise ValueError(f"{dataset} needs data_dir, the folder of your FMA download. {remedy} Received: data_dir={data_dir!r}")
    root = paths.resolve(data_dir)
    for needed in (root, root / "fma_metadata" / "tracks.csv", root / dataset):
        if not needed.exists():
            raise FileNotFoundError(f"{needed} does not exist. {remedy} Received: data_dir={str(data_dir)!r}")
    return root


def _read_tracks_csv(path):
    """Returns FMA's track table with the columns of FMA_COLUMNS, flattened to `set_split` and so on."""
    try:
        header = pd.read_csv(path, index_col=0, header=[0, 1], nrows=0)
    except (ValueError, UnicodeDecodeError, IndexError) as error:  # EmptyDataError and ParserError are ValueErrors
        raise ValueError(f"{path} is not FMA's track table (CSV with a two-level header): {error}") from error
    missing = ["/".join(column) for column in FMA_COLUMNS if column not in header.columns]
    if missing:
        raise ValueError(
            f"{path} lacks columns of FMA's track table; take tracks.csv from {FMA_METADATA[0]} at {FMA_URL}. "
            f"Received: a table without {', '.join(missing)}"
        )
    # Only the wanted of the 52 columns are parsed, since the whole table is 260 MB. pandas cannot choose columns under a
    # two-level header, so the header's rows (the third holds just the index's name) are skipped.
    wanted = [0] + [header.columns.get_loc(column) + 1 for column in FMA_COLUMNS]
    with open(path, encoding="utf-8") as file:
        header_rows = 3 if [*itertools.islice(file, 3)][-1].startswith("track_id,") else 2
    table = pd.read_csv(path, header=None, skiprows=header_rows, usecols=wanted)[wanted].set_index(0)
    table.columns = ["_".join(column) for column in FMA_COLUMNS]
    return table


def _read_fma(root, subset):
    """Returns (tracks, excluded) of an FMA subset under `root`."""
    csv = root / "fma_metadata" / "tracks.csv"
    table = _read_tracks_csv(csv)
    order = {"small": 0, "medium": 1, "large": 2, "full": 2}  # full holds the tracks of large, untrimmed
    rank = table["set_subset"].map(order)
    table = table[rank <= order[subset.removeprefix("fma_")]]
    if table.empty:
        raise ValueError(f"{csv} lists no track of {subset}. Received: set/subset without {subset.removeprefix('fma_')!r}")
    there = {
        f"{subset}/{folder.name}/{file.name}"
        for folder in os.scandir(root / subset)
        if folder.is_dir()
        for file in os.scandir(folder.path)
    }
    rows = []
    keep = []
    for track_id, genre, split in zip(table.index, table["track_genre_top"], table["set_split"]):
        path = f"{subset}/{track_id // 1000:03d}/{track_id:06d}.mp3"
        if track_id in FMA_BAD_CLIPS and subset != "fma_full":
            reason = FMA_BAD_CLIPS[track_id]
        elif not isinstance(genre, str):
            reason = "no top-level genre"
        elif genre not in FMA_GENRES:
            reason = f"unknown genre {genre!r}"
        elif split not in SPLITS:
            reason = f"unknown split {split!r}"
        elif path not in there:
            reason = "file missing"
        else:
            keep.append((track_id, path))
            continue
        rows.append((track_id, path, reason))
    excluded = _excluded_table(rows)
    if not keep:
        raise FileNotFoundError(
            f"No usable track of {subset} under {root}. {describe_excluded(excluded)} Received: data_dir={str(root)!r}"
        )
    kept = table.loc[[track_id for track_id, _ in keep]]
    duration = kept["track_duration"].astype(float)
    tracks = pd.DataFrame(
        {
            "path": [path for _, path in keep],
            "genre": kept["track_genre_top"].astype(str),
            "artist": _named(kept["artist_name"], kept["artist_id"]),
            "album": _named(kept["album_title"], kept["album_id"]),
            "title": kept["track_title"].fillna("untitled").astype(str),
            "split": kept["set_split"].astype(str),
            # The table has the whole track's length; the archives but fma_full hold clips of 30 s.
            "duration": duration if subset == "fma_full" else duration.clip(upper=FMA_CLIP_SECONDS),
        }
    )
    tracks.index.name = "track_id"
    return tracks.sort_index(), excluded


def _named(names, ids):
    """Returns `"name (id)"`: readable, and unique although names repeat; empty for FMA's id -1, "none"."""
    return [
        "" if key == -1 else f"{name} ({key})" if isinstance(name, str) else str(key) for name, key in zip(names, ids)
    ]


# --- a folder of genres -----------------------------------------------------------------------------------------------


def _folder_root(dataset, data_dir):
    """Returns the checked folder of genres."""
    root = paths.resolve(Path(data_dir) / dataset if data_dir else dataset)
    if root.is_dir():
        return root
    known = ["synth", *FMA_ARCHIVES]
    close = difflib.get_close_matches(dataset, known, n=1)
    raise FileNotFoundError(
        f"{root} is neither a folder nor a data set known by name ({', '.join(known)})."
        + (f" Did you mean {close[0]!r}?" if close else "")
        + f" Received: dataset={dataset!r}"
    )


def _read_folder(root, seed):
    """Returns (tracks, excluded, number of tracks whose artist is unknown) of a folder of genres.

    The artist is the file's artist tag; without one, the folder between genre and file (`genre/artist/title.mp3`).
    """
    import soundfile

    files = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and len(path.relative_to(root).parts) > 1
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not files:
        raise ValueError(
            f"No audio in {root}: a folder data set has one subfolder per genre, with {', '.join(AUDIO_SUFFIXES)} files "
            f"in it. Received: dataset={str(root)!r}"
        )
    rows, rejected, unknown = [], [], 0
    with paths.quiet_stderr():
        for track_id, path in enumerate(files):
            relative = path.relative_to(root)
            try:
                with soundfile.SoundFile(path) as file:
                    duration, tags = file.frames / file.samplerate, file.copy_metadata()
            except (soundfile.LibsndfileError, OSError):
                rejected.append((track_id, relative.as_posix(), "not readable as audio"))
                continue
            artist = tags.get("artist", "").strip() or "/".join(relative.parts[1:-1])
            unknown += not artist
            rows.append(
                {
                    "track_id": track_id,
                    "path": relative.as_posix(),
                    "genre": relative.parts[0],
                    "artist": artist or f"unknown artist of {relative.as_posix()}",
                    "album": tags.get("album", "").strip(),
                    "title": tags.get("title", "").strip() or path.stem,
                    "duration": duration,
                }
            )
    excluded = _excluded_table(rejected)
    if not rows:
        raise ValueError(f"No file in {root} could be read. {describe_excluded(excluded)} Received: dataset={str(root)!r}")
    tracks = pd.DataFrame(rows).set_index("track_id")
    tracks.insert(5, "split", _split_by_artist(tracks, seed))
    return tracks, excluded, unknown


def _split_by_artist(tracks, seed, held_out=0.15):
    """Returns a split for each track, stratified by genre as far as keeping artists whole allows.

    Goes through the genres and moves artists, in seeded order, to test and then to validation until each holds its share
    (at least one track) of the genre; each genre keeps at least one artist in training.
    """
    rng = np.random.default_rng(seed)
    counts = tracks.groupby(["genre", "artist"]).size()
    genres_of = tracks.groupby("artist")["genre"].unique()
    side = {}

    def free(genre):
        return [artist for artist in counts[genre].index if artist not in side]

    for split in ("test", "validation"):
        for genre in sorted(tracks["genre"].unique()):
            wanted = max(1, round(held_out * counts[genre].sum()))
            have = sum(count for artist, count in counts[genre].items() if side.get(artist) == split)
            candidates = free(genre)
            for place in rng.permutation(len(candidates)):
                artist = candidates[place]
                if have >= wanted:
                    break
                if all(len(free(other)) > 1 for other in genres_of[artist]):
                    side[artist] = split
                    have += counts[genre, artist]
    return [side.get(artist, "training") for artist in tracks["artist"]]


# --- any source -------------------------------------------------------------------------------------------------------


def _keep_genres(tracks, genres):
    if genres is None:
        return tracks.copy()
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
