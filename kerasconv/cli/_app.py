"""What all commands share: the application, its options, errors and progress."""

import contextlib
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv import __version__, backends
from kerasconv.errors import KerasconvError, UsageError, one_line

if TYPE_CHECKING:
    from rich.console import Console

    from kerasconv.models import Card

# The exit status of a program that Ctrl-C ended, by the shells' convention.
_INTERRUPTED = 130

# Characters that a message may have: our own name a file, the rule and the remedy.
_LONGEST = 2000

app = typer.Typer(
    name="kerasconv",
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line: one line on an error, and its exit status."""
    # Pillow remarks on harmless oddities of a file's tags.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        status = app(standalone_mode=False)
    except KerasconvError as error:
        status = _fail(str(error), error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`), and Python must not complain of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except Exception as error:
        # Typer's own errors, whose base class moved between its versions.
        if not hasattr(error, "format_message"):
            raise
        status = _fail(error.format_message(), getattr(error, "exit_code", 2))
    if status == _INTERRUPTED:  # newer Typers answer Ctrl-C so, and print nothing
        _fail("interrupted", status)
    raise SystemExit(status or 0)


def _fail(message: str, status: int) -> int:
    print(f"kerasconv: error: {one_line(message, length=_LONGEST)}", file=sys.stderr)
    return status


def remark(message: str) -> None:
    print(f"kerasconv: {one_line(message, length=_LONGEST)}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kerasconv {__version__}")
        raise typer.Exit


def complete_model(incomplete: str) -> list[str]:
    from kerasconv.models import cards

    return [name for name in cards() if name.startswith(incomplete)]


def start(backend: str | None) -> str:
    """Choose the backend and import Keras, without what libraries print on import."""
    name = backends.activate(backend)
    # TensorFlow reports a missing GPU as an error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with hushed():
        importlib.import_module("kerasconv._keras")
    return name


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what libraries print on standard error, unless they fail.

    TensorFlow's C++ part writes a dozen lines at import that no setting silences.
    """
    try:
        stderr = sys.__stderr__.fileno()  # type: ignore[union-attr]  # None: no stderr
        kept = os.dup(stderr)
    except (AttributeError, OSError, ValueError):
        yield
        return
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), stderr)
        try:
            yield
        except BaseException:
            chatter.seek(0)
            os.write(kept, chatter.read())
            raise
        finally:
            os.dup2(kept, stderr)
            os.close(kept)


def _backend(name: str | None) -> str | None:
    if name is not None:
        backends.check_name(name)
    return name


Backend = Annotated[
    str | None,
    typer.Option(
        help=f"One of {', '.join(backends.BACKENDS)}. Default: KERAS_BACKEND, else "
        "what keras.json says, else the first one installed.",
        callback=_backend,
        autocompletion=lambda incomplete: [
            name for name in backends.BACKENDS if name.startswith(incomplete)
        ],
        metavar="NAME",
    ),
]
ModelName = Annotated[
    str,
    typer.Argument(
        help="A model of the zoo (see kerasconv list).",
        autocompletion=complete_model,
        metavar="NAME",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="A model of the zoo, or the path of a .keras file.",
        autocompletion=complete_model,
        metavar="NAME|PATH",
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Load a .keras file with any class, function and size. This turns off the "
        "list of harmless layers and the limits: the file can run code and do whatever "
        "you can. Only for files whose maker you know.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of tensorflow-datasets. Default: TFDS_DATA_DIR.",
        metavar="DIR",
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Let tensorflow-datasets fetch the data set.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Convolution for Keras 3: layers, a small model zoo and tutorials.

    \b
    Examples:
      kerasconv predict                     read the digits in the package
      kerasconv predict scan.png photos/    read your own
      kerasconv list                        the models and what they were measured at
      kerasconv predict --backend jax       on another backend
    """  # noqa: D301  \b keeps Typer from joining the lines
    if context.invoked_subcommand is None:
        print(context.get_help())


def checked_model(name: str, *others: str, trust: bool = False) -> "Card | None":
    """Refuse a wrong model name or file before Keras, which is slow, is imported."""
    from kerasconv import untrusted
    from kerasconv.models import _card

    if _card.is_file_name(name):
        untrusted.inspect(Path(name).expanduser(), trust=trust)
        return None
    return _card.find_card(name, others)


def existing(path: Path | None) -> Path | None:
    if path is not None and not path.exists():
        raise UsageError(f"no such file or folder: {str(path)!r}")
    return path


@contextlib.contextmanager
def progress(what: str, console: "Console | None" = None) -> Iterator[Any]:
    """A progress bar, drawn if the console (default: standard error) is a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from kerasconv import terminal

    console = console or terminal.stderr()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        # Or else it sends standard output, with the results, to its own console.
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task(what, total=None, remark="")

        def advance(
            done: int, total: int | None, facts: dict[str, float] | None = None
        ) -> None:
            if facts:
                figures = (f"{key} {value:.4f}" for key, value in facts.items())
                bar.update(task, remark="  ".join(figures))
            bar.update(task, completed=done, total=total)

        yield advance
