"""Roots of sums of squares, and other norms, whose gradient at 0 is 0."""

import functools
import math
import operator
from typing import Any

from kerasconv._keras import keras
from kerasconv.window.native import (
    dtype_of,
    known,
    records_gradient,
    reshape,
    xp,
    zero_pad,
)
from kerasconv.window.slices import correlate, span

__all__ = [
    "absolute",
    "gradient_of_tile_norms",
    "magnitude",
    "needs_scale",
    "root",
    "roots",
    "scaled_magnitude",
    "scaled_norm",
    "square",
    "tile_norms",
]


def square(x: Any) -> Any:
    """`x * x`."""
    return x * x


def absolute(x: Any) -> Any:
    """The absolute value, with gradient 0 at 0 (JAX's own has 1 there)."""
    return x * keras.ops.stop_gradient(xp.sign(x))


def root(s: Any) -> Any:
    """The square root of a sum of squares, with gradient 0 where the sum is 0."""
    if not records_gradient(s):
        return xp.sqrt(s)
    # The gradient of the root is infinite at 0, and 0 times infinity is NaN: the root
    # must not see that 0, in either branch.
    positive = s > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, s, 1.0)), s)


def roots(sums: list[Any]) -> list[Any]:
    """The root of each of the sums."""
    return [root(s) for s in sums]


def magnitude(sums: list[Any]) -> list[Any]:
    """The root of the sum of the squares of the sums, as a list of one."""
    return [root(functools.reduce(operator.add, map(square, sums)))]


def scaled_magnitude(sums: list[Any]) -> list[Any]:
    """As `magnitude`, of numbers whose squares float32 cannot hold."""
    return [scaled_norm([absolute(s) for s in sums], 2)]


def scaled_norm(terms: list[Any], p: float) -> Any:
    """`(sum terms^p)^(1/p)` of non-negative terms, scaled by the largest of them.

    The norm does not depend on the scale, so no gradient has to flow through it.
    """
    largest = functools.reduce(xp.maximum, terms)
    scale = xp.where((largest > 0) & (largest < math.inf), largest, 1.0)
    scale = keras.ops.stop_gradient(scale)
    powers = (_power(term / scale, p) for term in terms)
    total = functools.reduce(operator.add, powers)
    positive = total > 0
    return scale * xp.where(positive, xp.where(positive, total, 1.0) ** (1 / p), total)


def _power(x: Any, p: float) -> Any:
    """`x ** p` of a non-negative x; of 0 all derivatives are 0.

    By the formula the second is infinite there where p < 2, and times 0 NaN.
    """
    if p >= 2:
        return x**p
    positive = x > 0
    return xp.where(positive, xp.where(positive, x, 1.0) ** p, x)


def needs_scale(x: Any) -> bool:
    """Whether squares of x may be more than the float32 that they are summed in."""
    return dtype_of(x) == "bfloat16"


def tile_norms(x: Any, kernels: Any, window: Any) -> Any:
    """The root of the weighted sum of squares of each window."""
    (s,) = correlate(square(x), kernels, window)
    return root(s)


def gradient_of_tile_norms(x: Any, y: Any, g: Any, kernels: Any, window: Any) -> Any:
    """The gradient of `tile_norms` by x, for windows that stand side by side.

    It is `x / y * g` times the weight, which is the same for all; 0 where y is 0.

    Args:
        x: What `tile_norms` was given.
        y: What it gave.
        g: The gradient by y.
        kernels: As `tile_norms` was given them.
        window: Likewise.
    """
    zero = y == 0
    # The quotient must not see that 0, in either branch: its gradient would be NaN.
    quotient = xp.where(zero, 0.0, g / xp.where(zero, 1.0, y)) * kernels.dense[0][0]
    cut, tiles, thin = x, [], []
    for axis, n in enumerate(known(x.shape)):
        if axis in window.axes:
            k = window.size[window.axes.index(axis)]
            cut = span(cut, axis, 0, n // k * k, 1)
            tiles += [n // k, k]
            thin += [n // k, 1]
        else:
            tiles.append(n)
            thin.append(n)
    gradient = reshape(cut, tiles) * reshape(quotient, thin)
    gradient = reshape(gradient, known(cut.shape))
    rest = {axis: (0, x.shape[axis] - gradient.shape[axis]) for axis in window.axes}
    return zero_pad(gradient, rest)
