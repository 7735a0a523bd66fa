"""What all commands share: the application, its options, errors and progress."""

import contextlib
import gc
import importlib
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv import __version__, backends
from kerasconv._signals import ENDINGS, handled
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
    if sys.stderr is None:
        # Or else `print` sends to standard output what is meant for it.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        raise SystemExit(_fail("standard output is closed; redirect it to a file", 1))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Names hold characters that a terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    # No command opens a window, and Matplotlib refuses a name that it does not know.
    os.environ.pop("MPLBACKEND", None)
    # Pillow remarks on harmless oddities of a file's tags.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    shown = warnings.showwarning
    warnings.showwarning = _remark_on
    try:
        status = _run()
    finally:
        warnings.showwarning = shown
    raise SystemExit(status or 0)


def _run() -> int | None:
    """Run what was asked for; say what went wrong, and return the exit status."""
    try:
        # Or else completion is for whatever Python was called as.
        status = app(prog_name="kerasconv", standalone_mode=False)
        sys.stdout.flush()
    except KerasconvError as error:
        return _fail(_in_options(str(error)), error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`).
        _drop_stdout()
        return 1
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.filename is not None:
            return _fail(f"{os.fspath(error.filename)!r}: {reason}", 1)
        _drop_stdout()
        return _fail(f"standard output cannot be written ({reason})", 1)
    except Exception as error:
        # Typer's own errors, whose base class moved between its versions.
        if not hasattr(error, "format_message"):
            raise
        return _fail(error.format_message(), getattr(error, "exit_code", 2))
    if status == _INTERRUPTED:  # newer Typers answer Ctrl-C so, and print nothing
        _fail("interrupted", status)
    return status


def _drop_stdout() -> None:
    """Let go of what is not written yet, of which Python would complain at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    print(f"kerasconv: error: {one_line(message, length=_LONGEST)}", file=sys.stderr)
    return status


# How the package's functions name what the command line calls otherwise.
_CALLED = {"border_mode": "border", "overwrite": "force", "start": "from"}

# The options of the command that runs, by the names of the arguments that they fill.
_options_by_name: dict[str, str] = {}


def _in_options(message: str) -> str:
    """A message of the package, which speaks of arguments, in terms of options."""

    def option(match: re.Match) -> str:
        name = _CALLED.get(match[1], match[1])
        if name not in _options_by_name or match[2] == "False":
            return match[0]
        value = "" if match[2] in (None, "True") else f" {match[2]}"
        return _options_by_name[name] + value

    return re.sub(r"`(\w+)(?:=(\w+))?`", option, message)


# The consoles of the progress bars that are drawn.
_bars: list["Console"] = []


def remark(message: str) -> None:
    """Say something on standard error, above a progress bar if there is one."""
    text = f"kerasconv: {one_line(_in_options(message), length=_LONGEST)}"
    if _bars and sys.stderr.isatty():
        _bars[-1].print(text, markup=False, soft_wrap=True)
    else:
        print(text, file=sys.stderr)


def _remark_on(message: Warning | str, *_: Any, **__: Any) -> None:
    text = str(message)
    if lacking := re.match(r"Glyph (\d+) .*missing from", text):
        # Matplotlib says it of each character.
        warnings.filterwarnings("ignore", message="Glyph ")
        text = (
            f"the font of the pictures lacks characters, such as {chr(int(lacking[1]))}"
            ", and boxes stand for them; matplotlib's font.family names another"
        )
    remark(f"warning: {text}")


@contextlib.contextmanager
def running(model: str) -> Iterator[None]:
    """Say in one line why a network does not run: a file may declare anything."""
    try:
        yield
    except (KerasconvError, OSError):
        raise
    except Exception as error:
        raise KerasconvError(
            f"{model} cannot be run: {one_line(error)}; kerasconv summary shows its "
            "layers"
        ) from error


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
    for variable, value in backends.OURS.items():
        os.environ.setdefault(variable, value)
    with _leaving_on_interruption(), hushed(), unswept():
        try:
            importlib.import_module("kerasconv._keras")
        except ImportError as error:
            raise KerasconvError(
                f"Keras cannot be imported on {name}: {one_line(error)}; install it "
                "anew, or name another backend with --backend"
            ) from error
    return name


@contextlib.contextmanager
def _leaving_on_interruption() -> Iterator[None]:
    """End at once when interrupted: an exception amid native code would abort.

    Nothing is written yet that would have to be tidied.
    """
    try:
        stderr = os.dup(sys.__stderr__.fileno())  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        yield
        return

    def leave(*_: Any) -> None:
        os.write(stderr, b"kerasconv: error: interrupted\n")
        os._exit(_INTERRUPTED)

    ours = [each for each in ENDINGS if callable(signal.getsignal(each))]
    try:
        with handled([signal.SIGINT], leave), handled(ours, signal.SIG_DFL):
            yield
    finally:
        os.close(stderr)


def start_to_train(backend: str | None) -> None:
    """As `start`, with what Keras imports for a seed: TensorFlow, if it is there."""
    start(backend)
    with hushed(), unswept():
        from kerasconv._keras import keras

        keras.utils.set_random_seed(0)


@contextlib.contextmanager
def unswept() -> Iterator[None]:
    """Import without looking for garbage: there is none, and looking takes time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


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
        except (KerasconvError, KeyboardInterrupt):
            raise  # said in one line
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
        help="A model of the zoo (see kerasconv list), or the path of a .keras file.",
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
Sealed = Annotated[
    bool,
    typer.Option(
        "--sealed",
        help="Refuse a .keras file that carries no SHA-256 of its contents: its maker "
        "says that it does, so somebody took them off.",
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
    _options_by_name.clear()
    if context.invoked_subcommand is None:
        print(context.get_help())
        return
    command = context.command.get_command(context, context.invoked_subcommand)  # type: ignore[attr-defined]
    for parameter in command.params:
        if parameter.opts[0].startswith("--"):
            _options_by_name[parameter.name] = parameter.opts[0]
            _options_by_name[parameter.opts[0][2:]] = parameter.opts[0]


def checked_model(
    name: str, *others: str, trust: bool = False, sealed: bool = False
) -> "Card | None":
    """The card of a model, if it has one, before Keras, which is slow, is imported.

    A wrong name or file is refused.
    """
    from kerasconv import untrusted
    from kerasconv.models import _card, _own

    if _card.is_file_name(name):
        # Not `Path.expanduser`, which raises where there is no such user.
        path = Path(os.path.expanduser(name))
        untrusted.inspect(path, trust=trust, sealed=sealed)
        return _own.card_beside(path)
    return _card.find_card(name, others)


def existing(path: Path | None) -> Path | None:
    path = path and Path(os.path.expanduser(path))
    # Not `path.exists`, which raises where a name is too long.
    if path is not None and not os.path.exists(path):
        raise UsageError(f"no such file or folder: {str(path)!r}")
    return path


def place(save: Path | None, default: str, image: Path | None = None) -> Path:
    """Where a picture goes, which must not be in place of one that nobody named."""
    if save is None:
        if os.path.lexists(default):
            raise UsageError(f"{default} exists; give it or another name with --save")
        return Path(default)
    save = Path(os.path.expanduser(save))
    if image is not None and os.path.exists(save) and os.path.samefile(save, image):
        raise UsageError(f"--save names the picture to read, {str(save)!r}")
    return save


@contextlib.contextmanager
def progress(
    what: str,
    console: "Console | None" = None,
    total: int | None = None,
    *,
    speed: bool = False,
) -> Iterator[Any]:
    """A progress bar, drawn if the console (default: standard error) is a terminal.

    With `speed` it also says how many are done in a second.
    """
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
        task = bar.add_task(what, total=total, remark="")

        def advance(
            done: int, total: int | None, facts: dict[str, float] | None = None
        ) -> None:
            if speed and (rate := bar.tasks[task].speed):
                bar.update(task, remark=f"{rate:,.0f} a second")
            if facts:
                figures = (f"{key} {value:.4f}" for key, value in facts.items())
                bar.update(task, remark="  ".join(figures))
            bar.update(task, completed=done, total=total)

        if console.is_terminal:
            _bars.append(console)
        try:
            yield advance
        finally:
            if console.is_terminal:
                _bars.remove(console)
