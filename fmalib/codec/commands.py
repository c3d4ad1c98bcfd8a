"""`python -m fmalib encode`, `decode`, `info` and `verify`: options, and what each does to one file."""

import contextlib
import dataclasses
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from fmalib import files, paths, progress
from fmalib.codec import bitstream, context_models, file_codec, quantiser
from fmalib.data import audio, formats

SUFFIX = ".fma"
KBPS = 8
LONG = 60  # seconds, from which on a bar is shown
BIG = 1 << 32  # bytes; wav files of so many need the format RF64
PIPE = "-"


class DamagedError(ValueError):
    """Damage that was found but did not stop the command; the message names the chunks."""


def add_parsers(parsers):
    """Adds the four commands to argparse's subparsers."""
    one = "several files need --folder; - is standard input or output"
    encode = parsers.add_parser("encode", help="compress audio files", description="Compresses audio files.")
    decode = parsers.add_parser("decode", help="make audio of compressed files", description="Makes audio of compressed files.")
    for parser, result in ((encode, f"song{SUFFIX}"), (decode, "song.wav")):
        parser.add_argument("files", nargs="+", metavar="FILE", help=f"input and output, such as {result}; {one}")
        parser.add_argument("--folder", metavar="FOLDER", help="write the results of all files there")
    way = encode.add_mutually_exclusive_group()
    way.add_argument("--kbps", type=float, metavar="K", help=f"kbit/s of the file, 1 to 256 (default: {KBPS})")
    way.add_argument("--step", type=float, metavar="S", help="step size of the quantiser instead, at full scale 1")
    way.add_argument("--snr", type=float, metavar="DB", help="signal-to-noise ratio in dB instead")
    encode.add_argument("--model", default="learned", help="learned (default), mdct, or an npz file of weights of your own")
    encode.add_argument("--profile", default="listening", choices=sorted(file_codec.PROFILES), help="default: %(default)s")
    decode.add_argument("--from", dest="start", type=seconds, metavar="M:S", help="decode from here on, such as 1:00")
    decode.add_argument("--to", dest="stop", type=seconds, metavar="M:S", help="decode up to here")
    decode.add_argument("--keep-going", action="store_true", help="put silence in the place of damaged chunks; status 1")
    for name, text in (("info", "print what files say of themselves"), ("verify", "decode files and name damaged chunks")):
        parser = parsers.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        parser.add_argument("files", nargs="+", metavar="FILE", help=f"{SUFFIX} file; - is standard input")
    for name in ("decode", "verify"):
        parsers.choices[name].add_argument(
            "--weights", metavar="FILE", help="weights of your own that the files were coded with"
        )


def run(options):
    """Yields (name of a file, lines to print or the exception) for each file of a command."""
    if getattr(options, "weights", None):
        context_models.use(options.weights)
    pairs = _pairs(options) if options.command in ("encode", "decode") else [(name, None) for name in options.files]
    for source, target in pairs:
        try:
            yield source, COMMANDS[options.command](source, target, options)
        except Exception as error:  # decoders raise many kinds; no file may stop the others
            yield source, error


def seconds(text):
    """Returns the seconds in "90", "1:30" or "0:01:30.5"; ValueError for anything else."""
    parts = [float(part) for part in text.split(":")]
    if len(parts) > 3 or any(not 0 <= part < 1e9 for part in parts):
        raise ValueError(f"a time is written as 90, 1:30 or 0:01:30. Received: {text}")
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


def _pairs(options):
    """Returns (input, output) of each file."""
    if not options.folder:
        if len(options.files) != 2:
            raise ValueError(f"Name an input and an output, or --folder for many files. Received: {len(options.files)} names")
        _check_output(options.files[1], options.command)
        return [tuple(options.files)]
    suffix = SUFFIX if options.command == "encode" else ".wav"
    targets = [os.path.join(options.folder, Path(name).stem + suffix) for name in options.files]
    twice = next((name for name in targets if targets.count(name) > 1), None)
    if twice or PIPE in options.files:
        raise ValueError(f"Each file needs a name of its own in --folder. Received: {twice or PIPE}")
    return list(zip(options.files, targets))


def _check_output(name, command):
    """Raises ValueError where an output is named like an input: two inputs, of which the second would be overwritten."""
    suffix = Path(name).suffix.lower()
    if suffix in (formats.SUFFIXES if command == "encode" else {SUFFIX}):
        raise ValueError(f"{command} writes no {suffix} file; --folder takes many inputs. Received: output={name!r}")


