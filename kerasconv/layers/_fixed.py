"""Layers whose kernels are constants: FixedConv, PrewittConv, SobelConv."""

from typing import Any

import numpy as np

from kerasconv import kernels as classical
from kerasconv._arguments import (
    BORDER_MODES,
    OUTPUTS,
    Ints,
    check_axis,
    check_choice,
    check_ints,
    check_odd,
    numbers,
    plain,
)
from kerasconv._keras import keras
from kerasconv.layers._base import WindowLayer
from kerasconv.window.correlation import (
    correlated_shape,
    correlation,
    correlation_window,
)
from kerasconv.window.geometry import Window
from kerasconv.window.weights import Kernels, derivative_kernels, kernels_of


@keras.saving.register_keras_serializable(package="kerasconv")
class FixedConv(WindowLayer):
    """Cross-correlates every channel with constant kernels.

    `y[i] = sum over k of kernel[k] * x[i * strides + k * dilation_rate - offset]`
    along every spatial axis: the kernel is not flipped. The kernels are constants;
    the layer has no weights.

    A kernel whose weights sum to 0 gives exactly 0 where all that its window sees is
    equal, and the magnitude's gradient there is 0: it weighs differences of values,
    not the values. With the border "constant", zeros outside, that holds for windows
    that lie inside the image.

    Args:
        kernels: Array (or nested lists) of one kernel, with as many axes as the
            input has spatial axes (1, 2 or 3), or of several kernels of one size
            along a leading axis. An axis of n values is centred on value
            `(n - 1) // 2`.
        strides: Positive int, or one per spatial axis: equal to taking every
            strides-th value of the result of strides 1.
        padding: `"same"` (default) keeps the size, divided by the strides and
            rounded up; `"valid"` takes only windows that fit.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        dilation_rate: Positive int, or one per spatial axis: distance of the taps.
        output: `"components"` gives one map for each channel and kernel, in the
            channels, channel-major: map `c * kernels + k`. `"stack"` adds a trailing
            axis of kernels. `"magnitude"` gives one map for each channel, the square
            root of the sum of the squares; its gradient is 0 where it is 0.
        border_mode: What lies outside under "same", equal to `numpy.pad` of that
            name: `"symmetric"` (default), `"reflect"`, `"edge"`, `"wrap"` or
            `"constant"` (zeros).
        rank: Number of spatial axes that the input must have; None (default) takes
            it from the input.
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
        kernels: Any,
        strides: Ints = 1,
        padding: str = "same",
        data_format: str | None = None,
        dilation_rate: Ints = 1,
        *,
        output: str = "components",
        border_mode: str = "symmetric",
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            check_ints("strides", strides), padding, data_format, rank=rank, **kwargs
        )
        # A subclass makes its kernels when it knows the rank.
        self._given = None if kernels is None else numbers("kernels", kernels, most=4)
        self._output = check_choice("output", output, OUTPUTS)
        self.border_mode = check_choice("border_mode", border_mode, BORDER_MODES)
        self.dilation_rate = check_ints("dilation_rate", dilation_rate)

    def make_kernels(self, rank: int) -> Kernels:
        """The `Kernels` of the layer on `rank` spatial axes."""
        return kernels_of(self._given, rank)

    def make_window(self, rank: int) -> Window:
        """The `Window` of the kernels' size."""
        return correlation_window(
            self.make_kernels(rank),
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            border_mode=self.border_mode,
        )

    @property
    def kernel(self) -> np.ndarray:
        """The dense kernels, `(number of kernels, *size)`, as a NumPy array."""
        if not self.built:
            # An AttributeError would be hidden by PyTorch's own attribute lookup.
            raise ValueError("Build the layer before reading `kernel`.")
        return np.reshape(self._kernels.dense, (-1, *self._kernels.size))

    def build(self, input_shape: Any) -> None:
        """Prepare the constants for the rank of the input."""
        super().build(input_shape)
        self._kernels = self.make_kernels(self.window.rank)

    def call(self, inputs: Any) -> Any:
        """Correlate."""
        x = self.to_compute_dtype(inputs)
        return correlation(x, self._kernels, self.window, self._output)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the output for an input of that shape."""
        window = self.window_for(input_shape)
        kernels = self.make_kernels(window.rank)
        return correlated_shape(input_shape, kernels, window, self._output)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "kernels": plain(self._given),
            "output": self._output,
            "border_mode": self.border_mode,
            "dilation_rate": plain(self.dilation_rate),
        }


class _Derivative(FixedConv):
    """A derivative along one or more spatial axes; `operator` makes its kernels."""

    operator: Any = None

    def __init__(
        self,
        kernel_size: int = 3,
        strides: Ints = 1,
        padding: str = "same",
        data_format: str | None = None,
        dilation_rate: Ints = 1,
        *,
        axis: Ints | None = None,
        output: str = "components",
        normalize: str | None = None,
        border_mode: str = "symmetric",
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            None,
            strides,
            padding,
            data_format,
            dilation_rate,
            output=output,
            border_mode=border_mode,
            rank=rank,
            **kwargs,
        )
        self.kernel_size = check_odd("kernel_size", kernel_size)
        self.axis = check_axis(axis)
        self.normalize = check_choice("normalize", normalize, classical.NORMALIZATIONS)

    def make_kernels(self, rank: int) -> Kernels:
        """The `Kernels` of the layer on `rank` spatial axes."""
        return derivative_kernels(
            self.operator,
            rank,
            axis=self.axis,
            kernel_size=self.kernel_size,
            normalize=self.normalize,
            dilation=check_ints("dilation_rate", self.dilation_rate, rank),
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = super().get_config()
        del config["kernels"]
        return {
            **config,
            "kernel_size": self.kernel_size,
            "axis": plain(self.axis),
            "normalize": self.normalize,
        }


@keras.saving.register_keras_serializable(package="kerasconv")
class PrewittConv(_Derivative):
    """Prewitt derivative: `[-1, 0, 1]` along an axis, `[1, 1, 1]` along the others.

    The order of the directions is that of the axes, (dy, dx) for an image and (dz,
    dy, dx) for a volume. A derivative is positive where values increase with the
    index. The derivative along x marks vertical edges, that along y horizontal ones.
    On a signal (one spatial axis) it is the bare difference. Of a constant image it is
    exactly 0, as `FixedConv` describes it.

    Args:
        kernel_size: Odd int, 3 or more. Default 3. For 5 the factors are
            `[-2, -1, 0, 1, 2]`, the slope of the least-squares line, and five ones.
        strides: Positive int, or one per spatial axis. Default 1.
        padding: `"same"` (default) or `"valid"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        dilation_rate: Positive int, or one per spatial axis. Default 1.
        axis: Spatial axis of the derivative: 0 is the first, negatives count from
            the last; a tuple for several, None (default) for all.
        output: `"components"` (default, map `c * axes + d`), `"stack"` (a trailing
            axis of directions) or `"magnitude"`, as `FixedConv` describes them.
        normalize: None (default) is SciPy's and OpenCV's scale: a ramp of slope one
            gives 2, 6 and 18 at rank 1, 2 and 3. `"smooth"` divides by the sum of the
            smoothing taps along every other axis, as scikit-image does: 2 at every
            rank. `"unit"` makes a ramp of slope one give 1 (Kornia, MONAI), with
            dilation too.
        border_mode: What lies outside under "same": `"symmetric"` (default),
            `"reflect"`, `"edge"`, `"wrap"` or `"constant"`.
        rank: Number of spatial axes that the input must have; None (default) takes
            it from the input. Give it in a data pipeline, `dataset.batch(32).map(
            PrewittConv(rank=2))`: there a single image, without its batch axis, would
            be read as a batch of signals.
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
    On a signal (one spatial axis) it is the bare difference. Of a constant image it is
    exactly 0, as `FixedConv` describes it.

    Args:
        kernel_size: Odd int, 3 or more. Default 3. 3, 5 and 7 are OpenCV's
            `ksize`.
        strides: Positive int, or one per spatial axis. Default 1.
        padding: `"same"` (default) or `"valid"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        dilation_rate: Positive int, or one per spatial axis. Default 1.
        axis: Spatial axis of the derivative: 0 is the first, negatives count from
            the last; a tuple for several, None (default) for all.
        output: `"components"` (default, map `c * axes + d`), `"stack"` (a trailing
            axis of directions) or `"magnitude"`, as `FixedConv` describes them.
        normalize: None (default) is SciPy's and OpenCV's scale: a ramp of slope one
            gives 2, 8 and 32 at rank 1, 2 and 3. `"smooth"` divides by the sum of the
            smoothing taps along every other axis, as scikit-image does: 2 at every
            rank. `"unit"` makes a ramp of slope one give 1 (Kornia, MONAI), with
            dilation too.
        border_mode: What lies outside under "same": `"symmetric"` (default),
            `"reflect"`, `"edge"`, `"wrap"` or `"constant"`.
        rank: Number of spatial axes that the input must have; None (default) takes
            it from the input. Give it in a data pipeline, `dataset.batch(32).map(
            SobelConv(rank=2))`: there a single image, without its batch axis, would
            be read as a batch of signals.
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
