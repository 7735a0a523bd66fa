"""The page of an architecture (its README), rendered from its cards.

`python -m kerasconv.training.page models/mnist_cnn` writes it anew.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import files
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.models import ARCHITECTURES, Architecture, Card
from kerasconv.models._card import read_card

# Pictures beside a card, by the end of their name, and what each shows.
PICTURES = {
    "digits": "The handwritten digits in the package, each with what the network reads "
    "and, where that is wrong, what it is",
    "kernels": "The kernels of the first convolution, blue negative and red positive",
    "confusion": "How often each class of the test set was taken for each",
    "hardest": "The test images with the highest loss, each with what the network "
    "reads and what it is",
    "history": "Loss and accuracy by the epoch, on the training and the validation "
    "images; random changes and dropout make the training images harder, and the "
    "curves are of the weights before averaging",
}


_ROC = (
    "What every threshold refuses of pictures of no digit and loses of single digits, "
    "and the one that counts unless stated"
)


def write(folder: Path) -> None:
    """Write the README of one architecture.

    Args:
        folder: Where its cards are, such as `models/mnist_cnn`.

    Raises:
        UsageError: the folder has not the name of an architecture, or no cards.
        KerasconvError: a card cannot be read, or lacks what the page says.
    """
    files.write_text(folder / "README.md", render(folder))


def write_pictures(
    card: Card,
    model: Any,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> None:
    """Draw the pictures of one card, from what its model said of the test set."""
    from kerasconv import data, plotting
    from kerasconv.digits import load_digits
    from kerasconv.predict import Predictor

    def save(what: str, figure: Any) -> None:
        plotting.save_figure(
            figure, card.path.with_name(f"{card.weights}-{what}.png"), dpi=80
        )

    dataset = data.DATASETS[card.facts["data"]["name"]]
    confusion = card.facts["test"]["confusion"]
    save("confusion", plotting.plot_confusion_matrix(confusion, dataset.classes))
    if card.facts["history"]:
        save("history", plotting.plot_history(card.facts["history"]))
    if "bundled_digits" in card.facts:
        digits, truth = load_digits()
        read = Predictor(model)(digits).argmax(1)
        captions = _captions(read, truth, dataset.classes)
        save("digits", plotting.plot_digits(digits, captions, columns=16))
    convolution = next((w for w in model.weights if len(w.shape) == 4), None)
    if convolution is not None and convolution.shape[2] == 1:
        kernels = np.moveaxis(np.asarray(convolution.numpy())[:, :, 0], -1, 0)
        save("kernels", plotting.plot_kernels(dict(enumerate(kernels))))
    if dataset.licence != "none stated":
        truth = probabilities[np.arange(len(labels)), labels]
        worst = np.argsort(truth, kind="stable")[:24]
        captions = _captions(
            probabilities[worst].argmax(1), labels[worst], dataset.classes
        )
        save("hardest", plotting.plot_digits(images[worst], captions, columns=8))


def _captions(read: np.ndarray, truth: np.ndarray, classes: Sequence[str]) -> list[str]:
    # In two lines: in one, neighbours would run into each other.
    return [
        classes[a] if a == b else f"{classes[a]},\nnot {classes[b]}"
        for a, b in zip(read, truth, strict=True)
    ]


def render(folder: Path) -> str:
    """The README of one architecture, from all cards in its folder."""
    name = folder.resolve().name
    found = [read_card(path) for path in sorted(folder.glob("*.toml"))]
    if name not in ARCHITECTURES or not found:
        raise UsageError(
            f"{folder} must be a folder of cards with the name of an architecture: "
            f"{', '.join(ARCHITECTURES)}"
        )
    architecture = ARCHITECTURES[name]
    found.sort(key=lambda card: card.weights != architecture.weights)
    try:
        return "\n\n".join(_parts(architecture, name, found)) + "\n"
    except KeyError as error:
        raise KerasconvError(
            f"a card in {folder} is older than this page and says nothing of {error}; "
            "train those weights again, or take their card away"
        ) from error


def _parts(architecture: Architecture, name: str, found: list[Card]) -> list[str]:
    return [
        _head(found),
        f"# {name}",
        "Written by the training recipe from the cards (`*.toml`) in this folder; "
        "change those by training, not this page by hand.",
        architecture.about,
        "## Use",
        "```python\n"
        "from kerasconv.models import load_model\n\n"
        f'model = load_model("{found[0].name}")\n'
        "```",
        architecture.use,
        "## Weights",
        _overview(found),
        "Accuracy, loss (NLL, nats) and calibration error (ECE, 15 bins) are of the "
        "shipped weights on the whole test set; mean ± sd is over the seeds; "
        "corrupted is the mean accuracy over the families of "
        "`kerasconv.corruptions`.",
        *_time_saved(found),
        *_pooling_costs(found),
        *(section for card in found for section in _sections(card)),
    ]


def _head(found: list[Card]) -> str:
    licences = sorted({card.facts["licence"] for card in found})
    datasets = sorted({card.facts["data"]["name"] for card in found})
    lines = [
        "library_name: keras",
        "pipeline_tag: image-classification",
        f"license: {licences[0].lower()}",
        "datasets:",
        *(f"- {name}" for name in datasets),
        "metrics:",
        "- accuracy",
    ]
    return "---\n" + "\n".join(lines) + "\n---"


def _overview(found: list[Card]) -> str:
    rows = [
        "| weights | test accuracy | mean ± sd (seeds) | loss | calibration | "
        "corrupted |",
        "|---|---|---|---|---|---|",
    ]
    for card in found:
        test = card.facts["test"]
        corrupted = card.facts.get("corruptions")
        robust = f"{corrupted['mean']:.1%}" if corrupted else ""
        rows.append(
            f"| {card.weights} | {test['accuracy']:.2%} | {seeds(card)} | "
            f"{test['loss']:.4f} | {test['calibration_error']:.2%} | "
            f"{robust} |"
        )
    return "\n".join(rows)


def _time_saved(found: list[Card]) -> list[str]:
    """How much sooner the fast recipe is where the course's is later."""
    by_name = {card.weights: card for card in found}
    if not {"fast", "course"} <= by_name.keys():
        return []
    fast, course = by_name["fast"].facts, by_name["course"].facts
    recipe, reached = fast["recipe"], _by_epoch(fast)[-1]
    seconds = recipe["seconds_per_epoch"] * recipe["epochs"]
    said = (
        f"The recipe `fast` takes {recipe['epochs']} epochs ({seconds:.0f} s) to "
        f"{reached:.2%} on the validation split and {fast['seeds']['mean']:.2%} on the "
        "test set. "
    )
    epochs = next((i for i, a in enumerate(_by_epoch(course), 1) if a >= reached), None)
    if epochs is None:
        said += "`course` does not reach that on the same validation split."
    else:
        later = course["recipe"]["seconds_per_epoch"] * epochs
        said += (
            f"On the same validation split `course` first reaches that after {epochs} "
            f"epochs ({later:.0f} s): {epochs / recipe['epochs']:.1f} times the "
            f"epochs, {later / seconds:.1f} times the seconds. "
            "Accuracies are means over the seeds, seconds those of the shipped one."
        )
    return ["## Time to accuracy", said]


