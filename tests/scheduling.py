"""Which worker runs which test: its backend's own, and a share of the rest.

Every backend has work of its own, and not as much as the next: TensorFlow compiles the
longest, NumPy trains nothing. A test marked `once` runs on any backend, so a worker
that is through with its own takes such tests, a file at a time, while there are any.
"""

import itertools

from xdist.scheduler import EachScheduling


class BackendScheduling(EachScheduling):
    """Every worker runs the tests of its backend; one of them runs each `once` test.

    Args:
        config: As pytest-xdist hands it over.
        log: As pytest-xdist hands it over.
        once: Function that gives the names of the tests that are marked so.
    """

    def __init__(self, config, log, once):
        super().__init__(config, log)
        self.once = once
        self.files = []
        self.total = 0

    @property
    def tests_finished(self):
        return not self.files and super().tests_finished

    def schedule(self):
        once = dict.fromkeys(self.once())
        if not self._started:
            files = itertools.groupby(once, lambda name: name.partition("::")[0])
            self.files = [list(names) for _, names in files]
            self.total = len(once)
        for node, pending in self.node2pending.items():
            if node not in self._started:
                self._started.append(node)
                if not pending:  # else it goes on where one that crashed ended
                    names = enumerate(self.node2collection[node])
                    pending += [i for i, name in names if name not in once]
                    self.total += len(pending)
                node.send_runtest_some(pending)
                self._keep_busy(node)

    def mark_test_complete(self, node, item_index, duration=0):
        super().mark_test_complete(node, item_index, duration)
        self._keep_busy(node)

    def _keep_busy(self, node):
        # A worker begins its last test when it knows whether another follows.
        while len(self.node2pending[node]) < 2 and not node.shutting_down:
            if not self.files:
                node.shutdown()
                return
            ids = self.node2collection[node]
            file = [ids.index(name) for name in self.files.pop(0)]
            self.node2pending[node] += file
            node.send_runtest_some(file)
