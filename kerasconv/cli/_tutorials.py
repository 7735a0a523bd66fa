"""`kerasconv tutorials`: what there is to read, and notebooks to work in."""

from pathlib import Path
from typing import Annotated

import typer

from kerasconv.cli._app import app
from kerasconv.errors import UsageError


@app.command()
def tutorials(
    copy: Annotated[
        Path | None,
        typer.Option(help="Write all as notebooks into this folder.", metavar="DIR"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace notebooks that are there.")
    ] = False,
) -> None:
    """List the tutorials, or write them as Jupyter notebooks.

    \b
    Examples:
      kerasconv tutorials
      kerasconv tutorials --copy lessons
    """  # noqa: D301
    # The module's name is that of the command.
    from kerasconv import tutorials as lessons

    if copy is None and force:
        raise UsageError("--force replaces what --copy DIR writes; give both")
    if copy is not None:
        for path in lessons.copy_notebooks(copy, overwrite=force):
            print(path)
        return
    from rich.table import Table

    from kerasconv import terminal

    table = Table("", "tutorial", box=None, padding=(0, 2, 0, 0))
    table.add_column("reading time", justify="right")
    for number, lesson in enumerate(lessons.list_tutorials(), 1):
        table.add_row(str(number), lesson.title, f"{lesson.minutes} minutes")
    terminal.stdout().print(table)
