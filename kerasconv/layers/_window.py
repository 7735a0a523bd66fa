"""The window sum: the one mechanism behind every layer of the package.

A window slides over every channel, each value in it is transformed, a weighted sum
is taken, and the sum is transformed back. A weighted window sum is a sum of shifted
slices: for each tap, `weight * x[offset::stride]`. `Window` is the geometry (size,
strides, borders), `Kernels` the constant weights, `window_sums` the sum itself, in
the formulation that is fastest on the backend that runs, and `WindowLayer` the base
of the layers. Layers do not know which formulation runs.
"""

import functools
import math
from dataclasses import dataclass

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

__all__ = [
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
    "inside",
    "plain",
    "root",
    "to_float",
    "wide",
    "window_sums",
]

DATA_FORMATS = ("channels_last", "channels_first")
PADDINGS = ("valid", "same")
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
    floating = keras.backend.is_float_dtype(_dtype(x))
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
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"
    border_mode: str = "constant"
    centred: bool = False
    data_format: str = "channels_last"

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
    def spans(self):
        """Per axis, how far the last tap lies from the first."""
        return tuple((k - 1) * d for k, d in zip(self.size, self.dilation, strict=True))

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
        lengths = [keras.ops.shape(x)[axis] for axis in self.axes]
        pads = self.pads(lengths)
        if self.border_mode == "constant":
            return _zero_pad(x, dict(zip(self.axes, pads, strict=True)))
        for axis, n, (before, after) in zip(self.axes, lengths, pads, strict=True):
            x = _extend(x, axis, n, before, after, self.border_mode)
        return x

    def taps(self, x):
        """What each position of the window sees, as one tensor per position.

        Returns:
            List of `prod(size)` tensors of the output's shape, first axis slowest.
        """
        self.check(x.shape)
        x = self.pad(x)
        return [self._tap(x, position) for position in np.ndindex(*self.size)]

    def _tap(self, x, position):
        for axis, i, k, d, s in zip(
            self.axes, position, self.size, self.dilation, self.strides, strict=True
        ):
            x = _shifted(x, axis, i, k, d, s)
        return x


def _is_int(n):
    return isinstance(n, int)


def _shifted(x, axis, i, size, step, stride):
    """The i-th of `size` shifted slices along an axis, `step` apart."""
    stop = (i + 1 - size) * step
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(i * step, stop or None, stride)
    return x[tuple(index)]


def _extend(x, axis, n, before, after, mode):
    """Attach a border along one axis, as `numpy.pad` of that name does."""
    if _is_int(n) and _is_int(before) and _is_int(after):
        if before == after == 0:
            return x

        def pixel(i):
            i = _source(i, n, mode, min, max)
            return x[(slice(None),) * axis + (slice(i, i + 1),)]

        pieces = [pixel(i) for i in range(-before, 0)]
        pieces += [x, *(pixel(i) for i in range(n, n + after))]
        return xp.concatenate(pieces, axis=axis)
    positions = keras.ops.arange(-before, n + after, dtype="int32")
    index = _source(positions, n, mode, _minimum, _maximum)
    return keras.ops.take(x, index, axis=axis)


def _source(i, n, mode, minimum, maximum):
    """Index into an axis of length n of the value that stands at position i."""
    if mode == "wrap":
        return i % n
    if mode == "edge":
        return minimum(maximum(i, 0), n - 1)
    if mode == "symmetric":
        i = i % (2 * n)
        return minimum(i, 2 * n - 1 - i)
    # A reflected axis of length 1 repeats its one value.
    i = i % maximum(2 * n - 2, 1)
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
    inside = inside and window.padding != "valid"
    return compiled(_window_sums, x, kernels, window, before, after, join, inside)


def _window_sums(x, kernels, window, before, after, join, divide):
    x, restore = wide(x)
    if not isinstance(kernels, Kernels):
        kernels = cast(kernels, _dtype(x))
    if before is not None:
        x = before(x)
    correlate = _convolved if _by_convolution() else _correlate
    results = correlate(window.pad(x), kernels, window)
    if divide:
        weight = inside(x, kernels, window)
        results = [result / weight for result in results]
    if after is not None:
        results = after(results)
    return restore(_join(results, window, join))


