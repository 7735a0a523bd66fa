"""Pictures of networks: their kernels, feature maps, answers and training."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv._arguments import as_array
from kerasconv.errors import UsageError, short
from kerasconv.plotting._canvas import (
    SHARE,
    SIGNED,
    TRAINING,
    UNSIGNED,
    VALIDATION,
    WIDTH,
    bare,
    check_columns,
    draw_bars,
    label,
    largest_shape,
    largest_value,
    need,
    new_figure,
    new_grid,
    several,
    write_values,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    if isinstance(kernels, str | bytes) or not isinstance(kernels, Iterable):
        raise UsageError(
            f"`kernels` must be arrays, by name or not. Received: {short(kernels)}"
        )
    if not isinstance(kernels, Mapping):
        kernels = {str(i): kernel for i, kernel in enumerate(kernels)}
    pictures = {name: _as_slices(kernel) for name, kernel in kernels.items()}
    need(pictures, "kernels")
    limit = largest_value(pictures.values())
    height, width = largest_shape(pictures.values())
    # A number is legible in so much of an inch; many kernels are for looking at alone.
    written = len(pictures) * height * width <= 12 * 9 and width <= 15
    cell = 0.45 if written else min(0.28, 1.5 / width)
    if columns is None:
        columns = max(1, min(len(pictures), int(WIDTH / ((width + 0.5) * cell))))
    panel = max((width + 0.5) * cell, 0.9), height * cell + 0.35
    figure, axes = new_grid(len(pictures), columns, panel, beside=0.9)
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        image = ax.imshow(picture, cmap=SIGNED, vmin=-limit, vmax=limit)
        ax.set_title(label(name), fontsize=9)
        bare(ax)
        if written:
            write_values(ax, picture, limit)
    figure.colorbar(image, ax=axes, label="weight", fraction=0.08, aspect=20)
    return figure


def _as_slices(kernel: Any) -> np.ndarray:
    """A kernel as one picture; slices are set apart by a blank column."""
    kernel = as_array("kernels", kernel).astype(float)
    if kernel.ndim not in (1, 2, 3) or not kernel.size:
        raise ValueError(
            "`kernels` must have one to three axes each, one for each spatial axis. "
            f"Received: shape={kernel.shape}"
        )
    if kernel.ndim < 3:
        return np.atleast_2d(kernel)
    apart = np.pad(kernel, [(0, 0), (0, 0), (0, 1)], constant_values=np.nan)
    return np.hstack(list(apart))[:, :-1]


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
    need(maps_by_layer, "maps_by_layer")
    layers = {name: np.asarray(maps, float) for name, maps in maps_by_layer.items()}
    drawn = {name: _tiles(name, maps) for name, maps in layers.items()}
    heights = [1.1 if p.ndim == 1 else _height(p) for p in drawn.values()]
    figure = new_figure(WIDTH, sum(heights) + 0.5 * len(heights))
    axes = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (name, tiles) in zip(axes, drawn.items(), strict=True):
        shape = " × ".join(map(str, layers[name].shape))
        ax.set_title(f"{label(name)}   {shape}", fontsize=10, loc="left")
        if tiles.ndim == 1:
            draw_bars(ax, tiles)
            continue
        low = float(np.min(tiles, where=np.isfinite(tiles), initial=0))
        limit = largest_value([tiles])
        scale = (
            {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
            if low < 0
            else {"cmap": UNSIGNED, "vmin": 0, "vmax": limit}
        )
        image = ax.imshow(tiles, **scale, interpolation="nearest")
        bare(ax)
        bar = figure.colorbar(
            image, ax=ax, fraction=0.03, pad=0.01, aspect=12, panchor=(0, 0.5)
        )
        bar.ax.tick_params(labelsize=7)
    return figure


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
    return max(min(0.85 * WIDTH * height / width, height / 20), 0.4)


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

    matrix = as_array("matrix", matrix)
    if class_names is not None:
        class_names = several("class_names", class_names)
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or not matrix.size:
        raise ValueError(f"`matrix` must be square. Received: shape={matrix.shape}")
    if not (matrix >= 0).all():
        raise ValueError("`matrix` must hold counts, which are not negative")
    names = list(map(label, range(len(matrix)) if class_names is None else class_names))
    if len(names) != len(matrix):
        raise ValueError(
            f"`class_names` must name all {len(matrix)} classes. Received: {names}"
        )
    totals = matrix.sum(1, keepdims=True)
    share = matrix / np.maximum(totals, 1)
    side = min(max(4.5, 0.55 * len(names) + 1.5), 14)
    figure = new_figure(side + 0.8, side)
    ax = figure.subplots()
    scale = PowerNorm(0.35, 0, 1)
    image = ax.imshow(share, cmap=SHARE, norm=scale)
    upright = len(names) <= 12 and max(map(len, names)) <= 4
    ax.set_xticks(range(len(names)), names, rotation=0 if upright else 90)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    if len(names) <= 25:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                dark = float(scale(share[row, column])) > 0.55
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
    images = as_array("images", images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or not images.size:
        raise ValueError(
            "`images` must have the shape (n, height, width) or (n, height, width, 1)."
            f" Received: shape={images.shape}"
        )
    none = [""] * len(images)
    captions = none if captions is None else several("captions", captions)
    if len(captions) != len(images):
        raise ValueError(
            f"`captions` must be one for each of the {len(images)} images. "
            f"Received: {len(captions)}"
        )
    top = np.iinfo(images.dtype).max if images.dtype.kind in "iu" else 1
    longest = max(len(line) for caption in captions for line in caption.split("\n"))
    if columns is None:
        # About fifteen characters of the caption's size fit in an inch.
        columns = max(1, min(len(images), 10, int(15 * WIDTH / max(longest, 1))))
    columns = check_columns(columns)
    lines = max(caption.count("\n") + bool(caption) for caption in captions)
    width = WIDTH / max(columns, 5)
    height = width * images.shape[1] / images.shape[2] + 0.18 * lines
    figure, axes = new_grid(len(images), columns, (width, height))
    for ax, image, caption in zip(axes, images, captions, strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=top)
        ax.set_xlabel(caption, fontsize=8, labelpad=2)
        bare(ax)
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
    need(values, "history")
    values = {name: as_array("history", curve) for name, curve in values.items()}
    values = {name: np.atleast_1d(curve) for name, curve in values.items()}
    names = list(dict.fromkeys(name.removeprefix("val_") for name in values))
    need({name: values for name in names if any(map(len, values.values()))}, "history")
    columns = min(len(names), 3)
    rows = math.ceil(len(names) / columns)
    figure = new_figure(max(4.0, 3.6 * columns), 3.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        curves = [
            (name, "training", TRAINING, "o-"),
            (f"val_{name}", "validation", VALIDATION, "s--"),
        ]
        for key, of, color, style in curves:
            if key in values:
                curve = values[key]
                epochs = np.arange(1, len(curve) + 1)
                marks = style if len(curve) <= 30 else style[1:]
                ax.plot(epochs, curve, marks, color=color, label=of, markersize=4)
        ax.set_title(label(name.replace("_", " ")), fontsize=11)
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    for ax in axes[len(names) :]:
        ax.remove()
    return figure
