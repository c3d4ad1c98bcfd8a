"""The recipes of the synthetic music: its genres, scales, patterns and instruments. Tables, no code."""

import dataclasses
from types import SimpleNamespace


class Recipe(SimpleNamespace):
    """Ranges `(low, high)` and tuples of names, from which the sound of an artist is drawn in the order of the attributes.

    Attributes:
        related: genres from which its artists borrow.
        tempo, swing: beats per minute, four steps to the beat; delay of every second step, in steps.
        scale, progression, drums, bass_line, chord_style, texture: names.
        bass, chords, lead: names of timbres.
        density: chance of a melody note on each step of the motif.
        levels: dB of drums, bass, chords and lead around which the artist's mix lies.
        drive, chorus: gain into the waveshaper of chords and lead, clean below 1; depth in milliseconds.
        duck: by which the kick lowers bass and chords, 0 to 1.
        reverb, wet, echo: seconds to -60 dB; reverb against dry, in dB; feedback of a delay of three steps.
        cutoff, tilt: low-pass of the whole mix, in kHz; dB per octave around 1 kHz.
        squash: compression, 0 none, 1 constant loudness.
    """


# fmt: off
RECIPES = {
    "Electronic": Recipe(
        related=("Pop", "Hip-Hop", "Experimental", "Instrumental"), tempo=(112, 142), swing=(0, 0.12),
        scale=("minor", "dorian", "phrygian"), progression=("vamp", "minor_pop", "static"),
        drums=("four_floor", "four_floor", "electro", "breakbeat"), bass=("saw_bass", "sub", "fm_bass"),
        bass_line=("offbeat", "octave", "eighths"), chords=("supersaw", "square", "bell"), chord_style=("stab", "pad", "arp"),
        lead=("square", "saw", "bell"), density=(0.2, 0.6), texture=("none", "swell", "hiss"), levels=(-3, -5, -9, -10),
        drive=(0.3, 1.5), chorus=(0, 4), duck=(0.2, 0.9), reverb=(0.5, 2.0), wet=(-22, -12), echo=(0.1, 0.5), cutoff=(11, 18),
        tilt=(-0.5, 0.6), squash=(0.3, 0.7),
    ),
    "Experimental": Recipe(
        related=("Electronic", "Instrumental", "Rock", "International"), tempo=(50, 160), swing=(0, 0.3),
        scale=("whole", "phrygian", "chromatic"), progression=("static", "drift"),
        drums=("silent", "silent", "scatter", "electro"), bass=("sub", "fm_bass", "organ"), bass_line=("long", "none", "none"),
        chords=("clang", "clang", "organ", "bell"), chord_style=("pad", "sparse"), lead=("clang", "clang", "bell", "saw"),
        density=(0.05, 0.4), texture=("swell", "grains", "hiss", "crackle"), levels=(-9, -10, -9, -9), drive=(0.3, 2.5),
        chorus=(0, 8), duck=(0, 0.2), reverb=(1.5, 5.0), wet=(-14, -4), echo=(0.2, 0.7), cutoff=(4, 16), tilt=(-1.5, 1.5),
        squash=(0.0, 0.5),
    ),
    "Folk": Recipe(
        related=("Instrumental", "International", "Pop", "Rock"), tempo=(78, 132), swing=(0, 0.25),
        scale=("major", "mixolydian", "dorian"), progression=("folk", "pop", "vamp"),
        drums=("silent", "silent", "shaker", "brushes", "waltz"), bass=("upright", "nylon"),
        bass_line=("none", "roots", "alternate"), chords=("steel", "steel", "nylon"), chord_style=("strum", "arp", "waltz"),
        lead=("voice", "fiddle", "flute", "steel"), density=(0.2, 0.45), texture=("hiss", "none"), levels=(-12, -11, -6, -7),
        drive=(0.1, 0.6), chorus=(0, 1), duck=(0, 0), reverb=(0.3, 1.2), wet=(-24, -14), echo=(0, 0.1), cutoff=(7, 14),
        tilt=(-1.0, 0.5), squash=(0.0, 0.4),
    ),
    "Hip-Hop": Recipe(
        related=("Electronic", "Pop", "Instrumental"), tempo=(72, 100), swing=(0.1, 0.4),
        scale=("minor", "dorian", "minor_pentatonic"), progression=("vamp", "static", "jazz"),
        drums=("boom_bap", "boom_bap", "trap", "breakbeat"), bass=("sub", "sub", "upright"),
        bass_line=("syncopated", "long", "roots"), chords=("epiano", "epiano", "piano"), chord_style=("comp", "sparse", "arp"),
        lead=("rap", "rap", "voice", "flute"), density=(0.5, 0.9), texture=("crackle", "crackle", "hiss", "none"),
        levels=(-3, -4, -13, -6), drive=(0.2, 1.2), chorus=(0, 3), duck=(0, 0.4), reverb=(0.2, 0.8), wet=(-28, -16),
        echo=(0, 0.3), cutoff=(5, 11), tilt=(-1.8, -0.4), squash=(0.3, 0.7),
    ),
    "Instrumental": Recipe(
        related=("Folk", "Experimental", "Electronic", "Rock"), tempo=(60, 120), swing=(0, 0.15),
        scale=("major", "minor", "lydian"), progression=("minor_pop", "jazz", "folk"),
        drums=("silent", "silent", "brushes", "soft"), bass=("upright", "sub", "strings"), bass_line=("long", "roots", "none"),
        chords=("piano", "strings", "epiano", "nylon"), chord_style=("arp", "block", "pad"),
        lead=("piano", "strings", "flute", "bell", "nylon"), density=(0.15, 0.4), texture=("none", "hiss", "swell"),
        levels=(-13, -10, -7, -6), drive=(0.1, 0.5), chorus=(0, 3), duck=(0, 0.1), reverb=(1.5, 3.5), wet=(-14, -6),
        echo=(0, 0.25), cutoff=(6, 15), tilt=(-1.2, 0.3), squash=(0.0, 0.4),
    ),
    "International": Recipe(
        related=("Folk", "Instrumental", "Pop", "Hip-Hop"), tempo=(88, 150), swing=(0, 0.3),
        scale=("hijaz", "slendro", "pentatonic", "double_harmonic"), progression=("static", "vamp", "drift"),
        drums=("hand", "hand", "darbuka", "clave", "waltz"), bass=("oud", "upright"), bass_line=("none", "syncopated", "roots"),
        chords=("koto", "oud", "oud"), chord_style=("drone", "arp", "comp"), lead=("reed", "reed", "oud", "koto", "flute"),
        density=(0.35, 0.75), texture=("none", "hiss"), levels=(-4, -10, -12, -5), drive=(0.1, 0.9), chorus=(0, 1.5),
        duck=(0, 0), reverb=(0.3, 1.5), wet=(-22, -12), echo=(0, 0.2), cutoff=(6, 12), tilt=(0.0, 1.3), squash=(0.1, 0.5),
    ),
    "Pop": Recipe(
        related=("Electronic", "Rock", "Folk", "Hip-Hop"), tempo=(92, 130), swing=(0, 0.15), scale=("major", "major", "minor"),
        progression=("pop", "minor_pop", "folk"), drums=("backbeat", "backbeat", "four_floor", "electro"),
        bass=("saw_bass", "upright", "fm_bass"), bass_line=("eighths", "roots", "syncopated"),
        chords=("piano", "epiano", "supersaw", "steel"), chord_style=("block", "comp", "strum"),
        lead=("voice", "voice", "square"), density=(0.3, 0.55), texture=("none", "hiss"), levels=(-5, -8, -9, -3),
        drive=(0.2, 1.2), chorus=(1, 4), duck=(0, 0.4), reverb=(0.6, 1.8), wet=(-20, -12), echo=(0.05, 0.35), cutoff=(11, 17),
        tilt=(-0.2, 1.0), squash=(0.4, 0.8),
    ),
    "Rock": Recipe(
        related=("Pop", "Folk", "Experimental", "Instrumental"), tempo=(98, 172), swing=(0, 0.1),
        scale=("minor_pentatonic", "mixolydian", "major"), progression=("rock", "pop", "vamp"),
        drums=("backbeat", "rock", "rock", "breakbeat"), bass=("saw_bass", "picked"), bass_line=("eighths", "eighths", "roots"),
        chords=("guitar", "guitar", "steel"), chord_style=("power", "power", "strum"), lead=("guitar", "voice", "voice"),
        density=(0.2, 0.5), texture=("hiss", "none"), levels=(-5, -8, -5, -7), drive=(1.5, 9.0), chorus=(0, 2), duck=(0, 0),
        reverb=(0.4, 1.4), wet=(-22, -12), echo=(0, 0.2), cutoff=(7, 14), tilt=(-0.4, 1.0), squash=(0.3, 0.8),
    ),
}
GENRES = tuple(RECIPES)

