"""The profiles by name: each has what a file needs of it."""

from fmalib.codec import bitstream
from fmalib.codec.profiles import PROFILES


def test_profiles_have_numbers_in_the_format_and_the_same_functions():
    assert list(PROFILES) == list(bitstream.PROFILES)
    needed = ("analyse", "quantise", "dequantise", "synthesise", "pack", "unpack", "histogram", "HOP_SECONDS", "ROUND_HOP")
    assert all(hasattr(module, name) for module in PROFILES.values() for name in needed)
