"""Files written whole or not at all."""

import os
import shutil
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
        _sync(beside)
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


def move_into_place(made: Path, path: Path) -> None:
    """Move a finished file or folder to `path`, in place of what is there.

    A file is there whole at every moment. A folder cannot be replaced in one step:
    between two renames there is none, and the old one comes back if the second fails.

    Args:
        made: A file or a folder on the same disk as `path`.
        path: Where it shall be.
    """
    if not made.is_dir():
        _sync(made)
        os.replace(made, path)
        return
    for file in made.rglob("*"):
        if file.is_file():
            _sync(file)
    old = made.with_name(f"{made.name}.old")
    if path.exists():
        os.rename(path, old)
    try:
        os.rename(made, path)
    except OSError:
        if old.exists():
            os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_with(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
