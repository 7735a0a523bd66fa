"""The arithmetic of the benchmarks, with contenders and a clock that are made up."""

import contextlib
import functools
import io
import itertools
import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import _command as command
import _harness as harness
import against
import first_call
import folder
import growth
import page
import predictor_zoo
import reads
import render
import scale

pytestmark = pytest.mark.once


class Clock:
    """A clock that contenders put forward."""

    def __init__(self):
        self.now = 0.0
        self.log = []

    def __call__(self):
        return self.now

    def contender(self, name, seconds, error=0.0, **facts):
        taken = iter(seconds)

        def call():
            self.log.append(name)
            self.now += next(taken)

        return harness.Contender(name, call, lambda _: error, **facts)


def test_the_order_starts_elsewhere_each_round_and_turns_round():
    orders = [harness.rotated("abc", turn) for turn in range(4)]
    assert orders == [list("abc"), list("acb"), list("cab"), list("cba")]


def test_times_are_seconds_a_call_and_the_first_call_stands_apart():
    clock = Clock()
    # The first call, three to warm up, one to see how many fill 1 s, two rounds of 2.
    contender = clock.contender("a", [9, 7, 6, 5, 0.5, 1, 2, 3, 4])
    harness.measure([contender], rounds=2, least=1.0, clock=clock)
    assert contender.first == 9
    assert contender.times == [1.5, 3.5]


def test_contenders_alternate_within_each_round():
    clock = Clock()
    contenders = [clock.contender(name, [1.0] * 9) for name in "ab"]
    harness.measure(contenders, rounds=2, least=1.0, clock=clock)
    assert clock.log[-4:] == ["a", "b", "a", "b"]


@pytest.mark.parametrize("error", [0.1, float("nan")])
def test_a_wrong_value_stops_before_any_timing(error):
    clock = Clock()
    contenders = [
        clock.contender("right", [1.0] * 9),
        clock.contender("wrong", [1.0] * 9, error, mode="jit"),
    ]
    with pytest.raises(harness.WrongValueError, match=r"wrong \(jit\)"):
        harness.measure(contenders, rounds=2, clock=clock)
    assert contenders[0].times == []


def timed(name, times, **facts):
    return harness.Contender(name, None, None, times=times, **facts)


def test_a_ratio_is_the_median_of_paired_ratios_not_the_ratio_of_medians():
    (row,) = harness.rows(
        [
            timed("copy", [1.0, 1.0, 1.0]),
            timed("ours", [1.0, 4.0, 6.0], ours=True),
            timed("peer", [2.0, 2.0, 12.0]),
        ]
    )
    assert row["ratio"] == 0.5
    assert row["quartiles"] == [0.5, 1.25]
    assert row["ms"] == 4000
    assert row["copies"] == 4


def test_peers_count_in_their_own_mode_and_job_and_the_fastest_for_its_group():
    table = harness.rows(
        [
            timed("copy", [1.0]),
            timed("ours", [1.0], mode="jit", job="Sobel", ours=True),
            timed("anywhere", [2.0]),
            timed("eager only", [2.0], mode="eager"),
            timed("other job", [2.0], job="Prewitt"),
            timed("average", [5.0], mode="jit", group="pools"),
            timed("max", [4.0], mode="jit", group="pools"),
        ]
    )
    found = [(row["peer"], row["ratio"], row.get("fastest")) for row in table]
    assert found == [("anywhere", 0.5, None), ("pools", 0.25, "max")]


@pytest.mark.parametrize(
    ("ratio", "limit", "met"),
    [
        (0.604, 0.6, True),
        (0.606, 0.6, False),
    ],
)
def test_a_target_is_met_to_two_decimals(ratio, limit, met):
    assert harness.met({"ratio": ratio, "limit": limit}) is met


@pytest.fixture
def figures(tmp_path):
    row = {
        **{"backend": "jax", "mode": "jit", "race": "forward", "layer": "Sobel"},
        **{"peer": "OpenCV", "quoted": True, "limit": 0.6},
    }
    unquoted = {"peer": "SciPy", "quoted": False, "limit": None}
    rows = [
        {**row, "shape": "1x2x2x1", "ratio": 0.256, "ms": 1.5},
        {**row, "shape": "1x4x4x1", "ratio": 0.7, "ms": 20.0},
        {**row, "shape": "1x4x4x1", "ratio": 9.0, "ms": 20.0, **unquoted},
    ]
    facts = {"date": "2026-01-01", "cpus": 2, "threads": 2, "rounds": 9}
    result = {"facts": {**facts, "versions": {"jax": "1.0"}}, "rows": rows}
    (tmp_path / "edges.json").write_text(json.dumps(result))
    return tmp_path


