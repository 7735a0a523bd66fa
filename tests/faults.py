"""Plants faults in copies of the package, one at a time: does a test see each?

    python tests/faults.py [WORD...] [--list] [--again] [--backend NAME]
                           [--processes N]

`faults.toml` says of every fault its name, the file, the text there (which stands in
it exactly once), what is put in its place, and the tests that must see it. WORDs
choose the faults that have one of them in their name, file or tests; a few can only
be seen on another backend than JAX, and wait for their --backend.

The tests first run on an unchanged copy, where they must pass. A fault is caught if
one of its tests then fails. The last line counts the faults; the exit status is 1 if
one survives that `faults.toml` does not say so of, and why, or if a test fails without
a fault.

What became of each fault is kept in `faults.json`, by its name: "caught" or "survived",
and a digest of the definition in which it is planted and of its tests. While these are
the same it is not planted again without --again: so one can go on, and after a change
only what it touches is planted. --list says which those are. CONTRIBUTING.md has the
tally of that file. Nothing else is changed in the checkout.
"""

import argparse
import ast
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import house

CHECKOUT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_suffix(".toml")
KEPT = Path(__file__).with_suffix(".json")
BACKEND = "jax"

COPIED = ("kerasconv", "models", "tests", "tutorials", ".ci", ".hatch", "LICENSE")
COPIED += ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml")

SECONDS = 300
"""After so much time of the processor, or four times as long by the clock, tests that
a fault keeps busy have failed."""

# What the tests import and no fault changes is imported once.
PRELOADED = ["numpy", "scipy.ndimage", "PIL.Image", "h5py", "hypothesis", "pytest"]
PRELOADED += ["keras"]


