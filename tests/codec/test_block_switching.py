"""Cuts of frames: a click is cut, a tone is not, the ends of a chunk never."""

import numpy as np
import pytest

from fmalib.codec import block_switching, quantiser, rate_control
from fmalib.signal import mdct_frames

HOP, FRAMES = 512, 8


def test_a_click_is_cut_and_a_tone_is_not():
    tone = np.sin(0.3 * np.arange((FRAMES + 1) * HOP))
    number = quantiser.step_number(0.01)
    assert not block_switching.choose(tone.reshape(1, FRAMES + 1, HOP), number).any()
    click = np.zeros((FRAMES + 1) * HOP)
    click[4 * HOP] = 1  # in the middle of frame 3
    splits = block_switching.choose(click.reshape(1, FRAMES + 1, HOP), number)
    assert splits[3] == block_switching.MOST
    assert splits[[0, -1]].tolist() == [0, 0]


def test_the_ends_of_a_chunk_are_not_cut():
    blocks = np.random.default_rng(0).laplace(size=(2, 3, HOP)) ** 5
    assert block_switching.choose(blocks, quantiser.step_number(0.1)).tolist() == [0, 0]


def test_bits_of_frames_are_near_those_of_the_histogram():
    coefficients = mdct_frames.forward(np.random.default_rng(0).normal(size=(1, FRAMES + 1, HOP)))
    number = quantiser.step_number(0.05)
    bits = block_switching.frame_bits(coefficients, number)
    assert bits.shape == (FRAMES,)
    assert bits.sum() == pytest.approx(rate_control.bits(rate_control.histogram(coefficients), number), rel=0.01)
