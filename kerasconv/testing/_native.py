"""What the checks ask of a backend: a class each, and `HERE` for the one that runs."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasconv._keras import keras


class Native:
    """A backend without float64, compiler and gradients of its own."""

    keeps_float64 = False
    """Whether layers of Keras compute in float64 where they are asked to."""

    takes_empty_batches = True
    keeps_nan = True
    has_mixed_precision = True

    compiles: bool | None = None
    """Whether its compiler is quick enough to run unasked; None without one."""

    predicts_within: float | None = None
    """How far `predict` may be from a call; None for the tolerance of the check."""

    def float64(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which tensors may be of float64."""
        return contextlib.nullcontext()

    def gradient(
        self, layer: Any, x: Any, cotangents: Sequence[np.ndarray]
    ) -> tuple[Any, list[Any]]:
        """The sum of outputs times cotangents, and its gradients as tensors."""
        raise NotImplementedError(f"{keras.backend.backend()} does not train")

    def compiled(self, layer: Any) -> Callable[[Any], Any]:
        """The layer as a compiled function of tensors."""
        raise NotImplementedError(f"{keras.backend.backend()} does not compile")


class TensorFlow(Native):
    keeps_float64 = True
    compiles = True

    def gradient(self, layer, x, cotangents):
        import tensorflow as tf

        tensors = keras.tree.map_structure(tf.constant, x)
        leaves = keras.tree.flatten(tensors)
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            total = _total(layer(tensors), cotangents)
        sources = [*leaves, *_values(layer.trainable_variables)]
        return total, tape.gradient(total, sources, unconnected_gradients="zero")

    def compiled(self, layer):
        import tensorflow as tf

        return tf.function(lambda x: layer(x), jit_compile=True, autograph=False)


class Jax(Native):
    keeps_float64 = True
    compiles = True

    def float64(self):
        import jax

        if not hasattr(jax, "enable_x64"):  # before JAX 0.8
            from jax.experimental import enable_x64

            return enable_x64(True)
        return jax.enable_x64(True)

    def gradient(self, layer, x, cotangents):
        trained, others = _values_of_both(layer)
        total, grads = self._gradient(layer, x, trained, others, cotangents)
        return total, keras.tree.flatten(grads)

    @functools.cached_property
    def _gradient(self):
        import jax

        def total(layer, x, trained, others, cotangents):
            outputs, _ = layer.stateless_call(trained, others, x)
            return _total(outputs, cotangents)

        # The layer is static: JAX compiles once for each.
        return jax.jit(jax.value_and_grad(total, argnums=(1, 2)), static_argnums=0)

    def compiled(self, layer):
        import jax

        call = jax.jit(layer.stateless_call)
        return lambda x: call(*_values_of_both(layer), x)[0]


class Torch(Native):
    compiles = False

    def gradient(self, layer, x, cotangents):
        import torch

        device = keras.ops.convert_to_tensor(0.0).device
        tensors = keras.tree.map_structure(
            lambda a: torch.tensor(a, device=device, requires_grad=True), x
        )
        sources = [*keras.tree.flatten(tensors), *_values(layer.trainable_variables)]
        total = _total(layer(tensors), cotangents)
        return total, torch.autograd.grad(total, sources, materialize_grads=True)

    def compiled(self, layer):
        import torch

        traced = torch.compile(layer, backend="eager")

        def call(x):
            with torch.no_grad():
                return traced(x)

        return call


class NumPy(Native):
    # Keras's numpy backend convolves with JAX.
    float64 = Jax.float64


class OpenVINO(Native):
    # Some of its operations end the process of an empty batch, and its maximum
    # drops NaN. Its `predict` convolves in bfloat16 where the CPU has it.
    takes_empty_batches = False
    keeps_nan = False
    has_mixed_precision = False
    predicts_within = 2e-2


HERE: Native = {
    "tensorflow": TensorFlow,
    "jax": Jax,
    "torch": Torch,
    "numpy": NumPy,
    "openvino": OpenVINO,
}[keras.backend.backend()]()


def _values(variables):
    return [variable.value for variable in variables]


def _values_of_both(layer):
    return _values(layer.trainable_variables), _values(layer.non_trainable_variables)


def _total(outputs, cotangents):
    pairs = zip(keras.tree.flatten(outputs), cotangents, strict=True)
    return sum(keras.ops.sum(y * keras.ops.cast(c, y.dtype)) for y, c in pairs)
