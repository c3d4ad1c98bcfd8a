"""Variants of the codec: equal to it where nothing is replaced, worse where a part is missing, and gone afterwards."""

import numpy as np
import pytest

import fmalib.codec
from fmalib.codec import ablation, contexts, metrics, quantiser


def music(seed=0, seconds=3, rate=8000):
    rng = np.random.default_rng(seed)
    time = np.arange(seconds * rate) / rate
    chord = sum(np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) * rng.uniform(0.02, 0.1) for f in rng.uniform(80, 1500, 12))
    return (chord * (0.6 + 0.4 * np.sin(3.1 * time)) + rng.normal(0, 0.01, len(time))).astype(np.float32)


PIECES = {"a": [music()], "b": [music(1), np.zeros(8000, np.float32)]}


def test_a_variant_without_a_change_needs_the_same_bytes(monkeypatch):
    variants = (ablation.Variant("same"), ablation.Variant("the same model", model="mdct"))
    monkeypatch.setitem(ablation.VARIANTS, "mdct", variants)
    table = ablation.table(PIECES, 8000, progress=False)
    assert table["variant"].tolist() == ["same", "the same model"]
    assert table["percent"].tolist() == [0, 0] and table["n"].tolist() == [2, 2]  # silence is left out
    assert table["percent_ci95"].tolist() == [[0, 0], [0, 0]]


def test_a_variant_of_ten_percent_more_bytes_has_ten_percent(monkeypatch):
    curve, calls = ablation._curve, []

    def padded(audio, rate, model, steps):
        kbps, decibels = curve(audio, rate, model, steps)
        calls.append(model)
        return np.multiply(kbps, 1.1 if len(calls) > 2 else 1.0), decibels

    monkeypatch.setattr(ablation, "_curve", padded)
    monkeypatch.setitem(ablation.VARIANTS, "mdct", (ablation.Variant("padded"),))
    table = ablation.table(PIECES, 8000, progress=False)
    assert table["percent"][0] == pytest.approx(10, rel=1e-9) and calls == ["mdct"] * 4


def test_each_part_of_mdct_is_worth_bytes():
    table = ablation.table(PIECES, 8000, progress=False).set_index("variant")
    assert (table["model"] == "mdct").all()
    assert table["percent"]["rounding, not the trellis"] > 1
    assert table["percent"]["no contexts"] > 10
    assert table["percent"]["no centroids"] > 0


def test_the_codec_is_itself_again_afterwards():
    before = fmalib.codec.encode(music(), 8000, 8)
    for variant in ablation.VARIANTS["mdct"]:
        with variant.active("mdct") as model:
            data = fmalib.codec.encode(music(), 8000, step=0.01, model=model)
            decoded, _ = fmalib.codec.decode(data)
        assert metrics.si_sdr(music(), decoded) > 20, variant.name  # a variant decodes what it encoded
    assert fmalib.codec.encode(music(), 8000, 8) == before
    assert contexts.Neighbourhood.__name__ == "Neighbourhood" and quantiser.HALFWAY.tolist() == [0, 0, 1, 1]


def test_plain_rounding_is_a_dead_zone_of_one_and_three_tenths():
    levels = ablation._rounded(np.array([0.64, 0.66, -0.66, 1.64, 1.66, -3.7]), 1.0)
    assert levels.tolist() == [0, 1, -1, 1, 2, -4]
