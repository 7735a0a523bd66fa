"""What bounds the pools where they miss a target: calls, roots, layouts, memory.

    python tests/benchmarks/breakdown_pools.py [--backend torch] [--rounds 15]
                                               [--threads 1]

On TensorFlow, under XLA, the time of an empty program beside that of the sums of
squares, of their roots, of L2Pool and of MaxPooling; in a graph a pool and its
gradient, two programs, and both in one; and the gradient of a bias that is added and of
one in `BiasAdd`. On JAX the same sums and roots where there are many channels. On
torch, eager on small images, a layer of Keras that does nothing, L2Pool and the Sobel
magnitude with Keras's call around them and without, as many additions as the magnitude
has operations, and Kornia; backward, as many additions as PyTorch differentiates
operations of each; of many channels, the additions of a window's slices alone.
Compiled, L2Pool in both layouts beside LPPool2d; and the backward pass of windows of 3
over images whose sides are multiples of 3 and over images whose sides are not.

Beside them stands "x + 1", which reads what a pool reads and writes as much as that:
what memory takes. Pools are compared with the truth before. With --threads 1 TensorFlow
and torch share nothing between threads: what remains is the work.
"""

import argparse
import os

import _harness
import numpy as np
from _harness import Contender, measure

ROUNDS = 15
SMALL, LARGE, MANY = (256, 28, 28, 1), (8, 512, 512, 3), (256, 26, 26, 32)
"""Of one channel, large, and of many channels."""

BIAS = (8, 510, 510, 8)
"""What a bias is added to."""

