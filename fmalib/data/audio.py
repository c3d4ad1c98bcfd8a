"""Decoding audio files: to mono at a chosen rate, or block by block as they are."""

import dataclasses
import math
import re
import threading

import numpy as np
import soundfile
import soxr

from fmalib.data import containers, ffmpeg
from fmalib.data.containers import AudioError, TooLongError
from fmalib.data.downmix import Downmix

BLOCK_VALUES = 1 << 20  # decoded at once at most, of all channels: 4 MB
RATES = 1000, 768_000  # Hz; a file with any other is damaged or holds no music
SHORTEST_SHARE = 0.95  # of the audio that a file holds or promises
TOLERANCE = 0.1  # seconds between what a header promises and what was read
LONGEST_SAMPLES = 1 << 29  # 1 GiB of int16: a record of TensorFlow's holds at most two
LONGEST_BELIEVED = 86_400  # seconds; a header that promises more is checked by decoding
SPIKES = 0.001  # of the values, at most, are clipped where they go far beyond full scale
BLOCK_SECONDS = 10  # decoded at once: after each block, threads may have to wait for each other
BATCH = 1 << 18  # resampled samples that are rounded at once
_MEMORY = threading.local()  # of blocks, and the resampler: new ones for each file cost 3 ms and 0.2 ms for 30 s of music


@dataclasses.dataclass
class _Facts:
    """What was seen while a part was decoded; `peak` is of float samples, `error` the decoder's."""

    rate: int = 0
    frames: int = 0
    promised: float | None = None  # by the header
    certain: bool = False  # whether the header is right and the file too short
    peak: float = 0.0
    beyond: int = 0  # float values beyond full scale, of all channels
    values: int = 0
    opposite: int | None = None  # channel to be used instead of a mean that is silent
    error: str = ""

    @property
    def seconds(self):
        return self.frames / self.rate


def check_rate(sample_rate):
    """Raises ValueError if a sample rate is not an integer of at least 1000 Hz."""
    if not isinstance(sample_rate, (int, np.integer)) or sample_rate < 1000:
        raise ValueError(f"sample_rate must be an integer of at least 1000 Hz. Received: sample_rate={sample_rate!r}")


def decode(path, sample_rate, *, expected_seconds=None, notice=None):
    """Returns the audio of a file, int16 of shape `(samples,)`: channels averaged, resampled, scaled as by `to_int16`.

    libsndfile (with mpg123 for MP3) decodes, else the program ffmpeg; soxr resamples in high quality, block by block. All
    parts of a file are read, however its headers count them (`fmalib.data.containers`).

    Args:
        path: of an audio file.
        sample_rate: rate of the result in Hz.
        expected_seconds: duration according to the data set.
        notice: function that is called with each remark on a file that is used: "scaled: ...", "clipped: ...",
            "opposite channels: ...", "length: ...", "damaged: ...", "not MP3: ..."; None drops them.

    Raises:
        AudioError: not decodable, empty, truncated or damaged so that less than 95 % can be read, not finite, silent, or longer
            than `LONGEST_SAMPLES`.
        OSError: the file cannot be opened; this may be temporary.
    """
    check_rate(sample_rate)
    notice = notice or (lambda text: None)
    found = containers.find(path)
    for remark in found.remarks:
        notice(remark)
    decoded, seconds, left = [], 0.0, LONGEST_SAMPLES
    for number, part in enumerate(found.parts, start=1):
        try:
            audio, facts = _decode_part(part, sample_rate, left, notice)
        except TooLongError:
            raise
        except AudioError as error:
            if len(found.parts) == 1:
                raise
            notice(f"part left out: {number} of {len(found.parts)}, {error}")
            continue
        decoded.append(audio)
        seconds, left = seconds + facts.seconds, left - len(audio)
        if found.truncated and number == len(found.parts):
            _check_truncated(seconds, seconds - facts.seconds + part.promised)
    if expected_seconds and seconds < SHORTEST_SHARE * expected_seconds:
        if found.cut:
            _check_truncated(seconds, expected_seconds)
        notice(f"length: {seconds:.1f} s were read, the data set's table has {expected_seconds:.1f} s")
    if found.cut and found.parts[-1].seconds is None:  # an incomplete page of an Ogg file; it may hold a second
        notice("cut: the file ends in the middle of a page")
    if not sum(map(len, decoded)):
        raise AudioError("no audio in the file")
    audio = decoded[0] if len(decoded) == 1 else np.concatenate(decoded)
    if not audio.any():
        raise AudioError("digital silence")
    return audio


def duration(path):
    """Returns the seconds of audio in a file, decoded only where no other way tells them; errors as by `decode`."""
    parts, total = containers.find(path).parts, 0.0
    for part in parts:
        try:
            total += _duration(part)
        except AudioError:
            if len(parts) == 1:
                raise
    return total


def channels_of(path):
    """Returns (sample rate in Hz, channels) of a file's first part; errors as by `decode`."""
    with containers.find(path).parts[0].open() as file:
        _check_file_rate(file)
        return file.samplerate, file.channels


