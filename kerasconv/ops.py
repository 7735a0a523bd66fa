"""The functional forms of the layers, as Keras pairs layers with ops.

Each takes a tensor (or what converts to one) and returns a tensor; a symbolic tensor
(`keras.Input`) gives the layer of the same name applied to it.
"""

import functools
import math
import operator

import numpy as np

from kerasconv import kernels as classical
from kerasconv._keras import keras
from kerasconv.layers import _window
from kerasconv.layers._window import (
    BORDER_MODES,
    Kernels,
    Window,
    check_choice,
    check_ints,
)

__all__ = [
    "conv",
    "fixed_conv",
    "l2_pool",
    "lp_pool",
    "prewitt",
    "sobel",
    "weighted_pool",
]

OUTPUTS = ("components", "stack", "magnitude")


def _layer_for_symbolic(layer_name):
    """Let an op stand for its layer where it meets a symbolic tensor."""

    def decorate(op):
        @functools.wraps(op)
        def wrapper(x, *args, **kwargs):
            if isinstance(x, keras.KerasTensor):
                from kerasconv import layers

                floating = keras.backend.is_float_dtype(x.dtype)
                layer = getattr(layers, layer_name)
                return layer(*args, **kwargs, dtype=x.dtype if floating else None)(x)
            return op(x, *args, **kwargs)

        return wrapper

    return decorate


# ------------------------------------------------------------- fixed kernels


@_layer_for_symbolic("FixedConv")
def fixed_conv(
    x,
    kernels,
    output="components",
    padding="same",
    border_mode="symmetric",
    strides=1,
    dilation_rate=1,
    data_format=None,
):
    """Cross-correlate every channel with constant kernels.

    The functional form of `kerasconv.layers.FixedConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first. Integers and
            bools become `keras.config.floatx()`.
        kernels: Array of one kernel, or of several along a leading axis.
        output: `"components"`, `"stack"` or `"magnitude"`.
        padding: `"valid"` or `"same"`.
        border_mode: What lies outside under "same".
        strides: Positive int, or one per spatial axis.
        dilation_rate: Positive int, or one per spatial axis.
        data_format: `"channels_last"`, `"channels_first"` or None.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> ops.fixed_conv(np.eye(4)[None, :, :, None], kernels.laplacian(2)).shape
    (1, 4, 4, 1)
    """
    x = _window.to_float(x)
    if not isinstance(kernels, Kernels):
        kernels = kernels_of(kernels, len(x.shape) - 2)
    window = Window.of(
        len(x.shape) - 2,
        kernels.size,
        strides,
        dilation_rate,
        data_format,
        padding=padding,
        border_mode=check_choice("border_mode", border_mode, BORDER_MODES),
        centred=True,
    )
    check_choice("output", output, OUTPUTS)
    if output == "magnitude":
        after = _scaled_magnitude if _is_bfloat16(x) else _magnitude
        return _window.window_sums(x, kernels, window, after=after)
    return _window.window_sums(x, kernels, window, join=output)


