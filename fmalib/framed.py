"""Long one-dimensional convolutions as products of matrices: Keras's own layers with a faster `call`.

Where the stride divides the kernel, the audio falls into blocks of one stride, a frame is a few blocks side by side, and the
convolution is one product of frames and kernel. For a kernel of 512 and a stride of 256 that is faster than the general
convolution, most of all its transpose. Weights, configuration and results are those of the layers of Keras, up to rounding.
"""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="fmalib")
class FramedConv1D(layers.Conv1D):
    """`keras.layers.Conv1D` for strides that divide the kernel: `(batch, steps, channels)` to `(batch, frames, filters)`.

    Raises:
        ValueError: a kernel that is no multiple of the stride; padding, dilation or groups.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        _check(self)

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
        return ops.reshape(_finish(self, y), (-1, frames, self.filters))


@keras.saving.register_keras_serializable(package="fmalib")
class FramedConv1DTranspose(layers.Conv1DTranspose):
    """`keras.layers.Conv1DTranspose` for strides that divide the kernel.

    From `(batch, frames, channels)` to `(batch, steps, filters)`.

    Raises:
        ValueError: a kernel that is no multiple of the stride, or padding, output padding or dilation.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        _check(self)

    def call(self, x):
        (kernel_size,), (stride,) = self.kernel_size, self.strides
        blocks = kernel_size // stride  # that a frame reaches, so also frames that reach a block
        frames, channels = x.shape[1:]
        steps = (frames + blocks - 1) * stride
        if blocks > 1:  # all frames that reach a block, side by side: the product then does the overlap-add too
            x = [ops.pad(x, [[0, 0], [late, blocks - 1 - late], [0, 0]]) for late in range(blocks)]
            x = ops.concatenate(x, axis=-1)
        x = ops.reshape(x, (-1, blocks * channels))
        kernel = ops.reshape(self.kernel, (blocks, stride * self.filters, channels))
        kernel = ops.reshape(ops.transpose(kernel, (0, 2, 1)), (blocks * channels, stride * self.filters))
        y = ops.reshape(ops.matmul(x, kernel), (-1, self.filters))
        return ops.reshape(_finish(self, y), (-1, steps, self.filters))


def _finish(layer, y):
    y = ops.add(y, layer.bias) if layer.use_bias else y
    return layer.activation(y)


def _check(layer):
    (kernel,), (stride,), (dilation,) = layer.kernel_size, layer.strides, layer.dilation_rate
    plain = (
        layer.padding == "valid" and dilation == 1 and layer.data_format == "channels_last"
        and getattr(layer, "groups", 1) == 1 and not getattr(layer, "output_padding", None)
    )
    if kernel % stride or not plain:
        raise ValueError(
            f"A framed convolution has a stride that divides the kernel, valid padding, channels last, and neither dilation, "
            f"groups nor output padding. Received: kernel_size={kernel}, strides={stride}, padding={layer.padding!r}, "
            f"dilation_rate={dilation}, data_format={layer.data_format!r}"
        )
