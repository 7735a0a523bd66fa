"""What a user did or met, told in one line.

The command line prints the message and ends with the class's `exit_status`; a
program catches `KerasconvError` (or `ValueError` for a `UsageError`).
"""


class KerasconvError(Exception):
    """Something failed: the message names the thing and the remedy."""

    exit_status = 1


class UsageError(KerasconvError, ValueError):
    """What was asked for makes no sense: the message says what would."""

    exit_status = 2
