"""A folder of music with one subfolder per genre: finding the files, reading their tags, splitting by artist."""

import difflib
import os
from pathlib import Path

import numpy as np
import pandas as pd

from fmalib import fma, paths
from fmalib.tracks import UNKNOWN_ARTIST, describe_excluded, excluded_table

AUDIO_SUFFIXES = (".wav", ".mp3", ".flac", ".ogg")


def find_root(dataset, data_dir):
    """Returns the checked folder of genres."""
    root = paths.resolve(Path(data_dir) / dataset if data_dir else dataset)
    for place in (root, root.parent):
        names = [name for name in fma.ARCHIVES if (place / name).is_dir()]
        if (place / "fma_metadata").is_dir() and names and (place == root or root.name in fma.ARCHIVES):
            raise ValueError(
                f"{place} is an FMA download: use dataset={names[0]!r}, data_dir={str(place)!r}. Received: dataset={dataset!r}"
            )
    if root.is_dir():
        return root
    known = ["synth", *fma.ARCHIVES]
    close = difflib.get_close_matches(dataset, known, n=1)
    raise FileNotFoundError(
        f"{root} is neither a folder nor a data set known by name ({', '.join(known)})."
        + (f" Did you mean {close[0]!r}?" if close else "")
        + f" Received: dataset={dataset!r}"
    )


def read(root, seed):
    """Returns (tracks, excluded) of a folder of genres.

    The artist is the file's artist tag; without one, the folder below the genre (`genre/artist/album/title.mp3`).
    """
    import soundfile

    files = _audio_files(root)
    if not any(len(relative.parts) > 1 for relative in files):
        raise ValueError(
            f"No audio in {root}: a folder data set has one subfolder per genre, with {', '.join(AUDIO_SUFFIXES)} files "
            f"in it. Received: dataset={str(root)!r}"
        )
    rows, rejected = [], []
    with paths.quiet_stderr():
        for track_id, relative in enumerate(files):
            path = root / relative
            if len(relative.parts) == 1:
                rejected.append((track_id, relative.as_posix(), "in no genre's subfolder"))
                continue
            try:
                relative.as_posix().encode()
            except UnicodeEncodeError:
                shown = relative.as_posix().encode("utf-8", "backslashreplace").decode()
                rejected.append((track_id, shown, "file name is not UTF-8"))
                continue
            try:
                with soundfile.SoundFile(path) as file:
                    duration, tags = file.frames / file.samplerate, file.copy_metadata()
            except (soundfile.LibsndfileError, OSError):
                rejected.append((track_id, relative.as_posix(), "not readable as audio"))
                continue
            artist = tags.get("artist", "").strip() or (relative.parts[1] if len(relative.parts) > 2 else "")
            rows.append(
                {
                    "track_id": track_id,
                    "path": relative.as_posix(),
                    "genre": relative.parts[0],
                    "artist": artist or f"{UNKNOWN_ARTIST} of {relative.as_posix()}",
                    "album": tags.get("album", "").strip(),
                    "title": tags.get("title", "").strip() or path.stem,
                    "duration": duration,
                }
            )
    excluded = excluded_table(rejected)
    if not rows:
        raise ValueError(f"No file in {root} could be read. {describe_excluded(excluded)} Received: dataset={str(root)!r}")
    tracks = pd.DataFrame(rows).set_index("track_id")
    tracks.insert(5, "split", _split_by_artist(tracks, seed))
    return tracks, excluded


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
    """Returns a split for each track, stratified by genre as far as keeping artists whole allows.

    Goes through the genres and moves artists, in seeded order, to test and then to validation until each holds its share
    (at least one track) of the genre; each genre keeps at least one artist in training.
    """
    rng = np.random.default_rng(seed)
    counts = {genre: part["artist"].value_counts().sort_index() for genre, part in tracks.groupby("genre")}
    genres_of = tracks.groupby("artist")["genre"].unique()
    free = {genre: len(artists) for genre, artists in counts.items()}
    side = {}
    for split, left in (("test", 2), ("validation", 1)):  # artists that must remain for what comes after
        for genre, artists in counts.items():
            wanted = max(1, round(held_out * artists.sum()))
            have = sum(count for artist, count in artists.items() if side.get(artist) == split)
            candidates = [artists.index[place] for place in rng.permutation(len(artists)) if artists.index[place] not in side]
            # Those that would take more than twice the share come last: one of them may be most of the genre.
            candidates.sort(key=lambda artist: artists[artist] > 2 * wanted)
            for artist in candidates:
                if have >= wanted or (have and have + artists[artist] > 2 * wanted):
                    break
                if all(free[other] > max(1, min(left, len(counts[other]) - 1)) for other in genres_of[artist]):
                    side[artist] = split
                    have += artists[artist]
                    for other in genres_of[artist]:
                        free[other] -= 1
    return [side.get(artist, "training") for artist in tracks["artist"]]
