"""The autoencoders of the original study, as Keras Functional models.

Inputs are waveforms at full scale 1. Standardisation and STFT are layers, so that a saved `.keras` file is complete.
"""

import keras
import numpy as np
from keras import layers

from fmalib.models.layers import FramedConv1D, FramedConv1DTranspose, Istft, Stft

TIME_FILTERS = 64
TIME_KERNEL = 512  # samples
TIME_STRIDE = 256  # samples
FREQUENCY_FILTERS = (8, 32)
FREQUENCY_N_FFT = 512  # samples
FREQUENCY_HOP = 128  # samples
FREQUENCY_SHORTEST = 1536  # samples: 13 frames, which two convolutions leave one of
FREQUENCY_STEP = 512  # samples: four frames, without which two strides of 2 do not mirror


def valid_length(samples, *, kernel=TIME_KERNEL, stride=TIME_STRIDE):
    """Returns the largest input length up to `samples` that the time-domain autoencoder accepts.

    For the frequency-domain one, pass `kernel=FREQUENCY_SHORTEST, stride=FREQUENCY_STEP`.
    """
    if samples < kernel:
        raise ValueError(f"A segment must hold at least one kernel of {kernel} samples. Received: samples={samples}")
    return kernel + (samples - kernel) // stride * stride


def time_autoencoder(*, samples=65_536, latent=32, mean=0.0, std=1.0, weight_decay=1e-5):
    """Returns the study's time-domain autoencoder.

    Conv1D to 64 channels (kernel 512, stride 256), ReLU, Conv1D to `latent` channels (kernel 1), ReLU; the decoder mirrors
    it with transposed convolutions. 65,536 samples give a latent of 255 x 32, "8x compression".

    Args:
        samples: length of input and output; 512 plus a multiple of 256.
        latent: channels of the latent.
        mean, std: of the training audio; inside, the model works on `(x - mean) / std`.
        weight_decay: of PyTorch's Adam, which is an L2 penalty of half that weight.

    Returns:
        Model from `(batch, samples)` to `(batch, samples)` of two models: its layers `encoder` (to `(batch, frames, latent)`)
        and `decoder`.

    Raises:
        ValueError: an impossible `samples`, `latent` or `std`.
    """
    check_latent(latent)
    if samples < TIME_KERNEL or samples != valid_length(samples):
        raise ValueError(
            f"samples must be {TIME_KERNEL} plus a multiple of {TIME_STRIDE}; see valid_length. Received: samples={samples}"
        )
    check_std(std)
    decay = l2_penalty(weight_decay)

    audio = keras.Input((samples,), name="audio")
    x = layers.Rescaling(1.0 / std, -mean / std, name="standardise")(audio)
    x = layers.Reshape((-1, 1), name="add_channel")(x)
    x = FramedConv1D(TIME_FILTERS, TIME_KERNEL, TIME_STRIDE, activation="relu", name="encoder_conv1", **decay)(x)
    x = FramedConv1D(latent, 1, activation="relu", name="latent", **decay)(x)
    encoder = keras.Model(audio, x, name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")
    x = FramedConv1DTranspose(TIME_FILTERS, 1, activation="relu", name="decoder_conv1", **decay)(code)
    x = FramedConv1DTranspose(1, TIME_KERNEL, TIME_STRIDE, name="decoder_conv2", **decay)(x)
    x = layers.Reshape((samples,), name="drop_channel")(x)
    x = layers.Rescaling(std, mean, name="destandardise")(x)
    decoder = keras.Model(code, x, name="decoder")

    return keras.Model(audio, decoder(encoder(audio)), name="time_autoencoder")


def frequency_autoencoder(*, samples=65_536, latent=64, weight_decay=1e-5):
    """Returns the study's frequency-domain autoencoder; its loss is `SpectralLoss`, and `waveform_model` makes it audible.

    STFT (512, hop 128), real and imaginary part as channels, unscaled. Twice Conv2D 5x5, stride 2, to 8 and 32 channels,
    ReLU; a convolution over the whole frequency axis to `latent` channels; the decoder mirrors it with transposed convolutions.
    65,536 samples give a latent of 126 x `latent`.

    Args:
        samples: length of the input; a multiple of 512, 1536 or more.
        latent: channels of the latent; the study's are 512, 256, 128, 64 and 32.
        weight_decay: as for `time_autoencoder`.

    Returns:
        Model from audio `(batch, samples)` to a spectrum `(batch, frames, bins, 2)` of `samples // 128 + 1` frames and 257
        bins, with the layers `encoder` (to `(batch, latent frames, latent)`) and `decoder`.

    Raises:
        ValueError: an impossible `samples` or `latent`.
    """
    check_latent(latent)
    if samples < FREQUENCY_SHORTEST or samples % FREQUENCY_STEP:
        raise ValueError(
            f"samples must be a multiple of {FREQUENCY_STEP}, {FREQUENCY_SHORTEST} or more; see valid_length. "
            f"Received: samples={samples}"
        )
    decay = l2_penalty(weight_decay)
    first, second = FREQUENCY_FILTERS

    audio = keras.Input((samples,), name="audio")
    x = Stft(FREQUENCY_N_FFT, FREQUENCY_HOP, name="stft")(audio)
    x = layers.Conv2D(first, 5, 2, activation="relu", name="encoder_conv1", **decay)(x)
    x = layers.Conv2D(second, 5, 2, activation="relu", name="encoder_conv2", **decay)(x)
    bins = x.shape[2]
    x = layers.Reshape((-1, second), name="join_bins")(x)  # a kernel over all bins is a stride over all bins
    x = FramedConv1D(latent, bins, bins, name="latent", **decay)(x)
    encoder = keras.Model(audio, x, name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")
    x = FramedConv1DTranspose(second, bins, bins, activation="relu", name="decoder_conv1", **decay)(code)
    x = layers.Reshape((-1, bins, second), name="split_bins")(x)
    x = layers.Conv2DTranspose(first, 5, 2, activation="relu", name="decoder_conv2", **decay)(x)
    x = layers.Conv2DTranspose(2, 5, 2, name="decoder_conv3", **decay)(x)
    decoder = keras.Model(code, x, name="decoder")

    return keras.Model(audio, decoder(encoder(audio)), name="frequency_autoencoder")


def waveform_model(autoencoder):
    """Returns an autoencoder as a model from `(batch, samples)` to `(batch, samples)`: spectra go through an inverse STFT.

    It shares layers and weights with the one given, and is that one if its output is a waveform already.
    """
    if len(autoencoder.output.shape) == 2:
        return autoencoder
    transform = autoencoder.get_layer("encoder").get_layer("stft")
    inverse = Istft(transform.n_fft, transform.hop, length=autoencoder.input.shape[1], name="istft")
    return keras.Model(autoencoder.input, inverse(autoencoder.output), name=f"{autoencoder.name}_waveform")


def with_length(model, samples):
    """Returns a copy of a model of waveforms, with its weights, for inputs of another length."""
    copy = keras.models.clone_model(model, input_tensors=keras.Input((samples,), name="audio"))
    copy.set_weights(model.get_weights())
    return copy


def check_latent(latent, *, lowest=1, highest=None):
    """Raises ValueError unless `latent` is an integer from `lowest` to `highest`."""
    whole = isinstance(latent, (int, np.integer)) and not isinstance(latent, bool)
    if not whole or latent < lowest or (highest and latent > highest):
        upper = f" to {highest}" if highest else " up"
        raise ValueError(f"latent must be an integer from {lowest}{upper}. Received: latent={latent!r}")


def check_std(std):
    """Raises ValueError unless a standard deviation is above 0."""
    if not std > 0:
        raise ValueError(f"std must be positive: is the training audio silent? Received: std={std}")


def l2_penalty(weight_decay):
    """Returns layer arguments with the gradient `weight_decay * w`, as in PyTorch's Adam; Keras's own decay is AdamW's."""
    penalty = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
    return {"kernel_regularizer": penalty, "bias_regularizer": penalty}
