"""Trellis-coded quantisation (Marcellin and Fischer 1990), in the form of VVC's dependent quantisation (Schwarz et al. 2019).

Two quantisers have the same step: one with levels at its multiples, one with levels halfway between them, and 0. Which one
takes a coefficient follows from whether levels of the same bin in the frames before are odd, so nothing is sent for it. The
encoder looks for the best path through all frames of a bin. Points packed more densely than by rounding save about 0.1 bit a
coefficient. A decoder puts each level at the centroid of what became that level.
"""

import numpy as np
from scipy.ndimage import uniform_filter

STEPS_PER_OCTAVE, FINEST = 2048, -20  # a step is 2**(number / STEPS_PER_OCTAVE + FINEST), and the number takes 16 bits
NEXT = np.array([[0, 2], [2, 0], [1, 3], [3, 1]])  # state behind a state and an even or odd level
HALFWAY = np.array([0, 0, 1, 1])  # quantiser of each state
STATES = len(NEXT)
PRICE = 0.08  # squared error, in squares of the step, that a bit is worth: found by trying
AROUND = 5  # bins and frames whose mean foretells the bits of a level
LEAST = 0.02  # mean level that is foretold at least
LARGEST = 1 << 30  # magnitude of a level
_HIGHEST = np.float32(LARGEST - 128)  # has the parity of the level below it in float32
CLASSES = 3  # magnitudes 1, 2, and 3 or more have a centroid in each quantiser
CENTROID = 256  # centroids are sent in 1/256 step, as signed bytes


def step_number(step):
    """Returns the number, 0 to 65535, of the step size nearest to `step`."""
    return int(np.clip(np.rint((np.log2(step) - FINEST) * STEPS_PER_OCTAVE), 0, 65_535))


def step_size(number):
    """Returns the step size with a number."""
    return float(2.0 ** (number / STEPS_PER_OCTAVE + FINEST))


def quantise(coefficients, step):
    """Returns the levels, int64, of coefficients `(channels, frames, bins)`: the least squared error and price of bits."""
    scaled = np.abs(coefficients / step).astype(np.float32)
    levels, costs = _branches(scaled, *_prices(scaled))
    frames = scaled.shape[1]
    total = np.full((STATES, scaled.shape[0], scaled.shape[2]), np.inf, np.float32)
    total[0] = 0
    choices = np.empty((frames, *total.shape), np.int8)
    for frame in range(frames):
        total, choices[frame] = _extend(total, costs[:, :, :, frame])
    result, state = np.empty(scaled.shape, np.int64), np.argmin(total, axis=0)
    for frame in range(frames - 1, -1, -1):
        chosen = np.take_along_axis(choices[frame], state[None], axis=0)[0]
        state, odd = _BEFORE[state, chosen].transpose(2, 0, 1)
        here = levels[:, :, :, frame].reshape(4, *state.shape)
        result[:, frame] = np.take_along_axis(here, (2 * HALFWAY[state] + odd)[None], axis=0)[0]
    return np.where(coefficients < 0, -result, result)


# State and parity by which each state is reached: two ways.
_BEFORE = np.array(
    [[(state, odd) for state in range(STATES) for odd in (0, 1) if NEXT[state, odd] == goal] for goal in range(STATES)]
)


def _prices(scaled):
    """Returns the price of level 0, of each further one, and of a sign, by the mean size of the coefficients around."""
    mean = uniform_filter(np.maximum(scaled - 0.25, 0), (0, AROUND, AROUND), mode="nearest") + np.float32(LEAST)
    price = np.float32(PRICE) * (0.5 + 0.5 / (1 + mean))
    return price * np.log2(1 + mean), price * np.log2(1 + 1 / mean), price


def _branches(scaled, zero, more, sign):
    """Returns the best even and odd level by each quantiser, and its cost: `(quantiser, odd, channels, frames, bins)`."""
    levels = np.empty((2, 2, *scaled.shape), np.int32)
    costs = np.empty(levels.shape, np.float32)
    for halfway in (0, 1):
        for odd in (0, 1):
            near = np.clip(2 * np.floor((scaled + halfway / 2 - odd) / 2 + 0.5) + odd, odd, _HIGHEST)
            best = None
            for level in (near, np.maximum(near - 2, odd)):
                place = np.maximum(level - halfway / 2, 0)
                cost = np.square(scaled - place) + zero + (more * level + sign * (level > 0))
                better = True if best is None else cost < best
                best = cost if best is None else np.where(better, cost, best)
                np.copyto(levels[halfway, odd], level, where=better, casting="unsafe")
            costs[halfway, odd] = best
    return levels, costs


def _extend(total, costs):
    """Returns the costs of the best paths to each state after one more frame, and which of two ways each took."""
    ways = [[total[state] + costs[HALFWAY[state], odd] for state, odd in before] for before in _BEFORE]
    second = np.stack([other < one for one, other in ways])
    return np.stack([np.minimum(one, other) for one, other in ways]), second


class Trellis:
    """Follows which quantiser each bin has next.

    Attributes:
        halves: quantiser of each bin in the frame to come, 0 or 1: int64 of shape `(channels, bins)`.
    """

    def __init__(self, channels, bins):
        self._state = np.zeros((channels, bins), np.int64)
        self.halves = HALFWAY[self._state]

    def next_frame(self, levels):
        """Moves on by the levels of a frame, or their magnitudes."""
        self._state = NEXT[self._state, levels & 1]
        self.halves = HALFWAY[self._state]


def halves(levels):
    """Returns which quantiser each level `(channels, frames, bins)` belongs to: 0 or 1."""
    trellis, result = Trellis(levels.shape[0], levels.shape[2]), np.empty(levels.shape, np.int64)
    for frame in range(levels.shape[1]):
        result[:, frame] = trellis.halves
        trellis.next_frame(levels[:, frame])
    return result


def centroids(coefficients, levels, step):
    """Returns how far the mean coefficient of each class lies from its level, away from 0, in 1/256 step.

    Six ints, -128 to 127: three of the quantiser with multiples of the step, three of the other.
    """
    half = halves(levels)
    off = np.where(levels < 0, -coefficients, coefficients) / step - (np.abs(levels) - half / 2)
    place = np.minimum(np.abs(levels), CLASSES) + (CLASSES + 1) * half
    count, total = np.bincount(place.ravel(), minlength=8), np.bincount(place.ravel(), off.ravel(), minlength=8)
    mean = np.clip(np.rint(CENTROID * total / np.maximum(count, 1)), -128, 127).astype(int)
    return (*mean[1:4].tolist(), *mean[5:].tolist())


def dequantise(levels, step, centroid):
    """Returns the coefficients, float64, of levels `(channels, frames, bins)`; `centroid` as by `centroids`."""
    half, size = halves(levels), np.abs(levels)
    shifts = np.array([0, *centroid[:CLASSES], 0, *centroid[CLASSES:]]) / CENTROID
    place = size - half / 2 + shifts[np.minimum(size, CLASSES) + (CLASSES + 1) * half]
    return np.where(size == 0, 0.0, np.sign(levels) * place) * step
