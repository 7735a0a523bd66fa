"""What a `.keras` file holds, read without letting Keras open it.

A `.keras` file is a zip of `config.json`, `metadata.json` and `model.weights.h5`.
Keras builds whatever the configuration names, so a file of unknown origin is
looked over first.
"""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasconv.errors import KerasconvError

# Far above any network that the command line can use, far below what would hurt.
MAX_FILE_BYTES = 1 << 30

_MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}

# Keras's own layers that carry or load code.
_FORBIDDEN_CLASSES = {
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
}


@dataclass(frozen=True)
class Archive:
    """A `.keras` file that has been looked over."""

    path: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    """Shape of every stored weight, by its place in the file."""


def inspect(path: str | os.PathLike) -> Archive:
    """Look a `.keras` file over before Keras opens it.

    Raises:
        KerasconvError: the file is missing, is no `.keras` archive, is truncated,
            holds something unexpected, or names a class that is neither one of
            Keras's plain layers nor one of this package.
    """
    path = Path(path)
    if path.is_dir():
        raise KerasconvError(f"{path} is a folder, not a .keras file")
    if not path.exists():
        raise KerasconvError(f"{path} does not exist; give the path of a .keras file")
    if path.suffix != ".keras":
        raise KerasconvError(
            f"{path} does not end in .keras; save the model with "
            'model.save("NAME.keras")'
        )
    try:
        with zipfile.ZipFile(path) as archive:
            config = _read(path, archive)
            shapes = _shapes(archive)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise _damaged(path, f"it is not a whole .keras archive ({error})") from error
    except (ValueError, KeyError, RuntimeError, RecursionError) as error:
        raise _damaged(path, f"its contents do not parse ({error})") from error
    _check_classes(path, config)
    return Archive(path, config, shapes)


def _damaged(path: Path, reason: str) -> KerasconvError:
    line = " ".join(f"{path} cannot be loaded: {reason}".split())
    return KerasconvError(f"{line}; save or download it again")


def _read(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    names = archive.namelist()
    if sorted(names) != sorted(_MEMBERS):
        raise _damaged(
            path,
            f"it must hold {', '.join(sorted(_MEMBERS))}, and holds "
            f"{', '.join(sorted(names)[:5]) or 'nothing'}",
        )
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_FILE_BYTES:
        raise _damaged(path, f"it unpacks to {size:,} bytes")
    if (broken := archive.testzip()) is not None:
        raise _damaged(path, f"the checksum of {broken} inside it is wrong")
    config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict) or "class_name" not in config:
        raise _damaged(path, "its config.json describes no model")
    return config


def _shapes(archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
    import h5py

    shapes = {}
    with archive.open("model.weights.h5") as member, h5py.File(member, "r") as file:

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                shapes[name] = item.shape

        file.visititems(note)
    return shapes


def _check_classes(path: Path, config: dict[str, Any]) -> None:
    todo: list[Any] = [config]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(item.values())
            if isinstance(name := item.get("class_name"), str):
                _check_class(path, name, item)
        elif isinstance(item, list):
            todo.extend(item)


def _check_class(path: Path, name: str, item: dict[str, Any]) -> None:
    registered = item.get("registered_name")
    module = str(item.get("module") or "")
    ours = isinstance(registered, str) and registered.startswith("kerasconv>")
    theirs = module == "keras" or module.startswith("keras.") or module == "builtins"
    # Keras writes a few plain values this way too: tuples, slices, dtypes.
    value = "module" not in item and name.startswith("__")
    if name in _FORBIDDEN_CLASSES or not (ours or theirs or value):
        where = f"{module}.{name}" if module else name
        raise KerasconvError(
            f"{path} is refused: it holds {where}, which can run code of its own; "
            "only Keras's plain layers and those of kerasconv are loaded"
        )
