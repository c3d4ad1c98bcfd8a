"""The latent that the codec sends, as features for genres: the envelope of a segment, its integers pooled over time.

A chunk of a file of the profile `listening` begins with its envelope (`fmalib.codec.envelope`): steps and noise of all
coefficients follow it. It is coded apart from them, so that it has a bitrate of its own.
"""

import joblib
import numpy as np

from fmalib import content, files
from fmalib.codec import envelope, file_codec, learned_envelope, listening
from fmalib.data import audio_cache, segments
from fmalib.genres.descriptors import Features
from fmalib.progress import bar
from fmalib.signal import mdct_frames

STEPS = (3, 8, listening.USUAL, 64, 144, 255)  # of the envelope, in 1/8 octave, from fine to the coarsest that a file can have
ROWS = ((1, 2), (2, 4), (4, 8), (8, envelope.ROWS))  # of a block: changes that are slow to fast, about 3 to 50 Hz
DECISIVE = (
    "data.sources",
    "data.segments",
    "signal",
    "codec.envelope",
    "codec.listening",
    "codec.file_codec",
    "genres.codec_latent",
)


def powers(signal, sample_rate):
    """Returns the powers of bands in octaves, float64 `(1, frames, bands)`, of a signal that is a chunk by itself.

    Frames are not cut into shorter ones, which saves time. A file at 8 kbit/s cuts a quarter of them: its envelope had 2 % more
    bytes, and the mean power of a band differed by 0.1 octave (10 excerpts of 8 s, 22,050 Hz).

    Args:
        signal, sample_rate: float array of shape `(samples,)` at full scale 1, and Hz, 8000 to 48,000.
    """
    hop = listening.ROUND_HOP * round(sample_rate * listening.HOP_SECONDS[0] / listening.ROUND_HOP)
    coefficients = mdct_frames.forward(file_codec.alone(np.asarray(signal, np.float64)[:, None], hop))
    return envelope.measure(coefficients, envelope.edges(sample_rate, hop))


def integers(picture, step):
    """Returns what the codec sends of `powers`, int64 `(1, blocks, ROWS * bands)`; no block of silence."""
    if picture.max() <= envelope.FLOOR:
        return np.zeros((1, 0, envelope.ROWS * picture.shape[2]), np.int64)
    return envelope.quantise(picture, step, envelope.learned(picture.shape[2]))


def n_bytes(values, step):
    """Returns the bytes of `integers` at their step in a file of the model `learned`."""
    if not values.size:
        return 0
    bands = values.shape[2] // envelope.ROWS
    return len(envelope.pack(values, learned_envelope.Blocks(1, bands, step, learned_envelope.network())))


def pooled(values, step):
    """Returns features of `integers` at their step, float32 `(7 * bands,)`, in octaves.

    Mean and deviation over blocks of each component's level, its change from block to block, and the root mean square of
    faster changes in the four ranges of ROWS. All are 0 for silence.
    """
    rows = values.reshape(-1, envelope.ROWS, values.shape[2] // envelope.ROWS)
    if not len(rows):
        rows = np.zeros((1, *rows.shape[1:]))
    octaves = rows * (step / envelope.STEP_UNIT / np.sqrt(envelope.ROWS))
    changes = octaves[:, 0]  # the codec sends differences of levels
    level = np.cumsum(changes, axis=0)
    faster = [np.square(octaves[:, first:behind]).sum(axis=1) for first, behind in ROWS]
    parts = [level.mean(axis=0), level.std(axis=0), _root_mean_square(changes[1:])]
    return np.concatenate(parts + [np.sqrt(part.mean(axis=0)) for part in faster]).astype(np.float32)


def _root_mean_square(values):
    return np.sqrt(np.square(values).sum(axis=0) / max(len(values), 1))


def sections(features):
    """Returns the groups among `features` numbers by `pooled`, slices by name; a probe selects one on validation."""
    return {"moments": slice(0, features // 7 * 2), "dynamics": slice(None)}


def tables(cache, tracks, samples, per_track, *, steps=STEPS, progress=True):
    """Returns `Features` of fixed segments by step, a dict; computed once and kept on disk.

    Args:
        cache, tracks: audio cache, and track table by `fmalib.data.segments.select`, in reading order.
        samples, per_track: length of a segment, and segments of each track.
        steps: of the envelope.
    """

    def of_segment(signal):
        picture = powers(signal, cache.sample_rate)
        return [pooled(integers(picture, step), step) for step in steps]

    def compute():
        batches = segments.fixed_segments(cache, tracks, samples, per_track=per_track, batch_size=per_track)
        shown = bar(batches, total=len(tracks), desc="Envelopes of the codec", unit="track", progress=progress)
        jobs = (joblib.delayed(of_segment)(signal) for batch, _ in shown for signal in np.asarray(batch))
        values = np.array(joblib.Parallel(n_jobs=2, prefer="threads", pre_dispatch="2*n_jobs")(jobs))
        return {"track_ids": tracks.index.to_numpy(), "values": values.reshape(len(tracks), per_track, len(steps), -1)}

    key = content.key(content.code(*DECISIVE), cache.key, samples, per_track, steps, list(tracks.index), length=16)
    with audio_cache.damage_named(cache):
        kept = files.computed_once(cache.directory / f"codec-latent-{key}.npz", compute)
    values, seconds = kept["values"], float(kept["seconds"]) / len(steps)
    groups = sections(values.shape[-1])
    return {step: Features(values[:, :, place], kept["track_ids"], groups, seconds) for place, step in enumerate(steps)}


def bitrates(cache, tracks, samples, *, steps=STEPS, most=32):
    """Returns the mean kbit/s of the envelope by step, a dict: real bytes of the middle segment of at most `most` tracks.

    Arguments as for `tables`. A segment is coded by itself, so that probabilities start anew as in each chunk of a file.
    """
    few = tracks.iloc[:: -(-len(tracks) // most)]
    sizes = []
    for batch, _ in segments.fixed_segments(cache, few, samples, per_track=1, batch_size=1):
        picture = powers(np.asarray(batch)[0], cache.sample_rate)
        sizes.append([n_bytes(integers(picture, step), step) for step in steps])
    return dict(zip(steps, (np.mean(sizes, axis=0) * 8 / 1000 * cache.sample_rate / samples).tolist()))
