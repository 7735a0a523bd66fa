"""One network, trained by one recipe with one seed."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import augmentation, backends
from kerasconv._arguments import as_array, check_int, check_number, check_seed
from kerasconv._keras import keras
from kerasconv._pixels import to_unit
from kerasconv.errors import KerasconvError, UsageError, short
from kerasconv.models import ARCHITECTURES
from kerasconv.recipes import Recipe
from kerasconv.training import checkpoint as checkpoints
from kerasconv.training import devices, feeding
from kerasconv.training.checkpoint import Progress
from kerasconv.training.measuring import measure

# Images of the validation split a batch.
_VALIDATED = 1000


@dataclass(frozen=True)
class Run:
    """One finished training.

    Attributes:
        model: The trained network, not compiled.
        seed: The seed of everything random in it.
        history: Of each epoch: `loss`, `accuracy`, `val_loss`, `val_accuracy`.
        validation: Figures of the finished network on the validation split.
        seconds: The time of all epochs.
        cores: How many processors they could use.
    """

    model: "keras.Model"
    seed: int
    history: dict[str, list[float]]
    validation: dict[str, Any]
    seconds: float
    cores: int


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
        seed: Seed of everything random. The same seed gives the same weights again,
            bit for bit where the backend computes its sums in a fixed order.
        epochs: Passes over the images, instead of the recipe's.
        checkpoint: The file in which weights, optimizer, random state and epoch are
            kept. It is replaced as a whole after every epoch.
        resume: Go on from the checkpoint if there is one.
        progress: Called after every batch with the number of batches done, that of
            all batches, and, after an epoch's last, its metrics.

    Returns:
        The finished run. The checkpoint stays.

    Raises:
        UsageError: an argument is another thing.
        KerasconvError: the checkpoint belongs to another training, or is damaged.
    """
    _check_recipe(recipe)
    epochs = check_int("epochs", recipe.epochs if epochs is None else epochs)
    check_seed(seed)
    images, labels = as_array("images", images, 4), as_array("labels", labels, 1)
    if len(images) != len(labels):
        raise UsageError(
            f"`labels` must be one for each image. Received: {len(labels)} labels, "
            f"{len(images)} images"
        )
    kept = recipe.split(len(images))
    x, y = to_unit(images), np.asarray(labels, np.int64)
    devices.check_shares((kept, recipe.batch_size), (len(x) - kept, _VALIDATED))
    batches = feeding.Batches(
        x[:kept], y[:kept], recipe.batch_size, seed, recipe.first_order
    )

    keras.utils.set_random_seed(seed)
    network = build(recipe)
    # The random layers stay with the training; the network is shipped without them.
    trainer = keras.Sequential(
        [keras.Input(x.shape[1:]), *augmentation_layers(recipe), network]
    )
    trainer.compile(
        optimizer(recipe, epochs * len(batches)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile="auto" if recipe.jit_compile is None else recipe.jit_compile,
    )
    trainer.optimizer.build(trainer.trainable_variables)
    keeper = checkpoints.Keeper(
        Path(checkpoint) if checkpoint else None,
        checkpoints.identity(recipe, network, images, labels, seed, epochs),
        seed,
        batches,
        epochs,
        progress,
    )
    finished = keeper.restore(trainer) if resume else 0
    trainer.fit(
        feeding.as_input(batches),
        epochs=epochs,
        initial_epoch=finished,
        validation_data=feeding.as_input(
            feeding.Batches(x[kept:], y[kept:], _VALIDATED)
        ),
        # The batches are shuffled already, in an order that can be had again.
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


def check_trains() -> None:
    """Refuse a backend without gradients.

    Raises:
        KerasconvError: Keras cannot train on it.
    """
    backend = keras.backend.backend()
    able = [name for name, facts in backends.BACKENDS.items() if facts.trains]
    if backend not in able:
        raise KerasconvError(
            f"Keras cannot train on {backend}; choose {', '.join(able[:-1])} or "
            f"{able[-1]} as the backend"
        )


def build(recipe: Recipe, *, training: bool = True) -> "keras.Model":
    """A fresh network for a recipe.

    Args:
        recipe: Which network.
        training: Whether with the dropout of the recipe, or as it is shipped.
    """
    _check_recipe(recipe)
    arguments = dict(recipe.arguments)
    if training and recipe.dropout is not None:
        arguments["dropout"] = recipe.dropout
    return ARCHITECTURES[recipe.architecture].build(weights=None, **arguments)


def _check_recipe(recipe: Any) -> None:
    if not isinstance(recipe, Recipe):
        raise UsageError(
            "`recipe` must be a Recipe, as `kerasconv.recipes.find_recipe` finds it. "
            f"Received: recipe={short(recipe)}"
        )


def augmentation_layers(recipe: Recipe) -> list["keras.layers.Layer"]:
    """The random layers of a recipe."""
    return [
        (getattr(keras.layers, name, None) or getattr(augmentation, name))(**settings)
        for name, settings in recipe.augmentation
    ]


def optimizer(recipe: Recipe, steps: int) -> "keras.optimizers.Optimizer":
    """The optimizer of a recipe, for a training of so many steps."""
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
    raise ValueError(
        "`schedule` must be one of 'constant', 'cosine', 'one_cycle'. Received: "
        f"schedule={short(recipe.schedule)}"
    )


@keras.saving.register_keras_serializable(package="kerasconv")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly for a quarter of the steps, then falls to 0.

    Args:
        peak: The highest rate.
        steps: How many steps the whole training has.

    Reference:
        L. N. Smith, N. Topin, "Super-convergence: very fast training of neural
        networks using large learning rates", 2017.
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = check_number("peak", peak)
        self.steps = check_int("steps", steps)

    def __call__(self, step: Any) -> Any:
        """The learning rate at a step."""
        step = keras.ops.cast(step, "float32")
        top = self.steps / 4
        rise, fall = step / top, (self.steps - step) / (self.steps - top)
        return self.peak * keras.ops.maximum(keras.ops.minimum(rise, fall), 0.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"peak": self.peak, "steps": self.steps}
