"""A Keras model, written in the formats that the backend that runs can write.

    python -m kerasconv.export.writers JOB.json

Keras's backend is fixed at import, so another backend's formats are written in a
process of their own, from a `.keras` file. Nothing is believed of what is written
here: `kerasconv.export.proof` runs it again.
"""

import contextlib
import functools
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv._keras import keras
from kerasconv.errors import one_line
from kerasconv.window import portable

__all__ = ["Job", "answers", "write"]

INPUT = "images"


@dataclass(frozen=True)
class Job:
    """What to write.

    Attributes:
        format: One of `kerasconv.export.FORMATS`.
        path: Where to.
        outputs: A name for each output of the model.
        layout: The input's axes by OpenVINO's letters, "NHWC".
        metadata: What else the file shall say, as text by name.
    """

    format: str
    path: str
    outputs: list[str]
    layout: str
    metadata: dict[str, str]

    def reason(self, error: Exception) -> str:
        """Why it could not be written, without the folder of the moment."""
        return one_line(error, f"{Path(self.path).parent}{os.sep}")


def write(model: "keras.Model", job: Job) -> None:
    """Write a model of one input and a list of outputs."""
    here = _here()
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with portable(), here.exactly(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here.writers[job.format](model, job)


def answers(
    model: "keras.Model", batches: Sequence[np.ndarray]
) -> list[list[np.ndarray]]:
    """Keras's own outputs for each batch, in full float32."""
    here = _here()
    with here.exactly(model):
        run = here.program(model)
        return [
            [keras.ops.convert_to_numpy(y) for y in run(batch)] for batch in batches
        ]


def _outputs(model: Any, images: Any) -> list[Any]:
    # Keras gives the only one of a list of outputs by itself.
    return keras.tree.flatten(model(images, training=False))


def _as_called(model: Any) -> Callable[[np.ndarray], list[Any]]:
    return functools.partial(_outputs, model)


# An accelerator may round products to ten bits, and a file may keep a device's name.
# Within these contexts a backend computes in full float32, torch on the processor.


@contextlib.contextmanager
def _without_tensor_float(model: Any) -> Iterator[None]:
    import tensorflow as tf

    switch = tf.config.experimental
    before = switch.tensor_float_32_execution_enabled()
    switch.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        switch.enable_tensor_float_32_execution(before)


def _at_highest_precision(model: Any) -> contextlib.AbstractContextManager[Any]:
    import jax

    return jax.default_matmul_precision("highest")


@contextlib.contextmanager
def _on_the_processor(model: Any) -> Iterator[None]:
    import torch

    devices = [variable.value.device for variable in model.variables]
    was_training = model.training
    model.eval()
    try:
        for variable in model.variables:
            variable.value.data = variable.value.data.cpu()
        with torch.no_grad(), keras.device("cpu"):
            yield
    finally:
        model.train(was_training)
        for variable, device in zip(model.variables, devices, strict=True):
            variable.value.data = variable.value.data.to(device)


# ---------------------------------------------------------------- TensorFlow


def _saved_model(model: Any, job: Job) -> None:
    """A SavedModel whose one signature takes `images` and gives named outputs."""
    import tensorflow as tf

    tensor = model.inputs[0]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda images: dict(zip(job.outputs, _outputs(model, images), strict=True)),
        [tf.TensorSpec(tensor.shape, tensor.dtype, INPUT)],
    )
    archive.write_out(job.path, verbose=False)
    # Where TensorFlow leaves room for what a graph does not need.
    extra = Path(job.path, "assets.extra")
    extra.mkdir()
    (extra / "metadata.json").write_text(json.dumps(job.metadata, indent=1))


@contextlib.contextmanager
def _as_saved_model(model: Any, job: Job) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "model"))
        _saved_model(model, Job("saved_model", path, job.outputs, job.layout, {}))
        yield path


def _litert(model: Any, job: Job) -> None:
    """A LiteRT file of built-in operations: those of any LiteRT runtime."""
    import tensorflow as tf

    with _as_saved_model(model, job) as saved:
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        content = converter.convert()
    Path(job.path).write_bytes(_with_metadata(content, job.metadata))


def _with_metadata(content: bytes, metadata: dict[str, str]) -> bytes:
    """A LiteRT file with a JSON text among its named metadata."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = "kerasconv", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _onnx_by_tensorflow(model: Any, job: Job) -> None:
    tensor = model.inputs[0]
    images = keras.InputSpec(shape=tensor.shape, dtype=tensor.dtype, name=INPUT)
    model.export(job.path, format="onnx", verbose=False, input_signature=[images])
    _name_onnx(job)


def _openvino_by_tensorflow(model: Any, job: Job) -> None:
    import openvino

    with _as_saved_model(model, job) as saved:
        graph = openvino.convert_model(saved)
        # A signature has its outputs in the order of the alphabet.
        found = {result.friendly_name: result for result in graph.get_results()}
        results = [found[name] for name in job.outputs]
        _save_openvino(openvino.Model(results, graph.get_parameters()), job)


# --------------------------------------------------------------------- torch


def _torch_program(model: Any, job: Job) -> Any:
    """The model as a graph of torch's operations, of any batch that it may have."""
    import torch

    class Served(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, images):
            return dict(zip(job.outputs, _outputs(self.model, images), strict=True))

    shape = model.inputs[0].shape
    # torch takes a size of 1 in the example for one that never changes.
    sizes = (2, *[28] * (len(shape) - 1))
    example = torch.zeros(
        [size if n is None else n for n, size in zip(shape, sizes, strict=True)]
    )
    names = ("batch", "height", "width", "depth")
    unknown = {i: torch.export.Dim(names[i]) for i, n in enumerate(shape) if n is None}
    return torch.export.export(
        Served().eval(), (example,), dynamic_shapes={INPUT: unknown}, strict=False
    )


