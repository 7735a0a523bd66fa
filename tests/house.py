"""The map of the package, read from its imports.

    python tests/house.py [--check]

writes the map between `<!-- house -->` and `<!-- /house -->` in CONTRIBUTING.md: every
room (a module or a folder of `kerasconv/`), what its docstring says first, and which
rooms it imports. A room stands below all those that it imports; what only a function
imports, when it is called, is in brackets. With --check nothing is written,
and the exit status is 1 where the page says something else.
"""

import argparse
import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "CONTRIBUTING.md"
BACKENDS = ("tensorflow", "jax", "torch", "openvino", "numpy")


@dataclass
class Module:
    """A file of the package, and what it imports of the package."""

    name: str
    path: Path
    tree: ast.Module
    loads: set[str] = field(default_factory=set)
    """Modules that are imported while this one is."""

    later: set[str] = field(default_factory=set)
    """Modules that a function imports when it is called, or that only types need."""

    @property
    def room(self) -> str:
        """The part of the package that it belongs to, "layers" of `layers/_pool.py`."""
        return self.name.split(".")[1] if "." in self.name else ""


def read(checkout: Path = CHECKOUT, package: str = "kerasconv") -> dict[str, Module]:
    """Every module of a package by its name, with its imports."""
    modules = {}
    for path in sorted(checkout.joinpath(package).rglob("*.py")):
        parts = path.relative_to(checkout).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8")))
    for module in modules.values():
        for node, late in _imports(module.tree):
            for target in _targets(node, module, modules):
                (module.later if late else module.loads).add(target)
        module.later -= module.loads
    return modules


def _imports(
    tree: ast.AST, late: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import statement, and whether it waits for a call or for a type checker."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, late
        else:
            waits = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
                isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            )
            yield from _imports(node, late or waits)


def _targets(
    node: ast.Import | ast.ImportFrom, module: Module, modules: dict[str, Module]
) -> Iterator[str]:
    """The modules of the package that a statement of `module` imports."""
    if isinstance(node, ast.Import):
        found = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            inside = module.path.name == "__init__.py"
            parts = module.name.split(".")
            parts = parts[: len(parts) - node.level + inside]
            base = ".".join([*parts, *filter(None, [node.module])])
        names = [f"{base}.{alias.name}" for alias in node.names]
        found = [name if name in modules else base for name in names]
    for name in found:
        if name not in modules:
            continue
        yield name
        # Python also runs the `__init__` of every package on the way.
        parts = name.split(".")
        for count in range(2, len(parts)):
            above = ".".join(parts[:count])
            if not f"{module.name}.".startswith(f"{above}."):
                yield above


def rooms(modules: dict[str, Module]) -> tuple[dict[str, set[str]], ...]:
    """The rooms that each room imports as it loads, and those it imports only later."""
    loads: dict[str, set[str]] = {}
    lazy: dict[str, set[str]] = {}
    for module in modules.values():
        if module.room:
            for found, names in ((loads, module.loads), (lazy, module.later)):
                others = {modules[name].room for name in names} - {module.room, ""}
                found.setdefault(module.room, set()).update(others)
    return loads, {room: lazy[room] - loads[room] for room in loads}


def both(*graphs: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is imported in any of the graphs."""
    return {name: set().union(*(g[name] for g in graphs)) for name in graphs[0]}


def ordered(graph: dict[str, set[str]]) -> list[str]:
    """The rooms from the ground up, each after all that it imports.

    Raises:
        CycleError: rooms import each other.
    """
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        floor = sorted(sorter.get_ready())
        order += floor
        sorter.done(*floor)
    return order


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Names that import each other in a circle, the first also last; [] if none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def comparisons(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Comparisons with a backend's name: the function around each, and its line."""

    def named(node):
        values = (
            node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
        )
        return any(isinstance(v, ast.Constant) and v.value in BACKENDS for v in values)

    def search(node, function):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Compare):
                if any(map(named, [child.left, *child.comparators])):
                    yield function, child.lineno
            elif isinstance(child, ast.MatchValue) and named(child.value):
                yield function, child.lineno
            inner = child.name if hasattr(child, "name") else function
            named_scope = isinstance(child, ast.FunctionDef | ast.ClassDef)
            yield from search(child, inner if named_scope else function)

    yield from search(tree, "")


def drawn(modules: dict[str, Module]) -> str:
    """The map as a table of Markdown."""
    loads, later = rooms(modules)
    lines = ["| room | what it is | imports |", "|---|---|---|"]
    for room in ordered(both(loads, later)):
        module = modules[f"kerasconv.{room}"]
        folder = module.path.name == "__init__.py"
        what = (ast.get_docstring(module.tree) or "").partition("\n")[0]
        imports = ", ".join(sorted(loads[room]))
        if later[room]:
            imports += f" ({', '.join(sorted(later[room]))})"
        name = f"{room}/" if folder else f"{room}.py"
        lines.append(f"| `{name}` | {what.rstrip('.')} | {imports.strip()} |")
    return "\n".join(lines)


def updated(text: str, part: str, name: str = "house") -> str:
    """A page with a part, the map, in place of what stood between its markers."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text, found = re.subn(
        f"{start}.*?{end}", lambda _: f"{start}\n{part}\n{end}", text, flags=re.DOTALL
    )
    if found != 1:
        raise SystemExit(f"{start} ... {end} stands {found} times, not once")
    return text


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="house.py")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    text = PAGE.read_text(encoding="utf-8")
    fresh = updated(text, drawn(read()))
    if options.check:
        if fresh != text:
            print(f"{PAGE.name} differs; run python tests/house.py")
        return int(fresh != text)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
