"""What bounds the pools where they miss a target: calls, roots, layouts, last windows.

    python tests/benchmarks/breakdown_pools.py [--backend torch]

On TensorFlow, under XLA at (256, 28, 28, 1), the time of an empty program beside that
of the sums of squares, of their roots, of L2Pool and of MaxPooling; and of the gradient
of a bias that is added and of one in `BiasAdd`. On torch, eager at that size, a layer
of Keras that does nothing, L2Pool and the Sobel magnitude with Keras's call around them
and without, and as many additions as the magnitude has operations. Compiled, L2Pool in
both layouts beside LPPool2d; and the backward pass of windows of 3 over images whose
sides are multiples of 3 and over images whose sides are not.
"""

import argparse
import os

import numpy as np
from _harness import Contender, measure

ROUNDS = 15

_OPERATIONS = 12
"""What computes in a Sobel magnitude: sums, products, a root, two borders."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="breakdown_pools.py")
    parser.add_argument(
        "--backend", default="tensorflow", choices=["tensorflow", "torch"]
    )
    options = parser.parse_args()
    os.environ["KERAS_BACKEND"] = options.backend
    import _backends as backends

    backends.start(options.backend)
    for title, calls in globals()[options.backend](backends):
        print(title)
        contenders = [Contender(*pair, lambda _: 0.0) for pair in calls.items()]
        measure(contenders, ROUNDS)
        for contender in contenders:
            milliseconds = 1e3 * np.median(contender.times)
            print(f"  {contender.name:28} {milliseconds:8.3f} ms")
        # Of code that they share PyTorch compiles eight versions, and no more.
        backends.forget(options.backend)


def tensorflow(backends):
    import keras
    import tensorflow as tf

    from kerasconv import layers

    small = backends.native(backends.image((256, 28, 28, 1)), "tensorflow")

    def sums(x):
        return tf.add_n([x[:, i::2, j::2] ** 2 for i in (0, 1) for j in (0, 1)])

    programs = {
        "an empty program": lambda x: x[:1, :1] + 1,
        "sums of squares": sums,
        "their roots": lambda x: tf.sqrt(sums(x)),
        "L2Pool": layers.L2Pool(2),
        "MaxPooling": keras.layers.MaxPooling2D(2),
    }
    yield (
        "XLA at (256, 28, 28, 1)",
        {
            label: backends.forward(program, small, "tensorflow", "XLA")
            for label, program in programs.items()
        },
    )
    large = tf.constant(np.random.default_rng(0).random((8, 510, 510, 8), "float32"))
    bias = tf.Variable(np.zeros(8, "float32"))

    def gradient_of(add):
        @tf.function
        def gradient(g):
            with tf.GradientTape() as tape:
                y = add(large, bias)
            return tape.gradient(y, bias, g)

        return lambda: gradient(large).numpy()

    yield (
        "gradients of a bias at (8, 510, 510, 8)",
        {"added": gradient_of(tf.add), "BiasAdd": gradient_of(tf.nn.bias_add)},
    )


def _built(layer, x):
    layer(x)  # or else its compiler would compile how it is built
    return layer


def torch(backends):
    import keras
    import torch

    from kerasconv import layers

    x = backends.native(backends.image((256, 28, 28, 1)), "torch")
    pool, edges = layers.L2Pool(2), layers.SobelConv(output="magnitude")

    keras_own, bare = keras.layers.Identity(), torch.nn.LPPool2d(2, 2)
    first = x.permute(0, 3, 1, 2).contiguous()
    for layer in (keras_own, pool, edges):
        layer(x)

    def additions():
        y = x
        for _ in range(_OPERATIONS):
            y = y + x
        return y

    yield (
        "eager at (256, 28, 28, 1)",
        {
            "a layer that does nothing": lambda: keras_own(x),
            "L2Pool": lambda: pool(x),
            "L2Pool, its call alone": lambda: pool.call(x),
            "LPPool2d": lambda: bare(first),
            "magnitude": lambda: edges(x),
            "magnitude, its call alone": lambda: edges.call(x),
            f"{_OPERATIONS} additions": additions,
        },
    )
    x = backends.native(backends.image((8, 512, 512, 3)), "torch")
    first = x.permute(0, 3, 1, 2).contiguous()
    contenders = {
        "L2Pool, channels last": (layers.L2Pool(2), x),
        "L2Pool, channels first": (
            layers.L2Pool(2, data_format="channels_first"),
            first,
        ),
        "LPPool2d, channels first": (torch.nn.LPPool2d(2, 2), first),
    }
    yield (
        "compiled at (8, 512, 512, 3)",
        {
            label: backends.forward(_built(pool, tensor), tensor, "torch", "compile")
            for label, (pool, tensor) in contenders.items()
        },
    )
    for side in (510, 512):
        x = backends.native(backends.image((8, side, side, 3)), "torch")
        g = torch.rand(8, 170, 170, 3)
        pools = {
            "L2Pool": layers.L2Pool(3),
            "MaxPooling": keras.layers.MaxPooling2D(3),
        }
        yield (
            f"compiled, backward of windows of 3 at (8, {side}, {side}, 3)",
            {
                label: backends.backward(_built(pool, x), x, g, "torch", "compile")
                for label, pool in pools.items()
            },
        )


if __name__ == "__main__":
    main()
