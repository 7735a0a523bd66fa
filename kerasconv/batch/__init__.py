"""Many pictures: cut into shards, read by any number of processes, kept as they come.

`run` reads a source into a folder of Parquet or CSV files, one a shard, and goes on
where an earlier run was ended. `plan` only makes the folder: `Plan.work`, a function
that can be pickled, does a shard wherever it is called, and `Plan.todo` gives the
shards that are not done. `opened` is the plan of a folder that is there.
"""

import functools
import hashlib
import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasconv import __version__, backends, pictures
from kerasconv._arguments import check_choice, check_int, is_int
from kerasconv.batch import containers, edges, manifest, sources
from kerasconv.batch.engines import ENGINES
from kerasconv.batch.shards import FORMATS, Parts, Work
from kerasconv.batch.sources import SHARD_SIZE, Shard
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.files import check_path, check_paths
from kerasconv.reading import Reader

__all__ = [
    "ENGINES",
    "FORMATS",
    "Interrupted",
    "Plan",
    "Summary",
    "opened",
    "plan",
    "plan_edges",
    "run",
    "work_off",
]

Progress = Callable[[int, int], object]


class Interrupted(KerasconvError):
    """A run was ended with Ctrl-C; what was done stays."""

    exit_status = 130


@dataclass(frozen=True)
class Summary:
    """What became of a run.

    Attributes:
        out: Its folder.
        shards: How many files are there.
        statuses: How many pictures have which status.
    """

    out: Path
    shards: int
    statuses: dict[str, int]

    @property
    def pictures(self) -> int:
        """How many rows there are."""
        return sum(self.statuses.values())

    @property
    def errors(self) -> int:
        """How many pictures could not be read."""
        return self.statuses.get("error", 0)


@dataclass(frozen=True)
class Plan:
    """A run that has a folder.

    Attributes:
        out: The folder.
        work: The function that does a shard, for an engine of your own.
        shards: How many shards there are.
        pictures: How many pictures.
    """

    out: Path
    work: Parts
    shards: int
    pictures: int

    def all(self) -> Iterator[Shard]:
        """Every shard, one by one."""
        return manifest.shards(self.out)

    def todo(self) -> Iterator[Shard]:
        """The shards that are not done, one by one."""
        return (s for s in self.all() if not self.work.place(s["number"]).exists())


def plan(
    source: str | os.PathLike | Iterable[str | os.PathLike],
    out: str | os.PathLike,
    *,
    model: str = "mnist_cnn",
    format: str = "parquet",
    resume: bool = False,
    column: str | None = None,
    shard_size: int = SHARD_SIZE,
    backend: str | None = None,
    trust: bool = False,
    **options: Any,
) -> Plan:
    """List a source, and make the folder of a run or see that it is that run's.

    Args:
        source: Pictures, folders, patterns, lists of paths (.txt), zip and tar
            archives, Parquet and Arrow files with encoded pictures; here or at any
            address that fsspec knows.
        out: The folder for the answers.
        model: A model of the zoo, or the path of a `.keras` file.
        format: "parquet" or "csv".
        resume: Go on with the run whose folder this is.
        column: The column of a table that holds the pictures.
        shard_size: Pictures a shard.
        backend: The Keras backend. Default: the one that runs without a choice.
        trust: Take a `.keras` file as it is.
        options: More for `kerasconv.reading.Reader`, such as `top` and `batch_size`.

    Raises:
        UsageError: the source is not there, or the folder is not this run's.
        KerasconvError: the folder cannot be written, or a library is missing.
    """
    check_choice("format", format, FORMATS)
    check_int("shard_size", shard_size)
    if format == "parquet":
        containers.needed("pyarrow.parquet", "writes Parquet")
    names, out = check_paths("source", source), check_path("out", out)
    backend = backends.choose(backend).name
    try:
        inspect.signature(Reader).bind_partial(**options)
    except TypeError as error:
        raise UsageError(f"`Reader` takes other options: {error}") from error
    digest = _digest(model)
    listing = sources.shards(names, size=shard_size, column=column)
    facts = {
        "kerasconv": __version__, "model": model, "model_sha256": digest,
        "backend": backend, "format": format, "shard_size": shard_size,
        "column": column, "card_sha256": _card_digest(model), **options,
    }  # fmt: skip
    place = Path(os.path.expanduser(out))
    found = manifest.begin(place, listing, facts, resume=resume)
    return _planned(place, found, options, trust)


