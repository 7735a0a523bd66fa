"""Which Keras backend runs, and why.

Keras fixes its backend when it is first imported, so the choice comes before:
`--backend` on the command line, else the environment variable `KERAS_BACKEND`,
else the user's `keras.json`, else the first backend installed. This module
imports neither Keras nor a backend.
"""

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kerasconv.errors import KerasconvError, check_known

__all__ = [
    "BACKENDS",
    "OURS",
    "Choice",
    "activate",
    "check_name",
    "choose",
    "in_fresh_process",
    "installed",
    "settled",
    "version",
]


@dataclass(frozen=True)
class Backend:
    """A Keras backend: the modules it needs and what it can do."""

    modules: tuple[str, ...]
    """Import names that must be found for the backend to work."""

    extra: str
    """The extra of this package that installs it, called as its distribution is."""

    trains: bool
    """Whether Keras can train on it (numpy and openvino only infer)."""


# The order is the order of preference when nobody chose. Keras's numpy backend
# computes its convolutions with JAX, so it comes with JAX.
BACKENDS = {
    "tensorflow": Backend(("tensorflow",), "tensorflow", trains=True),
    "jax": Backend(("jax", "jaxlib"), "jax", trains=True),
    "torch": Backend(("torch",), "torch", trains=True),
    "openvino": Backend(("openvino",), "openvino", trains=False),
    "numpy": Backend(("jax", "jaxlib"), "jax", trains=False),
}


OURS = {"OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""The environment of a process that is ours alone, where the user has not set it.

Two OpenMP runtimes in one process (torch beside another) spin against each other on
few cores unless the waiting one sleeps. TensorFlow reports a missing GPU as an error.
"""


@dataclass(frozen=True)
class Choice:
    """The backend that would run, and what decided it."""

    name: str
    reason: str


def installed() -> list[str]:
    """The backends whose modules are found, in order of preference."""
    return [name for name in BACKENDS if _is_installed(name)]


def version(name: str) -> str | None:
    """The version of what the backend needs, or None if it is not installed.

    Raises:
        UsageError: the name is no Keras backend.
    """
    check_name(name)
    if not _is_installed(name):
        return None
    module = BACKENDS[name].modules[0]
    packages = importlib.metadata.packages_distributions().get(module, [module])
    try:
        return f"{packages[0]} {importlib.metadata.version(packages[0])}"
    except importlib.metadata.PackageNotFoundError:
        return "yes"


def choose(name: str | None = None) -> Choice:
    """The backend to run: `name`, KERAS_BACKEND, keras.json, the first installed.

    A `keras.json` that names a backend which is not installed does not count:
    Keras writes that file itself, with "tensorflow" in it, on its first import.

    Raises:
        UsageError: the name is no Keras backend.
        KerasconvError: the backend that was asked for, or every backend, is missing.
    """
    if name:
        return _required(name)
    if os.environ.get("KERAS_BACKEND"):
        return _required(
            os.environ["KERAS_BACKEND"], "the environment variable KERAS_BACKEND"
        )
    available = installed()
    if not available:
        raise KerasconvError(
            "no Keras backend is installed; install one with: pip install tensorflow "
            "(or jax, torch, openvino)"
        )
    config, configured = _keras_json()
    if configured in available:
        return Choice(configured, f"the file {config}")
    reason = "the first one installed"
    if configured:
        reason += f" ({config} says {configured}, which is not installed)"
    return Choice(available[0], reason)


def activate(name: str | None = None) -> str:
    """Settle the backend before Keras is imported; return its name.

    Once Keras is imported its backend is what counts.

    Raises:
        KerasconvError: as `choose`; or another backend is already running.
    """
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "backend"):
        running = keras.backend.backend()
        if name and _required(name).name != running:
            raise KerasconvError(
                f"Keras already runs on {running}; choose {name} before Keras is "
                f"imported (KERAS_BACKEND={name})"
            )
        return running
    choice = choose(name)
    os.environ["KERAS_BACKEND"] = choice.name
    return choice.name


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Within, Keras may be imported; after, the environment is as it was.

    Raises:
        KerasconvError: as `choose`.
    """
    before = os.environ.get("KERAS_BACKEND")
    activate()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("KERAS_BACKEND", None)
        else:
            os.environ["KERAS_BACKEND"] = before


def in_fresh_process(*arguments: object, **environment: str) -> tuple[bytes, str]:
    """Run Python in a process of its own, with another `KERAS_BACKEND` say.

    Args:
        *arguments: Of Python's command line.
        **environment: Variables to set there, besides those of this process.

    Returns:
        What it printed; and why it failed, on one line, or "" if it did not.
    """
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**OURS, **os.environ, **environment},
        capture_output=True,
    )
    reason = ""
    if done.returncode < 0:
        reason = f"its process was ended by signal {-done.returncode}"
    elif done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        reason = "".join(last) or "no reason given"
    return done.stdout, reason


def check_name(name: str, source: str = "") -> None:
    """Refuse a name that is no Keras backend, installed or not.

    Args:
        name: The name.
        source: Where the name comes from, for the message, if not from the caller.

    Raises:
        UsageError: there is no such backend.
    """
    check_known(f"backend{_from(source)}", name, BACKENDS)


def _from(source: str) -> str:
    return source and f" ({source})"


def _required(name: str, source: str = "") -> Choice:
    check_name(name, source)
    if not _is_installed(name):
        raise KerasconvError(
            f"the backend {name}{_from(source)} is not installed; install it with: "
            f"pip install {BACKENDS[name].extra}"
        )
    return Choice(name, source)


def _is_installed(name: str) -> bool:
    return all(_found(module) for module in BACKENDS[name].modules)


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _keras_json() -> tuple[Path, str | None]:
    """Keras's configuration file and the backend that it names, if any."""
    # Not `Path.home`, which raises where there is none, as in many a container.
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    path = Path(home, "keras.json")
    try:
        backend = json.loads(path.read_text()).get("backend")
    except (OSError, ValueError, AttributeError):
        return path, None
    return path, backend if isinstance(backend, str) else None
