"""Where the bits of a coded file go."""

import io
import itertools

import numpy as np

from fmalib.codec import bitstream, context_models, file_codec, levels

KHZ = 0, 0.5, 1, 2, 4, 8, 12, 24  # edges of the bands


def parts(data):
    """Returns how many bits each part of a coded file takes: a dict from part to bits, whose sum is `8 * len(data)`.

    The parts are the header; the heads of the chunks; side information, such as steps and envelopes; and the coefficients by
    band of frequency, by their ideal code lengths. What the range coder takes beyond these, a few words a chunk, counts as side
    information.

    Args:
        data: bytes by `fmalib.codec.encode`.

    Raises:
        FormatError: other bytes, or damaged ones.
    """
    reader = bitstream.Reader(io.BytesIO(data))
    header, by_bin = reader.header, 0.0
    for number in range(header.chunks):
        body, (first, behind) = reader.read(number), header.frames_of(number)
        chunk = file_codec.PROFILES[header.profile].unpack(body, behind - first, header)
        by_bin = by_bin + _by_bin(chunk, header)
    khz = (np.arange(header.hop) + 0.5) * header.sample_rate / 2000 / header.hop
    bands = {}
    for low, high in itertools.pairwise(KHZ):
        bands[f"{low:g} to {high:g} kHz"] = float(by_bin[(low <= khz) & (khz < high)].sum())
    bands = {name: bits for name, bits in bands.items() if bits}
    fixed = {"header": 8 * bitstream.OVERHEAD[0], "chunk heads": 8 * bitstream.OVERHEAD[1] * header.chunks}
    side = 8 * len(data) - sum(fixed.values()) - sum(bands.values())
    return fixed | {"side information": side} | bands


def _by_bin(chunk, header):
    """Returns the bits that the levels of a chunk take in each bin, `(hop,)`."""
    channels, _, bins = chunk.values.shape
    total = np.zeros(header.hop)
    if bins:
        total[:bins] = levels.bits(chunk.values, context_models.start(header, channels, bins), chunk.splits).sum(axis=(0, 1))
    return total
