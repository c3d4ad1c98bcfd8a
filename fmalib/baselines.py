"""Classical coders to compare with: downsampling, MP3 and Opus; bytes counted, audio aligned."""

import io

import lameenc
import numpy as np
import scipy.signal
import soundfile
import soxr

from fmalib.audio import to_float, to_int16

MAX_DELAY = 2304  # samples: two MP3 frames; LAME's and the decoder's delay together are 1105
OPUS_RATES = (8000, 12_000, 16_000, 24_000, 48_000)
OPUS_KBPS = (6, 256)
MP3_KBPS = {  # by the highest sample rate they hold for: MPEG-2.5, MPEG-2, MPEG-1
    12_000: (8, 16, 24, 32, 40, 48, 56, 64),
    24_000: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    48_000: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def silence(audio):
    """Returns zeros of the same shape: what a coder that sends nothing gives."""
    return np.zeros_like(audio)


def downsample(audio, sample_rate, kbps):
    """Returns audio after 16-bit PCM at `kbps`: resampled to `1000 * kbps / 16` Hz, rounded to 16 bits, and back.

    Resampled in the frequency domain (`scipy.signal.resample`), which keeps everything below half the new rate. A
    resampler with a transition band gives away part of what the bitrate pays for: soxr scores an RMSE up to 3 % higher.

    Args:
        audio: float array of shape `(..., samples)` at full scale 1.
        sample_rate: Hz.
        kbps: kbit/s; at `16 * sample_rate / 1000` and above, only rounding is left.

    Returns:
        float32 array of the same shape, aligned.

    Raises:
        ValueError: a bitrate of not even one sample.
    """
    audio = _check(audio)
    samples = audio.shape[-1]
    kept = int(samples * 1000.0 * kbps / 16.0 / sample_rate) if kbps > 0 else 0
    if kept < 1:
        raise ValueError(f"kbps must allow at least one sample of {samples} at {sample_rate} Hz. Received: kbps={kbps!r}")
    if kept >= samples:
        return to_float(to_int16(audio))
    low = to_float(to_int16(scipy.signal.resample(audio, kept, axis=-1)))
    return scipy.signal.resample(low, samples, axis=-1).astype(np.float32)


def mp3(audio, sample_rate, kbps):
    """Returns (audio after MP3, bytes of the file): LAME at a constant bitrate, mono, quality 2.

    At a low bitrate LAME itself lowers the sample rate; the result is brought back to `sample_rate`.

    Args:
        audio: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz, one of MP3_RATES.
        kbps: kbit/s, one of `mp3_bitrates(sample_rate)`.

    Returns:
        float32 array of shape `(samples,)`, aligned with `audio`, and an int.

    Raises:
        ValueError: a sample rate or bitrate that MP3 does not have.
    """
    encoded = mp3_file(audio, sample_rate, kbps)
    return _decode(encoded, _check(audio, clip=True), sample_rate), len(encoded)


def mp3_file(audio, sample_rate, kbps):
    """Returns the bytes of the MP3 file that `mp3` decodes. Arguments and errors as there."""
    audio = _check(audio, clip=True)
    if kbps not in mp3_bitrates(sample_rate):
        valid = ", ".join(map(str, mp3_bitrates(sample_rate)))
        raise ValueError(f"MP3 at {sample_rate} Hz has the bitrates {valid} kbit/s. Received: kbps={kbps!r}")
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_bit_rate(int(kbps))
    encoder.set_quality(2)
    return bytes(encoder.encode(to_int16(audio).tobytes()) + encoder.flush())


def mp3_bitrates(sample_rate):
    """Returns the constant bitrates in kbit/s that LAME keeps to at a sample rate in Hz."""
    if sample_rate not in MP3_RATES:
        raise ValueError(f"MP3 has the sample rates {', '.join(map(str, MP3_RATES))} Hz. Received: sample_rate={sample_rate!r}")
    return next(bitrates for highest, bitrates in MP3_KBPS.items() if sample_rate <= highest)


def opus(audio, sample_rate, kbps):
    """Returns (audio after Opus in Ogg, bytes of the file), at a variable bitrate near `kbps`.

    The file is larger than asked: on clips of 8 s by 2 to 3 % at 128 kbit/s, and by a quarter at 6. Compare at the bytes,
    not at `kbps`.

    Args:
        audio: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz; other rates than OPUS_RATES are resampled to the next higher of these, and back.
        kbps: kbit/s asked for, from 6 to 256.

    Returns:
        float32 array of shape `(samples,)`, aligned with `audio`, and an int.

    Raises:
        ValueError: a bitrate that libsndfile cannot ask Opus for.
    """
    audio = _check(audio, clip=True)
    lowest, highest = OPUS_KBPS
    if not lowest <= kbps <= highest:
        raise ValueError(f"Opus has bitrates from {lowest} to {highest} kbit/s. Received: kbps={kbps!r}")
    rate = next((rate for rate in OPUS_RATES if rate >= sample_rate), OPUS_RATES[-1])
    level = (highest - kbps) / (highest - lowest)  # libsndfile's scale: 0 is the highest bitrate, 1 the lowest
    file = io.BytesIO()
    soundfile.write(
        file, to_int16(_resample(audio, sample_rate, rate)), rate, format="OGG", subtype="OPUS", compression_level=level
    )
    return _decode(file.getvalue(), audio, sample_rate), len(file.getvalue())


def align(reference, estimate, max_delay):
    """Returns (estimate without its delay, the delay): the one that gives the highest cross-correlation.

    Args:
        reference: float array of shape `(samples,)`.
        estimate: float array of shape `(any number of samples,)`.
        max_delay: samples; the most to search in both directions.

    Returns:
        Array of shape `(samples,)`, zeros where the estimate has nothing, and the delay in samples, positive where the
        estimate is late.
    """
    reference, estimate = np.asarray(reference), np.asarray(estimate)
    if max_delay < 0:
        raise ValueError(f"max_delay must be at least 0 samples. Received: max_delay={max_delay!r}")
    correlation = scipy.signal.correlate(estimate, reference, method="fft")
    delays = scipy.signal.correlation_lags(len(estimate), len(reference))
    near = np.abs(delays) <= max_delay
    correlation, delays = correlation[near], delays[near]
    order = np.argsort(np.abs(delays))  # of equal peaks the shortest delay: 0 for a silent clip
    delay = int(delays[order[np.argmax(correlation[order])]])
    shifted = estimate[delay:] if delay > 0 else np.pad(estimate, (-delay, 0))
    return _fit(shifted, len(reference)), delay


CODECS = {"MP3": mp3, "Opus": opus}


def _decode(encoded, audio, sample_rate):
    """Returns a file's audio, aligned with what went in and as long as it."""
    decoded, rate = soundfile.read(io.BytesIO(encoded), dtype="float32")
    # Aligned at the file's own rate, where the delay is a whole number of samples.
    aligned, _ = align(_resample(audio, sample_rate, rate), decoded, MAX_DELAY)
    return _fit(_resample(aligned, rate, sample_rate), len(audio))


def _resample(audio, rate, new_rate):
    return audio if rate == new_rate else soxr.resample(audio, rate, new_rate, quality="HQ")


def _fit(audio, samples):
    """Returns audio cut, or padded with zeros, to a number of samples."""
    return np.pad(audio[:samples], (0, max(0, samples - len(audio))))


def _check(audio, clip=False):
    audio = np.asarray(audio)
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"Audio must be float at full scale 1 (fmalib.audio.to_float). Received: {audio.dtype}")
    if audio.size == 0 or clip and audio.ndim != 1:
        raise ValueError(f"{'A clip of shape (samples,)' if clip else 'Audio'} is needed. Received: shape {audio.shape}")
    return audio
