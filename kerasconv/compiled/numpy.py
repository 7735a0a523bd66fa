"""Steps in NumPy: windows as the rows of a matrix, and one product for each layer."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasconv.compiled import steps as s

Forward = Callable[[np.ndarray], np.ndarray]

# Multiplications that OpenBLAS does on one thread, and those that are done so here, in
# parts: a second thread halves their time where a processor is free, and where others
# are at work it is waited for a hundred times as long.
_ONE_THREAD = 1 << 18
FEW = 10 * _ONE_THREAD


def forward(steps: list[s.Step], shape: tuple[int, ...]) -> Forward:
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
    height, width, channels, filters = step.kernel.shape
    kernel = np.ascontiguousarray(step.kernel).reshape(-1, filters)
    (down, right), (rows, columns) = step.strides, step.size
    (top, bottom), (left, rest) = step.pads
    run = width * channels
    # Copying is fast where long runs lie in one piece: of a window, or of a row of all.
    by_place = right == 1 and run < columns

    def call(x):
        if top or bottom or left or rest:
            count, inside, across, _ = x.shape
            sides = top + inside + bottom, left + across + rest
            padded = np.zeros((count, *sides, channels), x.dtype)
            padded[:, top : top + inside, left : left + across] = x
            x = padded
        x = np.ascontiguousarray(x)
        # Not `x.strides`: to an axis of length 1 NumPy gives any, such as 0.
        _, inside, across, _ = x.shape
        value = x.itemsize
        pixel, line = channels * value, across * channels * value
        image = inside * line
        seen = np.ndarray(
            (len(x), rows, columns, height, run),
            x.dtype,
            x,
            strides=(image, down * line, right * pixel, line, value),
        )
        if by_place:
            taken = seen.transpose(3, 4, 0, 1, 2).reshape(len(kernel), -1).T
        else:
            taken = seen.reshape(-1, len(kernel))
        y = _product(taken, kernel)
        y += step.bias
        return y.reshape(len(x), rows, columns, filters)

    return call


def _product(taken: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The product of two matrices, on one thread where it is small."""
    count, filters = len(taken), kernel.shape[1]
    if not _ONE_THREAD < count * kernel.size <= FEW:
        return taken @ kernel
    y = np.empty((count, filters), taken.dtype)
    if kernel.size <= _ONE_THREAD:
        size = _ONE_THREAD // kernel.size
        for rows in (slice(i, i + size) for i in range(0, count, size)):
            np.matmul(taken[rows], kernel, out=y[rows])
    else:
        size = max(1, _ONE_THREAD // taken.size)
        for columns in (slice(i, i + size) for i in range(0, filters, size)):
            np.matmul(taken, kernel[:, columns], out=y[:, columns])
    return y


def _multiply(step: s.Multiply) -> Forward:
    def call(x):
        y = _product(x, step.kernel)
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
