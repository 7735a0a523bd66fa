"""The window sum: the one mechanism behind every layer of the package.

A window slides over every channel, each value in it is transformed, a weighted sum
is taken, and the sum is transformed back. A weighted window sum is a sum of shifted
slices: for each tap, `weight * x[offset::stride]`. `Window` is the geometry (size,
strides, borders), `Kernels` the constant weights, `window_sums` the sum itself, in
the formulation that is fastest on the backend that runs, and `WindowLayer` the base
of the layers. Layers do not know which formulation runs.
"""

import contextlib
import contextvars
import functools
import itertools
from dataclasses import dataclass, replace

import numpy as np

from kerasconv import kernels as classical
from kerasconv._keras import keras

BACKEND = keras.backend.backend()

if BACKEND == "jax":
    import jax
    import jax.numpy as xp
elif BACKEND == "torch":
    import torch as xp
elif BACKEND == "numpy":
    xp = np
else:
    # On the other backends `keras.ops.sqrt` and its like keep float64 as it is.
    xp = keras.ops
if BACKEND == "tensorflow":
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.python import xla

__all__ = [
    "BACKEND",
    "BORDER_MODES",
    "DATA_FORMATS",
    "PADDINGS",
    "Kernels",
    "Window",
    "WindowLayer",
    "cast",
    "check_choice",
    "check_ints",
    "compiled",
    "dtype_of",
    "inside",
    "is_nothing",
    "nothing",
    "plain",
    "portable",
    "root",
    "to_float",
    "wide",
    "window_sums",
]

DATA_FORMATS = ("channels_last", "channels_first")
PADDINGS = ("valid", "same")
# Bytes of input that NumPy works on at a time: a few such arrays fit the cache.
BLOCK = 1 << 19
CHUNK = 1 << 22
BORDER_MODES = ("symmetric", "reflect", "edge", "wrap", "constant")


# ----------------------------------------------------------------- arguments


def check_choice(name, value, choices):
    """Return `value` if it is one of `choices`, else raise ValueError."""
    if not any(value is choice or value == choice for choice in choices):
        raise ValueError(
            f"`{name}` must be one of {tuple(choices)}. Received: {name}={value!r}"
        )
    return value


def check_ints(name, value, rank=None):
    """A positive int, or a sequence of one per spatial axis, as plain Python.

    Args:
        name: The argument's name, for the message.
        value: What was given.
        rank: Number of spatial axes, or None before it is known: then an int stays
            an int, a sequence becomes a tuple of one to three.

    Returns:
        An int or a tuple of ints; with `rank` always a tuple of `rank` ints.

    Raises:
        ValueError: `value` is anything else.
    """
    many = isinstance(value, (tuple, list))
    items = list(value) if many else [value]
    lengths = (1, 2, 3) if rank is None else (rank,)
    if not all(_is_positive_int(item) for item in items) or (
        many and len(items) not in lengths
    ):
        count = "one" if rank is None else str(rank)
        raise ValueError(
            f"`{name}` must be a positive int or {count} of them"
            f"{' per spatial axis' if rank is None else ', one per spatial axis'}. "
            f"Received: {name}={value!r}"
        )
    items = tuple(int(item) for item in items)
    if rank is None:
        return items if many else items[0]
    return items if many else items * rank


def plain(value):
    """`value` as a config holds it: a tuple or an array becomes a list."""
    return np.asarray(value).tolist() if np.ndim(value) else value


def _is_positive_int(value):
    return (
        isinstance(value, (int, np.integer))
        and not isinstance(value, (bool, np.bool_))
        and value > 0
    )


def to_float(x):
    """A tensor of `x`; integers and bools become `keras.config.floatx()`."""
    # Keras narrows a float64 array on the numpy backend.
    x = np.asarray(x) if BACKEND == "numpy" else keras.ops.convert_to_tensor(x)
    floating = keras.backend.is_float_dtype(dtype_of(x))
    return x if floating else cast(x, keras.config.floatx())


# ------------------------------------------------------------------ geometry


