"""What the first calls on images of a new shape take, in time and in memory.

    python tests/benchmarks/first_call.py [--backend jax] [--rounds 7] [--shapes 1000]
                                          [--json FILE]

Time: the magnitude of `SobelConv` on images of about 480x640x3, of a new height each
time, beside the same without a border (`padding="valid"`: one loop over the image, the
least there is to compile) and Keras's own `DepthwiseConv2D` with as many maps, in turn;
medians of the first three calls, and of the fastest of the next five. Values are
checked before a time is kept.
Memory: what a process takes more for each new shape, while one call follows on another,
after the first hundred shapes and after all; on JAX and TensorFlow beside the least
that there is, for the first hundred: on JAX, whose every program takes some, one that
adds one to an image; on TensorFlow, where one call compiles nothing, Keras's own
`DepthwiseConv2D`. Each backend has processes of its own for all of these, on two
threads.
"""

import argparse
import json
import statistics
import sys
import time
from collections import ChainMap
from collections.abc import Callable, Iterator
from pathlib import Path

import _backends as backends
import _command as command
import numpy as np
from _harness import rotated
from edges import magnitude
from growth import _status

FIGURES = Path(__file__).with_suffix(".json")

MILLISECONDS = {("tensorflow", "eager"): 40, ("jax", "eager"): 200, ("jax", "jit"): 200}
MEGABYTES = {"tensorflow": 0.5, "jax": 1.0}
"""What a first call may take at most, and a new shape in memory."""

HUNDRED = 100


def image(height: int, width: int) -> np.ndarray:
    return backends.image((1, height, width, 3))


def times(backend: str, rounds: int) -> list[dict]:
    """Milliseconds of the first calls, a row a mode."""
    import keras

    from kerasconv import layers

    rows = []
    modes = [mode for mode in backends.start(backend) if mode != "compile"]
    for mode in modes:
        ours = layers.SobelConv(output="magnitude")
        keras_own = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")
        keras_own.build((None, None, None, 3))
        interior = layers.SobelConv(output="magnitude", padding="valid")
        taken = {ours: [], interior: [], keras_own: []}
        for turn in range(-1, rounds):  # the very first call loads what is loaded once
            x = image(480 + turn, 640)
            tensor = backends.native(x, backend)
            for layer in rotated(list(taken), turn + 1):
                calls = []
                for i in range(8):
                    began = time.perf_counter()
                    if i == 0:  # to trace is part of a first call
                        call = backends.forward(layer, tensor, backend, mode)
                    result = call()
                    calls.append(1e3 * (time.perf_counter() - began))
                if layer is ours:
                    truth = magnitude(x, "Sobel", "symmetric")
                    error = backends.value_error(truth)(result)
                    if not error < command.TOLERANCES.get(backend, 1e-4):
                        raise SystemExit(f"first_call: {backend}, {mode}: {error}")
                if turn >= 0:
                    taken[layer].append([*calls[:3], min(calls[3:])])
        medians = [
            [
                float(f"{statistics.median(column):.3g}")
                for column in zip(*each, strict=True)
            ]
            for each in taken.values()
        ]
        names = ("ms", "interior_ms", "keras_ms")
        rows.append(
            {"backend": backend, "mode": mode} | dict(zip(names, medians, strict=True))
        )
    return rows


def memory(backend: str, shapes: int) -> dict:
    """Megabytes that a new shape takes, of the first hundred and of all."""
    from kerasconv import layers

    backends.start(backend)
    few = min(HUNDRED, shapes)
    held = list(_held(layers.SobelConv(output="magnitude"), shapes, backend))
    return {
        "shapes": shapes,
        "few": round((held[9 + few] - held[9]) / few, 2),
        "all": round((held[-1] - held[9]) / shapes, 3),
    }


def least(backend: str, shapes: int) -> dict:
    """Megabytes that a new shape takes at least, of the first hundred."""
    import keras

    backends.start(backend)
    layer = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")
    if backend == "jax":
        import jax

        layer = jax.jit(lambda x: x + 1)
    few = min(HUNDRED, shapes)
    held = list(_held(layer, few, backend))
    return {"least": round((held[-1] - held[9]) / few, 2)}


def _held(layer: Callable, shapes: int, backend: str) -> Iterator[float]:
    """Megabytes that the process holds after each call: ten, and so many more."""
    x = image(800, 1200)
    layer(backends.native(x, backend))  # what the largest image takes is no program's
    for i in range(10 + shapes):
        # No two alike, and no row of growing ones: that would pass for a leak.
        part = x[:, : 200 + 37 * i % 601, : 300 + 53 * i % 907]
        layer(backends.native(np.ascontiguousarray(part), backend))
        yield _status("VmRSS") / 1e6


def table(found: dict) -> str:
    """The figures beside the targets, as Markdown."""
    lines = [
        "| backend | first call | second | third | later | first without a border | "
        "DepthwiseConv2D, first, later | "
        f"MB a shape, of {HUNDRED} | of {found['shapes']:,} | "
        f"the least, of {HUNDRED} |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        backend = row["backend"]
        most = MILLISECONDS.get((backend, row["mode"]), float("inf"))
        megabytes = MEGABYTES.get(backend, float("inf"))
        first, *calls = row["ms"]
        cells = [f"{backend}, {row['mode']}", _cell(first, most, "ms")]
        cells += [f"{ms:g} ms" for ms in calls]
        cells.append(f"{row['interior_ms'][0]:g} ms")
        cells.append(f"{row['keras_ms'][0]:g}, {row['keras_ms'][-1]:g} ms")
        kept = row.get("memory")
        cells += (
            [
                *(_cell(kept[part], megabytes, "") for part in ("few", "all")),
                f"{kept.get('least', '')}",
            ]
            if kept
            else [""] * 3
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [
            *lines,
            "",
            f"Medians of {found['rounds']} shapes, 2 threads ({found['cpus']} CPUs), "
            f"{found['date']}; memory of eager calls, one a shape. The least: on JAX a "
            "program of x + 1, on TensorFlow DepthwiseConv2D. Bold is more than "
            + ", ".join(f"{ms} ms ({', '.join(k)})" for k, ms in MILLISECONDS.items())
            + "; "
            + ", ".join(f"{mb:g} MB ({name})" for name, mb in MEGABYTES.items())
            + ".",
        ]
    )


def _cell(value: float, most: float, unit: str) -> str:
    text = f"{value:g} {unit}".strip()
    return f"**{text}**" if value > most else text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="first_call.py")
    parser.add_argument("--backend", default="all", choices=["all", *command.BACKENDS])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--shapes", type=int, default=1000, help="for the memory")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--memory", choices=["ours", "least"], help=argparse.SUPPRESS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        if options.memory:
            held = memory if options.memory == "ours" else least
            rows = [held(options.backend, options.shapes)]
        else:
            rows = times(options.backend, options.rounds)
        options.child.write_text(json.dumps(rows))
        return 0
    names = command.BACKENDS if options.backend == "all" else [options.backend]
    given = arguments or sys.argv[1:]
    rows = []
    for name in filter(command._installed, names):
        timed = command._in_a_child(name, given)
        kinds = ["ours", "least"] if name in MEGABYTES else ["ours"]
        held = [command._in_a_child(name, [*given, "--memory", kind]) for kind in kinds]
        if timed is None or None in held:
            return 1
        # Of its eager calls.
        timed[0]["memory"] = dict(ChainMap(*(each for (each,) in held)))
        rows += timed
    command.report(options, table, shapes=options.shapes, rows=rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
