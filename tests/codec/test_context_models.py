"""The context models by name."""

from fmalib.codec import context_models, contexts
from fmalib.codec.bitstream import Header


def test_a_header_names_its_context_model():
    near = context_models.start(Header(8000, 2, 100, 64, 4), 2, 32)
    assert isinstance(near, contexts.Neighbourhood)
    assert near.frame.shape == (2, 32)
