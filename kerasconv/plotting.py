"""Pictures of what a network holds and does.

Every function returns a `matplotlib.figure.Figure` made without pyplot, so it needs no
display and is safe in threads; `save_figure` writes one. Matplotlib is imported when
the first picture is drawn.
"""

import base64
import html
import io
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv import files
from kerasconv.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "check_suffix",
    "plot_bars",
    "plot_confusion_matrix",
    "plot_digits",
    "plot_feature_maps",
    "plot_history",
    "plot_images",
    "plot_kernels",
    "plot_lines",
    "plot_scores",
    "plot_slide",
    "plot_window",
    "save_figure",
    "show",
]

# Scales that colour-blind readers can tell apart (ColorBrewer and the Okabe-Ito set).
_SIGNED, _UNSIGNED, _SHARE = "RdBu_r", "viridis", "Blues"
_TRAINING, _VALIDATION = "#0072B2", "#D55E00"
_LINES = (_TRAINING, _VALIDATION, "#009E73", "#CC79A7", "#E69F00", "#000000")
_MARKERS = "os^Dvx"

_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps")

_WIDTH = 8.0  # inches: a printed page between its margins
_SCREEN = 96  # pixels to the inch in a page, each drawn as 2x2


def plot_kernels(
    kernels: Mapping[str, Any] | Iterable[Any], *, columns: int | None = None
) -> "Figure":
    """Draws kernels side by side on one scale, red above zero and blue below.

    The colour limits are `-m` and `m`, `m` the largest magnitude in any kernel, so
    that white is zero and equal colours are equal weights everywhere. Weights are
    written in where they are few.

    Args:
        kernels: arrays of one to three axes by name, or without names. A kernel of
            three axes is drawn as its slices along the first, from left to right.
        columns: kernels in a row; by default as many as fit.

    Returns:
        The figure.

    Raises:
        ValueError: there is no kernel, or one is not of one to three axes.

    Example:
        >>> prewitt = np.outer([1, 1, 1], [-1, 0, 1])
        >>> figure = plot_kernels({"Prewitt, along x": prewitt})
        >>> save_figure(figure, "kernels.png")
    """
    if not isinstance(kernels, Mapping):
        kernels = {str(i): kernel for i, kernel in enumerate(kernels)}
    pictures = {name: _as_slices(kernel) for name, kernel in kernels.items()}
    _need(pictures, "kernels")
    limit = max(float(np.nanmax(np.abs(p))) for p in pictures.values()) or 1.0
    height, width = _shape(pictures.values())
    # A number is legible in so much of an inch; many kernels are for looking at alone.
    written = len(pictures) * height * width <= 12 * 9 and width <= 15
    cell = 0.45 if written else min(0.28, 1.5 / width)
    if columns is None:
        columns = max(1, min(len(pictures), int(_WIDTH / ((width + 0.5) * cell))))
    panel = max((width + 0.5) * cell, 0.9), height * cell + 0.35
    figure, axes = _grid(len(pictures), columns, panel, beside=0.9)
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        image = ax.imshow(picture, cmap=_SIGNED, vmin=-limit, vmax=limit)
        ax.set_title(name, fontsize=9)
        _bare(ax)
        if written:
            _write_values(ax, picture, limit)
    figure.colorbar(image, ax=axes, label="weight", fraction=0.08, aspect=20)
    return figure


