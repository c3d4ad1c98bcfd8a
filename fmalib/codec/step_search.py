"""The step sizes of a file's chunks: for a bitrate, searched or steered, or for a signal-to-noise ratio."""

import dataclasses

import numpy as np

from fmalib.codec import quantiser, rate_control
from fmalib.codec.profiles import PROFILES

SNR_TRIES, MOST = 8, 1.004  # files may have more bytes than wanted by so much
SEARCHES = 3  # how often a step is looked for
MEMORY = 0.7  # weight of chunks before the last when the bits of the next are foretold


def pack(frames, number, header):
    """Returns the bytes of a chunk's frames, as its profile analyses them, at the step size with a number."""
    profile = PROFILES[header.profile]
    return profile.pack(profile.quantise(frames, number, header), header)


def for_snr(header, chunks, counts, decibels):
    """Returns the number of the step size for a signal-to-noise ratio; the first chunks tell how far the estimate is off."""
    profile, number = PROFILES[header.profile], rate_control.for_snr(counts, decibels)
    mine = sum(profile.histogram(each.coefficients, header.sample_rate) for each in chunks)
    wanted = decibels + rate_control.snr(mine, number) - rate_control.snr(counts, number)  # the first chunks may be louder
    energy = sum(np.sum(np.square(each.coefficients)) for each in chunks)
    for _ in range(SNR_TRIES if energy else 0):
        back = [profile.dequantise(profile.quantise(each, number, header), header) for each in chunks]
        error = sum(np.sum(np.square(each.coefficients - decoded)) for each, decoded in zip(chunks, back))
        off = 10 * np.log10(energy / max(error, 1e-30)) - wanted
        number = int(np.clip(number + off / 6.02 * quantiser.STEPS_PER_OCTAVE, 0, 65_535))  # an octave is 6 dB, or less
        if abs(off) < 0.1:
            break
    return number


def searched(header, chunks, counts, wanted):
    """Yields (number of the step size, body) of a few chunks, at the one step size that fits best.

    A network is slow, so the search counts bytes without it, and its share of them is learned from what it really makes.
    """
    profile, plain = PROFILES[header.profile], dataclasses.replace(header, model="mdct", model_hash=bytes(4))
    share, ratio, kept = 1.0 if header.model == "mdct" else _usual_share(chunks, wanted), 1.0, {}

    def plainly(number):
        kept.clear()
        levels = [profile.quantise(each, number, header) for each in chunks]
        kept[number] = levels, [profile.pack(each, plain) for each in levels]
        return share * sum(map(len, kept[number][1]))

    for _ in range(SEARCHES):
        number = rate_control.search(plainly, counts, max(wanted, 1), ratio=ratio)
        if number not in kept:
            plainly(number)
        levels, bodies = kept[number]
        if header.model == "mdct":
            break
        usual, bodies = sum(map(len, bodies)), [profile.pack(each, header) for each in levels]
        real = sum(map(len, bodies))
        if (1 - 2 * rate_control.TOLERANCE) * wanted <= real <= MOST * wanted:
            break
        share, ratio = real / max(usual, 1), 8 * real / max(rate_control.bits(counts, number), 1)
    yield from ((number, body) for body in bodies)


def _usual_share(chunks, wanted):
    """Returns about which share of the bytes without a network is left with one, by bits a coefficient."""
    bits = 8 * max(wanted, 1) / sum(each.coefficients.size for each in chunks)
    return min(0.945 + 0.01 * float(np.log2(bits / 0.73)), 1.0)


def steered(header, chunks, histograms, wanted):
    """Yields (number of the step size, body) of many chunks: each gets the step size that would use up what is left."""
    real = foretold = 0.0
    left = np.cumsum(histograms[::-1], axis=0)[::-1]  # of each chunk and all behind it
    for index, frames in enumerate(chunks):
        counts = left[min(index, len(left) - 1)]
        for _ in range(1 if index else 3):  # the first chunk also tells how bits and their estimate differ
            ratio = real / foretold if foretold else 1.0
            number = rate_control.for_bits(counts, 8 * max(wanted, 1) / ratio)
            body = pack(frames, number, header)
            if not index:
                real = foretold = 0.0
            mine = histograms[min(index, len(histograms) - 1)]
            real = MEMORY * real + 8 * len(body)
            foretold = MEMORY * foretold + rate_control.bits(mine, number)
        wanted -= len(body)
        yield number, body
