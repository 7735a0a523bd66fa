"""Borders, taps, and the window sum as it is written down: a sum of shifted slices.

For each position k of the window, what it sees is one slice, `x[k::stride]` along every
axis. The sum over the window is the sum of these slices, each times its weight. All
other formulations (in `backends/`) are this one in another order.
"""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kerasconv._keras import keras
from kerasconv.window.native import (
    add_scaled,
    gathers,
    is_static,
    known,
    reshape,
    take,
    xp,
    zero_pad,
)
from kerasconv.window.weights import Kernels

__all__ = [
    "cancel",
    "correlate",
    "extend",
    "merge",
    "outside",
    "pad",
    "span",
    "taps",
    "total",
    "unmerge",
    "weighs_exactly",
]


# -------------------------------------------------------------------- the sum


def correlate(
    x: Any, kernels: Any, window: Any, hold: Callable | None = None
) -> list[Any]:
    """The sums over every window of x, one tensor a kernel.

    A kernel that is an outer product is applied axis by axis.

    Args:
        x: Tensor `(batch, *spatial, channels)`, or channels first.
        kernels: `Kernels`; or a tensor of weights `(*size)` or `(*size, channels)`.
        window: `Window` of the kernels' size.
        hold: Function that has a tensor computed before anything that needs it. With
            it the axes come in their own order, of which a compiler may make better
            loops: a difference of what is held is exact too. Where the kernels
            are as `weighs_exactly` asks, it may give the tensor as it is.
    """
    x, steps = pad(x, window), window.steps()
    positions = window.positions()
    if not isinstance(kernels, Kernels):
        weights = reshape(kernels, (len(positions), *kernels.shape[window.rank :]))
        if window.data_format == "channels_first" and len(weights.shape) == 2:
            weights = reshape(weights, (*weights.shape, *[1] * window.rank))
        seen = (_tap(x, position, steps) for position in positions)
        return [total(weights[k] * tap for k, tap in enumerate(seen))]
    sums = []
    for dense, factors in zip(kernels.dense, kernels.factors, strict=True):
        if factors is None:
            pairs = [(w, i) for w, i in zip(dense, positions, strict=True) if w]
            pairs = pairs or [(0.0, positions[0])]
            sums.append(_weighted([(w, _tap(x, i, steps)) for w, i in pairs]))
        else:
            y, lines = x, list(zip(factors, steps, strict=True))
            if hold is None and not all(map(_adds, factors)):
                # Differences first: what smooths them then has zeros to sum. Plain sums
                # of equal values are equal, and of them a compiler makes better loops.
                lines.sort(key=lambda pair: not cancel(pair[0]))
            for line, step in lines:
                if hold is not None and y is not x and cancel(line):
                    y = hold(y)
                nonzero = [(w, i) for i, w in enumerate(line) if w]
                y = _weighted([(w, _tap(y, (i,), [step])) for w, i in nonzero])
            sums.append(y)
    return sums


def cancel(weights: Sequence[float]) -> bool:
    """Whether the weights sum to 0, but for rounding."""
    return abs(sum(weights)) <= 1e-12 * sum(abs(weight) for weight in weights)


def _adds(weights):
    """Whether to weigh by them takes no product, but for a difference of sums."""
    return cancel(weights) or all(weight == 1 for weight in weights)


def weighs_exactly(factors: Any) -> bool:
    """Whether what smooths a difference, by these weights, may well come before it.

    Products with 1, 2 and 4 are exact, so equal values have equal sums however a
    compiler rounds. More than 9 values overflow where their differences do not.
    """
    lines = [line for line in factors or () if not cancel(line)]
    weights = [weight for line in lines for weight in line]
    values = math.prod([sum(line) for line in lines])
    return all(weight in (1, 2, 4) for weight in weights) and values <= 9


def taps(x: Any, window: Any) -> list[Any]:
    """What each position of the window sees, as `Window.taps` gives it."""
    x = pad(x, window)
    steps = window.steps()
    return [_tap(x, position, steps) for position in window.positions()]


def total(terms):
    """The sum of tensors."""
    return functools.reduce(operator.add, terms)


def _tap(x, position, steps):
    """What one position of a window sees of a padded x; `steps` as `Window.steps`."""
    for i, (axis, size, step, stride) in zip(position, steps, strict=True):
        stop = (i + 1 - size) * step
        index = [slice(None)] * len(x.shape)
        index[axis] = slice(i * step, stop or None, stride)
        x = x[tuple(index)]
    return x


