import keras
import numpy as np
import pytest

from fmalib import lapped


@pytest.mark.parametrize("hop", [2, 63, 64, 526])
def test_the_basis_is_orthonormal_within_and_between_frames(hop):
    first, second = lapped.mdct_basis(hop).astype(np.float64)
    np.testing.assert_allclose(first.T @ first + second.T @ second, np.eye(hop), atol=2e-6)
    np.testing.assert_allclose(second.T @ first, 0, atol=2e-6)  # a frame's second block is its neighbour's first


def test_a_coefficient_is_the_textbook_sum():
    hop, bin_number = 16, 5
    frame = np.random.default_rng(0).normal(size=2 * hop)
    expected = sum(
        np.sqrt(2 / hop) * np.sin(np.pi * (n + 0.5) / (2 * hop)) * frame[n]
        * np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (bin_number + 0.5))
        for n in range(2 * hop)
    )
    got = frame @ lapped.mdct_basis(hop).reshape(2 * hop, hop)[:, bin_number]
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("samples, hop", [(1000, 64), (1024, 64), (1, 8), (65_536, 526)])
def test_synthesis_gives_back_what_analysis_took(samples, hop):
    audio = np.random.default_rng(1).uniform(-1, 1, (2, samples)).astype(np.float32)
    coefficients = lapped.LappedAnalysis(hop)(audio)
    assert coefficients.shape == (2, lapped.n_frames(samples, hop), hop)
    np.testing.assert_allclose(lapped.LappedSynthesis(samples)(coefficients), audio, atol=1e-5)
    # Orthonormal: the energy of the coefficients is the energy of the audio.
    np.testing.assert_allclose(np.sum(np.square(coefficients)), np.sum(audio**2), rtol=1e-4)


def test_65536_samples_give_as_many_frames_as_the_study_had():
    assert lapped.n_frames(65_536) == 126


@pytest.mark.parametrize("hop", [63, 64])
def test_any_window_of_these_angles_gives_the_audio_back(hop):
    audio = np.random.default_rng(1).uniform(-1, 1, (2, 1000)).astype(np.float32)
    analysis, synthesis = lapped.LappedAnalysis(hop), lapped.LappedSynthesis(1000)
    synthesis(analysis(audio))
    angles = np.random.default_rng(2).uniform(0, np.pi / 2, (hop + 1) // 2).astype(np.float32)
    angles[hop // 2 :] = np.pi / 4  # the middle of an odd block is its own mirror
    for layer in (analysis, synthesis):
        layer.set_weights([angles])
    np.testing.assert_allclose(synthesis(analysis(audio)), audio, atol=1e-5)
    rise, fall = analysis.window()
    np.testing.assert_allclose(np.square(rise) + np.square(fall), 1, atol=1e-6)


def test_layers_survive_saving(tmp_path):
    audio = keras.Input((500,))
    model = keras.Model(audio, lapped.LappedSynthesis(500)(lapped.LappedAnalysis(64)(audio) * 2.0))
    model.layers[1].set_weights([np.linspace(0, 0.7, 32)])  # as if it had been trained
    model.save(tmp_path / "model.keras")
    sound = np.random.default_rng(2).normal(size=(3, 500)).astype(np.float32)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(sound), model(sound))
