"""The window sum from plain operations, which every backend has."""

from collections.abc import Callable
from typing import Any

from kerasconv.window.geometry import Window
from kerasconv.window.slices import correlate, merge, unmerge

__all__ = ["compiled", "constant_sums", "norms_of_tiles", "sums"]


def compiled(function: Callable, x: Any, *args: Any) -> Any:
    """`function(x, *args)`."""
    return function(x, *args)


def sums(
    x: Any, kernels: Any, window: Window, start: Callable, finish: Callable
) -> list[Any]:
    """`finish` of the sums over `start` of x."""
    return finish(correlate(start(x), kernels, window))


def constant_sums(
    x: Any, kernels: Any, window: Window, start: Callable, finish: Callable
) -> list[Any]:
    """As `sums`, with the channels merged with the last axis for long inner loops."""
    merged, grid = merge(x, window)
    return [unmerge(y, grid) for y in sums(merged, kernels, grid, start, finish)]


def norms_of_tiles(x: Any, kernels: Any, window: Window) -> Any:
    """None: what differentiates the sum is good enough."""
    return None
