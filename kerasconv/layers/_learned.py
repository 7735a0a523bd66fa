"""LearnedConv: Keras's convolution, of any rank and with any border."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv import kernels as classical
from kerasconv._arguments import (
    BORDER_MODES,
    PADDINGS,
    Ints,
    check_bool,
    check_choice,
    check_int,
    check_ints,
    check_name,
    check_rank,
    numbers,
    plain,
    spatial_rank,
    spend,
)
from kerasconv._keras import keras
from kerasconv.layers._base import NumbersLayer, real_inputs
from kerasconv.window.convolution import check_conv, conv_window, convolution
from kerasconv.window.geometry import Window, check_data_format
from kerasconv.window.native import constant, must_stay_empty

if TYPE_CHECKING:
    from keras.layers import Layer as _KerasConv
else:
    # Keras's own convolutions share one base class of any rank, which they do not
    # export; it brings the weights, their regularizers and constraints, and LoRA.
    _KerasConv = keras.layers.Conv1D.__base__


@keras.saving.register_keras_serializable(package="kerasconv")
class LearnedConv(NumbersLayer, _KerasConv):
    """Learned convolution of 1, 2 or 3 spatial axes.

    `y[i, f] = bias[f] + sum over k, c of kernel[k, c, f] * x[i * strides + k *
    dilation_rate - padding, c]`: with the same weights equal to
    `keras.layers.Conv1D`, `Conv2D`, `Conv3D`, whose weights have the same names and
    shapes; the rank comes from the input.

    Args:
        filters: Positive int, the number of learned filters.
        kernel_size: Positive int, or one per spatial axis. Default 3.
        strides: Positive int, or one per spatial axis. Default 1.
        padding: `"valid"` (default), `"same"`, or at rank 1 `"causal"`: no output
            sees a later input.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        dilation_rate: Positive int, or one per spatial axis. Default 1; not together
            with strides.
        groups: Positive int: the channels are split into as many groups, each with
            filters of its own. Default 1.
        activation: Name or function of an activation; None (default) for none.
        use_bias: Whether to add a bias. Default True.
        kernel_initializer: Any Keras initializer; or `"prewitt"` or `"sobel"`, to
            start from the derivatives (filter f along axis f modulo the rank, the
            mean over the channels); or an array: one kernel of the kernel's size, or
            several along a leading axis, used in turn in the same way, or one of the
            weights' full shape `(*kernel_size, channels / groups, filters)`.
        bias_initializer, kernel_regularizer, bias_regularizer: As Keras's
            convolutions take them.
        activity_regularizer, kernel_constraint, bias_constraint: Likewise.
        border_mode: What lies outside under "same" and "causal", equal to
            `numpy.pad` of that name: `"constant"` (default, zeros), `"edge"`, and
            under "same" `"symmetric"`, `"reflect"`, `"wrap"`.
        flip: False (default) is cross-correlation, as every deep-learning library
            has it; True the convolution of a textbook, the kernel flipped on every
            spatial axis.
        fixed_filters: Array of frozen filters, in the forms that
            `kernel_initializer` takes: their outputs follow those of the learned
            ones, without bias. Default None.
        rank: Number of spatial axes that the input must have; None (default) takes
            it from the input.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Returns:
        Tensor `(batch, *new_spatial, filters + fixed filters)`, or channels first.

    Raises:
        ValueError: An argument is out of its range, or does not fit the input.

    Example:
    >>> LearnedConv(8, kernel_initializer="sobel")(np.ones((1, 28, 28, 1))).shape
    (1, 26, 26, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Ints = 3,
        strides: Ints = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Ints = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        border_mode: str = "constant",
        flip: bool = False,
        fixed_filters: Any = None,
        rank: int | None = None,
        **kwargs: Any,
    ):
        filters, groups = check_int("filters", filters), check_int("groups", groups)
        if filters % groups:
            raise ValueError(
                "`groups` must divide `filters`. "
                f"Received: groups={groups!r}, filters={filters!r}"
            )
        start = kernel_initializer
        if _is_array(start) or start in tuple(classical.OPERATORS):
            start = "zeros"  # `build` makes the array of the weights' shape
        # The rank is not known yet: `build` settles what depends on it.
        super().__init__(
            rank=1,
            filters=filters,
            kernel_size=1,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=start,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            data_format=check_data_format(data_format),
            **kwargs,
        )
        self.input_spec = None
        self.kernel_size = check_ints("kernel_size", kernel_size)
        self.strides = check_ints("strides", strides)
        self.dilation_rate = check_ints("dilation_rate", dilation_rate)
        self.padding = check_name("padding", padding, (*PADDINGS, "causal"))
        self.border_mode = check_choice("border_mode", border_mode, BORDER_MODES)
        self.flip = check_bool("flip", flip)
        check_conv(
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            border_mode=self.border_mode,
        )
        if fixed_filters is not None and groups > 1:
            raise ValueError(
                "`fixed_filters` needs `groups=1`. "
                f"Received: groups={groups!r} and fixed_filters={fixed_filters!r}"
            )
        self._start = None if start is kernel_initializer else kernel_initializer
        if _is_array(self._start):
            self._start = numbers("kernel_initializer", self._start)
        self._fixed = None
        if fixed_filters is not None:
            self._fixed = numbers("fixed_filters", fixed_filters)
        # The config keeps what was given, whatever rank it is built for.
        self._given = {
            "kernel_size": plain(self.kernel_size),
            "strides": plain(self.strides),
            "dilation_rate": plain(self.dilation_rate),
            "rank": check_rank(rank),
        }

    def window_for(self, input_shape: Any) -> Window:
        """The `Window` for an input of that shape, which must fit it."""
        window = conv_window(
            spatial_rank(input_shape, self._given["rank"]),
            kernel_size=self._given["kernel_size"],
            strides=self._given["strides"],
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self._given["dilation_rate"],
            border_mode=self.border_mode,
        )
        window.check(input_shape)
        return window

    def build(self, input_shape: Any) -> None:
        """Settle the rank and create the weights."""
        self.window = window = self.window_for(input_shape)
        channels = input_shape[window.channel_axis]
        if channels is None:
            raise ValueError(
                "The number of channels must be known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.rank, self.kernel_size = window.rank, window.size
        self.strides, self.dilation_rate = window.strides, window.dilation
        if self._start is not None:
            self.kernel_initializer = self._initialize
        super().build(input_shape)
        # The window says more of an input of another rank than Keras would.
        last = self.data_format == "channels_last"
        self.input_spec = keras.layers.InputSpec(axes={-1 if last else 1: channels})
        if self._fixed is not None:
            self._fixed_kernel = constant(
                _spread("fixed_filters", self._fixed, (*window.size, channels))
            )

    def _initialize(self, shape, dtype=None):
        start = self._start
        if isinstance(start, str):
            if len(set(self.kernel_size)) > 1:
                raise ValueError(
                    f"`kernel_size` must be the same on every axis to start from "
                    f"{start!r}. Received: kernel_size={self.kernel_size}"
                )
            operator = classical.OPERATORS[start]
            start = operator(self.rank, kernel_size=self.kernel_size[0])
        kernel = _spread("kernel_initializer", start, shape[:-1], shape[-1])
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)

    def call(self, inputs: Any) -> Any:
        """Convolve."""
        kernel, bias = keras.ops.convert_to_tensor(self.kernel), self.bias
        if self._fixed is not None:
            fixed = keras.ops.convert_to_tensor(self._fixed_kernel, kernel.dtype)
            kernel = keras.ops.concatenate([kernel, fixed], axis=-1)
            if bias is not None:
                zeros = keras.ops.zeros(fixed.shape[-1:], dtype=kernel.dtype)
                bias = keras.ops.concatenate([bias, zeros])
        x = real_inputs(inputs, self.compute_dtype)
        outputs = convolution(x, kernel, self.window, flip=self.flip)
        if must_stay_empty(outputs):
            return outputs
        if bias is not None:
            if self.data_format == "channels_first":
                bias = keras.ops.reshape(bias, (-1,) + (1,) * self.rank)
            # Not `keras.ops.add`: on TensorFlow it takes such a bias for one along
            # the last axis where that is as long as there are filters.
            outputs = outputs + bias
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the output for an input of that shape."""
        filters = self.filters
        window = self.window_for(input_shape)
        if self._fixed is not None:
            many = self._fixed.ndim > window.rank
            last = self._fixed.ndim == window.rank + 2
            filters += self._fixed.shape[-1 if last else 0] if many else 1
        return window.output_shape(input_shape, filters)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config = {
            **super().get_config(),
            **self._given,
            "border_mode": self.border_mode,
            "flip": self.flip,
            "fixed_filters": plain(self._fixed),
        }
        if self._start is not None:
            config["kernel_initializer"] = plain(self._start)
        return config


def _is_array(value):
    return isinstance(value, (list, tuple, np.ndarray))


def _spread(name, array, shape, filters=None):
    """An array of kernels as weights of `shape + (filters,)`.

    A kernel without a channel axis answers to the mean over the channels, and few
    kernels are used in turn.
    """
    *size, channels = shape
    if array.ndim == len(size) + 2 and array.shape[:-1] == tuple(shape):
        if filters in (None, array.shape[-1]):
            return array
    elif array.shape[-len(size) :] == tuple(size) and array.ndim <= len(size) + 1:
        kernels = array.reshape(-1, *size)
        if filters is None:  # else as many are stored as weights
            spend(math.prod(shape) * len(kernels))
        turns = np.arange(len(kernels) if filters is None else filters) % len(kernels)
        kernels = np.moveaxis(kernels[turns], 0, -1)[..., None, :] / channels
        return np.repeat(kernels, channels, axis=-2)
    raise ValueError(
        f"`{name}` must have the kernel's shape {tuple(size)}, several of it along a "
        f"leading axis, or the weights' shape {(*shape, filters or 'filters')}. "
        f"Received: {name} of shape {array.shape}"
    )
