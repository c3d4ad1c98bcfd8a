"""A codec with files of its own; coders side by side: metrics, classical coders, autoencoders as coders."""

from fmalib.codec.file_codec import decode, encode

__all__ = ["decode", "encode"]
