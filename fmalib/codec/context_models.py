"""The context models by name: what a file's model decides."""

from fmalib.codec import contexts

MODELS = {"mdct": contexts.Neighbourhood}


def start(header, channels, bins):
    """Returns the context model that a header names, at the start of a chunk with so many channels and bins."""
    return MODELS[header.model](channels, bins)


def switches(header):
    """Returns whether the model of a header cuts frames (`fmalib.codec.block_switching`)."""
    return MODELS[header.model].switches > 0
