"""A uniform quantiser with a dead zone, whose decoder puts each level at the centroid of what was rounded to it."""

import numpy as np

STEPS_PER_OCTAVE, FINEST = 2048, -20  # a step is 2**(number / STEPS_PER_OCTAVE + FINEST), and the number takes 16 bits
ROUNDING = 0.34, 0.42  # added to |x| / step before the floor: to 0 or 1, and above; 0.5 would be plain rounding
LARGEST = 1 << 30  # magnitude of a quantised coefficient
CLASSES = 3  # magnitudes 1, 2, and 3 or more have a centroid each
CENTROID = 256  # centroids are sent in 1/256 step, as signed bytes


def step_number(step):
    """Returns the number, 0 to 65535, of the step size nearest to `step`."""
    return int(np.clip(np.rint((np.log2(step) - FINEST) * STEPS_PER_OCTAVE), 0, 65_535))


def step_size(number):
    """Returns the step size with a number."""
    return float(2.0 ** (number / STEPS_PER_OCTAVE + FINEST))


def quantise(coefficients, step, rounding=ROUNDING):
    """Returns the levels of coefficients, int64 of the same shape, at most `LARGEST` in magnitude."""
    scaled = np.abs(coefficients) / step
    levels = np.floor(scaled + rounding[1])
    np.minimum(levels, np.floor(scaled + rounding[0]), out=levels, where=levels < 2)
    return (np.copysign(np.minimum(levels, LARGEST), coefficients)).astype(np.int64)


def centroids(coefficients, levels, step):
    """Returns how far the mean coefficient of each class lies from its level, away from 0, in 1/256 step: ints, -128 to 127."""
    size = np.abs(levels)
    off = (np.abs(coefficients) / step - size) * CENTROID
    found = [off[size == 1], off[size == 2], off[size >= CLASSES]]
    return [int(np.clip(np.rint(each.mean()), -128, 127)) if each.size else 0 for each in found]


def dequantise(levels, step, centroid):
    """Returns the coefficients, float64, of levels; `centroid` as by `centroids`."""
    size = np.abs(levels)
    shifts = np.array([0, *centroid]) / CENTROID
    return np.sign(levels) * (size + shifts[np.minimum(size, CLASSES)]) * step
