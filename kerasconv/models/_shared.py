"""What several architectures share."""

import os
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from kerasconv.models._adapt import is_head
from kerasconv.models._architecture import Augmentation
from kerasconv.models._card import built

if TYPE_CHECKING:
    import keras

# For the page of a network that reads digits.
READS_DIGITS = (
    "It knows the ten digits as MNIST has them: one a picture, upright, fitted into "
    "20x20 pixels and centred by mass. Letters, several digits at once, or blank "
    "paper get a digit too: `kerasconv predict` finds the digits of a photograph, "
    "prepares each that way, and refuses what is none."
)

# How handwriting and scanning deform a digit.
DEFORMATIONS: Augmentation = (
    (
        "RandomWarp",
        {"rotation": 10.0, "zoom": 0.1, "shear": 0.1, "shift": 1.5, "bend": 0.6},
    ),
)


def with_top(include_top: bool, *layers: Any) -> list[Any]:
    """The layers of a network, or those before its head (see `_adapt.is_head`)."""
    if include_top:
        return list(layers)
    return list(takewhile(lambda layer: not is_head(layer), layers))


def staged_classifier(
    architecture: str,
    widths: tuple[int, ...],
    *,
    weights: str | os.PathLike | None,
    input_shape: tuple[int, int, int],
    num_classes: int,
    dropout: float,
    include_top: bool,
    name: str,
) -> "keras.Sequential":
    """Two convolutions for each width, blur pools between, average, Dropout, Dense."""
    from kerasconv._keras import keras

    layers = keras.layers
    stages: list[Any] = []
    for number, filters in enumerate(widths, start=1):
        stages += _convolutions(filters, number)
        if number < len(widths):
            stages.append(_blur_pool(number))
    stack = with_top(
        include_top,
        keras.Input(shape=input_shape, name="input_layer"),
        *stages,
        layers.GlobalAveragePooling2D(data_format="channels_last", name="average"),
        layers.Dropout(dropout, name="dropout"),
        layers.Dense(num_classes, activation="softmax", name="dense"),
    )
    return built(architecture, weights, lambda: keras.Sequential(stack, name=name))


def _convolutions(filters: int, number: int) -> list[Any]:
    """Two 3x3 convolutions, each with batch normalisation and ReLU."""
    from kerasconv._keras import keras

    found: list[Any] = []
    for at in (f"{number}a", f"{number}b"):
        found += [
            keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                data_format="channels_last",
                name=f"conv{at}",
            ),
            keras.layers.BatchNormalization(momentum=0.9, name=f"norm{at}"),
            keras.layers.ReLU(name=f"relu{at}"),
        ]
    return found


def _blur_pool(number: int) -> Any:
    """A mean with binomial weights: a shift by one pixel changes little.

    R. Zhang, "Making convolutional networks shift-invariant again", ICML 2019.
    """
    from kerasconv.layers import WeightedPool

    return WeightedPool(3, 2, "same", data_format="channels_last", name=f"pool{number}")
