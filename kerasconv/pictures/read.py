"""Any picture file, read as pixels in [0, 1]: in grey levels or in colours."""

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Callable
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kerasconv._arguments import check_int
from kerasconv._pixels import to_unit, unit_range
from kerasconv.errors import KerasconvError, one_line
from kerasconv.files import check_path
from kerasconv.pictures.find import NOT_PICTURES, why_no_file
from kerasconv.pictures.ink import side_of

MAX_PIXELS = 10_000_000
"""Pixels that a picture of one digit may have."""

MAX_PHOTO_PIXELS = 80_000_000
"""Pixels that a photograph may have; Pillow itself warns at 89 million."""

Result = TypeVar("Result")

_one_at_a_time = threading.Lock()  # warnings.catch_warnings is global before 3.14


def read_image(
    path: str | os.PathLike | bytes, *, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Reads a picture as grey levels: 0 is black, 1 is white.

    Of a file with several frames the first is read; a warning tells of the pages of a
    TIFF that are not. The EXIF orientation is applied.
    Colour becomes luma, `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601, Pillow's `L`).
    Transparency becomes paper: behind ink of a single colour white or black, whichever
    the ink stands out from; in a picture with a paper of its own, that paper.
    Unsigned integers are divided by the largest value of their type, signed ones
    (Pillow's mode I) by 255 or, where one is larger, by 65,535. Other integers, and
    floats outside [0, 1], are scaled by their own range; NaN counts as their median.

    Args:
        path: a file in any format and mode that Pillow decodes, or its contents.
        max_pixels: the most pixels accepted. Checked before anything is decoded.

    Returns:
        A float32 array of shape (height, width), values in [0, 1].

    Raises:
        KerasconvError: the file is missing, not a picture, damaged or too large.

    Example:
        >>> grey = read_image("seven.jpg")
        >>> digit = prepare_digit(grey)
        >>> digit.shape
        (28, 28)
    """
    return _read(path, max_pixels, grey_levels)


def read_reduced(
    path: str | os.PathLike | bytes, side: int, *, max_pixels: int = MAX_PHOTO_PIXELS
) -> tuple[np.ndarray, float]:
    """Reads a picture as grey levels, with less than twice `side` pixels a side.

    As `read_image`, but a large picture is reduced by a whole factor, by area. A strip
    more than four times as long as wide may be longer, with as many pixels as a square.
    Of a JPEG the smaller picture alone is decoded, by libjpeg's scaled transform.

    Args:
        path: a file in any format and mode that Pillow decodes, or its contents.
        side: a longer side of less than twice this is left as it is.
        max_pixels: the most pixels accepted. Checked before anything is decoded.

    Returns:
        The float32 array of shape (height, width), values in [0, 1], and how many
        pixels of the file one of its pixels is, along a side.

    Raises:
        KerasconvError: the file is missing, not a picture, damaged or too large.
    """

    def convert(image: Image.Image) -> tuple[np.ndarray, float]:
        before = max(image.size)
        scale = side_of(image.size) / side
        if image.format in ("JPEG", "MPO") and scale >= 2:
            image.draft("L", (int(image.width / scale), int(image.height / scale)))
        grey = grey_levels(image, side)
        return grey, before / max(grey.shape)

    return _read(path, max_pixels, convert)


def read_photo(
    path: str | os.PathLike | bytes, *, max_pixels: int = MAX_PHOTO_PIXELS
) -> np.ndarray:
    """Reads a picture in its own colours: 0 is dark, 1 is light.

    As `read_image`, but colours are kept, as three channels, and what is transparent
    becomes white.

    Args:
        path: a file in any format and mode that Pillow decodes, or its contents.
        max_pixels: the most pixels accepted. Checked before anything is decoded.

    Returns:
        A float32 array of shape (height, width, 3), or (height, width, 1) of a picture
        in grey; values in [0, 1].

    Raises:
        KerasconvError: the file is missing, not a picture, damaged or too large.

    Example:
        >>> read_photo("cat.jpg").shape
        (300, 451, 3)
    """
    return _read(path, max_pixels, colours)


def _read(
    path: str | os.PathLike | bytes,
    max_pixels: int,
    convert: Callable[[Image.Image], Result],
) -> Result:
    """What `convert` makes of a picture file; any failure gives a one-line error."""
    if not isinstance(path, bytes):
        check_path("path", path)
    check_int("max_pixels", max_pixels)
    # A name may hold line breaks.
    name = "the picture" if isinstance(path, bytes) else repr(os.fspath(path))
    try:
        if isinstance(path, bytes):
            file: BinaryIO = io.BytesIO(path)
            size = len(path)
        else:
            if not os.path.isfile(path):
                raise KerasconvError(why_no_file(path))
            # Through a file of ours: from a path Pillow maps an uncompressed TIFF into
            # memory, and garbles it where its orientation swaps the sides.
            file, size = open(path, "rb"), os.path.getsize(path)  # noqa: SIM115
        with file:
            if not size:
                raise KerasconvError(
                    f"{name} is empty (0 bytes): save or copy it again"
                )
            with _open(file) as image:
                return convert(_checked(image, name, max_pixels))
    except KerasconvError:
        raise
    except PermissionError:
        reason = "permission denied: make the file readable"
    except UnidentifiedImageError:
        reason = "not a picture in a format that Pillow reads: convert it to PNG"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        reason = (
            f"its pixels are far over the limit of {max_pixels:,}: crop or shrink it"
        )
    except Exception as error:  # a damaged file: Pillow's decoders raise many types
        reason = f"damaged or cut short ({one_line(error)}): save or copy it again"
    raise KerasconvError(f"cannot read {name}: {reason}")


def _checked(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    if image.format in NOT_PICTURES:
        raise KerasconvError(f"{name} is {image.format}, not pixels: convert it to PNG")
    width, height = image.size
    if width * height > max_pixels:
        raise KerasconvError(
            f"{name} has {width} x {height} pixels, over the limit of "
            f"{max_pixels:,}: crop or shrink it"
        )
    # Frames of other formats are moments, or other versions, of one picture.
    if image.format == "TIFF" and getattr(image, "is_animated", False):
        warnings.warn(
            f"{name} has several pages: only the first is read; save each to a file",
            stacklevel=4,
        )
    return image


def _open(file: BinaryIO) -> Image.Image:
    """Reads a picture's header; a size that Pillow warns of is an error."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(file)


def _upright(image: Image.Image) -> Image.Image:
    """The first frame, decoded and turned as its EXIF orientation says."""
    image.load()
    with contextlib.suppress(Exception):  # a damaged EXIF block says nothing
        image = ImageOps.exif_transpose(image)
    return image


def colours(image: Image.Image) -> np.ndarray:
    """The first frame, upright: grey or red, green and blue in [0, 1]."""
    image = _upright(image)
    if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16"):
        return grey_levels(image)[..., None]
    if image.mode == "LAB":  # Pillow has no way from LAB to colours
        return to_unit(np.asarray(image.getchannel("L")))[..., None]
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return to_unit(np.asarray(image.convert("RGB")))


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """A picture of less than twice `side` pixels a side, by area."""
    factor = int(side_of(image.size) // side)
    if factor < 2 or image.mode.startswith("I;16") or "transparency" in image.info:
        return image
    if image.mode in ("1", "P", "PA"):  # whose numbers have no mean
        image = image.convert("L" if image.mode == "1" else "RGBA")
    return image.reduce(factor)


def grey_levels(image: Image.Image, side: int | None = None) -> np.ndarray:
    """The first frame as upright grey levels in [0, 1], reduced if `side` is given."""
    image = _upright(image)
    if side is not None:
        image = _reduced(image, side)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        key = image.info.get("transparency")
        alpha = None if key is None else (values != key).astype(np.float32)
        luma = unit_range(values)
    else:
        alpha = None
        if image.has_transparency_data:
            image = image.convert("LA" if image.mode in ("LA", "La") else "RGBA")
            alpha = unit_range(np.asarray(image.getchannel("A")))
        # Pillow has no way from LAB to grey, and its L is the lightness already.
        grey = image.getchannel("L") if image.mode == "LAB" else image.convert("L")
        luma = unit_range(np.asarray(grey))
    return luma if alpha is None else _on_paper(luma, alpha)


def _on_paper(luma: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture with transparency laid on the paper that it is meant for."""
    weight = alpha / (alpha.sum(dtype=np.float64) or 1)
    mean = (luma * weight).sum()
    spread = np.sqrt((weight * (luma - mean) ** 2).sum())
    if spread < 0.1:  # ink alone
        paper = np.float32(mean < 0.5)
    else:  # a picture with paper of its own
        paper = np.median(luma[alpha > 0.5]) if (alpha > 0.5).any() else mean
    return (luma * alpha + paper * (1 - alpha)).astype(np.float32)
