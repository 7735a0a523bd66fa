"""The tutorials: scripts that are read as pages, opened as notebooks, run as tests.

A tutorial is a Python script in jupytext's percent format, numbered in the order of
reading. The wheel carries them as notebooks, which were made when it was built.
`kerasconv tutorials` lists them and writes the notebooks to a folder.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv import files
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.files import check_path

if TYPE_CHECKING:
    import keras

__all__ = [
    "Tutorial",
    "copy_notebooks",
    "folder",
    "is_fast",
    "list_tutorials",
    "progress_bar",
]


@dataclass(frozen=True)
class Tutorial:
    """One tutorial.

    Attributes:
        path: The script in a checkout, the notebook in an installed package.
        title: Its heading.
        minutes: How long it takes to read.
    """

    path: Path
    title: str
    minutes: int

    @property
    def name(self) -> str:
        """The file's name without its ending, "03_pooling"."""
        return self.path.stem


def is_fast() -> bool:
    """Whether the tutorials shall shrink their data, as the tests have them do.

    It is what the environment variable `KERASCONV_FAST` says: unset, empty or "0" is
    no.

    Example:
        >>> images = images[:8] if is_fast() else images
    """
    return os.environ.get("KERASCONV_FAST", "") not in ("", "0")


def folder() -> Path:
    """Where the tutorials are: in the installed package, or in the checkout."""
    installed = Path(str(resources.files("kerasconv"))) / "lessons"
    if installed.is_dir():
        return installed
    return Path(__file__).resolve().parents[1] / "tutorials"


def list_tutorials() -> list[Tutorial]:
    """All tutorials, in the order of reading.

    Raises:
        KerasconvError: they are missing from the installation.

    Example:
        >>> list_tutorials()[0].title
        'Convolution in one dimension'
    """
    paths = [path for path in folder().glob("[0-9]*") if path.suffix in _READERS]
    found = [_read(path) for path in sorted(paths)]
    if not found:
        raise KerasconvError(
            f"there are no tutorials in {folder()}; install kerasconv again"
        )
    return found


def copy_notebooks(
    directory: str | os.PathLike, *, overwrite: bool = False
) -> list[Path]:
    """Writes every tutorial as a Jupyter notebook, not yet run.

    Args:
        directory: where they go; it is made if it does not exist.
        overwrite: whether to replace notebooks of the same names.

    Returns:
        The notebooks' paths.

    Raises:
        UsageError: one of them exists already; then nothing is written.
        KerasconvError: the place cannot be written, or this is a checkout and
            jupytext, which converts its scripts, is not installed.

    Example:
        >>> copy_notebooks("lessons")[0].name
        '01_convolution_in_one_dimension.ipynb'
    """
    folder = Path(os.path.expanduser(check_path("directory", directory)))
    sources = [tutorial.path for tutorial in list_tutorials()]
    targets = [folder / f"{source.stem}.ipynb" for source in sources]
    if not overwrite:
        for target in targets:
            if target.exists():
                raise UsageError(
                    f"{target} exists already, perhaps with your changes; choose "
                    "another folder, or replace it with `overwrite=True`"
                )
    texts = [_notebook(source) for source in sources]
    for target, text in zip(targets, texts, strict=True):
        files.write_text(target, text)
    return targets


def _notebook(path: Path) -> str:
    """A tutorial as the text of a notebook."""
    if path.suffix == ".ipynb":
        return path.read_text(encoding="utf-8")
    try:
        import jupytext
    except ModuleNotFoundError as error:
        raise KerasconvError(
            "the tutorials of a checkout are scripts, which jupytext makes notebooks "
            "of; install it with: pip install jupytext"
        ) from error
    notebook = jupytext.read(path, fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        # Drawn at random they would make every build of the wheel another one.
        cell["id"] = f"cell-{number}"
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(r"](\1.ipynb", cell.source)
    return jupytext.writes(notebook, fmt="ipynb")


# A link from one tutorial to another, by the name of its script.
_LINK = re.compile(r"\]\((\d\d_\w+)\.py")


def _text_of_script(text: str) -> str:
    return re.sub("^# ?", "", text, flags=re.MULTILINE)


def _text_of_notebook(text: str) -> str:
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


# What makes the text of a page of a file's, by the file's ending.
_READERS = {".py": _text_of_script, ".ipynb": _text_of_notebook}


def _read(path: Path) -> Tutorial:
    text = _READERS[path.suffix](path.read_text(encoding="utf-8"))
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    minutes = re.search(r"\*\*Reading time:\*\* (\d+) minutes", text)
    if title is None or minutes is None:
        raise KerasconvError(f"the tutorial {path} has no title or no reading time")
    return Tutorial(path, title[1], int(minutes[1]))


def progress_bar(batches_shown: int = 10) -> "keras.callbacks.Callback":
    """A progress bar for training, wherever a tutorial runs.

    On a terminal one line is redrawn in place. In a notebook one output is, so that
    a page built from it keeps the end only (Keras's own bar leaves every state that
    it went through). Elsewhere there is a line an epoch.

    Args:
        batches_shown: after how many batches it is drawn anew.

    Returns:
        A Keras callback, for one call of `fit` after another.

    Example:
        >>> model.fit(x, y, epochs=3, verbose=0, callbacks=[progress_bar()])
        epoch 3 of 3 [####################] 21 s, accuracy 0.978, loss 0.074
    """
    from kerasconv._keras import keras

    class ProgressBar(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.began = time.perf_counter()
            self.draw, self.in_place = _line()
            self.shown = ""

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.in_place and batch % batches_shown == 0:
                self._draw(batch + 1, {})

        def on_epoch_end(self, epoch, logs=None):
            self._draw(self.params["steps"] or 1, logs or {})

        def on_train_end(self, logs=None):
            if self.in_place:
                self.draw(self.shown, end=True)

        def _draw(self, batch, logs):
            epochs, steps = self.params["epochs"], self.params["steps"] or 1
            done = int(20 * (self.epoch * steps + batch) / (epochs * steps))
            parts = [f"{time.perf_counter() - self.began:.0f} s"]
            parts += [f"{name} {value:.3f}" for name, value in sorted(logs.items())]
            self.shown = (
                f"epoch {self.epoch + 1} of {epochs} [{'#' * done:.<20}] "
                + ", ".join(parts)
            )
            self.draw(self.shown, end=not self.in_place)

    return ProgressBar()


def _line() -> tuple[Callable[..., None], bool]:
    """What writes a line of text, and whether it redraws the one before."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    terminal = sys.stdout.isatty()
    drawn: list[str] = []
    name = f"kerasconv-{time.monotonic_ns()}"

    def update(text: str, end: bool) -> None:
        shell.display_pub.publish(
            {"text/plain": text}, transient={"display_id": name}, update=bool(drawn)
        )
        drawn.append(text)

    def write(text: str, end: bool) -> None:
        line = f"\r{text:<78}" if terminal else text
        print(line, end="\n" if end else "", flush=True)

    if shell is not None and not terminal:
        return update, True
    return write, terminal
