"""Audio to coded files and back: whole arrays, or recordings of hours at flat memory."""

import dataclasses
import io
import itertools
from collections.abc import Callable

import numpy as np

from fmalib.codec import bitstream, context_models, quantiser, rate_control, step_search
from fmalib.codec.bitstream import ChunkError, FormatError, Header
from fmalib.codec.profiles import PROFILES
from fmalib.signal import mdct_frames

KBPS = 1, 256
STEPS = quantiser.step_size(0), 1024.0
CHUNK_SECONDS = 15  # at most, or a few frames more; shorter ones learn their tables more often
FEW_CHUNKS = 4  # are kept, and their step size is searched; that of longer files is steered
LOUDEST = 256.0  # times full scale
MISSING = 8  # times as many chunks may be missing as are there


@dataclasses.dataclass(frozen=True)
class Source:
    """Audio to encode.

    Attributes:
        sample_rate: Hz, 8000 to 48,000.
        channels: 1 or 2.
        blocks: function without arguments that returns an iterator of float arrays `(samples, channels)`; called twice.
    """

    sample_rate: int
    channels: int
    blocks: Callable


def encode(audio, sample_rate, kbps=8, *, step=None, snr=None, model="mdct", profile="waveform"):
    """Returns the bytes of a coded file.

    Args:
        audio: float array of shape `(samples,)` or `(samples, 2)` at full scale 1.
        sample_rate: Hz, 8000 to 48,000.
        kbps: kbit/s of the whole file, 1 to 256; from 10 s on it has 97 to 102.5 % of them, if the audio holds so much.
        step, snr: instead of `kbps`, step size of MDCT coefficients, or signal-to-noise ratio in dB.
        model: "mdct", "learned", or a file of weights (`fmalib.codec.context_models.named`).
        profile: key of PROFILES.

    Raises:
        ValueError: anything else, or audio that is not finite.
    """
    audio = np.asarray(audio)
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"Audio must be float at full scale 1 (fmalib.data.audio.to_float). Received: {audio.dtype}")
    if audio.ndim not in (1, 2) or (audio.ndim == 2 and audio.shape[1] not in bitstream.CHANNELS):
        raise ValueError(f"Audio must have the shape (samples,) or (samples, 2). Received: shape {audio.shape}")
    table = audio if audio.ndim == 2 else audio[:, None]
    source, sink = Source(sample_rate, table.shape[1], lambda: iter([table])), io.BytesIO()
    write(source, sink, kbps=None if step or snr is not None else kbps, step=step, snr=snr, model=model, profile=profile)
    return sink.getvalue()


def decode(data, *, weights=None, keep_going=False, damaged=None):
    """Returns (audio, sample rate in Hz) of bytes by `encode`: float32, `(samples,)` or `(samples, 2)`.

    Args:
        data: bytes.
        weights: file of weights, where the bytes were coded with some that are not the package's.
        keep_going: whether damaged chunks become silence; else they raise.
        damaged: function that is called with the `ChunkError` of each.

    Raises:
        FormatError: no such bytes; ChunkError, one of them, names the first damaged chunk.
    """
    if weights:
        context_models.use(weights)
    reader = bitstream.Reader(io.BytesIO(data))
    audio = np.concatenate(list(read(reader, keep_going=keep_going, damaged=damaged)))
    return (audio[:, 0] if reader.header.channels == 1 else audio), reader.header.sample_rate


