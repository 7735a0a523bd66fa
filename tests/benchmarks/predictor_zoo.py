"""The predictor against `model.predict(batch_size=1000)` on every model of the zoo.

    python tests/benchmarks/predictor_zoo.py [--backend jax] [--images N] [--rounds N]
                                             [--json FILE]

Both take turns in one process, after their answers were compared. Printed are medians
of the paired ratios, of the clock and of processor time. The target: at most 1.00 of
the clock, and 0.50 on torch.

A third takes its turn, to compare a miss with: on torch, of a chain of layers, its
convolutions, products and activations alone; on JAX, where a program takes one number
of images, the predictor in one batch as `predict` has it; on OpenVINO, where `predict`
rounds to bfloat16 if the processor can, `predict` in float32.
"""

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from unittest import mock

import _command as command
import numpy as np
from _bare import products

FIGURES = Path(__file__).with_suffix(".json")
BATCH = 1000
TARGETS = {"torch": 0.5}
"""The highest ratio of the clock aimed at; 1 on the others."""


def race(backend, count, rounds):
    from kerasconv._keras import keras
    from kerasconv.compiled.steps import steps_of
    from kerasconv.models import list_models, load_model
    from kerasconv.predict import Predictor

    for name in list_models():
        keras.utils.clear_session()
        model = load_model(name)
        shape = (count, *model.inputs[0].shape[1:])
        images = np.random.default_rng(0).random(shape, "float32")
        predictor = Predictor(model)
        predictor.warm_up()
        ways = [
            lambda m=model, x=images: m.predict(x, batch_size=BATCH, verbose=0),
            lambda p=predictor, x=images: p(x),
        ]
        theirs, ours = (way() for way in ways)
        # Float32 itself is some 1e-6 from the truth on such noise, and Keras's
        # `predict` on OpenVINO rounds to bfloat16 where the processor can.
        apart = float(np.abs(theirs - ours).max())
        if apart > (5e-2 if backend == "openvino" else 1e-5):
            raise SystemExit(f"{backend} {name}: answers are {apart:g} apart")
        steps = steps_of(model, [np.array(value) for value in model.get_weights()])
        if backend == "openvino":
            ways.append(in_float32(name, images))
        elif backend == "jax":
            ways.append(partial(Predictor(model, batch_size=min(count, BATCH)), images))
        elif backend == "torch" and steps:
            ways.append(products(steps, count))
        for way in ways:
            way()
        times = [[] for _ in ways]
        for turn in range(rounds):
            for i in range(len(ways)) if turn % 2 else reversed(range(len(ways))):
                before = time.perf_counter(), time.process_time()
                ways[i]()
                times[i].append(
                    (time.perf_counter() - before[0], time.process_time() - before[1])
                )
        (clock, processor), *bound = (
            [round(float(r), 2) for r in np.median(np.divide(each, times[0]), axis=0)]
            for each in times[1:]
        )
        row = {"model": name, "backend": backend, "ratio": clock, "cpu": processor}
        row["bound"] = bound[0][0] if bound else None
        print(*row.values(), file=sys.stderr, flush=True)
        yield row


def in_float32(name, images):
    """`model.predict` on OpenVINO with a graph that computes in float32."""
    import openvino

    from kerasconv.models import load_model

    predict = partial(load_model(name).predict, images, batch_size=BATCH, verbose=0)
    exact = partial(openvino.compile_model, config={"INFERENCE_PRECISION_HINT": "f32"})
    with mock.patch.object(openvino, "compile_model", exact):
        predict()
    return predict


def table(found):
    """The figures as Markdown: a line a model, a column a backend."""
    rows = {(row["model"], row["backend"]): row for row in found["rows"]}
    models, names = (list(dict.fromkeys(column)) for column in zip(*rows, strict=True))
    lines = [["model", *names], ["---"] * (1 + len(names))]
    for model in models:
        cells = []
        for name in names:
            ratio, bound = (rows[model, name].get(key) for key in ("ratio", "bound"))
            missed = ratio > TARGETS.get(name, 1.0)
            beside = f" ({bound:.2f})" if missed and bound else ""
            cells.append(f"**{ratio:.2f}**{beside}" if missed else f"{ratio:.2f}")
        lines.append([model, *cells])
    facts = (
        f"{found['images']:,} images, medians of {found['rounds']} paired rounds, "
        f"{found['cpus']} CPUs, {found['date']}; bold is more than 1.00, on torch than "
        f"{TARGETS['torch']:.2f}. In brackets beside a miss: on JAX the predictor "
        "in one batch, for which it would compile a second time; on torch the "
        "convolutions, products and activations alone, each on values that lie "
        "there already; on OpenVINO `model.predict` in float32, for it rounds to "
        "bfloat16 where the processor can, and the predictor does not."
    )
    return "\n".join([*("| " + " | ".join(c) + " |" for c in lines), "", facts])


def main():
    parser = argparse.ArgumentParser(prog="predictor_zoo.py")
    parser.add_argument("--backend", default="all", choices=["all", *command.BACKENDS])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        rows = list(race(options.backend, options.images, options.rounds))
        options.child.write_text(json.dumps(rows))
        return 0
    names = command.BACKENDS if options.backend == "all" else [options.backend]
    rows = []
    for name in filter(command._installed, names):
        found = command._in_a_child(name, sys.argv[1:])
        if found is None:
            return 1
        rows += found
    command.report(options, table, images=options.images, rows=rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