def plan_edges(
    source: str | os.PathLike | Iterable[str | os.PathLike],
    out: str | os.PathLike,
    *,
    operator: str = "sobel",
    output: str = "magnitude",
    border_mode: str = "symmetric",
    resume: bool = False,
    shard_size: int = edges.SHARD_SIZE,
    backend: str | None = None,
) -> Plan:
    """List pictures, and make the folder for their edges; `work_off` draws them.

    Each picture's edges are a PNG of the name and folder of the picture. The rows
    `path, picture, status, error` go into CSV files of the folder `_run` beside them.

    Args:
        source: Picture files, folders and patterns on this machine.
        out: The folder for the pictures.
        operator: "sobel" or "prewitt"; see `kerasconv.pictures.edges`.
        output: "magnitude", "x" or "y".
        border_mode: What lies outside.
        resume: Go on with the run whose folder this is.
        shard_size: Pictures a shard.
        backend: The Keras backend. Default: the one that runs without a choice.

    Raises:
        UsageError: the source is not there, the folder is not this run's or lies in
            the source, or an option is none.
        KerasconvError: the folder cannot be written.

    Example:
        >>> work_off(plan_edges("photos/", "edges")).statuses
        {'ok': 100}
    """
    names = [os.path.expanduser(name) for name in check_paths("source", source)]
    pictures.check_edges(operator, output, border_mode)
    out = os.path.expanduser(check_path("out", out))
    place = os.path.realpath(out)
    for name in names:
        whole = os.path.realpath(name)
        if os.path.isdir(whole) and Path(place).is_relative_to(whole):
            raise UsageError(
                f"{str(out)!r} lies in {name!r}, which is read: name a folder outside"
            )
    facts: dict[str, Any] = {
        "kerasconv": __version__, "edges": operator, "output": output,
        "border_mode": border_mode, "backend": backends.choose(backend).name,
        "shard_size": shard_size, "base": edges.base_of(names),
    }  # fmt: skip
    if manifest.read(Path(out, edges.RUN)) is None:
        manifest.check_empty(Path(out), edges.RUN)
    found = manifest.begin(
        Path(out, edges.RUN), edges.listing(names, shard_size), facts, resume=resume
    )
    work = edges.Work(
        out=os.path.abspath(Path(out, edges.RUN)), backend=facts["backend"],
        format="csv", parts=found["shards"], base=facts["base"], operator=operator,
        output=output, border_mode=border_mode,
    )  # fmt: skip
    return Plan(Path(out, edges.RUN), work, found["shards"], found["pictures"])


def opened(out: str | os.PathLike, *, trust: bool = False) -> Plan:
    """The plan of a folder that `plan` made, for a process that does some of it.

    Nothing is listed and nothing is written, so any number of processes may do it.

    Args:
        out: The folder.
        trust: Take a `.keras` file as it is.

    Raises:
        UsageError: there is no run in the folder.
    """
    out = os.path.expanduser(check_path("out", out))
    found = manifest.read(Path(out))
    if found is None or "model" not in found:
        raise UsageError(f"{str(out)!r} holds no run: make one with plan")
    options = {name: found[name] for name in found if name not in manifest.FACTS}
    return _planned(Path(out), found, options, trust)


def _planned(
    out: Path, found: dict[str, Any], options: dict[str, Any], trust: bool
) -> Plan:
    work = Work(
        out=os.path.abspath(out),
        reader=functools.partial(Reader, found["model"], trust=trust, **options),
        backend=found["backend"],
        model_sha256=found["model_sha256"],
        format=found["format"],
        top=options.get("top", 1),
        parts=found["shards"],
    )
    return Plan(out, work, found["shards"], found["pictures"])


