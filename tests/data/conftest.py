"""Fixtures of the data tests: small folders of music, written into `tmp_path`; FMA's archives, and a server of them."""

import dataclasses
import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from helpers import tone

from fmalib.data import fma, fma_archives, transfer

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


def sha1(path):
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def mirror(write_fma, tmp_path, monkeypatch):
    """A folder with FMA's archives of four tracks, in FMA's form: bzip2, read-only members, README.txt, checksums."""
    write_fma()
    (tmp_path / "mirror").mkdir()
    for name in ("fma_metadata", "fma_small"):
        folder, archive = tmp_path / name, tmp_path / "mirror" / f"{name}.zip"
        (folder / "README.txt").write_text("See the paper.\n" * 500)
        listed = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "README.txt")
        (folder / "checksums").write_text("".join(f"{sha1(path)}  {path.relative_to(folder)}\n" for path in listed))
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_BZIP2) as file:
            for path in sorted(folder.rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
                file.write(path, path.relative_to(tmp_path))
                path.chmod(0o755)
        size = archive.stat().st_size
        known = dataclasses.replace(fma_archives.ARCHIVES[name], sha1=sha1(archive), size=size, unpacked=2 * size)
        monkeypatch.setitem(fma_archives.ARCHIVES, name, known)
        folder.rename(tmp_path / "mirror" / name)
    return tmp_path / "mirror"


class Handler(BaseHTTPRequestHandler):
    """Serves the files of a folder, with HTTP ranges, and with the faults that the server was told of."""

    def do_GET(self):
        server, start = self.server, int((self.headers["Range"] or "bytes=0-")[6:-1])
        server.log.append((self.path.split("/")[-1], start))
        file = Path(server.folder, self.path.lstrip("/"))
        if server.statuses or not file.is_file():
            return self.answer(server.statuses.pop(0) if server.statuses else 404)
        data = file.read_bytes()
        if start >= len(data) and server.ranges:
            return self.answer(416, {"Content-Range": f"bytes */{len(data)}"})
        if start and server.ranges:
            self.answer(206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:])
        else:
            self.answer(200, {}, data)

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts and status < 300 else None
        if self.server.stalls and len(body) > self.server.stalls[0]:
            cut = self.server.stalls.pop(0)
            self.wfile.write(body[:cut])
            self.rfile.read(1)  # until the client is gone
        else:
            self.wfile.write(body[:cut])
        self.close_connection = cut is not None

    def log_message(self, *args):
        pass


@pytest.fixture
def server(mirror, monkeypatch):
    """A server of the archives on loopback.

    `url`; `log` of requests, (file, first byte); `ranges`: whether it knows them; `cuts`: after how many bytes it breaks off
    the next answers; `stalls`: after how many it waits until the client is gone; `statuses` of the next answers.
    """
    monkeypatch.setattr(transfer, "WAIT", 0.001)
    monkeypatch.setattr(transfer, "BLOCK", 500)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.folder, serving.log, serving.ranges = mirror, [], True
    serving.cuts, serving.stalls, serving.statuses = [], [], []
    serving.url = f"http://127.0.0.1:{serving.server_port}"
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()
    thread.join()
