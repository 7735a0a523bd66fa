"""Training by a recipe: it survives a kill, measures itself, and writes the card.

The road: `fit` follows a recipe with one seed and keeps a checkpoint an epoch;
`train` fits one or several seeds, ships the one that the held-out images prefer,
measures all on the test set, once, at the end, and writes weights, card and README.
"""

import datetime
import json
import math
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from kerasconv import (
    _feeding,
    augmentation,
    corruptions,
    data,
    digits,
    files,
    metrics,
    parity,
    untrusted,
)
from kerasconv._keras import keras
from kerasconv._pixels import to_unit
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.models import _card, _readme
from kerasconv.predict import Predictor
from kerasconv.recipes import RECIPES, Recipe, find_recipe

__all__ = ["RECIPES", "Recipe", "Run", "evaluate", "find_recipe", "fit", "train"]

# Called with the number of batches done, of all batches, and the running metrics.
Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Run:
    """One finished training.

    Attributes:
        model: The trained network, not compiled.
        seed: What all its chance came from.
        history: Of each epoch: `loss`, `accuracy`, `val_loss`, `val_accuracy`.
        validation: Figures of the finished network on the held-out images.
        seconds: What the epochs took together.
        cores: How many processors they had.
    """

    model: "keras.Model"
    seed: int
    history: dict[str, list[float]]
    validation: dict[str, Any]
    seconds: float
    cores: int


def train(
    name: str,
    recipe: str | None = None,
    *,
    seed: int = 0,
    seeds: int = 1,
    epochs: int | None = None,
    data_dir: str | os.PathLike | None = None,
    out: str | os.PathLike = "trained",
    download: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    limit: int | None = None,
) -> _card.Card:
    """Train a model of the zoo, measure it, and write weights, card and README.

    A share of the training set is held out: it alone decides which seed is shipped.
    The test set is read once, after all training has ended.

    Args:
        name: "architecture/weights", or "architecture" for its default recipe.
        recipe: The weights' name, if not in `name`.
        seed: Seed of the weights' start, the order of the images, the augmentation
            and the dropout.
        seeds: How many seeds to try, from `seed` on.
        epochs: Passes over the training set, instead of the recipe's.
        data_dir: Where the data set is; see `kerasconv.data.load`.
        out: The folder to write `<architecture>/<weights>.keras` and the rest into.
        download: Whether the data set may be fetched.
        resume: Go on from the checkpoints of a training that was interrupted.
        progress: Called after every batch.
        limit: Use only so many training and test images, for a trial run.

    Returns:
        The card of the new weights.

    Raises:
        UsageError: no such recipe, or a number that makes no sense.
        KerasconvError: the data set is missing, this backend cannot train, or the
            checkpoint is another training's.
    """
    full, plan = find_recipe(name, recipe)
    epochs = plan.epochs if epochs is None else epochs
    _check(plan, epochs, seed, seeds, limit)
    folder, weights = Path(out) / plan.architecture, full.split("/")[1]
    images, labels = data.load(plan.dataset, "train", data_dir, download=download)
    images, labels = images[:limit], labels[:limit]

    checkpoints = [
        folder / f".{weights}-{s}.checkpoint.npz" for s in range(seed, seed + seeds)
    ]
    runs = []
    for i, path in enumerate(checkpoints):
        tell = progress and _share_of(progress, i, seeds)
        runs.append(
            fit(
                plan,
                images,
                labels,
                seed=seed + i,
                epochs=epochs,
                checkpoint=path,
                resume=resume,
                progress=tell,
            )
        )
    chosen = min(runs, key=lambda run: run.validation["loss"])

    test_images, test_labels = data.load(plan.dataset, "test", data_dir)
    test = test_images[:limit], test_labels[:limit]
    tests = [measure(run.model, *test) for run in runs]
    path = folder / f"{weights}.keras"
    card_path = path.with_suffix(".toml")
    with tempfile.TemporaryDirectory() as scratch:
        # Weights and card are measured elsewhere and then come together: beside an
        # older card new weights would be refused.
        made = Path(scratch) / path.name
        untrusted.save_model(chosen.model, made)
        facts = {
            **_card_head(full, plan, made, chosen),
            "data": _data_facts(plan, images, labels, *test),
            "recipe": _recipe_facts(full, plan, chosen, epochs),
            "validation": chosen.validation,
            "test": tests[runs.index(chosen)],
            "seeds": _seed_facts(runs, tests),
            "history": chosen.history,
            "parity": parity.measure(made),
            "images_per_second": _speed(chosen.model, images),
            "tensors": untrusted.tensor_digests(made),
        }
        if plan.dataset == "mnist":
            facts["bundled_digits"] = _bundled(chosen.model)
            facts["corruptions"] = corruptions.evaluate(Predictor(chosen.model), *test)
        files.write_with(path, lambda place: shutil.copyfile(made, place))
    files.write_text(card_path, tomli_w.dumps(facts))
    card = _card.read_card(card_path)
    _readme.write_pictures(card, chosen.model, *test, answers(chosen.model, test[0]))
    _readme.write(folder)
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)
    return card


