"""Pictures of one's own: a folder a class, read as a training needs them."""

import hashlib
import math
import os
import tempfile
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasconv import pictures
from kerasconv.batch.preparing import prepared
from kerasconv.errors import KerasconvError, UsageError, one_line, printable
from kerasconv.models._own import MAX_CLASSES, MAX_NAME, prepare_as
from kerasconv.reading import Answer

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders that hold the classes of one split, and the split."""

_ORDER = ("test", "validation", "train", "")

MAX_FILE = 1 << 28
"""Bytes that a picture's file may have."""

MAX_IN_MEMORY = 1 << 28
"""Bytes of prepared pictures that stay in memory; more are kept in a file."""

# Colours further apart than this, of 255, are no trace of a camera or of JPEG.
_COLOURED = 12

Progress = Callable[[int, int], None]


@dataclass
class Pictures:
    """Pictures as a network takes them, with what is known of each.

    Attributes:
        images: uint8, shape (n, height, width, channels).
        labels: int64, the class of each.
        classes: The name of each class.
        names: The file of each, below the folder; or its number.
        split: "train", "validation", "test" or "" of each, as its folder says.
        keys: A digest of each file, by which it is split and told from copies.
        left_out: File and reason of all that were not taken.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: list[str]
    split: list[str]
    keys: list[bytes]
    left_out: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Listing:
    """The files of a folder of classes.

    Attributes:
        folder: The folder.
        classes: Names of the classes, sorted.
        files: Path, class and split of each, test and validation first.
        left_out: What belongs to no class, and why.
    """

    folder: Path
    classes: tuple[str, ...]
    files: list[tuple[str, int, str]]
    left_out: list[tuple[str, str]]

    def name(self, path: str) -> str:
        """How a file is called in what is printed and written."""
        return printable(os.path.relpath(path, self.folder))


def list_folder(folder: str | os.PathLike, least: int = 2) -> Listing:
    """Find the classes and files of a folder, without reading a picture.

    A class is a folder of pictures, also in folders below it, and links to folders.
    Instead of classes the folder may hold `train`, `val` and `test`, each with a folder
    a class. Hidden files are not looked at.

    Args:
        folder: The folder.
        least: The fewest classes that will do.

    Raises:
        UsageError: the folder is missing, a class is empty or stands there twice,
            there are too few, or some folders are of splits and others are not.
        KerasconvError: a folder cannot be listed.
    """
    folder = Path(os.path.expanduser(folder))
    shown = printable(str(folder))
    if not os.path.exists(folder):
        raise UsageError(f"no such folder: {shown!r}; give a folder of class folders")
    if not folder.is_dir():
        raise UsageError(
            f"{shown!r} is a file; give a folder that holds a folder for each class"
        )
    folders, files, hidden = _entries(folder)
    parts = {name: SPLITS.get(name.lower(), "") for name in folders}
    is_split = all(parts.values()) and (
        "train" in parts.values() or (least == 1 and "test" in parts.values())
    )
    if not is_split:
        _check_splits(folder, parts)
    places = [(folder / n, parts[n]) for n in folders] if is_split else [(folder, "")]
    # Test and validation first: of two copies the one in training is dropped.
    places.sort(key=lambda each: _ORDER.index(each[1]))
    loose = [folder / name for name in files]
    unseen = [folder / name for name in hidden] if is_split else []
    found: dict[str, list[tuple[str, str]]] = {}
    for place, split in places:
        below, beside, hidden = _entries(place)
        loose += [place / name for name in beside if is_split]
        unseen += [place / name for name in hidden]
        for name in below:
            # A Mac may write é as two characters, another system as one.
            written = unicodedata.normalize("NFC", name)
            found.setdefault(written, []).append((os.path.join(place, name), split))
    names = sorted(found)
    left_out = [
        (printable(os.path.relpath(path, folder)), reason)
        for reason, paths in {
            "a hidden folder, for its name begins with a dot": unseen,
            "beside the folders of the classes": loose,
        }.items()
        for path in paths
    ]
    _check_classes(shown, names, found, left_out, least)
    listed: list[tuple[str, int, str]] = []
    empty = []
    for part in _ORDER:
        for label, name in enumerate(names):
            for path, split in found[name]:
                if split != part:
                    continue
                before = len(listed)
                listed += [(file, label, split) for file in _files(path, folder)]
                if len(listed) == before:
                    empty.append(printable(os.path.relpath(path, folder)))
    if empty:
        raise UsageError(
            f"no picture is in {', '.join(map(repr, empty[:5]))} of {shown!r}; put "
            "some there, or remove the folder"
        )
    return Listing(folder, tuple(map(printable, names)), listed, left_out)


def _entries(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """The folders, the files, and the hidden folders in a folder, by name."""
    try:
        with os.scandir(folder) as entries:
            seen = sorted((entry.name, _is_folder(entry)) for entry in entries)
    except OSError as error:
        raise KerasconvError(
            f"cannot list the folder {printable(str(folder))!r}: {error.strerror}"
        ) from error
    folders = [name for name, is_folder in seen if is_folder]
    return (
        [name for name in folders if not name.startswith(".")],
        [name for name, is_folder in seen if not (is_folder or name.startswith("."))],
        [name for name in folders if name.startswith(".")],
    )


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _check_splits(folder: Path, parts: dict[str, str]) -> None:
    """Refuse folders of splits that would be taken for classes.

    A class has pictures in its folder; that of a split has folders alone.
    """
    for name, part in parts.items():
        below, beside, _ = _entries(folder / name) if part else ([], [], [])
        if not below or beside:
            continue
        shown, what = printable(str(folder)), printable(name)
        others = [printable(other) for other in parts if not parts[other]]
        reason = (
            f"{', '.join(map(repr, others[:3]))} beside it is no split: rename or move "
            f"it; or, if {what!r} is a class, put its pictures right into its folder"
            if others
            else "there is no 'train' beside it"
        )
        raise UsageError(
            f"{what!r} in {shown!r} looks like a split, for it holds folders and no "
            f"pictures, and {reason}"
        )


def _check_classes(
    folder: str,
    names: list[str],
    found: dict[str, list[tuple[str, str]]],
    left_out: list[tuple[str, str]],
    least: int,
) -> None:
    check_names(names)
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise UsageError(
                f"the classes {printable(other)!r} and {printable(name)!r} of "
                f"{folder!r} differ in capitals alone; make them one folder, or give "
                "one another name"
            )
    if len(names) >= least:
        return
    if not names:
        what = "no folder of a class"
    else:
        what = f"one class, {printable(names[0])!r}"
        below, *_ = _entries(Path(found[names[0]][0][0]))
        if len(below) > 1:
            what += f" (are its folders the classes? then name {names[0]!r} in it)"
    if left_out:
        files = ", ".join(repr(name) for name, _ in left_out[:3])
        what += f", beside the files {files}"
    raise UsageError(
        f"{folder!r} holds {what}; a training needs a folder of pictures for each of "
        "two classes or more"
    )


def check_names(names: Sequence[str]) -> None:
    """Refuse what a card cannot hold: too many classes, or too long names."""
    if len(names) > MAX_CLASSES:
        raise UsageError(
            f"there are {len(names):,} classes; {MAX_CLASSES:,} is the most"
        )
    for name in names:
        if len(printable(name)) > MAX_NAME:
            raise UsageError(
                f"the class {printable(name, 60)!r} has a name of "
                f"{len(printable(name))} characters; {MAX_NAME} is the most"
            )


def _files(folder: str, above: Path) -> Iterator[str]:
    """Every file below a folder, by name, without hidden ones.

    Links to folders are followed, but for those that lead to where one has been, or
    up to the folder of the classes and beyond.
    """

    def fail(error: OSError) -> None:
        raise KerasconvError(
            f"cannot list the folder {printable(str(error.filename))!r}: "
            f"{error.strerror}"
        ) from error

    top = Path(os.path.realpath(above))
    seen = {top, *top.parents}
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        here = Path(os.path.realpath(place))
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield os.path.join(place, name)


def read_folder(
    listing: Listing,
    prepare: str,
    shape: tuple[int, int, int | None],
    *,
    spill: Path | None = None,
    progress: Progress | None = None,
    workers: int | None = 1,
) -> Pictures:
    """Read and prepare the pictures of a folder.

    What cannot be read, shows nothing, is a copy, or lies in two classes is left out,
    and named with the reason.

    Args:
        listing: What `list_folder` found.
        prepare: "digit", "clothes" or "resize".
        shape: Height, width and channels; without channels there are three if any
            picture has colours, else one.
        spill: A folder for the pictures where they do not fit into memory. Nothing
            stays in it.
        progress: Called with the number of files done and of all.
        workers: How many processes prepare, where there is enough to do; None: as many
            as cores. They import the program that runs.
    """
    height, width, channels = shape
    depth = channels or 3
    preparer(prepare, (height, width, depth))  # refuses what it does not know
    work = _Preparing(prepare, (height, width, depth))
    images = _room((len(listing.files), height, width, depth), spill)
    kept: list[tuple[str, int, str, bytes]] = []
    left_out = list(listing.left_out)
    first: dict[bytes, int] = {}
    twice: set[int] = set()
    coloured = False
    made = prepared(work, [path for path, _, _ in listing.files], workers=workers)
    for done, (answer, (path, label, split)) in enumerate(
        zip(made, listing.files, strict=True), start=1
    ):
        name = listing.name(path)
        if not isinstance(answer, _Prepared) or answer.image is None:
            left_out.append((name, one_line(answer.error)))
        elif (earlier := first.get(answer.key)) is not None:
            other, theirs, *_ = kept[earlier]
            if theirs == label:
                left_out.append((name, f"a copy of {other}"))
            else:
                twice.add(earlier)
                left_out.append((name, f"the picture {other}, in another class"))
        else:
            coloured = coloured or _has_colours(answer.image)
            images[len(kept)] = answer.image
            first[answer.key] = len(kept)
            kept.append((name, label, split, answer.key))
        if progress:
            progress(done, len(listing.files))
    for at in sorted(twice):
        left_out.append((kept[at][0], "in two classes, so what it shows is unknown"))
    rows = [at for at in range(len(kept)) if at not in twice]
    for to, at in enumerate(rows):
        if to != at:
            images[to] = images[at]
    images = images[: len(rows)]
    if channels is None and not coloured:
        images = images[..., :1]
    return Pictures(
        images,
        np.array([kept[at][1] for at in rows], np.int64),
        listing.classes,
        [kept[at][0] for at in rows],
        [kept[at][2] for at in rows],
        [kept[at][3] for at in rows],
        left_out,
    )


@dataclass
class _Prepared(Answer):
    """A picture as pixels, and the digest of its file; or why there is none."""

    key: bytes = b""


@dataclass(frozen=True)
class _Preparing:
    """Reads a file and prepares what it shows."""

    prepare: str
    shape: tuple[int, int, int]

    def __call__(self, path: str) -> _Prepared:
        try:
            content = _content(path)
            pixels = preparer(self.prepare, self.shape)(content)
        except KerasconvError as error:
            return _Prepared(path, status="error", error=str(error))
        key = hashlib.blake2b(content, digest_size=16).digest()
        return _Prepared(path, pixels, key=key)


def _room(shape: tuple[int, ...], spill: Path | None) -> np.ndarray:
    """An array of pixels, in memory or in a file that goes with it."""
    if spill is None or np.prod(shape, dtype=np.float64) <= MAX_IN_MEMORY:
        return np.empty(shape, np.uint8)
    try:
        with tempfile.TemporaryFile(dir=spill) as file:
            # Or else a disk that runs full ends the process by a signal.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, math.prod(shape))
            return np.memmap(file, np.uint8, "w+", shape=shape)
    except OSError as error:
        raise KerasconvError(
            f"{printable(str(spill))!r} has no room for the prepared pictures "
            f"({error.strerror}); make some, or take a smaller size"
        ) from error


def _content(path: str) -> bytes:
    """The bytes of a regular file, which are read once."""
    try:
        if not os.path.isfile(path):  # a pipe would keep one waiting
            raise KerasconvError("no regular file")
        if os.path.getsize(path) > MAX_FILE:
            raise KerasconvError(f"over the limit of {MAX_FILE:,} bytes")
        with open(path, "rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        raise KerasconvError(
            f"it cannot be opened ({error.strerror or type(error).__name__})"
        ) from error


def _has_colours(pixels: np.ndarray) -> bool:
    return pixels.shape[-1] == 3 and bool(np.ptp(pixels, axis=-1).max() > _COLOURED)


def preparer(
    prepare: str, shape: tuple[int, int, int]
) -> Callable[[bytes], np.ndarray]:
    """What makes pixels, uint8 of a shape, of the bytes of a picture file.

    Raises (when called):
        KerasconvError: the file cannot be read, or shows nothing.
    """
    bring = prepare_as(prepare, shape)

    def make(content: bytes) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pictures.BlankImageWarning)
            try:
                return np.rint(255 * bring(content)).astype(np.uint8)
            except pictures.BlankImageWarning as blank:
                raise KerasconvError("blank: nothing stands out from it") from blank

    return make


# ----------------------------------------------------------------------- splitting


def split_off(
    labels: np.ndarray,
    keys: list[bytes],
    share: float,
    seed: int,
    groups: list[str] | None = None,
) -> np.ndarray:
    """Which pictures are held out for validation: a share of every class.

    The digests of the files decide, so that a picture more leaves the others where
    they were. Pictures of one group stay together.

    Args:
        labels: The class of each.
        keys: A digest of each.
        share: Which share of each class is held out; at least one picture.
        seed: Another one holds out others.
        groups: The group of each.

    Returns:
        Bool array, whether each is held out; none, where each group is the only one of
        a class.
    """
    order = [hashlib.blake2b(b"%d " % seed + key).digest() for key in keys]
    held = np.zeros(len(labels), bool)
    if groups is None:
        for label in np.unique(labels):
            rows = sorted(np.flatnonzero(labels == label), key=order.__getitem__)
            held[rows[: max(1, round(share * len(rows)))]] = True
        return held
    names, member = np.unique(groups, return_inverse=True)
    classes = int(labels.max()) + 1
    counts = np.zeros((len(names), classes))
    np.add.at(counts, (member, labels), 1)
    total = counts.sum(0)
    wanted = np.maximum(share * total, 1)
    have = np.zeros(classes)
    taken = np.zeros(len(names), bool)
    mixed = sorted(
        range(len(names)),
        key=lambda g: hashlib.blake2b(f"{seed} {names[g]}".encode()).digest(),
    )

    def away(held: np.ndarray) -> float:
        return float(np.square((held - wanted) / total).sum())

    # A class that is held out as a whole could not be learned.
    able = [g for g in mixed if (counts[g] < total)[counts[g] > 0].all()]
    # Largest first; then every group that brings the classes nearer to their share.
    for g in sorted(able, key=lambda g: -counts[g].sum()):
        after = have + counts[g]
        if away(after) < away(have) and (after < total)[counts[g] > 0].all():
            have, taken[g] = after, True
    if able and not taken.any():  # all are larger than the share
        taken[min(able, key=lambda g: away(counts[g]))] = True
    return taken[member]


def groups_of(names: list[str], upto: str) -> list[str]:
    """The group of each file: its name, without folders, up to a text.

    Example:
        >>> groups_of(["7/ann_1.png", "7/ann_2.png", "1/bob_1.png"], "_")
        ['ann', 'ann', 'bob']
    """
    found = []
    for name in names:
        file = os.path.basename(name)
        group, there, _ = file.partition(upto) if upto else ("", "", "")
        if not there:
            raise UsageError(
                f"`group` must be a text that stands in the name of every file. "
                f"Received: group={upto!r}, which is not in {name!r}"
            )
        found.append(group)
    return found
