"""Photographs: their edges found by this package's operators, resized, written."""

import os
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from kerasconv import files
from kerasconv._arguments import BORDER_MODES, as_array, check_choice, is_int
from kerasconv.errors import UsageError, short
from kerasconv.files import check_path
from kerasconv.kernels import OPERATORS

# What `output` means as an axis of (height, width): x runs along the rows.
OUTPUTS = {"magnitude": None, "x": 1, "y": 0}

# Photographs are cut into tiles of this side: JAX compiles for every shape that it
# sees, for a second or so, and so there is one.
_TILE = 512


def example_photo() -> Path:
    """The photograph in the package: a cat, 451x300 pixels, in colour."""
    return Path(str(resources.files("kerasconv").joinpath("_cat.jpg")))


def edges(
    photo: np.ndarray,
    operator: str = "sobel",
    output: str = "magnitude",
    border_mode: str = "symmetric",
) -> np.ndarray:
    """Derivatives of a picture, a channel at a time, of the picture's own size.

    Args:
        photo: Floats of shape (height, width, channels).
        operator: "sobel" or "prewitt".
        output: "magnitude", sqrt(dy² + dx²); "x", the derivative along x, which marks
            vertical edges; or "y", which marks horizontal ones.
        border_mode: What lies outside, by the names of `numpy.pad`: "symmetric",
            "reflect", "edge", "wrap" or "constant".

    Returns:
        float32 array of the shape of `photo`. A ramp of slope one gives one
        (`normalize="unit"`), so that operators compare.

    Raises:
        UsageError: an unknown operator or output.
        ValueError: an unknown border mode, or a picture of another shape.

    Example:
        >>> from kerasconv.pictures import read_photo
        >>> edges(read_photo(example_photo())).shape
        (300, 451, 3)
    """
    # Reading and writing photographs needs no backend.
    from kerasconv import ops
    from kerasconv._keras import keras

    check_edges(operator, output, border_mode)
    if np.ndim(photo) != 3:
        raise ValueError(
            "`photo` must be of shape (height, width, channels). Received: shape "
            f"{np.shape(photo)}"
        )
    photo = np.asarray(photo, np.float32)
    found = np.empty(photo.shape, np.float32)
    if not found.size:
        return found
    bordered = np.pad(photo, ((1, 1), (1, 1), (0, 0)), border_mode)  # type: ignore[call-overload]
    tile = np.zeros((1, _TILE + 2, _TILE + 2, photo.shape[2]), np.float32)
    for top, left in np.ndindex(*(-(-side // _TILE) for side in photo.shape[:2])):
        rows, columns = slice(top * _TILE, None), slice(left * _TILE, None)
        part = bordered[rows, columns][: _TILE + 2, : _TILE + 2]
        height, width = part.shape[:2]
        tile[0, :height, :width] = part
        result = getattr(ops, operator)(
            keras.ops.convert_to_tensor(tile),
            axis=OUTPUTS[output],
            output="magnitude" if output == "magnitude" else "components",
            normalize="unit",
            data_format="channels_last",
        )
        inner = keras.ops.convert_to_numpy(result)[0, 1 : height - 1, 1 : width - 1]
        found[rows, columns][:_TILE, :_TILE] = inner
    return found


def check_edges(operator: str, output: str, border_mode: str) -> None:
    """Refuse what `edges` does not know, before anything is read.

    Raises:
        ValueError: an unknown operator, output or border mode.
    """
    check_choice("operator", operator, tuple(OPERATORS))
    check_choice("output", output, tuple(OUTPUTS))
    check_choice("border_mode", border_mode, BORDER_MODES)


def to_pixels(values: np.ndarray, output: str = "magnitude") -> np.ndarray:
    """Edges as levels 0..255: the strongest is white.

    Args:
        values: What `edges` returned.
        output: As for `edges`. A magnitude of 0 is black; a derivative of 0 is the
            grey 128, rising values are lighter, falling ones darker.

    Returns:
        uint8 array of the same shape.
    """
    values = as_array("values", values)
    check_choice("output", output, tuple(OUTPUTS))
    largest = float(np.abs(values).max(initial=0)) or 1.0
    if output == "magnitude":
        return np.rint(255 * values / largest).astype(np.uint8)
    return np.rint(128 + 127 * values / largest).astype(np.uint8)


def resized(photo: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """A photograph brought to what a network takes: its height, width and channels.

    Args:
        photo: Floats in [0, 1] of shape (height, width, 1 or 3).
        shape: The shape wanted; one channel is the luma of three (ITU-R BT.601).

    Returns:
        float32 array of that shape.
    """
    photo = as_array("photo", photo, 3)
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        shape = ()
    if not shape or not all(is_int(n) and n > 0 for n in shape):
        raise UsageError(
            "`shape` must be (height, width, channels), three positive ints. "
            f"Received: shape={short(shape)}"
        )
    height, width, channels = shape
    if channels == 1 and photo.shape[-1] == 3:
        photo = photo @ np.array([[0.299], [0.587], [0.114]], np.float32)
    photo = np.broadcast_to(photo, (*photo.shape[:2], channels))
    layers = [
        Image.fromarray(np.ascontiguousarray(photo[..., c], np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for c in range(channels)
    ]
    return np.stack([np.asarray(layer) for layer in layers], axis=-1)


def check_suffix(path: str | os.PathLike) -> None:
    """Refuse a file name whose ending is no picture format that Pillow writes.

    Raises:
        UsageError: there is no such format.
    """
    suffix = Path(check_path("path", path)).suffix.lower()
    if Image.registered_extensions().get(suffix) not in Image.SAVE:
        raise UsageError(
            f"cannot tell the picture format of {str(path)!r}: end it in .png or .jpg"
        )


def write_photo(path: str | os.PathLike, pixels: np.ndarray) -> None:
    """Write a picture file, whole or not at all.

    Args:
        path: Its ending says the format.
        pixels: uint8 array of shape (height, width, 1 or 3).

    Raises:
        UsageError: no picture format has this ending.
        KerasconvError: the place cannot be written.
    """
    check_suffix(path)
    pixels = as_array("pixels", pixels, 3)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    # Only PNG knows it: Pillow's own level takes far longer for little less.
    files.write_with(path, partial(image.save, compress_level=1))
