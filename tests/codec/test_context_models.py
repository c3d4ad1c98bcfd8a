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


def test_the_digest_of_listening_covers_all_files_that_decode_it(monkeypatch, tmp_path):
    """Components of bands and the envelope's network are a part of what a header names."""
    for name in ("bands.npz", "envelope.npz", "listening.npz", "waveform.npz"):
        (tmp_path / name).write_bytes((context_models.FOLDER / name).read_bytes())
    found = {}
    for changed in ("", "bands.npz", "envelope.npz"):
        if changed:
            (tmp_path / changed).write_bytes((tmp_path / changed).read_bytes() + b" ")
        monkeypatch.setattr(context_models, "FOLDER", tmp_path)
        found[changed] = [context_models.named("learned", profile)[1] for profile in ("listening", "waveform")]
    assert len({digests[0] for digests in found.values()}) == 3
    assert len({digests[1] for digests in found.values()}) == 1
