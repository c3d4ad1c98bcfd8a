"""What each part of the codec buys: the codec without it, in bytes at equal error.

A variant replaces one part by a plainer one, in encoder and decoder alike, and nothing else. A part that a model learned is
ablated by the model without it: `Variant("the model mdct", model="mdct")`.
"""

import contextlib
import dataclasses
from unittest import mock

import numpy as np
import pandas as pd

from fmalib import intervals
from fmalib.codec import contexts, entropy, file_codec, learned_contexts, metrics, part_contexts, quantiser
from fmalib.progress import bar

STEPS = 2.0, 0.7, 0.25, 0.08  # times the root mean square of the audio
DEAD_ZONE = 0.35  # added before the floor: the best for a step of one size


def _rounded(coefficients, step, **_):
    """Returns levels by rounding with a dead zone, in the place of `fmalib.codec.quantiser.quantise`."""
    sizes = np.floor(np.abs(coefficients) / step + DEAD_ZONE).astype(np.int64)
    return np.where(coefficients < 0, -sizes, sizes)


class _OnePass(contexts.Neighbourhood):
    """The neighbourhood without neighbours in the frame itself: all bins of a frame in one pass."""

    parts = ((slice(None), slice(None)),)
    ahead = None

    def tables(self, number):
        scales = entropy.scales_of(self._past[number])
        return scales + entropy.SCALES * (self._trellis.halves & (entropy.SHIFTS[scales] == 0))


class _OneTable(contexts.Neighbourhood):
    """The neighbourhood without expected magnitudes: one table for each pass and quantiser, which adapts."""

    ahead = None

    def expected(self, number):
        return np.full_like(super().expected(number), contexts.UNIT)


@dataclasses.dataclass(frozen=True)
class Variant:
    """The codec with something else in the place of one part.

    Attributes:
        name: in tables and plots.
        model: of `fmalib.codec.context_models.MODELS`; None for the model that is ablated.
        replaced: (module or class, attribute, substitute) of each replacement.
    """

    name: str
    model: str | None = None
    replaced: tuple = ()

    @contextlib.contextmanager
    def active(self, model):
        """Returns a context in which the codec is this variant of a model; it gives the name of the model to ask for."""
        with contextlib.ExitStack() as stack:
            for owner, attribute, substitute in self.replaced:
                stack.enter_context(mock.patch.object(owner, attribute, substitute))
            yield self.model or model


_QUANTISER = (
    Variant(
        "rounding, not the trellis",
        replaced=((quantiser, "quantise", _rounded), (quantiser, "HALFWAY", np.zeros_like(quantiser.HALFWAY))),
    ),
    Variant("no centroids", replaced=((quantiser, "centroids", lambda *_: (0,) * 6),)),
)
VARIANTS = {  # by the model that is ablated
    "mdct": (
        *_QUANTISER,
        Variant("one pass, not three", replaced=((contexts, "Neighbourhood", _OnePass),)),
        Variant("no contexts", replaced=((contexts, "Neighbourhood", _OneTable),)),
    ),
    "learned": (
        *_QUANTISER,
        Variant("contexts by hand, no cuts of frames", model="mdct"),
        Variant("no cuts of frames", replaced=((part_contexts.Parts, "switches", 0),)),
        Variant("signs are not foretold", replaced=((learned_contexts.Neighbourhood, "foretells", False),)),
    ),
}


def table(pieces, sample_rate, *, model="mdct", steps=STEPS, progress=True):
    """Returns how many more bytes each variant of a model needs at equal signal-to-noise ratio: the BD-rate, in percent.

    Args:
        pieces: dict from a label, whose pieces are not independent, to a list of float arrays `(samples,)`; silent pieces are
            left out.
        sample_rate: Hz.
        model: the model that is ablated; its variants are in VARIANTS.
        steps: step sizes, in root mean squares of a piece.

    Returns:
        Table with one row a variant: `model`, `variant`, `percent`, `percent_ci95` (over labels, [low, high] or None), `n`.
    """
    kept = [(label, audio) for label, each in pieces.items() for audio in each if np.any(audio)]
    audio, labels = [audio for _, audio in kept], [label for label, _ in kept]
    with bar(total=len(kept) * (1 + len(VARIANTS[model])), desc="Ablating", unit="curve", progress=progress) as shown:
        whole, *others = (
            _curves(variant, audio, sample_rate, model, steps, shown) for variant in (Variant("all parts"), *VARIANTS[model])
        )
    rows = []
    for variant, curves in zip(VARIANTS[model], others):
        more = np.array([metrics.bd_rate(*pair, *other) for pair, other in zip(whole, curves)])
        interval = intervals.over_artists(more, labels)
        row = {"model": model, "variant": variant.name, "percent": float(more.mean()), "n": len(more)}
        rows.append(row | {"percent_ci95": interval and list(interval)})
    return pd.DataFrame(rows)


def _curves(variant, pieces, sample_rate, model, steps, shown):
    """Returns the curve of each piece by a variant of a model; `shown` is the progress bar."""
    curves = []
    with variant.active(model) as asked:
        for audio in pieces:
            curves.append(_curve(audio, sample_rate, asked, steps))
            shown.update()
    return curves


def _curve(audio, sample_rate, model, steps):
    """Returns (kbit/s of real bytes, signal-to-noise ratios in dB) of a piece at step sizes."""
    kbps, decibels, rms = [], [], np.sqrt(np.mean(np.square(audio, dtype=np.float64)))
    for step in steps:
        data = file_codec.encode(audio, sample_rate, step=float(step * rms), model=model)
        error = np.square(audio - file_codec.decode(data)[0], dtype=np.float64)
        kbps.append(metrics.real_kbps(len(data), len(audio) / sample_rate))
        decibels.append(10 * np.log10(rms**2 / error.mean()))
    return kbps, decibels
