"""The package's contract, as checks that hold any Keras layer to it.

`check_layer(layer)` runs every check that applies and reports all that fail, not the
first. Each check is a function below of one line of meaning; `list_checks` says them.
What a layer must compute is not here: that takes an oracle of its own.
"""

import contextlib
import copy
import functools
import inspect
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import backends
from kerasconv._keras import keras

__all__ = ["ContractError", "Report", "check_layer", "list_checks"]

_BACKEND = keras.backend.backend()
_TRAINS = backends.BACKENDS[_BACKEND].trains

if _BACKEND == "tensorflow":
    import tensorflow as tf
elif _BACKEND in ("jax", "numpy"):  # Keras's numpy backend convolves with JAX
    import jax
elif _BACKEND == "torch":
    import torch

# Images first: a layer that takes them may also take fewer axes and mean others.
_SHAPES = ((3, 8, 7, 2), (3, 9, 2), (3, 6, 5, 4, 2), (3, 6), (3, 24, 23, 6))
_PRECISION = {"float16": 2e-3, "bfloat16": 2e-2, "mixed_float16": 5e-3}
_OTHERS = ("tensorflow", "jax", "torch", "numpy")  # than openvino
_FRESH = ("jax", "numpy", "torch", "tensorflow", "openvino")  # fastest to start first


@dataclass(frozen=True)
class Report:
    """What the checks of one layer found.

    Args:
        layer: The class of the layer.
        backend: The backend that the checks ran on.
        passed: Names of the checks that passed.
        failed: By name of check, what was expected and what was got.
        skipped: By name of check, why it does not apply.
    """

    layer: str
    backend: str
    passed: tuple[str, ...]
    failed: dict[str, str]
    skipped: dict[str, str]

    def __str__(self):
        lines = [
            f"{self.layer} on {self.backend}: {len(self.passed)} checks passed, "
            f"{len(self.failed)} failed, {len(self.skipped)} do not apply"
        ]
        known = list_checks()
        for name, found in self.failed.items():
            lines += [f"- {name}: {known[name]}", f"  {found}"]
        return "\n".join(lines)


