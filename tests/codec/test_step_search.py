"""Step sizes: bytes are met with and without a network, chunks of many get what is left, a ratio in dB is met."""

import numpy as np
import pytest
from helpers import tone

from fmalib.codec import context_models, file_codec, rate_control, step_search, waveform
from fmalib.codec.bitstream import Header

RATE, HOP = 8000, 512


def frames_of(seconds, model="mdct"):
    """Returns (frames of chunks as the profile waveform analyses them, header)."""
    audio = np.stack([tone(440, seconds), tone(700, seconds, seed=1)], axis=1)
    header = Header(RATE, 2, len(audio), HOP, 100, 0, *_named(model))
    return [waveform.analyse(file_codec.alone(audio, HOP), 30_000, header)], header


def _named(model):
    name, digest = context_models.named(model, "waveform")
    return name, "waveform", digest


@pytest.mark.parametrize("model", ["mdct", "learned"])
@pytest.mark.parametrize("wanted", [1500, 12_000])
def test_a_search_meets_the_bytes(model, wanted):
    chunks, header = frames_of(6, model)
    counts = sum(rate_control.histogram(each.coefficients) for each in chunks)
    found = list(step_search.searched(header, chunks, counts, wanted))
    assert len(found) == 1
    number, body = found[0]
    assert step_search.LEAST * wanted <= len(body) <= step_search.MOST * wanted
    assert body == step_search.pack(chunks[0], number, header)


def test_the_network_is_asked_for_a_part_and_then_once_or_twice(monkeypatch):
    _, header = frames_of(6, "learned")
    noise = np.random.default_rng(0).laplace(0, 0.1, (6 * RATE, 2)) * np.linspace(0.1, 1, 6 * RATE)[:, None]
    chunks = [waveform.analyse(file_codec.alone(noise, HOP), 30_000, header)]
    counts, asked = sum(rate_control.histogram(each.coefficients) for each in chunks), []
    plain = waveform.pack
    monkeypatch.setattr(waveform, "pack", lambda chunk, given: asked.append(given.model) or plain(chunk, given))
    list(step_search.searched(header, chunks, counts, 40_000))
    assert asked.count("mdct") <= 5
    assert asked.count("learned") - 2 in (1, 2)  # a stretch of both halves, and all


def test_a_ratio_in_decibels_is_met():
    chunks, header = frames_of(3)
    counts = rate_control.histogram(chunks[0].coefficients)
    number = step_search.for_snr(header, chunks, counts, 20)
    back = waveform.dequantise(waveform.quantise(chunks[0], number, header), header)
    wanted = chunks[0].coefficients
    assert 10 * np.log10(np.sum(wanted**2) / np.sum((wanted - back) ** 2)) == pytest.approx(20, abs=0.15)


def steered(levels, wanted, monkeypatch):
    """Returns (numbers, bytes of each chunk, how often a chunk was coded) of noise in chunks with levels."""
    _, header = frames_of(3)
    noise, coded, plain = np.random.default_rng(0).normal(0, 0.1, (2, 50, HOP)), [], step_search.pack
    monkeypatch.setattr(step_search, "pack", lambda *given: coded.append(given[1]) or plain(*given))
    loud = [waveform.Frames(level * noise) for level in levels]
    counts = [rate_control.histogram(each.coefficients) for each in loud]
    numbers, bodies = zip(*step_search.steered(header, iter(loud), counts, wanted))
    return numbers, [len(body) for body in bodies], len(coded)


def test_many_chunks_use_up_the_bytes(monkeypatch):
    numbers, sizes, coded = steered((1, 0.5, 1, 0.3, 0.7, 1), 60_000, monkeypatch)
    assert 0.97 * 60_000 <= sum(sizes) <= 1.005 * 60_000
    assert max(numbers) - min(numbers) < 2048  # within an octave
    assert coded == 6 + 3 + 1  # the first one once at the coarsest step, and three times; the last one again


@pytest.mark.parametrize("levels", [(1e-3,) * 4 + (1,) * 4, (1,) * 4 + (1e-3,) * 4, (0,) * 4 + (1,) * 4, (1e-3,) * 7 + (1,)])
def test_a_chunk_that_misses_its_share_by_far_is_coded_again(levels, monkeypatch):
    _, sizes, coded = steered(levels, 8000, monkeypatch)
    assert 0.97 * 8000 <= sum(sizes) <= 1.005 * 8000
    assert coded > 8 + 3
