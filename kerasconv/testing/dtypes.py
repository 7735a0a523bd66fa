"""Checks of dtypes: in what a layer computes, and of what."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasconv._keras import keras
from kerasconv.testing._native import HERE
from kerasconv.testing.case import (
    Case,
    Skip,
    array,
    double,
    dtype_of,
    equal,
    float64_context,
    need,
)

_PRECISION = {"float16": 2e-3, "bfloat16": 2e-2, "mixed_float16": 5e-3}


def computes_in_float16(case: Case) -> None:
    """`dtype="float16"` gives float16, near the same in float32."""
    _computes_in(case, "float16")


def computes_in_bfloat16(case: Case) -> None:
    """`dtype="bfloat16"` gives bfloat16, near the same in float32."""
    _computes_in(case, "bfloat16")


def computes_in_mixed_float16(case: Case) -> None:
    """`dtype="mixed_float16"` computes in float16 with weights of float32."""
    need(HERE.has_mixed_precision, "the backend has no mixed precision")
    layer = _computes_in(case, "mixed_float16")
    dtypes = {w.dtype for w in layer.trainable_weights}
    assert dtypes <= {"float32"}, f"expected weights of float32, got {dtypes}"


def _computes_in(case: Case, policy: str) -> Any:
    case.need_floats()
    case.need_float_outputs()
    dtype = policy.removeprefix("mixed_")
    layer = case.built(dtype=policy)
    low = case.each(lambda a: keras.ops.cast(a, dtype))
    outputs = keras.tree.flatten(layer(low))
    equal([dtype_of(y) for y in outputs], [dtype] * len(outputs), "output dtype")
    if not case.random:
        # The weights of the reference, rounded as those of the layer are.
        rounded = case.built()
        rounded.set_weights([array(w) for w in layer.weights])
        exact = case.run(
            rounded,
            keras.tree.map_structure(lambda a: keras.ops.cast(a, "float32"), low),
        )
        got = [array(y) for y in outputs]
        case.same(got, exact, f"{dtype} against float32", _PRECISION[policy])
    return layer


def computes_in_float64(case: Case) -> None:
    """`dtype="float64"` gives float64 and sees changes that float32 does not."""
    case.need_floats()
    case.need_float_outputs()
    need(case.float64, f"float64 is not kept on {keras.backend.backend()}")
    with float64_context():
        outputs = keras.tree.flatten(case.double(case.each(double)))
        equal(
            [dtype_of(y) for y in outputs], ["float64"] * len(outputs), "output dtype"
        )
        case.need_values()
        case.same([array(y) for y in outputs], case.y, "float64 against float32")
    assert case.precision < 1e-2, (
        "expected a change of 1e-8 to move the output by 1e-3 of what a change of 1e-5 "
        f"does, to 1%; got it to {case.precision:.0%}: something computes in float32"
    )


def casts_floats(case: Case) -> None:
    """Floats of another dtype are cast to the layer's, as Keras does."""
    case.need_floats()
    layer = case.built()
    got = case.run(layer, case.each(double))
    equal([y.dtype for y in got], [y.dtype for y in case.y], "output dtype")
    if not case.random:
        case.same(got, case.y, "input of float64")


def integer_input(case: Case) -> None:
    """Integers compute as floats of the same values, not rescaled."""
    _as_floats(case, lambda a: np.round(a * 4), ("int32", "uint8"))


def bool_input(case: Case) -> None:
    """Bools compute as zeros and ones."""
    _as_floats(case, lambda a: a > 0, ("bool",))


def _as_floats(
    case: Case, values: Callable[[np.ndarray], Any], dtypes: Sequence[str]
) -> None:
    case.need_floats()
    case.need_values()
    need(case.integers is not False, "the layer takes no integers")
    whole = case.each(lambda a: np.abs(values(a)))
    for dtype in dtypes:
        x = keras.tree.map_structure(operator.methodcaller("astype", dtype), whole)
        try:
            got = case.run(case.layer, x)
        except Exception:
            need(case.integers, "the layer takes no integers")
            raise
        floats = keras.tree.map_structure(lambda a: a.astype("float32"), x)
        expected = case.run(case.layer, floats)
        if case.integers is None and got[0].dtype != expected[0].dtype:
            raise Skip("the layer means integers by integers")
        equal([y.dtype for y in got], [y.dtype for y in expected], "output dtype")
        case.same(got, expected, f"input of {dtype}")


def range_of_float16(case: Case) -> None:
    """Float16 input of 1e-3 to 1000 is finite and right where the answer fits."""
    case.need_floats()
    case.need_float_outputs()
    case.need_values()
    layer, exact = case.built(dtype="float16"), case.built()
    exact.set_weights([array(w) for w in layer.weights])
    low = case.each(lambda a: np.clip(a * 1e3, -2e3, 2e3).astype("float16"))
    for a in keras.tree.flatten(low):
        a[0] *= np.float16(1e-6)
    floats = keras.tree.map_structure(lambda a: a.astype("float32"), low)
    for got, y in zip(case.run(layer, low), case.run(exact, floats), strict=True):
        fits = np.abs(y) < 6e4
        for part, size in ((slice(1), 1e-3), (slice(1, None), 1e3)):
            a, b, fit = got[part], y[part], fits[part]
            case.same([a[fit]], [b[fit]], f"input of {size:g}", 1e-2)
