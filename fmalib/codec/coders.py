"""Coders side by side: each takes a batch of audio and returns it coded and decoded, with its number of bytes if it has any."""

import dataclasses
import functools
import itertools
import struct
from collections.abc import Callable

import numpy as np
import pandas as pd

from fmalib.codec import context_models, file_codec, metrics, quality
from fmalib.codec.classical import CODECS, downsample, mp3, mp3_bitrates, mp3_file, mu_law, opus_within
from fmalib.data import audio_cache, segments
from fmalib.models import sparse_mdct
from fmalib.progress import bar
from fmalib.signal import codewords, mdct

ENOUGH_SEGMENTS = 500
PAIRS = tuple(  # (model, profile) of the codec's files, those whose weights are in the package
    (model, profile)
    for model, profile in itertools.product(context_models.MODELS, file_codec.PROFILES)
    if model == "mdct" or (context_models.FOLDER / f"{profile}.npz").exists()
)
NEAR = 0.1  # share by which a file may miss its bytes, or its coder counts as having no such bitrate
HEADER = struct.Struct("<IHH")  # of codewords in a file: samples, frames, codewords a frame
PRINTED_LAST = ["si_sdr_db", "relative_rmse"]  # pandas prints the first and last columns of a wide table
METRICS = ("spectral_rmse", "magnitude_rmse", "log_spectral_distance_db", "si_sdr_db")
PUBLISHED = pd.DataFrame(  # the study's plot, on its own test split
    {
        "latent": [512, 256, 128, 64, 32],
        "nominal_kbps": [126.0, 63.0, 31.5, 15.75, 7.875],
        "autoencoder": [0.867, 0.803, 0.929, 1.24, 1.61],
        "downsampling": [0.00, 0.48, 0.81, 1.19, 1.53],
    }
)


@dataclasses.dataclass(frozen=True)
class Coder:
    """A way to compress.

    Attributes:
        codec: its name in tables and plots.
        nominal_kbps: bitrate at 16 bits a latent value, or the bitrate asked for; None for silence.
        run: function from float32 audio `(batch, samples)` to (audio of that shape, bytes of each segment or None).
        latent: channels of the latent, for autoencoders.
    """

    codec: str
    nominal_kbps: float | None
    run: Callable
    latent: int | None = None


def autoencoder(trained, sample_rate, *, codec):
    """Returns the `Coder` of a `fmalib.training.autoencoders.Autoencoder`.

    Codewords go through their bytes, header included; the weights of the decoder are no part of them. Any other latent is not
    quantised, so it has no bytes.
    """

    def through_bytes(audio):
        files = [_file(segment, audio.shape[1]) for segment in trained.encoder.predict_on_batch(audio)]
        latents, samples = zip(*map(_latent, files))
        return trained.decoder.predict_on_batch(np.stack(latents))[:, : samples[0]], [len(file) for file in files]

    def unquantised(audio):
        return trained.model.predict_on_batch(audio), None

    seconds = trained.model.input.shape[1] / sample_rate
    run = through_bytes if trained.architecture.codewords else unquantised
    return Coder(codec, metrics.nominal_kbps(trained.latent_values, seconds), run, trained.latent_shape[-1])


def label(model, profile):
    """Returns the name of a pair of PAIRS in tables and plots."""
    return model if profile == "waveform" else f"{model}, {profile}"


def files(sample_rate, kbps, *, model="mdct", profile="waveform"):
    """Returns the `Coder` of `fmalib.codec.encode`: each segment becomes a file, and is decoded from its bytes alone."""

    def run(audio):
        return _each(lambda segment: _file_of_codec(segment, sample_rate, kbps, model, profile), audio)

    return Coder(label(model, profile), float(kbps), run)


def silence():
    """Returns the `Coder` that sends nothing."""
    return Coder("silence", None, lambda audio: (np.zeros_like(audio), None))


def downsampling(sample_rate, kbps):
    """Returns the `Coder` of `fmalib.codec.classical.downsample`."""
    return Coder("downsampling", kbps, lambda audio: (downsample(audio, sample_rate, kbps), None))


def downsampling_mu_law(sample_rate, kbps):
    """Returns the `Coder` of `fmalib.codec.classical.mu_law`."""

    def run(audio):
        return _each(lambda segment: mu_law(segment, sample_rate, kbps), audio)

    return Coder("downsampling, mu-law", kbps, run)


def classical(codec, sample_rate, kbps):
    """Returns the `Coder` of a name in `fmalib.codec.classical.CODECS` at a bitrate."""

    def run(audio):
        return _each(lambda segment: CODECS[codec](segment, sample_rate, kbps), audio)

    return Coder(codec, float(kbps), run)


