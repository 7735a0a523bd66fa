"""The command line: each command calls one function of the package.

Results go to standard output and everything else to standard error. Exit status: 0
done, 1 something failed, 2 the command was asked wrongly. Nothing here imports Keras
or a backend before a command needs it, so that `--help` answers at once.
"""

import contextlib
import csv
import importlib
import itertools
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv import __version__, backends
from kerasconv.errors import KerasconvError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from kerasconv.models import Card

# Drawings of more images than these would only scroll by.
_DRAW_AT_MOST = 32

# The exit status of a program that Ctrl-C ended, by the shells' convention.
_INTERRUPTED = 130

app = typer.Typer(
    name="kerasconv",
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line: one line on an error, and its exit status."""
    # Pillow remarks on harmless oddities of a file's tags.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        status = app(standalone_mode=False)
    except KerasconvError as error:
        status = _fail(str(error), error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`); Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except Exception as error:
        # Typer's own, of which the base class moved between its versions.
        if not hasattr(error, "format_message"):
            raise
        status = _fail(error.format_message(), getattr(error, "exit_code", 2))
    if status == _INTERRUPTED:  # newer Typers answer Ctrl-C so, and print nothing
        _fail("interrupted", status)
    raise SystemExit(status or 0)


def _fail(message: str, status: int) -> int:
    print(f"kerasconv: error: {' '.join(message.split())}", file=sys.stderr)
    return status


def _remark(message: str) -> None:
    print(f"kerasconv: {' '.join(message.split())}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kerasconv {__version__}")
        raise typer.Exit


def _complete_model(incomplete: str) -> list[str]:
    from kerasconv.models import cards

    return [name for name in cards() if name.startswith(incomplete)]


def _start(backend: str | None) -> str:
    """Settle the backend and import Keras, with the command's own errors only."""
    name = backends.activate(backend)
    # TensorFlow reports a missing GPU as an error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _hushed():
        importlib.import_module("kerasconv._keras")
    return name


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep libraries' chatter off standard error, unless what they do fails.

    TensorFlow's C++ part writes a dozen lines at import that no setting silences.
    """
    try:
        stderr = sys.__stderr__.fileno()
        kept = os.dup(stderr)
    except (AttributeError, OSError, ValueError):
        yield
        return
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), stderr)
        try:
            yield
        except BaseException:
            chatter.seek(0)
            os.write(kept, chatter.read())
            raise
        finally:
            os.dup2(kept, stderr)
            os.close(kept)


def _backend(name: str | None) -> str | None:
    if name is not None and name not in backends.BACKENDS:
        raise UsageError(
            f"unknown backend {name!r}; choose one of {', '.join(backends.BACKENDS)}"
        )
    return name


Backend = Annotated[
    str | None,
    typer.Option(
        help="tensorflow, jax, torch, openvino or numpy; else KERAS_BACKEND, else "
        "keras.json, else the first one installed.",
        callback=_backend,
        autocompletion=lambda incomplete: [
            name for name in backends.BACKENDS if name.startswith(incomplete)
        ],
        metavar="NAME",
    ),
]
ModelName = Annotated[
    str,
    typer.Argument(
        help="A model of the zoo (see kerasconv list).",
        autocompletion=_complete_model,
        metavar="NAME",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="A model of the zoo, or the path of a .keras file.",
        autocompletion=_complete_model,
        metavar="NAME|PATH",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Where tensorflow-datasets keeps the data set; else TFDS_DATA_DIR.",
        metavar="DIR",
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Let tensorflow-datasets fetch the data set.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Convolution for Keras 3: layers, a small model zoo and tutorials.

    \b
    Examples:
      kerasconv predict                     read the digits in the package
      kerasconv predict scan.png photos/    read your own
      kerasconv list                        the models and what they were measured at
      kerasconv predict --backend jax       on another backend
    """  # noqa: D301  \b keeps Typer from joining the lines
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def predict(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files, folders and globs; none for the digits in the package.",
            metavar="PATH...",
        ),
    ] = None,
    model: Model = "mnist_cnn",
    top: Annotated[
        int, typer.Option(help="How many classes to name, 1 to 10.", metavar="K")
    ] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array, an object an image.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, a row an image.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option(help="Images a batch.", min=1, max=10_000, metavar="N")
    ] = 128,
    backend: Backend = None,
) -> None:
    """Tell which handwritten digit each image shows.

    Any image that Pillow reads will do: dark ink on light paper or the reverse, any
    size and margin, one digit an image. It is brought to what MNIST is: fitted into
    20x20 pixels and centred by mass in 28x28.

    \b
    Examples:
      kerasconv predict
      kerasconv predict seven.jpg --top 3
      kerasconv predict scans/ 'more/*.png' --csv > answers.csv
      kerasconv predict seven.jpg --model mine.keras --backend torch
    """  # noqa: D301
    if not 1 <= top <= 10:
        raise UsageError(f"--top must be from 1 to 10, the number of digits, not {top}")
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other; give one of them")
    images = _Images(paths)
    known = _checked_model(model)
    _start(backend)
    ask = _reader(model, batch_size)
    write = _write_json if as_json else _write_csv if as_csv else _write_table
    answers = _answers(images, ask, batch_size, top)
    if paths:
        answers = _with_progress(answers, table=not (as_json or as_csv))
    right, total = write(answers, top)
    if images.labels is not None:
        _tell_accuracy(right, total, known, sys.stderr if as_json or as_csv else None)
    if images.unread:
        files = "1 file" if images.unread == 1 else f"{images.unread} files"
        _remark(f"{files} could not be read")
        raise typer.Exit(1)


