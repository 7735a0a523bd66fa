"""The model card for people, rendered from the facts of the cards.

`python -m kerasconv.models._readme models/mnist_cnn` writes it anew.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import files
from kerasconv.models._card import ARCHITECTURES, Card, read_card
from kerasconv.recipes import RECIPES

_DIGITS = (
    "It knows the ten digits as MNIST has them: one a picture, upright, fitted into "
    "20x20 pixels and centred by mass (`kerasconv predict` prepares any photograph "
    "that way). Letters, several digits at once, or blank paper get a digit too."
)

# What each architecture is, and what it is for.
_ABOUT = {
    "mnist_cnn": (
        "The convolutional network of the course page: Conv2D(32) - MaxPooling - "
        "Conv2D(64) - MaxPooling - Flatten - Dropout - Dense(10). It takes 28x28 grey "
        "images, light ink on a ground of 0, pixels in [0, 1].",
        f"Meant for learning, teaching and comparing. {_DIGITS}",
    ),
    "edge_classifier": (
        "Fixed edges in eight directions (no parameters), trained weights by which the "
        "directions inhibit each other (64), the strength of what is left pooled, and "
        "one trained Dense layer: what nearly hand-made features can do. The weights "
        "`cats_vs_dogs` are the same without inhibition, so with features made by hand "
        "to the end, on colour photographs of 32x32 pixels: the baseline of "
        "`cats_dogs_cnn`.",
        f"Meant for comparing features that are made with features that are learned. "
        f"{_DIGITS}",
    ),
    "dense_classifier": (
        "One hidden Dense layer of 44 units: as many parameters as `mnist_cnn`, and "
        "none of them shared.",
        f"Meant for comparing; do not use it for work. {_DIGITS}",
    ),
    "lenet5": (
        "LeNet-5 as it is taught today: two convolutions with tanh, two average "
        "poolings, three Dense layers.",
        f"Meant for history and comparing. {_DIGITS}",
    ),
    "digits_cnn": (
        "Six convolutions with batch normalisation and anti-aliased pooling, then a "
        "global average.",
        "The pick for digits that are cleanly written on an even ground. It has met no "
        "noise and no light but that of a scanner: where digits come spoilt, "
        f"`mnist_cnn` with its default weights reads more of them. {_DIGITS}",
    ),
    "cats_dogs_cnn": (
        "Six convolutions with batch normalisation and anti-aliased pooling, then a "
        "global average. It takes colour photographs of 32x32 pixels in [0, 1] and "
        "gives the probabilities of a cat and of a dog. What fixed filters do there "
        "say the weights `edge_classifier/cats_vs_dogs`.",
        "Meant for teaching: a photograph of anything else gets an answer too, and "
        "ten thousand small pictures teach little about cats and dogs as they are.",
    ),
}

# Pictures beside a card, by the end of their name, and what each shows.
_PICTURES = {
    "digits": "The handwritten digits in the package, each with what the network reads "
    "and, where that is wrong, what it is",
    "kernels": "The kernels of the first convolution, blue negative and red positive",
    "confusion": "How often each class of the test set was taken for each",
    "hardest": "The test images with the highest loss, each with what the network "
    "reads and what it is",
    "history": "Loss and accuracy by the epoch, on the training and the held-out "
    "images; random changes and dropout make the training images harder, and the "
    "curves are of the weights before averaging",
}


def write(folder: Path) -> None:
    """Write the README of one architecture."""
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
    found = [read_card(path) for path in sorted(folder.glob("*.toml"))]
    default = ARCHITECTURES.get(folder.name)
    found.sort(key=lambda card: card.weights != default)
    about, use = _ABOUT[folder.name]
    parts = [
        _head(found),
        f"# {folder.name}",
        "Written by the training recipe from the cards (`*.toml`) in this folder; "
        "change those by training, not this page by hand.",
        about,
        "## Use",
        "```python\n"
        "from kerasconv.models import load_model\n\n"
        f'model = load_model("{found[0].name}")\n'
        "```",
        use,
        "## Weights",
        _overview(found),
        "Accuracy, loss (NLL, nats) and calibration error (ECE, 15 bins) are of the "
        "shipped weights on the whole test set; mean ± sd is over the seeds; spoilt is "
        "the mean accuracy over the fifteen families of `kerasconv.corruptions`.",
        *_time_saved(found),
        *_pooling_costs(found),
        *(section for card in found for section in _sections(card)),
    ]
    return "\n\n".join(parts) + "\n"


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
        "| weights | test accuracy | mean ± sd (seeds) | loss | calibration | spoilt |",
        "|---|---|---|---|---|---|",
    ]
    for card in found:
        test = card.facts["test"]
        spoilt = card.facts.get("corruptions")
        robust = f"{spoilt['mean']:.1%}" if spoilt else ""
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
        f"{reached:.2%} on the held-out images and {fast['seeds']['mean']:.2%} on the "
        "test set. "
    )
    epochs = next((i for i, a in enumerate(_by_epoch(course), 1) if a >= reached), None)
    if epochs is None:
        said += "`course` does not reach that on the same held-out images."
    else:
        later = course["recipe"]["seconds_per_epoch"] * epochs
        said += (
            f"On the same held-out images `course` first reaches that after {epochs} "
            f"epochs ({later:.0f} s): {epochs / recipe['epochs']:.1f} times the "
            f"epochs, {later / seconds:.1f} times the seconds. "
            "Accuracies are means over the seeds, seconds those of the shipped one."
        )
    return ["## Time to accuracy", said]


def _by_epoch(facts: dict[str, Any]) -> np.ndarray:
    """The accuracy on the held-out images after each epoch, mean over the seeds."""
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
    rows = ["| pooling | mean ± sd (seeds) | less than the best | spoilt |"]
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
    rows = {
        "parameters": f"{facts['parameters']['total']:,} "
        f"({facts['parameters']['trainable']:,} trainable)",
        "test accuracy": f"{test['accuracy']:.2%} "
        f"(95 % interval {low:.2%} to {high:.2%})",
        "test errors": f"{test['errors']} of {test['examples']:,}",
        "held-out accuracy, loss": f"{validation['accuracy']:.2%}, "
        f"{validation['loss']:.4f}",
        "data set": f"{data['name']} {data['version']} ({data['licence']}; "
        f"{data['source']})",
        "split": data["split"],
        "recipe": _recipe(recipe),
        "trained with": f"Keras {recipe['keras']} on {recipe['backend']}, seed "
        f"{recipe['seed']}, {recipe['seconds_per_epoch']:g} s an epoch on {cores}",
        "images a second there": f"{facts['images_per_second']:,}",
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
        _table(rows),
        *(
            f"![{about}.]({card.weights}-{what}.png)\n\n*{about}.*"
            for what, about in _PICTURES.items()
            if card.path.with_name(f"{card.weights}-{what}.png").exists()
        ),
        *_robustness(facts),
        "Largest difference of probabilities from any other backend:",
        _table({k: f"{v:.1e}" for k, v in facts["parity"].items()}),
        f"Made by (on {cores}; the seed decides everything, but another backend, "
        "processor or number of cores adds its sums in another order and ends "
        "elsewhere):",
        "```sh\n"
        f"kerasconv train {recipe['name']} --seed {recipe['seed']} --backend "
        f"{recipe['backend']} --data-dir DIR --out models\n```",
        *_tried(recipe["name"]),
        f"All facts, the confusion matrix and every seed among them: "
        f"[`{card.weights}.toml`]({card.weights}.toml).",
    ]


def _tried(recipe: str) -> list[str]:
    known = RECIPES.get(recipe)
    return [f"Tried besides: {known.tried}"] if known and known.tried else []


def _robustness(facts: dict[str, Any]) -> list[str]:
    if "corruptions" not in facts:
        return []
    return [
        "Accuracy on the test set under each family of `kerasconv.corruptions`:",
        _table(
            {k.replace("_", " "): f"{v:.1%}" for k, v in facts["corruptions"].items()}
        ),
    ]


def _recipe(recipe: dict[str, Any]) -> str:
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


def _table(rows: dict[str, Any]) -> str:
    lines = ["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    import typer

    typer.run(write)
