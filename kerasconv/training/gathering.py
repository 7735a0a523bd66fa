"""The pictures of a training of one's own: from a folder, arrays or a data set."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv._arguments import check_choice
from kerasconv._keras import keras
from kerasconv.errors import UsageError, one_line, printable, short
from kerasconv.models import ARCHITECTURES, Card
from kerasconv.models._own import MAX_CLASSES, preparation_of
from kerasconv.pictures import FIELD
from kerasconv.training.folder import (
    Pictures,
    check_names,
    groups_of,
    list_folder,
    read_folder,
    split_off,
)

PREPARATIONS = ("digit", "resize")
"""How a picture of a folder is prepared."""

MAX_SIDE = 1024
"""The largest height or width that pictures are brought to."""


@dataclass
class Found:
    """Pictures, and how they were prepared."""

    pictures: Pictures
    prepare: str


def from_folder(
    folder: Any,
    architecture: str,
    source: "tuple[keras.Model, Card | None] | None",
    prepare: str | None,
    size: int | tuple[int, int] | None,
    group: str | None,
    place: Path,
    reading: Callable[[int, int], None] | None,
) -> Found:
    """The pictures of a folder, prepared as was asked, or as the start's card says."""
    listing = list_folder(folder)
    if group is not None:  # on the names alone, before pictures are read for hours
        _check_group(group, [split for *_, split in listing.files])
        groups_of([listing.name(path) for path, *_ in listing.files], group)
    if prepare is None:
        if source is not None:
            prepare = preparation_of(source[1])
        else:
            letters = all(len(name) == 1 for name in listing.classes)
            prepare = "digit" if letters else "resize"
    check_choice("prepare", prepare, PREPARATIONS)
    default = (
        source[0].inputs[0].shape[1:]
        if source is not None
        else _default_shape(architecture)
    )
    channels = default[2] if source is not None else None
    shape: tuple[int, int, int | None]
    if prepare != "resize":
        if size not in (None, FIELD, (FIELD, FIELD)):
            raise UsageError(
                f"`prepare={prepare}` gives {FIELD}x{FIELD} pixels; leave out `size`, "
                "or take `prepare=resize`"
            )
        if channels == 3:
            raise UsageError(
                f"`prepare={prepare}` gives grey pictures, and the model to start "
                "from takes colours; take `prepare=resize`"
            )
        shape = (FIELD, FIELD, 1)
    else:
        shape = (*_sides(size, default[:2]), channels)
    _check_shape(architecture, shape)
    read = read_folder(listing, prepare, shape, spill=place, progress=reading)
    return Found(read, prepare)


def _sides(
    size: int | tuple[int, int] | None, default: tuple[int, int]
) -> tuple[int, int]:
    if size is None:
        return tuple(default)  # type: ignore[return-value]
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(
        isinstance(side, int) and 1 <= side <= MAX_SIDE for side in sides
    ):
        raise UsageError(
            f"`size` must be a height and a width from 1 to {MAX_SIDE}. Received: "
            f"{size!r}"
        )
    return sides


def _default_shape(architecture: str) -> tuple[int, int, int]:
    build = ARCHITECTURES[architecture].build
    return inspect.signature(build).parameters["input_shape"].default


