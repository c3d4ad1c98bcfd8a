import os
import sys

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


def test_quiet_stderr_silences_c_code_only_inside(capfd):
    with paths.quiet_stderr():
        os.write(2, b"inside")
    os.write(2, b"outside")
    sys.stderr.flush()
    assert capfd.readouterr().err == "outside"


def test_names_of_any_bytes_are_printable():
    assert paths.printable(os.fsdecode(b"caf\xe9/\xc3\xa9.wav")) == "caf\\udce9/é.wav"


def test_quiet_stderr_does_without_any_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with paths.quiet_stderr():
        pass
