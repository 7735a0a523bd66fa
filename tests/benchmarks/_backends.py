"""How each backend runs a function: its modes, forward and backward, and checks.

Results are complete when a call returns: JAX blocks until ready, TensorFlow's
tensors are opened as buffers (no copy), torch and NumPy work synchronously on a
CPU, and OpenVINO runs inside `Model.predict`, whose NumPy output is included. On a GPU
TensorFlow and torch wait for it. Inputs are the backend's own arrays, where it
computes, but NumPy's for OpenVINO's `predict`.
"""

import functools
import gc
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from _harness import COPY, THREADS, Contender

MODES = {
    "tensorflow": ("eager", "graph", "XLA"),
    "jax": ("eager", "jit"),
    "torch": ("eager", "compile"),
    "openvino": ("predict",),
    "numpy": ("eager",),
}
TRAINS = ("tensorflow", "jax", "torch")
COMPILED = {"tensorflow": "XLA", "jax": "jit", "torch": "compile"}
"""The mode of each backend that has a compiler in which it compiles."""

gpu = False
"""Whether what is measured runs on a GPU."""

LARGE = (64, 512, 512, 3)
"""200 MB, which a GPU reads and writes in longer than it takes to start."""


@functools.cache
def start(backend: str) -> tuple[str, ...]:
    """Set the backend to two threads; return the modes it can run in."""
    settle_memory()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
        tf.get_logger().setLevel("ERROR")  # it warns of a tf.function a contender
    if backend == "torch":
        import torch

        torch.set_num_threads(THREADS)
        if not any(map(shutil.which, ("c++", "g++", "clang++"))):
            print("torch.compile is left out: no C++ compiler", file=sys.stderr)
            return ("eager",)
    return MODES[backend]


def take_gpu(backend: str) -> None:
    """Measure on the GPU from now on, in float32.

    A GPU's tensor cores multiply in TF32, of which a product has three right digits:
    all contenders do without, so that their values can be checked. Ends the run where
    the backend sees no GPU: it would measure the CPU without a word.
    """
    global gpu
    gpu = _sees_gpu(backend)
    if not gpu:
        raise SystemExit(f"--gpu: {backend} sees no GPU; is its build for one?")
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
    elif backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    else:
        import torch

        torch.backends.cudnn.allow_tf32 = False


def _sees_gpu(backend: str) -> bool:
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


def finish(result: Any, backend: str) -> Any:
    """`result` once it is there: a GPU's, and JAX's, come after the call returned."""
    if backend == "jax":
        import jax

        jax.block_until_ready(result)
    elif backend == "tensorflow" and gpu:
        import tensorflow as tf

        tf.test.experimental.sync_devices()
    elif backend == "tensorflow":
        for part in result if isinstance(result, list) else [result]:
            memoryview(part)
    elif backend == "torch" and gpu:
        import torch

        torch.cuda.synchronize()
    return result


def settle_memory() -> None:
    """Bring glibc's memory allocator where a process that runs for a while has it.

    It returns freed memory to the system when more than twice the largest block that
    was ever freed lies free, and maps larger blocks anew each time: the next result
    then costs a page fault every 4 KiB. What counts is the largest block of at most
    32 MiB, so one such block makes all contenders independent of who came first.
    """
    np.empty((1 << 25) - (1 << 13), "uint8")  # freed at once


def forget(backend: str) -> None:
    """Free what the last race compiled and cached."""
    if backend == "jax":
        import jax

        jax.clear_caches()
    if backend == "torch":
        import torch

        torch.compiler.reset()
    gc.collect()


def image(shape: Sequence[int]) -> np.ndarray:
    """Random values in [-1, 1), no two alike, so that every window has one maximum."""
    size = np.prod(shape)
    values = np.random.default_rng(0).permutation(size) * (2 / size) - 1
    return values.astype("float32").reshape(shape)


def native(x: np.ndarray, backend: str) -> Any:
    """`x` as an array of the backend."""
    if backend in ("numpy", "openvino"):
        return x
    if backend == "jax":
        import jax

        return jax.device_put(x)  # its `asarray` compiles a program for each shape
    import keras

    return keras.ops.convert_to_tensor(x)


def to_numpy(result: Any) -> np.ndarray:
    """A result of any library as NumPy."""
    return np.asarray(result.detach().cpu() if hasattr(result, "detach") else result)


def forward(function: Callable, x: Any, backend: str, mode: str) -> Callable[[], Any]:
    """A call that applies a layer or a function to `x` in a mode."""
    if backend == "tensorflow":
        import tensorflow as tf

        run = function
        if mode != "eager":
            run = tf.function(lambda x: function(x), jit_compile=mode == "XLA")

        def call():
            return finish(run(x), backend)

    elif backend == "jax":
        import jax

        run, weights = _stateless(function)
        if mode == "jit":
            run = jax.jit(run)

        def call():
            return finish(run(weights, x), backend)

    elif backend == "torch":
        import torch

        run = _compiled(function, x) if mode == "compile" else function

        def call():
            with torch.no_grad():
                return finish(run(x), backend)

    elif backend == "openvino":
        import keras

        entry = keras.Input(x.shape[1:])
        model = keras.Model(entry, function(entry))

        def call():
            return model.predict(x, batch_size=len(x), verbose=0)

    else:

        def call():
            return function(x)

    return call