class ContractError(AssertionError):
    """A layer fails some checks; the message names each, `report` holds all."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report


def check_layer(
    layer: Any,
    inputs: Any = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    checks: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    batch_independent: bool = True,
    random: bool = False,
    any_size: bool | None = None,
    integers: bool | None = None,
    float64: bool | None = None,
    empty_batch: bool | None = None,
    keeps_nan: bool | None = None,
    compiles: bool | None = None,
    tolerance: float = 1e-5,
) -> Report:
    """Hold a Keras layer to the contract of this package.

    The layer is made anew for the checks, with weights that are random but the same,
    and called without `training`; a given instance is left as it is. Where an option
    is None the check finds out: a layer that refuses integers, say, is let off, one
    that takes them must compute the same as of floats.

    Args:
        layer: A layer, or a function of no arguments (a class, a lambda) that makes
            one. A function is needed where the layer has neither constructor
            arguments of plain Python nor a config.
        inputs: The first argument of a call: an array of at least two examples, or a
            list or dict of arrays. Default: random values of the first shape that
            the layer takes, of images, sequences, volumes and vectors.
        input_shape: Shape of random values to take instead, with the batch.
        checks: Names of the checks to run; None (default) for all.
        exclude: Names of checks to leave out, `"loads_in_a_fresh_process"` for one,
            which takes most of the time.
        batch_independent: Whether an example's output depends on that example alone.
        random: Whether two calls on the same input differ, outside training too.
        any_size: Whether every axis but batch and channels may have any length.
        integers: Whether integers and bools mean the same as floats of these values.
        float64: Whether `dtype="float64"` computes in float64. None expects it of
            tensorflow and jax; elsewhere some of Keras's own operations narrow it.
        empty_batch: Whether a batch may have no examples. None expects it but on
            openvino, some of whose operations then end the process.
        keeps_nan: Whether a NaN in the input shows in the output. None expects it
            but on openvino, whose maximum drops NaN.
        compiles: Whether the backend's compiler takes it. None expects it of
            tensorflow and jax; torch's takes up to a minute to trace a layer.
        tolerance: Difference allowed in float32, relative to the largest value.

    Returns:
        The `Report`, if no check failed.

    Raises:
        ContractError: Some check failed.
        ValueError: An argument is none of these, or no default input fits.
        RuntimeError: Python runs with -O, without assertions.

    Example:
    >>> slow = ["loads_in_a_fresh_process"]
    >>> report = check_layer(keras.layers.Dense(3), exclude=slow)
    >>> "saves_and_loads" in report.passed, report.failed
    (True, {})
    """
    if not __debug__:
        raise RuntimeError("`check_layer` asserts: run Python without -O.")
    make = _maker(layer)
    names = _chosen(checks, exclude)
    facts = {
        "batch_independent": batch_independent,
        "random": random,
        "any_size": any_size,
        "integers": integers,
        "float64": float64,
        "empty_batch": empty_batch,
        "keeps_nan": keeps_nan,
        "compiles": compiles,
        "tolerance": tolerance,
    }
    case = _Case(make, _sample(make, inputs, input_shape), **facts)
    passed, failed, skipped = [], {}, {}
    for name in names:
        if "can_be_called" in failed:
            skipped[name] = "the layer cannot be called"
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _CHECKS[name](case)
        except _Skip as reason:
            skipped[name] = str(reason)
        except AssertionError as error:
            failed[name] = str(error)
        except Exception as error:
            failed[name] = _in_words(error)
        else:
            passed.append(name)
    kind = type(make()).__name__
    report = Report(kind, _BACKEND, tuple(passed), failed, skipped)
    if failed:
        raise ContractError(report)
    return report


def list_checks() -> dict[str, str]:
    """The checks of `check_layer`: name and meaning.

    Example:
    >>> list_checks()["empty_batch"]
    'A batch of no examples gives an empty result of the right shape.'
    """
    return {name: check.__doc__ for name, check in _CHECKS.items()}


# --------------------------------------------------------- the layer and its input


class _Skip(Exception):
    """A check does not apply, for the reason given."""


def _need(condition, reason):
    if not condition:
        raise _Skip(reason)


def _in_words(error):
    text = " ".join(re.sub(r"\x1b\[\d+m", "", str(error)).split())
    return f"raised {type(error).__name__}: {text[:300]}"


def _chosen(checks, exclude):
    for argument, given in (("checks", checks or ()), ("exclude", exclude)):
        if isinstance(given, str):
            raise ValueError(
                f"`{argument}` must be several names. Received: {argument}={given!r}"
            )
        for name in given:
            if name not in _CHECKS:
                raise ValueError(
                    f"`{argument}` must hold names of `list_checks()`. "
                    f"Received: {argument}={list(given)!r}, of which {name!r} is none"
                )
    # Whether the layer can be called at all is always the first question.
    wanted = _CHECKS if checks is None else {"can_be_called", *checks}
    return [name for name in _CHECKS if name in wanted and name not in set(exclude)]


def _maker(layer):
    """A function that makes the layer anew, with some of its arguments replaced."""
    is_layer = isinstance(layer, keras.layers.Layer)
    if not is_layer and not callable(layer):
        raise ValueError(
            "`layer` must be a Keras layer, or a function of no arguments that makes "
            f"one. Received: layer={layer!r}"
        )

    def make(**changes):
        fresh = layer if is_layer else layer()
        if not isinstance(fresh, keras.layers.Layer):
            raise ValueError(
                "`layer` must make a Keras layer. "
                f"Received: layer={layer!r}, which made {fresh!r}"
            )
        dtype = fresh.compute_dtype
        if dtype != "float32" and keras.backend.is_float_dtype(dtype):
            changes = {"dtype": "float32", **changes}
        return _again(fresh, changes) if changes or is_layer else fresh

    return make


def _again(layer, changes):
    # Keras records the arguments of a constructor if they are plain Python. They
    # are the truth about the layer where its config may be what is wrong.
    recorded = getattr(layer, "_auto_config", None)
    if recorded is None or isinstance(layer, keras.Model):
        return type(layer).from_config({**layer.get_config(), **changes})
    arguments = keras.saving.deserialize_keras_object(recorded.config)
    return type(layer)(**{**arguments, **changes})


def _sample(make, inputs, input_shape):
    """The input to check with, as NumPy arrays."""
    if inputs is not None and input_shape is not None:
        raise ValueError(
            "`inputs` and `input_shape` exclude each other. Received: "
            f"inputs={inputs!r}, input_shape={input_shape!r}"
        )
    if isinstance(inputs, tuple) and all(isinstance(n, int) for n in inputs):
        inputs, input_shape = None, inputs
    if inputs is not None:
        arrays = keras.tree.map_structure(_plain, inputs)
    elif input_shape is not None:
        arrays = _normal(input_shape)
    else:
        return _fitting(make)
    lengths = {a.shape[:1] for a in keras.tree.flatten(arrays)}
    if len(lengths) != 1 or lengths == {()} or max(lengths)[0] < 2:
        raise ValueError(
            "The input must have at least two examples along its first axis. "
            f"Received: {'inputs' if inputs is not None else 'input_shape'} of shape "
            f"{[a.shape for a in keras.tree.flatten(arrays)]}"
        )
    return arrays


def _plain(a):
    a = np.asarray(a)
    return a.astype("float32") if a.dtype.kind == "f" else a


def _fitting(make):
    size = getattr(make(), "input_dim", None)
    if isinstance(size, int):  # Embedding
        return np.random.default_rng(0).integers(0, size, (3, 7), dtype="int32")
    problems = []
    for shape in _SHAPES:
        try:
            make()(_normal(shape))
        except Exception as error:
            problems.append(f"{shape} {_in_words(error)}")
        else:
            return _normal(shape)
    raise ValueError(
        "`inputs` or `input_shape` must be given: the layer takes none of the default "
        "inputs. " + "; ".join(problems)
    )


def _normal(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class _Case:
    """A layer under check: its input, its reference output, and what is known."""

    def __init__(self, make, x, **facts):
        self.make, self.x, self.spoilt = make, x, {}
        vars(self).update(facts)

    @functools.cached_property
    def layer(self):
        """The reference: built, with random weights; no check may change it."""
        layer = self.make()
        layer.build(self.shape)
        random = np.random.default_rng(0)
        for weight in layer.weights:
            if keras.backend.is_float_dtype(weight.dtype):
                # What does not train may be a variance: it stays positive.
                draw = random.normal if weight.trainable else random.uniform
                value = _array(weight) + 0.5 * draw(size=weight.shape)
                if weight.constraint is not None:
                    value = weight.constraint(keras.ops.convert_to_tensor(value))
                weight.assign(value)
        return layer

    @functools.cached_property
    def weights(self):
        return self.layer.get_weights()

    @functools.cached_property
    def y(self):
        """The reference output: a list of arrays."""
        return self.run(self.layer)

    @functools.cached_property
    def precision(self):
        """How far from proportional small changes of the output are, in float64.

        A step of 1e-8, which float32 does not see, against one of 1e-5.
        """
        with float64_context():
            layer, moves = self.double, []
            base = self.run(layer, self.each(_double))
            for step in (1e-5, 1e-8):
                x = self.each(lambda a, h=step: _double(a) + h * _normal(a.shape, 3))
                got = self.run(layer, x)
                moves.append([(a - b) / step for a, b in zip(got, base, strict=True)])
        errors = [0.0]
        for far, near in zip(*moves, strict=True):
            # A step where the layer jumps says nothing of precision.
            smooth = np.abs(far) < 1e4
            size = np.abs(far[smooth]).sum()
            errors.append(np.abs(near - far)[smooth].sum() / size if size else 0.0)
        return max(errors)

    @functools.cached_property
    def double(self):
        """The layer in float64."""
        with float64_context():
            return self.built(dtype="float64")

    @functools.cached_property
    def cotangents(self):
        """Random weights of the outputs, in float64."""
        random = np.random.default_rng(1)
        return [random.normal(size=y.shape) for y in self.y]

    def slopes(self, x):
        """Gradients in float64 by every array of x and every trainable weight."""
        with float64_context():
            return gradient(self.double, x, self.cotangents)[1]

    @property
    def shape(self):
        return keras.tree.map_structure(lambda a: tuple(a.shape), self.x)

    @property
    def leaves(self):
        return keras.tree.flatten(self.x)

    def built(self, x=None, **changes):
        """A new layer with the reference's weights."""
        for argument in changes:
            _need(self.takes(argument), f"the constructor takes no `{argument}`")
        layer = self.make(**changes)
        shape = keras.tree.map_structure(
            lambda a: tuple(a.shape), self.x if x is None else x
        )
        layer.build(shape)
        layer.set_weights(self.weights)
        return layer

    def takes(self, argument):
        """Whether the constructor takes an argument, `dtype` perhaps as `**kwargs`."""
        named = inspect.signature(type(self.layer).__init__).parameters
        common = argument in ("name", "trainable", "dtype")
        return argument in named or (
            common and any(p.kind == p.VAR_KEYWORD for p in named.values())
        )

    def run(self, layer, x=None, **kwargs):
        """The outputs as a list of NumPy arrays."""
        outputs = layer(self.x if x is None else x, **kwargs)
        return [_array(y) for y in keras.tree.flatten(outputs)]

    def each(self, function):
        """The input with a function applied to each of its arrays."""
        return keras.tree.map_structure(function, self.x)

    def model(self, layer=None, sizes=None):
        """A functional model of the layer alone."""
        inputs = self.each(
            lambda a: keras.Input(
                a.shape[1:] if sizes is None else sizes, dtype=_dtype(a)
            )
        )
        return keras.Model(inputs, (layer or self.built())(inputs))

    def same(self, got, expected, what, tolerance=None):
        _same(got, expected, what, self.tolerance if tolerance is None else tolerance)

    # What checks depend on.

    def expects(self, fact, *where):
        """What the user said of a fact, or else whether this is a backend of these."""
        said = vars(self)[fact]
        return _BACKEND in where if said is None else said

    def need_values(self):
        _need(not self.random, "the layer is random")

    def need_floats(self):
        _need(all(a.dtype.kind == "f" for a in self.leaves), "the input is no floats")

    def need_float_outputs(self):
        _need(all(y.dtype.kind == "f" for y in self.y), "the output is no floats")

    def need_one_input(self):
        _need(isinstance(self.x, np.ndarray), "the layer has several inputs")

    def need_independence(self):
        self.need_values()
        _need(self.batch_independent, "examples depend on each other")

    def need_training(self):
        _need(_TRAINS, f"{_BACKEND} does not train")

    @property
    def channel_axis(self):
        first = getattr(self.layer, "data_format", None) == "channels_first"
        return 1 if first else self.x.ndim - 1


