"""`kerasconv predict`: which digit an image shows."""

import csv
import itertools
import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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

    from kerasconv.models import Card

# Drawings of more images than these would only scroll by.
_DRAW_AT_MOST = 32


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
    trust: Trust = False,
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
    known = checked_model(model, trust=trust)
    start(backend)
    ask = _reader(model, batch_size, trust)
    write = _write_json if as_json else _write_csv if as_csv else _write_table
    answers = _answers(images, ask, batch_size, top)
    if paths:
        answers = _with_progress(answers, table=not (as_json or as_csv))
    right, total = write(answers, top)
    if images.labels is not None:
        _tell_accuracy(right, total, known, sys.stderr if as_json or as_csv else None)
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


class _Images:
    """The images to read: the user's files, prepared one by one, or the package's."""

    def __init__(self, paths: list[str] | None) -> None:
        from kerasconv.pictures import find_images

        self.labels: np.ndarray | None = None
        self.unread = 0
        if paths:
            self._files = find_images(paths)
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
        from kerasconv.pictures import BlankImageWarning, prepare_digit, read_image

        for path in self._files:
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
