"""What FMA-small costs, without FMA: a data set of its form and size, and the notebooks on it, timed.

    python tests/benchmarks/rehearsal.py make FOLDER [--music GENRES] [--clips 8000]
    python tests/benchmarks/rehearsal.py run FOLDER --json FILE [--names 01 03_three ...] [--lab FOLDER]

This is a rehearsal of size, not of accuracy: its clips repeat few recordings under other gains, offsets and filters.

`make` writes FMA's layout: `tracks.csv` with 106,574 rows and 52 columns, of which 8,000 clips of eight genres are `small`, in
splits of 6,400, 800 and 800 by artist; MP3s of 30 s at FMA's mean bitrate, most in stereo at 44.1 kHz; bad clips bad as in FMA;
SHA-1s. Genres that GENRES has, a folder of genre/artist/file, are made of its music, and no recording is in two splits. The
other genres are synthetic. A stopped `make` goes on at the next call.

`run` executes notebooks by papermill, each in a process of its own, and adds a row to FILE after each: wall time, processor
time and peak memory of all its processes, bytes written, and the processor time of others meanwhile. A notebook whose row is
there is not run again. Caches and runs are kept in the lab: a notebook finds what one before it in FILE has made.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import fmalib  # noqa: F401 - before TensorFlow, whose settings it makes

# isort: split
import joblib
import lameenc
import numpy as np
import pandas as pd
import psutil
import soundfile

from fmalib import files, paths, progress
from fmalib.data import audio, fma_archives, synth
from fmalib.data.synth_recipes import GENRES
from fmalib.data.synth_render import render_track
from fmalib.data.tracks import SPLITS
from fmalib.report import execution

ROWS, LAST_ID = 106_574, 155_320  # of tracks.csv, and the largest track id
MEDIUM = 17_000  # clips of `medium` that are not of `small`
SECONDS, RATE = 30.0, 44_100
SHARES = {"training": 0.8, "validation": 0.1, "test": 0.1}
TRACKS_PER_ARTIST = 3.4  # mean
FORMATS = (((RATE, 2), 0.9), ((48_000, 2), 0.04), ((RATE, 1), 0.04), ((22_050, 1), 0.02))  # (Hz, channels), share
BITRATES = ((320, 0.44), (256, 0.28), (192, 0.18), (128, 0.10))  # kbit/s, share: 257 on average, as the archive's
ALIKE = {"classical": "Instrumental"}  # genres of a folder that FMA-small has under another name
LENGTHS = {98565: 1.6, 98567: 0.5, 98569: 1.5}  # seconds of the truncated clips
QUIET = 1e-4  # gain of clips near silence
BYTES = 970_000  # of a clip
BIO = "<p>A band, which plays.\nAnd sings.</p>\n" * 60  # of an artist: the table has 260 MB
TOP_GENRES = {
    "Blues": 3, "Classical": 5, "Country": 9, "Easy Listening": 13, "Electronic": 15, "Experimental": 38, "Folk": 17,
    "Hip-Hop": 21, "Instrumental": 1235, "International": 2, "Jazz": 4, "Old-Time / Historic": 8, "Pop": 10, "Rock": 12,
    "Soul-RnB": 14, "Spoken": 20,
}  # fmt: skip
THREE = "latent_linear,mfcc_svm,mel_pca"
NOTEBOOKS = {  # by the name of a row: notebook, and parameters beside data set and folders; by default in this order
    "01": ("01_data", {}),
    "03_three": ("03_classifier", {"systems": THREE}),
    "02": ("02_autoencoder", {}),
    "04": ("04_latent_space", {}),
    "03": ("03_classifier", {}),
}
WHAT = "A rehearsal of FMA-small's size, not of accuracy: clips repeat few recordings under other gains, offsets and filters."
REPOSITORY = Path(__file__).resolve().parents[2]
Work = namedtuple("Work", "genre artist source tracks")  # of an artist; `source` is a file or None, `tracks` are ids


def make(folder, music=None, *, clips=8000, rows=ROWS, seconds=SECONDS, seed=0, show=True):
    """Writes the data set, or what is not there yet of it, and returns its folder.

    Args:
        folder: of the data set; it is made.
        music: folder of genre/artist/file; None makes all of it synthetic.
        clips, rows: of the subset `small`, a multiple of 8 from 80 on, and of the whole table.
        seconds, seed: of a clip; of all draws.
        show: whether to show a bar.

    Raises:
        ValueError: a number of clips that cannot be balanced, or the folder holds another data set.
        OSError: the disk is full.
    """
    if clips % len(GENRES) or clips < 10 * len(GENRES) or rows < clips:
        raise ValueError(f"clips must be a multiple of 8 from 80 on, within the rows. Received: clips={clips}, rows={rows}")
    root = paths.resolve(folder)
    settings = {"music": music and paths.resolve(music).name, "clips": clips, "rows": rows, "seconds": seconds, "seed": seed}
    held = read(root / "rehearsal.json")
    if (held and held != settings) or (held is None and root.is_dir() and any(root.iterdir())):
        raise ValueError(f"{root} holds other data: {held}. Choose another folder. Received: {settings}")
    done = sum(path.stat().st_size for path in root.rglob("*.mp3"))
    files.check_room(root, int(clips * BYTES * seconds / SECONDS) + 5000 * rows - done, "the rehearsal's data set")
    files.write_json(root / "rehearsal.json", settings)
    table, work = plan(clips, rows, seed, sources(music, seed) if music else {})
    jobs = (joblib.delayed(write_artist)(root, each, seconds, seed) for each in work)
    made = joblib.Parallel(n_jobs=-1, return_as="generator_unordered")(jobs)
    with progress.bar(total=clips, desc="Writing MP3s", unit="clip", progress=show) as shown:
        for count in made:
            shown.update(count)
    names = sorted(path.relative_to(root / "fma_small").as_posix() for path in root.glob("fma_small/*/*.mp3"))
    sums = "".join(f"{hashlib.sha1((root / 'fma_small' / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    genres = pd.DataFrame({"#tracks": clips // 8, "parent": 0, "title": TOP_GENRES, "top_level": TOP_GENRES})
    write(root / "fma_small" / fma_archives.CHECKSUMS, lambda path: path.write_text(sums))
    write(root / "fma_metadata" / "genres.csv", genres.set_axis(TOP_GENRES.values()).rename_axis("genre_id").to_csv)
    write(root / "fma_metadata" / "tracks.csv", table.to_csv)
    return root


def read(path):
    """Returns the content of a JSON file; None where it is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(path, how):
    """Writes a file by a function of its path, under its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as temporary:
        how(temporary)


def sources(music, seed):
    """Returns {(genre, split): paths} of a folder of genre/artist/file; an artist's recordings are in one split."""
    found, names = {}, {name.lower(): name for name in GENRES} | ALIKE
    for folder in sorted(path for path in paths.resolve(music).iterdir() if path.name.lower() in names):
        artists = sorted(path for path in folder.iterdir() if path.is_dir())
        order = np.random.default_rng([7, seed]).permutation(len(artists))
        held = max(1, round(0.1 * len(artists)))
        parts = {"validation": order[:held], "test": order[held : 2 * held], "training": order[2 * held :]}
        for split, numbers in parts.items():
            tracks = [sorted(path for path in artists[number].iterdir() if path.is_file()) for number in sorted(numbers)]
            found[names[folder.name.lower()], split] = list(itertools.chain(*tracks))
    return found