def _dtype(x):
    return keras.backend.standardize_dtype(x.dtype)


def _array(x):
    """A NumPy array of a tensor, of a dtype that NumPy itself has."""
    array = np.asarray(keras.ops.convert_to_numpy(x))
    return array.astype("float32") if _dtype(x) in _PRECISION else array


def _same(got, expected, what, tolerance):
    assert len(got) == len(expected), (
        f"{what}: expected {len(expected)} outputs, got {len(got)}"
    )
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape, f"{what}: expected shape {b.shape}, got {a.shape}"
        if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
            assert np.array_equal(a, b), f"{what}: expected {b}, got {a}"
            continue
        a, b = a.astype("float64"), b.astype("float64")
        scale = max(1.0, np.max(np.abs(b), initial=0, where=np.isfinite(b)))
        close = np.isclose(a, b, tolerance, tolerance * scale, equal_nan=True)
        if not close.all():
            at = tuple(np.argwhere(~close)[0].tolist())
            raise AssertionError(
                f"{what}: expected {b[at]:.9g} at {at}, got {a[at]:.9g}; "
                f"{np.sum(~close)} of {close.size} values differ"
            )


def _equal(got, expected, what):
    assert got == expected, f"{what}: expected {expected}, got {got}"


def _computed(layer, shape):
    """What `compute_output_shape` says, as a list of tuples."""
    found = []
    try:
        shapes = layer.compute_output_shape(shape)
    except NotImplementedError as error:
        raise _Skip("`compute_output_shape` is not implemented") from error
    keras.tree.map_shape_structure(lambda s: found.append(tuple(s)), shapes)
    return found


def float64_context() -> contextlib.AbstractContextManager:
    """A context in which the backend can hold float64."""
    if _BACKEND in ("jax", "numpy"):
        return jax.enable_x64(True)
    return contextlib.nullcontext()


def gradient(layer, x, cotangents):
    """Gradients of the sum of outputs times cotangents.

    Args:
        layer: A built layer.
        x: Its input: an array, or a list or dict of arrays.
        cotangents: One array for each output.

    Returns:
        The sum, and the gradients by every array of x and every trainable weight.
    """
    weights = [w.value for w in layer.trainable_variables]
    if _BACKEND == "jax":
        others = [w.value for w in layer.non_trainable_variables]
        loss, (by_x, by_weights) = _slope(layer, x, weights, others, cotangents)
        grads = [*keras.tree.flatten(by_x), *by_weights]
    elif _BACKEND == "tensorflow":
        tensors = keras.tree.map_structure(tf.constant, x)
        leaves = keras.tree.flatten(tensors)
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            loss = _total(layer(tensors), cotangents)
        grads = tape.gradient(loss, [*leaves, *weights], unconnected_gradients="zero")
    elif _BACKEND == "torch":
        device = keras.ops.convert_to_tensor(0.0).device
        tensors = keras.tree.map_structure(
            lambda a: torch.tensor(a, device=device, requires_grad=True), x
        )
        loss = _total(layer(tensors), cotangents)
        leaves = keras.tree.flatten(tensors)
        grads = torch.autograd.grad(loss, [*leaves, *weights], materialize_grads=True)
    else:
        raise NotImplementedError(f"{_BACKEND} does not train")
    return float(loss), [_array(g) for g in grads]


