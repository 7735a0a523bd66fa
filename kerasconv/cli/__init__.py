"""The command line: each command calls one function of the package.

Results go to standard output and everything else to standard error. Exit status: 0
done, 1 something failed, 2 the command was asked wrongly. Nothing here imports Keras
or a backend before a command needs it, so that `--help` answers at once.
"""

# The order of the modules is that of the commands in `kerasconv --help`.
from kerasconv.cli import _predict, _play, _pictures, _zoo, _export  # noqa: F401, I001
from kerasconv.cli import _tutorials, _backends  # noqa: F401
from kerasconv.cli._app import app, main

__all__ = ["app", "main"]
