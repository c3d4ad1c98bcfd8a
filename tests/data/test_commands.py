"""`python -m fmalib download`, by its exit status and what it prints."""

import pytest

from fmalib import __main__ as command
from fmalib.data import fma_copy


def run(*arguments):
    return command.main(["download", "fma_small", *map(str, arguments)])


def test_download_then_check_then_check_of_a_broken_copy(server, tmp_path, capsys):
    folder = tmp_path / "data"
    assert run("--data-dir", folder, "--from", server.url) == 0
    out, err = capsys.readouterr()
    assert "fma_small.zip: 100%" in out and "Unpacking fma_small.zip: 100%" in out and not err
    assert out.splitlines()[-1] == f"fma_small is complete in {folder}; in notebooks, set data_dir to that folder"
    assert not list(folder.glob("*.zip*"))
    assert run("--data-dir", folder, "--check") == 0
    assert capsys.readouterr().out == "fma_small: 4 of 4 files are good; 0 missing, 0 damaged, 0 known bad, 0 superfluous\n"
    (folder / "fma_small" / "000" / "000002.mp3").rename(folder / "fma_small" / "new\nline.mp3")
    (folder / "fma_small" / "000" / "000003.mp3").write_bytes(b"")
    assert run("--data-dir", folder, "--check") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "missing: fma_small/000/000002.mp3",
        "damaged: fma_small/000/000003.mp3 (another SHA-1 than in the archive)",
        "superfluous: fma_small/new\\nline.mp3",
    ]
    assert lines[3].startswith("fma_small: 2 of 4 files are good; 1 missing, 1 damaged") and len(lines) == 4


def test_keep_archive(server, tmp_path, capsys):
    assert run("--data-dir", tmp_path / "data", "--from", server.url, "--keep-archive") == 0
    assert sorted(path.name for path in (tmp_path / "data").glob("*.zip")) == ["fma_metadata.zip", "fma_small.zip"]


def test_errors_are_one_line_and_status_one(server, tmp_path, capsys):
    server.statuses = [404]
    assert run("--data-dir", tmp_path / "data", "--from", server.url) == 1
    start = f"error: {server.url}/fma_metadata.zip cannot be fetched (status 404 Not Found); what has come is kept"
    out, err = capsys.readouterr()
    assert err.startswith(start) and err.count("\n") == 1 and out == ""
    assert run("--data-dir", tmp_path / "nowhere", "--check") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {tmp_path}/nowhere does not exist. Run `python -m fmalib download") and err.count("\n") == 1


def test_the_disk_that_is_full_is_named(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fma_copy, "_room", lambda *args: 1 << 60)
    assert run("--data-dir", tmp_path / "data", "--from", server.url) == 1
    start = f"error: {tmp_path}/data: no space left on device: fma_small with its metadata takes 1073741824 GiB, "
    assert capsys.readouterr().err.startswith(start)


def test_wrong_arguments_have_status_two(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["download", "fma_tiny"])
    assert stopped.value.code == 2 and "invalid choice: 'fma_tiny'" in capsys.readouterr().err
