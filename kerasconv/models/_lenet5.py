"""LeNet-5, the network that read cheques."""

import os
from typing import TYPE_CHECKING

from kerasconv.models._architecture import Recipe, architecture
from kerasconv.models._card import built
from kerasconv.models._shared import READS_DIGITS, with_top

if TYPE_CHECKING:
    import keras


@architecture(
    about="LeNet-5 as it is taught today: two convolutions with tanh, two average "
    "poolings, three Dense layers.",
    use=f"Meant for history and comparing. {READS_DIGITS}",
    smallest=12,
    recipes={
        "mnist": Recipe(
            purpose="LeNet-5 as of 1998, with the optimizer of today.",
            architecture="lenet5",
            dataset="mnist",
            schedule="cosine",
            learning_rate=2e-3,
            epochs=15,
            first_order=1,
            revisions=2,
        ),
    },
)
def lenet5(
    *,
    weights: str | os.PathLike | None = "mnist",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    dropout: float = 0.0,
    include_top: bool = True,
    name: str = "lenet5",
) -> "keras.Sequential":
    """LeNet-5 with 61,706 parameters, as it is taught today.

    | layer | output shape | parameters |
    |---|---|---|
    | Conv2D, 6 filters 5x5, "same", tanh | (28, 28, 6) | 156 |
    | AveragePooling2D 2x2 | (14, 14, 6) | 0 |
    | Conv2D, 16 filters 5x5, tanh | (10, 10, 16) | 2,416 |
    | AveragePooling2D 2x2 | (5, 5, 16) | 0 |
    | Flatten | (400,) | 0 |
    | Dense, tanh | (120,) | 48,120 |
    | Dense, tanh | (84,) | 10,164 |
    | Dense, softmax | (10,) | 850 |

    The paper's own differs in places that few copies keep: 32x32 images, poolings
    with a trained scale and bias, a sparse table of connections in the second
    convolution, and radial basis functions at the end.

    Args:
        weights: The name of trained weights ("mnist"), a path to a `.keras` file
            of the same architecture, or None for a fresh, random network.
        input_shape: Height, width and channels of an image.
        num_classes: How many classes to tell apart.
        dropout: Share of activations that training drops before the last layer.
        include_top: Whether with the head, from Flatten on; see `mnist_cnn`.
        name: The name of the model.

    Returns:
        A `keras.Sequential`, built and not compiled. It takes images in [0, 1] and
        gives one probability a class.

    Raises:
        ValueError: the weights do not fit, or none of that name exist.
        kerasconv.errors.KerasconvError: the weights' file is missing or damaged.

    Example:
        >>> lenet5(weights=None).count_params()
        61706

    Reference:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied
        to document recognition", Proceedings of the IEEE 86, 1998.
    """
    from kerasconv._keras import keras

    layers, last = keras.layers, {"data_format": "channels_last"}
    stack = with_top(
        include_top,
        keras.Input(shape=input_shape, name="input_layer"),
        layers.Conv2D(6, 5, padding="same", activation="tanh", name="conv2d", **last),
        layers.AveragePooling2D(2, name="average_pooling2d", **last),
        layers.Conv2D(16, 5, activation="tanh", name="conv2d_1", **last),
        layers.AveragePooling2D(2, name="average_pooling2d_1", **last),
        layers.Flatten(name="flatten", **last),
        layers.Dense(120, activation="tanh", name="dense"),
        layers.Dense(84, activation="tanh", name="dense_1"),
        layers.Dropout(dropout, name="dropout"),
        layers.Dense(num_classes, activation="softmax", name="dense_2"),
    )
    return built("lenet5", weights, lambda: keras.Sequential(stack, name=name))
