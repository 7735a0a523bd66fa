"""Checks of calls: repeated, in threads, with masks, compiled, and in models."""

import functools
import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerasconv._keras import keras
from kerasconv.testing._native import HERE
from kerasconv.testing.case import Case, array, dtype_of, equal, need, normal, same


def inference_repeats(case: Case) -> None:
    """Two calls on the same input give the same, but for rounding."""
    case.need_values()
    # What is called often may be compiled, and a compiler rounds in another order.
    case.same(case.run(case.layer), case.y, "a second call")


def no_state_leaks_between_calls(case: Case) -> None:
    """Calls on other inputs, and symbolic ones, leave output and weights as is."""
    case.need_values()
    layer = case.built()
    expected = case.run(layer)
    case.run(
        layer, case.each(lambda a: a[::-1] * 2 if a.dtype.kind == "f" else a[::-1])
    )
    case.run(layer, case.each(lambda a: a[:1]))
    case.model(layer)
    case.same(case.run(layer), expected, "the first input again")
    same(layer.get_weights(), case.weights, "weights after calls", 0)


def training_flag(case: Case) -> None:
    """`training=True` keeps shape and dtype, and does not outlast the call."""
    made = inspect.signature(case.layer.call).parameters
    need("training" in made, "the layer has no argument `training`")
    layer = case.built()
    got = case.run(layer, training=True)
    equal([y.shape for y in got], [y.shape for y in case.y], "shape in training")
    equal([y.dtype for y in got], [y.dtype for y in case.y], "dtype in training")
    layer.set_weights(case.weights)  # training may move statistics
    if not case.random:
        case.same(case.run(layer), case.y, "inference after training")


def inputs_are_left_alone(case: Case) -> None:
    """A call changes neither the array nor the tensor that it is given."""
    x = case.each(np.copy)
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, case.each(np.copy))
    case.run(case.layer, x)
    case.run(case.layer, tensors)
    for kept in (x, tensors):
        after = [array(a) for a in keras.tree.flatten(kept)]
        same(after, case.leaves, "the input after a call", 0)


def any_memory_order(case: Case) -> None:
    """Arrays that are not contiguous give the same."""
    case.need_values()
    spaced = case.each(lambda a: np.repeat(a, 2, axis=-1)[..., ::2])
    fortran = case.each(np.asfortranarray)
    case.same(case.run(case.layer, spaced), case.y, "every second value of an array")
    case.same(case.run(case.layer, fortran), case.y, "an array in Fortran order")


def threads(case: Case) -> None:
    """Calls from four threads on one layer give each its own answer."""
    case.need_values()
    inputs = [case.each(functools.partial(np.roll, shift=k, axis=0)) for k in range(4)]
    expected = [case.run(case.layer, x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(functools.partial(case.run, case.layer), inputs * 3)
        for k, got in enumerate(found):
            case.same(got, expected[k % 4], "an answer to a thread")


def masks(case: Case) -> None:
    """What follows sees the mask that `compute_mask` says, or none."""
    case.need_one_input()
    case.need_floats()
    need(case.x.ndim > 2, "there are no steps to mask")
    x = case.x.copy()
    x[0, -1] = 0
    inputs = keras.layers.Masking()(x)
    mask = keras.layers.Masking().compute_mask(x)
    layer, probe = case.built(), _Probe()
    probe(layer(inputs))
    expected = layer.compute_mask(inputs, mask) if layer.supports_masking else None
    equal(probe.seen is not None, expected is not None, "whether there is a mask")
    if expected is not None:
        same([array(probe.seen)], [array(expected)], "mask", 0)


class _Probe(keras.layers.Layer):
    """Remembers the mask that it was given."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True
        self.seen = None

    def call(self, inputs, mask=None):
        self.seen = mask
        return inputs


def works_in_sequential(case: Case) -> None:
    """A Sequential model of it computes the same."""
    case.need_one_input()
    case.need_values()
    inputs = keras.Input(case.x.shape[1:], dtype=dtype_of(case.x))
    model = keras.Sequential([inputs, case.built()])
    case.same(case.run(model), case.y, "a Sequential model")


def works_nested(case: Case) -> None:
    """A functional model of it computes the same, alone and inside another."""
    case.need_values()
    inner = case.model()
    case.same(case.run(inner), case.y, "a functional model")
    case.same(case.run(case.model(inner)), case.y, "a model inside a model")


def predict_equals_call(case: Case) -> None:
    """`model.predict` gives what a call gives."""
    case.need_values()
    got = keras.tree.flatten(case.model().predict(case.x, verbose=0))
    case.same([array(y) for y in got], case.y, "predict", HERE.predicts_within)


def compiled_equals_eager(case: Case) -> None:
    """Compiled (XLA on tensorflow and jax, Dynamo on torch) it computes the same."""
    case.need_values()
    need(HERE.compiles is not None, f"{keras.backend.backend()} does not compile")
    need(case.compiles, "not asked for")
    outputs = HERE.compiled(case.built())(case.each(keras.ops.convert_to_tensor))
    case.same([array(y) for y in keras.tree.flatten(outputs)], case.y, "compiled")


def trains(case: Case) -> None:
    """One step of `fit` has a finite loss and moves every trainable weight."""
    case.need_training()
    case.need_float_outputs()
    layer = case.built()
    inner = case.model(layer)
    heads = [
        keras.layers.Dense(
            1, kernel_initializer=keras.initializers.RandomNormal(seed=k)
        )(keras.layers.Flatten()(y))
        for k, y in enumerate(inner.outputs)
    ]
    model = keras.Model(
        inner.input, heads[0] if len(heads) == 1 else keras.layers.add(heads)
    )
    # For one step XLA takes longer than it saves; to compile has a check of its own.
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    before = [array(w) for w in layer.trainable_weights]
    targets = normal((len(case.leaves[0]), 1), 5)
    history = model.fit(case.x, targets, epochs=1, verbose=0, shuffle=False)
    (loss,) = history.history["loss"]
    assert np.isfinite(loss), f"expected a finite loss, got {loss}"
    for weight, old in zip(layer.trainable_weights, before, strict=True):
        new = array(weight)
        assert np.isfinite(new).all(), f"expected {weight.path} to stay finite"
        assert np.any(new != old), f"expected {weight.path} to move, got the same"
