"""What a card says of a network's answers and pictures, also the card of a stranger."""

import os
import tomllib
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv import untrusted
from kerasconv._arguments import check_int, check_model, is_int
from kerasconv.errors import KerasconvError, UsageError, one_line, printable, short
from kerasconv.models._card import (
    Card,
    file_digest,
    find_card,
    is_file_name,
    load_model,
)

if TYPE_CHECKING:
    import keras
    import numpy as np

PREPARATIONS = ("digit", "clothes", "resize")
"""How a picture becomes what a network takes: as `kerasconv.pictures` makes MNIST or
Fashion-MNIST of it, or resized."""

MAX_CLASSES = 10_000
MAX_NAME = 200
MAX_SIDE = 4096


def card_beside(path: str | os.PathLike) -> Card | None:
    """The card beside a `.keras` file of one's own: the same name, ending in `.toml`.

    It may be anybody's: what is used of it is checked, and names are made such that a
    terminal can show them.

    Returns:
        The card; None if there is none, or a file that says nothing of a network.

    Raises:
        KerasconvError: it cannot be read, or what it says makes no sense.
    """
    path = Path(os.path.expanduser(path))
    place = path.with_suffix(".toml")
    if not place.is_file():
        return None
    try:
        facts = tomllib.loads(untrusted.card_text(place))
        if "next" in facts:
            facts = untrusted.settled(facts, file_digest(path))
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(place, one_line(error)) from error
    data = facts.get("data")
    if not {"classes", "prepare", "size"} & facts.keys() and not (
        isinstance(data, dict) and _dataset(data.get("name"))
    ):
        return None
    facts = {**facts, **_checked(place, facts)}
    architecture = facts.get("architecture")
    if not isinstance(architecture, str):
        architecture = path.parent.name
    return Card(printable(architecture, MAX_NAME), path.stem, path, facts)


