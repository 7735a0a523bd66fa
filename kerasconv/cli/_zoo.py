"""`kerasconv summary`, `list`, `evaluate` and `train`: the zoo and its recipes."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kerasconv.cli._app import (
    AsJson,
    Backend,
    DataDir,
    Download,
    ModelName,
    app,
    checked_model,
    progress,
    start,
)
from kerasconv.errors import KerasconvError


@app.command()
def summary(name: ModelName = "mnist_cnn", backend: Backend = None) -> None:
    """Print a model's layers, output shapes and parameters.

    \b
    Examples:
      kerasconv summary mnist_cnn
      kerasconv summary mine.keras
    """  # noqa: D301
    checked_model(name)
    start(backend)
    from kerasconv.models import load_model

    load_model(name).summary()


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models of the zoo with what was measured of them.

    \b
    Examples:
      kerasconv list
      kerasconv list --json
    """  # noqa: D301
    from kerasconv.models import cards

    found = cards()
    if as_json:
        facts = {name: card.facts for name, card in found.items()}
        print(json.dumps(facts, indent=2, default=str))
        return
    from rich.table import Table

    from kerasconv import terminal

    table = Table("model", box=None, padding=(0, 2, 0, 0))
    for title in ("parameters", "data set", "test accuracy", "size"):
        table.add_column(title, justify="left" if title == "data set" else "right")
    for name, card in found.items():
        table.add_row(
            name,
            f"{card.facts['parameters']['total']:,}",
            card.facts["data"]["name"],
            f"{card.facts['test']['accuracy']:.2%}",
            f"{card.facts['bytes'] / 1000:,.0f} kB",
        )
    terminal.stdout().print(table)


@app.command()
def evaluate(
    name: ModelName = "mnist_cnn",
    data_dir: DataDir = None,
    download: Download = False,
    as_json: AsJson = False,
    backend: Backend = None,
) -> None:
    """Recompute the accuracy on a model's card from the data set.

    The exit status is 1 if it is not the card's.

    \b
    Examples:
      kerasconv evaluate mnist_cnn --data-dir ~/tensorflow_datasets
      kerasconv evaluate mnist_cnn --download --backend jax
    """  # noqa: D301
    from kerasconv.models import find_card

    card = find_card(name)
    used = start(backend)
    from kerasconv import training
    from kerasconv.models import load_model

    with progress("testing") as advance:
        measured = training.evaluate(
            load_model(card.name),
            card.facts["data"]["name"],
            data_dir,
            download=download,
            progress=advance,
        )
    stated = card.facts["test"]
    same = measured["errors"] == stated["errors"]
    if as_json:
        report = {"model": card.name, "backend": used, "as_on_card": same, **measured}
        print(json.dumps(report, indent=2))
    else:
        low, high = measured["interval"]
        print(f"model      {card.name} on {used}")
        print(f"accuracy   {measured['accuracy']:.2%} (95 %: {low:.2%} to {high:.2%})")
        print(f"errors     {measured['errors']} of {measured['examples']:,}")
        print(f"loss       {measured['loss']:.4f}")
        print(f"card       {stated['accuracy']:.2%}, {stated['errors']} errors")
    if not same:
        raise KerasconvError(
            f"{card.name} makes {measured['errors']} errors here and "
            f"{stated['errors']} on its card; check the data set and the backend"
        )


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="A recipe.", metavar="NAME")],
    seed: Annotated[int, typer.Option(help="Seed of all chance.", metavar="S")] = 0,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the data, if not the recipe's.", metavar="E"),
    ] = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path, typer.Option(help="Folder for weights, card and README.", metavar="DIR")
    ] = Path("trained"),
    download: Download = False,
    limit: Annotated[
        int | None,
        typer.Option(help="Use only N images, for a trial.", metavar="N"),
    ] = None,
    backend: Backend = None,
) -> None:
    """Train a model by the recipe that made the zoo's, and measure it.

    \b
    Examples:
      kerasconv train mnist_cnn --data-dir ~/tensorflow_datasets
      kerasconv train mnist_cnn --download --epochs 2 --limit 5000
    """  # noqa: D301
    start(backend)
    from kerasconv import training

    training.find_recipe(name)
    with progress(f"training {name}") as advance:
        card = training.train(
            name,
            seed=seed,
            epochs=epochs,
            data_dir=data_dir,
            out=out,
            download=download,
            limit=limit,
            progress=advance,
        )
    test = card.facts["test"]
    print(f"{card.path}: {test['accuracy']:.2%} of {test['examples']:,} test images")
