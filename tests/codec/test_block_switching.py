"""Cuts of frames: a click is cut, a tone is not, the ends of a chunk never."""

import numpy as np
import pytest

from fmalib.codec import block_switching, quantiser

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


def test_bits_of_frames_are_near_the_entropy_of_noise():
    """White noise of 20 steps: log2 of its standard deviation in steps and of sqrt(2 pi e), about 6.4 bits a coefficient."""
    coefficients = np.random.default_rng(0).normal(scale=20, size=(1, FRAMES, HOP))
    bits = block_switching.frame_bits(coefficients, 0, quantiser.step_number(1.0))
    assert bits.shape == (FRAMES,)
    assert bits.mean() / HOP == pytest.approx(np.log2(20 * np.sqrt(2 * np.pi * np.e)), abs=0.35)
    assert block_switching.frame_bits(0 * coefficients, 0, 40_000).max() < 0.12 * HOP


def test_splits_of_the_same_coefficients_are_read_in_order_of_time():
    """A frame in two parts, loud in the second: as two frames with those parts."""
    parts = np.zeros((1, 2, HOP // 2))
    parts[0, 1] = np.random.default_rng(0).laplace(scale=9, size=HOP // 2)
    number = quantiser.step_number(1.0)
    together = block_switching.frame_bits(parts.swapaxes(1, 2).reshape(1, 1, HOP), 1, number)
    assert together.sum() == pytest.approx(block_switching.frame_bits(parts, 0, number).sum(), rel=1e-5)
