import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from fmalib import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.json"
    files.write_json(target, {"a": 1})
    with pytest.raises(ZeroDivisionError), files.atomic(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert json.loads(target.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.json"
    files.write_json(target, {"a": 1})
    with pytest.raises(ValueError):
        files.write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text()) == {"a": 1}


def test_a_table_is_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"values": np.arange(3)}

    first, again = (files.computed_once(tmp_path / "folder" / "table.npz", compute) for _ in range(2))
    assert len(calls) == 1 and first["seconds"] == again["seconds"] >= 0
    np.testing.assert_array_equal(again["values"], [0, 1, 2])


def test_a_computation_that_fails_leaves_no_table(tmp_path):
    with pytest.raises(ZeroDivisionError):
        files.computed_once(tmp_path / "table.npz", lambda: 1 / 0)
    assert [path.name for path in tmp_path.iterdir()] == [".table.npz.lock"]


def test_temporary_names_differ_within_a_process_too(tmp_path):  # processes of two containers may have one number
    with files.atomic(tmp_path / "a.json") as first, files.atomic(tmp_path / "a.json") as second:
        assert first != second and first.parent == second.parent == tmp_path and first.suffix == second.suffix == ".json"
        first.write_text("1")
        second.write_text("2")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def damaged(data, how):
    """Returns bytes cut in the middle, emptied, a byte short, or with one bit of the middle flipped."""
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]
    return {"cut": data[:middle], "empty": b"", "short": data[:-1], "flipped": flipped}[how]


HOW = ["cut", "empty", "short", "flipped"]


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_table_is_named_and_made_again(tmp_path, caplog, how):
    file = tmp_path / "table.npz"
    files.computed_once(file, lambda: {"values": np.arange(1000)})
    file.write_bytes(damaged(file.read_bytes(), how))
    again = files.computed_once(file, lambda: {"values": np.arange(1000)})
    np.testing.assert_array_equal(again["values"], np.arange(1000))
    assert caplog.messages == [f"{file} is damaged: it is made again."]
    caplog.clear()
    files.computed_once(file, lambda: pytest.fail("made once more"))
    assert not caplog.messages


def test_every_flipped_bit_of_a_sealed_file_is_found(tmp_path):
    file = tmp_path / "a.bin"
    with files.sealed(file) as temporary:
        temporary.write_bytes(b"some bytes")
    whole = file.read_bytes()
    assert files.is_whole(file) and not files.is_whole(tmp_path / "absent", say=False)
    for number in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[number // 8] ^= 1 << number % 8
        file.write_bytes(changed)
        assert not files.is_whole(file, say=False), number


@pytest.mark.parametrize("how", HOW)
def test_damaged_json_is_named(tmp_path, caplog, how):
    file, value = tmp_path / "a.json", {"one": [1, 2.5], "tracks": {7: (1, None), 8: "ä"}}
    files.write_json(file, value, checksum=True)
    assert files.read_json(file) == {"one": [1, 2.5], "tracks": {"7": [1, None], "8": "ä"}}
    file.write_bytes(damaged(file.read_bytes().rstrip(), how))
    assert files.read_json(file) is None and caplog.messages == [f"{file} is damaged: it is made again."]


@pytest.mark.parametrize("text", ["{}", "[]", '{"one": 1}', "null"])
def test_json_without_a_checksum_is_damaged(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert files.read_json(tmp_path / "a.json", say=False) is None


def test_absent_json_is_no_damage(tmp_path, caplog):
    assert files.read_json(tmp_path / "a.json") is None and not caplog.messages


def test_who_holds_the_lock_removes_what_killed_writers_left(tmp_path):
    mine, others = (tmp_path / f".{'0' * 12}.tmp.{name}" for name in ("a.json", "b.npz"))
    ours = [tmp_path / "a.json", tmp_path / ".hidden.tmp.a.json"]  # no name of a temporary file
    for file in (mine, others, *ours):
        file.write_text("x")
    with files.locked(tmp_path / ".lock", "*.json"):
        assert not mine.exists() and others.exists() and all(file.exists() for file in ours)


HOLD = """
import sys, time
from pathlib import Path
from fmalib import files
with files.locked(sys.argv[1]):
    Path(sys.argv[1] + ".held").touch()
    time.sleep(1)
    Path(sys.argv[1] + ".released").touch()
"""


def test_the_second_waits_for_the_lock(tmp_path):
    lock = tmp_path / "folder" / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)]):
        deadline = time.monotonic() + 60
        while not lock.with_name(".lock.held").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        with files.locked(lock):
            assert lock.with_name(".lock.released").exists()


@pytest.mark.parametrize(
    "size, words",
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (10_240, "10 KiB"),
        (1 << 20, "1.0 MiB"),
        (7_730_941_133, "7.2 GiB"),
    ],
)
def test_bytes_in_words(size, words):
    assert files.in_words(size) == words


def mount_of(path):
    return next(str(folder) for folder in path.parents if os.path.ismount(folder))


def test_room_is_that_of_the_disk_below_folders_not_made_yet(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    files.check_room(tmp_path / "new" / "folder", free // 2, "music")
    text = f"No space left on device: music takes 1073741824 GiB, the disk mounted at {mount_of(tmp_path)} has "
    with pytest.raises(OSError, match=re.escape(text)) as error:
        files.check_room(tmp_path / "new" / "folder", 1 << 60, "music")
    assert error.value.errno == errno.ENOSPC and error.value.filename == str(tmp_path / "new" / "folder")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path, number):
    (tmp_path / "a.json").write_text("old")
    text = f"No space left on device: the disk mounted at {mount_of(tmp_path)} has "
    with pytest.raises(OSError, match=re.escape(text)) as error, files.atomic(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))  # of a write: without a name
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "a.json"))
    assert os.listdir(tmp_path) == ["a.json"] and (tmp_path / "a.json").read_text() == "old"


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(IsADirectoryError), files.atomic(tmp_path / "a.json"):
        raise IsADirectoryError(errno.EISDIR, "Is a directory")
