"""Instruments of the synthetic music: wavetables, frequency modulation, plucked strings, drums."""

import numpy as np
import scipy.fft
import scipy.signal

SAMPLE_RATE = 44100


def _envelope(timbre, length):
    """Returns attack, decay, sustain and release, (samples,): straight lines through five points."""
    end = length / SAMPLE_RATE
    attack, release = min(timbre.attack, end / 3), min(timbre.release, end / 3)
    decay = min(attack + timbre.decay, end - release)
    points, values = (0, attack, decay, end - release, end), (0, 1, timbre.sustain, timbre.sustain, 0)
    return np.interp(np.arange(length, dtype=np.float32) / SAMPLE_RATE, points, values).astype(np.float32)


def _wave_table(timbre, pitch, cutoff):
    """Returns one period, (4096,), of the harmonics below 16 kHz through a low-pass at `cutoff` Hz and the formants."""
    k = np.arange(1, max(2, min(400, int(16000 / pitch))))
    amplitude = np.where(k % 2, 1, timbre.even) / (k**timbre.slope * (1 + (k * pitch / cutoff) ** 4))
    if timbre.formants:
        formants = np.asarray(timbre.formants[int(pitch) % len(timbre.formants)])[:, None]
        amplitude *= 0.08 + np.exp(-(((k * pitch - formants) / (0.12 * formants + 40)) ** 2)).sum(axis=0)
    # Quadratic phases (Schroeder 1970) keep the peak of many harmonics low.
    spectrum = np.zeros(2049, np.complex64)
    spectrum[k] = amplitude / np.sqrt((amplitude**2).sum()) * np.exp(1j * np.pi * k**2 / len(k))
    return scipy.fft.irfft(spectrum) * 4096


def play(timbre, midi, seconds, rng):
    """Returns one note, (samples,) float32 of roughly unit level.

    Args:
        timbre: a `Timbre`.
        midi: pitch in semitones, or fractions of them; 69 is 440 Hz.
        seconds: length, release included.
        rng: `numpy.random.Generator`.

    Methods: wavetable with the filter built into the table; frequency modulation (Chowning, "The synthesis of complex audio
    spectra by means of frequency modulation", 1973); plucked string (Karplus & Strong, "Digital synthesis of plucked-string
    and drum timbres", 1983), whose loop is computed as a power in the frequency domain instead of sample by sample.
    """
    pitch = 440 * 2 ** ((midi - 69) / 12 + timbre.octave)
    length = int(seconds * SAMPLE_RATE)
    if timbre.method == "pluck":
        return _pluck(timbre, pitch, length, rng)
    time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    phase = np.float32(pitch) * time
    bend = 0.0577 * pitch  # Hz to the semitone
    if timbre.vibrato:
        phase += np.float32(bend * timbre.vibrato / (2 * np.pi * 5.5)) * np.sin(np.float32(2 * np.pi * 5.5) * time)
    if timbre.glide:
        phase -= np.float32(bend * timbre.glide / (2 * seconds)) * time**2
    envelope = _envelope(timbre, length)
    if timbre.method == "fm":
        turn = np.float32(2 * np.pi)
        return envelope * np.sin(turn * phase + np.float32(timbre.index) * envelope * np.sin(turn * timbre.ratio * phase))
    dark, bright = (_wave_table(timbre, pitch, cutoff) for cutoff in (timbre.dark, timbre.bright))
    glow = np.exp(-time / np.float32(0.5 * timbre.decay + 0.01))
    sound = 0
    for detune in np.linspace(-0.006, 0.006, timbre.unison) if timbre.unison > 1 else (0,):
        index = (phase * np.float32(4096 * (1 + detune)) + 4096 * rng.random()).astype(np.int32) & 4095
        sound = sound + dark[index] + glow * (bright[index] - dark[index])
    if timbre.breath:
        sound += timbre.breath * 8 * rng.standard_normal(length, dtype=np.float32)
    return envelope * sound / np.float32(timbre.unison**0.5)


def _pluck(timbre, pitch, length, rng):
    """Returns a plucked string, (samples,): a burst of noise that loses its highs at every pass through a loop."""
    period = max(8, round(SAMPLE_RATE / pitch))
    k = np.arange(period // 2 + 1, dtype=np.float32)
    burst = scipy.fft.rfft(rng.standard_normal(period, dtype=np.float32)) / (1 + (k * pitch / timbre.bright) ** 2)
    burst[0] = 0
    passes = np.arange(-(-length // period), dtype=np.float32)[:, None]
    with np.errstate(divide="ignore"):
        loop = np.log(np.abs(np.cos(np.pi * k / period))) - 6.9 * period / SAMPLE_RATE / timbre.decay
    sound = scipy.fft.irfft(burst * np.exp(passes * loop), period, axis=1).ravel()[:length]
    sound /= np.sqrt(np.mean(sound[:period] ** 2)) + 1e-9
    fade = min(length // 3, int(timbre.release * SAMPLE_RATE))
    sound[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sound


def drum_kit(rng, drums):
    """Returns {drum: (samples,) float32} of the named drums, tuned by `rng`: swept sines and filtered noise."""

    def tone(low, sweep, decay, seconds=0.4):
        time = np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
        return np.sin(2 * np.pi * low * (time + sweep * 0.03 * (1 - np.exp(-time / 0.03)))) * np.exp(-time / decay)

    def noise(low, high, decay, seconds=0.3, attack=0.001):
        time = np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
        band = scipy.signal.butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
        sound = scipy.signal.sosfilt(band.astype(np.float32), rng.standard_normal(len(time), dtype=np.float32))
        return sound / np.sqrt(np.mean(sound**2)) * np.exp(-time / decay) * np.minimum(1, time / attack)

    tune, length, air = rng.uniform(0.8, 1.25), rng.uniform(0.7, 1.5), rng.uniform(0.7, 1.3)
    punch = rng.uniform(2, 6)
    make = {
        "kick": lambda: 1.6 * tone(50 * tune, punch, 0.12 * length),
        "snare": lambda: 0.7 * tone(190 * tune, 0.6, 0.07 * length, 0.3) + 0.6 * noise(1200 * air, 9000, 0.09 * length),
        "clap": lambda: 0.8 * noise(900 * air, 4500 * air, 0.08 * length),
        "hat": lambda: 0.4 * noise(6500 * air, 15000, 0.03 * length),
        "cymbal": lambda: 0.35 * noise(3500 * air, 15000, 0.4 * length, 1.2),
        "shaker": lambda: 0.18 * noise(4000 * air, 11000, 0.035, 0.15, 0.03),
        "rim": lambda: 0.7 * tone(900 * tune, 0.2, 0.015, 0.1),
        "low": lambda: 1.2 * tone(85 * tune, 0.6, 0.16 * length) + 0.05 * noise(300, 2000, 0.02, 0.4),
        "high": lambda: 0.8 * tone(260 * tune, 0.3, 0.07 * length, 0.3) + 0.15 * noise(800, 5000, 0.02),
    }
    return {drum: make[drum]().astype(np.float32) for drum in drums}
