"""Paths that are given, and files written whole or not at all."""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kerasconv.errors import KerasconvError, UsageError, short

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX = ".kerasconv-unfinished-"
_UNFINISHED = re.compile(rf"{re.escape(_PREFIX)}[a-z0-9_]{{8}}(\..*)?")


def check_path(name: str, value: Any) -> Any:
    """`value`, which must be a path."""
    if not isinstance(value, str | os.PathLike) or "\0" in os.fsdecode(value):
        raise UsageError(
            f"`{name}` must be a path, a str or a pathlib.Path. "
            f"Received: {name}={short(value)}"
        )
    return value


def check_paths(name: str, value: Any) -> list[str]:
    """`value`, which must be a path or several, as texts."""
    one = isinstance(value, str | bytes | os.PathLike) or not isinstance(
        value, Iterable
    )
    return [os.fspath(check_path(name, path)) for path in ([value] if one else value)]


def write_with(path: str | os.PathLike, save: Callable[[Path], object]) -> None:
    """Let `save` write a file beside `path`, then move it into place.

    Whoever opens `path` meanwhile, or after the program was killed, finds the old
    file or the new one, never a part of one. What killed programs left beside it is
    swept.

    Args:
        path: Where the file shall be; missing folders are made, and a leading `~` is
            the home folder, which shells leave in `--save=~/x.png`.
        save: Called with a temporary path of the same suffix.

    Raises:
        KerasconvError: the place cannot be written.
    """
    path = Path(os.path.expanduser(path))
    handle: int | None = None
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        handle, beside = _unfinished(path)
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
        if handle is not None:
            os.close(handle)


@contextmanager
def working_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` for what will be moved there; it goes with the context."""
    _sweep(path.parent)
    handle, folder = _unfinished(path, folder=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether no other program is within this for the same `path`, an empty file.

    The lock ends with the program, however it ends. Where a system or a disk has no
    such locks, every program counts as alone.
    """
    if fcntl is None:
        yield True
        return
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            yield False
            return
        except OSError:
            break
        # Between the two lines the program before may have ended, and removed the file.
        if _is_at(path, handle):
            break
        os.close(handle)
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _unfinished(path: Path, *, folder: bool = False) -> tuple[int | None, Path]:
    """A new file or folder beside `path`, locked until its handle is closed."""
    while True:
        handle: int | None
        if folder:
            name = tempfile.mkdtemp("", _PREFIX, path.parent)
            handle = None if fcntl is None else os.open(name, os.O_RDONLY)
        else:
            handle, name = tempfile.mkstemp(path.suffix, _PREFIX, path.parent)
        if handle is None:
            return None, Path(name)
        if fcntl is not None:
            with suppress(OSError):  # a disk without locks, where nobody sweeps
                fcntl.flock(handle, fcntl.LOCK_EX)
        # Between the two lines another program may have swept it.
        if os.path.exists(name):
            return handle, Path(name)
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what killed programs left unfinished in a folder.

    A program that lives holds a lock on its own, which ends with it. Where a system
    has no such locks nothing is removed.
    """
    try:
        names = os.listdir(folder) if fcntl is not None else []
    except OSError:
        return  # one may write here and not look
    for name in names:
        if not _UNFINISHED.fullmatch(name):
            continue
        path = folder / name
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        except OSError:
            pass  # it is being written, or belongs to somebody else
        finally:
            os.close(handle)


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
