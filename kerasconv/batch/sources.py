"""Where many pictures lie: which there are, in an order that is always the same.

A source is a picture, a folder, a pattern, a list of paths, a zip or tar archive, or a
table with encoded pictures; on this machine, or at any address that fsspec knows. It
becomes shards: what one process reads at a time. A shard is plain data, a line of
JSON, and holds no pictures: `pictures` opens them where they are read.
"""

import glob
import os
from collections.abc import Iterable, Iterator
from typing import Any

from kerasconv.batch import containers
from kerasconv.errors import KerasconvError, UsageError, one_line
from kerasconv.pictures.find import find_images

Shard = dict[str, Any]
"""What one process reads at a time: its number, its kind, where it lies, its items."""

SHARD_SIZE = 512
"""Pictures a shard: so much is done again after a kill, for every worker."""

LISTS = (".txt", ".lst")
"""The extensions of a file that names a path a line."""


def shards(
    sources: Iterable[str], *, size: int = SHARD_SIZE, column: str | None = None
) -> Iterator[Shard]:
    """The shards of everything that some sources stand for.

    The order is that of the sources and, in a folder or pattern, by name; that of an
    archive or a table is its own. What cannot be listed is an item with an error: it
    will be a row of its own.

    Args:
        sources: Paths, patterns and addresses.
        size: Pictures a shard.
        column: The column of a table that holds the pictures. Default: the only one
            that can, or the one called "image".

    Raises:
        UsageError: a path does not exist, or nothing at all was found.
        KerasconvError: fsspec or what it needs for an address is not installed.
    """
    error: KerasconvError | None = None
    found = False
    files: list[Any] = []
    number = 0

    def numbered(shard: Shard) -> Shard:
        nonlocal number
        number += 1
        return {"number": number - 1, **shard}

    for item in _items(list(sources)):
        kind = containers.kind_of(item[0])
        if item[3] is not None:
            error, item[3] = item[3], str(item[3])
        elif kind is not None:
            if files:
                yield numbered({"kind": "files", "items": files})
                files = []
            try:
                for shard in containers.shards(kind, item[0], size, column):
                    found = True
                    yield numbered({**shard, "path": item[0], "stamp": item[1:3]})
                continue
            except KerasconvError as failed:
                error, item[3] = failed, str(failed)
        else:
            found = True
        files.append(item)
        if len(files) == size:
            yield numbered({"kind": "files", "items": files})
            files = []
    if error is not None and not found:
        raise error
    if files:
        yield numbered({"kind": "files", "items": files})
    if not number:
        raise UsageError("there is no picture in the source: name others")


def count(shard: Shard) -> int:
    """How many pictures, and so rows, a shard has."""
    if shard["kind"] in containers.TABLES:
        return sum(rows for _, _, rows in shard["items"])
    return len(shard["items"])


def pictures(
    shard: Shard,
) -> Iterator[tuple[str, str | None, "bytes | str | KerasconvError"]]:
    """Path, member, and the bytes or the path of each picture of a shard.

    Where one cannot be had, the error stands in its place, so that every shard gives
    as many as `count` says.
    """
    if shard["kind"] != "files":
        yield from containers.pictures(shard)
        return
    for path, _, _, error in shard["items"]:
        if error is not None:
            yield path, None, KerasconvError(error)
        elif "://" in path:
            yield path, None, containers.attempt(path, _fetched, path)
        else:
            yield path, None, path


# ------------------------------------------------------------------- what there is


def _items(sources: list[str]) -> Iterator[list[Any]]:
    """Path, size, time and error of each file, in order.

    Size and time change when the file does: with them another run sees that.
    """
    here = [source for source in sources if "://" not in source]
    find_images(here)  # refuses a path that does not exist, before anything is listed
    for source in sources:
        if source.lower().endswith(LISTS):
            yield from _listed(source)
        elif "://" in source:
            yield from _remote(source)
        else:
            yield from _local(source)


def _local(source: str) -> Iterator[list[Any]]:
    failed: list[list[Any]] = []

    def on_error(path: str, error: KerasconvError) -> None:
        failed.append([path, None, None, error])

    # A failure is given where it happened, between the files beside it.
    for path in find_images([source], on_error):
        yield from failed
        failed.clear()
        yield _stamped(str(path))
    yield from failed


def _stamped(path: str) -> list[Any]:
    """A file with what changes when the file does. Without it, reading says why."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return [path, None, None, None]
    return [path, facts.st_size, facts.st_mtime_ns, None]


def _listed(source: str) -> Iterator[list[Any]]:
    """The pictures of a list: a path or an address a line, relative to the list."""
    base = source.rpartition("/")[0] if "://" in source else os.path.dirname(source)
    try:
        with containers.opened(os.path.expanduser(source)) as file:
            for line in file:
                name = os.fsdecode(line.rstrip(b"\r\n"))
                if not name.strip():
                    continue
                if "://" not in name and not os.path.isabs(name):
                    name = f"{base}/{name}" if "://" in base else _joined(base, name)
                yield [name, None, None, None] if "://" in name else _stamped(name)
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise UsageError(
            f"the list {source!r} cannot be read: {reason}; it is a text file with a "
            "path a line"
        ) from error


def _joined(base: str, name: str) -> str:
    name = os.path.expanduser(name)
    return name if os.path.isabs(name) else os.path.join(base, name)


def _remote(source: str) -> Iterator[list[Any]]:
    """The files that an address stands for, by whatever fsspec has for it."""
    fsspec = containers.needed("fsspec", f"reads {source!r}")
    try:
        system, path = fsspec.core.url_to_fs(source)
        if glob.has_magic(path):
            found = system.glob(path, detail=True)
        elif system.isdir(path):
            below = system.find(path, detail=True)
            names = containers.filtered(below, lambda name: name[len(path) :])
            found = {name: below[name] for name in names}
        else:
            found = {path: system.info(path)}
    except Exception as error:  # each of fsspec's systems has errors of its own
        raise UsageError(
            f"{source!r} cannot be listed: {one_line(error)}; check the address, and "
            "that what fsspec needs for it is installed"
        ) from error
    named = sorted(n for n in found if found[n].get("type") != "directory")
    if not named:
        nothing = (
            f"no picture at {source!r}: name files, or a pattern such as .../*.png"
        )
        yield [source, None, None, UsageError(nothing)]
    for name in named:
        facts = found[name]
        stamp = next(
            (str(facts[k]) for k in ("ETag", "etag", "mtime", "LastModified", "created")
             if facts.get(k)),
            None,
        )  # fmt: skip
        # A chained address ("zip://*.png::http://...") keeps what it goes through.
        whole = system.unstrip_protocol(name)
        through = source.partition("::")[2]
        yield [f"{whole}::{through}" if through else whole, facts.get("size"), stamp,
               None]  # fmt: skip


def _fetched(path: str) -> bytes:
    with containers.opened(path) as file:
        return containers.limited(file)
