"""Sobel and Prewitt magnitude against OpenCV, scikit-image, SciPy, Kornia and Keras.

    python tests/benchmarks/edges.py [--backend jax] [--quick] [--json FILE]

Each contender has its best mode: OpenCV and SciPy write into preallocated arrays,
Kornia gets channels first and its own compiler. "OpenCV" is its plain interface, set
to two threads; "OpenCV, split" also shares the images between two threads of
Python. `DepthwiseConv2D` has the kernels as weights and zeros outside.
"""

import functools
from concurrent.futures import ThreadPoolExecutor

import _backends as backends
import _command as command
import numpy as np
from _harness import THREADS, Contender

SHAPES = ((8, 512, 512, 3), (64, 224, 224, 3), (256, 28, 28, 1), (1, 2048, 2048, 1))
GPU_SHAPES = ((64, 224, 224, 3), backends.LARGE)
SMOOTH = {"Sobel": (1.0, 2.0, 1.0), "Prewitt": (1.0, 1.0, 1.0)}
DIFFERENCE = (-1.0, 0.0, 1.0)

# (backend, mode, race, peer[, shape]) -> the highest ratio aimed at; None:
# quoted without a target.
LIMITS = {
    ("jax", "eager", "forward", "OpenCV"): 0.6,
    ("jax", "jit", "forward", "OpenCV"): 0.6,
    ("tensorflow", "eager", "forward", "OpenCV"): 0.6,
    ("tensorflow", "graph", "forward", "OpenCV"): 0.6,
    ("tensorflow", "XLA", "forward", "OpenCV"): 0.6,
    ("torch", "eager", "forward", "Kornia"): 0.15,
    ("torch", "eager", "forward", "Kornia", "256x28x28x1"): 0.5,
    ("torch", "compile", "forward", "OpenCV"): 1.0,
    ("numpy", "eager", "forward", "scikit-image"): 0.35,
    ("jax", "jit", "forward", "OpenCV, split"): None,
    ("tensorflow", "XLA", "forward", "OpenCV, split"): None,
    ("torch", "compile", "forward", "Kornia"): None,
} | {
    (backend, mode, "backward", "DepthwiseConv2D"): 1.0
    for backend in backends.TRAINS
    for mode in backends.MODES[backend]
}
GPU_LIMITS = {
    # Bound by memory: the image is read once, the result written once.
    (backend, mode, "forward", "device copy"): 2.0
    for backend, mode in backends.COMPILED.items()
} | {
    (backend, mode, race, peer): None
    for backend in backends.TRAINS
    for mode in backends.MODES[backend]
    for race, peers in (
        ("forward", ("x + 1", "keras.ops sobel_edges", "Kornia")),
        ("backward", ("DepthwiseConv2D", "Kornia")),
    )
    for peer in peers
}


def magnitude(x, job, border):
    """The truth: shifted copies of the padded images, in float64, on all processors."""
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(lambda image: _magnitude(image, job, border), x)))


def _magnitude(image, job, border):
    padded = np.pad(np.float64(image), ((1, 1), (1, 1), (0, 0)), mode=border)
    height, width = image.shape[:2]
    dy, dx = np.zeros((2, *image.shape))
    for i, j in np.ndindex(3, 3):
        part = padded[i : i + height, j : j + width]
        for sums, weight in (
            (dy, DIFFERENCE[i] * SMOOTH[job][j]),
            (dx, DIFFERENCE[j] * SMOOTH[job][i]),
        ):
            if weight:
                sums += weight * part
    return np.sqrt(dy * dy + dx * dx)


def races(backend, shape, ours):
    modes = backends.start(backend)
    x = backends.image(shape)
    yield "forward", list(forward(x, backend, modes, ours))
    backends.forget(backend)
    if backend in backends.TRAINS:
        yield "backward", list(backward(x, backend, modes, ours))
        backends.forget(backend)


def forward(x, backend, modes, ours):
    yield backends.copying(x, backend)
    tensor = backends.native(x, backend)
    if backends.gpu:
        yield backends.copying(x, backend, "device copy")
        for mode in modes:  # what a call takes at least
            call = backends.forward(lambda x: x + 1, tensor, backend, mode)
            yield Contender("x + 1", call, backends.value_error(x + 1), mode)
    for job in SMOOTH:
        truth = magnitude(x, job, "symmetric")
        error = backends.value_error(truth)
        if not backends.gpu:
            yield Contender("OpenCV", opencv(x, job), error, job=job)
        if len(x) > 1 and not backends.gpu:
            call = opencv(x, job, workers=THREADS)
            yield Contender("OpenCV, split", call, error, job=job)
        if backend == "numpy":
            yield Contender("SciPy", scipy(x, job), error, job=job)
            # scikit-image averages over the smoothing taps and over both axes.
            error_of_mean = backends.value_error(truth / sum(SMOOTH[job]) / 2**0.5)
            call = scikit_image(x, job)
            yield Contender("scikit-image", call, error_of_mean, job=job)
        for mode in modes if ours else ():
            call = backends.forward(layer(job), tensor, backend, mode)
            yield Contender(job, call, error, mode, job, ours=True)
    truth = magnitude(x, "Sobel", "symmetric")
    for mode in modes:
        if backend != "openvino":  # where Keras has none
            call = backends.forward(keras_sobel, tensor, backend, mode)
            # Its border differs from backend to backend.
            error = backends.value_error(truth, crop=1)
            yield Contender("keras.ops sobel_edges", call, error, mode)
        if backend == "torch":
            first = tensor.permute(0, 3, 1, 2).contiguous()
            call = backends.forward(kornia_sobel, first, backend, mode)
            error = backends.value_error(truth, axes=(0, 2, 3, 1))
            yield Contender("Kornia", call, error, mode)
        if backend == "tensorflow":
            call = backends.forward(tf_sobel, tensor, backend, mode)
            error = backends.value_error(magnitude(x, "Sobel", "reflect"))
            yield Contender("tf.image.sobel_edges", call, error, mode)