def write(source, sink, *, kbps=None, step=None, snr=None, model="mdct", profile="waveform", progress=None):
    """Encodes a `Source` to a binary file; returns its `Header`. Arguments and errors as for `encode`.

    The audio is read twice: once to measure, once to code. Up to four chunks have the same step size; in longer files it
    follows what is left of the bytes.

    Args:
        progress: function that is called with samples read, twice for each.
    """
    _check(source, (kbps, step, snr), profile)
    name, digest = context_models.named(model, profile)
    hop, samples, histograms = _measure(source, (kbps, step, snr), profile, progress)
    chunk_frames = _chunk_frames(samples, source.sample_rate, hop)
    header = Header(source.sample_rate, source.channels, samples, hop, chunk_frames, 0, name, profile, digest)
    if header.chunks > bitstream.MOST_CHUNKS:
        raise ValueError(f"A file has up to {bitstream.MOST_CHUNKS} chunks of {CHUNK_SECONDS} s. Received: {header.chunks}")
    total = sum(histograms)
    overhead = bitstream.OVERHEAD[0] + header.chunks * bitstream.OVERHEAD[1]
    wanted = None if kbps is None else kbps * 125 * samples / source.sample_rate - overhead
    if kbps is not None:
        about = rate_control.for_bits(total, 8 * max(wanted, 1))
    else:
        about = quantiser.step_number(step) if step else rate_control.for_snr(total, snr)
    blocks = _blocks_of(source, hop, chunk_frames, progress)
    chunks = (PROFILES[profile].analyse(each, about, header) for each in blocks)
    if kbps is None:
        few = list(itertools.islice(chunks, FEW_CHUNKS))
        number = about if step else step_search.for_snr(header, few, total, snr)
        bodies = ((number, step_search.pack(each, number, header)) for each in itertools.chain(few, chunks))
    elif header.chunks <= FEW_CHUNKS:
        bodies = step_search.searched(header, list(chunks), total, wanted)
    else:
        bodies = step_search.steered(header, chunks, histograms, wanted)
    for index, (number, body) in enumerate(bodies):
        if index == 0:
            header = dataclasses.replace(header, step=number)
            sink.write(header.pack())
        sink.write(bitstream.pack_chunk(header, index, body))
    return header


def read(reader, *, start=0, stop=None, keep_going=False, damaged=None):
    """Yields the audio of a `fmalib.codec.bitstream.Reader`, float32 `(samples, channels)`, chunk by chunk.

    Args:
        start, stop: samples, from `start` to before `stop`; None is the end.
        keep_going, damaged: as for `decode`.
    """
    header = reader.header
    context_models.check(header)
    stop = header.samples if stop is None else min(stop, header.samples)
    if not 0 <= start < stop:
        raise ValueError(f"Audio lies from 0 to {header.samples} samples. Received: from {start} to {stop}")
    chunks = range(start // header.hop // header.chunk_frames, ((stop - 1) // header.hop + 1) // header.chunk_frames + 1)
    tail, there, missing = None, 0, []
    for number in chunks:
        first, behind = header.frames_of(number)
        try:
            blocks = _decoded(reader, number, behind - first)
            there += 1
        except ChunkError as error:
            blocks = None
            missing.append(error)
            _miss(error, missing, there, chunks, keep_going, damaged)
        done, tail = _joined(header, blocks, tail, behind - first)
        place = (first - 1) * header.hop  # of the first sample in `done`
        last = (behind - 1) * header.hop if number < header.chunks - 1 else stop
        yield done[max(start - place, 0) : max(min(stop, last) - place, 0)].astype(np.float32)


def _miss(error, missing, there, chunks, keep_going, damaged):
    """Decides on a damaged chunk: raises it, or goes on while enough others are there."""
    if not keep_going:
        raise error
    if damaged:
        damaged(error)
    if len(missing) > MISSING * (there + 1) or len(missing) == len(chunks):
        text = "the header is wrong, or nearly all is damaged"
        raise FormatError(f"{text}. Received: {there} whole chunks of {len(chunks)}, from chunk {chunks[0] + 1} on")


def _joined(header, blocks, tail, frames):
    """Returns (samples that are complete with a chunk, float64 `(samples, channels)`, and its last block).

    A block that a damaged chunk has a part in is silent: a frame's half alone is no audio.
    """
    shape = header.channels, frames + 1, header.hop
    if blocks is None:
        blocks = np.full(shape, np.nan)
    blocks[:, 0] += np.nan if tail is None else tail
    done = np.nan_to_num(blocks[:, :-1].reshape(header.channels, -1).T)
    return done, blocks[:, -1]


def _decoded(reader, number, frames):
    """Returns the audio of a chunk in blocks `(channels, frames + 1, hop)`, float64."""
    header = reader.header
    body = reader.read(number)
    try:
        levels = PROFILES[header.profile].unpack(body, frames, header)
    except ValueError as error:
        raise ChunkError(number, header, str(error)) from error
    return PROFILES[header.profile].synthesise(levels, header)


def _check(source, ways, profile):
    """Raises ValueError for what `write` cannot do."""
    kbps, step, snr = ways
    lowest, highest = bitstream.SAMPLE_RATES
    if not isinstance(source.sample_rate, (int, np.integer)) or not lowest <= source.sample_rate <= highest:
        raise ValueError(f"sample_rate must be an integer from {lowest} to {highest} Hz. Received: {source.sample_rate!r}")
    if sum(way is not None for way in ways) != 1:
        raise ValueError(f"One of kbps, step and snr is needed. Received: kbps={kbps!r}, step={step!r}, snr={snr!r}")
    for name, value, (low, high) in (("kbps", kbps, KBPS), ("step", step, STEPS), ("snr", snr, (-10, 120))):
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name} must be from {low:g} to {high:g}. Received: {name}={value!r}")
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}. Received: profile={profile!r}")