def blocks(path, sample_rate, channels, *, notice=None):
    """Yields the audio of a file in blocks, float32 `(samples, channels)`: resampled by soxr where its rate is another.

    Values are left as they are. Files of other numbers of channels are averaged to one, which is repeated.

    Args:
        path, notice: as for `decode`.
        sample_rate, channels: of the result, for all parts of the file.

    Raises:
        AudioError, OSError: as by `decode`, but part by part.
    """
    found, notice, seconds = containers.find(path), notice or (lambda text: None), 0.0
    for remark in found.remarks:
        notice(remark)
    for part in found.parts:
        facts = _Facts()
        yield from _blocks_of_part(part, sample_rate, channels, facts)
        _check_length(part, facts, notice)
        seconds += facts.seconds
        if found.truncated and part is found.parts[-1]:
            _check_truncated(seconds, seconds - facts.seconds + part.promised)


def _blocks_of_part(part, sample_rate, channels, facts):
    with part.open() as file:
        _check_file_rate(file)
        resampler = soxr.ResampleStream(file.samplerate, sample_rate, channels, dtype="float32", quality="HQ")
        for block in _blocks(file, facts, 1):
            if block.shape[1] != channels:
                block = np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
            yield block if file.samplerate == sample_rate else resampler.resample_chunk(block)
        if file.samplerate != sample_rate:
            yield resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)
        facts.promised, facts.certain = _promised(file)
        facts.error = facts.error or getattr(file, "damaged", "")


def _duration(part):
    if part.seconds is not None:
        return part.seconds
    if part.promised is not None and part.promised < LONGEST_BELIEVED:
        return part.promised
    if part.count is not None:
        return part.count()
    with part.open() as file:
        _check_file_rate(file)
        if file.frames / file.samplerate < LONGEST_BELIEVED:
            return file.frames / file.samplerate
        return sum(map(len, _blocks(file, _Facts(), TOLERANCE / 2))) / file.samplerate


def _check_file_rate(file):
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise AudioError(f"a sample rate of {file.samplerate} Hz")


def _decode_part(part, sample_rate, longest, notice):
    """Returns (int16 audio, `_Facts`) of a part; a second time where its values or channels need care."""
    audio, facts = _mix(part, sample_rate, longest)
    seconds = TOLERANCE / 2 if facts.error else BLOCK_SECONDS  # soundfile drops the block in which an error occurs
    if facts.error:
        audio, facts = _mix(part, sample_rate, longest, block_seconds=seconds)
    _check_length(part, facts, notice)
    scale = _full_scale(facts.peak, facts.beyond / max(1, facts.values))
    if scale == 1 and facts.peak > 1:
        notice(f"clipped: {facts.beyond} of {facts.values} values are beyond full scale, up to {facts.peak:.6g}")
    if scale != 1:
        notice(f"scaled: values reach {facts.peak:.6g}, divided by {scale:.6g}")
    if facts.opposite is not None:
        notice(f"opposite channels: their mean is silent, channel {facts.opposite + 1} is used")
    if scale != 1 or facts.opposite is not None:
        audio, facts = _mix(part, sample_rate, longest, channel=facts.opposite, scale=scale, block_seconds=seconds)
    return audio, facts


def _mix(part, sample_rate, longest, *, channel=None, scale=1, block_seconds=BLOCK_SECONDS):
    """Returns (int16 audio, `_Facts`) of a part: the mean of its channels or one of them, divided by `scale`."""
    facts, parts, length = _Facts(), [], 0
    with part.open() as file:
        _check_file_rate(file)
        _check_longest((part.seconds or _seconds_by_size(file)) * sample_rate, longest, sample_rate)
        downmix = Downmix(file.channels, channel)
        resampled = _resampled(file, sample_rate, map(downmix.add, _blocks(file, facts, block_seconds, again=True)))
        for joined in _joined(resampled, BATCH):
            if not np.isfinite(joined).all():
                raise AudioError("holds values that are not finite, or too large")
            parts.append(to_int16(joined, scale * downmix.divisor))
            length += len(joined)
            _check_longest(length, longest, sample_rate)
        facts.opposite = downmix.opposite
        if part.seconds is None:
            facts.promised, facts.certain = _promised(file)
        facts.error = facts.error or getattr(file, "damaged", "")
    return np.concatenate(parts), facts


def _resampled(file, sample_rate, blocks):
    """Yields blocks of one channel `(samples,)` of an open file at another rate; a thread does this for one file at a time."""
    rates = file.samplerate, sample_rate
    if getattr(_MEMORY, "rates", None) != rates:
        _MEMORY.resampler, _MEMORY.rates = soxr.ResampleStream(*rates, 1, dtype="float32", quality="HQ"), rates
    resampler = _MEMORY.resampler
    resampler.clear()  # of the file before, which may have ended by an error
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _joined(blocks, samples):
    """Yields blocks joined to some samples at least: for each call of numpy, threads may have to wait for each other."""
    waiting, length = [], 0
    for block in blocks:
        waiting.append(block)
        length += len(block)
        if length >= samples:
            joined, waiting, length = np.concatenate(waiting), [], 0
            yield joined
    if waiting:
        yield np.concatenate(waiting)


