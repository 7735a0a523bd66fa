"""Pictures of one's own, a folder a class: trained on, evaluated, compared."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv.cli._app import (
    checked_model,
    progress,
    remark,
    running,
    start,
    start_to_train,
)
from kerasconv.errors import KerasconvError, UsageError, meant, printable

if TYPE_CHECKING:
    import numpy as np

    from kerasconv.models import Card
    from kerasconv.training.folder import Pictures

# Files that are named where they were left out.
_NAMED = 5


def size_of(text: str | None) -> int | tuple[int, int] | None:
    """The sides in "32" or, height first, in "48x64"."""
    if text is None:
        return None
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) == 1:
        return sides[0]
    if len(sides) == 2:
        return sides[0], sides[1]
    raise UsageError(f"--size must be like 32 or 48x64, height first, not {text!r}")


def train_folder(
    architecture: str, images: Path, backend: str | None, augment: str | None, **options
) -> None:
    """Train on a folder, and print what was measured and how the model is used."""
    from kerasconv.models import ARCHITECTURES

    if architecture not in ARCHITECTURES:
        known, _, weights = architecture.partition("/")
        hint = (
            f"did you mean {known} --from {printable(architecture, 100)}?"
            if weights and known in ARCHITECTURES
            else meant(architecture, ARCHITECTURES)
        )
        raise UsageError(
            f"no architecture is called {printable(architecture, 100)!r}; {hint}"
        )
    _check_folder(images)
    if options["start"] is not None:
        checked_model(options["start"])
    start_to_train(backend)
    from kerasconv import training

    names = (
        None
        if augment is None
        else [n for n in map(str.strip, augment.split(",")) if n]
    )
    out, name = options["out"], options["name"]
    try:
        with progress(f"training {architecture}") as advance:
            card = training.train_own(
                images,
                architecture=architecture,
                augment=names,
                progress=advance,
                reading=lambda done, total: advance(done, total),
                **options,
            )
    except KeyboardInterrupt:
        from kerasconv.training.own import checkpoint_of

        if checkpoint_of(out, name, images).exists():
            remark("what is trained is kept; go on with --resume")
        raise
    _tell(card)


def _tell(card: "Card") -> None:
    """What a training came to: the pictures, the figures, how to use the model."""
    facts = card.facts
    counts, recipe = facts["data"], facts["recipe"]
    shape = "x".join(map(str, facts["arguments"]["input_shape"]))
    held = ", ".join(
        f"{counts[part]:,} {what}"
        for part, what in {
            "train": "to train on",
            "validation": "held out",
            "test": "to test",
        }.items()
        if part in counts
    )
    prepared = {"digit": "digits", "resize": "pictures, resized"}
    print(f"classes      {len(facts['classes'])}: {_few(facts['classes'])}")
    print(f"pictures     {held}; prepared as {prepared[facts['prepare']]}, {shape}")
    if counts["left_out"]:
        place = card.path.with_name(f"{card.path.stem}-left_out.csv")
        print(f"left out     {counts['left_out']:,}, all in {place}; such as")
        for each in counts.get("not_taken", [])[:_NAMED]:
            print(f"  {each['file']}: {each['reason']}")
    if recipe["class_weights"]:
        print("weights      each class weighs the same, for they are of uneven size")
    print(
        f"epochs       {recipe['epochs_trained']}, the best was "
        f"{recipe['best_epoch']} ({recipe['seconds_per_epoch']:g} s each)"
    )
    for part in ("validation", "test"):
        if part in facts:
            tell_accuracy(part, facts[part])
    held_out = counts.get("by_class", {}).get("validation")  # no room for hundreds
    missing = [facts["classes"][i] for i, n in enumerate(held_out or ()) if not n]
    if missing:
        print(f"not measured {_few(missing)}: no picture of them is held out")
    shown = facts.get("test", facts["validation"])
    if len(facts["classes"]) <= 12 and "confusion" in shown:
        print_confusion(shown["confusion"], facts["classes"])
    wrong = [each for each in facts.get("hardest", []) if each["read"] != each["truth"]]
    for each in wrong[:_NAMED]:
        print(
            f"hardest      {each['file']}: {each['read']} "
            f"({each['probability']:.0%}), not {each['truth']}"
        )
    print(f"written      {card.path}, its card, its page and pictures beside it")
    print(f"use it       kerasconv predict PICTURES --model {_quoted(card.path)}")


def tell_accuracy(what: str, measured: dict[str, Any]) -> None:
    """One line: the accuracy and its interval."""
    low, high = measured["interval"]
    print(
        f"{what:12} {measured['accuracy']:.2%} of {measured['examples']:,} "
        f"(95 %: {low:.2%} to {high:.2%})"
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(printable(str(path)))


def _check_folder(images: Path) -> None:
    """Tell of a wrong folder before Keras, which is slow, is imported."""
    images = Path(os.path.expanduser(images))
    if not images.is_dir():
        what = "is a file" if images.exists() else "does not exist"
        raise UsageError(
            f"--images {printable(str(images))!r} {what}; give a folder that holds a "
            "folder for each class"
        )


def read_for(
    model: Any, card: "Card | None", images: Path, name: str
) -> "tuple[Pictures, np.ndarray, tuple[str, ...]]":
    """A folder's pictures as a model takes them, which of them count, and the classes.

    Where the folder has `test`, that is what counts. The labels are those of the
    model's classes, by their names.
    """
    import numpy as np

    from kerasconv.models import class_names
    from kerasconv.models._own import check_answers, preparation_of
    from kerasconv.training import folder

    check_answers(model, card)
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3 or None in shape or shape[2] not in (1, 3):
        raise UsageError(f"{name} takes {shape}, which is no image of known size")
    kind = preparation_of(card)
    if shape != (28, 28, 1):
        kind = "resize"
    names = class_names(card)
    if names is None:
        raise UsageError(
            f"{name} has no card beside it that names its classes; train it with "
            "kerasconv train --images, or copy its card there"
        )
    listing = folder.list_folder(images, least=1)
    if strange := [each for each in listing.classes if each not in names]:
        raise UsageError(
            f"{printable(str(images))!r} has the classes "
            f"{', '.join(map(repr, strange[:5]))}, which {name} does not know: "
            f"{_few(list(names))}"
        )
    with progress("reading pictures") as advance:
        found = folder.read_folder(
            listing, kind, shape, progress=advance, workers=None,
            spill=Path(tempfile.gettempdir()),
        )  # fmt: skip
    split = np.array(found.split)
    rows = np.flatnonzero(split == "test") if "test" in split else np.arange(len(split))
    if not len(rows):
        raise KerasconvError(f"no picture of {printable(str(images))!r} can be read")
    places = np.array([names.index(each) for each in found.classes])
    found.labels = places[found.labels]
    return found, rows, names


def tell_left_out(left_out: list[tuple[str, str]]) -> None:
    """On standard error: how many files were left out, and the first of them."""
    if left_out:
        count = len(left_out)
        files = "1 file was" if count == 1 else f"{count:,} files were"
        remark(f"{files} left out, such as")
        for file, reason in left_out[:_NAMED]:
            remark(f"  {file}: {reason}")


def measured_on(
    model: Any, found: "Pictures", rows: "np.ndarray", name: str
) -> "np.ndarray":
    """The probabilities that a model gives to some of the pictures."""
    from kerasconv import metrics
    from kerasconv.training.own import answers

    with running(name):
        said = answers(model, found.images, rows)
    metrics.check_finite(said, name)
    return said


def evaluate_folder(
    name: str,
    images: Path,
    confusion: bool,
    save: Path | None,
    as_json: bool,
    trust: bool,
    sealed: bool,
    backend: str | None,
) -> None:
    """Measure a model on a folder, and print the figures."""
    import json

    _check_folder(images)
    card = checked_model(name, trust=trust, sealed=sealed)
    used = start(backend)
    from kerasconv import metrics, plotting
    from kerasconv.models import load_model

    model = load_model(name, trust=trust)
    found, rows, names = read_for(model, card, images, name)
    said = measured_on(model, found, rows, name)
    measured = metrics.summary(said, found.labels[rows])
    tell_left_out(found.left_out)
    if as_json:
        report: dict[str, Any] = {
            "model": name,
            "images": printable(str(images)),
            "backend": used,
        }
        report |= {"classes": list(names), **measured}
        report["left_out"] = _as_json(found.left_out)
        print(json.dumps(report, indent=2))
    else:
        print(f"model        {name} on {used}")
        print(f"pictures     {printable(str(images))}")
        tell_accuracy("accuracy", measured)
        print(f"errors       {measured['errors']} of {measured['examples']:,}")
        print(f"loss         {measured['loss']:.4f}")
        print(f"calibration  {measured['calibration_error']:.2%}")
        if confusion:
            print_confusion(measured["confusion"], names)
    if save is not None:
        figure = plotting.plot_confusion_matrix(measured["confusion"], names)
        plotting.save_figure(figure, save)


def _place(name: str, card: "Card | None") -> Any:
    """Where a model is kept, however it is named."""
    from kerasconv.models._card import is_file_name

    if is_file_name(name):
        kept = os.stat(os.path.expanduser(name))
        return kept.st_dev, kept.st_ino
    return card.name  # type: ignore[union-attr]


def compare_folder(
    first: str,
    second: str,
    images: Path,
    trust: bool,
    sealed: bool,
    backend: str | None,
) -> "tuple[dict[str, Any], list[str], list[dict], list[np.ndarray]]":
    """What two models were compared on, their figures, and which each has right."""
    _check_folder(images)
    pair = {
        name: checked_model(name, trust=trust, sealed=sealed)
        for name in (first, second)
    }
    if _place(first, pair[first]) == _place(second, pair[second]):
        raise UsageError(f"{first} and {second} are the same model; name two")
    used = start(backend)
    from kerasconv import metrics
    from kerasconv.models import load_model

    read = {}
    left_out: dict[str, str] = {}
    for name, card in pair.items():
        model = load_model(name, trust=trust)
        seen, rows, names = read_for(model, card, images, name)
        said = measured_on(model, seen, rows, name)
        files = [seen.names[row] for row in rows]
        facts = {"parameters": model.count_params(), "classes": list(names)}
        left_out |= seen.left_out
        read[name] = facts, files, said, seen.labels[rows]
    tell_left_out([*left_out.items()])
    # What shows nothing to one of them, prepared as its card says, is no question.
    both = set.intersection(*(set(files) for _, files, *_ in read.values()))
    found, right = [], []
    for facts, files, said, labels in read.values():
        at = [i for i, file in enumerate(files) if file in both]
        figures = metrics.summary(said[at], labels[at])
        found.append({**facts, **figures})
        right.append(said[at].argmax(1) == labels[at])
    about = {
        "images": printable(str(images)),
        "backend": used,
        "left_out": _as_json([*left_out.items()]),
    }
    return about, list(pair), found, right


def _as_json(left_out: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"file": file, "reason": reason} for file, reason in left_out]


def print_confusion(matrix: list[list[int]], classes: Sequence[str]) -> None:
    """The confusion matrix as a table: true classes down, predicted ones across."""
    from rich.table import Table

    from kerasconv import terminal

    table = Table("true \\ read", box=None, padding=(0, 1, 0, 0))
    for name in classes:
        table.add_column(name, justify="right")
    for name, row in zip(classes, matrix, strict=True):
        table.add_row(name, *(str(n) if n else "." for n in row))
    terminal.stdout().print(table)
