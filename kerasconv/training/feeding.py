"""The batches of a training, in an order that can be had again."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasconv._keras import keras


class Batches(keras.utils.PyDataset):
    """Images and labels in batches, shuffled anew for every epoch.

    Seed and epoch alone decide the order, so that a training that is resumed at an
    epoch sees what it would have seen. Without a seed the order is the given one.
    The orders of a seed are numbered; the first epoch has the order `first`.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        size: int,
        seed: int | None = None,
        first: int = 0,
    ) -> None:
        super().__init__()
        self._first = first
        self._x, self._y, self._size, self._seed = x, y, size, seed
        self._order: tuple[int, np.ndarray] | None = None
        # Set at the beginning of every epoch.
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(len(self._x) / self._size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self._order is None or self._order[0] != self.epoch:
            order = np.arange(len(self._x))
            if self._seed is not None:
                number = self._first + self.epoch
                np.random.default_rng((self._seed, number)).shuffle(order)
            self._order = self.epoch, order
        chosen = self._order[1][index * self._size : (index + 1) * self._size]
        return self._x[chosen], self._y[chosen]


def as_input(batches: Batches) -> Any:
    """The batches in the form that `keras.Model.fit` reads fastest."""
    return _INPUTS.get(keras.backend.backend(), lambda given: given)(batches)


def seed_epoch(seed: int) -> None:
    """Seed what is random in an epoch and has no state in the model."""
    _SEEDS.get(keras.backend.backend(), lambda given: None)(seed)


def _tensorflow_pipeline(batches: Batches) -> Any:
    """A `tf.data` pipeline without autotuning.

    The one that Keras would make waits at the end of each epoch for its tuning thread,
    which sleeps for up to as long as the epoch took.
    """
    import tensorflow as tf

    def epoch() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from (batches[i] for i in range(len(batches)))

    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_generator(
            epoch,
            output_signature=tuple(
                tf.TensorSpec((None, *part.shape[1:]), part.dtype)
                for part in batches[0]
            ),
        )
        .apply(tf.data.experimental.assert_cardinality(len(batches)))
        .prefetch(2)
        .with_options(options)
    )


def _seed_torch(seed: int) -> None:
    # Keras's Dropout uses PyTorch's own generator.
    import torch

    torch.manual_seed(seed)


# What a backend needs of its own.
_INPUTS: dict[str, Callable[[Batches], Any]] = {"tensorflow": _tensorflow_pipeline}
_SEEDS: dict[str, Callable[[int], None]] = {"torch": _seed_torch}
