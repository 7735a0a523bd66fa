"""Pools: LpPool, L2Pool, WeightedPool."""

import math
from typing import Any

from kerasconv._arguments import (
    Ints,
    Number,
    check_bool,
    check_choice,
    check_ints,
    check_order,
    numbers,
    plain,
)
from kerasconv._keras import keras
from kerasconv.layers._base import WindowLayer
from kerasconv.window.geometry import Window
from kerasconv.window.pooling import lp_norms, pool_window, weighted_means
from kerasconv.window.weights import POOL_WEIGHTS, pool_weights

LEARNED = "learned"


class _Pool(WindowLayer):
    """A pool over windows of `pool_size`."""

    def __init__(self, pool_size, strides, padding, data_format, **kwargs):
        super().__init__(strides, padding, data_format, **kwargs)
        self.pool_size = check_ints("pool_size", pool_size)

    def make_window(self, rank: int) -> Window:
        """The `Window` of `pool_size`."""
        return pool_window(
            rank,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "pool_size": plain(self.pool_size)}


@keras.saving.register_keras_serializable(package="kerasconv")
class LpPool(_Pool):
    """Pools by the p-norm: `y = (sum over the window of |x|^p)^(1/p)`.

    An all-zero window gives 0 and gradient 0. The absolute value makes odd p right
    for negative values too. The second derivative by a value of 0, which the formula
    makes infinite where p < 2, is 0.

    Args:
        pool_size: Positive int, or one per spatial axis. Default 2.
        strides: Positive int, or one per spatial axis; None (default) is
            `pool_size`.
        padding: `"valid"` (default) or `"same"`; the shapes are those of Keras's
            pools.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        p: Order of the norm, a number of 1 or more.
        mean: Whether to divide the sum by the number of values of the window that
            lie inside the input. Default False.
        rank: Number of spatial axes that the input must have; None (default) takes
            it from the input.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Input shape:
        `(batch, *spatial, channels)` with 1, 2 or 3 spatial axes, or `(batch,
        channels, *spatial)`. Any size may be unknown.

    Returns:
        Tensor `(batch, *new_spatial, channels)`, or channels first.

    Raises:
        ValueError: An argument is out of its range, or does not fit the input.

    Example:
    >>> LpPool(p=3)(np.ones((1, 28, 28, 3))).shape
    (1, 14, 14, 3)

    Source: C. Gulcehre et al., "Learned-norm pooling" (2014); ONNX's LpPool.
    """

    def __init__(
        self,
        pool_size: Ints = 2,
        strides: Ints | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        *,
        p: Number,
        mean: bool = False,
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, rank=rank, **kwargs)
        self.p = check_order(p)
        self.mean = check_bool("mean", mean)

    def call(self, inputs: Any) -> Any:
        """Pool."""
        x = self.to_compute_dtype(inputs)
        return lp_norms(x, self.window, p=self.p, mean=self.mean)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "p": self.p, "mean": self.mean}