def run(
    source: str | os.PathLike | Iterable[str | os.PathLike],
    out: str | os.PathLike,
    *,
    engine: str = "processes",
    workers: int | None = None,
    address: str | None = None,
    max_errors: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Summary:
    """Read a source into a folder: a row a picture, whatever becomes of it.

    The rows are the same for every engine and number of workers, and after any kill
    once the run has been gone on with.

    Args:
        source: What to read; see `plan`.
        out: The folder for the answers; see `plan`.
        engine: "processes" of this machine, or "ray".
        workers: How many processes. Default: as many as cores.
        address: Of a Ray cluster: "auto" or "ray://host:10001".
        max_errors: Stop when more pictures than this could not be read.
        progress: Called with the numbers of pictures done and to do.
        options: More for `plan`.

    Raises:
        UsageError: what was asked for makes no sense, or the folder is another run's.
        KerasconvError: the run could not go on. What was done stays.

    Example:
        >>> run("scans/", "answers").statuses
        {'ok': 5000}
    """
    check_engine(engine, workers, address)
    if max_errors is not None and not (is_int(max_errors) and max_errors >= 0):
        raise UsageError(f"`max_errors` must be at least 0. Received: {max_errors}")
    return work_off(
        plan(source, out, **options),
        engine=engine, workers=workers, address=address, max_errors=max_errors,
        progress=progress,
    )  # fmt: skip


def check_engine(engine: str, workers: int | None, address: str | None) -> None:
    """Refuse what no engine can do, and an engine that is not installed."""
    check_choice("engine", engine, tuple(ENGINES))
    if workers is not None:
        check_int("workers", workers)
    if address is not None and engine != "ray":
        raise UsageError(
            "`address` is that of a Ray cluster: give it with `engine` ray"
        )
    if engine == "ray":
        containers.needed("ray", "is what the engine ray runs on")


def work_off(
    planned: Plan,
    *,
    engine: str = "processes",
    workers: int | None = None,
    address: str | None = None,
    max_errors: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Do the shards of a plan that are not done; see `run`."""
    settings = {"workers": workers}
    if engine == "ray":
        settings["address"] = address  # type: ignore[assignment]
    statuses: Counter[str] = Counter()
    finished = 0

    def done(tally: dict[str, int]) -> None:
        nonlocal finished
        finished += 1
        statuses.update(tally)
        if progress is not None:
            progress(statuses.total(), planned.pictures)
        errors = statuses["error"]
        if max_errors is not None and errors > max_errors:
            raise KerasconvError(
                f"{errors:,} pictures could not be read, more than `max_errors` "
                f"allows, {max_errors}; the reasons are in {str(planned.out)!r}"
            )

    def todo() -> Iterator[Shard]:
        for shard in planned.all():
            if planned.work.place(shard["number"]).exists():
                done(planned.work(shard))
            else:
                yield shard

    try:
        for _, tally in ENGINES[engine](planned.work, todo(), **settings):
            done(tally)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {_so_far(planned)}: `resume=True` goes on"
        ) from None
    except KerasconvError as error:
        raise type(error)(
            f"{error} ({_so_far(planned)}; go on with `resume=True`)"
        ) from error
    manifest.end(planned.out)
    return Summary(planned.out, finished, dict(statuses))


def _so_far(planned: Plan) -> str:
    there = sum(planned.work.place(number).exists() for number in range(planned.shards))
    return f"{there:,} of {planned.shards:,} shards are in {str(planned.out)!r}"


def _digest(model: str) -> str:
    """The digest of a model's file; of the zoo's it stands on the card."""
    from kerasconv.models import _card

    if _card.is_file_name(model):
        try:
            return _card.file_digest(os.path.expanduser(model))
        except OSError as error:
            raise KerasconvError(
                f"the model {model!r} cannot be read ({error.strerror}); check the path"
            ) from error
    return str(_card.find_card(model).facts["sha256"])


def _card_digest(model: str) -> str | None:
    """The digest of the card beside a file of one's own: it names the classes."""
    from kerasconv.models import _card, card_of

    if not _card.is_file_name(model) or (card := card_of(model)) is None:
        return None
    return hashlib.sha256(card.path.with_suffix(".toml").read_bytes()).hexdigest()
