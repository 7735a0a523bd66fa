"""Any grey picture of a digit, brought to what MNIST is."""

import warnings

import numpy as np
from PIL import Image

from kerasconv._pixels import to_unit, unit_range
from kerasconv.pictures.paper import box, find_ink
from kerasconv.pictures.read import grey_levels

# MNIST's own figures: the field, the box, and the pixel the centre of mass lies on.
FIELD, BOX, CENTRE = 28, 20, 14


class BlankImageWarning(UserWarning):
    """A picture holds no ink: nothing stands out from its paper."""


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
    what is darker than the paper, or what is lighter, whichever there is more of.
    Groups of pixels that weigh little beside the heaviest group are dropped as specks.

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
    grey = as_grey(image)
    digit = as_mnist(grey)
    if digit is None:
        cut = find_ink(grey)
        if cut is None:
            warnings.warn(
                "the picture is blank: no ink stands out from the paper",
                BlankImageWarning,
                stacklevel=2,
            )
            return np.zeros((FIELD, FIELD), np.float32)
        digit = centred(fitted(cut.ink))
    return to_unit(digit)


def as_grey(image: np.ndarray | Image.Image) -> np.ndarray:
    """Grey levels in [0, 1] of an array or a Pillow image.

    Raises:
        ValueError: the array is not one grey picture.
    """
    if isinstance(image, Image.Image):
        return grey_levels(image)
    grey = np.asarray(image)
    if grey.ndim == 3 and grey.shape[-1] == 1:
        grey = grey[..., 0]
    if grey.ndim != 2 or not grey.size or grey.dtype.kind not in "buif":
        raise ValueError(
            "`image` must be a grey picture of shape (height, width) or a Pillow "
            f"image. Received: shape={grey.shape}, dtype={grey.dtype}"
        )
    return unit_range(grey)


def as_mnist(grey: np.ndarray) -> np.ndarray | None:
    """The 256 levels of a picture that is an MNIST digit, or the negative of one."""
    if grey.shape != (FIELD, FIELD):
        return None
    levels = np.rint(255 * grey)
    if np.abs(255 * grey - levels).max() > 1e-3:
        return None
    if levels[0, 0] > 127:
        levels = 255 - levels
    rows, columns = box(levels > 0)
    digit = levels[rows, columns]
    # Where the ends of a stroke are faint the box of three test digits is 19.
    if digit.size and max(digit.shape) in (BOX - 1, BOX) and digit.max() >= 254:
        return levels if np.array_equal(centred(digit), levels) else None
    return None


def fitted(ink: np.ndarray) -> np.ndarray:
    """Ink scaled to the 20 x 20 box, its aspect kept, in levels from 0 to 255."""
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    # Area averaging as published; where it enlarges it would show the pixels.
    filter = Image.Resampling.BOX if scale <= 1 else Image.Resampling.BICUBIC
    image = Image.fromarray(ink.astype(np.float32)).resize((width, height), filter)
    levels = np.asarray(image)
    strength = np.maximum(levels, 0) / levels.max()
    # What is faint stays ink, so that the box stays the box.
    return np.maximum(np.rint(255 * strength), strength > 1e-4)


def centred(digit: np.ndarray) -> np.ndarray:
    """A digit moved until its centre of mass lies at the centre of the field."""
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
