"""What a `.keras` file holds, read without letting Keras open it.

A `.keras` file is a zip of `config.json`, `metadata.json` and `model.weights.h5`,
with `assets/` where layers keep vocabularies. Keras builds whatever the
configuration names and hands the weights to the HDF5 library, so a file of unknown
origin is looked over first, and what Keras is given is a copy of what was understood.
"""

import hashlib
import io
import json
import os
import re
import stat
import struct
import tomllib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from kerasconv import files
from kerasconv._arguments import check_bool
from kerasconv.errors import KerasconvError, UsageError, one_line, short
from kerasconv.files import check_path
from kerasconv.untrusted import allowed, hdf5, packing

if TYPE_CHECKING:
    import keras
    import numpy as np

# Far above any network that the command line can use, far below what would hurt.
MAX_FILE_BYTES = 1 << 30
# The configurations of the largest networks of keras.applications take 1.3 MB, with
# 20,000 lists and objects and 44,000 commas. Parsed, they take many times that.
MAX_JSON_BYTES = 4 << 20
MAX_JSON_LISTS = 100_000
MAX_JSON_VALUES = 400_000
# Those of the zoo take 14 kB and have five dots a line at most. For each dot that a
# key has Python's parser goes through all of the key.
MAX_CARD_BYTES = 1 << 16
MAX_CARD_DOTS = 50
MAX_MEMBERS = 1000
# Weights pack to 5/6, configurations to 1/20. It holds for each member, and for the
# tensors, which may be deflated within theirs, beside the whole file.
MAX_RATIO = 100

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_REQUIRED = {CONFIG, METADATA, WEIGHTS}
_ASSET = re.compile(r"assets/(\w[\w.-]*/)*vocabulary\.txt")

_TRUST = "if you know who made it, load it with `trust=True`"


@dataclass(frozen=True)
class Archive:
    """A `.keras` file that has been looked over.

    Attributes:
        path: The file.
        config: What the network is made of.
        metadata: When and by what it was saved.
        tensors: Every stored array by its place in the file; bfloat16 as two bytes.
        assets: The vocabularies of layers by their names in the archive.
        digests: SHA-256 of the configuration, every tensor and every asset.
        digest: SHA-256 of the whole file.
    """

    path: Path
    config: dict[str, Any]
    metadata: dict[str, Any]
    tensors: dict[str, "np.ndarray"]
    assets: dict[str, bytes]
    digests: dict[str, str]
    digest: str

    @property
    def weights(self) -> dict[str, "np.ndarray"]:
        """The tensors of the network itself, without those of its optimizer."""
        return {
            name: tensor
            for name, tensor in self.tensors.items()
            if not name.startswith("optimizer/")
        }

    def write(self, path: Path) -> None:
        """Write what was understood, and nothing else, as a new `.keras` file."""
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(METADATA, json.dumps(self.metadata))
            archive.writestr(CONFIG, json.dumps(self.config))
            archive.writestr(WEIGHTS, self.hdf5())
            for name, content in self.assets.items():
                archive.writestr(name, content)

    def hdf5(self) -> bytes:
        """The network's tensors as an HDF5 file that was written here."""
        return packing.hdf5_file(self.weights, packed=False)


@overload
def inspect(
    path: str | os.PathLike, *, trust: Literal[False] = False, sealed: bool = False
) -> Archive: ...


@overload
def inspect(
    path: str | os.PathLike, *, trust: bool, sealed: bool = False
) -> Archive | None: ...


