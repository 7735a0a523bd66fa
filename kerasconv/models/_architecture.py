"""What each architecture declares of itself, in one place: its own file."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar, cast

from kerasconv._arguments import check_bool, check_int, check_share, is_int
from kerasconv.errors import UsageError, short

# Layers by class name, with their arguments: Keras's, or those of
# `kerasconv.augmentation` where Keras has none.
Augmentation = tuple[tuple[str, Mapping[str, Any]], ...]

Build = TypeVar("Build", bound=Callable[..., Any])


@dataclass(frozen=True)
class Recipe:
    """How one set of weights is trained: everything that decides it but the seed.

    Attributes:
        purpose: What it is for, in a sentence.
        architecture: The function of `kerasconv.models` that builds the network.
        dataset: A key of `kerasconv.data.DATASETS`.
        arguments: Arguments of that function, where they are not its defaults.
        dropout: The dropout in training. Default: the architecture's.
        augmentation: Random layers before the network, in training only.
        optimizer: The name of a Keras optimizer.
        learning_rate: Its rate, or the peak of the schedule.
        schedule: "constant"; "cosine", linear warm-up for a twentieth of the steps,
            then down to 0; or "one_cycle", up for a quarter of the steps and down for
            the rest, both linear.
        weight_decay: Weight decay of the optimizer, decoupled. Default: none.
        ema_momentum: Momentum of an exponential moving average of the weights, which
            is what is kept. Default: the last weights are kept.
        batch_size: Images a step.
        epochs: Passes over the training images.
        validation_share: The share of the training set, from its end, that is not
            trained on and decides which seed is shipped.
        jit_compile: Whether XLA compiles the training step. Default: Keras's choice.
        first_order: The number of the first epoch's order of images. Weights that were
            made while orders were counted from 1 have 1.
        revisions: How many revisions of these weights, this one included, were
            measured on the test set. Whoever trains them anew after a look at its
            figures adds one.
    """

    purpose: str
    architecture: str
    dataset: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    dropout: float | None = None
    augmentation: Augmentation = ()
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    weight_decay: float = 0.0
    ema_momentum: float | None = None
    batch_size: int = 128
    epochs: int = 15
    validation_share: float = 0.1
    jit_compile: bool | None = None
    first_order: int = 0
    revisions: int = 1

    def split(self, count: int) -> int:
        """How many of so many training images are trained on, from the first."""
        return count - int(count * self.validation_share)

    def facts(self) -> dict[str, Any]:
        """The recipe as a card states it, without the entries that are None."""
        facts = asdict(self)
        facts["augmentation"] = [
            {"layer": name, **settings} for name, settings in self.augmentation
        ]
        return {key: value for key, value in facts.items() if value is not None}


@dataclass(frozen=True)
class Architecture:
    """A network of the zoo.

    Attributes:
        build: The function that builds it; its name is the architecture's.
        about: What it is, for its page.
        use: What it is for, and what not, for its page.
        recipes: By the name of the weights that each makes; the first is the default.
        smallest: The least height and width of an image that its layers leave
            something of.
    """

    build: Callable[..., Any]
    about: str
    use: str
    recipes: Mapping[str, Recipe]
    smallest: int = 1

    @property
    def weights(self) -> str:
        """The weights that the architecture's bare name means."""
        return next(iter(self.recipes))


ARCHITECTURES: dict[str, Architecture] = {}
"""Every architecture by its name, once `kerasconv.models` is imported."""


def architecture(
    *, about: str, use: str, recipes: Mapping[str, Recipe], smallest: int = 1
) -> Callable[[Build], Build]:
    """Declare the function below as an architecture of the zoo.

    It imports Keras in its body: the command line lists models without Keras. What
    architectures have in common of arguments is checked here, before it is called.
    """

    def declare(build: Build) -> Build:
        parameters = inspect.signature(build).parameters

        @functools.wraps(build)
        def checked(*args: Any, **given: Any) -> Any:
            for name, value in given.items():
                if name == "input_shape":
                    _check_input_shape(value, smallest)
                elif name in parameters and name in _CHECKS:
                    _CHECKS[name](name, value)
            return build(*args, **given)

        ARCHITECTURES[build.__name__] = Architecture(
            checked, about, use, recipes, smallest
        )
        return cast(Build, checked)

    return declare


def _check_input_shape(shape: Any, smallest: int) -> None:
    if (
        not isinstance(shape, tuple | list)
        or len(shape) != 3
        or not all(is_int(n) and n > 0 for n in shape)
        or min(shape[:2]) < smallest
    ):
        least = f", height and width at least {smallest}" if smallest > 1 else ""
        raise UsageError(
            "`input_shape` must be (height, width, channels), three positive "
            f"ints{least}. Received: input_shape={short(shape)}"
        )


def _check_weights(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str | os.PathLike):
        raise UsageError(
            f"`{name}` must be a name, a path or None. Received: {name}={short(value)}"
        )


def _check_name(name: str, value: Any) -> None:
    # Keras takes no other: it puts names between slashes.
    if value is not None and (not isinstance(value, str) or "/" in value):
        raise UsageError(
            f"`{name}` must be a str without a slash. Received: {name}={short(value)}"
        )


def _check_activation(name: str, value: Any) -> None:
    from kerasconv._keras import keras

    try:
        keras.activations.get(value)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"`{name}` must be the name of a Keras activation, a function or None. "
            f"Received: {name}={short(value)}"
        ) from error


def _check_count(name: str, value: Any) -> None:
    # Of more the weights would fit into no memory, or take minutes to draw.
    check_int(name, value, 100_000)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "weights": _check_weights,
    "num_classes": _check_count,
    "units": _check_count,
    "orientations": _check_count,
    "dropout": check_share,
    "include_top": check_bool,
    "inhibition": check_bool,
    "classifier_activation": _check_activation,
    "name": _check_name,
}
