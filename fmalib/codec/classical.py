"""Classical coders: downsampling, MP3 and Opus, with bytes counted, audio aligned and gain undone."""

import io
import struct

import lameenc
import numpy as np
import scipy.signal
import soundfile
import soxr

from fmalib.codec import metrics
from fmalib.data.audio import to_float, to_int16

MAX_DELAY = 2304  # samples: two MP3 frames; LAME's and the decoder's delay together are 1105
OPUS_RATES = (8000, 12_000, 16_000, 24_000, 48_000)
OPUS_KBPS = (6, 256)  # lowest and highest
OPUS_TRIES = 6  # of bitrates between these two, on the way to a number of bytes
MP3_KBPS = {  # by the highest sample rate of MPEG-2.5, MPEG-2 and MPEG-1
    12_000: (8, 16, 24, 32, 40, 48, 56, 64),
    24_000: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    48_000: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
MP3_GAIN = {160: 0.95, 192: 0.97, 224: 0.98}  # LAME scales its input, up to these kbit/s; above them by 1
MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
MU = 15  # telephony's 255 has a 6 to 40 % higher RMSE, on training clips of real music at 8 to 63 kbit/s
MU_LAW_BITS = range(3, 17)  # of a sample
MU_LAW_HEADER = struct.Struct("<BIIf")  # bits of a sample, samples sent, samples of the audio, peak


def downsample(audio, sample_rate, kbps):
    """Returns audio after 16-bit PCM at `kbps`: resampled to `1000 * kbps / 16` Hz, rounded to 16 bits, and back.

    Resampling in the frequency domain keeps everything below half the new rate. A transition band wastes bitrate: the RMSE
    of soxr is up to 3 % higher.

    Args:
        audio: float array of shape `(..., samples)` at full scale 1.
        sample_rate: Hz.
        kbps: kbit/s, enough for a sample (ValueError otherwise); from `16 * sample_rate / 1000` up, audio is only rounded.

    Returns:
        float32 array of the same shape, aligned.
    """
    audio = _check(audio)
    samples = audio.shape[-1]
    kept = int(samples * 1000.0 * kbps / 16.0 / sample_rate) if kbps > 0 else 0
    if kept < 1:
        raise ValueError(f"kbps must allow at least one sample of {samples} at {sample_rate} Hz. Received: kbps={kbps!r}")
    return _length(to_float(to_int16(_length(audio, min(kept, samples)))), samples)


def mu_law(audio, sample_rate, kbps, *, bits=MU_LAW_BITS):
    """Returns (audio after downsampling to mu-law samples, bytes of the file), with the best number of bits a sample.

    The fair format for downsampling: `downsample` spends 16 bits on each sample, which most music does not need. All numbers of
    bits fill the same bytes, `MU_LAW_HEADER` included. The encoder keeps the one with the least squared error.

    Args:
        audio: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
        kbps: kbit/s of the whole file, at most; enough for the header and a sample (ValueError otherwise).
        bits: of a sample; the numbers to try.

    Returns:
        float32 array of shape `(samples,)`, aligned with `audio`, and an int.
    """
    audio = _check(audio, one=True)
    left = 1000.0 * kbps * len(audio) / sample_rate - 8 * MU_LAW_HEADER.size
    files = [mu_law_file(audio, int(left // each), each) for each in bits if left >= each]
    if not files:
        raise ValueError(f"kbps must allow a header of {MU_LAW_HEADER.size} bytes and a sample. Received: kbps={kbps!r}")
    decoded = [mu_law_audio(file) for file in files]
    best = np.argmin([np.square(audio - each).sum() for each in decoded])
    return decoded[best], len(files[best])


def mu_law_file(audio, kept, bits):
    """Returns the bytes of audio `(samples,)` as at most `kept` mu-law samples of 2 to 16 bits, scaled to their peak.

    Codes are odd in number, from silence `levels` steps up and down, so that silence stays silent.
    """
    low = _length(audio, min(kept, len(audio)))
    peak, levels = np.abs(low).max(), 2 ** (bits - 1) - 1
    companded = np.sign(low) * np.log1p(MU * np.abs(low) / (peak or 1.0)) / np.log1p(MU)
    codes = np.round(companded * levels).astype(np.int32) + levels
    packed = np.packbits(codes[:, None] >> np.arange(bits) & 1)
    return MU_LAW_HEADER.pack(bits, len(low), len(audio), peak) + packed.tobytes()


def mu_law_audio(file):
    """Returns the audio, float32 of shape `(samples,)`, of bytes by `mu_law_file`."""
    bits, kept, samples, peak = MU_LAW_HEADER.unpack_from(file)
    packed = np.frombuffer(file, np.uint8, offset=MU_LAW_HEADER.size)
    codes = np.unpackbits(packed, count=kept * bits).reshape(kept, bits) @ (1 << np.arange(bits))
    levels = 2 ** (bits - 1) - 1
    steps = (codes - levels) / levels
    low = peak * np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU)) / MU
    return _length(low, samples).astype(np.float32)


def mp3(audio, sample_rate, kbps):
    """Returns (audio after MP3, bytes of the file): LAME at a constant bitrate, mono, quality 2.

    LAME lowers the sample rate at a low bitrate; the result is resampled to `sample_rate`. LAME also scales its input by
    `MP3_GAIN`, as headroom against clipping. The gain is undone: the same for all audio, not fitted to it.

    Args:
        audio: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz, one of MP3_RATES; ValueError otherwise.
        kbps: kbit/s, one of `mp3_bitrates(sample_rate)`; ValueError otherwise.

    Returns:
        float32 array of shape `(samples,)`, aligned with `audio`, and an int.
    """
    encoded = mp3_file(audio, sample_rate, kbps)
    gain = next((gain for highest, gain in MP3_GAIN.items() if kbps <= highest), 1.0)
    return _decode(encoded, np.asarray(audio), sample_rate, gain), len(encoded)


def mp3_file(audio, sample_rate, kbps):
    """Returns the bytes of an MP3 file, whose audio is scaled by `MP3_GAIN`. Arguments and errors as for `mp3`."""
    audio = _check(audio, one=True)
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
    """Returns LAME's constant bitrates in kbit/s at a sample rate in Hz."""
    if sample_rate not in MP3_RATES:
        raise ValueError(f"MP3 has the sample rates {', '.join(map(str, MP3_RATES))} Hz. Received: sample_rate={sample_rate!r}")
    return next(bitrates for highest, bitrates in MP3_KBPS.items() if sample_rate <= highest)


def opus(audio, sample_rate, kbps):
    """Returns (audio after Opus in Ogg, bytes of the file), at a variable bitrate near `kbps`.

    For 8 s of audio the file is larger than asked by 2 to 3 % at 128 kbit/s, and by a quarter at 6. Compare bytes, not `kbps`.
    The Ogg container is 16 % of such a file at 8 kbit/s, 9 % at 16, 4 % at 32, 2 % at 64; 0.8 kB of it are once a file.
    The encoder keeps the amplitude, so no gain is undone.
    Arguments and results as for `mp3`, with bitrates within OPUS_KBPS; ValueError otherwise. Audio at other rates than
    OPUS_RATES is resampled to the next higher one, and back.
    """
    file = opus_file(audio, sample_rate, kbps)
    return _decode(file, np.asarray(audio), sample_rate), len(file)


def opus_file(audio, sample_rate, kbps):
    """Returns the bytes of an Opus file in Ogg. Arguments and errors as for `opus`."""
    audio = _check(audio, one=True)
    lowest, highest = OPUS_KBPS
    if not lowest <= kbps <= highest:
        raise ValueError(f"Opus has bitrates from {lowest} to {highest} kbit/s. Received: kbps={kbps!r}")
    rate = next((rate for rate in OPUS_RATES if rate >= sample_rate), OPUS_RATES[-1])
    level = (highest - kbps) / (highest - lowest)  # libsndfile's scale: 0 is the highest bitrate, 1 the lowest
    pcm, file = to_int16(_resample(audio, sample_rate, rate)), io.BytesIO()
    soundfile.write(file, pcm, rate, format="OGG", subtype="OPUS", compression_level=level)
    return file.getvalue()


def opus_within(audio, sample_rate, n_bytes):
    """Returns (audio after Opus, bytes of the file): the largest file of at most `n_bytes` bytes, to about 2 %.

    Arguments and results as for `opus`. ValueError where the smallest file has more bytes.
    """
    low, high = OPUS_KBPS
    best, kbps = opus_file(audio, sample_rate, low), metrics.real_kbps(n_bytes, len(audio) / sample_rate)
    if len(best) > n_bytes:
        raise ValueError(f"The smallest Opus file of this audio has {len(best)} bytes. Received: n_bytes={n_bytes!r}")
    for _ in range(OPUS_TRIES):
        kbps = kbps if low < kbps < high else (low * high) ** 0.5
        file = opus_file(audio, sample_rate, kbps)
        low, high = (kbps, high) if len(file) <= n_bytes else (low, kbps)
        best = max(best, file, key=len) if len(file) <= n_bytes else best
        if len(best) > 0.98 * n_bytes:
            break
        kbps *= 0.99 * n_bytes / len(file)
    return _decode(best, np.asarray(audio), sample_rate), len(best)


def align(reference, estimate, max_delay):
    """Returns (estimate without its delay, the delay), found by the highest cross-correlation.

    Args:
        reference: float array of shape `(samples,)`.
        estimate: float array of one dimension, of any length.
        max_delay: samples to search in both directions.

    Returns:
        Array of shape `(samples,)`, padded with zeros, and the delay in samples, positive where the estimate is late.
    """
    reference, estimate = np.asarray(reference), np.asarray(estimate)
    if max_delay < 0:
        raise ValueError(f"max_delay must be at least 0 samples. Received: max_delay={max_delay!r}")
    correlation = scipy.signal.correlate(estimate, reference, method="fft")
    delays = scipy.signal.correlation_lags(len(estimate), len(reference))
    near = np.abs(delays) <= max_delay
    correlation, delays = correlation[near], delays[near]
    order = np.argsort(np.abs(delays))  # of equal peaks the shortest delay: 0 for silence
    delay = int(delays[order[np.argmax(correlation[order])]])
    shifted = estimate[delay:] if delay > 0 else np.pad(estimate, (-delay, 0))
    return _fit(shifted, len(reference)), delay


CODECS = {"MP3": mp3, "Opus": opus}


def _decode(encoded, audio, sample_rate, gain=1.0):
    """Returns a file's audio, aligned with the original, of its length, and divided by the gain of its encoder."""
    decoded, rate = soundfile.read(io.BytesIO(encoded), dtype="float32")
    # The delay is a whole number of samples at the file's own rate.
    aligned, _ = align(_resample(audio, sample_rate, rate), decoded, MAX_DELAY)
    return _fit(_resample(aligned, rate, sample_rate), len(audio)) / np.float32(gain)


def _resample(audio, rate, new_rate):
    return audio if rate == new_rate else soxr.resample(audio, rate, new_rate, quality="HQ")


def _length(audio, samples):
    """Returns audio resampled in the frequency domain to a number of samples, float32."""
    if audio.shape[-1] == samples:
        return audio
    return scipy.signal.resample(audio, samples, axis=-1).astype(np.float32)


def _fit(audio, samples):
    """Returns audio cut or zero-padded to a number of samples."""
    return np.pad(audio[:samples], (0, max(0, samples - len(audio))))


def _check(audio, one=False):
    audio = metrics.floating(audio)
    if not audio.size or (one and audio.ndim != 1):
        raise ValueError(f"{'Audio of shape (samples,)' if one else 'Audio'} is needed. Received: shape {audio.shape}")
    return audio
