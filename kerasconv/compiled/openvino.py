"""Steps in OpenVINO, channels first inside: a graph for each number of images."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as opset

from kerasconv.compiled import steps as s


def forward(
    steps: list[s.Step], shape: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray]:
    """The steps as a function of images and of nothing else."""
    compiled: dict[int, Any] = {}
    local = threading.local()  # an inference request serves one thread

    def run(images):
        count = len(images)
        if count not in compiled:
            compiled[count] = compile(graph(steps, (count, *shape)))
        if not hasattr(local, "requests"):
            local.requests = {}
        if count not in local.requests:
            request = compiled[count].create_infer_request()
            taken = request.get_input_tensor().data
            given = request.get_output_tensor().data
            local.requests[count] = request, taken, given
        request, taken, given = local.requests[count]
        taken[...] = images
        request.infer()
        return given.copy()

    return run


def compile(model: openvino.Model) -> openvino.CompiledModel:
    """A graph, made ready for the processor."""
    # On a processor with bfloat16 OpenVINO would round float32 to it unasked: three
    # digits instead of seven.
    return openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def graph(steps: list[s.Step], shape: tuple[int, ...]) -> openvino.Model:
    """The steps as operations of OpenVINO."""
    images = opset.parameter(shape=list(shape), dtype=openvino.Type.f32)
    x = opset.transpose(images, [0, 3, 1, 2]) if len(shape) == 4 else images
    for step in steps:
        x = _node(step, x)
    if len(x.shape) == 4:
        x = opset.transpose(x, [0, 2, 3, 1])
    return openvino.Model([opset.result(x)], [images])


def _node(step: s.Step, x: Any) -> Any:
    if isinstance(step, s.Convolve):
        kernel = np.ascontiguousarray(step.kernel.transpose(3, 2, 0, 1))
        (top, bottom), (left, right) = step.pads
        y = opset.convolution(
            x, kernel, list(step.strides), [top, left], [bottom, right], [1, 1]
        )
        return opset.add(y, step.bias.reshape(1, -1, 1, 1))
    if isinstance(step, s.Multiply):
        return opset.add(opset.matmul(x, step.kernel, False, False), step.bias[None])
    if isinstance(step, s.Pool):
        window = list(step.strides), [0, 0], [0, 0], list(step.size)
        if step.kind == "mean":
            return opset.avg_pool(x, *window, exclude_pad=False)
        strides, begin, end, size = window
        return opset.max_pool(x, strides, [1, 1], begin, end, size).output(0)
    if isinstance(step, s.Flatten):
        if len(x.shape) == 4:
            x = opset.transpose(x, [0, 2, 3, 1])
        return opset.reshape(x, [0, -1], True)
    if isinstance(step, s.Average):
        return opset.reduce_mean(x, [2, 3])
    if step.name == "softmax":
        return opset.softmax(x, 1)
    return getattr(opset, step.name)(x)
