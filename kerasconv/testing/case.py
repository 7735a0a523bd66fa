"""The layer under check, its input and reference output, and how results compare."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasconv import backends
from kerasconv._arguments import check_given, is_int
from kerasconv._keras import keras
from kerasconv.errors import one_line, short
from kerasconv.testing._native import HERE

# Images first: a layer that takes them may also take fewer axes and mean others.
_SHAPES = ((3, 8, 7, 2), (3, 9, 2), (3, 6, 5, 4, 2), (3, 6), (3, 24, 23, 6))


class Skip(Exception):
    """A check does not apply, for the reason given."""


def need(condition: Any, reason: str) -> None:
    """Skip the check for this reason unless the condition holds."""
    if not condition:
        raise Skip(reason)


def raised(error: Exception) -> str:
    """What a check was met with."""
    return f"raised {type(error).__name__}: {one_line(error, length=300)}"


# ---------------------------------------------------------------- the layer, made anew


def maker(layer: Any) -> Callable[..., Any]:
    """A function that makes the layer anew, with some of its arguments replaced."""
    is_layer = isinstance(layer, keras.layers.Layer)
    if not is_layer and not callable(layer):
        raise ValueError(
            "`layer` must be a Keras layer, or a function of no arguments that makes "
            f"one. Received: layer={short(layer)}"
        )

    def make(**changes):
        fresh = layer if is_layer else layer()
        if not isinstance(fresh, keras.layers.Layer):
            raise ValueError(
                "`layer` must make a Keras layer. "
                f"Received: layer={short(layer)}, which made {short(fresh)}"
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


# ------------------------------------------------------------------------ its input


def sample(
    make: Callable[..., Any], inputs: Any, input_shape: tuple[int, ...] | None
) -> Any:
    """The input to check with, as NumPy arrays."""
    if inputs is not None and input_shape is not None:
        raise ValueError(
            "`inputs` and `input_shape` exclude each other. Received: "
            f"inputs={short(inputs)}, input_shape={short(input_shape)}"
        )
    if isinstance(inputs, tuple) and inputs and all(map(is_int, inputs)):
        inputs, input_shape = None, inputs
    if input_shape is not None and not (
        isinstance(input_shape, tuple | list)
        and all(is_int(n) and n >= 0 for n in input_shape)
    ):
        raise ValueError(
            "`input_shape` must be several ints, the batch first. "
            f"Received: input_shape={short(input_shape)}"
        )
    if inputs is not None:
        for leaf in keras.tree.flatten(inputs) or [None]:
            check_given("inputs", leaf)
        arrays = keras.tree.map_structure(_plain, inputs)
    elif input_shape is not None:
        arrays = normal(input_shape)
    else:
        return _fitting(make)
    lengths = {a.shape[:1] for a in keras.tree.flatten(arrays)}
    if len(lengths) != 1 or lengths == {()} or max(lengths)[0] < 2:
        raise ValueError(
            f"`{'input_shape' if inputs is None else 'inputs'}` must give at least two "
            "examples along the first axis. Received: shape "
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
            make()(normal(shape))
        except Exception as error:
            problems.append(f"{shape} {raised(error)}")
        else:
            return normal(shape)
    raise ValueError(
        "`inputs` or `input_shape` must be given: the layer takes none of the default "
        "inputs. " + "; ".join(problems)
    )


def normal(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Random float32 numbers, the same each time."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def double(a: np.ndarray) -> np.ndarray:
    """The array in float64."""
    return a.astype("float64")


# ---------------------------------------------------------------------- the case


@dataclass(eq=False)
class Case:
    """A layer under check: its input, its reference output, and what is known.

    Args:
        make: Makes the layer, with some of its arguments replaced.
        x: The input: an array, or a list or dict of arrays.

    The others are `check_layer`'s, with None only where a check itself finds out.
    """

    make: Callable[..., Any]
    x: Any
    batch_independent: bool
    random: bool
    any_size: bool | None
    integers: bool | None
    float64: bool
    empty_batch: bool
    keeps_nan: bool
    compiles: bool
    tolerance: float
    _corrupted: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @functools.cached_property
    def layer(self) -> Any:
        """The reference: built, with random weights; no check may change it."""
        layer = self.make()
        layer.build(self.shape)
        random = np.random.default_rng(0)
        for weight in layer.weights:
            if keras.backend.is_float_dtype(weight.dtype):
                # What does not train may be a variance: it stays positive.
                draw = random.normal if weight.trainable else random.uniform
                value = array(weight) + 0.5 * draw(size=weight.shape)
                if weight.constraint is not None:
                    value = weight.constraint(keras.ops.convert_to_tensor(value))
                weight.assign(value)
        return layer

    @functools.cached_property
    def weights(self) -> list[np.ndarray]:
        """The reference's weights."""
        return self.layer.get_weights()

    @functools.cached_property
    def y(self) -> list[np.ndarray]:
        """The reference output: a list of arrays."""
        return self.run(self.layer)

    @functools.cached_property
    def double(self) -> Any:
        """The layer in float64."""
        with float64_context():
            return self.built(dtype="float64")

    @functools.cached_property
    def precision(self) -> float:
        """How far from proportional small changes of the output are, in float64.

        A step of 1e-8, which float32 does not see, against one of 1e-5.
        """

        def outputs(step: float) -> list[np.ndarray]:
            x = self.each(lambda a: double(a) + step * normal(a.shape, 3))
            return self.run(self.double, x)

        errors = [0.0]
        with float64_context():
            every = zip(outputs(0), outputs(1e-5), outputs(1e-8), strict=True)
        for base, far, near in every:
            far, near = (far - base) / 1e-5, (near - base) / 1e-8
            # A step where the layer jumps says nothing of precision.
            smooth = np.abs(far) < 1e4
            size = np.abs(far[smooth]).sum()
            errors.append(np.abs(near - far)[smooth].sum() / size if size else 0.0)
        return max(errors)

    @functools.cached_property
    def cotangents(self) -> list[np.ndarray]:
        """Random weights of the outputs, in float64."""
        random = np.random.default_rng(1)
        return [random.normal(size=y.shape) for y in self.y]

    @functools.cached_property
    def gradients(self) -> list[np.ndarray]:
        """Gradients at the input, as `gradients_at` gives them."""
        return self.gradients_at(self.each(double))

    def gradients_at(self, x: Any) -> list[np.ndarray]:
        """Gradients in float64 by every array of x and every trainable weight."""
        with float64_context():
            return gradient(self.double, x, self.cotangents)[1]

    def corrupted(self, value: float) -> list[np.ndarray]:
        """The output where this value stands in the middle of the first example."""
        self.need_floats()
        key = str(float(value))
        if key not in self._corrupted:
            arrays = [a.copy() for a in self.leaves]
            middle = (0, *(n // 2 for n in arrays[0].shape[1:-1]), 0)
            arrays[0][middle[: arrays[0].ndim]] = value
            x = keras.tree.pack_sequence_as(self.x, arrays)
            self._corrupted[key] = self.run(self.layer, x)
        return self._corrupted[key]

    @property
    def shape(self) -> Any:
        """The shape of each array of the input."""
        return shapes_of(self.x)

    @property
    def leaves(self) -> list[np.ndarray]:
        """The arrays of the input."""
        return keras.tree.flatten(self.x)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels, of an input of one array."""
        first = getattr(self.layer, "data_format", None) == "channels_first"
        return 1 if first else self.x.ndim - 1

    def built(self, x: Any = None, **changes: Any) -> Any:
        """A new layer with the reference's weights."""
        for argument in changes:
            need(self.takes(argument), f"the constructor takes no `{argument}`")
        layer = self.make(**changes)
        layer.build(shapes_of(self.x if x is None else x))
        layer.set_weights(self.weights)
        return layer

    def takes(self, argument: str) -> bool:
        """Whether the constructor takes an argument, `dtype` perhaps as `**kwargs`."""
        named = inspect.signature(type(self.layer).__init__).parameters
        common = argument in ("name", "trainable", "dtype")
        return argument in named or (
            common and any(p.kind == p.VAR_KEYWORD for p in named.values())
        )

    def run(self, layer: Any, x: Any = None, **kwargs: Any) -> list[np.ndarray]:
        """The outputs as a list of NumPy arrays."""
        outputs = layer(self.x if x is None else x, **kwargs)
        return [array(y) for y in keras.tree.flatten(outputs)]

    def each(self, function: Callable[[Any], Any]) -> Any:
        """The input with a function applied to each of its arrays."""
        return keras.tree.map_structure(function, self.x)

    def model(self, layer: Any = None, sizes: Any = None) -> Any:
        """A functional model of the layer alone."""
        inputs = self.each(
            lambda a: keras.Input(
                a.shape[1:] if sizes is None else sizes, dtype=dtype_of(a)
            )
        )
        return keras.Model(inputs, (layer or self.built())(inputs))

    def same(
        self, got: Any, expected: Any, what: str, tolerance: float | None = None
    ) -> None:
        """As the function `same`, by default within the case's tolerance."""
        same(got, expected, what, self.tolerance if tolerance is None else tolerance)

    def same_as_layer(self, other: Any) -> None:
        """Another layer takes the reference's weights and gives its outputs."""
        expected = [tuple(w.shape) for w in self.layer.weights]
        equal([tuple(w.shape) for w in other.weights], expected, "shapes of weights")
        other.set_weights(self.weights)
        if not self.random:
            self.same(self.run(other), self.y, "its outputs")

    def need_values(self) -> None:
        """Skip a random layer."""
        need(not self.random, "the layer is random")

    def need_floats(self) -> None:
        """Skip a layer of integers."""
        need(
            all(a.dtype.kind == "f" for a in self.leaves), "the input is not of floats"
        )

    def need_float_outputs(self) -> None:
        """Skip a layer that gives integers."""
        need(all(y.dtype.kind == "f" for y in self.y), "the output is not of floats")

    def need_one_input(self) -> None:
        """Skip a layer of several inputs."""
        need(isinstance(self.x, np.ndarray), "the layer has several inputs")

    def need_independence(self) -> None:
        """Skip a layer whose outputs depend on the other examples."""
        self.need_values()
        need(self.batch_independent, "examples depend on each other")

    def need_training(self) -> None:
        """Skip on a backend that does not train."""
        backend = keras.backend.backend()
        need(backends.BACKENDS[backend].trains, f"{backend} does not train")


# ------------------------------------------------------------------- comparisons


def array(x: Any) -> np.ndarray:
    """A NumPy array of a tensor, of a dtype that NumPy itself has."""
    values = np.asarray(keras.ops.convert_to_numpy(x))
    return (
        values.astype("float32") if dtype_of(x) in ("float16", "bfloat16") else values
    )


def dtype_of(x: Any) -> str:
    """The name of the dtype of a tensor or an array."""
    return keras.backend.standardize_dtype(x.dtype)


def shapes_of(x: Any) -> Any:
    """The shape of each array, in the structure that they stand in."""
    return keras.tree.map_structure(lambda a: tuple(a.shape), x)


def computed_shapes(layer: Any, shape: Any) -> list[tuple[int | None, ...]]:
    """What `compute_output_shape` says, as a list of tuples."""
    found: list[tuple[int | None, ...]] = []
    try:
        shapes = layer.compute_output_shape(shape)
    except NotImplementedError as error:
        raise Skip("`compute_output_shape` is not implemented") from error
    keras.tree.map_shape_structure(lambda s: found.append(tuple(s)), shapes)
    return found


def same(
    got: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    what: str,
    tolerance: float,
) -> None:
    """Arrays agree within a tolerance, relative to the largest value of each."""
    equal(len(got), len(expected), f"{what}: number of outputs")
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape, f"{what}: expected shape {b.shape}, got {a.shape}"
        if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
            assert np.array_equal(a, b), f"{what}: expected {b}, got {a}"
            continue
        a, b = double(a), double(b)
        scale = max(1.0, np.max(np.abs(b), initial=0, where=np.isfinite(b)))
        close = np.isclose(a, b, tolerance, tolerance * scale, equal_nan=True)
        if not close.all():
            at = tuple(np.argwhere(~close)[0].tolist())
            raise AssertionError(
                f"{what}: expected {b[at]:.9g} at {at}, got {a[at]:.9g}; "
                f"{np.sum(~close)} of {close.size} values differ"
            )


def equal(got: Any, expected: Any, what: str) -> None:
    """Two values are the same."""
    assert got == expected, f"{what}: expected {expected}, got {got}"


# ---------------------------------------------------------------------- by backend


def float64_context() -> contextlib.AbstractContextManager[Any]:
    """A context in which the backend can hold float64."""
    return HERE.float64()


def gradient(
    layer: Any, x: Any, cotangents: Sequence[np.ndarray]
) -> tuple[float, list[np.ndarray]]:
    """Gradients of the sum of outputs times cotangents.

    Args:
        layer: A built layer.
        x: Its input: an array, or a list or dict of arrays.
        cotangents: One array for each output.

    Returns:
        The sum, and the gradients by every array of x and every trainable weight.

    Raises:
        NotImplementedError: The backend does not train.
    """
    total, gradients = HERE.gradient(layer, x, cotangents)
    return float(total), [array(g) for g in gradients]
