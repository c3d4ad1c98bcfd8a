"""The context models by name."""

from fmalib.codec import context_models, contexts
from fmalib.codec.bitstream import Header


def test_a_header_names_its_context_model():
    near = context_models.start(Header(8000, 2, 100, 64, 4), 2, 32)
    assert isinstance(near, contexts.Neighbourhood)
    assert near.frame.shape == (2, 32)
    assert context_models.switches(Header(8000, 2, 100, 64, 4)) == 0


def test_frames_of_the_profile_listening_are_cut():
    header = Header(8000, 2, 100, 64, 4, profile="listening")
    assert isinstance(context_models.start(header, 2, 32), contexts.CutNeighbourhood)
    assert context_models.switches(header) == 2
