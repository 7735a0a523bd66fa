"""A network by its own Keras layers, compiled by the backend."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from kerasconv._keras import keras

Shape = tuple[int, ...]
Answer = Callable[[Sequence[Any], Any], Any]
Forward = Callable[[np.ndarray], np.ndarray]


def _tensorflow(answer: Answer, weights: list[np.ndarray], shape: Shape) -> Forward:
    import tensorflow as tf

    constants = [tf.constant(weight) for weight in weights]

    @tf.function(input_signature=[tf.TensorSpec([None, *shape])])
    def forward(images):
        return answer(constants, images)

    compiled = forward.get_concrete_function()
    return lambda images: compiled(tf.constant(images)).numpy()


def _jax(answer: Answer, weights: list[np.ndarray], shape: Shape) -> Forward:
    import jax

    def exact(weights, images):
        # On a GPU it would round what it multiplies to TF32, and on a TPU to bfloat16.
        with jax.default_matmul_precision("highest"):
            return answer(weights, images)

    # Arguments of the program, because the compiler would spend its time folding
    # constants. `jax.numpy.asarray` would compile a program for each shape.
    arrays = jax.device_put(weights)
    forward = jax.jit(exact)
    return lambda images: np.asarray(forward(arrays, images))


def _torch(answer: Answer, weights: list[np.ndarray], shape: Shape) -> Forward:
    import torch

    device = torch.device(keras.ops.convert_to_tensor(0.0).device)
    programs: dict[int, Any] = {}
    tensors = [keras.ops.convert_to_tensor(weight) for weight in weights]

    def forward(images):
        batch = torch.from_numpy(images).to(device)
        with torch.inference_mode():
            if len(images) not in programs:
                programs[len(images)] = _exported(answer, tensors, batch)
            # NumPy knows no bfloat16 of PyTorch's.
            return programs[len(images)](batch).float().cpu().numpy()

    return forward


def _exported(answer: Answer, weights: list, batch: Any) -> Callable:
    """The model as a graph of torch operations, without Keras's cost a layer."""
    import torch

    from kerasconv.compiled.torch_graph import shorten

    class Program(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for i, weight in enumerate(weights):
                self.register_buffer(f"weight_{i}", weight)

        def forward(self, images):
            return answer(list(self.buffers()), images)

    try:
        with torch.no_grad():
            exported = torch.export.export(Program().eval(), (batch.clone(),))
            return shorten(exported.module())
    except Exception:
        # What torch cannot export it can still run.
        return partial(answer, weights)


def _openvino(answer: Answer, weights: list[np.ndarray], shape: Shape) -> Forward:
    import openvino
    from keras.src.backend.openvino.core import OpenVINOKerasTensor
    from openvino import opset13 as opset

    from kerasconv.compiled.openvino import compile

    parameter = opset.parameter(shape=[-1, *shape], dtype=openvino.Type.f32)
    output = answer(weights, OpenVINOKerasTensor(parameter.output(0)))
    graph = openvino.Model([opset.result(output.output)], [parameter])
    compiled = compile(graph)
    # An inference request serves one thread.
    local = threading.local()

    def forward(images):
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return local.request.infer([images])[0].copy()

    return forward


def _numpy(answer: Answer, weights: list[np.ndarray], shape: Shape) -> Forward:
    return lambda images: np.asarray(answer(weights, images), np.float32)


# The forward pass of each backend: of the model as a function of weights and images,
# its weights, and an image's shape.
COMPILERS: dict[str, Callable[[Answer, list[np.ndarray], Shape], Forward]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
    "openvino": _openvino,
    "numpy": _numpy,
}
