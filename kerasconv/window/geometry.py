"""The window: its size, its steps, its borders.

Lengths and places; what is done with tensors is in `slices.py`.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kerasconv._arguments import (
    BORDER_MODES,
    DATA_FORMATS,
    PADDINGS,
    check_choice,
    check_ints,
    check_name,
    spatial_rank,
    spend,
)
from kerasconv._keras import keras
from kerasconv.window import slices

# Values of a channel that an input may have with its border: 8 GiB of float32.
_MOST = 2**31

__all__ = ["Window", "check_data_format"]


def check_data_format(value: Any) -> str:
    """`value` as one of `DATA_FORMATS`; None is Keras's global `image_data_format`."""
    if value is None:
        return keras.config.image_data_format()
    return check_name("data_format", value, DATA_FORMATS)


@dataclass(frozen=True)
class Window:
    """The geometry of a window on `rank` spatial axes.

    Args:
        size, strides, dilation: One positive int per spatial axis.
        padding: `"valid"` (windows that fit), `"same"` (`ceil(n / stride)` windows
            an axis) or `"causal"` (as many, none sees a later value).
        border_mode: What lies outside under "same" and "causal", by the names of
            `numpy.pad`; `"constant"` is zeros.
        centred: Under "same", where a strided window stands: True keeps every
            stride-th window of stride 1; False spreads the padding evenly over both
            ends, the rule of Keras's own convolutions and pools.
        data_format: `"channels_last"` or `"channels_first"`.
        unit: How many values stand for one pixel along the last spatial axis: the
            channels, where they are merged with it.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"
    border_mode: str = "constant"
    centred: bool = False
    data_format: str = "channels_last"
    unit: int = 1

    @classmethod
    def of(
        cls,
        rank: int,
        size: Any,
        strides: Any = 1,
        dilation: Any = 1,
        data_format: str | None = None,
        *,
        padding: str = "valid",
        border_mode: str = "constant",
        centred: bool = False,
    ) -> "Window":
        """A window from arguments as a user writes them.

        Args:
            rank: Number of spatial axes.
            size: Positive int, or one per spatial axis.
            strides: Likewise.
            dilation: Likewise.
            data_format: None is Keras's global `image_data_format`.
            padding: As above, and so are the rest.
            border_mode: What lies outside.
            centred: Where a strided window stands.

        Raises:
            ValueError: An argument is out of its range.
        """
        window = cls(
            check_ints("size", size, rank),
            check_ints("strides", strides, rank),
            check_ints("dilation_rate", dilation, rank),
            padding=check_name("padding", padding, (*PADDINGS, "causal")),
            border_mode=check_choice("border_mode", border_mode, BORDER_MODES),
            centred=centred,
            data_format=check_data_format(data_format),
        )
        # Its border and its taps will take as much. A list: PyTorch's compiler follows
        # no generator into a function of C.
        spend(math.prod([span + 1 for span in window.spans]))
        return window

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.size)

    @property
    def axes(self) -> tuple[int, ...]:
        """The tensor axes that are spatial."""
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))

    @property
    def channel_axis(self) -> int:
        """The tensor axis of the channels."""
        return self.rank + 1 if self.data_format == "channels_last" else 1

    @property
    def units(self) -> tuple[int, ...]:
        """Per axis, how many values stand for one pixel."""
        return (1,) * (self.rank - 1) + (self.unit,)

    @property
    def spans(self) -> tuple[int, ...]:
        """Per axis, how far the last tap lies from the first."""
        return tuple((k - 1) * d for k, d in zip(self.size, self.dilation, strict=True))

    @property
    def is_tiling(self) -> bool:
        """Whether the windows stand side by side, none over the rim."""
        return (
            self.padding == "valid"
            and self.strides == self.size
            and self.dilation == (1,) * self.rank
        )

    def without_border(self) -> "Window":
        """The same window on what has its border already."""
        return replace(self, padding="valid")

    def positions(self) -> list[tuple[int, ...]]:
        """The place of every value in the window, first axis slowest."""
        return list(itertools.product(*(range(k) for k in self.size)))

    def steps(self) -> list[tuple[int, int, int, int]]:
        """(axis, size, distance of taps, stride) for each spatial axis."""
        steps = (d * unit for d, unit in zip(self.dilation, self.units, strict=True))
        return list(zip(self.axes, self.size, steps, self.strides, strict=True))

    def lengths(self, shape: Sequence[Any]) -> list[Any]:
        """The lengths of the spatial axes of a tensor of that shape, in pixels."""
        return [shape[a] // u for a, u in zip(self.axes, self.units, strict=True)]

    def borders(self, shape: Sequence[Any]) -> list[tuple[int, Any, Any, Any, int]]:
        """(axis, length, before, after, unit) for each spatial axis."""
        lengths = self.lengths(shape)
        return [
            (axis, n, *pad, unit)
            for axis, n, pad, unit in zip(
                self.axes, lengths, self.pads(lengths), self.units, strict=True
            )
        ]

    def pads(self, lengths: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Per axis, how many values to put before and after, for axes of `lengths`.

        A length may be a tensor where it is unknown; so may the answer then.
        """
        if self.padding == "valid":
            return [(0, 0)] * self.rank
        pads = []
        for n, span, s in zip(lengths, self.spans, self.strides, strict=True):
            if self.padding == "causal":
                pads.append((span, 0))
            elif self.centred or s == 1:
                pads.append((span // 2, span - span // 2))
            else:
                total = (n - 1) // s * s + span + 1 - n
                largest = max if isinstance(n, int) else keras.ops.maximum
                total = largest(total, 0)
                pads.append((total // 2, total - total // 2))
        return pads

    def check(self, input_shape: Sequence[Any]) -> None:
        """Raise ValueError where no window fits into an input of that shape."""
        spatial_rank(input_shape, self.rank)
        if input_shape[self.channel_axis] == 0:
            raise ValueError(
                "The input must have at least one channel. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        for axis, span in zip(self.axes, self.spans, strict=True):
            least = span + 1 if self.padding == "valid" else 1
            if isinstance(input_shape[axis], int) and input_shape[axis] < least:
                raise ValueError(
                    f"The input must be at least {least} long on axis {axis} for a "
                    f"window of size {self.size}, dilation {self.dilation} and "
                    f"padding {self.padding!r}. "
                    f"Received: input_shape={tuple(input_shape)}"
                )
        if all(isinstance(input_shape[axis], int) for axis in self.axes):
            lengths = self.lengths(input_shape)
            pads = self.pads(lengths)
            bordered = [n + sum(pad) for n, pad in zip(lengths, pads, strict=True)]
            if self.padding != "valid" and math.prod(bordered) > _MOST:
                raise ValueError(
                    f"With its border of padding {self.padding!r} the input would be "
                    f"{' x '.join(f'{n:,}' for n in bordered)}, too large for a "
                    f"window of size {self.size} and dilation {self.dilation}. "
                    f"Received: input_shape={tuple(input_shape)}"
                )

    def output_shape(
        self, input_shape: Sequence[Any], channels: int | None = None
    ) -> tuple[Any, ...]:
        """The shape of the result; None where the input has None.

        Raises:
            ValueError: The input has another rank, no value along an axis, or is
                smaller than the window under "valid".
        """
        self.check(input_shape)
        shape = list(input_shape)
        for axis, span, s in zip(self.axes, self.spans, self.strides, strict=True):
            if shape[axis] is not None:
                n = shape[axis] - span if self.padding == "valid" else shape[axis]
                shape[axis] = (n - 1) // s + 1
        if channels is not None:
            shape[self.channel_axis] = channels
        return tuple(shape)

    def pad(self, x: Any) -> Any:
        """`x` with its border attached, so that "valid" windows then do."""
        return slices.pad(x, self)

    def taps(self, x: Any) -> list[Any]:
        """What each position of the window sees, as one tensor per position.

        Returns:
            List of `prod(size)` tensors of the output's shape, first axis slowest.
        """
        self.check(x.shape)
        return slices.taps(x, self)