def _by_epoch(facts: dict[str, Any]) -> np.ndarray:
    """The accuracy on the validation split after each epoch, mean over the seeds."""
    runs = facts["seeds"]["runs"]
    return np.mean([run["validation_accuracy_by_epoch"] for run in runs], axis=0)


def _pooling_costs(found: list[Card]) -> list[str]:
    """The weights that differ in their pooling alone, the best pooling first."""
    variants = [
        card for card in found if "pooling" in card.facts["recipe"]["arguments"]
    ]
    if len(variants) < 2:
        return []
    variants.sort(key=lambda card: -card.facts["seeds"]["mean"])
    best = variants[0].facts["seeds"]["mean"]
    rows = ["| pooling | mean ± sd (seeds) | less than the best | corrupted |"]
    rows.append("|---|---|---|---|")
    for card in variants:
        facts = card.facts
        rows.append(
            f"| {facts['arguments']['pooling']} | {seeds(card)} | "
            f"{100 * (best - facts['seeds']['mean']):.2f} points | "
            f"{facts['corruptions']['mean']:.1%} |"
        )
    epochs = variants[0].facts["recipe"]["epochs"]
    return [
        "## What pooling costs",
        f"One recipe of {epochs} epochs, the pooling alone changed:",
        "\n".join(rows),
    ]


def seeds(card: Card) -> str:
    """Mean, deviation and number of the seeds, in words."""
    facts = card.facts["seeds"]
    if facts["count"] == 1:
        return f"{facts['mean']:.2%} (1)"
    return f"{100 * facts['mean']:.2f} ± {100 * facts['sd']:.2f} % ({facts['count']})"


