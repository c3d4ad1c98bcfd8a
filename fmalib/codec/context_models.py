"""The context models by name: what a file's model decides, and the weights of `learned`."""

import hashlib
from pathlib import Path

from fmalib.codec import contexts, integer_network, learned_contexts, part_contexts, signs
from fmalib.codec.bitstream import FormatError

MODELS = ("mdct", "learned")
FOLDER = Path(__file__).parent / "weights"  # of the package, a file for each profile
_NETWORKS = {}  # by digest, and those of the package by profile


def start(header, channels, bins):
    """Returns the context model that a header names, at the start of a chunk with so many channels and bins.

    Raises:
        FormatError: the file was coded with weights that are not known here.
    """
    if header.model == "mdct":
        return (contexts.CutNeighbourhood if header.profile == "listening" else contexts.Neighbourhood)(channels, bins)
    return learned(header, channels, bins, network(header.profile, header.model_hash))


def learned(header, channels, bins, weights):
    """Returns the context model of `learned` for a header's profile; `weights` is its network, or None for inputs alone."""
    return _kind(header)((channels, bins), header.sample_rate / 2 / header.hop, weights)


def _kind(header):
    """Returns the class of the context model of `learned`: frames of `listening` are so short that few are cut in a row."""
    return learned_contexts.Neighbourhood if header.profile == "listening" else part_contexts.Parts


def check(header):
    """Raises FormatError where the weights that a header names are not known."""
    if header.model != "mdct":
        network(header.profile, header.model_hash)


def switches(header):
    """Returns the highest split of frames (`fmalib.codec.block_switching`) by the model of a header; 0 where it cuts none."""
    if header.model == "mdct":
        return contexts.CutNeighbourhood.switches if header.profile == "listening" else 0
    return _kind(header).switches


def named(model, profile):
    """Returns what a header says of a model: its name, and the digest of its weights, zeros without any.

    Args:
        model: "mdct", "learned", or the path of weights by `fmalib.codec.context_training`, an npz file.
        profile: whose weights of the package `learned` has.
    """
    if str(model).endswith(".npz"):
        return "learned", _digest(use(model), profile)
    if model not in MODELS:
        raise ValueError(f"model must be mdct, learned, or an npz file of weights. Received: model={str(model)!r}")
    return model, bytes(4) if model == "mdct" else _digest(network(profile), profile)


def _digest(found, profile):
    """Returns the digest of all that a file of a profile is decoded with: the network, and for listening the envelope's too."""
    if profile != "listening":
        return found.digest
    of_envelope = [(FOLDER / name).read_bytes() for name in ("bands.npz", "envelope.npz")]
    return hashlib.sha256(found.digest + b"".join(of_envelope)).digest()[:4]


def network(profile, digest=None):
    """Returns the network with a digest, or that of the package for a profile; FormatError where the digest is not known."""
    if digest not in _NETWORKS and profile not in _NETWORKS:
        _NETWORKS[profile] = use(FOLDER / f"{profile}.npz")
    if digest is None:
        return _NETWORKS[profile]
    if digest not in _NETWORKS:
        text = "the file needs the weights that it was coded with: name them (--weights, or weights=)"
        raise FormatError(f"{text}. Received: a file for weights {digest.hex()}")
    return _NETWORKS[digest]


def use(path):
    """Reads weights from a file, so that coded files which name them can be decoded; returns the network."""
    found = integer_network.load(path)
    inputs = tuple(len(weights["straight"]) for weights in found.passes)
    if inputs != learned_contexts.INPUTS:
        raise ValueError(f"{path}: the network must have {learned_contexts.INPUTS} inputs. Received: {inputs}")
    if found.signs:
        inputs = [(len(weights["signed"]), len(weights["told"])) for weights in found.signs.parts]
        if inputs != [(signed, signs.TOLD) for signed in signs.SIGNED]:
            raise ValueError(f"{path}: signs must have {signs.SIGNED} and {signs.TOLD} inputs. Received: {inputs}")
    for profile in ("waveform", "listening"):
        _NETWORKS[_digest(found, profile)] = found
    return found
