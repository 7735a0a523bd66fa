"""Checks of arguments, the same for a layer and its operation.

Each returns its value in the one form that the rest works with, or raises a ValueError
that names the argument, the rule and the value. Neither Keras nor tensors are needed.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kerasconv.errors import UsageError, short

__all__ = [
    "BORDER_MODES",
    "DATA_FORMATS",
    "OUTPUTS",
    "PADDINGS",
    "Ints",
    "Number",
    "allowance",
    "as_array",
    "check_axis",
    "check_bool",
    "check_choice",
    "check_given",
    "check_int",
    "check_ints",
    "check_model",
    "check_name",
    "check_number",
    "check_odd",
    "check_order",
    "check_range",
    "check_rank",
    "check_real",
    "check_seed",
    "check_share",
    "check_text",
    "is_int",
    "numbers",
    "plain",
    "spatial_rank",
    "spend",
]

BORDER_MODES = ("symmetric", "reflect", "edge", "wrap", "constant")
DATA_FORMATS = ("channels_last", "channels_first")
OUTPUTS = ("components", "stack", "magnitude")
PADDINGS = ("valid", "same")
RANKS = (1, 2, 3)

# What may be written where a whole number, or one for each spatial axis, is asked for.
Int: TypeAlias = int | np.integer[Any]
Ints: TypeAlias = Int | Sequence[Int]
Number: TypeAlias = float | np.integer[Any] | np.floating[Any]


@dataclass
class Allowance:
    """How many numbers may yet be computed from arguments; below 0 too many were."""

    left: int


# By thread. No context variable: `torch.compile`, which follows `spend`, need not
# look into an empty dict.
_granted: dict[int, Allowance] = {}


@contextmanager
def allowance(numbers: int) -> Iterator[Allowance]:
    """Within it layers may compute so many numbers in all, else any number.

    A few bytes, `pool_size=20001`, make a layer compute a kernel of any size. A
    program may ask for that; a file of unknown origin may not.
    """
    thread = threading.get_ident()
    _granted[thread] = granted = Allowance(numbers)
    try:
        yield granted
    finally:
        del _granted[thread]


def spend(numbers: int) -> None:
    """Say that so many numbers are about to be computed from arguments.

    Raises:
        ValueError: They are more than are left of the `allowance`.
    """
    if not _granted or (granted := _granted.get(threading.get_ident())) is None:
        return
    granted.left -= numbers
    if granted.left < 0:
        raise ValueError(f"{numbers:,} numbers more to compute are too many here")


def check_choice(name: str, value: Any, choices: Sequence[str | None]) -> Any:
    """`value`, which must be one of `choices`."""
    known = value is None or isinstance(value, str)
    if not known or value not in choices:
        raise UsageError(
            f"`{name}` must be one of {tuple(choices)}. Received: {name}={short(value)}"
        )
    return value


def check_name(name: str, value: Any, choices: Sequence[str]) -> str:
    """As `check_choice`, in lower case: Keras's own names are taken in any."""
    lower = value.lower() if isinstance(value, str) else value
    if not isinstance(lower, str) or lower not in choices:
        check_choice(name, value, choices)
    return lower


def check_bool(name: str, value: Any) -> bool:
    """`value`, which must be True or False."""
    if not isinstance(value, bool):
        raise UsageError(
            f"`{name}` must be True or False. Received: {name}={short(value)}"
        )
    return value