def backward(
    function: Callable, x: Any, g: Any, backend: str, mode: str
) -> Callable[[], list]:
    """A call that returns [y, dx, *dweights] of sum(y * g), in a mode."""
    if backend == "tensorflow":
        import tensorflow as tf

        def both(x, g):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(x)
            return [y, *tape.gradient(y, [x, *_values(function)], g)]

        run = both
        if mode != "eager":
            run = tf.function(both, jit_compile=mode == "XLA")

        def call():
            return finish(run(x, g), backend)

    elif backend == "jax":
        import jax

        stateless, weights = _stateless(function)

        def both(weights, x, g):
            y, pull = jax.vjp(stateless, weights, x)
            dweights, dx = pull(g)
            return [y, dx, *dweights]

        run = jax.jit(both) if mode == "jit" else both

        def call():
            return finish(run(weights, x, g), backend)

    else:
        import torch

        run = _compiled(function, x) if mode == "compile" else function
        x = x.detach().requires_grad_()
        inputs = [x, *_values(function)]

        def call():
            y = run(x)
            return finish([y, *torch.autograd.grad(y, inputs, g)], backend)

    return call


def _values(function: Callable) -> list:
    """The trainable weights of a layer as native variables; none of a function."""
    return [w.value for w in getattr(function, "trainable_variables", ())]


def _stateless(function: Callable) -> tuple[Callable, list]:
    """JAX: (weights, x) -> y, and the weights."""
    weights = _values(function)
    if not weights:
        return lambda weights, x: function(x), weights
    return lambda weights, x: function.stateless_call(weights, [], x)[0], weights


def _compiled(function: Callable, x: Any) -> Callable:
    import torch

    # As the layers of a model are, it is built before it is compiled: else what builds
    # it breaks the program in two.
    function(x)

    def call(x):
        return function(x)

    # Dynamo counts recompilations by code object and beyond eight of one runs
    # eagerly: contenders that shared this code would drive each other out.
    call.__code__ = call.__code__.replace(co_name=f"call_{id(function)}")
    return torch.compile(call, dynamic=False)


def copying(x: np.ndarray, backend: str, name: str = COPY) -> Contender:
    """The unit of "x copy": of NumPy's array, or of the GPU's within its memory."""
    if gpu:
        return Contender(
            name, _copying_there(native(x, backend), backend), value_error(x)
        )
    out = np.empty_like(x)

    def call():
        np.copyto(out, x)
        return out

    return Contender(name, call, value_error(x))


def _copying_there(x: Any, backend: str) -> Callable[[], Any]:
    if backend == "tensorflow":
        import tensorflow as tf

        return lambda: finish(tf.raw_ops.DeepCopy(x=x), backend)
    if backend == "jax":
        import jax

        copy = jax.jit(jax.numpy.copy)
        return lambda: finish(copy(x), backend)
    out = x.clone()
    return lambda: finish(out.copy_(x), backend)


def value_error(truth: np.ndarray, crop: int = 0, axes=None) -> Callable[[Any], float]:
    """The error of a result from the truth, relative to its largest value.

    Args:
        truth: what is right.
        crop: rows and columns left out at each border, for a peer that treats it
            in its own way.
        axes: how the result's axes become those of the truth.
    """
    inner = (slice(None), *2 * [slice(crop, -crop or None)])

    def error(result):
        result = to_numpy(result)
        if axes:
            result = result.transpose(axes)
        if result.shape != truth.shape:
            return np.inf
        return np.abs(result[inner] - truth[inner]).max() / np.abs(truth).max()

    return error


def gradient_error(
    truth: Callable, inputs: Sequence[np.ndarray], g: np.ndarray, axes=None
) -> Callable[[Any], float]:
    """The error of [y, *gradients] from what finite differences of the truth say.

    In float64 and along one random direction of all inputs together, relative to
    the length of the gradient. With `axes`, `inputs` and `g` are the truth's, the
    results and gradients have their axes in the peer's order.
    """
    directions = [np.random.default_rng(1).standard_normal(x.shape) for x in inputs]

    @functools.cache
    def derivative():
        step = 1e-8  # so small that hardly any window changes its maximum
        up, down = (
            truth(*(x + s * d for x, d in zip(inputs, directions, strict=True)))
            for s in (step, -step)
        )
        return np.vdot(up - down, g) / (2 * step)

    def error(result):
        gradients = [to_numpy(part).astype("float64") for part in result[1:]]
        if axes:
            gradients = [part.transpose(axes) for part in gradients]
        along = sum(map(np.vdot, gradients, directions))
        return abs(along - derivative()) / np.sqrt(
            sum(np.vdot(d, d) for d in gradients)
        )

    return error
