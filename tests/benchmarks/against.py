"""Our layers and predictor in this checkout against those in another one.

    python tests/benchmarks/against.py CHECKOUT [TABLE...] [--backend jax]
                                       [--shapes 8x512x512x3 ...] [--rounds 9]
                                       [--starts 1]

TABLEs are edges, pools, learned and predictor; all of them if none is named. Either
checkout has a process of its own, with its own `kerasconv` and this folder's tables
(an older checkout may lack what one of them calls: the error says so); both check
their values, then their rounds alternate. A ratio is the median of the paired ones,
this checkout's time over the other's. Rows slower by more than 3 % are named at the
end, and the exit status is then 1. Both keep the memory that they free: page faults
fall on one process and not on another of the same code. With more --starts the
processes are started so many times, and of each row the fastest start of either
checkout counts.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import _command as command
import numpy as np
from _harness import check, counted, quartiles, round_of, rounded

TABLES = ("edges", "pools", "learned", "predictor")
HERE = Path(__file__).resolve().parents[2]
SLOWER = 1.03


def compete(table: str, backend: str, shapes: list[str] | None, rounds: int) -> None:
    """A checkout's side: times a round of ours whenever a line comes in."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    module = importlib.import_module(table)
    for shape in module.SHAPES:
        if shapes and command._text(shape) not in shapes:
            continue
        for race, contenders in module.races(backend, shape, True):
            ours = [each for each in contenders if each.ours]
            check(ours, command.TOLERANCES.get(backend, 1e-4))
            counts = counted(ours)
            facts = {"race": race, "shape": command._text(shape)}
            rows = [{**facts, "mode": c.mode, "layer": c.name} for c in ours]
            print(json.dumps(rows), file=out)
            for _ in range(rounds):
                sys.stdin.readline()
                round_of(ours, counts)
                print(json.dumps([each.times[-1] for each in ours]), file=out)


def compared(sides: list[subprocess.Popen], rounds: int) -> Iterator[tuple]:
    """Rows of two processes, whose rounds alternate, each with the times of both.

    This checkout's come first.
    """
    while headings := [line for side in sides if (line := side.stdout.readline())]:
        if len(headings) < len(sides):  # one has ended, with an error of its own
            for each in sides:
                each.kill()
            return
        here, there = map(json.loads, headings)
        if here != there:
            raise SystemExit("against: the two checkouts run different rows")
        times: list[list] = [[], []]
        for turn in range(rounds):
            for side in (0, 1) if turn % 2 else (1, 0):
                sides[side].stdin.write("go\n")
                sides[side].stdin.flush()
                times[side].append(json.loads(sides[side].stdout.readline()))
        for row, *both in zip(here, *np.swapaxes(times, 1, 2), strict=True):
            yield row, both


def fastest(starts: Sequence[tuple]) -> dict[str, Any]:
    """A row of several starts: its ratio, of the fastest start of either checkout."""
    (row, *_), times = zip(*starts, strict=True)
    ours, theirs = (min(each, key=np.median) for each in zip(*times, strict=True))
    low, ratio, high = map(rounded, quartiles(ours, theirs))
    ms = [rounded(1e3 * np.median(each)) for each in (ours, theirs)]
    return {**row, "ms": ms, "ratio": ratio, "quartiles": [low, high]}


def side(checkout: Path, backend: str, arguments: list[str]) -> subprocess.Popen:
    """The process of a checkout, on the threads and settings of every table."""
    return subprocess.Popen(
        [sys.executable, __file__, *arguments, "--backend", backend, "--child"],
        env=command._settled(backend)
        | command.KEPT_MEMORY
        | {"PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="against.py")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("tables", nargs="*", metavar="TABLE")
    parser.add_argument("--backend", default="all", choices=["all", *command.BACKENDS])
    parser.add_argument("--shapes", nargs="*", metavar="8x512x512x3")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--starts", type=int, default=1)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    tables = options.tables or list(TABLES)
    if unknown := set(tables) - set(TABLES):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(TABLES)}")
    if options.child:
        compete(tables[0], options.backend, options.shapes, options.rounds)
        return 0
    if not (options.checkout / "kerasconv" / "__init__.py").exists():
        parser.error(f"{options.checkout} is no checkout of kerasconv")
    names = command.BACKENDS if options.backend == "all" else [options.backend]
    both = (HERE, options.checkout.resolve())
    failed, slower, count = [], [], 0
    for table in tables:
        for name in filter(command._installed, names):
            given = [str(options.checkout), table, "--rounds", str(options.rounds)]
            given += ["--shapes", *options.shapes] if options.shapes else []
            starts = []
            for _ in range(options.starts):
                with ExitStack() as running:
                    sides = [running.enter_context(side(c, name, given)) for c in both]
                    starts.append(list(compared(sides, options.rounds)))
                if any(each.returncode for each in sides):
                    failed.append(f"{table} on {name}")
            for rows in zip(*starts, strict=False):
                count += 1
                row = fastest(rows)
                text = told(table, name, row)
                print(text, flush=True)
                slower += [text] if row["ratio"] > SLOWER else []
    print(f"{count} rows, {len(slower)} slower by more than {SLOWER - 1:.0%}")
    print(*slower, sep="\n")
    for each in failed:
        print(f"{each}: no result, see the error above", file=sys.stderr)
    return 1 if failed or slower else 0


def told(table: str, backend: str, row: dict[str, Any]) -> str:
    low, high = row["quartiles"]
    return (
        f"{table}, {backend}, {row['mode']}, {row['race']}, {row['shape']}, "
        f"{row['layer']}: {row['ms'][0]:g} ms here, {row['ms'][1]:g} there, "
        f"ratio {row['ratio']:.2f} ({low:.2f}-{high:.2f})"
    )


if __name__ == "__main__":
    raise SystemExit(main())
