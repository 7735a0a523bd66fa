"""`kerasconv predict --out`: many pictures into a folder, by many processes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv.cli._app import progress, remark, running
from kerasconv.errors import UsageError

if TYPE_CHECKING:
    from kerasconv.batch import Summary

Out = Annotated[
    Path | None,
    typer.Option(
        help="Write the answers into this folder, a file for every few hundred "
        "pictures. A run that was ended goes on with --resume.",
        metavar="DIR",
        show_default=False,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        help="With --out: parquet (the default) or csv.",
        metavar="FORMAT",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes that read. Default: as many as cores, where there is enough to "
        "do.",
        min=1,
        metavar="N",
        show_default=False,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="With --out: processes (of this machine; the default) or ray.",
        metavar="NAME",
        show_default=False,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: auto, or ray://host:10001. Default: RAY_ADDRESS, else "
        "a Ray of its own on this machine.",
        metavar="ADDRESS",
        show_default=False,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="With --out: go on with a run that was ended.")
]
MaxErrors = Annotated[
    int | None,
    typer.Option(
        help="With --out: stop when more than N pictures cannot be read.",
        min=0,
        metavar="N",
        show_default=False,
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        help="With --out, of Parquet and Arrow files: the column with the pictures.",
        metavar="NAME",
        show_default=False,
    ),
]


def refuse_without_out(**given: Any) -> None:
    """Refuse options that say something of a folder where none is named."""
    for name, value in given.items():
        if value is not None and value is not False:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} needs --out, the folder for the answers")


def read_into_folder(
    paths: list[str] | None,
    out: Path,
    *,
    model: str,
    engine: str | None,
    format: str | None,
    workers: int | None,
    address: str | None,
    max_errors: int | None,
    **options: Any,
) -> None:
    """Do what `kerasconv predict --out` says, and tell what became of it."""
    from kerasconv import batch

    if not paths:
        raise UsageError("name the pictures to read into the folder")
    with (
        running(model),
        progress("reading pictures", speed=True) as advance,
    ):
        summary = batch.run(
            paths,
            out,
            model=model,
            engine=engine or "processes",
            format=format or "parquet",
            workers=workers,
            address=address,
            max_errors=max_errors,
            progress=advance,
            **options,
        )
    counts = ", ".join(f"{n:,} {what}" for what, n in sorted(summary.statuses.items()))
    files = "1 file" if summary.shards == 1 else f"{summary.shards:,} files"
    print(f"{out}: {summary.pictures:,} pictures in {files} ({counts})")
    tell_errors(summary)


def tell_errors(summary: "Summary", where: str = "") -> None:
    """Say how many pictures could not be read, and end with 1 if there are any."""
    if summary.errors:
        inputs = "1 input" if summary.errors == 1 else f"{summary.errors:,} inputs"
        remark(f"{inputs} could not be read; the column error{where} says why")
        raise typer.Exit(1)