def plot_feature_maps(maps_by_layer: Mapping[str, Any]) -> "Figure":
    """Draws all feature maps of every layer, one row of tiles or bars a layer.

    Within a layer all maps share one scale, given at its right. A layer with negative
    values is drawn in red and blue about zero.

    Args:
        maps_by_layer: what each layer made of one image, by the layer's name, in
            order and without a batch axis: (height, width, channels), (steps,
            channels), (depth, height, width, channels; one row of slices a channel)
            or (units,), which is drawn as bars.

    Returns:
        The figure.

    Raises:
        ValueError: there is no layer, or one has no or more than four axes.

    Example:
        >>> maps = {layer.name: layer.output for layer in model.layers}
        >>> features = keras.Model(model.inputs, maps)(image[None])
        >>> figure = plot_feature_maps({n: np.array(m[0]) for n, m in features.items()})
    """
    _need(maps_by_layer, "maps_by_layer")
    layers = {name: np.asarray(maps, float) for name, maps in maps_by_layer.items()}
    drawn = {name: _tiles(name, maps) for name, maps in layers.items()}
    heights = [1.1 if p.ndim == 1 else _height(p) for p in drawn.values()]
    figure = _figure(_WIDTH, sum(heights) + 0.5 * len(heights))
    axes = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (name, tiles) in zip(axes, drawn.items(), strict=True):
        shape = " × ".join(map(str, layers[name].shape))
        ax.set_title(f"{name}   {shape}", fontsize=10, loc="left")
        if tiles.ndim == 1:
            _bars(ax, tiles)
            continue
        low, high = float(np.nanmin(tiles)), float(np.nanmax(tiles))
        limit = max(-low, high) or 1.0
        scale = (
            {"cmap": _SIGNED, "vmin": -limit, "vmax": limit}
            if low < 0
            else {"cmap": _UNSIGNED, "vmin": 0, "vmax": limit}
        )
        image = ax.imshow(tiles, **scale, interpolation="nearest")
        _bare(ax)
        bar = figure.colorbar(
            image, ax=ax, fraction=0.03, pad=0.01, aspect=12, panchor=(0, 0.5)
        )
        bar.ax.tick_params(labelsize=7)
    return figure


def plot_confusion_matrix(
    matrix: Any, class_names: Sequence[str] | None = None
) -> "Figure":
    """Draws how often each class was taken for each.

    Every number is a count. A colour is the share of its row, the true class, on a
    scale that spreads small shares, so that rare mistakes show.

    Args:
        matrix: counts of shape (classes, classes): true class down, prediction across.
        class_names: the classes' names; their numbers by default.

    Returns:
        The figure.

    Raises:
        ValueError: the matrix is not a square one of counts, or the names do not fit.

    Example:
        >>> matrix = np.zeros((10, 10), int)
        >>> np.add.at(matrix, (truth, prediction), 1)
        >>> figure = plot_confusion_matrix(matrix)
    """
    from matplotlib.colors import PowerNorm

    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or not matrix.size:
        raise ValueError(f"`matrix` must be square. Received: shape={matrix.shape}")
    if not (matrix >= 0).all():
        raise ValueError("`matrix` must hold counts, which are not negative")
    names = list(map(str, range(len(matrix)) if class_names is None else class_names))
    if len(names) != len(matrix):
        raise ValueError(
            f"`class_names` must name all {len(matrix)} classes. Received: {names}"
        )
    totals = matrix.sum(1, keepdims=True)
    share = matrix / np.maximum(totals, 1)
    side = min(max(4.5, 0.55 * len(names) + 1.5), 14)
    figure = _figure(side + 0.8, side)
    ax = figure.subplots()
    image = ax.imshow(share, cmap=_SHARE, norm=PowerNorm(0.35, 0, 1))
    upright = len(names) <= 12 and max(map(len, names)) <= 4
    ax.set_xticks(range(len(names)), names, rotation=0 if upright else 90)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    if len(names) <= 25:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                dark = image.norm(share[row, column]) > 0.55
                ax.text(
                    column,
                    row,
                    f"{count:,}",
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if dark else "black",
                )
    total, right = int(totals.sum()), int(np.trace(matrix))
    if total:
        accuracy = f"accuracy {100 * right / total:.2f} %"
        ax.set_title(f"{total - right:,} of {total:,} wrong, {accuracy}", fontsize=11)
    bar = figure.colorbar(image, ax=ax, label="share of the true class", shrink=0.85)
    bar.set_ticks([0, 0.01, 0.1, 0.5, 1], labels=["0", "1 %", "10 %", "50 %", "100 %"])
    return figure


