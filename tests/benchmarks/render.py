"""Write the measured figures into the pages that quote them.

    python tests/benchmarks/render.py [--check]

`results/NAME.json` has the figures of a benchmark, and the cards those of the models.
`results/NAME.md` shows all figures of a benchmark. The page beside this file quotes,
between `<!-- edges -->` and `<!-- /edges -->` and so on, those that have a target or a
name, of several layers the slowest against its peer; `first_answer.json`,
`first_call.json`, `folder.json`, `page.json` and `predictor_zoo.json` have tables of
their own there. `models/README.md` has the table
of all models; the README of the package four of them and a few single figures, between
such markers too. With --check nothing is written, and the exit status is 1 where a page
says something else than the figures.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import exports
import first_answer
import first_call
import folder
import growth
import page as live_page
import predictor_zoo
from _harness import met, target

from kerasconv.models import cards
from kerasconv.training import page

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"

FOUR = {
    "mnist_cnn/mnist": "digits: the network of the course, the best on corrupted ones",
    "digits_cnn/mnist": "digits that are cleanly written",
    "edge_classifier/mnist": "digits, from fixed edges and one Dense layer",
    "cats_dogs_cnn/cats_vs_dogs": "colour photographs of 32x32 pixels: cat or dog",
}
"""The models that the README shows, and what for."""


def rendered(
    result: dict[str, Any], digest: bool = True, folder: str = "results/"
) -> str:
    """One file of figures as a table of Markdown: ratios by shape.

    Args:
        result: the figures.
        digest: whether to leave out what has no target and no name, and to show of
            the layers only the slowest against its peer.
        folder: where the pictures lie, seen from the page.
    """
    if "line" in result["rows"][0]:
        return growth.rendered(result, folder)
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
            None if digest else row["layer"],
        )
        lines.setdefault(key, {}).setdefault(row["shape"], []).append(row)
    heads = ["backend", "", "time relative to", "target", *shapes]
    if not digest:
        heads.insert(2, "layer")
    table = [heads, ["---"] * len(heads)]
    for (backend, race, peer, layer), found in lines.items():
        named = [] if digest else [layer]
        aim = target(row["limit"] for shape in shapes for row in found.get(shape, ()))
        cells = [_cell(found.get(shape, ())) for shape in shapes]
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
            f"{whose}Medians of {facts['rounds']} paired rounds on {_machine(facts)}, "
            f"{facts['date']}; bold misses the target. {versions}.",
        ]
    )


def _machine(facts: dict[str, Any]) -> str:
    if "gpu" in facts:
        return facts["gpu"]
    return f"{facts['threads']} threads ({facts['cpus']} CPUs)"


def _cell(rows: Sequence[dict[str, Any]]) -> str:
    """The largest ratio of the layers, with the time that belongs to it."""
    if not rows:
        return ""
    row = max(rows, key=lambda row: row["ratio"])
    ratio = f"{row['ratio']:.2f}"
    missed = any(row["limit"] and not met(row) for row in rows)
    return f"{f'**{ratio}**' if missed else ratio} ({row['ms']:g} ms)"


def figures(results: Path) -> dict[str, str]:
    """The single figures that the README quotes, by the name of their markers."""

    def chosen(name: str, **facts: str) -> list[dict[str, Any]]:
        rows = json.loads((results / f"{name}.json").read_text())["rows"]
        return [row for row in rows if facts.items() <= row.items()]

    def span(rows: list[dict[str, Any]]) -> str:
        ratios = [row["ratio"] for row in rows]
        return f"{min(ratios):.2f}-{max(ratios):.2f}"

    sobel = {"race": "forward", "layer": "Sobel"}
    jax = {"backend": "jax", "mode": "jit"}
    (photos,) = chosen("edges", **sobel, **jax, shape="8x512x512x3", peer="OpenCV")
    pools = chosen("pools", race="forward", **jax, peer="Keras's faster pool")
    (digit,) = chosen(
        "predictor", backend="jax", shape="1x28x28x1", peer="model.predict"
    )
    return {
        "keras": span(chosen("edges", **sobel, peer="keras.ops sobel_edges")),
        "sobel-ms": f"{photos['ms']:.2g}",
        "opencv": f"{photos['ratio']:.2f}",
        "l2pool": span([row for row in pools if row["layer"].startswith("L2Pool")]),
        "digit-ms": f"{digit['ms']:.2g}",
        "predict-ms": f"{digit['peer_ms']:.2g}",
    }


def four() -> str:
    """The models to know, as Markdown."""
    lines = ["| model | for | parameters | test accuracy |", "|---|---|---|---|"]
    known = cards()
    for name, purpose in FOUR.items():
        facts = known[name].facts
        lines.append(
            f"| `{name}` | {purpose} | {facts['parameters']['total']:,} | "
            f"{facts['test']['accuracy']:.2%} |"
        )
    return "\n".join(lines)


def zoo() -> str:
    """All models and what their cards say, as Markdown."""
    lines = [
        "| model | parameters | data set | test accuracy (95 %) | errors | "
        "over seeds | corrupted | size | images/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, card in cards().items():
        facts, test = card.facts, card.facts["test"]
        low, high = test["interval"]
        cells = [
            f"[{name}]({card.architecture}/README.md)",
            f"{facts['parameters']['total']:,}",
            facts["data"]["name"],
            f"{test['accuracy']:.2%} ({100 * low:.2f}-{100 * high:.2f})",
            f"{test['errors']} of {test['examples']:,}",
            page.seeds(card),
            f"{facts['corruptions']['mean']:.1%}" if "corruptions" in facts else "",
            f"{facts['bytes'] / 1000:.0f} kB",
            f"{facts['images_per_second']:,}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def updated(text: str, parts: dict[str, str]) -> str:
    """`text` with every part in place of what stood between its markers."""
    for name, part in parts.items():
        start, end = (f"<!-- {slash}{name} -->" for slash in ("", "/"))
        line = "\n" if "\n" in part else ""
        block = f"{start}{line}{part}{line}{end}"
        text, found = re.subn(
            f"{start}.*?{end}", lambda _, block=block: block, text, flags=re.DOTALL
        )
        if found != 1:
            raise SystemExit(f"{start} ... {end} stands {found} times, not once")
    return text


def pages(checkout: Path, results: Path) -> dict[Path, str]:
    """Every page that quotes figures, as it should be."""
    found, digests = {}, {}
    for path in sorted(results.glob("*.json")):
        result = json.loads(path.read_text())
        digests[path.stem] = rendered(result)
        table = rendered(result, digest=False, folder="")
        found[path.with_suffix(".md")] = f"# {path.stem}\n\n{table}\n"
    for path in sorted(results.glob("gpu/*.json")):
        result = json.loads(path.read_text())
        digests[f"gpu_{path.stem}"] = rendered(result)
        table = rendered(result, digest=False)
        found[path.with_suffix(".md")] = f"# {path.stem}, on a GPU\n\n{table}\n"
    for module in (first_answer, first_call, folder, live_page, predictor_zoo):
        if module.FIGURES.exists():
            measured = json.loads(module.FIGURES.read_text())
            digests[module.__name__] = module.table(measured)
    parts = {
        checkout / "README.md": {"zoo": four(), **figures(results)},
        checkout / "models" / "README.md": {"zoo": zoo()},
        checkout / "tests" / "benchmarks" / "README.md": digests,
    }
    for path, own in parts.items():
        found[path] = updated(path.read_text(encoding="utf-8"), own)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="render.py")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    fresh = pages(CHECKOUT, RESULTS)
    stale = [
        path
        for path, page in fresh.items()
        if not path.exists() or path.read_text(encoding="utf-8") != page
    ]
    for path in stale:
        if options.check:
            print(
                f"{path.relative_to(CHECKOUT)} differs; run tests/benchmarks/render.py"
            )
        else:
            path.write_text(fresh[path], encoding="utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
