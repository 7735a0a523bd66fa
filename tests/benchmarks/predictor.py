"""The compiled predictor against `model.predict` and ONNX Runtime.

    python tests/benchmarks/predictor.py [--backend jax] [--quick] [--json FILE]

One 28x28 digit, and ten thousand. All get NumPy arrays and give NumPy arrays;
`model.predict` and ONNX Runtime get the batch size at which they are fastest here. "Its
own operations" are the same network without Keras, in what the backend has for it
(`_bare.py`): where ONNX Runtime is out of reach, that is why.
"""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import _backends as backends
import _command as command
import numpy as np
from _harness import THREADS, Contender

BARE = "its own operations"
SHAPES = ((1, 28, 28, 1), (10_000, 28, 28, 1))
BATCH = 1000

# (backend, mode, race, peer[, shape]) -> the highest ratio aimed at.
LIMITS = (
    {
        (backend, "compiled", "answer", "model.predict"): 1.0
        for backend in command.BACKENDS
    }
    | {
        (backend, "compiled", "answer", "ONNX Runtime", shape): most
        for backend, *ratios in (
            ("tensorflow", 7.0, 1.0),
            ("jax", 3.3, 0.7),
            ("torch", 5.0, 1.1),
            ("openvino", 5.0, 1.0),
            ("numpy", None, 4.0),
        )
        for shape, most in zip(("1x28x28x1", "10000x28x28x1"), ratios, strict=True)
    }
    | {(backend, "compiled", "answer", BARE): None for backend in command.BACKENDS}
)


def races(backend, shape, ours):
    backends.start(backend)
    yield "answer", list(contenders(backend, shape, ours))
    backends.forget(backend)


def contenders(backend, shape, ours):
    from kerasconv.models import mnist_cnn

    images = np.random.default_rng(0).random(shape, "float32")
    model = mnist_cnn()
    truth = probabilities(model, images)

    def error(result):
        return np.abs(result - truth).max()

    yield backends.copying(images, backend)
    if not backends.gpu:  # it computes on processors
        yield Contender("ONNX Runtime", onnx_runtime(images), error)
    yield Contender(
        "model.predict",
        lambda: model.predict(images, batch_size=BATCH, verbose=0),
        error,
    )
    right = error if backend != "numpy" else lambda result: 0.0  # it only multiplies
    if not backends.gpu:
        for name, call in own_operations(backend, model, images).items():
            yield Contender(name, call, right, group=BARE)
    if ours:
        from kerasconv.predict import Predictor

        predictor = Predictor(mnist_cnn())
        predictor.warm_up()
        yield Contender(
            "Predictor", lambda: predictor(images), error, "compiled", ours=True
        )


def own_operations(backend, model, images):
    try:
        from _bare import networks
    except ModuleNotFoundError:  # a checkout before `kerasconv.compiled`, in against.py
        return {}
    return networks(backend, model.get_weights(), images)


def probabilities(model, images):
    """The truth: the network in plain NumPy, float64."""
    kernel_1, bias_1, kernel_2, bias_2, kernel, bias = map(
        np.float64, model.get_weights()
    )
    rows = []
    for part in np.split(images, range(BATCH, len(images), BATCH)):
        x = pooled(np.maximum(convolved(np.float64(part), kernel_1) + bias_1, 0))
        x = pooled(np.maximum(convolved(x, kernel_2) + bias_2, 0))
        logits = x.reshape(len(x), -1) @ kernel + bias
        weights = np.exp(logits - logits.max(1, keepdims=True))
        rows.append(weights / weights.sum(1, keepdims=True))
    return np.concatenate(rows)


def convolved(x, kernel):
    size = x.shape[1] - 2
    return sum(
        x[:, i : i + size, j : j + size] @ kernel[i, j] for i, j in np.ndindex(3, 3)
    )


def pooled(x):
    size = 2 * (x.shape[1] // 2)
    return np.maximum.reduce([x[:, i:size:2, j:size:2] for i in (0, 1) for j in (0, 1)])


EXPORT = """
import sys
import numpy
from kerasconv.models import mnist_cnn
model = mnist_cnn()
model.predict(numpy.zeros((1, 28, 28, 1)), verbose=0)  # an unused one has no signature
model.export(sys.argv[1], format="onnx", verbose=False)
"""


@functools.cache
def onnx_file():
    """The network as ONNX, written by Keras on TensorFlow or torch."""
    path = Path(tempfile.mkdtemp(prefix="predictor-"), "mnist_cnn.onnx")
    exporter = next(n for n in ("tensorflow", "torch") if command._installed(n))
    subprocess.run(
        [sys.executable, "-c", EXPORT, path],
        env={**os.environ, "KERAS_BACKEND": exporter},
        check=True,
        capture_output=True,
    )
    return path


def onnx_runtime(images):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(
        onnx_file(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    starts = range(0, len(images), BATCH)
    return lambda: np.concatenate(
        [session.run(None, {name: images[s : s + BATCH]})[0] for s in starts]
    )


if __name__ == "__main__":
    raise SystemExit(command.main(command.Table("predictor", SHAPES, races, LIMITS)))