def _chunk_frames(samples, sample_rate, hop):
    """Returns the frames of a chunk: up to `CHUNK_SECONDS`, so that all chunks have nearly the same number."""
    frames = -(-samples // hop) + 1
    return -(-frames // -(-samples // round(sample_rate * CHUNK_SECONDS)))


def _measure(source, ways, profile, progress):
    """Returns (the hop that codes best, samples, histogram of each chunk with it), by one pass over the audio."""
    (kbps, step, snr), profile = ways, PROFILES[profile]
    hops = [profile.ROUND_HOP * round(source.sample_rate * seconds / profile.ROUND_HOP) for seconds in profile.HOP_SECONDS]
    found, samples = [[] for _ in hops], 0
    for piece in _pieces(source, round(source.sample_rate * CHUNK_SECONDS), progress):
        samples += len(piece)
        for hop, histograms in zip(hops, found):
            histograms.append(profile.histogram(mdct_frames.forward(alone(piece, hop)), source.sample_rate))
    if not samples:
        raise ValueError("Audio must have at least one sample. Received: 0 samples")
    totals = [sum(each) for each in found]
    if kbps is not None:
        sizes = [rate_control.for_bits(total, kbps * 1000 * samples / source.sample_rate) for total in totals]
    elif step is not None:
        sizes = [rate_control.bits(total, quantiser.step_number(step)) for total in totals]
    else:
        sizes = [rate_control.bits(total, rate_control.for_snr(total, snr)) for total in totals]
    best = int(np.argmin(sizes))
    return hops[best], samples, found[best]


def alone(piece, hop):
    """Returns a stretch `(samples, channels)` by itself, silence around it, in blocks `(channels, frames + 1, hop)`."""
    frames = -(-len(piece) // hop) + 1
    return _in_blocks(np.pad(piece, ((hop, frames * hop - len(piece)), (0, 0))), hop)


def _pieces(source, length, progress):
    """Yields the audio in stretches of `length` samples, float64 `(samples, channels)`; ValueError where it is not finite."""
    waiting, count, seen = [], 0, 0
    for block in source.blocks():
        _check_values(block, seen, source.sample_rate)
        seen += len(block)
        if progress:
            progress(len(block))
        while len(block):
            waiting.append(np.asarray(block[: length - count], np.float64))
            block = block[len(waiting[-1]) :]
            count += len(waiting[-1])
            if count == length:
                yield np.concatenate(waiting)
                waiting, count = [], 0
    if count:
        yield np.concatenate(waiting)


def _check_values(block, seen, sample_rate):
    """Raises ValueError for a value that is not finite, or far beyond full scale."""
    for fine, text in (
        (np.isfinite, "finite"),
        (lambda values: np.abs(values) <= LOUDEST, f"within {LOUDEST:g} times full scale"),
    ):
        right = fine(block)
        if not right.all():
            sample, channel = np.argwhere(~right)[0]
            where = f"at sample {seen + sample} ({(seen + sample) / sample_rate:.3f} s), channel {channel + 1}"
            raise ValueError(f"Audio must be {text}. Received: {block[sample, channel]} {where}")


def _blocks_of(source, hop, chunk_frames, progress):
    """Yields the audio of each chunk in blocks, float64 `(channels, frames + 1, hop)`."""
    before, left = np.zeros((hop, source.channels)), None
    for piece in _pieces(source, hop * chunk_frames, progress):
        if left is not None:
            yield _in_blocks(np.concatenate([before, left]), hop)
            before = left[-hop:]
        left = piece
    blocks = -(-len(left) // hop) + 1  # the last one is silence
    audio = np.concatenate([before, left, np.zeros((blocks * hop - len(left), source.channels))])
    whole = audio[: (chunk_frames + 1) * hop]
    yield _in_blocks(whole, hop)
    if blocks > chunk_frames:
        yield _in_blocks(audio[chunk_frames * hop :], hop)


def _in_blocks(audio, hop):
    return np.ascontiguousarray(audio.T).reshape(audio.shape[1], -1, hop)
