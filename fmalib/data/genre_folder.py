"""A folder of music with one subfolder per genre: finding the files, reading their tags, splitting by artist."""

import difflib
import os
from collections import defaultdict
from pathlib import Path

import pandas as pd
from mutagen.id3 import TCON

from fmalib import paths
from fmalib.data import file_facts, fma, fma_archives, formats, splits, tags
from fmalib.data.tracks import UNKNOWN_ARTIST, describe_excluded, excluded_table


def find_root(dataset, data_dir):
    """Returns the checked folder of genres."""
    root = paths.resolve(Path(data_dir) / dataset if data_dir else dataset)
    formats.check_allowed(root, f"dataset={dataset!r}")
    for place in (root, root.parent):
        names = [name for name in fma_archives.SUBSETS if os.path.isdir(place / name)]
        if os.path.isdir(place / "fma_metadata") and names and (place == root or root.name in fma_archives.SUBSETS):
            use = f"use dataset={names[0]!r}, data_dir={str(place)!r}"
            raise ValueError(f"{place} is an FMA download: {use}. Received: dataset={dataset!r}")
    if not root.is_dir():
        known = ["synth", *fma_archives.SUBSETS]
        hint = "".join(f" Did you mean {name!r}?" for name in difflib.get_close_matches(dataset, known, n=1))
        expected = f"neither a folder nor a data set known by name ({', '.join(known)})"
        raise FileNotFoundError(f"{root} is {expected}.{hint} Received: dataset={dataset!r}")
    return root


def read(root, seed):
    """Returns (tracks, excluded) of a folder of genres; files without any subfolder are one genre.

    The artist is the file's artist tag, else its album artist, else the folder below the genre (`genre/artist/title.mp3`);
    `tags.unify` gives one name to each. Of files with the same bytes, the first is kept.

    Raises:
        ValueError: no audio, or the genres seem to lie one folder deeper.
    """
    rejected = []
    files = formats.audio_files(root, lambda path, reason: rejected.append((paths.printable(path.as_posix()), reason)))
    if not files and not rejected:
        raise ValueError(
            f"No audio in {root}: a folder data set has one subfolder per genre, with audio files in it. "
            f"Received: dataset={str(root)!r}"
        )
    _check_depth(root, files)
    names = [(relative, paths.printable(relative.as_posix())) for relative in files]
    usable = [relative for relative, name in names if relative.as_posix() == name]
    rejected += [(name, "file name is not UTF-8") for relative, name in names if relative.as_posix() != name]
    if any(len(relative.parts) > 1 for relative in usable):
        rejected += [(relative.name, "in no genre's subfolder") for relative in usable if len(relative.parts) == 1]
        usable = [relative for relative in usable if len(relative.parts) > 1]
    rows = {}
    for number, (relative, facts) in enumerate(zip(usable, file_facts.of_files(root, [path.as_posix() for path in usable]))):
        if isinstance(facts, dict):
            rows[number] = _row(root, relative, facts)
        else:
            rejected.append((relative.as_posix(), facts))
    for number, first in _copies(root, {number: row["path"] for number, row in rows.items()}).items():
        rejected.append((rows.pop(number)["path"], f"same bytes as another file: {first}"))
    excluded = excluded_table([(-number, *row) for number, row in enumerate(rejected, start=1)])
    if not rows:
        raise ValueError(f"No file in {root} could be read. {describe_excluded(excluded)} Received: dataset={str(root)!r}")
    return _named(pd.DataFrame.from_dict(rows, orient="index").rename_axis("track_id"), seed), excluded