def _checked(place: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """What the commands use of a card, once it is what it should be."""
    found: dict[str, Any] = {}
    if "classes" in facts:
        names = facts["classes"]
        if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
            raise _unusable(
                place, f"its `classes` are no list of 2 to {MAX_CLASSES:,} names"
            )
        if not all(
            isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in names
        ):
            raise _unusable(
                place, f"its `classes` are not all names of 1 to {MAX_NAME} characters"
            )
        # As `list_folder` names them, whatever system wrote the card.
        written = [unicodedata.normalize("NFC", name) for name in names]
        found["classes"] = [printable(name) for name in written]
        if len(set(found["classes"])) != len(names):
            raise _unusable(place, "its `classes` name one twice")
    if facts.get("prepare", "resize") not in PREPARATIONS:
        raise _unusable(place, f"its `prepare` is none of {', '.join(PREPARATIONS)}")
    size = facts.get("size", [1, 1])
    if (
        not isinstance(size, list)
        or len(size) != 2
        or not all(type(side) is int and 0 < side <= MAX_SIDE for side in size)
    ):
        raise _unusable(place, f"its `size` is no height and width up to {MAX_SIDE:,}")
    reading = facts.get("reading", {})
    least = reading.get("min_confidence", 0.0) if isinstance(reading, dict) else -1
    if type(least) not in (int, float) or not 0 <= least <= 1:
        raise _unusable(place, "its `reading.min_confidence` is not from 0 to 1")
    data = facts.get("data", {})
    if not isinstance(data, dict) or not isinstance(data.get("name", ""), str):
        raise _unusable(place, "its `data` is no table with a `name`")
    found["data"] = {**data, "name": printable(data.get("name", ""), MAX_NAME)}
    test = facts.get("test", {"examples": 1, "accuracy": 1})
    if not (
        isinstance(test, dict)
        and type(test.get("examples")) is int
        and type(test.get("accuracy")) in (int, float)
        and 0 <= test["accuracy"] <= 1
    ):
        raise _unusable(place, "its `test` has no `examples` and `accuracy`")
    return found


def _unusable(place: Path, reason: str) -> KerasconvError:
    return KerasconvError(
        f"the card {place} cannot be used: {reason}; restore it, or take it away"
    )


def card_of(model: str | os.PathLike) -> Card | None:
    """The card of a model of the zoo, or that beside a file; None if it has none.

    Raises:
        UsageError: no model of the zoo has this name.
        KerasconvError: the card beside the file cannot be used.
    """
    return card_beside(model) if is_file_name(model) else find_card(os.fspath(model))


def _dataset(name: object) -> Any:
    from kerasconv.data import DATASETS

    return DATASETS.get(name) if isinstance(name, str) else None


def class_names(card: Card | None) -> tuple[str, ...] | None:
    """The names of a network's classes, in the order of its outputs.

    The zoo's are those of its data sets (`kerasconv.data.DATASETS`), others are on the
    card. Without a card, or if it names none, they are unknown: None.
    """
    if card is None:
        return None
    _check_card(card)
    if "classes" in card.facts:
        return tuple(card.facts["classes"])
    data = _dataset(card.facts["data"]["name"])
    return None if data is None else data.classes


def _check_card(card: Any) -> None:
    if not isinstance(card, Card):
        raise UsageError(
            "`card` must be a Card, as `kerasconv.models.card_of` finds it, or None. "
            f"Received: {short(card)}"
        )


def preparation_of(card: Card | None) -> str:
    """How a picture is prepared: one of `PREPARATIONS`; without a card "digit".

    A card that does not say so means what its data set, of the zoo's, needs; else
    "digit" where all classes are one character, or have no names, else "resize".
    """
    if card is None:
        return "digit"
    _check_card(card)
    if "prepare" in card.facts:
        return card.facts["prepare"]
    data = _dataset(card.facts["data"]["name"])
    if data is None:
        named = any(len(name) > 1 for name in card.facts.get("classes", ()))
        return "resize" if named else "digit"
    return {"photo": "resize"}.get(data.pictures, data.pictures)


def check_answers(network: Any, card: Card | None) -> None:
    """Hold a card to the Keras model that it stands beside, as `check_shapes` does."""
    check_shapes(network.inputs[0].shape[1:], network.outputs[0].shape[-1], card)


def check_shapes(takes: Sequence[Any], gives: int, card: Card | None) -> None:
    """Hold a card to the network that it stands beside.

    Args:
        takes: The shape of an image as the network takes it.
        gives: How many classes the network tells apart.
        card: The card, or None where there is none.

    Raises:
        KerasconvError: the network takes other pictures, or tells apart more or fewer
            classes.
    """
    names = class_names(card)
    if card is None or names is None:
        return
    if gives != len(names):
        raise _unusable(
            card.path.with_suffix(".toml"),
            f"it names {len(names)} classes and the network gives {gives}",
        )
    takes = tuple(takes)
    size = card.facts.get("size", list(takes[:2]))
    if len(takes) != 3 or list(takes[:2]) != size:
        raise _unusable(
            card.path.with_suffix(".toml"),
            f"it is for pictures of {size}, and the network takes {takes}",
        )


def prepare_as(kind: str, shape: tuple) -> "Callable[[Any], np.ndarray]":
    """What makes of a picture, or its file's bytes, floats of a shape in [0, 1]."""
    from kerasconv import pictures

    if not isinstance(shape, tuple | list):
        raise UsageError(
            f"`shape` must be that of an image. Received: shape={short(shape)}"
        )
    if shape == (pictures.FIELD, pictures.FIELD, 1) and kind != "resize":
        bring = {
            "digit": pictures.prepare_digit,
            "clothes": pictures.prepare_clothes,
        }[kind]
        return lambda picture: bring(_grey(picture))[..., None]
    sides = all(is_int(n) and n > 0 for n in shape)
    if len(shape) != 3 or not sides or shape[-1] not in (1, 3):
        raise UsageError(f"the model takes {shape}, which is no image of known size")
    return lambda picture: pictures.resized(_photo(picture), shape)


def _grey(picture: Any) -> "np.ndarray":
    from PIL.Image import Image

    from kerasconv import pictures
    from kerasconv.pictures.read import grey_levels

    if isinstance(picture, str | os.PathLike | bytes):
        # A phone's photograph has more pixels than ink is looked for in.
        return pictures.read_reduced(picture, pictures.CLOSER)[0]
    if isinstance(picture, Image):
        return grey_levels(picture)
    photo = _photo(picture)
    return pictures.resized(photo, (*photo.shape[:2], 1))[..., 0]


def _photo(picture: Any) -> "np.ndarray":
    import numpy as np
    from PIL.Image import Image

    from kerasconv import pictures
    from kerasconv._pixels import unit_range
    from kerasconv.pictures.read import colours

    if isinstance(picture, str | os.PathLike | bytes):
        return pictures.read_photo(picture)
    if isinstance(picture, Image):
        return colours(picture)
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        raise UsageError(
            "`images` must be paths, Pillow images or arrays of shape (height, width) "
            f"or (height, width, 1 or 3). Received: shape {pixels.shape}"
        )
    return unit_range(pixels)


# ------------------------------------------------- in the manner of keras.applications


def preprocess_input(
    images: Any, model: "str | os.PathLike | keras.Model" = "mnist_cnn"
) -> "np.ndarray":
    """Pictures as a network takes them, prepared as its card says.

    Args:
        images: A path, a Pillow image, an array of shape (height, width) or (height,
            width, 1 or 3), or a list of these, of any sizes. Or a batch, an array of
            shape (n, height, width, channels) as the network takes it, of which the
            values alone are brought to [0, 1]: unsigned integers are divided by the
            largest value of their type, signed ones by 255 or, where one is larger, by
            65,535, floats above 1 by 255.
        model: A model of the zoo, the path of a `.keras` file with its card beside
            it, or a Keras model, which is taken for one without a card.

    Returns:
        float32 array of shape (n, height, width, channels).

    Raises:
        UsageError: the model is unknown, or takes no images.
        KerasconvError: a picture cannot be read.

    Example:
        >>> from kerasconv.pictures import example_photo
        >>> preprocess_input(example_photo(), "cats_dogs_cnn").shape
        (1, 32, 32, 3)
    """
    import numpy as np

    from kerasconv._pixels import unit_range

    kind, shape = _asked(model)
    if getattr(images, "ndim", None) == 4:
        batch = np.asarray(images)
        if batch.shape[1:] != shape:
            raise UsageError(
                f"`images` must be a batch of shape (n, {', '.join(map(str, shape))}). "
                f"Received: shape {batch.shape}"
            )
        if batch.dtype.kind not in "buif":
            raise UsageError(f"`images` must hold numbers. Received: {batch.dtype}")
        if batch.dtype.kind in "bui" and batch.size:
            return unit_range(batch)
        batch = batch.astype(np.float32)
        return batch / np.float32(255) if batch.size and batch.max() > 1 else batch
    prepare = prepare_as(kind, shape)
    several = isinstance(images, list | tuple)
    found = [prepare(each) for each in (images if several else [images])]
    return np.stack(found) if found else np.zeros((0, *shape), np.float32)


def decode_predictions(
    predictions: Any,
    model: str | os.PathLike = "mnist_cnn",
    top: int = 5,
) -> list[list[tuple[int, str, float]]]:
    """The likeliest classes of each picture, by name.

    Args:
        predictions: What the network gave, shape (n, classes).
        model: A model of the zoo, or the path of a `.keras` file with its card beside
            it.
        top: How many classes of each; no more than there are.

    Returns:
        For each picture a list of `(index, name, probability)`, the likeliest first.

    Raises:
        UsageError: the model is unknown, or has other classes.

    Example:
        >>> decode_predictions([[0.25, 0.75]], "cats_dogs_cnn", top=1)
        [[(1, 'dog', 0.75)]]
    """
    import numpy as np

    top = check_int("top", top)
    names = class_names(card_of(model))
    rows = np.asarray(predictions)
    if names is None:
        raise UsageError(f"{os.fspath(model)} has no card beside it that names classes")
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise UsageError(
            f"`predictions` must be of shape (n, {len(names)}). Received: shape "
            f"{rows.shape}"
        )
    return [
        [
            (int(i), names[i], float(row[i]))
            for i in np.argsort(-row, kind="stable")[:top]
        ]
        for row in rows
    ]


def _asked(model: "str | os.PathLike | keras.Model") -> tuple[str, tuple]:
    """How pictures are prepared for a model, and the shape that it takes."""
    if not isinstance(model, str | os.PathLike):
        check_model(model)
        return "digit", tuple(model.inputs[0].shape[1:])
    card = card_of(model)
    if card is not None and not is_file_name(model):
        return preparation_of(card), tuple(card.facts["arguments"]["input_shape"])
    network = load_model(model)
    check_answers(network, card)
    return preparation_of(card), tuple(network.inputs[0].shape[1:])
