"""A cat or a dog? The course page's question, on photographs of 32x32 pixels."""

import os

from kerasconv._keras import keras
from kerasconv.models._blocks import staged_classifier


def cats_dogs_cnn(
    *,
    weights: str | os.PathLike | None = "cats_vs_dogs",
    input_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 2,
    dropout: float = 0.3,
    name: str = "cats_dogs_cnn",
) -> "keras.Sequential":
    """A small modern network for colour photographs, 288,610 parameters.

    | layers | output shape | parameters |
    |---|---|---|
    | 2 x (Conv2D 32, BatchNormalization, ReLU), pool | (16, 16, 32) | 10,336 |
    | 2 x (Conv2D 64, BatchNormalization, ReLU), pool | (8, 8, 64) | 55,808 |
    | 2 x (Conv2D 128, BatchNormalization, ReLU) | (8, 8, 128) | 222,208 |
    | GlobalAveragePooling2D, Dropout | (128,) | 0 |
    | Dense, softmax | (2,) | 258 |

    The class 0 is a cat and 1 a dog.

    Args:
        weights: The name of trained weights ("cats_vs_dogs"), a path to a `.keras` file
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
        >>> cats_dogs_cnn(weights=None).count_params()
        288610
    """
    return staged_classifier(
        "cats_dogs_cnn",
        (32, 64, 128),
        weights=weights,
        input_shape=input_shape,
        num_classes=num_classes,
        dropout=dropout,
        name=name,
    )