def plan(clips, rows, seed, music):
    """Returns (FMA's table of all tracks, a list of `Work` of the subset `small`); `music` is by `sources`."""
    rng = np.random.default_rng([8, seed])
    known = np.array([2, *fma_archives.BAD_CLIPS, *fma_archives.QUIET_CLIPS])
    others = np.setdiff1d(np.arange(3, LAST_ID + 1), known)
    every = np.concatenate([known, rng.choice(others, rows - len(known), replace=False)])  # the first ones are of `small`
    free, work, facts = iter(rng.permutation(every[:clips]).tolist()), [], {}
    for genre, split in itertools.product(GENRES, SPLITS):
        wanted, files_of = round(SHARES[split] * clips / len(GENRES)), itertools.cycle(music.get((genre, split), [None]))
        while wanted:
            count = min(wanted, int(rng.geometric(1 / TRACKS_PER_ARTIST)))
            tracks, wanted = list(itertools.islice(free, count)), wanted - count
            work.append(Work(genre, 1 + len(work), next(files_of), tracks))
            facts |= {track: (genre, split, len(work)) for track in tracks}
    return described(every, facts, rng), work


def described(every, facts, rng):
    """Returns FMA's table of tracks with some ids; `facts` has genre, split and artist of those in `small`, the first ones."""
    n, small, titles = len(every), len(facts), [*synth.ADJECTIVES.split(), *synth.THINGS.split()]
    medium = min(MEDIUM, n - small)
    genre = rng.choice([*TOP_GENRES], n).astype(object)
    genre[small + medium :][rng.random(n - small - medium) < 0.6] = None  # of `large`, most have none
    artist, split = 20_000 + rng.integers(0, 14_000, n), rng.choice(SPLITS, n, p=list(SHARES.values())).astype(object)
    genre[:small], split[:small], artist[:small] = zip(*(facts[track] for track in every[:small]))
    ids = ["[]" if name is None else f"[{TOP_GENRES[name]}]" for name in genre]
    values = {
        ("set", "subset"): ["small"] * small + ["medium"] * medium + ["large"] * (n - small - medium),
        ("set", "split"): split,
        ("track", "genre_top"): genre,
        ("track", "genres"): ids,
        ("track", "genres_all"): ids,
        ("track", "duration"): rng.integers(60, 600, n),
        ("track", "bit_rate"): rng.choice([256_000, 320_000], n),
        ("track", "title"): rng.choice(titles, n),
        ("track", "date_created"): "2008-11-26 01:48:12",
        ("artist", "id"): artist,
        ("artist", "name"): [f"Artist {number}" for number in artist],
        ("artist", "bio"): BIO,
        ("album", "id"): artist,
        ("album", "title"): rng.choice(titles, n),
    }
    values |= {(group, "tags"): "[]" for group in ("album", "artist", "track")}
    columns = [(group, name) for group, names in synth.COLUMNS.items() for name in names.split()]
    index, columns = pd.Index(every, name="track_id"), pd.MultiIndex.from_tuples(columns)
    return pd.DataFrame(values, index).reindex(columns=columns).sort_index()


