"""`kerasconv play`: the live page in the browser."""

import shutil
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from kerasconv.cli._app import Sealed, app, checked_model, complete_model


@app.command()
def play(
    model: Annotated[
        str | None,
        typer.Argument(
            help="What to show first: a model of the zoo, or the path of a .keras "
            "file. Default: mnist_cnn.",
            autocompletion=complete_model,
            metavar="MODEL",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the page into this folder; open nothing."),
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Only say where the page is.")
    ] = False,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Serve the page on a port of this machine, for browsers that open no "
            "files, until Ctrl-C.",
        ),
    ] = False,
    sealed: Sealed = False,
) -> None:
    """Open the live page: draw a digit and look inside the network.

    The page works without a network connection. It shows the maps of every layer, the
    products and sums behind each value, and what becomes of them when a kernel or the
    pooling changes. A .keras file is looked over and never run.

    \b
    Examples:
      kerasconv play
      kerasconv play mine.keras
      kerasconv play --out page
      kerasconv play lenet5 --serve
    """  # noqa: D301
    # The module's name is that of the command.
    from kerasconv import play as page

    if sealed and model is not None:
        checked_model(model, sealed=True)
    folder = out or Path(tempfile.mkdtemp(prefix="kerasconv-play-"))
    try:
        written = page.write(folder, model).resolve()
    except BaseException:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    opens = not no_open and out is None
    if not serve:
        print(written.as_uri())
        if opens:
            webbrowser.open(written.as_uri())
        return
    with page.serve(folder) as server:
        address = f"http://127.0.0.1:{server.server_port}/index.html"
        print(address, flush=True)
        if opens:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # how it is ended
        finally:
            if out is None:
                shutil.rmtree(folder, ignore_errors=True)
