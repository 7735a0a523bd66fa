"""Cross-correlation with constant kernels: what FixedConv and `ops.fixed_conv` do."""

from typing import Any

from kerasconv._arguments import PADDINGS, check_name
from kerasconv.window.geometry import Window
from kerasconv.window.norms import magnitude, needs_scale, scaled_magnitude
from kerasconv.window.sums import joined_shape, window_sums
from kerasconv.window.weights import Kernels

__all__ = ["correlated_shape", "correlation", "correlation_window"]


def correlation_window(
    kernels: Kernels,
    *,
    strides: Any,
    padding: str,
    data_format: str | None,
    dilation_rate: Any,
    border_mode: str,
) -> Window:
    """The `Window` that slides constant kernels.

    Raises:
        ValueError: An argument is out of its range.
    """
    return Window.of(
        len(kernels.size),
        kernels.size,
        strides,
        dilation_rate,
        data_format,
        padding=check_name("padding", padding, PADDINGS),
        border_mode=border_mode,
        centred=True,
    )


def correlation(x: Any, kernels: Kernels, window: Window, output: str) -> Any:
    """Cross-correlate every channel with constant kernels.

    Args:
        x: Float tensor `(batch, *spatial, channels)`, or channels first.
        kernels: `Kernels` of the window's size.
        window: The window.
        output: One of `OUTPUTS`, which `FixedConv` describes.
    """
    if output == "magnitude":
        after = scaled_magnitude if needs_scale(x) else magnitude
        return window_sums(x, kernels, window, after=after)
    return window_sums(x, kernels, window, join=output)


def correlated_shape(
    input_shape: Any, kernels: Kernels, window: Window, output: str
) -> tuple[Any, ...]:
    """The shape that `correlation` gives."""
    join = None if output == "magnitude" else output
    return joined_shape(input_shape, window, len(kernels), join)
