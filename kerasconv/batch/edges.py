"""The edges of many pictures: a picture for each, in the folders of the source."""

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import files, pictures
from kerasconv.batch import containers, sources
from kerasconv.batch.marks import DIED, READING, Mark
from kerasconv.batch.shards import Parts, activate
from kerasconv.batch.sources import Shard
from kerasconv.errors import KerasconvError, UsageError

RUN = "_run"
"""The folder, beside the pictures, of what a run is and of its rows."""

SHARD_SIZE = 16
"""Photographs a shard: of these a hundred are many."""

COLUMNS = ("path", "picture", "status", "error")

# What a system says of one name; anything else would befall the next picture, too.
_OF_THE_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


@dataclass(frozen=True)
class Work(Parts):
    """Draws the edges of the pictures of a shard.

    Attributes:
        base: The folder that the names of the pictures are relative to.
        operator: "sobel" or "prewitt".
        output: "magnitude", "x" or "y".
        border_mode: What lies outside.
    """

    base: str
    operator: str
    output: str
    border_mode: str

    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(COLUMNS)

    def rows(self, shard: Shard, mark: Mark) -> list[list[Any]]:
        """Write the pictures; where each went, or why there is none."""
        activate(self.backend)
        rows = []
        # Not beside the pictures: who writes there lists the folder every time.
        scratch = Path(self.out, READING, f"{shard['number']}")
        with files.working_folder(scratch) as folder:
            for i, (path, _, data) in enumerate(sources.pictures(shard)):
                name = self.name(path)
                mark.at(i)
                try:
                    pixels = self._drawn(DIED if i in mark.deadly else data)
                except KerasconvError as failed:
                    error: str | None = str(failed)
                else:
                    error = self._put(pixels, folder / "edges.png", name)
                mark.at(None)
                rows.append([path, None, "error", error] if error else
                            [path, name, "ok", None])  # fmt: skip
        return rows

    def name(self, path: str) -> str:
        """The name of the edges of a picture, below the folder of all.

        No two pictures have the same: a.png keeps its name, a.jpg becomes a.jpg.png,
        and where there is one, a.jpg.png becomes a.jpg.png.png.
        """
        keeps = path.endswith(".png") and not os.path.isfile(path[:-4])
        below = os.path.relpath(os.path.abspath(path), self.base)
        return below if keeps else f"{below}.png"

    def _drawn(self, source: str | bytes | KerasconvError) -> np.ndarray:
        if isinstance(source, KerasconvError):
            raise source
        photo = pictures.read_photo(source)
        found = pictures.edges(photo, self.operator, self.output, self.border_mode)
        return pictures.to_pixels(found, self.output)

    def _put(self, pixels: np.ndarray, scratch: Path, name: str) -> str | None:
        """Write a picture into its folder; returns what is wrong with its name."""
        place = Path(self.out).parent / name
        pictures.write_photo(scratch, pixels)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(scratch, place)
        except OSError as error:
            said = f"{str(place)!r} cannot be written ({error.strerror})"
            if error.errno in _OF_THE_NAME:
                return said
            raise KerasconvError(said) from error
        return None


def listing(names: list[str], size: int) -> Iterator[Shard]:
    """The shards of picture files, folders and patterns on this machine.

    Raises:
        UsageError: something else is named, or there is no picture.
    """
    for name in names:
        is_list = name.lower().endswith(sources.LISTS)
        if "://" in name or is_list or containers.kind_of(name):
            raise _other(name)
    for shard in sources.shards(names, size=size):
        if shard["kind"] != "files":
            raise _other(shard["path"])
        yield shard


def _other(name: str) -> UsageError:
    return UsageError(
        f"{name!r} is no picture: edges are drawn of picture files, folders and "
        "patterns on this machine"
    )


def base_of(names: Iterable[str]) -> str:
    """The deepest folder that all of some sources lie in; of one folder itself."""
    folders = []
    for name in names:
        path = os.path.abspath(os.path.expanduser(name))
        while not os.path.isdir(path):  # a file, a pattern
            path = os.path.dirname(path)
        folders.append(path)
    try:
        return os.path.commonpath(folders)
    except ValueError as error:  # two drives
        raise UsageError("the pictures lie on several drives: name one") from error
