"""Reading and preparing pictures on all cores, for one network in one process.

Of a scan the network is a hundredth of the work, so the other processes do not need
one: they prepare, and what they prepared comes back in order.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasconv.batch import engines
from kerasconv.batch.marks import DIED, Mark
from kerasconv.reading import Answer

# Seconds of work that must be left for more processes to pay: they start in one.
_PAYS = 2.0

# Pictures that are timed before that is decided.
_TRIED = 32

# Seconds of work that are handed over at a time, and in how many pictures at most.
_CHUNK = 0.25
_LARGEST = 256

Job = tuple[int, list[Any]]


@dataclass(frozen=True)
class _Work:
    """Prepares a chunk of pictures; one that kills its process becomes an error."""

    prepare: Callable[[Any], Answer]
    folder: str

    def __call__(self, job: Job) -> list[Answer]:
        number, chunk = job
        answers = []
        with Mark(Path(self.folder), number) as mark:
            for i, each in enumerate(chunk):
                if i in mark.deadly:
                    path = os.fspath(each)
                    answers.append(Answer(path, status="error", error=str(DIED)))
                    continue
                mark.at(i)
                answers.append(self.prepare(each))
                mark.at(None)
        return answers


def prepared(
    prepare: Callable[[Any], Answer],
    pictures: Sequence[Any],
    *,
    workers: int | None = None,
    pays: float = _PAYS,
) -> Iterator[Answer]:
    """Prepare pictures in order, on several cores where there is enough to do.

    The first are prepared here and timed. If those that are left take longer than
    `pays`, more processes do them; never are more than a few chunks ahead in memory.

    Args:
        prepare: Makes an answer of a picture. It is pickled.
        pictures: What it takes, or answers, which pass as they are.
        workers: How many processes. Default: as many as cores.
        pays: Seconds of work on one core for which it is worth to start processes.
    """
    workers = workers or engines.cores()
    for i, each in enumerate(pictures):
        if i % _TRIED == 1:  # the very first imports and fills caches
            began = time.perf_counter()
        if workers > 1 and i and i % _TRIED == 0:
            cost = (time.perf_counter() - began) / (_TRIED - 1)
            if cost * (len(pictures) - i) > pays:
                size = min(max(1, int(_CHUNK / cost)), _LARGEST)
                yield from _handed_over(prepare, pictures[i:], size, workers)
                return
        yield each if isinstance(each, Answer) else prepare(each)


def _handed_over(
    prepare: Callable[[Any], Answer], pictures: Sequence[Any], size: int, workers: int
) -> Iterator[Answer]:
    def jobs() -> Iterator[Job]:
        for number, start in enumerate(range(0, len(pictures), size)):
            chunk = pictures[start : start + size]
            yield number, [p for p in chunk if not isinstance(p, Answer)]

    waiting: dict[int, list[Answer]] = {}
    following = 0
    with tempfile.TemporaryDirectory(prefix="kerasconv-") as folder:
        work = _Work(prepare, folder)
        done = engines.processes(work, jobs(), workers=workers, ahead=4 * workers)
        for (number, _), answers in done:
            waiting[number] = answers
            while following in waiting:
                answered = iter(waiting.pop(following))
                start = following * size
                for each in pictures[start : start + size]:
                    yield each if isinstance(each, Answer) else next(answered)
                following += 1