def _total(outputs, cotangents):
    pairs = zip(keras.tree.flatten(outputs), cotangents, strict=True)
    return sum(keras.ops.sum(y * keras.ops.cast(c, y.dtype)) for y, c in pairs)


if _BACKEND == "jax":

    @functools.partial(jax.jit, static_argnums=0)
    def _slope(layer, x, weights, others, cotangents):
        def loss_of(x, weights):
            outputs, _ = layer.stateless_call(weights, others, x)
            return _total(outputs, cotangents)

        return jax.value_and_grad(loss_of, argnums=(0, 1))(x, weights)


# -------------------------------------------------------------------------- checks

_CHECKS: dict[str, Callable[[_Case], None]] = {}


def _check(function):
    _CHECKS[function.__name__.removeprefix("_")] = function
    return function


# Construction and build.


@_check
def _can_be_called(case):
    """The layer builds for the input and gives an output; else nothing else runs."""
    assert case.y, "expected an output, got none"


@_check
def _takes_the_common_arguments(case):
    """The constructor takes `name`, `trainable` and `dtype`, as every Keras layer."""
    layer = case.make(name="some_name", trainable=False, dtype="float32")
    _equal(layer.name, "some_name", "name")
    _equal(layer.trainable, False, "trainable")
    _equal(layer.dtype_policy.name, "float32", "dtype")


@_check
def _has_a_docstring(case):
    """The class says what it does."""
    own = vars(type(case.layer)).get("__doc__")
    assert (own or "").strip(), "expected a docstring on the class, got none"


@_check
def _builds_without_input(case):
    """`build` of a shape makes all weights: a call adds none and changes none."""
    layer = case.make()
    layer.build(case.shape)
    assert layer.built, "expected `built` to be True after `build`, got False"
    before = layer.get_weights()
    case.run(layer)
    _equal(len(layer.weights), len(before), "number of weights after a call")
    _same(layer.get_weights(), before, "weights after a call", 0)


@_check
def _builds_on_first_call(case):
    """A first call builds the same weights as `build`, a second call none."""
    layer = case.make()
    case.run(layer)
    expected = [tuple(w.shape) for w in case.layer.weights]
    _equal([tuple(w.shape) for w in layer.weights], expected, "shapes of weights")
    same = [id(w) for w in layer.weights]
    case.run(layer)
    assert same == [id(w) for w in layer.weights], "a second call built anew"


@_check
def _refuses_another_rank(case):
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
            expected = _computed(layer, x.shape)
            _equal(got, expected, what)
            continue
        words = ("shape", "rank", "dim", "axes", "axis") * isinstance(error, ValueError)
        assert any(word in str(error) for word in words), (
            f"{what}: expected ValueError that names the shape, {_in_words(error)}"
        )


@_check
def _writes_nothing_on_stdout(case):
    """Making, building and calling the layer prints nothing."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        case.run(case.built())
    _equal(out.getvalue(), "", "standard output")


# Shapes.


@_check
def _output_shape_is_as_computed(case):
    """The output has the shape that `compute_output_shape` says."""
    try:
        expected = _computed(case.layer, case.shape)
    except _Skip as error:
        raise AssertionError(f"expected a shape, {error}") from error
    _equal([y.shape for y in case.y], expected, "output shape")


@_check
def _symbolic_output_is_as_computed(case):
    """A symbolic call gives the shape and dtype of a real one, with unknown batch."""
    symbols = keras.tree.flatten(case.model().outputs)
    expected = [(None, *y.shape[1:]) for y in case.y]
    _equal([tuple(s.shape) for s in symbols], expected, "symbolic shape")
    _equal([_dtype(s) for s in symbols], [str(y.dtype) for y in case.y], "dtype")


@_check
def _unknown_batch(case):
    """`compute_output_shape` of an unknown batch leaves only the batch unknown."""
    shape = case.each(lambda a: (None, *a.shape[1:]))
    got = _computed(case.layer, shape)
    _equal(got, [(None, *y.shape[1:]) for y in case.y], "output shape")


@_check
def _unknown_sizes(case):
    """With unknown sizes, one layer works on inputs of several."""
    case.need_one_input()
    case.need_values()
    _need(case.any_size is not False, "the layer needs known sizes")
    _need(case.x.ndim > 2, "there is no axis but batch and channels")
    axis = case.channel_axis
    sizes = [n if a == axis else None for a, n in enumerate(case.x.shape)][1:]
    try:
        model = case.model(case.make(), sizes)
    except Exception:
        _need(case.any_size, "the layer needs known sizes")
        raise
    model.set_weights(case.weights)
    layer = model.layers[-1]
    for y, shape in zip(case.y, _computed(layer, (None, *sizes)), strict=True):
        _equal(len(shape), y.ndim, "number of axes of the output")
        wrong = [n for n, m in zip(shape, y.shape, strict=True) if n not in (None, m)]
        assert not wrong, f"expected {shape} to agree with {y.shape}"
    case.same(case.run(model), case.y, "a model of unknown sizes")
    grow = 2 if axis == 1 else 1
    larger = np.concatenate([case.x, case.x], axis=grow)[:2]
    try:
        expected = case.run(case.built(larger), larger)
    except Exception:
        _need(case.any_size, "the weights depend on the sizes")
        raise
    case.same(case.run(model, larger), expected, f"input of shape {larger.shape}")


@_check
def _data_formats_agree(case):
    """channels_first of the moved input is channels_last, moved."""
    case.need_one_input()
    case.need_values()
    # Many layers hand it on in `**kwargs`, so the signature does not tell.
    _need(hasattr(case.layer, "data_format"), "the layer has no data_format")
    _need(case.x.ndim > 2, "there is no axis but batch and channels")
    last = np.moveaxis(case.x, case.channel_axis, -1)
    first = np.moveaxis(last, -1, 1)
    outputs = {}
    for name, x in (("channels_last", last), ("channels_first", first)):
        layer = case.built(x, data_format=name)
        outputs[name] = case.run(layer, x)
        expected = _computed(layer, x.shape)
        _equal([y.shape for y in outputs[name]], expected, f"output shape, {name}")
    moved = [
        np.moveaxis(y, 1, case.x.ndim - 1) if y.ndim >= case.x.ndim else y
        for y in outputs["channels_first"]
    ]
    case.same(moved, outputs["channels_last"], "channels_first, moved")


# Batches.


@_check
def _batch_of_one(case):
    """A batch of one gives that example's part of the whole."""
    case.need_independence()
    got = case.run(case.layer, case.each(lambda a: a[1:2]))
    case.same(got, [y[1:2] for y in case.y], "the second example alone")


