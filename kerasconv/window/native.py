"""The few primitives that differ by backend: the one place that asks which it is.

Beside these, what a backend does in a way of its own is in its file in `backends/`.
"""

# Every name has one definition a backend:
# mypy: disable-error-code="no-redef,misc"
import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasconv._arguments import check_given, check_real
from kerasconv._keras import keras

__all__ = [
    "BACKEND",
    "add_scaled",
    "cast",
    "constant",
    "conv",
    "dtype_of",
    "empty",
    "gathers",
    "is_portable",
    "is_static",
    "known",
    "must_stay_empty",
    "on_gpu",
    "portable",
    "records_gradient",
    "reshape",
    "take",
    "to_float",
    "values",
    "wide",
    "xp",
    "zero_pad",
]

BACKEND = keras.backend.backend()

_PORTABLE = contextvars.ContextVar("portable", default=False)


def _multiply_add(total, x, weight):
    if abs(weight) == 1:
        return total + x if weight == 1 else total - x
    return total + weight * x


def _zeros(shape, dtype):
    return keras.ops.zeros(shape, dtype)


def _unchanged(x):
    return x


def _never(x):
    return False


def _always(x):
    return True


def _nowhere():
    return False


# Each backend defines the same names:
#   xp                the module of array functions: its own, or `keras.ops` where that
#                     keeps float64 as it is
#   pad               zeros around x: a pair (before, after) an axis
#   add_scaled        total + weight * x, in one pass over memory where there is one
#   take              the slices of x at several places along an axis
#   conv              as `keras.ops.conv`
#   cast, as_tensor   another dtype; a tensor of what converts to one
#   constant          an array as a layer keeps it
#   empty             a tensor without an element
#   must_stay_empty   whether an empty batch must be answered by `empty`
#   on_gpu            whether it computes on a GPU where nothing else is said
#   records_gradient  whether what is computed from x may be differentiated
#   gathers           whether a border is faster gathered by index than joined
#   is_portable       whether this is traced for another runtime (see `portable`)
if BACKEND == "jax":
    import jax
    import jax.numpy as xp

    pad, add_scaled, empty = xp.pad, _multiply_add, _zeros
    take, cast, conv = keras.ops.take, keras.ops.cast, keras.ops.conv
    as_tensor, is_portable = keras.ops.convert_to_tensor, _PORTABLE.get
    must_stay_empty, records_gradient, constant = _never, _always, _unchanged
    gathers = _never

    def on_gpu():
        return jax.default_backend() != "cpu"

elif BACKEND == "torch":
    import torch as xp

    cast, conv, empty = keras.ops.cast, keras.ops.conv, _zeros
    as_tensor, must_stay_empty = keras.ops.convert_to_tensor, _never
    # Its compiler cannot follow NumPy.
    constant = keras.ops.convert_to_tensor

    def pad(x, pads):
        return xp.nn.functional.pad(x, [n for pair in reversed(pads) for n in pair])

    def add_scaled(total, x, weight):
        return xp.add(total, x, alpha=weight)

    def take(x, index, axis):
        # Keras's `take` squeezes, which its ONNX files do wrong.
        return xp.index_select(x, axis, index)

    def records_gradient(x):
        # Forward mode marks no tensor, it gives it a tangent.
        forward = xp.autograd.forward_ad.unpack_dual
        return x.requires_grad or forward(x).tangent is not None

    def on_gpu():
        return as_tensor(0.0).device.type != "cpu"

    def gathers(x):
        # The compiler reads by index wherever it reads; to join is a pass of its own,
        # which a processor makes in its cache.
        return x.device.type != "cpu" and xp.compiler.is_compiling()

    def is_portable():
        # `torch.compile` cannot look into a context, and nobody compiles for another
        # runtime that way.
        return not xp.compiler.is_dynamo_compiling() and _PORTABLE.get()

elif BACKEND == "numpy":
    import numpy as xp

    pad, add_scaled, empty = xp.pad, _multiply_add, _zeros
    take, conv, is_portable = keras.ops.take, keras.ops.conv, _PORTABLE.get
    must_stay_empty = records_gradient = gathers = _never
    constant, on_gpu = _unchanged, _nowhere

    def cast(x, dtype):
        # Keras copies an array even where the dtype is the same.
        return x.astype(dtype, copy=False)

    # Keras narrows a float64 array.
    as_tensor = np.asarray

