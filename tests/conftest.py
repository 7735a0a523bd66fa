"""Runs the tests once on every installed backend, each in a process of its own.

Keras fixes its backend at import, so a plain `pytest` starts a pytest-xdist worker
for each backend, and every test runs on each. TensorFlow and JAX have two workers that
share their tests: they compile the longest, and keep what they compiled. A test marked
`once` does not depend on the backend: a worker that is through with its backend's
takes such tests, a file at a time (`scheduling.py`). `pytest --backend jax` runs all
tests in this process, on one backend, which is what a debugger wants.

What the run writes outside of a test's own folder, compiled programs above all, lies
in one folder of the run that all its workers share and that goes with it. The summary
says how much memory each worker took at most, and which took more than `MEMORY`.
"""

import atexit
import gc
import json
import os
import resource
import shutil
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import chromium
import pytest
import scheduling

from kerasconv import backends
from kerasconv.docs import SHARED_DATA

CHECKOUT = Path(__file__).resolve().parents[1]

MEMORY = 3e9
"""Bytes that a worker should not take more than: the summary names those that do."""

WORKERS = {"tensorflow": 2, "jax": 2}
"""How many workers share a backend's tests, where one would end last and alone."""

RUN = os.environ.get("KERASCONV_TESTS")
if RUN is None:
    RUN = os.environ["KERASCONV_TESTS"] = tempfile.mkdtemp(prefix="kerasconv-tests-")
    atexit.register(shutil.rmtree, RUN, ignore_errors=True)

# A keras.json of the user's must not change what the tests see, nor a program that
# another run compiled, and half wrote, what they compute.
os.environ["KERAS_HOME"] = os.path.join(RUN, "keras")
os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(RUN, "inductor")
os.environ["TRITON_CACHE_DIR"] = os.path.join(RUN, "triton")
# JAX compiles the same programs in many processes, most of them in no time. Not JAX
# 0.5.3: what it reads back from its cache computes something else (a network with a max
# pool answered 27 of 64 digits otherwise). 0.10 is the oldest that was seen right.
if "jax" in backends.installed() and int(version("jax").split(".")[1]) >= 10:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.path.join(RUN, "jax")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if SHARED_DATA.is_dir():
    os.environ.setdefault("TFDS_DATA_DIR", str(SHARED_DATA))

# Every import and every collected test would have it look over all that there is;
# `pytest_collection_finish` does so once.
gc.disable()

_ONCE = Path(RUN, "once.json")

_results: dict[str, Counter] = {}
_memory: dict[str, float] = {}
_here = ""
_kept = 0.0
_session = None
_scheduler = None


