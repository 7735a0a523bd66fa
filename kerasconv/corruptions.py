"""Fifteen families of corruption, to measure how robust a classifier of digits is.

The families and their strengths follow MNIST-C, so that a figure here says roughly
what one there would; the pixels are computed here, by NumPy and SciPy, from a fixed
seed. MNIST-C itself is `kerasconv evaluate --dataset mnist_corrupted/NAME`.

Reference:
    N. Mu, J. Gilmer, "MNIST-C: a robustness benchmark for computer vision", 2019.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from kerasconv._arguments import as_array, check_choice, check_seed
from kerasconv.errors import UsageError, short

__all__ = ["FAMILIES", "MNIST_C", "corrupt", "evaluate"]


def _shot_noise(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return random.poisson(x * 3) / 3


def _impulse_noise(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    chance = random.random(x.shape)
    return np.where(chance < 0.085, 0.0, np.where(chance > 1 - 0.085, 1.0, x))


def _glass_blur(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    x = _blurred(x, 0.7)
    rows, columns = np.indices(x.shape[1:])
    for _ in range(2):
        moved = [
            np.clip(axis + random.integers(-1, 2, x.shape), 0, x.shape[1] - 1)
            for axis in (rows, columns)
        ]
        x = x[np.arange(len(x))[:, None, None], moved[0], moved[1]]
    return _blurred(x, 0.7)


def _motion_blur(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    def blur(image: np.ndarray) -> np.ndarray:
        angle = random.uniform(-np.pi / 4, np.pi / 4)
        steps = np.linspace(-5, 5, 11)
        weights = np.exp(-(steps**2) / (2 * 3.0**2))
        shifted = [
            ndimage.shift(image, (s * np.sin(angle), s * np.cos(angle)), order=1)
            for s in steps
        ]
        return np.tensordot(weights / weights.sum(), shifted, 1)

    return _each(x, blur)


def _affine(matrix: Any) -> Callable[[np.ndarray], np.ndarray]:
    matrix = np.asarray(matrix)

    def change(image: np.ndarray) -> np.ndarray:
        centre = (np.array(image.shape) - 1) / 2
        return ndimage.affine_transform(
            image, matrix, centre - matrix @ centre, order=1
        )

    return change


def _shear(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return _each(x, lambda i: _affine([[1, 0], [_sign(random) * 0.4, 1]])(i))


def _scale(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return _each(x, _affine(np.eye(2) / 0.6))


def _rotate(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    def turn(image: np.ndarray) -> np.ndarray:
        a = _sign(random) * 0.4
        return _affine([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])(image)

    return _each(x, turn)


def _brightness(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return x + 0.5


def _translate(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    def move(image: np.ndarray) -> np.ndarray:
        return ndimage.shift(image, random.uniform(-4, 4, 2), order=1)

    return _each(x, move)


def _stripe(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    x = x.copy()
    x[:, :, :7] = 1 - x[:, :, :7]
    x[:, :, 14:21] = 1 - x[:, :, 14:21]
    return x


def _fog(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    # Noise of every scale: a sum of finer and finer grids, each half as strong.
    fog = np.zeros_like(x)
    for octave in range(5):
        cells = 2**octave + 1
        coarse = random.random((len(x), cells, cells))
        factor = (1, *(n / cells for n in x.shape[1:]))
        fog += ndimage.zoom(coarse, factor, order=1, grid_mode=True, mode="nearest") / (
            2**octave
        )
    low, high = (f(fog, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    strength = 1.5 * (fog - low) / (high - low)
    return (x + strength) / 2.5


def _spatter(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    drops = _blurred(random.normal(size=x.shape), 1.2)
    drops = (drops / drops.std() > 1.3).astype(x.dtype)
    return np.maximum(x, 0.75 * _blurred(drops, 0.5))


def _dotted_line(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return _with_line(x, random, amplitude=0, dash=2)


def _zigzag(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return _with_line(x, random, amplitude=3, dash=1)


def _edges(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    smooth = _blurred(x, 1.0)
    gradient = np.hypot(ndimage.sobel(smooth, 1), ndimage.sobel(smooth, 2))
    strong = gradient > 0.35 * gradient.max(axis=(1, 2), keepdims=True)
    return strong.astype(x.dtype)


FAMILIES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "shear": _shear,
    "scale": _scale,
    "rotate": _rotate,
    "brightness": _brightness,
    "translate": _translate,
    "stripe": _stripe,
    "fog": _fog,
    "spatter": _spatter,
    "dotted_line": _dotted_line,
    "zigzag": _zigzag,
    "edges": _edges,
}
"""What corrupts images in [0, 1], shape (n, height, width), by the family's name."""

