"""A network as a chain of steps, for the backends to write in their own way.

Images have their channels last: `(batch, height, width, channels)`.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasconv._keras import keras

__all__ = [
    "Activate",
    "Convolve",
    "Flatten",
    "Multiply",
    "Pool",
    "Step",
    "bytes_an_image",
    "multiplications",
    "steps_of",
]

Pair = tuple[int, int]

# The frozen value of a variable.
Value = Callable[[Any], np.ndarray]

ACTIVATIONS = ("relu", "tanh", "sigmoid", "softsign", "softmax")


@dataclass(frozen=True, eq=False)
class Convolve:
    """Sums over windows: `kernel` is `(height, width, channels, filters)`."""

    kernel: np.ndarray
    bias: np.ndarray
    strides: Pair
    pads: tuple[Pair, Pair]
    """Zeros before and after, along the height and along the width."""

    size: Pair
    """Height and width of what comes out."""


@dataclass(frozen=True, eq=False)
class Multiply:
    """A Dense layer: `kernel` is `(inputs, outputs)`."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Pool:
    """The largest or the mean value of each window, none of which is incomplete."""

    kind: str
    size: Pair
    strides: Pair


@dataclass(frozen=True)
class Activate:
    """A function of each value, or "softmax" over the last axis of two."""

    name: str


@dataclass(frozen=True)
class Flatten:
    """All values of an image in one row, the channels of a pixel side by side."""


@dataclass(frozen=True)
class Average:
    """The mean over height and width."""


Step = Convolve | Multiply | Pool | Activate | Flatten | Average


class _UnknownError(Exception):
    """The network has something in it that no step says."""


@dataclass(frozen=True)
class _Called:
    """A layer, and the shapes of what it takes and gives."""

    layer: Any
    taken: tuple
    given: tuple


def steps_of(model: Any, weights: Sequence[np.ndarray]) -> list[Step] | None:
    """The steps of a network with these weights instead of its own.

    Args:
        model: A Keras model with one input and one output.
        weights: A value for each of `model.weights`.

    Returns:
        The steps; None if the network is no chain of layers that are known here, or
        does not compute in float32.
    """
    values = {id(v): w for v, w in zip(model.weights, weights, strict=True)}
    steps: list[Step] = []
    try:
        for called in _chain(model):
            read = _READERS.get(type(called.layer))
            if read is None or called.layer.dtype_policy.name != "float32":
                return None
            steps += read(called, lambda weight: values[id(weight)], steps)
    except (_UnknownError, KeyError, AttributeError):
        return None
    return steps


def _chain(model: Any) -> list[Any]:
    """The layers one after the other, each of which takes what the last one gives."""
    functional = getattr(model, "_functional", model)
    tensor = functional.inputs[0]
    if tensor.dtype != "float32":
        raise _UnknownError
    layers = []
    for _, nodes in sorted(functional._nodes_by_depth.items(), reverse=True):
        (node,) = nodes if len(nodes) == 1 else (None,)
        if node is None:
            raise _UnknownError
        if type(node.operation) is keras.layers.InputLayer:
            continue
        # A layer that is told to train, say, does something else than its kind does.
        told = any(node.arguments.kwargs.values()) or len(node.arguments.args) > 1
        if told or len(node.input_tensors) != 1 or node.input_tensors[0] is not tensor:
            raise _UnknownError
        layers.append(
            _Called(node.operation, tensor.shape, node.output_tensors[0].shape)
        )
        tensor = node.output_tensors[0]
    if tensor is not functional.outputs[0]:
        raise _UnknownError
    return layers


