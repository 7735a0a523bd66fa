"""Files written whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from kerasconv.errors import KerasconvError


def write_with(path: str | os.PathLike, save: Callable[[Path], object]) -> None:
    """Let `save` write a file beside `path`, then move it into place.

    Whoever opens `path` meanwhile, or after the program was killed, finds the old
    file or the new one, never a part of one.

    Args:
        path: Where the file shall be; missing folders are made.
        save: Called with a temporary path of the same suffix.

    Raises:
        KerasconvError: the place cannot be written.
    """
    path = Path(path)
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        beside = Path(name)
        save(beside)
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        # mkstemp lets the owner alone read; the file is meant as any other is.
        beside.chmod(0o666 & ~_umask())
        os.replace(beside, path)
    except OSError as error:
        raise KerasconvError(
            f"{path} cannot be written ({error.strerror or error}); choose another "
            "place or make room"
        ) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_with(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
