"""The codec beside MP3, Opus and downsampling, at equal real bytes: `python tests/benchmarks/codec.py --data-dir FOLDER`

Rate-distortion on the segments that 05_compression measures, at 8 kHz; with `--songs FOLDER`, also on its sound files at their
own rate, channels averaged, and by listening measures at 48 kHz. Where a CSV with the columns `path` and `split` lies in that
folder, only its test files count. MP3 and Opus optimise for the ear, not for the error of the waveform.

The ablation replaces one part of the codec by a plainer one. Speed is in multiples of real time, by processor time of one
thread. `--baselines FILE` names a module with the functions `waveform` and `listening` of (audio, kbps, rate) to compare with,
whose bits are counted, not written. `--visqol FILE` names a module with the function `mos` of (reference, degraded), where the
package visqol-python is not installed. `--json FILE` keeps all numbers, also those of each clip. Intervals are 95 %, over
artists, of differences on the same clips.
"""

import argparse
import dataclasses
import importlib.util
import io
import json
import re
import time
from functools import partial
from pathlib import Path

import lameenc
import numpy as np
import pandas as pd
import soundfile
import soxr
import threadpoolctl

import fmalib.codec
from fmalib import files, intervals
from fmalib.codec import ablation, classical, coders, metrics, quality
from fmalib.data import audio_cache, datasets, formats, segments
from fmalib.data.audio import to_int16
from fmalib.models import architectures
from fmalib.progress import bar

