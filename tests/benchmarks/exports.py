"""What `kerasconv.export` makes of every layer, in every format, from every backend.

    python tests/benchmarks/exports.py [--backend jax] [--format onnx] [--json FILE]

Each layer of the package is exported as an output of one network, and the zoo's
mnist_cnn beside it. The figure is the largest difference between what the format's own
runtime answers for real digits and what Keras does; where a network is refused, its
layers are tried one by one, and the reason stands in the figure's place.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FORMATS = ("onnx", "openvino", "litert", "saved_model", "torch")
LIBRARIES = (
    *("keras", "tensorflow", "jax", "torch", "openvino", "onnxruntime"),
    *("ai-edge-litert", "tf2onnx", "onnxscript"),
)


def our_layers():
    """Each layer of the package by a name, as a user might set it."""
    from kerasconv import layers

    return {
        "SobelConv": layers.SobelConv(output="magnitude"),
        "PrewittConv": layers.PrewittConv(border_mode="wrap"),
        "FixedConv": layers.FixedConv([[1, 2], [0, -1]], padding="same"),
        "LearnedConv": layers.LearnedConv(4, 3, padding="same"),
        "L2Pool": layers.L2Pool(2),
        "LpPool": layers.LpPool(3, strides=2, padding="same", p=3),
        "WeightedPool": layers.WeightedPool(3, padding="same"),
        "WeightedPool_learned": layers.WeightedPool(
            3, padding="same", weights="learned"
        ),
    }


def network(chosen):
    """A network with those layers side by side, of random weights."""
    import keras
    import numpy as np

    images = keras.Input((28, 28, 1))
    outputs = []
    for name, layer in chosen.items():
        # Under the table's name, whatever else the process made before.
        layer.name = name
        outputs.append(layer(images))
    model = keras.Model(images, outputs, name="layers")
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape))
    return model


def measure(format):
    """The rows of one format from the backend that runs."""
    from kerasconv.models import mnist_cnn

    found = attempt(network(our_layers()), format, list(our_layers()))
    if found is None:
        found = []
        for name, layer in our_layers().items():
            found += attempt(network({name: layer}), format, [name], last=True)
    return found + attempt(mnist_cnn(), format, ["mnist_cnn"], last=True)


def attempt(model, format, names, last=False):
    """A row for each output of a model; None if it is refused and not the last try."""
    from kerasconv.errors import KerasconvError
    from kerasconv.export import FORMATS as FACTS
    from kerasconv.export import export

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model" + FACTS[format].suffix)
        try:
            done = export(model, path, format)
        except KerasconvError as error:
            if not last:
                return None
            return [{"layer": name, "refused": str(error)} for name in names]
    return [
        {"layer": name, "difference": difference, "written_on": done.backend}
        for name, difference in zip(names, done.differences.values(), strict=True)
    ]


def rendered(result, digest=True):
    """The figures as Markdown: of all backends the largest, or each backend's."""
    rows, facts = result["rows"], result["facts"]
    formats = list(dict.fromkeys(row["format"] for row in rows))
    lines = {}
    for row in rows:
        key = (row["layer"],) if digest else (row["backend"], row["layer"])
        lines.setdefault(key, {}).setdefault(row["format"], []).append(row)
    heads = ["layer"] if digest else ["from", "layer"]
    table = [[*heads, *formats], ["---"] * (len(heads) + len(formats))]
    for key, cells in lines.items():
        table.append([*key, *(_cell(cells.get(f, ()), digest) for f in formats)])
    if digest:
        table += [[], ["from", *formats], ["---"] * (1 + len(formats))]
        for backend in dict.fromkeys(row["backend"] for row in rows):
            mine = [row for row in rows if row["backend"] == backend]
            table.append([backend, *(_writers(mine, f) for f in formats)])
    known = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    return "\n".join(
        [
            *("| " + " | ".join(cells) + " |" if cells else "" for cells in table),
            "",
            f"{facts['date']}. {known}.",
        ]
    )


def _cell(rows, digest):
    refused = [
        f"{row['backend']}: {row['refused'].replace('|', '/')}"
        for row in rows
        if "refused" in row
    ]
    if refused:
        return "; ".join(refused)
    if not rows:
        return ""
    row = max(rows, key=lambda row: row["difference"])
    writer = "" if digest else f" ({row['written_on']})"
    return f"{row['difference']:.1e}{writer}"


def _writers(rows, format):
    """Who wrote a format for one backend."""
    names = (row.get("written_on") for row in rows if row["format"] == format)
    return ", ".join(filter(None, dict.fromkeys(names))) or "refused"


def versions():
    known = {}
    for name in LIBRARIES:
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return known


def main(arguments=None):
    from kerasconv import backends

    parser = argparse.ArgumentParser(prog="exports.py")
    parser.add_argument("--backend", choices=backends.BACKENDS)
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        options.child.write_text(json.dumps(measure(options.format)))
        return 0
    rows = []
    for backend in [options.backend] if options.backend else backends.installed():
        for format in [options.format] if options.format else FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder, "rows.json")
                subprocess.run(
                    [sys.executable, __file__, "--format", format, "--child", str(out)],
                    env={**os.environ, "KERAS_BACKEND": backend},
                    stderr=subprocess.DEVNULL,
                    check=True,
                )
                found = json.loads(out.read_text())
            for row in found:
                row = {"backend": backend, "format": format, **row}
                rows.append(row)
                verdict = row.get("refused") or (
                    f"{row['difference']:.1e}, written on {row['written_on']}"
                )
                print(f"{backend:11} {format:12} {row['layer']:21} {verdict}")
    if options.json:
        facts = {
            "date": datetime.date.today().isoformat(),
            "versions": versions(),
        }
        lines = ",\n".join(map(json.dumps, rows))
        options.json.write_text(
            f'{{"facts": {json.dumps(facts, indent=1)},\n"rows": [\n{lines}\n]}}\n'
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
