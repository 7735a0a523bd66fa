"""The zoo: `kerasconv summary`, `list`, `evaluate`, `compare` and `train`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv.cli._app import (
    AsJson,
    Backend,
    DataDir,
    Download,
    ModelName,
    Sealed,
    Trust,
    app,
    checked_model,
    progress,
    remark,
    start,
    start_to_train,
)
from kerasconv.cli._own import (
    compare_folder,
    evaluate_folder,
    print_confusion,
    size_of,
    train_folder,
)
from kerasconv.errors import KerasconvError, UsageError, printable
from kerasconv.models._card import is_file_name

if TYPE_CHECKING:
    pass

_DATASET = typer.Option(
    help="Another data set, such as mnist_corrupted/fog. Default: the model's own.",
    metavar="NAME",
)


@app.command()
def summary(
    name: ModelName = "mnist_cnn",
    trust: Trust = False,
    sealed: Sealed = False,
    backend: Backend = None,
) -> None:
    """Print a model's layers, output shapes and parameters.

    \b
    Examples:
      kerasconv summary mnist_cnn
      kerasconv summary mine.keras
    """  # noqa: D301
    checked_model(name, trust=trust, sealed=sealed)
    start(backend)
    from kerasconv import terminal
    from kerasconv.models import load_model

    # Keras measures the terminal itself, and prints nothing where that fails.
    width = terminal.stdout().width
    lines: list[str] = []
    load_model(name, trust=trust).summary(
        line_length=width, print_fn=lambda text, *_, **__: lines.append(text)
    )
    for line in "\n".join(lines).splitlines():
        print(printable(line))


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models of the zoo and what was measured of each.

    "accuracy" is measured on the whole test set, "corrupted" is the mean over fifteen
    corruptions of it, and "images/s" is the predictor's speed, of all on one
    machine. Columns that the terminal has no room for are left out.

    \b
    Examples:
      kerasconv list
      kerasconv list --json
    """  # noqa: D301
    from kerasconv.models import cards

    found = cards()
    if as_json:
        stated = {name: card.facts for name, card in found.items()}
        print(json.dumps(stated, indent=2, default=str))
        return
    from kerasconv import terminal

    facts = [card.facts for card in found.values()]
    columns = {
        "model": list(found),
        "parameters": [f"{each['parameters']['total']:,}" for each in facts],
        "data set": [each["data"]["name"] for each in facts],
        "accuracy": [f"{each['test']['accuracy']:.2%}" for each in facts],
        "corrupted": [
            f"{each['corruptions']['mean']:.1%}" if "corruptions" in each else ""
            for each in facts
        ],
        "size": [f"{each['bytes'] / 1000:,.0f} kB" for each in facts],
        "images/s": [f"{each['images_per_second']:,}" for each in facts],
    }
    console = terminal.stdout()
    table, missing = terminal.fitted(
        columns,
        console.width,
        left=("model", "data set"),
        expendable=("size", "images/s", "parameters", "corrupted", "data set"),
    )
    console.print(table)
    if missing:
        remark(f"left out for lack of room: {', '.join(missing)}; --json has them all")


_IMAGES = typer.Option(
    help="Measure on a folder of your own, with a folder for each class.",
    metavar="FOLDER",
)


