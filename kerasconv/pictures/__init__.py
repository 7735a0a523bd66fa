"""Pictures: any file becomes what a network takes, and edges become a picture.

`find_images` finds the files, `read_image` makes grey levels of one of them,
`prepare_digit` makes an MNIST digit of these, and `prepare_clothes` an image of
Fashion-MNIST. `read_photo` keeps the colours, and `edges` finds the edges of what it
read. Only `edges` needs a backend.
"""

from kerasconv._pixels import to_unit
from kerasconv.pictures.clothes import prepare_clothes
from kerasconv.pictures.digit import FIELD, BlankImageWarning, prepare_digit
from kerasconv.pictures.find import find_images
from kerasconv.pictures.photo import (
    OPERATORS,
    OUTPUTS,
    check_edges,
    check_suffix,
    edges,
    example_photo,
    resized,
    to_pixels,
    write_photo,
)
from kerasconv.pictures.read import (
    MAX_PHOTO_PIXELS,
    MAX_PIXELS,
    read_image,
    read_photo,
    read_reduced,
)
from kerasconv.pictures.scene import CLOSER, Found, find_digits

__all__ = [
    "CLOSER",
    "FIELD",
    "MAX_PHOTO_PIXELS",
    "MAX_PIXELS",
    "OPERATORS",
    "OUTPUTS",
    "BlankImageWarning",
    "Found",
    "check_edges",
    "check_suffix",
    "edges",
    "example_photo",
    "find_digits",
    "find_images",
    "prepare_clothes",
    "prepare_digit",
    "read_image",
    "read_photo",
    "read_reduced",
    "resized",
    "to_pixels",
    "to_unit",
    "write_photo",
]
