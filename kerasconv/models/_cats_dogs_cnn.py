"""A cat or a dog? The course page's question, on photographs of 32x32 pixels."""

import os
from typing import TYPE_CHECKING

from kerasconv.models._architecture import Recipe, architecture
from kerasconv.models._shared import staged_classifier

if TYPE_CHECKING:
    import keras


@architecture(
    about="Six convolutions with batch normalisation and anti-aliased pooling, then a "
    "global average. It takes colour photographs of 32x32 pixels in [0, 1] and "
    "gives the probabilities of a cat and of a dog. What fixed filters reach on the "
    "same photographs is on the card of `edge_classifier/cats_vs_dogs`.",
    use="Meant for teaching: a photograph of anything else gets an answer too, and "
    "ten thousand small pictures teach little about cats and dogs as they are.",
    recipes={
        "cats_vs_dogs": Recipe(
            purpose="The course page's question on photographs of 32x32 pixels.",
            architecture="cats_dogs_cnn",
            dataset="cats_vs_dogs",
            dropout=0.4,
            augmentation=(
                ("RandomFlip", {"mode": "horizontal"}),
                ("RandomRotation", {"factor": 0.04, "fill_mode": "reflect"}),
                ("RandomZoom", {"height_factor": 0.15, "fill_mode": "reflect"}),
                (
                    "RandomTranslation",
                    {
                        "height_factor": 0.12,
                        "width_factor": 0.12,
                        "fill_mode": "reflect",
                    },
                ),
                (
                    "RandomColorJitter",
                    {
                        "value_range": (0.0, 1.0),
                        "brightness_factor": 0.2,
                        "contrast_factor": 0.2,
                        "saturation_factor": (0.35, 0.65),
                        "hue_factor": 0.03,
                    },
                ),
                ("RandomGrayscale", {"factor": 0.1}),
                ("RandomErasing", {"factor": 0.5, "value_range": (0.0, 1.0)}),
            ),
            learning_rate=3e-3,
            schedule="one_cycle",
            weight_decay=0.1,
            optimizer="adamw",
            ema_momentum=0.995,
            batch_size=64,
            epochs=60,
            first_order=1,
            revisions=2,
            jit_compile=False,
        ),
    },
)
def cats_dogs_cnn(
    *,
    weights: str | os.PathLike | None = "cats_vs_dogs",
    input_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 2,
    dropout: float = 0.3,
    include_top: bool = True,
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
        include_top: Whether with the head, from the average on; see `mnist_cnn`.
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
        include_top=include_top,
        name=name,
    )
