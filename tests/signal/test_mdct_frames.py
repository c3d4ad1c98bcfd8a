"""MDCT frame by frame: perfect reconstruction, and the transform of `fmalib.signal.mdct` with its window."""

import numpy as np
import pytest

from fmalib.signal import mdct, mdct_frames


@pytest.mark.parametrize("hop", [4, 256, 2112])
def test_the_inner_blocks_come_back(hop):
    blocks = np.random.default_rng(0).normal(size=(2, 6, hop))
    back = mdct_frames.inverse(mdct_frames.forward(blocks))
    np.testing.assert_allclose(back[:, 1:-1], blocks[:, 1:-1], atol=1e-12)


def test_it_is_orthonormal():
    blocks = np.random.default_rng(0).normal(size=(7, 64))
    blocks[[0, -1]] = 0  # covered by one frame only
    assert np.sum(mdct_frames.forward(blocks) ** 2) == pytest.approx(np.sum(blocks**2), rel=1e-12)


def test_it_is_the_transform_of_the_networks():
    hop = 32
    audio = np.random.default_rng(0).normal(size=10 * hop).astype(np.float32)
    rise = mdct_frames.window(hop).astype(np.float32)
    expected = np.asarray(mdct.analyse(audio[None], (rise, rise[::-1].copy()), hop))[0]
    found = mdct_frames.forward(np.pad(audio, hop).reshape(12, hop))
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_two_halves_make_the_whole():
    """Chunks give the same samples as the file: the sum of two halves of a block is the same in any order."""
    coefficients = np.random.default_rng(0).normal(size=(10, 64))
    whole = mdct_frames.inverse(coefficients)
    first, second = mdct_frames.inverse(coefficients[:4]), mdct_frames.inverse(coefficients[4:])
    np.testing.assert_array_equal(np.concatenate([first[:-1], (first[-1] + second[0])[None], second[1:]]), whole)


@pytest.mark.parametrize("splits", [[0, 1, 3, 0, 2, 2, 1, 0], [3, 3, 3, 3, 3, 3, 3, 3]])
def test_cut_frames_come_back_and_are_orthonormal(splits):
    blocks = np.random.default_rng(0).normal(size=(2, 9, 64))
    blocks[:, [0, -1]] = 0
    coefficients = mdct_frames.forward(blocks, splits)
    np.testing.assert_allclose(mdct_frames.inverse(coefficients, splits), blocks, atol=1e-12)
    assert np.sum(coefficients**2) == pytest.approx(np.sum(blocks**2), rel=1e-12)


def test_the_parts_of_a_frame_are_interleaved():
    """All frames cut in two are a transform of half the hop, whose first border lies half a hop nearer to the start."""
    blocks = np.random.default_rng(0).normal(size=(4, 64))
    coefficients = mdct_frames.forward(blocks, [1, 1, 1])
    shorter = mdct_frames.forward(blocks.ravel()[16:-16].reshape(7, 32))
    np.testing.assert_allclose(mdct_frames.apart(coefficients, 1), shorter, atol=1e-12)
