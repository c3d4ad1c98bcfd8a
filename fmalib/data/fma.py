"""The Free Music Archive in its own layout: finding it, and reading its table; `fma_archives` has its facts."""

import contextlib
import itertools
import os
import shlex
import sys
from pathlib import Path

import pandas as pd

from fmalib import files, paths
from fmalib.data import formats, transfer
from fmalib.data.fma_archives import ARCHIVES, BAD_CLIPS, METADATA, URL
from fmalib.data.tracks import SPLITS, UNKNOWN_ARTIST, describe_excluded, join_excluded

# fmt: off
GENRES = (
    "Blues", "Classical", "Country", "Easy Listening", "Electronic", "Experimental", "Folk", "Hip-Hop",
    "Instrumental", "International", "Jazz", "Old-Time / Historic", "Pop", "Rock", "Soul-RnB", "Spoken",
)
CLIP_SECONDS = 30.0
COLUMNS = (
    ("set", "split"), ("set", "subset"), ("track", "genre_top"), ("track", "duration"), ("track", "title"),
    ("artist", "id"), ("artist", "name"), ("album", "id"), ("album", "title"),
)
# fmt: on
SUBSETS = {"small": 0, "medium": 1, "large": 2, "full": 2}  # each holds the ones before; full is large, untrimmed


def find_root(dataset, data_dir):
    """Returns the checked `data_dir` of an FMA subset."""
    remedy = _remedy(dataset, data_dir)
    if not data_dir:
        raise ValueError(f"{dataset} needs data_dir, the folder of its files. {remedy} Received: data_dir={data_dir!r}")
    root = paths.resolve(data_dir)
    formats.check_allowed(root, f"data_dir={str(data_dir)!r}")
    if os.path.isdir(root.parent / "fma_metadata") and not os.path.exists(root / "fma_metadata"):
        raise FileNotFoundError(f"data_dir must be the folder above: {root.parent}. Received: data_dir={str(data_dir)!r}")
    for needed in (root, root / "fma_metadata", root / "fma_metadata" / "tracks.csv", root / dataset):
        formats.check_allowed(needed, f"data_dir={str(data_dir)!r}")
        if not (needed.is_file() if needed.suffix == ".csv" else needed.is_dir()):
            hint = _misplaced(root, dataset)
            raise FileNotFoundError(f"{needed} does not exist.{hint} {remedy} Received: data_dir={str(data_dir)!r}")
    return root


def _remedy(dataset, data_dir):
    """Returns sentences on how to get an FMA subset, for an error; in Colab, which cell to run."""
    root, archives = paths.resolve(data_dir or "data"), [ARCHIVES[METADATA], ARCHIVES[dataset]]
    begun = [root / METADATA, root / dataset, *(root / archive.file for archive in archives)]
    run = f"python -m fmalib download {dataset} --data-dir {shlex.quote(str(data_dir or 'data'))}"
    run = f"`!{run}` in a new cell" if "google.colab" in sys.modules else f"`{run}`"
    size = files.in_words(sum(archive.size for archive in archives))
    goes_on = ", which goes on where it stopped" if any(os.path.exists(transfer.part_of(path)) for path in begun) else ""
    then = "" if data_dir else ", then set data_dir to 'data'"
    return (
        f"Run {run} ({size} to download{goes_on}){then}. "
        f"In a copy of your own, the folder holds fma_metadata/tracks.csv and {dataset}/000/000002.mp3."
    )


def listed(root, subset):
    """Returns FMA's rows of a subset under `root`, indexed by `track_id`; column `path`: the file, whether it is there or not.

    The other columns are of COLUMNS, flattened to `set_split` and so on.
    """
    csv, name = root / METADATA / "tracks.csv", subset.removeprefix("fma_")
    table = _read_table(csv)
    table = table[table["set_subset"].map(SUBSETS) <= SUBSETS[name]].rename_axis("track_id")
    if table.empty:
        raise ValueError(f"{csv} lists no track of {subset}. Received: set/subset without {name!r}")
    found = _files(root, subset)
    names = [f"{subset}/{track_id // 1000:03d}/{track_id:06d}" for track_id in table.index]
    return table.assign(path=[found.get(name, f"{name}.mp3") for name in names])


def read(root, subset):
    """Returns (tracks, excluded) of an FMA subset under `root`."""
    table = listed(root, subset)
    table["reason"] = [_why_excluded(row, root) for row in table.itertuples()]
    excluded = join_excluded([table[table["reason"] != ""]])
    kept = table[table["reason"] == ""].sort_index()
    if kept.empty:
        raise FileNotFoundError(
            f"No usable track of {subset} under {root}.{_misplaced(root, subset)} {describe_excluded(excluded)} "
            f"Received: data_dir={str(root)!r}"
        )
    artists = _named(kept["artist_name"], kept["artist_id"])
    tracks = {
        "path": kept["path"],
        "genre": kept["track_genre_top"].astype(str),
        "artist": [artist or f"{UNKNOWN_ARTIST} of {path}" for artist, path in zip(artists, kept["path"])],
        "album": _named(kept["album_title"], kept["album_id"]),
        "title": kept["track_title"].fillna("untitled").astype(str),
        "split": kept["set_split"].astype(str),
        # The table has the duration of the whole track; all archives except fma_full hold clips of 30 s.
        "duration": kept["track_duration"].clip(upper=None if subset == "fma_full" else CLIP_SECONDS),
    }
    return pd.DataFrame(tracks), excluded


