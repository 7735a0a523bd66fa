"""The command line of a table: a process a backend, printing, and the figures kept."""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _backends import TRAINS, take_gpu
from _harness import THREADS, Contender, measure, met, rows, target

BACKENDS = ("tensorflow", "jax", "torch", "openvino", "numpy")
TOLERANCES = {"openvino": 1e-2}
"""Largest error accepted before timing, relative to the largest true value: 1e-4,
but OpenVINO computes in bfloat16 where the processor can."""


@dataclass(frozen=True)
class Table:
    """What a benchmark is made of."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    races: Callable[[str, tuple[int, ...], bool], Iterator[tuple[str, list[Contender]]]]
    """(backend, shape, with ours) -> what is raced ("forward" ...), and by whom."""

    limits: dict[tuple[str, ...], float | None]
    """(backend, mode, race, peer) -> the highest ratio aimed at, of one shape
    alone where that is named too; None quotes the ratio in the README without a
    target."""

    on_gpu: "Table | None" = None
    """The same with the shapes and limits of a GPU."""

    def limit(self, row: dict[str, Any]) -> dict[str, Any]:
        """Whether the row is quoted, and its limit."""
        key = (row["backend"], row["mode"], row["race"], row["peer"])
        own = (*key, row["shape"])
        limit = self.limits.get(own, self.limits.get(key))
        return {"quoted": own in self.limits or key in self.limits, "limit": limit}


def main(table: Table, arguments: list[str] | None = None) -> int:
    """The command line of a table; returns its exit status."""
    parser = argparse.ArgumentParser(prog=f"{table.name}.py")
    parser.add_argument("--backend", default="all", choices=["all", *BACKENDS])
    parser.add_argument("--shapes", nargs="*", metavar="8x512x512x3")
    parser.add_argument("--rounds", type=int, default=9, help="at least 7 (default 9)")
    parser.add_argument("--starts", type=int, default=1, help="of each row the best")
    parser.add_argument("--quick", action="store_true", help="3 rounds: a first look")
    parser.add_argument("--peers", action="store_true", help="the peers alone")
    parser.add_argument("--gpu", action="store_true", help="on a GPU, where one is")
    parser.add_argument("--json", type=Path, help="where the figures go, or are added")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.rounds < 7:
        parser.error("--rounds must be at least 7; --quick takes fewer")
    if options.starts < 1:
        parser.error("--starts must be at least 1")
    table = (options.gpu and table.on_gpu) or table
    if options.child:
        options.child.write_text(json.dumps(_race(table, options)))
        return 0
    facts = _facts(3 if options.quick else options.rounds)
    found, failed = [], []
    names = BACKENDS if options.backend == "all" else [options.backend]
    if options.gpu:
        facts["gpu"] = _gpu()
        del facts["threads"], facts["cpus"]
        names = [name for name in names if name in TRAINS]
    kept = _kept(options.json, facts)
    names = [n for n in names if options.backend != "all" or _installed(n)]
    # On a GPU they compile side by side.
    with ThreadPoolExecutor(max(1, len(names)) if options.gpu else 1) as pool:
        start = partial(
            _in_children, options.starts, arguments or sys.argv[1:], options.gpu
        )
        for name, result in zip(names, pool.map(start, names), strict=True):
            if result is None:
                failed.append(name)
            else:
                found += result
    _print(table.name, found)
    if options.json:
        rows = _merged(kept, found, [_text(shape) for shape in table.shapes])
        lines = ",\n".join(json.dumps(row) for row in rows)
        heading = json.dumps(facts, indent=1)
        options.json.write_text(f'{{"facts": {heading},\n"rows": [\n{lines}\n]}}\n')
    for name in failed:
        print(f"{name}: no result, see the error above", file=sys.stderr)
    return 1 if failed else 0


def _race(table: Table, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Everything on one backend, in this process."""
    backend = options.backend
    if options.gpu:
        take_gpu(backend)
    shapes = [s for s in table.shapes if _text(s) in (options.shapes or [_text(s)])]
    if not shapes:
        raise SystemExit(f"--shapes: none of {', '.join(map(_text, table.shapes))}")
    result = []
    for shape in shapes:
        for race, contenders in table.races(backend, shape, not options.peers):
            print(f"{table.name}: {backend} {_text(shape)} {race}", file=sys.stderr)
            rounds = 3 if options.quick else options.rounds
            tolerance = TOLERANCES.get(backend, 1e-4)
            alone = _alone_on_the_gpu if options.gpu else nullcontext
            measure(contenders, rounds, tolerance, alone=alone)
            found = rows(contenders, backend=backend, race=race, shape=_text(shape))
            result += [row | table.limit(row) for row in found]
    return result


