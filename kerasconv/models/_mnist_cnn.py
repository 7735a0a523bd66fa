"""The canonical MNIST network: two convolutions, two poolings, one Dense layer."""

import os

from kerasconv._keras import keras
from kerasconv.models._card import load_weights


def mnist_cnn(
    *,
    weights: str | os.PathLike | None = "mnist",
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
    the channel last, and gives one probability a class. All layers are Keras's
    own, so its files load in plain Keras.

    Args:
        weights: The name of trained weights ("mnist"), a path to a `.keras` file
            of the same architecture, or None for a fresh, random network.
        input_shape: Height, width and channels of an image.
        num_classes: How many classes to tell apart.
        classifier_activation: Activation of the last layer; None gives logits.
        dropout: Share of activations that training drops before the last layer.
        name: The name of the model.

    Returns:
        A `keras.Sequential`, built and not compiled.

    Raises:
        ValueError: the weights do not fit `input_shape` or `num_classes`, no
            weights of that name exist, or the image is too small.
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
    layers = keras.layers
    # The page's own names: they stay the same however many models a process makes.
    model = keras.Sequential(
        [
            keras.Input(shape=input_shape),
            layers.Conv2D(
                32,
                kernel_size=(3, 3),
                activation="relu",
                data_format="channels_last",
                name="conv2d",
            ),
            layers.MaxPooling2D(
                pool_size=(2, 2), data_format="channels_last", name="max_pooling2d"
            ),
            layers.Conv2D(
                64,
                kernel_size=(3, 3),
                activation="relu",
                data_format="channels_last",
                name="conv2d_1",
            ),
            layers.MaxPooling2D(
                pool_size=(2, 2), data_format="channels_last", name="max_pooling2d_1"
            ),
            layers.Flatten(data_format="channels_last", name="flatten"),
            layers.Dropout(dropout, name="dropout"),
            layers.Dense(num_classes, activation=classifier_activation, name="dense"),
        ],
        name=name,
    )
    if weights is not None:
        load_weights(model, "mnist_cnn", weights)
    return model
