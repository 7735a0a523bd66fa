"""Whether a prepared picture is a digit: a small network that needs no backend.

It tells twelve classes apart: the digits, what is none, and several digits at once. So
a picture can be prepared, and refused, before any model is loaded, with the same answer
on every backend. Its weights are made by `python tests/judging.py`.
"""

from functools import cache
from importlib import resources

import numpy as np

# Images that are judged at a time: what is computed for more does not fit the caches.
_BATCH = 32


def scores(images: np.ndarray) -> np.ndarray:
    """How sure it is that each image is a digit, and which.

    Args:
        images: prepared digits, float32 of shape (batch, 28, 28), values in [0, 1].

    Returns:
        Log-probabilities of shape (batch, 12): of 0 to 9, of no digit, and of several.
    """
    images = np.asarray(images, np.float32)
    parts = [
        _answer(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)
    ] or [np.zeros((0, 12), np.float32)]
    return np.concatenate(parts)


def digit_odds(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm of the odds that each image is one digit, and several.

    Returns:
        Two arrays of shape (batch,): one digit of any class, and two or more.
    """
    logs = scores(images).astype(np.float64)
    one, others = (
        np.logaddexp.reduce(part, 1) for part in (logs[:, :10], logs[:, 10:])
    )
    return one - others, logs[:, 11] - np.logaddexp(one, logs[:, 10])


def min_confidence() -> float:
    """The probability that at least 99 of 100 digits of photographs reach."""
    return float(_weights()["min confidence"])


def stored() -> dict[str, np.ndarray]:
    """The network as it is kept: one byte a weight, and what one step is worth.

    `name` holds the bytes and `name step` the worth, an output at a time; biases and
    `min confidence` are numbers.
    """
    file = resources.files("kerasconv.pictures") / "_judge.npz"
    with file.open("rb") as stream, np.load(stream) as arrays:
        return dict(arrays)


@cache
def _weights() -> dict[str, np.ndarray]:
    kept = stored()
    return {
        name: kept[name].astype(np.float32) * kept.get(f"{name} step", np.float32(1))
        for name in kept
        if not name.endswith(" step")
    }


def _answer(images: np.ndarray) -> np.ndarray:
    w = _weights()
    x = images[..., None]
    for i in "12":
        # The largest stays the largest: the bias and ReLU come after, on a quarter.
        x = np.maximum(_pooled(_convolved(x, w[f"kernel{i}"])) + w[f"bias{i}"], 0)
    x = x.reshape(len(x), -1)
    x = np.maximum(x @ w["dense"] + w["dense bias"], 0)
    x = x @ w["logits"] + w["logits bias"]
    x -= x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def _convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A 3 x 3 convolution without a border, as one product of matrices."""
    count, height, width, _ = x.shape
    windows = np.concatenate(
        [
            x[:, i : height - 2 + i, j : width - 2 + j]
            for i in range(3)
            for j in range(3)
        ],
        axis=-1,
    )
    kernel = kernel.reshape(-1, kernel.shape[-1])
    product = windows.reshape(-1, len(kernel)) @ kernel
    return product.reshape(count, height - 2, width - 2, -1)


def _pooled(x: np.ndarray) -> np.ndarray:
    """The largest of every 2 x 2; an odd last row or column falls away."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :height, :width]
    x = np.maximum(x[:, ::2], x[:, 1::2])
    return np.maximum(x[:, :, ::2], x[:, :, 1::2])