KBPS, SONG_KBPS = (2.0, 4.0, 7.9, 15.75, 31.5, 63.0), (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
HEARD_KBPS = 6.0, 8.0, 16.0, 24.0, 49.0
SPEED_KBPS, SONG_SPEED_KBPS = (8, 32), (16, 64, 128)
HEARD_RATE = 48_000  # Hz
ABLATED = 14  # segments, spread over all: an ablation codes each 44 times
MEASURES = "si_sdr_db", "mel_distance", "stft_distance", "zimtohrli", "visqol"


@dataclasses.dataclass(frozen=True)
class Piece:
    """A mono sound: float32 `(samples,)`, its rate in Hz, its artist."""

    audio: np.ndarray
    rate: int
    artist: str

    @property
    def seconds(self):
        """Its duration."""
        return len(self.audio) / self.rate


def mp3_within(audio, rate, kbps):
    """Returns (audio, bytes) of the largest MP3 within a bitrate; ValueError where there is none."""
    for asked in reversed([each for each in classical.mp3_bitrates(rate) if each <= kbps]):
        decoded, size = classical.mp3(audio, rate, asked)
        if size <= 125 * kbps * len(audio) / rate:
            return decoded, size
    raise ValueError(f"No MP3 is so small. Received: kbps={kbps!r}")


def counted(function, audio, rate, kbps):
    """Returns (audio, bytes) by a function that keeps to a bitrate without writing a file."""
    return np.asarray(function(audio, rate, kbps), np.float32), 125 * kbps * len(audio) / rate


def of_codec(model, profile, audio, rate, kbps):
    """Returns (audio, bytes) by files of the codec."""
    data = fmalib.codec.encode(audio, rate, kbps, model=model, profile=profile)
    return fmalib.codec.decode(data)[0], len(data)


def module(path):
    """Returns the module of a file outside the package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def compared(baselines):
    """Returns the coders by name: functions of (audio, rate in Hz, kbit/s) to (audio, bytes)."""
    found = {coders.label(*pair): partial(of_codec, *pair) for pair in coders.PAIRS}
    found |= {
        "MP3": mp3_within,
        "Opus": lambda audio, rate, kbps: classical.opus_within(audio, rate, 125 * kbps * len(audio) / rate),
        "downsampling, 16 bits": partial(counted, classical.downsample),
        "downsampling, mu-law": classical.mu_law,
    }
    if baselines:
        opponents = module(baselines)
        for name in ("waveform", "listening"):
            function = getattr(opponents, name)
            decoded = lambda audio, rate, kbps, function=function: function(audio.astype(float), kbps, rate)  # noqa: E731
            found[f"baseline {name}"] = partial(counted, decoded)
    return found


def waveform_errors(piece, decoded):
    """Returns the errors of a decoded piece."""
    return {
        "rmse": float(metrics.spectral_rmse(piece.audio, decoded)),
        "si_sdr_db": float(metrics.si_sdr(piece.audio, decoded)),
    }


def heard(piece, decoded, visqol=None):
    """Returns the listening measures of a decoded piece, with `visqol(reference, degraded)` at 48 kHz where it is given."""
    found = quality.measure(piece.audio[None], decoded[None], piece.rate).iloc[0].to_dict()
    return found if visqol is None else found | {"visqol": float(visqol(piece.audio, decoded))}


def run(pieces, kbps_list, found, measure):
    """Returns a table of all coders and pieces: codec, asked kbit/s, piece, bytes, and what `measure(piece, decoded)` returns.

    A coder that has no file within a bitrate for some piece has no row of that bitrate.
    """
    rows, steps = [], [(name, kbps) for name in found for kbps in kbps_list]
    for name, kbps in bar(steps, desc="Coding", unit="step"):
        try:
            coded = [found[name](piece.audio, piece.rate, kbps) for piece in pieces]
        except ValueError:
            continue
        for number, (piece, (decoded, size)) in enumerate(zip(pieces, coded)):
            row = {"codec": name, "asked_kbps": kbps, "piece": number, "bytes": size, "seconds": piece.seconds}
            rows.append(row | measure(piece, decoded))
    return pd.DataFrame(rows)


def with_interval(values, pieces, numbers):
    """Returns the mean of paired differences that are numbers, its interval over artists, and how many there are."""
    values, artists = np.asarray(values, float), np.array([pieces[number].artist for number in numbers])
    defined = np.isfinite(values)
    if not defined.any():
        return {"mean": None, "ci95": None, "n": 0}
    interval = intervals.over_artists(values[defined], artists[defined])
    return {"mean": float(values[defined].mean()), "ci95": interval and list(interval), "n": int(defined.sum())}


def summary(table, against, pieces, columns):
    """Returns rows: real kbit/s and mean of each measure by codec and bitrate, with the paired difference to one codec."""
    rows = []
    base = table[table["codec"] == against].set_index(["asked_kbps", "piece"])
    for (codec, kbps), part in table.groupby(["codec", "asked_kbps"], sort=False):
        real = metrics.real_kbps(part["bytes"].sum(), part["seconds"].sum())
        row = {"codec": codec, "asked_kbps": kbps, "real_kbps": real, "n": len(part)}
        for name in columns:
            row[name] = float(np.sqrt(np.mean(part[name] ** 2)) if name == "rmse" else part[name].mean())
            row[f"{name}_by_piece"] = part[name].tolist()
            if codec != against and kbps in base.index:
                difference = part[name].to_numpy() - base.loc[kbps, name].to_numpy()
                row[f"{name}_minus_{against}"] = with_interval(difference, pieces, part["piece"])
        rows.append(row)
    return rows


def bd_rates(table, against, pieces):
    """Returns the BD-rate of each codec against one, in percent at equal RMSE: of each piece, and their mean with interval."""
    table = table.assign(kbps=8 * table["bytes"] / table["seconds"] / 1000, quality=-20 * np.log10(table["rmse"]))
    curves = {key: (part["kbps"], part["quality"]) for key, part in table.groupby(["codec", "piece"], sort=False)}
    result = {}
    for codec in table["codec"].unique():
        percent = [metrics.bd_rate(*curves[against, number], *curves[codec, number]) for number in range(len(pieces))]
        mean = with_interval(
            np.log1p(np.divide(percent, 100)), pieces, range(len(pieces))
        )  # a ratio is averaged as a logarithm
        as_percent = lambda logs: None if logs is None else (100 * np.expm1(logs)).tolist()  # noqa: E731
        result[codec] = {
            "mean": as_percent(mean["mean"]),
            "ci95": as_percent(mean["ci95"]),
            "n": mean["n"],
            "by_piece": percent,
        }
    return result


def show(rows, columns, against=None):
    """Prints a summary, with the interval of the difference of the last column."""
    for row in rows:
        text = f"{row['codec']:<24} {row['asked_kbps']:7.2f} {row['real_kbps']:8.2f} kbit/s"
        text += "".join(f"  {name} {row[name]:.5g}" for name in columns)
        difference = row.get(f"{columns[-1]}_minus_{against}")
        if difference and difference["ci95"]:
            low, high = difference["ci95"]
            text += f"  (against {against} {difference['mean']:+.3g}, {low:+.3g} to {high:+.3g})"
        print(text)


def rate_distortion(pieces, kbps_list, found):
    """Returns the numbers of rate-distortion, and prints them."""
    table = run(pieces, kbps_list, found, waveform_errors)
    rows, rates = summary(table, "mdct", pieces, ["rmse", "si_sdr_db"]), bd_rates(table, "mdct", pieces)
    show(rows, ["rmse"])
    for codec, rate in rates.items():
        if codec != "mdct" and rate["n"]:
            interval = "{:+.1f} to {:+.1f}".format(*rate["ci95"]) if rate["ci95"] else "no interval of one artist"
            print(f"BD-rate of {codec} against mdct: {rate['mean']:+.1f} % ({interval}), n = {rate['n']}")
    return {"rows": rows, "bd_rate_percent": rates}


def listening(songs, kbps_list, found, against, visqol=None):
    """Returns the numbers of listening measures at 48 kHz, and prints them; `against` is the codec of paired differences.

    `visqol` is a function of (reference, degraded), in the place of the package visqol-python.
    """
    print(quality.hint())
    pieces = [Piece(soxr.resample(song.audio, song.rate, HEARD_RATE, quality="HQ"), HEARD_RATE, song.artist) for song in songs]
    found = {name: coder for name, coder in found.items() if "downsampling" not in name}
    table = run(pieces, kbps_list, found, partial(heard, visqol=visqol))
    columns = [name for name in MEASURES if name in table]
    rows = sorted(summary(table, against, pieces, columns), key=lambda row: row["asked_kbps"])
    show(rows, columns, against)
    return {"rows": rows, "against": against}


def lame(audio, rate, kbps):
    """Returns the bytes of an MP3 of audio `(samples, channels)`."""
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(audio.shape[1])
    encoder.set_in_sample_rate(rate)
    encoder.set_bit_rate(kbps)
    encoder.set_quality(2)
    return bytes(encoder.encode(to_int16(audio).tobytes()) + encoder.flush())


def opus(audio, rate, kbps):
    """Returns the bytes of an Opus file of audio `(samples, channels)` at 48 kHz, or at 8 kHz."""
    file, (lowest, highest) = io.BytesIO(), classical.OPUS_KBPS
    level = (highest - kbps) / (highest - lowest)
    soundfile.write(file, to_int16(audio), rate, format="OGG", subtype="OPUS", compression_level=level)
    return file.getvalue()


def times(encode, decode, seconds):
    """Returns (encoding, decoding) in multiples of real time, by processor time of one thread."""
    with threadpoolctl.threadpool_limits(1):
        started = time.process_time()
        data = encode()
        encoded = time.process_time()
        decode(data)
    return seconds / (encoded - started), seconds / (time.process_time() - encoded)


def speed(audio, rate, kbps_list):
    """Returns the speed of all coders with files on audio `(samples, channels)`, and prints it."""
    seconds, rows = len(audio) / rate, []
    at_48 = audio if rate in classical.OPUS_RATES else soxr.resample(audio, rate, 48_000, quality="HQ")
    read = lambda data: soundfile.read(io.BytesIO(data), dtype="float32")  # noqa: E731
    for kbps in kbps_list:
        ways = {
            coders.label(*pair): (
                partial(fmalib.codec.encode, audio, rate, kbps, model=pair[0], profile=pair[1]),
                fmalib.codec.decode,
            )
            for pair in coders.PAIRS
        }
        ways |= {"LAME": (partial(lame, audio, rate, kbps), read)}
        ways |= {"Opus": (partial(opus, at_48, rate if at_48 is audio else 48_000, kbps), read)}
        for name, way in ways.items():
            encoding, decoding = times(*way, seconds)
            row = {"codec": name, "sample_rate": rate, "channels": audio.shape[1], "kbps": kbps}
            rows.append(row | {"encoding_times_real_time": encoding, "decoding_times_real_time": decoding})
            text = f"{name}, {rate} Hz, {audio.shape[1]} channel(s), {kbps} kbit/s"
            print(f"{text}: {encoding:.0f} times real time encoding, {decoding:.0f} decoding", flush=True)
    return rows


def without_parts(pieces):
    """Returns what each part of the codec buys, in percent of the bytes at equal error, and prints it."""
    by_artist = {piece.artist: [each.audio for each in pieces if each.artist == piece.artist] for piece in pieces}
    models = [model for model, profile in coders.PAIRS if profile == "waveform"]
    table = pd.concat([ablation.table(by_artist, pieces[0].rate, model=model) for model in models])
    print(table.to_string(index=False, float_format="{:+.1f}".format))
    return table.to_dict("records")


def test_segments(options):
    """Returns the pieces that 05_compression measures in the frequency domain."""
    data, rate = datasets.load(options.dataset, options.data_dir), architectures.SAMPLE_RATES["frequency"]
    length, decoded = architectures.segment_length("frequency", rate), audio_cache.build(data, rate)
    (_, _, test), _ = segments.select_splits(data, decoded, length)
    per_track = coders.segments_that_fit(test, length)
    batches = segments.fixed_segments(decoded, test, length, per_track=per_track, batch_size=8, target="audio")
    audio = np.concatenate([batch.numpy() for batch, _ in batches])
    artists = segments.segment_table(test, length, per_track)["artist"]
    return [Piece(*each) for each in zip(audio, [rate] * len(audio), artists)][: options.at_most]


def song_files(folder):
    """Returns the sound files of a folder as a dict from path to artist; of a CSV with path and split, only the test files."""
    lists = [table for table in map(pd.read_csv, sorted(folder.glob("*.csv"))) if {"path", "split"} <= set(table)]
    if lists:
        test = lists[0][lists[0]["split"] == "test"]
        return {folder / Path(row.path).name: getattr(row, "artist", row.path) for row in test.itertuples()}
    return {path: path.stem for path in sorted(folder.iterdir()) if path.suffix.lower() in formats.SUFFIXES}


def parser():
    """Returns the parser of the command line."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--dataset", default="fma_small")
    result.add_argument("--data-dir")
    result.add_argument("--songs", metavar="FOLDER", type=Path, help="sound files")
    result.add_argument("--baselines", metavar="FILE")
    result.add_argument("--visqol", metavar="FILE")
    result.add_argument("--json", metavar="FILE", type=Path, help="where all numbers go")
    result.add_argument("--at-most", type=int, default=1000, help="segments, and songs")
    result.add_argument("--listening-kbps", type=float, nargs="+", default=HEARD_KBPS, metavar="K")
    result.add_argument("--coders", nargs="+", metavar="NAME", help="as the tables name them; default: all")
    result.add_argument("--against", help="codec of paired differences by listening measures")
    result.add_argument(
        "--only", nargs="+", choices=["segments", "ablation", "songs", "listening", "speed"], help="default: all"
    )
    return result


