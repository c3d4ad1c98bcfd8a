"""Each kind of file that the project writes is cut, emptied and flipped; it is made again, and no result changes."""

import os
import shutil
import signal

import pytest
from faults import jobs
from faults.conftest import fork, fresh, status_of
from helpers import damage

from fmalib.genres import predict

pytestmark = pytest.mark.faults
KINDS = {  # job: patterns of its files
    "corpus": [
        "corpus/fma_small/*/*.mp3",
        "corpus/fma_metadata/tracks.csv",
        "corpus/fma_metadata/genres.csv",
        "corpus/synth.json",
    ],
    "cache": ["cache/audio/*/*.tfrecord", "cache/audio/*/*.json", "cache/folders/*.json"],
    "training_frequency": ["runs/*/model.keras", "runs/*/history.csv", "runs/*/run.json"],
    "training_time": ["runs/*/model.keras", "runs/*/history.csv", "runs/*/run.json"],
    "tables": ["cache/audio/*/mfcc-*.npz", "cache/audio/*/properties-*.npz", "cache/audio/*/latent-*.npz"],
}
HOW = ["cut", "cut", "empty", "flipped", "flipped", "flipped", "missing"]


@pytest.fixture
def copied(undisturbed, tmp_path, monkeypatch):
    """A function that returns (copy of a finished job's folder, its result); jobs in this process work there."""

    def copy(name):
        folder, expected, _ = undisturbed(name)
        shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copy2)
        shutil.rmtree(tmp_path / "copy" / "cache" / "folders", ignore_errors=True)  # named after the folder of the music
        for variable, place in jobs.environment(tmp_path / "copy").items():
            monkeypatch.setitem(os.environ, variable, place)
        return tmp_path / "copy", expected

    return copy


def plain(value):
    """Returns a result as JSON has it."""
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name, pattern", [(name, pattern) for name, patterns in KINDS.items() for pattern in patterns])
def test_damage_is_named_and_heals(name, pattern, copied, chance, caplog):
    folder, expected = copied(name)
    assert plain_result(jobs.JOBS[name](folder)) == expected  # the copy is used as it is
    caplog.clear()
    # A corpus without its note may be other data, which is not written over.
    for number, how in enumerate(HOW[:-1] if pattern.endswith("synth.json") else HOW):
        file = chance.choice(sorted(folder.glob(pattern)))
        place = chance.uniform(0, 0.95)  # a newline less at the end is no damage
        damage(file, how, place)
        result = plain_result(jobs.JOBS[name](folder))
        where = f"{how} at {place} of {file}, number {number}"
        assert result == expected, where
        said = [record.getMessage() for record in caplog.records if record.name == "fmalib"]
        if how != "missing":
            assert len(said) == 1 and str(file) in said[0] and "is damaged: " in said[0], f"{where}: {said}"
        caplog.clear()
        jobs.JOBS[name](folder)
        assert not [record for record in caplog.records if record.name == "fmalib"], where


def plain_result(result):
    return {key: plain(value) for key, value in result.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("pattern", ["backup.weights.h5", "best.weights.h5", "history.csv", "run.json"])
def test_damage_to_a_stopped_training_changes_no_result(pattern, undisturbed, tmp_path, chance, monkeypatch):
    like, expected, _ = undisturbed("training_time")
    folder = fresh(tmp_path / "stopped", like)
    for variable, place in jobs.environment(folder).items():
        monkeypatch.setitem(os.environ, variable, place)
    for how in ("cut", "empty", "flipped", "flipped", "missing"):
        process = fork("training_time", folder)
        while status_of(process, 0.01) is None and not enough_epochs(folder):
            pass
        os.killpg(process.pid, signal.SIGKILL)
        assert status_of(process, 60) == -signal.SIGKILL
        (file,) = folder.glob(f"runs/*/{pattern}")
        damage(file, how, chance.uniform(0, 0.95))
        assert plain_result(jobs.training_time(folder)) == expected, how
        shutil.rmtree(folder / "runs")


def enough_epochs(folder, rows=3):
    return any(file.read_text().count("\n") > rows for file in folder.glob("runs/*/history.csv"))


@pytest.mark.parametrize("name", ["classifier.keras", "classifier.json"])
def test_a_damaged_classifier_is_one_clear_error(name, copied, chance):
    folder, _ = copied("finetuning")
    whole = (folder / "classifier" / name).read_bytes()
    for how in HOW:
        damage(folder / "classifier" / name, how, chance.random())
        with pytest.raises((ValueError, FileNotFoundError), match="xecute") as raised:
            predict.load(folder / "classifier")
        assert "classifier" in str(raised.value) and "Received: " in str(raised.value)
        (folder / "classifier" / name).write_bytes(whole)
    predict.load(folder / "classifier")