@app.command()
def edges(
    image: Annotated[
        Path | None,
        typer.Argument(
            help="An image file, grey or colour; none for the one in the package.",
            metavar="IMAGE",
        ),
    ] = None,
    operator: Annotated[
        str, typer.Option(help="sobel or prewitt.", metavar="NAME")
    ] = "sobel",
    output: Annotated[
        str, typer.Option(help="magnitude, x or y.", metavar="NAME")
    ] = "magnitude",
    border: Annotated[
        str,
        typer.Option(
            help="What lies outside: symmetric, reflect, edge, wrap or constant.",
            metavar="MODE",
        ),
    ] = "symmetric",
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture of the same size; else draw in the terminal.",
            metavar="FILE",
        ),
    ] = None,
    backend: Backend = None,
) -> None:
    """Find the edges of a photograph with a Sobel or Prewitt layer.

    The derivative along x marks vertical edges, and along y horizontal ones. Colours
    are worked on one by one.

    \b
    Examples:
      kerasconv edges
      kerasconv edges photo.jpg --save edges.png
      kerasconv edges photo.jpg --operator prewitt --output x --save x.png
    """  # noqa: D301
    from kerasconv import images, photos

    if save is not None:
        photos.check_suffix(save)
    photo = images.read_photo(_existing(image) or photos.example_photo())
    _start(backend)
    try:
        found = photos.edges(photo, operator, output, border)
    except ValueError as error:
        raise UsageError(str(error)) from error
    pixels = photos.to_pixels(found, output)
    if save is not None:
        photos.write_photo(save, pixels)
        print(f"{save}: {pixels.shape[1]}x{pixels.shape[0]} pixels")
        return
    from kerasconv import terminal

    console = terminal.stdout()
    print(terminal.draw_photo(abs(found).max(-1), console.width))


@app.command()
def features(
    image: Annotated[
        Path | None,
        typer.Argument(
            help="An image file; none for a digit in the package.", metavar="IMAGE"
        ),
    ] = None,
    model: Model = "mnist_cnn",
    save: Annotated[
        Path, typer.Option(help="Where the picture goes.", metavar="FILE")
    ] = Path("features.png"),
    backend: Backend = None,
) -> None:
    """Draw what every layer of a model makes of an image, as one picture.

    \b
    Examples:
      kerasconv features
      kerasconv features seven.jpg --model mnist_cnn --save maps.png
    """  # noqa: D301
    from kerasconv import plotting

    plotting.check_suffix(save)
    _existing(image)
    _checked_model(model)
    _start(backend)
    from kerasconv.models import load_model
    from kerasconv.predict import feature_maps

    network = load_model(model)
    picture = _picture_for(network, image)
    maps = feature_maps(network, picture)
    plotting.save_figure(plotting.plot_feature_maps({"image": picture, **maps}), save)
    print(f"{save}: {len(maps)} layers of {model}")


