"""One track of synthetic music: an artist drawn from a recipe, its notes, and the mix."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import scipy.fft
import scipy.signal

from fmalib.data.synth_instruments import SAMPLE_RATE, drum_kit, play
from fmalib.data.synth_recipes import BASS_LINES, CHORD_STYLES, DRUMS, GENRES, PROGRESSIONS, RECIPES, SCALES, TIMBRES

BORROW = 0.02  # chance that an artist takes an ingredient from a related genre; more makes the genres harder to tell apart


def draw_artist(genre, rng):
    """Returns the sound of one artist of a genre, drawn by a `numpy.random.Generator`.

    It is a namespace of the attributes of `Recipe`, one value each, with the drum kit, the pan of the lead (-1 to 1) and the
    loudness (dBFS).
    """
    sound = {}
    for name in vars(RECIPES[genre]):
        home = genre if rng.random() >= BORROW else rng.choice(RECIPES[genre].related)
        value = getattr(RECIPES[home], name)
        if name == "levels":
            sound[name] = np.array(value) + rng.normal(0, 1.5, len(value))
        else:
            sound[name] = str(rng.choice(value)) if isinstance(value[0], str) else rng.uniform(*value)
    for part in ("bass", "chords", "lead"):
        timbre = TIMBRES[sound[part]]
        scale = dict.fromkeys(("bright", "dark", "index"), rng.lognormal(0, 0.25))
        scale |= {"attack": rng.lognormal(0, 0.2), "decay": rng.lognormal(0, 0.2)}
        sound[part] = dataclasses.replace(timbre, **{name: getattr(timbre, name) * factor for name, factor in scale.items()})
    kit = drum_kit(rng, DRUMS[sound["drums"]])
    return SimpleNamespace(**sound, kit=kit, pan=rng.uniform(-0.3, 0.3), loudness=rng.uniform(-20, -15))


def _rms(sound):
    """Returns the root mean square of an array, a float32."""
    return np.sqrt(np.vdot(sound, sound) / np.float32(sound.size))


def _add(bus, start, sound, gain=1.0, pan=0.0):
    """Adds `sound` (samples,) to `bus` (2, samples) from sample `start`, which may be negative; `pan` is -1 to 1."""
    if start < 0:
        sound, start = sound[-start:], 0
    sound = sound[: max(0, bus.shape[1] - start)]
    for channel, side in enumerate((1 - pan, 1 + pan)):
        bus[channel, start : start + len(sound)] += np.float32(gain * np.sqrt(side / 2)) * sound


def _hits(pattern, steps, bars=1):
    """Returns the onsets of a pattern, repeated bar by bar, as (step, velocity) pairs."""
    bar = [(step, 1.0 if mark == "X" else 0.7) for step, mark in enumerate(pattern[:steps]) if mark != "."]
    return [(number * steps + step, velocity) for number in range(bars) for step, velocity in bar]


def _compose(artist, rng, bars, steps):
    """Returns the notes of each part, {part: [(step, length in steps, semitones, velocity, pan)]}, semitones as in MIDI."""
    key, scale, roots = 48 + int(rng.integers(-5, 7)), SCALES[artist.scale], PROGRESSIONS[artist.progression]
    degrees = [roots[bar % len(roots)] for bar in range(bars)]  # of the chord of each bar

    def tone(degree):
        octave, step = divmod(int(degree), len(scale))
        return key + 12 * octave + scale[step]

    return {
        "bass": _bass(artist, degrees, tone, steps),
        "chords": _chords(artist, degrees, tone, steps),
        "lead": _melody(artist, degrees, tone, steps, rng),
    }


def _bass(artist, degrees, tone, steps):
    hold, notes = 14 if artist.bass_line == "long" else 3, []
    for bar, root in enumerate(degrees):
        for step, velocity in _hits(BASS_LINES[artist.bass_line], steps):
            leap = 12 if artist.bass_line == "octave" and velocity == 1 else 0
            notes.append((bar * steps + step, hold, tone(root) - 12 + leap, velocity, 0.0))
    return notes


def _chords(artist, degrees, tone, steps):
    (onsets, hold, layout), notes = CHORD_STYLES[artist.chord_style], []
    for bar, root in enumerate(degrees):
        chord = [tone(root + third) for third in (0, 2, 4, 7)]
        if layout == "power":
            chord = [tone(root), tone(root) + 7, tone(root) + 12]
        for count, (step, velocity) in enumerate(_hits(onsets, steps)):
            for string in [count % len(chord)] if layout == "arp" else range(len(chord)):
                late = 0.12 * string if layout == "strum" else 0
                notes.append((bar * steps + step + late, hold, chord[string], velocity, 0.2 * string - 0.3))
    return notes


def _melody(artist, degrees, tone, steps, rng):
    """Returns the melody: a motif of two bars, repeated and moved to the chord of each bar; its notes prefer the beats."""
    motif = rng.random(2 * steps) < artist.density * np.tile((1, 0.3, 0.8, 0.3), steps // 2)
    contour, notes = np.clip(np.cumsum(rng.integers(-2, 3, 2 * steps)), -4, 6), []
    for bar, root in enumerate(degrees):
        half = (bar % 2) * steps
        played = np.flatnonzero(motif[half : half + steps])
        for step, following in zip(played, [*played[1:], steps]):
            degree = root + contour[half + step] + rng.choice((0, 0, 0, 1, -1))
            hold = int(min(6, following - step))
            notes.append((int(bar * steps + step), hold, tone(degree) + 12, rng.uniform(0.7, 1), artist.pan))
    return notes


def _play_drums(artist, rng, length, bars, start_of):
    """Returns the drums, (2, samples), and the gain (samples,) by which the kick lowers other parts, "pumping"."""
    bus, dips = np.zeros((2, length), np.float32), np.ones(length, np.float32)
    dip = 1 - artist.duck * np.exp(-np.arange(0.35 * SAMPLE_RATE, dtype=np.float32) / (0.12 * SAMPLE_RATE))
    for drum, marks in DRUMS[artist.drums].items():
        pan = {"hat": 0.3, "shaker": -0.4}.get(drum, 0.0)
        for step, velocity in _hits(marks, len(marks), bars):
            if drum != "kick" and rng.random() < 0.06:
                continue  # drummers leave notes out
            start = start_of(step)
            _add(bus, start, artist.kit[drum], velocity * rng.uniform(0.85, 1), pan)
            if drum == "kick" and start >= 0:
                dips[start : start + len(dip)] = dip[: max(0, length - start)]
    return bus, dips


def _play_notes(timbre, notes, rng, length, step_seconds, start_of):
    """Returns one part, (2, samples); a note that repeats is rendered once."""
    bus, rendered = np.zeros((2, length), np.float32), {}
    for step, hold, pitch, velocity, pan in notes:
        start = start_of(step)
        if start < length:
            if (pitch, hold) not in rendered:
                rendered[pitch, hold] = play(timbre, pitch, hold * step_seconds + timbre.release, rng)
            _add(bus, start, rendered[pitch, hold], velocity, pan)
    return bus


def _texture(kind, length, rng):
    """Returns background sound, (2, samples) float32, at its level in the mix: hiss, crackle, swelling noise, or grains."""
    if kind == "none":
        return np.zeros((2, length), np.float32)
    if kind == "grains":
        bus = np.zeros((2, length), np.float32)
        for _ in range(rng.integers(15, 60)):
            grain = play(TIMBRES["clang"], rng.uniform(50, 105), rng.uniform(0.03, 0.25), rng)
            _add(bus, int(rng.integers(length)), grain, 0.3, rng.uniform(-0.9, 0.9))
        return bus
    noise = rng.standard_normal((2, length), dtype=np.float32)
    if kind == "hiss":
        return noise * rng.uniform(0.003, 0.012)
    if kind == "crackle":
        return noise * np.where(rng.random((1, length), dtype=np.float32) < 4e-4, np.float32(0.4), np.float32(0.005))
    low = rng.uniform(150, 1500)
    band = scipy.signal.butter(1, (low, low * rng.uniform(2, 8)), "bandpass", fs=SAMPLE_RATE, output="sos")
    swell = np.interp(np.linspace(0, 8, length), np.arange(9), rng.random(9) ** 2)
    return scipy.signal.sosfilt(band.astype(np.float32), noise) * swell.astype(np.float32)


def _drive(bus, gain):
    """Returns `bus` (2, samples) through a tanh waveshaper and a loudspeaker's low-pass at 5 kHz, unchanged below gain 1."""
    if gain < 1:
        return bus
    cabinet = scipy.signal.butter(2, 5000, fs=SAMPLE_RATE, output="sos").astype(np.float32)
    return scipy.signal.sosfilt(cabinet, np.tanh(bus * (gain / (2 * _rms(bus) + 1e-6))))