@dataclass(frozen=True)
class Fault:
    """A change of the package that its tests must see.

    Attributes:
        name: What is wrong then, in plain words.
        file: The file, from `kerasconv/` on.
        old: The text that is replaced.
        new: The text in its place.
        tests: Node ids of pytest, from `tests/` on.
        backend: Where the tests run.
        survives: Why no test can see it, if none can.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    backend: str = BACKEND
    survives: str = ""

    def planted(self, text: str) -> str:
        """The text of the file with the fault in it."""
        if text.count(self.old) != 1:
            raise SystemExit(
                f"{self.name}: the old text stands {text.count(self.old)} times in "
                f"{self.file}, not once"
            )
        return text.replace(self.old, self.new)

    def digest(self) -> str:
        """SHA-256 of what its outcome depends on at first sight.

        The definition in which it is planted, and the tests: of other parts of their
        files neither says anything, and those change daily.
        """
        whole = (CHECKOUT / "kerasconv" / self.file).read_text("utf-8")
        self.planted(whole)  # it stands there once
        at = whole.index(self.old)
        first, last = (
            whole[:end].count("\n") + 1 for end in (at, at + len(self.old.rstrip()))
        )
        texts = [self.backend, self.old, self.new]
        texts += [
            text
            for _, lines, text in _definitions(whole)
            if lines[0] <= last and first <= lines[-1]
        ]
        for test in self.tests:
            file, _, name = test.partition("::")
            name = re.split(r"::|\[", name)[0]
            found = _definitions((CHECKOUT / "tests" / file).read_text("utf-8"))
            texts += [test, *(text for defined, _, text in found if defined == name)]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _definitions(whole: str) -> Iterator[tuple[str, range, str]]:
    """The statements of a file: the name that each defines, its lines, and its text."""
    for part in ast.parse(whole).body:
        above = (each.lineno for each in getattr(part, "decorator_list", ()))
        lines = range(min([part.lineno, *above]), part.end_lineno + 1)
        text = "\n".join(whole.splitlines()[lines[0] - 1 : lines[-1]])
        yield getattr(part, "name", ""), lines, text


def read(table: Path = TABLE) -> list[Fault]:
    """All faults."""
    with open(table, "rb") as file:
        return [
            Fault(**facts | {"tests": tuple(facts["tests"])})
            for facts in tomllib.load(file)["fault"]
        ]


@dataclass
class Outcome:
    """How some tests ended: the names of those that failed, how many passed."""

    failed: list[str] = field(default_factory=list)
    passed: int = 0
    log: str = ""

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid.removeprefix("tests/"))
        self.passed += report.when == "call" and report.passed


def copy(source: Path, tree: Path) -> None:
    """Copy what the tests need of a checkout."""
    tree.mkdir()
    for name in COPIED:
        if (part := source / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(part, tree / name, ignore=skip)
        elif part.exists():
            shutil.copy(part, tree / name)


def run(
    whole: Path, fault: Fault | None, tests: Iterable[str], *options: str
) -> Outcome:
    """Run tests on a copy, with a fault or without, in this process."""
    tree = Path(tempfile.mkdtemp(dir=whole.parent), "kerasconv")
    copy(whole, tree)
    if fault is not None:
        path = tree / "kerasconv" / fault.file
        path.write_text(fault.planted(path.read_text("utf-8")), "utf-8")
    _settle(tree)
    import pytest

    outcome = Outcome()
    ids = [f"tests/{name}" for name in tests]
    options += ("-q", "--backend", os.environ["KERAS_BACKEND"])
    options += ("-p", "no:cacheprovider")
    status = pytest.main([*options, *ids], plugins=[outcome])
    sys.stdout.flush()
    # Neither passed nor failed: a file that does not load, a test that is not there.
    if status not in (0, 1):
        outcome.failed, outcome.passed = [], 0
    outcome.log = (tree.parent / "log").read_text("utf-8", "replace")
    shutil.rmtree(tree)
    return outcome


def _settle(tree: Path) -> None:
    """Let this process, and those that it starts, see the copy and no other."""
    log = os.open(tree.parent / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(tree)
    places = [Path(place or ".").resolve() for place in sys.path]
    others = [str(place) for place in places if not place.is_relative_to(CHECKOUT)]
    sys.path[:] = [str(tree), *others]
    os.environ["PYTHONPATH"] = str(tree)

    def interrupt(*_):
        raise TimeoutError(f"{SECONDS} s")

    signal.signal(signal.SIGPROF, interrupt)
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(4 * SECONDS)


def try_out(
    faults: list[Fault], backend: str, processes: int
) -> Iterator[tuple[Fault, str, str]]:
    """Every fault, what became of it ("caught", "survived" or "no test"), and why."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory(prefix="kerasconv-faults-") as folder:
        # Whoever goes on working in the checkout changes no run.
        copy(CHECKOUT, whole := Path(folder, "whole"))
        # As `conftest.py` sets them, where it comes before Keras.
        os.environ |= {"KERASCONV_TESTS": folder, "KERAS_HOME": f"{folder}/keras"}
        os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
        with ProcessPoolExecutor(processes, context, max_tasks_per_child=1) as pool:
            sound, running = {}, {}
            for group in _by_file(faults):
                tests = dict.fromkeys(test for fault in group for test in fault.tests)
                before = pool.submit(run, whole, None, [*tests])
                for fault in group:
                    ran = pool.submit(run, whole, fault, fault.tests, "-x")
                    sound[ran], running[ran] = before, fault
            for ran in as_completed(running):
                fault = running[ran]
                yield fault, *_judged(fault, sound[ran].result(), ran.result())


def kept() -> dict[str, str]:
    """What became of each fault when it was last planted, and its digest then."""
    return json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}


def keep(fault: Fault, outcome: str) -> None:
    """Note what became of a fault; those that are no more are forgotten."""
    found = kept() | {fault.name: outcome}
    lines = {each.name: found[each.name] for each in read() if each.name in found}
    beside = KEPT.with_suffix(".new")
    beside.write_text(json.dumps(lines, indent=1) + "\n", "utf-8")
    beside.replace(KEPT)


