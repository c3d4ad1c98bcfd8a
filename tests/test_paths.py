import json
import os
import sys

import numpy as np
import pytest
from helpers import REPOSITORY

from fmalib import paths


@pytest.mark.parametrize("folder", [".", "notebooks", "fmalib"])
def test_relative_paths_mean_the_repository_root(monkeypatch, folder):
    monkeypatch.chdir(REPOSITORY / folder)
    assert paths.resolve("outputs/x") == REPOSITORY / "outputs" / "x"


def test_relative_paths_mean_the_current_folder_outside_a_checkout(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert paths.resolve("outputs/x") == tmp_path / "outputs" / "x"


def test_absolute_and_home_paths_stay(tmp_path):
    assert paths.resolve(tmp_path) == tmp_path
    assert paths.resolve("~/music") == paths.Path.home() / "music"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.json"
    paths.write_json(target, {"a": 1})
    with pytest.raises(ZeroDivisionError), paths.atomic(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert json.loads(target.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.json"
    paths.write_json(target, {"a": 1})
    with pytest.raises(ValueError):
        paths.write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text()) == {"a": 1}


def test_quiet_stderr_silences_c_code_only_inside(capfd):
    with paths.quiet_stderr():
        os.write(2, b"inside")
    os.write(2, b"outside")
    sys.stderr.flush()
    assert capfd.readouterr().err == "outside"


def test_a_table_is_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"values": np.arange(3)}

    first, again = (paths.computed_once(tmp_path / "folder" / "table.npz", compute) for _ in range(2))
    assert len(calls) == 1 and first["seconds"] == again["seconds"] >= 0
    np.testing.assert_array_equal(again["values"], [0, 1, 2])


def test_a_computation_that_fails_leaves_no_table(tmp_path):
    with pytest.raises(ZeroDivisionError):
        paths.computed_once(tmp_path / "table.npz", lambda: 1 / 0)
    assert not list(tmp_path.iterdir())


def test_names_of_any_bytes_are_printable():
    assert paths.printable(os.fsdecode(b"caf\xe9/\xc3\xa9.wav")) == "caf\\udce9/é.wav"


def test_temporary_names_differ_within_a_process_too(tmp_path):  # processes of two containers may have one number
    with paths.atomic(tmp_path / "a.json") as first, paths.atomic(tmp_path / "a.json") as second:
        assert first != second and first.parent == second.parent == tmp_path and first.suffix == second.suffix == ".json"
        first.write_text("1")
        second.write_text("2")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
