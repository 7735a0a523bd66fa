"""Write the figures in `results/` into the tables of the README.

    python tests/benchmarks/render.py [--check]

A table stands between `<!-- benchmark:NAME -->` and `<!-- /benchmark:NAME -->`, and
its figures in `results/NAME.json`; the table of the zoo, `<!-- zoo -->`, comes from the
cards. With --check nothing is written, and the exit
status is 1 where the README says something else than the figures.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from _harness import met, target

from kerasconv.models import cards

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[2] / "README.md"


def rendered(result: dict[str, Any]) -> str:
    """The table of one file of figures as Markdown: ratios by shape."""
    quoted = [row for row in result["rows"] if row.get("quoted") and "ratio" in row]
    shapes = list(dict.fromkeys(row["shape"] for row in quoted))
    lines: dict[tuple, dict[str, str]] = {}
    for row in quoted:
        key = (
            f"{row['backend']}, {row['mode']}",
            *(row["race"], row["layer"], row["peer"], target(row["limit"])),
        )
        ratio = f"{row['ratio']:.2f}"
        missed = row["limit"] and not met(row)
        cell = f"**{ratio}**" if missed else ratio
        lines.setdefault(key, {})[row["shape"]] = f"{cell} ({row['ms']:g} ms)"
    heads = ["backend", "", "layer", "time relative to", "target", *shapes]
    facts = result["facts"]
    versions = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    table = [heads, ["---"] * len(heads)] + [
        [*key, *(cells.get(shape, "") for shape in shapes)]
        for key, cells in lines.items()
    ]
    return "\n".join(
        [
            *("| " + " | ".join(cells) + " |" for cells in table),
            "",
            f"Medians of {facts['rounds']} paired rounds on {facts['threads']} threads "
            f"({facts['cpus']} CPUs), {facts['date']}; bold misses the target. "
            f"{versions}.",
        ]
    )


def zoo() -> str:
    """The models and what their cards say, as Markdown."""
    lines = [
        "| model | parameters | data set | test accuracy (95 %) | errors | size |",
        "|---|---|---|---|---|---|",
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
            f"{facts['bytes'] / 1000:.0f} kB",
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
    fresh = updated(text, RESULTS)
    if options.check:
        if fresh != text:
            print("README.md differs; run tests/benchmarks/render.py", file=sys.stderr)
        return int(fresh != text)
    README.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