def test_a_table_has_a_column_a_shape_and_marks_what_missed(figures):
    table = render.rendered(json.loads((figures / "edges.json").read_text()))
    cells = "0.26 (1.5 ms) | **0.70** (20 ms) |"
    line = f"| jax, jit | forward | OpenCV | at most 0.6 | {cells}"
    assert line in table.splitlines()
    assert "SciPy" not in table


def test_a_part_takes_the_place_of_what_stood_between_its_markers():
    text = "a <!-- n -->stale<!-- /n --> b\n<!-- t --><!-- /t -->\n"
    fresh = render.updated(text, {"n": "0.5", "t": "| x |\n|---|"})
    assert fresh == (
        "a <!-- n -->0.5<!-- /n --> b\n<!-- t -->\n| x |\n|---|\n<!-- /t -->\n"
    )
    assert render.updated(fresh, {"n": "0.5", "t": "| x |\n|---|"}) == fresh


def test_all_rounds_are_timed_within_what_keeps_others_from_theirs():
    told = []

    @contextlib.contextmanager
    def alone():
        told.append("in")
        yield
        told.append("out")

    ticks = itertools.count()
    call = functools.partial(told.append, "call")
    contender = harness.Contender("x", call, lambda result: 0.0)
    harness.measure([contender], 2, clock=lambda: next(ticks), alone=alone)
    assert told[:4] == 3 * ["call"] + ["in"], "checked before"
    assert told[-1] == "out"
    assert len(contender.times) == 2
    assert set(told[4:-1]) == {"call"}


def test_of_several_layers_a_digest_shows_the_slowest_against_its_peer(figures):
    result = json.loads((figures / "edges.json").read_text())
    first = result["rows"][0]
    result["rows"] += [{**first, "layer": "Prewitt", "ratio": 0.5, "ms": 2.0}]
    digest = render.rendered(result)
    assert "| jax, jit | forward | OpenCV | at most 0.6 | 0.50 (2 ms) |" in digest
    assert "Sobel, Prewitt: the slowest against its peer. " in digest
    full = render.rendered(result, digest=False)
    assert "| Sobel | OpenCV | at most 0.6 | 0.26 (1.5 ms) |" in full
    assert "| Prewitt | OpenCV | at most 0.6 | 0.50 (2 ms) |" in full


def test_a_target_of_one_shape_goes_before_that_of_all(figures):
    row = {"backend": "jax", "mode": "jit", "race": "forward", "peer": "OpenCV"}
    limits = {tuple(row.values()): 0.6, (*row.values(), "2x2"): 0.5}
    table = command.Table("edges", (), None, limits)
    assert [table.limit({**row, "shape": shape}) for shape in ("2x2", "4x4")] == [
        {"quoted": True, "limit": 0.5},
        {"quoted": True, "limit": 0.6},
    ]
    unquoted = table.limit({**row, "peer": "SciPy", "shape": "2x2"})
    assert unquoted == {"quoted": False, "limit": None}
    assert harness.target([0.5, None, 0.6, 0.5]) == "at most 0.5, 0.6"


def test_of_several_starts_the_best_counts_row_by_row(monkeypatch):
    starts = iter([[{"ratio": 2}, {"ratio": 3}], [{"ratio": 4}, {"ratio": 1}]])
    monkeypatch.setattr(command, "_in_a_child", lambda *arguments: next(starts))
    found = command._in_children(2, [], False, "jax")
    assert found == [{"ratio": 2}, {"ratio": 1}]
    starts = iter([[{"ratio": 2}], None])
    assert command._in_children(2, [], False, "jax") is None


def test_a_run_replaces_the_rows_of_its_backend_and_shapes_and_keeps_the_others():
    def row(backend, shape, ratio):
        return {"backend": backend, "shape": shape, "ratio": ratio}

    kept = [row("jax", "2x2", 1), row("jax", "4x4", 1), row("torch", "2x2", 1)]
    found = [row("jax", "4x4", 2), row("jax", "4x4", 3), row("tensorflow", "2x2", 2)]
    assert command._merged(kept, found, ["2x2", "4x4"]) == [
        row("tensorflow", "2x2", 2),
        row("jax", "2x2", 1),
        row("jax", "4x4", 2),
        row("jax", "4x4", 3),
        row("torch", "2x2", 1),
    ]


def test_the_rows_of_backends_that_were_not_run_are_kept():
    rows = [{"backend": "jax", "ratio": 1}, {"backend": "numpy", "ratio": 1}]
    earlier = {"date": "then", "rounds": 5, "rows": rows}
    found = {"date": "today", "rounds": 5, "rows": [{"backend": "jax", "ratio": 2}]}
    assert command._beside(earlier, found) == [found["rows"][0], rows[1]]
    with pytest.raises(SystemExit, match="other rounds"):
        command._beside(earlier, {**found, "rounds": 7})