def backward(x, backend, modes, ours):
    yield backends.copying(x, backend)
    tensor = backends.native(x, backend)
    upstream = np.random.default_rng(2).random(x.shape, "float32")
    g = backends.native(upstream, backend)
    for job in SMOOTH:

        def gradient(border, job=job, axes=None):
            truth = functools.partial(magnitude, job=job, border=border)
            return backends.gradient_error(truth, [x.astype("float64")], upstream, axes)

        symmetric, zeros = gradient("symmetric"), gradient("constant")
        for mode in modes:
            peer = depthwise(job, x.shape[-1])
            call = backends.backward(peer, tensor, g, backend, mode)
            yield Contender("DepthwiseConv2D", call, zeros, mode, job)
            if ours:
                call = backends.backward(layer(job), tensor, g, backend, mode)
                yield Contender(job, call, symmetric, mode, job, ours=True)
    if backend == "torch":
        first, gf = (t.permute(0, 3, 1, 2).contiguous() for t in (tensor, g))
        error = gradient("symmetric", "Sobel", axes=(0, 2, 3, 1))
        for mode in modes:
            call = backends.backward(kornia_sobel, first, gf, backend, mode)
            yield Contender("Kornia", call, error, mode)


def layer(job):
    from kerasconv import layers

    made = {"Sobel": layers.SobelConv, "Prewitt": layers.PrewittConv}
    return made[job](output="magnitude")


def depthwise(job, channels):
    """Keras's `DepthwiseConv2D`, one for each component, and the root."""
    import keras

    dy = np.outer(DIFFERENCE, SMOOTH[job])
    convs = []
    for kernel in (dy, dy.T):
        conv = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
        conv.build((None, None, None, channels))
        conv.set_weights([np.repeat(kernel[:, :, None, None], channels, axis=2)])
        convs.append(conv)

    def call(x):
        dy, dx = (conv(x) for conv in convs)
        return keras.ops.sqrt(dy * dy + dx * dx)

    return call


def keras_sobel(x):
    import keras

    edges = keras.ops.image.sobel_edges(x)
    return keras.ops.sqrt(keras.ops.sum(keras.ops.square(edges), axis=-1))


def tf_sobel(x):
    import tensorflow as tf

    return tf.sqrt(tf.reduce_sum(tf.square(tf.image.sobel_edges(x)), axis=-1))


def kornia_sobel(x):
    import kornia

    return kornia.filters.sobel(x, normalized=False, eps=1e-12)


def opencv(x, job, workers=1):
    """Image by image, the channels together, the components in reused arrays."""
    import cv2

    cv2.setNumThreads(THREADS)
    out = np.empty_like(x)
    images, results = (a[..., 0] if a.shape[-1] == 1 else a for a in (x, out))
    options = {"ddepth": cv2.CV_32F, "borderType": cv2.BORDER_REFLECT}
    smooth, difference = np.float32(SMOOTH[job]), np.float32(DIFFERENCE)

    scratch = [np.empty((2, *images[0].shape), "float32") for _ in range(workers)]

    def some(start):
        dx, dy = scratch[start]
        for image, result in zip(
            images[start::workers], results[start::workers], strict=True
        ):
            if job == "Sobel":
                cv2.Sobel(image, dx=1, dy=0, ksize=3, dst=dx, **options)
                cv2.Sobel(image, dx=0, dy=1, ksize=3, dst=dy, **options)
            else:
                for taps, part in (
                    ((difference, smooth), dx),
                    ((smooth, difference), dy),
                ):
                    along_x, along_y = taps
                    cv2.sepFilter2D(
                        image, kernelX=along_x, kernelY=along_y, dst=part, **options
                    )
            cv2.magnitude(dx, dy, result)

    pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def call():
        list((pool.map if pool else map)(some, range(workers)))
        return out

    return call


def scikit_image(x, job):
    """Image by image and a channel at a time: it takes one plane."""
    from skimage import filters

    operator = {"Sobel": filters.sobel, "Prewitt": filters.prewitt}[job]
    out = np.empty_like(x)

    def call():
        for image, result in zip(x, out, strict=True):
            for channel in range(x.shape[-1]):
                result[..., channel] = operator(image[..., channel])
        return out

    return call


def scipy(x, job):
    """One-dimensional passes over the whole batch, in place."""
    from scipy import ndimage

    passes = functools.partial(ndimage.correlate1d, mode="reflect")
    dy, dx = np.empty_like(x), np.empty_like(x)

    def call():
        for part, along, across in ((dy, 1, 2), (dx, 2, 1)):
            passes(x, SMOOTH[job], across, output=part)
            passes(part, DIFFERENCE, along, output=part)
        np.multiply(dy, dy, out=dy)
        np.multiply(dx, dx, out=dx)
        np.add(dy, dx, out=dy)
        return np.sqrt(dy, out=dy)

    return call


ON_GPU = command.Table("edges", GPU_SHAPES, races, GPU_LIMITS)

if __name__ == "__main__":
    table = command.Table("edges", SHAPES, races, LIMITS, ON_GPU)
    raise SystemExit(command.main(table))