@_check
def _empty_batch(case):
    """A batch of no examples gives an empty result of the right shape."""
    _need(case.expects("empty_batch", *_OTHERS), "the batch may not be empty")
    got = case.run(case.layer, case.each(lambda a: a[:0]))
    expected = [(0, *y.shape[1:]) for y in case.y]
    _equal([y.shape for y in got], expected, "output shape")


@_check
def _order_of_examples(case):
    """Reversing the batch reverses the output."""
    case.need_independence()
    got = case.run(case.layer, case.each(lambda a: a[::-1].copy()))
    case.same(got, [y[::-1] for y in case.y], "the batch reversed")


@_check
def _nan_stays_in_its_example(case):
    """A NaN in one example leaves the others alone."""
    case.need_independence()
    for _, got in _spoilt(case, (np.nan,)):
        case.same([y[1:] for y in got], [y[1:] for y in case.y], "the other examples")


@_check
def _infinity_stays_in_its_example(case):
    """An infinity in one example leaves the others alone."""
    case.need_independence()
    for _, got in _spoilt(case, (np.inf, -np.inf)):
        case.same([y[1:] for y in got], [y[1:] for y in case.y], "the other examples")


@_check
def _nan_stays_local(case):
    """NaN and infinity reach only the outputs that a finite change there reaches."""
    # A layer that reads a value twice and cancels it may be let off.
    case.need_values()
    reached = [np.zeros(y.shape, bool) for y in case.y]
    for _, got in _spoilt(case, (1e3, -1e3, 1.0)):
        reached = [r | (a != b) for r, a, b in zip(reached, got, case.y, strict=True)]
    for value, got in _spoilt(case, (np.nan, np.inf, -np.inf)):
        case.same(
            [a[~r] for a, r in zip(got, reached, strict=True)],
            [b[~r] for b, r in zip(case.y, reached, strict=True)],
            f"outputs out of the reach of {value}",
        )


@_check
def _nan_does_not_vanish(case):
    """A NaN in the input shows in the output."""
    case.need_float_outputs()
    _need(case.expects("keeps_nan", *_OTHERS), "the layer or the backend drops NaN")
    for _, got in _spoilt(case, (np.nan,)):
        assert any(np.isnan(y).any() for y in got), "expected some NaN, got none"


