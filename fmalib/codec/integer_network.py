"""Small networks in whole numbers: from logarithms of neighbouring magnitudes to the scale of a level, and to its sign.

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
from numpy.lib.stride_tricks import as_strided

from fmalib.codec import contexts, entropy

UNIT = 256  # inputs, activations and scales are in 1/256
FINE = 4096  # weights are in 1/4096
HIGHEST = 1 << 20  # activation
LARGEST_INPUT = 1 << 13  # 32 octaves
PASSES = len(contexts.PASSES)
TABLES = (2 * PASSES + 1) * entropy.SCALES
NAMES = "hidden", "hidden_bias", "second", "second_bias", "scale", "straight", "scale_bias"
SIGN_NAMES = "signed", "told", "told_bias", "second", "second_bias", "out"
PER_NAT, SIGN_TABLES = 8, 40  # a table of signs for each 1/8 of a logit's magnitude


@dataclasses.dataclass(frozen=True)
class SignNetwork:
    """Foretells signs: when all signed inputs change their sign, so does what it foretells.

        base, change = told @ told_weights + bias, signed @ signed_weights
        logit = out @ relu(second(relu(base + change))) - out @ relu(second(relu(base - change)))

    Attributes:
        parts: for each part a dict of float64 arrays of whole numbers: `signed` `(signed inputs, width)`, `told`
            `(told inputs, width)`, `second` `(width, second width)`, `out` `(second width,)`, and two biases.
        counts: how often a sign was as foretold, and not: int64 `(SIGN_TABLES, 2)`.
    """

    parts: tuple
    counts: np.ndarray

    def __post_init__(self):
        if self.counts.shape != (SIGN_TABLES, 2) or self.counts.min() < 1:
            raise ValueError(f"counts of signs must be positive, of {SIGN_TABLES} tables. Received: shape {self.counts.shape}")
        for weights in self.parts:
            width, second = weights["second"].shape
            shapes = {"signed": (len(weights["signed"]), width), "told": (len(weights["told"]), width), "told_bias": (width,)}
            shapes |= {"second": (width, second), "second_bias": (second,), "out": (second,)}
            wrong = [name for name in SIGN_NAMES if weights[name].shape != shapes[name]]
            if wrong:
                raise ValueError(f"{wrong[0]} must have the shape {shapes[wrong[0]]}. Received: {weights[wrong[0]].shape}")
            sizes = {name: np.abs(weights[name]).sum(axis=0) for name in SIGN_NAMES}
            first = sizes["signed"] * UNIT + sizes["told"] * LARGEST_INPUT + np.abs(weights["told_bias"])
            second = sizes["second"] * HIGHEST + np.abs(weights["second_bias"])
            largest = max(first.max(), second.max(), 2 * sizes["out"] * HIGHEST)
            if not largest < 2**53:
                raise ValueError(f"sums must stay below 2**53 to be exact. Received: up to {largest:g}")

    def logits(self, part, signed, told):
        """Returns the logit that a level is positive, whole numbers in 1/256 of 1/4096: float64 of shape `(n,)`.

        Args:
            part: 0 or 1.
            signed: whole numbers from -256 to 256, float64 `(n, signed inputs)`.
            told: whole numbers from -2^13 to 2^13, float64 `(n, told inputs)`.
        """
        weights = self.parts[part]
        base, change = told @ weights["told"], signed @ weights["signed"]
        base += weights["told_bias"]
        inner = np.empty((2, *base.shape))  # filled in place: memory for another large array takes as long as the product
        np.add(base, change, out=inner[0])
        np.subtract(base, change, out=inner[1])
        inner = activate(inner).reshape(-1, base.shape[1])
        plus, minus = np.split(_layer(inner, weights["second"], weights["second_bias"]) @ weights["out"], 2)
        return plus - minus


@dataclasses.dataclass(frozen=True)
class Network:
    """Weights of the three passes, and the counts of the tables.

    Attributes:
        passes: for each pass a dict of float64 arrays of whole numbers: `hidden` `(inputs, width)`, `second` `(width, width)`,
            `scale` `(width,)`, `straight` `(inputs,)`, and a bias for each step.
        counts: of tables before anything is coded, int64 `(TABLES, SYMBOLS)`: a set for both quantisers in each pass, and a set
            for splits.
        signs: `SignNetwork`, or None where signs are not foretold.
        digest: first four bytes of the SHA-256 of the file.
    """

    passes: tuple
    counts: np.ndarray
    signs: SignNetwork | None = None
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
        inner = _layer(inputs, weights["hidden"], weights["hidden_bias"])
        inner = _layer(inner, weights["second"], weights["second_bias"])
        scales = inner @ weights["scale"] + inputs @ weights["straight"] + weights["scale_bias"]
        return np.clip(np.floor(scales / (UNIT * FINE) + 0.5), 0, entropy.SCALES - 1).astype(np.int64)


def activate(sums):
    """Returns activations in 1/256 of sums in 1/256 of 1/4096: what is positive, rounded down."""
    np.clip(sums, 0, HIGHEST * FINE, out=sums)
    sums *= 1 / FINE
    return np.floor(sums, out=sums)


def _layer(inputs, weights, bias):
    """Returns the activations of a layer; in place, since memory for another large array takes as long as the product."""
    sums = inputs @ weights
    sums += bias
    return activate(sums)


def logarithms(values):
    """Returns log2 of 1 + values, linear between powers of 2, in 1/256 and rounded down: whole numbers in float64."""
    share, octave = np.frexp(1.0 + values)
    return np.floor(UNIT * (octave + 2 * share - 2))


def sign_tables(logits):
    """Returns the table of each logit, int64, by its magnitude."""
    return np.minimum(np.floor(np.abs(logits) * (PER_NAT / (UNIT * FINE))), SIGN_TABLES - 1).astype(np.int64)


def windows(rows, width):
    """Returns a view of windows along the last axis, as numpy's `sliding_window_view`; its checks take longer than the rest."""
    shape = *rows.shape[:-1], rows.shape[-1] - width + 1, width
    return as_strided(rows, shape, (*rows.strides, rows.strides[-1]), writeable=False)


