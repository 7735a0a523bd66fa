"""Classical vision as a network: fixed edges, pooled, and one trained layer."""

import math
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kerasconv import kernels
from kerasconv.models._architecture import Recipe, architecture
from kerasconv.models._card import built
from kerasconv.models._shared import READS_DIGITS, with_top

if TYPE_CHECKING:
    import keras


@architecture(
    about="Fixed edges in eight directions (no parameters), trained weights by which "
    "the directions inhibit each other (64), the strength of what remains, pooled, "
    "and one trained Dense layer: what nearly hand-made features can do. The weights "
    "`cats_vs_dogs` have no inhibition, so all their features are made by hand; they "
    "are for colour photographs of 32x32 pixels, the baseline of `cats_dogs_cnn`.",
    use="Meant for comparing features that are made with features that are learned. "
    f"{READS_DIGITS}",
    recipes={
        "mnist": Recipe(
            purpose="Classical vision done well: fixed edges in eight directions, "
            "their strength pooled, and under 4,000 trained numbers.",
            architecture="edge_classifier",
            dataset="mnist",
            learning_rate=2e-2,
            schedule="cosine",
            ema_momentum=0.999,
            epochs=20,
            revisions=4,
            validation_share=1 / 12,
            jit_compile=False,
        ),
        "cats_vs_dogs": Recipe(
            purpose="The baseline beside cats_dogs_cnn: the same fixed edges on "
            "colour photographs, and one trained layer.",
            architecture="edge_classifier",
            dataset="cats_vs_dogs",
            arguments={
                "input_shape": (32, 32, 3),
                "num_classes": 2,
                "inhibition": False,
            },
            augmentation=(("RandomFlip", {"mode": "horizontal"}),),
            learning_rate=3e-3,
            schedule="cosine",
            ema_momentum=0.98,
            epochs=20,
            revisions=5,
            jit_compile=False,
        ),
    },
)
def edge_classifier(
    *,
    weights: str | os.PathLike | None = "mnist",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    operator: Literal["sobel", "prewitt"] = "sobel",
    orientations: int = 8,
    pooling: Literal["l2", "weighted"] = "l2",
    inhibition: bool = True,
    dropout: float = 0.0,
    include_top: bool = True,
    name: str = "edge_classifier",
) -> "keras.Sequential":
    """Edges in eight fixed directions and a linear classifier, 3,994 parameters.

    | layer | output shape | parameters |
    |---|---|---|
    | FixedConv, ReLU: the derivative in each of 8 directions | (28, 28, 8) | 0 |
    | Dense over the directions, ReLU: how they inhibit each other | (28, 28, 8) | 8·8 |
    | Activation, softsign: x / (1 + x) | (28, 28, 8) | 0 |
    | L2Pool 4x4, strides 1, the mean | (28, 28, 8) | 0 |
    | L2Pool 5x5, strides 4 | (7, 7, 8) | 0 |
    | Flatten | (392,) | 0 |
    | Dense, softmax | (10,) | 392·10 + 10 = 3,930 |

    The derivative in direction θ is cos θ · ∂x + sin θ · ∂y, and ReLU keeps the edges
    that rise that way: a stroke's two sides fall into different maps. Softsign keeps
    strong edges from drowning faint ones. One L2Pool after the other is one whose
    window, 8x8 here, fades towards its rim: an edge that crosses from one cell to the
    next leaves the one as it enters the other.

    An edge between two directions answers in both, and in a cosine's width of others.
    `inhibition` lets training say how much each direction takes from the rest, the same
    64 numbers at every pixel; without it only the last layer is trained, and this is
    what features can do that are made by hand to the end.

    Args:
        weights: The name of trained weights ("mnist", or for colour photographs of
            32x32 pixels "cats_vs_dogs"), a path to a `.keras` file of the same
            architecture, or None for a fresh, random network.
        input_shape: Height, width and channels of an image.
        num_classes: How many classes to tell apart.
        operator: "sobel" or "prewitt".
        orientations: How many directions, evenly round the circle.
        pooling: "l2", or "weighted" for Gaussian weights.
        inhibition: Whether directions inhibit each other, by trained weights that
            begin as none.
        dropout: Share of activations that training drops before the last layer.
        include_top: Whether with the head, from Flatten on; see `mnist_cnn`.
        name: The name of the model.

    Returns:
        A `keras.Sequential`, built and not compiled. It takes images in [0, 1] and
        gives one probability a class.

    Raises:
        ValueError: an argument is none of these, the weights do not fit, or none of
            that name exist.
        kerasconv.errors.KerasconvError: the weights' file is missing or damaged.

    Example:
        >>> edge_classifier(weights=None).count_params()
        3994

    Reference:
        N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection",
        CVPR 2005, for orientations that are pooled over cells. D. J. Heeger,
        "Normalization of cell responses in cat striate cortex", Visual Neuroscience
        9, 1992, for directions that inhibit each other.
    """
    from kerasconv._arguments import check_choice
    from kerasconv._keras import keras
    from kerasconv.layers import FixedConv, L2Pool, WeightedPool

    check_choice("operator", operator, tuple(kernels.OPERATORS))
    check_choice("pooling", pooling, ("weighted", "l2"))
    angles = 2 * math.pi * np.arange(orientations) / orientations
    along_y, along_x = kernels.OPERATORS[operator](normalize=None)
    directed = [math.cos(a) * along_x + math.sin(a) * along_y for a in angles]
    last: Any = {"data_format": "channels_last"}
    pools = {
        "weighted": lambda: [
            WeightedPool(
                8, 4, "same", weights="gaussian", name="weighted_pool", **last
            ),
        ],
        "l2": lambda: [
            L2Pool(4, 1, "same", mean=True, name="l2_pool", **last),
            L2Pool(5, 4, "same", name="l2_pool_cells", **last),
        ],
    }
    maps = orientations * input_shape[-1]
    inhibited = [
        keras.layers.Dense(
            maps, use_bias=False, kernel_initializer="identity", name="inhibition"
        ),
        keras.layers.ReLU(name="left"),
    ]
    stack = with_top(
        include_top,
        keras.Input(shape=input_shape, name="input_layer"),
        FixedConv(np.round(directed, 12), name="edges", **last),
        keras.layers.ReLU(name="rising"),
        *(inhibited if inhibition else []),
        keras.layers.Activation("softsign", name="strength"),
        *pools[pooling](),
        keras.layers.Flatten(name="flatten", **last),
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="dense"),
    )
    return built("edge_classifier", weights, lambda: keras.Sequential(stack, name=name))
