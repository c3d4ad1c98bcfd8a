"""A recurrent sequence autoencoder of log-mel spectrograms, after auDeep (Freitag et al. 2017)."""

import keras
from keras import layers

from fmalib.models.layers import LogMel
from fmalib.models.losses import LogMelLoss
from fmalib.signal import mel

N_MELS = 64
UNITS = 256
FRAME_SECONDS = 0.08  # of the hop, about: the time of a recurrent network is proportional to the number of frames


def frame_sizes(sample_rate):
    """Returns (n_fft, hop) in samples."""
    n_fft, hop = mel.frame_sizes(sample_rate)
    while hop * 1.5 < FRAME_SECONDS * sample_rate:
        n_fft, hop = 2 * n_fft, 2 * hop
    return n_fft, hop


def recurrent_autoencoder(*, samples, sample_rate, units=UNITS):
    """Returns the autoencoder; train it with `loss` on (audio, audio).

    A GRU reads the spectrogram. A dense layer with tanh makes its last state the latent, one vector for a segment. A second
    GRU starts from the latent and predicts each frame from those before. auDeep stacks two layers of 256 and predicts
    backwards; here it is one layer, forwards.

    Args:
        samples: length of a segment at `sample_rate` (Hz).
        units: of both GRUs and of the latent.

    Returns:
        Model from `(batch, samples)` to a log-mel spectrogram `(batch, frames, 64)`, with the layer `latent`.
    """
    n_fft, hop = frame_sizes(sample_rate)
    audio = keras.Input((samples,), name="audio")
    spectrogram = LogMel(sample_rate, N_MELS, n_fft, hop, name="log_mel")(audio)
    state = layers.GRU(units, name="encoder_gru")(spectrogram)
    latent = layers.Dense(units, activation="tanh", name="latent")(state)
    delayed = layers.Cropping1D((0, 1), name="drop_last")(layers.ZeroPadding1D((1, 0), name="delay")(spectrogram))
    x = layers.GRU(units, return_sequences=True, name="decoder_gru")(delayed, initial_state=latent)
    x = layers.Dense(N_MELS, name="spectrogram")(x)
    return keras.Model(audio, x, name="recurrent_autoencoder")


def loss(sample_rate):
    """Returns the loss of `recurrent_autoencoder`: the squared error of log-mel frames."""
    n_fft, hop = frame_sizes(sample_rate)
    return LogMelLoss(sample_rate, N_MELS, n_fft, hop)


def encoder_of(autoencoder):
    """Returns the model from `(batch, samples)` to the latent `(batch, units)`."""
    return keras.Model(autoencoder.input, autoencoder.get_layer("latent").output, name="encoder")
