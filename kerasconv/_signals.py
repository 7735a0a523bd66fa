"""Signals that end a program, handled otherwise within a context."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ENDINGS = [
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
]
"""What a supervisor, or a terminal that is closed, sends."""


@contextlib.contextmanager
def handled(
    numbers: Iterable[int], handler: Callable[[int, Any], Any] | int
) -> Iterator[None]:
    """Within, signals are handled so; outside of the main thread none can be."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