def inspect(
    path: str | os.PathLike, *, trust: bool = False, sealed: bool = False
) -> Archive | None:
    """Look a `.keras` file over before Keras opens it.

    Args:
        path: The file.
        trust: Leave out the list of classes and functions, the limits of size, and
            the form of the weights. The archive must still be whole, and the file
            must be the one that its own digests or a card beside it speak of.
        sealed: Refuse a file that carries no digests of its contents.

    Returns:
        What the file holds; None for a trusted file without digests, which is left
        to Keras.

    Raises:
        KerasconvError: the file is missing, is no `.keras` archive, is truncated,
            holds something unexpected, names a class or function outside the list,
            or is not the one that its digests or its card describe.
    """
    path = Path(check_path("path", path))
    check_bool("trust", trust)
    check_bool("sealed", sealed)
    data = _read(path, None if trust else MAX_FILE_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    try:
        members = _unpack(path, data, strict=not trust)
        config = _parse(path, members, CONFIG, strict=not trust)
        metadata = _parse(path, members, METADATA, strict=not trust)
        if "class_name" not in config:
            raise damaged(path, f"its {CONFIG} describes no model")
        if not trust:
            allowed.check(config)
        card = _card_beside(path, digest)
        bare = metadata.get("kerasconv") is None
        if sealed and bare:
            raise damaged(
                path,
                "it carries no digests of its contents (SHA-256), and should: somebody "
                "took them off, or save_model did not write it",
            )
        if trust and not card and bare:
            return None
        tensors = hdf5.read_tensors(members[WEIGHTS], None if trust else _room(data))
    except allowed.NotAllowedError as error:
        raise refused(path, error) from error
    except hdf5.FormatError as error:
        raise damaged(path, f"in its {WEIGHTS}, {error}") from error
    assets = {name: data for name, data in members.items() if name not in _REQUIRED}
    digests = {
        CONFIG: hashlib.sha256(members[CONFIG]).hexdigest(),
        **{name: _tensor_digest(tensor) for name, tensor in tensors.items()},
        **{name: hashlib.sha256(asset).hexdigest() for name, asset in assets.items()},
    }
    archive = Archive(path, config, metadata, tensors, assets, digests, digest)
    _check_digests(archive, card)
    return archive


def tensor_digests(path: str | os.PathLike) -> dict[str, str]:
    """SHA-256 of every tensor in a `.keras` file, by its place in the file.

    The digest is over type, shape and values, so it stays the same however the file
    is packed. A card holds these as `tensors`.

    Raises:
        KerasconvError: as `inspect`.
    """
    _, tensors = _contents(Path(check_path("path", path)))
    return {name: _tensor_digest(tensor) for name, tensor in tensors.items()}


def _contents(path: Path) -> tuple[dict[str, bytes], dict[str, "np.ndarray"]]:
    """The members of a `.keras` file and its tensors."""
    data = _read(path, MAX_FILE_BYTES)
    try:
        members = _unpack(path, data, strict=True)
        return members, hdf5.read_tensors(members[WEIGHTS], _room(data))
    except hdf5.FormatError as error:
        raise damaged(path, f"in its {WEIGHTS}, {error}") from error


def _room(data: bytes) -> int:
    """How many bytes the deflated tensors of a file may take, however it is packed."""
    return min(MAX_FILE_BYTES, MAX_RATIO * len(data))


def save_model(model: "keras.Model", path: str | os.PathLike) -> None:
    """Save a model as a `.keras` file that carries digests of its own contents.

    The file appears whole or not at all, and loads in plain Keras as any other. It is
    smaller than Keras's own by about 1/6: its tensors are shuffled and deflated, as
    HDF5 itself does it, and their values are the same bit for bit.
    `load_model` and the command line refuse it if its configuration or any of its
    tensors is later changed, also where the archive was made to look whole again.

    These digests notice accidents: damage, a mix-up, an edit that somebody forgot.
    They cannot notice an attacker, for they are no signature: whoever can change the
    file can write new digests into it, or take them off, and then it loads as any
    file without. `load_model(path, sealed=True)` and the option `--sealed` refuse a
    file without digests, and a card beside the file refuses one that differs in
    anything; who may have changed both must be known in another way, by a SHA-256
    that the maker told you, say.

    Args:
        model: A built Keras model.
        path: The file to write; it must end in ".keras".

    Raises:
        ValueError: what is given is no built Keras model, or no path.
        KerasconvError: the file cannot be written.

    Example:
        >>> import os, tempfile
        >>> from kerasconv.models import load_model, mnist_cnn, save_model
        >>> path = os.path.join(tempfile.mkdtemp(), "mine.keras")
        >>> save_model(mnist_cnn(), path)
        >>> load_model(path).count_params()
        34826
    """
    from kerasconv._keras import keras

    if not isinstance(model, keras.Model) or not model.built:
        raise UsageError(
            "`model` must be a built Keras model; for one of the zoo or a file, see "
            "`kerasconv.models.load_model`. "
            f"Received: model={short(model)}"
        )
    path = Path(check_path("path", path))
    if path.suffix != ".keras":
        raise KerasconvError(f"{path} does not end in .keras; give it that ending")

    def save(beside: Path) -> None:
        model.save(beside)
        members, tensors = _contents(beside)
        # Equal models give equal files: neither addresses nor a date.
        config = _with_small_ids(json.loads(members[CONFIG]), {})
        members[CONFIG] = json.dumps(config).encode()
        digests = {
            CONFIG: hashlib.sha256(members[CONFIG]).hexdigest(),
            **{name: _tensor_digest(tensor) for name, tensor in tensors.items()},
            **{
                name: hashlib.sha256(content).hexdigest()
                for name, content in members.items()
                if name not in _REQUIRED
            },
        }
        metadata = json.loads(members[METADATA])
        metadata.pop("date_saved", None)
        metadata["kerasconv"] = {"sha256": digests}
        members[METADATA] = json.dumps(metadata).encode()
        _write(beside, members, tensors)

    files.write_with(path, save)


def repack(source: Path, target: Path) -> None:
    """Write what is in one `.keras` file as another, packed as `save_model` packs."""
    _write(target, *_contents(source))


def _write(
    path: Path, members: dict[str, bytes], tensors: dict[str, "np.ndarray"]
) -> None:
    members = members | {WEIGHTS: packing.hdf5_file(tensors, packed=True)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            # Without a date, so that only the contents make the file.
            info = zipfile.ZipInfo(name)
            archive.writestr(info, content, _compression(content), 9)


def _compression(content: bytes) -> int:
    """How a member is packed: deflated, unless reading would take it for a bomb.

    What was deflated within it counts as well.
    """
    fewest = len(content) * packing.MAX_RATIO // MAX_RATIO
    deflated = len(zlib.compress(content, 9))
    return zipfile.ZIP_DEFLATED if deflated > fewest else zipfile.ZIP_STORED


def _with_small_ids(value: Any, seen: dict[int, int]) -> Any:
    """A configuration whose shared objects are numbered in the order of appearance.

    Keras numbers them by their addresses.
    """
    if isinstance(value, list):
        return [_with_small_ids(part, seen) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        key: seen.setdefault(part, len(seen))
        if key == "shared_object_id"
        else _with_small_ids(part, seen)
        for key, part in value.items()
    }


def damaged(path: Path, reason: object) -> KerasconvError:
    """The one line for a file that is not whole, or not what it should be."""
    said = one_line(reason, length=400)
    return KerasconvError(f"{path} cannot be loaded: {said}; save or download it again")


def refused(path: Path, reason: object) -> KerasconvError:
    """The one line for a file that may be whole, and is not taken."""
    said = one_line(reason, length=400)
    return KerasconvError(f"{path} is refused: {said}; {_TRUST}")


def _read(path: Path, limit: int | None) -> bytes:
    """The bytes of a regular file, read once: what is checked is what is loaded."""
    if path.is_dir():
        raise KerasconvError(f"{path} is a folder, not a .keras file")
    if not os.path.lexists(path):
        raise KerasconvError(f"{path} does not exist; give the path of a .keras file")
    if path.suffix != ".keras":
        raise KerasconvError(
            f"{path} does not end in .keras; save the model with "
            'model.save("NAME.keras")'
        )
    try:
        # A pipe without a writer would keep a plain open waiting.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as file:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise KerasconvError(
                    f"{path} is a pipe or a device, not a .keras file; give a file"
                )
            if limit is not None and facts.st_size > limit:
                raise refused(
                    path, f"it takes {facts.st_size:,} bytes; the limit is {limit:,}"
                )
            return file.read(limit)
    except OSError as error:
        raise KerasconvError(
            f"{path} cannot be read ({error.strerror}); give a file that can be"
        ) from error


def _unpack(path: Path, data: bytes, *, strict: bool) -> dict[str, bytes]:
    """The members of the archive by name, once their names and sizes are fit."""
    if data.startswith(b"\x89HDF"):
        raise damaged(path, "it is an .h5 file under another name, not .keras")
    try:
        if strict:
            _check_end(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_members(path, infos, strict=strict)
            return {info.filename: archive.read(info) for info in infos}
    except KerasconvError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise damaged(path, f"it is not a whole .keras archive ({error})") from error


def _check_end(data: bytes) -> None:
    """Hold the last record of a zip file to the limits before the rest is parsed."""
    if not data.startswith(b"PK\3\4"):
        raise ValueError("it does not begin as a zip file")
    if len(data) < 22 or data[-22:-18] != b"PK\5\6":
        raise ValueError("its end is missing")
    *disks, here, count, size, start, comment = struct.unpack("<4H2IH", data[-18:])
    if any(disks) or comment or here != count or start + size + 22 != len(data):
        raise ValueError("its end is damaged")
    if count > MAX_MEMBERS:
        raise ValueError(f"it has {count:,} members; the limit is {MAX_MEMBERS:,}")


def _check_members(path: Path, infos: list[zipfile.ZipInfo], *, strict: bool) -> None:
    names = [info.filename for info in infos]
    if twice := {name for name in names if names.count(name) > 1}:
        raise damaged(path, f"it holds {min(twice)} twice")
    others = [n for n in names if n not in _REQUIRED and (strict and not _is_asset(n))]
    if others or not _REQUIRED.issubset(names):
        raise damaged(
            path,
            f"it must hold {', '.join(sorted(_REQUIRED))}, and holds "
            f"{', '.join(repr(name)[1:-1] for name in sorted(names)[:5]) or 'nothing'}",
        )
    end = total = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        name, mode = info.filename, info.external_attr >> 16
        if info.flag_bits & 1:
            raise damaged(path, f"{name} inside it is encrypted")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.is_dir():
            raise damaged(path, f"{name} inside it is a link or a folder")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(path, f"{name} inside it is packed in an unusual way")
        if info.header_offset < end:
            raise damaged(path, f"{name} inside it shares its bytes with another")
        end = info.header_offset + info.compress_size
        total += info.file_size
        if not strict:
            continue
        limit = MAX_JSON_BYTES if name in (CONFIG, METADATA) else MAX_FILE_BYTES
        if info.file_size > limit or total > MAX_FILE_BYTES:
            raise damaged(path, f"{name} inside it unpacks to {info.file_size:,} bytes")
        if info.file_size > MAX_RATIO * info.compress_size + 1000:
            raise damaged(
                path,
                f"{name} inside it unpacks to {info.file_size:,} bytes from "
                f"{info.compress_size:,}",
            )


def _is_asset(name: str) -> bool:
    return _ASSET.fullmatch(name) is not None


def _tensor_digest(tensor: "np.ndarray") -> str:
    digest = hashlib.sha256(f"{tensor.dtype.str} {tensor.shape} ".encode())
    digest.update(tensor.data if tensor.flags.c_contiguous else tensor.tobytes())
    return digest.hexdigest()


def settled(card: dict[str, Any], digest: str) -> dict[str, Any]:
    """What a card says of the file of that SHA-256.

    While new weights replace old ones, the card of the old ones holds that of the new
    as `next`: whichever weights are there, it describes them.
    """
    coming = card.get("next")
    if isinstance(coming, dict) and coming.get("sha256") == digest:
        return coming
    return {key: value for key, value in card.items() if key != "next"}


def _card_beside(path: Path, digest: str) -> dict[str, Any] | None:
    """The facts of the card beside a file, if that is a card with digests."""
    card = path.with_suffix(".toml")
    if not card.is_file():
        return None
    try:
        facts = settled(tomllib.loads(card_text(card)), digest)
    except (OSError, ValueError, RecursionError) as error:
        raise KerasconvError(
            f"{path} is not checked: the card {card} beside it cannot be read "
            f"({one_line(error)}); restore the card or take it away"
        ) from error
    held = isinstance(facts.get("tensors"), dict) and isinstance(
        facts.get("sha256"), str
    )
    return facts if held else None


def card_text(card: Path) -> str:
    """The text of a card, if it is one that is parsed in no time."""
    with card.open("rb") as file:
        data = file.read(MAX_CARD_BYTES + 1)
    if len(data) > MAX_CARD_BYTES:
        raise ValueError(f"it takes more than {MAX_CARD_BYTES:,} bytes")
    if any(line.count(b".") > MAX_CARD_DOTS for line in data.splitlines()):
        raise ValueError(f"it has a line of more than {MAX_CARD_DOTS} dots")
    return data.decode("utf-8")


def _check_digests(archive: Archive, card: dict[str, Any] | None) -> None:
    """Hold the contents to the digests in the file itself and in a card beside it."""
    path, own = archive.path, archive.metadata.get("kerasconv")
    if own is not None:
        stated = own.get("sha256") if isinstance(own, dict) else None
        if not isinstance(stated, dict):
            raise damaged(path, f"the digests in its {METADATA} are damaged")
        if changed := _first_difference(stated, archive.digests):
            raise damaged(
                path, f"its {changed} is not the one that was saved (by its SHA-256)"
            )
    if card is None or card["sha256"] == archive.digest:
        return
    tensors = {name: archive.digests[name] for name in archive.tensors}
    changed = _first_difference(card["tensors"], tensors)
    changed = changed or f"{CONFIG} or {METADATA}"
    raise KerasconvError(
        f"{path} is not the file that the card {path.with_suffix('.toml')} beside it "
        f"describes: its {one_line(changed)} differs; restore the file, or take the "
        "card away if you changed it"
    )


def _first_difference(stated: dict[str, Any], found: dict[str, str]) -> str | None:
    names = (*found, *stated)
    return next((n for n in names if stated.get(n) != found.get(n)), None)


def _parse(
    path: Path, members: dict[str, bytes], name: str, *, strict: bool
) -> dict[str, Any]:
    data = members[name]
    if strict and (
        data.count(b"[") + data.count(b"{") > MAX_JSON_LISTS
        or data.count(b",") > MAX_JSON_VALUES
    ):
        raise refused(
            path,
            f"its {name} has more than {MAX_JSON_LISTS:,} lists or "
            f"{MAX_JSON_VALUES:,} values",
        )
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its contents do not parse ({name}: {error})") from error
    if not isinstance(found, dict):
        raise damaged(path, f"its {name} describes no model")
    return found
