"""Checks of shapes: what is computed of them, unknown sizes, layouts and batches."""

import numpy as np

from kerasconv._keras import keras
from kerasconv.testing.case import Case, Skip, computed_shapes, dtype_of, equal, need


def output_shape_is_as_computed(case: Case) -> None:
    """The output has the shape that `compute_output_shape` says."""
    try:
        expected = computed_shapes(case.layer, case.shape)
    except Skip as error:
        raise AssertionError(f"expected a shape, {error}") from error
    equal([y.shape for y in case.y], expected, "output shape")


def symbolic_output_is_as_computed(case: Case) -> None:
    """A symbolic call gives the shape and dtype of a real one, with unknown batch."""
    symbols = keras.tree.flatten(case.model().outputs)
    expected = [(None, *y.shape[1:]) for y in case.y]
    equal([tuple(s.shape) for s in symbols], expected, "symbolic shape")
    equal([dtype_of(s) for s in symbols], [str(y.dtype) for y in case.y], "dtype")


def unknown_batch(case: Case) -> None:
    """`compute_output_shape` of an unknown batch leaves only the batch unknown."""
    shape = case.each(lambda a: (None, *a.shape[1:]))
    got = computed_shapes(case.layer, shape)
    equal(got, [(None, *y.shape[1:]) for y in case.y], "output shape")


def unknown_sizes(case: Case) -> None:
    """With unknown sizes, one layer works on inputs of several."""
    case.need_one_input()
    case.need_values()
    need(case.any_size is not False, "the layer needs known sizes")
    need(case.x.ndim > 2, "there is no axis but batch and channels")
    axis = case.channel_axis
    sizes = [n if a == axis else None for a, n in enumerate(case.x.shape)][1:]
    try:
        model = case.model(case.make(), sizes)
    except Exception:
        need(case.any_size, "the layer needs known sizes")
        raise
    model.set_weights(case.weights)
    layer = model.layers[-1]
    for y, shape in zip(case.y, computed_shapes(layer, (None, *sizes)), strict=True):
        equal(len(shape), y.ndim, "number of axes of the output")
        wrong = [n for n, m in zip(shape, y.shape, strict=True) if n not in (None, m)]
        assert not wrong, f"expected {shape} to agree with {y.shape}"
    case.same(case.run(model), case.y, "a model of unknown sizes")
    grow = 2 if axis == 1 else 1
    larger = np.concatenate([case.x, case.x], axis=grow)[:2]
    try:
        expected = case.run(case.built(larger), larger)
    except Exception:
        need(case.any_size, "the weights depend on the sizes")
        raise
    case.same(case.run(model, larger), expected, f"input of shape {larger.shape}")


def data_formats_agree(case: Case) -> None:
    """channels_first of the moved input is channels_last, moved."""
    case.need_one_input()
    case.need_values()
    # Many layers hand it on in `**kwargs`, so the signature does not tell.
    need(hasattr(case.layer, "data_format"), "the layer has no data_format")
    need(case.x.ndim > 2, "there is no axis but batch and channels")
    last = np.moveaxis(case.x, case.channel_axis, -1)
    first = np.moveaxis(last, -1, 1)
    outputs = {}
    for name, x in (("channels_last", last), ("channels_first", first)):
        layer = case.built(x, data_format=name)
        outputs[name] = case.run(layer, x)
        expected = computed_shapes(layer, x.shape)
        equal([y.shape for y in outputs[name]], expected, f"output shape, {name}")
    moved = [
        np.moveaxis(y, 1, case.x.ndim - 1) if y.ndim >= case.x.ndim else y
        for y in outputs["channels_first"]
    ]
    case.same(moved, outputs["channels_last"], "channels_first, moved")


def batch_of_one(case: Case) -> None:
    """A batch of one gives that example's part of the whole."""
    case.need_independence()
    got = case.run(case.layer, case.each(lambda a: a[1:2]))
    case.same(got, [y[1:2] for y in case.y], "the second example alone")


def empty_batch(case: Case) -> None:
    """A batch of no examples gives an empty result of the right shape."""
    need(case.empty_batch, "the batch may not be empty")
    got = case.run(case.layer, case.each(lambda a: a[:0]))
    expected = [(0, *y.shape[1:]) for y in case.y]
    equal([y.shape for y in got], expected, "output shape")


def order_of_examples(case: Case) -> None:
    """Reversing the batch reverses the output."""
    case.need_independence()
    got = case.run(case.layer, case.each(lambda a: a[::-1].copy()))
    case.same(got, [y[::-1] for y in case.y], "the batch reversed")