@contextmanager
def _alone_on_the_gpu() -> Iterator[None]:
    """The GPU for this process alone, of all that are being timed on it."""
    import fcntl

    with open(Path(tempfile.gettempdir(), "kerasconv-gpu.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _beside(earlier: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows found, with those of other backends of an earlier run of this kind."""
    unlike = [
        key
        for key, value in found.items()
        if key not in ("rows", "date") and earlier.get(key) != value
    ]
    run = {row["backend"] for row in found["rows"]}
    others = [row for row in earlier["rows"] if row["backend"] not in run]
    if others and unlike:
        raise SystemExit(f"the figures kept have other {', '.join(unlike)}")
    return sorted(
        [*found["rows"], *others], key=lambda row: BACKENDS.index(row["backend"])
    )


def _kept(path: Path | None, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of an earlier run to add to, which must have been one of this kind."""
    if path is None or not path.exists():
        return []
    earlier = json.loads(path.read_text())
    if {**earlier["facts"], "date": facts["date"]} != facts:
        raise SystemExit(f"{path} has other versions or rounds; remove it first")
    return earlier["rows"]


def _merged(
    kept: list[dict[str, Any]], found: list[dict[str, Any]], shapes: list[str]
) -> list[dict[str, Any]]:
    """`kept` with what was found anew in place of the same backend and shape."""

    def place(row):
        return BACKENDS.index(row["backend"]), shapes.index(row["shape"])

    fresh = {place(row) for row in found}
    return sorted(
        [*(row for row in kept if place(row) not in fresh), *found], key=place
    )


def _in_children(
    starts: int, arguments: list[str], gpu: bool, backend: str
) -> list[dict[str, Any]] | None:
    """Of each row of one backend that of the best start; None if one failed."""
    every = [_in_a_child(backend, arguments, gpu) for _ in range(starts)]
    whole = [rows for rows in every if rows is not None]
    if len(whole) < starts:
        return None
    return [min(same, key=_ratio) for same in zip(*whole, strict=True)]


def _ratio(row: dict[str, Any]) -> float:
    return row["ratio"] if "ratio" in row else row["peer_ms"]


def _in_a_child(
    backend: str, arguments: list[str], gpu: bool = False, keeps_memory: bool = False
) -> list[dict[str, Any]] | None:
    """The rows of one backend from a process of its own; None if that failed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        child = ["--backend", backend, "--child", str(out)]
        done = subprocess.run(
            [sys.executable, sys.argv[0], *arguments, *child],
            env=_settled(backend, gpu) | (KEPT_MEMORY if keeps_memory else {}),
        )
        return None if done.returncode else json.loads(out.read_text())


KEPT_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
}
"""What makes glibc keep the memory that is freed, for what is allocated next.

By default it returns what is large to the system, or not, as the sizes and threads of
earlier blocks have it, and the next result costs a page fault every 4 KiB.
"""


def _settled(backend: str, gpu: bool = False) -> dict[str, str]:
    """The environment of a process that computes on `backend`, on two processors.

    Keras fixes its backend at import, and the thread pools of NumPy, XLA and
    OpenMP are sized when they load: both are settled before the process starts. What
    computes on a GPU may compile on all processors.
    """
    if gpu:
        return {**os.environ, "KERAS_BACKEND": backend}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(THREADS)
    )
    settled = {"KERAS_BACKEND": backend, "OMP_WAIT_POLICY": "PASSIVE"}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2"}
    return {**os.environ, **threads, **settled, **quiet}


def report(
    options: argparse.Namespace, table: Callable[[dict], str], **found: Any
) -> None:
    """Print figures as a table, and keep them with their facts where --json says.

    The rows there of backends that were not run are kept too.
    """
    facts = _facts(options.rounds)
    found = {key: facts[key] for key in ("date", "cpus", "rounds")} | found
    if options.json and options.json.exists():
        found["rows"] = _beside(json.loads(options.json.read_text()), found)
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def _installed(backend: str) -> bool:
    # Keras's numpy backend computes its convolutions with JAX.
    needed = "jax" if backend == "numpy" else backend
    return importlib.util.find_spec(needed) is not None


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _gpu() -> str:
    """The GPU's name as its driver says it, so that figures of two are not mixed."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    except OSError:
        return "unknown"


def _facts(rounds: int) -> dict[str, Any]:
    libraries = (
        *("keras", "tensorflow", "jax", "torch", "openvino", "numpy", "scipy"),
        *("scikit-image", "opencv-python-headless", "kornia"),
    )
    versions = {}
    for name in libraries:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.date.today().isoformat(),
        "cpus": os.cpu_count(),
        "threads": THREADS,
        "rounds": rounds,
        "versions": versions,
    }


def _print(title: str, found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console()
    if not console.is_terminal:
        console = Console(width=190)
    table = RichTable(title=title, caption="first s: compile + one run, ours / peer's")
    for name in ("backend", "mode", "race", "shape", "layer"):
        table.add_column(name)
    for name in ("ms", "x copy", "peer", "ms", "x copy", "ours/peer", "quartiles"):
        table.add_column(name, justify="left" if name == "peer" else "right")
    table.add_column("target")
    table.add_column("first s", justify="right")
    for row in found:
        ours = "ratio" in row
        verdict = target([row["limit"]])
        if ours and verdict:
            verdict += " [green]pass" if met(row) else " [red]miss"
        table.add_row(
            *(row["backend"], row["mode"] or "-", row["race"], row["shape"]),
            row["layer"] or "-",
            *(str(row.get(key, "")) for key in ("ms", "copies")),
            row["peer"] + (f": {row['fastest']}" if "fastest" in row else ""),
            *(str(row[key]) for key in ("peer_ms", "peer_copies")),
            f"{row['ratio']:.2f}" if ours else "",
            "-".join(f"{q:.2f}" for q in row.get("quartiles", ())),
            verdict,
            f"{row.get('first_s', '-')} / {row['peer_first_s']}",
        )
    console.print(table)
