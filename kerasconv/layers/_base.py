"""WindowLayer, the base of the layers."""

from typing import Any

from kerasconv._arguments import (
    PADDINGS,
    Ints,
    check_given,
    check_ints,
    check_name,
    check_rank,
    check_real,
    plain,
    spatial_rank,
)
from kerasconv._keras import keras
from kerasconv.window.geometry import Window, check_data_format
from kerasconv.window.native import cast, dtype_of

__all__ = ["NumbersLayer", "WindowLayer", "real_inputs"]


def real_inputs(inputs: Any, dtype: str) -> Any:
    """`inputs` in the dtype to compute in; integers and bools are not rescaled.

    Raises:
        ValueError: They are complex, or no numbers at all.
    """
    check_given("inputs", inputs)
    check_real("inputs", dtype_of(inputs))
    return cast(inputs, dtype)


class NumbersLayer(keras.layers.Layer):
    """A layer that refuses what holds no numbers before Keras makes a tensor of it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As of every Keras layer."""
        if args:
            check_given("inputs", args[0], lists=False)
        return super().__call__(*args, **kwargs)


class WindowLayer(NumbersLayer):
    """Base of the layers that slide a window over every channel.

    A subclass says in `make_window` which window it slides and in `call` what it
    does with it; rank, shapes, the checks on both and the common part of the config
    are here.

    Args:
        strides: Positive int, or one per spatial axis: the step of the window. None
            where a subclass has a default of its own.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; None is Keras's global
            `image_data_format`.
        rank: Number of spatial axes that the input must have, 1, 2 or 3. None
            (default) takes it from the input, and so takes an image without a batch
            axis for a batch of signals.
        **kwargs: What every Keras layer takes (`name`, `dtype`, ...).

    Raises:
        ValueError: An argument is none of these.
    """

    def __init__(
        self,
        strides: Ints | None = 1,
        padding: str = "valid",
        data_format: str | None = None,
        *,
        rank: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.strides = None if strides is None else check_ints("strides", strides)
        self.padding = check_name("padding", padding, PADDINGS)
        self.data_format = check_data_format(data_format)
        self.rank = check_rank(rank)

    def make_window(self, rank: int) -> Window:
        """The `Window` that the layer slides on `rank` spatial axes."""
        raise NotImplementedError

    def window_for(self, input_shape: Any) -> Window:
        """The window for an input of that shape, which must fit it."""
        window = self.make_window(spatial_rank(input_shape, self.rank))
        window.check(input_shape)
        return window

    def build(self, input_shape: Any) -> None:
        """Make the window."""
        self.window = self.window_for(input_shape)

    def to_compute_dtype(self, inputs: Any) -> Any:
        """Integers and bools become the compute dtype, never rescaled."""
        return real_inputs(inputs, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the output for an input of that shape."""
        return self.window_for(input_shape).output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "strides": plain(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "rank": self.rank,
        }