def plot_digits(
    images: Any, captions: Sequence[str] | None = None, *, columns: int | None = None
) -> "Figure":
    """Draws grey images in a grid, each with its caption below.

    Args:
        images: array of shape (n, height, width) or (n, height, width, 1); integers
            are drawn from 0 to the largest value of their type, floats from 0 to 1.
        captions: one for each image.
        columns: images in a row; by default up to ten.

    Returns:
        The figure.

    Raises:
        ValueError: the shape is another one, or the captions do not fit.

    Example:
        >>> figure = plot_digits(digits[:20], [f"it is a {y}" for y in labels[:20]])
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or not images.size:
        raise ValueError(
            "`images` must have the shape (n, height, width) or (n, height, width, 1)."
            f" Received: shape={images.shape}"
        )
    captions = [""] * len(images) if captions is None else list(map(str, captions))
    if len(captions) != len(images):
        raise ValueError(
            f"`captions` must be one for each of the {len(images)} images. "
            f"Received: {len(captions)}"
        )
    top = np.iinfo(images.dtype).max if images.dtype.kind in "iu" else 1
    longest = max(len(line) for caption in captions for line in caption.split("\n"))
    if columns is None:
        # About fifteen characters of the caption's size fit in an inch.
        columns = max(1, min(len(images), 10, int(15 * _WIDTH / max(longest, 1))))
    lines = max(caption.count("\n") + bool(caption) for caption in captions)
    width = _WIDTH / max(columns, 5)
    height = width * images.shape[1] / images.shape[2] + 0.18 * lines
    figure, axes = _grid(len(images), columns, (width, height))
    for ax, image, caption in zip(axes, images, captions, strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=top)
        ax.set_xlabel(caption, fontsize=8, labelpad=2)
        _bare(ax)
    return figure


def plot_history(history: Any) -> "Figure":
    """Draws the training curves: the loss and each metric by the epoch.

    Args:
        history: what `model.fit` returned, or its `history`: values by name, where
            "val_" before a name means the validation data.

    Returns:
        The figure, one panel a quantity.

    Raises:
        ValueError: it holds no values.

    Example:
        >>> history = model.fit(x, y, validation_split=0.1, epochs=5)
        >>> figure = plot_history(history)
    """
    from matplotlib.ticker import MaxNLocator

    values = getattr(history, "history", history)
    values = {name: np.asarray(curve, float) for name, curve in values.items()}
    names = list(dict.fromkeys(name.removeprefix("val_") for name in values))
    _need([name for name in names if any(map(len, values.values()))], "history")
    columns = min(len(names), 3)
    rows = math.ceil(len(names) / columns)
    figure = _figure(max(4.0, 3.6 * columns), 3.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        curves = [
            (name, "training", _TRAINING, "o-"),
            (f"val_{name}", "validation", _VALIDATION, "s--"),
        ]
        for key, label, color, style in curves:
            if key in values:
                curve = values[key]
                epochs = np.arange(1, len(curve) + 1)
                few = {} if len(curve) <= 30 else {"marker": ""}
                ax.plot(
                    epochs, curve, style, color=color, label=label, markersize=4, **few
                )
        ax.set_title(name.replace("_", " "), fontsize=11)
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    for ax in axes[len(names) :]:
        ax.remove()
    return figure


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
    _need(pictures, "pictures")
    arrays = {title: _as_picture(title, p) for title, p in pictures.items()}
    height, width = _shape(a[..., 0] if a.ndim == 3 else a for a in arrays.values())
    small = width <= 12 and height <= 12 and all(a.ndim == 2 for a in arrays.values())
    signed = [a for a in arrays.values() if small or (a.ndim == 2 and a.min() < 0)]
    most = limit or max((float(np.abs(a).max()) for a in signed), default=0) or 1.0
    if columns is None:
        columns = min(len(arrays), max(1, int(_WIDTH / (width * 0.36))) if small else 4)
        columns = math.ceil(len(arrays) / math.ceil(len(arrays) / columns))
    if small:
        panel = (width + 0.6) * 0.36, height * 0.36 + 0.4
    else:
        side = min(_WIDTH / columns, 4.0)
        panel = side, side * height / width + 0.3
    bar = bool(signed) and not small
    figure, axes = _grid(len(arrays), columns, panel, 0.9 if bar else 0.0)
    for ax, (title, picture) in zip(axes, arrays.items(), strict=True):
        ax.set_title(title, fontsize=9)
        _bare(ax)
        if picture.ndim == 3:
            ax.imshow(picture, vmin=0, vmax=1)
        elif small:
            _cells(ax, picture, most)
        elif picture.min() < 0:
            image = ax.imshow(picture, cmap=_SIGNED, vmin=-most, vmax=most)
        else:
            top = limit or float(picture.max()) or 1.0
            ax.imshow(picture, cmap="gray", vmin=0, vmax=top)
        if not small:  # a picture may be white at its rim
            ax.spines[:].set(visible=True, color="0.5", linewidth=0.8)
    if bar:
        figure.colorbar(image, ax=axes, fraction=0.05, aspect=20)
    return figure


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
    _need(signals, "signals")
    arrays = {title: np.asarray(x, float) for title, x in signals.items()}
    for title, x in arrays.items():
        if x.ndim != 1 or not x.size:
            raise ValueError(
                f"a signal must have one axis. Received: {title!r}, shape={x.shape}"
            )
    figure = _figure(6.0, 1.4 * len(arrays) + 0.1)
    axes = figure.subplots(len(arrays), 1, squeeze=False)[:, 0]
    for ax, (title, x) in zip(axes, arrays.items(), strict=True):
        ax.set_title(title, fontsize=10, loc="left")
        _bars(ax, x)
        ax.set_xlim(-0.6, max(map(len, arrays.values())) - 0.4)
    return figure


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
    _need(curves, "curves")
    if len(curves) > len(_LINES):
        raise ValueError(
            f"`curves` must be at most {len(_LINES)}. Received: {len(curves)}"
        )
    figure = _figure(6.0, 3.4)
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

    Args:
        scores: numbers by name; one that is not finite gets no bar.
        xlabel: what they are, with the unit.
        intervals: for some of the names, how low and how high the number may truly
            lie; drawn as whiskers.
        log: whether each step of the axis is ten times the one before.

    Returns:
        The figure.

    Raises:
        ValueError: there is no score, or one is not positive on a logarithmic axis.

    Example:
        >>> figure = plot_scores({"pixels": 91.2, "edges": 95.9}, xlabel="right (%)")
    """
    _need(scores, "scores")
    values = np.array([*scores.values()], float)
    if log and not (values > 0).all():
        raise ValueError(
            f"`scores` must be positive on a logarithmic axis. Received: {scores}"
        )
    figure = _figure(_WIDTH * 0.85, 0.38 * len(values) + 0.8)
    ax = figure.subplots()
    rows = np.arange(len(values))
    ax.barh(rows, values, height=0.62, color=_TRAINING, log=log)
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
    ax.invert_yaxis()
    ax.margins(x=0.14)
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.set_xlabel(xlabel)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return figure


