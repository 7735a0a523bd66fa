"""Write the figures in `results/` into the tables of the README.

    python tests/benchmarks/render.py [--check]

A table stands between `<!-- benchmark:NAME -->` and `<!-- /benchmark:NAME -->`, and
its figures in `results/NAME.json`. With --check nothing is written, and the exit
status is 1 where the README says something else than the figures.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from _harness import met, target

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
        lines.setdefault(key, {})[row["shape"]] = f"**{ratio}**" if missed else ratio
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


def updated(text: str, results: Path) -> str:
    """`text` with every table in place of what stood between its markers."""
    for path in sorted(results.glob("*.json")):
        start, end = (f"<!-- {slash}benchmark:{path.stem} -->" for slash in ("", "/"))
        table = rendered(json.loads(path.read_text()))
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
