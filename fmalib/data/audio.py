"""Decoding audio files to mono at a chosen rate."""

import numpy as np
import soundfile
import soxr

BLOCK_SECONDS = 30  # decoded at once: memory does not grow with the length of a file
SHORTEST_SHARE = 0.95  # of the expected duration; a shorter file counts as truncated


class AudioError(ValueError):
    """A file that cannot be used; the message gives the reason, without the file's name."""


def check_rate(sample_rate):
    """Raises ValueError if a sample rate is not an integer of at least 1000 Hz."""
    if not isinstance(sample_rate, (int, np.integer)) or sample_rate < 1000:
        raise ValueError(f"sample_rate must be an integer of at least 1000 Hz. Received: sample_rate={sample_rate!r}")


def decode(path, sample_rate, *, expected_seconds=None):
    """Returns the audio of a file, int16 of shape `(samples,)`: channels averaged, resampled, scaled as by `to_int16`.

    libsndfile (with mpg123 for MP3) decodes and soxr resamples in high quality, block by block.

    Args:
        path: wav, mp3, flac or ogg file.
        sample_rate: rate of the result in Hz.
        expected_seconds: duration according to the data set; None takes it from the file's header.

    Raises:
        AudioError: not decodable, empty, shorter than 95 % of the expected duration (headers of truncated wav and ogg files
            do not show it), not finite, or silent.
        OSError: the file cannot be opened; this may be temporary.
    """
    check_rate(sample_rate)
    with open(path, "rb"):  # libsndfile reports a missing file or disk as if the file were no audio
        pass
    try:
        with soundfile.SoundFile(path) as file:
            resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32", quality="HQ")
            expected = expected_seconds or file.frames / file.samplerate
            frames, parts = 0, []
            for mono in _mono_blocks(file):
                frames += len(mono)
                parts.append(to_int16(resampler.resample_chunk(mono)))
            parts.append(to_int16(resampler.resample_chunk(np.zeros(0, np.float32), last=True)))
            seconds = frames / file.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioError("not readable as audio") from error
    if frames == 0:
        raise AudioError("no audio in the file")
    if seconds < SHORTEST_SHARE * expected:
        raise AudioError(f"truncated: {seconds:.1f} s of {expected:.1f} s decoded")
    audio = np.concatenate(parts)
    if not audio.any():
        raise AudioError("digital silence")
    return audio


def _mono_blocks(file):
    """Yields an open file in blocks, float32 `(samples,)`, channels averaged; raises AudioError if a value is not finite."""
    while len(block := file.read(BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True)):
        mono = sum(block.T) / np.float32(block.shape[1])  # block.mean(axis=1) takes nearly as long as decoding
        if not np.isfinite(mono).all():
            raise AudioError("holds values that are not finite")
        yield mono


def to_int16(audio):
    """Returns float audio (full scale 1) as int16, rounded and clipped; any shape."""
    return np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)


def to_float(audio):
    """Returns int16 audio as float32 with full scale 1; any shape."""
    return audio.astype(np.float32) / np.float32(32768)
