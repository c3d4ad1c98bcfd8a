"""FMA from archives to a data set, and what a copy lacks."""

import errno
import os
import shutil
from collections import namedtuple

import pytest

from fmalib import files
from fmalib.data import datasets, fma_archives, fma_copy

BOTH = [("fma_metadata.zip", 0), ("fma_small.zip", 0)]
CLIPS = [f"fma_small/{name}.mp3" for name in ("000/000002", "000/000003", "001/001002", "001/001003")]


def download(folder, source, **options):
    return fma_copy.download("fma_small", folder, source=getattr(source, "url", source), progress=False, **options)


def content(folder):
    """Returns {path: bytes} of all files below a folder except the lock."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".download.lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def original(mirror):
    """{path: bytes} of the two folders in the archives."""
    return {path: data for path, data in content(mirror).items() if not path.endswith(".zip")}


@pytest.fixture
def copy(tmp_path, mirror):
    """A downloaded copy."""
    return download(tmp_path / "data", mirror)


def check(folder):
    return fma_copy.check("fma_small", folder, progress=False)


def test_a_download_is_a_data_set_and_a_second_call_asks_nobody(server, tmp_path, original):
    assert download(tmp_path / "data", server) == tmp_path / "data"
    assert server.log == BOTH
    assert content(tmp_path / "data") == original
    assert datasets.load("fma_small", tmp_path / "data").tracks["path"].tolist() == CLIPS
    download(tmp_path / "data", server)
    assert server.log == BOTH


def test_a_download_broken_off_twice_is_resumed_by_the_same_call(server, tmp_path, original):
    server.cuts = [None, 2000]
    download(tmp_path / "data", f"{server.url}/")
    assert server.log == [*BOTH, ("fma_small.zip", 2000)]
    assert content(tmp_path / "data") == original


def test_archives_are_kept_on_request(server, tmp_path, original, mirror):
    download(tmp_path / "data", server, keep_archive=True)
    archives = {name: (mirror / name).read_bytes() for name, _ in BOTH}
    assert content(tmp_path / "data") == original | archives
    for path in (tmp_path / "data" / "fma_small").rglob("*.mp3"):
        path.unlink()
    download(tmp_path / "data", server, keep_archive=True)
    assert content(tmp_path / "data") == original | archives and server.log == BOTH


def test_a_folder_of_archives_is_read_in_place_and_left(mirror, tmp_path, original):
    before = content(mirror)
    download(tmp_path / "data", mirror)
    assert content(tmp_path / "data") == original and content(mirror) == before
    shutil.rmtree(mirror / "fma_small")
    download(mirror, mirror)  # the zip files lie where their content goes
    assert content(mirror) == before


def test_a_folder_without_the_archives_or_with_others(mirror, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=rf"{tmp_path}/fma_metadata\.zip does not exist\. Received: source='{tmp_path}'"
    ):
        download(tmp_path / "data", tmp_path)
    archive = mirror / "fma_small.zip"
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"fma_small\.zip is damaged or another version; fetch it again\. Expected SHA-1 "):
        download(tmp_path / "data", mirror)
    assert archive.exists() and not (tmp_path / "data" / "fma_small").exists()


def test_a_server_with_another_archive_leaves_no_folder_and_no_archive(server, tmp_path, mirror, original):
    shutil.copy(mirror / "fma_metadata.zip", mirror / "fma_small.zip")
    with pytest.raises(ValueError, match=r"fma_small\.zip is damaged or another version; it is removed"):
        download(tmp_path / "data", server)
    assert content(tmp_path / "data").keys() == {path for path in original if path.startswith("fma_metadata")}


def test_a_server_without_the_archive(server, tmp_path, mirror):
    (mirror / "fma_metadata.zip").unlink()
    with pytest.raises(ConnectionError, match=r"fma_metadata\.zip cannot be fetched \(status 404 Not Found\)"):
        download(tmp_path / "data", server)
    assert content(tmp_path / "data") == {}


@pytest.mark.parametrize("remote", [True, False])
def test_room_for_archives_and_their_content_is_asked_first(server, tmp_path, mirror, monkeypatch, remote):
    sizes = [fma_archives.ARCHIVES[name].size for name in ("fma_metadata", "fma_small")]
    needed = (3 if remote else 2) * sum(sizes)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(needed - 1))
    text = f"No space left on device: fma_small with its metadata takes {files.in_words(needed)}"
    with pytest.raises(OSError, match=text) as error:
        download(tmp_path / "data", server if remote else mirror)
    assert error.value.errno == errno.ENOSPC and error.value.filename == str(tmp_path / "data")
    assert not server.log and not (tmp_path / "data").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(needed))
    download(tmp_path / "data", server if remote else mirror)


def test_what_is_there_needs_no_room(server, tmp_path, mirror, monkeypatch):
    download(tmp_path / "data", server)
    (tmp_path / "data" / CLIPS[0]).unlink()
    there = sum(len(data) for path, data in content(tmp_path / "data").items() if path.startswith("fma_small"))
    needed = 3 * fma_archives.ARCHIVES["fma_small"].size - there
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(needed - 1))
    with pytest.raises(OSError, match="fma_small with its metadata"):
        download(tmp_path / "data", server)
    assert server.log == BOTH


def test_only_what_is_missing_is_put_in(server, copy, original):
    (copy / CLIPS[1]).unlink()
    times = {path: (copy / path).stat().st_mtime_ns for path in original if path != CLIPS[1]}
    download(copy, server)
    assert server.log == [("fma_small.zip", 0)] and content(copy) == original
    assert {path: (copy / path).stat().st_mtime_ns for path in times} == times


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"dataset must be one of fma_small, .*Received: dataset='fma_tiny'"):
        fma_copy.download("fma_tiny", tmp_path)
    with pytest.raises(ValueError, match=r"a folder or an address by http or https\. Received: 'ftp://host/fma'"):
        download(tmp_path, "ftp://host/fma")


def test_a_whole_copy(copy):
    found = check(copy)
    assert found.is_whole and found.missing == found.superfluous == [] and found.damaged == {}
    assert str(found) == "fma_small: 4 of 4 files are good; 0 missing, 0 damaged, 0 known bad, 0 superfluous"


def test_a_copy_with_faults_names_each(copy):
    damaged = copy / CLIPS[2]
    times, data = damaged.stat(), damaged.read_bytes()
    damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(damaged, ns=(times.st_atime_ns, times.st_mtime_ns))
    (copy / CLIPS[0]).unlink()
    (copy / "fma_small" / "999").mkdir()
    for name in ("999/999999.mp3", "000/.0123456789ab.tmp.000002.mp3", "notes.txt"):
        (copy / "fma_small" / name).write_bytes(b"")
    found = check(copy)
    assert found.missing == [CLIPS[0]] and not found.is_whole
    assert found.damaged == {CLIPS[2]: "another SHA-1 than in the archive"}
    names = ["000/.0123456789ab.tmp.000002.mp3", "999/999999.mp3", "notes.txt"]
    assert found.superfluous == [f"fma_small/{name}" for name in names]
    assert str(found).startswith("fma_small: 2 of 4 files are good; 1 missing, 1 damaged, 0 known bad, 3 superfluous. Delete")


def test_what_a_check_finds_a_download_mends(copy, mirror, original):
    (copy / CLIPS[0]).write_bytes(b"no audio")
    (copy / CLIPS[1]).unlink()
    (copy / CLIPS[0]).unlink()
    download(copy, mirror)
    assert check(copy).is_whole and content(copy) == original


def test_known_bad_clips_are_no_damage(write_fma):
    root = write_fma((99134, "Rock", 9, "training"), (72059, "Rock", 9, "training"))
    (root / "fma_small/099/099134.mp3").write_bytes(b"")
    found = check(root)
    assert found.is_whole and found.known_bad == {"fma_small/099/099134.mp3": "no audio"}
    assert found.quiet == {"fma_small/072/072059.mp3": "near silence, used"}
    text = "fma_small: 5 of 6 files are good; 0 missing, 0 damaged, 1 known bad, 0 superfluous"
    assert str(found) == text
    (root / "fma_small/099/099134.mp3").unlink()
    assert str(check(root)) == text
    assert download(root, "http://127.0.0.1:9") == root  # nothing to download


def test_without_a_list_of_checksums_files_are_opened(fma_folder):
    (fma_folder / CLIPS[0]).write_bytes(b"no audio" * 100)
    (fma_folder / CLIPS[1]).unlink()
    os.mkfifo(fma_folder / CLIPS[1])
    found = check(fma_folder)
    assert list(found.damaged) == CLIPS[:2] and found.damaged[CLIPS[1]] == "not a regular file"
    assert check(fma_folder).damaged == found.damaged


def test_no_copy(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"Run `python -m fmalib download fma_small --data-dir {tmp_path}/data`"):
        check(tmp_path / "data")
