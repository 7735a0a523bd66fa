"""The recipes that made the zoo: everything that decides a training run but the seed.

`kerasconv train mnist_cnn --data-dir DIR --seeds 5` follows the recipe
"mnist_cnn/mnist" five times and ships the run that the held-out images prefer. What
that took and gave is on the card in `models/`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kerasconv.errors import UsageError

__all__ = ["RECIPES", "Recipe", "find_recipe"]

# Layers by class name, with their arguments: Keras's, or those of
# `kerasconv.augmentation` where Keras has none.
Augmentation = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class Recipe:
    """How one set of weights is trained.

    Attributes:
        purpose: What it is for, in a sentence.
        architecture: The function of `kerasconv.models` that builds the network.
        dataset: A key of `kerasconv.data.DATASETS`.
        arguments: Of the architecture, where they are not its defaults.
        dropout: In training; None is the architecture's.
        augmentation: Random layers between the image and the network, in training.
        optimizer: The name of a Keras optimizer.
        learning_rate: Its rate, or the peak of the schedule.
        schedule: "constant"; "cosine", from the peak down to 0 after a twentieth of
            warm-up; or "one_cycle", a quarter of the steps up and the rest down, both
            linear.
        weight_decay: Of the optimizer, decoupled; 0 for none.
        ema_momentum: The weights kept are an exponential moving average with this
            momentum; None keeps the last.
        batch_size: Images a step.
        epochs: Passes over the training images.
        validation_share: The last share of the training set, held out.
        jit_compile: Whether XLA compiles the training step; None is Keras's choice.
        tried: What else was tried, and what the held-out images said to it.
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
    tried: str = ""

    def facts(self) -> dict[str, Any]:
        """The recipe as a card states it: no entry for what it does without."""
        facts = asdict(self)
        # Said of the recipe, no part of it.
        del facts["tried"]
        facts["augmentation"] = [
            {"layer": name, **settings} for name, settings in self.augmentation
        ]
        return {key: value for key, value in facts.items() if value is not None}


# What a hand, a pen and a scanner do to a digit.
_GEOMETRY: Augmentation = (
    (
        "RandomWarp",
        {"rotation": 10.0, "zoom": 0.1, "shear": 0.1, "shift": 1.5, "bend": 0.6},
    ),
)
# What a camera and the light add.
_LIGHT: Augmentation = (
    (
        "RandomGaussianBlur",
        {"factor": 0.3, "kernel_size": 5, "sigma": 1.0, "value_range": (0.0, 1.0)},
    ),
    ("RandomGain", {"factor": 0.2}),
    ("RandomBrightness", {"factor": (0.0, 0.2), "value_range": (0.0, 1.0)}),
    ("RandomErasing", {"factor": 0.05, "value_range": (0.0, 1.0)}),
    ("RandomInversion", {"factor": 0.05}),
    ("RandomNoise", {"factor": 0.15}),
)


def _pooling(name: str) -> Recipe:
    return Recipe(
        purpose=f"What pooling costs: the course page's network with {name} pooling, "
        "all else equal, in a short schedule that every kind of pooling can finish.",
        architecture="mnist_cnn",
        dataset="mnist",
        arguments={"pooling": name},
        learning_rate=4e-3,
        schedule="one_cycle",
        epochs=5,
    )


