"""Fixtures of the fault tests: a seed that is printed, music, and the result of each job without any disturbance."""

import contextlib
import json
import multiprocessing
import os
import random
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import jobs


def pytest_report_header():
    return f"fault tests: FMALIB_FAULT_SEED={SEED} repeats them"


SEED = int(os.environ.get("FMALIB_FAULT_SEED") or secrets.randbits(32))
os.environ["FMALIB_FAULT_SEED"] = str(SEED)  # the same in all workers


@pytest.fixture
def chance(request):
    """Random numbers of one test; they follow from the seed and the test's name."""
    print(f"FMALIB_FAULT_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A function that returns (folder, result, seconds of work) of a job that nothing disturbed, done once."""
    done = {}

    def of(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            jobs.make_music(folder / "music")
            process = fork(name, folder)
            began = wait_for(folder / "started", process)
            assert status_of(process, 300) == 0, log_of(folder)
            done[name] = folder, result_of(folder), time.monotonic() - began
        return done[name]

    return of


def fork(name, folder):
    """Starts a job in a folder as `start` does, in a fork of a server that has imported everything: seconds less each."""
    for file in ("started", "result.json"):
        (folder / file).unlink(missing_ok=True)
    (folder / "log").touch()
    # The server finds its modules by this alone; jobs then test this checkout, whichever one is installed.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(jobs.__file__).parents[1]), str(jobs.REPOSITORY)])
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["faults.preloaded"])
    process = server.Process(target=jobs.forked, args=(name, folder))
    process.start()
    return process


def status_of(process, timeout=0.0):
    """Returns the exit status of a job, negative for a signal, or None where it still runs after some seconds."""
    if isinstance(process, subprocess.Popen):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
        return process.returncode
    process.join(timeout)
    return process.exitcode


def start(name, folder):
    """Starts a job in a folder, in a process of its own; its output goes to `log` there."""
    for file in ("started", "result.json"):
        (folder / file).unlink(missing_ok=True)
    command = [sys.executable, jobs.__file__, name, str(folder)]
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=jobs.environment(folder), start_new_session=True)


def wait_for(file, process, timeout=120):
    """Returns the time when a file was there; fails where the process ended before."""
    deadline = time.monotonic() + timeout
    while not file.exists():
        assert status_of(process) is None and time.monotonic() < deadline, log_of(file.parent)
        time.sleep(0.005)
    return time.monotonic()


def log_of(folder):
    return (folder / "log").read_text(errors="replace")[-4000:]


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def fresh(folder, like):
    """Returns a new folder with the music of another."""
    shutil.copytree(like / "music", folder / "music")
    return folder
