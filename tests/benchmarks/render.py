"""Write the figures in `results/` into the tables of the README and of `results/`.

    python tests/benchmarks/render.py [--check]

`results/NAME.json` has the figures; `results/NAME.md` shows all of them. Between
`<!-- benchmark:NAME -->` and `<!-- /benchmark:NAME -->` the README quotes those that
have a target or a name, of several layers the slowest against its peer; the table of
the zoo, `<!-- zoo -->`, comes from the cards. With --check nothing is written, and the
exit status is 1 where a page says something else than the figures.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import exports
from _harness import met, target

from kerasconv.models import _readme, cards

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[2] / "README.md"


def rendered(result: dict[str, Any], digest: bool = True) -> str:
    """One file of figures as a table of Markdown: ratios by shape.

    Args:
        result: the figures.
        digest: whether to leave out what the README does not quote, and to show of
            the layers only the slowest against its peer.
    """
    if "format" in result["rows"][0]:
        return exports.rendered(result, digest)
    rows = [row for row in result["rows"] if "ratio" in row]
    if digest:
        rows = [row for row in rows if row["quoted"]]
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    lines: dict[tuple, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        key = (
            *(f"{row['backend']}, {row['mode']}", row["race"], row["peer"]),
            *(target(row["limit"]), None if digest else row["layer"]),
        )
        lines.setdefault(key, {}).setdefault(row["shape"], []).append(row)
    heads = ["backend", "", "time relative to", "target", *shapes]
    if not digest:
        heads.insert(2, "layer")
    table = [heads, ["---"] * len(heads)]
    for (backend, race, peer, aim, layer), cells in lines.items():
        named = [] if digest else [layer]
        cells = [_cell(cells.get(shape, ())) for shape in shapes]
        table.append([backend, race, *named, peer, aim, *cells])
    facts = result["facts"]
    layers = ", ".join(dict.fromkeys(row["layer"] for row in rows))
    whose = ""
    if digest and "," in layers:
        whose = f"{layers}: the slowest against its peer. "
    versions = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    return "\n".join(
        [
            *("| " + " | ".join(cells) + " |" for cells in table),
            "",
            f"{whose}Medians of {facts['rounds']} paired rounds on "
            f"{facts['threads']} threads ({facts['cpus']} CPUs), {facts['date']}; "
            f"bold misses the target. {versions}.",
        ]
    )


def _cell(rows: Sequence[dict[str, Any]]) -> str:
    """The largest ratio of the layers, with the time that belongs to it."""
    if not rows:
        return ""
    row = max(rows, key=lambda row: row["ratio"])
    ratio = f"{row['ratio']:.2f}"
    missed = any(row["limit"] and not met(row) for row in rows)
    return f"{f'**{ratio}**' if missed else ratio} ({row['ms']:g} ms)"


def pages(results: Path) -> dict[Path, str]:
    """The pages of `results/`, each with all figures of a table."""
    found = {}
    for path in sorted(results.glob("*.json")):
        table = rendered(json.loads(path.read_text()), digest=False)
        found[path.with_suffix(".md")] = f"# {path.stem}\n\n{table}\n"
    return found


def zoo() -> str:
    """The models and what their cards say, as Markdown."""
    lines = [
        "| model | parameters | data set | test accuracy (95 %) | errors | "
        "over seeds | spoilt | size | images/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, card in cards().items():
        facts, test = card.facts, card.facts["test"]
        low, high = test["interval"]
        cells = [
            f"[{name}](models/{card.architecture}/README.md)",
            f"{facts['parameters']['total']:,}",
            facts["data"]["name"],
            f"{test['accuracy']:.2%} ({low:.2%} to {high:.2%})",
            f"{test['errors']} of {test['examples']:,}",
            _readme.seeds(card),
            f"{facts['corruptions']['mean']:.1%}" if "corruptions" in facts else "",
            f"{facts['bytes'] / 1000:.0f} kB",
            f"{facts['images_per_second']:,}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def updated(text: str, results: Path) -> str:
    """`text` with every table in place of what stood between its markers."""
    tables = {"zoo": zoo()}
    for path in sorted(results.glob("*.json")):
        tables[f"benchmark:{path.stem}"] = rendered(json.loads(path.read_text()))
    for name, table in tables.items():
        start, end = (f"<!-- {slash}{name} -->" for slash in ("", "/"))
        text, found = re.subn(
            f"{start}.*?{end}",
            lambda _, block=f"{start}\n{table}\n{end}": block,
            text,
            flags=re.DOTALL,
        )
        if found != 1:
            raise SystemExit(f"{start} ... {end} stands {found} times, not once")
    return text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="render.py")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    text = README.read_text(encoding="utf-8")
    fresh = {README: updated(text, RESULTS), **pages(RESULTS)}
    stale = [
        path
        for path, page in fresh.items()
        if not path.exists() or path.read_text(encoding="utf-8") != page
    ]
    for path in stale:
        if options.check:
            print(f"{path.name} differs; run tests/benchmarks/render.py")
        else:
            path.write_text(fresh[path], encoding="utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
