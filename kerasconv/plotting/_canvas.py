"""What every picture is made of: figures, panels, cells with numbers, bars."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv._arguments import check_int
from kerasconv.errors import UsageError, printable, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Scales that colour-blind readers can tell apart (ColorBrewer and the Okabe-Ito set).
SIGNED, UNSIGNED, SHARE = "RdBu_r", "viridis", "Blues"
TRAINING, VALIDATION = "#0072B2", "#D55E00"

WIDTH = 8.0  # inches: a printed page between its margins


def need(things: Any, argument: str) -> None:
    """Refuse an argument that is no mapping, or holds nothing."""
    if not hasattr(things, "items"):
        raise UsageError(
            f"`{argument}` must be a mapping with names as keys, a dict. "
            f"Received: {short(things)}"
        )
    if not len(things):
        raise ValueError(f"`{argument}` must not be empty. Received: {short(things)}")


def several(argument: str, names: Any) -> list[str]:
    """Several names as texts."""
    if isinstance(names, bytes) or not isinstance(names, Iterable):
        raise UsageError(
            f"`{argument}` must be several names. Received: {argument}={short(names)}"
        )
    return list(map(str, names))


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of a size in inches, made without pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def check_columns(columns: int) -> int:
    """How many panels stand in a row: no more than anybody can tell apart."""
    return check_int("columns", columns, 100)


def new_grid(
    count: int, columns: int, panel: tuple[float, float], beside: float = 0.0
) -> tuple["Figure", list["Axes"]]:
    """A figure of `count` panels of a size in inches, with room beside them."""
    columns = check_columns(columns)
    rows = math.ceil(count / columns)
    figure = new_figure(panel[0] * columns + beside, panel[1] * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.remove()
    return figure, list(axes[:count])


def largest_shape(pictures: Iterable[np.ndarray]) -> tuple[int, int]:
    """The height and the width into which every picture fits."""
    heights, widths = zip(*(picture.shape for picture in pictures), strict=True)
    return max(heights), max(widths)


def label(name: object) -> str:
    """A name as Matplotlib shows it: no formula, no control character, not endless."""
    return printable(str(name), 60).replace("$", r"\$")


def largest_value(pictures: Iterable[np.ndarray]) -> float:
    """The largest magnitude in any, or 1 where there is none: NaN counts nothing."""
    finite = (np.abs(picture[np.isfinite(picture)]) for picture in pictures)
    return max((float(values.max(initial=0)) for values in finite), default=0) or 1.0


def bare(ax: "Axes") -> None:
    """Take the ticks and the frame away."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def draw_cells(ax: "Axes", picture: np.ndarray, limit: float | None = None) -> None:
    """Numbers in cells, red above zero and blue below; no cell where there is NaN."""
    limit = limit or largest_value([picture])
    ax.imshow(picture, cmap=SIGNED, vmin=-limit, vmax=limit)
    bare(ax)
    for row, column in np.argwhere(np.isfinite(picture)):
        box(ax, column, row, edgecolor="0.6", linewidth=0.6)
    write_values(ax, picture, limit)


def write_values(ax: "Axes", picture: np.ndarray, limit: float) -> None:
    """Write each value into its cell, with three figures of the largest."""
    decimals = max(0, 2 - math.floor(math.log10(limit)))
    for (row, column), value in np.ndenumerate(picture):
        if np.isfinite(value):
            text = number(value, decimals)
            ax.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=9 if len(text) <= 5 else 45 / len(text),
                color="white" if abs(value) > 0.6 * limit else "black",
            )


def draw_bars(ax: "Axes", values: np.ndarray) -> None:
    """A bar for each value, in two colours where some are negative."""
    values = np.where(np.isfinite(values), values, 0)
    above = "#B2182B" if (values < 0).any() else "0.25"
    colors = ["#2166AC" if value < 0 else above for value in values]
    if len(values) <= 64:
        ax.bar(range(len(values)), values, color=colors, width=0.8)
    else:
        ax.vlines(range(len(values)), 0, values, colors=colors, linewidth=0.5)
    if len(values) <= 20:
        ax.set_xticks(range(len(values)))
    ax.margins(x=0.01)
    ax.axhline(0, color="0.5", linewidth=0.5)
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def box(
    ax: "Axes", column: int, row: int, width: int = 1, height: int = 1, **style: Any
) -> None:
    """Frame one cell or several."""
    from matplotlib.patches import Rectangle

    corner = column - 0.5, row - 0.5
    ax.add_patch(Rectangle(corner, width, height, fill=False, **style))


def number(value: float, decimals: int = 3) -> str:
    """A number as short as it can be written, with a true minus sign."""
    text = np.format_float_positional(value, decimals, trim="-")
    return "0" if text == "-0" else text.replace("-", "−")