def _spoilt(case, values):
    """For each value, the output where it stands amid the first example."""
    case.need_floats()
    whole = [a.copy() for a in case.leaves]
    at = (0, *(n // 2 for n in whole[0].shape[1:-1]), 0)[: whole[0].ndim]
    for value in map(float, values):
        if str(value) not in case.spoilt:
            whole[0][at] = value
            x = keras.tree.pack_sequence_as(case.x, whole)
            case.spoilt[str(value)] = case.run(case.layer, x)
        yield value, case.spoilt[str(value)]


# Dtypes.


@_check
def _computes_in_float16(case):
    """`dtype="float16"` gives float16, near the same in float32."""
    _computes_in(case, "float16")


@_check
def _computes_in_bfloat16(case):
    """`dtype="bfloat16"` gives bfloat16, near the same in float32."""
    _computes_in(case, "bfloat16")


@_check
def _computes_in_mixed_float16(case):
    """`dtype="mixed_float16"` computes in float16 with weights of float32."""
    _need(_BACKEND != "openvino", "no mixed precision on openvino")
    layer = _computes_in(case, "mixed_float16")
    dtypes = {w.dtype for w in layer.trainable_weights}
    assert dtypes <= {"float32"}, f"expected weights of float32, got {dtypes}"


def _computes_in(case, policy):
    case.need_floats()
    case.need_float_outputs()
    dtype = policy.removeprefix("mixed_")
    layer = case.built(dtype=policy)
    low = case.each(lambda a: keras.ops.cast(a, dtype))
    outputs = keras.tree.flatten(layer(low))
    _equal([_dtype(y) for y in outputs], [dtype] * len(outputs), "output dtype")
    if not case.random:
        # The weights of the reference, rounded as those of the layer are.
        rounded = case.built()
        rounded.set_weights([_array(w) for w in layer.weights])
        exact = case.run(
            rounded,
            keras.tree.map_structure(lambda a: keras.ops.cast(a, "float32"), low),
        )
        got = [_array(y) for y in outputs]
        case.same(got, exact, f"{dtype} against float32", _PRECISION[policy])
    return layer


@_check
def _computes_in_float64(case):
    """`dtype="float64"` gives float64 and sees changes that float32 does not."""
    case.need_floats()
    case.need_float_outputs()
    _need(
        case.expects("float64", "tensorflow", "jax"),
        f"float64 is not kept on {_BACKEND}",
    )
    with float64_context():
        outputs = keras.tree.flatten(case.double(case.each(_double)))
        _equal([_dtype(y) for y in outputs], ["float64"] * len(outputs), "output dtype")
        case.need_values()
        case.same([_array(y) for y in outputs], case.y, "float64 against float32")
    assert case.precision < 1e-2, (
        "expected a change of 1e-8 to move the output by 1e-3 of what a change of 1e-5 "
        f"does, to 1%; got it to {case.precision:.0%}: something computes in float32"
    )


def _double(a):
    return a.astype("float64")


@_check
def _casts_floats(case):
    """Floats of another dtype are cast to the layer's, as Keras does."""
    case.need_floats()
    layer = case.built()
    got = case.run(layer, case.each(_double))
    _equal([y.dtype for y in got], [y.dtype for y in case.y], "output dtype")
    if not case.random:
        case.same(got, case.y, "input of float64")


@_check
def _integer_input(case):
    """Integers compute as floats of the same values, not rescaled."""
    _as_floats(case, lambda a: np.round(a * 4), ("int32", "uint8"))


@_check
def _bool_input(case):
    """Bools compute as zeros and ones."""
    _as_floats(case, lambda a: a > 0, ("bool",))


def _as_floats(case, values, dtypes):
    case.need_floats()
    case.need_values()
    _need(case.integers is not False, "the layer takes no integers")
    for dtype in dtypes:
        x = case.each(lambda a, d=dtype: np.abs(values(a)).astype(d))
        try:
            got = case.run(case.layer, x)
        except Exception:
            _need(case.integers, "the layer takes no integers")
            raise
        floats = keras.tree.map_structure(lambda a: a.astype("float32"), x)
        expected = case.run(case.layer, floats)
        if case.integers is None and got[0].dtype != expected[0].dtype:
            raise _Skip("the layer means integers by integers")
        _equal([y.dtype for y in got], [y.dtype for y in expected], "output dtype")
        case.same(got, expected, f"input of {dtype}")


@_check
def _range_of_float16(case):
    """Float16 input of 1e-3 to 1000 is finite and right where the answer fits."""
    case.need_floats()
    case.need_float_outputs()
    case.need_values()
    layer, exact = case.built(dtype="float16"), case.built()
    exact.set_weights([_array(w) for w in layer.weights])
    low = case.each(lambda a: np.clip(a * 1e3, -2e3, 2e3).astype("float16"))
    for a in keras.tree.flatten(low):
        a[0] *= np.float16(1e-6)
    floats = keras.tree.map_structure(lambda a: a.astype("float32"), low)
    for got, y in zip(case.run(layer, low), case.run(exact, floats), strict=True):
        fits = np.abs(y) < 6e4
        for part, size in ((slice(1), 1e-3), (slice(1, None), 1e3)):
            a, b, fit = got[part], y[part], fits[part]
            case.same([a[fit]], [b[fit]], f"input of {size:g}", 1e-2)


# Config and saving.


@_check
def _config_is_json(case):
    """The config goes through JSON and comes back the same, tuples as lists."""
    config = case.make().get_config()
    try:
        back = json.loads(json.dumps(config))
    except TypeError as error:
        raise AssertionError(f"expected plain values: {error}; got {config}") from error
    _equal(back, _listed(config), "the config through JSON")


def _listed(value):
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(item) for item in value]
    return value


@_check
def _config_mirrors_the_constructor(case):
    """Every argument of the constructor is in the config, unless it is None."""
    layer = case.make()
    named = inspect.signature(type(layer).__init__).parameters.values()
    named = [p for p in named if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)][1:]
    config = layer.get_config()
    lost = [
        p.name
        for p in named
        if p.name not in config and not (p.default is None and _is_unset(layer, p.name))
    ]
    assert not lost, f"expected {', '.join(lost)} in the config, got {sorted(config)}"


def _is_unset(layer, name):
    of_every_layer = hasattr(keras.layers.Layer, name)
    return of_every_layer or getattr(layer, name, None) is None


@_check
def _config_round_trip(case):
    """`from_config(get_config())` makes a layer of the same class and config."""
    layer = case.make()
    config = layer.get_config()
    twin = type(layer).from_config(copy.deepcopy(config))
    assert type(twin) is type(layer), f"expected {type(layer)}, got {type(twin)}"
    _equal(_listed(twin.get_config()), _listed(config), "the config of the twin")


@_check
def _twin_gives_equal_outputs(case):
    """A layer from the config, given the weights, computes the same."""
    twin = type(case.layer).from_config(case.layer.get_config())
    twin.build(case.shape)
    _as_the_layer(case, twin)


def _as_the_layer(case, other):
    """`other` has the layer's weights, or takes them, and its outputs."""
    expected = [tuple(w.shape) for w in case.layer.weights]
    _equal([tuple(w.shape) for w in other.weights], expected, "shapes of weights")
    other.set_weights(case.weights)
    if not case.random:
        case.same(case.run(other), case.y, "its outputs", 1e-7)


@_check
def _clones(case):
    """`keras.models.clone_model` copies a model of it."""
    _as_the_layer(case, keras.models.clone_model(case.model()))


@_check
def _serializes(case):
    """Keras serializes it and finds its class again."""
    try:
        data = json.loads(json.dumps(keras.saving.serialize_keras_object(case.make())))
        twin = keras.saving.deserialize_keras_object(data)
    except Exception as error:
        raise AssertionError(
            f"{_in_words(error)} (does the class carry "
            "@keras.saving.register_keras_serializable?)"
        ) from error
    assert type(twin) is type(case.layer), (
        f"expected {type(case.layer)}, got {type(twin)}"
    )


@_check
def _saves_and_loads(case):
    """A `.keras` file brings back weights and outputs."""
    model = case.model()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
    _same(loaded.get_weights(), model.get_weights(), "loaded weights", 0)
    _as_the_layer(case, loaded)


