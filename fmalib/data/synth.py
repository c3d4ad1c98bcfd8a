"""A corpus of synthetic music in the layout of the Free Music Archive.

Eight genres, each a `Recipe`: ranges of tempo, swing and effects, and choices of scale, timbre and pattern. An artist is a
recipe with every range drawn once, now and then from a related genre; a track keeps the artist's sound and draws a new key,
chords, melody and mix. Genres therefore overlap, as they do in the real archive.

    recipe --draw_artist--> artist --render_track--> stereo audio --make_corpus--> fma_small/000/000001.mp3, tracks.csv
"""

import functools
import os
import threading
import time
from pathlib import Path

import joblib
import lameenc
import numpy as np
import pandas as pd

from fmalib import files
from fmalib.data import file_facts
from fmalib.data.synth_instruments import SAMPLE_RATE
from fmalib.data.synth_recipes import GENRES
from fmalib.data.synth_render import render_track
from fmalib.progress import bar as progress_bar

VERSION = 1  # part of the corpus's folder name; raise it when the sound changes
TRACKS_PER_ARTIST = 2
BIT_RATE = 128000  # bit/s, constant
LAME_QUALITY = 7  # 0 is best and slowest; soundfile's MP3 encoder is fixed at a setting eight times slower than this
NOTE = "synth.json"  # parameters of the corpus and, once all of it is made, the SHA-256 of its files
TABLES = ("fma_metadata/genres.csv", "fma_metadata/tracks.csv")
WATCH = 0.5  # seconds after which a worker looks again whether its maker runs
COLUMNS = {  # the 52 columns of FMA's tracks.csv
    "album": "comments date_created date_released engineer favorites id information listens producer tags title tracks type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created favorites id latitude location "
    "longitude members name related_projects tags website wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top genres genres_all information "
    "interest language_code license listens lyricist number publisher tags title",
}
GENRE_IDS = dict(zip(GENRES, (15, 38, 17, 21, 1235, 2, 10, 12)))  # FMA's own numbers
# Names of artists, albums and tracks are drawn from these.
ADJECTIVES = "Amber Silent Paper Northern Velvet Copper Distant Hollow Electric Wandering Crimson Salt"
BANDS = "Rivers Harbour Foxes Engine Gardens Signal Lanterns Orchard Union Mirrors Parade Tides"
THINGS = "Morning Window Road Winter Letter Machine Shadow Ocean Fire Mountain Station Rain"