def equal_bytes(sample_rate, kbps, *, pairs=PAIRS):
    """Returns the coders whose files of a segment have about the same number of bytes.

    These are the bytes of its MP3, if MP3 has that bitrate, else `kbps` exactly. The codec, Opus and codewords are asked for as
    much. A coder raises ValueError where it has no such file.

    Args:
        sample_rate: Hz.
        kbps: kbit/s.
        pairs: (model, profile) of the codec's files.
    """

    def bytes_for(segment):
        if kbps in mp3_bitrates(sample_rate):
            return len(mp3_file(segment, sample_rate, kbps))
        return int(125 * kbps * len(segment) / sample_rate)

    def of_pair(pair):
        def run(segment):
            wanted = metrics.real_kbps(bytes_for(segment), len(segment) / sample_rate)
            return _file_of_codec(segment, sample_rate, wanted, *pair)

        return run

    runs = {label(*pair): of_pair(pair) for pair in pairs}
    runs["MP3"] = lambda segment: mp3(segment, sample_rate, kbps)
    runs["Opus"] = lambda segment: _near(opus_within, segment, sample_rate, bytes_for(segment))
    runs["Codewords"] = lambda segment: _near(_codewords, segment, sample_rate, bytes_for(segment))
    return [Coder(codec, float(kbps), functools.partial(_each, run)) for codec, run in runs.items()]


def _each(run, audio):
    """Returns (audio, bytes of each segment) of a function of one segment."""
    decoded, n_bytes = zip(*map(run, audio))
    return np.stack(decoded), n_bytes


def _file_of_codec(segment, sample_rate, kbps, model, profile):
    data = file_codec.encode(segment, sample_rate, kbps, model=model, profile=profile)
    return file_codec.decode(data)[0], len(data)


def _near(coder, segment, sample_rate, n_bytes):
    """Returns (audio, bytes) of a coder that aims at a number of bytes; ValueError where it misses them."""
    decoded, used = coder(segment, sample_rate, n_bytes)
    if abs(used - n_bytes) > NEAR * n_bytes:
        raise ValueError(f"The nearest file has {used} bytes. Received: n_bytes={n_bytes!r}")
    return decoded, used