def _chorus(bus, depth):
    """Returns `bus` (2, samples) with a copy delayed by 0 to 2 `depth` milliseconds, in opposite phase left and right."""
    if depth < 0.5:
        return bus
    depth = depth / 1000 * SAMPLE_RATE
    time = np.arange(bus.shape[1], dtype=np.float32)
    swing = np.float32(depth) * np.sin(time * np.float32(2 * np.pi * 0.7 / SAMPLE_RATE))
    copies = []
    for channel, side in zip(bus, (1, -1)):
        delay = depth + side * swing
        whole = np.floor(delay)
        place = np.maximum((time - whole).astype(np.int32), 1)
        copies.append(channel[place] + (delay - whole) * (channel[place - 1] - channel[place]))
    return bus + np.stack(copies)


def _room(artist, step_seconds, length, rng):
    """Returns the spectrum, (2, bins), of reverb, echo, tone control and rumble filter together, for an FFT of `length`.

    The reverb is exponentially decaying noise (Moorer, "About this reverberation business", 1979) without low frequencies.
    """
    time = np.arange(min(length, int(artist.reverb * SAMPLE_RATE)), dtype=np.float32)
    tail = rng.standard_normal((2, len(time)), dtype=np.float32) * np.exp(-6.9 * time / len(time))
    tail *= 10 ** (artist.wet / 20) / np.sqrt(np.vdot(tail, tail) / 2)
    for repeat in range(1, 5):
        place = int(repeat * 3 * step_seconds * SAMPLE_RATE)
        if place < len(time):
            tail[repeat % 2, place] += 0.5 * artist.echo**repeat
    frequency = np.maximum(scipy.fft.rfftfreq(length, 1 / SAMPLE_RATE), 1).astype(np.float32)
    high_pass = frequency**2 / (frequency**2 + 250**2)
    tone = (frequency / 1000) ** (artist.tilt / 6.02) / (1 + (frequency / (1000 * artist.cutoff)) ** 4)
    return (1 + high_pass * scipy.fft.rfft(tail, length)) * tone * (frequency / (frequency + 25))


