"""Runs the tests once on every installed backend, each in a process of its own.

Keras fixes its backend at import, so a plain `pytest` starts one pytest-xdist worker
a backend, and every worker runs every test. A test marked `once` does not depend on
the backend and runs in one worker only. `pytest --backend jax` runs in this process,
on one backend, which is what a debugger wants.
"""

import gc
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from kerasconv import backends

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED_DATA = CHECKOUT.parent / "shared" / "data"

# A keras.json of the user's must not change what the tests see.
os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="kerasconv-tests-")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if SHARED_DATA.is_dir():
    os.environ.setdefault("TFDS_DATA_DIR", str(SHARED_DATA))

_DONE = pytest.StashKey[int]()

_results: dict[str, Counter] = {}
_here = ""
_session = None
_collected = 0


def pytest_addoption(parser):
    parser.addoption(
        "--backend",
        metavar="NAME",
        help="run on this backend only, in this process; else on every installed one, "
        "a worker process each",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    asked = config.option.backend
    if asked is None and config.option.dist == "no" and not config.option.usepdb:
        config.option.dist = "each"
        config.option.tx = [
            f"popen//env:KERAS_BACKEND={name}" for name in backends.installed()
        ]
    else:
        global _here
        _here = backends.activate(asked)


def pytest_collection_modifyitems(config, items):
    if not hasattr(config, "workerinput"):
        return
    # The last in order of preference has the least to do: numpy cannot train.
    if os.environ["KERAS_BACKEND"] == backends.installed()[-1]:
        return
    once = [item for item in items if item.get_closest_marker("once")]
    if once:
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if item not in once]


def pytest_sessionstart(session):
    global _session
    _session = session


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids):
    global _collected
    _collected += len(ids)


def pytest_runtest_logstart():
    # xdist counts one worker's tests, and the progress would end beyond 100 %.
    if _collected:
        _session.testscollected = _collected


def pytest_report_header(config):
    if config.option.dist == "each":
        names = [_backend_of(spec) for spec in config.option.tx]
        workers = ", ".join(f"gw{i} {name}" for i, name in enumerate(names))
        return f"backends: {workers}"
    return f"backend: {_here}"


def pytest_runtest_logreport(report):
    node = getattr(report, "node", None)
    name = node.gateway.spec.env["KERAS_BACKEND"] if node else _here
    if report.when == "call" or report.outcome != "passed":
        _results.setdefault(name, Counter())[report.outcome] += 1


def pytest_terminal_summary(terminalreporter):
    if not _results:
        return
    terminalreporter.section("backends")
    for name in backends.BACKENDS:
        if name in _results:
            counts = ", ".join(f"{n} {what}" for what, n in _results[name].items())
            terminalreporter.line(f"{name:<12}{counts}")
        elif name not in backends.installed():
            terminalreporter.line(f"{name:<12}not installed")


def _backend_of(spec):
    return str(spec).partition("KERAS_BACKEND=")[2]


@pytest.fixture(autouse=True)
def bounded_memory(request):
    """Forget compiled programs now and then: thousands of them fill gigabytes."""
    yield
    count = request.config.stash.get(_DONE, 0) + 1
    request.config.stash[_DONE] = count
    if count % 40 == 0:
        if (jax := sys.modules.get("jax")) is not None:
            jax.clear_caches()
        if (window := sys.modules.get("kerasconv.layers._window")) is not None:
            window.forget()
        gc.collect()


@pytest.fixture(scope="session")
def backend():
    """The backend that this process runs on."""
    return backends.activate()


@pytest.fixture(scope="session")
def digits():
    """The real digits of the package and their labels."""
    from kerasconv.digits import load_digits

    return load_digits()


@pytest.fixture(scope="session")
def mnist_test():
    """The whole MNIST test set, where there is a copy of it."""
    from kerasconv import data
    from kerasconv.errors import KerasconvError

    try:
        return data.load("mnist", "test")
    except KerasconvError as error:
        pytest.skip(str(error))