# MNIST-C finds its edges by Canny's method, this module by a Sobel gradient.
MNIST_C = {family: family for family in FAMILIES} | {"edges": "canny_edges"}
"""What MNIST-C, and tensorflow-datasets after it, call each family."""


def corrupt(images: np.ndarray, family: str, seed: int = 0) -> np.ndarray:
    """Corrupted copies of grey images.

    Args:
        images: uint8, shape (n, height, width, 1), light ink on a ground of 0.
        family: A key of `FAMILIES`.
        seed: Of everything random: the same seed corrupts the same images alike.

    Returns:
        uint8 of the same shape.

    Raises:
        UsageError: no such family, or the images are others.

    Example:
        >>> image = np.zeros((1, 28, 28, 1), np.uint8)
        >>> corrupt(image, "brightness").max()
        128
    """
    check_choice("family", family, tuple(FAMILIES))
    check_seed(seed)
    images = as_array("images", images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 1:
        raise UsageError(
            "`images` must be uint8 of shape (n, height, width, 1). Received: "
            f"{images.dtype} of shape {images.shape}"
        )
    x = images[..., 0].astype(np.float32) / 255
    corrupted = FAMILIES[family](x, np.random.default_rng(seed))
    return np.round(np.clip(corrupted, 0, 1) * 255).astype(np.uint8)[..., None]


def evaluate(
    predictor: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    labels: np.ndarray,
) -> dict[str, float]:
    """Accuracy under each family, and their `mean`.

    Args:
        predictor: Images to probabilities, such as `kerasconv.predict.Predictor`.
        images: uint8, shape (n, height, width, 1).
        labels: Class of each image.

    Raises:
        UsageError: the images, the labels or what the predictor gives are others.
    """
    labels = as_array("labels", labels, 1)
    if not callable(predictor) or len(labels) != len(images):
        raise UsageError(
            "`predictor` must be a function of images, and `labels` one for each. "
            f"Received: {short(predictor)}, {len(labels)} labels, {len(images)} images"
        )
    accuracy = {}
    for family in FAMILIES:
        corrupted = corrupt(images, family)
        step = 1000
        found = [
            predictor(corrupted[i : i + step]).argmax(1)
            for i in range(0, len(corrupted), step)
        ]
        accuracy[family] = float(np.mean(np.concatenate(found) == labels))
    return {**accuracy, "mean": float(np.mean(list(accuracy.values())))}


def _each(x: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.stack([change(image) for image in x])


def _blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(x, (0, sigma, sigma))


def _sign(random: np.random.Generator) -> int:
    return int(random.choice((-1, 1)))


def _with_line(
    x: np.ndarray, random: np.random.Generator, *, amplitude: int, dash: int
) -> np.ndarray:
    """A bright line through each image, from left to right, dotted or zigzag."""
    x = x.copy()
    columns = np.arange(x.shape[2])
    for image in x:
        start, end = random.uniform(4, x.shape[1] - 5, 2)
        rows = np.linspace(start, end, len(columns))
        rows = rows + amplitude * (np.abs(columns % 4 - 2) - 1)
        rows = np.clip(np.round(rows).astype(int), 0, x.shape[1] - 1)
        drawn = columns % (2 * dash) < dash if dash > 1 else columns >= 0
        image[rows[drawn], columns[drawn]] = 1
        if amplitude:  # a zigzag's strokes are joined
            for a, b, c in zip(rows[:-1], rows[1:], columns[1:], strict=True):
                image[min(a, b) : max(a, b) + 1, c] = 1
    return x