def segments_that_fit(tracks, length, *, at_most=3):
    """Returns the number of segments of each track to measure: those that fit into the median track, 1 to `at_most`.

    It is 1 for hundreds of tracks, where more segments of a track add time and little evidence.
    """
    return int(np.clip(min(tracks["samples"].median() // length, ENOUGH_SEGMENTS // len(tracks)), 1, at_most))


def measure(coders, cache, tracks, length, *, per_track, batch_size=8, added_above=None, progress=True):
    """Returns the errors and bitrates of coders on the same fixed segments.

    Args:
        coders: list of `Coder`.
        cache, tracks, length, per_track, batch_size: the segments, as for `fmalib.data.segments.fixed_segments`.
        added_above: Hz; if given, `added_energy` above this frequency is measured too.

    Returns:
        Table with one row a coder: `codec`, `nominal_kbps`, `real_kbps` (None without bytes), `latent`, then the items of
        `fmalib.codec.metrics.pool`, `si_sdr_db` after the others, and `relative_rmse`: the spectral RMSE divided by silence's.
    """
    measured = segments.segment_table(tracks, length, per_track)
    parts, silent = [[] for _ in coders], []
    batches = segments.fixed_segments(cache, tracks, length, per_track=per_track, batch_size=batch_size, target="audio")
    shown = bar(total=len(measured) * len(coders), desc="Measuring", unit="segment", progress=progress)
    with audio_cache.damage_named(cache), shown:
        for audio, _ in batches:
            silent.extend(metrics.spectral_rmse(audio.numpy(), np.zeros_like(audio)))
            for coder, tables in zip(coders, parts):
                tables.append(_measured(coder, audio.numpy(), cache.sample_rate, added_above))
                shown.update(len(audio))
    rows, rmse_of_silence = [], np.sqrt(np.mean(np.square(silent)))
    for coder, tables in zip(coders, parts):
        table = pd.concat(tables, ignore_index=True)
        sizes = table.pop("n_bytes")
        kbps = None if sizes.isna().any() else metrics.real_kbps(sizes.mean(), length / cache.sample_rate)
        row = {"codec": coder.codec, "nominal_kbps": coder.nominal_kbps, "real_kbps": kbps, "latent": coder.latent}
        pooled = metrics.pool(table, measured)
        rows.append(row | pooled | {"relative_rmse": _relative(pooled["spectral_rmse"], rmse_of_silence)})
    table = pd.DataFrame(rows).astype({"latent": "Int64"})
    return table[[name for name in table if name not in PRINTED_LAST] + PRINTED_LAST]


def _measured(coder, audio, sample_rate, added_above):
    """Returns the metrics of a batch after a coder, and `n_bytes`, which is None without bytes."""
    decoded, n_bytes = coder.run(audio)
    table = metrics.measure(audio, decoded).assign(n_bytes=n_bytes)
    if added_above is not None:
        table["added_energy"] = metrics.added_energy(audio, decoded, sample_rate, above=added_above)
    return table


def _relative(rmse, silent):
    """Returns an RMSE divided by the RMSE of silence; None where there is no such number."""
    return None if rmse is None or not silent else float(rmse / silent)


def published_relative(table):
    """Returns (the published RMSEs relative to silence, the RMSE of silence that this assumes), or (None, None).

    The study states no level of its test split, so one number is assumed. With it the study's downsampling has our relative
    RMSE, in the geometric mean over common bitrates. The ratio of both published curves is kept; their height is ours.

    Args:
        table: by `measure`; without downsampling at a published bitrate there is nothing to relate.
    """
    ours = table[table["codec"] == "downsampling"].set_index("nominal_kbps")["relative_rmse"].astype(float)
    theirs = PUBLISHED.set_index("nominal_kbps")["downsampling"]
    ratio = (theirs[theirs > 0] / ours[ours > 0]).dropna()
    if ratio.empty:
        return None, None
    silent = float(np.exp(np.log(ratio).mean()))
    columns = ["autoencoder", "downsampling"]
    return PUBLISHED.assign(**PUBLISHED[columns] / silent), silent


def demo(song, sample_rate, asked, *, pairs=PAIRS):
    """Returns one song through the codec, MP3, Opus and codewords: at each bitrate, files of about equal bytes.

    The codewords are written by a sparse autoencoder before any training: an MDCT with a hop of 2,048 samples.

    Args:
        song: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
        asked: bitrates in kbit/s, as for `equal_bytes`.
        pairs: (model, profile) of the codec's files.

    Returns:
        Table with one row for each coder and bitrate that it has: `codec`, `asked_kbps`, `nominal_kbps`, `real_kbps` of all
        bytes, `relative_rmse`, the columns of `fmalib.codec.metrics.measure`, `n_clips`, and `audio`.
    """
    rows, silent = [], metrics.spectral_rmse(song, np.zeros_like(song))
    for coder in itertools.chain.from_iterable(equal_bytes(sample_rate, kbps, pairs=pairs) for kbps in asked):
        try:
            (decoded,), (n_bytes,) = coder.run(song[None])
        except ValueError:  # no such bitrate
            continue
        row = {"codec": coder.codec, "asked_kbps": coder.nominal_kbps, "nominal_kbps": coder.nominal_kbps}
        row["real_kbps"] = metrics.real_kbps(n_bytes, len(song) / sample_rate)
        errors = metrics.measure(song[None], decoded[None]).iloc[0]
        row["relative_rmse"] = _relative(errors["spectral_rmse"], silent)
        rows.append({**row, **errors, "n_clips": 1, "audio": decoded})
    return pd.DataFrame(rows)


def listening(compared, audio, clips, sample_rate, *, progress=True):
    """Returns what listening measures say of coders on the same segments.

    Args:
        compared: list of `Coder`; one without such a bitrate is left out.
        audio: float array of shape `(segments, samples)` at full scale 1.
        clips: table with `track_id` and `artist` of each segment.
        sample_rate: Hz.

    Returns:
        Table with one row a coder: `codec`, `nominal_kbps`, `real_kbps`, and the items of `fmalib.codec.metrics.pool` of the
        columns of `fmalib.codec.quality.measure`.
    """
    rows = []
    for coder in bar(compared, desc="Listening", unit="coder", progress=progress):
        try:
            decoded, n_bytes = coder.run(audio)
        except ValueError:
            continue
        kbps = metrics.real_kbps(np.mean(n_bytes), audio.shape[1] / sample_rate)
        row = {"codec": coder.codec, "nominal_kbps": coder.nominal_kbps, "real_kbps": kbps}
        rows.append(row | metrics.pool(quality.measure(audio, decoded, sample_rate), clips))
    return pd.DataFrame(rows)


def _codewords(song, sample_rate, n_bytes, *, hop=2048):
    """Returns (song after codewords of an MDCT, their bytes), at a whole number of codewords a frame near `n_bytes`."""
    samples = len(song)
    a_frame = (n_bytes - HEADER.size) * 8 / codewords.CODEWORD_BITS / mdct.n_frames(samples, hop)
    model = sparse_mdct.sparse_autoencoder(samples=samples, hop=hop, latent=max(1, round(a_frame)))
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    # Called once each: to compile them by `predict` would take five times as long.
    file = _file(encoder(song[None]).numpy()[0], samples)
    latent, samples = _latent(file)
    return decoder(latent[None]).numpy()[0, :samples], len(file)


def _file(latent, samples):
    """Returns the bytes of one segment's codewords `(frames, latent)`, after a header."""
    return HEADER.pack(samples, *latent.shape) + codewords.pack(latent)


def _latent(file):
    """Returns (codewords `(frames, latent)`, samples of the segment) of bytes by `_file`."""
    samples, *shape = HEADER.unpack_from(file)
    return codewords.unpack(file[HEADER.size :], shape), samples
