"""A network for pictures of one's own: a folder a class, arrays, or a data set."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import files, metrics, untrusted
from kerasconv._arguments import (
    check_bool,
    check_choice,
    check_int,
    check_seed,
    check_share,
    check_text,
)
from kerasconv._keras import keras
from kerasconv._pixels import to_unit
from kerasconv.errors import KerasconvError, UsageError, one_line, printable, short
from kerasconv.files import check_path
from kerasconv.models import ARCHITECTURES, Card, card_of, load_model
from kerasconv.models._adapt import body, keep_body
from kerasconv.models._architecture import Augmentation
from kerasconv.models._own import card_beside
from kerasconv.pictures import FIELD
from kerasconv.predict import Predictor
from kerasconv.recipes import Recipe
from kerasconv.training import card as cards
from kerasconv.training import checkpoint as checkpoints
from kerasconv.training import feeding, fitting, own_card, shipping
from kerasconv.training.folder import Pictures
from kerasconv.training.gathering import (
    PREPARATIONS,
    check_counts,
    check_validation,
    from_arrays,
    from_folder,
    held_out,
)

# Classes are uneven where one has this many times the pictures of another.
_UNEVEN = 1.2

_CHECKPOINT = ".checkpoint.npz"
_EPOCHS, _PATIENCE, _BATCH = 40, 8, 32


def augmentations(size: tuple[int, int]) -> dict[str, Augmentation]:
    """Random changes of training pictures by name, for pictures of a size."""
    unit = {"value_range": (0.0, 1.0)}
    shift = round(0.05 * min(size), 2)
    return {
        "none": (),
        "warp": (
            (
                "RandomWarp",
                {
                    "rotation": 10.0,
                    "zoom": 0.1,
                    "shear": 0.1,
                    "shift": shift,
                    "bend": round(0.4 * shift, 2),
                },
            ),
        ),
        "shift": (
            (
                "RandomTranslation",
                {"height_factor": 0.1, "width_factor": 0.1, "fill_mode": "reflect"},
            ),
        ),
        "flip": (("RandomFlip", {"mode": "horizontal"}),),
        "rotate": (("RandomRotation", {"factor": 0.04, "fill_mode": "reflect"}),),
        "zoom": (("RandomZoom", {"height_factor": 0.15, "fill_mode": "reflect"}),),
        "light": (
            ("RandomGain", {"factor": 0.2}),
            ("RandomBrightness", {"factor": 0.15, **unit}),
        ),
        "noise": (("RandomNoise", {"factor": 0.1}),),
        "erase": (("RandomErasing", {"factor": 0.3, **unit}),),
    }


AUGMENTATIONS = tuple(augmentations((FIELD, FIELD)))
"""The names of the random changes."""


@dataclass(frozen=True)
class Plan:
    """What decides a training but the pictures.

    Attributes:
        recipe: Network, augmentation, optimizer and schedule.
        start: The model whose convolutions it begins with, or None.
        frozen: Whether these stay as they are.
        patience: Epochs without a lower validation loss before it ends.
        weights: The weight of each class in the loss, or None for equal ones.
        seed: Of everything random.
    """

    recipe: Recipe
    start: "str | None"
    frozen: bool
    patience: int
    weights: dict[int, float] | None
    seed: int


def train_own(
    images: Any,
    labels: Any = None,
    architecture: str = "mnist_cnn",
    *,
    classes: Sequence[str] | None = None,
    prepare: str | None = None,
    size: int | tuple[int, int] | None = None,
    augment: Sequence[str] | None = None,
    validation: Any = 0.2,
    test: Any = None,
    group: str | None = None,
    start: str | os.PathLike | None = None,
    freeze: bool = False,
    class_weights: bool = True,
    epochs: int = _EPOCHS,
    patience: int = _PATIENCE,
    batch_size: int = _BATCH,
    learning_rate: float = 2e-3,
    seed: int = 0,
    out: str | os.PathLike = "trained",
    name: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: checkpoints.Progress | None = None,
    reading: Callable[[int, int], None] | None = None,
) -> Card:
    """Train a network on pictures of your own, measure it, and write it with its card.

    Training ends where the loss on the validation pictures has not fallen for
    `patience` epochs, and the weights of the best epoch are kept. Each class weighs
    the same in the loss where the classes are of uneven size.

    Args:
        images: A folder that holds a folder for each class, or `train`, `val` and
            `test` with these; an array, uint8 or floats, of shape (n, height, width,
            channels); or a data set of batches of images and labels, such as
            `keras.utils.image_dataset_from_directory` gives.
        labels: Of an array: the class of each image, a whole number.
        architecture: A function of `kerasconv.models`.
        classes: Names of the classes, in the order of the labels. Known of a folder
            and of Keras's data sets; else their numbers.
        prepare: Of a folder: "digit", as `kerasconv.pictures.prepare_digit` makes
            MNIST of a picture, or "resize". Default: that of `start`; else "digit" if
            all classes are named by one character, else "resize". Of arrays: how they
            were made, for the card; default "digit" where they are 28x28 in grey and
            `classes` are one character each or not given.
        size: Height and width, or one number for both. Default: the architecture's
            own, or that of `start`.
        augment: Names of `AUGMENTATIONS`. Default: "warp" for digits, else "shift".
        validation: The share of each class that is held out, where the folder has no
            `val`. Of arrays also a pair of images and labels, of a data set another.
        test: Images and labels, or a data set, that are measured once, at the end.
        group: Of a folder: files whose names are the same up to this text, such as
            "_", are held out together or not at all: one writer's, say.
        start: A model of the zoo or the path of a `.keras` file, of the same
            architecture, whose convolutions are kept; the head is new.
        freeze: Whether these stay as they are.
        class_weights: Whether uneven classes weigh the same.
        epochs: The most passes over the pictures.
        patience: Epochs without a lower validation loss before training ends.
        batch_size: Pictures a step.
        learning_rate: The peak of the rate, which falls as a cosine.
        seed: Of the split, the weights, the order and the augmentation.
        out: The folder to write into.
        name: The name of the files there. Default: the folder's.
        resume: Go on from the checkpoint of a training that was interrupted.
        overwrite: Whether to replace a model of that name that is there.
        progress: Called after every batch; see `fit`.
        reading: Called after every file that was read.

    Returns:
        The card; `card.path` is the `.keras` file.

    Raises:
        UsageError: the folder or an argument makes no sense.
        KerasconvError: the backend cannot train, or a place cannot be written, or
            another training writes there.

    Example:
        >>> import tempfile
        >>> from kerasconv.digits import load_digits
        >>> images, labels = load_digits()
        >>> card = train_own(images, labels, epochs=1, out=tempfile.mkdtemp())
        >>> card.path.name
        'own.keras'
    """
    check_choice("architecture", architecture, tuple(ARCHITECTURES))
    check_int("epochs", epochs)
    check_int("patience", patience)
    check_int("batch_size", batch_size)
    check_seed(seed)
    if not check_share("learning_rate", learning_rate):
        raise UsageError("`learning_rate` must be above 0. Received: 0")
    for what, flag in {
        "freeze": freeze,
        "class_weights": class_weights,
        "resume": resume,
        "overwrite": overwrite,
    }.items():
        check_bool(what, flag)
    for what, text in {"group": group, "name": name}.items():
        if text is not None:
            check_text(what, text)
    check_path("out", out)
    if freeze and start is None:
        raise UsageError("`freeze` is of the model that `start` names; name one")
    if augment is not None:
        several = isinstance(augment, list | tuple)
        for each in augment if several else [None]:
            if not isinstance(each, str) or each not in AUGMENTATIONS:
                raise UsageError(
                    f"`augment` must be names of {', '.join(AUGMENTATIONS)}. "
                    f"Received: {short(each if several else augment)}"
                )
    if prepare is not None:
        check_choice("prepare", prepare, PREPARATIONS)
    if isinstance(validation, int | float):
        check_validation(validation)
    cards.check_writer()
    fitting.check_trains()
    source = None if start is None else _source(start, architecture)
    is_folder = isinstance(images, str | os.PathLike)
    if is_folder:
        _check_outside(out, images)
    with _place(Path(os.path.expanduser(out)), name, images) as place:
        checkpoint = checkpoint_of(place, name, images)
        name = _named(checkpoint)
        going_on = resume and checkpoint.exists()
        if not (overwrite or going_on):
            _check_free(place / f"{name}.keras")
        if is_folder:
            if labels is not None or test is not None or classes is not None:
                raise UsageError(
                    "a folder names its own classes and test pictures; leave out "
                    "`labels`, `classes` and `test`"
                )
            found = from_folder(
                images, architecture, source, prepare, size, group, place, reading
            )
        else:
            found = from_arrays(images, labels, classes, validation, test, prepare)
        held = held_out(found.pictures, validation, seed, group)
        pictures = found.pictures
        check_counts(pictures, held)
        recipe = Recipe(
            purpose=f"Pictures of one's own: {len(pictures.classes)} classes.",
            architecture=architecture,
            dataset=name,
            arguments={
                "input_shape": pictures.images.shape[1:],
                "num_classes": len(pictures.classes),
            },
            augmentation=_chosen(augment, found.prepare, pictures.images.shape[1:3]),
            learning_rate=learning_rate,
            schedule="cosine",
            batch_size=batch_size,
            epochs=epochs,
        )
        train_rows = np.flatnonzero(held == "train")
        plan = Plan(
            recipe,
            None if start is None else printable(os.fspath(start), 200),
            freeze,
            patience,
            _class_weights(pictures, train_rows) if class_weights else None,
            seed,
        )
        run = _fit(plan, pictures, held, source, checkpoint, resume, progress)
        return _ship(plan, found.prepare, pictures, held, run, place, name, checkpoint)


def _class_weights(pictures: Pictures, rows: np.ndarray) -> dict[int, float] | None:
    """Weights n / (classes · n of the class): then each class weighs the same."""
    counts = np.bincount(pictures.labels[rows], minlength=len(pictures.classes))
    if counts.max() < _UNEVEN * counts.min():
        return None
    each = len(rows) / (len(counts) * counts)
    return {i: round(float(weight), 6) for i, weight in enumerate(each)}


def _chosen(
    augment: Sequence[str] | None, prepare: str, size: tuple[int, ...]
) -> Augmentation:
    known = augmentations((size[0], size[1]))
    names = augment
    if names is None:
        names = ["shift" if prepare == "resize" else "warp"]
    return tuple(layer for name in names for layer in known[name])


# ---------------------------------------------------------------------- the training


class _Batches(feeding.Batches):
    """Batches of some rows of pictures that stay as they are, which may be a file."""

    def __init__(
        self, pictures: Pictures, rows: np.ndarray, size: int, seed: int | None = None
    ) -> None:
        super().__init__(rows, pictures.labels[rows], size, seed)
        self._images = pictures.images

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows, labels = super().__getitem__(index)
        return to_unit(self._images[rows]), labels


def _source(
    start: str | os.PathLike, architecture: str
) -> "tuple[keras.Model, Card | None]":
    """The model to start from, and its card."""
    card = card_of(start)
    model = load_model(start)
    name = printable(os.fspath(start), 200)
    known = card.architecture if card is not None else architecture
    if known in ARCHITECTURES and known != architecture:
        raise UsageError(
            f"{name} is a {known}, and {architecture} shall be "
            "trained; name the same architecture"
        )
    if not any(layer.weights for layer in body(model)):
        raise UsageError(f"{name} has no trained convolutions to start from")
    takes = tuple(model.inputs[0].shape[1:])
    if len(takes) != 3 or None in takes or takes[2] not in (1, 3):
        raise UsageError(f"{name} takes {takes}, which is no image of known size")
    return model, card


def _fit(
    plan: Plan,
    pictures: Pictures,
    split: np.ndarray,
    source: "tuple[keras.Model, Card | None] | None",
    checkpoint: Path,
    resume: bool,
    progress: checkpoints.Progress | None,
) -> fitting.Run:
    """The training itself, with early stopping and a checkpoint an epoch."""
    recipe = plan.recipe
    rows = {part: np.flatnonzero(split == part) for part in ("train", "validation")}
    batches = _Batches(pictures, rows["train"], recipe.batch_size, plan.seed)
    keras.utils.set_random_seed(plan.seed)
    try:
        network = fitting.build(recipe)
    except ValueError as error:
        raise UsageError(
            f"{recipe.architecture} cannot be built for these pictures: "
            f"{one_line(error)}; take another `size`"
        ) from error
    if source is not None:
        if not keep_body(network, source[0]):
            raise UsageError(
                f"{plan.start} does not fit a {recipe.architecture} for pictures of "
                f"{'x'.join(map(str, pictures.images.shape[1:]))}: its convolutions "
                "are others"
            )
        if plan.frozen:
            for layer in body(network):
                layer.trainable = False
    trainer = keras.Sequential(
        [
            keras.Input(pictures.images.shape[1:]),
            *fitting.augmentation_layers(recipe),
            network,
        ]
    )
    trainer.compile(
        fitting.optimizer(recipe, recipe.epochs * len(batches)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    trainer.optimizer.build(trainer.trainable_variables)
    identity = json.loads(
        checkpoints.identity(
            recipe, network, pictures.images, pictures.labels, plan.seed, recipe.epochs
        )
    )
    identity |= {
        "start": plan.start,
        "frozen": plan.frozen,
        "patience": plan.patience,
        "class_weights": json.loads(json.dumps(plan.weights)),
        "split": "".join(part[0] for part in split),
    }
    stopping = keras.callbacks.EarlyStopping(
        "val_loss", patience=plan.patience, restore_best_weights=True
    )
    keeper = checkpoints.Keeper(
        checkpoint,
        json.dumps(identity, sort_keys=True),
        plan.seed,
        batches,
        recipe.epochs,
        progress,
        stopping,
    )
    finished = keeper.restore(trainer) if resume else 0
    trainer.fit(
        feeding.as_input(batches),
        epochs=finished if keeper.stopped else recipe.epochs,
        initial_epoch=finished,
        validation_data=feeding.as_input(_Batches(pictures, rows["validation"], 500)),
        class_weight=plan.weights,
        shuffle=False,
        callbacks=[stopping, keeper],
        verbose=0,
    )
    trained = fitting.build(recipe, training=False)
    trained.set_weights(network.get_weights())
    return fitting.Run(
        trained,
        plan.seed,
        keeper.history,
        {},
        keeper.seconds,
        keeper.cores,
    )


def answers(
    model: "keras.Model", images: np.ndarray, rows: np.ndarray, step: int = 1000
) -> np.ndarray:
    """The probabilities of some rows of images, a piece at a time."""
    predictor = Predictor(model)
    parts = [
        predictor(np.asarray(images[rows[at : at + step]]))
        for at in range(0, len(rows), step)
    ]
    return np.concatenate(parts).astype(np.float64)


# --------------------------------------------------------------------- what is written


@contextlib.contextmanager
def _place(out: Path, name: str | None, images: Any) -> Iterator[Path]:
    """The folder to write into, which is there and can be written, or one line why not.

    No other training writes what is called so there meanwhile. The folder goes if it
    was made here and nothing came of it.
    """
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise KerasconvError(
            f"{printable(str(out))} cannot be written "
            f"({error.strerror or type(error).__name__}); choose another folder with "
            "`out`"
        ) from error
    checkpoint = checkpoint_of(out, name, images)
    try:
        with files.alone(checkpoint.with_suffix(".lock")) as alone:
            if not alone:
                raise KerasconvError(
                    f"another training writes {_named(checkpoint)} into "
                    f"{printable(str(out))} now; wait for it, or choose another `name`"
                )
            yield out
    finally:
        if made:
            with contextlib.suppress(OSError):
                out.rmdir()


def _check_outside(out: str | os.PathLike, images: str | os.PathLike) -> None:
    """Refuse to put pictures of a training where the next one finds them in a class."""
    check_path("images", images)
    into, read = (os.path.realpath(os.path.expanduser(path)) for path in (out, images))
    if Path(into).is_relative_to(read):
        raise UsageError(
            f"{printable(os.fspath(out))!r} lies in {printable(os.fspath(images))!r}, "
            "which is read: name a folder outside with `out`"
        )


def _named(checkpoint: Path) -> str:
    return checkpoint.name[1:].removesuffix(_CHECKPOINT)


def _check_free(path: Path) -> None:
    """Refuse to replace a model that took hours, or the card of another."""
    for there in (path, path.with_suffix(".toml")):
        if os.path.lexists(there):
            raise UsageError(
                f"{printable(str(there))} exists already; choose another `name` or "
                "`out`, or replace it with `overwrite=True`"
            )


def checkpoint_of(out: str | os.PathLike, name: str | None, images: Any) -> Path:
    """Where the checkpoint of a training is, which has the name of what it writes."""
    if name is None:
        is_folder = isinstance(images, str | os.PathLike)
        name = Path(os.path.expanduser(images)).resolve().name if is_folder else ""
    # A name that any disk takes, and that no program reads as an option.
    name = re.sub(r"[^\w.-]+", "_", name.removesuffix(".keras"))
    name = name.strip("._-")[:80] or "own"
    return Path(os.path.expanduser(out)) / f".{name}{_CHECKPOINT}"


def _ship(
    plan: Plan,
    prepare: str,
    pictures: Pictures,
    split: np.ndarray,
    run: fitting.Run,
    place: Path,
    name: str,
    checkpoint: Path,
) -> Card:
    """Measure the network, and write it with its card, its page and its pictures."""
    measured: dict[str, Any] = {}
    said: dict[str, np.ndarray] = {}
    for part in ("validation", "test"):
        rows = np.flatnonzero(split == part)
        if len(rows):
            said[part] = answers(run.model, pictures.images, rows)
            measured[part] = metrics.summary(said[part], pictures.labels[rows])
    measured["reading"] = own_card.refusals(
        {part: (said[part], pictures.labels[split == part]) for part in said}
    )
    shown = "test" if "test" in said else "validation"
    rows = np.flatnonzero(split == shown)
    hardest = own_card.hardest(pictures, rows, said[shown])
    path = place / f"{name}.keras"
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / path.name
        untrusted.save_model(run.model, made)
        facts = own_card.facts(
            name, plan, prepare, pictures, split, run, measured, hardest, made
        )
        shipping.replace(path, made, facts)
    card = card_beside(path)
    assert card is not None
    own_card.write_beside(card, pictures, shown, hardest)
    checkpoint.unlink(missing_ok=True)
    return card
