"""Pictures that the tutorials draw: photographs, signals, curves, a window at work."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv._arguments import as_array, check_int, check_number, is_int
from kerasconv.errors import UsageError, short
from kerasconv.plotting._canvas import (
    SIGNED,
    TRAINING,
    VALIDATION,
    WIDTH,
    bare,
    box,
    check_columns,
    draw_bars,
    draw_cells,
    largest_shape,
    need,
    new_figure,
    new_grid,
    number,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_images(
    pictures: Mapping[str, Any],
    *,
    columns: int | None = None,
    limit: float | None = None,
) -> "Figure":
    """Draws photographs and feature maps side by side, each below its title.

    An array without negative values is drawn in grey, 0 black. One with negative
    values is drawn in red and blue about a white zero, on one scale for all of them.
    Where all pictures are small, all are drawn so, with the numbers in their cells.

    Args:
        pictures: arrays of shape (height, width), (height, width, 1), or (height,
            width, 3) in [0, 1] for colour, by their titles.
        columns: pictures in a row; by default up to four.
        limit: the magnitude drawn as white, or as full red and blue. By default it is
            the largest of each grey picture, and the largest of all signed ones.

    Returns:
        The figure.

    Raises:
        ValueError: there is no picture, or one has another shape.

    Example:
        >>> figure = plot_images({"photograph": photo, "edges": magnitude})
    """
    need(pictures, "pictures")
    arrays = {title: _as_picture(title, p) for title, p in pictures.items()}
    height, width = largest_shape(
        a[..., 0] if a.ndim == 3 else a for a in arrays.values()
    )
    small = width <= 12 and height <= 12 and all(a.ndim == 2 for a in arrays.values())
    signed = [a for a in arrays.values() if small or (a.ndim == 2 and a.min() < 0)]
    if limit is not None:
        limit = check_number("limit", limit)
    most = limit or max((float(np.abs(a).max()) for a in signed), default=0) or 1.0
    if columns is None:
        columns = min(len(arrays), max(1, int(WIDTH / (width * 0.36))) if small else 4)
        columns = math.ceil(len(arrays) / math.ceil(len(arrays) / columns))
    columns = check_columns(columns)
    if small:
        panel = (width + 0.6) * 0.36, height * 0.36 + 0.4
    else:
        side = min(WIDTH / columns, 4.0)
        panel = side, side * height / width + 0.3
    bar = bool(signed) and not small
    figure, axes = new_grid(len(arrays), columns, panel, 0.9 if bar else 0.0)
    for ax, (title, picture) in zip(axes, arrays.items(), strict=True):
        ax.set_title(title, fontsize=9)
        bare(ax)
        if picture.ndim == 3:
            ax.imshow(picture, vmin=0, vmax=1)
        elif small:
            draw_cells(ax, picture, most)
        elif picture.min() < 0:
            image = ax.imshow(picture, cmap=SIGNED, vmin=-most, vmax=most)
        else:
            top = limit or float(picture.max()) or 1.0
            ax.imshow(picture, cmap="gray", vmin=0, vmax=top)
        if not small:  # a picture may be white at its rim
            ax.spines[:].set(visible=True, color="0.5", linewidth=0.8)
    if bar:
        figure.colorbar(image, ax=axes, fraction=0.05, aspect=20)
    return figure


def _as_picture(title: str, picture: Any) -> np.ndarray:
    picture = as_array("pictures", picture).astype(float)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    colour = picture.ndim == 3 and picture.shape[-1] == 3
    if not picture.size or not (picture.ndim == 2 or colour):
        raise ValueError(
            "`pictures` must have the shape (height, width), or one or three channels "
            f"at the end. Received: {title!r}, shape={picture.shape}"
        )
    return picture


def plot_bars(signals: Mapping[str, Any]) -> "Figure":
    """Draws signals under one another, a bar for each value, red above zero.

    Args:
        signals: arrays of one axis by their titles.

    Returns:
        The figure, one panel a signal, each with a scale of its own.

    Raises:
        ValueError: there is no signal, or one has no or more than one axis.

    Example:
        >>> figure = plot_bars({"x": x, "its derivative": np.diff(x, prepend=0)})
    """
    need(signals, "signals")
    arrays = {title: as_array("signals", x) for title, x in signals.items()}
    for title, x in arrays.items():
        if x.ndim != 1 or not x.size:
            raise ValueError(
                "`signals` must have one axis each. "
                f"Received: {title!r}, shape={x.shape}"
            )
    figure = new_figure(6.0, 1.4 * len(arrays) + 0.1)
    axes = figure.subplots(len(arrays), 1, squeeze=False)[:, 0]
    for ax, (title, x) in zip(axes, arrays.items(), strict=True):
        ax.set_title(title, fontsize=10, loc="left")
        draw_bars(ax, x)
        ax.set_xlim(-0.6, max(map(len, arrays.values())) - 0.4)
    return figure


_LINES = (TRAINING, VALIDATION, "#009E73", "#CC79A7", "#E69F00", "#000000")


_MARKERS = "os^Dvx"


def plot_lines(
    curves: Mapping[str, Any],
    x: Any = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
) -> "Figure":
    """Draws curves over a common axis, each with a colour and a marker of its own.

    Args:
        curves: values by what they are, at most six.
        x: where they stand; by default 0, 1, 2 and so on.
        xlabel: what `x` is, with its unit.
        ylabel: what the values are, with their unit.

    Returns:
        The figure.

    Raises:
        ValueError: there is no curve, or there are too many to tell apart.

    Example:
        >>> figure = plot_lines({"max": a, "average": b}, xlabel="shift (pixels)")
    """
    need(curves, "curves")
    if len(curves) > len(_LINES):
        raise ValueError(
            f"`curves` must be at most {len(_LINES)}. Received: {len(curves)}"
        )
    curves = {name: as_array("curves", values, 1) for name, values in curves.items()}
    if x is not None:
        x = as_array("x", x, 1)
        if any(len(values) != len(x) for values in curves.values()):
            raise ValueError(
                f"`x` must be as long as every curve. Received: {len(x)} values"
            )
    figure = new_figure(6.0, 3.4)
    ax = figure.subplots()
    for (label, values), color, marker in zip(
        curves.items(), _LINES, _MARKERS, strict=False
    ):
        positions = np.arange(len(values)) if x is None else x
        ax.plot(positions, values, color=color, marker=marker, label=label)
        if len(positions) <= 12:
            ax.set_xticks(positions)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    return figure


def plot_scores(
    scores: Mapping[str, float],
    *,
    xlabel: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    log: bool = False,
) -> "Figure":
    """Draws one bar for each name, from top to bottom, its number written beside it.

    On a logarithmic axis it is a point, since a bar has nowhere to begin there.

    Args:
        scores: numbers by name; one that is not finite gets no bar.
        xlabel: what they are, with the unit.
        intervals: for some of the names, how low and how high the number may truly
            lie; drawn as whiskers.
        log: whether each line of the axis is at ten times the one before.

    Returns:
        The figure.

    Raises:
        ValueError: there is no score, or one is not positive on a logarithmic axis.

    Example:
        >>> figure = plot_scores({"pixels": 91.2, "edges": 95.9}, xlabel="right (%)")
    """
    need(scores, "scores")
    values = as_array("scores", [*scores.values()], 1).astype(float)
    if intervals is not None and not isinstance(intervals, Mapping):
        raise UsageError(
            "`intervals` must be a mapping, of names to a low and a high number. "
            f"Received: intervals={short(intervals)}"
        )
    if log and not (values > 0).all():
        raise ValueError(
            f"`scores` must be positive on a logarithmic axis. Received: {scores}"
        )
    figure = new_figure(WIDTH * 0.85, 0.38 * len(values) + 0.8)
    ax = figure.subplots()
    rows = np.arange(len(values))
    if log:
        ax.set_xscale("log")
        ax.plot(values, rows, "o", color=TRAINING, markersize=8)
        # From a power of ten to another, with room for the last number.
        ax.set_xlim(
            10.0 ** np.floor(np.log10(values.min() / 1.5)),
            10.0 ** np.ceil(np.log10(values.max() * 3)),
        )
        ax.minorticks_off()
        ax.grid(axis="x", color="0.9")
        ax.set_axisbelow(True)
    else:
        ax.barh(rows, values, height=0.62, color=TRAINING)
    ends = values.copy()
    for row, name in enumerate(scores):
        if intervals and name in intervals:
            low, high = intervals[name]
            ax.plot([low, high], [row, row], color="black", linewidth=1.5, marker="|")
            ends[row] = max(high, values[row])
    for row, (value, end) in enumerate(zip(values, ends, strict=True)):
        text = f"{value:.3g}" if abs(value) < 1e3 else f"{value:,.0f}"
        ax.annotate(
            text,
            (end, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    ax.set_yticks(rows, [*scores], fontsize=9)
    if not log:
        ax.margins(x=0.14)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.set_xlabel(xlabel)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def plot_window(
    data: Any,
    kernel: Any,
    at: int | Sequence[int],
    *,
    pad: int | Sequence[Any] = 0,
    border_mode: str = "constant",
    strides: int = 1,
) -> "Figure":
    """Draws one window on the input and the arithmetic beside it.

    From left to right: the input, its border hatched and the window framed; the
    kernel; their products, whose sum is below them; and all that the kernel gives as
    it moves, with this result framed.

    Args:
        data: array of one or two axes, small enough to read.
        kernel: array of as many axes. It is not flipped.
        at: index of the result to explain.
        pad: how much border to attach, as `numpy.pad` takes it.
        border_mode: what the border holds, by the names of `numpy.pad`.
        strides: the step of the window.

    Returns:
        The figure.

    Raises:
        ValueError: the axes differ, the kernel does not fit, or there is no such
            result.

    Example:
        >>> figure = plot_window(np.eye(4), [[-1, 0, 1]] * 3, (0, 0), pad=1)
    """
    index = (at,) if is_int(at) else at
    if not isinstance(index, tuple | list) or not all(map(is_int, index)):
        raise UsageError(
            f"`at` must be an int, or one for each axis. Received: at={short(at)}"
        )
    index = tuple(index)
    slide = _Slide(data, kernel, pad, border_mode, strides)
    if len(index) != slide.rank or not all(
        0 <= i < n for i, n in zip(index, slide.result.shape, strict=True)
    ):
        raise ValueError(
            "`at` must be an index of the result, whose shape is "
            f"{slide.result.shape}. Received: at={index}"
        )
    start = (0, *(i * strides for i in index))[-2:]
    products = np.atleast_2d(slide.products(index))
    kernel, result = np.atleast_2d(slide.kernel), np.atleast_2d(slide.result)
    padded = np.atleast_2d(slide.padded)
    panels = {
        "input": padded,
        "kernel": kernel,
        "products": products,
        "result": result,
    }
    widths = [picture.shape[1] for picture in panels.values()]
    total = sum(widths) + 2.0 * len(widths)
    cell = min(0.4, WIDTH / total)
    height = max(picture.shape[0] for picture in panels.values()) * cell + 0.9
    figure = new_figure(total * cell, height)
    axes = figure.subplots(1, len(panels), width_ratios=widths)
    for ax, (title, picture) in zip(axes, panels.items(), strict=True):
        limit = None if title != "input" else float(np.abs(padded).max())
        draw_cells(ax, picture, limit)
        ax.set_title(title, fontsize=10)
    axes[0].set_anchor("C")
    for row, column in np.argwhere(np.atleast_2d(slide.border)):
        _hatch(axes[0], column, row)
    down, across = kernel.shape
    _frame(axes[0], start[1], start[0], across, down)
    row, column = (0, *index)[-2:]
    _frame(axes[3], column, row)
    text = _sum_of(products.ravel())
    figure.supxlabel(text, fontsize=_fitting(text, total * cell, 10))
    return figure


def plot_slide(
    data: Any,
    kernel: Any,
    *,
    pad: int | Sequence[Any] = 0,
    border_mode: str = "constant",
    strides: int = 1,
    columns: int = 2,
) -> "Figure":
    """Draws a kernel on its way along a signal: one frame for each result.

    A frame has the input above, its border hatched; the kernel below the values that
    it meets; and the results so far, result i below value `i * strides` of the data.
    Its title is the arithmetic.

    Args:
        data: array of one axis, small enough to read.
        kernel: array of one axis. It is not flipped.
        pad: how much border to attach, as `numpy.pad` takes it.
        border_mode: what the border holds, by the names of `numpy.pad`.
        strides: the step of the window.
        columns: frames in a row.

    Returns:
        The figure.

    Raises:
        ValueError: there is more than one axis, or the kernel does not fit.

    Example:
        >>> figure = plot_slide([0, 0, 3, 5, 5], [-1, 1], pad=(1, 0))
    """
    slide = _Slide(data, kernel, pad, border_mode, strides)
    if slide.rank != 1:
        raise ValueError(f"`data` must have one axis. Received: {slide.rank}")
    length, size = len(slide.padded), len(slide.kernel)
    before = int(np.argmin(slide.border))
    limit = max(float(np.abs(a).max()) for a in (slide.padded, slide.result)) or 1.0
    panel = (length + 1.6) * 0.36, 3 * 0.36 + 0.4
    figure, axes = new_grid(len(slide.result), columns, panel)
    for i, ax in enumerate(axes):
        first = i * strides
        rows = np.full((3, length), np.nan)
        rows[0] = slide.padded
        rows[1, first : first + size] = slide.kernel
        done = slice(before, before + first + 1, strides)
        rows[2, done] = slide.result[: i + 1]
        draw_cells(ax, rows, limit)
        for column in np.flatnonzero(slide.border).tolist():
            _hatch(ax, column, 0)
        _frame(ax, first, 0, size, 2)
        _frame(ax, before + first, 2)
        ax.set_yticks(range(3), ["x", "k", "y"], fontsize=9, style="italic")
        ax.tick_params(length=0)
        terms = zip(slide.kernel, slide.padded[first:], strict=False)
        text = " + ".join(f"{number(k)}·{number(x)}" for k, x in terms)
        text = f"y[{i}] = {text.replace('+ −', '− ')} = {number(slide.result[i])}"
        ax.set_title(text, fontsize=_fitting(text, panel[0], 9), loc="left")
    return figure


class _Slide:
    """A kernel that moves over padded data, and what it gives: `rank` axes, NumPy."""

    def __init__(
        self, data: Any, kernel: Any, pad: Any, border_mode: Any, strides: int
    ):
        data = as_array("data", data).astype(float)
        self.kernel = as_array("kernel", kernel).astype(float)
        self.rank = data.ndim
        if self.rank not in (1, 2) or self.kernel.ndim != self.rank:
            raise ValueError(
                "`data` and `kernel` must both have one axis or both have two. "
                f"Received: shapes {data.shape} and {self.kernel.shape}"
            )
        check_int("strides", strides)
        try:
            inner = np.pad(np.ones_like(data), pad)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"`pad` must be as `numpy.pad` takes it. Received: pad={short(pad)}"
            ) from error
        try:
            self.padded = np.pad(data, pad, mode=border_mode)
        except (TypeError, ValueError) as error:
            raise UsageError(
                "`border_mode` must be as `numpy.pad` takes it. "
                f"Received: border_mode={short(border_mode)}"
            ) from error
        self.border = inner == 0
        if not self.kernel.size or any(
            k > n for k, n in zip(self.kernel.shape, self.padded.shape, strict=True)
        ):
            raise ValueError(
                "`kernel` must fit into the padded data and hold a number. "
                f"Received: shapes {self.kernel.shape} and {self.padded.shape}"
            )
        windows = np.lib.stride_tricks.sliding_window_view(
            self.padded, self.kernel.shape
        )
        self.windows = windows[(slice(None, None, strides),) * self.rank]
        self.result = (self.windows * self.kernel).sum(
            tuple(range(self.rank, 2 * self.rank))
        )

    def products(self, at: tuple[int, ...]) -> np.ndarray:
        return self.windows[at] * self.kernel


def _hatch(ax: "Axes", column: int, row: int) -> None:
    box(ax, column, row, edgecolor="0.75", hatch="////", linewidth=0.6)


def _frame(ax: "Axes", column: int, row: int, width: int = 1, height: int = 1) -> None:
    style = {"edgecolor": "black", "linewidth": 2.2, "clip_on": False}
    box(ax, column, row, width, height, **style)


def _fitting(text: str, width: float, most: float) -> float:
    """The font size, in points, at which a line of text is so many inches wide."""
    return min(most, 72 * width / (0.65 * len(text)))


def _sum_of(terms: Iterable[float]) -> str:
    """The sum written out: "2 + 0 − 3 = −1"."""
    terms = list(terms)
    text = " + ".join(map(number, terms)).replace("+ −", "− ")
    return f"{text} = {number(sum(terms))}"
