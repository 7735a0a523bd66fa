"""How large the live page is and how quick, beside what it may be, in Chromium.

    python tests/benchmarks/page.py

Every figure is the lowest of several: other programs on the machine only add to it.
"Six times slower" is with the processor throttled by Chromium, about a cheap telephone.
"Ready" is from the navigation until the page answers, "forward" the network's answer to
one image, "redraw" that and what follows: maps, microscope, answers, layout. The file
`page.json` keeps the figures, and `render.py` writes them into the README.
"""

import datetime
import json
import os
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import chromium

FIGURES = Path(__file__).with_name("page.json")

BUDGETS = {
    "code": (60_000, "B"),
    "the first network": (200_000, "B"),
    "everything": (1_200_000, "B"),
    "ready": (500, "ms"),
    "forward": (5, "ms"),
    "redraw": (16, "ms"),
}
"""What the page may take at most."""

LOADS, IMAGES = 5, 40

# Presses "Next digit": the page computes and draws before the press returns.
REDRAW = """
(images) => Array.from({ length: images }, () => {
    document.getElementById("next").click();
    const [forward, drawn] = document.body.dataset.ms.split(" ").map(Number);
    const began = performance.now();
    document.body.getBoundingClientRect(); // lays out
    return [forward, drawn + performance.now() - began];
})
"""


def sizes(folder):
    """Bytes of a written page by what they are."""
    size = {path.name: path.stat().st_size for path in folder.glob("**/*.*")}
    loaded = re.findall(r'src="([\w.]+\.js)"', (folder / "index.html").read_text())
    return {
        "code": sum(size[name] for name in loaded),
        "the first network": size["network0.js"],
        "everything": sum(size.values()),
    }


def measure():
    """Sizes, and milliseconds on this machine, and with its processor throttled."""
    from kerasconv import play

    with tempfile.TemporaryDirectory() as folder, chromium.started() as browser:
        page = play.write(Path(folder) / "page")
        found = {"size": sizes(page.parent), "chromium": browser.version,
                 "machine": f"{os.cpu_count()} cores",
                 "date": datetime.date.today().isoformat()}  # fmt: skip
        for name, slower in {"ms": 1, "slow": 6}.items():
            found[name] = times(browser, page.as_uri(), slower)
            print(name, found[name], flush=True)
    return found


def times(browser, address, slower):
    """The least of many times of one page, with the processor slower by a factor."""
    tab = browser.new_page(viewport={"width": 1280, "height": 860})
    tab.set_default_timeout(60_000)
    session = tab.context.new_cdp_session(tab)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    ready = []
    for load in range(LOADS):
        # Another address each time: a fragment alone would not load the page.
        tab.goto(f"{address}?{load}#layer=2&map=23&at=7,6")
        tab.wait_for_function("document.body.dataset.ready")
        ready.append(float(tab.evaluate("document.body.dataset.ready")))
    tab.locator("#score", has_text="64").wait_for()
    forward, redraw = map(min, zip(*tab.evaluate(REDRAW, IMAGES), strict=True))
    tab.close()
    return {"ready": min(ready), "forward": forward, "redraw": round(redraw, 1)}


def table(found):
    """The figures beside the budgets, as Markdown."""

    def cell(value, budget, text):
        return f"**{text}**" if value > budget else text

    lines = ["| | at most | measured | six times slower |", "|---|---|---|---|"]
    for name, (budget, unit) in BUDGETS.items():
        if unit == "B":
            size = found["size"][name]
            kept = cell(size, budget, f"{size / 1000:,.1f} kB")
            cells = [f"{budget / 1000:,.0f} kB", kept, ""]
        else:
            each = (found["ms"][name], found["slow"][name])
            cells = [f"{budget} ms", *(cell(ms, budget, f"{ms:g} ms") for ms in each)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    facts = f"Chromium {found['chromium']}, {found['machine']}, {found['date']}"
    return "\n".join([*lines, "", f"{facts}; bold is over the budget."])


if __name__ == "__main__":
    figures = measure()
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))
