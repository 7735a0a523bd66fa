"""Networks in the own operations of each backend, without Keras.

What they take bounds a predictor on that backend, which can call no others: all of
`mnist_cnn`, and on torch of any chain of layers its products and activations alone.
"""

import functools
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from kerasconv.compiled.steps import Activate, Convolve, Multiply

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

    hint = {"INFERENCE_PRECISION_HINT": "f32"}

    @functools.cache
    def request(count):
        model = openvino.Core().read_model(onnx_file())
        model.reshape([count, 28, 28, 1])
        return openvino.compile_model(model, "CPU", hint).create_infer_request()

    return lambda images: request(len(images)).infer([images])[0].copy()


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


def products(steps: Sequence, count: int, batch: int = 128) -> Callable[[], None]:
    """A call of what a chain cannot do without on torch, for `count` images.

    These are its convolutions, matrix products and activations, each alone, on values
    that lie there already, channels last.
    """
    random = np.random.default_rng(4)
    whole, rest = divmod(count, batch)
    calls = []
    for n, times in ((batch, whole), (rest, 1)):
        given = ()
        for step in steps if n and times else ():
            if isinstance(step, Convolve):
                sides = [
                    (m - 1) * s + k
                    for m, s, k in zip(
                        step.size, step.strides, step.kernel.shape[:2], strict=True
                    )
                ]
                taken = (n, *sides, step.kernel.shape[2])
                given = (n, *step.size, step.kernel.shape[3])
            elif isinstance(step, Multiply):
                taken, given = (n, step.kernel.shape[0]), (n, step.kernel.shape[1])
            elif isinstance(step, Activate):
                taken = given
            else:
                continue
            calls += [_alone(step, random.random(taken, "float32"))] * times

    def run():
        for call in calls:
            call()

    return run


def _alone(step, values):
    import torch

    x = torch.from_numpy(values)
    if x.ndim == 4:
        x = x.permute(0, 3, 1, 2)
    if isinstance(step, Activate):
        function = getattr(torch.nn.functional, step.name)
        return (
            partial(function, x, 1) if step.name == "softmax" else partial(function, x)
        )
    kernel, bias = map(torch.from_numpy, (step.kernel, step.bias))
    if isinstance(step, Multiply):
        return partial(torch.addmm, bias, x, kernel)
    kernel = kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return partial(torch.nn.functional.conv2d, x, kernel, bias, step.strides)
