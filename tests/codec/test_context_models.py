"""The context models by name."""

import numpy as np
import pytest

import fmalib.codec
from fmalib.codec import context_models, contexts, learned_contexts
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


@pytest.mark.parametrize("profile, step", [("waveform", 0.1), ("listening", 1.0)])
def test_weights_of_the_package_foretell_the_signs_of_tones(monkeypatch, profile, step):
    time = np.arange(6 * 8000) / 8000
    audio, sizes = sum(0.2 * np.sin(2 * np.pi * hertz * time) for hertz in (233, 440, 1015)), []
    for foretells in (True, False):
        monkeypatch.setattr(learned_contexts.Neighbourhood, "foretells", foretells)
        sizes.append(len(fmalib.codec.encode(audio, 8000, step=step, model="learned", profile=profile)))
    assert sizes[0] < 0.93 * sizes[1]
