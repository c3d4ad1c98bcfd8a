"""The networks of the original study, as Keras Functional models.

All of them take waveforms as they were decoded, full scale 1; standardisation is a layer of the model, so that a saved
`.keras` file needs nothing beside it.
"""

import keras
import numpy as np
from keras import layers

TIME_FILTERS = 64
TIME_KERNEL = 512  # samples
TIME_STRIDE = 256  # samples


def valid_length(samples, *, kernel=TIME_KERNEL, stride=TIME_STRIDE):
    """Returns the largest length up to `samples` that the time-domain autoencoder gives back at the same length."""
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
        mean, std: of the training audio; the model works on `(x - mean) / std` inside.
        weight_decay: as PyTorch's Adam means it, which is an L2 penalty of half that weight.

    Returns:
        Model from `(batch, samples)` to `(batch, samples)`, with the layers `encoder` (to `(batch, frames, latent)`) and
        `decoder`, both models themselves.

    Raises:
        ValueError: an impossible `samples`, `latent` or `std`.
    """
    if not isinstance(latent, (int, np.integer)) or isinstance(latent, bool) or latent < 1:
        raise ValueError(f"latent must be a positive number of channels. Received: latent={latent!r}")
    if samples < TIME_KERNEL or samples != valid_length(samples):
        raise ValueError(
            f"samples must be {TIME_KERNEL} plus a multiple of {TIME_STRIDE}; see valid_length. Received: samples={samples}"
        )
    if not std > 0:
        raise ValueError(f"std must be positive: is the training audio silent? Received: std={std}")
    decay = _decay(weight_decay)

    audio = keras.Input((samples,), name="audio")
    x = layers.Rescaling(1.0 / std, -mean / std, name="standardise")(audio)
    x = layers.Reshape((samples, 1), name="add_channel")(x)
    x = layers.Conv1D(TIME_FILTERS, TIME_KERNEL, TIME_STRIDE, activation="relu", name="encoder_conv1", **decay)(x)
    x = layers.Conv1D(latent, 1, activation="relu", name="latent", **decay)(x)
    encoder = keras.Model(audio, x, name="encoder")

    code = keras.Input(encoder.output.shape[1:], name="code")
    x = layers.Conv1DTranspose(TIME_FILTERS, 1, activation="relu", name="decoder_conv1", **decay)(code)
    x = layers.Conv1DTranspose(1, TIME_KERNEL, TIME_STRIDE, name="decoder_conv2", **decay)(x)
    x = layers.Reshape((samples,), name="drop_channel")(x)
    x = layers.Rescaling(std, mean, name="destandardise")(x)
    decoder = keras.Model(code, x, name="decoder")

    return keras.Model(audio, decoder(encoder(audio)), name="time_autoencoder")


def encoder_for(autoencoder, samples):
    """Returns the encoder of an autoencoder, with its weights, for segments of another length.

    Args:
        autoencoder: model with a layer `encoder`, such as `time_autoencoder`.
        samples: length of the new input.
    """
    source = autoencoder.get_layer("encoder")

    def resized(layer):
        config = layer.get_config()
        if isinstance(layer, layers.Reshape):
            config["target_shape"] = (samples, 1)
        return layer.__class__.from_config(config)

    audio = keras.Input((samples,), name="audio")
    encoder = keras.models.clone_model(source, input_tensors=audio, clone_function=resized)
    encoder.set_weights(source.get_weights())
    return encoder


def latent_classifier(encoder, n_genres, *, weight_decay=1e-5):
    """Returns the study's genre classifier on a latent: the encoder, frozen, and its head.

    Layer normalisation over the latent; twice Conv1D 32 (kernel 5), ReLU, max-pooling 5; Dense 100, ReLU; Dense `n_genres`,
    softmax. `unfrozen` readies it for the second half of the training.

    Args:
        encoder: model from `(batch, samples)` to `(batch, frames, latent)`; at least 49 frames.
        n_genres: number of classes, at least 2.
        weight_decay: as for `time_autoencoder`.

    Returns:
        Model from `(batch, samples)` to genre probabilities `(batch, n_genres)`.

    Raises:
        ValueError: fewer than two genres, or too few frames for the two poolings.
    """
    if n_genres < 2:
        raise ValueError(f"A classifier needs at least two genres. Received: n_genres={n_genres}")
    frames = encoder.output.shape[1]
    if frames < 49:  # 5 * (5 + 4) + 4: what two valid convolutions and poolings leave one frame of
        raise ValueError(f"Segments must give at least 49 latent frames; take longer ones. Received: {frames} frames")
    decay = _decay(weight_decay)
    encoder.trainable = False

    audio = keras.Input(encoder.input.shape[1:], name="audio")
    x = layers.LayerNormalization(axis=(1, 2), name="norm")(encoder(audio))
    for number in (1, 2):
        x = layers.Conv1D(32, 5, activation="relu", name=f"head_conv{number}", **decay)(x)
        x = layers.MaxPooling1D(5, name=f"head_pool{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(100, activation="relu", name="head_dense", **decay)(x)
    genres = layers.Dense(n_genres, activation="softmax", name="genres", **decay)(x)
    return keras.Model(audio, genres, name="latent_classifier")


def unfrozen(classifier):
    """Returns a copy of a classifier, with its weights, whose encoder is trainable."""
    copy = keras.models.clone_model(classifier)
    copy.set_weights(classifier.get_weights())
    copy.get_layer("encoder").trainable = True
    return copy


def _decay(weight_decay):
    """Returns layer arguments whose gradient is PyTorch's `weight_decay * w` (Keras's own is decoupled, AdamW's)."""
    penalty = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
    return {"kernel_regularizer": penalty, "bias_regularizer": penalty}