# Semitones above the key note; the slendro steps are the nearly equal fifths of an octave of Javanese gamelan.
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10), "lydian": (0, 2, 4, 6, 7, 9, 11), "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "minor_pentatonic": (0, 3, 5, 7, 10), "pentatonic": (0, 2, 4, 7, 9), "whole": (0, 2, 4, 6, 8, 10),
    "chromatic": tuple(range(12)), "hijaz": (0, 1, 4, 5, 7, 8, 10), "double_harmonic": (0, 1, 4, 5, 7, 8, 11),
    "slendro": (0, 2.4, 4.8, 7.2, 9.6),
}

# Scale degrees of the chord roots, one to the bar.
PROGRESSIONS = {
    "pop": (0, 4, 5, 3), "minor_pop": (0, 5, 2, 6), "folk": (0, 3, 0, 4), "jazz": (1, 4, 0, 5), "rock": (0, 0, 3, 4),
    "vamp": (0, 0, 6, 6), "static": (0,), "drift": (0, 1, 0, 2),
}

# One character a step; the bar is as long as the strings. Capitals are accents, dots are rests.
DRUMS = {
    "silent": {"kick": "................"},
    "four_floor": {
        "kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "..X...X...X...X.", "shaker": "xxxxxxxxxxxxxxxx",
    },
    "electro": {"kick": "X.....X...X.....", "clap": "....X.......X...", "hat": "x.x.x.xxx.x.x.x."},
    "breakbeat": {"kick": "X.X.......XX....", "snare": "....X..x.x..X..x", "hat": "x.x.x.x.x.x.x.x."},
    "boom_bap": {"kick": "X......xX.x.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.xx"},
    "trap": {"kick": "X......X..X.....", "clap": "........X.......", "hat": "x.x.xxx.x.x.xxxx"},
    "backbeat": {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
    "rock": {"kick": "X...x...X.x.....", "snare": "....X.......X...", "cymbal": "X...x...x...x..."},
    "soft": {"kick": "x.......x.......", "rim": "....x.......x...", "hat": "....x.......x..."},
    "brushes": {"kick": "x.......x.......", "shaker": "x.x.X.x.x.x.X.x."},
    "shaker": {"shaker": "X.x.X.x.X.x.X.xx"},
    "waltz": {"kick": "x...........", "shaker": "x.x.X.x.X.x."},
    "hand": {"low": "X.....x...X.....", "high": "..xx..X.xx..xxX."},
    "darbuka": {"low": "X.......X.......", "high": "..X...X...x.X.xx", "shaker": "x.x.x.x.x.x.x.x."},
    "clave": {"rim": "X..X..X...X.X...", "low": "x.......x.....x.", "shaker": "x.xxx.xxx.xxx.xx"},
    "scatter": {"low": "x...............", "rim": "..x....x........", "cymbal": "X..............."},
}

BASS_LINES = {
    "none": "................", "long": "X...............", "roots": "X.......X.......", "eighths": "X.x.x.x.x.x.x.x.",
    "offbeat": "..X...X...X...X.", "octave": "x.X.x.X.x.X.x.X.", "alternate": "X...x...X...x...",
    "syncopated": "X..x..x...X..x..",
}

# Onsets, length of the notes in steps, and how the chord is laid out.
CHORD_STYLES = {
    "pad": ("X...............", 16, "block"), "block": ("X...x...X...x...", 4, "block"),
    "stab": ("..X..x....X..x..", 1, "block"), "comp": ("X..x..x...X..x..", 2, "block"),
    "sparse": ("X.........x.....", 6, "block"), "arp": ("X.x.x.x.X.x.x.x.", 4, "arp"),
    "strum": ("X..xx.x.X..xx.x.", 4, "strum"), "waltz": ("X...x...x...X...", 4, "strum"),
    "power": ("X.x.x.x.X.xxx.x.", 2, "power"), "drone": ("X.......X.......", 10, "power"),
}
# fmt: on


@dataclasses.dataclass(frozen=True)
class Timbre:
    """How one instrument makes a note. `method` is "wave" (a filtered wavetable), "fm" or "pluck"."""

    method: str = "wave"
    slope: float = 1.0  # wave: harmonic k has amplitude k ** -slope
    even: float = 1.0  # wave: gain of the even harmonics; 0 gives the hollow sound of a square wave
    dark: float = 1000.0  # wave: low-pass to which a note decays, Hz
    bright: float = 4000.0  # wave: low-pass at its attack, Hz; pluck: low-pass of the plucking noise, Hz
    formants: tuple = ()  # wave: Hz of the resonances, one set or several (vowels)
    unison: int = 1  # wave: detuned copies
    ratio: float = 1.0  # fm: modulator over carrier
    index: float = 2.0  # fm: modulation index at the attack
    attack: float = 0.005  # seconds
    decay: float = 0.3  # seconds
    sustain: float = 0.7  # level after the decay
    release: float = 0.08  # seconds
    vibrato: float = 0.0  # semitones
    glide: float = 0.0  # semitones that the pitch falls over the note
    breath: float = 0.0  # noise against tone
    octave: int = 0  # transposition


# fmt: off
VOWELS = ((750, 1200, 2600), (500, 1800, 2500), (300, 2200, 3000), (450, 850, 2500), (320, 750, 2300))
TIMBRES = {
    "saw": Timbre(dark=900, bright=6000, decay=0.25),
    "square": Timbre(even=0.05, dark=1200, bright=6000, sustain=0.5),
    "supersaw": Timbre(dark=1800, bright=7000, unison=3, attack=0.02, release=0.2),
    "organ": Timbre(slope=0.7, dark=2500, bright=2500, sustain=1, decay=0.01, vibrato=0.08),
    "strings": Timbre(dark=1800, bright=2600, unison=2, attack=0.15, sustain=0.9, release=0.3, vibrato=0.12),
    "piano": Timbre(slope=1.2, dark=500, bright=4500, decay=0.9, sustain=0.08, release=0.25),
    "flute": Timbre(slope=2.2, dark=1800, bright=2400, attack=0.05, sustain=0.9, vibrato=0.15, breath=0.05, octave=1),
    "reed": Timbre(
        slope=0.6, even=0.4, dark=2500, bright=4000, formants=((1000, 1700, 3200),), attack=0.02, sustain=0.9, vibrato=0.3,
    ),
    "fiddle": Timbre(dark=3000, bright=4500, formants=((550, 1300, 2900),), attack=0.06, sustain=0.9, vibrato=0.25),
    "voice": Timbre(dark=3500, bright=4500, formants=VOWELS, attack=0.05, sustain=0.85, release=0.12, vibrato=0.3, breath=0.02),
    "rap": Timbre(
        slope=0.9, dark=3000, bright=5000, formants=VOWELS, attack=0.012, decay=0.15, sustain=0.5, glide=3, breath=0.08,
        octave=-1,
    ),
    "guitar": Timbre(slope=0.7, even=0.5, dark=2200, bright=4500, attack=0.003, decay=0.3, sustain=0.6),
    "epiano": Timbre("fm", ratio=1, index=1.6, decay=0.8, sustain=0.15, release=0.2),
    "bell": Timbre("fm", ratio=3.5, index=2.2, decay=0.7, sustain=0.05, release=0.3, octave=1),
    "clang": Timbre("fm", ratio=1.414, index=4.5, attack=0.03, decay=1.5, sustain=0.3, release=0.5),
    "fm_bass": Timbre("fm", ratio=2, index=3, decay=0.25, sustain=0.4),
    "steel": Timbre("pluck", bright=7000, decay=2.2, release=0.15),
    "nylon": Timbre("pluck", bright=2500, decay=1.5, release=0.15),
    "oud": Timbre("pluck", bright=3500, decay=0.9),
    "koto": Timbre("pluck", bright=9000, decay=1.2, octave=1),
    "upright": Timbre("pluck", bright=900, decay=1.0),
    "picked": Timbre("pluck", bright=4000, decay=1.5),
    "saw_bass": Timbre(dark=350, bright=1800, decay=0.15),
    "sub": Timbre(slope=3, dark=300, bright=600, decay=0.5, sustain=0.7, glide=0.3),
}
# fmt: on