def tally() -> str:
    """How many faults were caught when they were last planted, for CONTRIBUTING.md."""
    faults, known = read(), kept()
    planted = [fault for fault in faults if fault.name in known]
    left = [fault for fault in planted if not known[fault.name].startswith("caught")]
    text = (
        f"Of {len(faults)} faults {len(planted)} were planted, and when last planted "
    )
    text += f"{len(planted) - len(left)} were caught."
    for fault in left:
        text += (
            f"\nNot caught: {fault.name} ({fault.survives or 'no reason is known'})."
        )
    return text


def _by_file(faults: list[Fault]) -> Iterable[list[Fault]]:
    """The faults by their file of tests: one run without a fault is for all of it."""
    groups: dict[str, list[Fault]] = {}
    for fault in faults:
        groups.setdefault(fault.tests[0].partition("::")[0], []).append(fault)
    return groups.values()


def _judged(fault: Fault, before: Outcome, outcome: Outcome) -> tuple[str, str]:
    broken = [n for n in before.failed if _named(n, fault.tests)]
    if not before.passed or broken:
        why = f"{broken[0]} fails without it" if broken else before.log[-2000:]
        return "no test", why
    if outcome.failed:
        return "caught", outcome.failed[0]
    if outcome.passed:
        return "survived", ", ".join(fault.tests)
    return "no test", outcome.log[-2000:]


def _named(node: str, tests: tuple[str, ...]) -> bool:
    return any(node == t or node.startswith((f"{t}[", f"{t}::")) for t in tests)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="faults.py")
    parser.add_argument("words", nargs="*", metavar="WORD", help="choose faults")
    parser.add_argument("--list", action="store_true", help="print them, run nothing")
    parser.add_argument("--backend", default=BACKEND, metavar="NAME")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--again", action="store_true", help="also what is unchanged")
    options = parser.parse_args(arguments)
    chosen = [
        fault
        for fault in read()
        if not options.words
        or any(
            word in "\n".join((fault.name, fault.file, *fault.tests))
            for word in options.words
        )
    ]
    if not chosen:
        parser.error(f"no fault has {' or '.join(options.words)} in it")
    if options.list:
        for fault in chosen:
            how, _, digest = kept().get(fault.name, "never").partition(" ")
            when = "planted" if digest == fault.digest() else "to plant"
            print(f"{when} {how:<8} {fault.file}: {fault.name}")
        return 0
    faults = [fault for fault in chosen if fault.backend == options.backend]
    digests = {fault.name: fault.digest() for fault in faults}
    ended: dict[str, list[Fault]] = {"caught": [], "survived": [], "no test": []}
    known, left = kept(), []
    for fault in faults:
        how, _, digest = known.get(fault.name, "").partition(" ")
        if digest == digests[fault.name] and not options.again:
            ended[how].append(fault)
        else:
            left.append(fault)
    for fault, how, why in try_out(left, options.backend, options.processes):
        ended[how].append(fault)
        print(f"{how:<9} {fault.file}: {fault.name} ({why})", flush=True)
        if how != "no test":
            keep(fault, f"{how} {digests[fault.name]}")
    for fault in ended["survived"]:
        print(f"survivor: {fault.name}: {fault.survives or 'no reason is given'}")
    print(", ".join(f"{len(some)} {how}" for how, some in ended.items()))
    for backend in dict.fromkeys(f.backend for f in chosen if f not in faults):
        waiting = sum(fault.backend == backend for fault in chosen)
        print(f"{waiting} more with --backend {backend}")
    page = house.PAGE.read_text("utf-8")
    house.PAGE.write_text(house.updated(page, tally(), "faults"), "utf-8")
    unexplained = [fault for fault in ended["survived"] if not fault.survives]
    return int(bool(unexplained or ended["no test"]))


if __name__ == "__main__":
    raise SystemExit(main())