def _torch(model: Any, job: Job) -> None:
    import torch

    extra = {"metadata.json": json.dumps(job.metadata)}
    torch.export.save(_torch_program(model, job), job.path, extra_files=extra)


def _onnx_by_torch(model: Any, job: Job) -> None:
    import torch

    torch.onnx.export(
        _torch_program(model, job),
        (),
        job.path,
        input_names=[INPUT],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _name_onnx(job)


def _openvino_by_torch(model: Any, job: Job) -> None:
    import openvino

    graph = openvino.convert_model(_torch_program(model, job))
    # Of the sizes it knows none any more.
    graph.reshape([-1 if n is None else n for n in model.inputs[0].shape])
    _save_openvino(graph, job)


# ------------------------------------------------------------------ OpenVINO


def _openvino_graph(model: Any) -> Any:
    import openvino
    from keras.src.backend.openvino.core import OpenVINOKerasTensor
    from openvino import opset13 as opset

    shape = [-1 if n is None else n for n in model.inputs[0].shape]
    parameter = opset.parameter(shape=shape, dtype=openvino.Type.f32)
    outputs = _outputs(model, OpenVINOKerasTensor(parameter.output(0)))
    return openvino.Model([opset.result(y.output) for y in outputs], [parameter])


def _openvino_program(model: Any) -> Callable:
    import openvino

    program = openvino.compile_model(
        _openvino_graph(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return lambda batch: list(program([batch]).values())


def _openvino(model: Any, job: Job) -> None:
    _save_openvino(_openvino_graph(model), job)


def _save_openvino(graph: Any, job: Job) -> None:
    import openvino

    (images,) = graph.inputs
    images.tensor.set_names({INPUT})
    images.node.set_friendly_name(INPUT)
    images.node.layout = openvino.Layout(job.layout)
    results = list(zip(graph.get_results(), job.outputs, strict=True))
    for result, name in results:
        result.set_friendly_name(name)
        # Layers that pass on what they get share a tensor: it has all their names.
        source = result.input_value(0)
        names = {other for one, other in results if one.input_value(0) == source}
        result.output(0).tensor.set_names(names)
    for key, value in job.metadata.items():
        graph.set_rt_info(value, ["kerasconv", key])
    # Its default would halve the weights' bits.
    openvino.save_model(graph, job.path, compress_to_fp16=False)


# ---------------------------------------------------------------------- ONNX


def _name_onnx(job: Job) -> None:
    """Give the outputs their names and the file its metadata."""
    import onnx

    # Within the graph any name may stand for something else.
    file = onnx.compose.add_prefix(onnx.load(job.path), "graph/", rename_inputs=False)
    graph = file.graph
    for output, name in zip(graph.output, job.outputs, strict=True):
        graph.node.append(onnx.helper.make_node("Identity", [output.name], [name]))
        output.name = name
    onnx.helper.set_model_props(file, job.metadata)
    onnx.checker.check_model(file, full_check=True)
    onnx.save(file, job.path)


# ----------------------------------------------------------------- by backend


@dataclass(frozen=True)
class _Backend:
    """How a backend writes each format, and how it answers in full float32."""

    writers: dict[str, Callable[[Any, Job], None]] = field(default_factory=dict)
    exactly: Callable[[Any], contextlib.AbstractContextManager[Any]] = (
        contextlib.nullcontext
    )
    program: Callable[[Any], Callable[[np.ndarray], list[Any]]] = _as_called


_BACKENDS = {
    "tensorflow": _Backend(
        {
            "onnx": _onnx_by_tensorflow,
            "openvino": _openvino_by_tensorflow,
            "litert": _litert,
            "saved_model": _saved_model,
        },
        exactly=_without_tensor_float,
    ),
    "torch": _Backend(
        {
            "onnx": _onnx_by_torch,
            "openvino": _openvino_by_torch,
            "torch": _torch,
        },
        exactly=_on_the_processor,
    ),
    "openvino": _Backend({"openvino": _openvino}, program=_openvino_program),
    "jax": _Backend(exactly=_at_highest_precision),
    "numpy": _Backend(),
}


def _here() -> _Backend:
    return _BACKENDS[keras.backend.backend()]


def _main(path: str) -> None:
    from kerasconv.models import load_model

    facts = json.loads(Path(path).read_text(encoding="utf-8"))
    job = Job(**facts["job"])
    try:
        # Saved a moment ago from a model that ran: nothing in it is news.
        write(load_model(Path(facts["model"]), trust=True), job)
    except Exception as error:
        raise SystemExit(job.reason(error)) from error


if __name__ == "__main__":
    _main(sys.argv[1])
