"""`kerasconv predict`: which digit an image shows."""

import csv
import itertools
import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv.cli._app import (
    Backend,
    Model,
    Trust,
    app,
    checked_model,
    progress,
    remark,
    start,
)
from kerasconv.errors import KerasconvError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from rich.text import Text

    from kerasconv.models import Card

# Drawings of more files than these would only scroll by.
_DRAW_AT_MOST = 32


@app.command()
def predict(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files, folders and patterns. Default: the digits in the "
            "package.",
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
    draw_all: Annotated[
        bool, typer.Option("--all", help="Draw every digit, however many.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option(help="Images a batch.", min=1, max=10_000, metavar="N")
    ] = 128,
    trust: Trust = False,
    backend: Backend = None,
) -> None:
    """Tell which handwritten digit each image shows.

    Any image that Pillow reads will do: dark ink on light paper or the reverse, any
    size and margin, one digit an image. It is brought to what MNIST is: fitted into
    20x20 pixels and centred by mass in 28x28. Of the digits in the package only the
    misread ones are drawn, unless --all is given.

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
    known = checked_model(model, trust=trust)
    start(backend)
    ask = _reader(model, batch_size, trust)
    answers = _answers(images, ask, batch_size, top)
    if paths:
        answers = _with_progress(answers, table=not (as_json or as_csv))
    else:
        digits = list(itertools.chain.from_iterable(answers))
        answers = iter([digits])
    if as_json:
        _write_json(answers, top)
    elif as_csv:
        _write_csv(answers, top)
    elif paths:
        _write_table(answers, draw_all)
    else:
        _write_digits(digits, draw_all)
    if not paths:
        _tell_accuracy(digits, known, sys.stderr if as_json or as_csv else None)
    if images.unread:
        files = "1 file" if images.unread == 1 else f"{images.unread} files"
        remark(f"{files} could not be read")
        raise typer.Exit(1)


@dataclass
class _Answer:
    """What the network says of one image."""

    name: str
    image: "np.ndarray"
    classes: list[int]
    probabilities: list[float]
    truth: int | None

    @property
    def right(self) -> bool:
        return self.classes[0] == self.truth


class _Images:
    """The images to read: the user's files, one by one, or the package's digits."""

    def __init__(self, paths: list[str] | None) -> None:
        from kerasconv.pictures import find_images

        self.unread = 0
        # Wrong paths are told before Keras, which is slow, is imported.
        self._files = find_images(paths) if paths else None

    def __iter__(self) -> Iterator[tuple[str, "np.ndarray", int | None]]:
        from kerasconv.digits import load_digits

        if self._files is not None:
            yield from self._read(self._files)
            return
        for i, (image, label) in enumerate(zip(*load_digits(), strict=True)):
            yield f"bundled digit {i}", image[..., 0], int(label)

    def _read(
        self, files: Iterable[Path]
    ) -> Iterator[tuple[str, "np.ndarray", int | None]]:
        from kerasconv.pictures import BlankImageWarning, prepare_digit, read_image

        for path in files:
            try:
                grey = read_image(path)
            except KerasconvError as error:
                self.unread += 1
                remark(f"error: {error}; skipped")
                continue
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", BlankImageWarning)
                image = prepare_digit(grey)
            if any(issubclass(w.category, BlankImageWarning) for w in caught):
                remark(f"warning: {path} is blank; its answer means nothing")
            yield str(path), image, None


def _reader(model: str, batch_size: int, trust: bool) -> Any:
    from kerasconv.models import load_model
    from kerasconv.pictures import FIELD
    from kerasconv.predict import Predictor

    network = load_model(model, trust=trust)
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


def _write_json(batches: Iterable[list[_Answer]], top: int) -> None:
    start = "["
    try:
        for answer in itertools.chain.from_iterable(batches):
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
            sys.stdout.write(f"{start}\n  {json.dumps(record)}")
            start = ","
    finally:
        # What is on standard output stays JSON even if a later file fails.
        sys.stdout.write("[]\n" if start == "[" else "\n]\n")


def _write_csv(batches: Iterable[list[_Answer]], top: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    header = ["image", "truth", "prediction", "probability"]
    for k in range(2, top + 1):
        header += [f"prediction_{k}", f"probability_{k}"]
    writer.writerow(header)
    for answer in itertools.chain.from_iterable(batches):
        cells: list[Any] = [answer.name, answer.truth]
        for c, p in zip(answer.classes, answer.probabilities, strict=True):
            cells += [c, f"{p:.6f}"]
        writer.writerow(cells)


def _write_table(batches: Iterable[list[_Answer]], draw_all: bool) -> None:
    """A table a batch, a line or a drawing an image."""
    from kerasconv import terminal

    console = terminal.stdout()
    for i, batch in enumerate(batches):
        rows = [[*_cells(answer), answer.name] for answer in batch]
        header = ["read", "sure", "image"]
        if draw_all or (i == 0 and len(batch) <= _DRAW_AT_MOST):
            rows = [
                [_drawn(answer), *row] for answer, row in zip(batch, rows, strict=True)
            ]
            header.insert(0, "digit")
        console.print(terminal.side_by_side(header, rows, console, wrap=False))


def _write_digits(digits: list[_Answer], draw_all: bool) -> None:
    """The digits of the package: the misread ones drawn, the others a figure each."""
    from kerasconv import terminal

    console = terminal.stdout()
    cross = "✗" if terminal.prints("✗") else "x"
    shown = [answer for answer in digits if draw_all or not answer.right]
    rows = [
        [
            _drawn(answer),
            *_cells(answer, style="" if answer.right else "bold red"),
            f"{answer.truth}" if answer.right else f"{answer.truth} {cross}",
        ]
        for answer in shown
    ]
    if not draw_all:
        console.print(f"{len(shown)} misread:")
    if shown:
        header = ["digit", "read", "sure", "truth"]
        console.print(terminal.side_by_side(header, rows, console))
    if not draw_all:
        rows = [_cells(answer) for answer in digits if answer.right]
        console.print(f"{len(rows)} read right (drawn with --all):")
        console.print(terminal.side_by_side(["read", "sure"], rows, console))
        console.print()


def _drawn(answer: _Answer) -> str:
    from kerasconv import terminal

    # The margin of four pixels says nothing.
    return terminal.draw(answer.image[4:-4, 4:-4])


def _cells(answer: _Answer, style: str = "") -> "list[str | Text]":
    """The classes and how sure the network is of each, a line a class."""
    from rich.text import Text

    classes = "\n".join(map(str, answer.classes))
    return [
        Text(classes, style=style),
        "\n".join(f"{p:.1%}" for p in answer.probabilities),
    ]


def _tell_accuracy(digits: list[_Answer], card: "Card | None", file: Any) -> None:
    from kerasconv.digits import hard_digits

    def share(of: list[_Answer]) -> str:
        return f"{sum(answer.right for answer in of)} of {len(of)}"

    hard = [answer for answer, h in zip(digits, hard_digits(), strict=True) if h]
    others = [answer for answer, h in zip(digits, hard_digits(), strict=True) if not h]
    accuracy = sum(answer.right for answer in digits) / len(digits)
    print(
        f"{share(digits)} right ({accuracy:.1%}): {share(others)} ordinary digits and "
        f"{share(hard)} known to be hard",
        file=file,
    )
    if card is not None:
        test = card.facts["test"]
        print(
            f"{card.name} on all {test['examples']:,} test images of "
            f"{card.facts['data']['name']}: {test['accuracy']:.2%} (its card)",
            file=file,
        )


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
    with progress("reading images", terminal.stdout() if shared else None) as advance:
        for batch in batches:
            done += len(batch)
            advance(done, None)
            yield batch
