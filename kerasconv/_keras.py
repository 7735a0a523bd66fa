"""Keras, imported only once the backend is settled.

Every module of the package takes Keras from here (`from kerasconv._keras import
keras`): Keras fixes its backend at import, so the choice has to come first.
"""

import sys
from typing import Any

from kerasconv import backends


def __getattr__(name: str) -> Any:
    # The layers are imported as soon as Keras is (see kerasconv/__init__.py): that
    # is before the import below has returned and bound the name.
    if name == "keras" and name in sys.modules:
        return sys.modules[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


backends.activate()

import keras  # noqa: E402

__all__ = ["keras"]
