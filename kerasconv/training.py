"""The recipes that made the zoo, and what runs them.

`kerasconv train mnist_cnn --data-dir DIR` trains the network, measures it and
writes weights, card and README. The card says what that took and gave here.
"""

import datetime
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from kerasconv import data, digits, files, parity
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.images import to_unit
from kerasconv.models import _card, _readme
from kerasconv.predict import Predictor

__all__ = ["RECIPES", "Recipe", "evaluate", "train"]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides one training run, apart from the seed."""

    purpose: str
    architecture: str
    weights: str
    dataset: str
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    epochs: int = 15
    dropout: float = 0.5
    validation_share: float = 0.1


RECIPES = {
    "mnist_cnn": Recipe(
        purpose="The course page's network by the course page's recipe: Adam, batches "
        "of 128, fifteen epochs, nothing else.",
        architecture="mnist_cnn",
        weights="mnist",
        dataset="mnist",
    ),
}


def train(
    name: str,
    *,
    seed: int = 0,
    epochs: int | None = None,
    data_dir: str | os.PathLike | None = None,
    out: str | os.PathLike = "trained",
    download: bool = False,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
    limit: int | None = None,
) -> _card.Card:
    """Train a model of the zoo, measure it, and write weights, card and README.

    The last tenth of the training set is held out and only watched. The test set is
    read once, after training has ended.

    Args:
        name: A key of `RECIPES`.
        seed: Seed of the weights' start, the order of the images and the dropout.
        epochs: Passes over the training set, instead of the recipe's.
        data_dir: Where the data set is; see `kerasconv.data.load`.
        out: The folder to write `<architecture>/<weights>.keras` and the rest into.
        download: Whether the data set may be fetched.
        progress: Called after every batch with the number of batches done, of all
            batches, and the running metrics.
        limit: Use only so many training and test images, for a trial run.

    Returns:
        The card of the new weights.

    Raises:
        UsageError: no such recipe, or a number that makes no sense.
        KerasconvError: the data set is missing, or this backend cannot train.
    """
    recipe = find_recipe(name)
    epochs = recipe.epochs if epochs is None else epochs
    if epochs < 1:
        raise UsageError(f"`epochs` must be at least 1. Received: {epochs}")
    if not 0 <= seed < 2**32:
        raise UsageError(f"`seed` must be from 0 to 2**32 - 1. Received: {seed}")
    if limit is not None and limit < 2 * recipe.batch_size:
        raise UsageError(
            f"`limit` must leave two batches of {recipe.batch_size} images. "
            f"Received: {limit}"
        )
    backend = keras.backend.backend()
    if backend in ("numpy", "openvino"):
        raise KerasconvError(
            f"Keras cannot train on {backend}; use --backend tensorflow, jax or torch"
        )
    images, labels = data.load(recipe.dataset, "train", data_dir, download=download)
    images, labels = images[:limit], labels[:limit]
    held_out = int(len(images) * recipe.validation_share)
    kept = len(images) - held_out

    model, arguments = _fit_model(recipe, seed)
    batches = math.ceil(kept / recipe.batch_size)
    timer = _Timer(epochs * batches, progress)
    x, y = to_unit(images), labels
    history = model.fit(
        x[:kept],
        y[:kept],
        batch_size=recipe.batch_size,
        epochs=epochs,
        validation_data=(x[kept:], y[kept:]),
        callbacks=[timer],
        verbose=0,
    ).history

    folder = Path(out) / recipe.architecture
    weights_path = folder / f"{recipe.weights}.keras"
    # A network that was never compiled saves no optimizer state.
    trained = _build(recipe, **arguments)
    trained.set_weights(model.get_weights())
    files.write_with(weights_path, trained.save)

    test = evaluate(trained, recipe.dataset, data_dir, limit=limit)
    facts = {
        "architecture": recipe.architecture,
        "weights": recipe.weights,
        "sha256": _card.file_digest(weights_path),
        "bytes": weights_path.stat().st_size,
        "date": datetime.date.today(),
        "licence": "Apache-2.0",
        "arguments": {
            "input_shape": list(images.shape[1:]),
            "num_classes": len(data.DATASETS[recipe.dataset].classes),
        },
        "parameters": {
            "total": trained.count_params(),
            "trainable": _count(trained.trainable_weights),
            "non_trainable": _count(trained.non_trainable_weights),
        },
        "data": {
            "name": recipe.dataset,
            "version": data.DATASETS[recipe.dataset].version,
            "licence": data.DATASETS[recipe.dataset].licence,
            "source": data.DATASETS[recipe.dataset].source,
            "train_sha256": data.digest(images, labels),
            "test_sha256": test.pop("sha256"),
            "trained_on": kept,
            "held_out": held_out,
            "split": f"the first {kept:,} training images in the order of "
            f"tensorflow-datasets are trained on, the last {held_out:,} are watched; "
            "the test set is read once, after training",
        },
        "recipe": {
            "name": name,
            "purpose": recipe.purpose,
            "optimizer": recipe.optimizer,
            "learning_rate": recipe.learning_rate,
            "batch_size": recipe.batch_size,
            "epochs": epochs,
            "dropout": recipe.dropout,
            "seed": seed,
            "validation_accuracy": history["val_accuracy"][-1],
            "validation_loss": history["val_loss"][-1],
            "keras": keras.__version__,
            "backend": backend,
            "seconds_per_epoch": round(timer.seconds / epochs, 1),
            "cores": len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count(),
        },
        "test": test,
        "bundled_digits": _bundled(trained),
        "parity": parity.measure(weights_path),
    }
    card_path = weights_path.with_suffix(".toml")
    files.write_text(card_path, tomli_w.dumps(facts))
    _readme.write(folder)
    return _card.read_card(card_path)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name."""
    if name not in RECIPES:
        raise UsageError(
            f"no recipe is called {name!r}; choose one of {', '.join(RECIPES)}"
        )
    return RECIPES[name]


