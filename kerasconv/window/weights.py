"""The weights of a window: constant kernels, derivatives, the weights of pools."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasconv import kernels as classical
from kerasconv._arguments import check_choice, numbers, spend

__all__ = [
    "POOL_WEIGHTS",
    "Kernels",
    "derivative_kernels",
    "kernels_of",
    "normalized",
    "ones_kernel",
    "pool_weights",
]

POOL_WEIGHTS = {
    "binomial": classical.binomial,
    "gaussian": classical.gaussian,
    "inverse_distance": classical.inverse_distance,
}


@dataclass(frozen=True)
class Kernels:
    """Constant kernels of one size, prepared once: plain numbers, hashable.

    Args:
        size: The size of each.
        dense: For each kernel its weights, first axis slowest.
        factors: For each kernel one tuple of weights per axis whose outer product
            it is, or None where it is no such product.
    """

    size: tuple[int, ...]
    dense: tuple[tuple[float, ...], ...]
    factors: tuple[tuple[tuple[float, ...], ...] | None, ...]

    @classmethod
    def of(cls, array: Any) -> "Kernels":
        """From an array of shape `(number of kernels,) + size`."""
        array = np.asarray(array, dtype="float64")
        spend(array.size)
        factors = []
        for kernel in array:
            lines = classical.separate(kernel)
            factors.append(
                None if lines is None else tuple(tuple(v.tolist()) for v in lines)
            )
        return cls(
            array.shape[1:],
            tuple(tuple(kernel.ravel().tolist()) for kernel in array),
            tuple(factors),
        )

    def __len__(self) -> int:
        return len(self.dense)

    def flipped(self, i: int) -> "Kernels":
        """The i-th kernel alone, flipped on every axis."""
        factors = self.factors[i]
        return Kernels(
            self.size,
            (self.dense[i][::-1],),
            (factors and tuple(f[::-1] for f in factors),),
        )


def kernels_of(array: Any, rank: int) -> Kernels:
    """`Kernels` from one kernel of `rank` axes, or several along a leading axis.

    Raises:
        ValueError: `array` has other axes, or holds what is no finite number.
    """
    array = numbers("kernels", array, most=4)
    if array.ndim not in (rank, rank + 1):
        raise ValueError(
            f"`kernels` must have {rank} axes for an input of {rank} spatial axes, or "
            "one more for several kernels along a leading axis. "
            f"Received: kernels of shape {array.shape}"
        )
    return Kernels.of(array if array.ndim > rank else array[None])


@functools.lru_cache(maxsize=256)
def derivative_kernels(
    operator: Any,
    rank: int,
    *,
    axis: Any,
    kernel_size: int,
    normalize: str | None,
    dilation: tuple[int, ...],
) -> Kernels:
    """The `Kernels` of `operator` (`kerasconv.kernels.sobel`), spread by `dilation`."""
    spend(len(classical.axes_of(axis, rank)) * kernel_size**rank)
    array = operator(rank, axis, kernel_size, normalize)
    if normalize == "unit":
        # Over a dilated difference a ramp climbs that much further.
        steps = [dilation[a] for a in classical.axes_of(axis, rank)]
        array = array / np.reshape(steps, (-1,) + (1,) * rank)
    return Kernels.of(array)


def pool_weights(weights: Any, size: tuple[int, ...], padding: str) -> Kernels:
    """The `Kernels` of a name or an array of weights for a window of `size`.

    Raises:
        ValueError: There is no such name, or the array is not of that shape, or its
            sum over a window that `padding` allows may be 0.
    """
    if isinstance(weights, str):
        check_choice("weights", weights, tuple(POOL_WEIGHTS))
        return _named_pool_weights(weights, size)
    array = numbers("weights", weights).astype("float64")
    if array.shape != tuple(size):
        raise ValueError(
            f"`weights` must have the shape of the window, {tuple(size)}. "
            f"Received: weights of shape {array.shape}"
        )
    return Kernels.of(normalized(array, len(size), padding)[None])


def normalized(weights: Any, rank: int, padding: str) -> np.ndarray:
    """An array of weights divided by its sum over the window, the first `rank` axes.

    Raises:
        ValueError: It holds what is no finite number, or its sum over a window that
            `padding` allows may be 0.
    """
    array = numbers("weights", weights).astype("float64")
    total = array.sum(tuple(range(rank)))
    # Under "same" a window may see its smallest weights only: one must be left.
    allowed = array > 0 if padding == "same" else array >= 0
    if not allowed.all() or np.min(total) <= 0:
        rule = "positive" if padding == "same" else "0 or more, not all 0"
        raise ValueError(
            f"`weights` must be {rule} under padding {padding!r}. "
            f"Received: weights={array.tolist()!r}"
        )
    return array / total


@functools.lru_cache(maxsize=256)
def _named_pool_weights(name, size):
    spend(math.prod(size))
    return Kernels.of(POOL_WEIGHTS[name](size)[None])


def ones_kernel(size: tuple[int, ...], mean: bool = False) -> Kernels:
    """A `Kernels` of ones, divided by their number for a mean."""
    # Written out: `torch.compile` cannot follow what NumPy computes.
    count = math.prod(size)
    weight = 1 / count if mean else 1.0
    factors = [(1.0,) * k for k in size]
    factors[0] = (weight,) * size[0]
    return Kernels(size, ((weight,) * count,), (tuple(factors),))