@keras.saving.register_keras_serializable(package="kerasconv")
class L2Pool(LpPool):
    """Pools by the Euclidean norm: `y = sqrt(sum over the window of x^2)`.

    Equal to `torch.nn.LPPool2d(2, pool_size)`, ONNX's LpPool and Core ML's L2
    pooling. With `mean=True` it is the root mean square. An all-zero window gives 0
    and gradient 0. Squares of float16 values are held in float32; float32 values
    should lie between 1e-19 and 1e19.

    Args:
        pool_size: Positive int, or one per spatial axis. Default 2.
        strides: Positive int, or one per spatial axis; None (default) is
            `pool_size`.
        padding: `"valid"` (default) or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        mean: Whether to divide the sum by the number of values of the window that
            lie inside the input. Default False.
        rank: Number of spatial axes that the input must have; None (default) takes
            it from the input.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Returns:
        Tensor `(batch, *new_spatial, channels)`, or channels first.

    Raises:
        ValueError: An argument is out of its range, or does not fit the input.

    Example:
    >>> L2Pool()(np.ones((1, 28, 28, 3))).shape
    (1, 14, 14, 3)
    """

    def __init__(
        self,
        pool_size: Ints = 2,
        strides: Ints | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        *,
        mean: bool = False,
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            pool_size,
            strides,
            padding,
            data_format,
            p=2,
            mean=mean,
            rank=rank,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = super().get_config()
        del config["p"]
        return config


@keras.saving.register_keras_serializable(package="kerasconv")
class WeightedPool(_Pool):
    """Pools by a weighted average: `y = sum over the window of w * x`, `sum w = 1`.

    The weights fall off with the distance from the window's centre. Under "same"
    they are renormalised over the values inside the input, so that a constant image
    stays constant. The default window is 3 with strides 2, not 2: in a window of 2
    all cells are equally far from the centre, and it is average pooling.

    Args:
        pool_size: Positive int, or one per spatial axis. Default 3.
        strides: Positive int, or one per spatial axis. Default 2; None is
            `pool_size`.
        padding: `"valid"` (default) or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        weights: `"binomial"` (default, the anti-aliasing blur pool), `"gaussian"`,
            `"inverse_distance"`, an array of the window's shape (divided by its
            sum), or `"learned"`: a softmax over one logit for each window position,
            zero at first, so that training starts from average pooling.
        per_channel: Whether each channel learns weights of its own; only with
            "learned". Default False.
        rank: Number of spatial axes that the input must have; None (default) takes
            it from the input.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Fixed weights are 0 parameters; learned ones `prod(pool_size)`, times the channels
    with `per_channel`.

    Returns:
        Tensor `(batch, *new_spatial, channels)`, or channels first.

    Raises:
        ValueError: An argument is out of its range, or does not fit the input.

    Example:
    >>> WeightedPool()(np.ones((1, 28, 28, 3))).shape
    (1, 13, 13, 3)

    Source: R. Zhang, "Making convolutional networks shift-invariant again" (2019).
    """

    def __init__(
        self,
        pool_size: Ints = 3,
        strides: Ints | None = 2,
        padding: str = "valid",
        data_format: str | None = None,
        *,
        weights: Any = "binomial",
        per_channel: bool = False,
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, rank=rank, **kwargs)
        if isinstance(weights, str):
            check_choice("weights", weights, (*POOL_WEIGHTS, LEARNED))
        else:
            weights = numbers("weights", weights).astype("float64")
            # The window's own size is known where it is given axis by axis.
            size = check_ints("pool_size", pool_size, weights.ndim)
            pool_weights(weights, size, self.padding)
        self._given = weights
        self.per_channel = check_bool("per_channel", per_channel)
        if per_channel and not self._learns:
            raise ValueError(
                '`per_channel` needs `weights="learned"`. '
                f"Received: per_channel={per_channel!r}, weights={weights!r}"
            )

    @property
    def _learns(self):
        return isinstance(self._given, str) and self._given == LEARNED

    def build(self, input_shape: Any) -> None:
        """Prepare the weights, or create the logits of learned ones."""
        super().build(input_shape)
        size = self.window.size
        if not self._learns:
            self._kernels = pool_weights(self._given, size, self.padding)
            return
        channels = input_shape[self.window.channel_axis]
        if self.per_channel and channels is None:
            raise ValueError(
                "The number of channels must be known with per_channel=True. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        shape = (math.prod(size), channels) if self.per_channel else (math.prod(size),)
        self.logits = self.add_weight(name="logits", shape=shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Pool."""
        weights = self._softmax() if self._learns else self._kernels
        return weighted_means(self.to_compute_dtype(inputs), weights, self.window)

    def _softmax(self):
        """The learned weights, in the shape of the window."""
        logits = keras.ops.convert_to_tensor(self.logits)
        weights = keras.ops.softmax(logits, axis=0)
        return keras.ops.reshape(weights, (*self.window.size, *logits.shape[1:]))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "weights": plain(self._given),
            "per_channel": self.per_channel,
        }