def is_int(value: Any) -> bool:
    """Whether `value` is a whole number, Python's or NumPy's; a bool is none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_int(name: str, value: Any, most: int | None = None) -> int:
    """`value`, which must be one positive int, `most` at most."""
    if not is_int(value) or value < 1:
        raise UsageError(
            f"`{name}` must be a positive int. Received: {name}={short(value)}"
        )
    if most is not None and value > most:
        raise UsageError(
            f"`{name}` must be at most {most:,}. Received: {name}={short(value)}"
        )
    return int(value)


def check_ints(name: str, value: Any, rank: int | None = None) -> Any:
    """A positive int, or several, one per spatial axis, as plain Python.

    Args:
        name: The argument's name, for the message.
        value: What was given.
        rank: Number of spatial axes, or None before it is known: then an int stays
            an int, a sequence becomes a tuple of one to three.

    Returns:
        An int or a tuple of ints; with `rank` always a tuple of `rank` ints.

    Raises:
        ValueError: `value` is anything else.
    """
    many = isinstance(value, (tuple, list))
    items = tuple(value) if many else (value,)
    if not all(is_int(item) and item > 0 for item in items) or (
        many and len(items) not in RANKS
    ):
        raise ValueError(
            f"`{name}` must be a positive int or one per spatial axis. "
            f"Received: {name}={short(value)}"
        )
    items = tuple(int(item) for item in items)
    if rank is None:
        return items if many else items[0]
    if many and len(items) != rank:
        raise ValueError(
            f"`{name}` must be a positive int or one per spatial axis, here {rank}. "
            f"Received: {name}={short(value)}"
        )
    return items if many else items * rank


def check_odd(name: str, value: Any) -> int:
    """`value`, which must be an odd int of 3 or more."""
    if not is_int(value) or value < 3 or value % 2 == 0:
        raise ValueError(
            f"`{name}` must be an odd int, 3 or more. Received: {name}={short(value)}"
        )
    return int(value)


def check_order(p: Any) -> int | float:
    """`p` as a plain number, which must be the order of a norm."""
    valid = isinstance(p, (int, float, np.integer, np.floating))
    if not valid or isinstance(p, bool) or not 1 <= p < math.inf:
        raise ValueError(
            f"`p` must be a finite number, 1 or more. Received: p={short(p)}"
        )
    return int(p) if p == int(p) else float(p)


def check_axis(axis: Any) -> int | tuple[int, ...] | None:
    """`axis` as None, an int or a tuple of ints."""
    many = isinstance(axis, (tuple, list))
    for a in axis if many else (axis,):
        if (a is not None or many) and not is_int(a):
            raise ValueError(
                "`axis` must be None, an int or several ints. "
                f"Received: axis={short(axis)}"
            )
    return tuple(int(a) for a in axis) if many else axis if axis is None else int(axis)


def check_share(name: str, value: Any) -> float:
    """`value`, which must be a number from 0 to 1."""
    valid = isinstance(value, (int, float, np.integer, np.floating))
    if not valid or isinstance(value, bool) or not 0 <= value <= 1:
        raise UsageError(
            f"`{name}` must be a number from 0 to 1. Received: {name}={short(value)}"
        )
    return float(value)


def check_number(name: str, value: Any) -> float:
    """`value`, which must be a finite number, 0 or more."""
    valid = isinstance(value, (int, float, np.integer, np.floating))
    if not valid or isinstance(value, bool) or not 0 <= value < math.inf:
        raise UsageError(
            f"`{name}` must be a finite number, 0 or more. "
            f"Received: {name}={short(value)}"
        )
    return value


def check_range(name: str, value: Any) -> tuple[Any, Any]:
    """`value`, which must be the least and the largest value of an image."""
    try:
        least, largest = value
        valid = bool(np.isfinite([least, largest]).all() and least < largest)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise UsageError(
            f"`{name}` must be the least and the largest value of an image. "
            f"Received: {name}={short(value)}"
        )
    return least, largest


def check_seed(value: Any) -> int:
    """`value`, which must seed random numbers."""
    if not is_int(value) or not 0 <= value < 2**32:
        raise UsageError(
            f"`seed` must be an int from 0 to 2**32 - 1. Received: seed={short(value)}"
        )
    return int(value)


def check_text(name: str, value: Any) -> str:
    """`value`, which must be a text."""
    if not isinstance(value, str):
        raise UsageError(f"`{name}` must be a str. Received: {name}={short(value)}")
    return value


def as_array(name: str, value: Any, axes: int | None = None) -> np.ndarray:
    """`value` as a NumPy array, which must hold numbers, along so many axes."""
    try:
        array = np.asarray(value)
    except ValueError:  # nested lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind in "OSUMm":
        raise UsageError(
            f"`{name}` must be an array of numbers. Received: {name}={short(value)}"
        )
    if axes is not None and (array.ndim != axes or not array.size):
        raise UsageError(
            f"`{name}` must be an array of numbers with {axes} axes. "
            f"Received: shape {array.shape}"
        )
    return array


def check_model(model: Any) -> None:
    """Raise ValueError where `model` has no inputs and outputs, as one built has."""
    # A model that Keras has not built yet, or that a subclass computes, has none.
    if not (hasattr(model, "inputs") and hasattr(model, "outputs")):
        raise UsageError(
            "`model` must be a built Keras model, Sequential or functional; for one of "
            "the zoo or a file, see `kerasconv.models.load_model`. "
            f"Received: model={short(model)}"
        )


def check_given(name: str, value: Any, *, lists: bool = True) -> None:
    """Raise ValueError where `value` plainly is no tensor and no array of numbers.

    What else is none fails in the backend's own conversion. Without `lists` nor are
    plain numbers and lists of them taken.
    """
    dtype = getattr(value, "dtype", None)
    if (
        value is None
        or not (lists or hasattr(value, "shape"))
        or isinstance(value, str | bytes)
        or (isinstance(value, list | tuple) and not value)
        or (isinstance(dtype, np.dtype) and dtype.kind in "OSUMm")
    ):
        received = short(value) if dtype is None else f"an array of dtype {dtype}"
        raise ValueError(
            f"`{name}` must be a tensor or an array of numbers. "
            f"Received: {name}={received}"
        )


def check_real(name: str, dtype: str) -> None:
    """Raise ValueError where `dtype` is one of complex numbers."""
    if dtype.startswith("complex"):
        raise ValueError(
            f"`{name}` must hold real numbers: take the real and the imaginary part "
            f"by themselves. Received: {name} of dtype {dtype}"
        )


def numbers(name: str, value: Any, most: int = 5) -> np.ndarray:
    """`value` as an array of one to `most` axes, which must hold finite numbers."""
    try:
        array = np.asarray(value)
    except ValueError:  # nested lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or not 1 <= array.ndim <= most:
        raise ValueError(
            f"`{name}` must be an array of numbers with 1 to {most} axes. "
            f"Received: {name}={short(value)}"
        )
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"`{name}` must hold at least one number, all finite. "
            f"Received: {name}={short(value)}"
        )
    return array


def check_rank(rank: Any) -> int | None:
    """`rank`, which must be None, 1, 2 or 3."""
    if rank is not None and not (is_int(rank) and rank in RANKS):
        raise ValueError(
            f"`rank` must be None or the number of spatial axes, 1, 2 or 3. "
            f"Received: rank={short(rank)}"
        )
    return None if rank is None else int(rank)


def spatial_rank(input_shape: Sequence[Any], rank: int | None = None) -> int:
    """The number of spatial axes of an input `(batch, *spatial, channels)`.

    Args:
        input_shape: The shape of the input.
        rank: The number that it must have; None takes 1, 2 or 3.

    Raises:
        ValueError: The input has another number of axes; the message says how to add
            those that are missing. Or it has no shape.
    """
    if input_shape is None:  # what Keras says of what holds no tensor
        raise ValueError(
            "`inputs` must be a tensor or an array of numbers. Received: none"
        )
    found, shape = len(input_shape) - 2, tuple(input_shape)
    if found == rank or (rank is None and found in RANKS):
        return found
    wanted = f"{rank} spatial" if rank else "1, 2 or 3 spatial"
    least = rank or 1
    if found == least - 1:
        hint = " Add the batch axis to a single example: x[None]."
    elif found == least - 2:
        hint = " Add batch and channels to a single array: x[None, ..., None]."
    else:
        hint = ""
    raise ValueError(
        f"The input must have {rank + 2 if rank else '3, 4 or 5'} axes: batch, "
        f"{wanted}, channels.{hint} Received: input_shape={shape}"
    )


def plain(value: Any) -> Any:
    """`value` as a config holds it: a tuple or an array becomes a list."""
    return np.asarray(value).tolist() if np.ndim(value) else value
