"""Pools: p-norms and weighted averages of windows, as layers and operations do them."""

from typing import Any

import numpy as np

from kerasconv._arguments import (
    PADDINGS,
    check_ints,
    check_name,
    check_real,
    numbers,
)
from kerasconv._keras import keras
from kerasconv.window.backends import backend
from kerasconv.window.geometry import Window
from kerasconv.window.native import (
    as_tensor,
    cast,
    dtype_of,
    empty,
    is_static,
    must_stay_empty,
    values,
    wide,
)
from kerasconv.window.norms import absolute, needs_scale, roots, scaled_norm, square
from kerasconv.window.sums import weight_inside, window_sums
from kerasconv.window.weights import normalized, ones_kernel, pool_weights

__all__ = ["given_weights", "lp_norms", "pool_window", "weighted_means"]


def pool_window(
    rank: int, *, pool_size: Any, strides: Any, padding: str, data_format: str | None
) -> Window:
    """The `Window` of a pool; strides of None are `pool_size`.

    Raises:
        ValueError: An argument is out of its range.
    """
    size = check_ints("pool_size", pool_size, rank)
    return Window.of(
        rank,
        size,
        size if strides is None else strides,
        data_format=data_format,
        padding=check_name("padding", padding, PADDINGS),
    )


def lp_norms(x: Any, window: Window, *, p: float, mean: bool) -> Any:
    """The p-norm of every window of every channel, as `LpPool` describes it."""
    if p not in (1, 2) or needs_scale(x):
        window.check(x.shape)
        if must_stay_empty(x):
            return empty(window.output_shape(x.shape), dtype_of(x))
        return backend.compiled(_scaled_norms, x, window, p, mean)
    ones = ones_kernel(window.size, mean)
    if p == 2 and window.is_tiling and is_static(x.shape):
        window.check(x.shape)
        norms = backend.norms_of_tiles(x, ones, window)
        if norms is not None:
            return norms
    before, after = (absolute, None) if p == 1 else (square, roots)
    return window_sums(x, ones, window, before=before, after=after, inside=mean)


def _scaled_norms(x, window, p, mean):
    """The p-norm of every window, where powers of the values may overflow."""
    x, restore = wide(x)
    norm = scaled_norm(window.taps(absolute(x)), p)
    if mean:
        count = weight_inside(x, ones_kernel(window.size), window)
        norm = norm / count ** (1 / p)
    return restore(norm)


def given_weights(weights: Any, x: Any, window: Window) -> Any:
    """Weights as `ops.weighted_pool` is given them, as `weighted_means` takes them.

    Raises:
        ValueError: They are none for this window and input.
    """
    if isinstance(weights, str) and weights == "learned":
        raise ValueError(
            '`weights` of an operation cannot be "learned": use the layer, '
            'WeightedPool(weights="learned"), or give a tensor of weights that you '
            f"train. Received: weights={weights!r}"
        )
    if isinstance(weights, str):
        return pool_weights(weights, window.size, window.padding)
    if isinstance(weights, keras.Variable):
        weights = keras.ops.convert_to_tensor(weights)
    symbolic = isinstance(weights, keras.KerasTensor)
    array = isinstance(weights, np.ndarray)  # which NumPy's backend calls a tensor
    if not array and (symbolic or keras.ops.is_tensor(weights)):
        check_real("weights", dtype_of(weights))
    else:
        weights = numbers("weights", weights)
    shape, rank = tuple(weights.shape), window.rank
    if len(shape) != rank + 1:
        if isinstance(weights, np.ndarray):
            return pool_weights(weights, window.size, window.padding)
        fits = shape == window.size
    else:
        channels = x.shape[window.channel_axis]
        fits = shape[:-1] == window.size and channels in (None, shape[-1])
    if not fits:
        raise ValueError(
            f"`weights` must have the shape of the window, {window.size}, or one more "
            f"axis of {x.shape[window.channel_axis]} channels. "
            f"Received: weights of shape {shape}"
        )
    known = None if symbolic else values(weights)
    if known is not None:
        known = normalized(known, rank, window.padding)
    if symbolic or isinstance(x, keras.KerasTensor):
        return weights
    dtype = dtype_of(wide(x)[0])
    if isinstance(weights, np.ndarray):
        return as_tensor(np.asarray(known, dtype))
    weights = cast(weights, dtype)
    return weights / keras.ops.sum(weights, axis=tuple(range(rank)))


def weighted_means(x: Any, weights: Any, window: Window) -> Any:
    """The weighted average of the part of every window that lies inside the input.

    Args:
        x: Float tensor.
        weights: `Kernels`, or a tensor `(*size)` or `(*size, channels)`, with sum 1.
        window: The window.
    """
    return window_sums(x, weights, window, inside=True)
