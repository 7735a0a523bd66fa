"""The model card for people, rendered from the facts of the cards.

`python -m kerasconv.models._readme models/mnist_cnn` writes it anew, with its picture.
"""

from pathlib import Path
from typing import Any

import tomli_w

from kerasconv import files
from kerasconv.models._card import Card, load_model, read_card

_PICTURE = "digits.png"

_ABOUT = {
    "mnist_cnn": (
        "The convolutional network of the course page: Conv2D(32) - MaxPooling - "
        "Conv2D(64) - MaxPooling - Flatten - Dropout - Dense(10). It reads one "
        "handwritten digit in a 28x28 grey image, light ink on a ground of 0, pixels "
        "in [0, 1].",
        "Meant for learning, teaching and comparing. It knows the ten digits as "
        "MNIST has them: one a picture, upright, fitted into 20x20 pixels and "
        "centred by mass (`kerasconv predict` prepares any photograph that way). "
        "Letters, several digits at once, or blank paper get a digit too.",
    )
}


def write(folder: Path) -> None:
    """Write the README of one architecture and the picture in it."""
    from kerasconv import plotting
    from kerasconv.digits import load_digits
    from kerasconv.predict import Predictor

    card = read_card(next(iter(sorted(folder.glob("*.toml")))))
    images, labels = load_digits()
    answers = Predictor(load_model(card.path))(images).argmax(1)
    captions = [
        str(answer) if answer == label else f"{answer}, not {label}"
        for answer, label in zip(answers, labels, strict=True)
    ]
    figure = plotting.plot_digits(images, captions, columns=16)
    plotting.save_figure(figure, folder / _PICTURE, dpi=100)
    files.write_text(folder / "README.md", render(folder))


def render(folder: Path) -> str:
    """The README of one architecture, from all cards in its folder."""
    found = [read_card(path) for path in sorted(folder.glob("*.toml"))]
    about, use = _ABOUT[folder.name]
    parts = [
        _head(found),
        f"# {folder.name}",
        "Written by the training recipe from the cards (`*.toml`) in this folder; "
        "change those by training, not this page by hand.",
        about,
        f"![The handwritten digits in the package, each with what "
        f"{found[0].name} reads and, where that is wrong, what it is]({_PICTURE})",
        "## Use",
        "```python\n"
        "from kerasconv.models import load_model\n\n"
        f'model = load_model("{found[0].name}")\n'
        "```",
        use,
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


def _sections(card: Card) -> list[str]:
    facts = card.facts
    data, recipe, test = facts["data"], facts["recipe"], facts["test"]
    low, high = test["interval"]
    return [
        f"## {card.name}",
        recipe["purpose"],
        _table(
            {
                "parameters": f"{facts['parameters']['total']:,} "
                f"({facts['parameters']['trainable']:,} trainable)",
                "test accuracy": f"{test['accuracy']:.2%} "
                f"(95 % interval {low:.2%} to {high:.2%})",
                "test errors": f"{test['errors']} of {test['examples']:,}",
                "test loss": f"{test['loss']:.4f} nats",
                "bundled digits right": "{correct} of {examples}".format(
                    **facts["bundled_digits"]
                ),
                "data set": f"{data['name']} {data['version']} ({data['licence']}; "
                f"{data['source']})",
                "split": data["split"],
                "recipe": f"{recipe['optimizer']}, learning rate "
                f"{recipe['learning_rate']:g}, batch {recipe['batch_size']}, "
                f"{recipe['epochs']} epochs, dropout {recipe['dropout']:g}, seed "
                f"{recipe['seed']}",
                "held-out accuracy": f"{recipe['validation_accuracy']:.2%}",
                "trained with": f"Keras {recipe['keras']} on {recipe['backend']}, "
                f"{recipe['seconds_per_epoch']:g} s an epoch on {recipe['cores']} "
                "cores",
                "date": facts["date"].isoformat(),
                "licence of the weights": facts["licence"],
                "file": f"`{card.path.name}`, {facts['bytes']:,} bytes, SHA-256 "
                f"`{facts['sha256']}`",
            }
        ),
        "Largest difference of probabilities from any other backend, over the bundled "
        "digits:",
        _table({k: f"{v:.1e}" for k, v in facts["parity"].items()}),
        "Made by:",
        "```sh\n"
        f"kerasconv train {recipe['name']} --seed {recipe['seed']} --backend "
        f"{recipe['backend']} --data-dir DIR --out models\n```",
        "<details><summary>All facts</summary>\n\n```toml\n"
        + tomli_w.dumps(facts).strip()
        + "\n```\n\n</details>",
    ]


def _table(rows: dict[str, Any]) -> str:
    lines = ["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    import typer

    typer.run(write)
