"""A model of the zoo from its recipe: several seeds, one choice, what is written."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from kerasconv import data, files, untrusted
from kerasconv._arguments import check_int, check_seed
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.files import check_path
from kerasconv.models import Card
from kerasconv.models._card import read_card
from kerasconv.recipes import Recipe, find_recipe
from kerasconv.training import card as cards
from kerasconv.training import page
from kerasconv.training.checkpoint import Progress
from kerasconv.training.fitting import check_trains, fit
from kerasconv.training.measuring import answers, measure


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
) -> Card:
    """Train a model of the zoo, measure it, and write weights, card and README.

    A share of the training set, the validation split, is not trained on: it alone
    decides which seed is shipped. The test set is read once, after all training.

    Args:
        name: "architecture/weights", or "architecture" for its default recipe.
        recipe: The weights' name, if not in `name`.
        seed: Seed of the initial weights, the order of the images, the augmentation
            and the dropout.
        seeds: How many seeds to try, from `seed` on.
        epochs: Passes over the training set, instead of the recipe's.
        data_dir: Where the data set is; see `kerasconv.data.load`.
        out: The folder to write `<architecture>/<weights>.keras` and the rest into.
        download: Whether the data set may be downloaded.
        resume: Go on from the checkpoints of a training that was interrupted.
        progress: Called after every batch; see `fit`.
        limit: Use only the first training and test images, as many as this, for a
            trial run.

    Returns:
        The card of the new weights.

    Raises:
        UsageError: no such recipe, or a number that makes no sense.
        KerasconvError: the data set or tomli-w is missing, this backend cannot train,
            or the checkpoint is another training's.
    """
    full, plan = find_recipe(name, recipe)
    check_path("out", out)
    epochs = plan.epochs if epochs is None else epochs
    cards.check_writer()
    _check(plan, epochs, seed, seeds, limit)
    folder, weights = Path(out) / plan.architecture, full.split("/")[1]
    images, labels = data.load(plan.dataset, "train", data_dir, download=download)
    images, labels = images[:limit], labels[:limit]

    checkpoints = [
        folder / f".{weights}-{s}.checkpoint.npz" for s in range(seed, seed + seeds)
    ]
    runs = [
        fit(
            plan,
            images,
            labels,
            seed=seed + i,
            epochs=epochs,
            checkpoint=path,
            resume=resume,
            progress=progress and _share_of(progress, i, seeds),
        )
        for i, path in enumerate(checkpoints)
    ]
    chosen = min(runs, key=lambda run: run.validation["loss"])

    test_images, test_labels = data.load(plan.dataset, "test", data_dir)
    test = test_images[:limit], test_labels[:limit]
    tests = [measure(run.model, *test) for run in runs]
    path = folder / f"{weights}.keras"
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / path.name
        untrusted.save_model(chosen.model, made)
        facts = cards.facts(
            full, plan, epochs, runs, tests, chosen, made, (images, labels), test
        )
        card = replace(path, made, facts)
    page.write_pictures(card, chosen.model, *test, answers(chosen.model, test[0]))
    page.write(folder)
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)
    return card


def replace(path: Path, made: Path, facts: dict[str, Any]) -> Card:
    """Put new weights and their card where an earlier pair may be.

    The card that is there first learns of the next one. So whenever the program is
    killed, weights and card are a pair: the earlier one or the new one.

    Args:
        path: Where the weights shall be.
        made: The new weights.
        facts: What their card says.
    """
    place = path.with_suffix(".toml")
    if path.exists() and place.exists():
        # Nothing is lost where the card cannot be read: no pair was there.
        with contextlib.suppress(KerasconvError):
            cards.write(place, {**read_card(place).facts, "next": facts})
    files.write_with(path, lambda beside: shutil.copyfile(made, beside))
    return cards.write(place, facts)


def _check(
    recipe: Recipe, epochs: int, seed: int, seeds: int, limit: int | None
) -> None:
    check_int("epochs", epochs)
    check_int("seeds", seeds)
    check_seed(seed)
    if not 0 <= seed <= seed + seeds - 1 < 2**32:
        raise UsageError(f"`seed` must be from 0 to 2**32 - 1. Received: {seed}")
    if limit is not None and check_int("limit", limit) < 2 * recipe.batch_size:
        raise UsageError(
            f"`limit` must leave two batches of {recipe.batch_size} images. "
            f"Received: {limit}"
        )
    check_trains()


def _share_of(progress: Progress, index: int, count: int) -> Progress:
    """The progress of one of several runs as progress of all."""

    def report(done: int, total: int, facts: dict[str, float]) -> None:
        progress(index * total + done, count * total, facts)

    return report
