"""The functional forms of the layers, as Keras pairs layers with operations.

Each takes a tensor (or what converts to one) and returns a tensor. With a symbolic
tensor (`keras.Input`) it becomes a step of the model that is built.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from kerasconv import kernels as classical
from kerasconv._arguments import (
    OUTPUTS,
    Ints,
    Number,
    check_axis,
    check_bool,
    check_choice,
    check_ints,
    check_odd,
    check_order,
    check_rank,
    numbers,
    spatial_rank,
)
from kerasconv._keras import keras
from kerasconv.window.convolution import conv_window, convolution
from kerasconv.window.correlation import (
    correlated_shape,
    correlation,
    correlation_window,
)
from kerasconv.window.native import dtype_of, to_float
from kerasconv.window.pooling import (
    given_weights,
    lp_norms,
    pool_window,
    weighted_means,
)
from kerasconv.window.weights import derivative_kernels, kernels_of

__all__ = [
    "WindowOperation",
    "conv",
    "fixed_conv",
    "l2_pool",
    "lp_pool",
    "prewitt",
    "sobel",
    "weighted_pool",
]


@keras.saving.register_keras_serializable(package="kerasconv")
class WindowOperation(keras.Operation):
    """A function of this module as a step of a model.

    Args:
        function: Its name.
        name: The name of the step.

    Raises:
        ValueError: There is no function of that name.
    """

    def __init__(self, function: str, name: str | None = None):
        super().__init__(name=name)
        self.function = check_choice("function", function, tuple(_FUNCTIONS))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute."""
        return _FUNCTIONS[self.function](*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shape and dtype of the result."""
        return _FUNCTIONS[self.function](*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"function": self.function, "name": self.name}


_Function = TypeVar("_Function", bound=Callable[..., Any])
_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _operation(function: _Function) -> _Function:
    """Let a function of tensors make a step of a model from symbolic ones."""
    _FUNCTIONS[function.__name__] = function

    @functools.wraps(function)
    def operation(*args, **kwargs):
        if any(isinstance(a, keras.KerasTensor) for a in (*args, *kwargs.values())):
            return WindowOperation(function.__name__)(*args, **kwargs)
        return function(*args, **kwargs)

    return cast(_Function, operation)


def _spec(x, shape):
    """What a symbolic x becomes: a symbolic tensor of that shape."""
    dtype = dtype_of(x)
    floating = keras.backend.is_float_dtype(dtype)
    return keras.KerasTensor(shape, dtype if floating else keras.config.floatx())


# ------------------------------------------------------------- fixed kernels


@_operation
def fixed_conv(
    x: Any,
    kernels: Any,
    strides: Ints = 1,
    padding: str = "same",
    data_format: str | None = None,
    dilation_rate: Ints = 1,
    *,
    output: str = "components",
    border_mode: str = "symmetric",
    rank: int | None = None,
) -> Any:
    """Cross-correlate every channel with constant kernels.

    The functional form of `kerasconv.layers.FixedConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first. Integers and
            bools become `keras.config.floatx()`.
        kernels: Array of one kernel, or of several along a leading axis.
        strides: Positive int, or one per spatial axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        dilation_rate: Positive int, or one per spatial axis.
        output: `"components"`, `"stack"` or `"magnitude"`.
        border_mode: What lies outside under "same".
        rank: Number of spatial axes that x must have; None takes 1, 2 or 3.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range, or x is complex or of another
            rank.

    Example:
    >>> ops.fixed_conv(np.eye(4)[None, :, :, None], kernels.laplacian(2)).shape
    (1, 4, 4, 1)
    """
    x = to_float(x)
    return _correlation(
        x,
        kernels_of(kernels, spatial_rank(x.shape, check_rank(rank))),
        output=output,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
        border_mode=border_mode,
    )


def _correlation(x, kernels, *, output, **arguments):
    check_choice("output", output, OUTPUTS)
    window = correlation_window(kernels, **arguments)
    if isinstance(x, keras.KerasTensor):
        return _spec(x, correlated_shape(x.shape, kernels, window, output))
    return correlation(x, kernels, window, output)


@_operation
def prewitt(
    x: Any,
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
) -> Any:
    """Prewitt derivatives: `[-1, 0, 1]` along an axis, `[1, 1, 1]` along the others.

    The functional form of `kerasconv.layers.PrewittConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        kernel_size: Odd int, 3 or more.
        strides: Positive int, or one per spatial axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        dilation_rate: Positive int, or one per spatial axis.
        axis: Spatial axis, a tuple of them, or None for all.
        output: `"components"`, `"stack"` or `"magnitude"`.
        normalize: None, `"smooth"` or `"unit"`.
        border_mode: What lies outside under "same".
        rank: Number of spatial axes that x must have; None takes 1, 2 or 3.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range, or x is complex or of another
            rank.

    Example:
    >>> ramp = np.arange(5.0)[None, :, None]
    >>> ops.prewitt(ramp)[0, 1:-1, 0]
    array([2., 2., 2.])
    """
    return _derivative(
        classical.prewitt,
        x,
        rank=rank,
        axis=axis,
        kernel_size=kernel_size,
        normalize=normalize,
        output=output,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
        border_mode=border_mode,
    )


@_operation
def sobel(
    x: Any,
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
) -> Any:
    """Sobel derivatives: `[-1, 0, 1]` along an axis, `[1, 2, 1]` along the others.

    The functional form of `kerasconv.layers.SobelConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        kernel_size: Odd int, 3 or more.
        strides: Positive int, or one per spatial axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        dilation_rate: Positive int, or one per spatial axis.
        axis: Spatial axis, a tuple of them, or None for all.
        output: `"components"`, `"stack"` or `"magnitude"`.
        normalize: None, `"smooth"` or `"unit"`.
        border_mode: What lies outside under "same".
        rank: Number of spatial axes that x must have; None takes 1, 2 or 3.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range, or x is complex or of another
            rank.

    Example:
    >>> ops.sobel(np.ones((1, 28, 28, 3)), output="magnitude").shape
    (1, 28, 28, 3)
    """
    return _derivative(
        classical.sobel,
        x,
        rank=rank,
        axis=axis,
        kernel_size=kernel_size,
        normalize=normalize,
        output=output,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
        border_mode=border_mode,
    )


def _derivative(
    operator, x, *, rank, axis, kernel_size, normalize, dilation_rate, **arguments
):
    x = to_float(x)
    rank = spatial_rank(x.shape, check_rank(rank))
    kernels = derivative_kernels(
        operator,
        rank,
        axis=check_axis(axis),
        kernel_size=check_odd("kernel_size", kernel_size),
        normalize=check_choice("normalize", normalize, classical.NORMALIZATIONS),
        dilation=check_ints("dilation_rate", dilation_rate, rank),
    )
    return _correlation(x, kernels, dilation_rate=dilation_rate, **arguments)


# --------------------------------------------------------------------- pools


@_operation
def lp_pool(
    x: Any,
    pool_size: Ints = 2,
    strides: Ints | None = None,
    padding: str = "valid",
    data_format: str | None = None,
    *,
    p: Number,
    mean: bool = False,
    rank: int | None = None,
) -> Any:
    """Pool by the p-norm of every window: `(sum |x|^p)^(1/p)`.

    The functional form of `kerasconv.layers.LpPool`, which describes the arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        pool_size: Positive int, or one per spatial axis.
        strides: Positive int, or one per spatial axis; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        p: Number, 1 or more.
        mean: Whether to divide the sum by the number of values inside the input.
        rank: Number of spatial axes that x must have; None takes 1, 2 or 3.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range, or x is complex or of another
            rank.

    Example:
    >>> ops.lp_pool(np.array([3.0, -4.0])[None, :, None], p=2)
    array([[[5.]]])
    """
    return _lp_pool(x, rank, pool_size, strides, padding, data_format, p, mean)


def _lp_pool(x, rank, pool_size, strides, padding, data_format, p, mean):
    x, window = _pool(x, rank, pool_size, strides, padding, data_format)
    p, mean = check_order(p), check_bool("mean", mean)
    if isinstance(x, keras.KerasTensor):
        return _spec(x, window.output_shape(x.shape))
    return lp_norms(x, window, p=p, mean=mean)


def _pool(x, rank, pool_size, strides, padding, data_format):
    """The tensor and the `Window` of a pool."""
    x = to_float(x)
    window = pool_window(
        spatial_rank(x.shape, check_rank(rank)),
        pool_size=pool_size,
        strides=strides,
        padding=padding,
        data_format=data_format,
    )
    return x, window


@_operation
def l2_pool(
    x: Any,
    pool_size: Ints = 2,
    strides: Ints | None = None,
    padding: str = "valid",
    data_format: str | None = None,
    *,
    mean: bool = False,
    rank: int | None = None,
) -> Any:
    """Pool by the Euclidean norm of every window: `sqrt(sum x^2)`.

    The functional form of `kerasconv.layers.L2Pool`, which describes the arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        pool_size: Positive int, or one per spatial axis.
        strides: Positive int, or one per spatial axis; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        mean: Whether to take the root mean square.
        rank: Number of spatial axes that x must have; None takes 1, 2 or 3.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range, or x is complex or of another
            rank.

    Example:
    >>> ops.l2_pool(np.array([3.0, -4.0])[None, :, None])
    array([[[5.]]])
    """
    return _lp_pool(x, rank, pool_size, strides, padding, data_format, 2, mean)


@_operation
def weighted_pool(
    x: Any,
    pool_size: Ints = 3,
    strides: Ints | None = 2,
    padding: str = "valid",
    data_format: str | None = None,
    *,
    weights: Any = "binomial",
    rank: int | None = None,
) -> Any:
    """Pool by a weighted average of every window.

    The functional form of `kerasconv.layers.WeightedPool`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        pool_size: Positive int, or one per spatial axis.
        strides: Positive int, or one per spatial axis; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        weights: `"binomial"`, `"gaussian"`, `"inverse_distance"`; or an array, a
            tensor or a `keras.Variable` of the window's shape, or with a trailing
            axis of channels for weights of their own. What is given is divided by
            its sum over the window (gradients flow through that). It must be finite;
            positive under "same", 0 or more and not all 0 under "valid"; while a
            compiler traces a tensor, only its shape is checked. To learn weights
            without code of your own there is the layer.
        rank: Number of spatial axes that x must have; None takes 1, 2 or 3.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range, or x is complex or of another
            rank.

    Example:
    >>> ops.weighted_pool(np.array([0.0, 4.0, 0.0])[None, :, None])
    array([[[2.]]])
    """
    x, window = _pool(x, rank, pool_size, strides, padding, data_format)
    weights = given_weights(weights, x, window)
    if isinstance(x, keras.KerasTensor) or isinstance(weights, keras.KerasTensor):
        return _spec(x, window.output_shape(x.shape))
    return weighted_means(x, weights, window)


# ------------------------------------------------------------------- learned


@_operation
def conv(
    x: Any,
    kernel: Any,
    strides: Ints = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Ints = 1,
    *,
    border_mode: str = "constant",
    flip: bool = False,
    rank: int | None = None,
) -> Any:
    """Convolve as `keras.ops.conv`, with any border and on request a flipped kernel.

    The functional form of `kerasconv.layers.LearnedConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        kernel: Tensor `(*kernel_size, channels / groups, filters)`.
        strides: Positive int, or one per spatial axis.
        padding: `"valid"`, `"same"`, or at rank 1 `"causal"`.
        data_format: `"channels_last"`, `"channels_first"` or None.
        dilation_rate: Positive int, or one per spatial axis.
        border_mode: What lies outside under "same" and "causal".
        flip: Whether to flip the kernel on every spatial axis.
        rank: Number of spatial axes that x must have; None takes 1, 2 or 3.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range, or x is complex or of another
            rank.

    Example:
    >>> ops.conv(np.ones((1, 5, 1)), np.ones((3, 1, 2))).shape
    (1, 3, 2)
    """
    x = to_float(x)
    rank = spatial_rank(x.shape, check_rank(rank))
    if not hasattr(kernel, "shape"):
        kernel = numbers("kernel", kernel)
    window = conv_window(
        rank,
        kernel_size=_kernel_size(kernel, rank),
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
        border_mode=border_mode,
    )
    _check_channels(x, kernel, window)
    check_bool("flip", flip)
    if isinstance(x, keras.KerasTensor):
        return _spec(x, window.output_shape(x.shape, kernel.shape[-1]))
    return convolution(x, kernel, window, flip=flip)


def _kernel_size(kernel, rank):
    if len(kernel.shape) != rank + 2:
        raise ValueError(
            f"`kernel` must have {rank + 2} axes, (*kernel_size, channels / groups, "
            f"filters), for an input of {rank} spatial axes. "
            f"Received: kernel of shape {tuple(kernel.shape)}"
        )
    return tuple(kernel.shape[:rank])


def _check_channels(x, kernel, window):
    channels, (per_group, filters) = x.shape[window.channel_axis], kernel.shape[-2:]
    if channels is None:
        return
    groups = channels // per_group if per_group else 0
    if groups * per_group != channels or not groups or filters % groups:
        raise ValueError(
            "`kernel` must have (*kernel_size, channels / groups, filters) for groups "
            f"that divide both. Received: kernel of shape {tuple(kernel.shape)} and an "
            f"input of {channels} channels"
        )