def _check_shape(architecture: str, shape: tuple[int, int, int | None]) -> None:
    """Find out before all pictures are read that the network cannot take them."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            ARCHITECTURES[architecture].build(
                weights=None, input_shape=(*shape[:2], shape[2] or 1)
            )
    except Exception as error:
        raise UsageError(
            f"{architecture} cannot be built for pictures of {shape[0]}x{shape[1]}: "
            f"{one_line(error)}; take another `size`"
        ) from error


def from_arrays(
    images: Any,
    labels: Any,
    classes: Sequence[str] | None,
    validation: Any,
    test: Any,
    prepare: str | None,
) -> Found:
    """Pictures of arrays or data sets, with the splits that were given."""
    names = classes or getattr(images, "class_names", None)
    parts = [("", images, labels)]
    for split, given in {"validation": validation, "test": test}.items():
        if given is None or isinstance(given, int | float):
            continue
        pair = isinstance(given, tuple) and len(given) == 2
        parts.append((split, *(given if pair else (given, None))))
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    splits: list[str] = []
    for part, these, those in parts:
        pixels, truth = _pixels(these, those)
        if x and pixels.shape[1:] != x[0].shape[1:]:
            raise UsageError(
                f"the {part} images must be of shape {x[0].shape[1:]}, as the others. "
                f"Received: {pixels.shape[1:]}"
            )
        x.append(pixels)
        y.append(truth)
        splits += [part] * len(truth)
    if len(parts) > 1 and any(part == "validation" for part, *_ in parts):
        splits = [part or "train" for part in splits]
    truth = np.concatenate(y)
    count = int(truth.max()) + 1
    if names is None and count > MAX_CLASSES:
        raise UsageError(
            f"`labels` must be the numbers of the classes, from 0 to at most "
            f"{MAX_CLASSES - 1:,}. Received: {count - 1:,}"
        )
    names = tuple(map(str, names or range(count)))
    check_names(names)
    if len(set(names)) != len(names) or len(names) < max(count, 2) or truth.min() < 0:
        raise UsageError(
            f"`classes` must be the names of all {max(count, 2)} classes or more, each "
            f"once. Received: {len(names)} names, labels from {truth.min()} to "
            f"{truth.max()}"
        )
    pixels = np.concatenate(x)
    # Keras resizes what it reads from a folder.
    letters = classes is not None and all(len(name) == 1 for name in names)
    numbered = classes is None and not hasattr(images, "class_names")
    is_digit = pixels.shape[1:] == (FIELD, FIELD, 1) and (letters or numbered)
    digit = prepare or ("digit" if is_digit else "resize")
    check_choice("prepare", digit, PREPARATIONS)
    return Found(
        Pictures(
            pixels,
            truth,
            tuple(map(printable, names)),
            [f"image {i}" for i in range(len(truth))],
            splits,
            [f"{i}".encode() for i in range(len(truth))],
        ),
        digit,
    )


def _pixels(images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 of four axes, and labels, whatever they came as."""
    if labels is None:
        batches = [
            (np.asarray(keras.ops.convert_to_numpy(x)), np.asarray(y))
            for x, y in _pairs(images)
        ]
        if not batches:
            raise UsageError("the data set gives no pictures")
        if batches[0][0].ndim == 3:  # one picture at a time
            batches = [(x[None], np.asarray(y)[None]) for x, y in batches]
        images = np.concatenate([x for x, _ in batches])
        labels = np.concatenate([y for _, y in batches])
    x, y = np.asarray(images), np.asarray(labels)
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[-1] not in (1, 3) or not x.size:
        raise UsageError(
            "`images` must be of shape (n, height, width) or (n, height, width, 1 or "
            f"3). Received: shape {x.shape}"
        )
    if x.dtype.kind not in "buif":
        raise UsageError(f"`images` must hold numbers. Received: {x.dtype}")
    if y.ndim == 2 and y.shape[1] > 1:  # one-hot
        y = y.argmax(1)
    y = y.reshape(-1)
    if len(y) != len(x) or y.dtype.kind not in "iuf" or (y != np.rint(y)).any():
        raise UsageError(
            f"`labels` must be {len(x)} whole numbers. Received: {len(y)} of {y.dtype}"
        )
    if x.dtype != np.uint8:
        if not np.isfinite(x).all() or x.min() < 0 or x.max() > 255:
            raise UsageError(
                "`images` must hold uint8 pixels, floats in [0, 1] or floats in [0, "
                f"255]. Received: {x.dtype} from {x.min()} to {x.max()}"
            )
        x = np.rint(x * 255 if x.max() <= 1 else x).astype(np.uint8)
    return x, y.astype(np.int64)


def _pairs(dataset: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(dataset, np.ndarray):
        raise UsageError("`labels` must be given with an array of images")
    cardinality = getattr(dataset, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise UsageError("`images` never ends; leave out its `repeat()`")
    # Keras's own data sets have a length and can be asked for each batch.
    if isinstance(dataset, keras.utils.PyDataset):
        dataset = (dataset[i] for i in range(len(dataset)))
    try:
        for pair in dataset:
            if not isinstance(pair, tuple | list):
                raise UsageError(
                    "the data set gives no labels; they must come with the images"
                )
            images, labels, *_ = pair
            yield images, labels
    except UsageError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(
            "`images` must be a folder, an array with `labels`, or a data set of "
            f"batches of images and labels ({one_line(error)})"
        ) from error


def check_validation(share: Any) -> None:
    """Refuse what is no share of the pictures."""
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise UsageError(
            f"`validation` must be above 0, below 1. Received: {short(share)}"
        )


def _check_group(group: str, split: Any) -> None:
    if "validation" in split:
        raise UsageError(
            "the folder has validation pictures of its own; leave out `group`"
        )


def held_out(
    pictures: Pictures, share: Any, seed: int, group: str | None
) -> np.ndarray:
    """The split of each picture: "train", "validation" or "test"."""
    split = np.array([part or "train" for part in pictures.split])
    if group is not None:
        _check_group(group, split)
    if "validation" in split:
        return split
    check_validation(share)
    rows = np.flatnonzero(split == "train")
    if not len(rows):
        return split
    groups = None if group is None else groups_of(pictures.names, group)
    held = split_off(
        pictures.labels[rows],
        [pictures.keys[row] for row in rows],
        share,
        seed,
        None if groups is None else [groups[row] for row in rows],
    )
    if groups is not None and not held.any():
        names = sorted({groups[row] for row in rows})
        of = "group" if len(names) == 1 else "groups"
        raise UsageError(
            f"`group` finds {len(names)} {of}, "
            f"{', '.join(map(repr, names[:3]))}, of which none can be held out: each "
            "class needs pictures of two; leave out `group`, or name the files after "
            "more"
        )
    split = split.astype("<U10")
    split[rows[held]] = "validation"
    return split


def check_counts(pictures: Pictures, split: np.ndarray) -> None:
    """Refuse what cannot be learned: classes without pictures to train on."""
    for part in ("train", "validation"):
        counts = np.bincount(
            pictures.labels[split == part], minlength=len(pictures.classes)
        )
        missing = [
            name for name, n in zip(pictures.classes, counts, strict=True) if not n
        ]
        if not missing or (part == "validation" and counts.any()):
            continue
        why = ""
        if pictures.left_out:
            # What lies beside the classes comes first, and explains least.
            file, reason = pictures.left_out[-1]
            why = f" ({len(pictures.left_out)} were left out, such as {file}: {reason})"
        raise UsageError(
            f"too few pictures to {'train on' if part == 'train' else 'hold out'} of "
            f"{', '.join(map(repr, missing[:5]))}{why}; each class needs two, and for "
            "figures worth having dozens"
        )