@dataclass(frozen=True)
class Window:
    """The geometry of a window on `rank` spatial axes.

    Args:
        size, strides, dilation: One positive int per spatial axis.
        padding: `"valid"` (windows that fit), `"same"` (`ceil(n / stride)` windows
            an axis) or `"causal"` (as many, none sees a later value).
        border_mode: What lies outside under "same" and "causal", by the names of
            `numpy.pad`; `"constant"` is zeros.
        centred: Under "same", where a strided window stands: True keeps every
            stride-th window of stride 1; False spreads the padding evenly over both
            ends, the rule of Keras's own convolutions and pools.
        data_format: `"channels_last"` or `"channels_first"`.
        unit: How many values stand for one pixel along the last spatial axis: the
            channels, where they are merged with it.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"
    border_mode: str = "constant"
    centred: bool = False
    data_format: str = "channels_last"
    unit: int = 1

    @classmethod
    def of(cls, rank, size, strides=1, dilation=1, data_format=None, **kwargs):
        """A window from arguments as a user writes them: ints or one per axis."""
        return cls(
            check_ints("size", size, rank),
            check_ints("strides", strides, rank),
            check_ints("dilation_rate", dilation, rank),
            data_format=keras.config.image_data_format()
            if data_format is None
            else data_format,
            **kwargs,
        )

    @property
    def rank(self):
        """Number of spatial axes."""
        return len(self.size)

    @property
    def axes(self):
        """The tensor axes that are spatial."""
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))

    @property
    def channel_axis(self):
        """The tensor axis of the channels."""
        return self.rank + 1 if self.data_format == "channels_last" else 1

    @property
    def units(self):
        """Per axis, how many values stand for one pixel."""
        return (1,) * (self.rank - 1) + (self.unit,)

    @property
    def spans(self):
        """Per axis, how far the last tap lies from the first."""
        return tuple((k - 1) * d for k, d in zip(self.size, self.dilation, strict=True))

    def lengths(self, x):
        """The lengths of the spatial axes of x: ints, or tensors where unknown."""
        shape = keras.ops.shape(x)
        return [shape[a] // u for a, u in zip(self.axes, self.units, strict=True)]

    def borders(self, x):
        """(axis, length, before, after, unit) for each spatial axis of x."""
        lengths = self.lengths(x)
        return [
            (axis, n, *pad, unit)
            for axis, n, pad, unit in zip(
                self.axes, lengths, self.pads(lengths), self.units, strict=True
            )
        ]

    def steps(self):
        """(axis, size, distance of taps, stride) for each spatial axis."""
        steps = (d * unit for d, unit in zip(self.dilation, self.units, strict=True))
        return list(zip(self.axes, self.size, steps, self.strides, strict=True))

    def pads(self, lengths):
        """Per axis, how many values to put before and after, for axes of `lengths`.

        A length may be a tensor where it is unknown; so may the answer then.
        """
        if self.padding == "valid":
            return [(0, 0)] * self.rank
        pads = []
        for n, span, s in zip(lengths, self.spans, self.strides, strict=True):
            if self.padding == "causal":
                pads.append((span, 0))
            elif self.centred or s == 1:
                pads.append((span // 2, span - span // 2))
            else:
                total = (n - 1) // s * s + span + 1 - n
                total = max(total, 0) if _is_int(n) else _maximum(total, 0)
                pads.append((total // 2, total - total // 2))
        return pads

    def output_shape(self, input_shape, channels=None):
        """The shape of the result; None where the input has None.

        Raises:
            ValueError: The input has another rank, no value along an axis, or is
                smaller than the window under "valid".
        """
        self.check(input_shape)
        shape = list(input_shape)
        for axis, span, s in zip(self.axes, self.spans, self.strides, strict=True):
            if shape[axis] is not None:
                n = shape[axis] - span if self.padding == "valid" else shape[axis]
                shape[axis] = (n - 1) // s + 1
        if channels is not None:
            shape[self.channel_axis] = channels
        return tuple(shape)

    def check(self, input_shape):
        """Raise ValueError where no window fits into an input of that shape."""
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"The input must have {self.rank + 2} axes (batch, {self.rank} "
                f"spatial, channels). Received: input_shape={tuple(input_shape)}"
            )
        for axis, span in zip(self.axes, self.spans, strict=True):
            least = span + 1 if self.padding == "valid" else 1
            if _is_int(input_shape[axis]) and input_shape[axis] < least:
                raise ValueError(
                    f"The input must be at least {least} long on axis {axis} for a "
                    f"window of size {self.size}, dilation {self.dilation} and "
                    f"padding {self.padding!r}. "
                    f"Received: input_shape={tuple(input_shape)}"
                )

    def pad(self, x):
        """`x` with its border attached, so that "valid" windows then do."""
        for border in self.borders(x):
            x = _extend(x, border, self.border_mode)
        return x

    def positions(self):
        """The place of every value in the window, first axis slowest."""
        return list(itertools.product(*(range(k) for k in self.size)))

    def taps(self, x):
        """What each position of the window sees, as one tensor per position.

        Returns:
            List of `prod(size)` tensors of the output's shape, first axis slowest.
        """
        self.check(x.shape)
        x = self.pad(x)
        steps = self.steps()
        return [_tap(x, position, steps) for position in self.positions()]


def _is_int(n):
    return isinstance(n, int)


def _shifted(x, axis, i, size, step, stride):
    """The i-th of `size` shifted slices along an axis, `step` apart."""
    stop = (i + 1 - size) * step
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(i * step, stop or None, stride)
    return x[tuple(index)]


def _tap(x, position, steps):
    """What one position of a window sees of a padded x; `steps` as `Window.steps`."""
    for i, (axis, size, step, stride) in zip(position, steps, strict=True):
        x = _shifted(x, axis, i, size, step, stride)
    return x


def _span(x, axis, start, stop, unit):
    """The pixels from `start` to `stop` along an axis."""
    return x[(slice(None),) * axis + (slice(start * unit, stop * unit),)]


def _outside(x, border, positions, mode):
    """The pixels that stand at `positions` outside of an axis."""
    axis, n, _, _, unit = border
    if mode == "constant":
        return [xp.zeros_like(_span(x, axis, 0, 1, unit)) for _ in positions]
    sources = [_source(i, n, mode, min, max) for i in positions]
    return [_span(x, axis, i, i + 1, unit) for i in sources]


def _extend(x, border, mode):
    """Attach a border along one axis, as `numpy.pad` of that name does."""
    axis, n, before, after, unit = border
    if _is_int(before) and _is_int(after) and before == after == 0:
        return x
    if mode == "constant":
        return _zero_pad(x, axis, before * unit, after * unit)
    if _is_int(n) and _is_int(before):
        low = _outside(x, border, range(-before, 0), mode)
        high = _outside(x, border, range(n, n + after), mode)
        return xp.concatenate([*low, x, *high], axis=axis)
    positions = keras.ops.arange(-before, n + after, dtype="int32")
    index = _source(positions, n, mode, _minimum, _maximum)
    if BACKEND == "torch":  # Keras's `take` squeezes, which its ONNX files do wrong
        return xp.index_select(x, axis, index)
    return keras.ops.take(x, index, axis=axis)


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


# ------------------------------------------------------------------- weights


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
    def of(cls, array):
        """From an array of shape `(number of kernels,) + size`."""
        array = np.asarray(array, dtype="float64")
        factors = [classical.separate(kernel) for kernel in array]
        return cls(
            array.shape[1:],
            tuple(tuple(kernel.ravel().tolist()) for kernel in array),
            tuple(f and tuple(tuple(v.tolist()) for v in f) for f in factors),
        )

    def __len__(self):
        return len(self.dense)

    def flipped(self, i):
        """The i-th kernel alone, flipped on every axis."""
        factors = self.factors[i]
        return Kernels(
            self.size,
            (self.dense[i][::-1],),
            (factors and tuple(f[::-1] for f in factors),),
        )


# ------------------------------------------------------------- the window sum


def window_sums(
    x, kernels, window, *, before=None, after=None, join=None, inside=False
):
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
    if is_nothing(x):
        return _no_sums(x, kernels, window, join)
    inside = inside and window.padding != "valid"
    return compiled(_window_sums, x, kernels, window, before, after, join, inside)


def _window_sums(x, kernels, window, before, after, join, divide):
    x, restore = wide(x)
    if not isinstance(kernels, Kernels):
        kernels = cast(kernels, dtype_of(x))
    weight = inside(x, kernels, window) if divide else None

    def start(x):
        return x if before is None else before(x)

    def finish(sums):
        if divide:
            sums = [s / weight for s in sums]
        return sums if after is None else after(sums)

    if _by_convolution(x, window):
        results = finish(_convolved(start(x), kernels, window))
    elif divide or not isinstance(kernels, Kernels):
        results = finish(_correlate(start(x), kernels, window))
    elif _has_thin_rim(x, window):
        rimmed = {"torch": _joined, "tensorflow": _rimmed_with_slopes}
        results = rimmed.get(BACKEND, _rimmed)(start(x), kernels, window, finish)
    else:
        merged, grid = _merge(x, window)

        def sums(part, grid):
            return finish(_correlate(start(part), kernels, grid))

        if BACKEND == "numpy":
            results = _blocked(merged, grid, sums)
        elif BACKEND == "torch" and not (xp.compiler.is_compiling() or _is_portable()):
            results = _chunked(merged, grid, sums)
        else:
            results = sums(merged, grid)
        results = [_unmerge(y, grid) for y in results]
    return restore(_join(results, window, join))


def _no_sums(x, kernels, window, join):
    """What `window_sums` gives for a batch of no examples."""
    shape = window.output_shape(x.shape)
    if join == "stack":
        shape = (*shape, len(kernels))
    elif join == "components":
        channels = shape[window.channel_axis] * len(kernels)
        shape = window.output_shape(x.shape, channels)
    return nothing(shape, dtype_of(x))


def is_nothing(x):
    """Whether `x` must be answered by `nothing`: no examples, on OpenVINO.

    Its graphs write past the end of empty arrays, and the process dies of it later.
    """
    return BACKEND == "openvino" and x.shape[0] == 0


def nothing(shape, dtype):
    """A tensor of that shape, which has no element; on OpenVINO a constant."""
    if BACKEND == "openvino":
        return keras.ops.convert_to_tensor(np.zeros(shape, "float32"), dtype)
    return keras.ops.zeros(shape, dtype)


def wide(x):
    """`x` in a dtype to sum in, and the function that brings a result back."""
    dtype = dtype_of(x)
    if dtype in ("float16", "bfloat16"):
        return cast(x, "float32"), lambda y: cast(y, dtype)
    return x, lambda y: y


def inside(x, kernels, window):
    """The weight of each window's part that lies inside the input."""
    shape = list(keras.ops.shape(x))
    shape[0] = 1
    if isinstance(kernels, Kernels) or len(kernels.shape) == window.rank:
        shape[window.channel_axis] = 1
    ones = keras.ops.ones(shape, dtype=dtype_of(x))
    (weight,) = _correlate(ones, kernels, window)
    return weight


