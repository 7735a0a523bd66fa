"""Paths, folders and patterns become the picture files that they stand for."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from PIL import Image

from kerasconv.errors import KerasconvError, UsageError
from kerasconv.files import check_paths

# Pictures that Pillow reads with a plugin or not at all. To pass a phone's by without a
# word would be to lose them.
KNOWN = {".avif", ".heic", ".heif", ".jxl"}

OnError = Callable[[str, KerasconvError], object]

# Formats that Pillow lists but cannot decode by itself; PostScript is a program.
NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


def find_images(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    on_error: OnError | None = None,
) -> Iterator[Path]:
    """Finds the picture files that files, folders and glob patterns stand for.

    A file stands for itself, whatever its extension. A folder stands for every file
    below it with the extension of a format that Pillow decodes (in either case), or of
    one that it may lack (HEIC, AVIF, JPEG XL), of which reading says so, without hidden
    files and folders and without following links to folders. A pattern (Python's
    `glob`: `*`, `?`, `[...]`, and `**` for any folders) stands for the files that
    match. A leading `~` is the home folder. The order is the one given, and by name
    within a folder or pattern. A file that is named twice is given twice. A link in a
    folder that leads nowhere is given, so that reading it says why.

    Args:
        paths: files, folders and patterns, or one of these.
        on_error: called with a folder or pattern and the error where it cannot be
            listed or stands for no file, and what follows is given all the same.
            Default: the error is raised.

    Returns:
        An iterator over the files' paths.

    Raises:
        UsageError: a path does not exist (raised before the first file is given), or
            a folder or pattern stands for no file (raised when its turn comes).
        KerasconvError: a folder cannot be listed (likewise).

    Example:
        >>> for path in find_images(["one.png", "scans/", "~/digits/**/*.jpg"]):
        ...     digit = prepare_digit(read_image(path))
    """
    expanded = [os.path.expanduser(path) for path in check_paths("paths", paths)]
    for path in expanded:
        if not os.path.exists(path) and not glob.has_magic(path):
            raise UsageError(why_no_file(path))
    return _found(expanded, on_error or _raise)


def _raise(path: str, error: KerasconvError) -> None:
    raise error


def _found(paths: list[str], on_error: OnError) -> Iterator[Path]:
    for path in paths:
        failed = False

        def fail(place: str, error: KerasconvError) -> None:
            nonlocal failed
            failed = True
            on_error(place, error)

        if os.path.isdir(path):
            extensions = picture_extensions()
            files: Iterator[str] = (
                file
                for file in _walk(path, fail)
                if os.path.splitext(file)[1].lower() in extensions
            )
            nothing = f"no picture in the folder {path!r}: name the files instead"
        elif os.path.exists(path):
            files, nothing = iter([path]), ""
        else:
            matches = sorted(glob.iglob(path, recursive=True))
            files = filter(os.path.isfile, matches)
            nothing = f"no file matches {path!r}: check the pattern"
        first = next(files, None)
        if first is not None:
            yield Path(first)
            yield from map(Path, files)
        elif not failed:
            on_error(path, UsageError(nothing))


def picture_extensions() -> set[str]:
    """Extensions of pictures, in lower case: Pillow's, and some that it may lack."""
    return KNOWN | {
        extension
        for extension, format in Image.registered_extensions().items()
        if format in Image.OPEN and format not in NOT_PICTURES
    }


def _walk(folder: str, on_error: OnError) -> Iterator[str]:
    try:
        with os.scandir(folder or ".") as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = f"cannot list the folder {folder!r}: {error.strerror}"
        on_error(folder, KerasconvError(reason))
        return
    for entry in listing:
        if entry.name.startswith("."):
            continue
        path = os.path.join(folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, on_error)
        # A link that leads nowhere, or in a circle, exists as such alone.
        elif os.path.isfile(path) or not os.path.exists(path):
            yield path


def why_no_file(path: str | os.PathLike) -> str:
    """Why nothing can be read at a path that is not a regular file."""
    name = repr(os.fspath(path))
    if os.path.isdir(path):
        return f"{name} is a folder, not a picture: name a file in it"
    if os.path.islink(path) and not os.path.exists(path):
        return f"{name} is a link that leads nowhere: mend or remove it"
    if os.path.exists(path):
        return f"{name} is not a regular file: save the picture to a file first"
    return f"no such file or folder: {name}; check the path"
