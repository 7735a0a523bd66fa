"""Files that hold many pictures: zip and tar archives, Parquet and Arrow tables.

Each is read where it lies, a member or a few rows at a time. Members are found by
their position: two of the same name are two pictures.
"""

import contextlib
import importlib
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from kerasconv.errors import KerasconvError, UsageError, one_line
from kerasconv.pictures.find import picture_extensions

TABLES = ("parquet", "arrow")

_KINDS = {
    ".zip": "zip",
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
    ".tar.bz2": "tar",
    ".tar.xz": "tar",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}

LARGEST = 1 << 28
"""Bytes that one encoded picture may have: an archive may declare anything."""

_ROWS = 64
"""Rows of a table that are in memory at a time."""


def kind_of(path: str) -> str | None:
    """Which container a path names by its extension, or None."""
    name = path.partition("::")[0].lower()
    return next((kind for end, kind in _KINDS.items() if name.endswith(end)), None)


def filtered(names: Iterable[Any], name_of: Callable[[Any], str]) -> Iterator[Any]:
    """Those with the extension of a format that Pillow decodes, and not hidden."""
    extensions = picture_extensions()
    for each in names:
        name = name_of(each)
        # macOS puts a hidden double of every file into its archives.
        parts = (part for part in name.split("/") if part not in (".", ".."))
        hidden = any(part.startswith(".") for part in parts)
        if os.path.splitext(name)[1].lower() in extensions and not hidden:
            yield each


