"""How a picture becomes what a network takes: as the network's card says."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from kerasconv.models import Card


def pictures_of(card: "Card | None") -> str:
    """What a network reads: "digit", "clothes" or "photo"; without a card "digit"."""
    if card is None:
        return "digit"
    from kerasconv.data import DATASETS

    return DATASETS[card.facts["data"]["name"]].pictures


def classes_of(card: "Card | None") -> tuple[str, ...] | None:
    """The names of what a network tells apart; None where these are the digits."""
    if pictures_of(card) == "digit":
        return None
    from kerasconv.data import DATASETS

    return DATASETS[card.facts["data"]["name"]].classes  # type: ignore[union-attr]


def preparation(network: Any, card: "Card | None") -> Callable[[Path], "np.ndarray"]:
    """What makes of a picture file the image that a network takes.

    A file without a card takes digits if it takes their shape, else photographs.

    Raises:
        UsageError: the network takes no images of known size.
    """
    from kerasconv import pictures

    shape = tuple(network.inputs[0].shape[1:])
    kind = pictures_of(card)
    if shape == (pictures.FIELD, pictures.FIELD, 1) and kind != "photo":
        prepare = {
            "digit": pictures.prepare_digit,
            "clothes": pictures.prepare_clothes,
        }[kind]
        return lambda path: prepare(pictures.read_image(path))[..., None]
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        raise UsageError(f"the model takes {shape}, which is no image of known size")
    return lambda path: pictures.resized(pictures.read_photo(path), shape)
