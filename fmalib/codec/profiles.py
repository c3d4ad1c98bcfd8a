"""The profiles by name: what the codec optimises. A profile is a module with the functions of `fmalib.codec.waveform`."""

from fmalib.codec import listening, waveform

PROFILES = {"waveform": waveform, "listening": listening}
