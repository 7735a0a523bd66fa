"""What runs shards: the processes of one machine, or Ray on any number of them.

An engine is a function of the work and its jobs that yields pairs of a job and its
result as they come. It knows nothing else: whether a job is done already, and what to
do about a picture that kills its process, is the work's business. So a job whose
process died is simply given out again.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from kerasconv.batch.containers import needed
from kerasconv.errors import KerasconvError, one_line

# Seconds that a process has for its end: it may be within a decoder just then.
_PATIENCE = 5.0

Engine = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[tuple[Any, Any]]]

# One thread of arithmetic a process: the processes are as many as the cores.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "NPROC": "1",  # JAX's CPU client
    # Several processes share a GPU, if there is one.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}

# How often a process may die over one job. The work gives up long before; this ends
# what would otherwise go on for ever.
_DEATHS = 100


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes(
    work: Callable[[Any], Any],
    jobs: Iterable[Any],
    *,
    workers: int | None = None,
    ahead: int | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Run the work in processes of this machine.

    Each worker is a pool of one process: where one dies the others go on, and it is
    known which job it had. No more workers start than there are jobs. They end with
    this process, even if that is killed.

    Args:
        work: What is done with a job. It is pickled.
        jobs: The jobs, taken one by one as workers become free.
        workers: How many processes. Default: as many as cores.
        ahead: How many jobs may be begun beyond the oldest that is not done. Default:
            any number.

    Yields:
        A job and its result, in the order in which they are done.

    Raises:
        Exception: what the work raised. The other workers are ended.
    """
    jobs = iter(jobs)
    free: deque[futures.ProcessPoolExecutor] = deque()
    busy: list[futures.ProcessPoolExecutor] = []
    running: dict[futures.Future, tuple[int, Any, int, futures.ProcessPoolExecutor]]
    running = {}
    begun = 0

    def begin(number: int, job: Any, deaths: int) -> None:
        while True:
            pool = free.popleft() if free else _pool()
            # Before it has the job: a Ctrl-C may come before `submit` returns.
            busy.append(pool)
            try:
                with _surroundings():
                    future = pool.submit(work, job)
                break
            except futures.BrokenExecutor:  # it died while it had nothing to do
                busy.remove(pool)
                pool.shutdown()
        running[future] = (number, job, deaths, pool)

    finished: list[tuple[Any, Any]] = []
    failed: BaseException | None = None
    try:
        while True:
            oldest = min((number for number, *_ in running.values()), default=begun)
            while (
                failed is None
                and len(running) < (workers or cores())
                and (ahead is None or begun < oldest + ahead)
            ):
                try:
                    job = next(jobs)
                except StopIteration:
                    break
                begin(begun, job, 0)
                begun += 1
            # Only now, when the workers have the next jobs: whoever takes the results
            # may be at it for long.
            yield from finished
            if failed is not None:
                raise failed
            if not running:
                return
            done, _ = futures.wait(running, return_when=futures.FIRST_COMPLETED)
            finished = []
            for future in done:
                number, job, deaths, pool = running.pop(future)
                busy.remove(pool)
                try:
                    result = future.result()
                except futures.BrokenExecutor as error:
                    pool.shutdown()
                    if deaths + 1 == _DEATHS:
                        raise KerasconvError(
                            f"{_DEATHS} processes died over one shard; is there enough "
                            "memory for them? `workers` says how many there are"
                        ) from error
                    begin(number, job, deaths + 1)
                    continue
                except BaseException as error:
                    failed = error
                else:
                    finished.append((job, result))
                free.append(pool)
    finally:
        for pool in busy:
            _end(pool)
        for pool in free:
            pool.shutdown()


class _Process(SpawnProcess):
    """A process that does not import the program which starts it.

    It needs nothing of it, and would run it once more where it has no
    `if __name__ == "__main__":`.
    """

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        with _STARTING:
            program = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                return SpawnProcess._Popen(process_obj)
            finally:
                sys.modules["__main__"] = program


class _Spawn(SpawnContext):
    # Not fork: libraries with threads, as every backend is one, do not survive it.
    Process = _Process


_STARTING = threading.Lock()


def _pool() -> futures.ProcessPoolExecutor:
    return futures.ProcessPoolExecutor(
        1, mp_context=_Spawn(), initializer=_begin_worker
    )


@contextlib.contextmanager
def _surroundings() -> Iterator[None]:
    """Start a process with the environment of a worker, which Ctrl-C does not reach."""
    ours = {
        name: value for name, value in _ONE_THREAD.items() if name not in os.environ
    }
    masks = hasattr(signal, "pthread_sigmask")
    if masks:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone.

    It would wait for work for ever: it holds both ends of its own queue.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(1)


def _end(pool: futures.ProcessPoolExecutor) -> None:
    """End a pool whose process is at work."""
    busy = list((pool._processes or {}).values())
    for process in busy:
        process.terminate()
    for process in busy:
        if not wait([process.sentinel], _PATIENCE):
            process.kill()
    pool.shutdown(cancel_futures=True)


def ray(
    work: Callable[[Any], Any],
    jobs: Iterable[Any],
    *,
    workers: int | None = None,
    address: str | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Run the work on a Ray cluster, a task a job and a processor a task.

    Every machine must see the source and the folder of the run under the same name,
    and have this package installed.

    Args:
        work: What is done with a job. It is pickled.
        jobs: The jobs, of which some more than `workers` are known to Ray at a time.
        workers: How many tasks may run at a time. Default: as many as processors.
        address: "auto" for the cluster that this machine is part of, or
            "ray://host:10001". Default: what RAY_ADDRESS says, or else a Ray of our own
            on this machine.

    Yields:
        A job and its result, in the order in which they are done.

    Raises:
        KerasconvError: Ray is not installed, or not there.
        Exception: what the work raised.
    """
    ray = needed("ray", "is what the engine ray runs on")
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address, workers)
    try:
        # Ray gives a task whose process died to another, until the work gives up.
        @ray.remote(num_cpus=1, max_retries=_DEATHS)
        def task(job: Any) -> Any:
            return work(job)

        limit = workers or int(ray.cluster_resources().get("CPU", 1))
        jobs = iter(jobs)
        running: dict[Any, Any] = {}
        while True:
            while len(running) < limit:
                try:
                    job = next(jobs)
                except StopIteration:
                    break
                running[task.remote(job)] = job
            if not running:
                return
            done, _ = ray.wait(list(running))
            for reference in done:
                job = running.pop(reference)
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except ray.exceptions.RayError as error:
                    raise KerasconvError(f"Ray failed: {one_line(error)}") from error
                yield job, result
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    address = address or os.environ.get("RAY_ADDRESS")
    settings: dict[str, Any] = {"address": address}
    if address is None:
        settings = {"address": "local", "num_cpus": workers, "include_dashboard": False}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        _knock(address or "")
        ray.init(log_to_driver=False, logging_level="error", **settings)
    except Exception as error:
        raise KerasconvError(
            f"no Ray at {address or 'this machine'}: {one_line(error)}; start one with "
            "ray start --head, or check `address`"
        ) from error


def _knock(address: str) -> None:
    """See that somebody listens: Ray itself would try for minutes."""
    place = urlsplit(address if "://" in address else f"ray://{address}")
    if place.port is not None:
        socket.create_connection((place.hostname, place.port), timeout=10).close()


ENGINES: dict[str, Engine] = {"processes": processes, "ray": ray}
