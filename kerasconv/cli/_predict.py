"""`kerasconv predict`: which digit an image shows, or what else a network reads."""

import csv
import itertools
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
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
    running,
    start,
)
from kerasconv.cli._prepared import classes_of, pictures_of, preparation
from kerasconv.errors import KerasconvError, UsageError, one_line, printable

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
        int, typer.Option(help="How many classes to name.", metavar="K")
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
    """Tell which handwritten digit each image shows, or what the model's card names.

    Any image that Pillow reads will do: dark ink on light paper or the reverse, any
    size and margin, one digit an image. It is brought to what MNIST is: fitted into
    20x20 pixels and centred by mass in 28x28. Models of clothes, or of cats and dogs,
    get it as their card says. Of the digits in the package only the misread ones are
    drawn, unless --all is given.

    With --csv every input has a row: image, truth, prediction, probability (with --top
    also prediction_2, probability_2 ...), status and error; with --json an object of
    the same names, with "top" for the others. The status is ok, blank (the picture
    shows nothing, and there is no prediction) or error, for which the exit status is 1.

    \b
    Examples:
      kerasconv predict
      kerasconv predict seven.jpg --top 3
      kerasconv predict scans/ 'more/*.png' --csv > answers.csv
      kerasconv predict seven.jpg --model mine.keras --backend torch
    """  # noqa: D301
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}")
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other; give one of them")
    known = checked_model(model, trust=trust)
    names = classes_of(known)
    classes = 10 if names is None else len(names)
    if top > classes:
        raise UsageError(f"--top must be from 1 to {classes}, not {top}")
    if not paths and names is not None:
        raise UsageError(f"name the pictures: {model} does not read the digits here")
    # Wrong paths are told before Keras, which is slow, is imported.
    images = _Images(paths)
    start(backend)
    network, ask = _reader(model, known, classes, batch_size, trust)
    images.prepare = preparation(network, known)
    answers = _answers(images, ask, batch_size, names, top)
    with running(model):
        if paths:
            table = not (as_json or as_csv)
            answers = _with_progress(answers, len(images), table=table)
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
    if images.failed:
        files = "1 input" if images.failed == 1 else f"{images.failed} inputs"
        remark(f"{files} could not be read")
    if images.failed or images.unanswered:
        raise typer.Exit(1)


