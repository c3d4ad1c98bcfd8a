"""`encode`, `decode`, `info` and `verify` on the command line: files of any kind, pipes, damage, killed writers."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from helpers import tone

import fmalib.codec
from fmalib import __main__ as command
from fmalib.codec import commands, context_models, file_codec

RATE = 8000


def run(*arguments):
    return command.main([str(each) for each in arguments])


def stereo(seconds=3):
    return np.stack([tone(440, seconds), tone(660, seconds, seed=1)], axis=1)


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, stereo(), RATE)
    return path


@pytest.fixture
def coded(song, monkeypatch):
    """A coded file of six chunks."""
    monkeypatch.setattr(file_codec, "CHUNK_SECONDS", 0.5)
    path = song.with_suffix(".fma")
    assert run("encode", song, path, "--kbps", 32) == 0
    return path


def test_there_and_back(song, coded, capsys):
    back = song.with_name("back.wav")
    assert run("decode", coded, back) == 0
    assert capsys.readouterr() == (f"{coded}: 3.0 s, {RATE} Hz, 2 channels\n", "")
    audio, rate = soundfile.read(back)
    assert (audio.shape, rate, soundfile.info(back).subtype) == ((24_000, 2), RATE, "PCM_16")
    expected, _ = fmalib.codec.decode(coded.read_bytes())
    np.testing.assert_array_equal(audio, np.rint(np.clip(expected * 32768.0, -32768, 32767)) / 32768)
    assert os.path.getsize(coded) == pytest.approx(32 * 125 * 3, rel=0.03)


def test_a_second_input_is_not_overwritten(song, coded, capsys):
    for name, kept in (("encode", song), ("decode", coded)):
        before = kept.read_bytes()
        assert run(name, kept, kept) == 2
        assert f"{name} writes no {kept.suffix} file; --folder takes many inputs. Received: output=" in capsys.readouterr().err
        assert kept.read_bytes() == before


def test_a_stretch_is_decoded(song, coded):
    run("decode", coded, song.with_name("whole.wav"))
    run("decode", coded, song.with_name("part.flac"), "--from", "0:01", "--to", "0:02.5")
    whole, part = (soundfile.read(song.with_name(name))[0] for name in ("whole.wav", "part.flac"))
    np.testing.assert_array_equal(part, whole[8000:20_000])


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("1:30", 90), ("1:00:01.5", 3601.5), ("0", 0)])
def test_times(text, expected):
    assert commands.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1:2:3:4", "-1", "nan", "inf"])
def test_other_times_are_refused(coded, text, capsys):
    with pytest.raises(SystemExit):
        run("decode", coded, "x.wav", f"--from={text}")
    assert "--from" in capsys.readouterr().err


def test_a_stretch_outside_is_an_error(coded, capsys):
    assert run("decode", coded, coded.with_name("x.wav"), "--from", "5:00") == 1
    assert "Audio lies from 0 to 24000 samples" in capsys.readouterr().err
    assert not coded.with_name("x.wav").exists()


def test_info(coded, capsys):
    capsys.readouterr()
    assert run("info", coded) == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    expected = {"sample_rate": "8000", "channels": "2", "samples": "24000", "chunks": "6", "seconds": "3.000"}
    assert facts.items() >= (expected | {"model": "learned", "profile": "listening"}).items()
    assert facts["model_hash"] == context_models.named("learned", "listening")[1].hex()
    assert facts["bytes"] == str(os.path.getsize(coded))


def test_verify_names_damage(coded, capsys):
    capsys.readouterr()
    assert run("verify", coded) == 0
    assert capsys.readouterr().out == f"{coded}: 6 chunks are whole\n"
    whole = coded.read_bytes()
    coded.write_bytes(whole + b"more")
    assert run("verify", coded) == 1
    assert "4 bytes behind the last chunk" in capsys.readouterr().err
    coded.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert run("verify", coded) == 1
    assert "chunk 6 of 6 (2.5 to 3.0 s) is damaged: its checksum differs" in capsys.readouterr().err


def test_damage_stops_decoding_unless_it_may_go_on(coded, capsys):
    data = bytearray(coded.read_bytes())
    data[100] ^= 1
    coded.write_bytes(data)
    back = coded.with_name("back.wav")
    assert run("decode", coded, back) == 1
    assert not back.exists()
    assert "chunk 1 of 6" in capsys.readouterr().err
    assert run("decode", coded, back, "--keep-going") == 1
    assert "chunk 1 of 6" in capsys.readouterr().err
    audio, _ = soundfile.read(back)
    assert audio.shape == (24_000, 2)
    assert not audio[:3000].any()
    assert audio[5000:].any()


def test_several_files(tmp_path, capsys):
    names = [tmp_path / name for name in ("a.wav", "missing.wav", "b.flac")]
    for name in names[::2]:
        soundfile.write(name, tone(440, 1), RATE)
    assert run("encode", *names, "--folder", tmp_path / "out") == 1
    assert sorted(os.listdir(tmp_path / "out")) == ["a.fma", "b.fma"]
    assert capsys.readouterr().err == f"error: {names[1]}: no such file or directory\n"
    assert run("decode", tmp_path / "out/a.fma", tmp_path / "out/b.fma", "--folder", tmp_path / "back") == 0
    assert sorted(os.listdir(tmp_path / "back")) == ["a.wav", "b.wav"]


@pytest.mark.parametrize("arguments", [["encode", "a"], ["encode", "a", "b", "c"], ["decode", "a/x", "b/x", "--folder", "c"]])
def test_names_that_do_not_fit_are_refused(arguments, capsys):
    assert run(*arguments) == command.NO_MODEL
    assert "Received:" in capsys.readouterr().err


@pytest.mark.parametrize(("rate", "kept"), [(96_000, 48_000), (4000, 8000), (22_050, 22_050)])
def test_rates_that_the_format_has_not_are_resampled(tmp_path, rate, kept, capsys):
    soundfile.write(tmp_path / "a.wav", tone(440, 1, rate), rate)
    assert run("encode", tmp_path / "a.wav", tmp_path / "a.fma") == 0
    told = f"note: resampled from {rate} to {kept} Hz" in capsys.readouterr().out
    assert told == (rate != kept)
    audio, found = fmalib.codec.decode((tmp_path / "a.fma").read_bytes())
    assert (found, audio.shape) == (kept, (kept,))


def test_more_channels_are_averaged(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.repeat(tone(440, 1)[:, None], 4, axis=1), RATE)
    assert run("encode", tmp_path / "a.wav", tmp_path / "a.fma", "--snr", "30") == 0
    assert "note: 4 channels averaged to one" in capsys.readouterr().out
    assert fmalib.codec.decode((tmp_path / "a.fma").read_bytes())[0].shape == (8000,)


@pytest.mark.parametrize("content", [b"", b"text", bytes(range(256)) * 9])
def test_files_that_are_none_are_named(tmp_path, content, capsys):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    for arguments in (("encode", path, tmp_path / "b"), ("decode", path, tmp_path / "b"), ("info", path), ("verify", path)):
        assert run(*arguments) == 1
        assert capsys.readouterr().err.startswith(f"error: {path}: ")
    assert not (tmp_path / "b").exists()


def test_nan_is_refused_by_name(tmp_path, capsys):
    audio = tone(440, 1)
    audio[800] = np.nan
    soundfile.write(tmp_path / "a.wav", audio, RATE, subtype="FLOAT")
    assert run("encode", tmp_path / "a.wav", tmp_path / "a.fma") == 1
    assert "Received: nan at sample 800 (0.100 s), channel 1" in capsys.readouterr().err
    assert not (tmp_path / "a.fma").exists()


def test_pipes(song):
    start = [sys.executable, "-m", "fmalib"]
    coded = subprocess.run(
        [*start, "encode", "-", "-", "--snr", "40"], input=song.read_bytes(), capture_output=True, check=True
    )
    assert coded.stdout[:3] == b"fma"
    assert coded.stderr.startswith(b"-: 3.0 s, ")
    back = subprocess.run([*start, "decode", "-", "-"], input=coded.stdout, capture_output=True, check=True)
    song.with_name("back.wav").write_bytes(back.stdout)
    np.testing.assert_allclose(soundfile.read(song.with_name("back.wav"))[0], soundfile.read(song)[0], atol=0.05)


SLOW_WRITER = """
import sys, time
from fmalib import __main__
from fmalib.codec import bitstream
pack = bitstream.pack_chunk
def slow(*arguments):
    print("writing", flush=True)
    time.sleep(60)
    return pack(*arguments)
bitstream.pack_chunk = slow
__main__.main(sys.argv[1:])
"""


def test_a_killed_encoder_leaves_no_file(song):
    target = song.with_name("out") / "song.fma"
    command_line = [sys.executable, "-c", SLOW_WRITER, "encode", str(song), str(target)]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        assert len(os.listdir(target.parent)) == 1  # the unfinished file, under another name
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert process.returncode == -signal.SIGKILL


def test_a_bar_is_shown_for_long_files_in_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(commands, "LONG", 1)
    soundfile.write(tmp_path / "a.wav", tone(440, 2), RATE)
    run("encode", tmp_path / "a.wav", tmp_path / "a.fma")
    assert "a.fma: 100%" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["encode", "decode", "info", "verify"])
def test_a_fifo_is_named_and_not_waited_for(tmp_path, command, capsys):
    fifo = tmp_path / "song.wav"
    os.mkfifo(fifo)
    assert run(command, fifo, *[tmp_path / "out"] * (command in ("encode", "decode"))) == 1
    assert capsys.readouterr().err == f"error: {fifo}: not a regular file\n"