_OPERATIONS = 12
"""What computes in a Sobel magnitude: sums, products, a root, two borders."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="breakdown_pools.py")
    parser.add_argument(
        "--backend", default="tensorflow", choices=["tensorflow", "jax", "torch"]
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=_harness.THREADS)
    options = parser.parse_args()
    _harness.THREADS = options.threads  # before `_backends` reads it
    os.environ["KERAS_BACKEND"] = options.backend
    import _backends as backends

    backends.start(options.backend)
    for title, contenders in globals()[options.backend]():
        print(title, flush=True)
        measure(contenders, options.rounds)
        for contender in contenders:
            milliseconds = 1e3 * np.median(contender.times)
            print(f"  {contender.name:32} {milliseconds:8.3f} ms", flush=True)
        # Of code that they share PyTorch compiles eight versions, and no more.
        backends.forget(options.backend)


def listed(calls: dict, truths: dict | None = None) -> list[Contender]:
    """Contenders, by their labels; those with a truth are compared with it."""
    import _backends as backends

    errors = {
        label: backends.value_error(*truth) for label, truth in (truths or {}).items()
    }
    return [
        Contender(label, call, errors.get(label, lambda _: 0.0))
        for label, call in calls.items()
    ]


def programs(
    shape: tuple[int, ...], size: int, backend: str, add, root
) -> list[Contender]:
    """A pool's parts, each a program of its own, and Keras's pool."""
    import _backends as backends
    import keras
    from pools import pooled

    from kerasconv import layers

    x = backends.image(shape)
    tensor = backends.native(x, backend)
    rows, columns = (n // size * size for n in shape[1:3])

    def sums(x):
        places = np.ndindex(size, size)
        return add([x[:, i:rows:size, j:columns:size] ** 2 for i, j in places])

    parts = {
        "an empty program": lambda x: x[:1, :1] + 1,
        "x + 1": lambda x: x + 1,
        "sums of squares": sums,
        "their roots": lambda x: root(sums(x)),
        f"L2Pool({size})": layers.L2Pool(size),
        f"MaxPooling({size})": keras.layers.MaxPooling2D(size),
    }
    calls = {
        label: backends.forward(part, tensor, backend, backends.COMPILED[backend])
        for label, part in parts.items()
    }
    norms = (pooled(x, "L2Pool", size, size),)
    maxima = (pooled(x, "MaxPooling", size, size),)
    truths = {"their roots": norms, f"L2Pool({size})": norms}
    return listed(calls, truths | {f"MaxPooling({size})": maxima})


def named(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def tensorflow():
    import _backends as backends
    import keras
    import tensorflow as tf

    from kerasconv import layers

    for shape, size in ((SMALL, 2), (SMALL, 3), (LARGE, 3)):
        title = f"XLA at {named(shape)}"
        yield title, programs(shape, size, "tensorflow", tf.add_n, tf.sqrt)

    x = backends.native(backends.image(MANY), "tensorflow")
    pools = {
        "MaxPooling(2)": keras.layers.MaxPooling2D(2),
        "MaxPooling(3)": keras.layers.MaxPooling2D(3),
        "L2Pool(2)": layers.L2Pool(2),
        "L2Pool(3)": layers.L2Pool(3),
    }
    calls = {}
    for label, pool in pools.items():
        g = tf.ones_like(pool(x))
        calls[label] = backends.forward(pool, x, "tensorflow", "graph")
        calls[f"{label}, backward"] = backends.backward(
            pool, x, g, "tensorflow", "graph"
        )
        if label.startswith("L2"):
            calls[f"{label}, backward, one program"] = backends.backward(
                pool, x, g, "tensorflow", "XLA"
            )
    calls["x + 1"] = backends.forward(lambda x: x + 1, x, "tensorflow", "graph")
    yield f"graph at {named(MANY)}", listed(calls)

    large = tf.constant(np.random.default_rng(0).random(BIAS, "float32"))
    bias = tf.Variable(np.zeros(BIAS[-1], "float32"))

    def gradient_of(add):
        @tf.function
        def gradient(g):
            with tf.GradientTape() as tape:
                y = add(large, bias)
            return tape.gradient(y, bias, g)

        return lambda: gradient(large).numpy().reshape(1, 1, 1, -1)

    truth = large.numpy().sum((0, 1, 2), dtype="float64", keepdims=True)
    yield (
        f"gradients of a bias at {named(BIAS)}",
        listed(
            {"added": gradient_of(tf.add), "BiasAdd": gradient_of(tf.nn.bias_add)},
            dict.fromkeys(("added", "BiasAdd"), (truth,)),
        ),
    )


def jax():
    import functools
    import operator

    import jax.numpy as jnp

    def add(parts):
        return functools.reduce(operator.add, parts)

    for size in (2, 3):
        yield f"jit at {named(MANY)}", programs(MANY, size, "jax", add, jnp.sqrt)


def torch():
    import _backends as backends
    import keras
    import torch
    from breakdown import nodes
    from edges import depthwise, kornia_sobel
    from pools import pooled

    from kerasconv import layers

    x = backends.native(backends.image(SMALL), "torch")
    pool, edges = layers.L2Pool(2), layers.SobelConv(output="magnitude")

    keras_own, bare = keras.layers.Identity(), torch.nn.LPPool2d(2, 2)
    first = x.permute(0, 3, 1, 2).contiguous()
    for layer in (keras_own, pool, edges):
        layer(x)

    def additions(x, count):
        y = x
        for _ in range(count):
            y = y + x
        return y

    norms = pooled(x, "L2Pool", 2, 2)
    truths = dict.fromkeys(("L2Pool", "L2Pool, its call alone"), (norms,))
    yield (
        f"eager at {named(SMALL)}",
        listed(
            {
                "a layer that does nothing": lambda: keras_own(x),
                "L2Pool": lambda: pool(x),
                "L2Pool, its call alone": lambda: pool.call(x),
                "LPPool2d": lambda: bare(first),
                "magnitude": lambda: edges(x),
                "magnitude, its call alone": lambda: edges.call(x),
                f"{_OPERATIONS} additions": lambda: additions(x, _OPERATIONS),
                "Kornia": lambda: kornia_sobel(first),
            },
            truths | {"LPPool2d": (norms, 0, (0, 2, 3, 1))},
        ),
    )

    trained = {
        "MaxPooling(3)": keras.layers.MaxPooling2D(3),
        "L2Pool(3)": layers.L2Pool(3),
        "DepthwiseConv2D": depthwise("Sobel", x.shape[-1]),
        "magnitude": edges,
    }
    calls = {}
    for label, layer in trained.items():
        y = layer(x.detach().requires_grad_())
        count = len(nodes(y))
        g = torch.ones_like(y)
        calls[label] = backends.backward(layer, x, g, "torch", "eager")
        like = x if y.numel() > x.numel() // 2 else g
        calls[f"  {label}: {count} additions"] = backends.backward(
            lambda x, count=count: additions(x, count), like, like, "torch", "eager"
        )
    yield f"eager, backward at {named(SMALL)}", listed(calls)

    x = backends.native(backends.image(MANY), "torch")
    first = x.permute(0, 3, 1, 2).contiguous()
    for size in (2, 3):
        pool, bare = layers.L2Pool(size), torch.nn.LPPool2d(2, size)
        sides = [n // size * size for n in MANY[1:3]]

        def slices(size=size, sides=sides):
            rows, columns = sides
            places = list(np.ndindex(size, size))
            i, j = places.pop()
            y = x[:, i:rows:size, j:columns:size].clone()
            for i, j in places:
                y += x[:, i:rows:size, j:columns:size]
            return y

        norms = pooled(x, "L2Pool", size, size)
        yield (
            f"eager at {named(MANY)}",
            listed(
                {
                    f"L2Pool({size})": backends.forward(pool, x, "torch", "eager"),
                    "additions of its slices": slices,
                    f"LPPool2d({size})": backends.forward(
                        bare, first, "torch", "eager"
                    ),
                    "x + 1": lambda: x + 1,
                },
                {
                    f"L2Pool({size})": (norms,),
                    f"LPPool2d({size})": (norms, 0, (0, 2, 3, 1)),
                },
            ),
        )

    for shape, size in ((LARGE, 2), (SMALL, 3), (MANY, 3)):
        x = backends.native(backends.image(shape), "torch")
        first = x.permute(0, 3, 1, 2).contiguous()
        contenders = {
            "L2Pool, channels last": (layers.L2Pool(size), x),
            "L2Pool, channels first": (
                layers.L2Pool(size, data_format="channels_first"),
                first,
            ),
            "LPPool2d, channels first": (torch.nn.LPPool2d(2, size), first),
            "x + 1": (lambda x: x + 1, x),
        }
        norms = pooled(x, "L2Pool", size, size)
        truths = dict.fromkeys(list(contenders)[1:3], (norms, 0, (0, 2, 3, 1)))
        yield (
            f"compiled, windows of {size} at {named(shape)}",
            listed(
                {
                    label: backends.forward(pool, t, "torch", "compile")
                    for label, (pool, t) in contenders.items()
                },
                truths | {"L2Pool, channels last": (norms,)},
            ),
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
            listed(
                {
                    label: backends.backward(pool, x, g, "torch", "compile")
                    for label, pool in pools.items()
                }
            ),
        )


if __name__ == "__main__":
    main()
