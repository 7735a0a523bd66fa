"""The practitioner's pick for digits: batch normalisation, anti-aliased pooling."""

import os

from kerasconv._keras import keras
from kerasconv.models._blocks import staged_classifier


def digits_cnn(
    *,
    weights: str | os.PathLike | None = "mnist",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    dropout: float = 0.2,
    name: str = "digits_cnn",
) -> "keras.Sequential":
    """A small modern network for digits, 163,234 parameters.

    | layers | output shape | parameters |
    |---|---|---|
    | 2 x (Conv2D 24, BatchNormalization, ReLU), pool | (14, 14, 24) | 5,592 |
    | 2 x (Conv2D 48, BatchNormalization, ReLU), pool | (7, 7, 48) | 31,488 |
    | 2 x (Conv2D 96, BatchNormalization, ReLU) | (7, 7, 96) | 125,184 |
    | GlobalAveragePooling2D, Dropout | (96,) | 0 |
    | Dense, softmax | (10,) | 970 |

    All poolings blur before they skip, so that the answer hardly moves with the digit.

    Args:
        weights: The name of trained weights ("mnist"), a path to a `.keras` file
            of the same architecture, or None for a fresh, random network.
        input_shape: Height, width and channels of an image.
        num_classes: How many classes to tell apart.
        dropout: Share of activations that training drops before the last layer.
        name: The name of the model.

    Returns:
        A `keras.Sequential`, built and not compiled. It takes images in [0, 1] and
        gives one probability a class.

    Raises:
        ValueError: the weights do not fit, or none of that name exist.
        kerasconv.errors.KerasconvError: the weights' file is missing or damaged.

    Example:
        >>> digits_cnn(weights=None).count_params()
        163234
    """
    return staged_classifier(
        "digits_cnn",
        (24, 48, 96),
        weights=weights,
        input_shape=input_shape,
        num_classes=num_classes,
        dropout=dropout,
        name=name,
    )