def _blocks(file, facts, seconds=BLOCK_SECONDS, *, again=False):
    """Yields an open file in blocks, float32 `(samples, channels)`, until its end or an error, which is kept in `facts`.

    Args:
        seconds: duration of a block; it is shorter for very many channels.
        again: whether each block may lie where the one before it lay: new memory for each costs time.
    """
    facts.rate = file.samplerate
    floats = file.subtype in ("FLOAT", "DOUBLE")
    shape = min(round(seconds * file.samplerate), BLOCK_VALUES // file.channels), file.channels
    try:
        while True:
            place = _place(shape) if again else np.empty(shape, np.float32)
            block = place[: file.buffer_read_into(place, "float32")]
            if not len(block):
                break
            facts.frames += len(block)
            if floats:
                facts.peak = max(facts.peak, float(np.abs(block).max()))
                facts.beyond += int((np.abs(block) > 1).sum())
                facts.values += block.size
            yield block
    except (soundfile.LibsndfileError, ffmpeg.FfmpegError) as error:
        facts.error = str(error).removeprefix("Error : ").rstrip(".") or "the decoder stopped"


def _place(shape):
    """Returns memory for float32 values of a shape, the same for all calls of a thread."""
    values = math.prod(shape)
    if getattr(_MEMORY, "values", np.empty(0)).size < values:
        _MEMORY.values = np.empty(values, np.float32)
    return _MEMORY.values[:values].reshape(shape)


def _promised(file):
    """Returns (seconds, certain) by a file's header: None where it has none, certain where the file is too short for it."""
    if isinstance(file, ffmpeg.File):
        return file.promised, file.promised is not None
    if file.frames >= containers.UNKNOWN_FRAMES:
        return None, False
    # libsndfile's log has the size in the header where the file is shorter: "data : 160000 (should be 79978)".
    for name, size, there in re.findall(r"(\w[\w ]*?)\s*: (\d+) \(should be (\d+)\)", file.extra_info):
        size, there = int(size), int(there)
        if name not in ("RIFF", "FORM") and there < size < containers.UNKNOWN_SIZE:
            return file.frames / file.samplerate * size / max(1, there), True
    return file.frames / file.samplerate, False


def _seconds_by_size(file):
    """Returns the duration of a file whose size says it, as of wav; 0 for others, whose headers may be wrong."""
    return 0 if getattr(file, "format", "OGG") in ("OGG", "FLAC", "MP3") else file.frames / file.samplerate


def _check_length(part, facts, notice):
    """Raises AudioError where less than 95 % of a part's audio could be read; remarks on smaller gaps, and on wrong headers."""
    seconds, held, certain = facts.seconds, facts.promised, facts.certain
    if part.seconds is not None:  # counted
        held, certain = part.seconds, True
    elif part.promised is not None:
        held, certain = part.promised, bool(facts.error)
    if held and certain and seconds < SHORTEST_SHARE * held:
        raise AudioError(f"{'damaged' if facts.error else 'truncated'}: {seconds:.1f} s of {held:.1f} s decoded")
    if facts.error:
        notice(f"damaged: {seconds:.1f} s decoded ({facts.error})")
    promised = held if part.promised is None else part.promised
    if promised is not None and abs(seconds - promised) > TOLERANCE:
        notice(f"length: {seconds:.1f} s were read, its header has {promised:.1f} s")


def _check_truncated(seconds, held):
    if seconds < SHORTEST_SHARE * held:
        raise AudioError(f"truncated: {seconds:.1f} s of {held:.1f} s decoded")


def _full_scale(peak, beyond):
    """Returns the divisor of float samples by their highest value and the share of values beyond 1.

    It is 1 for music in range and for single spikes, full scale of 16, 24 or 32 bits for integers, else the highest value.
    """
    if peak <= 1 or (peak > 4 and beyond < SPIKES):
        return 1
    scales = [1 << bits for bits in (15, 23, 31) if peak <= 1 << bits]
    return scales[0] if peak > 128 and scales else peak


def _check_longest(samples, longest, sample_rate):
    if samples > longest:
        hours = LONGEST_SAMPLES / sample_rate / 3600
        raise TooLongError(f"longer than {hours:.1f} h at {sample_rate} Hz: cut it into pieces")


def to_int16(audio, full_scale=1):
    """Returns float audio of any shape as int16, rounded and clipped; `full_scale` is the value that becomes 32,768."""
    scaled = audio * np.float32(32768 / full_scale)
    return np.clip(np.rint(scaled, out=scaled), -32768, 32767, out=scaled).astype(np.int16)


def to_float(audio):
    """Returns int16 audio as float32 with full scale 1; any shape."""
    return audio.astype(np.float32) / np.float32(32768)
