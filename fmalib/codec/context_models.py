"""The context models by name: what a file's model decides."""

from fmalib.codec import contexts

MODELS = {"mdct": contexts.Neighbourhood}
CUTTING = MODELS | {"mdct": contexts.CutNeighbourhood}  # of the profile listening, whose frames are always cut where it pays


def start(header, channels, bins):
    """Returns the context model that a header names, at the start of a chunk with so many channels and bins."""
    return _of(header)(channels, bins)


def switches(header):
    """Returns the highest split of frames (`fmalib.codec.block_switching`) by the model of a header; 0 where it cuts none."""
    return _of(header).switches


def _of(header):
    return (CUTTING if header.profile == "listening" else MODELS)[header.model]
