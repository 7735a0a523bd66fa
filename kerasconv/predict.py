"""A compiled predictor: images in, probabilities out, at little cost a call.

`model.predict` prepares a data pipeline and callbacks at each call, which takes
milliseconds; a network of this size needs a fraction of one.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasconv._keras import keras
from kerasconv._pixels import to_unit

__all__ = ["Predictor", "feature_maps"]

Forward = Callable[[np.ndarray], np.ndarray]


class Predictor:
    """The forward pass of a model, compiled once and safe to share between threads.

    It is compiled for two shapes, one image and `batch_size` images, each at its
    first use; any other number of images is cut into batches of which the last is
    padded. Inference mode: dropout does nothing, batch normalisation uses its
    moving statistics.

    Make a new one after training further: an old one need not follow the model.

    Args:
        model: A built Keras model with one image input and one output.
        batch_size: Images a batch. Larger batches need more memory and, for networks
            of this size, are no faster.

    Raises:
        ValueError: the model has several inputs or outputs, an input of unknown
            size, or `batch_size` is not positive.

    Example:
        >>> from kerasconv.digits import load_digits
        >>> from kerasconv.models import mnist_cnn
        >>> predictor = Predictor(mnist_cnn())
        >>> images, labels = load_digits()
        >>> predictor(images).shape
        (64, 10)
        >>> predictor(images[0]).shape
        (10,)
    """

    def __init__(self, model: "keras.Model", *, batch_size: int = 128) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f"`batch_size` must be a positive int. Received: {batch_size!r}"
            )
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(
                "`model` must have one input and one output. Received: "
                f"{len(model.inputs)} and {len(model.outputs)}"
            )
        self.input_shape = tuple(model.inputs[0].shape[1:])
        if None in self.input_shape:
            raise ValueError(
                "`model` must have an input of known size. Received: an input of "
                f"shape {self.input_shape}"
            )
        self.batch_size = batch_size
        self._forward = _COMPILERS[keras.backend.backend()](model)
        self._compiled: set[int] = set()
        self._lock = threading.Lock()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The model's output for one image or many.

        Args:
            images: Float images of the model's input shape, with or without a
                batch axis in front; uint8 pixels are divided by 255.

        Returns:
            float32 array, a row an image; without the batch axis if `images` has
            none.

        Raises:
            ValueError: the images are of another shape or type.
        """
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = to_unit(images)
        elif not np.issubdtype(images.dtype, np.floating):
            raise ValueError(
                "`images` must hold floats in [0, 1], or uint8 pixels. Received: "
                f"dtype {images.dtype}"
            )
        images = np.ascontiguousarray(images, np.float32)
        if images.shape == self.input_shape:
            return self._run(images[None])[0]
        if images.shape[1:] != self.input_shape:
            raise ValueError(
                f"`images` must be of shape {self.input_shape}, or that with a batch "
                f"axis in front. Received: shape {images.shape}"
            )
        if len(images) == 1:
            return self._run(images)
        starts = range(0, len(images), self.batch_size)
        if not starts:
            return self._run(np.zeros((1, *self.input_shape), np.float32))[:0]
        return np.concatenate(
            [self._run_batch(images[s : s + self.batch_size]) for s in starts]
        )

    def _run_batch(self, images: np.ndarray) -> np.ndarray:
        missing = self.batch_size - len(images)
        if missing:
            padding = np.zeros((missing, *self.input_shape), np.float32)
            images = np.concatenate([images, padding])
        return self._run(images)[: self.batch_size - missing]

    def _run(self, images: np.ndarray) -> np.ndarray:
        # The first call with a shape traces the model, and a Keras model may not be
        # traced in two threads at once.
        if len(images) not in self._compiled:
            with self._lock:
                self._forward(images)
                self._compiled.add(len(images))
        return self._forward(images)