@app.command()
def kernels(
    name: Annotated[
        str,
        typer.Argument(
            help="An operator (sobel, prewitt, laplacian), a model or a .keras file.",
            metavar="NAME",
        ),
    ],
    layer: Annotated[
        str | None,
        typer.Option(
            help="Of a model: which layer; else the first with a kernel.",
            metavar="LAYER",
        ),
    ] = None,
    channel: Annotated[
        int,
        typer.Option(help="Of a layer: which input channel.", min=0, metavar="N"),
    ] = 0,
    save: Annotated[
        Path, typer.Option(help="Where the picture goes.", metavar="FILE")
    ] = Path("kernels.png"),
    backend: Backend = None,
) -> None:
    """Draw the kernels of an operator or of a layer of a model.

    \b
    Examples:
      kerasconv kernels sobel
      kerasconv kernels mnist_cnn --layer conv2d_1 --channel 5 --save k.png
    """  # noqa: D301
    from kerasconv import plotting

    plotting.check_suffix(save)
    operators = _operators()
    if name in operators:
        drawn = operators[name]
        for title, kernel in drawn.items():
            print(f"{title}:\n{kernel}")
    else:
        _checked_model(name, *operators)
        _start(backend)
        from kerasconv.models import load_model

        drawn = _layer_kernels(load_model(name), name, layer, channel)
    plotting.save_figure(plotting.plot_kernels(drawn), save)
    print(f"{save}: {len(drawn)} kernels")


@app.command()
def summary(name: ModelName = "mnist_cnn", backend: Backend = None) -> None:
    """Print a model's layers, output shapes and parameters.

    \b
    Examples:
      kerasconv summary mnist_cnn
      kerasconv summary mine.keras
    """  # noqa: D301
    _checked_model(name)
    _start(backend)
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
    used = _start(backend)
    from kerasconv import training
    from kerasconv.models import load_model

    with _progress("testing") as advance:
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
    _start(backend)
    from kerasconv import training

    training.find_recipe(name)
    with _progress(f"training {name}") as advance:
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


@app.command("backends")
def list_backends(backend: Backend = None) -> None:
    """List Keras's backends: which are installed, and which would run and why.

    \b
    Examples:
      kerasconv backends
      KERAS_BACKEND=torch kerasconv backends
    """  # noqa: D301
    from rich.table import Table

    from kerasconv import terminal

    table = Table("backend", "installed", "trains", box=None, padding=(0, 2, 0, 0))
    for name, facts in backends.BACKENDS.items():
        version = backends.version(name) or "no"
        table.add_row(name, version, "yes" if facts.trains else "no")
    terminal.stdout().print(table)
    choice = backends.choose(backend)
    print(f"\n{choice.name} would run: {choice.reason}")


@dataclass
class _Answer:
    """What the network says of one image."""

    name: str
    image: "np.ndarray"
    classes: list[int]
    probabilities: list[float]
    truth: int | None


class _Images:
    """The images to read: the user's files, prepared one by one, or the package's."""

    def __init__(self, paths: list[str] | None) -> None:
        from kerasconv import images

        self.labels: np.ndarray | None = None
        self.unread = 0
        if paths:
            self._files = images.find_images(paths)
        else:
            from kerasconv.digits import load_digits

            self._digits, self.labels = load_digits()

    def __iter__(self) -> Iterator[tuple[str, "np.ndarray", int | None]]:
        if self.labels is None:
            yield from self._read()
            return
        for i, (image, label) in enumerate(zip(self._digits, self.labels, strict=True)):
            yield f"bundled digit {i}", image[..., 0], int(label)

    def _read(self) -> Iterator[tuple[str, "np.ndarray", int | None]]:
        from kerasconv.images import BlankImageWarning, prepare_digit, read_image

        for path in self._files:
            try:
                grey = read_image(path)
            except KerasconvError as error:
                self.unread += 1
                _remark(f"error: {error}; skipped")
                continue
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", BlankImageWarning)
                image = prepare_digit(grey)
            if any(issubclass(w.category, BlankImageWarning) for w in caught):
                _remark(f"warning: {path} is blank; its answer means nothing")
            yield str(path), image, None


