"""`kerasconv predict`: which digit an image shows, or what else a network reads."""

import csv
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv.cli import _batch
from kerasconv.cli._app import (
    Backend,
    Model,
    Sealed,
    Trust,
    app,
    checked_model,
    place,
    progress,
    remark,
    running,
    start,
)
from kerasconv.errors import KerasconvError, UsageError, in_a_cell, printable

if TYPE_CHECKING:
    from rich.text import Text

    from kerasconv.models import Card
    from kerasconv.reading import Answer, Reader

# Drawings of more files than these would only scroll by.
_DRAW_AT_MOST = 32
# Nor would more digits side by side fit a line.
_DIGITS = 5


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
    workers: _batch.Workers = None,
    out: _batch.Out = None,
    format: _batch.Format = None,
    resume: _batch.Resume = False,
    max_errors: _batch.MaxErrors = None,
    engine: _batch.Engine = None,
    address: _batch.Address = None,
    column: _batch.Column = None,
    single: Annotated[
        bool, typer.Option("--single", help="There is one digit in each picture.")
    ] = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="How sure it must be that something is a digit; 0 answers "
            "everything. Default: as the model's card says.",
            min=0,
            max=1,
            metavar="P",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Where to draw the picture with a box around every digit.",
            metavar="FILE.png",
        ),
    ] = None,
    trust: Trust = False,
    sealed: Sealed = False,
    backend: Backend = None,
) -> None:
    """Tell which handwritten digits each image shows, or what the model's card names.

    Any photograph or scan that Pillow reads will do, of up to 80 megapixels: ink or
    chalk, paper with lines or shadows, a sheet on a desk, one digit or several, which
    are read line by line. Each is brought to what MNIST is: fitted into 20x20 pixels
    and centred by mass in 28x28. Models of clothes, or of cats and dogs, get the
    picture as their card says. Of the digits in the package only the misread ones are
    drawn, unless --all is given.

    With --csv every input has a row: image, truth, prediction, probability (with --top
    also prediction_2, probability_2 ...), status, error, text, digits and boxes; with
    --json an object of the same names, with "top" for the others. The status is ok,
    unsure (of one of the digits, "?" in the text), no digit, blank, or error, for which
    the exit status is 1. Only ok has a prediction.

    With --out the answers go into files of a folder as they come, and sources may also
    be lists of paths (.txt), zip and tar archives, Parquet and Arrow files, and any
    address that fsspec knows.

    \b
    Examples:
      kerasconv predict
      kerasconv predict seven.jpg --top 3
      kerasconv predict page.jpg --save read.png
      kerasconv predict scans/ 'more/*.png' --csv > answers.csv
      kerasconv predict seven.jpg --model mine.keras --backend torch
      kerasconv predict 's3://scans/*.tar' --out answers --resume
    """  # noqa: D301
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}")
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other; give one of them")
    known = checked_model(model, trust=trust, sealed=sealed)
    from kerasconv.reading import Reader, classes_of

    names = classes_of(known)
    classes = 10 if names is None else len(names)
    if top > classes:
        raise UsageError(f"--top must be from 1 to {classes}, not {top}")
    if out is not None:
        if as_json or as_csv or draw_all:
            raise UsageError("--out writes files; --json, --csv and --all print")
        if save is not None:
            raise UsageError("--out and --save exclude each other; give one of them")
        _batch.read_into_folder(
            paths, out, model=model, top=top, batch_size=batch_size, workers=workers,
            format=format, resume=resume, max_errors=max_errors, engine=engine,
            address=address, column=column, trust=trust, backend=backend, single=single,
            min_confidence=min_confidence,
        )  # fmt: skip
        return
    _batch.refuse_without_out(
        format=format, resume=resume, max_errors=max_errors, engine=engine,
        address=address, column=column,
    )  # fmt: skip
    if not paths and names is not None:
        raise UsageError(f"name the pictures: {model} does not read the digits here")
    # Wrong paths are told before Keras, which is slow, is imported.
    images = _Images(paths, workers)
    if save is not None:
        _check_place(save, images, names is None)
    start(backend)
    with running(model):
        reader = Reader(
            model,
            trust=trust,
            top=top,
            batch_size=batch_size,
            single=single,
            min_confidence=min_confidence,
        )
    answers = _answers(images, reader)
    with running(model):
        if paths:
            table = not (as_json or as_csv)
            answers = _with_progress(answers, len(images), table=table)
            if save is not None:
                answers = _drawn_into(save, answers)
        else:
            digits = list(itertools.chain.from_iterable(answers))
            answers = iter([digits])
        if as_json:
            _write_json(answers, top)
        elif as_csv:
            _write_csv(answers, top)
        elif paths:
            _write_table(answers, draw_all, "digit" if names is None else "picture")
        else:
            _write_digits(digits, draw_all)
    if not paths:
        _tell_accuracy(digits, known, sys.stderr if as_json or as_csv else None)
    if images.failed:
        files = "1 input" if images.failed == 1 else f"{images.failed} inputs"
        remark(f"{files} could not be read")
    if images.failed or images.unanswered:
        raise typer.Exit(1)