def plot_window(
    data: Any,
    kernel: Any,
    at: int | tuple[int, int],
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
    from matplotlib.patches import Rectangle

    at = (at,) if isinstance(at, int) else tuple(at)
    slide = _Slide(data, kernel, pad, border_mode, strides)
    if len(at) != slide.rank or not all(
        0 <= i < n for i, n in zip(at, slide.result.shape, strict=True)
    ):
        raise ValueError(
            "`at` must be an index of the result, whose shape is "
            f"{slide.result.shape}. Received: at={at}"
        )
    start = (0, *(i * strides for i in at))[-2:]
    products = np.atleast_2d(slide.products(at))
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
    cell = min(0.4, _WIDTH / total)
    height = max(picture.shape[0] for picture in panels.values()) * cell + 0.9
    figure = _figure(total * cell, height)
    axes = figure.subplots(1, len(panels), width_ratios=widths)
    for ax, (title, picture) in zip(axes, panels.items(), strict=True):
        limit = None if title != "input" else float(np.abs(padded).max())
        _cells(ax, picture, limit)
        ax.set_title(title, fontsize=10)
    axes[0].set_anchor("C")
    for row, column in np.argwhere(np.atleast_2d(slide.border)):
        axes[0].add_patch(_outside(column, row))
    down, across = kernel.shape
    axes[0].add_patch(
        Rectangle((start[1] - 0.5, start[0] - 0.5), across, down, **_FRAME)
    )
    row, column = (0, *at)[-2:]
    axes[3].add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **_FRAME))
    told = _sum_of(products.ravel())
    figure.supxlabel(told, fontsize=_fitting(told, total * cell, 10))
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
    from matplotlib.patches import Rectangle

    slide = _Slide(data, kernel, pad, border_mode, strides)
    if slide.rank != 1:
        raise ValueError(f"`data` must have one axis. Received: {slide.rank}")
    length, size = len(slide.padded), len(slide.kernel)
    before = int(np.argmin(slide.border))
    limit = max(float(np.abs(a).max()) for a in (slide.padded, slide.result)) or 1.0
    panel = (length + 1.6) * 0.36, 3 * 0.36 + 0.4
    figure, axes = _grid(len(slide.result), columns, panel)
    for i, ax in enumerate(axes):
        first = i * strides
        rows = np.full((3, length), np.nan)
        rows[0] = slide.padded
        rows[1, first : first + size] = slide.kernel
        done = slice(before, before + first + 1, strides)
        rows[2, done] = slide.result[: i + 1]
        _cells(ax, rows, limit)
        for column in np.flatnonzero(slide.border):
            ax.add_patch(_outside(column, 0))
        ax.add_patch(Rectangle((first - 0.5, -0.5), size, 2, **_FRAME))
        ax.add_patch(Rectangle((before + first - 0.5, 1.5), 1, 1, **_FRAME))
        ax.set_yticks(range(3), ["x", "k", "y"], fontsize=9, style="italic")
        ax.tick_params(length=0)
        terms = zip(slide.kernel, slide.padded[first:], strict=False)
        told = " + ".join(f"{_number(k)}·{_number(x)}" for k, x in terms)
        told = f"y[{i}] = {told.replace('+ −', '− ')} = {_number(slide.result[i])}"
        ax.set_title(told, fontsize=_fitting(told, panel[0], 9), loc="left")
    return figure


