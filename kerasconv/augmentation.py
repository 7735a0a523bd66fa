"""Random changes of training images that Keras has no layer for.

They change images in training only (`training=True`), each image by itself, and keep
the values in [0, 1], like Keras's own (`RandomRotation`, `RandomErasing`, ...).
"""

from typing import Any

import numpy as np

from kerasconv._arguments import (
    check_given,
    check_int,
    check_number,
    check_seed,
    check_share,
)
from kerasconv._keras import keras

__all__ = ["RandomGain", "RandomInversion", "RandomNoise", "RandomWarp"]


class _OfImages(keras.layers.Layer):
    """Base: refuses what are no images before Keras makes a tensor of it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As of every Keras layer."""
        if args:
            check_given("images", args[0], lists=False)
            if len(args[0].shape) != 4:
                raise ValueError(
                    "`images` must have four axes: batch, height, width, channels. "
                    f"Received: shape {tuple(args[0].shape)}"
                )
        return super().__call__(*args, **kwargs)


class _RandomPerImage(_OfImages):
    """Base: a strength for each image, and a change by it in training.

    Args:
        factor: The greatest strength.
        seed: Int. Default: a random one.
        **kwargs: What every Keras layer takes.
    """

    def __init__(self, factor: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = check_share("factor", factor)
        self.seed = None if seed is None else check_seed(seed)
        self.generator = keras.random.SeedGenerator(seed)

    def change(self, images: Any, uniform: Any) -> Any:
        """The changed images, for one uniform random number in [0, 1) an image."""
        raise NotImplementedError

    def call(self, images: Any, training: bool = False) -> Any:
        """Change the images in training, give them back otherwise."""
        if not training:
            return images
        shape = (keras.ops.shape(images)[0], *[1] * (len(images.shape) - 1))
        uniform = keras.random.uniform(shape, dtype=images.dtype, seed=self.generator)
        return keras.ops.clip(self.change(images, uniform), 0.0, 1.0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor, "seed": self.seed}


@keras.saving.register_keras_serializable(package="kerasconv")
class RandomGain(_RandomPerImage):
    """Multiplies each image by a number from `1 - factor` to `1 + factor`.

    `keras.layers.RandomContrast` scales about the mean and so lifts the ground of a
    dark image; this scales about 0.
    """

    def change(self, images: Any, uniform: Any) -> Any:
        """Scale."""
        return images * (1 + self.factor * (2 * uniform - 1))


@keras.saving.register_keras_serializable(package="kerasconv")
class RandomNoise(_RandomPerImage):
    """Adds Gaussian noise of a standard deviation from 0 to `factor` to each image.

    `keras.layers.GaussianNoise` has one deviation for all images, and then clean ones
    are never seen in training.
    """

    def change(self, images: Any, uniform: Any) -> Any:
        """Add the noise."""
        noise = keras.random.normal(
            keras.ops.shape(images), dtype=images.dtype, seed=self.generator
        )
        return images + self.factor * uniform * noise


@keras.saving.register_keras_serializable(package="kerasconv")
class RandomInversion(_RandomPerImage):
    """Inverts a random rectangle, light for dark, in a share `factor` of the images.

    Its height and its width are those between two points at random along each axis.
    `keras.layers.RandomInvert` inverts whole images.
    """

    def change(self, images: Any, uniform: Any) -> Any:
        """Invert."""
        count = keras.ops.shape(images)[0]
        chosen = uniform < self.factor
        for axis, length in ((1, images.shape[1]), (2, images.shape[2])):
            ends = keras.random.uniform(
                (count, 2), 0, length, dtype=images.dtype, seed=self.generator
            )
            shape = [-1, 1, 1, 1]
            low = keras.ops.reshape(keras.ops.min(ends, axis=1), shape)
            high = keras.ops.reshape(keras.ops.max(ends, axis=1), shape)
            shape[axis], shape[0] = length, 1
            place = keras.ops.reshape(keras.ops.arange(length, dtype="float32"), shape)
            chosen = chosen & (place >= low) & (place < high)
        return keras.ops.where(chosen, 1 - images, images)


@keras.saving.register_keras_serializable(package="kerasconv")
class RandomWarp(_OfImages):
    """Turns, scales, shears, shifts and bends each image, in one interpolation.

    `keras.layers.RandomRotation`, `RandomZoom`, `RandomShear`, `RandomTranslation` and
    `RandomElasticTransform` one after the other interpolate five times, and what they
    give is blurred as no image outside of training is.

    A pixel of the result takes its value, bilinearly, from the place
    `R(a) · S · (position - centre) + centre + shift + bend` of the image, and 0
    where that lies outside. Training images only; channels last.

    Args:
        rotation: Greatest angle, in degrees, either way.
        zoom: Greatest change of the scale, of each axis by itself: 0.1 is from 0.9
            to 1.1.
        shear: Greatest shear.
        shift: Greatest shift along each axis, in pixels.
        bend: Standard deviation of the elastic displacement, in pixels: random
            vectors on a grid of `grid` by `grid`, interpolated between.
        grid: Vectors along each axis.
        seed: Int. Default: a random one.
        **kwargs: What every Keras layer takes.

    Reference:
        P. Y. Simard, D. Steinkraus, J. C. Platt, "Best practices for convolutional
        neural networks applied to visual document analysis", ICDAR 2003.
    """

    def __init__(
        self,
        rotation: float = 0.0,
        zoom: float = 0.0,
        shear: float = 0.0,
        shift: float = 0.0,
        bend: float = 0.0,
        grid: int = 5,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rotation = check_number("rotation", rotation)
        self.zoom, self.shear = check_number("zoom", zoom), check_number("shear", shear)
        self.shift, self.bend = check_number("shift", shift), check_number("bend", bend)
        self.grid = check_int("grid", grid)
        self.seed = None if seed is None else check_seed(seed)
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Warp the images in training, give them back otherwise."""
        if not training:
            return images
        ops = keras.ops
        count, (height, width) = ops.shape(images)[0], images.shape[1:3]
        middle = (height - 1) / 2, (width - 1) / 2
        row, column = np.indices((height, width)).astype("float32")
        row, column = (row - middle[0])[None], (column - middle[1])[None]
        angle = self._uniform(count, np.deg2rad(self.rotation))
        cos, sin = ops.cos(angle), ops.sin(angle)
        tall = (1 + self._uniform(count, self.zoom)) * row
        wide = (1 + self._uniform(count, self.zoom)) * column
        wide = wide + self._uniform(count, self.shear) * tall
        bend = self._bend(count, height, width)
        y = cos * tall - sin * wide + middle[0] + self._uniform(count, self.shift)
        x = sin * tall + cos * wide + middle[1] + self._uniform(count, self.shift)
        return _sampled(images, y + bend[..., 0], x + bend[..., 1])

    def _uniform(self, count: Any, limit: float) -> Any:
        return keras.random.uniform((count, 1, 1), -limit, limit, seed=self.generator)

    def _bend(self, count: Any, height: int, width: int) -> Any:
        vectors = keras.random.normal(
            (count, self.grid, self.grid, 2), stddev=self.bend, seed=self.generator
        )
        return keras.ops.image.resize(
            vectors, (height, width), interpolation="bilinear"
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = ("rotation", "zoom", "shear", "shift", "bend", "grid", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _sampled(images: Any, y: Any, x: Any) -> Any:
    """The images at rows y and columns x, bilinear, 0 outside."""
    ops = keras.ops
    height, width, channels = images.shape[1:]
    flat = ops.reshape(images, (-1, height * width, channels))
    top, left = ops.floor(y), ops.floor(x)
    total = 0.0
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = ops.where(inside, down * across, 0.0)
            at = ops.clip(row, 0, height - 1) * width + ops.clip(column, 0, width - 1)
            at = ops.reshape(ops.cast(at, "int32"), (-1, height * width, 1))
            value = ops.take_along_axis(flat, at, axis=1)
            total = total + value * ops.reshape(weight, (-1, height * width, 1))
    return ops.reshape(total, (-1, height, width, channels))
