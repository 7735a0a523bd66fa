"""A dense network of the convolutional one's size: what sharing is worth."""

import os
from typing import TYPE_CHECKING

from kerasconv.models._architecture import Recipe, architecture
from kerasconv.models._card import built
from kerasconv.models._shared import READS_DIGITS

if TYPE_CHECKING:
    import keras


@architecture(
    about="One hidden Dense layer of 44 units: as many parameters as `mnist_cnn`, and "
    "none of them shared.",
    use=f"Meant for comparing; do not use it for work. {READS_DIGITS}",
    recipes={
        "mnist": Recipe(
            purpose="The budget of the course page's network without sharing: one "
            "hidden Dense layer.",
            architecture="dense_classifier",
            dataset="mnist",
            schedule="cosine",
            learning_rate=3e-3,
            epochs=15,
            first_order=1,
            revisions=2,
        ),
    },
)
def dense_classifier(
    *,
    weights: str | os.PathLike | None = "mnist",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    units: int = 44,
    dropout: float = 0.0,
    name: str = "dense_classifier",
) -> "keras.Sequential":
    """One hidden Dense layer, 34,990 parameters: the budget of `mnist_cnn`, unshared.

    784·44 + 44 = 34,540 parameters in the hidden layer (ReLU) and 44·10 + 10 = 450 in
    the output (softmax).

    Args:
        weights: The name of trained weights ("mnist"), a path to a `.keras` file
            of the same architecture, or None for a fresh, random network.
        input_shape: Height, width and channels of an image.
        num_classes: How many classes to tell apart.
        units: Width of the hidden layer.
        dropout: Share of hidden activations that training drops.
        name: The name of the model.

    Returns:
        A `keras.Sequential`, built and not compiled. It takes images in [0, 1] and
        gives one probability a class.

    Raises:
        ValueError: the weights do not fit, or none of that name exist.
        kerasconv.errors.KerasconvError: the weights' file is missing or damaged.

    Example:
        >>> dense_classifier(weights=None).count_params()
        34990
    """
    from kerasconv._keras import keras

    layers = keras.layers
    stack = [
        keras.Input(shape=input_shape, name="input_layer"),
        layers.Flatten(data_format="channels_last", name="flatten"),
        layers.Dense(units, activation="relu", name="hidden"),
        layers.Dropout(dropout, name="dropout"),
        layers.Dense(num_classes, activation="softmax", name="dense"),
    ]
    return built(
        "dense_classifier", weights, lambda: keras.Sequential(stack, name=name)
    )
