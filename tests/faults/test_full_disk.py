"""A disk that is full: one clear error, no crash, nothing half-written; with more room, the work goes on."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults import jobs

pytestmark = pytest.mark.faults
DISK_NAMED = ("corpus", "unpacking", "cache", "tables")  # others write by Keras too, whose errors have no number

SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from faults import jobs
from faults.conftest import log_of, result_of, start
name, place, music, room = sys.argv[2], Path(sys.argv[3]), sys.argv[4], float(sys.argv[5])

def mount(*options):
    subprocess.run(["mount", *options, str(place)], check=True)

mount("-t", "tmpfs", "-o", "size=1g", "none")
subprocess.run(["cp", "-r", music, str(place / "music")], check=True)
(place / "log").touch()
used = sum(file.stat().st_blocks * 512 for file in place.rglob("*"))
mount("-o", f"remount,size={int(used + room)}")
status = start(name, place).wait(timeout=280)
text = log_of(place)
left = [str(file) for file in place.rglob(".*.tmp.*")]
mount("-o", "remount,size=1g")
again = start(name, place).wait(timeout=280)
print(json.dumps({"status": status, "log": text, "left": left, "again": again, "log_again": log_of(place),
                  "result": result_of(place) if again == 0 else None}))
"""


def namespace():
    """Returns the command that gives a process a mount table of its own, or None where the system allows none."""
    command = ["unshare", "--mount", "--map-root-user"]
    probe = "mount -t tmpfs -o size=1m none /mnt"
    if shutil.which("unshare") and subprocess.run([*command, "sh", "-c", probe], capture_output=True).returncode == 0:
        return command
    return None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", [0.1, 0.6])
@pytest.mark.parametrize("name", [name for name in jobs.JOBS if name != "notebook"])
def test_a_full_disk_is_one_error_and_the_work_goes_on(name, share, undisturbed, tmp_path):
    command = namespace()
    if not command:
        pytest.skip("a small disk needs a mount of its own (unshare --mount), which this system does not allow")
    folder, expected, _ = undisturbed(name)
    written = [path for path in folder.rglob("*") if path.is_file() and "music" not in path.relative_to(folder).parts]
    room = share * sum(path.stat().st_size for path in written)
    (tmp_path / "disk").mkdir()
    tests = str(Path(jobs.__file__).parents[1])
    arguments = [tests, name, str(tmp_path / "disk"), str(folder / "music"), str(room)]
    done = subprocess.run([*command, sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr
    found = jobs.json.loads(done.stdout)
    assert found["status"] == 1, found  # no abort, no segmentation fault
    assert "No space left on device" in found["log"], found["log"]
    if name in DISK_NAMED:
        assert f"the disk mounted at {tmp_path / 'disk'} has " in found["log"], found["log"]
    assert found["left"] == []
    assert found["again"] == 0, found["log_again"]
    assert found["result"] == expected