def _level(mix, squash, loudness):
    """Returns `mix` (2, samples) compressed block by block, at about `loudness` dBFS RMS, softly limited below -2 dBFS."""
    block = 2048
    count = mix.shape[1] // block
    loud = np.sqrt(np.mean(mix[:, : count * block].reshape(2, count, block) ** 2, axis=(0, 2))) + 1e-4
    gain = np.minimum((loud / loud.max()) ** -squash, 8).astype(np.float32)
    gain = np.append(gain, gain[-1:].repeat(2))
    ramp = np.arange(block, dtype=np.float32) / block
    mix = mix * (gain[:-1, None] + np.diff(gain)[:, None] * ramp).ravel()[: mix.shape[1]]
    mix *= 10 ** (loudness / 20) / (_rms(mix) + 1e-9)
    return np.float32(0.79) * np.tanh(mix / np.float32(0.79))  # MP3 decodes to peaks a little above


def render_track(genre, *, artist_seed, track_seed, seconds=10.0):
    """Returns one track, (samples, 2) float32 at `SAMPLE_RATE`, an excerpt of the music, with |x| < 0.8.

    Args:
        genre: one of `GENRES`.
        artist_seed: int or sequence of ints; the same seed and genre give the same artist.
        track_seed: int or sequence of ints; the track within the artist's work.
        seconds: length.

    Raises:
        ValueError: if `genre` is none of `GENRES` or `seconds` is not positive.
    """
    if genre not in GENRES:
        raise ValueError(f"genre must be one of {GENRES}. Received: genre={genre!r}")
    if not 0 < seconds < np.inf:
        raise ValueError(f"seconds must be positive. Received: seconds={seconds}")
    # The leading 1 and 2 keep the two streams apart where the seeds are the same.
    where = GENRES.index(genre)
    artist = draw_artist(genre, np.random.default_rng([1, where, *np.atleast_1d(artist_seed)]))
    rng = np.random.default_rng([2, where, *np.atleast_1d(track_seed)])
    length, steps = round(seconds * SAMPLE_RATE), len(next(iter(DRUMS[artist.drums].values())))
    step_seconds = 15 / (artist.tempo * rng.uniform(0.94, 1.06))
    bars = int(seconds / (steps * step_seconds)) + 2
    early = rng.random() * steps * step_seconds  # the track begins anywhere in the first bar

    def start_of(step):
        swing = artist.swing if int(step) % 2 else 0
        return int(((step + swing) * step_seconds - early + rng.normal(0, 0.003)) * SAMPLE_RATE)

    drums, dips = _play_drums(artist, rng, length, bars, start_of)
    parts = {"drums": drums}
    for part, notes in _compose(artist, rng, bars, steps).items():
        parts[part] = _play_notes(getattr(artist, part), notes, rng, length, step_seconds, start_of)
    parts["bass"] *= dips
    parts["chords"] = _chorus(_drive(parts["chords"], artist.drive), artist.chorus) * dips
    parts["lead"] = _drive(parts["lead"], artist.drive)
    mix = _texture(artist.texture, length, rng)
    for bus, level in zip(parts.values(), artist.levels + rng.normal(0, 1, 4)):
        mix += bus * np.float32(10 ** (level / 20) / (_rms(bus) + 1e-6))
    # A circular convolution: the reverb of the end sounds at the beginning, as in an excerpt of a longer track.
    size = scipy.fft.next_fast_len(length, real=True)
    mix = scipy.fft.irfft(scipy.fft.rfft(mix, size) * _room(artist, step_seconds, size, rng), size)[:, :length]
    return _level(mix, artist.squash, artist.loudness + rng.normal(0, 1)).T
