"""Any picture of a digit, brought to what the networks were trained on.

`find_images` finds the files, `read_image` makes a grey array of one of them, and
`prepare_digit` makes an MNIST digit of the array. Needs no backend.
"""

import contextlib
import glob
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from kerasconv.errors import KerasconvError, UsageError, one_line

__all__ = [
    "MAX_PHOTO_PIXELS",
    "MAX_PIXELS",
    "BlankImageWarning",
    "find_images",
    "prepare_digit",
    "read_image",
    "read_photo",
    "to_unit",
]

MAX_PIXELS = 10_000_000
"""Pixels that a picture of one digit may have."""

MAX_PHOTO_PIXELS = 80_000_000
"""Pixels that a photograph may have; Pillow itself warns at 89 million."""

# MNIST's own figures: the field, the box, and the pixel the centre of mass lies on.
FIELD, BOX, CENTRE = 28, 20, 14

# Formats that Pillow lists but cannot decode by itself; PostScript is a program.
_NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}

# The ink is sought in a view of at most _VIEW pixels a side, which averages noise
# away, and again closer until it takes up _DETAIL of them. Measured on scans made of
# test digits: finer views gain nothing on clean ones and lose dithered ones.
_VIEW, _DETAIL = 64, 30
# Paper and ink differ from each other by more than this share of the contrast.
_FAINT = 0.25

_one_at_a_time = threading.Lock()  # warnings.catch_warnings is global before 3.14


class BlankImageWarning(UserWarning):
    """A picture holds no ink: nothing stands out from its paper."""