@_check
def _loads_in_a_fresh_process(case):
    """A `.keras` file loads in a new process, on another backend, and agrees."""
    kind = type(case.layer)
    module = sys.modules.get(kind.__module__)
    _need(
        kind.__module__ != "__main__"
        and functools.reduce(
            lambda a, b: getattr(a, b, None), kind.__qualname__.split("."), module
        )
        is kind,
        f"{kind.__qualname__} cannot be imported from {kind.__module__} elsewhere",
    )
    here = backends.installed()
    other = next((b for b in _FRESH if b in here and b != _BACKEND), _BACKEND)
    model = case.model()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.keras"))
        np.savez(Path(folder, "x.npz"), *case.leaves)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, kind.__module__],
            cwd=folder,
            env={
                **os.environ,
                "KERAS_BACKEND": other,
                "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        assert done.returncode == 0, f"expected it to load on {other}, got: {last}"
        with np.load(Path(folder, "y.npz")) as file:
            got = list(file.values())
    if not case.random:
        case.same(got, case.y, f"its outputs on {other}", max(case.tolerance, 1e-5))


_CHILD = """
import importlib, sys
import kerasconv
import keras
import numpy as np
importlib.import_module(sys.argv[1])
model = keras.saving.load_model("model.keras")
x = list(np.load("x.npz").values())
y = keras.tree.flatten(model(keras.tree.pack_sequence_as(model._inputs_struct, x)))
np.savez("y.npz", *(keras.ops.convert_to_numpy(a) for a in y))
"""


@_check
def _copies(case):
    """`copy.deepcopy` and `pickle` give a layer that computes the same."""
    layer = case.built()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other is not layer, "expected a copy, got the layer itself"
        _same(other.get_weights(), case.weights, "copied weights", 0)
        _as_the_layer(case, other)


# Weights.


@_check
def _weights_have_names(case):
    """Every weight has a name, and no two the same path."""
    layer = case.make()
    layer.build(case.shape)
    assert all(w.name for w in layer.weights), "expected a name for every weight"
    paths = [w.path for w in layer.weights]
    double = sorted({p for p in paths if paths.count(p) > 1})
    assert not double, f"expected paths to differ, got {double} more than once"


@_check
def _weights_are_counted(case):
    """Trainable and other weights are all weights; `trainable=False` freezes all."""
    layer = case.built()
    split = layer.trainable_weights + layer.non_trainable_weights
    _equal({id(w) for w in split}, {id(w) for w in layer.weights}, "weights")
    sizes = [int(np.prod(w.shape)) for w in layer.weights]
    _equal(layer.count_params(), sum(sizes), "count_params()")
    before = len(layer.trainable_weights)
    layer.trainable = False
    _equal(len(layer.trainable_weights), 0, "trainable weights of a frozen layer")
    layer.trainable = True
    _equal(len(layer.trainable_weights), before, "trainable weights after thawing")


@_check
def _every_weight_is_used(case):
    """A change of any weight changes the output."""
    case.need_values()
    _need(case.weights, "the layer has no weights")
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


# Calls.


@_check
def _inference_repeats(case):
    """Two calls on the same input give the same."""
    case.need_values()
    case.same(case.run(case.layer), case.y, "a second call", 0)


@_check
def _no_state_leaks_between_calls(case):
    """Calls on other inputs, and symbolic ones, leave output and weights as is."""
    case.need_values()
    layer = case.built()
    expected = case.run(layer)
    case.run(
        layer, case.each(lambda a: a[::-1] * 2 if a.dtype.kind == "f" else a[::-1])
    )
    case.run(layer, case.each(lambda a: a[:1]))
    case.model(layer)
    case.same(case.run(layer), expected, "the first input again", 1e-7)
    _same(layer.get_weights(), case.weights, "weights after calls", 0)


@_check
def _training_flag(case):
    """`training=True` keeps shape and dtype, and does not outlast the call."""
    made = inspect.signature(case.layer.call).parameters
    _need("training" in made, "the layer has no argument `training`")
    layer = case.built()
    got = case.run(layer, training=True)
    _equal([y.shape for y in got], [y.shape for y in case.y], "shape in training")
    _equal([y.dtype for y in got], [y.dtype for y in case.y], "dtype in training")
    layer.set_weights(case.weights)  # training may move statistics
    if not case.random:
        case.same(case.run(layer), case.y, "inference after training", 1e-7)


@_check
def _inputs_are_left_alone(case):
    """A call changes neither the array nor the tensor that it is given."""
    x = case.each(np.copy)
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, case.each(np.copy))
    case.run(case.layer, x)
    case.run(case.layer, tensors)
    for kept in (x, tensors):
        after = [_array(a) for a in keras.tree.flatten(kept)]
        _same(after, case.leaves, "the input after a call", 0)


@_check
def _any_memory_order(case):
    """Arrays that are not contiguous give the same."""
    case.need_values()
    spaced = case.each(lambda a: np.repeat(a, 2, axis=-1)[..., ::2])
    fortran = case.each(np.asfortranarray)
    case.same(case.run(case.layer, spaced), case.y, "every second value of an array")
    case.same(case.run(case.layer, fortran), case.y, "an array in Fortran order")


