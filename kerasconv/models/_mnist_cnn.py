"""The canonical MNIST network: two convolutions, two poolings, one Dense layer."""

import os
from functools import partial
from typing import TYPE_CHECKING, Literal

from kerasconv.models._architecture import Augmentation, Recipe, architecture
from kerasconv.models._card import built
from kerasconv.models._shared import DEFORMATIONS, READS_DIGITS, with_top

if TYPE_CHECKING:
    import keras

# What a camera and the light do to the picture of a digit.
_LIGHT: Augmentation = (
    (
        "RandomGaussianBlur",
        {"factor": 0.3, "kernel_size": 5, "sigma": 1.0, "value_range": (0.0, 1.0)},
    ),
    ("RandomGain", {"factor": 0.2}),
    ("RandomBrightness", {"factor": (0.0, 0.2), "value_range": (0.0, 1.0)}),
    ("RandomErasing", {"factor": 0.05, "value_range": (0.0, 1.0)}),
    ("RandomInversion", {"factor": 0.05}),
    ("RandomNoise", {"factor": 0.15}),
)


def _pooling(name: str) -> Recipe:
    return Recipe(
        purpose=f"What pooling costs: the course page's network with {name} pooling, "
        "all else equal, in a short schedule that every kind of pooling can finish.",
        architecture="mnist_cnn",
        dataset="mnist",
        arguments={"pooling": name},
        learning_rate=4e-3,
        schedule="one_cycle",
        epochs=5,
        first_order=1,
        revisions=2,
    )


