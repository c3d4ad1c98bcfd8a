"""Coders side by side: metrics of reconstructions, classical coders, autoencoders as coders; and a codec with files of its own."""

from fmalib.codec.file_codec import decode, encode  # noqa: F401 (they are the codec)