@_check
def _threads(case):
    """Calls from four threads on one layer give each its own answer."""
    case.need_values()
    inputs = [case.each(lambda a, k=k: np.roll(a, k, axis=0)) for k in range(4)]
    expected = [case.run(case.layer, x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(functools.partial(case.run, case.layer), inputs * 3)
        for k, got in enumerate(found):
            case.same(got, expected[k % 4], "an answer to a thread")


@_check
def _masks(case):
    """What follows sees the mask that `compute_mask` says, or none."""
    case.need_one_input()
    case.need_floats()
    _need(case.x.ndim > 2, "there are no steps to mask")
    x = case.x.copy()
    x[0, -1] = 0
    inputs = keras.layers.Masking()(x)
    mask = keras.layers.Masking().compute_mask(x)
    layer, probe = case.built(), _Probe()
    probe(layer(inputs))
    expected = layer.compute_mask(inputs, mask) if layer.supports_masking else None
    _equal(probe.seen is not None, expected is not None, "whether there is a mask")
    if expected is not None:
        _same([_array(probe.seen)], [_array(expected)], "mask", 0)


class _Probe(keras.layers.Layer):
    """Remembers the mask that it was given."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True
        self.seen = None

    def call(self, inputs, mask=None):
        self.seen = mask
        return inputs


# Numbers.


@_check
def _plain_inputs_are_finite(case):
    """Zero, constant, large (1000) and small (1e-6) inputs give finite outputs."""
    case.need_floats()
    case.need_float_outputs()
    for constant, size in ((0, 1e3), (1, 1e-6)):
        x = case.each(lambda a, n=size: a * a.dtype.type(n))
        for a in keras.tree.flatten(x):
            a[0] = constant
        assert all(np.isfinite(y).all() for y in case.run(case.layer, x)), (
            f"one example of {constant}, the others {size:g} in size: expected finite "
            "outputs, got others"
        )


@_check
def _gradient_by_input(case):
    """Gradients by the input are finite differences, in float64."""
    _gradient_is_right(case, weights=False)


@_check
def _gradient_by_weights(case):
    """Gradients by every trainable weight are finite differences, in float64."""
    _need(case.layer.trainable_weights, "no weight trains")
    _gradient_is_right(case, weights=True)


def _gradient_is_right(case, weights):
    case.need_training()
    case.need_values()
    case.need_floats()
    case.need_float_outputs()
    # Where float32 is all that there is, differences are coarse.
    step, near = (1e-5, 1e-5) if case.precision < 1e-2 else (1e-3, 3e-2)
    layer, grads = case.double, case.slopes(case.each(_double))
    count, trained = len(case.leaves), layer.trainable_weights
    values = [_double(a) for a in case.leaves]
    with float64_context():
        values += [_double(_array(w)) for w in trained]

        def total(changed):
            for weight, value in zip(trained, changed[count:], strict=True):
                weight.assign(value)
            x = keras.tree.pack_sequence_as(case.x, changed[:count])
            outputs = zip(case.cotangents, case.run(layer, x), strict=True)
            return sum(np.sum(c * y) for c, y in outputs)

        random = np.random.default_rng(2)
        for k in range(count, len(values)) if weights else range(count):
            what = trained[k - count].path if weights else "the input"
            for _ in range(2):
                along = random.normal(size=values[k].shape)
                ahead, behind = (
                    total([*values[:k], values[k] + s * along, *values[k + 1 :]])
                    for s in (step, -step)
                )
                slope, got = (ahead - behind) / (2 * step), np.sum(grads[k] * along)
                assert np.isclose(got, slope, near, near), (
                    f"gradient by {what}: expected {slope:.9g}, got {got:.9g}"
                )
        total(values)


@_check
def _gradient_at_zero(case):
    """An input of zeros has finite gradients by input and weights."""
    case.need_training()
    case.need_floats()
    case.need_float_outputs()
    zeros = case.each(lambda a: np.zeros(a.shape))
    for k, grad in enumerate(case.slopes(zeros)):
        what = "the input" if k < len(case.leaves) else "a weight"
        assert np.isfinite(grad).all(), (
            f"expected finite gradients by {what}, got {np.sum(~np.isfinite(grad))} "
            f"of {grad.size} that are not"
        )


# In models.


@_check
def _works_in_sequential(case):
    """A Sequential model of it computes the same."""
    case.need_one_input()
    case.need_values()
    inputs = keras.Input(case.x.shape[1:], dtype=_dtype(case.x))
    model = keras.Sequential([inputs, case.built()])
    case.same(case.run(model), case.y, "a Sequential model")


@_check
def _works_nested(case):
    """A functional model of it computes the same, alone and inside another."""
    case.need_values()
    inner = case.model()
    case.same(case.run(inner), case.y, "a functional model")
    case.same(case.run(case.model(inner)), case.y, "a model inside a model")


@_check
def _predict_equals_call(case):
    """`model.predict` gives what a call gives."""
    case.need_values()
    # OpenVINO convolves in bfloat16 in `predict` where the CPU has it.
    tolerance = 2e-2 if _BACKEND == "openvino" else None
    got = keras.tree.flatten(case.model().predict(case.x, verbose=0))
    case.same([_array(y) for y in got], case.y, "predict", tolerance)


@_check
def _compiled_equals_eager(case):
    """Compiled (XLA on tensorflow and jax, Dynamo on torch) it computes the same."""
    case.need_values()
    _need(_BACKEND in ("tensorflow", "jax", "torch"), f"{_BACKEND} does not compile")
    _need(case.expects("compiles", "tensorflow", "jax"), "not asked for")
    layer, tensors = case.built(), [keras.ops.convert_to_tensor(a) for a in case.leaves]

    def pack(args):
        return keras.tree.pack_sequence_as(case.x, list(args))

    if _BACKEND == "tensorflow":
        run = tf.function(
            lambda *args: layer(pack(args)), jit_compile=True, autograph=False
        )
        outputs = run(*tensors)
    elif _BACKEND == "jax":
        weights = [
            [w.value for w in ws]
            for ws in (layer.trainable_variables, layer.non_trainable_variables)
        ]
        outputs, _ = jax.jit(layer.stateless_call)(*weights, pack(tensors))
    else:
        with torch.no_grad():
            outputs = torch.compile(layer, backend="eager")(pack(tensors))
    case.same([_array(y) for y in keras.tree.flatten(outputs)], case.y, "compiled")


@_check
def _trains(case):
    """One step of `fit` has a finite loss and moves every trainable weight."""
    case.need_training()
    case.need_float_outputs()
    layer = case.built()
    inner = case.model(layer)
    heads = [
        keras.layers.Dense(
            1, kernel_initializer=keras.initializers.RandomNormal(seed=k)
        )(keras.layers.Flatten()(y))
        for k, y in enumerate(inner.outputs)
    ]
    model = keras.Model(
        inner.input, heads[0] if len(heads) == 1 else keras.layers.add(heads)
    )
    # XLA on TensorFlow takes seconds, and compilation has a check of its own.
    jit = _BACKEND == "jax"
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
    before = [_array(w) for w in layer.trainable_weights]
    targets = _normal((len(case.leaves[0]), 1), 5)
    history = model.fit(case.x, targets, epochs=1, verbose=0, shuffle=False)
    (loss,) = history.history["loss"]
    assert np.isfinite(loss), f"expected a finite loss, got {loss}"
    for weight, old in zip(layer.trainable_weights, before, strict=True):
        new = _array(weight)
        assert np.isfinite(new).all(), f"expected {weight.path} to stay finite"
        assert np.any(new != old), f"expected {weight.path} to move, got the same"
