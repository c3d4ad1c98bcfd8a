"""Every autoencoder architecture by name: its builder, its training settings, and the meaning of its latent and filters."""

import dataclasses
import functools
from collections.abc import Callable

import keras

from fmalib.models import losses, mdct_autoencoders, original, sparse_mdct

SAMPLE_RATES = {"frequency": 8000, "time": 44_100}  # Hz, of the study's two branches
BATCH_SIZES = {"frequency": 8, "time": 32}
SEGMENT = 65_536  # samples of a training segment in the study


@dataclasses.dataclass(frozen=True)
class Architecture:
    """An entry of `ARCHITECTURES`.

    Attributes:
        build: function of `samples`, `latent`, `mean` and `std` (keyword arguments) that returns the model.
        description: one line.
        loss: function of (loss name, std) that returns the Keras loss.
        learning_rate: of Adam.
        solve: function of (model, cache, track ids) that sets the weights; None where they are trained.
        codewords: whether latent values are codewords, which are no quantities.
        filters: input of the first layer's filters: `samples`, MDCT `bins`, or `patches` of an STFT.
    """

    build: Callable
    description: str
    loss: Callable = losses.AudioLoss
    learning_rate: float = 1e-3
    solve: Callable | None = None
    codewords: bool = False
    filters: str = "bins"


def _of_frames(kind, *, samples, latent, mean, std):
    return mdct_autoencoders.mdct_autoencoder(kind, samples=samples, latent=latent, std=std)


ARCHITECTURES = {
    "frequency": {
        "study": Architecture(
            build=lambda *, samples, latent, mean, std: original.frequency_autoencoder(samples=samples, latent=latent),
            description="the study's convolutions on an STFT",
            loss=lambda loss, std: losses.SpectralLoss(),
            filters="patches",
        ),
        "sparse": Architecture(
            build=lambda *, samples, latent, mean, std: sparse_mdct.sparse_autoencoder(samples=samples, latent=latent),
            description="ours: codewords of the largest MDCT coefficients",
            learning_rate=3e-3,  # of the angles of its windows
            codewords=True,
            filters="samples",
        ),
        **{
            kind: Architecture(build=functools.partial(_of_frames, kind), description=description, solve=solve)
            for kind, (_, _, solve, description) in mdct_autoencoders.KINDS.items()
        },
    },
    "time": {
        "study": Architecture(
            build=original.time_autoencoder, description="the study's convolutions on samples", filters="samples"
        )
    },
}


def find(domain, model, loss="mse"):
    """Returns the `Architecture` of a name in a domain.

    Raises:
        ValueError: no such domain, architecture, or loss in that domain.
    """
    if domain not in ARCHITECTURES:
        raise ValueError(f"domain must be one of {', '.join(ARCHITECTURES)}. Received: domain={domain!r}")
    known = ARCHITECTURES[domain]
    if model not in known:
        raise ValueError(f"In the {domain} domain, model must be one of {', '.join(known)}. Received: model={model!r}")
    known_losses = losses.LOSSES if domain == "time" else ("mse",)
    if loss not in known_losses:
        raise ValueError(f"In the {domain} domain, loss must be one of {', '.join(known_losses)}. Received: loss={loss!r}")
    return known[model]


def valid_length(domain, samples):
    """Returns the largest segment length up to `samples` that the study's network of a domain accepts."""
    if domain == "time":
        return original.valid_length(samples)
    return original.valid_length(samples, kernel=original.FREQUENCY_SHORTEST, stride=original.FREQUENCY_STEP)


def segment_length(domain, sample_rate):
    """Returns the samples of a segment: the study's 65,536, or as many seconds at another rate, as a valid length."""
    return valid_length(domain, SEGMENT * sample_rate // SAMPLE_RATES[domain])


def compiled(domain, model, *, samples, latent, mean=0.0, std=1.0, loss="mse"):
    """Returns an autoencoder ready to be trained on (audio, audio).

    Args:
        domain, model: keys of `ARCHITECTURES`.
        samples: length of a segment; see `segment_length`.
        latent: channels, or values for each frame.
        mean, std: of the training audio.
        loss: one of `fmalib.models.losses.LOSSES` in the time domain; `mse` in the frequency domain.

    Raises:
        ValueError: an unknown name, or a latent that the model cannot have.
    """
    architecture = find(domain, model, loss)
    network = architecture.build(samples=samples, latent=latent, mean=mean, std=std)
    network.compile(keras.optimizers.Adam(architecture.learning_rate), architecture.loss(loss, std))
    return network
