"""Keras layers: transforms of audio, codewords, augmentation, fast convolutions, soft assignments.

They are registered with Keras under `fmalib`: a saved `.keras` file loads wherever this module was imported.
"""

import keras
import numpy as np
from keras import ops

from fmalib.signal import codewords, mdct, mel, stft

registered = keras.saving.register_keras_serializable(package="fmalib")


class _SinglePrecision(keras.layers.Layer):
    """Base of layers that compute in single precision under any policy: half floats end at 65,504 and at 6e-8."""

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def get_config(self):
        return super().get_config()  # where no class defines it, Keras loses the name


@registered
class Stft(keras.layers.Layer):
    """Audio `(batch, samples)` to its STFT as float `(batch, frames, bins, 2)`, real and imaginary part as channels."""

    def __init__(self, n_fft, hop, **options):
        super().__init__(**options)
        self.n_fft, self.hop = n_fft, hop

    def call(self, audio):
        return stft.to_channels(stft.stft(audio, n_fft=self.n_fft, hop=self.hop))

    def get_config(self):
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop}


@registered
class Istft(keras.layers.Layer):
    """The inverse of `Stft`: `(batch, frames, bins, 2)` to audio `(batch, length)`."""

    def __init__(self, n_fft, hop, length=None, **options):
        super().__init__(**options)
        self.n_fft, self.hop, self.length = n_fft, hop, length

    def call(self, channels):
        return stft.istft(stft.from_channels(channels), n_fft=self.n_fft, hop=self.hop, length=self.length)

    def get_config(self):
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop, "length": self.length}


