"""Errors that a user can mend, each said in one line.

The command line prints the message and ends with the class's `exit_status`; a
program catches `KerasconvError` (or `ValueError` for a `UsageError`).
"""

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any

__all__ = [
    "KerasconvError",
    "UsageError",
    "check_known",
    "in_a_cell",
    "meant",
    "one_line",
    "printable",
    "short",
]

_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def one_line(said: object, hide: str = "", length: int = 200) -> str:
    r"""What an exception or a file says, on one line that a terminal can show.

    White space becomes single spaces, terminal colours are dropped, and other
    control characters become "?": the text may come from a file of unknown origin.

    Args:
        said: The exception, or any text. Of an exception without a message the
            name of its class is given.
        hide: What to leave out: a folder that the reader never sees.
        length: The most characters returned.

    Example:
        >>> one_line(ValueError("a\n  b"))
        'a b'
        >>> one_line(KeyboardInterrupt())
        'KeyboardInterrupt'
    """
    text = str(said)[: 10 * length]
    if hide:
        text = text.replace(hide, "")
    words = " ".join(_COLOUR.sub("", text).split())[:length]
    line = "".join(c if c.isprintable() else "?" for c in words)
    return line or (type(said).__name__ if isinstance(said, BaseException) else "")


def printable(name: str, length: int | None = None) -> str:
    r"""A name of unknown origin, such that a terminal shows it and obeys nothing in it.

    What cannot be printed is written as in Python's strings: control characters, line
    breaks, marks that turn the direction of writing, bytes that are no text.

    Args:
        name: A name of a file, a layer, a class.
        length: The most characters returned; what is left out is an ellipsis.

    Example:
        >>> printable("a\x1b[2J\n.png")
        'a\\x1b[2J\\n.png'
        >>> printable(1000 * "long ", 12)
        'long ...ong '
    """
    if length is not None and len(name) > length:
        kept = (length - 3) // 2
        name = f"{name[: length - 3 - kept]}...{name[len(name) - kept :]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def in_a_cell(name: str, *, path: bool = False) -> str:
    """A name of unknown origin as a cell of CSV: no spreadsheet runs it.

    A path begins with "./" then, and is the same file. A class, which may well be
    called "-" or "+1", is left as it is unless a formula so called could do something.

    Args:
        name: A name of a file or a class.
        path: Whether it is a file.

    Example:
        >>> in_a_cell("-1.png", path=True), in_a_cell("-1"), in_a_cell("=A(1)")
        ('./-1.png', '-1', "'=A(1)")
    """
    name = printable(name)
    if not name.startswith(("=", "+", "-", "@")):
        return name
    if path:
        return f"./{name}"
    return f"'{name}" if any(c in name for c in "(|!") else name


def short(value: object) -> str:
    """What was received, on one line.

    Example:
        >>> short([1, 2])
        '[1, 2]'
    """
    return one_line(repr(value), length=80)


def meant(name: object, known: Iterable[str]) -> str:
    """What might have been meant by a name that there is not.

    Args:
        name: What was asked for.
        known: What there is.

    Example:
        >>> meant("trch", ["jax", "torch"]), meant("caffe", ["jax", "torch"])
        ('did you mean torch?', 'choose one of jax, torch')
    """
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}"


def check_known(what: str, name: Any, known: Collection[str]) -> str:
    """`name`, which must be one of those that there are.

    Args:
        what: What is called so.
        name: What was asked for, of any type.
        known: What there is.

    Raises:
        UsageError: there is none; the message names the nearest.

    Example:
        >>> check_known("backend", "jax", ["jax", "torch"])
        'jax'
    """
    if not isinstance(name, str) or name not in known:
        raise UsageError(f"unknown {what} {short(name)}; {meant(name, known)}")
    return name


class KerasconvError(Exception):
    """Something failed: the message names the thing and the remedy."""

    exit_status = 1


class UsageError(KerasconvError, ValueError):
    """What was asked for makes no sense: the message says what would."""

    exit_status = 2
