"""At which picture a process is, so that the next one knows what it died of."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasconv.errors import KerasconvError

READING = "_reading"
"""The folder of a run that says at which picture each unfinished shard is."""

# After so many deaths at one picture it is an error row, and nobody reads it again.
_DEATHS = 2

# After so many starts that ended before any picture the fault is no picture's.
_STARTS = 3

DIED = KerasconvError(
    f"the process that read it died, {_DEATHS} times: a damaged file, or memory ran out"
)
"""What is said of a picture that kills its process."""


class Mark:
    """A small file that says at which picture of a job a process is.

    A process that dies says nothing, so the next one reads here where it was: a line
    for each that began with the shard, with the number of the picture that it read
    last, or -1 where it read none. The file goes when the shard is done.
    """

    _width = 12

    def __init__(self, folder: Path, number: int) -> None:
        self._path = folder / str(number)

    def __enter__(self) -> "Mark":
        self._path.parent.mkdir(exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        before = os.read(self._file, 1 << 20).split()
        died = Counter(int(line) for line in before)
        self.deadly = {i for i, times in died.items() if i >= 0 and times >= _DEATHS}
        if died[-1] >= _STARTS:
            raise KerasconvError(
                f"{_STARTS} processes died before they read a picture of shard "
                f"{self._path.name}; is there enough memory for the network?"
            )
        self._at = len(before) * self._width
        self.at(None)
        self._restore = _on_request_to_end(lambda: self.at(None))
        return self

    def at(self, number: int | None) -> None:
        """Note the picture that is read now; None: no picture."""
        line = f"{-1 if number is None else number:>{self._width - 1}}\n"
        os.lseek(self._file, self._at, os.SEEK_SET)
        os.write(self._file, line.encode())

    def __exit__(self, kind: Any, *_: Any) -> None:
        self._restore()
        os.close(self._file)
        # A process that fails lives: what went wrong is said, and no picture's fault.
        self._path.unlink(missing_ok=True)


def _on_request_to_end(clear: Callable[[], None]) -> Callable[[], None]:
    """Clear the mark when somebody ends this process: that is no picture's doing."""

    def end(*_: Any) -> None:
        clear()
        os._exit(128 + signal.SIGTERM)

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not in the main thread, where signals go
        return lambda: None
    return lambda: signal.signal(signal.SIGTERM, before)  # type: ignore[return-value]
