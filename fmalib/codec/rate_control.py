"""The step size for a number of bytes, or for a signal-to-noise ratio, from histograms of MDCT coefficients."""

import numpy as np

from fmalib.codec import quantiser

PER_OCTAVE, LOWEST, OCTAVES = 8, -30, 60  # bins of a histogram; what lies below counts as 0
_BINS = PER_OCTAVE * OCTAVES
_SQUARES = 4.0 ** ((np.arange(_BINS) + 0.5) / PER_OCTAVE + LOWEST)  # of the magnitude in the middle of a bin
CUBIC = 115  # fitted to real sizes of 15 pieces at 0.1 to 8 bits a coefficient: 8 % off, and by nearly the same at all steps
GRANULAR = 0.067  # squared error of a coefficient that is not rounded to 0, in squares of the step
MOST_TRIES, TOLERANCE = 12, 0.015
HALVED = 5, 7, 9, 11  # tries in the middle of two others, which help where bytes fall steeply
MOST_OFF = 8.0  # times bits that are really coded differ from their estimate; a chunk that all became 0 says nothing


def histogram(coefficients):
    """Returns how many coefficients, of any shape, have a magnitude in each eighth of an octave: int64 of shape `(480,)`."""
    sizes = np.abs(coefficients.astype(np.float32)).ravel()
    sizes = sizes[sizes > 2.0**LOWEST]
    places = (np.log2(sizes) - LOWEST) * PER_OCTAVE
    return np.bincount(np.clip(places.astype(np.int64), 0, _BINS - 1), minlength=_BINS)


def bits(counts, number):
    """Returns about how many bits coefficients take at the step size with a number; `counts` as by `histogram`."""
    squares = _SQUARES / quantiser.step_size(number) ** 2
    return float(counts @ np.log2(1 + CUBIC * squares**1.5 / (1 + np.sqrt(squares)))) / 2


def noise(counts, number):
    """Returns about what squared error the quantiser makes."""
    square = quantiser.step_size(number) ** 2
    lost = np.sqrt(_SQUARES / square) < 0.55
    return float(counts @ np.where(lost, _SQUARES, GRANULAR * square))


def snr(counts, number):
    """Returns about the signal-to-noise ratio in dB."""
    return 10 * float(np.log10(max(counts @ _SQUARES, 1e-30) / max(noise(counts, number), 1e-30)))


def finest(fits):
    """Returns the lowest number of a step size for which `fits(number)`, which stays true above it; else the highest."""
    low, high = 0, 65_535
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return high


def for_bits(counts, wanted):
    """Returns the number of the finest step size whose `bits` are at most `wanted`."""
    return finest(lambda number: bits(counts, number) <= wanted)


def for_snr(counts, decibels):
    """Returns the number of the coarsest step size whose `noise` lies at least `decibels` below the signal."""
    return max(0, finest(lambda number: snr(counts, number) < decibels) - 1)


def off(size, foretold):
    """Returns real bits, of `size` bytes, over foretold ones, within limits."""
    return float(np.clip(8 * size / max(foretold, 1.0), 1 / MOST_OFF, MOST_OFF))


def search(size, counts, wanted, *, tolerance=TOLERANCE, ratio=1.0):
    """Returns the number of a step size that fills `wanted` bytes as nearly as possible, with more only where bytes jump.

    Args:
        size: function of a number that returns the bytes really coded.
        counts: as by `histogram`, of what is coded.
        wanted: bytes.
        tolerance: share of `wanted` that may stay empty.
        ratio: real bits over `bits`, where it is known.
    """
    fine, coarse = (-1, np.inf), (65_536, 0.0)  # (number, bytes) of a step too fine, and of one coarse enough
    aim = wanted * (1 - tolerance / 2)
    for attempt in range(MOST_TRIES):
        number = for_bits(counts, 8 * aim / ratio)
        if attempt > 2 and fine[1] < np.inf and coarse[1] > 0:  # estimates are off: take a place between the two by their bytes
            share = np.log(fine[1] / aim) / np.log(fine[1] / coarse[1])
            share = 0.5 if attempt in HALVED else min(max(share, 0.1), 0.9)
            number = round(fine[0] + (coarse[0] - fine[0]) * share)
        if not fine[0] < number < coarse[0]:
            number = (fine[0] + coarse[0]) // 2
        real = size(number)
        fine, coarse = ((number, real), coarse) if real > wanted else (fine, (number, real))
        if (1 - tolerance) * wanted <= real <= wanted or coarse[0] - fine[0] <= 1:
            break
        ratio = off(real, bits(counts, number))
    jump = fine[1] - wanted < min(wanted - coarse[1], TOLERANCE * wanted)  # a little more is nearer than much less
    return min(fine[0] if jump and coarse[0] - fine[0] <= 1 else coarse[0], 65_535)