def feature_maps(model: "keras.Model", image: np.ndarray) -> dict[str, np.ndarray]:
    """What every layer of a model makes of one image.

    Args:
        model: A built Keras model with one image input.
        image: One image of the model's input shape.

    Returns:
        The output of each layer by its name, in the model's order, without a batch
        axis: (height, width, channels) of a convolution, (units,) of a Dense layer.

    Raises:
        ValueError: the image is of another shape.

    Example:
        >>> from kerasconv.digits import load_digits
        >>> from kerasconv.models import mnist_cnn
        >>> maps = feature_maps(mnist_cnn(), load_digits()[0][0])
        >>> maps["conv2d"].shape
        (26, 26, 32)
    """
    image = np.asarray(image, np.float32)
    shape = tuple(model.inputs[0].shape[1:])
    if image.ndim != len(shape) or any(
        wanted not in (None, size)
        for wanted, size in zip(shape, image.shape, strict=True)
    ):
        raise ValueError(
            f"`image` must be of shape {shape}. Received: shape {image.shape}"
        )
    inputs = keras.layers.InputLayer
    layers = [layer for layer in model.layers if not isinstance(layer, inputs)]
    probe = keras.Model(model.inputs, [layer.output for layer in layers])
    # Not `predict`: on OpenVINO it rounds to bfloat16 where the processor has it.
    outputs = keras.tree.flatten(probe([image[None]], training=False))
    return {
        layer.name: keras.ops.convert_to_numpy(output)[0]
        for layer, output in zip(layers, outputs, strict=True)
    }


def _tensorflow(model: Any) -> Forward:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, *model.inputs[0].shape[1:]])])
    def forward(images):
        return model(images, training=False)

    compiled = forward.get_concrete_function()
    return lambda images: compiled(tf.constant(images)).numpy()


def _jax(model: Any) -> Forward:
    import jax

    # Copies, because Keras's own predict and fit donate a model's arrays to their
    # programs, which deletes them; and arguments of the program, because the compiler
    # would spend its time folding constants.
    weights = (
        [jax.numpy.array(v.value, copy=True) for v in model.trainable_variables],
        [jax.numpy.array(v.value, copy=True) for v in model.non_trainable_variables],
    )

    @jax.jit
    def forward(weights, images):
        return model.stateless_call(*weights, images, training=False)[0]

    return lambda images: np.asarray(forward(weights, images))


def _torch(model: Any) -> Forward:
    import torch

    programs: dict[int, Any] = {}
    device = model.weights[0].value.device if model.weights else "cpu"
    model.eval()

    def forward(images):
        batch = torch.from_numpy(images).to(device)
        with torch.inference_mode():
            if len(images) not in programs:
                programs[len(images)] = _exported(model, batch)
            return programs[len(images)](batch).cpu().numpy()

    return forward


def _exported(model: Any, batch: Any) -> Callable:
    """The model as a graph of torch operations, without Keras's cost a layer."""
    import torch

    def eager(images):
        return model(images, training=False)

    try:
        with torch.no_grad():
            return torch.export.export(model, (batch.clone(),)).module()
    except Exception:
        # What torch cannot export it can still run.
        return eager


def _openvino(model: Any) -> Forward:
    import openvino
    from keras.src.backend.openvino.core import OpenVINOKerasTensor
    from openvino import opset13 as opset

    shape = [-1, *model.inputs[0].shape[1:]]
    parameter = opset.parameter(shape=shape, dtype=openvino.Type.f32)
    output = model(OpenVINOKerasTensor(parameter.output(0)), training=False)
    graph = openvino.Model([opset.result(output.output)], [parameter])
    # On a processor with bfloat16 OpenVINO would round float32 to it unasked: three
    # digits instead of seven.
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    # An inference request serves one thread.
    local = threading.local()

    def forward(images):
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return local.request.infer([images])[0].copy()

    return forward


def _numpy(model: Any) -> Forward:
    return lambda images: np.asarray(model(images, training=False), np.float32)


# The forward pass of each backend: the one place of this module where they differ.
_COMPILERS: dict[str, Callable[[Any], Forward]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
    "openvino": _openvino,
    "numpy": _numpy,
}
