"""Decoding audio files to mono at a chosen rate."""

import numpy as np

BLOCK_SECONDS = 30  # decoded at once: memory does not grow with a file's stereo length
SHORTEST_SHARE = 0.95  # of the promised duration; below it a file counts as truncated


class AudioError(ValueError):
    """A file that cannot be used; the message says why, without the file's name."""


def decode(path, sample_rate, *, expected_seconds=None):
    """Returns a file's audio, its channels averaged, resampled, as 16-bit samples.

    Decoded by libsndfile (MP3 through mpg123) and resampled by soxr in high quality, block by block.

    Args:
        path: wav, mp3, flac or ogg file.
        sample_rate: rate of the result in Hz.
        expected_seconds: duration that the data set promises; None takes the file header's word.

    Returns:
        int16 array of shape `(samples,)`, see `to_int16`.

    Raises:
        AudioError: not decodable, empty, truncated to less than 95 % of its promised duration (a wav or ogg file promises
            nothing by itself), not finite, or silent.
        OSError: the file cannot be opened, which may pass and says nothing about its content.
    """
    import soundfile
    import soxr

    if not isinstance(sample_rate, (int, np.integer)) or sample_rate < 1000:
        raise ValueError(f"sample_rate must be an integer of at least 1000 Hz. Received: sample_rate={sample_rate!r}")
    with open(path, "rb"):  # libsndfile reports a missing file or disk as if the file were no audio
        pass
    try:
        with soundfile.SoundFile(path) as file:
            resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32", quality="HQ")
            promised = expected_seconds or file.frames / file.samplerate
            frames, parts = 0, []
            while len(block := file.read(BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True)):
                frames += len(block)
                mono = sum(block.T) / np.float32(block.shape[1])  # block.mean(axis=1) takes nearly as long as decoding
                if not np.isfinite(mono).all():
                    raise AudioError("holds values that are not finite")
                parts.append(to_int16(resampler.resample_chunk(mono)))
            parts.append(to_int16(resampler.resample_chunk(np.zeros(0, np.float32), last=True)))
            seconds = frames / file.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioError("not readable as audio") from error
    if frames == 0:
        raise AudioError("no audio in the file")
    if seconds < SHORTEST_SHARE * promised:
        raise AudioError(f"truncated: {seconds:.1f} s of {promised:.1f} s decoded")
    audio = np.concatenate(parts)
    if not audio.any():
        raise AudioError("digital silence")
    return audio


def to_int16(audio):
    """Returns float audio (full scale 1) as int16, rounded and clipped; any shape."""
    return np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)


def to_float(audio):
    """Returns int16 audio as float32 with full scale 1; any shape."""
    return audio.astype(np.float32) / np.float32(32768)
