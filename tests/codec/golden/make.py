"""Makes the golden files: `python tests/codec/golden/make.py NAME`. A file that is there is never made again."""

import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np

import fmalib.codec
from fmalib.codec import bitstream, file_codec, listening

FOLDER = Path(__file__).parent
CASES = {  # name: (sample rate, channels, seconds, options)
    "mono_8": (8000, 1, 2.0, {"kbps": 8}),
    "mono_64": (8000, 1, 1.0, {"kbps": 64}),
    "stereo_32": (44_100, 2, 1.0, {"kbps": 32}),
    "loud": (16_000, 1, 0.5, {"step": 2.0**-12}),
    "ear_mono_8": (8000, 1, 2.0, {"kbps": 8, "profile": "listening"}),
    "ear_stereo_48": (44_100, 2, 1.0, {"kbps": 48, "profile": "listening"}),
    "learned_mono_8": (8000, 1, 2.0, {"kbps": 8, "model": "learned"}),
    "learned_stereo_32": (44_100, 2, 1.0, {"kbps": 32, "model": "learned"}),
    "learned_ear_mono_8": (8000, 1, 2.0, {"kbps": 8, "model": "learned", "profile": "listening"}),
    "learned_ear_stereo_48": (44_100, 2, 1.0, {"kbps": 48, "model": "learned", "profile": "listening"}),
}


def audio_of(sample_rate, channels, seconds):
    """Returns tones, a click and noise that are drawn without a library's random numbers."""
    count = round(sample_rate * seconds)
    time = np.arange(count) / sample_rate
    state, noise = 1, np.empty(count)
    for place in range(count):
        state = (1_103_515_245 * state + 12_345) % 2**31
        noise[place] = state / 2**30 - 1
    song = 0.4 * np.sin(2 * np.pi * 440 * time) * np.exp(-2 * (time % 0.5)) + 0.05 * noise
    song[count // 2] += 0.5
    return song if channels == 1 else np.stack([song, 0.5 * song + 0.1 * np.sin(2 * np.pi * 660 * time)], axis=1)


def integers_of(data):
    """Returns the SHA-256 of all integers of a file: levels, step sizes, modes, centroids, envelopes."""
    reader, found = bitstream.Reader(io.BytesIO(data)), hashlib.sha256()
    for number, body in reader:
        first, behind = reader.header.frames_of(number)
        levels = file_codec.PROFILES[reader.header.profile].unpack(body, behind - first, reader.header)
        found.update(np.array([*levels.values.shape, levels.step, levels.mode, *levels.centroid], "<i8").tobytes())
        found.update(levels.values.astype("<i8").tobytes())
        if reader.header.profile == "listening":
            picture = listening.powers(levels.envelope, levels.envelope_step, behind - first, reader.header)
            for integers in (levels.splits, levels.envelope, picture):
                found.update(integers.astype("<i8").tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    file_codec.CHUNK_SECONDS = 0.5
    table = FOLDER / "integers.json"
    known = json.loads(table.read_text()) if table.exists() else {}
    for name in sys.argv[1:]:
        sample_rate, channels, seconds, options = CASES[name]
        path = FOLDER / f"{name}.fma"
        if path.exists():
            sys.exit(f"golden files stay as they are. Received: {path}")
        path.write_bytes(fmalib.codec.encode(audio_of(sample_rate, channels, seconds), sample_rate, **options))
        known[name] = integers_of(path.read_bytes())
    table.write_text(json.dumps(known, indent=2) + "\n")