class _Windowed(keras.layers.Layer):
    """Base of `Mdct` and `Imdct`: a trainable window, given by the angles of its rising half, a sine window at first."""

    def add_window(self, hop):
        """Adds the weights `(ceil(hop / 2),)`: half of the angles, since the other half mirrors them."""

        def sine(shape, dtype):
            return ops.convert_to_tensor(np.pi * (np.arange(shape[0]) + 0.5) / (2 * hop), dtype)

        self.window_hop = hop
        self.angles = self.add_weight(shape=((hop + 1) // 2,), initializer=sine, name="angles")

    def window(self):
        """Returns the window's two halves, tensors of shape `(hop,)`."""
        return mdct.window_halves(self.angles, self.window_hop)


@registered
class Mdct(_Windowed):
    """Audio `(batch, samples)` to MDCT coefficients `(batch, frames, hop)`, by a trainable window."""

    def __init__(self, hop=mdct.HOP, **options):
        super().__init__(**options)
        self.hop = hop

    def build(self, shape):
        self.add_window(self.hop)

    def call(self, audio):
        return mdct.analyse(audio, self.window(), self.hop)

    def compute_output_shape(self, shape):
        return (shape[0], mdct.n_frames(shape[1], self.hop), self.hop)

    def get_config(self):
        return {**super().get_config(), "hop": self.hop}


@registered
class Imdct(_Windowed):
    """The inverse of `Mdct`: coefficients `(batch, frames, hop)` to audio `(batch, samples)`."""

    def __init__(self, samples, **options):
        super().__init__(**options)
        self.samples = samples

    def build(self, shape):
        self.add_window(shape[-1])

    def call(self, coefficients):
        return mdct.synthesise(coefficients, self.window(), self.samples)

    def compute_output_shape(self, shape):
        return (shape[0], self.samples)

    def get_config(self):
        return {**super().get_config(), "samples": self.samples}


@registered
class ToCodewords(_SinglePrecision):
    """Coefficients `(batch, frames, hop)` to codewords `(batch, frames, latent)`: `codewords.encode` as a layer.

    Half floats would hold whole numbers only up to 2,048.
    """

    def __init__(self, latent, bits, **options):
        super().__init__(**options)
        self.latent, self.bits = latent, bits

    def call(self, coefficients):
        return codewords.encode(coefficients, self.latent, self.bits)

    def get_config(self):
        return {**super().get_config(), "latent": self.latent, "bits": self.bits}


@registered
class FromCodewords(_SinglePrecision):
    """Codewords `(batch, frames, latent)` to coefficients `(batch, frames, hop)`: `codewords.decode` as a layer."""

    def __init__(self, hop, bits, **options):
        super().__init__(**options)
        self.hop, self.bits = hop, bits

    def call(self, code):
        return codewords.decode(code, self.hop, self.bits)

    def get_config(self):
        return {**super().get_config(), "hop": self.hop, "bits": self.bits}


@registered
class LogMel(_SinglePrecision):
    """Audio `(batch, samples)` to its log-mel spectrogram `(batch, frames, n_mels)`: `mel.log_mel` as a layer."""

    def __init__(self, sample_rate, n_mels, n_fft, hop, highest=None, **options):
        super().__init__(**options)
        self.settings = {"sample_rate": sample_rate, "n_mels": n_mels, "n_fft": n_fft, "hop": hop, "highest": highest}

    def call(self, audio):
        return mel.log_mel(audio, **self.settings)

    def get_config(self):
        return {**super().get_config(), **self.settings}


@registered
class RandomGain(_SinglePrecision):
    """In training, makes each segment `(batch, samples)` louder or softer by up to `decibels`; else the identity."""

    def __init__(self, decibels, **options):
        super().__init__(**options)
        self.decibels = decibels
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, audio, training=False):
        if not training:
            return audio
        gain = keras.random.uniform((ops.shape(audio)[0], 1), -self.decibels, self.decibels, seed=self.seeds)
        return audio * ops.cast(10.0 ** (gain / 20.0), audio.dtype)

    def get_config(self):
        return {**super().get_config(), "decibels": self.decibels}


@registered
class SpecAugment(keras.layers.Layer):
    """In training, sets bands and frames of a spectrogram `(batch, frames, bands)` to 0 (Park et al. 2019); else the identity.

    Twice along each axis, a stretch of random place and of random width up to `share` of the axis. Time warping, which
    brought its authors little, is left out. Put it behind a normalisation, so that 0 is the mean.
    """

    def __init__(self, share=0.2, **options):
        super().__init__(**options)
        self.share = share
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, spectrogram, training=False):
        if not training:
            return spectrogram
        for axis in (1, 2, 1, 2):
            spectrogram = spectrogram * ops.cast(self._mask(spectrogram, axis), spectrogram.dtype)
        return spectrogram

    def _mask(self, spectrogram, axis):
        """Returns 0 on a random stretch of an axis and 1 elsewhere, `(batch, frames, 1)` or `(batch, 1, bands)`."""
        length, batch = spectrogram.shape[axis], ops.shape(spectrogram)[0]
        width = ops.floor(keras.random.uniform((batch, 1), 0.0, self.share * length + 1, seed=self.seeds))
        start = ops.floor(keras.random.uniform((batch, 1), 0.0, 1.0, seed=self.seeds) * (length - width + 1))
        place = ops.arange(length, dtype="float32")[None, :]
        kept = ops.logical_or(place < start, place >= start + width)
        return ops.expand_dims(kept, 3 - axis)

    def get_config(self):
        return {**super().get_config(), "share": self.share}


@registered
class Sample(_SinglePrecision):
    """Mean and log variance to a sample of that Gaussian in training, to the mean otherwise (Kingma and Welling 2014).

    Adds `beta` times the divergence from a standard normal to the loss.
    """

    def __init__(self, beta, **options):
        super().__init__(**options)
        self.beta = beta
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, inputs, training=False):
        mean, log_variance = inputs
        self.add_loss(self.beta * 0.5 * ops.mean(mean**2 + ops.exp(log_variance) - 1.0 - log_variance))
        if not training:
            return mean
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.seeds)

    def compute_output_shape(self, shapes):
        return shapes[0]

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}


@registered
class LogCompression(_SinglePrecision):
    """`sign(x) log(1 + |x| / knee)` of any shape, with one trainable knee: loudness counts by ratio, as in hearing."""

    def build(self, shape):
        self.log_knee = self.add_weight(shape=(), initializer=keras.initializers.Constant(-3.0), name="log_knee")

    def call(self, x):
        return ops.sign(x) * ops.log1p(ops.abs(x) * ops.exp(-self.log_knee))


