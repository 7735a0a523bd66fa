"""The canonical MNIST network: two convolutions, two poolings, one Dense layer."""

import os

from kerasconv._keras import keras
from kerasconv.layers import L2Pool, WeightedPool
from kerasconv.layers._window import check_choice
from kerasconv.models._card import load_weights

_LAST = {"data_format": "channels_last"}

# Layer and the name of the two layers, by the kind of pooling.
_POOLINGS = {
    "max": (keras.layers.MaxPooling2D, "max_pooling2d", {}),
    "average": (keras.layers.AveragePooling2D, "average_pooling2d", {}),
    "l2": (L2Pool, "l2_pool", {"mean": True}),
    "weighted": (WeightedPool, "weighted_pool", {"strides": 2, "weights": "learned"}),
}


def mnist_cnn(
    *,
    weights: str | os.PathLike | None = "default",
    pooling: str = "max",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    classifier_activation: str | None = "softmax",
    dropout: float = 0.5,
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
        name: The name of the model.

    Returns:
        A `keras.Sequential`, built and not compiled.

    Raises:
        ValueError: the weights do not fit `input_shape`, `num_classes` or `pooling`,
            no weights of that name exist, or the image is too small.
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
    if len(input_shape) != 3 or min(input_shape[:2]) < 10:
        raise ValueError(
            "`input_shape` must be (height, width, channels) with a height and a "
            "width of at least 10, so that two convolutions and two poolings "
            f"leave something. Received: input_shape={input_shape!r}"
        )
    check_choice("pooling", pooling, tuple(_POOLINGS))
    layers = keras.layers
    pool, pool_name, settings = _POOLINGS[pooling]
    settings = {**settings, **_LAST}
    # The page's own names: they stay the same however many models a process makes.
    model = keras.Sequential(
        [
            keras.Input(shape=input_shape),
            layers.Conv2D(
                32,
                kernel_size=(3, 3),
                activation="relu",
                **_LAST,
                name="conv2d",
            ),
            pool(pool_size=(2, 2), name=pool_name, **settings),
            layers.Conv2D(
                64,
                kernel_size=(3, 3),
                activation="relu",
                **_LAST,
                name="conv2d_1",
            ),
            pool(pool_size=(2, 2), name=f"{pool_name}_1", **settings),
            layers.Flatten(**_LAST, name="flatten"),
            layers.Dropout(dropout, name="dropout"),
            layers.Dense(num_classes, activation=classifier_activation, name="dense"),
        ],
        name=name,
    )
    if weights == "default":
        weights = "mnist" if pooling == "max" else pooling
    if weights is not None:
        load_weights(model, "mnist_cnn", weights)
    return model
