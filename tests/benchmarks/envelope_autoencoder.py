"""Does a nonlinear autoencoder code the envelope in fewer bits? `python tests/benchmarks/envelope_autoencoder.py FOLDER`

The codec's envelope goes through a linear autoencoder: a cosine transform over time, principal components over bands, and
rounding towards 0. Convolutional networks are added to it: one in the decoder, which improves what was restored, then one in
the encoder too, trained together for error plus bits. Both start as zeros, level with the linear one. Files are split: networks
train on some, the table is of the others. Bits are those that the contexts by hand and, in the last column, a network need.
"""

import argparse

import keras
import numpy as np
import soxr
from keras import layers, ops

from fmalib.codec import envelope, envelope_training, examples, integer_network, learned_envelope, levels
from fmalib.data import formats

ROWS, BLOCKS = envelope.ROWS, 8  # frames of a block, blocks of a training crop
DECIBEL = 10 * np.log10(2)  # of an octave of power
CENTRE, SPREAD = 18, 6  # octaves, for the networks' inputs
SECONDS = 30  # of a file, at most
KBPS_OF_STEPS = (16, 20, 24, 28, 34, 43, 56)  # of the linear autoencoder, between which bits at equal error are interpolated


def network(bands, width):
    """Returns a residual network over time, from powers and places in the block to a correction, zeros at first."""
    given = keras.Input((None, bands + ROWS))
    x = layers.Conv1D(width, 5, padding="same")(given)
    for dilation in (1, 2, 4):
        y = layers.Conv1D(width, 3, padding="same", dilation_rate=dilation, activation="relu")(layers.ReLU()(x))
        x = layers.Add()([x, layers.Conv1D(width, 1)(y)])
    return keras.Model(given, layers.Conv1D(bands, 1, kernel_initializer="zeros")(layers.ReLU()(x)))


