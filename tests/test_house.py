"""The house keeps its order: imports go one way, and a backend's name has its rooms."""

import house
import pytest

pytestmark = pytest.mark.once

# From the ground up. A room of these imports, directly or through others, only those
# before it; every other room may import any that does not import it.
LADDER = ("_arguments", "kernels", "window", "ops", "layers", "models")


@pytest.fixture(scope="module")
def modules():
    return house.read()


def test_no_modules_import_each_other_in_a_circle(modules):
    assert house.circle({m.name: m.loads for m in modules.values()}) == []


def test_no_rooms_import_each_other_in_a_circle_not_even_later(modules):
    assert house.circle(house.both(*house.rooms(modules))) == []


@pytest.mark.parametrize("room", LADDER)
def test_the_rooms_of_the_ladder_import_only_those_beneath(modules, room):
    graph = house.both(*house.rooms(modules))
    reached, waiting = set(), [room]
    while waiting:
        waiting += (found := graph[waiting.pop()] - reached)
        reached |= found
    assert reached & set(LADDER) <= set(LADDER[: LADDER.index(room)])


def test_no_file_has_more_than_600_lines(modules):
    lengths = {
        m.name: len(m.path.read_text(encoding="utf-8").splitlines())
        for m in modules.values()
    }
    assert {name: count for name, count in lengths.items() if count > 600} == {}


def test_a_backends_name_is_compared_only_in_its_rooms(modules):
    found = {
        f"{module.name}:{line}"
        for module in modules.values()
        for _, line in house.comparisons(module.tree)
        if not module.name.startswith(
            ("kerasconv.window.native", "kerasconv.window.backends",
             "kerasconv.backends", "kerasconv.testing", "kerasconv.predict",
             "kerasconv.compiled", "kerasconv.export")
        )
    }  # fmt: skip
    assert found == set()


@pytest.mark.parametrize("room", ["predict", "export"])
def test_a_backend_is_selected_in_one_place(modules, room):
    places = {
        f"{module.name}.{function}"
        for module in modules.values()
        if module.room == room
        for function, _ in house.comparisons(module.tree)
    }
    assert len(places) <= 1, places


def test_the_map_in_contributing_is_that_of_the_imports(capsys):
    assert house.main(["--check"]) == 0, capsys.readouterr().out


# ----------------------------------------------------------------- of the map itself


@pytest.fixture
def made(tmp_path):
    def make(**files):
        for name, text in {"__init__": "", **files}.items():
            path = tmp_path / "p" / f"{name.replace('__of__', '/')}.py"
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text)
        return house.read(tmp_path, "p")

    return make


def test_every_form_of_an_import_is_seen(made):
    modules = made(
        a="import p.b\nfrom p import c\nfrom p.d import x\nfrom . import e\nimport os",
        b="", c="", d="", e="",
    )  # fmt: skip
    assert modules["p.a"].loads == {"p.b", "p.c", "p.d", "p.e"}


def test_an_import_in_a_function_or_for_types_is_a_later_one(made):
    modules = made(
        a="if TYPE_CHECKING:\n    import p.b\ndef f():\n    from p.c import x\n",
        b="", c="",
    )  # fmt: skip
    assert modules["p.a"].loads == set()
    assert modules["p.a"].later == {"p.b", "p.c"}


def test_a_module_of_a_package_brings_the_packages_own_imports(made):
    modules = made(
        a="from p.b.c import x",
        b__of____init__="from p.b import d",
        b__of__c="from p.b.d import y",
        b__of__d="import p.a",
    )
    assert modules["p.a"].loads == {"p.b", "p.b.c"}
    assert modules["p.b.c"].loads == {"p.b.d"}
    found = house.circle({m.name: m.loads for m in modules.values()})
    assert found[0] == found[-1] == "p.a" or "p.a" in found


def test_a_comparison_with_a_backends_name_is_found_in_every_form():
    text = """
def one():
    return BACKEND == "torch"
if backend not in ("jax", name): ...
match backend:
    case "numpy": ...
this = {"jax": 1}["jax"]
"""
    assert sorted(house.comparisons(house.ast.parse(text))) == [
        ("", 4), ("", 6), ("one", 3)
    ]  # fmt: skip