class _Images:
    """The images to read: the user's files, one by one, or the package's digits."""

    def __init__(self, paths: list[str] | None, workers: int | None = None) -> None:
        from kerasconv.pictures import find_images

        self.failed = self.unanswered = 0
        self._workers = workers
        self._found: list[Path | Answer] | None = None
        if paths:
            self._found = []
            self._found.extend(find_images(paths, self._missing))
            if not any(isinstance(each, Path) for each in self._found):
                # Nothing was asked for that is there.
                raise self._error

    def __len__(self) -> int:
        return len(self._found or ())

    @property
    def first(self) -> Path | None:
        return next((e for e in self._found or () if isinstance(e, Path)), None)

    def _missing(self, path: str, error: KerasconvError) -> None:
        from kerasconv.reading import Answer

        self._error = error
        self._found.append(Answer(path, status="error", error=str(error)))  # type: ignore[union-attr]

    def prepared(self, reader: "Reader") -> "Iterator[Answer]":
        from kerasconv.batch.preparing import prepared
        from kerasconv.digits import load_digits
        from kerasconv.reading import Answer

        if self._found is None:
            for i, (image, label) in enumerate(zip(*load_digits(), strict=True)):
                yield Answer(f"bundled digit {i}", image, int(label))
            return
        for answer in prepared(reader.prepare, self._found, workers=self._workers):
            if answer.status == "error":
                self.failed += 1
                remark(f"error: {answer.error}; skipped")
            elif answer.status == "blank":
                remark(f"warning: {answer.name!r} is blank and has no answer")
            elif answer.status in ("no digit", "unsure"):
                remark(f"warning: {answer.name!r} is {answer.status}: {answer.error}")
            yield answer

    def told(self, answers: "Iterable[Answer]") -> "Iterator[Answer]":
        """The same answers; those that are none for the network are told."""
        for answer in answers:
            if answer.status == "error" and answer.image is not None:
                self.unanswered += 1
                remark(f"error: {answer.name!r}: {answer.error}")
            yield answer


def _answers(images: _Images, reader: "Reader") -> "Iterator[list[Answer]]":
    answers = iter(images.told(reader.answers(images.prepared(reader))))
    while batch := list(itertools.islice(answers, reader.batch_size)):
        yield batch


def _write_json(batches: "Iterable[list[Answer]]", top: int) -> None:
    start = "["
    try:
        for answer in itertools.chain.from_iterable(batches):
            record: dict[str, Any] = {
                "image": answer.name,
                "status": answer.status,
                "error": answer.error,
                "prediction": answer.prediction,
                "probability": _rounded(answer.probability),
            }
            if answer.digits:
                record["text"] = answer.text
                record["digits"] = [digit.facts() for digit in answer.digits]
                record["boxes"] = answer.boxes
            if answer.truth is not None:
                record["truth"] = answer.truth
            if top > 1:
                record["top"] = [
                    {"class": c, "probability": _rounded(p)}
                    for c, p in zip(answer.classes, answer.probabilities, strict=True)
                ]
            sys.stdout.write(f"{start}\n  {json.dumps(record, allow_nan=False)}")
            start = ","
    finally:
        # What is on standard output stays JSON even if a later file fails.
        sys.stdout.write("[]\n" if start == "[" else "\n]\n")


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 6)