def _checked_model(name: str, *others: str) -> "Card | None":
    """Refuse a wrong model name or file before Keras, which is slow, is imported."""
    from kerasconv.models import _archive, _card

    if _card.is_file_name(name):
        _archive.inspect(Path(name).expanduser())
        return None
    return _card.find_card(name, others)


def _existing(path: Path | None) -> Path | None:
    if path is not None and not path.exists():
        raise UsageError(f"no such file or folder: {str(path)!r}")
    return path


def _operators() -> dict[str, dict[str, "np.ndarray"]]:
    """The kernels of each operator by a title."""
    from kerasconv import kernels

    return {
        "sobel": _by_direction("sobel", kernels.sobel()),
        "prewitt": _by_direction("prewitt", kernels.prewitt()),
        "laplacian": {"laplacian": kernels.laplacian()},
    }


def _by_direction(name: str, pair: "np.ndarray") -> dict[str, "np.ndarray"]:
    return {
        f"{name} along {axis}": kernel for axis, kernel in zip("yx", pair, strict=True)
    }


def _layer_kernels(
    model: Any, name: str, layer: str | None, channel: int
) -> dict[str, "np.ndarray"]:
    """The kernels of a convolution for one input channel, by the filter's number."""
    import numpy as np

    convolutions = {
        each.name: each.get_weights()[0]
        for each in model.layers
        if each.weights and 3 <= len(each.weights[0].shape) <= 5
    }
    if not convolutions or (layer is not None and layer not in convolutions):
        known = ", ".join(convolutions) or "none"
        raise UsageError(
            f"{name} has no kernels to draw in {layer or 'any layer'}; its layers with "
            f"kernels: {known}"
        )
    layer = layer or next(iter(convolutions))
    kernel = convolutions[layer]
    if channel >= kernel.shape[-2]:
        raise UsageError(
            f"--channel must be below {kernel.shape[-2]}, the input channels of "
            f"{layer}, not {channel}"
        )
    filters = np.moveaxis(kernel[..., channel, :], -1, 0)
    return {f"{layer} {i}": each for i, each in enumerate(filters)}


def _picture_for(model: Any, path: Path | None) -> "np.ndarray":
    """An image brought to what a network takes: a digit, or a photograph resized."""
    from kerasconv import images, photos
    from kerasconv.digits import load_digits

    shape = tuple(model.inputs[0].shape[1:])
    if path is None and shape == (images.FIELD, images.FIELD, 1):
        return load_digits()[0][0]
    if path is None:
        raise UsageError(f"name an image: the model takes {shape}, not a digit")
    if shape == (images.FIELD, images.FIELD, 1):
        return images.prepare_digit(images.read_image(path))[..., None]
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        raise UsageError(f"the model takes {shape}, which is no image of known size")
    return photos.resized(images.read_photo(path), shape)


def _reader(model: str, batch_size: int) -> Any:
    from kerasconv.images import FIELD
    from kerasconv.models import load_model
    from kerasconv.predict import Predictor

    network = load_model(model)
    takes = [tuple(tensor.shape[1:]) for tensor in network.inputs]
    gives = [tuple(tensor.shape[1:]) for tensor in network.outputs]
    if takes != [(FIELD, FIELD, 1)] or gives != [(10,)]:
        raise KerasconvError(
            f"{model} takes {takes} and gives {gives}; this command reads digits, with "
            f"a network that takes ({FIELD}, {FIELD}, 1) and gives (10,)"
        )
    return Predictor(network, batch_size=batch_size)


def _answers(
    images: Iterable, ask: Any, batch_size: int, top: int
) -> Iterator[list[_Answer]]:
    import numpy as np

    iterator = iter(images)
    while batch := list(itertools.islice(iterator, batch_size)):
        probabilities = ask(np.stack([image for _, image, _ in batch])[..., None])
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        yield [
            _Answer(name, image, best.tolist(), row[best].tolist(), truth)
            for (name, image, truth), row, best in zip(
                batch, probabilities, order, strict=True
            )
        ]