def fit(
    recipe: Recipe,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int = 0,
    epochs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train one network with one seed.

    Args:
        recipe: What to do.
        images: uint8, shape (n, height, width, channels).
        labels: Class of each image.
        seed: Seed of all chance: the same gives the same weights again, bit for bit
            where the backend computes its sums in a fixed order.
        epochs: Passes over the images, instead of the recipe's.
        checkpoint: Where weights, optimizer, random state and epoch are kept after
            every epoch, in one file that is replaced as a whole.
        resume: Go on from the checkpoint if there is one.
        progress: Called after every batch.

    Returns:
        The finished run; the checkpoint stays.

    Raises:
        KerasconvError: the checkpoint belongs to another training, or is damaged.
    """
    epochs = recipe.epochs if epochs is None else epochs
    held_out = int(len(images) * recipe.validation_share)
    kept = len(images) - held_out
    x, y = to_unit(images), np.asarray(labels, np.int64)
    batches = _feeding.Batches(x[:kept], y[:kept], recipe.batch_size, seed)

    keras.utils.set_random_seed(seed)
    network = build(recipe)
    # The augmentation stays with the training; the network is shipped without it.
    trainer = keras.Sequential(
        [keras.Input(x.shape[1:]), *_augmentation(recipe), network]
    )
    trainer.compile(
        _optimizer(recipe, epochs * len(batches)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile="auto" if recipe.jit_compile is None else recipe.jit_compile,
    )
    trainer.optimizer.build(trainer.trainable_variables)
    keeper = _Keeper(
        checkpoint and Path(checkpoint),
        _identity(recipe, network, images, labels, seed, epochs),
        seed,
        batches,
        epochs,
        progress,
    )
    begin = keeper.restore(trainer) if resume else 0
    trainer.fit(
        _feeding.fed(batches),
        epochs=epochs,
        initial_epoch=begin,
        validation_data=_feeding.fed(_feeding.Batches(x[kept:], y[kept:], 1000)),
        # The batches are shuffled already, so that the order can be had again.
        shuffle=False,
        callbacks=[keeper],
        verbose=0,
    )
    # A network that was never compiled saves no optimizer state.
    trained = build(recipe, training=False)
    trained.set_weights(network.get_weights())
    return Run(
        trained,
        seed,
        keeper.history,
        measure(trained, images[kept:], labels[kept:]),
        keeper.seconds,
        keeper.cores,
    )


def build(recipe: Recipe, *, training: bool = True) -> "keras.Model":
    """A fresh network for a recipe, as it trains or as it is shipped."""
    from kerasconv import models

    arguments = dict(recipe.arguments)
    if training and recipe.dropout is not None:
        arguments["dropout"] = recipe.dropout
    return getattr(models, recipe.architecture)(weights=None, **arguments)


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
        download: Whether the data set may be fetched.
        limit: Use only so many images.
        progress: Called with the number of images done and of all images.

    Returns:
        What `kerasconv.metrics.summary` gives, and `sha256` of images and labels.

    Raises:
        UsageError: no such data set, or the model takes other images.
        KerasconvError: the data set is missing.
    """
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
    probabilities = answers(model, images, progress)
    return metrics.summary(probabilities, labels)


def check_fits(model: "keras.Model", dataset: str, images: np.ndarray) -> None:
    """Refuse a model that is not for the images and classes of a data set."""
    takes = tuple(model.inputs[0].shape[1:])
    gives, classes = model.outputs[0].shape[-1], len(data.DATASETS[dataset].classes)
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
    predictor = Predictor(model)
    step = 10 * predictor.batch_size
    rows = []
    for start in range(0, len(images), step):
        rows.append(predictor(images[start : start + step]))
        if progress:
            progress(min(start + step, len(images)), len(images))
    return np.concatenate(rows).astype(np.float64)


def _check(
    recipe: Recipe, epochs: int, seed: int, seeds: int, limit: int | None
) -> None:
    if epochs < 1:
        raise UsageError(f"`epochs` must be at least 1. Received: {epochs}")
    if seeds < 1:
        raise UsageError(f"`seeds` must be at least 1. Received: {seeds}")
    if not 0 <= seed <= seed + seeds - 1 < 2**32:
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


# ------------------------------------------------------------- a recipe, carried out


def _augmentation(recipe: Recipe) -> list["keras.layers.Layer"]:
    return [
        (getattr(keras.layers, name, None) or getattr(augmentation, name))(**settings)
        for name, settings in recipe.augmentation
    ]


def _optimizer(recipe: Recipe, steps: int) -> "keras.optimizers.Optimizer":
    settings: dict[str, Any] = {"learning_rate": _schedule(recipe, steps)}
    if recipe.weight_decay:
        settings["weight_decay"] = recipe.weight_decay
    if recipe.ema_momentum is not None:
        settings |= {"use_ema": True, "ema_momentum": recipe.ema_momentum}
    return keras.optimizers.get(recipe.optimizer).__class__(**settings)


def _schedule(recipe: Recipe, steps: int) -> Any:
    rate, schedules = recipe.learning_rate, keras.optimizers.schedules
    if recipe.schedule == "constant":
        return rate
    if recipe.schedule == "cosine":
        warmup = max(1, steps // 20)
        return schedules.CosineDecay(
            0.0,
            max(1, steps - warmup),
            warmup_target=rate,
            warmup_steps=warmup,
        )
    if recipe.schedule == "one_cycle":
        return OneCycle(rate, steps)
    raise ValueError(f"no schedule is called {recipe.schedule!r}")


@keras.saving.register_keras_serializable(package="kerasconv")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly for a quarter of the steps, then falls to 0.

    Reference:
        L. N. Smith, N. Topin, "Super-convergence: very fast training of neural
        networks using large learning rates", 2017.
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = peak
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """The learning rate at a step."""
        step = keras.ops.cast(step, "float32")
        top = self.steps / 4
        rise, fall = step / top, (self.steps - step) / (self.steps - top)
        return self.peak * keras.ops.maximum(keras.ops.minimum(rise, fall), 0.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"peak": self.peak, "steps": self.steps}


# ------------------------------------------------------------------- checkpoints


def _identity(
    recipe: Recipe,
    network: "keras.Model",
    images: np.ndarray,
    labels: np.ndarray,
    seed: int,
    epochs: int,
) -> str:
    """What a training must have in common with a checkpoint to go on from it."""
    return json.dumps(
        {
            "recipe": {**recipe.facts(), "purpose": ""},
            # An architecture may change without one of its variables.
            "layers": [type(layer).__name__ for layer in network.layers],
            "data": data.digest(images, labels),
            "seed": seed,
            "epochs": epochs,
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
        },
        sort_keys=True,
        default=list,
    )


class _Keeper(keras.callbacks.Callback):
    """Keeps a checkpoint an epoch, tells the progress and the time.

    Everything that the rest of a training depends on is in one file: a training that
    is killed finds the last whole epoch there, weights, optimizer and random state
    together.
    """

    def __init__(
        self,
        path: Path | None,
        identity: str,
        seed: int,
        batches: _feeding.Batches,
        epochs: int,
        progress: Progress | None,
    ) -> None:
        super().__init__()
        self.path, self.identity = path, identity
        self.seed, self.batches = seed, batches
        self.steps = epochs * len(batches)
        self.done = 0
        self.seconds = 0.0
        self.cores = _cores()
        self.history: dict[str, list[float]] = {}
        self._progress = progress

    def restore(self, model: "keras.Model") -> int:
        """Put a checkpoint into a freshly built model; the number of epochs done."""
        if self.path is None or not self.path.exists():
            return 0
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                facts = json.loads(str(stored["facts"]))
                values = [stored[f"variable_{i}"] for i in range(facts["variables"])]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise KerasconvError(
                f"the checkpoint {self.path} cannot be read ({error}); remove it, or "
                "train without --resume"
            ) from error
        variables = _variables(model)
        if facts["identity"] != self.identity or len(values) != len(variables):
            raise KerasconvError(
                f"the checkpoint {self.path} is of another training (its "
                f"{_difference(facts['identity'], self.identity)} differ); remove it, "
                "or train without --resume"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.history, self.seconds = facts["history"], facts["seconds"]
        # Older checkpoints do not say it.
        self.cores = facts.get("cores", self.cores)
        return facts["epochs"]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.batches.epoch = epoch
        self.done = epoch * len(self.batches)
        # Keras's Dropout draws from PyTorch's own generator, of which no variable
        # knows the state: each epoch begins it anew.
        if keras.backend.backend() == "torch":
            import torch

            torch.manual_seed(self.seed * 100_003 + epoch)
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.done += 1
        if self._progress:
            self._progress(self.done, self.steps, {})

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds += time.perf_counter() - self._began
        logs = {key: float(value) for key, value in (logs or {}).items()}
        for key, value in logs.items():
            self.history.setdefault(key, []).append(round(value, 6))
        if self.path is not None:
            files.write_with(self.path, self._save)
        if self._progress:
            self._progress(self.done, self.steps, logs)

    def _save(self, path: Path) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        variables = _variables(self.model)
        facts = {
            "identity": self.identity,
            "epochs": len(next(iter(self.history.values()))),
            "variables": len(variables),
            "history": self.history,
            "seconds": self.seconds,
            "cores": self.cores,
        }
        values = {
            f"variable_{i}": keras.ops.convert_to_numpy(variable.value)
            for i, variable in enumerate(variables)
        }
        with open(path, "wb") as file:
            np.savez(file, facts=json.dumps(facts), **values)


def _variables(model: "keras.Model") -> list[Any]:
    """Weights, random states and optimizer: what a training goes on from."""
    return [*model.variables, *model.optimizer.variables]


def _difference(theirs: str, ours: str) -> str:
    a, b = json.loads(theirs), json.loads(ours)
    return ", ".join(key for key in b if a.get(key) != b[key]) or "its network"


# ---------------------------------------------------------------------- the card


def _card_head(full: str, recipe: Recipe, path: Path, run: Run) -> dict[str, Any]:
    model = run.model
    architecture, weights = full.split("/")
    return {
        "architecture": architecture,
        "weights": weights,
        "sha256": _card.file_digest(path),
        "bytes": path.stat().st_size,
        "date": datetime.date.today(),
        "licence": "Apache-2.0",
        "arguments": {
            **recipe.arguments,
            "input_shape": list(model.inputs[0].shape[1:]),
            "num_classes": model.outputs[0].shape[-1],
        },
        "parameters": {
            "total": model.count_params(),
            "trainable": _count(model.trainable_weights),
            "non_trainable": _count(model.non_trainable_weights),
        },
    }


def _data_facts(
    recipe: Recipe,
    images: np.ndarray,
    labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
) -> dict[str, Any]:
    dataset = data.DATASETS[recipe.dataset]
    held_out = int(len(images) * recipe.validation_share)
    kept = len(images) - held_out
    return {
        "name": dataset.name,
        "version": dataset.version,
        "licence": dataset.licence,
        "source": dataset.source,
        "train_sha256": data.digest(images, labels),
        "test_sha256": data.digest(test_images, test_labels),
        "trained_on": kept,
        "held_out": held_out,
        "split": f"the first {kept:,} training images in the order of "
        f"kerasconv.data.load are trained on; the last {held_out:,} are held out and "
        "decide which seed is shipped; the test set is read once, after training",
    }


def _recipe_facts(full: str, recipe: Recipe, run: Run, epochs: int) -> dict[str, Any]:
    return {
        "name": full,
        **json.loads(json.dumps(recipe.facts())),
        "epochs": epochs,
        "seed": run.seed,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "seconds_per_epoch": round(run.seconds / epochs, 1),
        "cores": run.cores,
    }


def _seed_facts(runs: Sequence[Run], tests: Sequence[dict]) -> dict[str, Any]:
    accuracies = np.array([test["accuracy"] for test in tests])
    return {
        "count": len(runs),
        "mean": float(accuracies.mean()),
        "sd": float(accuracies.std(ddof=1)) if len(runs) > 1 else 0.0,
        "runs": [
            {
                "seed": run.seed,
                "validation_accuracy": run.validation["accuracy"],
                "validation_loss": run.validation["loss"],
                "test_accuracy": test["accuracy"],
                "test_loss": test["loss"],
                "validation_accuracy_by_epoch": run.history["val_accuracy"],
            }
            for run, test in zip(runs, tests, strict=True)
        ],
    }


def _cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _count(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _bundled(model: "keras.Model") -> dict[str, Any]:
    images, labels = digits.load_digits()
    right = int(np.sum(Predictor(model)(images).argmax(1) == labels))
    return {"examples": len(labels), "correct": right}


def _speed(model: "keras.Model", images: np.ndarray) -> int:
    """Images a second through the predictor, the median of five passes."""
    predictor, images = Predictor(model, batch_size=1000), images[:5000]
    predictor(images)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        predictor(images)
        seconds.append(time.perf_counter() - began)
    return int(float(f"{len(images) / np.median(seconds):.2g}"))


def _share_of(progress: Progress, index: int, count: int) -> Progress:
    """The progress of one of several runs as progress of all."""

    def tell(done: int, total: int, facts: dict[str, float]) -> None:
        progress(index * total + done, count * total, facts)

    return tell
