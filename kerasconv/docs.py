"""Builds the site: the tutorials, executed, the API, the zoo and the benchmarks.

`python -m kerasconv.docs [OUT]` builds it from a clone, without a network, into `OUT`
(default: `.site` in the clone). It needs the data sets that the tutorials measure on.
`--preview` builds it without them: on a little data, and with no conclusions drawn.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kerasconv import backends, tutorials
from kerasconv.errors import KerasconvError, UsageError

CHECKOUT = Path(__file__).resolve().parents[1]

SHARED_DATA = CHECKOUT.parent / "shared" / "data"
"""Data beside the clone, for the tests and the site where TFDS_DATA_DIR is not set."""

DATASETS = ("mnist", "cats_vs_dogs")
"""What the tutorials measure on."""

NEEDS = (
    "sphinx",
    "myst_nb",
    "furo",
    "jupytext",
    "ipykernel",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
)


_PREVIEW = """```{warning}
This is a preview: the page was run on a little data, to see that it runs. Its figures
measure nothing, and its conclusions are left out.
```"""


def build(
    out: str | os.PathLike = CHECKOUT / ".site", *, preview: bool = False
) -> Path:
    """Build the site.

    Warnings are errors.

    Args:
        out: the folder to write; what an earlier build left there is removed.
        preview: run the tutorials on a little data, and leave out what they conclude.
            So does `KERASCONV_FAST=1` in the environment.

    Returns:
        The home page.

    Raises:
        UsageError: `out` holds something that is no site.
        KerasconvError: there is no clone to build from, Sphinx or a data set is
            missing, the backend does not train, or a page cannot be built.

    Example:
        >>> build("site").name
        'index.html'
    """
    out = Path(out).resolve()
    if not (CHECKOUT / "tutorials" / "conf.py").is_file():
        raise KerasconvError(
            "the site is built from a clone of the repository, which holds the pages; "
            f"this is an installed package ({Path(__file__).parent})"
        )
    for module in NEEDS:
        if find_spec(module) is None:
            raise KerasconvError(
                f'{module} is not installed; in the clone: pip install -e ".[docs]"'
            )
    if not backends.BACKENDS[backend := backends.activate()].trains:
        able = [name for name, facts in backends.BACKENDS.items() if facts.trains]
        raise KerasconvError(
            f"the tutorials train networks, which Keras cannot on {backend}; set "
            f"KERAS_BACKEND to one of {', '.join(able)}"
        )
    empty = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    if not empty and not (out / ".buildinfo").is_file():
        raise UsageError(f"{str(out)!r} is there already and holds no site")
    if preview:
        os.environ["KERASCONV_FAST"] = "1"
    elif not tutorials.is_fast():
        _find_data()

    from sphinx.cmd.build import build_main

    with tempfile.TemporaryDirectory() as work:
        _prepare_kernels(Path(work), backend)
        built, doctrees = (str(Path(work, name)) for name in ("site", "doctrees"))
        # Not several pages at once (-j): tutorials measure times.
        pages = ["-c", str(CHECKOUT / "tutorials"), str(CHECKOUT), built]
        if build_main(["-W", "--keep-going", "-d", doctrees, *pages]):
            raise KerasconvError("the site was not built; Sphinx says above why")
        # Only now, so that an earlier site outlives a build that fails.
        if out.exists():
            shutil.rmtree(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(built, out)
    return out / "index.html"


def read_page(text: str) -> Any:
    """A tutorial's script as the notebook that the site shows.

    A preview has no conclusions: they are in cells with that tag.
    """
    import jupytext
    import nbformat

    page = jupytext.reads(text, fmt="py:percent")
    if tutorials.is_fast():
        page.cells = [
            cell
            for cell in page.cells
            if "conclusion" not in cell.metadata.get("tags", ())
        ]
        page.cells.insert(1, nbformat.v4.new_markdown_cell(_PREVIEW, id="preview"))
    return page


def _find_data() -> None:
    """Have every data set at hand before pages are built for minutes."""
    from kerasconv import data

    if SHARED_DATA.is_dir():
        os.environ.setdefault("TFDS_DATA_DIR", str(SHARED_DATA))
    for name in DATASETS:
        try:
            data.load(name, "test")
        except KerasconvError as error:
            raise KerasconvError(
                f"the tutorials measure on {' and '.join(DATASETS)}: {error}; or build "
                "a preview, which draws no conclusions: python -m kerasconv.docs "
                "--preview"
            ) from error


def _prepare_kernels(work: Path, backend: str) -> None:
    """Tell the kernels, which execute the tutorials, by the environment what to run."""
    # Not the user's own profile: its startup files would run before every tutorial.
    profile = work / "profile_default"
    profile.mkdir()
    # A kernel warns at its start that another user of this machine could listen.
    profile.joinpath("ipython_kernel_config.py").write_text(
        "get_config().IPKernelApp.log_level = 40\n"
    )
    paths = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    os.environ.update(
        IPYTHONDIR=str(work),
        KERAS_BACKEND=backend,
        PYTHONPATH=os.pathsep.join(filter(None, paths)),
    )
    for variable, value in backends.OURS.items():
        os.environ.setdefault(variable, value)


class ForkedKernel:
    """The process of a Jupyter kernel, forked of one that has imported Keras.

    Every page has a process of its own, and most of its time would go into importing
    Keras, a backend and Matplotlib. This stands in for the `subprocess.Popen` that
    `jupyter_client` starts a kernel in.
    """

    stdin = stdout = stderr = None

    def __init__(self, command: list[str], *, env: dict, cwd: str, **_: Any):
        server: Any = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(
            ["ipykernel.kernelapp", "keras", "kerasconv.layers", "matplotlib.pyplot"]
        )
        started, tell = server.Pipe(duplex=False)
        # After the interpreter, -m and the module.
        self._process = server.Process(
            target=_run_kernel, args=(command[3:], dict(env), cwd, tell)
        )
        self._process.start()
        tell.close()
        started.recv()
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """Its exit status, once it has ended."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, where that cannot be sent to its group."""
        os.kill(self.pid, number)


def _run_kernel(
    arguments: list[str], environment: dict, folder: str, tell: Connection
) -> None:
    """Be a kernel, in a process of its own group, which may be killed as such."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    os.chdir(folder)
    os.environ.update(environment)
    if tutorials.is_fast():
        # `fit` imports it wherever it is installed, to know its tensors, for seconds.
        # A preview reads no data set, which may need it.
        sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]
    tell.send(None)
    tell.close()
    # A kernel ends when its parent is another than stated.
    IPKernelApp.launch_instance(
        [*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
    )


def main(arguments: list[str]) -> int:
    """The command: one line on an error, and its exit status."""
    places = [text for text in arguments if text != "--preview"]
    if len(places) > 1 or any(text.startswith("-") for text in places):
        print("usage: python -m kerasconv.docs [--preview] [OUT]", file=sys.stderr)
        return 2
    try:
        print(build(*places, preview=places != arguments))
    except (KerasconvError, OSError) as error:
        print(f"kerasconv.docs: error: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
