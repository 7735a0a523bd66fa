"""Layers whose kernels are constants: FixedConv, PrewittConv, SobelConv."""

import numpy as np

from kerasconv import kernels as classical
from kerasconv import ops
from kerasconv._keras import keras
from kerasconv.layers._window import (
    BORDER_MODES,
    Window,
    WindowLayer,
    check_choice,
    check_ints,
    plain,
)


@keras.saving.register_keras_serializable(package="kerasconv")
class FixedConv(WindowLayer):
    """Cross-correlates every channel with constant kernels.

    `y[i] = sum over k of kernel[k] * x[i * strides + k * dilation_rate - offset]`
    along every spatial axis: the kernel is not flipped. The kernels are constants;
    the layer has no weights.

    Args:
        kernels: Array (or nested lists) of one kernel, with as many axes as the
            input has spatial axes (1, 2 or 3), or of several kernels of one size
            along a leading axis. An axis of n values is centred on value
            `(n - 1) // 2`.
        output: `"components"` gives one map for each channel and kernel, in the
            channels, channel-major: map `c * kernels + k`. `"stack"` adds a trailing
            axis of kernels. `"magnitude"` gives one map for each channel, the square
            root of the sum of the squares; its gradient is 0 where it is 0.
        padding: `"same"` (default) keeps the size, divided by the strides and
            rounded up; `"valid"` takes only windows that fit.
        border_mode: What lies outside under "same", equal to `numpy.pad` of that
            name: `"symmetric"` (default), `"reflect"`, `"edge"`, `"wrap"` or
            `"constant"` (zeros).
        strides: Positive int, or one per spatial axis: equal to taking every
            strides-th value of the result of strides 1.
        dilation_rate: Positive int, or one per spatial axis: distance of the taps.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Input shape:
        `(batch, *spatial, channels)` with 1, 2 or 3 spatial axes, or `(batch,
        channels, *spatial)`. Any size may be unknown. Integers and bools are cast to
        the compute dtype, not rescaled.

    Returns:
        Tensor `(batch, *new_spatial, channels * kernels)` for "components",
        `(batch, *new_spatial, channels, kernels)` for "stack" and `(batch,
        *new_spatial, channels)` for "magnitude"; the channels first if so.

    Raises:
        ValueError: An argument is out of its range, or does not fit the input.

    Example:
    >>> emboss = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
    >>> FixedConv([emboss, kernels.laplacian(2)])(np.ones((1, 28, 28, 3))).shape
    (1, 28, 28, 6)
    """

    def __init__(
        self,
        kernels,
        output="components",
        padding="same",
        border_mode="symmetric",
        strides=1,
        dilation_rate=1,
        data_format=None,
        **kwargs,
    ):
        super().__init__(strides, padding, data_format, **kwargs)
        self._given = None if kernels is None else _numbers(kernels)
        self._output = check_choice("output", output, ops.OUTPUTS)
        self.border_mode = check_choice("border_mode", border_mode, BORDER_MODES)
        self.dilation_rate = check_ints("dilation_rate", dilation_rate)

    def make_kernels(self, rank):
        """The `Kernels` of the layer on `rank` spatial axes."""
        return ops.kernels_of(self._given, rank)

    def make_window(self, rank):
        """The `Window` of the kernels' size."""
        return Window.of(
            rank,
            self.make_kernels(rank).size,
            self.strides,
            self.dilation_rate,
            self.data_format,
            padding=self.padding,
            border_mode=self.border_mode,
            centred=True,
        )

    @property
    def kernel(self):
        """The dense kernels, `(number of kernels, *size)`, as a NumPy array."""
        if not self.built:
            # An AttributeError would be hidden by PyTorch's own attribute lookup.
            raise ValueError("Build the layer before reading `kernel`.")
        return np.reshape(self._kernels.dense, (-1, *self._kernels.size))

    def build(self, input_shape):
        """Prepare the constants for the rank of the input."""
        super().build(input_shape)
        self._kernels = self.make_kernels(self.window.rank)

    def call(self, inputs):
        """Correlate."""
        return ops.fixed_conv(
            self.to_compute_dtype(inputs),
            self._kernels,
            self._output,
            self.padding,
            self.border_mode,
            self.strides,
            self.dilation_rate,
            self.data_format,
        )

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of that shape."""
        window = self.window_for(input_shape)
        count = len(self.make_kernels(window.rank))
        if self._output == "stack":
            return (*window.output_shape(input_shape), count)
        channels = input_shape[window.channel_axis]
        if self._output == "components" and channels is not None:
            channels *= count
        return window.output_shape(input_shape, channels)

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "kernels": plain(self._given),
            "output": self._output,
            "border_mode": self.border_mode,
            "dilation_rate": plain(self.dilation_rate),
        }


def _numbers(kernels):
    """An array of one to four axes of finite numbers, whatever the rank."""
    try:
        array = np.asarray(kernels)
    except ValueError:
        array = np.asarray(None)
    if not 1 <= array.ndim <= 4 or array.dtype.kind not in "biuf":
        raise ValueError(
            "`kernels` must be one array of numbers of 1, 2 or 3 axes, or several of "
            f"one size along a leading axis. Received: kernels={kernels!r}"
        )
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            "`kernels` must hold at least one number, all finite. "
            f"Received: kernels={kernels!r}"
        )
    return array


class _Derivative(FixedConv):
    """A derivative along one or more spatial axes; `operator` makes its kernels."""

    operator = None

    def __init__(
        self,
        axis=None,
        output="components",
        normalize=None,
        kernel_size=3,
        padding="same",
        border_mode="symmetric",
        strides=1,
        dilation_rate=1,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            None,
            output,
            padding,
            border_mode,
            strides,
            dilation_rate,
            data_format,
            **kwargs,
        )
        self.axis = classical.check_axis(axis)
        self.operator(1, 0, kernel_size, normalize)  # raises on a bad argument
        self.kernel_size = int(kernel_size)
        self.normalize = normalize

    def make_kernels(self, rank):
        """The `Kernels` of the layer on `rank` spatial axes."""
        return ops.derivative_kernels(
            self.operator,
            rank,
            self.axis,
            self.kernel_size,
            self.normalize,
            check_ints("dilation_rate", self.dilation_rate, rank),
        )

    def get_config(self):
        """The arguments of the constructor."""
        config = super().get_config()
        del config["kernels"]
        return {
            **config,
            "axis": plain(self.axis),
            "normalize": self.normalize,
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable(package="kerasconv")
class PrewittConv(_Derivative):
    """Prewitt derivative: `[-1, 0, 1]` along an axis, `[1, 1, 1]` along the others.

    The order of the directions is that of the axes, (dy, dx) for an image and (dz,
    dy, dx) for a volume. A derivative is positive where values increase with the
    index. The derivative along x marks vertical edges, that along y horizontal ones.
    On a signal (one spatial axis) it is the bare difference.

    Args:
        axis: Spatial axis of the derivative: 0 is the first, negatives count from
            the last; a tuple for several, None (default) for all.
        output: `"components"` (default, map `c * axes + d`), `"stack"` (a trailing
            axis of directions) or `"magnitude"`, as `FixedConv` describes them.
        normalize: None (default) is SciPy's and OpenCV's scale: a ramp of slope one
            gives 2, 6 and 18 at rank 1, 2 and 3. `"smooth"` divides by the sum of the
            smoothing taps along every other axis, as scikit-image does: 2 at every
            rank. `"unit"` makes a ramp of slope one give 1 (Kornia, MONAI), with
            dilation too.
        kernel_size: Odd int, 3 or more. Default 3. For 5 the factors are
            `[-2, -1, 0, 1, 2]`, the slope of the least-squares line, and five ones.
        padding: `"same"` (default) or `"valid"`.
        border_mode: What lies outside under "same": `"symmetric"` (default),
            `"reflect"`, `"edge"`, `"wrap"` or `"constant"`.
        strides: Positive int, or one per spatial axis. Default 1.
        dilation_rate: Positive int, or one per spatial axis. Default 1.
        data_format: `"channels_last"`, `"channels_first"` or None.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Returns:
        Tensor of the shape that `FixedConv` describes, with one kernel an axis.

    Raises:
        ValueError: An argument is out of its range, or does not fit the input.

    Example:
    >>> PrewittConv(output="magnitude")(np.ones((1, 28, 28, 3))).shape
    (1, 28, 28, 3)

    Source: J. M. S. Prewitt, "Object enhancement and extraction" (1970). With the
    default border equal to `scipy.ndimage.prewitt(mode="reflect")`.
    """

    operator = staticmethod(classical.prewitt)


@keras.saving.register_keras_serializable(package="kerasconv")
class SobelConv(_Derivative):
    """Sobel derivative: `[-1, 0, 1]` along an axis, `[1, 2, 1]` along the others.

    The order of the directions is that of the axes, (dy, dx) for an image and (dz,
    dy, dx) for a volume. A derivative is positive where values increase with the
    index. The derivative along x marks vertical edges, that along y horizontal ones.
    On a signal (one spatial axis) it is the bare difference.

    Args:
        axis: Spatial axis of the derivative: 0 is the first, negatives count from
            the last; a tuple for several, None (default) for all.
        output: `"components"` (default, map `c * axes + d`), `"stack"` (a trailing
            axis of directions) or `"magnitude"`, as `FixedConv` describes them.
        normalize: None (default) is SciPy's and OpenCV's scale: a ramp of slope one
            gives 2, 8 and 32 at rank 1, 2 and 3. `"smooth"` divides by the sum of the
            smoothing taps along every other axis, as scikit-image does: 2 at every
            rank. `"unit"` makes a ramp of slope one give 1 (Kornia, MONAI), with
            dilation too.
        kernel_size: Odd int, 3 or more. Default 3. 3, 5 and 7 are OpenCV's
            `ksize`.
        padding: `"same"` (default) or `"valid"`.
        border_mode: What lies outside under "same": `"symmetric"` (default),
            `"reflect"`, `"edge"`, `"wrap"` or `"constant"`.
        strides: Positive int, or one per spatial axis. Default 1.
        dilation_rate: Positive int, or one per spatial axis. Default 1.
        data_format: `"channels_last"`, `"channels_first"` or None.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Returns:
        Tensor of the shape that `FixedConv` describes, with one kernel an axis.

    Raises:
        ValueError: An argument is out of its range, or does not fit the input.

    Example:
    >>> SobelConv()(np.ones((1, 28, 28, 3))).shape  # (dy, dx) of each channel
    (1, 28, 28, 6)

    Source: I. Sobel and G. Feldman, "A 3x3 isotropic gradient operator for image
    processing" (1968). With the default border equal to
    `scipy.ndimage.sobel(mode="reflect")`, with "reflect" to OpenCV's default.
    """

    operator = staticmethod(classical.sobel)