def _write_json(batches: Iterable[list[_Answer]], top: int) -> tuple[int, int]:
    right = total = 0
    sys.stdout.write("[")
    try:
        for answer in (answer for batch in batches for answer in batch):
            record: dict[str, Any] = {
                "image": answer.name,
                "prediction": answer.classes[0],
                "probability": round(answer.probabilities[0], 6),
            }
            if answer.truth is not None:
                record["truth"] = answer.truth
            if top > 1:
                record["top"] = [
                    {"class": c, "probability": round(p, 6)}
                    for c, p in zip(answer.classes, answer.probabilities, strict=True)
                ]
            sys.stdout.write(("," if total else "") + "\n  " + json.dumps(record))
            right += answer.classes[0] == answer.truth
            total += 1
    finally:
        # What is on standard output stays JSON even if a later file fails.
        sys.stdout.write("\n]\n" if total else "]\n")
    return right, total


def _write_csv(batches: Iterable[list[_Answer]], top: int) -> tuple[int, int]:
    right = total = 0
    writer = csv.writer(sys.stdout, lineterminator="\n")
    header = ["image", "truth", "prediction", "probability"]
    for k in range(2, top + 1):
        header += [f"prediction_{k}", f"probability_{k}"]
    writer.writerow(header)
    for answer in (answer for batch in batches for answer in batch):
        cells: list[Any] = [answer.name, answer.truth]
        for c, p in zip(answer.classes, answer.probabilities, strict=True):
            cells += [c, f"{p:.6f}"]
        writer.writerow(cells)
        right += answer.classes[0] == answer.truth
        total += 1
    return right, total


def _write_table(batches: Iterable[list[_Answer]], top: int) -> tuple[int, int]:
    from rich.text import Text

    from kerasconv import terminal

    console = terminal.stdout()
    cross = "✗" if terminal.prints("✗") else "x"
    right = total = 0
    for batch in batches:
        bundled = batch[0].truth is not None
        drawn = bundled or (total == 0 and len(batch) <= _DRAW_AT_MOST)
        rows: list[list[Any]] = []
        for answer in batch:
            hit = answer.classes[0] == answer.truth
            said = "\n".join(str(c) for c in answer.classes)
            sure = "\n".join(f"{p:.1%}" for p in answer.probabilities)
            style = "" if hit or not bundled else "bold red"
            row: list[Any] = [Text(said, style=style), sure]
            if drawn:
                # The margin of four pixels says nothing.
                row.insert(0, terminal.draw(answer.image[4:-4, 4:-4]))
            if bundled:
                row.append(str(answer.truth) if hit else f"{answer.truth} {cross}")
            else:
                row.append(answer.name)
            rows.append(row)
            right += hit
        header = ["read", "sure", "truth" if bundled else "image"]
        if drawn:
            header.insert(0, "digit")
        console.print(terminal.side_by_side(header, rows, console, wrap=bundled))
        total += len(batch)
    return right, total


def _tell_accuracy(right: int, total: int, card: "Card | None", file: Any) -> None:
    print(f"{right} of {total} right ({right / total:.1%})", file=file)
    if card is not None:
        test = card.facts["test"]
        print(
            f"{card.name} on all {test['examples']:,} test images of "
            f"{card.facts['data']['name']}: {test['accuracy']:.2%} (its card)",
            file=file,
        )


@contextlib.contextmanager
def _progress(what: str, console: "Console | None" = None) -> Iterator[Any]:
    """A progress bar on a console, standard error's by default, if a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from kerasconv import terminal

    console = console or terminal.stderr()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        # Or else it sends standard output, with the results, to its own console.
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task(what, total=None, remark="")

        def advance(
            done: int, total: int | None, facts: dict[str, float] | None = None
        ) -> None:
            remark = {}
            if facts:
                told = (f"{key} {value:.4f}" for key, value in facts.items())
                remark = {"remark": "  ".join(told)}
            bar.update(task, completed=done, total=total, **remark)

        yield advance


def _with_progress(
    batches: Iterable[list[_Answer]], *, table: bool
) -> Iterator[list[_Answer]]:
    from kerasconv import terminal

    # Where results and bar share a terminal they share its console, which keeps them
    # apart; lines for a program would not go through it.
    shared = sys.stdout.isatty()
    if shared and not table:
        yield from batches
        return
    done = 0
    with _progress("reading images", terminal.stdout() if shared else None) as advance:
        for batch in batches:
            done += len(batch)
            advance(done, None)
            yield batch
