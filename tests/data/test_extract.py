"""Archives to folders: hostile members, damage, kills."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import warnings
import zipfile
from collections import namedtuple

import numpy as np
import pytest

from fmalib.data import extract

FILES = {"music/checksums": b"sums", "music/000/000002.mp3": bytes(70_000), "music/001/001002.mp3": b"second"}


def write(path, members, **options):
    """Writes an archive of members, (name or ZipInfo, bytes) pairs, compressed with bzip2."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2, **options) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, content in members:
            file.writestr(name, content)
    return path


def of_mode(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def content(folder):
    """Returns {path: bytes} of all files below a folder, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpack(archive, folder):
    extract.unpack(archive, folder / "music", n_jobs=2, progress=False)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def test_a_folder_appears_with_all_files_readable_and_writable(tmp_path, place):
    members = [(of_mode("music/", stat.S_IFDIR | 0o555), b""), *FILES.items()]
    unpack(write(tmp_path / "a.zip", members), place)
    assert content(place) == FILES
    assert os.access(place / "music" / "000", os.W_OK)


def test_an_empty_file_and_a_member_of_mode_zero(tmp_path, place):
    unpack(write(tmp_path / "a.zip", [("music/empty", b""), (of_mode("music/000/a", 0), b"a")]), place)
    assert content(place) == {"music/empty": b"", "music/000/a": b"a"}


@pytest.mark.parametrize(
    "member, reason",
    [
        ("../evil", "leads out of its folder"),
        ("music/../../evil", "leads out of its folder"),
        ("music/000/..", "leads out of its folder"),
        ("music\\..\\evil", "leads out of its folder"),
        ("/evil", "is an absolute path"),
        ("C:/evil", "is an absolute path"),
        ("evil", "does not lie in music"),
        ("music", "does not lie in music"),
        ("./music/../evil", "leads out of its folder"),
        ("music/000/000002.mp3", "occurs twice"),
        (of_mode("music/link", stat.S_IFLNK | 0o777), "is a link"),
        (of_mode("music/pipe", stat.S_IFIFO | 0o777), "is no regular file"),
    ],
)
def test_one_hostile_member_and_nothing_is_written(tmp_path, place, member, reason):
    archive = write(tmp_path / "a.zip", [*FILES.items(), (member, b"/etc/passwd")])
    name = member if isinstance(member, str) else member.filename
    with pytest.raises(ValueError) as error:
        unpack(archive, place)
    assert str(error.value) == f"{archive} is not unpacked: a member {reason}. Received: {name!r}"
    assert not list(place.iterdir()) and not (tmp_path / "evil").exists()


def test_an_encrypted_member(tmp_path, place):
    archive = write(tmp_path / "a.zip", FILES.items())
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # the first flag in the central directory
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"a member is encrypted\. Received: 'music/checksums'"):
        unpack(archive, place)


@pytest.mark.parametrize("at", [0.3, 0.999, None])
def test_a_damaged_archive_is_one_error_and_no_folder(tmp_path, place, at):
    noise = np.random.default_rng(0).bytes(30_000)
    archive = write(tmp_path / "a.zip", [("music/a.mp3", noise), ("music/b.mp3", noise[::-1])])
    data = bytearray(archive.read_bytes())
    if at is None:
        del data[len(data) // 2 :]
    else:
        data[int(at * len(data))] ^= 255
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.zip cannot be unpacked, it is damaged\. Received: "):
        unpack(archive, place)
    assert not (place / "music").exists() and not list(place.rglob(".*"))
    assert content(place).items() <= {"music.part/a.mp3": noise, "music.part/b.mp3": noise[::-1]}.items()


def test_a_folder_that_is_there_gets_what_it_lacks(tmp_path, place):
    archive = write(tmp_path / "a.zip", FILES.items())
    unpack(archive, place)
    kept = place / "music" / "000" / "000002.mp3"
    (place / "music" / "checksums").write_bytes(b"susm")  # damaged, of the same size
    (place / "music" / "001" / "001002.mp3").unlink()
    (place / "music" / "mine.txt").write_bytes(b"mine")
    before = kept.stat().st_mtime_ns
    unpack(archive, place)
    assert content(place) == {**FILES, "music/mine.txt": b"mine"}
    assert kept.stat().st_mtime_ns == before


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path, place):
    (place / "music.part").mkdir()
    (tmp_path / "precious").write_bytes(b"sums!")
    (place / "music.part" / "checksums").symlink_to(tmp_path / "precious")
    unpack(write(tmp_path / "a.zip", FILES.items()), place)
    assert content(place) == FILES and not (place / "music" / "checksums").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"sums!"


def test_without_room_nothing_is_written(tmp_path, place, monkeypatch):
    archive = write(tmp_path / "a.zip", FILES.items())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(70_009))
    with pytest.raises(
        OSError, match=r"No space left on device: music, unpacked, takes 68 KiB, the disk mounted at .* has 68 KiB"
    ) as error:
        unpack(archive, place)
    assert error.value.errno == errno.ENOSPC and not list(place.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(70_010))
    unpack(archive, place)
    assert content(place) == FILES


FULL = """
import resource, signal, sys
from pathlib import Path
from fmalib.data import extract
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))  # like a full disk: writing fails half way
try:
    extract.unpack(Path(sys.argv[1]), Path(sys.argv[2]), n_jobs=2, progress=False)
except OSError as error:
    print(type(error).__name__, error.errno)
"""


def test_a_disk_that_fills_up_leaves_no_temporary_file_and_the_next_call_goes_on(tmp_path, place):
    archive = write(tmp_path / "a.zip", FILES.items())
    command = [sys.executable, "-c", FULL, archive, place / "music"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["OSError", str(errno.EFBIG)] and not done.stderr
    assert not (place / "music").exists() and not list(place.rglob(".*"))
    unpack(archive, place)
    assert content(place) == FILES


KILLED = """
import sys
from pathlib import Path
from fmalib.data import extract
extract.unpack(Path(sys.argv[1]), Path(sys.argv[2]), n_jobs=2, progress=False)
"""


def test_after_a_kill_whole_files_are_kept_and_the_rest_is_unpacked(tmp_path, place):
    rng = np.random.default_rng(0)
    expected = {f"music/{number // 100:03d}/{number:06d}.mp3": rng.bytes(20_000) for number in range(300)}
    archive, part = write(tmp_path / "a.zip", expected.items(), compresslevel=1), place / "music.part"
    process = subprocess.Popen([sys.executable, "-c", KILLED, archive, place / "music"])
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and len(list(part.glob("*/0*.mp3"))) < 30:
        time.sleep(0.005)
    process.kill()
    assert process.wait(10) == -signal.SIGKILL  # it had not ended before
    whole = {path.name: path.stat().st_mtime_ns for path in part.glob("*/0*.mp3")}
    assert 30 <= len(whole) < 300 and not (place / "music").exists()
    assert all(expected[f"music/{name[:3]}/{name}"] == next(part.glob(f"*/{name}")).read_bytes() for name in whole)
    (part / "000" / f".{'0' * 12}.tmp.000001.mp3").write_bytes(b"half")  # as the killed process may have left one
    unpack(archive, place)
    assert content(place) == expected
    now = {path.name: path.stat().st_mtime_ns for path in (place / "music").glob("*/*.mp3")}
    assert {name: now[name] for name in whole} == whole
