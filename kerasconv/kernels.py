"""The classical kernels, derived from 1-D factors for any rank (NumPy only).

An operator is two short vectors: a difference along one axis and a smoothing along
every other one. Everything here returns plain float64 NumPy arrays, to look at, to
hand to `kerasconv.layers.FixedConv` or to start a `LearnedConv` from.

Sources: J. M. S. Prewitt, "Object enhancement and extraction" (1970); I. Sobel and
G. Feldman, "A 3x3 isotropic gradient operator for image processing" (1968).
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasconv._arguments import (
    Ints,
    as_array,
    check_axis,
    check_choice,
    check_int,
    check_odd,
    is_int,
)
from kerasconv.errors import UsageError, short

__all__ = [
    "OPERATORS",
    "binomial",
    "box",
    "gaussian",
    "inverse_distance",
    "laplacian",
    "prewitt",
    "separate",
    "sobel",
]

NORMALIZATIONS = (None, "smooth", "unit")


def prewitt(
    rank: int = 2,
    axis: Ints | None = None,
    kernel_size: int = 3,
    normalize: str | None = None,
) -> np.ndarray:
    """The Prewitt derivative kernels, one for each axis asked for.

    The difference `[-1, 0, 1]` along the axis times the smoothing `[1, 1, 1]` along
    every other axis. A larger `kernel_size` is the slope of the least-squares line
    through as many values: `[-2, -1, 0, 1, 2]` and `[1, 1, 1, 1, 1]` for 5.

    Args:
        rank: Number of spatial axes.
        axis: Spatial axis of the derivative (0 is the first, negatives count from
            the last), a sequence of them, or None for all.
        kernel_size: Odd int, 3 or more.
        normalize: None, `"smooth"` (divide by the sum of the smoothing taps along
            every other axis) or `"unit"` (a ramp of slope one gives one).

    Returns:
        Array of shape `(number of axes,) + (kernel_size,) * rank`.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> kernels.prewitt(rank=2, axis=1)[0]
    array([[-1.,  0.,  1.],
           [-1.,  0.,  1.],
           [-1.,  0.,  1.]])
    """
    size = check_odd("kernel_size", kernel_size)
    difference = np.arange(size, dtype="float64") - size // 2
    return _derivatives(difference, np.ones(size), rank, axis, normalize)


def sobel(
    rank: int = 2,
    axis: Ints | None = None,
    kernel_size: int = 3,
    normalize: str | None = None,
) -> np.ndarray:
    """The Sobel derivative kernels, one for each axis asked for.

    The difference `[-1, 0, 1]` along the axis times the smoothing `[1, 2, 1]` along
    every other axis. A larger `kernel_size` smooths both factors by the binomial
    `[1, 2, 1]` once more for each step of two, as OpenCV's `ksize` does.

    Args:
        rank: Number of spatial axes.
        axis: Spatial axis of the derivative (0 is the first, negatives count from
            the last), a sequence of them, or None for all.
        kernel_size: Odd int, 3 or more.
        normalize: None, `"smooth"` (divide by the sum of the smoothing taps along
            every other axis) or `"unit"` (a ramp of slope one gives one).

    Returns:
        Array of shape `(number of axes,) + (kernel_size,) * rank`.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> kernels.sobel(rank=2, axis=0)[0]
    array([[-1., -2., -1.],
           [ 0.,  0.,  0.],
           [ 1.,  2.,  1.]])
    """
    size = check_odd("kernel_size", kernel_size)
    difference = np.convolve([-1.0, 0.0, 1.0], _pascal(size - 2))
    return _derivatives(difference, _pascal(size), rank, axis, normalize)


def laplacian(rank: int = 2) -> np.ndarray:
    """The Laplacian: the sum over all axes of the second difference `[1, -2, 1]`.

    Args:
        rank: Number of spatial axes.

    Returns:
        Array of shape `(3,) * rank`.

    Example:
    >>> kernels.laplacian(rank=1)
    array([ 1., -2.,  1.])
    """
    rank = _check_rank(rank)
    second, identity = np.array([1.0, -2.0, 1.0]), np.array([0.0, 1.0, 0.0])
    return sum(
        _outer([second if a == axis else identity for a in range(rank)])
        for axis in range(rank)
    )


OPERATORS = {"sobel": sobel, "prewitt": prewitt}
"""The gradient operators by name: each makes one kernel for each axis."""


def box(size: Sequence[int]) -> np.ndarray:
    """The plain average over a window of `size` (a tuple of ints): weights sum to 1."""
    return _outer([np.ones(n) / n for n in _sizes(size)])


def binomial(size: Sequence[int]) -> np.ndarray:
    """Binomial weights over a window of `size` (a tuple of ints): they sum to 1.

    A row of Pascal's triangle along each axis; `[1, 2, 1] / 4` for three values. It
    is the anti-aliasing filter of R. Zhang, "Making convolutional networks
    shift-invariant again" (2019).
    """
    return _outer([_pascal(n) / 2.0 ** (n - 1) for n in _sizes(size)])


def gaussian(size: Sequence[int]) -> np.ndarray:
    """Gaussian weights over a window of `size` (a tuple of ints): they sum to 1.

    The standard deviation along an axis of n values is `0.3 * ((n - 1) / 2 - 1) +
    0.8` pixels, OpenCV's rule for `getGaussianKernel`.
    """
    factors = []
    for n in _sizes(size):
        sigma = 0.3 * ((n - 1) / 2 - 1) + 0.8
        taps = np.exp(-((np.arange(n) - (n - 1) / 2) ** 2) / (2 * sigma**2))
        factors.append(taps / taps.sum())
    return _outer(factors)


def inverse_distance(size: Sequence[int]) -> np.ndarray:
    """Weights `1 / (1 + distance)` over a window of `size`: they sum to 1.

    The distance, in pixels, is the Euclidean one from the centre of the window.
    """
    along = [np.arange(n) - (n - 1) / 2 for n in _sizes(size)]
    axes = np.meshgrid(*along, indexing="ij")
    weights = 1 / (1 + np.sqrt(sum(a**2 for a in axes)))
    return weights / weights.sum()


def separate(kernel: Any) -> list[np.ndarray] | None:
    """Factor a kernel into one vector per axis whose outer product it is.

    Returns:
        A list of `kernel.ndim` 1-D arrays, or None where there is no such product.

    Example:
    >>> [factor.tolist() for factor in kernels.separate([[-1, 0, 1], [-2, 0, 2]])]
    [[1.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    kernel = as_array("kernel", kernel).astype("float64")
    if not kernel.ndim or not kernel.size:
        raise UsageError(f"`kernel` must have an axis. Received: shape {kernel.shape}")
    # Through an entry of largest size each axis's own line is its factor, up to a
    # scale; dividing by the line's smallest entry keeps whole numbers whole, and a
    # positive last entry keeps a smoothing positive.
    peak = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    if kernel[peak] == 0:
        return None
    factors = []
    for axis in range(kernel.ndim):
        line = kernel[
            tuple(slice(None) if a == axis else i for a, i in enumerate(peak))
        ]
        nonzero = line[line != 0]
        factors.append(line / np.copysign(np.min(np.abs(nonzero)), nonzero[-1]))
    product = _outer(factors)
    scale = kernel[peak] / product[peak]
    factors[-1] = factors[-1] * scale
    if np.allclose(product * scale, kernel, rtol=1e-12, atol=0):
        return factors
    return None


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """`axis` (None, an int or several) as a tuple of axes from 0 to `rank - 1`."""
    given = check_axis(axis)
    axes = range(rank) if given is None else given
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    if not all(-rank <= a < rank for a in axes):
        raise ValueError(
            f"`axis` must lie from {-rank} to {rank - 1} on an input of {rank} "
            f"spatial axes. Received: axis={short(axis)}"
        )
    axes = tuple(a % rank for a in axes)
    if not axes or len(set(axes)) != len(axes):
        raise ValueError(
            "`axis` must name at least one axis, each once. "
            f"Received: axis={short(axis)}"
        )
    return axes


def _check_rank(rank: Any) -> int:
    # Of ten axes a kernel has 59,049 weights; of twenty it would fill the memory.
    if not is_int(rank) or not 1 <= rank <= 10:
        raise ValueError(
            f"`rank` must be an int from 1 to 10. Received: rank={short(rank)}"
        )
    return int(rank)


def _derivatives(difference, smooth, rank, axis, normalize):
    """`difference` along each of the axes, `smooth` along every other."""
    rank = _check_rank(rank)
    check_choice("normalize", normalize, NORMALIZATIONS)
    if normalize is not None:
        smooth = smooth / smooth.sum()
    if normalize == "unit":
        difference = difference / (difference @ np.arange(difference.size))
    return np.stack(
        [
            _outer([difference if a == d else smooth for a in range(rank)])
            for d in axes_of(axis, rank)
        ]
    )


def _sizes(size):
    """`size`, which must be several positive ints."""
    if not np.iterable(size) or not len(size) or not all(map(is_int, size)):
        raise UsageError(
            "`size` must be a tuple of ints, one for each axis. "
            f"Received: {short(size)}"
        )
    return [check_int("size", n) for n in size]


def _outer(factors):
    return functools.reduce(np.multiply.outer, factors)


def _pascal(n):
    """Row of Pascal's triangle with n entries."""
    if n > 1024:
        raise ValueError(
            "More than 1024 binomial weights are beyond the range of float64. "
            f"Received: {n}"
        )
    return np.array([math.comb(n - 1, k) for k in range(n)], dtype="float64")