def rounded(passes, counts, signs=None):
    """Returns the `Network` of trained weights.

    Args:
        passes: for each pass the arrays of `NAMES` as trained: inputs, activations and the scale in units of 1.
        counts, signs: as for `Network`.
    """
    return Network(_whole(passes, NAMES), np.asarray(counts, np.int64), signs)


def rounded_signs(parts, counts):
    """Returns the `SignNetwork` of trained weights: for each part the arrays of `SIGN_NAMES`, for inputs in units of 1."""
    return SignNetwork(_whole(parts, SIGN_NAMES), np.asarray(counts, np.int64))


def _whole(parts, names):
    """Returns weights in units of 1/4096, rounded; biases are in units of activations times weights."""
    units = dict.fromkeys(names, FINE) | {name: UNIT * FINE for name in names if name.endswith("bias")}
    return tuple({name: np.rint(np.asarray(values[name], np.float64) * units[name]) for name in names} for values in parts)


def save(network, path):
    """Writes a `Network` to an npz file of integers."""
    arrays = _arrays(network.passes, NAMES, "") | {"counts": network.counts.astype("<i4")}
    if network.signs:
        arrays |= _arrays(network.signs.parts, SIGN_NAMES, "sign_") | {"sign_counts": network.signs.counts.astype("<i4")}
    np.savez_compressed(path, **arrays)


def _arrays(parts, names, prefix):
    return {f"{prefix}{name}_{n}": weights[name].astype("<i4") for n, weights in enumerate(parts) for name in names}


def load(path):
    """Returns the `Network` of an npz file by `save`; nothing in the file is run as code.

    Raises:
        ValueError: no such file's content; OSError where it cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        passes, counts = _read(arrays, NAMES, PASSES, ""), arrays["counts"].astype(np.int64)
        signs = None
        if "sign_counts" in arrays:
            signs = SignNetwork(_read(arrays, SIGN_NAMES, 2, "sign_"), arrays["sign_counts"].astype(np.int64))
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: these are no weights of a context network. Received: {error}") from error
    return Network(passes, counts, signs, hashlib.sha256(data).digest()[:4])


def _read(arrays, names, count, prefix):
    return tuple(
        {name: np.asarray(arrays[f"{prefix}{name}_{number}"], np.float64) for name in names} for number in range(count)
    )