def save_figure(figure: "Figure", path: str | os.PathLike, *, dpi: float = 150) -> None:
    """Writes a figure to a file, whole or not at all.

    Args:
        figure: any Matplotlib figure.
        path: the extension says the format: png, pdf, svg, jpg, webp, tif or eps.
        dpi: pixels to the inch, where the format has pixels.

    Raises:
        UsageError: the extension is none of these.
        KerasconvError: the place cannot be written.

    Example:
        >>> save_figure(plot_kernels([[-1, 1]]), "derivative.svg")
    """
    check_suffix(path)
    kind = Path(path).suffix.lower()[1:]
    files.write_with(path, lambda beside: figure.savefig(beside, format=kind, dpi=dpi))


def show(figure: "Figure", *, alt: str, caption: str) -> None:
    """Puts a figure into a notebook or a page built from one, for every reader.

    The picture carries its alternative text, and the caption stands below it. In a
    plain script there is nothing to show it in, and nothing happens.

    Args:
        figure: any Matplotlib figure.
        alt: what the picture shows, for those who do not see it: one or two sentences.
        caption: what to notice in it. Plain text.

    Raises:
        ValueError: the alternative text or the caption is empty.

    Example:
        >>> show(
        ...     plot_kernels([[-1, 1]]),
        ...     alt="Two cells: minus one in blue, one in red.",
        ...     caption="The derivative kernel.",
        ... )
    """
    for name, text in (("alt", alt), ("caption", caption)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"`{name}` must say something. Received: {name}={text!r}")
    # Or else a figure of pyplot's is shown once more at the end of the cell.
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(figure)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        data = {"text/html": _as_html(figure, alt, caption), "text/plain": alt}
        shell.display_pub.publish(data)