def notes(root, tracks, excluded):
    """Yields remarks on a folder's layout: genres without a track, a single genre, genres that may lie one level deeper."""
    genres = sorted(tracks["genre"].unique())
    lost = sorted({path.split("/")[0] for path in excluded["path"] if "/" in path} - set(genres))
    if lost:
        yield f"No usable track of {', '.join(lost)}: see the tracks left out."
    below = sorted({path.split("/")[1] for path in tracks["path"] if path.count("/") > 1})
    if len(genres) == 1:
        yield f"One genre only, {genres[0]}: autoencoders, maps and compression run, a classifier needs two."
        if len(below) > 1:
            names = ", ".join(below[:3]) + (", ..." if len(below) > 3 else "")
            yield f"If its {len(below)} subfolders ({names}) are the genres, use dataset={str(root / genres[0])!r}."
    alike = [genre for genre in genres if sum(_letters(genre) == _letters(other) for other in genres) > 1]
    if alike:
        yield f"Genres with nearly the same name: {', '.join(alike)}."
    if len(genres) > 1 and _are_genres(below):
        yield f"The folders below the genres, taken for artists, are named like genres: {', '.join(below[:5])}."


def _check_depth(root, files):
    """Raises ValueError where folders further below are named like genres and the topmost are not, or are FMA's numbers."""
    below = defaultdict(set)  # folder: names of its subfolders that hold audio
    for relative in files:
        for level in range(len(relative.parts) - 1):
            below[relative.parts[:level]].add(relative.parts[level])
    numbered = [top for top, names in below.items() if all(len(name) == 3 and name.isdecimal() for name in names)]
    if numbered and (numbered[0] == () or numbered[0][-1] in fma_archives.SUBSETS):
        raise ValueError(
            f"{root.joinpath(*numbered[0])} looks like the audio of FMA, whose genres are in fma_metadata/tracks.csv: use "
            "dataset='fma_small' (or its other name) and data_dir, the folder that holds both. "
            f"Received: dataset={str(root)!r}"
        )
    meant = [] if _are_genres(below[()]) else sorted((top for top, names in below.items() if _are_genres(names)), key=len)
    meant = [top for top in meant if len(top) == len(meant[0])]
    # Artists may have albums named like genres: all music has to lie there.
    if meant and all(relative.parts[: len(meant[0])] in meant for relative in files if len(relative.parts) > 1):
        use = " or ".join(f"dataset={str(root.joinpath(*top))!r}" for top in meant[:3])
        names = ", ".join(sorted(below[meant[0]])[:5])
        raise ValueError(
            f"The genres seem to lie deeper: {'/'.join(meant[0])} has subfolders {names}. Use {use}. "
            f"Received: dataset={str(root)!r}"
        )


def _are_genres(names):
    """Returns whether most of two or more names are of known genres: FMA's, and the list of ID3 tags."""
    return len(names) > 1 and sum(_letters(name) in _GENRES for name in names) > len(names) / 2


def _letters(name):
    return "".join(filter(str.isalnum, name.casefold()))


_GENRES = frozenset(map(_letters, (*fma.GENRES, *TCON.GENRES)))


def _row(root, relative, facts):
    """Returns the row of one file; its `tags` are for `tags.unify`."""
    found = tags.Tags(**{key: value for key, value in facts.items() if key != "duration"})
    return {
        "path": relative.as_posix(),
        "genre": relative.parts[0] if len(relative.parts) > 1 else root.name,
        "tags": (found, relative.parts[1] if len(relative.parts) > 2 else ""),
        "album": found.album,
        "title": found.title or relative.stem,
        "duration": facts["duration"],
    }


def _named(tracks, seed):
    """Returns the table of tracks with one name for each artist, and splits."""
    artists = tags.unify(tracks["tags"].tolist())
    named = [artist or f"{UNKNOWN_ARTIST} of {path}" for artist, path in zip(artists, tracks["path"])]
    tracks.insert(2, "artist", named)
    tracks["split"] = splits.by_artist(tracks, seed)
    return tracks[["path", "genre", "artist", "album", "title", "split", "duration"]].copy()


def _copies(root, names):
    """Returns {number of a file: name of an earlier file with the same bytes}; `names` maps numbers to paths in order.

    Only files of equal size are read.
    """
    names = pd.Series(names, dtype=object)
    alike = names[names.map(lambda name: (root / name).stat().st_size).duplicated(keep=False)]
    digests = pd.Series(file_facts.digests(root, list(alike)), alike.index, dtype=object)
    return alike.groupby(digests).transform("first")[digests.duplicated()].to_dict()
