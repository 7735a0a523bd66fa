"""The tests themselves: a slow machine, or one without a network, passes them too."""

import ast
import functools
from pathlib import Path

import faults
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


def test_at_least_sixty_faults_can_be_planted_each_with_a_name_of_its_own():
    planted = faults.read()
    assert len({fault.name for fault in planted}) == len(planted) >= 60
    assert sum(bool(fault.survives) for fault in planted) <= 3


def test_a_fault_changes_one_place_and_names_tests_that_there_are():
    tests = {node for path in FILES for node in nodes(path)}

    @functools.cache
    def before(file):
        text = (faults.CHECKOUT / "kerasconv" / file).read_text(encoding="utf-8")
        return text, ast.dump(ast.parse(text))

    for fault in faults.read():
        text, tree = before(fault.file)
        assert ast.dump(ast.parse(fault.planted(text))) != tree, fault.name
        assert fault.tests, fault.name
        for node in fault.tests:
            found = node.partition("[")[0] in tests
            assert found, f"{fault.name}: there is no test {node}"


def test_the_tally_of_faults_is_that_of_what_became_of_them():
    page = faults.house.PAGE.read_text(encoding="utf-8")
    assert page == faults.house.updated(page, faults.tally(), "faults")


def nodes(path):
    """The tests in a file, and its classes of tests, as pytest names them."""
    for part in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            yield f"{path.name}::{part.name}"
        if isinstance(part, ast.ClassDef):
            yield from (
                f"{path.name}::{part.name}::{test.name}"
                for test in part.body
                if isinstance(test, ast.FunctionDef)
            )