def kernels_of(array, rank):
    """`Kernels` from one kernel of `rank` axes, or several along a leading axis."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf" or array.ndim not in (rank, rank + 1):
        raise ValueError(
            f"`kernels` must be numbers, an array of {rank} axes for an input of "
            f"{rank} spatial axes, or several of them along a leading axis. "
            f"Received: kernels of shape {array.shape} and dtype {array.dtype}"
        )
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            "`kernels` must hold at least one number, all finite. "
            f"Received: kernels={array.tolist()!r}"
        )
    return Kernels.of(array if array.ndim > rank else array[None])


@_layer_for_symbolic("PrewittConv")
def prewitt(
    x,
    axis=None,
    output="components",
    normalize=None,
    kernel_size=3,
    padding="same",
    border_mode="symmetric",
    strides=1,
    dilation_rate=1,
    data_format=None,
):
    """Prewitt derivatives: `[-1, 0, 1]` along an axis, `[1, 1, 1]` along the others.

    The functional form of `kerasconv.layers.PrewittConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        axis: Spatial axis, a tuple of them, or None for all.
        output: `"components"`, `"stack"` or `"magnitude"`.
        normalize: None, `"smooth"` or `"unit"`.
        kernel_size: Odd int, 3 or more.
        padding: `"valid"` or `"same"`.
        border_mode: What lies outside under "same".
        strides: Positive int, or one per spatial axis.
        dilation_rate: Positive int, or one per spatial axis.
        data_format: `"channels_last"`, `"channels_first"` or None.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> ramp = np.arange(5.0)[None, :, None]
    >>> ops.prewitt(ramp)[0, 1:-1, 0]
    array([2., 2., 2.])
    """
    return _derivative(
        classical.prewitt, x, axis, output, normalize, kernel_size,
        padding, border_mode, strides, dilation_rate, data_format,
    )  # fmt: skip


@_layer_for_symbolic("SobelConv")
def sobel(
    x,
    axis=None,
    output="components",
    normalize=None,
    kernel_size=3,
    padding="same",
    border_mode="symmetric",
    strides=1,
    dilation_rate=1,
    data_format=None,
):
    """Sobel derivatives: `[-1, 0, 1]` along an axis, `[1, 2, 1]` along the others.

    The functional form of `kerasconv.layers.SobelConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        axis: Spatial axis, a tuple of them, or None for all.
        output: `"components"`, `"stack"` or `"magnitude"`.
        normalize: None, `"smooth"` or `"unit"`.
        kernel_size: Odd int, 3 or more.
        padding: `"valid"` or `"same"`.
        border_mode: What lies outside under "same".
        strides: Positive int, or one per spatial axis.
        dilation_rate: Positive int, or one per spatial axis.
        data_format: `"channels_last"`, `"channels_first"` or None.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> ops.sobel(np.ones((1, 28, 28, 3)), output="magnitude").shape
    (1, 28, 28, 3)
    """
    return _derivative(
        classical.sobel, x, axis, output, normalize, kernel_size,
        padding, border_mode, strides, dilation_rate, data_format,
    )  # fmt: skip


def _derivative(
    make, x, axis, output, normalize, kernel_size,
    padding, border_mode, strides, dilation_rate, data_format,
):  # fmt: skip
    x = _window.to_float(x)
    rank = len(x.shape) - 2
    axis = classical.check_axis(axis)
    dilation = check_ints("dilation_rate", dilation_rate, rank)
    kernels = derivative_kernels(make, rank, axis, kernel_size, normalize, dilation)
    return fixed_conv(
        x, kernels, output, padding, border_mode, strides, dilation, data_format
    )


@functools.lru_cache(maxsize=256)
def derivative_kernels(make, rank, axis, kernel_size, normalize, dilation):
    """The `Kernels` that `make` gives for a derivative, spread by `dilation`."""
    array = make(rank, axis, kernel_size, normalize)
    if normalize == "unit":
        # Over a dilated difference a ramp climbs that much further.
        steps = [dilation[a] for a in classical.axes_of(axis, rank)]
        array = array / np.reshape(steps, (-1,) + (1,) * rank)
    return Kernels.of(array)


def _magnitude(sums):
    squares = (s * s for s in sums)
    return [_window.root(functools.reduce(operator.add, squares))]


def _scaled_magnitude(sums):
    """The magnitude of numbers whose squares float32 cannot hold."""
    return [_scaled_norm([_absolute(s) for s in sums], 2)]


# --------------------------------------------------------------------- pools


@_layer_for_symbolic("LpPool")
def lp_pool(
    x,
    p,
    pool_size=2,
    strides=None,
    padding="valid",
    mean=False,
    data_format=None,
):
    """Pool by the p-norm of every window: `(sum |x|^p)^(1/p)`.

    The functional form of `kerasconv.layers.LpPool`, which describes the arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        p: Number, 1 or more.
        pool_size: Positive int, or one per spatial axis.
        strides: Positive int, or one per spatial axis; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        mean: Whether to divide the sum by the number of values inside the input.
        data_format: `"channels_last"`, `"channels_first"` or None.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> ops.lp_pool(np.array([3.0, -4.0])[None, :, None], p=2)
    array([[[5.]]])
    """
    x = _window.to_float(x)
    rank = len(x.shape) - 2
    window = Window.of(
        rank,
        check_ints("pool_size", pool_size, rank),
        pool_size if strides is None else strides,
        data_format=data_format,
        padding=padding,
    )
    p = check_order(p)
    if p > 2 or p not in (1, 2) or _is_bfloat16(x):
        window.check(x.shape)
        if _window.is_nothing(x):
            return _window.nothing(window.output_shape(x.shape), _window.dtype_of(x))
        return _window.compiled(_lp_by_taps, x, window, p, mean)
    ones = ones_kernel(window.size, mean)
    if p == 2 and _window.are_tiles(x, window):
        return _window.norms_of_tiles(x, ones, window)
    before, after = (_absolute, None) if p == 1 else (_square, _roots)
    return _window.window_sums(x, ones, window, before=before, after=after, inside=mean)


@_layer_for_symbolic("L2Pool")
def l2_pool(
    x, pool_size=2, strides=None, padding="valid", mean=False, data_format=None
):
    """Pool by the Euclidean norm of every window: `sqrt(sum x^2)`.

    The functional form of `kerasconv.layers.L2Pool`, which describes the arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        pool_size: Positive int, or one per spatial axis.
        strides: Positive int, or one per spatial axis; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        mean: Whether to take the root mean square.
        data_format: `"channels_last"`, `"channels_first"` or None.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> ops.l2_pool(np.array([3.0, -4.0])[None, :, None])
    array([[[5.]]])
    """
    return lp_pool(x, 2, pool_size, strides, padding, mean, data_format)


@_layer_for_symbolic("WeightedPool")
def weighted_pool(
    x,
    pool_size=3,
    strides=2,
    padding="valid",
    weights="binomial",
    data_format=None,
):
    """Pool by a weighted average of every window.

    The functional form of `kerasconv.layers.WeightedPool`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        pool_size: Positive int, or one per spatial axis.
        strides: Positive int, or one per spatial axis; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        weights: `"binomial"`, `"gaussian"`, `"inverse_distance"`, an array of the
            window's shape (divided by its sum), or a tensor of that shape (with a
            trailing axis of channels for weights of their own) that sums to 1.
        data_format: `"channels_last"`, `"channels_first"` or None.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> ops.weighted_pool(np.array([0.0, 4.0, 0.0])[None, :, None])
    array([[[2.]]])
    """
    x = _window.to_float(x)
    rank = len(x.shape) - 2
    size = check_ints("pool_size", pool_size, rank)
    window = Window.of(
        rank,
        size,
        size if strides is None else strides,
        data_format=data_format,
        padding=padding,
    )
    if isinstance(weights, (str, list, tuple)) or (
        isinstance(weights, np.ndarray) and weights.ndim == rank
    ):
        weights = pool_weights(weights, size, padding)
    return _window.window_sums(x, weights, window, inside=True)


POOL_WEIGHTS = {
    "binomial": classical.binomial,
    "gaussian": classical.gaussian,
    "inverse_distance": classical.inverse_distance,
}


def pool_weights(weights, size, padding):
    """The `Kernels` of a name or an array of weights for a window of `size`."""
    if isinstance(weights, str):
        check_choice("weights", weights, POOL_WEIGHTS)
        return _named_pool_weights(weights, size)
    array = np.asarray(weights, dtype="float64")
    if array.shape != tuple(size):
        raise ValueError(
            f"`weights` must have the shape of the window, {tuple(size)}. "
            f"Received: weights of shape {array.shape}"
        )
    # Under "same" a window may see its smallest weights only: one must be left.
    allowed = array > 0 if padding == "same" else array >= 0
    if not (np.isfinite(array) & allowed).all() or array.sum() <= 0:
        rule = "positive" if padding == "same" else "0 or more, not all 0"
        raise ValueError(
            f"`weights` must be finite and {rule} under padding {padding!r}. "
            f"Received: weights={array.tolist()!r}"
        )
    return Kernels.of((array / array.sum())[None])


@functools.lru_cache(maxsize=256)
def _named_pool_weights(name, size):
    return Kernels.of(POOL_WEIGHTS[name](size)[None])


def ones_kernel(size, mean):
    """A `Kernels` of ones, divided by their number for a mean."""
    # Written out: `torch.compile` cannot follow what NumPy computes.
    count = math.prod(size)
    weight = 1 / count if mean else 1.0
    factors = [(1.0,) * k for k in size]
    factors[0] = (weight,) * size[0]
    return Kernels(size, ((weight,) * count,), (tuple(factors),))


def check_order(p):
    """Return p as a plain number if it is the order of a norm, else raise."""
    valid = isinstance(p, (int, float, np.integer, np.floating))
    if not valid or isinstance(p, bool) or not 1 <= p < math.inf:
        raise ValueError(f"`p` must be a finite number, 1 or more. Received: p={p!r}")
    return int(p) if p == int(p) else float(p)


def _absolute(x):
    # JAX's own slope of the absolute value at 0 is 1.
    return x * keras.ops.stop_gradient(_window.xp.sign(x))


def _square(x):
    return x * x


def _roots(sums):
    return [_window.root(s) for s in sums]


def _lp_by_taps(x, window, p, mean):
    """The p-norm of every window, where powers of the values may overflow."""
    x, restore = _window.wide(x)
    norm = _scaled_norm(window.taps(_absolute(x)), p)
    if mean:
        norm = norm / _window.inside(x, ones_kernel(window.size, False), window) ** (
            1 / p
        )
    return restore(norm)


def _scaled_norm(terms, p):
    """`(sum terms^p)^(1/p)` of non-negative terms, scaled by the largest of them.

    The norm does not depend on the scale, so no gradient has to flow through it.
    """
    largest = functools.reduce(_window.xp.maximum, terms)
    where = _window.xp.where
    scale = where((largest > 0) & (largest < math.inf), largest, 1.0)
    scale = keras.ops.stop_gradient(scale)
    total = sum((term / scale) ** p for term in terms)
    positive = total > 0
    return scale * where(positive, where(positive, total, 1.0) ** (1 / p), total)


def _is_bfloat16(x):
    return _window.dtype_of(x) == "bfloat16"


# ------------------------------------------------------------------- learned


def conv(
    x,
    kernel,
    strides=1,
    padding="valid",
    dilation_rate=1,
    border_mode="constant",
    flip=False,
    data_format=None,
):
    """Convolve as `keras.ops.conv`, with any border and on request a flipped kernel.

    The functional form of `kerasconv.layers.LearnedConv`, which describes the
    arguments.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        kernel: Tensor `(*kernel_size, channels / groups, filters)`.
        strides: Positive int, or one per spatial axis.
        padding: `"valid"`, `"same"`, or at rank 1 `"causal"`.
        dilation_rate: Positive int, or one per spatial axis.
        border_mode: What lies outside under "same" and "causal".
        flip: Whether to flip the kernel on every spatial axis.
        data_format: `"channels_last"`, `"channels_first"` or None.

    Returns:
        Tensor of x's float dtype.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> ops.conv(np.ones((1, 5, 1)), np.ones((3, 1, 2))).shape
    (1, 3, 2)
    """
    x = _window.to_float(x)
    rank = len(x.shape) - 2
    window = Window.of(
        rank,
        tuple(kernel.shape[:rank]),
        strides,
        dilation_rate,
        data_format,
        padding=padding,
        border_mode=check_choice("border_mode", border_mode, BORDER_MODES),
    )
    shape = window.output_shape(x.shape, kernel.shape[-1])
    if x.shape[0] == 0:  # TensorFlow returns the input for an empty batch
        return _window.nothing(shape, _window.dtype_of(x))
    if flip:
        kernel = keras.ops.flip(kernel, axis=tuple(range(rank)))
    if padding == "causal" or (padding == "same" and border_mode != "constant"):
        x, padding = window.pad(x), "valid"
    return keras.ops.conv(
        x,
        # Flipping or joining kernels narrows float64 on NumPy and OpenVINO.
        _window.cast(kernel, _window.dtype_of(x)),
        strides=window.strides,
        padding=padding,
        dilation_rate=window.dilation,
        data_format=window.data_format,
    )
