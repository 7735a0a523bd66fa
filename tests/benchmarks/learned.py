"""LearnedConv against Keras's Conv2D with the same weights.

    python tests/benchmarks/learned.py [--backend jax] [--quick] [--json FILE]

Both do the same sum, so anything but 1 is overhead. Backward includes the
gradients of the kernel and of the bias.
"""

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
GPU_SHAPES = ((256, 26, 26, 32), backends.LARGE)

# (backend, mode, race, peer) -> the highest ratio aimed at.
LIMITS = {
    (backend, mode, race, "Conv2D"): 1.03
    for backend, modes in backends.MODES.items()
    for mode in modes
    for race in ("forward", "backward")
}


def convolved(x, kernel, bias):
    """The truth: a matrix product for each place of the window, in float64."""
    x, kernel = np.asarray(x, "float64"), np.asarray(kernel, "float64")
    height, width = (
        n - k + 1 for n, k in zip(x.shape[1:3], kernel.shape, strict=False)
    )
    total = np.float64(bias)
    for i, j in np.ndindex(kernel.shape[:2]):
        total = total + x[:, i : i + height, j : j + width] @ kernel[i, j]
    return total


def races(backend, shape, ours):
    modes = backends.start(backend)
    random = np.random.default_rng(0)
    filters = max(8, shape[-1])
    x = backends.image(shape)
    weights = [
        random.standard_normal((3, 3, shape[-1], filters), "float32"),
        random.standard_normal(filters, "float32"),
    ]
    kinds = ("Conv2D", "LearnedConv") if ours else ("Conv2D",)
    yield "forward", list(forward(x, weights, backend, modes, kinds))
    backends.forget(backend)
    if backend in backends.TRAINS:
        yield "backward", list(backward(x, weights, backend, modes, kinds))
        backends.forget(backend)


def forward(x, weights, backend, modes, kinds):
    yield backends.copying(x, backend)
    tensor = backends.native(x, backend)
    error = backends.value_error(convolved(x, *weights))
    for kind in kinds:
        for mode in modes:
            call = backends.forward(layer(kind, x, weights), tensor, backend, mode)
            yield Contender(kind, call, error, mode, ours=kind == "LearnedConv")


def backward(x, weights, backend, modes, kinds):
    yield backends.copying(x, backend)
    tensor = backends.native(x, backend)
    shape = (len(x), x.shape[1] - 2, x.shape[2] - 2, len(weights[1]))
    upstream = np.random.default_rng(2).random(shape, "float32")
    g = backends.native(upstream, backend)
    inputs = [part.astype("float64") for part in (x, *weights)]
    error = backends.gradient_error(convolved, inputs, upstream)
    for kind in kinds:
        for mode in modes:
            made = layer(kind, x, weights)
            call = backends.backward(made, tensor, g, backend, mode)
            yield Contender(kind, call, error, mode, ours=kind == "LearnedConv")


def layer(kind, x, weights):
    if kind == "LearnedConv":
        from kerasconv import layers
    else:
        from keras import layers
    made = getattr(layers, kind)(filters=len(weights[1]), kernel_size=3)
    made.build(x.shape)
    made.set_weights(weights)
    return made


ON_GPU = command.Table("learned", GPU_SHAPES, races, LIMITS)

if __name__ == "__main__":
    table = command.Table("learned", SHAPES, races, LIMITS, ON_GPU)
    raise SystemExit(command.main(table))
