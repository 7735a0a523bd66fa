"""The card of a network for one's own pictures, its page, and what lies beside it."""

import csv
import datetime
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv import data, files, untrusted
from kerasconv._keras import keras
from kerasconv.errors import in_a_cell, printable
from kerasconv.models import Card, class_names
from kerasconv.models._card import file_digest
from kerasconv.training.card import count
from kerasconv.training.fitting import Run
from kerasconv.training.folder import Pictures
from kerasconv.training.page import recipe_in_words, table

if TYPE_CHECKING:
    from kerasconv.training.own import Plan

# What a card has room for: see `untrusted.MAX_CARD_BYTES`.
_HARDEST, _NAMED = 24, 20

# What a recipe of the zoo says, and a training of one's own does otherwise.
_OF_THE_ZOO = (
    *("purpose", "dataset", "arguments", "validation_share"),
    *("first_order", "revisions"),
)

Hardest = list[tuple[int, int, float]]


def hardest(pictures: Pictures, rows: np.ndarray, said: np.ndarray) -> Hardest:
    """The pictures of the highest loss: the row, what was read, its probability."""
    truth = said[np.arange(len(rows)), pictures.labels[rows]]
    worst = np.argsort(truth, kind="stable")[:_HARDEST]
    return [(int(rows[i]), int(said[i].argmax()), float(said[i].max())) for i in worst]