def _as_html(figure: "Figure", alt: str, caption: str) -> str:
    """The figure as an element of a page that stands alone."""
    picture = io.BytesIO()
    # As PNG a figure of photographs takes megabytes.
    webp = {"quality": 90, "method": 4}
    figure.savefig(picture, format="webp", dpi=2 * _SCREEN, pil_kwargs=webp)
    width = round(figure.get_figwidth() * _SCREEN)
    code = base64.b64encode(picture.getvalue()).decode()
    return (
        '<figure style="margin: 1em 0">'
        f'<img src="data:image/webp;base64,{code}" alt="{html.escape(alt)}" '
        f'width="{width}" style="max-width: 100%; height: auto; background: white">'
        f"<figcaption>{html.escape(caption, quote=False)}</figcaption></figure>"
    )


def check_suffix(path: str | os.PathLike) -> None:
    """Refuse a file name whose ending is no format that figures are written in.

    Raises:
        UsageError: there is no such format.
    """
    if Path(path).suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"cannot tell the format of {str(path)!r}: end it in {known}")


def _need(things: Any, argument: str) -> None:
    if not len(things):
        raise ValueError(f"`{argument}` must not be empty. Received: {things!r}")


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _grid(
    count: int, columns: int, panel: tuple[float, float], beside: float = 0.0
) -> tuple["Figure", list["Axes"]]:
    """A figure of `count` panels of a size in inches, with room beside them."""
    if columns < 1:
        raise ValueError(f"`columns` must be positive. Received: columns={columns}")
    rows = math.ceil(count / columns)
    figure = _figure(panel[0] * columns + beside, panel[1] * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.remove()
    return figure, list(axes[:count])


def _shape(pictures: Iterable[np.ndarray]) -> tuple[int, int]:
    heights, widths = zip(*(picture.shape for picture in pictures), strict=True)
    return max(heights), max(widths)


def _bare(ax: "Axes") -> None:
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _as_slices(kernel: Any) -> np.ndarray:
    """A kernel as one picture; slices are set apart by a blank column."""
    kernel = np.asarray(kernel, float)
    if kernel.ndim not in (1, 2, 3) or not kernel.size:
        raise ValueError(
            "a kernel must have one to three axes, one for each spatial axis. "
            f"Received: shape={kernel.shape}"
        )
    if kernel.ndim < 3:
        return np.atleast_2d(kernel)
    apart = np.pad(kernel, [(0, 0), (0, 0), (0, 1)], constant_values=np.nan)
    return np.hstack(list(apart))[:, :-1]


class _Slide:
    """A kernel that moves over padded data, and what it gives: `rank` axes, NumPy."""

    def __init__(self, data, kernel, pad, border_mode, strides):
        data, self.kernel = np.asarray(data, float), np.asarray(kernel, float)
        self.rank = data.ndim
        if self.rank not in (1, 2) or self.kernel.ndim != self.rank:
            raise ValueError(
                "`data` and `kernel` must both have one axis or both have two. "
                f"Received: shapes {data.shape} and {self.kernel.shape}"
            )
        self.padded = np.pad(data, pad, mode=border_mode)
        inner = np.pad(np.ones_like(data), pad)
        self.border = inner == 0
        if any(
            k > n for k, n in zip(self.kernel.shape, self.padded.shape, strict=True)
        ):
            raise ValueError(
                "`kernel` must fit into the padded data. "
                f"Received: shapes {self.kernel.shape} and {self.padded.shape}"
            )
        windows = np.lib.stride_tricks.sliding_window_view(
            self.padded, self.kernel.shape
        )
        self.windows = windows[(slice(None, None, strides),) * self.rank]
        self.result = (self.windows * self.kernel).sum(
            tuple(range(self.rank, 2 * self.rank))
        )

    def products(self, at):
        return self.windows[at] * self.kernel


_FRAME = {"fill": False, "edgecolor": "black", "linewidth": 2.2, "clip_on": False}


def _cells(ax: "Axes", picture: np.ndarray, limit: float | None = None) -> None:
    """Numbers in cells, red above zero and blue below; no cell where there is NaN."""
    limit = limit or float(np.nanmax(np.abs(picture))) or 1.0
    ax.imshow(picture, cmap=_SIGNED, vmin=-limit, vmax=limit)
    _bare(ax)
    for row, column in np.argwhere(np.isfinite(picture)):
        ax.add_patch(_box(column, row, edgecolor="0.6", linewidth=0.6))
    _write_values(ax, picture, limit)


def _outside(column: float, row: float) -> Any:
    return _box(column, row, edgecolor="0.75", hatch="////", linewidth=0.6)


def _box(column: float, row: float, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, **style)


def _number(value: float) -> str:
    text = np.format_float_positional(value, 3, trim="-")
    return "0" if text == "-0" else text.replace("-", "−")


def _fitting(text: str, width: float, most: float) -> float:
    """The font size, in points, at which a line of text is so many inches wide."""
    return min(most, 72 * width / (0.65 * len(text)))


def _sum_of(terms: Iterable[float]) -> str:
    """The sum written out: "2 + 0 − 3 = −1"."""
    terms = list(terms)
    told = " + ".join(map(_number, terms)).replace("+ −", "− ")
    return f"{told} = {_number(sum(terms))}"


def _as_picture(title: str, picture: Any) -> np.ndarray:
    picture = np.asarray(picture, float)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    colour = picture.ndim == 3 and picture.shape[-1] == 3
    if not picture.size or not (picture.ndim == 2 or colour):
        raise ValueError(
            "a picture must have the shape (height, width), or one or three channels "
            f"at the end. Received: {title!r}, shape={picture.shape}"
        )
    return picture


def _write_values(ax: "Axes", picture: np.ndarray, limit: float) -> None:
    decimals = max(0, 2 - math.floor(math.log10(limit)))  # three figures of the largest
    for (row, column), value in np.ndenumerate(picture):
        if np.isfinite(value):
            text = np.format_float_positional(value, decimals, trim="-")
            ax.text(
                column,
                row,
                "0" if text == "-0" else text.replace("-", "−"),
                ha="center",
                va="center",
                fontsize=9 if len(text) <= 5 else 45 / len(text),
                color="white" if abs(value) > 0.6 * limit else "black",
            )


def _tiles(name: str, maps: np.ndarray) -> np.ndarray:
    """A layer's maps as one picture, a blank line between them; vectors as they are."""
    if maps.ndim == 1 and maps.size:
        return maps
    if maps.ndim not in (2, 3, 4) or not maps.size:
        raise ValueError(
            "the maps of a layer must have one to four axes, without a batch axis. "
            f"Received: layer={name!r}, shape={maps.shape}"
        )
    if maps.ndim == 2:
        return maps.T  # a channel is a row of steps
    if maps.ndim == 4:
        columns = len(maps)
        tiles = np.moveaxis(maps, -1, 0).reshape(-1, *maps.shape[1:3])
    else:
        tiles = np.moveaxis(maps, -1, 0)
        columns = min(len(tiles), 16)
    # Small maps are enlarged, so that the line between maps is as thin there.
    larger = max(1, round(28 / max(tiles.shape[1:])))
    tiles = tiles.repeat(larger, 1).repeat(larger, 2)
    missing = -len(tiles) % columns
    tiles = np.pad(tiles, [(0, missing), (0, 2), (0, 2)], constant_values=np.nan)
    height, width = tiles.shape[1:]
    rows = tiles.reshape(-1, columns, height, width).swapaxes(1, 2)
    return rows.reshape(-1, columns * width)[:-2, :-2]


def _height(picture: np.ndarray) -> float:
    """Inches for a picture as wide as the page, or of a twentieth a pixel if less."""
    height, width = picture.shape
    return max(min(0.85 * _WIDTH * height / width, height / 20), 0.4)


def _bars(ax: "Axes", values: np.ndarray) -> None:
    colors = np.where(values < 0, "#2166AC", "#B2182B" if values.min() < 0 else "0.25")
    if len(values) <= 64:
        ax.bar(range(len(values)), values, color=colors, width=0.8)
    else:
        ax.vlines(range(len(values)), 0, values, colors=colors, linewidth=0.5)
    if len(values) <= 20:
        ax.set_xticks(range(len(values)))
    ax.margins(x=0.01)
    ax.axhline(0, color="0.5", linewidth=0.5)
    ax.tick_params(labelsize=7)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
