"""L2Pool and WeightedPool against Keras's own pools and torch's LPPool2d.

    python tests/benchmarks/pools.py [--backend jax] [--quick] [--json FILE]

Keras's average and max pooling have the same window, strides, backend and mode;
the faster of the two counts. LPPool2d competes channels first, in both memory
formats, and the faster counts.
"""

import functools

import _backends as backends
import _command as command
import numpy as np
from _harness import Contender

SHAPES = (
    (8, 512, 512, 3),
    (64, 224, 224, 3),
    (256, 28, 28, 1),
    (1, 2048, 2048, 1),
    (256, 26, 26, 32),
)
GPU_SHAPES = (backends.LARGE,)
GEOMETRIES = {(2, 2): ("L2Pool", "WeightedPool"), (3, 3): ("L2Pool",)} | {
    (3, 2): ("WeightedPool",)
}
"""(pool size, strides) -> our layers: the default strides of each."""

KERAS = "Keras's faster pool"

# (backend, mode, race, peer[, shape]) -> the highest ratio aimed at.
LIMITS = {
    ("jax", "jit", "forward", KERAS): 0.7,
    ("tensorflow", "XLA", "forward", KERAS): 0.7,
    ("tensorflow", "graph", "forward", KERAS): 1.1,
    ("torch", "eager", "forward", "LPPool2d"): 0.8,
    ("torch", "eager", "forward", "LPPool2d", "256x28x28x1"): 1.0,
    ("torch", "compile", "forward", "LPPool2d"): 0.9,
} | {
    (backend, mode, "backward", "MaxPooling"): 1.0
    for backend in backends.TRAINS
    for mode in backends.MODES[backend]
}


def pooled(x, kind, size, strides):
    """The truth: a loop over the places of the window, in float64."""
    x = np.asarray(x, "float64")
    taps = np.array([1.0, 2.0, 1.0]) if size == 3 else np.ones(size)
    weights = np.outer(taps, taps) / taps.sum() ** 2
    last = [(n - size) // strides * strides + 1 for n in x.shape[1:3]]
    total = np.float64(-np.inf if kind == "MaxPooling" else 0)
    for i in range(size):
        for j in range(size):
            part = x[:, i : i + last[0] : strides, j : j + last[1] : strides]
            if kind == "MaxPooling":
                total = np.maximum(total, part)
            elif kind == "L2Pool":
                total = total + part * part
            else:
                weight = weights[i, j] if kind == "WeightedPool" else size**-2
                total = total + weight * part
    return np.sqrt(total) if kind == "L2Pool" else total


def races(backend, shape, ours):
    modes = backends.start(backend)
    x = backends.image(shape)
    for geometry, layers in GEOMETRIES.items():
        layers = layers if ours else ()
        yield "forward", list(forward(x, backend, modes, geometry, layers))
        backends.forget(backend)
        if backend in backends.TRAINS:
            yield "backward", list(backward(x, backend, modes, geometry, layers))
            backends.forget(backend)


def forward(x, backend, modes, geometry, layers):
    yield backends.copying(x, backend)
    tensor = backends.native(x, backend)
    for kind in ("AveragePooling", "MaxPooling", *layers):
        error = backends.value_error(pooled(x, kind, *geometry))
        for mode in modes:
            call = backends.forward(layer(kind, *geometry), tensor, backend, mode)
            yield contender(kind, geometry, call, error, mode)
    if backend == "torch":
        error = backends.value_error(pooled(x, "L2Pool", *geometry), axes=(0, 2, 3, 1))
        for name, (first,) in channels_first(tensor):
            for mode in modes:
                call = backends.forward(lp_pool(*geometry), first, backend, mode)
                yield Contender(name, call, error, mode, group="LPPool2d")


def backward(x, backend, modes, geometry, layers):
    yield backends.copying(x, backend)
    tensor = backends.native(x, backend)
    upstream = np.random.default_rng(2).random(
        pooled(x, "MaxPooling", *geometry).shape, "float32"
    )
    g = backends.native(upstream, backend)

    def gradient(kind, axes=None):
        size, strides = geometry
        truth = functools.partial(pooled, kind=kind, size=size, strides=strides)
        return backends.gradient_error(truth, [x.astype("float64")], upstream, axes)

    for kind in ("MaxPooling", *layers):
        error = gradient(kind)
        for mode in modes:
            call = backends.backward(layer(kind, *geometry), tensor, g, backend, mode)
            yield contender(kind, geometry, call, error, mode, group=False)
    if backend == "torch":
        error = gradient("L2Pool", axes=(0, 2, 3, 1))
        for name, (first, gf) in channels_first(tensor, g):
            for mode in modes:
                call = backends.backward(lp_pool(*geometry), first, gf, backend, mode)
                yield Contender(name, call, error, mode, group="LPPool2d")


def contender(kind, geometry, call, error, mode, group=True):
    """Ours, or one of Keras's pools."""
    if kind in ("L2Pool", "WeightedPool"):
        name = "{}({}, strides={})".format(kind, *geometry)
        return Contender(name, call, error, mode, name, ours=True)
    return Contender(kind, call, error, mode, group=KERAS if group else None)


def layer(kind, size, strides):
    if kind in ("L2Pool", "WeightedPool"):
        from kerasconv import layers
    else:
        from keras import layers

        kind += "2D"
    return getattr(layers, kind)(pool_size=size, strides=strides)


def lp_pool(size, strides):
    import torch

    return torch.nn.LPPool2d(2, size, strides)


def channels_first(*tensors):
    """The tensors as torch's pools take them, in both memory formats."""
    first = [t.permute(0, 3, 1, 2) for t in tensors]
    yield "contiguous", [t.contiguous() for t in first]
    yield "channels last", first


# A GPU has no targets here.
ON_GPU = command.Table("pools", GPU_SHAPES, races, dict.fromkeys(LIMITS))

if __name__ == "__main__":
    table = command.Table("pools", SHAPES, races, LIMITS, ON_GPU)
    raise SystemExit(command.main(table))
