"""Convolution for Keras 3: layers, a small zoo and its tools, on every backend.

Importing the package imports neither Keras nor a backend; the parts below load
on first use.
"""

import importlib
import sys
from importlib.util import find_spec
from typing import Any

__version__ = "0.1.0.dev0"

_SUBMODULES = (
    "backends",
    "data",
    "digits",
    "errors",
    "export",
    "kernels",
    "layers",
    "models",
    "ops",
    "pictures",
    "plotting",
    "predict",
    "testing",
    "training",
    "tutorials",
)

# The former names of `pictures`.
_ALIASES = ("images", "photos")

__all__ = ["__version__", *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in (*_SUBMODULES, *_ALIASES):
        return importlib.import_module(f"kerasconv.{name}")
    raise AttributeError(f"module 'kerasconv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _LayersWithKeras:
    """Import hook: registers the package's layers as soon as Keras is imported.

    Keras loads a model with layers of others only if those are registered, and
    `import kerasconv` shall be enough for that without importing Keras itself.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = find_spec("keras")
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                importlib.import_module("kerasconv.layers")

            spec.loader.exec_module = exec_module
        return spec


if "keras" in sys.modules:
    importlib.import_module("kerasconv.layers")
else:
    sys.meta_path.insert(0, _LayersWithKeras())
