"""Readers without a network, for the tests that end processes. They load in no time."""

import os
import select
import signal
from pathlib import Path

from kerasconv.errors import KerasconvError
from kerasconv.pictures import read_image
from kerasconv.reading import Answer


class Quick:
    """Answers with the column of the largest pixel.

    A picture called "deadly" kills its process, as a fault in a decoder does, and one
    called "once" does so the first time.
    """

    def __init__(self, *_, **__):
        pass

    def prepare(self, source, name=None):
        """The pixels of a picture."""
        path = source if isinstance(source, str) else name
        if "deadly" in path or ("once" in path and not os.path.exists(f"{path}.seen")):
            Path(f"{path}.seen").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return Answer(path, read_image(source))
        except KerasconvError as error:
            return Answer(path, status="error", error=str(error))

    def answers(self, prepared):
        """The column of each."""
        for answer in prepared:
            if answer.image is not None:
                answer.classes = [int(answer.image.argmax() % 28)]
                answer.probabilities = [0.5]
            yield answer


class Stopping(Quick):
    """Says its process into the pipe "here" at the picture 10.png, and waits."""

    def prepare(self, source, name=None):
        """The pixels of a picture, unless it is that one."""
        if source.endswith("10.png"):
            Path(source).with_name("here").write_text(str(os.getpid()))
            while True:  # and not in one call, before which a signal may come
                select.select([], [], [], 0.05)
        return super().prepare(source, name)
