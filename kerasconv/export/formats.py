"""The formats of other runtimes: their files, and what must be installed for them.

Nothing here imports Keras, so that a mistake is reported at once.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from kerasconv import backends
from kerasconv.errors import KerasconvError, UsageError, check_known
from kerasconv.files import check_path

__all__ = ["FORMATS", "Format", "check", "writers_of"]


@dataclass(frozen=True)
class Format:
    """A format of other runtimes.

    Attributes:
        suffix: How the names of its files end; none for a folder.
        runtime: The distribution that runs it, and that it is proven with.
        modules: What must be importable to finish and to prove a file.
        writers: Backend -> what must be importable to write on it, best first.
    """

    suffix: str
    runtime: str
    modules: tuple[str, ...]
    writers: dict[str, tuple[str, ...]]


FORMATS = {
    "onnx": Format(
        ".onnx",
        "onnxruntime",
        ("onnx", "onnxruntime"),
        {"tensorflow": ("tf2onnx",), "torch": ("onnxscript",)},
    ),
    "openvino": Format(
        ".xml",
        "openvino",
        ("openvino",),
        {"openvino": (), "tensorflow": (), "torch": ()},
    ),
    "litert": Format(
        ".tflite",
        "ai-edge-litert",
        ("ai_edge_litert", "flatbuffers"),
        {"tensorflow": ()},
    ),
    "saved_model": Format("", "tensorflow", (), {"tensorflow": ()}),
    "torch": Format(".pt2", "torch", (), {"torch": ()}),
}


def check(format: str, path: str | os.PathLike) -> Path:
    """Refuse what cannot be exported, before Keras, which is slow, is imported.

    Returns:
        The path.

    Raises:
        UsageError: no such format, or a path that it cannot have.
        KerasconvError: what writes or runs the format is not installed.
    """
    check_known("format", format, FORMATS)
    path = Path(os.path.expanduser(check_path("path", path)))
    suffix = FORMATS[format].suffix
    if suffix and (path.suffix != suffix or path.is_dir()):
        raise UsageError(f"{path} must be the name of a {suffix} file for {format}")
    if not suffix and (
        path.suffix in (".keras", *(f.suffix for f in FORMATS.values() if f.suffix))
        or (path.exists() and not _may_be_replaced(path))
    ):
        raise UsageError(
            f"{path} must be the name of a new folder for {format}, or of a SavedModel"
        )
    if not writers_of(format):
        raise KerasconvError(_how_to_install(format))
    return path


def _may_be_replaced(folder: Path) -> bool:
    # Nothing is lost with a folder that is empty or that TensorFlow wrote.
    return folder.is_dir() and (
        (folder / "saved_model.pb").is_file() or not any(folder.iterdir())
    )


def writers_of(format: str) -> list[str]:
    """The installed backends that can write a format which can be proven here."""
    facts = FORMATS[format]
    if not all(map(find_spec, facts.modules)):
        return []
    return [
        backend
        for backend, modules in facts.writers.items()
        if backend in backends.installed() and all(map(find_spec, modules))
    ]


def _how_to_install(format: str) -> str:
    facts = FORMATS[format]
    present = backends.installed()
    first = next(iter(facts.writers))
    writer = next((name for name in facts.writers if name in present), first)
    needed = [] if writer in present else [writer]
    # Distributions are called as their modules are, but for the dash.
    modules = (*facts.modules, *facts.writers[writer])
    needed += [name.replace("_", "-") for name in modules if not find_spec(name)]
    return (
        f"nothing that writes and runs {format} is installed; install it with: "
        f"pip install {' '.join(dict.fromkeys(needed))}"
    )
