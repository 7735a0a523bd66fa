"""Steps in NumPy: windows as the rows of a matrix, and one product for each layer."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kerasconv.compiled import steps as s

Forward = Callable[[np.ndarray], np.ndarray]


def forward(steps: list[s.Step]) -> Forward:
    """The steps as a function of images and of nothing else."""
    size = s.images_that_fit(steps)
    calls = [_CALLS[type(step)](step) for step in s.smaller(steps)]

    def some(x: np.ndarray) -> np.ndarray:
        for call in calls:
            x = call(x)
        return x

    def run(images: np.ndarray) -> np.ndarray:
        if len(images) <= size:
            return some(images)
        starts = range(0, len(images), size)
        return np.concatenate([some(images[i : i + size]) for i in starts])

    return run


def _convolve(step: s.Convolve) -> Forward:
    height, width, _, filters = step.kernel.shape
    kernel = np.ascontiguousarray(step.kernel).reshape(-1, filters)
    down, right = step.strides
    padded = np.any(step.pads)

    def call(x):
        if padded:
            x = np.pad(x, ((0, 0), *step.pads, (0, 0)))
        seen = sliding_window_view(x, (height, width), (1, 2))[:, ::down, ::right]
        rows = seen.transpose(0, 1, 2, 4, 5, 3).reshape(-1, len(kernel))
        y = rows @ kernel
        y += step.bias
        return y.reshape(len(x), *step.size, filters)

    return call


def _multiply(step: s.Multiply) -> Forward:
    def call(x):
        y = x @ step.kernel
        y += step.bias
        return y

    return call


def _pool(step: s.Pool) -> Forward:
    (height, width), (down, right) = step.size, step.strides
    combine = np.maximum if step.kind == "max" else np.add

    def along(x, axis, size, stride):
        count = (x.shape[axis] - size) // stride + 1
        before = (slice(None),) * axis
        taps = [
            x[(*before, slice(i, i + (count - 1) * stride + 1, stride))]
            for i in range(size)
        ]
        if size == 1:
            return taps[0]
        y = combine(taps[0], taps[1])
        for tap in taps[2:]:
            combine(y, tap, out=y)
        return y

    def call(x):
        y = along(along(x, 1, height, down), 2, width, right)
        return y / np.float32(height * width) if step.kind == "mean" else y

    return call


def _activate(step: s.Activate) -> Forward:
    return _FUNCTIONS[step.name]


def _softmax(x):
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


_FUNCTIONS: dict[str, Forward] = {
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "tanh": np.tanh,
    # The form that never overflows.
    "sigmoid": lambda x: 0.5 * np.tanh(0.5 * x) + np.float32(0.5),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softmax": _softmax,
}

_CALLS: dict[type, Callable[[Any], Forward]] = {
    s.Convolve: _convolve,
    s.Multiply: _multiply,
    s.Pool: _pool,
    s.Activate: _activate,
    s.Flatten: lambda step: lambda x: x.reshape(len(x), -1),
    s.Average: lambda step: lambda x: x.mean((1, 2)),
}
