"""How time and memory grow with the image, the batch, the channels and the window.

    python tests/benchmarks/growth.py [--backend jax] [--quick] [--json FILE]

Each backend runs in a process of its own, in the mode in which it is fastest. A line is
a layer; the straight line beside it is a copy of the same array, which grows as the
data do. Memory is what a first call takes beyond what the process held, with the result
and what the compiler needs; on TensorFlow, which keeps what it freed, only what it
takes beyond all calls before it. `--json` also draws `FILE` as `growth-BACKEND.svg`
beside. Printed is, for each line, by which power of the data the time grows over the
largest two of its sizes that differ fourfold: 1 is as the data do. All is timed once
more in a process that keeps the memory it once had (`KEPT_MEMORY` in `_command.py`):
what grows faster than the data only where memory is mapped anew costs no layer's work.
"""

import argparse
import contextlib
import ctypes
import gc
import json
import math
import sys
from pathlib import Path
from typing import Any

import _backends as backends
import _command as command
import numpy as np
from _harness import Contender, measure

MODES = {"tensorflow": "graph", "jax": "jit", "torch": "eager", "numpy": "eager"}

# What grows along each axis, and the shape of the images at each size; a window grows
# over one image.
AXES = {
    "side of an image": {n: (1, n, n, 1) for n in (64, 256, 1024, 2048, 4096, 8192)},
    "images a batch": {n: (n, 64, 64, 3) for n in (1, 4, 16, 64, 256, 1024)},
    "channels": {n: (4, 128, 128, n) for n in (1, 4, 16, 64, 256)},
    "side of the window": {n: (1, 512, 512, 4) for n in (2, 3, 5, 9, 17, 33)},
}

QUICK = 3
"""How many of the sizes are enough for a first look."""

POWER = 1.25
"""More than this is more than the data grow, and than measurements differ by."""


def layers_of(axis, size):
    """The layers of an axis, by the name of their line."""
    from kerasconv import layers

    if axis == "side of the window":
        return {
            # Even sizes have no centre, which an edge's kernel must have.
            **({"SobelConv": layers.SobelConv(size)} if size in (3, 5, 9) else {}),
            "L2Pool": layers.L2Pool(size, strides=1),
            "WeightedPool": layers.WeightedPool(size, strides=1),
        }
    return {
        "SobelConv": layers.SobelConv(output="magnitude"),
        "L2Pool": layers.L2Pool(2),
        "WeightedPool": layers.WeightedPool(3, strides=3),
        "LearnedConv": layers.LearnedConv(4, 3),
    }


def grown(backend: str, quick: bool) -> list[dict[str, Any]]:
    """Everything on one backend, in this process."""
    backends.start(backend)
    found = []
    for axis, shapes in AXES.items():
        for size, shape in list(shapes.items())[: QUICK if quick else None]:
            x = backends.image(shape)
            tensor = backends.native(x, backend)
            copy = backends.copying(x, backend)
            contenders = [copy]
            memory = {copy.name: x.nbytes}
            for name, layer in layers_of(axis, size).items():
                layer.build(shape)
                call = backends.forward(layer, tensor, backend, MODES[backend])
                memory[name] = _memory_of(call)
                contenders.append(Contender(name, call, lambda result: 0.0))
            rounds = 3 if quick else 5
            measure(contenders, rounds, least=0.01)
            found += [
                {
                    **{"backend": backend, "axis": axis, "size": size},
                    **{"line": c.name, "bytes": x.nbytes},
                    "ms": float(f"{1e3 * np.median(c.times):.3g}"),
                    "megabytes": float(f"{memory[c.name] / 1e6:.3g}"),
                }
                for c in contenders
            ]
            print(f"growth: {backend}, {axis} {size}", file=sys.stderr)
            backends.forget(backend)
    return found


