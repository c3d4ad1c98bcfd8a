"""Genre classifiers: heads on an autoencoder's encoder, and two networks trained from scratch on log-mel spectrograms.

Inputs are waveforms at full scale 1, outputs are probabilities in single precision.
"""

import keras
import numpy as np
from keras import layers, ops

from fmalib.models import patch_autoencoder
from fmalib.models.layers import LogCompression, LogMel, RandomGain, SpecAugment
from fmalib.models.original import l2_penalty
from fmalib.signal import mel

SHORTEST_LATENT = 49  # frames, 5 * (5 + 4) + 4: what two valid convolutions and poolings by 5 leave one frame of
CNN_MELS = 64
CNN_FILTERS = (128, 128, 256, 256)
CNN_KERNELS = (5, 3, 3, 3)  # frames
BBNN_MELS = 128
BBNN_FILTERS = 32


def latent_classifier(encoder, n_genres, *, head="study", weight_decay=1e-5):
    """Returns a genre classifier on a latent: the encoder, frozen, and a head. See `unfrozen` for fine-tuning.

    Args:
        encoder: model from `(batch, samples)` to `(batch, frames, latent)`, which is frozen in place. It adds no noise here;
            the divergence of a variational one stays part of the loss.
        n_genres: number of classes, at least 2.
        head: `study`: layer normalisation over the latent; twice Conv1D 32 (kernel 5), ReLU, max-pooling 5; Dense 100, ReLU;
            at least 49 frames. `lstm`: layer normalisation, LSTM 100; of the study's frequency branch only "LSTM" is known.
            `pooled`: ours: energy in about 128 blocks of frames, logarithmic compression, SpecAugment, and the convolutions
            of `genre_cnn`. `patterns`: how much a patch autoencoder uses each pattern, over time.
        weight_decay: as for `original.time_autoencoder`.

    Returns:
        Model from `(batch, samples)` to genre probabilities `(batch, n_genres)`.

    Raises:
        ValueError: an unknown head, fewer than two genres, or too few frames for the two poolings.
    """
    _check_genres(n_genres)
    if head not in HEADS:
        raise ValueError(f"head must be one of {', '.join(HEADS)}. Received: head={head!r}")
    frames = encoder.output.shape[1]
    if head == "study" and frames < SHORTEST_LATENT:
        raise ValueError(
            f"Segments must give at least {SHORTEST_LATENT} latent frames; take longer ones. Received: {frames} frames"
        )
    decay = l2_penalty(weight_decay)
    encoder.trainable = False
    audio = keras.Input(encoder.input.shape[1:], name="audio")
    x = HEADS[head](encoder(audio, training=False), decay)
    return keras.Model(audio, _genres(x, n_genres, **decay), name="latent_classifier")


def unfrozen(classifier):
    """Returns a copy of a classifier, with its weights, whose encoder is trainable."""
    copy = keras.models.clone_model(classifier)
    copy.set_weights(classifier.get_weights())
    copy.get_layer("encoder").trainable = True
    return copy


