"""`kerasconv backends`: which are installed, and which would run."""

from kerasconv import backends
from kerasconv.cli._app import Backend, app


@app.command("backends")
def list_backends(backend: Backend = None) -> None:
    """List Keras's backends: which are installed, and which one would run and why.

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