def main():
    options = parser().parse_args()
    asked = lambda part: not options.only or part in options.only  # noqa: E731
    found, result = compared(options.baselines), {}
    if options.coders:
        found = {name: found[name] for name in options.coders}
    if asked("segments") or asked("ablation") or asked("speed"):
        pieces = test_segments(options)
        long = np.concatenate([piece.audio for piece in pieces[:12]])[:, None]
    if asked("segments"):
        print(f"{len(pieces)} segments of {pieces[0].seconds:.2f} s, {pieces[0].rate} Hz")
        result["segments"] = rate_distortion(pieces, KBPS, found)
    if asked("ablation"):
        result["ablation"] = without_parts(pieces[:: -(-len(pieces) // ABLATED)])
    if asked("speed"):
        result["speed"] = speed(long, pieces[0].rate, SPEED_KBPS)
    if options.songs:
        read = [
            (*soundfile.read(path, dtype="float32", always_2d=True), artist)
            for path, artist in song_files(options.songs).items()
        ][: options.at_most]
        songs = [Piece(audio.mean(axis=1), rate, artist) for audio, rate, artist in read]
        if asked("songs"):
            print(f"{len(songs)} songs")
            result["songs"] = rate_distortion(songs, SONG_KBPS, found)
        if asked("listening"):
            against = options.against or next((name for name in found if name.endswith(", listening")), "mdct")
            visqol = options.visqol and module(options.visqol).mos
            result["listening"] = listening(songs, options.listening_kbps, found, against, visqol)
        if asked("speed"):
            result["speed"] += speed(read[0][0], read[0][1], SONG_SPEED_KBPS)
    if options.json:
        text = json.dumps(plain(result), indent=2)
        with files.atomic(options.json) as temporary:  # a list of numbers takes one line
            temporary.write_text(re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n")


def plain(value):
    """Returns numbers that JSON has, at five significant digits: values that are not finite become None."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()