def write_artist(root, work, seconds, seed):
    """Writes the tracks of an artist, and returns their number; files that are there stay."""
    missing = [(track, path) for track in work.tracks if not (path := clip(root, track)).exists()]
    base = None
    for track, path in missing:
        if fma_archives.BAD_CLIPS.get(track) == "no audio":
            write(path, lambda temporary: temporary.write_bytes(b"ID3\3\0\0\0\0\0\x0a" + bytes(10)))
            continue
        base = sound_of(work, seconds, seed) if base is None else base
        data = encoded(base, track, min(seconds, LENGTHS.get(track, seconds)), seed)
        write(path, lambda temporary, data=data: temporary.write_bytes(data))
    return len(work.tracks)


def clip(root, track):
    return root / "fma_small" / f"{track // 1000:03d}" / f"{track:06d}.mp3"


def sound_of(work, seconds, seed):
    """Returns the sound of an artist, float32 `(samples, 2)`: a recording with one filter of the artist's own, or synthesis."""
    if work.source is None:
        seeds = {"artist_seed": (seed, work.artist), "track_seed": (seed, work.artist, 0)}
        return render_track(work.genre, seconds=seconds, **seeds)
    sound, _ = soundfile.read(work.source, dtype="float32", always_2d=True)
    sound = np.broadcast_to(sound, (len(sound), 2))
    return filtered(sound, np.random.default_rng([9, seed, work.artist]).uniform(-0.7, 0.7))


def filtered(sound, share):
    """Returns a sound plus a share of itself one sample earlier: brighter below 0, darker above."""
    return (sound + np.float32(share) * np.roll(sound, 1, axis=0)) / np.float32(1 + abs(share))


def encoded(base, track, seconds, seed):
    """Returns a track as bytes of an MP3: its artist's sound at another gain, offset and filter."""
    rng = np.random.default_rng([10, seed, track])
    (rate, channels), kbps = drawn(FORMATS, rng), drawn(BITRATES, rng)
    gain = QUIET if track in fma_archives.QUIET_CLIPS else rng.uniform(0.3, 1.0)
    start, sound = rng.integers(len(base)), filtered(base, rng.uniform(-0.3, 0.3))
    sound = np.resize(np.concatenate([sound[start:], sound[:start]]), (round(seconds * rate), 2))[:, :channels]
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_quality(9)
    encoder.set_bit_rate(min(kbps, 160) if rate < 32_000 else kbps)
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(channels)
    return bytes(encoder.encode(audio.to_int16(gain * sound).tobytes()) + encoder.flush())


def drawn(shares, rng):
    values, weights = zip(*shares)
    return values[rng.choice(len(values), p=weights)]