def _write_csv(batches: "Iterable[list[Answer]]", top: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    header = ["image", "truth", "prediction", "probability"]
    for k in range(2, top + 1):
        header += [f"prediction_{k}", f"probability_{k}"]
    writer.writerow([*header, "status", "error", "text", "digits", "boxes"])
    for answer in itertools.chain.from_iterable(batches):
        cells: list[Any] = [in_a_cell(answer.name, path=True), answer.truth]
        if answer.classes:
            for c, p in zip(answer.classes, answer.probabilities, strict=True):
                cells += [_cell(c), f"{p:.6f}"]
        elif answer.probability is not None:
            cells += [answer.prediction, f"{answer.probability:.6f}"]
        cells += [None] * (len(header) - len(cells))
        digits = json.dumps([digit.facts() for digit in answer.digits])
        boxes = json.dumps(answer.boxes)
        if answer.digits:
            more = [answer.text, digits, boxes]
        else:
            text = None if answer.text is None else in_a_cell(answer.text)
            more = [text, None, None]
        writer.writerow([*cells, answer.status, answer.error, *more])


def _cell(what: int | str) -> int | str:
    """A class as a cell: the number of a digit, or a name."""
    return in_a_cell(what) if isinstance(what, str) else what


def _write_table(batches: "Iterable[list[Answer]]", draw_all: bool, drawn: str) -> None:
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
            header.insert(0, drawn)
        console.print(terminal.side_by_side(header, rows, console, wrap=False))


def _write_digits(digits: "list[Answer]", draw_all: bool) -> None:
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


def _drawn(answer: "Answer") -> str:
    import numpy as np

    from kerasconv import terminal

    if answer.image is None:
        return ""
    images = [digit.image for digit in answer.digits[:_DIGITS]] or [answer.image]
    # The margin of four pixels that digits have says nothing.
    drawn = [
        image[4:-4, 4:-4] if image.shape == (28, 28) else image
        for image in (each.mean(-1) for each in images)
    ]
    return terminal.draw(np.concatenate(drawn, axis=1))


def _cells(answer: "Answer", style: str = "") -> "list[str | Text]":
    """The classes and how sure the network is of each, a line a class."""
    from rich.text import Text

    if answer.status != "ok":
        least = min((digit.confidence for digit in answer.digits), default=None)
        score = "" if least is None else f"{least:.1%}"
        return [Text(answer.status, style="bold"), score]
    if not answer.classes:
        return [Text(answer.text or "", style=style), f"{answer.probability:.1%}"]
    classes = "\n".join(map(str, answer.classes))
    return [
        Text(classes, style=style),
        "\n".join(f"{p:.1%}" for p in answer.probabilities),
    ]


def _tell_accuracy(digits: "list[Answer]", card: "Card | None", file: Any) -> None:
    from kerasconv.digits import hard_digits

    def share(of: "list[Answer]") -> str:
        return f"{sum(answer.right for answer in of)} of {len(of)}"

    hard = [answer for answer, h in zip(digits, hard_digits(), strict=True) if h]
    others = [answer for answer, h in zip(digits, hard_digits(), strict=True) if not h]
    accuracy = sum(answer.right for answer in digits) / len(digits)
    print(
        f"{share(digits)} right ({accuracy:.1%}): {share(others)} ordinary digits and "
        f"{share(hard)} known to be hard",
        file=file,
    )
    if card is not None and "test" in card.facts:
        test = card.facts["test"]
        print(
            f"{card.name} on all {test['examples']:,} test images of "
            f"{card.facts['data']['name']}: {test['accuracy']:.2%} (its card)",
            file=file,
        )


def _check_place(save: Path, images: _Images, digits: bool) -> None:
    """Refuse --save before anything is read."""
    from kerasconv.pictures import check_suffix

    if not digits:
        raise UsageError("--save draws digits, and the model reads something else")
    if len(images) != 1:
        raise UsageError(f"--save draws one picture, not {len(images)}; name one")
    check_suffix(save)
    place(save, "", images.first)


def _drawn_into(
    save: Path, batches: "Iterable[list[Answer]]"
) -> "Iterator[list[Answer]]":
    """The same answers, and the picture of the one that there is, drawn on."""
    from kerasconv import files, pictures
    from kerasconv.pictures.annotate import annotated

    for batch in batches:
        for answer in batch:
            if answer.status != "error":
                photo = pictures.read_photo(answer.name)
                marks = [
                    (digit.box, digit.text, digit.status == "ok")
                    for digit in answer.digits
                    if digit.box is not None and digit.status != "no digit"
                ]
                files.write_with(save, annotated(photo, marks).save)
        yield batch


def _with_progress(
    batches: "Iterable[list[Answer]]", total: int, *, table: bool
) -> "Iterator[list[Answer]]":
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
