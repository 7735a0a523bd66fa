"""Any picture of a piece of clothing, brought to what Fashion-MNIST is."""

import warnings

import numpy as np
from PIL import Image

from kerasconv._pixels import unit_range
from kerasconv.pictures.digit import FIELD, BlankImageWarning
from kerasconv.pictures.paper import box

# As published: what is so near to the corners' level is background.
_CLOSE = 0.05


def prepare_clothes(grey: np.ndarray) -> np.ndarray:
    """Makes an image of Fashion-MNIST of a picture: light clothes on black.

    As published: edges within 5 % of the level of the corners are trimmed, the longest
    side is scaled to 28 pixels, the shorter one filled up on both sides, and a picture
    on a light ground is negated. Two steps differ: rows and columns are averaged, not
    skipped, and nothing is sharpened. A picture of 28 x 28 pixels on a dark ground
    comes through as it is.

    How well a network reads photographs of clothes that were prepared so was never
    measured. The data set's own are of a shop: one piece, laid flat, on an even ground;
    of anything else, clothes on a person or a floor, expect little.

    Args:
        grey: grey levels of shape (height, width), integers or floats in [0, 1] (as of
            `read_image`).

    Returns:
        A float32 array of shape (28, 28), values in [0, 1]. All zeros, with a
        `BlankImageWarning`, if everything is background.

    Raises:
        ValueError: the array is not one grey picture.

    Source:
        H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for
        benchmarking machine learning algorithms", 2017, arXiv:1708.07747, section 2.

    Example:
        >>> picture = np.full((80, 60), 255, np.uint8)  # a white ground
        >>> picture[10:66, 20:48] = 100  # something grey, 56 x 28
        >>> image = prepare_clothes(picture)
        >>> np.flatnonzero(image.any(axis=0))[[0, -1]], round(float(image.max()), 2)
        (array([ 7, 20]), 0.61)
    """
    grey = np.asarray(grey)
    if grey.ndim != 2 or not grey.size or grey.dtype.kind not in "buif":
        raise ValueError(
            "`grey` must be a grey picture of shape (height, width). Received: "
            f"shape={grey.shape}, dtype={grey.dtype}"
        )
    grey = unit_range(grey)
    ground = float(np.median(grey[[0, 0, -1, -1], [0, -1, 0, -1]]))
    light = ground > 0.5
    if grey.shape == (FIELD, FIELD) and not light:
        return grey
    image = 1 - grey if light else grey
    background = np.abs(grey - ground) <= _CLOSE
    image = np.where(background, 0, image)
    rows, columns = box(~background)
    image = image[rows, columns]
    if not image.size:
        warnings.warn(
            "the picture is blank: nothing stands out from its ground",
            BlankImageWarning,
            stacklevel=2,
        )
        return np.zeros((FIELD, FIELD), np.float32)
    scale = FIELD / max(image.shape)
    height, width = (max(1, round(side * scale)) for side in image.shape)
    filter = Image.Resampling.BOX if scale <= 1 else Image.Resampling.BILINEAR
    small = Image.fromarray(image.astype(np.float32)).resize((width, height), filter)
    field = np.zeros((FIELD, FIELD), np.float32)
    top, left = (FIELD - height) // 2, (FIELD - width) // 2
    field[top : top + height, left : left + width] = np.asarray(small)
    return field