elif BACKEND == "tensorflow":
    import tensorflow as tf

    xp, pad, add_scaled, empty = keras.ops, tf.pad, _multiply_add, _zeros

    def conv(x, kernel, *, data_format, **arguments):
        if data_format == "channels_last" or tf.config.list_physical_devices("GPU"):
            return keras.ops.conv(x, kernel, data_format=data_format, **arguments)
        # On many processors its kernels know channels last only.
        first, *spatial = range(1, len(x.shape))
        x = keras.ops.transpose(x, (0, *spatial, first))
        y = keras.ops.conv(x, kernel, data_format="channels_last", **arguments)
        return keras.ops.transpose(y, (0, spatial[-1], *range(1, spatial[-1])))

    take, cast = keras.ops.take, keras.ops.cast
    as_tensor, is_portable = keras.ops.convert_to_tensor, _PORTABLE.get
    must_stay_empty, records_gradient, constant = _never, _always, _unchanged
    gathers = _never

    def on_gpu():
        return bool(tf.config.list_logical_devices("GPU"))

else:
    xp, pad, add_scaled = keras.ops, keras.ops.pad, _multiply_add
    take, cast, conv = keras.ops.take, keras.ops.cast, keras.ops.conv
    as_tensor, is_portable = keras.ops.convert_to_tensor, _PORTABLE.get
    records_gradient, constant, gathers = _always, _unchanged, _never
    on_gpu = _nowhere

    def empty(shape, dtype):
        return keras.ops.convert_to_tensor(np.zeros(shape, "float32"), dtype)

    def must_stay_empty(x):
        # Its graphs write past the end of empty arrays, and the process dies of it
        # later.
        return x.shape[0] == 0


def zero_pad(x: Any, pads: dict[int, tuple[Any, Any]]) -> Any:
    """`x` with so many zeros before and after it, by the axis."""
    return pad(x, [pads.get(axis, (0, 0)) for axis in range(len(x.shape))])


def reshape(x: Any, shape: Any) -> Any:
    """`x` in another shape."""
    return keras.ops.reshape(x, shape)


def dtype_of(x: Any) -> str:
    """The dtype of a tensor by its Keras name."""
    return keras.backend.standardize_dtype(x.dtype)


def to_float(x: Any) -> Any:
    """A tensor of `x`; integers and bools become `keras.config.floatx()`.

    A symbolic tensor stays as it is.

    Raises:
        ValueError: x is complex, or no numbers at all.
    """
    check_given("x", x)
    if isinstance(x, keras.KerasTensor):
        check_real("x", dtype_of(x))
        return x
    x = as_tensor(x)
    dtype = dtype_of(x)
    check_real("x", dtype)
    floating = keras.backend.is_float_dtype(dtype)
    return x if floating else cast(x, keras.config.floatx())


def values(x: Any) -> np.ndarray | None:
    """The numbers in a tensor, or None where it has none yet: a compiler traces it."""
    if BACKEND == "torch" and xp.compiler.is_compiling():  # type: ignore[attr-defined]
        return None
    try:
        return np.asarray(keras.ops.convert_to_numpy(x))
    except Exception:  # each backend has an error of its own for it
        return None


def wide(x: Any) -> tuple[Any, Any]:
    """`x` in a dtype to sum in, and the function that brings a result back."""
    dtype = dtype_of(x)
    if dtype in ("float16", "bfloat16"):
        return cast(x, "float32"), lambda y: cast(y, dtype)
    return x, lambda y: y


def is_static(shape: Any) -> bool:
    """Whether every length in `shape` but that of the batch is known."""
    return all(isinstance(n, int) for n in shape[1:])


def known(shape: Any) -> list[int]:
    """`shape` as `reshape` takes it, where one length may be unknown."""
    return [-1 if n is None else n for n in shape]


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Within, a model is traced for other runtimes: plain operations, any batch.

    Those runtimes know neither XLA's programs nor updates in place, and a number of
    images that is computed while tracing would be fixed in the file.
    """
    token = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(token)
