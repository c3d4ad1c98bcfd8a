"""A folder of music with one subfolder per genre: finding the files, reading their tags, splitting by artist."""

import difflib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from fmalib import paths
from fmalib.data import fma
from fmalib.data.tracks import UNKNOWN_ARTIST, describe_excluded, excluded_table

AUDIO_SUFFIXES = (".wav", ".mp3", ".flac", ".ogg")


def find_root(dataset, data_dir):
    """Returns the checked folder of genres."""
    root = paths.resolve(Path(data_dir) / dataset if data_dir else dataset)
    for place in (root, root.parent):
        names = [name for name in fma.ARCHIVES if (place / name).is_dir()]
        if (place / "fma_metadata").is_dir() and names and (place == root or root.name in fma.ARCHIVES):
            use = f"use dataset={names[0]!r}, data_dir={str(place)!r}"
            raise ValueError(f"{place} is an FMA download: {use}. Received: dataset={dataset!r}")
    if not root.is_dir():
        known = ["synth", *fma.ARCHIVES]
        hint = "".join(f" Did you mean {name!r}?" for name in difflib.get_close_matches(dataset, known, n=1))
        expected = f"neither a folder nor a data set known by name ({', '.join(known)})"
        raise FileNotFoundError(f"{root} is {expected}.{hint} Received: dataset={dataset!r}")
    return root


def read(root, seed):
    """Returns (tracks, excluded) of a folder of genres.

    The artist is the file's artist tag; without one, the folder below the genre (`genre/artist/album/title.mp3`).
    """
    files = _audio_files(root)
    if not any(len(relative.parts) > 1 for relative in files):
        raise ValueError(
            f"No audio in {root}: a folder data set has one subfolder per genre, with {', '.join(AUDIO_SUFFIXES)} files "
            f"in it. Received: dataset={str(root)!r}"
        )
    rows, rejected = {}, []
    with paths.quiet_stderr():
        for track_id, relative in enumerate(files):
            name = relative.as_posix().encode("utf-8", "backslashreplace").decode()
            found = _read_tags(root, relative, name)
            if isinstance(found, dict):
                rows[track_id] = found
            else:
                rejected.append((track_id, name, found))
    excluded = excluded_table(rejected)
    if not rows:
        raise ValueError(f"No file in {root} could be read. {describe_excluded(excluded)} Received: dataset={str(root)!r}")
    tracks = pd.DataFrame.from_dict(rows, orient="index").rename_axis("track_id")
    tracks.insert(5, "split", _split_by_artist(tracks, seed))
    return tracks, excluded


def _read_tags(root, relative, name):
    """Returns the row of one file, a dict without `split`, or the reason why the file is left out, a string."""
    if len(relative.parts) == 1:
        return "in no genre's subfolder"
    if name != relative.as_posix():
        return "file name is not UTF-8"
    try:
        with soundfile.SoundFile(root / relative) as file:
            duration, tags = file.frames / file.samplerate, file.copy_metadata()
    except (soundfile.LibsndfileError, OSError):
        return "not readable as audio"
    artist = tags.get("artist", "").strip() or (relative.parts[1] if len(relative.parts) > 2 else "")
    return {
        "path": name,
        "genre": relative.parts[0],
        "artist": artist or f"{UNKNOWN_ARTIST} of {name}",
        "album": tags.get("album", "").strip(),
        "title": tags.get("title", "").strip() or relative.stem,
        "duration": duration,
    }


def _audio_files(root):
    """Returns the audio files below a folder, relative to it and sorted; links are followed, hidden files are not."""
    files, seen = [], set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        subfolders[:] = [] if real in seen else [name for name in subfolders if not name.startswith(".")]
        if real not in seen:
            relative = Path(folder).relative_to(root)
            files += [relative / name for name in names if Path(name).suffix.lower() in AUDIO_SUFFIXES and name[0] != "."]
        seen.add(real)
    return sorted(files)


def _split_by_artist(tracks, seed, held_out=0.15):
    """Returns a split for each track, stratified by genre as far as whole artists allow.

    For each genre, artists move in seeded order to test, then to validation, until each of the two holds its share of the
    genre's tracks (at least one track). Each genre keeps at least one artist in training.
    """
    rng = np.random.default_rng(seed)
    counts = {genre: part["artist"].value_counts().sort_index() for genre, part in tracks.groupby("genre")}
    genres_of = tracks.groupby("artist")["genre"].unique()
    free = {genre: len(artists) for genre, artists in counts.items()}
    moved = {}

    def move(split, reserve, artists, candidates):
        wanted = max(1, round(held_out * artists.sum()))
        have = sum(count for artist, count in artists.items() if moved.get(artist) == split)
        # Artists that would take more than twice the share come last: one of them may be most of the genre.
        for artist in sorted(candidates, key=lambda artist: artists[artist] > 2 * wanted):
            if have >= wanted or (have and have + artists[artist] > 2 * wanted):
                break
            genres = genres_of[artist]
            if all(free[genre] > max(1, min(reserve, len(counts[genre]) - 1)) for genre in genres):
                moved[artist] = split
                have += artists[artist]
                free.update({genre: free[genre] - 1 for genre in genres})

    for split, reserve in (("test", 2), ("validation", 1)):  # artists of each genre reserved for the other splits
        for artists in counts.values():
            order = artists.index[rng.permutation(len(artists))]
            move(split, reserve, artists, [artist for artist in order if artist not in moved])
    return [moved.get(artist, "training") for artist in tracks["artist"]]