def _encode(source, target, options):
    """Compresses one file; returns a line about it."""
    notices = []
    with _input(source) as path, _output(target, SUFFIX) as written:
        rate, channels = audio.channels_of(path)
        kept = min(max(rate, bitstream.SAMPLE_RATES[0]), bitstream.SAMPLE_RATES[1])
        if kept != rate:
            notices.append(f"resampled from {rate} to {kept} Hz")
        if channels > 2:
            notices.append(f"{channels} channels averaged to one")
        channels = channels if channels <= 2 else 1
        told = notices.append
        song = file_codec.Source(kept, channels, lambda: audio.blocks(path, kept, channels, notice=told))
        kbps = KBPS if options.kbps is options.step is options.snr is None else options.kbps
        ways = {"kbps": kbps, "step": options.step, "snr": options.snr, "model": options.model, "profile": options.profile}
        with open(written, "wb") as sink, _bar(2 * _length(path), target) as shown:
            header = file_codec.write(song, sink, **ways, progress=lambda samples: shown.update(samples / kept))
        size = os.path.getsize(written)
    length = header.samples / header.sample_rate
    line = f"{length:.1f} s, {size} bytes, {size / 125 / length:.2f} kbit/s"
    return [line, *(f"note: {notice}" for notice in dict.fromkeys(notices))]


def _decode(source, target, options):
    """Makes a sound file; returns a line about it; `DamagedError` where chunks became silence."""
    damaged = []
    with _input(source) as path, open(path, "rb") as file, _output(target, ".wav") as written:
        reader = bitstream.Reader(file)
        header = reader.header
        start = round((options.start or 0) * header.sample_rate)
        stop = header.samples if options.stop is None else min(round(options.stop * header.sample_rate), header.samples)
        parts = file_codec.read(reader, start=start, stop=stop, keep_going=options.keep_going, damaged=damaged.append)
        first = next(parts)  # before there is a file
        with _sound(written, header, stop - start) as sound, _bar((stop - start) / header.sample_rate, target) as shown:
            for part in _chain(first, parts):
                sound.write(audio.to_int16(part))
                shown.update(len(part) / header.sample_rate)
    if damaged:
        raise DamagedError("; ".join(map(str, damaged)))
    return [f"{(stop - start) / header.sample_rate:.1f} s, {header.sample_rate} Hz, {header.channels} channels"]


def _info(source, _, options):
    """Returns lines on a file's header."""
    with _input(source) as path, open(path, "rb") as file:
        header, size = bitstream.Reader(file).header, os.path.getsize(path)
    length = header.samples / header.sample_rate
    facts = dataclasses.asdict(header) | {
        "model_hash": header.model_hash.hex(),
        "step": f"{quantiser.step_size(header.step):.4g}",
    }
    facts |= {"seconds": f"{length:.3f}", "chunks": header.chunks, "bytes": size, "kbps": f"{size / 125 / length:.3f}"}
    return [f"{name:<12} {value}" for name, value in facts.items()]


def _verify(source, _, options):
    """Decodes a file; returns a line; `DamagedError` names damaged chunks, or bytes behind the last."""
    damaged = []
    with _input(source) as path, open(path, "rb") as file:
        reader = bitstream.Reader(file)
        for _part in file_codec.read(reader, keep_going=True, damaged=damaged.append):
            pass
        rest = 0 if damaged else reader.rest
    if damaged or rest:
        raise DamagedError("; ".join(map(str, damaged)) or f"{rest} bytes behind the last chunk")
    return [f"{reader.header.chunks} chunks are whole"]


COMMANDS = {"encode": _encode, "decode": _decode, "info": _info, "verify": _verify}


@contextlib.contextmanager
def _input(name):
    """Yields a path to read; of standard input, to a copy, since audio is read twice and files are searched."""
    if name != PIPE:
        formats.check_file(name)  # opening a FIFO would wait for ever; `-` reads a pipe
        yield name
        return
    with tempfile.NamedTemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield copy.name


@contextlib.contextmanager
def _output(name, suffix):
    """Yields a path to write, which becomes `name` once it is whole; for standard output it is copied there."""
    if name != PIPE:
        with files.atomic(name) as written:
            yield written
        return
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(folder, f"out{suffix}")
        with open(os.path.join(folder, f"out{suffix}"), "rb") as done:
            shutil.copyfileobj(done, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _sound(path, header, samples):
    """Returns a sound file open for writing: 16 bits, in the format of the suffix, wav where libsndfile knows none."""
    known = Path(path).suffix[1:].upper()
    kind = known if known in soundfile.available_formats() else "WAV"
    if kind == "WAV" and samples * header.channels * 2 >= BIG - 100:
        kind = "RF64"
    subtype = "PCM_16" if soundfile.check_format(kind, "PCM_16") else None
    return soundfile.SoundFile(path, "w", header.sample_rate, header.channels, format=kind, subtype=subtype)


def _bar(length, target):
    """Returns a progress bar in seconds of audio; silent for short files, and where standard output carries data."""
    shown = target != PIPE and length >= LONG and sys.stdout.isatty()
    return progress.bar(total=round(length), desc=Path(target).name, unit="s", progress=shown)


def _length(path):
    """Returns the seconds of a file, or 0 where they are not known."""
    with paths.quiet_stderr(), contextlib.suppress(Exception):
        return audio.duration(path)
    return 0


def _chain(first, others):
    yield np.asarray(first)
    yield from others