@app.command()
def evaluate(
    name: ModelName = "mnist_cnn",
    dataset: Annotated[str | None, _DATASET] = None,
    images: Annotated[Path | None, _IMAGES] = None,
    data_dir: DataDir = None,
    download: Download = False,
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Print the confusion matrix.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(help="Draw the confusion matrix as a picture.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
    trust: Trust = False,
    sealed: Sealed = False,
    backend: Backend = None,
) -> None:
    """Measure a model of the zoo again, on the test set that its card names.

    The exit status is 1 if it makes another number of errors than its card says. With
    --dataset it is measured on another test set, of which the card says nothing; with
    --images, also a model of your own, on your pictures, a folder a class.

    \b
    Examples:
      kerasconv evaluate mnist_cnn --data-dir ~/tensorflow_datasets
      kerasconv evaluate mnist_cnn --download --backend jax
      kerasconv evaluate mnist_cnn --dataset mnist_corrupted/fog --download
      kerasconv evaluate lenet5 --confusion --save confusion.png
      kerasconv evaluate trained/mine.keras --images photos/ --confusion
    """  # noqa: D301
    from kerasconv import plotting
    from kerasconv.models import find_card

    if save is not None:
        plotting.check_suffix(save)
    if images is not None:
        if dataset is not None:
            raise UsageError("--images and --dataset exclude each other; give one")
        evaluate_folder(name, images, confusion, save, as_json, trust, sealed, backend)
        return
    if is_file_name(name):
        raise UsageError(f"name the pictures to measure {name} on with --images FOLDER")
    card = find_card(name)
    own = card.facts["data"]["name"]
    used = start(backend)
    from kerasconv import data, training
    from kerasconv.models import load_model

    with progress("testing") as advance:
        measured = training.evaluate(
            load_model(card.name),
            dataset or own,
            data_dir,
            download=download,
            progress=advance,
        )
    stated = card.facts["test"] if dataset in (None, own) else None
    same = stated is None or measured["errors"] == stated["errors"]
    classes = data.DATASETS[dataset or own].classes
    if as_json:
        report = {"model": card.name, "dataset": dataset or own, "backend": used}
        agrees = {} if stated is None else {"as_on_card": same}
        print(json.dumps({**report, **agrees, **measured}, indent=2))
    else:
        low, high = measured["interval"]
        print(f"model        {card.name} on {used}")
        print(f"data set     {dataset or own}")
        print(
            f"accuracy     {measured['accuracy']:.2%} (95 %: {low:.2%} to {high:.2%})"
        )
        print(f"errors       {measured['errors']} of {measured['examples']:,}")
        print(f"loss         {measured['loss']:.4f}")
        print(f"calibration  {measured['calibration_error']:.2%}")
        if stated:
            print(f"card         {stated['accuracy']:.2%}, {stated['errors']} errors")
        if confusion:
            print_confusion(measured["confusion"], classes)
    if save is not None:
        figure = plotting.plot_confusion_matrix(measured["confusion"], classes)
        plotting.save_figure(figure, save)
    if stated is not None and not same:
        raise KerasconvError(
            f"{card.name} makes {measured['errors']} errors here and "
            f"{stated['errors']} on its card; check the data set and the backend"
        )


@app.command()
def compare(
    first: ModelName,
    second: ModelName,
    dataset: Annotated[str | None, _DATASET] = None,
    images: Annotated[Path | None, _IMAGES] = None,
    data_dir: DataDir = None,
    download: Download = False,
    as_json: AsJson = False,
    trust: Trust = False,
    sealed: Sealed = False,
    backend: Backend = None,
) -> None:
    """Compare two models on the same test images.

    The last line is McNemar's exact test, on the images that only one of the two gets
    right: how likely would so uneven a split be if both were equally good?

    \b
    Examples:
      kerasconv compare mnist_cnn lenet5
      kerasconv compare mnist_cnn/max mnist_cnn/average --json
      kerasconv compare mnist_cnn trained/mine.keras --images photos/
    """  # noqa: D301
    from kerasconv.models import find_card

    if images is not None:
        if dataset is not None:
            raise UsageError("--images and --dataset exclude each other; give one")
        about, names, found, right = compare_folder(
            first, second, images, trust, sealed, backend
        )
        report = _compared(names, found, right)
        if as_json:
            print(json.dumps({**about, **report}, indent=2))
        else:
            _print_comparison(report, printable(images.name or str(images)))
        return
    for each in (first, second):
        if is_file_name(each):
            raise UsageError(f"name the pictures to compare {each} on with --images")
    pair = [find_card(first), find_card(second)]
    own = [card.facts["data"]["name"] for card in pair]
    if dataset is None and own[0] != own[1]:
        raise UsageError(
            f"{pair[0].name} is for {own[0]} and {pair[1].name} for {own[1]}; name one "
            "with --dataset"
        )
    used = start(backend)
    from kerasconv import data, metrics, training
    from kerasconv.models import load_model

    name = dataset or own[0]
    pixels, labels = data.load(name, "test", data_dir, download=download)
    found, right = [], []
    for card in pair:
        with progress(f"testing {card.name}") as advance:
            model = load_model(card.name)
            training.check_fits(model, name, pixels)
            answers = training.answers(model, pixels, advance)
        size = card.facts["parameters"]["total"]
        found.append({"parameters": size, **metrics.summary(answers, labels)})
        right.append(answers.argmax(1) == labels)
    report = _compared([card.name for card in pair], found, right)
    if as_json:
        print(json.dumps({"dataset": name, "backend": used, **report}, indent=2))
    else:
        _print_comparison(report, name)


def _compared(names: list[str], found: list[dict], right: list[Any]) -> dict[str, Any]:
    """Both models' figures, and whether they differ by more than luck."""
    from kerasconv import metrics

    pairs = zip(("first", "second"), names, found, strict=True)
    return {
        "test": metrics.paired_test(*right),
        **{key: {"model": name, **facts} for key, name, facts in pairs},
    }


def _print_comparison(report: dict[str, Any], dataset: str) -> None:
    from rich.table import Table

    from kerasconv import terminal

    table = Table(dataset, box=None, padding=(0, 2, 0, 0))
    pair, test = [report["first"], report["second"]], report["test"]
    for each in pair:
        table.add_column(each["model"], justify="right")
    for title, write in {
        "parameters": lambda facts: f"{facts['parameters']:,}",
        "accuracy": lambda facts: f"{facts['accuracy']:.2%}",
        "errors": lambda facts: f"{facts['errors']:,}",
        "loss": lambda facts: f"{facts['loss']:.4f}",
        "calibration": lambda facts: f"{facts['calibration_error']:.2%}",
    }.items():
        table.add_row(title, *map(write, pair))
    table.add_row("right alone", f"{test['only_a']:,}", f"{test['only_b']:,}")
    terminal.stdout().print(table)
    print(f"both wrong   {test['both_wrong']:,}")
    print(f"p-value      {test['p_value']:.3g} (McNemar's exact test)")


@app.command()
def train(
    name: Annotated[
        str,
        typer.Argument(
            help="An architecture of the zoo, or architecture/recipe.", metavar="NAME"
        ),
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="A recipe of the architecture, such as course or fast. Default: its "
            "first.",
            metavar="NAME",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of all that is random.", metavar="S")
    ] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            help="Train N times, with seeds from S on, and keep the best one on the "
            "validation split.",
            metavar="N",
        ),
    ] = 1,
    epochs: Annotated[
        int | None,
        typer.Option(help="Epochs. Default: as the recipe says.", metavar="E"),
    ] = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path, typer.Option(help="Folder for weights, card and README.", metavar="DIR")
    ] = Path("trained"),
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where a training was interrupted."),
    ] = False,
    download: Download = False,
    limit: Annotated[
        int | None,
        typer.Option(help="Use only N images, to try things out.", metavar="N"),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Train on pictures of your own: a folder that holds one for each "
            "class, or train, val and test with these.",
            metavar="FOLDER",
        ),
    ] = None,
    prepare: Annotated[
        str | None,
        typer.Option(
            help="Of --images: digit, as MNIST's, or resize. Default: that of --from; "
            "else digit where all classes are one character, else resize.",
            metavar="NAME",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Of --images: height and width, such as 64 or 48x64. Default: that "
            "of --from, else the architecture's.",
            metavar="HxW",
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Of --images: random changes, of none, warp, shift, flip, rotate, "
            "zoom, light, noise, erase. Default: warp for digits, else shift.",
            metavar="NAME,NAME...",
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Of --images: the share held out, without a folder val. Default: 0.2.",
            metavar="SHARE",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Of --images: files whose names are equal up to this text are held "
            "out together, such as one writer's: ann_1.png and ann_2.png with _.",
            metavar="TEXT",
        ),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Of --images: a model of the zoo or a .keras file to begin with; its "
            "convolutions are kept, the head is new.",
            metavar="NAME|PATH",
        ),
    ] = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Do not train what --from gave.")
    ] = False,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Of --images: end after so many epochs without a lower validation "
            "loss. Default: 8.",
            metavar="E",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Of --images: replace a model that is there."),
    ] = False,
    title: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="Of --images: what the files are called. Default: as the folder.",
            metavar="NAME",
        ),
    ] = None,
    devices: Annotated[
        int,
        typer.Option(
            help="Share each batch among N devices, such as GPUs (JAX only).",
            metavar="N",
        ),
    ] = 1,
    backend: Backend = None,
) -> None:
    """Train a model by the recipe that made the zoo's, or on pictures of your own.

    A checkpoint is kept after every epoch, and --resume goes on from the last. With
    --images the model, its card (what was measured, the names of the classes, how
    pictures are prepared), its page and pictures are written into --out, and every
    command takes it. Files that cannot be read, or are copies, are counted and named.

    \b
    Examples:
      kerasconv train mnist_cnn --images letters/ --group _
      kerasconv train mnist_cnn --images letters/ --from mnist_cnn/mnist
      kerasconv train cats_dogs_cnn --images pets/ --size 64 --augment flip,shift
      kerasconv train mnist_cnn --data-dir ~/tensorflow_datasets
      kerasconv train mnist_cnn --recipe fast --seeds 5
      kerasconv train mnist_cnn --download --epochs 2 --limit 5000
    """  # noqa: D301
    own = {
        "--prepare": prepare,
        "--size": size,
        "--augment": augment,
        "--validation": validation,
        "--group": group,
        "--from": begin,
        "--freeze": freeze or None,
        "--patience": patience,
        "--force": force or None,
        "--name": title,
    }
    zoo = {
        "--recipe": recipe,
        "--seeds": None if seeds == 1 else seeds,
        "--data-dir": data_dir,
        "--download": download or None,
        "--limit": limit,
        "--devices": None if devices == 1 else devices,
    }
    given = zoo if images is not None else own
    if wrong := [option for option, value in given.items() if value is not None]:
        raise UsageError(
            f"{', '.join(wrong)} cannot be given "
            f"{'with' if images is not None else 'without'} --images"
        )
    if images is not None:
        options = {"validation": validation, "patience": patience, "epochs": epochs}
        train_folder(
            name,
            images,
            backend,
            augment,
            prepare=prepare,
            size=size_of(size),
            group=group,
            start=begin,
            freeze=freeze,
            seed=seed,
            out=out,
            name=title,
            resume=resume,
            overwrite=force,
            **{key: value for key, value in options.items() if value is not None},
        )
        return
    from kerasconv import recipes

    full, _ = recipes.find_recipe(name, recipe)
    start_to_train(backend)
    from kerasconv import training

    with training.spread(devices), progress(f"training {full}") as advance:
        card = training.train(
            full,
            seed=seed,
            seeds=seeds,
            epochs=epochs,
            data_dir=data_dir,
            out=out,
            download=download,
            resume=resume,
            limit=limit,
            progress=advance,
        )
    test = card.facts["test"]
    print(f"{card.path}: {test['accuracy']:.2%} of {test['examples']:,} test images")
