"""What several tests share: a tone, notebooks run by the papermill command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
NOTE = "only show that the code runs"  # beside every result on synthetic music
SMALL = ["-p", "quick", "True", "-p", "tracks_per_genre", "6"]
OPTIONS = {  # beside SMALL
    "03_classifier.ipynb": ["-p", "systems", "latent_frozen,latent_linear"],
    "04_latent_space.ipynb": [
        "-p",
        "methods",
        "pca,kernel_pca_rbf,lda,tsne",
        "-p",
        "features",
        "latent,mfcc",
        "-p",
        "points",
        "test",
    ],
    "06_clusters.ipynb": ["-p", "features", "latent,mfcc", "-p", "points", "test"],
}


def tone(frequency, seconds=3.0, sample_rate=8000, seed=0):
    """Returns a noisy tone of shape `(samples,)`."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    noise = np.random.default_rng(seed).normal(0, 0.05, len(time))
    return (0.4 * np.sin(2 * np.pi * frequency * time) + noise).astype(np.float32)


def encoder_for(autoencoder, samples):
    """Returns the encoder of an autoencoder, with its weights, for segments of another length."""
    from fmalib.models import original

    return original.with_length(autoencoder.get_layer("encoder"), samples)


def papermill(name, out, *options, cwd=REPOSITORY):
    """Runs a notebook; returns (exit status, what it printed, outputs as text)."""
    out.mkdir(parents=True, exist_ok=True)
    source = os.path.relpath(REPOSITORY / "notebooks" / name, cwd)
    command = [sys.executable, "-m", "papermill", source, str(out / name), "-p", "out_dir", str(out), *options]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout + done.stderr, text_of(out / name)


def text_of(path):
    """Returns everything that an executed notebook printed."""
    if not path.exists():
        return ""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def check_executed(executed, name):
    """Executes a notebook and looks at what every one must leave."""
    out = executed(name)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["dataset"] == "synth" and NOTE in metrics["note"]
    assert len(list((out / "figures").glob("*.png"))) >= 3
    assert list((out / "audio").glob("*.wav"))
    cells = nbformat.read(out / name, 4).cells
    assert not [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert "WARNING" not in text_of(out / name)
    assert text_of(out / name).count(NOTE) == 1  # once a page
