"""What a user did or met, told in one line.

The command line prints the message and ends with the class's `exit_status`; a
program catches `KerasconvError` (or `ValueError` for a `UsageError`).
"""


def one_line(error: BaseException, hide: str = "") -> str:
    """What an exception of a library says, on one line of moderate length.

    Args:
        error: The exception.
        hide: What to leave out of it: a folder that the reader never sees.
    """
    text = str(error).replace(hide, "") if hide else str(error)
    return " ".join(text.split())[:200] or type(error).__name__


class KerasconvError(Exception):
    """Something failed: the message names the thing and the remedy."""

    exit_status = 1


class UsageError(KerasconvError, ValueError):
    """What was asked for makes no sense: the message says what would."""

    exit_status = 2