class Autoencoder(keras.Model):
    """The envelope's coding at a step, differentiable: powers above the floor in octaves, `(batch, frames, bands)`, restored.

    Args:
        bands, step: of the envelope, and of its rounding.
        price: squared dB that a bit of a frame may cost; None without an encoder's network.
        width: of the networks.
    """

    def __init__(self, bands, step, price=None, width=48):
        super().__init__()
        self.bands, self.price, self.unit = bands, price, envelope.STEP_UNIT / step
        self.time, self.basis = (np.float32(each / 4096) for each in (envelope.cosines(ROWS), envelope.learned(bands)))
        self.decoder, self.encoder = network(bands, width), price and network(bands, width)
        self.prior = price and keras.Sequential([layers.Conv1D(48, 1, activation="relu"), layers.Dense(ROWS * bands)])

    def coefficients(self, powers):
        """Returns coefficients in steps, `(batch, blocks, ROWS, bands)`."""
        blocks = ops.reshape(powers, (-1, powers.shape[1] // ROWS, ROWS, self.bands))
        return self.unit * ops.einsum("jt,bctk,mk->bcjm", self.time, blocks, self.basis)

    def restored(self, values):
        """Returns the powers of coefficients in steps."""
        powers = ops.einsum("jt,bcjm,mk->bctk", self.time, values, self.basis) / self.unit
        return ops.reshape(powers, (-1, values.shape[1] * ROWS, self.bands))

    def corrected(self, powers, by):
        """Returns powers and the correction of a network."""
        blocks = powers.shape[1] // ROWS
        places = ops.broadcast_to(
            np.tile(np.eye(ROWS, dtype="float32"), (blocks, 1)), (ops.shape(powers)[0], blocks * ROWS, ROWS)
        )
        return powers + by(ops.concatenate([(powers - CENTRE) / SPREAD, places], axis=-1)) * SPREAD / 2

    def rounded(self, powers):
        """Returns (coefficients in steps, integers)."""
        exact = self.coefficients(self.corrected(powers, self.encoder) if self.encoder else powers)
        whole = ops.sign(exact) * ops.floor(ops.abs(exact))
        return exact, ops.concatenate([ops.round(exact[:, :, :1]), whole[:, :, 1:]], axis=2)

    def call(self, powers):
        """Returns restored powers; adds the price of bits to the loss."""
        exact, whole = self.rounded(powers)
        outward = envelope.OUTWARD / 8 * ops.sign(whole[:, :, 1:])
        middle = ops.concatenate([whole[:, :, :1], whole[:, :, 1:] + outward], axis=2)
        if self.price:
            self.add_loss(self.price * self._bits(exact, whole) / DECIBEL**2)
        through = exact + ops.stop_gradient(middle - exact)
        return self.corrected(self.restored(through), self.decoder)

    def _bits(self, exact, whole):
        """Returns bits of a frame under Laplace distributions, whose scales are foretold from the block before."""
        exact, whole = (
            ops.concatenate([each[:, 1:, :1] - each[:, :-1, :1], each[:, 1:, 1:]], axis=2) for each in (exact, whole)
        )
        sizes = ops.abs(whole)
        known = ops.reshape(ops.log(1 + sizes[:, :-1]), (-1, sizes.shape[1] - 1, ROWS * self.bands))
        scales = ops.exp(ops.clip(self.prior(known) - 1, -2.5, 6))
        sizes, exact = (ops.reshape(each[:, 1:], ops.shape(scales)) for each in (sizes, ops.abs(exact)))
        sizes = exact + ops.stop_gradient(sizes - exact)
        nats = sizes / scales - ops.log(1 - ops.exp(-1 / scales) + 1e-9)
        return ops.sum(ops.mean(nats, axis=(0, 1))) / np.log(2) / ROWS


def measured(model, pictures, step, weights):
    """Returns (bits a frame by hand, the same by a context network, mean squared error in dB^2) of a model or of None."""
    hand = learned = error = frames = 0
    for picture in pictures:
        powers = picture[None, : len(picture) // ROWS * ROWS].astype(np.float32) - envelope.FLOOR
        bands = powers.shape[2]
        linear = Autoencoder(bands, step) if model is None else model
        values = np.asarray(linear.rounded(powers)[1]).astype(np.int64)
        values[:, 1:, 0] -= values[:, :-1, 0].copy()
        values = values.reshape(1, -1, ROWS * bands)
        hand += levels.bits(values, envelope.Blocks(1, bands)).sum()
        learned += levels.bits(values, learned_envelope.Blocks(1, bands, step, weights)).sum()
        error += np.square(np.asarray(linear(powers)) - powers).mean() * powers.shape[1] * DECIBEL**2
        frames += powers.shape[1]
    return hand / frames, learned / frames, error / frames


def trained(model, crops, epochs, rate):
    """Returns a model after training on crops."""
    steps = epochs * -(-len(crops) // 16)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)), "mse")
    model.fit(crops, crops, batch_size=16, epochs=epochs, verbose=2)
    return model


def pictures_of(paths, sample_rate):
    """Returns the envelopes of files, channels averaged, `(frames, bands)` each."""
    read, found = [examples.reader([path]) for path in paths], []
    for each in read:
        song, own = each(np.random.default_rng(0))
        song = song[: SECONDS * own].mean(axis=1, keepdims=True)
        found.append(envelope_training.powers(soxr.resample(song, own, sample_rate), sample_rate)[0, 0])
    return found


def main():
    """Trains, measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("music", help="folder of music")
    parser.add_argument("--rate", type=int, default=22_050, help="Hz to which all files are resampled")
    parser.add_argument("--step", type=int, default=24, help="of the envelope, in 1/8 octave")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--price", type=float, default=0.6, help="dB^2 that a bit of a frame may cost")
    parser.add_argument("--weights", help="npz file of the envelope's network; the package's was trained on the authors' music")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    keras.utils.set_random_seed(given.seed)
    weights = integer_network.load(given.weights) if given.weights else learned_envelope.network()
    paths = formats.sound_files(given.music)
    order = np.random.default_rng(given.seed).permutation(len(paths))
    held, heard = (pictures_of([paths[n] for n in some], given.rate) for some in np.split(order, [max(1, len(paths) // 5)]))
    length = ROWS * BLOCKS
    crops = np.concatenate([each[: len(each) // length * length].reshape(-1, length, each.shape[1]) for each in heard])
    crops = crops.astype(np.float32) - envelope.FLOOR
    bands = crops.shape[2]
    curve = np.log([measured(None, held, step, weights) for step in KBPS_OF_STEPS])
    one = trained(Autoencoder(bands, given.step), crops, given.epochs, 2e-3)
    both = Autoencoder(bands, given.step, given.price)
    both(crops[:1])
    both.decoder.set_weights(one.decoder.get_weights())
    trained(both, crops, given.epochs, 3e-4)
    rows = {"linear": None, "network in the decoder": one, "networks in encoder and decoder": both}
    print(f"{len(held)} held-out and {len(heard)} training files, {given.rate} Hz, step {given.step}, seed {given.seed}")
    print(f"{'':32} bits a frame by hand, by a network   error dB^2   bits at equal error, by hand, by a network")
    for name, model in rows.items():
        hand, learned, error = measured(model, held, given.step, weights)
        usual = np.exp([np.interp(np.log(error), curve[:, 2], curve[:, column]) for column in (0, 1)])
        percent = [100 * (bits / other - 1) for bits, other in zip((hand, learned), usual)]
        print(f"{name:32} {hand:8.2f} {learned:8.2f} {error:22.2f} {percent[0]:+20.1f} % {percent[1]:+8.1f} %")


if __name__ == "__main__":
    main()
