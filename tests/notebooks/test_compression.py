"""The notebooks of the compression study, executed small; in a file of their own, so that two workers share the notebooks."""

import json

import jupytext
import keras
import nbformat
import numpy as np
import pytest
from helpers import REPOSITORY, SMALL, check_executed, check_refused, ended_well
from keras import layers

from fmalib.data import audio_cache, segments
from fmalib.models import architectures, losses, original
from fmalib.models.layers import FramedConv1D, FramedConv1DTranspose, Stft
from fmalib.training import autoencoders

KEYS_02 = {
    "spectral_rmse",
    "relative_rmse",
    "downsample_rmse",
    "downsample_mu_law_rmse",
    "pca_rmse",
    "silence_rmse",
    "nominal_kbps",
    "compression_ratio",
    "latent_shape",
    "n_parameters",
    "n_test_clips",
    "train_seconds",
}
KEYS_05 = {
    "codec",
    "latent",
    "nominal_kbps",
    "real_kbps",
    "relative_rmse",
    "spectral_rmse",
    "magnitude_rmse",
    "log_spectral_distance_db",
    "si_sdr_db",
    "n_clips",
    "section",
}
LENGTH = 8192  # samples, which both networks give back
DOMAINS = [("frequency", 64, "mse"), ("time", 32, "l1")]


@pytest.mark.parametrize("name", ["02_autoencoder", "05_compression"])
def test_the_notebook_runs(executed, name):
    check_executed(executed, f"{name}.ipynb")


def test_metrics_of_the_autoencoder(executed):
    metrics = json.loads((executed("02_autoencoder.ipynb") / "metrics.json").read_text())
    assert set(metrics) >= KEYS_02
    assert metrics["latent_shape"] == [126, 64] and metrics["nominal_kbps"] == 15.75
    assert metrics["compression_ratio"] == pytest.approx(65_536 / (126 * 64))
    # Two epochs are no training to speak of; what needs none is in its place.
    assert 0 < metrics["pca_rmse"] < metrics["silence_rmse"]
    assert 0 < metrics["downsample_mu_law_rmse"] < metrics["downsample_rmse"] < metrics["silence_rmse"]
    assert metrics["relative_rmse"] == pytest.approx(metrics["spectral_rmse"] / metrics["silence_rmse"])


def test_metrics_of_the_compression_study(executed):
    metrics = json.loads((executed("05_compression.ipynb") / "metrics.json").read_text())
    rows = metrics["rows"]
    assert all(set(row) >= KEYS_05 for row in rows)
    assert {row["section"] for row in rows} == {"sweep", "architectures", "losses", "files", "listening", "demo"}
    sweep = [row for row in rows if row["section"] == "sweep"]
    error = {(row["codec"], row["latent"]): row["spectral_rmse"] for row in sweep}
    assert error["sparse codewords", 32] < 0.7 * error["PCA of MDCT frames", 32]
    for row in sweep:
        has_bytes = row["codec"] in ("mdct", "MP3", "Opus", "downsampling, mu-law", "sparse codewords")
        assert (row["real_kbps"] is not None) == has_bytes
    silent = [row for row in sweep if row["codec"] == "silence"]
    assert len(silent) == 1 and silent[0]["nominal_kbps"] is None and silent[0]["si_sdr_db"] is None
    assert silent[0]["relative_rmse"] == pytest.approx(1.0)
    assert all(row["relative_rmse"] == pytest.approx(row["spectral_rmse"] / silent[0]["spectral_rmse"]) for row in sweep)
    downsampled = next(row for row in sweep if row["codec"] == "downsampling")
    assert metrics["published_silence_rmse_assumed"] == pytest.approx(1.53 / downsampled["relative_rmse"])
    demo = [row for row in rows if row["section"] == "demo"]
    slowest = {codec: min(row["asked_kbps"] for row in demo if row["codec"] == codec) for codec in ("mdct", "MP3", "Opus")}
    assert slowest == {"mdct": 1, "MP3": 16, "Opus": 16}  # of 1, 16 and 320; neither MP3 nor Opus has 1, and nothing says so
    at_16 = {row["codec"]: row["real_kbps"] for row in demo if row["asked_kbps"] == 16}
    assert max(at_16.values()) / min(at_16.values()) < 1.1  # files of equal bytes
    assert error["mdct", None] < 0.6 * error["sparse codewords", 32]  # without any training


def test_metrics_of_files(executed):
    metrics = json.loads((executed("05_compression.ipynb") / "metrics.json").read_text())
    rows = [row for row in metrics["rows"] if row["section"] == "files"]
    error = {(row["codec"], row["nominal_kbps"]): row["spectral_rmse"] for row in rows}
    assert error["mdct", 16] < 0.6 * min(error["MP3", 16], error["Opus", 16], error["downsampling, mu-law", 16])
    assert all(
        0.96 * row["nominal_kbps"] < row["real_kbps"] < 1.01 * row["nominal_kbps"] for row in rows if row["codec"] == "mdct"
    )
    assert metrics["bd_rate_percent"]["downsampling, mu-law"] > 50
    (parts,) = (parts for label, parts in metrics["bits"].items() if label == "mdct, 2 kbit/s")
    assert parts["header"] == 264 and parts["chunk heads"] == 88
    assert sum(parts.values()) == pytest.approx(2000 * 65_536 / 8000, rel=0.04)
    assert {row["variant"] for row in metrics["ablation"]} >= {"rounding, not the trellis", "no contexts"}
    heard = [row for row in metrics["rows"] if row["section"] == "listening"]
    assert {row["codec"] for row in heard} >= {"mdct", "MP3", "Opus"}
    assert all(row["mel_distance"] > 0 and row["stft_distance"] > 0 for row in heard)


