"""The window sum: the one mechanism behind every layer of the package.

A window slides over every channel, each value in it is transformed, a weighted sum is
taken, and the sum is transformed back. What a sum is, `slices.py` says; in which order
a backend computes it, its file in `backends/`.
"""

from collections.abc import Callable
from typing import Any

from kerasconv._keras import keras
from kerasconv.window.backends import backend
from kerasconv.window.geometry import Window
from kerasconv.window.native import (
    cast,
    dtype_of,
    empty,
    must_stay_empty,
    reshape,
    wide,
    xp,
)
from kerasconv.window.slices import correlate
from kerasconv.window.weights import Kernels

__all__ = ["joined_shape", "weight_inside", "window_sums"]


def window_sums(
    x: Any,
    kernels: Any,
    window: Window,
    *,
    before: Callable | None = None,
    after: Callable | None = None,
    join: str | None = None,
    inside: bool = False,
) -> Any:
    """Weighted sums over every window of every channel.

    Args:
        x: Float tensor `(batch, *spatial, channels)`, or channels first.
        kernels: `Kernels`; or a tensor of weights `(*size)` or `(*size, channels)`.
        window: `Window` of the kernels' size.
        before: Function of a tensor, applied to each value first (0 stays 0).
        after: Function from the list of sums (one per kernel) to a list of results,
            elementwise.
        join: None for the only result; `"components"` interleaves the results into
            the channels, channel-major; `"stack"` adds a trailing axis.
        inside: Whether to divide each sum by the weight of the window's part that
            lies inside the input (zeros lie outside, and the weights sum to 1).

    `before` and `after` are module-level functions: the compiled form is kept for
    each combination. Float16 and bfloat16 are summed in float32.

    Returns:
        Tensor of x's dtype.
    """
    window.check(x.shape)
    if must_stay_empty(x):
        count = len(kernels) if isinstance(kernels, Kernels) else 1
        return empty(joined_shape(x.shape, window, count, join), dtype_of(x))
    divide = inside and window.padding != "valid"
    return backend.compiled(_sums, x, kernels, window, before, after, join, divide)


def _sums(x, kernels, window, before, after, join, divide):
    x, restore = wide(x)
    constant = isinstance(kernels, Kernels)
    if not constant:
        kernels = cast(kernels, dtype_of(x))
    weight = weight_inside(x, kernels, window) if divide else None

    def start(x):
        return x if before is None else before(x)

    def finish(sums):
        if divide:
            sums = [s / weight for s in sums]
        return sums if after is None else after(sums)

    # The weight inside has the shape of the sums, which only `sums` keeps.
    summed = backend.constant_sums if constant and not divide else backend.sums
    return restore(_join(summed(x, kernels, window, start, finish), window, join))


def weight_inside(x: Any, kernels: Any, window: Window) -> Any:
    """The weight of each window's part that lies inside the input, for one example."""
    shape = list(keras.ops.shape(x))
    shape[0] = 1
    if isinstance(kernels, Kernels) or len(kernels.shape) == window.rank:
        shape[window.channel_axis] = 1
    ones = keras.ops.ones(shape, dtype=dtype_of(x))
    (weight,) = correlate(ones, kernels, window)
    return weight


def _join(results, window, join):
    if join == "stack":
        return xp.stack(results, -1)
    if join is None or len(results) == 1:
        (result,) = results
        return result
    last = window.data_format == "channels_last"
    stacked = xp.stack(results, -1 if last else 2)
    shape = list(keras.ops.shape(results[0]))
    shape[window.channel_axis] *= len(results)
    return reshape(stacked, shape)


def joined_shape(
    input_shape: Any, window: Window, count: int, join: str | None
) -> tuple[Any, ...]:
    """The shape of `count` results joined as `window_sums` joins them."""
    if join == "stack":
        return (*window.output_shape(input_shape), count)
    channels = input_shape[window.channel_axis]
    if join == "components" and channels is not None:
        channels *= count
    return window.output_shape(input_shape, channels)
