"""What the two batch-normalised networks have in common: their stages."""

from typing import Any

from kerasconv._keras import keras
from kerasconv.layers import WeightedPool


def stage(filters: int, number: int, *, pool: bool = True) -> list[Any]:
    """Two 3x3 convolutions with batch normalisation and ReLU, then a blur pool.

    The pool averages with binomial weights, so that a shift of the image by one pixel
    changes little (R. Zhang, "Making convolutional networks shift-invariant again",
    ICML 2019).
    """
    found: list[Any] = []
    for half in "ab":
        at = f"{number}{half}"
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
    if pool:
        found.append(
            WeightedPool(
                3, 2, "same", data_format="channels_last", name=f"pool{number}"
            )
        )
    return found
