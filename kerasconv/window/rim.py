"""The interior first, then the rim: how a compiler is spared a bordered array.

To build such an array costs more than to sum over it. So the interior, which needs no
border, goes straight to its place in the result, and the rim comes from thin strips.
"""

from collections.abc import Callable, Iterator
from typing import Any

from kerasconv.window.geometry import Window
from kerasconv.window.native import is_portable, is_static, xp
from kerasconv.window.slices import correlate, extend, merge, outside, span, unmerge

__all__ = ["around", "has_thin_rim", "interior_and_strips", "written_sums"]


def has_thin_rim(x: Any, window: Window) -> bool:
    """Whether the windows that see a border are a thin rim of all of them."""
    return (
        not is_portable()
        and window.padding == "same"
        and window.strides == (1,) * window.rank
        and is_static(x.shape)
        and all(
            n > 2 * reach
            for n, reach in zip(window.lengths(x.shape), window.spans, strict=True)
        )
    )


def written_sums(
    x: Any,
    kernels: Any,
    window: Window,
    finish: Callable,
    begin: Callable,
    overwrite: Callable,
) -> list[Any]:
    """`finish` of the sums over x, each part written into its place.

    Args:
        x: Tensor with known lengths; `has_thin_rim` holds.
        kernels: `Kernels` of the window's size.
        window: The window.
        finish: Function from the list of sums to a list of results, elementwise.
        begin: Function `(x, part, start)` that gives a tensor like x with `part` in
            it from `start` (a number an axis) on, and anything around it.
        overwrite: Function `(y, part, start)` that gives y with `part` in it from
            `start` on.
    """
    valid = window.without_border()
    results: list[Any] = []
    for part, start, _ in interior_and_strips(x, window):
        merged, grid = merge(part, valid)
        sums = [unmerge(y, grid) for y in finish(correlate(merged, kernels, grid))]
        if results:
            pairs = zip(results, sums, strict=True)
            results = [overwrite(result, y, start) for result, y in pairs]
        else:
            results = [begin(x, y, start) for y in sums]
    return results


def around(x: Any, part: Any, start: list[int]) -> list[tuple[int, int]]:
    """What lies before and after `part` in x on each axis but the batch's."""
    return [
        (at, n - at - m)
        for at, n, m in zip(start[1:], x.shape[1:], part.shape[1:], strict=True)
    ]


def interior_and_strips(
    x: Any, window: Window
) -> Iterator[tuple[Any, list[int], int | None]]:
    """Yield x, then each strip of it and of its border whose windows see a border.

    Each with the place of its first window in the result, a number an axis; and with
    the axis whose border it is, None for x.
    """
    mode, borders = window.border_mode, window.borders(x.shape)
    inner = [0] * len(x.shape)
    for axis, _, before, _, _ in borders:
        inner[axis] = before
    yield x, inner, None
    for i, border in enumerate(borders):
        axis, n, before, after, _ = border
        reach = before + after
        low = outside(x, border, range(-before, 0), mode)
        high = outside(x, border, range(n, n + after), mode)
        for length, at, pieces in (
            (before, 0, [*low, span(x, axis, 0, reach, 1)]),
            (after, n - after, [span(x, axis, n - reach, n, 1), *high]),
        ):
            if length:
                strip = xp.concatenate(pieces, axis=axis)
                # The corners belong to the strips of the first axis.
                for other in borders[i + 1 :]:
                    strip = extend(strip, other, mode)
                start = [*inner[:axis], at, *[0] * (len(inner) - axis - 1)]
                yield strip, start, axis