def list_tracks(tracks_per_genre, seed=0, seconds=10.0):
    """Returns the table of tracks that `make_corpus` writes: index `track_id`, FMA's 52 columns, nothing rendered.

    Two tracks to an artist; of each genre's artists about 60, 15 and 25 % go to training, validation and test, at least one
    to each. Identifiers alternate between the genres, so that a smaller corpus is the beginning of a larger one.
    """
    artists = -(-tracks_per_genre // TRACKS_PER_ARTIST)
    test, validation = max(1, round(0.25 * artists)), max(1, round(0.15 * artists))
    splits = ["training"] * (artists - test - validation) + ["validation"] * validation + ["test"] * test
    rows = {}
    for number in range(tracks_per_genre):
        artist, track = divmod(number, TRACKS_PER_ARTIST)
        for genre_index, genre in enumerate(GENRES):
            artist_id = 1 + artist * len(GENRES) + genre_index
            row = _describe_track(genre, artist_id, track, seed) | {("set", "split"): splits[artist]}
            rows[1 + number * len(GENRES) + genre_index] = row | {("track", "duration"): int(seconds)}
    columns = pd.MultiIndex.from_tuples([(group, name) for group, names in COLUMNS.items() for name in names.split()])
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("track_id")


def _describe_track(genre, artist_id, track, seed):
    """Returns the facts of one track, {(group, column): value}; the names of artist, album and track are drawn by `seed`."""
    names = np.random.default_rng([3, seed, artist_id])
    name, album = (" ".join(names.choice(words.split()) for words in (ADJECTIVES, nouns)) for nouns in (BANDS, THINGS))
    title = " ".join(np.random.default_rng([4, seed, artist_id, track]).choice(THINGS.split(), 2, replace=False))
    genres = f"[{GENRE_IDS[genre]}]"
    facts = {
        "album": {"id": artist_id, "title": album, "tracks": TRACKS_PER_ARTIST, "type": "Album", "tags": "[]"},
        "artist": {"id": artist_id, "name": name, "tags": "[]"},
        "set": {"subset": "small"},
        "track": {"number": track + 1, "title": title, "tags": "[]", "bit_rate": BIT_RATE, "license": "CC0 1.0"},
    }
    facts["track"] |= {"genre_top": genre, "genres": genres, "genres_all": genres}
    return {(group, name): value for group, values in facts.items() for name, value in values.items()}


def make_corpus(directory, *, tracks_per_genre=40, seconds=10.0, seed=0, n_jobs=-1, progress=True):
    """Makes a corpus of synthetic music in FMA's layout and returns its directory, a `pathlib.Path`.

    Writes `fma_small/000/000001.mp3` and so on (44.1 kHz, stereo), `fma_metadata/genres.csv`, `fma_metadata/tracks.csv`, and
    last of all their checksums. An interrupted run continues at the next call. A finished corpus returns at once; files of it
    that are damaged or gone are reported and made again. Of two processes, the second waits for the first.

    Args:
        directory: of the corpus; created if need be.
        tracks_per_genre: at least 6, so that every genre has an artist in every split.
        seconds: length of each track, at least 10.
        seed: int, 0 or more. The same seed gives the same bytes on the same machine.
        n_jobs: processes, as in joblib; -1 is one per core.
        progress: whether to show a bar on standard output.

    Raises:
        ValueError: if an argument is out of range, or the directory holds a corpus made with other parameters.
        OSError: if something is missing and the directory cannot be written.
    """
    directory, parameters = Path(directory), _check(tracks_per_genre, seconds, seed)
    known = _known(directory, parameters)
    if known and not _damaged(directory, known):
        return directory  # before the lock: the disk may be read-only
    with files.locked(directory / ".lock", NOTE):
        known = _known(directory, parameters, say=True)
        damaged = _damaged(directory, known or {})
        for name in damaged:
            files.report(directory / name)
        if damaged or not known:
            _make(directory, parameters, known, damaged, n_jobs, progress)
    return directory


def _check(tracks_per_genre, seconds, seed):
    """Returns the parameters of the corpus as a dict; raises ValueError where one is out of range."""
    if not isinstance(tracks_per_genre, (int, np.integer)) or tracks_per_genre < 6:
        raise ValueError(f"tracks_per_genre must be an integer of at least 6. Received: tracks_per_genre={tracks_per_genre}")
    if not 10 <= seconds < np.inf:
        raise ValueError(f"seconds must be at least 10. Received: seconds={seconds}")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be an integer of at least 0. Received: seed={seed}")
    return {"version": VERSION, "tracks_per_genre": int(tracks_per_genre), "seconds": float(seconds), "seed": int(seed)}


def _known(directory, parameters, *, say=False):
    """Returns {name: SHA-256} of a finished corpus, {} where nothing or only a part was made, None where the note is damaged.

    Raises ValueError where the directory holds other data.
    """
    note = files.read_json(directory / NOTE, say=say)
    if note is None and (directory / NOTE).exists():
        return None
    held = note["parameters"] if note else "other data" if (directory / TABLES[-1]).exists() else parameters
    if held != parameters:
        raise ValueError(
            f"{directory} holds {held}, not the corpus of {parameters}. Choose another directory or delete this one. "
            f"Received: directory={str(directory)!r}"
        )
    return note["files"] if note else {}


def _damaged(directory, known):
    """Returns the names of known files that have other bytes or are gone."""
    there = [name for name in known if (directory / name).is_file()]
    found = dict(zip(there, file_facts.digests(directory.absolute(), there)))
    return [name for name in known if found.get(name) != known[name]]


def _make(directory, parameters, known, damaged, n_jobs, progress):
    """Makes the files that are not there or damaged, all of them where the note is; the caller holds the lock."""
    for folder in (directory / "fma_metadata", *directory.glob("fma_small/*")):
        files.sweep(folder, "*.csv", "*.mp3")
    if known == {}:  # the parameters come first, so that an interrupted run is never continued with others
        files.write_json(directory / NOTE, {"parameters": parameters, "files": {}}, checksum=True)
    tracks_per_genre, seconds, seed = (parameters[name] for name in ("tracks_per_genre", "seconds", "seed"))
    table, jobs, names = list_tracks(tracks_per_genre, seed, seconds), [], []
    for track_id, row in table.iterrows():
        name, artist_seed = f"fma_small/{track_id // 1000:03d}/{track_id:06d}.mp3", (seed, row["artist", "id"])
        names.append(name)
        if known is None or name in damaged or not (directory / name).is_file():
            track_seed = (*artist_seed, row["track", "number"])
            jobs.append((directory / name, row["track", "genre_top"], artist_seed, track_seed, seconds, os.getpid()))
    n_jobs = min(joblib.effective_n_jobs(n_jobs), len(jobs)) or 1
    made = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(joblib.delayed(_make_track)(*job) for job in jobs)
    shown = progress_bar(made, total=len(jobs), desc="Synthesising music", unit="track", progress=progress and len(jobs) > 0)
    for _ in shown:
        pass
    ids = list(GENRE_IDS.values())
    genres = pd.DataFrame({"#tracks": tracks_per_genre, "parent": 0, "title": GENRES, "top_level": ids}, index=ids)
    for name, content in zip(TABLES, (genres.rename_axis("genre_id").sort_index(), table)):
        with files.atomic(directory / name) as temporary:
            content.to_csv(temporary)
    names += TABLES
    checksums = dict(zip(names, file_facts.digests(directory.absolute(), names)))
    files.write_json(directory / NOTE, {"parameters": parameters, "files": checksums}, checksum=True)


def _make_track(path, genre, artist_seed, track_seed, seconds, maker):
    """Renders one track and writes it as an MP3 of constant bitrate; `maker` is the process that asked for it."""
    if os.getpid() != maker:
        _end_with(maker)
    audio = render_track(genre, artist_seed=artist_seed, track_seed=track_seed, seconds=seconds)
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_channels(2)
    encoder.set_bit_rate(BIT_RATE // 1000)
    encoder.set_quality(LAME_QUALITY)
    encoder.silence()  # else LAME prints its settings
    samples = np.rint(audio * 32767).astype("<i2")
    with files.atomic(path) as temporary:
        temporary.write_bytes(encoder.encode(samples.tobytes()) + encoder.flush())


@functools.cache  # one thread a worker
def _end_with(maker):
    """Ends this process soon after its parent, the process `maker`, has ended, however that was killed."""

    def watch():
        while os.getppid() == maker:
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
