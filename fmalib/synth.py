"""A corpus of synthetic music in the layout of the Free Music Archive.

Eight genres, each a `Recipe`: ranges of tempo, swing and effects, and choices of scale, timbre and pattern. An artist is a
recipe with every range drawn once, now and then from a related genre; a track keeps the artist's sound and draws a new key,
chords, melody and mix. Genres therefore overlap, as they do in the real archive.

    recipe --draw_artist--> artist --render_track--> stereo audio --make_corpus--> fma_small/000/000001.mp3, tracks.csv
"""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import joblib
import lameenc
import numpy as np
import pandas as pd
import scipy.fft
import scipy.signal

from fmalib import paths
from fmalib.progress import bar as progress_bar
from fmalib.recipes import BASS_LINES, CHORD_STYLES, DRUMS, PROGRESSIONS, RECIPES, SCALES, TIMBRES, Recipe

GENRES = ("Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock")
SAMPLE_RATE = 44100
VERSION = 1  # raise it when the sound changes, so that caches keyed by it are renewed
TRACKS_PER_ARTIST = 2
BIT_RATE = 128000  # bit/s, constant
LAME_QUALITY = 7  # 0 is best and slowest; soundfile's MP3 encoder is fixed at a setting eight times slower than this
BORROW = 0.02  # chance that an artist takes an ingredient from a related genre; more makes the genres harder to tell apart


def _envelope(timbre, length):
    """Attack, decay, sustain and release as one line through five points. Returns (samples,)."""
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


def _play(timbre, midi, seconds, rng):
    """Returns one note, (samples,) float32 of roughly unit level.

    Args:
        timbre: a `Timbre`.
        midi: pitch in semitones, 69 is 440 Hz; fractions are welcome.
        seconds: length, release included.
        rng: `numpy.random.Generator`.

    Methods: wavetable with the filter built into the table; frequency modulation (Chowning, "The synthesis of complex audio
    spectra by means of frequency modulation", 1973); plucked string (Karplus & Strong, "Digital synthesis of plucked-string
    and drum timbres", 1983), where the whole loop is raised to its power in the frequency domain instead of sample by sample.
    """
    pitch = 440 * 2 ** ((midi - 69) / 12 + timbre.octave)
    length = int(seconds * SAMPLE_RATE)
    if timbre.method == "pluck":
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


def _drum_kit(rng, drums):
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


# ------------------------------------------------------------------------------------------------- artists, parts, effects


def draw_artist(genre, rng):
    """Returns the sound of one artist: a namespace with the fields of `Recipe`, each drawn, and a few of its own.

    Args:
        genre: one of `GENRES`.
        rng: `numpy.random.Generator`; the same state gives the same artist.
    """
    sound = {}
    for field in dataclasses.fields(Recipe):
        home = genre if rng.random() >= BORROW else rng.choice(RECIPES[genre].cousins)
        value = getattr(RECIPES[home], field.name)
        if field.name == "levels":
            sound[field.name] = np.array(value) + rng.normal(0, 1.5, len(value))
        else:
            sound[field.name] = str(rng.choice(value)) if isinstance(value[0], str) else rng.uniform(*value)
    for part in ("bass", "chords", "lead"):
        timbre = TIMBRES[sound[part]]
        scale = dict.fromkeys(("bright", "dark", "index"), rng.lognormal(0, 0.25))
        scale |= {"attack": rng.lognormal(0, 0.2), "decay": rng.lognormal(0, 0.2)}
        sound[part] = dataclasses.replace(timbre, **{name: getattr(timbre, name) * factor for name, factor in scale.items()})
    kit = _drum_kit(rng, DRUMS[sound["drums"]])
    return SimpleNamespace(**sound, kit=kit, pan=rng.uniform(-0.3, 0.3), loudness=rng.uniform(-20, -15))


def _rms(sound):
    """Returns the root mean square of an array, a float32."""
    return np.sqrt(np.vdot(sound, sound) / np.float32(sound.size))


def _add(bus, start, sound, gain=1.0, pan=0.0):
    """Adds `sound` (samples,) to `bus` (2, samples) from sample `start`, which may lie before the clip; `pan` is -1 to 1."""
    if start < 0:
        sound, start = sound[-start:], 0
    sound = sound[: max(0, bus.shape[1] - start)]
    for channel, side in enumerate((1 - pan, 1 + pan)):
        bus[channel, start : start + len(sound)] += np.float32(gain * np.sqrt(side / 2)) * sound


def _hits(pattern, steps):
    """Returns the onsets of one bar of a pattern as (step, velocity) pairs."""
    return [(step, 1.0 if mark == "X" else 0.7) for step, mark in enumerate(pattern[:steps]) if mark != "."]


