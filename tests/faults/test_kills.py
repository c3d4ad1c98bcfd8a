"""Every job is killed at ten random moments, and ends as an undisturbed one."""

import os
import signal
import time

import pytest
from faults import jobs
from faults.conftest import fork, fresh, log_of, result_of, start, status_of, wait_for

pytestmark = pytest.mark.faults
KILLS, MOST_ATTEMPTS = 10, 30


def leftovers(folder):
    return list(folder.rglob(".*.tmp.*"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", jobs.JOBS)
def test_ten_kills_change_no_result_and_leave_nothing(name, undisturbed, tmp_path, chance):
    like, expected, seconds = undisturbed(name)
    folder, kills, completed = fresh(tmp_path / "0", like), 0, 0
    for attempt in range(1, MOST_ATTEMPTS):
        process = fork(name, folder)
        began = wait_for(folder / "started", process)
        moment = chance.uniform(0, seconds) if kills < KILLS else 300
        if status_of(process, began + moment - time.monotonic()) is None:
            assert kills < KILLS, "it does not end"
            os.killpg(process.pid, signal.SIGKILL)
            kills += status_of(process, 60) == -signal.SIGKILL
            continue
        assert status_of(process) == 0, f"kill {kills}: {log_of(folder)}"
        assert result_of(folder) == expected, f"after {kills} kills"
        assert not leftovers(folder)
        completed += 1
        if kills >= KILLS:
            break
        folder = fresh(tmp_path / str(attempt), like)
    assert kills == KILLS and completed
    print(f"{name}: {kills} kills within {seconds:.1f} s of work, {completed} times completed")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["corpus", "cache", "training_time", "tables"])
def test_ctrl_c_ends_with_its_own_status(name, undisturbed, tmp_path, chance):
    like, expected, seconds = undisturbed(name)
    folder = fresh(tmp_path / "0", like)
    for _ in range(4):
        process = start(name, folder)
        began = wait_for(folder / "started", process)
        time.sleep(max(0, began + chance.uniform(0, 0.9 * seconds) - time.monotonic()))
        os.kill(process.pid, signal.SIGINT)
        status = status_of(process, 60)
        assert status in (0, 1, 130, -signal.SIGINT), f"{status}: {log_of(folder)}"  # no abort, no segmentation fault
        assert (folder / "result.json").exists() or "KeyboardInterrupt" in log_of(folder)
    process = start(name, folder)
    assert status_of(process, 300) == 0, log_of(folder)
    assert result_of(folder) == expected and not leftovers(folder)