def _memory_of(call) -> int:
    """Bytes that a call takes at most beyond what the process holds."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        # What lies free would be taken first, and not be seen.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    call()
    return max(_status("VmHWM") - before, 0)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(name))
    return 1024 * int(line.split()[1])


def powers(
    rows: list[dict[str, Any]], time: str = "ms"
) -> list[tuple[str, str, str, float]]:
    """(backend, axis, line, power): how time grows with the data at the far end."""
    lines: dict[tuple, list[tuple[float, float]]] = {}
    for row in rows:
        # A window of n x n reads each value n * n times: those are its data.
        data = row["size"] ** 2 if "window" in row["axis"] else row["bytes"]
        key = row["backend"], row["axis"], row["line"]
        lines.setdefault(key, []).append((data, row[time]))
    result = []
    for key, points in lines.items():
        (most, last) = max(points)
        far = [point for point in points if 4 * point[0] <= most]
        if far and "copy" not in key:
            data, ms = max(far)
            result.append((*key, math.log(last / ms) / math.log(most / data)))
    return result


def drawn(rows: list[dict[str, Any]], path: Path) -> None:
    """The lines of one backend: time above, memory below, an axis a column."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = "growth"  # the same figures, the same file
    figure = Figure((13, 6.4), layout="constrained")
    places = figure.subplots(2, len(AXES), sharey="row")
    names = list(dict.fromkeys(row["line"] for row in rows))
    for axis, column in zip(AXES, places.T, strict=True):
        here = [row for row in rows if row["axis"] == axis]
        for at, name in enumerate(names):
            line = [row for row in here if row["line"] == name]
            sizes = [row["size"] for row in line]
            style = {"color": f"C{at}"}
            if name == "copy":
                style = {"color": "0.5", "linestyle": "--"}
            for place, what in zip(column, ("ms", "megabytes"), strict=True):
                values = [max(row[what], 1e-3) for row in line]
                place.plot(sizes, values, marker=".", label=name, **style)
        for place in column:
            place.set(xscale="log", yscale="log")
            sizes = [
                n for n in AXES[axis] if n not in (2048, 8192)
            ]  # they would overlap
            place.set_xticks(sizes, sizes, minor=False)
            place.minorticks_off()
            place.grid(alpha=0.3)
        column[0].set_title(axis)
    places[0, 0].set_ylabel("milliseconds a call")
    places[1, 0].set_ylabel("megabytes of the first call")
    places[0, 0].legend()
    figure.savefig(path, metadata={"Date": None})


def rendered(result: dict[str, Any], folder: str) -> str:
    """The pictures, which lie in a folder, and the powers as a table of Markdown."""
    rows, facts = result["rows"], result["facts"]
    lines: dict[tuple[str, str], dict[str, str]] = {}
    both = zip(powers(rows), powers(rows, "ms_kept"), strict=True)
    for (backend, axis, line, power), (*_, kept) in both:
        cell = f"{power:.2f}" if power <= POWER else f"**{power:.2f}** ({kept:.2f})"
        lines.setdefault((backend, axis), {})[line] = cell
    names = list(dict.fromkeys(name for cells in lines.values() for name in cells))
    table = [["backend", "growing", *names], ["---"] * (len(names) + 2)]
    for (backend, axis), cells in lines.items():
        texts = [cells.get(name, "") for name in names]
        table.append([f"{backend}, {MODES[backend]}", axis, *texts])
    pictures = [
        f"![On {name}: milliseconds a call and megabytes of the first call against the "
        f"size, both on logarithmic axes, beside a copy]({folder}growth-{name}.svg)"
        for name in dict.fromkeys(row["backend"] for row in rows)
    ]
    versions = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    return "\n".join(
        [
            *(f"{picture}\n" for picture in pictures),
            *("| " + " | ".join(cells) + " |" for cells in table),
            "",
            f"The power of the data by which the time grows at the largest sizes; more "
            f"than {POWER} is bold, with the power in a process that keeps its memory "
            f"in brackets. A window's data are its n x n values. Medians of "
            f"{facts['rounds']} rounds on {facts['threads']} threads "
            f"({facts['cpus']} CPUs), {facts['date']}. {versions}.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="growth.py")
    parser.add_argument("--backend", default="all", choices=["all", *MODES])
    parser.add_argument("--quick", action="store_true", help="the small sizes")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        options.child.write_text(json.dumps(grown(options.backend, options.quick)))
        return 0
    names = list(MODES) if options.backend == "all" else [options.backend]
    rows, failed = [], []
    for name in names:
        if command._installed(name):
            given = arguments or sys.argv[1:]
            found = command._in_a_child(name, given)
            kept = command._in_a_child(name, given, keeps_memory=True)
            if found is None or kept is None:
                failed.append(name)
                continue
            for row, again in zip(found, kept, strict=True):
                row["ms_kept"] = again["ms"]
            rows += found
    both = zip(powers(rows), powers(rows, "ms_kept"), strict=True)
    for (backend, axis, line, power), (*_, kept) in both:
        verdict = "" if power <= POWER else "  faster than the data"
        print(f"{backend:12}{axis:20}{line:14}{power:6.2f}{kept:6.2f}{verdict}")
    if options.json:
        facts = command._facts(5)
        lines = ",\n".join(json.dumps(row) for row in rows)
        heading = json.dumps(facts, indent=1)
        options.json.write_text(f'{{"facts": {heading},\n"rows": [\n{lines}\n]}}\n')
        for name in dict.fromkeys(row["backend"] for row in rows):
            own = [row for row in rows if row["backend"] == name]
            drawn(own, options.json.with_name(f"growth-{name}.svg"))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
