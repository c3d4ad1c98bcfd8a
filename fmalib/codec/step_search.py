"""The step sizes of a file's chunks: for a bitrate, searched or steered, or for a signal-to-noise ratio."""

import dataclasses
import itertools

import numpy as np

from fmalib.codec import quantiser, rate_control
from fmalib.codec.profiles import PROFILES

SNR_TRIES = 8
LEAST, MOST = 0.97, 1.025  # of the bytes wanted: what a file with a network may have, since to code it again takes long
ROUGH = 0.3  # width of the range of bytes that a first step size may give; the share of a network hardly changes within it
LATER = 1.013  # over a whole chunk, tables without a network adapt more, so a network saves less
SHARE, SAMPLED = 0.92, 4  # of bytes that is left with a network, about; it is measured on one frame of so many
DENSE = 2.0  # bits a coefficient; from here on half as many frames tell the share as well
COARSEST = 65_535  # number of a step size
MAKE_UP, MISS = 0.2, 0.0125  # of the bytes of later chunks, and of all: a larger miss of one chunk is mended at once
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

    A network is slow, so a first search counts bytes without it, and a part of the frames tells which share it leaves. Then one
    try mostly fits.
    """
    profile, kept, wanted = PROFILES[header.profile], {}, max(wanted, 1)

    def size_with(model):
        def size(number):
            kept.clear()
            kept[number] = [profile.pack(profile.quantise(each, number, header), model) for each in chunks]
            return sum(map(len, kept[number]))

        return size

    if header.model == "mdct":
        size, options = size_with(header), {}
    else:
        plain = dataclasses.replace(header, model="mdct", model_hash=bytes(4))
        usual = size_with(plain)
        number = rate_control.search(usual, counts, wanted / SHARE * (1 + ROUGH / 2), tolerance=ROUGH)
        real = sum(map(len, kept[number])) if number in kept else usual(number)
        dense = 8 * real > DENSE * sum(each.coefficients.size for each in chunks)
        share = _measured_share(chunks, number, header, plain, one_in=2 * SAMPLED if dense else SAMPLED)
        ratio = rate_control.off(share * real, rate_control.bits(counts, number))
        size, options = size_with(header), {"tolerance": 1 - LEAST / MOST, "ratio": ratio}
        wanted *= MOST
    number = rate_control.search(size, counts, wanted, **options)
    if number not in kept:
        size(number)
    yield from ((number, body) for body in kept[number])


def _measured_share(chunks, number, header, plain, *, one_in):
    """Returns which share of the bytes without a network is left with one, in a stretch of both halves of each chunk."""
    profile, sizes = PROFILES[header.profile], np.zeros(2)
    for each, middle in itertools.product(chunks, (0.25, 0.75)):
        frames = each.coefficients.shape[1]
        start, reach = int(middle * frames), frames // (4 * one_in) + 1
        some = slice(max(start - reach, 0), start + reach)
        part = dataclasses.replace(each, coefficients=each.coefficients[:, some], splits=each.splits[some])
        levels = profile.quantise(part, number, header)
        sizes += len(profile.pack(levels, header)), len(profile.pack(levels, plain))
    return LATER * sizes[0] / sizes[1]


def steered(header, chunks, histograms, wanted):
    """Yields (number of the step size, body) of many chunks: each gets the step size that would use up what is left.

    A chunk whose bytes miss its share by more than the others can make up for is coded again at the step size for its share.
    """
    wanted = total = (1 - rate_control.TOLERANCE / 2) * wanted
    real, foretold, least = 0.0, 0.0, 0  # bytes, bits, bytes
    audible = [each.any() for each in histograms]
    left, many = (np.cumsum(each[::-1], axis=0)[::-1] for each in (histograms, audible))  # of each chunk and all behind it
    for index, frames in enumerate(chunks):
        counts, mine, some = (each[min(index, len(each) - 1)] for each in (left, histograms, many))
        least = least or len(pack(frames, COARSEST, header))  # a head, and maybe an envelope
        free = max(wanted - least * some, 1)
        for _ in range(1 if index else 3):  # the first chunk also tells how bits and their estimate differ
            ratio = rate_control.off(real, foretold) if foretold else 1.0
            number = rate_control.for_bits(counts, 8 * free / ratio)
            body = pack(frames, number, header)
            if not index:
                real, foretold = len(body) - least, rate_control.bits(mine, number)
        share = least * mine.any() + free * rate_control.bits(mine, number) / max(rate_control.bits(counts, number), 1e-9)
        room = max(MAKE_UP * (wanted - share), MISS * total)
        if abs(len(body) - share) > room:
            ratio = rate_control.off(len(body), rate_control.bits(mine, number))
            number, body = _filled(frames, mine, header, (max(share, 1), room), ratio)
        weight = MEMORY if index else 0
        real = weight * real + max(len(body) - least, 0)
        foretold = weight * foretold + rate_control.bits(mine, number)
        wanted -= len(body)
        yield number, body


def _filled(frames, counts, header, bytes_and_room, ratio):
    """Returns (number of the step size, body) of a chunk that has so many bytes, or up to so many more or fewer."""
    (wanted, room), bodies = bytes_and_room, {}

    def size(number):
        bodies[number] = pack(frames, number, header)
        return len(bodies[number])

    tolerance = min(2 * room / wanted, 0.5)
    number = rate_control.search(size, counts, wanted * (1 + tolerance / 2), tolerance=tolerance, ratio=ratio)
    return number, bodies[number] if number in bodies else pack(frames, number, header)
