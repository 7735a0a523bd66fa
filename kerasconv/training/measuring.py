"""What a classifier answers on a data set, and the figures of that."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv import data, metrics
from kerasconv._arguments import as_array, check_int, check_model
from kerasconv.errors import UsageError, check_known
from kerasconv.predict import Predictor

if TYPE_CHECKING:
    import keras


def evaluate(
    model: "keras.Model",
    dataset: str,
    data_dir: str | os.PathLike | None = None,
    *,
    download: bool = False,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The figures of a classifier on the test set of a data set.

    Args:
        model: A model whose output is one probability a class.
        dataset: A key of `kerasconv.data.DATASETS`.
        data_dir: Where the data set is; see `kerasconv.data.load`.
        download: Whether the data set may be downloaded.
        limit: Use only the first images, as many as this.
        progress: Called with the number of images done and of all images.

    Returns:
        What `kerasconv.metrics.summary` gives, and `sha256` of images and labels.

    Raises:
        UsageError: no such data set, or the model takes other images.
        KerasconvError: the data set is missing.
    """
    check_known("data set", dataset, data.DATASETS)
    limit = None if limit is None else check_int("limit", limit)
    images, labels = data.load(dataset, "test", data_dir, download=download)
    images, labels = images[:limit], labels[:limit]
    check_fits(model, dataset, images)
    return {
        **measure(model, images, labels, progress),
        "sha256": data.digest(images, labels),
    }


def measure(
    model: "keras.Model",
    images: np.ndarray,
    labels: np.ndarray,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The figures of a classifier on images, uint8, and their labels."""
    return metrics.summary(answers(model, images, progress), labels)


def check_fits(model: "keras.Model", dataset: str, images: np.ndarray) -> None:
    """Refuse a model that is not for the images and classes of a data set.

    Raises:
        UsageError: its input or its output has another shape.
    """
    check_model(model)
    check_known("data set", dataset, data.DATASETS)
    takes = tuple(model.inputs[0].shape[1:])
    gives, classes = model.outputs[0].shape[-1], len(data.DATASETS[dataset].classes)
    images = as_array("images", images)
    if takes != images.shape[1:] or gives != classes:
        raise UsageError(
            f"{dataset} has images of {images.shape[1:]} in {classes} classes, and the "
            f"model takes {takes} and gives {gives}; choose another data set"
        )


def answers(
    model: "keras.Model",
    images: np.ndarray,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The probabilities that a classifier gives to images, uint8."""
    images, batch_size = as_array("images", images), 128
    if not images.ndim or not len(images):
        raise UsageError(f"`images` must be at least one. Received: {images.shape}")
    predictor = Predictor(model, batch_size=batch_size)
    step = 10 * batch_size
    rows = []
    for start in range(0, len(images), step):
        rows.append(predictor(images[start : start + step]))
        if progress:
            progress(min(start + step, len(images)), len(images))
    return np.concatenate(rows).astype(np.float64)