def _compose(artist, rng, bars, steps):
    """Returns the notes of each part, {part: [(step, length in steps, semitones, velocity, pan)]}, semitones as in MIDI."""
    scale, roots = SCALES[artist.scale], PROGRESSIONS[artist.progression]
    key = 48 + int(rng.integers(-5, 7))

    def tone(degree):
        octave, step = divmod(int(degree), len(scale))
        return key + 12 * octave + scale[step]

    # The melody repeats a motif of two bars, moved to the chord of the bar; notes prefer the beats.
    motif = rng.random(2 * steps) < artist.density * np.tile((1, 0.3, 0.8, 0.3), steps // 2)
    contour = np.clip(np.cumsum(rng.integers(-2, 3, 2 * steps)), -4, 6)
    onsets, length, layout = CHORD_STYLES[artist.chord_style]
    bass_hold = 14 if artist.bass_line == "long" else 3
    notes = {"bass": [], "chords": [], "lead": []}
    for bar in range(bars):
        root, first = roots[bar % len(roots)], bar * steps
        for step, velocity in _hits(BASS_LINES[artist.bass_line], steps):
            leap = 12 if artist.bass_line == "octave" and velocity == 1 else 0
            notes["bass"].append((first + step, bass_hold, tone(root) - 12 + leap, velocity, 0.0))
        chord = [tone(root + third) for third in (0, 2, 4, 7)]
        if layout == "power":
            chord = [tone(root), tone(root) + 7, tone(root) + 12]
        for count, (step, velocity) in enumerate(_hits(onsets, steps)):
            strings = [count % len(chord)] if layout == "arp" else range(len(chord))
            for string in strings:
                late = 0.12 * string if layout == "strum" else 0
                notes["chords"].append((first + step + late, length, chord[string], velocity, 0.2 * string - 0.3))
        half = (bar % 2) * steps
        played = np.flatnonzero(motif[half : half + steps])
        for step, following in zip(played, [*played[1:], steps]):
            degree = root + contour[half + step] + rng.choice((0, 0, 0, 1, -1))
            hold = int(min(6, following - step))
            notes["lead"].append((int(first + step), hold, tone(degree) + 12, rng.uniform(0.7, 1), artist.pan))
    return notes


def _texture(kind, length, rng):
    """Returns background sound, (2, samples) float32, at its level in the mix: hiss, crackle, swelling noise, or grains."""
    if kind == "none":
        return np.zeros((2, length), np.float32)
    if kind == "grains":
        bus = np.zeros((2, length), np.float32)
        for _ in range(rng.integers(15, 60)):
            grain = _play(TIMBRES["clang"], rng.uniform(50, 105), rng.uniform(0.03, 0.25), rng)
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
    """Returns `bus` (2, samples) through a tanh waveshaper and a loudspeaker's low-pass at 5 kHz, or as it is below gain 1."""
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

    The reverb is exponentially decaying noise (Moorer, "About this reverberation business", 1979), without the lows that
    would blur kick and bass.
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
    """Returns one track, (samples, 2) float32 at `SAMPLE_RATE`, cut from the middle of the music, with |x| < 0.8.

    Args:
        genre: one of `GENRES`.
        artist_seed: int or sequence of ints; the same seed and genre give the same artist.
        track_seed: int or sequence of ints; the track within the artist's work.
        seconds: length.

    Raises:
        ValueError: if `genre` is none of `GENRES` or `seconds` is not positive.

    Example:
        >>> audio = render_track("Folk", artist_seed=1, track_seed=2)
        >>> audio.shape
        (441000, 2)
    """
    if genre not in GENRES:
        raise ValueError(f"`genre` must be one of {GENRES}. Received: genre={genre!r}")
    if not 0 < seconds < np.inf:
        raise ValueError(f"`seconds` must be positive. Received: seconds={seconds}")
    # The leading 1 and 2 keep the two streams apart where the seeds are the same.
    where = GENRES.index(genre)
    artist = draw_artist(genre, np.random.default_rng([1, where, *np.atleast_1d(artist_seed)]))
    rng = np.random.default_rng([2, where, *np.atleast_1d(track_seed)])
    length = round(seconds * SAMPLE_RATE)
    pattern = DRUMS[artist.drums]
    steps = len(next(iter(pattern.values())))
    step_seconds = 15 / (artist.tempo * rng.uniform(0.94, 1.06))
    bars = int(seconds / (steps * step_seconds)) + 2
    early = rng.random() * steps * step_seconds  # the clip begins anywhere in the first bar

    def sample(step):
        swing = artist.swing if int(step) % 2 else 0
        return int(((step + swing) * step_seconds - early + rng.normal(0, 0.003)) * SAMPLE_RATE)

    parts = {part: np.zeros((2, length), np.float32) for part in ("drums", "bass", "chords", "lead")}
    dips = np.ones(length, np.float32)  # how the kick pushes other parts down, the "pumping" of dance music
    dip = 1 - artist.duck * np.exp(-np.arange(0.35 * SAMPLE_RATE, dtype=np.float32) / (0.12 * SAMPLE_RATE))
    for drum, marks in pattern.items():
        pan = {"hat": 0.3, "shaker": -0.4}.get(drum, 0.0)
        for bar in range(bars):
            for step, velocity in _hits(marks, steps):
                if drum != "kick" and rng.random() < 0.06:
                    continue  # nobody plays every note of every bar
                start = sample(bar * steps + step)
                _add(parts["drums"], start, artist.kit[drum], velocity * rng.uniform(0.85, 1), pan)
                if drum == "kick" and start >= 0:
                    dips[start : start + len(dip)] = dip[: max(0, length - start)]
    for part, notes in _compose(artist, rng, bars, steps).items():
        timbre, cache = getattr(artist, part), {}
        for step, hold, pitch, velocity, pan in notes:
            start = sample(step)
            if start < length:
                if (pitch, hold) not in cache:
                    cache[pitch, hold] = _play(timbre, pitch, hold * step_seconds + timbre.release, rng)
                _add(parts[part], start, cache[pitch, hold], velocity, pan)
    for part in ("chords", "lead"):
        parts[part] = _drive(parts[part], artist.drive)
    parts["chords"] = _chorus(parts["chords"], artist.chorus) * dips
    parts["bass"] *= dips
    mix = _texture(artist.texture, length, rng)
    for bus, level in zip(parts.values(), artist.levels + rng.normal(0, 1, 4)):
        mix += bus * np.float32(10 ** (level / 20) / (_rms(bus) + 1e-6))
    # A circular convolution: the reverb of the end sounds at the beginning, as in a clip cut from the middle of a song.
    size = scipy.fft.next_fast_len(length, real=True)
    mix = scipy.fft.irfft(scipy.fft.rfft(mix, size) * _room(artist, step_seconds, size, rng), size)[:, :length]
    return _level(mix, artist.squash, artist.loudness + rng.normal(0, 1)).T


# -------------------------------------------------------------------------------------------------------------- the corpus

COLUMNS = {  # the 52 columns of FMA's tracks.csv
    "album": "comments date_created date_released engineer favorites id information listens producer tags title tracks type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created favorites id latitude location "
    "longitude members name related_projects tags website wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top genres genres_all information "
    "interest language_code license listens lyricist number publisher tags title",
}
GENRE_IDS = dict(zip(GENRES, (15, 38, 17, 21, 1235, 2, 10, 12)))  # FMA's own numbers
# Of these artists, albums and titles are made.
ADJECTIVES = "Amber Silent Paper Northern Velvet Copper Distant Hollow Electric Wandering Crimson Salt".split()
BANDS = "Rivers Harbour Foxes Engine Gardens Signal Lanterns Orchard Union Mirrors Parade Tides".split()
THINGS = "Morning Window Road Winter Letter Machine Shadow Ocean Fire Mountain Station Rain".split()


def list_tracks(tracks_per_genre, seed=0, seconds=10.0):
    """Returns the table of tracks that `make_corpus` writes: index `track_id`, FMA's 52 columns, nothing rendered.

    Two tracks to an artist; of each genre's artists about 60, 15 and 25 % go to training, validation and test, at least one
    to each. Identifiers alternate between the genres, so that a smaller corpus is the beginning of a larger one.
    """
    artists = -(-tracks_per_genre // TRACKS_PER_ARTIST)
    test, validation = max(1, round(0.25 * artists)), max(1, round(0.15 * artists))
    splits = ["training"] * (artists - test - validation) + ["validation"] * validation + ["test"] * test
    rows = {}
    for genre_index, genre in enumerate(GENRES):
        for number in range(tracks_per_genre):
            artist, track = divmod(number, TRACKS_PER_ARTIST)
            artist_id = 1 + artist * len(GENRES) + genre_index
            names = np.random.default_rng([3, seed, artist_id])
            name = f"{names.choice(ADJECTIVES)} {names.choice(BANDS)}"
            album = f"{names.choice(ADJECTIVES)} {names.choice(THINGS)}"
            title = " ".join(np.random.default_rng([4, seed, artist_id, track]).choice(THINGS, 2, replace=False))
            rows[1 + number * len(GENRES) + genre_index] = {
                ("album", "id"): artist_id, ("album", "title"): album, ("album", "tracks"): TRACKS_PER_ARTIST,
                ("album", "type"): "Album", ("album", "tags"): "[]", ("artist", "id"): artist_id, ("artist", "name"): name,
                ("artist", "tags"): "[]", ("set", "split"): splits[artist], ("set", "subset"): "small",
                ("track", "bit_rate"): BIT_RATE, ("track", "duration"): int(seconds), ("track", "genre_top"): genre,
                ("track", "genres"): f"[{GENRE_IDS[genre]}]", ("track", "genres_all"): f"[{GENRE_IDS[genre]}]",
                ("track", "license"): "CC0 1.0", ("track", "number"): track + 1, ("track", "tags"): "[]", ("track", "title"): title,
            }
    columns = pd.MultiIndex.from_tuples([(group, name) for group, names in COLUMNS.items() for name in names.split()])
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("track_id").sort_index()


def _make_track(path, genre, artist_seed, track_seed, seconds):
    """Renders one track and writes it as an MP3 of constant bitrate."""
    audio = render_track(genre, artist_seed=artist_seed, track_seed=track_seed, seconds=seconds)
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_channels(2)
    encoder.set_bit_rate(BIT_RATE // 1000)
    encoder.set_quality(LAME_QUALITY)
    encoder.silence()  # else LAME prints its settings
    samples = np.rint(audio * 32767).astype("<i2")
    with paths.atomic(path) as temporary:
        temporary.write_bytes(encoder.encode(samples.tobytes()) + encoder.flush())


def make_corpus(directory, *, tracks_per_genre=40, seconds=10.0, seed=0, n_jobs=-1, progress=True):
    """Makes a corpus of synthetic music in FMA's layout and returns its directory.

    Writes `fma_small/000/000001.mp3` and so on (44.1 kHz, stereo), `fma_metadata/genres.csv`, and last of all
    `fma_metadata/tracks.csv`. A run that was interrupted goes on where it stopped; a finished corpus returns at once.

    Args:
        directory: where to write; created if need be.
        tracks_per_genre: at least 6, so that every genre has an artist in every split.
        seconds: length of each track, at least 10.
        seed: int, 0 or more. The same seed gives the same bytes on the same machine.
        n_jobs: processes, as in joblib; -1 is one per core.
        progress: whether to show a bar on standard output.

    Returns:
        `pathlib.Path` of the directory.

    Raises:
        ValueError: if an argument is out of range, or the directory holds a corpus made with other parameters.
    """
    if not isinstance(tracks_per_genre, (int, np.integer)) or tracks_per_genre < 6:
        raise ValueError(f"`tracks_per_genre` must be an integer of at least 6. Received: tracks_per_genre={tracks_per_genre}")
    if not 10 <= seconds < np.inf:
        raise ValueError(f"`seconds` must be at least 10. Received: seconds={seconds}")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"`seed` must be a non-negative integer. Received: seed={seed}")
    directory = Path(directory)
    parameters = {"version": VERSION, "tracks_per_genre": int(tracks_per_genre), "seconds": float(seconds), "seed": int(seed)}
    note, table_path = directory / "synth.json", directory / "fma_metadata" / "tracks.csv"
    found = json.loads(note.read_text()) if note.exists() else ("other data" if table_path.exists() else parameters)
    if found != parameters:
        raise ValueError(
            f"{directory} holds {found}, not the corpus of {parameters}. Choose another directory or delete this one. "
            f"Received: directory={str(directory)!r}"
        )
    table = list_tracks(int(tracks_per_genre), int(seed), seconds)
    jobs = []
    for track_id, row in table.iterrows():
        path = directory / "fma_small" / f"{track_id:06d}"[:3] / f"{track_id:06d}.mp3"
        artist_seed = (int(seed), row["artist", "id"])
        track_seed = (*artist_seed, row["track", "number"])
        if not path.exists():
            jobs.append((path, row["track", "genre_top"], artist_seed, track_seed, float(seconds)))
    if table_path.exists() and not jobs:
        return directory
    # The parameters go first, so that even an interrupted run is never continued with others.
    paths.write_json(note, parameters)
    made = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(joblib.delayed(_make_track)(*job) for job in jobs)
    for _ in progress_bar(made, total=len(jobs), desc="Synthesising music", unit="track", progress=progress):
        pass
    ids = list(GENRE_IDS.values())
    genres = pd.DataFrame({"#tracks": tracks_per_genre, "parent": 0, "title": GENRES, "top_level": ids}, index=ids)
    for path, content in ((table_path.with_name("genres.csv"), genres.rename_axis("genre_id").sort_index()), (table_path, table)):
        with paths.atomic(path) as temporary:
            content.to_csv(temporary)
    return directory