def _sections(card: Card) -> list[str]:
    facts = card.facts
    data, recipe, test = facts["data"], facts["recipe"], facts["test"]
    low, high = test["interval"]
    validation = facts["validation"]
    cores = "1 core" if recipe["cores"] == 1 else f"{recipe['cores']} cores"
    shared = recipe.get("devices", [])
    if shared:
        cores += f", {len(shared)} devices ({', '.join(shared)})"
    rows = {
        "parameters": f"{facts['parameters']['total']:,} "
        f"({facts['parameters']['trainable']:,} trainable)",
        "test accuracy": f"{test['accuracy']:.2%} "
        f"(95 % interval {low:.2%} to {high:.2%})",
        "test errors": f"{test['errors']} of {test['examples']:,}",
        "revisions measured on the test set": f"{recipe['revisions']}, this one "
        "included",
        "validation accuracy, loss": f"{validation['accuracy']:.2%}, "
        f"{validation['loss']:.4f}",
        "data set": f"{data['name']} {data['version']} ({data['licence']}; "
        f"{data['source']})",
        "split": data["split"],
        "recipe": recipe_in_words(recipe),
        "trained with": f"Keras {recipe['keras']} on {recipe['backend']}, seed "
        f"{recipe['seed']}, {recipe['seconds_per_epoch']:g} s an epoch on {cores}",
        "trained a second time": facts["reproduced"],
        "images a second": f"{facts['images_per_second']:,}",
        "date": facts["date"].isoformat(),
        "licence of the weights": facts["licence"],
        "file": f"`{card.path.name}`, {facts['bytes']:,} bytes, SHA-256 "
        f"`{facts['sha256']}`",
    }
    if "bundled_digits" in facts:
        rows["bundled digits right"] = "{correct} of {examples}".format(
            **facts["bundled_digits"]
        )
    return [
        f"## {card.name}",
        recipe["purpose"],
        table(rows),
        *(
            f"![{about}.]({card.weights}-{what}.png)\n\n*{about}.*"
            for what, about in PICTURES.items()
            if card.path.with_name(f"{card.weights}-{what}.png").exists()
        ),
        *_robustness(facts),
        *_reading(card),
        "Largest difference of probabilities from any other backend:",
        table({k: f"{v:.1e}" for k, v in facts["parity"].items()}),
        f"Made by the command below, on {cores}. Seed and recipe decide everything but "
        "the order of sums, in which a backend, its version, a processor and a number "
        "of cores differ.",
        "```sh\n"
        f"kerasconv train {recipe['name']} --seed {recipe['seed']} --backend "
        f"{recipe['backend']} --data-dir DIR --out models"
        f"{f' --devices {len(shared)}' if shared else ''}\n```",
        f"All facts, the confusion matrix and every seed among them: "
        f"[`{card.weights}.toml`]({card.weights}.toml).",
    ]


def _robustness(facts: dict[str, Any]) -> list[str]:
    if "corruptions" not in facts:
        return []
    tested, held = facts["corruptions"], facts["held_out_corruptions"]
    rows = "\n".join(
        f"| {family.replace('_', ' ')} | {held[family]:.1%} | {tested[family]:.1%} |"
        for family in tested
    )
    return [
        "Accuracy under each family of `kerasconv.corruptions`, of the images that "
        "were held out, by which a recipe may be chosen, and of the test set, by which "
        "none may:",
        f"| | held out | test |\n|---|---|---|\n{rows}",
    ]


def _reading(card: Card) -> list[str]:
    """What `kerasconv predict` reads and refuses of photographs, by kind."""
    reading = card.facts.get("reading", {})
    if "kinds" not in reading:
        return []
    rows = "\n".join(
        f"| {kind} | {each['right']:.1%} | {each['refused']:.1%} "
        f"| {each['milliseconds']:.0f} |"
        for kind, each in reading["kinds"].items()
    )
    lines = "\n".join(
        f"| {each['min_confidence']:g} | {each['digits_lost']:.1%} "
        f"| {each['others_refused']:.1%} |"
        for each in reading["thresholds"]
    )
    return [
        f"Reads, of {reading['pictures_a_kind']} drawn photographs a kind "
        "(`tests/benchmarks/reads.py`): the whole text right, or, of what shows no "
        "digit, none answered; milliseconds of one core:",
        f"| kind | right | refused | ms |\n|---|---|---|---|\n{rows}",
        "What a threshold on the confidence that it is a digit loses and refuses "
        f"(`--min-confidence`, {reading['min_confidence']:g} unless stated):",
        "| threshold | single digits lost | pictures of no digit refused |\n"
        f"|---|---|---|\n{lines}",
        f"![{_ROC}.]({card.weights}-reading.png)\n\n*{_ROC}.*",
    ]


def recipe_in_words(recipe: dict[str, Any]) -> str:
    """A recipe, as `Recipe.facts` gives it, in one line."""
    said = [
        f"{recipe['optimizer']}, learning rate {recipe['learning_rate']:g} "
        f"({recipe['schedule']}), batch {recipe['batch_size']}, "
        f"{recipe['epochs']} epochs"
    ]
    if recipe["weight_decay"]:
        said.append(f"weight decay {recipe['weight_decay']:g}")
    if "dropout" in recipe:
        said.append(f"dropout {recipe['dropout']:g}")
    if "ema_momentum" in recipe:
        said.append(f"weights averaged with momentum {recipe['ema_momentum']:g}")
    for layer in recipe["augmentation"]:
        settings = ", ".join(
            f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}"
            for key, value in layer.items()
            if key not in ("layer", "value_range", "fill_value", "fill_mode")
        )
        said.append(f"{layer['layer']}({settings})")
    return "; ".join(said)


def table(rows: dict[str, Any]) -> str:
    """A Markdown table of two columns."""
    lines = ["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The command: one line on an error, and its exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m kerasconv.training.page FOLDER", file=sys.stderr)
        return 2
    try:
        write(Path(arguments[0]))
    except KerasconvError as error:
        print(f"kerasconv.training.page: error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