def _weighted(pairs):
    """The sum of `weight * tap`, in as few passes over memory as there can be.

    Weights that sum to 0 weigh differences, `weight * (b - a)`: where all taps are
    equal those are 0, and so is every sum of them, however a compiler rounds it.
    """
    if len(pairs) > 1 and cancel([weight for weight, _ in pairs]):
        pairs = _differences(pairs)
    (weight, tap), *rest = sorted(pairs, key=lambda pair: pair[0] != 1)
    result = tap if weight == 1 else weight * tap
    for weight, tap in rest:
        result = add_scaled(result, tap, weight)
    return result


def _differences(pairs):
    """The same sum as `weight * (b - a)`: the heaviest of either sign first."""
    above = sorted((p for p in pairs if p[0] > 0), key=lambda pair: -pair[0])
    below = sorted((p for p in pairs if p[0] < 0), key=lambda pair: pair[0])
    terms = []
    while above and below:
        (up, b), (down, a) = above.pop(0), below.pop(0)
        weight = min(up, -down)
        terms.append((weight, b - a))
        if up > weight:
            above.insert(0, (up - weight, b))
        if -down > weight:
            below.insert(0, (down + weight, a))
    return terms


# -------------------------------------------------------------------- borders


def pad(x: Any, window: Any) -> Any:
    """`x` with its border attached, so that "valid" windows then do."""
    borders = window.borders(keras.ops.shape(x))
    if window.border_mode == "constant" and not all(map(_is_empty, borders)):
        pads = {
            axis: (before * unit, after * unit)
            for axis, _, before, after, unit in borders
        }
        return zero_pad(x, pads)
    for border in borders:
        x = extend(x, border, window.border_mode)
    return x


def span(x, axis, start, stop, unit):
    """The pixels from `start` to `stop` along an axis."""
    return x[(slice(None),) * axis + (slice(start * unit, stop * unit),)]


def outside(x, border, positions, mode):
    """The pixels that stand at `positions` outside of an axis."""
    axis, n, _, _, unit = border
    if mode == "constant":
        return [xp.zeros_like(span(x, axis, 0, 1, unit)) for _ in positions]
    sources = [_source(i, n, mode, min, max) for i in positions]
    return [span(x, axis, i, i + 1, unit) for i in sources]


def extend(x, border, mode):
    """Attach a border along one axis, as `numpy.pad` of that name does."""
    axis, n, before, after, unit = border
    if _is_empty(border):
        return x
    if mode == "constant":
        return zero_pad(x, {axis: (before * unit, after * unit)})
    static = isinstance(before, int) and isinstance(after, int)
    if static and isinstance(n, int) and not (unit == 1 and gathers(x)):
        low = outside(x, border, range(-before, 0), mode)
        high = outside(x, border, range(n, n + after), mode)
        return xp.concatenate([*low, x, *high], axis=axis)
    positions = keras.ops.arange(-before, n + after, dtype="int32")
    maximum, minimum = keras.ops.maximum, keras.ops.minimum
    return take(x, _source(positions, n, mode, minimum, maximum), axis=axis)


def _is_empty(border):
    return all(isinstance(n, int) and n == 0 for n in border[2:4])


def _source(i, n, mode, minimum, maximum):
    """Index into an axis of length n of the value that stands at position i."""
    if mode == "wrap":
        return i % n
    if mode == "edge":
        return minimum(maximum(i, 0), n - 1)
    # Mirrored first: of a negative number tf2onnx takes the remainder that C does.
    if mode == "symmetric":
        i = maximum(i, -1 - i) % (2 * n)
        return minimum(i, 2 * n - 1 - i)
    # A reflected axis of length 1 repeats its one value.
    i = maximum(i, -i) % maximum(2 * n - 2, 1)
    return minimum(i, 2 * n - 2 - i)


# ------------------------------------------------- channels and the last axis


def merge(x, window):
    """Merge the last spatial axis and the channels, where that is possible.

    The inner loop over the merged axis is long, however few the channels: a shift by
    one pixel is one by all channels.

    Returns:
        The tensor, and the window for it; both as given where it is not possible.
    """
    if (
        window.data_format == "channels_first"
        or window.strides[-1] > 1
        or not is_static(x.shape)
    ):
        return x, window
    *rest, width, channels = known(x.shape)
    return reshape(x, (*rest, width * channels)), replace(window, unit=channels)


def unmerge(x, window):
    """Undo `merge`."""
    if len(x.shape) == window.rank + 2:
        return x
    *rest, merged = known(x.shape)
    return reshape(x, (*rest, merged // window.unit, window.unit))