@pytest.fixture(scope="module")
def pipeline(synth_data):
    decoded = audio_cache.build(synth_data, 8000)
    (training, validation, _), _ = segments.select_splits(synth_data, decoded, LENGTH)
    return segments.Pipeline(decoded, training, validation, LENGTH, target="audio", batch_size=8)


@pytest.fixture
def built(pipeline):
    """Returns a function of (domain, latent, loss) that runs the building cells of 02 and returns the compiled network."""
    cells = [cell.source for cell in jupytext.read(REPOSITORY / "notebooks" / "02_autoencoder.py").cells]
    wanted = ("def frequency_network", "def time_network", "keras.utils.set_random_seed(seed)")
    sources = [next(cell for cell in cells if text in cell) for text in wanted]
    mean, std = audio_cache.standardisation(pipeline.cache, pipeline.training.index)

    def build(domain, latent, loss):
        names = {"keras": keras, "layers": layers, "losses": losses, "original": original, "Stft": Stft}
        names |= {"FramedConv1D": FramedConv1D, "FramedConv1DTranspose": FramedConv1DTranspose}
        names |= {"domain": domain, "model": "study", "latent": latent, "loss": loss, "seed": 0}
        names |= {"length": LENGTH, "mean": mean, "std": std}
        for source in sources:
            exec(source, names)
        return names["network"]

    return build


@pytest.mark.parametrize("domain, latent, loss", DOMAINS)
def test_notebook_and_library_build_the_same_network(built, pipeline, domain, latent, loss):
    network = built(domain, latent, loss)
    mean, std = audio_cache.standardisation(pipeline.cache, pipeline.training.index)
    reference = architectures.compiled(domain, "study", samples=LENGTH, latent=latent, mean=mean, std=std, loss=loss)
    for part in ("encoder", "decoder"):
        ours, theirs = (model.get_layer(part).layers for model in (network, reference))
        assert [layer.name for layer in ours] == [layer.name for layer in theirs]
        assert [layer.get_config() for layer in ours] == [layer.get_config() for layer in theirs]
    assert network.name == reference.name and network.count_params() == reference.count_params()
    reference.set_weights(network.get_weights())
    audio = np.random.default_rng(0).normal(0, 0.1, (2, LENGTH)).astype(np.float32)
    np.testing.assert_array_equal(network.predict(audio, verbose=0), reference.predict(audio, verbose=0))


@pytest.mark.parametrize("domain, latent, loss", DOMAINS)
def test_the_library_finds_what_the_notebook_trained(built, pipeline, domain, latent, loss):
    options = {"latent": latent, "loss": loss, "epochs": 1, "seed": 0, "progress": False}
    trained = autoencoders.train(domain, "study", pipeline, network=built(domain, latent, loss), **options)
    found = autoencoders.train(domain, "study", pipeline, **options)
    assert found.run == trained.run and " trained: " in str(trained) and " found: " in str(found)


@pytest.mark.slow
def test_an_edited_network_trains_anew_and_runs_to_the_end(executed, tmp_path):
    out = executed("02_autoencoder.ipynb")
    before = json.loads((out / "metrics.json").read_text())
    notebook = nbformat.read(out / "02_autoencoder.ipynb", 4)
    cell = next(cell for cell in notebook.cells if "def frequency_network" in cell.source)
    assert cell.source.count("(8, 32)") == 1
    cell.source = cell.source.replace("(8, 32)", "(12, 32)")
    nbformat.write(notebook, tmp_path / "edited.ipynb")
    text = ended_well(str(tmp_path / "edited.ipynb"), tmp_path, *SMALL)
    after = json.loads((tmp_path / "metrics.json").read_text())
    # Four more filters: on two channels of 5 x 5, with a bias; to and from the 32 of the next layer; and back to two channels.
    assert after["n_parameters"] - before["n_parameters"] == 4 * (50 + 1) + 4 * 25 * 32 + (4 * 25 * 32 + 4) + 4 * 50
    assert after["run"] != before["run"] and " trained: " in text
    assert after["pca_rmse"] == before["pca_rmse"] and after["spectral_rmse"] != before["spectral_rmse"]


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("02_autoencoder", ["-p", "domain", "time", "-p", "model", "deep"], "In the time domain, model must be one of study."),
        ("05_compression", ["-p", "losses", "mse,l3"], "log_stft_l2. Received: 'l3'"),
    ],
)
def test_wrong_parameters_fail_with_one_clear_error(tmp_path, name, options, message):
    check_refused(f"{name}.ipynb", tmp_path, [*SMALL, *options], message)
