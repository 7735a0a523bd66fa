"""The tests themselves: a slow machine, or one without a network, passes them too."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

FILES = sorted(Path(__file__).parent.glob("*.py"))
CLOCKS = {"time", "timeit", "asyncio"}
NETWORK = {"urllib.request", "http.client", "requests", "httpx", "ftplib"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_test_reads_a_clock_or_the_network(path):
    found = set(imported(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found & (CLOCKS | NETWORK)


def test_a_clock_or_the_network_would_be_seen():
    code = "import time as t\nfrom urllib import request\nfrom kerasconv import time"
    assert set(imported(ast.parse(code))) & (CLOCKS | NETWORK) == {
        "time",
        "urllib.request",
    }