def test_figures_of_other_versions_are_not_added_to(figures):
    path = figures / "edges.json"
    facts = json.loads(path.read_text())["facts"]
    assert len(command._kept(path, {**facts, "date": "2026-02-02"})) == 3
    with pytest.raises(SystemExit, match="other versions"):
        command._kept(path, {**facts, "versions": {"jax": "2.0"}})


def row_of(line, size, ms, axis="side of an image"):
    facts = {"backend": "jax", "axis": axis, "size": size, "bytes": 4 * size**2}
    return {**facts, "line": line, "ms": ms, "ms_kept": 1.0, "megabytes": 1.0}


def test_a_process_of_a_table_is_told_its_backend(monkeypatch, tmp_path):
    script = tmp_path / "table.py"
    script.write_text(
        "import json, os, sys\n"
        "*given, out = sys.argv[1:]\n"
        "open(out, 'w').write(json.dumps([given, dict(os.environ)]))\n"
    )
    monkeypatch.setattr(sys, "argv", [str(script)])
    given, environment = command._in_a_child("jax", ["--quick"])
    assert given == ["--quick", "--backend", "jax", "--child"]
    assert environment["KERAS_BACKEND"] == "jax"


@pytest.mark.parametrize("script", [first_call, growth, predictor_zoo])
def test_a_table_whose_process_fails_says_so(script, monkeypatch):
    failed = create_autospec(command._in_a_child, return_value=None)
    monkeypatch.setattr(command, "_in_a_child", failed)
    monkeypatch.setattr(command, "_installed", lambda name: True)
    monkeypatch.setattr(sys, "argv", ["table.py", "--backend", "numpy"])
    assert script.main() == 1
    assert failed.call_args.args[0] == "numpy"


def test_growth_is_the_power_of_the_data_over_the_far_end():
    rows = [row_of("linear", n, n**2) for n in (1, 2, 4, 8)]
    rows += [row_of("square", n, n**4) for n in (1, 2, 4, 8)]
    rows += [row_of("copy", n, n**2) for n in (4, 8)]
    rows += [row_of("window", n, n**2, "side of the window") for n in (3, 6)]
    assert [(line, round(power, 6)) for *_, line, power in growth.powers(rows)] == [
        ("linear", 1.0),
        ("square", 2.0),
        ("window", 1.0),
    ]


def test_what_grows_faster_than_the_data_is_bold(tmp_path):
    rows = [row_of("ours", n, n**4) for n in (1, 2)]
    facts = {"date": "2026-01-01", "cpus": 2, "threads": 2, "rounds": 5}
    page = growth.rendered({"facts": {**facts, "versions": {}}, "rows": rows}, "to/")
    assert "| jax, jit | side of an image | **2.00** (0.00) |" in page
    assert "](to/growth-jax.svg)" in page
    growth.drawn(rows, tmp_path / "growth-jax.svg")
    assert (tmp_path / "growth-jax.svg").read_text().count("<svg") == 1


