"""One shard: the pictures of one process, and the file that holds their rows.

`Parts` is all that an engine runs. It depends on nothing but the shard and the folder,
so whichever process runs it, wherever and how often, the file is the same.
"""

import csv
import importlib
import json
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasconv import backends, files
from kerasconv.batch import containers, sources
from kerasconv.batch.marks import DIED, READING, Mark
from kerasconv.batch.sources import Shard
from kerasconv.errors import KerasconvError, in_a_cell
from kerasconv.reading import Answer

FORMATS = ("parquet", "csv")

COLUMNS = (
    "path", "member", "prediction", "probability", "text", "digits", "boxes",
    "status", "error", "model_sha256",
)  # fmt: skip
"""The columns of every part, in order. With `top` more predictions follow these."""

# Columns, of every kind of run, that name files.
_PATHS = ("path", "member", "picture")


@dataclass(frozen=True)
class Parts:
    """What is done with every shard of a run: a file of rows, a row a picture.

    It can be pickled, and called. What the rows are, subclasses say.

    Attributes:
        out: The folder of the run.
        backend: The Keras backend that it runs on.
        format: "parquet" or "csv".
        parts: How many shards the run has.
    """

    out: str
    backend: str | None
    format: str
    parts: int

    def columns(self) -> list[str]:
        """The names of the columns."""
        raise NotImplementedError

    def rows(self, shard: Shard, mark: Mark) -> list[list[Any]]:
        """The rows of a shard; `mark` is told at which picture this process is."""
        raise NotImplementedError

    def place(self, number: int) -> Path:
        """Where the answers of a shard are once it is done."""
        name = f"part-{number:05d}-of-{self.parts:05d}.{self.format}"
        return Path(self.out, name)

    def __call__(self, shard: Shard) -> dict[str, int]:
        """Do a shard and write its part, unless it is there.

        Returns:
            How many rows have which status.

        Raises:
            KerasconvError: the part cannot be written, the model cannot be run, or
                every process that began with the shard died.
        """
        place = self.place(shard["number"])
        if not place.exists():
            with Mark(Path(self.out, READING), shard["number"]) as mark:
                rows = self.rows(shard, mark)
                files.write_with(
                    place, lambda beside: _WRITE[self.format](self, rows, beside)
                )
        return tally(place)


@dataclass(frozen=True)
class Work(Parts):
    """Reads the pictures of a shard.

    Attributes:
        reader: Makes the reader, once a process.
        model_sha256: The digest of the model's file, a column.
        top: How many predictions a row names.
    """

    reader: Callable[[], Any]
    model_sha256: str
    top: int

    def rows(self, shard: Shard, mark: Mark) -> list[list[Any]]:
        """What the reader answers to each picture."""
        reader = _reader_of(self)
        answers = reader.answers(_prepared(reader, shard, mark))
        return [self._row(answer) for answer in answers]

    def columns(self) -> list[str]:
        """The names of the columns."""
        more = (f"{what}_{k}" for k in range(2, self.top + 1)
                for what in ("prediction", "probability"))  # fmt: skip
        return [*COLUMNS, *more]

    def _row(self, answer: Any) -> list[Any]:
        path, member = answer.name
        best: list[tuple[Any, Any]] = list(
            zip(map(str, answer.classes), answer.probabilities, strict=True)
        )
        if not best and answer.probability is not None:  # several digits
            best = [(str(answer.prediction), answer.probability)]
        best += [(None, None)] * (self.top - len(best))
        digits = boxes = None
        if answer.digits:  # in words of JSON, as plain predict has them
            digits = json.dumps([digit.facts() for digit in answer.digits])
            boxes = json.dumps(answer.boxes)
        return [
            path, member, *best[0], answer.text, digits, boxes, answer.status,
            answer.error, self.model_sha256, *(c for pair in best[1:] for c in pair),
        ]  # fmt: skip


# The reader of this process, and the work that it was made for: a network takes
# seconds to load, a shard little more to read.
_ready: tuple[bytes, Any] | None = None


def _reader_of(work: Work) -> Any:
    global _ready
    # Every job brings its own copy, and copies of a function are not equal.
    made_for = pickle.dumps(work)
    if _ready is None or _ready[0] != made_for:
        activate(work.backend)
        _ready = made_for, work.reader()
    return _ready[1]


def activate(backend: str | None) -> None:
    """Settle the backend of a process that works; None: whatever there is."""
    if backend is not None:
        for variable, value in backends.OURS.items():
            os.environ.setdefault(variable, value)
        backends.activate(backend)


def _prepared(reader: Any, shard: Shard, mark: Mark) -> Iterator[Answer]:
    """Every picture of a shard as the network takes it; (path, member) is its name."""
    for i, (path, member, data) in enumerate(sources.pictures(shard)):
        if i in mark.deadly:
            data = DIED
        if isinstance(data, KerasconvError):
            answer = Answer("", status="error", error=str(data))
        else:
            mark.at(i)
            answer = reader.prepare(data, path if member is None else member)
            mark.at(None)
        answer.name = path, member  # type: ignore[assignment]
        yield answer


# ------------------------------------------------------------------------ the parts


def tally(part: Path) -> dict[str, int]:
    """How many rows of a finished part have which status."""
    if part.suffix == ".csv":
        with open(part, encoding="utf-8", newline="") as file:
            return dict(Counter(row["status"] for row in csv.DictReader(file)))
    parquet = containers.needed("pyarrow.parquet", "reads and writes Parquet")
    return dict(Counter(parquet.read_table(part, columns=["status"])[0].to_pylist()))


def _text(value: str | None) -> str | None:
    """A text that any program can read: names of files may be no text at all."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def _write_parquet(work: Parts, rows: list[list[Any]], place: Path) -> None:
    pa = containers.needed("pyarrow", "writes Parquet")
    parquet = importlib.import_module("pyarrow.parquet")
    types = {"probability": pa.float32()}
    columns = {}
    for k, name in enumerate(work.columns()):
        type = types.get(name.rstrip("_0123456789"), pa.string())
        cells = [row[k] for row in rows]
        if type == pa.string():
            cells = list(map(_text, cells))
        columns[name] = pa.array(cells, type)
    # Through a file of Python's, whose errors say what the system said.
    with open(place, "wb") as file:
        parquet.write_table(pa.table(columns), file)


def _write_csv(work: Parts, rows: list[list[Any]], place: Path) -> None:
    with open(place, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = work.columns()
        writer.writerow(names)
        for row in rows:
            writer.writerow(map(_cell, row, names))


def _cell(value: Any, column: str) -> Any:
    if isinstance(value, float):
        return f"{value:.6f}"
    if not isinstance(value, str):
        return value
    return in_a_cell(value, path=column in _PATHS)


_WRITE: dict[str, Callable[[Parts, list[list[Any]], Path], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
}