@registered
class SoftAssignment(_SinglePrecision):
    """`(batch, features)` to shares of the centres, `(batch, clusters)`: Student's t (Xie et al. 2016, eq. 1)."""

    def __init__(self, n_clusters, **options):
        super().__init__(**options)
        self.n_clusters = n_clusters

    def build(self, shape):
        self.centres = self.add_weight(shape=(self.n_clusters, shape[-1]), initializer="glorot_uniform", name="centres")

    def call(self, points):
        closeness = 1.0 / (1.0 + ops.sum((ops.expand_dims(points, 1) - self.centres) ** 2, axis=2))
        return closeness / ops.sum(closeness, axis=1, keepdims=True)

    def get_config(self):
        return {**super().get_config(), "n_clusters": self.n_clusters}


@registered
class FramedConv1D(keras.layers.Conv1D):
    """`keras.layers.Conv1D` for strides that divide the kernel, `(batch, steps, channels)` to `(batch, frames, filters)`.

    A frame is a few blocks of one stride side by side, and the convolution is one product of frames and kernel. That is
    faster than the general convolution, most of all its transpose. Weights, configuration and results equal Keras's, up to
    rounding.

    Raises:
        ValueError: a kernel that is no multiple of the stride; padding, dilation or groups.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        _check_framed(self)

    def call(self, x):
        (kernel_size,), (stride,) = self.kernel_size, self.strides
        blocks = kernel_size // stride  # in a frame
        frames = (x.shape[1] - kernel_size) // stride + 1
        channels = x.shape[2]
        if (frames + blocks - 1) * stride < x.shape[1]:  # TensorFlow's gradient of a slice is slow even where all is kept
            x = x[:, : (frames + blocks - 1) * stride]
        if blocks > 1:
            x = ops.reshape(x, (-1, frames + blocks - 1, stride * channels))
            x = ops.concatenate([x[:, first : first + frames] for first in range(blocks)], axis=-1)
        kernel = ops.reshape(self.kernel, (kernel_size * channels, self.filters))
        y = ops.matmul(ops.reshape(x, (-1, kernel_size * channels)), kernel)
        return ops.reshape(_biased(self, y), (-1, frames, self.filters))


@registered
class FramedConv1DTranspose(keras.layers.Conv1DTranspose):
    """`keras.layers.Conv1DTranspose` for strides that divide the kernel: the transpose of `FramedConv1D`.

    From `(batch, frames, channels)` to `(batch, steps, filters)`; errors as there.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        _check_framed(self)

    def call(self, x):
        (kernel_size,), (stride,) = self.kernel_size, self.strides
        blocks = kernel_size // stride  # in a frame, and so also frames over a block
        frames, channels = x.shape[1:]
        steps = (frames + blocks - 1) * stride
        if blocks > 1:  # all frames over a block, side by side: the product then does the overlap-add too
            x = [ops.pad(x, [[0, 0], [late, blocks - 1 - late], [0, 0]]) for late in range(blocks)]
            x = ops.concatenate(x, axis=-1)
        x = ops.reshape(x, (-1, blocks * channels))
        kernel = ops.reshape(self.kernel, (blocks, stride * self.filters, channels))
        kernel = ops.reshape(ops.transpose(kernel, (0, 2, 1)), (blocks * channels, stride * self.filters))
        y = ops.reshape(ops.matmul(x, kernel), (-1, self.filters))
        return ops.reshape(_biased(self, y), (-1, steps, self.filters))


def _biased(layer, y):
    return layer.activation(ops.add(y, layer.bias) if layer.use_bias else y)


def _check_framed(layer):
    (kernel,), (stride,), (dilation,) = layer.kernel_size, layer.strides, layer.dilation_rate
    ungrouped = getattr(layer, "groups", 1) == 1 and not getattr(layer, "output_padding", None)
    plain = layer.padding == "valid" and dilation == 1 and layer.data_format == "channels_last" and ungrouped
    if kernel % stride or not plain:
        raise ValueError(
            f"A framed convolution needs a stride that divides the kernel, valid padding, channels last, and no dilation, "
            f"groups or output padding. Received: kernel_size={kernel}, strides={stride}, padding={layer.padding!r}, "
            f"dilation_rate={dilation}, data_format={layer.data_format!r}"
        )
