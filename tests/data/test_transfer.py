"""One file from a server on loopback, whatever breaks."""

import errno
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple

import pytest

from fmalib.data import transfer
from fmalib.data.fma_archives import ARCHIVES

FILE = "fma_small.zip"


@pytest.fixture
def fetch(server, tmp_path):
    """Returns a function that fetches the archive into an empty folder and returns its bytes."""

    def one(url=None, sha1=None):
        target = tmp_path / "new" / FILE
        transfer.fetch(url or f"{server.url}/{FILE}", target, sha1 or ARCHIVES["fma_small"].sha1, progress=False)
        assert [path.name for path in target.parent.iterdir()] == [FILE]
        return target.read_bytes()

    one.part = tmp_path / "new" / f"{FILE}.part"
    one.part.parent.mkdir()
    return one


@pytest.fixture
def data(mirror):
    return (mirror / FILE).read_bytes()


def test_a_whole_file_comes_in_one_request_and_is_not_fetched_again(server, fetch, data):
    assert len(data) > 4000
    assert fetch() == data and fetch() == data
    assert server.log == [(FILE, 0)]


def test_after_cuts_only_the_rest_is_fetched(server, fetch, data):
    server.cuts = [2000, 1200]
    assert fetch() == data
    assert server.log == [(FILE, 0), (FILE, 2000), (FILE, 3000)]  # 200 bytes of a block were lost at the second


def test_what_a_killed_call_has_left_is_continued(server, fetch, data):
    fetch.part.write_bytes(data[:1234])
    assert fetch() == data
    assert server.log == [(FILE, 1234)]


KILLED = """
import sys
from pathlib import Path
from fmalib.data import transfer
transfer.BLOCK = 500
transfer.fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3], progress=False)
"""


def test_a_killed_call_is_continued(server, fetch, data):
    server.stalls = [8200]
    target = fetch.part.with_name(FILE)
    command = [sys.executable, "-c", KILLED, f"{server.url}/{FILE}", target, ARCHIVES["fma_small"].sha1]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (fetch.part.exists() and fetch.part.stat().st_size):
        time.sleep(0.01)
    time.sleep(0.05)
    process.kill()
    assert process.wait(10) == -signal.SIGKILL and not target.exists()
    size = fetch.part.stat().st_size
    assert 0 < size <= 8200
    assert fetch() == data
    assert server.log == [(FILE, 0), (FILE, size)]


def test_a_part_that_is_whole_needs_no_byte_more(server, fetch, data):
    fetch.part.write_bytes(data)
    assert fetch() == data
    assert server.log == [(FILE, len(data))]


def test_a_part_longer_than_the_file_is_fetched_anew(server, fetch, data):
    fetch.part.write_bytes(data + b"more")
    assert fetch() == data
    assert server.log == [(FILE, len(data) + 4), (FILE, 0)]


def test_a_broken_download_by_other_means_is_continued(server, fetch, data):
    fetch.part.with_name(FILE).write_bytes(data[:3000])
    assert fetch() == data
    assert server.log == [(FILE, 3000)]


def test_a_server_without_ranges_sends_the_whole_again(server, fetch, data):
    server.ranges, server.cuts = False, [2000]
    assert fetch() == data
    assert server.log == [(FILE, 0), (FILE, 2000)]


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(server, fetch, data):
    server.ranges, server.cuts = False, [2000] * 20
    with pytest.raises(ConnectionError, match=r"cannot be fetched \(.*\); what has come is kept, and the next call"):
        fetch()
    assert len(server.log) == transfer.TRIES and fetch.part.read_bytes() == data[:2000]


def test_slow_progress_through_many_breaks_is_progress(server, fetch, data):
    server.cuts = [500] * (len(data) // 500)  # more breaks than TRIES
    assert fetch() == data
    assert server.log == [(FILE, start) for start in range(0, len(data), 500)]


def test_a_busy_server_is_asked_again(server, fetch, data):
    server.statuses = [503, 500, 429]
    assert fetch() == data and len(server.log) == 4


def test_a_server_that_stays_busy_is_given_up(server, fetch):
    server.statuses = [503] * 20
    with pytest.raises(ConnectionError, match=r"cannot be fetched \(status 503 Service Unavailable\)"):
        fetch()
    assert len(server.log) == transfer.TRIES


def test_what_is_not_there_is_not_asked_for_twice(server, fetch):
    with pytest.raises(ConnectionError, match=rf"{server.url}/no\.zip cannot be fetched \(status 404 Not Found\)"):
        fetch(f"{server.url}/no.zip")
    assert server.log == [("no.zip", 0)] and not list(fetch.part.parent.iterdir())


def test_nobody_listens(fetch):
    with pytest.raises(ConnectionError, match=r"cannot be fetched \(Failed to establish .*Connection refused\)"):
        fetch("http://127.0.0.1:9/fma_small.zip")


def test_another_sha1_leaves_nothing(server, fetch):
    with pytest.raises(
        ValueError, match=rf"is removed: try again.*Expected SHA-1 0{{40}}\. Received: {ARCHIVES['fma_small'].sha1}"
    ):
        fetch(sha1="0" * 40)
    assert not list(fetch.part.parent.iterdir())


def test_a_damaged_part_is_found_by_its_sha1_and_the_next_call_begins_anew(server, fetch, data):
    fetch.part.write_bytes(bytes(1000))
    with pytest.raises(ValueError, match="is removed"):
        fetch()
    assert fetch() == data
    assert server.log == [(FILE, 1000), (FILE, 0)]


def test_without_room_no_byte_is_written(server, fetch, monkeypatch, data):
    fetch.part.write_bytes(data[:1000])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(len(data) - 1001))
    with pytest.raises(OSError, match=r"No space left on device: the rest of fma_small\.zip takes ") as error:
        fetch()
    assert error.value.errno == errno.ENOSPC and error.value.filename == str(fetch.part.parent)
    assert fetch.part.read_bytes() == data[:1000]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(len(data) - 1000))
    assert fetch() == data
