"""Checks of a layer's construction, its build and its weights."""

import contextlib
import io

import numpy as np

from kerasconv._keras import keras
from kerasconv.testing.case import Case, computed_shapes, equal, need, raised, same


def can_be_called(case: Case) -> None:
    """The layer builds and gives an output; where it does not, no other check runs."""
    assert case.y, "expected an output, got none"


def takes_the_common_arguments(case: Case) -> None:
    """The constructor takes `name`, `trainable` and `dtype`, as every Keras layer."""
    layer = case.make(name="some_name", trainable=False, dtype="float32")
    equal(layer.name, "some_name", "name")
    equal(layer.trainable, False, "trainable")
    equal(layer.dtype_policy.name, "float32", "dtype")


def has_a_docstring(case: Case) -> None:
    """The class says what it does."""
    own = vars(type(case.layer)).get("__doc__")
    assert (own or "").strip(), "expected a docstring on the class, got none"


def builds_without_input(case: Case) -> None:
    """`build` of a shape makes all weights: a call adds none and changes none."""
    layer = case.make()
    layer.build(case.shape)
    assert layer.built, "expected `built` to be True after `build`, got False"
    before = layer.get_weights()
    case.run(layer)
    equal(len(layer.weights), len(before), "number of weights after a call")
    same(layer.get_weights(), before, "weights after a call", 0)


def builds_on_first_call(case: Case) -> None:
    """A first call builds the same weights as `build`, a second call none."""
    layer = case.make()
    case.run(layer)
    expected = [tuple(w.shape) for w in case.layer.weights]
    equal([tuple(w.shape) for w in layer.weights], expected, "shapes of weights")
    same = [id(w) for w in layer.weights]
    case.run(layer)
    assert same == [id(w) for w in layer.weights], "a second call built anew"


def refuses_another_rank(case: Case) -> None:
    """A built layer of one rank refuses another with a ValueError on the shape."""
    case.need_one_input()
    layer = case.built()
    for x in (case.x[..., None], case.x[..., 0]):
        what = f"input of shape {x.shape} after one of {case.x.shape}"
        try:
            got = [y.shape for y in case.run(layer, x)]
        except Exception as refused:
            error = refused
        else:
            expected = computed_shapes(layer, x.shape)
            equal(got, expected, what)
            continue
        words = ("shape", "rank", "dim", "axes", "axis") * isinstance(error, ValueError)
        assert any(word in str(error) for word in words), (
            f"{what}: expected ValueError that names the shape, {raised(error)}"
        )


def writes_nothing_on_stdout(case: Case) -> None:
    """Making, building and calling the layer prints nothing."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        case.run(case.built())
    equal(out.getvalue(), "", "standard output")


def weights_have_names(case: Case) -> None:
    """Every weight has a name, and no two the same path."""
    layer = case.make()
    layer.build(case.shape)
    assert all(w.name for w in layer.weights), "expected a name for every weight"
    paths = [w.path for w in layer.weights]
    double = sorted({p for p in paths if paths.count(p) > 1})
    assert not double, f"expected paths to differ, got {double} more than once"


def weights_are_counted(case: Case) -> None:
    """Trainable and other weights are all weights; `trainable=False` freezes all."""
    layer = case.built()
    split = layer.trainable_weights + layer.non_trainable_weights
    equal({id(w) for w in split}, {id(w) for w in layer.weights}, "weights")
    sizes = [int(np.prod(w.shape)) for w in layer.weights]
    equal(layer.count_params(), sum(sizes), "count_params()")
    before = len(layer.trainable_weights)
    layer.trainable = False
    equal(len(layer.trainable_weights), 0, "trainable weights of a frozen layer")
    layer.trainable = True
    equal(len(layer.trainable_weights), before, "trainable weights after thawing")


def every_weight_is_used(case: Case) -> None:
    """A change of any weight changes the output."""
    case.need_values()
    need(case.weights, "the layer has no weights")
    layer = case.built()
    for weight, value in zip(layer.weights, case.weights, strict=True):
        if not keras.backend.is_float_dtype(weight.dtype):
            continue
        weight.assign(value + np.random.default_rng(4).uniform(0.5, 1, value.shape))
        # A rounding is no use: `x + bias - bias` is not quite x.
        moved = [
            np.max(np.abs(a - b), initial=0) > case.tolerance * np.abs(b).max(initial=1)
            for a, b in zip(case.run(layer), case.y, strict=True)
        ]
        assert any(moved), f"expected {weight.path} to count, got the same without it"
        weight.assign(value)