def _study_head(x, decay):
    x = layers.LayerNormalization(axis=(1, 2), name="norm")(x)
    for number in (1, 2):
        x = layers.Conv1D(32, 5, activation="relu", name=f"head_conv{number}", **decay)(x)
        x = layers.MaxPooling1D(5, name=f"head_pool{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    return layers.Dense(100, activation="relu", name="head_dense", **decay)(x)


def _lstm_head(x, decay):
    x = layers.LayerNormalization(axis=(1, 2), name="norm")(x)
    return layers.LSTM(100, name="head_lstm", **decay)(x)


def _pooled_head(x, decay):
    x = energy(x, max(1, x.shape[1] // 128))
    x = LogCompression(name="compress")(x)
    x = _norm("norm")(x)
    x = SpecAugment(name="latent_augment")(x)
    return _convolutions(x, _kernel(decay), "head_")


def _patterns_head(x, decay):
    x = patch_autoencoder.pooled(x)
    x = _norm("norm", center=False, scale=False)(x)
    return layers.Dropout(0.5, seed=0, name="head_dropout")(x)


HEADS = {"study": _study_head, "lstm": _lstm_head, "pooled": _pooled_head, "patterns": _patterns_head}


def genre_cnn(n_genres, *, samples, sample_rate, weight_decay=1e-5):
    """Returns our convolutional network on log-mel spectrograms, with its augmentation: gain and SpecAugment.

    The mean of each of 64 mel bands over the segment is taken off, as cepstral mean normalisation does for speech (Atal 1974):
    it tells the recording more than the genre. The normalised bands are the channels of four convolutions over time (128, 128,
    256, 256), each with batch normalisation and ReLU, the first three with max-pooling 2; mean, deviation and maximum over
    time; dropout. Mixup and random crops are in `fmalib.data.segments.Pipeline`.

    On 160 real clips by 77 artists, means taken off are worth 8.0 points of accuracy (1.0 to 14.9; six draws of five folds, 24
    epochs). The fourth layer saves a third of the operations and changes the accuracy by 0.7 points (-1.1 to 2.7; 48 epochs).

    Args:
        n_genres: number of classes, at least 2.
        samples: length of a segment; at least 8 mel frames, 0.2 s.
        sample_rate: Hz.

    Returns:
        Model from `(batch, samples)` to genre probabilities `(batch, n_genres)`: 0.4 million parameters.

    Raises:
        ValueError: fewer than two genres, or segments too short.
    """
    _check_genres(n_genres)
    n_fft, hop = mel.frame_sizes(sample_rate)
    _check_frames(samples // hop + 1, 8)
    decay = _kernel(l2_penalty(weight_decay))
    audio = keras.Input((samples,), name="audio")
    x = RandomGain(6.0, name="gain")(audio)
    x = LogMel(sample_rate, CNN_MELS, n_fft, hop, name="log_mel")(x)
    x = x - ops.mean(x, axis=1, keepdims=True)
    x = _norm("norm")(x)
    x = SpecAugment(name="spec_augment")(x)
    x = _convolutions(x, decay, "")
    return keras.Model(audio, _genres(x, n_genres, **decay), name="genre_cnn")


def _convolutions(x, decay, prefix):
    """Returns convolutions over time of `(batch, frames, channels)` and the statistics of their output, with dropout."""
    for number, (filters, kernel) in enumerate(zip(CNN_FILTERS, CNN_KERNELS), start=1):
        x = layers.Conv1D(filters, kernel, padding="same", use_bias=False, name=f"{prefix}conv{number}", **decay)(x)
        x = _norm(f"{prefix}norm{number}")(x)
        x = layers.ReLU(name=f"{prefix}relu{number}")(x)
        if number < len(CNN_FILTERS):
            x = layers.MaxPooling1D(2, name=f"{prefix}pool{number}")(x)
    return layers.Dropout(0.3, seed=0, name=f"{prefix}dropout")(over_time(x))


def bbnn(n_genres, *, samples, sample_rate):
    """Returns the bottom-up broadcast neural network (Liu et al. 2019) on log-mel spectrograms.

    128 mel bands, hop 1024 samples at 22,050 Hz: a clip of GTZAN, 661,794 samples, gives the paper's 647 frames. A 3x3
    convolution and pooling by 4 over time; three inception blocks (1x1, 3x3, 5x5 and pooling, 32 channels each) on the
    outputs of all layers before; a 1x1 convolution and pooling by 2; mean over both axes. For ten genres it has the published
    180,458 weights: normalisations have neither scale nor offset, which the next convolution makes redundant.

    Args, return value and errors as for `genre_cnn`; at least 8 frames.
    """
    _check_genres(n_genres)
    hop = 2 ** round(np.log2(1024 / 22_050 * sample_rate))
    _check_frames(samples // hop + 1, 8)
    audio = keras.Input((samples,), name="audio")
    x = LogMel(sample_rate, BBNN_MELS, 2 * hop, hop, name="log_mel")(audio)
    x = layers.Reshape((*x.shape[1:], 1), name="add_channel")(x)
    x = layers.Conv2D(BBNN_FILTERS, 3, padding="same", name="shallow_conv")(x)
    x = _plain_norm("shallow_norm")(x)
    x = layers.ReLU(name="shallow_relu")(x)
    broadcast = [layers.MaxPooling2D((4, 1), name="shallow_pool")(x)]
    for block in (1, 2, 3):
        x = layers.Concatenate(name=f"block{block}_input")(broadcast) if block > 1 else broadcast[0]
        broadcast.append(_inception(x, f"block{block}"))
    x = layers.Concatenate(name="transition_input")(broadcast)
    x = _norm_conv(x, 1, "transition")
    x = layers.MaxPooling2D(2, name="transition_pool")(x)
    x = _plain_norm("decision_norm")(x)
    x = layers.GlobalAveragePooling2D(name="decision_mean")(x)
    return keras.Model(audio, _genres(x, n_genres), name="bbnn")


def _inception(x, name):
    """Returns the four branches of a block of the BBNN side by side, `(batch, frames, bands, 128)`."""
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    branches = [
        _norm_conv(x, 1, f"{name}_1x1"),
        _norm_conv(_norm_conv(x, 1, f"{name}_before_3x3"), 3, f"{name}_3x3"),
        _norm_conv(_norm_conv(x, 1, f"{name}_before_5x5"), 5, f"{name}_5x5"),
        _norm_conv(pooled, 1, f"{name}_after_pool"),
    ]
    return layers.Concatenate(name=f"{name}_output")(branches)


def _norm_conv(x, kernel, name):
    x = _plain_norm(f"{name}_norm")(x)
    return layers.Conv2D(BBNN_FILTERS, kernel, padding="same", activation="relu", name=name)(x)


def energy(x, pool):
    """Returns the root mean square of each `pool` frames of `(batch, frames, channels)`, whatever a filter's phase."""
    x = ops.cast(x, "float32")  # in half precision the small term is 0, and the root's slope at 0 is infinite
    return ops.sqrt(ops.average_pool(x**2, pool, pool) + 1e-12)


def over_time(x):
    """Returns mean, deviation and maximum over the frames of `(batch, frames, channels)`, `(batch, 3 * channels)`."""
    deviation = ops.sqrt(ops.var(x, axis=1) + 1e-3)
    return ops.concatenate([ops.mean(x, axis=1), deviation, ops.max(x, axis=1)], axis=-1)


def _norm(name, **options):
    """Returns batch normalisation whose averages follow within tens of steps, since small data sets have few."""
    return layers.BatchNormalization(momentum=0.9, name=name, **options)


def _plain_norm(name):
    return _norm(name, center=False, scale=False)


def _genres(x, n_genres, **options):
    """Returns probabilities; in single precision, since half floats end at 6e-8."""
    return layers.Dense(n_genres, activation="softmax", dtype="float32", name="genres", **options)(x)


def _kernel(decay):
    return {"kernel_regularizer": decay["kernel_regularizer"]}


def _check_genres(n_genres):
    if n_genres < 2:
        raise ValueError(f"A classifier needs at least two genres. Received: n_genres={n_genres}")


def _check_frames(frames, least):
    if frames < least:
        raise ValueError(f"Segments must give at least {least} mel frames; take longer ones. Received: {frames} frames")
