"""Convolution with any kernel and any border: what LearnedConv and `ops.conv` do."""

from typing import Any

from kerasconv._arguments import PADDINGS, check_ints, check_name
from kerasconv._keras import keras
from kerasconv.window.geometry import Window
from kerasconv.window.native import cast, conv, dtype_of, empty

__all__ = ["check_conv", "conv_window", "convolution"]


def check_conv(
    *, strides: Any, padding: str, dilation_rate: Any, border_mode: str
) -> None:
    """Raise ValueError where arguments that are each in their range do not go together.

    Strides and dilation exclude each other in Keras; and a border that mirrors would
    show a causal window later values.
    """
    steps, spread = (
        check_ints("strides", strides),
        check_ints("dilation_rate", dilation_rate),
    )
    if _largest(steps) > 1 and _largest(spread) > 1:
        raise ValueError(
            "`strides` and `dilation_rate` must not both be larger than 1. "
            f"Received: strides={strides!r}, dilation_rate={dilation_rate!r}"
        )
    causal = check_name("padding", padding, (*PADDINGS, "causal")) == "causal"
    if causal and border_mode not in ("constant", "edge"):
        raise ValueError(
            '`border_mode` must be "constant" or "edge" with causal padding: '
            f"the others mirror later values. Received: border_mode={border_mode!r}"
        )


def _largest(value):
    return value if isinstance(value, int) else max(value)


def conv_window(
    rank: int,
    *,
    kernel_size: Any,
    strides: Any,
    padding: str,
    data_format: str | None,
    dilation_rate: Any,
    border_mode: str,
) -> Window:
    """The `Window` of a convolution.

    Raises:
        ValueError: An argument is out of its range, or does not go with another.
    """
    window = Window.of(
        rank,
        check_ints("kernel_size", kernel_size, rank),
        strides,
        dilation_rate,
        data_format,
        padding=padding,
        border_mode=border_mode,
    )
    check_conv(
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        border_mode=border_mode,
    )
    if window.padding == "causal" and rank != 1:
        raise ValueError(
            '`padding="causal"` needs an input of 1 spatial axis. '
            f"Received: padding={padding!r} and an input of {rank} spatial axes"
        )
    return window


def convolution(x: Any, kernel: Any, window: Window, *, flip: bool = False) -> Any:
    """Convolve as `keras.ops.conv` does, with the window's border.

    Args:
        x: Float tensor `(batch, *spatial, channels)`, or channels first.
        kernel: Tensor `(*window.size, channels / groups, filters)`.
        window: The window.
        flip: Whether to flip the kernel on every spatial axis.
    """
    shape = window.output_shape(x.shape, kernel.shape[-1])
    if x.shape[0] == 0:  # TensorFlow returns the input for an empty batch
        return empty(shape, dtype_of(x))
    if flip:
        kernel = keras.ops.flip(kernel, axis=tuple(range(window.rank)))
    padding = window.padding
    if padding == "causal" or (padding == "same" and window.border_mode != "constant"):
        x, padding = window.pad(x), "valid"
    return conv(
        x,
        # Flipping or joining kernels narrows float64 on NumPy and OpenVINO.
        cast(kernel, dtype_of(x)),
        strides=window.strides,
        padding=padding,
        dilation_rate=window.dilation,
        data_format=window.data_format,
    )
