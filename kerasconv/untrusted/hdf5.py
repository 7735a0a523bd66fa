"""The tensors of an HDF5 file, read without the HDF5 library.

The C library was made for files that it wrote itself: damaged or hostile bytes have
crashed it time and again. Keras needs a small part of the format, and writes no
other: groups within groups, and arrays of numbers stored whole. This package also
writes arrays shuffled and deflated, each as one piece. This module reads that part
strictly, checks every address and size against the bytes that are there, and refuses
the rest (links, external and virtual data sets, arrays in several pieces, other
filters, references), of which a file of weights has no need.

Reference:
    The HDF Group, "HDF5 File Format Specification Version 3.0": the superblock of
    version 0, version 1 B-trees, object headers and filter pipelines.
"""

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

# The largest networks of keras.applications have 1,546 tensors; each takes some 20 of
# what is counted here, with its groups, their indices and messages.
_MAX_PARTS = 200_000
_MAX_DEPTH = 64
_MAX_NAME = 1000
_MAX_MESSAGES = 1024
_MAX_RANK = 32

_NOWHERE = 0xFFFF_FFFF_FFFF_FFFF

# Messages of an object header, by their number.
_DATASPACE, _DATATYPE, _LAYOUT, _FILTERS, _ATTRIBUTE = 0x01, 0x03, 0x08, 0x0B, 0x0C
_CONTINUATION, _SYMBOL_TABLE = 0x10, 0x11
_READ = (_DATASPACE, _DATATYPE, _LAYOUT, _FILTERS, _SYMBOL_TABLE)
# Nothing, fill values, a comment, times of modification: they change no number.
_IDLE = {0x00, 0x04, 0x05, 0x0D, 0x0E, 0x12}
_REFUSED = {
    0x02: "links of the newer kind (external, soft or of a user's own)",
    0x06: "links of the newer kind (external, soft or of a user's own)",
    0x07: "data kept in other files",
    0x0A: "links of the newer kind (external, soft or of a user's own)",
}

_INTEGER, _FLOAT, _STRING, _OPAQUE, _VARIABLE = 0, 1, 3, 5, 9
_CLASSES = {
    2: "times",
    4: "bit fields",
    6: "records",
    7: "references to objects",
    8: "enumerations",
    10: "arrays",
    **dict.fromkeys((_STRING, _VARIABLE), "text"),
}
# Bits, then where exponent and mantissa begin and how long they are, and the bias.
_FLOATS = {
    2: (0, 16, 10, 5, 0, 10, 15),
    4: (0, 32, 23, 8, 0, 23, 127),
    8: (0, 64, 52, 11, 0, 52, 1023),
}

# Two filters with one number each, whose values follow their names: the bytes of an
# element, and the level of deflating, which reading does not need.
_PIPELINE = "<BB6x" + "HH2xH8sI4x" + "HH2xH8s8x"

BFLOAT16 = np.dtype("V2")
"""How Keras stores bfloat16, which HDF5 does not know: two opaque bytes."""


class FormatError(ValueError):
    """The bytes are no HDF5 file of the kind that Keras writes."""


def read_tensors(data: bytes, room: int | None = None) -> dict[str, np.ndarray]:
    """Every array in an HDF5 file by its place, "layers/dense/vars/0".

    Args:
        data: The whole file.
        room: How many bytes the arrays that are deflated may take together.

    Returns:
        Views into `data` where an array is stored as it is, in the file's order (of
        the bytes of the names). Those of bfloat16 are of type `BFLOAT16`.

    Raises:
        FormatError: the file is damaged, or holds what neither Keras nor this package
            writes.
    """
    return _Reader(data, room).tensors()


