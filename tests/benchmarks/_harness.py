"""Contenders timed side by side, and the ratios that come of it.

Everything here is arithmetic: `_backends.py` knows the libraries and `_command.py`
prints. A table (`edges.py`, `pools.py`, `learned.py`) says who competes and at what.
"""

import gc
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

THREADS = 2
COPY = "copy"
"""The contender every time is also divided by: `numpy.copyto` of the input."""


class WrongValueError(Exception):
    """A contender computes something else than what is being compared."""


@dataclass
class Contender:
    """One way to do a job: a call without arguments that ends with the result there."""

    name: str
    call: Callable[[], Any]
    error: Callable[[Any], float]
    """The relative error of a result, from a truth no contender shares."""

    mode: str | None = None
    """None competes in every mode (a library without modes)."""

    job: str | None = None
    """None competes in every job."""

    ours: bool = False
    group: str | None = None
    """Of the peers of one group, the fastest stands for all, under this name."""

    times: list[float] = field(default_factory=list)
    """Seconds a call, one entry a round."""

    first: float = 0.0
    """Seconds of the first call, with what it traces and compiles."""


def rotated(items: Sequence, turn: int) -> list:
    """`items` begun at another one each turn, and backwards every other turn."""
    start = turn % len(items)
    order = [*items[start:], *items[:start]]
    return order[::-1] if turn % 2 else order


def measure(
    contenders: list[Contender],
    rounds: int,
    tolerance: float = 1e-4,
    least: float = 0.03,
    clock: Callable[[], float] = time.perf_counter,
    alone: Callable[[], AbstractContextManager] = nullcontext,
) -> None:
    """Fill in the times of the contenders, after checking what they compute.

    A round times every contender once, in rotating order; each loops as many calls
    as fill `least` seconds, with the garbage collector off. All rounds lie within one
    `alone()`, which keeps other processes from timing theirs.
    """
    check(contenders, tolerance, clock)
    with alone():
        counts = counted(contenders, least, clock)
        for turn in range(rounds):
            round_of(rotated(contenders, turn), counts, clock)


def check(
    contenders: list[Contender],
    tolerance: float,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Call each three times; raise an error if the result is not the truth."""
    gc.unfreeze()
    for contender in contenders:
        start = clock()
        result = contender.call()
        contender.first = clock() - start
        for _ in range(2):  # what is computed often may be compiled only then
            result = contender.call()
        error = contender.error(result)
        if not error <= tolerance:
            raise WrongValueError(
                f"{contender.name} ({contender.mode}) is wrong by {error:.2g} of the "
                f"largest true value; at most {tolerance:g} is accepted"
            )
        del result
    gc.collect()
    gc.freeze()  # each collection would look over all that the libraries imported


def counted(
    contenders: list[Contender],
    least: float = 0.03,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, int]:
    """How many calls of each, by its `id`, fill `least` seconds."""
    return {id(c): _calls_that_fill(least, c, clock) for c in contenders}


def round_of(
    contenders: list[Contender],
    counts: dict[int, int],
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Time each once, in this order."""
    for contender in contenders:
        count = counts[id(contender)]
        contender.times.append(_timed(contender, count, clock) / count)


def _timed(contender: Contender, count: int, clock) -> float:
    gc.collect()
    gc.disable()
    try:
        start = clock()
        for _ in range(count):
            contender.call()
        return clock() - start
    finally:
        gc.enable()


def _calls_that_fill(least: float, contender: Contender, clock) -> int:
    count = 1
    _timed(contender, count, clock)  # warms up
    while (taken := _timed(contender, count, clock)) < least / 4:
        count *= 4
    return math.ceil(count * least / taken)


def rows(contenders: list[Contender], **facts: Any) -> list[dict[str, Any]]:
    """One row for each of ours against each peer of its job and mode.

    Without ours, one row for each peer alone.
    """
    (copy,) = (c for c in contenders if c.name == COPY)

    def timing(contender: Contender, prefix: str = "") -> dict[str, float]:
        return {
            f"{prefix}ms": rounded(1e3 * np.median(contender.times)),
            f"{prefix}copies": rounded(quartiles(contender.times, copy.times)[1]),
            f"{prefix}first_s": rounded(contender.first),
        }

    peers = [c for c in contenders if not c.ours and c is not copy]
    table = []
    for our in [c for c in contenders if c.ours]:
        fastest: dict[str, Contender] = {}
        for peer in peers:
            if peer.mode in (None, our.mode) and peer.job in (None, our.job):
                name = peer.group or peer.name
                best = fastest.setdefault(name, peer)
                if np.median(peer.times) < np.median(best.times):
                    fastest[name] = peer
        for name, peer in fastest.items():
            low, middle, high = map(rounded, quartiles(our.times, peer.times))
            table.append(
                {
                    **facts,
                    "mode": our.mode,
                    "layer": our.name,
                    **timing(our),
                    "peer": name,
                    **({"fastest": peer.name} if peer.group else {}),
                    **timing(peer, "peer_"),
                    "ratio": middle,
                    "quartiles": [low, high],
                }
            )
    return table or [
        {
            **facts,
            "mode": peer.mode,
            "layer": peer.job,
            "peer": peer.name,
            **timing(peer, "peer_"),
        }
        for peer in peers
    ]


def quartiles(times: Sequence[float], others: Sequence[float]) -> tuple:
    """First quartile, median and third quartile of the ratios, round by round."""
    return tuple(np.quantile(np.divide(times, others), [0.25, 0.5, 0.75]))


def rounded(value: float) -> float:
    """To three figures."""
    return float(f"{value:.3g}")


def met(row: dict[str, Any]) -> bool:
    """Whether the ratio, to two decimals, is at most the row's limit."""
    return round(row["ratio"], 2) <= row["limit"]


def target(limits: Iterable[float | None]) -> str:
    """The limits of rows in words, each once and in their order."""
    each = dict.fromkeys(f"{limit:g}" for limit in limits if limit is not None)
    return f"at most {', '.join(each)}" if each else ""