def _merge(x, window):
    """Merge the last spatial axis and the channels, where that is possible.

    The inner loop over the merged axis is long, however few the channels: a shift by
    one pixel is one by all channels.
    """
    if (
        window.data_format == "channels_first"
        or window.strides[-1] > 1
        or not all(_is_int(n) for n in x.shape[1:])
    ):
        return x, window
    *rest, width, channels = _known(x.shape)
    x = _reshape(x, (*rest, width * channels))
    return x, replace(window, unit=channels)


def _unmerge(x, window):
    """Undo `_merge`."""
    if len(x.shape) == window.rank + 2:
        return x
    *rest, merged = _known(x.shape)
    return _reshape(x, (*rest, merged // window.unit, window.unit))


def _known(shape):
    return [-1 if n is None else n for n in shape]


def _correlate(x, kernels, window):
    """The sums over every window of x by shifted slices."""
    x, steps = window.pad(x), window.steps()
    positions = window.positions()
    if not isinstance(kernels, Kernels):
        weights = _reshape(kernels, (len(positions), *kernels.shape[window.rank :]))
        if window.data_format == "channels_first" and len(weights.shape) == 2:
            weights = _reshape(weights, (*weights.shape, *[1] * window.rank))
        taps = (_tap(x, position, steps) for position in positions)
        return [_total(weights[k] * tap for k, tap in enumerate(taps))]
    sums = []
    for dense, factors in zip(kernels.dense, kernels.factors, strict=True):
        if factors is None:
            taps = [(w, i) for w, i in zip(dense, positions, strict=True) if w]
            taps = taps or [(0.0, positions[0])]
            sums.append(_weighted([(w, _tap(x, i, steps)) for w, i in taps]))
        else:
            y = x
            for weights, step in zip(factors, steps, strict=True):
                taps = [(w, i) for i, w in enumerate(weights) if w]
                y = _weighted([(w, _tap(y, (i,), [step])) for w, i in taps])
            sums.append(y)
    return sums


def _has_thin_rim(x, window):
    """Whether to sum over the interior first and write the rim after."""
    return (
        (
            BACKEND == "jax"
            or (BACKEND == "tensorflow" and _has_xla())
            or (BACKEND == "torch" and xp.compiler.is_compiling())
        )
        and not _is_portable()
        and window.padding == "same"
        and window.strides == (1,) * window.rank
        and all(
            _is_int(n) and n > 2 * span
            for n, span in zip(window.lengths(x), window.spans, strict=True)
        )
    )


def _rimmed(x, kernels, window, finish):
    """As `_correlate`, for compilers: they build a bordered array at a cost.

    That cost is larger than the sum's. So the interior, which needs no border, goes
    straight into its place in the result, and the rim comes from thin strips.
    """
    valid, results = replace(window, padding="valid"), None
    for part, start, _ in _interior_and_strips(x, window):
        merged, grid = _merge(part, valid)
        sums = finish(_correlate(merged, kernels, grid))
        if results is None:
            results = [_empty_like(x)] * len(sums)
        results = [
            _overwrite(result, _unmerge(y, grid), start)
            for result, y in zip(results, sums, strict=True)
        ]
    return results


def _joined(x, kernels, window, finish):
    """As `_rimmed`, for PyTorch's compiler, which is faster at joining than writing."""
    valid, parts = replace(window, padding="valid"), []
    for part, start, axis in _interior_and_strips(x, window):
        merged, grid = _merge(part, valid)
        parts.append((finish(_correlate(merged, kernels, grid)), start, axis))
    (results, *_), *strips = parts
    for axis in reversed(window.axes):
        here = [(sums, start[axis]) for sums, start, along in strips if along == axis]
        low = [sums for sums, start in here if start == 0]
        high = [sums for sums, start in here if start > 0]
        results = [
            xp.concatenate(pieces, axis)
            for pieces in zip(*low, results, *high, strict=True)
        ]
    return [_unmerge(y, grid) for y in results]


def _rimmed_with_slopes(x, kernels, window, finish):
    """As `_rimmed`, with a gradient that is a window sum of its own.

    TensorFlow would differentiate every slice and every strip by itself.
    """

    @tf.custom_gradient
    def summed(x):
        def backward(*slopes):
            merged, grid = _merge(x, window)
            kept = _barrier(_correlate(merged, kernels, grid))
            with tf.GradientTape() as tape:
                tape.watch(kept)
                results = [_unmerge(y, grid) for y in finish(kept)]
            slopes = _barrier(tape.gradient(results, kept, list(slopes)))
            return _reshape(_transposed(slopes, merged, kernels, grid), tf.shape(x))

        return tuple(_rimmed(x, kernels, window, finish)), backward

    return list(summed(x))


def _transposed(slopes, x, kernels, window):
    """What a change of the sums (of stride 1) over x says of a change of x.

    The flipped kernels slide over the slopes and a border of zeros; what arrives at
    the border of x is added where the border came from.
    """
    valid, terms = replace(window, padding="valid"), []
    for i, slope in enumerate(slopes):
        for axis, span, unit in zip(
            window.axes, window.spans, window.units, strict=True
        ):
            slope = _zero_pad(slope, axis, span * unit, span * unit)
        terms += _correlate(slope, kernels.flipped(i), valid)
    with tf.GradientTape() as tape:
        tape.watch(x)
        padded = window.pad(x)
    return tape.gradient(padded, x, _total(terms))


def _barrier(tensors):
    """The tensors themselves, each computed before anything that needs it."""

    @tf.custom_gradient
    def kept(*tensors):
        results = xla.optimization_barrier(*tensors)
        for result, tensor in zip(results, tensors, strict=True):
            result.set_shape(tensor.shape)
        return results, lambda *slopes: slopes

    return kept(*tensors)


def _interior_and_strips(x, window):
    """Yield x, then each strip of it and of its border whose windows see a border.

    Each with the place of its first window in the result, a number an axis; and with
    the axis whose border it is, None for x.
    """
    mode, borders = window.border_mode, window.borders(x)
    inner = [0] * len(x.shape)
    for axis, _, before, _, _ in borders:
        inner[axis] = before
    yield x, inner, None
    for i, border in enumerate(borders):
        axis, n, before, after, _ = border
        span = before + after
        low = _outside(x, border, range(-before, 0), mode)
        high = _outside(x, border, range(n, n + after), mode)
        for length, at, pieces in (
            (before, 0, [*low, _span(x, axis, 0, span, 1)]),
            (after, n - after, [_span(x, axis, n - span, n, 1), *high]),
        ):
            if length:
                strip = xp.concatenate(pieces, axis=axis)
                # The corners belong to the strips of the first axis.
                for other in borders[i + 1 :]:
                    strip = _extend(strip, other, mode)
                start = [*inner[:axis], at, *[0] * (len(inner) - axis - 1)]
                yield strip, start, axis


def _empty_like(x):
    """A tensor to write into.

    Behind a barrier: a compiler that sees the zeros computes the whole result in one
    loop that asks at every element where it stands.
    """
    if BACKEND == "jax":
        return jax.lax.optimization_barrier(xp.zeros_like(x))
    (empty,) = xla.optimization_barrier(tf.zeros_like(x))
    return tf.stop_gradient(empty)


def _overwrite(x, part, start):
    """`x` with `part` in it from `start` (a number an axis) on."""
    if BACKEND == "jax":
        # Else a later part is computed again wherever it is read.
        return jax.lax.dynamic_update_slice(
            *jax.lax.optimization_barrier((x, part)), start
        )

    @tf.custom_gradient
    def overwritten(x, part):
        def slopes(g):
            return _overwrite(g, tf.zeros_like(part), start), tf.slice(
                g, start, tf.shape(part)
            )

        return keras.ops.slice_update(x, start, part), slopes

    return overwritten(x, part)


def _chunked(x, window, sums):
    """As `sums`, a few images at a time: what PyTorch computes stays near."""
    images = max(1, CHUNK * max(len(x), 1) // max(x.nbytes, 1))
    parts = [sums(chunk, window) for chunk in xp.split(x, images)]
    if len(parts) == 1:
        return parts[0]
    return [xp.concatenate(part) for part in zip(*parts, strict=True)]


def _blocked(x, window, sums):
    """As `sums`, block by block: what NumPy computes stays in the cache."""
    valid, rows_axis = replace(window, padding="valid"), window.axes[0]
    outputs = None
    images = max(1, BLOCK // max(x[:1].nbytes, 1))
    for i in range(0, max(len(x), 1), images):
        padded = window.pad(x[i : i + images])
        span, stride = window.spans[0], window.strides[0]
        count = (padded.shape[rows_axis] // window.units[0] - span - 1) // stride + 1
        rows = count
        if window.rank > 1:
            rows = max(1, BLOCK * count // max(padded.nbytes, 1))
        for first in range(0, count, rows):
            last = min(first + rows, count)
            block = _span(
                padded,
                rows_axis,
                first * stride,
                (last - 1) * stride + span + 1,
                window.units[0],
            )
            results = sums(block, valid)
            if outputs is None:
                shape = list(results[0].shape)
                shape[0] = len(x)
                if window.rank > 1:
                    shape[rows_axis] = count
                outputs = [np.empty(shape, y.dtype) for y in results]
            for output, y in zip(outputs, results, strict=True):
                at = [slice(None)] * y.ndim
                at[0] = slice(i, i + images)
                if window.rank > 1:
                    at[rows_axis] = slice(first, last)
                output[tuple(at)] = y
    return outputs


def _weighted(taps):
    """The sum of `weight * tap`, in as few passes over memory as there can be."""
    (weight, tap), *rest = sorted(taps, key=lambda pair: pair[0] != 1)
    total = tap if weight == 1 else weight * tap
    for weight, tap in rest:
        if BACKEND == "torch":
            total = xp.add(total, tap, alpha=weight)
        elif abs(weight) == 1:
            total = total + tap if weight == 1 else total - tap
        else:
            total = total + weight * tap
    return total


def _total(terms):
    return functools.reduce(lambda total, term: total + term, terms)


def _join(results, window, join):
    if join is None:
        (result,) = results
        return result
    if join == "stack":
        return xp.stack(results, -1)
    if len(results) == 1:
        return results[0]
    last = window.data_format == "channels_last"
    stacked = xp.stack(results, -1 if last else 2)
    shape = list(keras.ops.shape(results[0]))
    shape[window.channel_axis] *= len(results)
    return _reshape(stacked, shape)


def root(s):
    """Square root of a sum of squares, with gradient 0 where the sum is 0."""
    if BACKEND == "numpy":
        return np.sqrt(s)
    if BACKEND == "torch" and not s.requires_grad:
        return s.sqrt()
    # The slope of the root is infinite at 0, and 0 times infinity is NaN: the root
    # must not see that 0, in either branch.
    positive = s > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, s, 1.0)), s)


# ----------------------------------------------------------------------- tiles


def are_tiles(x, window):
    """Whether the windows stand side by side and their norms have a slope of their own.

    TensorFlow and PyTorch would differentiate slice by slice, each into a whole tensor.
    PyTorch does so too without its compiler, but on chunks that stay in the cache.
    """
    return (
        (BACKEND == "tensorflow" or (BACKEND == "torch" and xp.compiler.is_compiling()))
        and not _is_portable()
        and window.padding == "valid"
        and window.strides == window.size
        and window.dilation == (1,) * window.rank
        and all(_is_int(n) for n in x.shape[1:])
    )


def norms_of_tiles(x, kernels, window):
    """The root of the weighted sum of squares of each tile; all weights are equal."""
    window.check(x.shape)
    return compiled(_norms_of_tiles, x, kernels, window)


def _norms_of_tiles(x, kernels, window):
    x, restore = wide(x)
    if BACKEND == "torch":
        return restore(_TileNorms.apply(x, kernels, window))

    @tf.custom_gradient
    def norms(x):
        y = _tile_norms(x, kernels, window)
        return y, lambda g: _slope_of_tile_norms(x, y, g, kernels, window)

    return restore(norms(x))


def _tile_norms(x, kernels, window):
    (s,) = _correlate(x * x, kernels, window)
    return root(s)


def _slope_of_tile_norms(x, y, g, kernels, window):
    """`x / y * g`, times the weight; 0 where the norm is 0."""
    zero = y == 0
    # The quotient must not see that 0, in either branch: its slope would be NaN.
    quotient = xp.where(zero, 0.0, g / xp.where(zero, 1.0, y)) * kernels.dense[0][0]
    cut, tiles, thin = x, [], []
    for axis, n in enumerate(_known(x.shape)):
        if axis in window.axes:
            k = window.size[window.axes.index(axis)]
            cut = _span(cut, axis, 0, n // k * k, 1)
            tiles += [n // k, k]
            thin += [n // k, 1]
        else:
            tiles.append(n)
            thin.append(n)
    slope = _reshape(cut, tiles) * _reshape(quotient, thin)
    slope = _reshape(slope, _known(cut.shape))
    for axis in window.axes:
        slope = _zero_pad(slope, axis, 0, x.shape[axis] - slope.shape[axis])
    return slope


if BACKEND == "torch":

    class _TileNorms(xp.autograd.Function):
        """`_tile_norms` with its slope."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x, kernels, window):
            return _tile_norms(x, kernels, window)

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.kernels, ctx.window = inputs
            ctx.save_for_backward(x, output)

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return _slope_of_tile_norms(x, y, g, ctx.kernels, ctx.window), None, None


# ---------------------------------------------------------------- convolution


def _by_convolution(x, window):
    """Whether to sum by convolution, for its gradient.

    PyTorch differentiates slices one by one. Its convolution is faster where they
    have gaps, and slower where there are none or where there is but one channel.
    """
    return (
        BACKEND == "torch"
        and x.requires_grad
        and not xp.compiler.is_compiling()
        and max(window.strides) > 1
        and x.shape[window.channel_axis] > 1
    )


def _convolved(x, kernels, window):
    """The sums over every window of x by PyTorch's depthwise convolutions."""
    functional, rank = xp.nn.functional, window.rank
    x = window.pad(x)
    if window.data_format == "channels_last":
        x = xp.movedim(x, -1, 1)
    channels = x.shape[1]
    convolve = getattr(functional, f"conv{rank}d")
    sums = []
    for weights in _weights_of(kernels, x):
        weights = weights.expand(channels, 1, *window.size)
        sums.append(
            convolve(
                x, weights, None, window.strides, 0, window.dilation, groups=channels
            )
        )
    if window.data_format == "channels_last":
        sums = [xp.movedim(y, 1, -1) for y in sums]
    return sums


def _weights_of(kernels, x):
    if isinstance(kernels, Kernels):
        return [
            xp.tensor(dense, dtype=x.dtype, device=x.device).reshape(kernels.size)
            for dense in kernels.dense
        ]
    rank = x.ndim - 2
    if kernels.ndim > rank:
        kernels = xp.movedim(kernels, -1, 0)[:, None]
    return [kernels]


# ---------------------------------------------------------------- compilation

_PORTABLE = contextvars.ContextVar("portable", default=False)


def _is_portable():
    # `torch.compile` cannot look into a context, and nobody compiles for another
    # runtime that way.
    if BACKEND == "torch" and xp.compiler.is_dynamo_compiling():
        return False
    return _PORTABLE.get()


@contextlib.contextmanager
def portable():
    """Within, a model is traced for other runtimes: plain operations, any batch.

    Those runtimes know neither XLA's programs nor updates in place, and a number of
    images that is computed while tracing would be fixed in the file.
    """
    token = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(token)


def compiled(function, x, *args):
    """`function(x, *args)`, compiled as one where the backend gains by it.

    Args:
        function: A module-level function of native tensors.
        x: Tensor.
        *args: Tensors and hashable constants.

    Returns:
        What the function returns.
    """
    if BACKEND == "jax":
        return _jitted(function, *_split((x, *args)))
    if BACKEND == "tensorflow" and not _is_portable() and _has_xla():
        tensors, constants = _split((x, *args))
        signature = tuple(_Spec.of(i, t) for i, t in enumerate(tensors))
        return _xla_function(function, constants, signature)(*tensors)
    return function(x, *args)


def _split(args):
    """The tensors among `args`, and the constants with None in their places."""
    is_tensor = [keras.ops.is_tensor(a) for a in args]
    tensors = tuple(a for a, t in zip(args, is_tensor, strict=True) if t)
    constants = tuple(_TENSOR if t else a for a, t in zip(args, is_tensor, strict=True))
    return tensors, constants


class _Tensor:
    """Stands where a tensor goes among constants."""


_TENSOR = _Tensor()


def _apply(function, tensors, constants):
    tensors = iter(tensors)
    return function(*(next(tensors) if a is _TENSOR else a for a in constants))


if BACKEND == "jax":

    @functools.partial(jax.jit, static_argnums=(0, 2))
    def _jitted(function, tensors, constants):
        return _apply(function, tensors, constants)


@dataclass(frozen=True)
class _Spec:
    """Shape and dtype of a tensor of a TensorFlow graph, hashable."""

    shape: tuple[int | None, ...]
    dtype: str

    @classmethod
    def of(cls, i, tensor):
        # An unknown batch keeps one graph for every batch size; XLA compiles it
        # for each that it meets.
        shape = tuple(tensor.shape.as_list())
        return cls((None, *shape[1:]) if i == 0 else shape, tensor.dtype.name)


@functools.lru_cache(maxsize=1024)
def _xla_function(function, constants, signature):
    # Traced outside of the caller's graph, which may be gone at the next call.
    with tf.init_scope():
        return tf.function(
            lambda *tensors: _apply(function, tensors, constants),
            input_signature=[tf.TensorSpec(s.shape, s.dtype) for s in signature],
            jit_compile=True,
            autograph=False,
        ).get_concrete_function()


def forget():
    """Let go of the programs that `compiled` keeps, to free their memory."""
    _xla_function.cache_clear()


@functools.cache
def _has_xla():
    with tf.init_scope():
        try:
            tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))
        except (tf.errors.OpError, ValueError):
            return False
    return True


# -------------------------------------------------- what the backends call it


def dtype_of(x):
    """The dtype of a tensor by its Keras name."""
    return keras.backend.standardize_dtype(x.dtype)


def cast(x, dtype):
    """`x` in another dtype."""
    # Keras copies an array on the numpy backend even where the dtype is the same.
    return (
        x.astype(dtype, copy=False) if BACKEND == "numpy" else keras.ops.cast(x, dtype)
    )


def _reshape(x, shape):
    return keras.ops.reshape(x, shape)


def _maximum(a, b):
    return keras.ops.maximum(a, b)


def _minimum(a, b):
    return keras.ops.minimum(a, b)


def _zero_pad(x, axis, before, after):
    """`x` with zeros attached along one axis."""
    pads = [(0, 0)] * len(x.shape)
    pads[axis] = (before, after)
    if BACKEND == "torch":
        return xp.nn.functional.pad(x, [n for pair in reversed(pads) for n in pair])
    return tf.pad(x, pads) if BACKEND == "tensorflow" else xp.pad(x, pads)


# ----------------------------------------------------------------- the layers


class WindowLayer(keras.layers.Layer):
    """Base of the layers that slide a window over every channel.

    A subclass says in `make_window` which window it slides and in `call` what it
    does with it; rank, shapes, the checks on both and the common part of the config
    are here.

    Args:
        strides: Positive int, or one per spatial axis: the step of the window. None
            where a subclass has a default of its own.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Raises:
        ValueError: An argument is none of these.
    """

    def __init__(self, strides=1, padding="valid", data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.strides = None if strides is None else check_ints("strides", strides)
        self.padding = check_choice("padding", padding, PADDINGS)
        self.data_format = check_choice(
            "data_format",
            keras.config.image_data_format() if data_format is None else data_format,
            DATA_FORMATS,
        )

    def make_window(self, rank):
        """The `Window` that the layer slides on `rank` spatial axes."""
        raise NotImplementedError

    def window_for(self, input_shape):
        """The window for an input of that shape, which must fit it."""
        rank = len(input_shape) - 2
        if rank not in (1, 2, 3):
            raise ValueError(
                "The input must have 1, 2 or 3 spatial axes besides batch and "
                f"channels. Received: input_shape={tuple(input_shape)}"
            )
        window = self.make_window(rank)
        window.check(input_shape)
        return window

    def build(self, input_shape):
        """Settle the rank."""
        self.window = self.window_for(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape))

    def to_compute_dtype(self, inputs):
        """Integers and bools become the compute dtype, never rescaled."""
        return cast(inputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of that shape."""
        return self.window_for(input_shape).output_shape(input_shape)

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "strides": plain(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
        }