# The first recipe of an architecture is its default.
RECIPES: dict[str, Recipe] = {
    "mnist_cnn/mnist": Recipe(
        purpose="The default: accurate, calibrated, and robust to noise, light and "
        "small deformations.",
        architecture="mnist_cnn",
        dataset="mnist",
        dropout=0.05,
        augmentation=_GEOMETRY + _LIGHT,
        learning_rate=3e-3,
        schedule="cosine",
        ema_momentum=0.999,
        epochs=50,
        validation_share=1 / 12,
        jit_compile=False,
        tried="Stronger noise, blur and inversion, dropout of 0.1 and 36 epochs are "
        "worse on clean digits and hardly better on spoilt ones; without blur, blurred "
        "digits are what it reads worst. In short schedules a teacher (digits_cnn, "
        "through keras.distillation, at temperatures of 1 and 3, asked about eight "
        "views of each image) is no better than the labels.",
    ),
    "mnist_cnn/course": Recipe(
        purpose="The course page's network by the course page's recipe: Adam, batches "
        "of 128, fifteen epochs, nothing else.",
        architecture="mnist_cnn",
        dataset="mnist",
    ),
    "mnist_cnn/fast": Recipe(
        purpose="99 % in two epochs: one cycle of the learning rate, up and down.",
        architecture="mnist_cnn",
        dataset="mnist",
        dropout=0.2,
        learning_rate=0.0141,
        schedule="one_cycle",
        epochs=2,
    ),
    "mnist_cnn/fashion_mnist": Recipe(
        purpose="The same 34,826 parameters on articles of clothing.",
        architecture="mnist_cnn",
        dataset="fashion_mnist",
        dropout=0.25,
        augmentation=(("RandomFlip", {"mode": "horizontal"}),),
        optimizer="adamw",
        weight_decay=0.05,
        learning_rate=3e-3,
        schedule="cosine",
        ema_momentum=0.999,
        epochs=40,
        validation_share=1 / 12,
        jit_compile=False,
        tried="Dropout of 0.3 with shifts by a twentieth of the image and 30 epochs is "
        "worse: the network is small, and what it is spared it can use. Without weight "
        "decay, with dropout of 0.15, it fits the training images better and the "
        "held-out ones worse; twice the decay is worse too.",
    ),
    "mnist_cnn/max": _pooling("max"),
    "mnist_cnn/average": _pooling("average"),
    "mnist_cnn/l2": _pooling("l2"),
    "mnist_cnn/weighted": _pooling("weighted"),
    "edge_classifier/mnist": Recipe(
        purpose="Classical vision done well: fixed edges in eight directions, their "
        "strength pooled, and under 4,000 trained numbers.",
        architecture="edge_classifier",
        dataset="mnist",
        learning_rate=2e-2,
        schedule="cosine",
        ema_momentum=0.999,
        epochs=20,
        validation_share=1 / 12,
        jit_compile=False,
        tried="Without the 64 weights between the directions it is worse, and so are "
        "learned weights in the pooling windows in their place, one L2Pool of 8x8, a "
        "mean with Gaussian weights, eleven directions over larger cells, and weight "
        "decay; deformed images make no difference.",
    ),
    "edge_classifier/cats_vs_dogs": Recipe(
        purpose="The baseline beside cats_dogs_cnn: the same fixed edges on colour "
        "photographs, and one trained layer.",
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
        jit_compile=False,
    ),
    "dense_classifier/mnist": Recipe(
        purpose="The budget of the course page's network without sharing: one hidden "
        "Dense layer.",
        architecture="dense_classifier",
        dataset="mnist",
        schedule="cosine",
        learning_rate=3e-3,
        epochs=15,
    ),
    "lenet5/mnist": Recipe(
        purpose="LeNet-5 as of 1998, with the optimizer of today.",
        architecture="lenet5",
        dataset="mnist",
        schedule="cosine",
        learning_rate=2e-3,
        epochs=15,
    ),
    "digits_cnn/mnist": Recipe(
        purpose="The practitioner's pick: batch normalisation, anti-aliased pooling.",
        architecture="digits_cnn",
        dataset="mnist",
        augmentation=(
            *_GEOMETRY,
            ("RandomGain", {"factor": 0.2}),
            ("RandomErasing", {"factor": 0.1, "value_range": (0.0, 1.0)}),
        ),
        learning_rate=4e-3,
        schedule="one_cycle",
        weight_decay=1e-4,
        optimizer="adamw",
        ema_momentum=0.998,
        epochs=12,
        validation_share=1 / 12,
        jit_compile=False,
        tried="16 epochs with a weight decay of 0.05 are no better.",
    ),
    "cats_dogs_cnn/cats_vs_dogs": Recipe(
        purpose="The course page's question on photographs of 32x32 pixels.",
        architecture="cats_dogs_cnn",
        dataset="cats_vs_dogs",
        dropout=0.4,
        augmentation=(
            ("RandomFlip", {"mode": "horizontal"}),
            ("RandomRotation", {"factor": 0.04, "fill_mode": "reflect"}),
            ("RandomZoom", {"height_factor": 0.15, "fill_mode": "reflect"}),
            (
                "RandomTranslation",
                {"height_factor": 0.12, "width_factor": 0.12, "fill_mode": "reflect"},
            ),
            (
                "RandomColorJitter",
                {
                    "value_range": (0.0, 1.0),
                    "brightness_factor": 0.2,
                    "contrast_factor": 0.2,
                    "saturation_factor": (0.35, 0.65),
                    "hue_factor": 0.03,
                },
            ),
            ("RandomGrayscale", {"factor": 0.1}),
            ("RandomErasing", {"factor": 0.5, "value_range": (0.0, 1.0)}),
        ),
        learning_rate=3e-3,
        schedule="one_cycle",
        weight_decay=0.1,
        optimizer="adamw",
        ema_momentum=0.995,
        batch_size=64,
        epochs=60,
        jit_compile=False,
        tried="Hardly any weight decay, a higher peak, 40 epochs and no change of the "
        "colours fits the training images better and the held-out ones worse; half the "
        "decay and 50 epochs lie between.",
    ),
}


def find_recipe(name: str, recipe: str | None = None) -> tuple[str, Recipe]:
    """The full name of a recipe and the recipe.

    Args:
        name: "architecture/weights", or "architecture" for its default recipe.
        recipe: The weights' name, if not in `name`.

    Raises:
        UsageError: no such recipe; the message names those there are.
    """
    full = f"{name}/{recipe}" if recipe else name
    if "/" not in full:
        full = next((key for key in RECIPES if key.startswith(f"{full}/")), full)
    if full not in RECIPES:
        raise UsageError(
            f"no recipe is called {full!r}; choose one of {', '.join(RECIPES)}"
        )
    return full, RECIPES[full]
