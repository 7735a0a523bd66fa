"""The networks of the zoo: code that builds them and finds their weights.

An architecture is a function of this module (`mnist_cnn`); what was trained with
it (weights, a card of measured facts, a README) lies in the top-level `models/`
of a checkout, and inside the installed package.
"""

import importlib
from typing import TYPE_CHECKING, Any

from kerasconv.models._card import Card, cards, find_card, list_models, load_model
from kerasconv.untrusted import save_model, tensor_digests

if TYPE_CHECKING:
    from kerasconv.models._cats_dogs_cnn import cats_dogs_cnn
    from kerasconv.models._dense_classifier import dense_classifier
    from kerasconv.models._digits_cnn import digits_cnn
    from kerasconv.models._edge_classifier import edge_classifier
    from kerasconv.models._lenet5 import lenet5
    from kerasconv.models._mnist_cnn import mnist_cnn

__all__ = [
    "Card",
    "cards",
    "cats_dogs_cnn",
    "dense_classifier",
    "digits_cnn",
    "edge_classifier",
    "find_card",
    "lenet5",
    "list_models",
    "load_model",
    "mnist_cnn",
    "save_model",
    "tensor_digests",
]


def __getattr__(name: str) -> Any:
    # Keras is imported with the first architecture, not before: the command line
    # lists cards and reports unknown names without it.
    if name in __all__:
        return getattr(importlib.import_module(f"kerasconv.models._{name}"), name)
    raise AttributeError(f"module 'kerasconv.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
