"""An exported file, run by its own runtime and nothing else.

    python -m kerasconv.export.runtimes FORMAT PATH BATCHES.npz ANSWERS.npz

Here neither Keras nor the layers of this package are imported: what runs here runs
wherever the runtime does. It is a process of its own because a runtime that is given
a bad file may take its process with it.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv.errors import one_line

__all__ = ["RUNTIMES", "load"]

Run = Callable[[np.ndarray], dict[str, np.ndarray]]
Loaded = tuple[list[int | None], Run]


def load(format: str, path: str) -> Loaded:
    """The shape of input that a file declares, and the function that runs it."""
    return RUNTIMES[format](path)


def _onnx(path: str) -> Loaded:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {images.name: batch}), strict=True))

    return [_size(n) for n in images.shape], run


def _openvino(path: str) -> Loaded:
    import openvino

    # On a processor with bfloat16 OpenVINO would round float32 to it unasked.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", exact)
    (images,) = model.inputs
    shape = [
        n.get_length() if n.is_static else None for n in images.get_partial_shape()
    ]

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        found = model({images.any_name: batch})
        # By name, as a user would; a tensor that two layers share has two.
        names = [output.node.friendly_name for output in model.outputs]
        return {name: found[name].copy() for name in names}

    return shape, run


def _litert(path: str) -> Loaded:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    answer = interpreter.get_signature_runner()
    ((name, images),) = answer.get_input_details().items()

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        return answer(**{name: batch})

    return [_size(n) for n in images["shape_signature"].tolist()], run


def _saved_model(path: str) -> Loaded:
    import tensorflow as tf

    model = tf.saved_model.load(path)
    signature = model.signatures["serving_default"].structured_input_signature
    ((name, images),) = signature[1].items()

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        # A signature alone does not keep the model that holds its variables.
        found = model.signatures["serving_default"](**{name: tf.constant(batch)})
        return {name: value.numpy() for name, value in found.items()}

    return images.shape.as_list(), run


def _torch(path: str) -> Loaded:
    import torch

    program = torch.export.load(path)
    placeholders = program.graph_signature.user_inputs
    (images,) = (n for n in program.graph.nodes if n.name in placeholders)
    shape = [n if isinstance(n, int) else None for n in images.meta["val"].shape]
    module = program.module()

    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            found = module(torch.from_numpy(batch))
        return {name: value.numpy() for name, value in found.items()}

    return shape, run


def _size(n: Any) -> int | None:
    """One entry of a shape: unknown is a name to ONNX and -1 to LiteRT."""
    return n if isinstance(n, int) and n >= 0 else None


RUNTIMES = {
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": _litert,
    "saved_model": _saved_model,
    "torch": _torch,
}


def _main(format: str, path: str, batches: str, answers: str) -> None:
    found: dict[str, Any] = {}
    try:
        shape, run = load(format, path)
        with np.load(batches) as arrays:
            for key in arrays.files:
                for name, value in run(arrays[key]).items():
                    found[f"{key}:{name}"] = value
    except Exception as error:
        raise SystemExit(one_line(error, f"{Path(path).parent}{os.sep}")) from error
    np.savez(answers, shape=json.dumps(shape), **found)


if __name__ == "__main__":
    _main(*sys.argv[1:])