class _Reader:
    def __init__(self, data: bytes, room: int | None) -> None:
        self._data = data
        self._room = math.inf if room is None else room
        self._seen: set[int] = set()
        self._parts = 0
        self._stored: list[tuple[int, int, str]] = []

    def tensors(self) -> dict[str, np.ndarray]:
        root = self._superblock()
        tensors = dict(self._group("", root, 0))
        end, last = 0, ""
        for start, size, name in sorted(self._stored):
            if start < end:
                raise FormatError(f"the tensors {last} and {name} share their bytes")
            end, last = start + size, name
        return tensors

    def _superblock(self) -> int:
        """The address of the root group's header."""
        if self._bytes(0, 8) != b"\x89HDF\r\n\x1a\n":
            raise FormatError("it is no HDF5 file")
        versions = self._bytes(8, 8)
        if versions != b"\0\0\0\0\0\x08\x08\0":
            raise FormatError(
                "it is HDF5 of a kind that Keras does not write (versions "
                f"{versions.hex(' ')})"
            )
        base, _, end, driver = self._unpack("<4Q", 24)
        if base != 0 or driver != _NOWHERE or end != len(self._data):
            raise FormatError("its length is not the one it states")
        _, root, kind = self._unpack("<QQI", 56)
        if kind not in (0, 1):
            raise FormatError("its root is a link")
        return root

    def _group(
        self, name: str, address: int, depth: int
    ) -> Iterator[tuple[str, np.ndarray]]:
        if depth > _MAX_DEPTH:
            raise FormatError(f"its groups nest deeper than {_MAX_DEPTH}")
        messages = self._header(name, address)
        if _SYMBOL_TABLE not in messages:
            yield name, self._dataset(name, messages)
            return
        if not messages.keys().isdisjoint((_LAYOUT, _DATASPACE, _FILTERS)):
            raise FormatError(f"{name} is a group and a data set at once")
        tree, heap = self._unpack("<QQ", messages[_SYMBOL_TABLE][0])
        names = self._heap(heap)
        found = set()
        for offset, child in self._entries(tree, depth=0):
            part = self._name(names, offset)
            if part in found:
                raise FormatError(f"{name} holds {part} twice")
            found.add(part)
            place = f"{name}/{part}" if name else part
            if len(place) > _MAX_NAME:
                raise FormatError(f"it holds a name of more than {_MAX_NAME:,} letters")
            yield from self._group(place, child, depth + 1)

    def _entries(self, address: int, depth: int) -> Iterator[tuple[int, int]]:
        """The (offset of the name, address of the header) of a group's members."""
        self._visit(address)
        signature = self._bytes(address, 4)
        if signature == b"SNOD":
            version, _, count = self._unpack("<BBH", address + 4)
            if version != 1:
                raise FormatError("a list of names is of an unknown version")
            for i in range(count):
                offset, header, kind = self._unpack("<QQI", address + 8 + 40 * i)
                if kind == 2:
                    raise FormatError("it holds a soft link")
                if kind not in (0, 1):
                    raise FormatError("it holds a link of an unknown kind")
                yield offset, header
            return
        kind, level, count = self._unpack("<BBH", address + 4)
        if signature != b"TREE" or kind != 0 or level + depth > _MAX_DEPTH:
            raise FormatError("an index of names is damaged")
        for i in range(count):
            (child,) = self._unpack("<Q", address + 32 + 16 * i)
            is_leaf = self._bytes(child, 4) == b"SNOD"
            if is_leaf != (level == 0):
                raise FormatError("an index of names is damaged")
            yield from self._entries(child, depth + 1)

    def _heap(self, address: int) -> tuple[int, int]:
        """Where the names of a group begin and end."""
        self._visit(address)
        if self._bytes(address, 8) != b"HEAP\0\0\0\0":
            raise FormatError("a list of names is damaged")
        size, _, start = self._unpack("<QQQ", address + 8)
        self._bytes(start, size)
        return start, start + size

    def _name(self, names: tuple[int, int], offset: int) -> str:
        start, end = names
        if offset >= end - start:
            raise FormatError("a name lies outside its list")
        end = min(end, start + offset + 4 * _MAX_NAME + 1)
        stop = self._data.find(b"\0", start + offset, end)
        try:
            name = self._data[start + offset : stop].decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError("a name is no text") from error
        if stop < 0 or name in ("", ".", "..") or "/" in name:
            raise FormatError(f"it holds the name {name[:40]!r}")
        return name

    def _header(self, name: str, address: int) -> dict[int, tuple[int, int]]:
        """Where each message of an object's header is, by its number."""
        self._visit(address)
        version, _, count, references, size = self._unpack("<BBHII", address)
        if version != 1:
            raise FormatError(f"the header of {name or 'the root'} is damaged")
        if references != 1:
            raise FormatError(f"{name or 'the root'} has {references} names")
        if count > _MAX_MESSAGES:
            raise FormatError(f"the header of {name or 'the root'} is damaged")
        blocks = [(address + 16, size)]
        found: dict[int, tuple[int, int]] = {}
        for at, room in blocks:
            end = at + room
            self._bytes(at, room)
            while count and at + 8 <= end:
                count -= 1
                kind, length, flags = self._unpack("<HHB", at)
                at += 8
                if at + length > end:
                    raise FormatError(f"the header of {name or 'the root'} is damaged")
                self._message(name, kind, flags, at)
                if kind == _CONTINUATION:
                    blocks.append(self._unpack("<QQ", at))
                elif kind in _READ:
                    if kind in found:
                        raise FormatError(f"{name or 'the root'} is described twice")
                    found[kind] = at, length
                at += length
        if count:
            raise FormatError(f"the header of {name or 'the root'} is damaged")
        return found

    def _message(self, name: str, kind: int, flags: int, at: int) -> None:
        self._count()
        where = name or "the root"
        if kind in _REFUSED:
            raise FormatError(f"{where} has {_REFUSED[kind]}")
        if flags & 2:
            raise FormatError(f"{where} is described elsewhere")
        if kind == _ATTRIBUTE:
            version, _, length = self._unpack("<BBH", at)
            (datatype,) = self._unpack("<B", at + 8 + (length + 7) // 8 * 8)
            if version != 1 or datatype & 15 not in (_STRING, _VARIABLE):
                raise FormatError(f"{where} has an attribute that is no text")
        elif kind not in (*_IDLE, *_READ, _CONTINUATION):
            raise FormatError(f"{where} has a message of the unknown kind {kind}")

    def _dataset(self, name: str, messages: dict[int, tuple[int, int]]) -> np.ndarray:
        if not name or any(
            kind not in messages for kind in (_DATASPACE, _DATATYPE, _LAYOUT)
        ):
            raise FormatError(f"{name or 'the root'} is neither group nor data set")
        shape = self._shape(name, messages[_DATASPACE][0])
        dtype = self._dtype(name, messages[_DATATYPE][0])
        if _FILTERS in messages:
            return self._deflated(name, messages, shape, dtype)
        start, size = self._place(name, *messages[_LAYOUT])
        if size != math.prod(shape) * dtype.itemsize:
            raise FormatError(
                f"{name} is of shape {shape} and stores {size:,} bytes, not "
                f"{math.prod(shape) * dtype.itemsize:,}"
            )
        if size == 0:
            return np.zeros(shape, dtype)
        self._bytes(start, size)
        self._stored.append((start, size, name))
        count = size // dtype.itemsize
        return np.frombuffer(self._data, dtype, count, start).reshape(shape)

    def _deflated(
        self,
        name: str,
        messages: dict[int, tuple[int, int]],
        shape: tuple[int, ...],
        dtype: np.dtype,
    ) -> np.ndarray:
        """An array that is stored as one piece, shuffled and then deflated."""
        filters = self._unpack(_PIPELINE, messages[_FILTERS][0])
        known = (1, 2, 2, 8, 1, b"shuffle\0", dtype.itemsize, 1, 8, 1, b"deflate\0")
        if filters != known:
            raise FormatError(f"{name} has compressed or filtered data")
        dims = (*shape, dtype.itemsize)
        start, stored = self._piece(name, messages[_LAYOUT][0], dims)
        size = math.prod(dims)
        if size > self._room:
            raise FormatError(
                f"{name} unpacks to {size:,} bytes, more than such a file may"
            )
        self._room -= size
        deflated = self._bytes(start, stored)
        self._stored.append((start, stored, name))
        inflate = zlib.decompressobj()
        try:
            planes = inflate.decompress(deflated, size + 1)
        except zlib.error as error:
            raise FormatError(f"{name} cannot be unpacked ({error})") from error
        if len(planes) != size or not inflate.eof or inflate.unused_data:
            raise FormatError(f"{name} does not unpack to {size:,} bytes")
        mixed = np.frombuffer(planes, np.uint8).reshape(dtype.itemsize, -1).T
        return np.frombuffer(mixed.tobytes(), dtype).reshape(shape)

    def _piece(self, name: str, at: int, dims: tuple[int, ...]) -> tuple[int, int]:
        """Where the only piece of an array lies, and its size: it has all of it."""
        count = len(dims)
        head = self._unpack("<3B", at)
        if head != (3, 2, count) or self._unpack(f"<{count}I", at + 11) != dims:
            raise FormatError(f"{name} is stored in pieces")
        (tree,) = self._unpack("<Q", at + 3)
        self._visit(tree)
        if self._unpack("<4sBBH", tree) != (b"TREE", 1, 0, 1):
            raise FormatError(f"{name} is stored in pieces")
        size, skipped, *corner = self._unpack(f"<II{count}Q", tree + 24)
        if skipped or any(corner):
            raise FormatError(f"the place of {name} is damaged")
        (start,) = self._unpack("<Q", tree + 32 + 8 * count)
        return start, size

    def _shape(self, name: str, at: int) -> tuple[int, ...]:
        version, rank, flags, kind = self._unpack("<4B", at)
        if version == 1 and flags in (0, 1):
            at += 8
        elif version == 2 and flags in (0, 1) and kind in (0, 1):
            at += 4
        else:
            raise FormatError(f"the shape of {name} is damaged")
        if rank > _MAX_RANK:
            raise FormatError(f"{name} has {rank} axes")
        shape = self._unpack(f"<{rank}Q", at)
        # Also where an axis is 0: NumPy counts the others.
        if math.prod(n or 1 for n in shape) >= 1 << 60:
            raise FormatError(f"{name} is of shape {shape}")
        if flags and self._unpack(f"<{rank}Q", at + 8 * rank) != shape:
            raise FormatError(f"{name} can grow")
        return shape

    def _dtype(self, name: str, at: int) -> np.dtype:
        head, bits, _, _, size = self._unpack("<4BI", at)
        kind = head & 15
        if kind == _INTEGER and size in (1, 2, 4, 8) and bits in (0, 8):
            if self._unpack("<HH", at + 8) == (0, 8 * size):
                return np.dtype(f"<{'i' if bits else 'u'}{size}")
        elif kind == _FLOAT and size in _FLOATS and bits == 0x20:
            if self._unpack("<HHBBBBI", at + 8) == _FLOATS[size]:
                return np.dtype(f"<f{size}")
        elif kind == _OPAQUE and size == 2:
            return BFLOAT16
        raise FormatError(
            f"{name} holds {_CLASSES.get(kind, 'numbers of an unusual kind')}"
        )

    def _place(self, name: str, at: int, length: int) -> tuple[int, int]:
        version, kind = self._unpack("<BB", at)
        if version == 3 and kind == 1:
            start, size = self._unpack("<QQ", at + 2)
            if start == _NOWHERE and size:
                raise FormatError(f"{name} is declared and not stored")
            return start, size
        if version == 3 and kind == 0:
            (size,) = self._unpack("<H", at + 2)
            if size + 4 > length:
                raise FormatError(f"the place of {name} is damaged")
            return at + 4, size
        raise FormatError(f"{name} is stored in pieces (chunked or virtual)")

    def _visit(self, address: int) -> None:
        # Also what keeps a file that points back at itself from being read for ever.
        if address in self._seen:
            raise FormatError("two names lead to one place")
        self._seen.add(address)
        self._count()

    def _count(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise FormatError(f"it has more than {_MAX_PARTS:,} parts")

    def _bytes(self, start: int, size: int) -> bytes | memoryview:
        if start + size > len(self._data):
            raise FormatError("it points beyond its end")
        # A view where it may be large: most callers only ask whether it is there.
        if size > 64:
            return memoryview(self._data)[start : start + size]
        return self._data[start : start + size]

    def _unpack(self, form: str, at: int) -> tuple:
        if at + struct.calcsize(form) > len(self._data):
            raise FormatError("it points beyond its end")
        return struct.unpack_from(form, self._data, at)