def read_image(path: str | os.PathLike, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads a picture as grey levels: 0 is black, 1 is white.

    Of a file with several frames the first is read. The EXIF orientation is applied.
    Colour becomes luma, `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601, Pillow's `L`).
    Transparency becomes paper: ink of one colour drawn on transparency gets the
    paper it stands out from, white or black; a picture that has its own paper gets
    more of it. Unsigned integers are divided by the largest value of their type,
    signed ones (Pillow's mode I) by the least of 255 and 65,535 that none exceeds;
    other integers and floats outside [0, 1] are scaled by their own range, NaN counts
    as their median.

    Args:
        path: a file in any format and mode that Pillow decodes.
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
    return _read(path, max_pixels, _grey)


def read_photo(
    path: str | os.PathLike, *, max_pixels: int = MAX_PHOTO_PIXELS
) -> np.ndarray:
    """Reads a picture in its own colours: 0 is dark, 1 is light.

    As `read_image`, but colours stay, as sRGB's three channels; a transparent ground
    becomes white.

    Args:
        path: a file in any format and mode that Pillow decodes.
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
    return _read(path, max_pixels, _colours)


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Pixels 0..255 as the float32 in [0, 1] that the networks take: p / 255."""
    return np.asarray(pixels, np.float32) / np.float32(255)


def _read(
    path: str | os.PathLike,
    max_pixels: int,
    convert: Callable[[Image.Image], np.ndarray],
) -> np.ndarray:
    """What `convert` makes of a picture file; any failure is one line."""
    name = repr(os.fspath(path))  # a name may hold line breaks
    try:
        if not os.path.isfile(path):
            raise KerasconvError(_why_no_file(path))
        if not os.path.getsize(path):
            raise KerasconvError(f"{name} is empty (0 bytes): save or copy it again")
        # Through a file of ours: from a path Pillow maps an uncompressed TIFF into
        # memory, and garbles it where its orientation swaps the sides.
        with open(path, "rb") as file, _open(file) as image:
            if image.format in _NOT_PICTURES:
                raise KerasconvError(
                    f"{name} is {image.format}, not pixels: convert it to PNG"
                )
            width, height = image.size
            if width * height > max_pixels:
                raise KerasconvError(
                    f"{name} has {width} x {height} pixels, over the limit of "
                    f"{max_pixels:,}: crop or shrink it"
                )
            return convert(image)
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


def prepare_digit(image: np.ndarray | Image.Image) -> np.ndarray:
    """Makes an MNIST digit of a picture: light ink on black, centred by mass.

    As published, the ink is scaled to fit a 20 x 20 box with its aspect ratio kept,
    with the grey levels of area averaging, and moved by whole pixels in the 28 x 28
    field until its centre of mass lies at the centre. Measured on the 10,000 test
    digits the centre is the pixel (14, 14) counted from 0, to the nearest pixel:
    `13.5 <= sum(y * v) / sum(v) < 14.5`, the same for x. A picture that is such a
    digit already, or its negative, comes through with its values divided by 255 and
    nothing else.

    Before that, in any other picture, paper and ink are told apart. Paper is what the
    rim shows, most of all its corners; a plane fitted to it takes out shading. Ink is
    what stands out, on whichever side stands out more; groups of pixels that weigh
    little beside the heaviest are specks.

    Args:
        image: grey levels of shape (height, width) or (height, width, 1), integers or
            floats in [0, 1] (as of `read_image`), or a Pillow image of any mode.

    Returns:
        A float32 array of shape (28, 28): 256 grey levels from 0, paper, to 1, ink.
        All zeros, with a `BlankImageWarning`, if there is no ink.

    Raises:
        ValueError: the array is not one grey picture.

    Source:
        Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten
        digits"; area averaging: C. Yadav, L. Bottou, "Cold Case: The Lost MNIST
        Digits", 2019, arXiv:1905.10498.

    Example:
        >>> picture = np.full((300, 200), 255, np.uint8)  # white paper
        >>> picture[50:250, 95:105] = 0  # a black stroke
        >>> digit = prepare_digit(picture)
        >>> np.flatnonzero(digit.any(axis=0)), int(np.count_nonzero(digit))
        (array([14]), 20)
    """
    if isinstance(image, Image.Image):
        grey = _grey(image)
    else:
        grey = np.asarray(image)
        if grey.ndim == 3 and grey.shape[-1] == 1:
            grey = grey[..., 0]
        if grey.ndim != 2 or not grey.size or grey.dtype.kind not in "buif":
            raise ValueError(
                "`image` must be a grey picture of shape (height, width) or a Pillow "
                f"image. Received: shape={grey.shape}, dtype={grey.dtype}"
            )
        grey = _unit_range(grey)
    digit = _as_mnist(grey)
    if digit is None:
        ink = _ink(grey)
        if ink is None:
            warnings.warn(
                "the picture is blank: no ink stands out from the paper",
                BlankImageWarning,
                stacklevel=2,
            )
            return np.zeros((FIELD, FIELD), np.float32)
        digit = _centred(_fitted(ink))
    return to_unit(digit)


def find_images(paths: Iterable[str | os.PathLike]) -> Iterator[Path]:
    """Finds the picture files that files, folders and glob patterns stand for.

    A file stands for itself, whatever its extension. A folder stands for every file
    below it with the extension of a format that Pillow decodes (in either case),
    without hidden files and folders and without following links to folders. A
    pattern (Python's `glob`: `*`, `?`, `[...]`, and `**` for any folders) stands for
    the files that match. A leading `~` is the home folder. The order is the one given,
    and sorted by name within a folder or pattern; a file that is named twice is given
    twice, so that no record of the files must be kept.

    Args:
        paths: files, folders and patterns.

    Returns:
        An iterator over the files' paths.

    Raises:
        UsageError: a path does not exist (raised before the first file is given), or
            a folder or pattern stands for no file (raised when its turn comes).

    Example:
        >>> for path in find_images(["one.png", "scans/", "~/digits/**/*.jpg"]):
        ...     digit = prepare_digit(read_image(path))
    """
    expanded = [os.path.expanduser(os.fspath(path)) for path in paths]
    for path in expanded:
        if not os.path.exists(path) and not glob.has_magic(path):
            raise UsageError(_why_no_file(path))
    return _found(expanded)


def _found(paths: list[str]) -> Iterator[Path]:
    for path in paths:
        if os.path.isdir(path):
            extensions = _extensions()
            files = (
                file
                for file in _walk(path)
                if os.path.splitext(file)[1].lower() in extensions
            )
            nothing = f"no picture in the folder {path!r}: name the files instead"
        elif os.path.exists(path):
            files, nothing = iter([path]), ""
        else:
            matches = sorted(glob.iglob(path, recursive=True))
            files = filter(os.path.isfile, matches)
            nothing = f"no file matches {path!r}: check the pattern"
        first = next(files, None)
        if first is None:
            raise UsageError(nothing)
        yield Path(first)
        yield from map(Path, files)


def _extensions() -> set[str]:
    return {
        extension
        for extension, format in Image.registered_extensions().items()
        if format in Image.OPEN and format not in _NOT_PICTURES
    }


def _listing(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder or ".") as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise KerasconvError(
            f"cannot list the folder {folder!r}: {error.strerror}"
        ) from None


def _walk(folder: str) -> Iterator[str]:
    for entry in _listing(folder):
        if entry.name.startswith("."):
            continue
        path = os.path.join(folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        elif entry.is_file():
            yield path


def _why_no_file(path: str | os.PathLike) -> str:
    name = repr(os.fspath(path))
    if os.path.isdir(path):
        return f"{name} is a folder, not a picture: name a file in it"
    if os.path.exists(path):
        return f"{name} is not a regular file: save the picture to a file first"
    return f"no such file or folder: {name}; check the path"


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


def _colours(image: Image.Image) -> np.ndarray:
    """The first frame, upright: grey or red, green and blue in [0, 1]."""
    image = _upright(image)
    if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16"):
        return _grey(image)[..., None]
    if image.mode == "LAB":  # Pillow has no way from LAB to colours
        return to_unit(np.asarray(image.getchannel("L")))[..., None]
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return to_unit(np.asarray(image.convert("RGB")))


def _grey(image: Image.Image) -> np.ndarray:
    """The first frame as upright grey levels in [0, 1]."""
    image = _upright(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        key = image.info.get("transparency")
        alpha = None if key is None else (values != key).astype(np.float32)
        luma = _unit_range(values)
    else:
        alpha = None
        if image.has_transparency_data:
            image = image.convert("LA" if image.mode in ("LA", "La") else "RGBA")
            alpha = _unit_range(np.asarray(image.getchannel("A")))
        # Pillow has no way from LAB to grey, and its L is the lightness already.
        luma = image.getchannel("L") if image.mode == "LAB" else image.convert("L")
        luma = _unit_range(np.asarray(luma))
    return luma if alpha is None else _on_paper(luma, alpha)


def _unit_range(values: np.ndarray) -> np.ndarray:
    """Numbers of any type as float32 in [0, 1]."""
    if values.dtype.kind == "b":
        return values.astype(np.float32)
    if values.dtype.kind == "u":
        return _divided(values, np.iinfo(values.dtype).max)
    low, high = values.min(), values.max()
    if values.dtype.kind == "i" and low >= 0 and high <= 65535:
        # Pillow's and NumPy's wide integers mostly hold 8 or 16 bits.
        return _divided(values, 255 if high <= 255 else 65535)
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.float32)
    low, high = finite.min(), finite.max()
    middle = np.quantile(finite, 0.5, method="lower")
    values = np.nan_to_num(values, nan=middle, posinf=high, neginf=low)
    if low < 0 or high > 1:
        # Halved, since high - low can be beyond the largest number.
        values = (values / 2 - low / 2) / ((high / 2 - low / 2) or 1)
    return values.astype(np.float32)


def _divided(values: np.ndarray, top: int) -> np.ndarray:
    # Beyond 16 bits float32 holds neither the values nor the largest one.
    exact = np.float32 if top <= 65535 else np.float64
    return (values / exact(top)).astype(np.float32)


def _on_paper(luma: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lays what is drawn on transparency on the paper it is meant for."""
    weight = alpha / (alpha.sum(dtype=np.float64) or 1)
    mean = (luma * weight).sum()
    spread = np.sqrt((weight * (luma - mean) ** 2).sum())
    if spread < 0.1:  # ink alone
        paper = np.float32(mean < 0.5)
    else:  # a picture with paper of its own
        paper = np.median(luma[alpha > 0.5]) if (alpha > 0.5).any() else mean
    return (luma * alpha + paper * (1 - alpha)).astype(np.float32)


def _as_mnist(grey: np.ndarray) -> np.ndarray | None:
    """The 256 levels of a picture that is an MNIST digit, or the negative of one."""
    if grey.shape != (FIELD, FIELD):
        return None
    levels = np.rint(255 * grey)
    if np.abs(255 * grey - levels).max() > 1e-3:
        return None
    if levels[0, 0] > 127:
        levels = 255 - levels
    rows, columns = _box(levels > 0)
    digit = levels[rows, columns]
    # Where the ends of a stroke are faint the box of three test digits is 19.
    if digit.size and max(digit.shape) in (BOX - 1, BOX) and digit.max() >= 254:
        return levels if np.array_equal(_centred(digit), levels) else None
    return None


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest box around all that is true."""
    sides = []
    for axis in (1, 0):
        (where,) = np.nonzero(mask.any(axis))
        sides.append(slice(where[0], where[-1] + 1) if where.size else slice(0))
    return tuple(sides)


def _ink(grey: np.ndarray) -> np.ndarray | None:
    """The ink alone, cut out at its box: 0 is paper; None if there is none."""
    picture = Image.fromarray(grey)
    height, width = grey.shape
    left, top, right, bottom = 0, 0, width, height
    least = 3 * float(np.ptp(grey))  # three pixels of full contrast are a speck
    found = None
    while True:
        step = max(1.0, (right - left) / _VIEW, (bottom - top) / _VIEW)
        size = [max(1, round(side / step)) for side in (right - left, bottom - top)]
        view = picture.resize(size, Image.Resampling.BOX, (left, top, right, bottom))
        ink, mask = _separated(np.asarray(view), least / step**2)
        rows, columns = _box(mask)
        digit = ink[rows, columns]
        if not digit.size:
            return found
        found = digit
        if step == 1 or max(digit.shape) >= _DETAIL:
            return found
        # Look again, closer, with half a digit of paper around.
        margin = max(2, max(digit.shape) // 2)
        across, down = (right - left) / size[0], (bottom - top) / size[1]
        right = min(right, left + (columns.stop + margin) * across)
        left = max(left, left + (columns.start - margin) * across)
        bottom = min(bottom, top + (rows.stop + margin) * down)
        top = max(top, top + (rows.start - margin) * down)


def _separated(view: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Ink (0 where there is paper) and the mask of what surely is ink."""
    contrast, noise = _contrast(view)
    seen = max(4 * noise, 1.5 / 255)
    dark, light = (np.maximum(side - seen, 0) for side in (-contrast, contrast))
    if (dark**2).sum() >= (light**2).sum():
        contrast = -contrast
    ink = np.maximum(contrast, 0)
    peak = ink.max()
    # Noise leaves few pixels near its peak; bold ink, cut tight, looks like noise.
    bold = (ink > 0.7 * peak).mean() > 0.05
    if peak < 2 / 255 or not (bold or peak > 1.5 * seen):
        return ink, np.zeros(ink.shape, bool)
    mask = ink > np.clip(seen, _FAINT * peak, 0.3 * peak)
    touching = np.ones((3, 3), bool)  # corners touch too
    groups, _ = ndimage.label(mask, touching)
    weights = np.bincount(groups.ravel(), ink.ravel())
    weights[0] = 0
    mask = (weights > max(least, 0.08 * weights.max()))[groups]
    # The soft edge of a stroke is ink too.
    return np.where(ndimage.binary_dilation(mask, touching), ink, 0), mask


def _contrast(view: np.ndarray) -> tuple[np.ndarray, float]:
    """How much lighter than the paper each pixel is, and the paper's noise."""
    height, width = view.shape
    y, x = (np.abs(np.linspace(-1, 1, side)) for side in view.shape)
    at_rim = np.maximum(y[:, None], x) > 1 - 2 / 32
    at_corner = np.minimum(y[:, None], x) > 1 - 2 / 8
    rim, corners = view[at_rim], view[at_corner]
    # A tight cut leaves ink along the rim, seldom in the corners: half the weight.
    level = np.median(np.concatenate([rim, np.resize(corners, rim.size)]))
    contrast = view.astype(np.float64) - level
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), y, x], axis=-1)
    if min(view.shape) < 8:  # no room to tell shading from strokes
        terms = terms[..., :1]
    reach = np.abs(contrast).max() * _FAINT
    noise, before = 0.0, None
    for _ in range(8):
        paper = np.abs(contrast) <= reach
        if paper.sum() < terms.shape[-1] or np.array_equal(paper, before):
            break
        basis, before = terms[paper], paper
        plane = np.linalg.lstsq(basis.T @ basis, basis.T @ contrast[paper], None)[0]
        contrast -= terms @ plane
        contrast -= np.median(contrast[paper])
        noise = 1.4826 * float(np.median(np.abs(contrast[paper])))
        reach = 3 * noise + 1 / 255
    return contrast, noise


def _fitted(ink: np.ndarray) -> np.ndarray:
    """Ink scaled to the 20 x 20 box, its aspect kept, in levels from 0 to 255."""
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    # Area averaging as published; larger than life it would show the pixels.
    filter = Image.Resampling.BOX if scale <= 1 else Image.Resampling.BICUBIC
    image = Image.fromarray(ink.astype(np.float32)).resize((width, height), filter)
    strength = np.maximum(np.asarray(image), 0) / np.asarray(image).max()
    # What is faint stays ink, so that the box stays the box.
    return np.maximum(np.rint(255 * strength), strength > 1e-4)


def _centred(digit: np.ndarray) -> np.ndarray:
    """A digit moved to where its centre of mass is on the field's centre."""
    field = np.zeros((FIELD, FIELD), np.float32)
    place = []
    for axis, side in enumerate(digit.shape):
        mass = digit.sum(1 - axis, dtype=np.float64)
        centre = mass @ np.arange(side) / mass.sum()
        start = CENTRE - int(np.floor(centre + 0.5))
        start = min(max(start, 0), FIELD - side)  # no ink is lost
        place.append(slice(start, start + side))
    field[tuple(place)] = digit
    return field