def _read_table(path):
    """Returns FMA's track table with the columns of COLUMNS, flattened to `set_split` and so on."""
    try:
        header = pd.read_csv(path, index_col=0, header=[0, 1], nrows=0)
    except (ValueError, IndexError) as error:  # EmptyDataError, ParserError and UnicodeDecodeError are ValueErrors
        raise ValueError(f"{path} is not FMA's track table (CSV with a two-level header): {error}") from error
    missing = ["/".join(column) for column in COLUMNS if column not in header.columns]
    if missing and not len(header.columns):
        raise ValueError(
            f"{path} has one column only: save it with commas between the columns. Received: {header.index.name!r}"
        )
    if missing:
        raise ValueError(
            f"{path} lacks columns of FMA's track table; take tracks.csv from {ARCHIVES[METADATA].file} at {URL}. "
            f"Received: a table without {', '.join(missing)}"
        )
    # The whole table is 260 MB, so only nine of its 52 columns are parsed. pandas cannot choose columns under a two-level
    # header, so the rows of the header are skipped; the third, where there is one, holds only the name of the index.
    wanted = [0] + [header.columns.get_loc(column) + 1 for column in COLUMNS]
    try:
        with open(path, encoding="utf-8") as file:
            header_rows = 3 if [*itertools.islice(file, 3)][-1].startswith("track_id,") else 2
        table = pd.read_csv(path, header=None, skiprows=header_rows, usecols=wanted)[wanted]
        table = table.dropna(how="all").set_index(0)  # spreadsheets leave empty rows
        table.columns = ["_".join(column) for column in COLUMNS]
        table.index = table.index.astype(int)
        table["track_duration"] = table["track_duration"].astype(float)
        if not table.index.is_unique:
            raise ValueError(f"track id {table.index[table.index.duplicated()][0]} occurs twice")
    except (ValueError, TypeError, IndexError) as error:  # a broken download, mostly
        raise ValueError(f"{path} cannot be read; take tracks.csv from {ARCHIVES[METADATA].file} at {URL}: {error}") from error
    return table


def _files(root, subset):
    """Returns {path without suffix: path} of the audio files that are there, relative to `root`.

    A file that can be opened comes first, then MP3: files converted to another format may lie beside it, or instead of it.
    """
    found = []
    for folder in os.scandir(root / subset):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:  # no folder, or denied: tracks are asked one by one
            names = [Path(subset, folder.name, entry.name) for entry in entries]
            found += [name for name in names if name.suffix.lower() in formats.SUFFIXES]
    found.sort(key=lambda path: (not _why_closed(root / path), path.suffix.lower() == ".mp3", path.as_posix()))
    return {path.with_suffix("").as_posix(): path.as_posix() for path in found}


def _why_closed(path):
    """Returns the reason why a file cannot be opened, or an empty string."""
    try:
        formats.check_file(path)
    except OSError as error:
        return formats.reason_of(error)
    return ""


def _misplaced(root, subset):
    """Returns sentences on where the table and the audio lie instead of where they should, empty where they are not found."""
    hints = []
    if not (root / "fma_metadata" / "tracks.csv").is_file():
        tables = [*root.glob("tracks.csv"), *root.glob("*/tracks.csv"), *root.glob("*/*/tracks.csv")]
        hints += [f" tracks.csv lies in {table.parent}: move it to {root / 'fma_metadata'}." for table in tables[:1]]
    folders = [*root.glob("[0-9][0-9][0-9]"), *root.glob("*/*/[0-9][0-9][0-9]")]
    hints += [f" The folders 000, 001, ... lie in {one.parent}: move them to {root / subset}." for one in sorted(folders)[:1]]
    return "".join(hints)


def _why_excluded(track, root):
    """Returns the reason why a row of the table is left out, or an empty string."""
    genre, split = track.track_genre_top, track.set_split
    if track.Index in BAD_CLIPS and not track.path.startswith("fma_full"):
        return f"known bad clip: {BAD_CLIPS[track.Index]}"
    if not isinstance(genre, str):
        return "no top-level genre"
    if genre not in GENRES:
        return f"unknown genre {genre!r}"
    if split not in SPLITS:
        return f"unknown split {split!r}"
    return _why_closed(root / track.path)


def _named(names, ids):
    """Returns `"name (id)"`: readable, and unique although names repeat; empty for FMA's id -1, "none"."""
    return ["" if key == -1 else f"{name} ({key})" if isinstance(name, str) else str(key) for name, key in zip(names, ids)]
