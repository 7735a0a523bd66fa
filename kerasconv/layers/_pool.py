"""Pools: LpPool, L2Pool, WeightedPool."""

import math

import numpy as np

from kerasconv import ops
from kerasconv._keras import keras
from kerasconv.layers._window import Window, WindowLayer, check_ints, plain


class _Pool(WindowLayer):
    """A pool over windows of `pool_size`."""

    def __init__(self, pool_size, strides, padding, data_format, **kwargs):
        super().__init__(strides, padding, data_format, **kwargs)
        self.pool_size = check_ints("pool_size", pool_size)

    def make_window(self, rank):
        """The `Window` of `pool_size`."""
        size = check_ints("pool_size", self.pool_size, rank)
        return Window.of(
            rank,
            size,
            size if self.strides is None else self.strides,
            data_format=self.data_format,
            padding=self.padding,
        )

    def get_config(self):
        """The arguments of the constructor."""
        return {**super().get_config(), "pool_size": plain(self.pool_size)}


@keras.saving.register_keras_serializable(package="kerasconv")
class LpPool(_Pool):
    """Pools by the p-norm: `y = (sum over the window of |x|^p)^(1/p)`.

    An all-zero window gives 0 and gradient 0. The absolute value makes odd p right
    for negative values too.

    Args:
        p: Order of the norm, a number of 1 or more.
        pool_size: Positive int, or one per spatial axis. Default 2.
        strides: Positive int, or one per spatial axis; None (default) is
            `pool_size`.
        padding: `"valid"` (default) or `"same"`; the shapes are those of Keras's
            pools.
        mean: Whether to divide the sum by the number of values of the window that
            lie inside the input. Default False.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
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
        p,
        pool_size=2,
        strides=None,
        padding="valid",
        mean=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        self.p = ops.check_order(p)
        if not isinstance(mean, bool):
            raise ValueError(f"`mean` must be True or False. Received: mean={mean!r}")
        self.mean = mean

    def call(self, inputs):
        """Pool."""
        return ops.lp_pool(
            self.to_compute_dtype(inputs),
            self.p,
            self.pool_size,
            self.strides,
            self.padding,
            self.mean,
            self.data_format,
        )

    def get_config(self):
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
        mean: Whether to divide the sum by the number of values of the window that
            lie inside the input. Default False.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
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
        pool_size=2,
        strides=None,
        padding="valid",
        mean=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(2, pool_size, strides, padding, mean, data_format, **kwargs)

    def get_config(self):
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
        weights: `"binomial"` (default, the anti-aliasing blur pool), `"gaussian"`,
            `"inverse_distance"`, an array of the window's shape (divided by its
            sum), or `"learned"`: a softmax over one logit for each window position,
            zero at first, so that training starts from average pooling.
        per_channel: Whether each channel learns weights of its own; only with
            "learned". Default False.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
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
        pool_size=3,
        strides=2,
        padding="valid",
        weights="binomial",
        per_channel=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        if isinstance(weights, str) and weights not in (*ops.POOL_WEIGHTS, "learned"):
            raise ValueError(
                f"`weights` must be one of {(*ops.POOL_WEIGHTS, 'learned')} or an "
                f"array. Received: weights={weights!r}"
            )
        if not isinstance(weights, str):
            weights = np.asarray(weights, dtype="float64")
            # The window's own size is known where it is given axis by axis.
            size = check_ints("pool_size", pool_size, max(weights.ndim, 1))
            ops.pool_weights(weights, size, padding)
        if not isinstance(per_channel, bool) or (per_channel and not _learns(weights)):
            raise ValueError(
                '`per_channel` must be False, or True with weights="learned". '
                f"Received: per_channel={per_channel!r}, weights={weights!r}"
            )
        self._given = weights
        self.per_channel = per_channel

    def build(self, input_shape):
        """Prepare the weights, or create the logits of learned ones."""
        super().build(input_shape)
        size = self.window.size
        if not _learns(self._given):
            self._kernels = ops.pool_weights(self._given, size, self.padding)
            return
        channels = input_shape[self.window.channel_axis]
        if self.per_channel and channels is None:
            raise ValueError(
                "The number of channels must be known with per_channel=True. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        shape = (math.prod(size), channels) if self.per_channel else (math.prod(size),)
        self.logits = self.add_weight(name="logits", shape=shape, initializer="zeros")

    def call(self, inputs):
        """Pool."""
        if _learns(self._given):
            logits = keras.ops.convert_to_tensor(self.logits)
            weights = keras.ops.softmax(logits, axis=0)
            weights = keras.ops.reshape(
                weights, (*self.window.size, *self.logits.shape[1:])
            )
        else:
            weights = self._kernels
        return ops.weighted_pool(
            self.to_compute_dtype(inputs),
            self.pool_size,
            self.strides,
            self.padding,
            weights,
            self.data_format,
        )

    def get_config(self):
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "weights": plain(self._given),
            "per_channel": self.per_channel,
        }


def _learns(weights):
    return isinstance(weights, str) and weights == "learned"
