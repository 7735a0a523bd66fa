"""Which worker runs which test: its backend's own, and a share of the rest.

Every backend has a queue of its own tests, and those marked `once`, which run on any
backend, have one of their own. A worker takes from the queue of its backend, a file
or a part of one at a time, then from the other. So whatever takes longest on a
backend (TensorFlow compiles the longest, NumPy trains nothing) no worker is idle.
"""

import itertools
import os

from xdist.scheduler import EachScheduling

PART = 40
"""How many tests of a file a worker takes at most."""

LONGEST = ("play", "site", "export", "training", "predict", "plotting", "devices")
LONGEST += ("packaging", "batch", "cli_hostile", "backends", "cli", "types")
"""Files whose `once` tests take longest, which would end alone if they began last."""


class BackendScheduling(EachScheduling):
    """Some worker of every backend runs its tests; some worker runs each `once` test.

    Args:
        config: As pytest-xdist hands it over.
        log: As pytest-xdist hands it over.
        once: Function that gives the names of the tests that are marked so.
    """

    def __init__(self, config, log, once):
        super().__init__(config, log)
        self.once = once
        self.queues = {}
        self.names = set()

    @property
    def tests_finished(self):
        return not any(self.queues.values()) and super().tests_finished

    def schedule(self):
        if not self.queues:
            once = dict.fromkeys(sorted(self.once(), key=_late))
            self.queues[None] = _parts(once, len(once))
            for node, names in self.node2collection.items():
                own = [name for name in names if name not in once]
                self.queues[backend_of(node)] = _parts(own, PART)
                self.names.update(names)
        for node, pending in self.node2pending.items():
            if node not in self._started:
                self._started.append(node)
                if pending:  # it goes on where one that crashed ended
                    node.send_runtest_some(pending)
                self._keep_busy(node)

    def mark_test_complete(self, node, item_index, duration=0):
        super().mark_test_complete(node, item_index, duration)
        self._keep_busy(node)

    def _keep_busy(self, node):
        # A worker begins its last test when it knows whether another follows.
        while len(self.node2pending[node]) < 2 and not node.shutting_down:
            queue = self.queues[backend_of(node)] or self.queues[None]
            if not queue:
                node.shutdown()
                return
            ids = self.node2collection[node]
            part = [ids.index(name) for name in queue.pop(0)]
            self.node2pending[node] += part
            node.send_runtest_some(part)


def sharers(*names):
    """Those of some backends that deal tests out among them: the tested ones."""
    tested = os.environ.get("KERASCONV_TESTED", "").split()
    all_of_them = os.environ.get("KERASCONV_SHARE")
    return [name for name in names if all_of_them or name in tested]


def backend_of(node):
    """The backend that a worker runs on."""
    return node.gateway.spec.env["KERAS_BACKEND"]


def _late(name):
    """How late a test begins: those of the longest files first, the rest in order."""
    file = name.partition("::")[0].removesuffix(".py").rpartition("test_")[2]
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)


def _parts(names, size):
    """The names by file, no more than `size` together."""
    parts = []
    for _, file in itertools.groupby(names, lambda name: name.partition("::")[0]):
        file = list(file)
        parts += [file[i : i + size] for i in range(0, len(file), size)]
    return parts