def run(folder, out, lab, names):
    """Executes notebooks on a data set, and adds a row to a JSON file after each; returns the number of those that failed.

    Args:
        folder, out: by `make`; the file.
        lab: folder for caches, runs and outputs.
        names: keys of `NOTEBOOKS`, in order.
    """
    settings = read(folder / "rehearsal.json")
    found = read(out) or {"what": WHAT, "data": settings, "machine": machine(), "rows": []}
    if found["data"] != settings:
        raise ValueError(f"{out} holds rows of another data set. Received: {settings}")
    failed = 0
    for name in names:
        if any(row["name"] == name for row in found["rows"]):
            print(f"{name}: found")
            continue
        row = executed(name, folder, lab)
        failed += row["error"] is not None
        print(name, {key: value for key, value in row.items() if key != "versions"}, sep=": ", flush=True)
        if row["error"] is None:
            files.write_json(out, found := found | {"rows": [*found["rows"], row]})
    return failed


def executed(name, folder, lab):
    """Returns the row of a notebook after its execution, a dict; `error` is None where it ended well."""
    notebook, parameters = NOTEBOOKS[name]
    place = lab / "out" / name
    place.mkdir(parents=True, exist_ok=True)
    parameters = {"dataset": "fma_small", "data_dir": str(folder), "out_dir": str(place)} | parameters
    given = itertools.chain(*(("-p", key, value) for key, value in parameters.items()))
    command = [sys.executable, "-m", "papermill", f"notebooks/{notebook}.ipynb", str(place / f"{notebook}.ipynb"), *given]
    where = {"FMALIB_CACHE": str(lab / "cache"), "FMALIB_RUNS": str(lab / "runs"), "PYTHONPATH": str(REPOSITORY)}
    before, busy, started = sizes(lab), busy_seconds(), time.monotonic()
    with open(place / "log.txt", "wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | where, stdout=log, stderr=log)
        status, own, peak = watched(process)
    row = {"name": name, "notebook": notebook, "parameters": {key: str(value) for key, value in NOTEBOOKS[name][1].items()}}
    row |= {"wall_seconds": time.monotonic() - started, "processor_seconds": own}
    row |= {"processor_seconds_of_others": max(0.0, busy_seconds() - busy - own), "peak_memory_bytes": peak}
    row |= {f"{key}_bytes": size - before[key] for key, size in sizes(lab).items()}
    metrics = read(place / "metrics.json") or {}
    row |= {"fingerprint": metrics.get("fingerprint"), "date": time.strftime("%Y-%m-%d"), "versions": execution.versions()}
    return row | {"error": None if status == 0 else f"exit status {status}, see {place / 'log.txt'}"}


def watched(process):
    """Returns (exit status, processor seconds, peak bytes of memory) of a process and all that it starts, once it has ended."""
    peak, root = 0, psutil.Process(process.pid)
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, peak
        with contextlib.suppress(psutil.Error):
            peak = max(peak, sum(memory_of(each) for each in [root, *root.children(recursive=True)]))
        time.sleep(0.5)


def memory_of(process):
    """Returns the bytes that a process holds in memory; 0 where it has just ended."""
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def busy_seconds():
    """Returns the processor seconds that the machine has spent on anything since it started."""
    spent = psutil.cpu_times()
    return sum(getattr(spent, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))


def sizes(lab):
    """Returns the bytes below the lab's folders, a dict."""
    folders = {name: lab / name for name in ("cache", "runs", "out")}
    return {name: sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) for name, place in folders.items()}


def machine():
    """Returns facts of this machine, a dict."""
    return {"cores": os.cpu_count(), "memory_bytes": psutil.virtual_memory().total, "architecture": platform.machine()}


def main(arguments=None):
    """Runs the command line; returns the exit status, 1 where a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write the data set")
    making.add_argument("--music", help="folder of genre/artist/file")
    making.add_argument("--clips", type=int, default=8000)
    running = commands.add_parser("run", help="execute notebooks on it")
    running.add_argument("--json", required=True, help="file of the rows")
    running.add_argument("--lab", default="outputs/rehearsal", help="folder of caches, runs and outputs")
    running.add_argument("--names", nargs="+", choices=[*NOTEBOOKS], default=[*NOTEBOOKS])
    for command in (making, running):
        command.add_argument("folder", help="of the data set")
    given = parser.parse_args(arguments)
    if given.command == "make":
        print(make(given.folder, given.music, clips=given.clips))
        return 0
    folder, out, lab = map(paths.resolve, (given.folder, given.json, given.lab))
    return int(run(folder, out, lab, given.names) > 0)


if __name__ == "__main__":
    sys.exit(main())
