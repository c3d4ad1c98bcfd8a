"""Does `sparse` beat a coder that learns nothing? `python tests/benchmarks/mdct_opponent.py --data-dir FOLDER`

The opponent is an MDCT with a uniform step and a dead zone. Its bits are counted, not written: the entropy of each symbol given
its neighbours, and four bits for each symbol that a context has seen, for the table. An adaptive range coder comes within a
percent of that. Both code the segments that 05_compression measures; the sparse autoencoder is untrained.
"""

import argparse

import numpy as np

from fmalib.codec import coders, metrics
from fmalib.data import audio_cache, datasets, segments
from fmalib.models import architectures
from fmalib.signal import mdct
from fmalib.training import autoencoders

HOP = 512  # samples
ROUNDING, SHRINK = 0.35, 0.05  # added before the floor, so a dead zone of 1.3 steps; taken off magnitudes, in steps
TABLE_BITS = 4  # for each different symbol of a context
EDGES = (0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64)  # mean magnitude of the neighbours
PLACES = (1 / 128, 1 / 32, 3 / 32, 1 / 4, 1 / 2)  # of the bin, from 0 to half the sample rate


def contexts(symbols):
    """Returns the context of each symbol `(frames, bins)` by symbols already sent: two bins below, five of the frame before."""
    sizes = np.pad(np.abs(symbols), ((1, 0), (2, 2)))
    now, before = sizes[1:], sizes[:-1]
    near = 2 * now[:, 1:-3] + now[:, :-4] + 2 * before[:, 2:-2] + before[:, 1:-3] + before[:, 3:-1] + before[:, 4:]
    place = np.digitize(np.arange(symbols.shape[1]) / symbols.shape[1], PLACES)
    return np.digitize(near / 8, EDGES) * (len(PLACES) + 1) + place


def count_bits(symbols):
    """Returns the bits of symbols `(frames, bins)`: their entropy in each context, and the tables."""
    span = 2 * np.abs(symbols).max() + 1
    pairs, counts = np.unique(contexts(symbols) * span + symbols + span // 2, return_counts=True)  # one number a pair
    totals = np.bincount(pairs // span, counts)
    return -(counts * np.log2(counts / totals[pairs // span])).sum() + TABLE_BITS * len(counts)


def mdct_coder(audio, sample_rate, kbps):
    """Returns (audio `(samples,)` after the coder, its bytes) at the finest step whose bits fit into `kbps`."""
    angles = np.pi * (np.arange(HOP // 2) + 0.5) / (2 * HOP)  # of the sine window
    window = mdct.window_halves(angles.astype(np.float32), HOP)
    coefficients = np.asarray(mdct.analyse(audio[None], window, HOP))[0]

    def quantise(step):
        return (np.sign(coefficients) * np.floor(np.abs(coefficients) / step + ROUNDING)).astype(int)

    low, high = 1e-6, 1e3
    for _ in range(18):
        step = np.sqrt(low * high)
        fits = metrics.real_kbps(count_bits(quantise(step)) / 8, len(audio) / sample_rate) <= kbps
        low, high = (low, step) if fits else (step, high)
    symbols = quantise(high)
    values = np.sign(symbols) * (np.abs(symbols) - SHRINK) * high
    return np.asarray(mdct.synthesise(values[None].astype(np.float32), window, len(audio)))[0], count_bits(symbols) / 8


def opponent(sample_rate, kbps):
    """Returns the `Coder` of `mdct_coder`."""

    def run(audio):
        decoded, n_bytes = zip(*(mdct_coder(segment, sample_rate, kbps) for segment in audio))
        return np.stack(decoded), n_bytes

    return coders.Coder("MDCT, counted bits", kbps, run)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="fma_small")
    parser.add_argument("--data-dir")
    parser.add_argument("--latents", type=int, nargs="+", default=[512, 256, 128, 64, 32])
    options = parser.parse_args()
    data = datasets.load(options.dataset, options.data_dir)
    rate = architectures.SAMPLE_RATES["frequency"]
    length, decoded = architectures.segment_length("frequency", rate), audio_cache.build(data, rate)
    (training, validation, test), _ = segments.select_splits(data, decoded, length)
    pipeline = segments.Pipeline(decoded, training, validation, length, target="audio", batch_size=8)
    sparse = [autoencoders.untrained("frequency", "sparse", pipeline, latent=latent) for latent in options.latents]
    ours = [coders.autoencoder(each, rate, codec="sparse, untrained") for each in sparse]
    compared = [*ours, *(opponent(rate, coder.nominal_kbps) for coder in ours)]
    table = coders.measure(compared, decoded, test, length, per_track=coders.segments_that_fit(test, length))
    shown = ["codec", "nominal_kbps", "real_kbps", "relative_rmse", "spectral_rmse_ci95", *coders.METRICS]
    print(f"{data}\n{len(test)} test tracks, {table['n_segments'][0]} segments", table[shown].round(4).to_string(), sep="\n")
    errors = table["spectral_rmse"].to_numpy().reshape(2, -1)
    factors = ", ".join(f"{factor:.1f} at {each.nominal_kbps:.4g} kbit/s" for factor, each in zip(errors[0] / errors[1], ours))
    print(f"Error of sparse / error of its opponent: {factors}")


if __name__ == "__main__":
    main()
