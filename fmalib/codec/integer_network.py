"""A small network in whole numbers: from logarithms of neighbouring magnitudes to the scale of a level.

Inputs, weights and activations are integers in float64. Their products and sums stay below 2^53, so they are exact in any order
of addition: encoder and decoder agree on any machine, with any number of threads (`Network` checks the bound). Weights are
rounded to 1/4096 after training.
"""

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from fmalib.codec import contexts, entropy

UNIT = 256  # inputs, activations and scales are in 1/256
FINE = 4096  # weights are in 1/4096
HIGHEST = 1 << 20  # activation
LARGEST_INPUT = 1 << 13  # 32 octaves
PASSES = len(contexts.PASSES)
TABLES = (2 * PASSES + 1) * entropy.SCALES
NAMES = "hidden", "hidden_bias", "second", "second_bias", "scale", "straight", "scale_bias"


@dataclasses.dataclass(frozen=True)
class Network:
    """Weights of the three passes, and the counts of the tables.

    Attributes:
        passes: for each pass a dict of float64 arrays of whole numbers: `hidden` `(inputs, width)`, `second` `(width, width)`,
            `scale` `(width,)`, `straight` `(inputs,)`, and a bias for each step.
        counts: of tables before anything is coded, int64 `(TABLES, SYMBOLS)`: a set for both quantisers in each pass, and a set
            for splits.
        digest: first four bytes of the SHA-256 of the file.
    """

    passes: tuple
    counts: np.ndarray
    digest: bytes = bytes(4)

    def __post_init__(self):
        if self.counts.shape != (TABLES, entropy.SYMBOLS) or self.counts.min() < 1:
            raise ValueError(f"counts must be positive, of {TABLES} tables. Received: shape {self.counts.shape}")
        for weights in self.passes:
            width, inputs = len(weights["second"]), len(weights["straight"])
            shapes = {"hidden": (inputs, width), "second": (width, width), "scale": (width,), "straight": (inputs,)}
            shapes |= {"hidden_bias": (width,), "second_bias": (width,), "scale_bias": ()}
            wrong = [name for name in NAMES if weights[name].shape != shapes[name]]
            if wrong:
                raise ValueError(f"{wrong[0]} must have the shape {shapes[wrong[0]]}. Received: {weights[wrong[0]].shape}")
            inner = np.abs(weights["hidden"]).sum(axis=0) * LARGEST_INPUT + np.abs(weights["hidden_bias"])
            second = np.abs(weights["second"]).sum(axis=0) * HIGHEST + np.abs(weights["second_bias"])
            last = np.abs(weights["scale"]).sum() * HIGHEST + np.abs(weights["straight"]).sum() * LARGEST_INPUT
            largest = max(inner.max(), second.max(), last + abs(float(weights["scale_bias"])))
            if not largest < 2**53:
                raise ValueError(f"sums must stay below 2**53 to be exact. Received: up to {largest:g}")

    def scales(self, number, inputs):
        """Returns the scale of each row of inputs `(n, inputs)`, whole numbers below 2^13, in a pass: int64 of shape `(n,)`."""
        weights = self.passes[number]
        inner = _activate(inputs @ weights["hidden"] + weights["hidden_bias"])
        inner = _activate(inner @ weights["second"] + weights["second_bias"])
        scales = inner @ weights["scale"] + inputs @ weights["straight"] + weights["scale_bias"]
        return np.clip(np.floor(scales / (UNIT * FINE) + 0.5), 0, entropy.SCALES - 1).astype(np.int64)


def _activate(sums):
    """Returns activations in 1/256 of sums in 1/256 of 1/4096: what is positive, rounded down."""
    np.clip(sums, 0, HIGHEST * FINE, out=sums)
    sums *= 1 / FINE
    return np.floor(sums, out=sums)


def rounded(passes, counts):
    """Returns the `Network` of trained weights.

    Args:
        passes: for each pass the arrays of `NAMES` as trained: inputs, activations and the scale in units of 1.
        counts: as for `Network`.
    """
    units = dict.fromkeys(NAMES, FINE) | {name: UNIT * FINE for name in NAMES if name.endswith("bias")}
    whole = tuple({name: np.rint(np.float64(values[name]) * units[name]) for name in NAMES} for values in passes)
    return Network(whole, np.asarray(counts, np.int64))


def save(network, path):
    """Writes a `Network` to an npz file of integers."""
    arrays = {
        f"{name}_{number}": weights[name].astype("<i4") for number, weights in enumerate(network.passes) for name in NAMES
    }
    np.savez_compressed(path, counts=network.counts.astype("<i4"), **arrays)


def load(path):
    """Returns the `Network` of an npz file by `save`; nothing in the file is run as code.

    Raises:
        ValueError: no such file's content; OSError where it cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        passes = tuple({name: np.float64(arrays[f"{name}_{number}"]) for name in NAMES} for number in range(PASSES))
        counts = arrays["counts"].astype(np.int64)
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: these are no weights of a context network. Received: {error}") from error
    return Network(passes, counts, hashlib.sha256(data).digest()[:4])