@architecture(
    about="The convolutional network of the course page: Conv2D(32) - MaxPooling - "
    "Conv2D(64) - MaxPooling - Flatten - Dropout - Dense(10). It takes 28x28 grey "
    "images, light ink on a ground of 0, pixels in [0, 1].",
    use=f"Meant for learning, teaching and comparing. {READS_DIGITS}",
    smallest=10,
    recipes={
        "mnist": Recipe(
            purpose="The default: accurate, calibrated, and robust to noise, light "
            "and small deformations.",
            architecture="mnist_cnn",
            dataset="mnist",
            dropout=0.05,
            augmentation=DEFORMATIONS + _LIGHT,
            learning_rate=3e-3,
            schedule="cosine",
            ema_momentum=0.999,
            epochs=50,
            revisions=4,
            validation_share=1 / 12,
            jit_compile=False,
        ),
        "course": Recipe(
            purpose="The course page's network by the course page's recipe: Adam, "
            "batches of 128, fifteen epochs, nothing else.",
            architecture="mnist_cnn",
            dataset="mnist",
            first_order=1,
            revisions=2,
        ),
        "fast": Recipe(
            purpose="99 % in two epochs: one cycle of the learning rate, up and down.",
            architecture="mnist_cnn",
            dataset="mnist",
            dropout=0.2,
            learning_rate=0.0141,
            schedule="one_cycle",
            epochs=2,
            first_order=1,
            revisions=2,
        ),
        "fashion_mnist": Recipe(
            purpose="The same 34,826 parameters on articles of clothing.",
            architecture="mnist_cnn",
            dataset="fashion_mnist",
            dropout=0.25,
            augmentation=(("RandomFlip", {"mode": "horizontal"}),),
            optimizer="adamw",
            weight_decay=0.05,
            learning_rate=3e-3,
            schedule="cosine",
            ema_momentum=0.999,
            epochs=40,
            revisions=3,
            validation_share=1 / 12,
            jit_compile=False,
        ),
        **{name: _pooling(name) for name in ("max", "average", "l2", "weighted")},
    },
)
def mnist_cnn(
    *,
    weights: str | os.PathLike | None = "default",
    pooling: Literal["max", "average", "l2", "weighted"] = "max",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    dropout: float = 0.5,
    include_top: bool = True,
    name: str = "mnist_cnn",
) -> "keras.Sequential":
    """The convolutional network of the course page, 34,826 parameters.

    | layer | output shape | parameters |
    |---|---|---|
    | Conv2D, 32 filters 3x3, ReLU | (26, 26, 32) | 3·3·1·32 + 32 = 320 |
    | MaxPooling2D 2x2 | (13, 13, 32) | 0 |
    | Conv2D, 64 filters 3x3, ReLU | (11, 11, 64) | 3·3·32·64 + 64 = 18,496 |
    | MaxPooling2D 2x2 | (5, 5, 64) | 0 |
    | Flatten | (1600,) | 0 |
    | Dropout | (1600,) | 0 |
    | Dense, softmax | (10,) | 1600·10 + 10 = 16,010 |

    It takes images in [0, 1] (light ink on a ground of 0, as MNIST has them) with
    the channel last, and gives one probability a class. With max and average
    pooling all layers are Keras's own, so its files load in plain Keras.

    Args:
        weights: The name of trained weights ("mnist", "course", "fast",
            "fashion_mnist", or those of a kind of pooling: "max", "average", "l2",
            "weighted"), a path to a `.keras` file of the same architecture, or None
            for a fresh, random network. "default" is "mnist" with max pooling, else
            those of the pooling.
        pooling: "max", the page's; "average"; "l2", the root of the mean square; or
            "weighted", an average with learned weights, one for each of the four
            positions (eight parameters more: in a window of 2x2 every position is
            equally far from the centre, so fixed weights would be the average).
        input_shape: Height, width and channels of an image.
        num_classes: How many classes to tell apart.
        classifier_activation: Activation of the last layer; None gives logits.
        dropout: Share of activations that training drops before the last layer.
        include_top: Whether with the head (Flatten, Dropout, Dense), or what the
            convolutions make of an image alone.
        name: The name of the model.

    Returns:
        A `keras.Sequential`, built and not compiled.

    Raises:
        ValueError: the weights do not fit the channels or `pooling`, no weights of
            that name exist, or the image is too small.
        kerasconv.errors.KerasconvError: the weights' file is missing or damaged.

    Example:
        >>> from kerasconv.digits import load_digits
        >>> from kerasconv.models import mnist_cnn
        >>> model = mnist_cnn()
        >>> images, labels = load_digits()
        >>> model.predict(images[:1], verbose=0).argmax() == labels[0]
        True

    Reference:
        F. Chollet, "Simple MNIST convnet", Keras code examples, 2015-2020, as
        shown in the Community Computer Vision Course, "Introduction to
        Convolutional Neural Networks".
    """
    from kerasconv._arguments import check_choice
    from kerasconv._keras import keras
    from kerasconv.layers import L2Pool, WeightedPool

    check_choice("pooling", pooling, ("max", "average", "l2", "weighted"))
    layers, last = keras.layers, {"data_format": "channels_last"}
    # What makes each of the two pooling layers, and its name, which is the page's own.
    pool, pool_name = {
        "max": (layers.MaxPooling2D, "max_pooling2d"),
        "average": (layers.AveragePooling2D, "average_pooling2d"),
        "l2": (partial(L2Pool, mean=True), "l2_pool"),
        "weighted": (
            partial(WeightedPool, strides=2, weights="learned"),
            "weighted_pool",
        ),
    }[pooling]
    stack = with_top(
        include_top,
        keras.Input(shape=input_shape, name="input_layer"),
        layers.Conv2D(32, (3, 3), activation="relu", name="conv2d", **last),
        pool((2, 2), name=pool_name, **last),
        layers.Conv2D(64, (3, 3), activation="relu", name="conv2d_1", **last),
        pool((2, 2), name=f"{pool_name}_1", **last),
        layers.Flatten(name="flatten", **last),
        layers.Dropout(dropout, name="dropout"),
        layers.Dense(num_classes, activation=classifier_activation, name="dense"),
    )
    if weights == "default":
        weights = "mnist" if pooling == "max" else pooling
    return built("mnist_cnn", weights, lambda: keras.Sequential(stack, name=name))