def pytest_addoption(parser):
    parser.addoption(
        "--backend",
        metavar="NAME",
        help="run on this backend only, in this process; else on every installed one, "
        "a worker process each",
    )
    parser.addoption(
        "--share",
        action="store_true",
        help="of what backends deal out among them, run this one's share where it is "
        "alone, too",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if config.option.share:
        os.environ["KERASCONV_SHARE"] = "1"
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    asked = config.option.backend
    if asked is None and config.option.dist == "no" and not config.option.usepdb:
        config.option.dist = "each"
        os.environ["KERASCONV_TESTED"] = " ".join(backends.installed())
        config.option.tx = [
            f"popen//env:KERAS_BACKEND={name}"
            for name in backends.installed()
            for _ in range(WORKERS.get(name, 1))
        ]
    else:
        global _here
        _here = os.environ["KERASCONV_TESTED"] = backends.activate(asked)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    global _scheduler
    if config.option.dist == "each":
        _scheduler = scheduling.BackendScheduling(config, log, _once)
    return _scheduler


def pytest_collection_modifyitems(items):
    """Deal the cases of tests marked `dealt` out to the backends that compile most.

    Like the fields of a chessboard: where a test has several parameters, each backend
    sees every value of each.
    """
    here = backends.activate()
    # JAX and OpenVINO compile every operation for every shape before they compute it.
    # TensorFlow does not, and computes all cases: beside it each of them has a third.
    compiling = scheduling.sharers("jax", "openvino", "tensorflow")
    if here not in compiling or here == "tensorflow":
        return
    for item in items:
        if item.get_closest_marker("dealt"):
            at = sum(_place(item, *m.args) for m in item.iter_markers("parametrize"))
            other = compiling[at % len(compiling)]
            if other != here:
                item.add_marker(pytest.mark.skip(reason=f"{other} runs this case"))


def _place(item, names, values):
    """Which of the values of a parameter, or of several together, a test has."""
    several = not isinstance(names, str)
    asked = [item.callspec.params[name] for name in (names if several else [names])]
    for place, value in enumerate(values):
        given = value if several else [value]
        if all(a is b for a, b in zip(asked, given, strict=True)):
            return place
    raise ValueError(f"{item.nodeid} has values that its mark does not name")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    """Tell the scheduler which tests are `once`: it sees names, and no marks."""
    if hasattr(session.config, "workerinput"):
        names = [i.nodeid for i in session.items if i.get_closest_marker("once")]
        _ONCE.write_text(json.dumps(names))
    # What was imported stays, and takes seconds to look over: no need to, each time.
    gc.collect()
    gc.freeze()
    gc.enable()


def _once():
    # Every worker wrote the same, and the scheduler asks when all have collected.
    return json.loads(_ONCE.read_text())


def pytest_sessionstart(session):
    global _session
    _session = session


def pytest_runtest_logstart():
    # The progress counts names, of whichever backend; xdist takes one worker's.
    if _scheduler:
        _session.testscollected = len(_scheduler.names)


def pytest_report_header(config):
    if config.option.dist == "each":
        names = [_backend_of(spec) for spec in config.option.tx]
        workers = ", ".join(f"gw{i} {name}" for i, name in enumerate(names))
        return f"backends: {workers}"
    return f"backend: {_here}"


def pytest_runtest_logreport(report):
    node = getattr(report, "node", None)
    name = scheduling.backend_of(node) if node else _here
    if report.when == "call" or report.outcome != "passed":
        _results.setdefault(name, Counter())[report.outcome] += 1


def pytest_sessionfinish(session):
    """Hand what this process took to the summary, of this process or the first."""
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["memory"] = _memory_at_most()
    elif _here:
        _memory[_here] = _memory_at_most()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    # A worker that crashed hands nothing over.
    name = scheduling.backend_of(node)
    took = getattr(node, "workeroutput", {}).get("memory", 0)
    _memory[name] = max(took, _memory.get(name, 0))


def pytest_terminal_summary(terminalreporter):
    if not _results:
        return
    terminalreporter.section("backends")
    for name in backends.BACKENDS:
        if name in _results:
            counts = ", ".join(f"{n} {what}" for what, n in _results[name].items())
            took = _memory.get(name, 0)
            limit = f", more than {MEMORY / 1e9:.1f}" if took > MEMORY else ""
            counts += f"; {took / 1e9:.1f} GB of memory at most{limit}"
            terminalreporter.line(f"{name:<12}{counts}")
        elif name not in backends.installed():
            terminalreporter.line(f"{name:<12}not installed")


def _backend_of(spec):
    return str(spec).partition("KERAS_BACKEND=")[2]


@pytest.fixture(autouse=True)
def bounded_memory():
    """Let go of JAX's compiled programs where they fill another gigabyte.

    Not sooner: tests share programs. TensorFlow never frees a program that XLA
    compiled, so to forget one there only means to compile it again.
    """
    global _kept
    yield
    jax = sys.modules.get("jax")
    if jax is not None and _memory_now() > _kept + 1e9:
        jax.clear_caches()
        gc.collect()
        _kept = _memory_now()


def _memory_now():
    """Bytes that this process holds; without Linux's table, the most that it held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _memory_at_most()
    return pages * resource.getpagesize()


def _memory_at_most():
    took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return took * (1 if sys.platform == "darwin" else 1024)


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


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, the one of the system."""
    pytest.importorskip("playwright.sync_api")
    if chromium.program() is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with chromium.started() as started:
        yield started