@dataclass
class _Answer:
    """What the network says of one picture, or why there is nothing to say.

    `status` is "ok"; "blank", where a picture shows nothing; or "error".
    """

    name: str
    image: "np.ndarray | None" = None
    truth: int | None = None
    status: str = "ok"
    error: str | None = None
    classes: list[int | str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return bool(self.classes) and self.classes[0] == self.truth


class _Images:
    """The images to read: the user's files, one by one, or the package's digits."""

    prepare: "Callable[[Path], np.ndarray]"

    def __init__(self, paths: list[str] | None) -> None:
        from kerasconv.pictures import find_images

        self.failed = self.unanswered = 0
        self._found: list[Path | _Answer] | None = None
        if paths:
            self._found = []
            self._found.extend(find_images(paths, self._missing))
            if not any(isinstance(each, Path) for each in self._found):
                # Nothing was asked for that is there.
                raise self._error

    def __len__(self) -> int:
        return len(self._found or ())

    def _missing(self, path: str, error: KerasconvError) -> None:
        self._error = error
        self._found.append(_Answer(path, status="error", error=str(error)))  # type: ignore[union-attr]

    def __iter__(self) -> Iterator[_Answer]:
        from kerasconv.digits import load_digits

        if self._found is not None:
            yield from map(self._read, self._found)
            return
        for i, (image, label) in enumerate(zip(*load_digits(), strict=True)):
            yield _Answer(f"bundled digit {i}", image, int(label))

    def _read(self, found: "Path | _Answer") -> _Answer:
        from kerasconv.pictures import BlankImageWarning

        if isinstance(found, _Answer):
            self.failed += 1
            remark(f"error: {found.error}; skipped")
            return found
        answer = _Answer(str(found))
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", BlankImageWarning)
                answer.image = self.prepare(found)
        except KerasconvError as error:
            self.failed += 1
            remark(f"error: {error}; skipped")
            answer.status, answer.error = "error", one_line(error)
            return answer
        blank = [w for w in caught if issubclass(w.category, BlankImageWarning)]
        if blank:
            answer.status, answer.error = "blank", str(blank[0].message)
            remark(f"warning: {answer.name!r} is blank and has no answer")
        return answer

    def refuse(self, answer: _Answer) -> None:
        """Take an answer that is none for what it is."""
        self.unanswered += 1
        answer.status = "error"
        answer.error = "the network answers with NaN or infinity, which says nothing"
        remark(f"error: {answer.name!r}: {answer.error}")


def _reader(
    model: str, card: "Card | None", classes: int, batch_size: int, trust: bool
) -> tuple[Any, Any]:
    from kerasconv.models import load_model
    from kerasconv.pictures import FIELD
    from kerasconv.predict import Predictor

    network = load_model(model, trust=trust)
    takes = [tuple(tensor.shape[1:]) for tensor in network.inputs]
    gives = [tuple(tensor.shape[1:]) for tensor in network.outputs]
    digit = pictures_of(card) != "photo"
    if gives != [(classes,)] or (digit and takes != [(FIELD, FIELD, 1)]):
        raise KerasconvError(
            f"{model} takes {takes} and gives {gives}; this command reads digits, with "
            f"a network that takes ({FIELD}, {FIELD}, 1) and gives (10,)"
        )
    with running(model):
        return network, Predictor(network, batch_size=batch_size)


def _answers(
    images: _Images,
    ask: Any,
    batch_size: int,
    names: tuple[str, ...] | None,
    top: int,
) -> Iterator[list[_Answer]]:
    import numpy as np

    iterator = iter(images)
    while batch := list(itertools.islice(iterator, batch_size)):
        asked = [answer for answer in batch if answer.status == "ok"]
        if asked:
            rows = ask(np.stack([np.asarray(answer.image) for answer in asked]))
            for answer, row in zip(asked, rows, strict=True):
                if not np.isfinite(row).all():
                    images.refuse(answer)
                    continue
                best = np.argsort(-row, kind="stable")[:top]
                answer.classes = [names[i] if names else int(i) for i in best]
                answer.probabilities = row[best].tolist()
        yield batch


def _write_json(batches: Iterable[list[_Answer]], top: int) -> None:
    start = "["
    try:
        for answer in itertools.chain.from_iterable(batches):
            ranked = [
                {"class": c, "probability": round(p, 6)}
                for c, p in zip(answer.classes, answer.probabilities, strict=True)
            ]
            best = ranked[0] if ranked else {"class": None, "probability": None}
            record: dict[str, Any] = {
                "image": answer.name,
                "status": answer.status,
                "error": answer.error,
                "prediction": best["class"],
                "probability": best["probability"],
            }
            if answer.truth is not None:
                record["truth"] = answer.truth
            if top > 1:
                record["top"] = ranked
            sys.stdout.write(f"{start}\n  {json.dumps(record, allow_nan=False)}")
            start = ","
    finally:
        # What is on standard output stays JSON even if a later file fails.
        sys.stdout.write("[]\n" if start == "[" else "\n]\n")


def _write_csv(batches: Iterable[list[_Answer]], top: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    header = ["image", "truth", "prediction", "probability"]
    for k in range(2, top + 1):
        header += [f"prediction_{k}", f"probability_{k}"]
    writer.writerow([*header, "status", "error"])
    for answer in itertools.chain.from_iterable(batches):
        cells: list[Any] = [_for_a_spreadsheet(answer.name), answer.truth]
        for c, p in zip(answer.classes, answer.probabilities, strict=True):
            cells += [c, f"{p:.6f}"]
        cells += [None] * (len(header) - len(cells))
        writer.writerow([*cells, answer.status, answer.error])


def _for_a_spreadsheet(name: str) -> str:
    """A file's name that neither a spreadsheet runs nor a terminal obeys."""
    name = printable(name)
    # The same file, and no formula.
    return f"./{name}" if name.startswith(("=", "+", "-", "@")) else name


def _write_table(batches: Iterable[list[_Answer]], draw_all: bool) -> None:
    """A table a batch, a line or a drawing an image."""
    from kerasconv import terminal

    console = terminal.stdout()
    for i, batch in enumerate(batches):
        rows = [[*_cells(answer), printable(answer.name)] for answer in batch]
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

    if answer.image is None:
        return ""
    image = answer.image.mean(-1)
    # The margin of four pixels that digits have says nothing.
    return terminal.draw(image[4:-4, 4:-4] if image.shape == (28, 28) else image)


def _cells(answer: _Answer, style: str = "") -> "list[str | Text]":
    """The classes and how sure the network is of each, a line a class."""
    from rich.text import Text

    if answer.status != "ok":
        return [Text(answer.status, style="bold"), ""]
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
    batches: Iterable[list[_Answer]], total: int, *, table: bool
) -> Iterator[list[_Answer]]:
    from kerasconv import terminal

    # Where results and bar share a terminal they share its console, which keeps them
    # apart; lines for a program would not go through it.
    shared = sys.stdout.isatty()
    if shared and not table:
        yield from batches
        return
    done = 0
    console = terminal.stdout() if shared else None
    with progress("reading images", console, total) as advance:
        for batch in batches:
            done += len(batch)
            advance(done, total)
            yield batch