def _convolution(called: _Called, value: Value, steps: list) -> list[Step]:
    layer = called.layer
    if layer.data_format != "channels_last" or layer.padding not in ("valid", "same"):
        raise _UnknownError
    if tuple(layer.dilation_rate) != (1, 1) or layer.groups != 1:
        raise _UnknownError
    kernel = value(layer.kernel)
    size = tuple(called.given[1:3])
    taken = called.taken[1:3]
    pads = []
    for n, m, k, s in zip(taken, size, kernel.shape, layer.strides, strict=False):
        missing = max((m - 1) * s + k - n, 0) if layer.padding == "same" else 0
        pads.append((missing // 2, missing - missing // 2))
    bias = _bias(layer, value, kernel)
    step = Convolve(kernel, bias, tuple(layer.strides), (pads[0], pads[1]), size)
    return [step, *_activation(called)]


def _dense(called: _Called, value: Value, steps: list) -> list[Step]:
    layer = called.layer
    if len(called.taken) != 2:
        raise _UnknownError
    kernel = value(layer.kernel)
    step = Multiply(kernel, _bias(layer, value, kernel))
    return [step, *_activation(called)]


def _bias(layer: Any, value: Value, kernel: np.ndarray) -> np.ndarray:
    if layer.bias is None:
        return np.zeros(kernel.shape[-1], np.float32)
    return value(layer.bias)


def _normalisation(called: _Called, value: Value, steps: list) -> list[Step]:
    """Fold the moving mean and variance into the sums before."""
    layer = called.layer
    if not steps or not isinstance(steps[-1], Convolve | Multiply):
        raise _UnknownError
    if layer.axis not in (-1, len(called.taken) - 1):
        raise _UnknownError
    scale = 1 / np.sqrt(value(layer.moving_variance).astype("float64") + layer.epsilon)
    if layer.scale:
        scale = scale * value(layer.gamma)
    before = steps.pop()
    bias = (before.bias - value(layer.moving_mean).astype("float64")) * scale
    if layer.center:
        bias = bias + value(layer.beta)
    kernel = np.float32(before.kernel * scale)
    return [replace(before, kernel=kernel, bias=np.float32(bias))]


def _pool(called: _Called, value: Value, steps: list) -> list[Step]:
    layer = called.layer
    size, strides = tuple(layer.pool_size), tuple(layer.strides)
    complete = layer.padding == "valid" or all(
        n % s == 0 and k == s
        for n, k, s in zip(called.taken[1:3], size, strides, strict=True)
    )
    if layer.data_format != "channels_last" or not complete:
        raise _UnknownError
    kind = "max" if type(layer) is keras.layers.MaxPooling2D else "mean"
    return [Pool(kind, size, strides)]


def _flatten(called: _Called, value: Value, steps: list) -> list[Step]:
    layer = called.layer
    if layer.data_format != "channels_last":
        raise _UnknownError
    return [Flatten()]


def _average(called: _Called, value: Value, steps: list) -> list[Step]:
    layer = called.layer
    if layer.data_format != "channels_last" or layer.keepdims:
        raise _UnknownError
    return [Average()]


def _relu(called: _Called, value: Value, steps: list) -> list[Step]:
    layer = called.layer
    if (layer.max_value, layer.negative_slope, layer.threshold) != (None, 0, 0):
        raise _UnknownError
    return [Activate("relu")]


def _activation(called: _Called) -> list[Step]:
    function = called.layer.activation
    if function is keras.activations.linear:
        return []
    for name in ACTIVATIONS:
        if function is getattr(keras.activations, name):
            if name == "softmax" and len(called.given) != 2:
                break
            return [Activate(name)]
    raise _UnknownError


def _nothing(called: _Called, value: Value, steps: list) -> list[Step]:
    return []


_READERS: dict[type, Callable[[_Called, Value, list], list[Step]]] = {
    keras.layers.Conv2D: _convolution,
    keras.layers.Dense: _dense,
    keras.layers.BatchNormalization: _normalisation,
    keras.layers.MaxPooling2D: _pool,
    keras.layers.AveragePooling2D: _pool,
    keras.layers.GlobalAveragePooling2D: _average,
    keras.layers.Flatten: _flatten,
    keras.layers.ReLU: _relu,
    keras.layers.Activation: lambda called, *_: _activation(called),
    keras.layers.Dropout: _nothing,
}


def multiplications(steps: list[Step]) -> int:
    """How many multiplications one image takes; at least 1."""
    found = 1
    for step in steps:
        if isinstance(step, Convolve):
            found += math.prod(step.size) * step.kernel.size
        elif isinstance(step, Multiply):
            found += step.kernel.size
    return found


def smaller(steps: list[Step]) -> list[Step]:
    """The same steps with ReLU after a pool, which leaves fewer values for it."""
    steps = list(steps)
    for i, (first, second) in enumerate(itertools.pairwise(steps)):
        if (first, getattr(second, "kind", None)) == (Activate("relu"), "max"):
            steps[i], steps[i + 1] = second, first
    return steps


def bytes_an_image(steps: list[Step]) -> int:
    """What the convolution with the largest result gives for one image, in float32."""
    results = (
        4 * math.prod(s.size) * s.kernel.shape[3]
        for s in steps
        if isinstance(s, Convolve)
    )
    return max(results, default=1)


def images_that_fit(steps: list[Step], cache: int = 1 << 20) -> int:
    """How many images to take at a time so that what is computed stays in the cache."""
    largest = max(
        (
            4 * math.prod(s.size) * (math.prod(s.kernel.shape[:3]) + s.kernel.shape[3])
            for s in steps
            if isinstance(s, Convolve)
        ),
        default=1,
    )
    return max(1, 2 * cache // largest)
