"""The command line: `python -m fmalib classify`, on files and folders of any kind."""

import errno
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile
from helpers import tone

from fmalib import __main__ as command
from fmalib.data import audio
from fmalib.genres import predict
from fmalib.training import patch_training

LATIN = os.fsdecode(b"caf\xe9.wav")  # a name that is no UTF-8


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a classifier that needs no training: loud segments are Löud."""
    inputs = keras.Input((8000,))
    x = keras.layers.GlobalMaxPooling1D()(keras.layers.Reshape((8000, 1))(inputs))
    layer = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(inputs, layer(x))
    layer.set_weights([np.array([[40.0, 0.0]]), np.array([-12.0, 0.0])])
    facts = {"system": "cnn", "genres": ("Löud", "Soft"), "sample_rate": 8000, "dataset": "tönes", "note": "A note."}
    folder = tmp_path_factory.mktemp("trained")
    predict.save(predict.Classifier(model=model, length=8000, **facts), folder)
    return folder


@pytest.fixture
def music(tmp_path):
    """A folder: a song (soft, then loud) and one below with a name that is no UTF-8; a broken file, a loop and a pipe."""
    folder = tmp_path / "music"
    (folder / "日本").mkdir(parents=True)
    signal = tone(440, 6.0, 16_000) * np.repeat([0.2, 1.0], 48_000)
    soundfile.write(folder / "song.wav", np.stack([signal, signal], axis=1), 16_000)
    soundfile.write(folder / "plain.wav", tone(440, 1.0), 8000)
    os.rename(folder / "plain.wav", folder / "日本" / LATIN)
    (folder / "broken.mp3").write_bytes(b"no audio" * 100)
    (folder / "日本" / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.wav")
    return folder


def classify(*arguments, trained):
    return command.main(["classify", *map(str, arguments), "--model", str(trained)])


def test_a_terminal_without_unicode_and_a_folder(trained, music):
    for name in ("broken.mp3", "pipe.wav"):
        (music / name).unlink()
    arguments = [sys.executable, "-m", "fmalib", "classify", str(music), "--model", str(trained), "--over-time"]
    done = subprocess.run(arguments, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"}, timeout=100)
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = done.stdout.decode("cp1252").splitlines()
    assert lines[0] == f"{music}/song.wav: 11 segments of 1.0 s"
    shares = {line.split()[0]: float(line.split()[1].rstrip("%")) for line in lines[1:3]}
    assert set(shares) == {"Löud", "Soft"} and sum(shares.values()) == pytest.approx(100, abs=0.2)
    assert [line.split()[1] for line in lines[3:14]][:4] == ["Soft"] * 4 and lines[13].split()[1] == "Löud"
    assert lines[14] == f"{music}/\\u65e5\\u672c/caf\\udce9.wav: 1 segments of 1.0 s"
    assert lines[-1] == "cnn, trained on tönes. A note."


def test_a_reader_that_has_enough_is_no_error(trained, music):
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "fmalib", "classify", str(music / "song.wav"), "--model", str(trained), "--json"]
    done = subprocess.run(arguments, stdout=writing, stderr=subprocess.PIPE, timeout=100)
    os.close(writing)
    assert done.returncode == 141 and not done.stderr


@pytest.mark.parametrize("options", [["--over-time"], ["--over-time", "--json"]])
def test_a_shell_pipe_into_head(trained, music, options):
    command_line = f'"{sys.executable}" -m fmalib classify "$@" | head -n 1; echo "${{PIPESTATUS[*]}}"'
    arguments = [*[music / "song.wav"] * 150, "--model", trained, *options]  # their output is more than a pipe holds
    done = subprocess.run(["bash", "-c", command_line, "bash", *arguments], capture_output=True, text=True, timeout=100)
    first = "{" if "--json" in options else f"{music}/song.wav: 11 segments of 1.0 s"
    assert done.stdout.splitlines() == [first, "141 0"] and not done.stderr


def test_nothing_readable_prints_nothing_but_errors(trained, music, capsys):
    assert classify(music / "broken.mp3", music / "nowhere.wav", trained=trained) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and [line.split(": ")[0] for line in shown.err.splitlines()] == ["error", "error"]
    assert classify(music / "broken.mp3", music / "song.wav", trained=trained) == 1
    assert capsys.readouterr().out.endswith("\n\ncnn, trained on tönes. A note.\n")


def test_json_is_all_there_is_on_stdout(trained, music, capsys):
    assert classify(music, music / "nowhere.wav", "--json", trained=trained) == 1
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    about = {"system": "cnn", "trained_on": "tönes", "note": "A note.", "genres": ["Löud", "Soft"], "segment_seconds": 1.0}
    assert {key: document.pop(key) for key in about} == about and set(document) == {"recordings", "errors"}
    song, other = document["recordings"]
    assert set(song) == {"file", "segments", "genre", "probabilities", "notes"} and song["segments"] == 11
    assert song["file"] == f"{music}/song.wav" and other["file"] == f"{music}/日本/caf\\udce9.wav"
    assert other["genre"] == max(other["probabilities"], key=other["probabilities"].get)
    assert sum(other["probabilities"].values()) == pytest.approx(1)
    pipe, broken, nowhere = document["errors"]
    assert broken["file"] == f"{music}/broken.mp3" and broken["reason"].startswith("not readable as audio")
    assert pipe == {"file": f"{music}/pipe.wav", "reason": "not a regular file"}
    assert nowhere == {"file": f"{music}/nowhere.wav", "reason": "no such file"}
    assert shown.err.splitlines() == [f"error: {error['file']}: {error['reason']}" for error in (pipe, broken, nowhere)]


def test_over_time_in_json(trained, music, capsys):
    assert classify(music / "song.wav", "--json", "--over-time", trained=trained) == 0
    rows = json.loads(capsys.readouterr().out)["recordings"][0]["over_time"]
    assert len(rows) == 11 and set(rows[0]) == {"seconds", "genre", "probability"}
    assert rows[0]["seconds"] == 0.5 and rows[0]["genre"] == "Soft" and rows[-1]["genre"] == "Löud"


def test_one_bad_file_never_stops_the_others(trained, music, tmp_path, capsys, monkeypatch):
    decode = audio.decode
    soundfile.write(tmp_path / "short.wav", tone(440, 0.5), 8000)
    (tmp_path / "empty").mkdir()
    failures = {
        "locked.wav": PermissionError(errno.EACCES, "Permission denied", "locked.wav"),
        "large.wav": MemoryError(),
        "strange.wav": RuntimeError("two\nlines"),
    }
    for name in failures:
        (tmp_path / name).touch()

    def failing(path, *arguments, **options):
        if path.name in failures:
            raise failures[path.name]
        return decode(path, *arguments, **options)

    monkeypatch.setattr(audio, "decode", failing)
    names = [*failures, "short.wav", "empty"]
    assert classify(*(tmp_path / name for name in names), music / "song.wav", trained=trained) == 1
    shown = capsys.readouterr()
    reasons = ["permission denied", "MemoryError", "two lines"]
    reasons += ["a recording must hold one segment of 1.0 s. Received: 0.5 s", "no audio file in this folder"]
    assert shown.err.splitlines() == [f"error: {tmp_path / name}: {reason}" for name, reason in zip(names, reasons)]
    assert shown.out.startswith(f"{music}/song.wav: 11 segments of 1.0 s\n")


def test_a_file_name_writes_no_lines_of_its_own(trained, music, capsys):
    os.rename(music / "song.wav", music / "a\nerror: b\x1b[2J.wav")
    assert classify(music / "a\nerror: b\x1b[2J.wav", trained=trained) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{music}/a\\nerror: b\\x1b[2J.wav: 11 segments of 1.0 s"


def test_remarks_of_the_decoder_are_notes(trained, music, capsys, monkeypatch):
    def remarking(path, sample_rate, *, notice):
        notice("scaled: peak at +3.0 dBFS")
        return np.ones(sample_rate, np.int16)

    monkeypatch.setattr(audio, "decode", remarking)
    assert classify(music / "song.wav", trained=trained) == 0
    assert capsys.readouterr().err == f"note: {music}/song.wav: scaled: peak at +3.0 dBFS\n"


def test_without_a_classifier_the_status_is_two(music, tmp_path, capsys):
    assert classify(music, "--json", trained=tmp_path / "nowhere") == 2
    shown = capsys.readouterr()
    assert "execute notebooks/03_classifier.ipynb" in shown.err
    document = json.loads(shown.out)
    assert document["system"] is None and document["recordings"] == []
    assert "execute notebooks/03_classifier.ipynb" in document["errors"][0]["reason"]
    with pytest.raises(SystemExit, match="2"):
        command.main(["classify"])


def test_without_a_command_all_are_listed(capsys):
    assert command.main([]) == 2
    printed = capsys.readouterr().err
    assert all(f"\n    {name} " in printed for name in command.COMMANDS)


def test_an_interrupt_is_no_traceback(trained, music, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(audio, "decode", interrupted)
    assert classify(music, trained=trained) == 130


def test_an_empty_name_is_not_the_current_folder(trained, capsys):
    assert classify("", trained=trained) == 1
    assert "error: : an empty name" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_one_line(trained, music, monkeypatch, capfd):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command, "_print", full)
    (music / "broken.mp3").unlink()
    with open(os.devnull, "w") as nowhere:  # `main` turns the stream that it has to there
        monkeypatch.setattr(sys, "stdout", nowhere)
        assert classify(music / "song.wav", trained=trained) == 1
    assert capfd.readouterr().err.splitlines() == ["error: the output cannot be written: no space left on device"]


def test_weights_are_trained_on_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FMALIB_RUNS", str(tmp_path / "runs"))
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", np.tile(tone(300 * (number + 1), seed=number), 3), 22_050)
    assert command.main(["pretrain", str(tmp_path), str(tmp_path / "own.npz")]) == 0
    encoder, whitening, rate = patch_training.load(tmp_path / "own.npz")
    assert rate == 22_050 and encoder.output.shape[1] == 1024 and whitening.mean.shape == (43 * 32,)
    printed = capsys.readouterr().out
    assert "trained: 10 epochs" in printed and "own.npz: of 0.00 h of music" in printed


def test_no_weights_come_from_no_music(tmp_path, capsys):
    assert command.main(["pretrain", str(tmp_path), str(tmp_path / "own.npz")]) == 2
    assert "error: music must be a folder with sound files" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_broken_file_is_named_and_left_out(tmp_path, caplog, capsys):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    (tmp_path / "list.txt").write_text("broken.wav\nmissing.wav\n")
    assert command.main(["pretrain", str(tmp_path / "list.txt"), str(tmp_path / "own.npz")]) == 2
    assert "broken.wav is left out" in caplog.text and "missing.wav is left out" in caplog.text
    assert not (tmp_path / "own.npz").exists()
    assert "error: Patches need recordings of 1 s or more" in capsys.readouterr().err


def test_every_command_has_examples_that_can_be_read():
    known = command.parser()
    names = known._subparsers._group_actions[0].choices
    assert set(names) == set(command.EXAMPLES) == set(command.COMMANDS)
    for name, examples in command.EXAMPLES.items():
        shown = names[name].format_help()
        for example in examples:
            assert f"  fmalib {name} {example}".rstrip() in shown
            arguments = example.split(" <")[0].split(" >")[0].split()
            assert known.parse_args([name, *arguments]).command == name


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in command.EXAMPLES)])
def test_help_is_printed(arguments, capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(arguments)
    assert capsys.readouterr().out.startswith("usage: fmalib")


def test_a_flag_shows_where_an_error_was_raised(trained, music, capsys):
    assert classify(music / "broken.mp3", trained=trained) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert classify(music / "broken.mp3", "--traceback", trained=trained) == 1
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == line and "Traceback (most recent call last):" in shown and len(shown) > 5


def test_a_fault_of_ours_is_one_line(monkeypatch, capsys):
    def broken(options):
        raise RuntimeError("two\nlines")

    monkeypatch.setitem(command.COMMANDS, "info", broken)
    assert command.main(["info", "song.fma"]) == 1
    assert capsys.readouterr().err == "error: RuntimeError: two lines (--traceback shows where)\n"
    assert command.main(["info", "song.fma", "--traceback"]) == 1
    assert 'raise RuntimeError("two' in capsys.readouterr().err


def test_help_needs_no_tensorflow():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fmalib", "report", "--help"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0 and "usage: fmalib report" in done.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not imported & {"tensorflow", "keras", "papermill", "nbconvert", "librosa"}