def test_a_figure_without_a_place_in_its_page_is_an_error():
    with pytest.raises(SystemExit, match=r"<!-- edges --> .* stands 0 times"):
        render.updated("no markers", {"edges": "1"})


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The pages that quote figures, in a folder of their own."""
    for name in ("README.md", "models/README.md", "tests/benchmarks/README.md"):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((render.CHECKOUT / name).read_text("utf-8"), "utf-8")
    results = tmp_path / "tests" / "benchmarks" / "results"
    shutil.copytree(render.RESULTS, results)
    monkeypatch.setattr(render, "CHECKOUT", tmp_path)
    monkeypatch.setattr(render, "RESULTS", results)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "figure", "another"),
    [
        ("README.md", r"(?<=<!-- keras -->)[\d.-]+", "0.00"),
        ("models/README.md", r"34,826", "34,827"),
        ("tests/benchmarks/README.md", r"(?<=\()[\d.]+ ms", "0.001 ms"),
        ("tests/benchmarks/results/pools.md", r"(?<=\()[\d.]+ ms", "0.001 ms"),
    ],
)
def test_check_fails_where_a_page_differs_and_writes_nothing(
    checkout, capsys, name, figure, another
):
    page = checkout / name
    text = page.read_text("utf-8")
    changed, found = re.subn(figure, another, text)
    assert found
    page.write_text(changed, "utf-8")
    assert render.main(["--check"]) == 1
    assert name in capsys.readouterr().out
    assert page.read_text("utf-8") == changed
    assert render.main([]) == 0
    assert page.read_text("utf-8") == text
    assert render.main(["--check"]) == 0


def test_the_pages_quote_the_figures_that_are_kept():
    assert render.main(["--check"]) == 0


def test_what_is_over_its_budget_is_bold():
    sizes = {"code": 50_000, "the first network": 200_001, "everything": 1}
    ms = {"ready": 500, "forward": 5.1, "redraw": 3}
    text = page.table({"size": sizes, "ms": ms, "slow": ms, "chromium": "1",
                       "machine": "2 cores", "date": "today"})  # fmt: skip
    assert "| code | 60 kB | 50.0 kB |  |" in text
    assert "| the first network | 200 kB | **200.0 kB** |  |" in text
    assert "| ready | 500 ms | 500 ms | 500 ms |" in text
    assert "| forward | 5 ms | **5.1 ms** | **5.1 ms** |" in text


def test_a_first_call_that_takes_too_long_or_too_much_is_bold():
    row = {"backend": "jax", "mode": "jit", "ms": [201, 2, 3, 1]}
    row |= {"interior_ms": [150, 2, 2, 1], "keras_ms": [5, 6]}
    kept = {"few": 1.0, "all": 1.1, "least": 0.9}
    text = first_call.table(
        {
            "rows": [{**row, "mode": "eager", "memory": kept}, {**row, "mode": "XLA"}],
            **{"shapes": 1000, "rounds": 7, "cpus": 2, "date": "today"},
        }
    )
    calls = "2 ms | 3 ms | 1 ms | 150 ms | 5, 6 ms"
    assert f"| jax, eager | **201 ms** | {calls} | 1 | **1.1** | 0.9 |" in text
    assert f"| jax, XLA | 201 ms | {calls} |  |  |  |" in text


def test_of_a_call_the_compiled_functions_are_counted_and_python_is_not():
    def call(values):
        for _ in range(3):
            values.partition(5)
        return [value + 1 for value in values.tolist()]

    spent = reads.compiled(call, [np.arange(9.0)[::-1].copy() for _ in range(2)])
    counts = {name.split("'")[1]: calls for name, (_, calls) in spent.items()}
    assert counts.pop("disable", None) in (None, 1)  # the profile's own end
    assert counts == {"partition": 3, "tolist": 1}


def process(*lines):
    """What `against` asks of a process: it says these lines, and what it is told."""
    said = io.StringIO("".join(json.dumps(line) + "\n" for line in lines))
    return SimpleNamespace(stdout=said, stdin=io.StringIO())


def test_two_checkouts_are_compared_round_by_round():
    rows = [{"layer": "Sobel"}, {"layer": "Prewitt"}]
    here = process(rows, [1, 10], [2, 20], [9, 30])
    there = process(rows, [2, 10], [2, 10], [3, 10])
    rows = list(against.compared([here, there], rounds=3))
    sobel, prewitt = (against.fastest([row]) for row in rows)
    assert sobel == {"layer": "Sobel", "ms": [2000, 2000], "ratio": 1,
                     "quartiles": [0.75, 2]}  # fmt: skip
    assert prewitt["ratio"] == 2
    assert here.stdin.getvalue() == there.stdin.getvalue() == "go\n" * 3


def test_of_several_starts_the_fastest_of_either_checkout_counts():
    slow_here, slow_there = [[0.013] * 3, [0.005] * 3], [[0.005] * 3, [0.012] * 3]
    row = against.fastest([({}, slow_here), ({}, slow_there)])
    assert (row["ms"], row["ratio"]) == ([5, 5], 1)


def test_a_checkout_that_ends_with_an_error_is_compared_no_further():
    here, there = process([{"layer": "Sobel"}], [1], [2]), process()
    here.kill = there.kill = lambda: None
    assert not list(against.compared([here, there], rounds=2))


def test_two_checkouts_that_run_other_rows_are_not_compared():
    sides = [process([{"layer": "Sobel"}]), process([{"layer": "Prewitt"}])]
    with pytest.raises(SystemExit, match="different rows"):
        list(against.compared(sides, rounds=3))


def test_commands_on_a_folder_are_compared_round_by_round():
    text = folder.table(
        {
            "seconds": {"kerasconv edges": [1, 2, 30], "OpenCV": [2, 2, 10]},
            **{"photographs": 100, "machine": "2 cores", "date": "today"},
        }
    )
    assert "| kerasconv edges | 2.0 | 50 | 1.00 |" in text
    assert "| OpenCV | 2.0 | 50 |  |" in text


def test_the_page_at_scale_says_what_was_measured():
    assert scale.main(["render", "--check"]) == 0