def evaluate(
    model: "keras.Model",
    dataset: str,
    data_dir: str | os.PathLike | None = None,
    *,
    download: bool = False,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Accuracy, loss and errors of a classifier on the test set of a data set.

    Args:
        model: A model whose output is one probability a class.
        dataset: A key of `kerasconv.data.DATASETS`.
        data_dir: Where the data set is; see `kerasconv.data.load`.
        download: Whether the data set may be fetched.
        limit: Use only so many images.
        progress: Called with the number of images done and of all images.

    Returns:
        `examples`, `errors`, `accuracy` (share that is right), `interval` (its 95 %
        Wilson interval), `loss` (mean negative log-probability of the truth, in
        nats) and `sha256` of the images and labels.
    """
    images, labels = data.load(dataset, "test", data_dir, download=download)
    images, labels = images[:limit], labels[:limit]
    predictor = Predictor(model)
    step = 10 * predictor.batch_size
    rows = []
    for start in range(0, len(images), step):
        rows.append(predictor(images[start : start + step]))
        if progress:
            progress(min(start + step, len(images)), len(images))
    probabilities = np.concatenate(rows).astype(np.float64)
    right = int(np.sum(probabilities.argmax(1) == labels))
    truth = probabilities[np.arange(len(labels)), labels]
    return {
        "examples": len(labels),
        "errors": len(labels) - right,
        "accuracy": right / len(labels),
        "interval": list(wilson(right, len(labels))),
        "loss": float(-np.log(np.maximum(truth, 1e-7)).mean()),
        "sha256": data.digest(images, labels),
    }


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion, 95 % by default.

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)

    Reference:
        E. B. Wilson, "Probable inference, the law of succession, and statistical
        inference", Journal of the American Statistical Association 22, 1927.
    """
    share = successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return (middle - spread) / scale, (middle + spread) / scale


def _build(recipe: Recipe, **arguments: Any) -> "keras.Model":
    from kerasconv import models

    return getattr(models, recipe.architecture)(weights=None, **arguments)


def _fit_model(recipe: Recipe, seed: int) -> tuple["keras.Model", dict[str, Any]]:
    keras.utils.set_random_seed(seed)
    arguments = {"dropout": recipe.dropout}
    model = _build(recipe, **arguments)
    optimizer = keras.optimizers.get(
        {
            "class_name": recipe.optimizer,
            "config": {"learning_rate": recipe.learning_rate},
        }
    )
    model.compile(
        optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model, arguments


def _count(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _bundled(model: "keras.Model") -> dict[str, Any]:
    images, labels = digits.load_digits()
    right = int(np.sum(Predictor(model)(images).argmax(1) == labels))
    return {"examples": len(labels), "correct": right}


class _Timer(keras.callbacks.Callback):
    """Tells how far training is, and how long its epochs took."""

    def __init__(
        self,
        batches: int,
        progress: Callable[[int, int, dict[str, float]], None] | None,
    ) -> None:
        super().__init__()
        self.batches = batches
        self.done = 0
        self.seconds = 0.0
        self._progress = progress

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds += time.perf_counter() - self._began
        if self._progress:
            self._progress(self.done, self.batches, dict(logs or {}))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.done += 1
        if self._progress:
            self._progress(self.done, self.batches, {})
