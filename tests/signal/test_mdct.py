import numpy as np
import pytest

from fmalib.signal import mdct


def sine_window(hop):
    return mdct.window_halves(np.pi * (np.arange((hop + 1) // 2, dtype=np.float32) + 0.5) / (2 * hop), hop)


@pytest.mark.parametrize("hop", [2, 63, 64, 526])
def test_the_basis_is_orthonormal_within_and_between_frames(hop):
    first, second = mdct.mdct_basis(hop).astype(np.float64)
    np.testing.assert_allclose(first.T @ first + second.T @ second, np.eye(hop), atol=2e-6)
    np.testing.assert_allclose(second.T @ first, 0, atol=2e-6)  # a frame's second block is its neighbour's first


def test_a_coefficient_is_the_textbook_sum():
    hop, bin_number = 16, 5
    frame = np.random.default_rng(0).normal(size=2 * hop)
    expected = sum(
        np.sqrt(2 / hop)
        * np.sin(np.pi * (n + 0.5) / (2 * hop))
        * frame[n]
        * np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (bin_number + 0.5))
        for n in range(2 * hop)
    )
    got = frame @ mdct.mdct_basis(hop).reshape(2 * hop, hop)[:, bin_number]
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("samples, hop", [(1000, 64), (1024, 64), (1, 8), (65_536, 526)])
def test_synthesis_inverts_analysis(samples, hop):
    audio = np.random.default_rng(1).uniform(-1, 1, (2, samples)).astype(np.float32)
    coefficients = mdct.analyse(audio, sine_window(hop), hop)
    assert coefficients.shape == (2, mdct.n_frames(samples, hop), hop)
    np.testing.assert_allclose(mdct.synthesise(coefficients, sine_window(hop), samples), audio, atol=1e-5)
    # Orthonormal: the energy of the coefficients is the energy of the audio.
    np.testing.assert_allclose(np.sum(np.square(coefficients)), np.sum(audio**2), rtol=1e-4)


def test_analysis_is_the_product_of_frames_and_basis():
    audio = np.random.default_rng(1).normal(size=(1, 64 * 5)).astype(np.float32)
    frames = np.concatenate([audio.reshape(5, 64)[:-1], audio.reshape(5, 64)[1:]], axis=1)
    expected = frames @ mdct.mdct_basis(64).reshape(128, 64)
    np.testing.assert_allclose(mdct.analyse(audio, sine_window(64), 64)[0][1:-1], expected, atol=1e-5)


def test_65536_samples_give_as_many_frames_as_the_study_had():
    assert mdct.n_frames(65_536) == 126


@pytest.mark.parametrize("hop", [63, 64])
def test_any_window_of_these_angles_gives_the_audio_back(hop):
    audio = np.random.default_rng(1).uniform(-1, 1, (2, 1000)).astype(np.float32)
    angles = np.random.default_rng(2).uniform(0, np.pi / 2, (hop + 1) // 2).astype(np.float32)
    angles[hop // 2 :] = np.pi / 4  # the middle of an odd block is its own mirror
    rise, fall = mdct.window_halves(angles, hop)
    np.testing.assert_allclose(mdct.synthesise(mdct.analyse(audio, (rise, fall), hop), (rise, fall), 1000), audio, atol=1e-5)
    np.testing.assert_allclose(np.square(rise) + np.square(fall), 1, atol=1e-6)
