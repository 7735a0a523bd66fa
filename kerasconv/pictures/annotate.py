"""A picture with what was read in it drawn on it."""

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Blue for what was read, orange for what is unsure: told apart by the colour-blind too.
_READ, _UNSURE = (0, 114, 178), (213, 94, 0)
_SIDE = 1600

Mark = tuple[tuple[int, int, int, int], str, bool]


def annotated(photo: np.ndarray, marks: Iterable[Mark]) -> Image.Image:
    """A picture with a box around every digit, and what it was read as above it.

    Args:
        photo: as of `read_photo`, of shape (height, width, 1 or 3), values in [0, 1].
        marks: (left, top, right, bottom) in pixels, the text, and whether it is sure.

    Returns:
        A Pillow image of mode RGB with at most 1,600 pixels a side.
    """
    levels = np.rint(255 * photo).astype(np.uint8)
    image = Image.fromarray(levels[..., 0] if photo.shape[-1] == 1 else levels)
    image = image.convert("RGB")
    scale = max(image.size) / _SIDE
    if scale > 1:
        size = tuple(max(1, round(side / scale)) for side in image.size)
        image = image.resize(size, Image.Resampling.BOX)
    else:
        scale = 1.0
    draw = ImageDraw.Draw(image)
    pen = max(1, round(max(image.size) / 300))
    for box, text, sure in marks:
        left, top, right, bottom = (side / scale for side in box)
        colour = _READ if sure else _UNSURE
        outer = (left - pen, top - pen, right + pen, bottom + pen)
        draw.rectangle(outer, outline=colour, width=pen)
        height = max(12.0, min(0.5 * (bottom - top), 0.06 * max(image.size)))
        font = ImageFont.load_default(height)
        _, _, wide, high = draw.textbbox((0, 0), text, font=font)
        x = min(max(0, left - pen), max(0, image.width - wide - 2 * pen))
        y = top - high - 3 * pen if top - high - 3 * pen >= 0 else bottom + pen
        y = min(y, image.height - high - 2 * pen)
        draw.rectangle((x, y, x + wide + 2 * pen, y + high + 2 * pen), fill=colour)
        draw.text((x + pen, y + pen), text, fill="white", font=font)
    return image
