"""The command `kerasconv`, also as `python -m kerasconv`."""

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from kerasconv._signals import ENDINGS, handled

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C is one line while it still loads, too."""
    with _asked_to_end() as asked:
        try:
            from kerasconv import cli
        except KeyboardInterrupt:
            print("kerasconv: error: interrupted", file=sys.stderr)
            raise SystemExit(_INTERRUPTED) from None
        try:
            cli.main()
        except SystemExit as ended:
            if ended.code == _INTERRUPTED:
                _leave(asked)
            # All is said: an exception while Python ends would be a traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            raise


@contextlib.contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """Within, a supervisor or a closed terminal interrupts as Ctrl-C does.

    Or else what is half written, spilled or locked stays behind. The signal that came
    is in the list; a second one ends the program at once.
    """
    asked: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    # nohup has SIGHUP ignored.
    ending = [each for each in ENDINGS if signal.getsignal(each) == signal.SIG_DFL]
    with handled(ending, interrupt):
        yield asked


def _leave(asked: list[int]) -> None:
    """End an interrupted program without taking Python apart, by the signal that came.

    Native code in whose midst it was interrupted, TensorFlow's import say, would abort
    the process then, or hold it with threads that never end.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    atexit._run_exitfuncs()
    if asked:
        signal.signal(asked[0], signal.SIG_DFL)
        os.kill(os.getpid(), asked[0])
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