def wide(x):
    """`x` in a dtype to sum in, and the function that brings a result back."""
    dtype = _dtype(x)
    if dtype in ("float16", "bfloat16"):
        return cast(x, "float32"), lambda y: cast(y, dtype)
    return x, lambda y: y


def inside(x, kernels, window):
    """The weight of each window's part that lies inside the input."""
    shape = list(keras.ops.shape(x))
    shape[0] = 1
    if isinstance(kernels, Kernels) or len(kernels.shape) == window.rank:
        shape[window.channel_axis] = 1
    ones = keras.ops.ones(shape, dtype=_dtype(x))
    (weight,) = _correlate(window.pad(ones), kernels, window)
    return weight


def _correlate(x, kernels, window):
    """The sums over a padded x by shifted slices."""
    if not isinstance(kernels, Kernels):
        taps = (window._tap(x, position) for position in np.ndindex(*window.size))
        weights = _reshape(
            kernels, (math.prod(window.size), *kernels.shape[window.rank :])
        )
        if window.data_format == "channels_first" and len(weights.shape) == 2:
            weights = _reshape(weights, (*weights.shape, *[1] * window.rank))
        return [_total(weights[k] * tap for k, tap in enumerate(taps))]
    sums = []
    for dense, factors in zip(kernels.dense, kernels.factors, strict=True):
        if factors is None:
            positions = np.ndindex(*window.size)
            terms = [(w, i) for w, i in zip(dense, positions, strict=True) if w]
            sums.append(_total(_times(w, window._tap(x, i)) for w, i in terms))
        else:
            y = x
            for a, weights in enumerate(factors):
                y = _total(
                    _times(
                        w,
                        _shifted(
                            y,
                            window.axes[a],
                            i,
                            window.size[a],
                            window.dilation[a],
                            window.strides[a],
                        ),
                    )
                    for i, w in enumerate(weights)
                    if w
                )
            sums.append(y)
    return sums


def _times(weight, x):
    return x if weight == 1 else weight * x


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


# ---------------------------------------------------------------- convolution


def _by_convolution():
    """Whether this backend sums faster by convolution than by slices."""
    return BACKEND == "torch" and not xp.compiler.is_compiling()


def _convolved(x, kernels, window):
    """The sums over a padded x by PyTorch's own pools and depthwise convolutions."""
    functional, rank = xp.nn.functional, window.rank
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
    if BACKEND == "tensorflow" and _has_xla():
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


@functools.cache
def _has_xla():
    with tf.init_scope():
        try:
            tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))
        except (tf.errors.OpError, ValueError):
            return False
    return True


# -------------------------------------------------- what the backends call it


def _dtype(x):
    return keras.backend.standardize_dtype(x.dtype)


def cast(x, dtype):
    """`x` in another dtype."""
    # Keras copies an array on the numpy backend even where the dtype is the same.
    return x.astype(dtype, copy=False) if BACKEND == "numpy" else keras.ops.cast(x, dtype)


def _reshape(x, shape):
    return keras.ops.reshape(x, shape)


def _maximum(a, b):
    return keras.ops.maximum(a, b)


def _minimum(a, b):
    return keras.ops.minimum(a, b)


def _zero_pad(x, pads):
    """`x` with zeros attached: `pads` maps axes to (before, after)."""
    pads = [pads.get(axis, (0, 0)) for axis in range(len(x.shape))]
    if all(_is_int(n) and n == 0 for pair in pads for n in pair):
        return x
    if BACKEND == "torch":
        flat = [n for pair in reversed(pads) for n in pair]
        return xp.nn.functional.pad(x, flat)
    if BACKEND == "tensorflow":
        return tf.pad(x, pads)
    if BACKEND == "openvino":
        return keras.ops.pad(x, pads)
    return xp.pad(x, pads)


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
