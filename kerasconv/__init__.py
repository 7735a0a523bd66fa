"""Convolution for Keras 3: layers, a small zoo and its tools, on every backend.

Importing the package imports neither Keras nor a backend: each module loads on first
use, as `kerasconv.ops` or `from kerasconv import ops`. `import kerasconv.layers` makes
Keras know the layers, so that it can load files that hold some.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasconv.reading import read_digits

__version__ = "0.2.0.dev0"

__all__ = ["__version__", "read_digits"]


def __getattr__(name: str) -> Any:
    if name == "read_digits":
        return importlib.import_module("kerasconv.reading").read_digits
    if name in _modules():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_modules()})


def _modules() -> list[str]:
    """The public modules and folders of the package."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return [name for name in names if not name.startswith("_")]
