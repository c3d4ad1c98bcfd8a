import numpy as np
import pytest

from fmalib.data.downmix import LOOKED_AT, STRETCH, Downmix


def noise(samples, channels, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, (samples, channels)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_the_sum_of_blocks_of_any_length_is_the_mean_times_the_divisor(channels):
    downmix = Downmix(channels)
    for samples in (1, 3 * STRETCH + 5, STRETCH, 10):
        block = noise(samples, channels, seed=samples)
        mono = downmix.add(block)
        assert mono.shape == (samples,) and mono.dtype == np.float32 and mono.flags.c_contiguous
        np.testing.assert_allclose(mono / downmix.divisor, block.mean(axis=1), atol=1e-6)
    assert downmix.opposite is None


@pytest.mark.parametrize("chosen", [0, 1])
def test_a_chosen_channel_stands_alone(chosen):
    block, downmix = noise(1000, 2), Downmix(2, chosen)
    np.testing.assert_array_equal(downmix.add(block), block[:, chosen])
    assert downmix.divisor == 1 and downmix.opposite is None


@pytest.mark.parametrize("samples", [100, STRETCH - 1, STRETCH, 2 * STRETCH + 100])
def test_channels_that_cancel_are_found_in_whole_stretches_and_in_less_than_one(samples):
    block = noise(samples, 1) * np.array([1, -1.01], np.float32)
    downmix = Downmix(2)
    downmix.add(block)
    assert downmix.opposite == 1


def test_only_much_of_a_file_counts_and_of_a_stretch_its_beginning():
    music = noise(20 * STRETCH, 2)
    seldom, often, late = (music.copy() for _ in range(3))
    seldom[:STRETCH, 1] = -seldom[:STRETCH, 0]  # a twentieth of the power
    often[: 4 * STRETCH, 1] = -1.01 * often[: 4 * STRETCH, 0]  # a fifth
    for stretch in late.reshape(20, STRETCH, 2):
        stretch[LOOKED_AT:, 1] = -stretch[LOOKED_AT:, 0]
    found = []
    for block in (music, seldom, often, late):
        downmix = Downmix(2)
        for part in np.split(block, 4):
            downmix.add(part)
        found.append(downmix.opposite)
    assert found == [None, None, 1, None]


def test_silence_and_values_that_are_not_finite_cancel_nothing():
    for value in (0, np.nan, np.inf):
        downmix = Downmix(2)
        downmix.add(np.full((STRETCH, 2), value, np.float32))
        assert downmix.opposite is None
