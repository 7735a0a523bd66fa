"""The networks of the zoo: code that builds them and finds their weights.

An architecture is a function of this module (`mnist_cnn`); what was trained with
it (weights, a card of measured facts, a README) lies in the top-level `models/`
of a checkout, and inside the installed package.
"""

from kerasconv.models._adapt import NewHeadWarning
from kerasconv.models._architecture import ARCHITECTURES, Architecture, Recipe
from kerasconv.models._card import Card, cards, find_card, list_models, load_model

# The architectures, each one file and one line: the file says the rest. None imports
# Keras before it is called, so that the command line can list models without it.
from kerasconv.models._cats_dogs_cnn import cats_dogs_cnn as cats_dogs_cnn
from kerasconv.models._dense_classifier import dense_classifier as dense_classifier
from kerasconv.models._digits_cnn import digits_cnn as digits_cnn
from kerasconv.models._edge_classifier import edge_classifier as edge_classifier
from kerasconv.models._lenet5 import lenet5 as lenet5
from kerasconv.models._mnist_cnn import mnist_cnn as mnist_cnn
from kerasconv.models._own import (
    card_of,
    class_names,
    decode_predictions,
    preprocess_input,
)
from kerasconv.untrusted import save_model, tensor_digests

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Card",
    "NewHeadWarning",
    "Recipe",
    "card_of",
    "cards",
    "class_names",
    "decode_predictions",
    "find_card",
    "list_models",
    "load_model",
    "preprocess_input",
    "save_model",
    "tensor_digests",
]
__all__ += ARCHITECTURES