def needed(module: str, what: str) -> Any:
    """A module that is not always installed, or one line that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise KerasconvError(
            f"{module} {what} and cannot be imported ({one_line(error)}); install it "
            f"with: pip install {module.partition('.')[0]}"
        ) from error


@contextlib.contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """A file on this machine, or at an address, to read and to seek in."""
    if "://" in path:
        fsspec = needed("fsspec", f"reads {path!r}")
        with fsspec.open(path, "rb") as file:
            yield file
    else:
        with open(path, "rb") as file:
            yield file


def limited(file: IO[bytes]) -> bytes:
    """All of a file, if it is no larger than a picture may be."""
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise KerasconvError(f"it has over {LARGEST:,} bytes: it is no picture")
    return data


def attempt(
    name: str, read: Callable[..., bytes], *arguments: Any
) -> bytes | KerasconvError:
    """The bytes, or in one line why there are none: every library has its errors."""
    try:
        return read(*arguments)
    except Exception as error:
        reason = one_line(getattr(error, "strerror", None) or error)
        return KerasconvError(f"cannot read {name!r}: {reason}")


# ---------------------------------------------------------------------- the shards


def shards(
    kind: str, path: str, size: int, column: str | None
) -> Iterator[dict[str, Any]]:
    """The shards of a container, without number and path.

    Raises:
        KerasconvError: it cannot be listed, or holds no picture.
    """
    try:
        with opened(path) as file:
            some = False
            for shard in _SHARDS[kind](file, size, column):
                some = True
                yield {"kind": kind, **shard}
    except KerasconvError as error:
        raise type(error)(f"{path!r}: {error}") from error
    except Exception as error:
        raise KerasconvError(
            f"cannot read {path!r}: damaged or cut short ({one_line(error)}): save or "
            "copy it again"
        ) from error
    if not some:
        raise UsageError(f"no picture in {path!r}: name another")


def _cut(items: list[Any], size: int) -> Iterator[dict[str, Any]]:
    for start in range(0, len(items), size):
        yield {"items": items[start : start + size]}


def _zip_shards(
    file: IO[bytes], size: int, column: str | None
) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        items = [
            [info.filename, i]
            for i, info in filtered(
                enumerate(archive.infolist()), lambda entry: entry[1].filename
            )
        ]
    yield from _cut(items, size)


def _tar_shards(
    file: IO[bytes], size: int, column: str | None
) -> Iterator[dict[str, Any]]:
    packed = file.read(262)[257:] != b"ustar"
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        items = [
            [member.name, member.offset_data, member.size]
            for member in filtered(archive, lambda member: member.name)
            if member.isreg()
        ]
    # A compressed archive can only be read from its beginning: it is one shard.
    yield from (
        {**shard, "packed": packed}
        for shard in _cut(items, max(1, len(items)) if packed else size)
    )


def _parquet_shards(
    file: IO[bytes], size: int, column: str | None
) -> Iterator[dict[str, Any]]:
    parquet = needed("pyarrow.parquet", "reads Parquet").ParquetFile(file)
    column = _column(parquet.schema_arrow, column)
    groups = [
        parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)
    ]
    yield from _blocks(groups, size, column)


def _arrow_shards(
    file: IO[bytes], size: int, column: str | None
) -> Iterator[dict[str, Any]]:
    reader, _ = _arrow(file)
    column = _column(reader.schema, column)
    if hasattr(reader, "num_record_batches"):
        batches = range(reader.num_record_batches)
        yield from _blocks(
            [reader.get_batch(i).num_rows for i in batches], size, column
        )
    else:  # a stream can only be read from its beginning: it is one shard
        rows = [batch.num_rows for batch in reader]
        yield from _blocks(rows, max(1, sum(rows)), column)


def _blocks(rows: list[int], size: int, column: str) -> Iterator[dict[str, Any]]:
    """Shards of whole blocks of rows, which is how a table is read.

    An item is a block, the number of its first row, and how many it has.
    """
    items, first = [], 0
    for block, number in enumerate(rows):
        if number:
            items.append([block, first, number])
        first += number
        if sum(n for _, _, n in items) >= size:
            yield {"items": items, "column": column}
            items = []
    if items:
        yield {"items": items, "column": column}


def _arrow(file: IO[bytes]) -> tuple[Any, bool]:
    pyarrow = needed("pyarrow", "reads Arrow files")
    ipc = importlib.import_module("pyarrow.ipc")
    try:
        return ipc.open_file(file), True
    except pyarrow.ArrowInvalid:
        file.seek(0)
        return ipc.open_stream(file), False


def _column(schema: Any, asked: str | None) -> str:
    """Which column holds the pictures: bytes, or bytes with a path beside them."""
    types = needed("pyarrow", "reads tables").types

    def holds_bytes(type: Any) -> bool:
        if types.is_struct(type):
            inner = [type.field(i) for i in range(type.num_fields)]
            return any(f.name == "bytes" and holds_bytes(f.type) for f in inner)
        return bool(types.is_binary(type) or types.is_large_binary(type))

    able = [field.name for field in schema if holds_bytes(field.type)]
    if asked is not None:
        if asked in able:
            return asked
        have = ", ".join(map(repr, able)) or "no column"
        raise UsageError(
            f"the column {asked!r} holds no encoded pictures; {have} can (`column`)"
        )
    if len(able) == 1 or "image" in able:
        return "image" if "image" in able else able[0]
    if able:
        names = ", ".join(map(repr, able))
        raise UsageError(f"several columns hold bytes: name one of {names} (`column`)")
    raise UsageError("no column holds encoded pictures, which are of Arrow's binary")


_SHARDS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "zip": _zip_shards,
    "tar": _tar_shards,
    "parquet": _parquet_shards,
    "arrow": _arrow_shards,
}

# -------------------------------------------------------------------- the pictures


def pictures(
    shard: dict[str, Any],
) -> Iterator[tuple[str, str | None, bytes | KerasconvError]]:
    """Path, member and bytes of each picture of a shard, or why there are none."""
    path = shard["path"]
    names = _names(shard)
    given = 0
    try:
        with opened(path) as file:
            for data in _PICTURES[shard["kind"]](file, shard):
                yield path, names[given], data
                given += 1
    except Exception as error:
        # The container itself is gone or damaged: so is all that was to come.
        lost = KerasconvError(f"cannot read {path!r}: {one_line(error)}")
        yield from ((path, name, lost) for name in names[given:])


def _names(shard: dict[str, Any]) -> list[str]:
    if shard["kind"] in TABLES:
        return [
            str(first + i) for _, first, number in shard["items"] for i in range(number)
        ]
    return [item[0] for item in shard["items"]]


def _zip_pictures(
    file: IO[bytes], shard: dict[str, Any]
) -> Iterator[bytes | KerasconvError]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()

        def read(entry: zipfile.ZipInfo) -> bytes:
            with archive.open(entry) as member:
                return limited(member)

        for name, i in shard["items"]:
            yield attempt(name, read, entries[i])


def _tar_pictures(
    file: IO[bytes], shard: dict[str, Any]
) -> Iterator[bytes | KerasconvError]:
    if not shard["packed"]:
        for name, offset, size in shard["items"]:
            yield attempt(name, _piece, file, offset, size)
        return
    wanted = {offset for _, offset, _ in shard["items"]}
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for member in archive:
            if member.offset_data in wanted:
                content = archive.extractfile(member)
                assert content is not None  # it is a regular file
                yield attempt(member.name, limited, content)


def _piece(file: IO[bytes], offset: int, size: int) -> bytes:
    if size > LARGEST:
        raise KerasconvError(f"it has over {LARGEST:,} bytes: it is no picture")
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise KerasconvError("the archive is cut short: copy it again")
    return data


def _parquet_pictures(
    file: IO[bytes], shard: dict[str, Any]
) -> Iterator[bytes | KerasconvError]:
    parquet = needed("pyarrow.parquet", "reads Parquet").ParquetFile(file)
    blocks = [block for block, _, _ in shard["items"]]
    for batch in parquet.iter_batches(_ROWS, blocks, columns=[shard["column"]]):
        yield from _cells(batch.column(0))


def _arrow_pictures(
    file: IO[bytes], shard: dict[str, Any]
) -> Iterator[bytes | KerasconvError]:
    reader, whole = _arrow(file)
    batches: Any = reader
    if whole:
        batches = (reader.get_batch(block) for block, _, _ in shard["items"])
    for batch in batches:
        yield from _cells(batch.column(shard["column"]))


def _cells(column: Any) -> Iterator[bytes | KerasconvError]:
    for scalar in column:
        cell = scalar.as_py()
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if data is None:
            yield KerasconvError("this row of the table holds no picture")
        else:
            yield data


_PICTURES: dict[str, Callable[..., Iterator[bytes | KerasconvError]]] = {
    "zip": _zip_pictures,
    "tar": _tar_pictures,
    "parquet": _parquet_pictures,
    "arrow": _arrow_pictures,
}