def refusals(
    said: dict[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, Any]:
    """The least probability of a class that is answered, and what it would refuse.

    Of the validation pictures that are read right at most one of a hundred falls below.
    """
    rows, labels = said["validation"]
    sure = rows.max(1)[rows.argmax(1) == labels]
    least = float(np.quantile(sure, 0.01, method="lower")) if len(sure) else 0.0
    least = int(1e4 * least) / 1e4  # downwards, so that none of these is refused
    refused = {
        f"{part}_refused": int((rows.max(1) < least).sum())
        for part, (rows, _) in said.items()
    }
    return {"min_confidence": least, **refused}


def facts(
    name: str,
    plan: "Plan",
    prepare: str,
    pictures: Pictures,
    split: np.ndarray,
    run: Run,
    measured: dict[str, Any],
    worst: Hardest,
    weights: Path,
) -> dict[str, Any]:
    """Everything that the card states."""
    model, recipe, classes = run.model, plan.recipe, pictures.classes
    parts = [part for part in ("train", "validation", "test") if (split == part).any()]
    counts = {
        part: np.bincount(pictures.labels[split == part], minlength=len(classes))
        for part in parts
    }
    found: dict[str, Any] = {
        "architecture": recipe.architecture,
        "weights": name,
        "sha256": file_digest(weights),
        "bytes": weights.stat().st_size,
        "date": datetime.date.today(),
        "classes": list(classes),
        "prepare": prepare,
        "size": list(pictures.images.shape[1:3]),
        "arguments": json.loads(json.dumps(recipe.arguments)),
        "parameters": {
            "total": model.count_params(),
            "trainable": count(model.trainable_weights),
            "non_trainable": count(model.non_trainable_weights),
        },
        "data": {
            "name": name,
            "sha256": data.digest(pictures.images, pictures.labels),
            **{part: int(counts[part].sum()) for part in parts},
            "left_out": len(pictures.left_out),
            "not_taken": [
                {"file": _short(file), "reason": _short(reason)}
                for file, reason in pictures.left_out[:_NAMED]
            ],
            "by_class": {part: counts[part].tolist() for part in parts},
        },
        "recipe": {
            "name": name,
            **{
                key: value
                for key, value in json.loads(json.dumps(recipe.facts())).items()
                if key not in _OF_THE_ZOO
            },
            **({} if plan.start is None else {"start": plan.start}),
            "frozen": plan.frozen,
            "patience": plan.patience,
            "class_weights": list(plan.weights.values()) if plan.weights else [],
            "seed": plan.seed,
            "epochs_trained": len(run.history["loss"]),
            "best_epoch": int(np.argmin(run.history["val_loss"])) + 1,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "seconds_per_epoch": round(run.seconds / len(run.history["loss"]), 2),
            "cores": run.cores,
        },
        **measured,
        "history": run.history,
        "hardest": [
            {
                "file": _short(pictures.names[row]),
                "truth": classes[pictures.labels[row]],
                "read": classes[read],
                "probability": round(probability, 4),
            }
            for row, read, probability in worst
        ],
        "tensors": untrusted.tensor_digests(weights),
    }
    return _fitted(found)


def _short(name: str) -> str:
    """A file's name or a reason as a card holds it: a line of few dots."""
    name = printable(name, 200)
    return name if name.count(".") < 20 else name.replace(".", "_")


def _fitted(found: dict[str, Any]) -> dict[str, Any]:
    """The facts without the longest tables, where a card cannot hold them."""
    import tomli_w

    room = untrusted.MAX_CARD_BYTES // 2  # a card holds the next one too, for a moment
    for path in (
        *(("validation", "confusion"), ("test", "confusion")),
        *(("data", "by_class"), ("hardest",), ("data", "not_taken"), ("history",)),
        *(("validation", "by_class"), ("test", "by_class")),
        ("recipe", "class_weights"),
    ):
        if len(tomli_w.dumps(found).encode()) <= room:
            break
        part = found.get(path[0], {}) if len(path) == 2 else found
        part.pop(path[-1], None)
    return found


# -------------------------------------------------------------- what lies beside a card


def write_beside(card: Card, pictures: Pictures, shown: str, worst: Hardest) -> None:
    """Write the page, the pictures, and the list of what was left out."""
    from kerasconv import plotting

    def beside(what: str) -> Path:
        return card.path.with_name(f"{card.path.stem}-{what}")

    said, drawn = card.facts.get(shown, {}), []
    if "confusion" in said:
        figure = plotting.plot_confusion_matrix(said["confusion"], pictures.classes)
        plotting.save_figure(figure, beside("confusion.png"), dpi=80)
        drawn.append(
            ("confusion", f"How often each class was taken for each ({shown})")
        )
    if "history" in card.facts:
        figure = plotting.plot_history(card.facts["history"])
        plotting.save_figure(figure, beside("history.png"), dpi=80)
        drawn.append(("history", "Loss and accuracy by the epoch"))
    captions = _captions(pictures, worst)
    images = pictures.images[[row for row, *_ in worst]]
    if images.shape[-1] == 1:
        figure = plotting.plot_digits(images, captions, columns=8)
    else:
        titles = [caption.replace("\n", ", ") for caption in captions]
        shades = (image / np.float32(255) for image in images)
        figure = plotting.plot_images(dict(zip(titles, shades, strict=True)))
    plotting.save_figure(figure, beside("hardest.png"), dpi=80)
    drawn.append(("hardest", f"The pictures of the highest loss ({shown})"))
    place = beside("left_out.csv")
    if pictures.left_out:
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerow(["file", "reason"])
        writer.writerows(
            (in_a_cell(file, path=True), reason) for file, reason in pictures.left_out
        )
        files.write_text(place, rows.getvalue())
    else:
        place.unlink(missing_ok=True)
    files.write_text(card.path.with_suffix(".md"), page(card, drawn))


def _captions(pictures: Pictures, worst: Hardest) -> list[str]:
    """What is said under each picture: no formula, though a class be called so."""
    from kerasconv.plotting._canvas import label

    names = list(map(label, pictures.classes))
    return [
        f"{names[read]}, {probability:.0%}\nis {names[pictures.labels[row]]}\n{row}"
        for row, read, probability in worst
    ]


def page(card: Card, drawn: list[tuple[str, str]]) -> str:
    """The page of the network, in Markdown, from its card."""
    found = card.facts
    recipe, counts = found["recipe"], found["data"]
    rows = {
        "classes": ", ".join(class_names(card) or ()),
        "pictures": ", ".join(
            f"{counts[part]:,} {part}" for part in _PARTS if part in counts
        ),
        "left out": f"{counts['left_out']:,}",
        "prepared": f"{found['prepare']}, "
        + "x".join(map(str, found["arguments"]["input_shape"])),
        "parameters": f"{found['parameters']['total']:,} "
        f"({found['parameters']['trainable']:,} trainable)",
        "recipe": recipe_in_words(recipe),
        "epochs": f"{recipe['epochs_trained']}, of which {recipe['best_epoch']} was "
        "the best on the validation pictures and is kept",
        "trained with": f"Keras {recipe['keras']} on {recipe['backend']}, seed "
        f"{recipe['seed']}, {recipe['seconds_per_epoch']:g} s an epoch",
        "date": found["date"].isoformat(),
        "SHA-256": f"`{found['sha256']}`",
    }
    if "start" in recipe:
        frozen = ", which stayed as they were" if recipe["frozen"] else ""
        rows["begun with"] = f"the convolutions of {recipe['start']}{frozen}"
    for part in _PARTS:
        if part in found:
            low, high = found[part]["interval"]
            rows[f"{part} accuracy"] = (
                f"{found[part]['accuracy']:.2%} of {found[part]['examples']:,} "
                f"(95 % interval {low:.2%} to {high:.2%})"
            )
    least = found["reading"]["min_confidence"]
    refused = ", ".join(
        f"{found['reading'][f'{part}_refused']} {part}"
        for part in _PARTS
        if f"{part}_refused" in found["reading"]
    )
    rows["unsure"] = f"below a probability of {least:g}: {refused}"
    stem = card.path.stem
    parts = [
        f"# {stem}",
        f"A `{card.architecture}`, written by `kerasconv train --images`.",
        table({key: value.replace("|", "\\|") for key, value in rows.items()}),
        "The validation pictures chose the epoch, so their figures flatter; those of "
        "test pictures, where there are any, do not.",
        "```sh\nkerasconv predict PICTURES --model " + card.path.name + "\n```",
        *(f"![{about}.]({stem}-{what}.png)\n\n*{about}.*" for what, about in drawn),
    ]
    return "\n\n".join(parts) + "\n"


_PARTS = ("train", "validation", "test")
