"""Coders side by side: each takes a batch of audio and gives it back, with the bytes it took, if there were any."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from fmalib import baselines, lapped, metrics, segments, sparse
from fmalib.progress import bar

ENOUGH_SEGMENTS = 500
METRICS = ("spectral_rmse", "magnitude_rmse", "log_spectral_distance_db", "si_sdr_db")
PUBLISHED = pd.DataFrame(  # the 2019 study's plot: its autoencoder and its downsampling baseline, on its own test split
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
        nominal_kbps: bitrate on paper: 16 bits a latent value, or what was asked for; None for silence.
        run: function from float32 audio `(batch, samples)` to (audio of that shape, bytes of each clip or None).
        latent: channels of the latent, for autoencoders.
    """

    codec: str
    nominal_kbps: float | None
    run: Callable
    latent: int | None = None


def autoencoder(trained, sample_rate, *, codec):
    """Returns the `Coder` of a `fmalib.autoencoders.Autoencoder`.

    The latent of the sparse one goes through its bytes; the others' latent is not quantised, so they have no bytes.
    """
    samples = trained.model.input.shape[1]
    kbps = metrics.nominal_kbps(trained.latent_values, samples / sample_rate)

    def through_bytes(audio):
        words = trained.encoder.predict_on_batch(audio)
        files = [sparse.pack(clip) for clip in words]
        words = np.stack([sparse.unpack(file, trained.latent_shape) for file in files])
        decoded = trained.model.get_layer("decoder").predict_on_batch(words)
        return decoded, [len(file) for file in files]

    def unquantised(audio):
        return trained.model.predict_on_batch(audio), None

    is_sparse = trained.model.name == "sparse_autoencoder"
    return Coder(codec, kbps, through_bytes if is_sparse else unquantised, trained.latent_shape[-1])


def silence():
    """Returns the `Coder` that sends nothing."""
    return Coder("silence", None, lambda audio: (baselines.silence(audio), None))


def downsampling(sample_rate, kbps):
    """Returns the `Coder` that resamples to what 16-bit samples `kbps` pays for, and back."""
    return Coder("downsampling", kbps, lambda audio: (baselines.downsample(audio, sample_rate, kbps), None))


def classical(codec, sample_rate, kbps):
    """Returns the `Coder` of a name in `fmalib.baselines.CODECS` at an asked bitrate."""

    def run(audio):
        coded = [baselines.CODECS[codec](clip, sample_rate, kbps) for clip in audio]
        return np.stack([clip for clip, _ in coded]), [n_bytes for _, n_bytes in coded]

    return Coder(codec, float(kbps), run)


def segments_that_fit(tracks, length, *, at_most=3):
    """Returns how many segments of each track to measure: as many as lie side by side in the median one, 1 to `at_most`.

    With hundreds of tracks it is 1: more segments of one track say little then, and coding them takes long.
    """
    return int(np.clip(min(tracks["samples"].median() // length, ENOUGH_SEGMENTS // len(tracks)), 1, at_most))


def measure(coders, cache, tracks, length, *, per_track, batch_size=8, added_above=None, progress=True):
    """Returns how coders do on the same fixed segments.

    Args:
        coders: list of `Coder`.
        cache, tracks, length, per_track: the segments, as for `fmalib.segments.fixed_segments`.
        added_above: Hz; if given, `added_energy` above this frequency is measured too.

    Returns:
        Table with one row a coder: `codec`, `latent`, `nominal_kbps`, `real_kbps` (None without bytes), then what
        `fmalib.metrics.pool` gives.
    """
    seconds = length / cache.sample_rate
    rows = segments.segment_table(tracks, length, per_track)
    parts, n_bytes = [[] for _ in coders], [[] for _ in coders]
    batches = segments.fixed_segments(cache, tracks, length, per_track=per_track, batch_size=batch_size, target="audio")
    with bar(total=len(rows) * len(coders), desc="Measuring", unit="segment", progress=progress) as shown:
        for audio, _ in batches:
            audio = audio.numpy()
            for number, coder in enumerate(coders):
                decoded, sizes = coder.run(audio)
                table = metrics.measure(audio, decoded)
                if added_above is not None:
                    table["added_energy"] = metrics.added_energy(audio, decoded, cache.sample_rate, above=added_above)
                parts[number].append(table)
                n_bytes[number].extend(sizes or [])
                shown.update(len(audio))
    return pd.DataFrame([
        {
            "codec": coder.codec, "latent": coder.latent, "nominal_kbps": coder.nominal_kbps,
            "real_kbps": metrics.real_kbps(np.mean(sizes), seconds) if sizes else None,
            **metrics.pool(pd.concat(tables, ignore_index=True), rows),
        }
        for coder, tables, sizes in zip(coders, parts, n_bytes)
    ]).astype({"latent": "Int64"})


def demo(song, sample_rate, asked):
    """Returns one song through our words, MP3 and Opus at each bitrate that they have.

    The words are those of a sparse autoencoder that was not trained: an MDCT with frames of 2,048 samples.

    Args:
        song: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
        asked: kbit/s.

    Returns:
        Table with one row for each coder and bitrate: `codec`, `asked_kbps`, `nominal_kbps`, `real_kbps` of all bytes, what
        `fmalib.metrics.measure` gives, `n_clips`, and `audio`.
    """
    rows = []
    for codec in ("Words", *baselines.CODECS):
        for kbps in asked:
            try:
                decoded, n_bytes = _words(song, sample_rate, kbps) if codec == "Words" else (
                    baselines.CODECS[codec](song, sample_rate, kbps)
                )
            except ValueError:  # no such bitrate
                continue
            rows.append({
                "codec": codec, "asked_kbps": kbps, "nominal_kbps": float(kbps),
                "real_kbps": metrics.real_kbps(n_bytes, len(song) / sample_rate),
                **metrics.measure(song[None], decoded[None]).iloc[0].to_dict(), "n_clips": 1, "audio": decoded,
            })
    return pd.DataFrame(rows)


def _words(song, sample_rate, kbps, *, hop=2048):
    """Returns (song after the words of an MDCT, their bytes): as near to the bitrate as a whole number a frame comes."""
    samples = len(song)
    words_a_frame = kbps * 1000 * samples / sample_rate / sparse.WORD_BITS / lapped.n_frames(samples, hop)
    model = sparse.sparse_autoencoder(samples=samples, hop=hop, latent=max(1, round(words_a_frame)))
    encoder = model.get_layer("encoder")
    file = sparse.pack(encoder.predict_on_batch(song[None])[0])
    words = sparse.unpack(file, encoder.output.shape[1:])
    return model.get_layer("decoder").predict_on_batch(words[None])[0], len(file)
