"""Networks in the own operations of each backend, without Keras.

What they take bounds a predictor on that backend, which can call no others: all of
`mnist_cnn`, and of any chain of layers its convolutions and products alone.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from kerasconv.compiled.steps import Convolve, Multiply

Weights = list[np.ndarray]
"""Kernel and bias of two convolutions and of the Dense layer."""

BATCHES = (32, 128, 1000)
"""Images at a time: what fits the cache, and what does not. The fastest counts."""


def tensorflow(weights: Weights, batch: int) -> Callable:
    """Channels last, as Keras has them, in one graph for any number of images."""
    import tensorflow as tf

    kernel_1, bias_1, kernel_2, bias_2, kernel, bias = map(tf.constant, weights)

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1])])
    def network(x):
        for k, b in ((kernel_1, bias_1), (kernel_2, bias_2)):
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, k, 1, "VALID"), b))
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        return tf.nn.softmax(tf.reshape(x, [-1, kernel.shape[0]]) @ kernel + bias)

    run = network.get_concrete_function()
    return lambda images: run(tf.constant(images)).numpy()


def jax(weights: Weights, batch: int) -> Callable:
    """One program for each number of images."""
    from functools import partial

    import jax
    from jax import lax

    def network(weights, x):
        for k, b in (weights[:2], weights[2:4]):
            x = lax.conv_general_dilated(
                x, k, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = lax.max(x + b, 0.0)
            window = (1, 2, 2, 1)
            x = lax.reduce_window(x, -np.inf, lax.max, window, window, "VALID")
        return jax.nn.softmax(x.reshape(len(x), -1) @ weights[4] + weights[5])

    run = partial(jax.jit(network), jax.device_put(weights))
    return lambda images: np.asarray(run(images))


def torch(weights: Weights, batch: int) -> Callable:
    """Channels last in memory; traced, frozen and rewritten for the processor."""
    import torch
    from torch import nn

    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    network = nn.Sequential(*layers, nn.Linear(1600, 10), nn.Softmax(1)).eval()
    kernel_1, bias_1, kernel_2, bias_2, kernel, bias = weights
    by_channel = kernel.reshape(5, 5, 64, 10).transpose(3, 2, 0, 1).reshape(10, -1)
    values = [kernel_1.transpose(3, 2, 0, 1), bias_1, kernel_2.transpose(3, 2, 0, 1)]
    values += [bias_2, by_channel, bias]
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        network = network.to(memory_format=torch.channels_last)
        example = torch.zeros(batch, 1, 28, 28)
        run = torch.jit.optimize_for_inference(torch.jit.trace(network, example))

    def call(images):
        with torch.inference_mode():
            return run(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()

    return call


def openvino(weights: Weights, batch: int) -> Callable:
    """The ONNX file as OpenVINO reads it, in float32."""
    import openvino
    from predictor import onnx_file

    model = openvino.Core().read_model(onnx_file())
    model.reshape([batch, 28, 28, 1])
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.compile_model(model, "CPU", hint).create_infer_request()
    return lambda images: request.infer([images])[0].copy()


def numpy(weights: Weights, batch: int) -> Callable:
    """The three products of matrices alone, of windows that lie there already."""
    kernel_1, _, kernel_2, _, kernel, _ = weights
    random = np.random.default_rng(3)
    matrices = [kernel_1.reshape(-1, 32), kernel_2.reshape(-1, 64), kernel]

    @functools.cache
    def rows(count):
        places = (26 * 26, 11 * 11, 1)
        return [
            random.random((count * n, len(matrix)), "float32")
            for n, matrix in zip(places, matrices, strict=True)
        ]

    def call(images):
        for taken, matrix in zip(rows(len(images)), matrices, strict=True):
            out = taken @ matrix
        return out

    return call


def networks(backend: str, weights: Weights, images: np.ndarray) -> dict[str, Callable]:
    """Calls that answer all images, by how many they take at a time."""
    found = {}
    for batch in BATCHES if len(images) > 1 else (1,):
        run = globals()[backend](weights, batch)
        starts = range(0, len(images), batch)

        def call(run=run, starts=starts, batch=batch):
            return np.concatenate([run(images[s : s + batch]) for s in starts])

        found[f"{batch} at a time"] = call
    return found


def products(
    backend: str, steps: Sequence, count: int, batch: int = 128
) -> Callable[[], None] | None:
    """A call of a chain's convolutions and matrix products alone, for `count` images.

    Each has values of its own, which lie there already, channels last. None where a
    backend has no such call here.
    """
    one_by_one = {"torch": _torch_products, "jax": _jax_products}.get(backend)
    if one_by_one is None:
        return None
    random = np.random.default_rng(4)
    whole, rest = divmod(count, batch)
    calls = []
    for n, times in ((batch, whole), (rest, 1)):
        for step in steps if n and times else ():
            if isinstance(step, Convolve):
                sides = [
                    (m - 1) * s + k
                    for m, s, k in zip(
                        step.size, step.strides, step.kernel.shape, strict=False
                    )
                ]
                shape = (n, *sides, step.kernel.shape[2])
            elif isinstance(step, Multiply):
                shape = (n, step.kernel.shape[0])
            else:
                continue
            values = random.random(shape, "float32")
            calls += [one_by_one(step, values)] * times

    def run():
        for call in calls:
            call()

    return run


def _torch_products(step, values):
    import torch

    x, kernel, bias = map(torch.from_numpy, (values, step.kernel, step.bias))
    if x.ndim == 2:
        return lambda: torch.addmm(bias, x, kernel)
    x = x.permute(0, 3, 1, 2)
    kernel = kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return lambda: torch.nn.functional.conv2d(x, kernel, bias, step.strides)


def _jax_products(step, values):
    import jax
    from jax import lax

    x, kernel, bias = map(jax.device_put, (values, step.kernel, step.bias))

    @jax.jit
    def product(x, kernel, bias):
        if x.ndim == 2:
            return x @ kernel + bias
        numbers = ("NHWC", "HWIO", "NHWC")
        y = lax.conv_general_dilated(
            x, kernel, step.strides, "VALID", dimension_numbers=numbers
        )
        return y + bias

    return lambda: product(x, kernel, bias).block_until_ready()
