"""TensorFlow: what is computed often becomes an XLA program with its own gradient."""

import contextvars
import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.eager import record

from kerasconv._keras import keras
from kerasconv.window.backends import plain
from kerasconv.window.backends.plain import sums
from kerasconv.window.native import is_portable, on_gpu, reshape, wide, zero_pad
from kerasconv.window.norms import gradient_of_tile_norms, tile_norms
from kerasconv.window.programs import apply, split
from kerasconv.window.rim import around, has_thin_rim, written_sums
from kerasconv.window.slices import correlate, merge, total, unmerge

__all__ = ["compiled", "constant_sums", "norms_of_tiles", "sums"]


# ---------------------------------------------------------------- compilation


_REPEATS = 3
"""The call, of those on tensors of one shape, from which on a program is compiled."""

_PROGRAMS = 128
"""Programs that are kept: TensorFlow never frees one, and one takes up to 10 MB."""

_IN_PROGRAM = contextvars.ContextVar("in_program", default=False)


def compiled(function, x, *args, gradient=None):
    """`function(x, *args)`, compiled by XLA where that pays.

    Its gradient is a second program: `gradient(x, *args, result, by_result)`, or else
    the function computed again and differentiated.

    To compile takes as long as dozens of calls, for each shape anew. So a graph is
    compiled at once, since it is run again, and eager calls from the third on.
    """
    if is_portable():
        return function(x, *args)
    tensors, constants = split((x, *args))
    key = (function, constants, tuple(_Spec.of(t) for t in tensors), gradient)
    if tf.executing_eagerly() and next(_calls(*key[:-1])) < _REPEATS:
        return function(x, *args)
    program = _program(*key) if _has_xla() else None
    return function(x, *args) if program is None else program(*tensors)


@functools.lru_cache(maxsize=4096)
def _calls(function, constants, signature):
    """Counts the eager calls on tensors of these shapes, from 1."""
    return itertools.count(1)


@dataclass(frozen=True)
class _Spec:
    """Shape and dtype of a tensor of a graph, hashable."""

    shape: tuple[int | None, ...]
    dtype: str

    @classmethod
    def of(cls, tensor):
        return cls(tuple(tensor.shape.as_list()), tensor.dtype.name)


_numbers = itertools.count()


@functools.lru_cache(maxsize=4096)
def _program(function, constants, signature, gradient):
    """The function as a program; None where as many as may be kept are there."""
    if next(_numbers) >= _PROGRAMS:
        return None

    specs = [tf.TensorSpec(s.shape, s.dtype) for s in signature]

    def results_of(*tensors):
        return apply(function, tensors, constants)

    def gradients_of(*tensors):
        at, end = len(specs), len(specs) + len(forward.outputs)
        tensors, results, by_results = tensors[:at], tensors[at:end], tensors[end:]
        if gradient is not None:
            return apply(gradient, tensors, (*constants, *results, *by_results))
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            again = results_of(*tensors)
        by_results = tf.nest.pack_sequence_as(again, by_results)
        return tape.gradient(again, tensors, by_results, unconnected_gradients="zero")

    forward = _traced(results_of, specs)

    @functools.cache
    def backward():
        results = [tf.TensorSpec(y.shape, y.dtype) for y in forward.outputs]
        return _traced(gradients_of, [*specs, *results, *results])

    def given(results):
        """The results of tensors as a function of these, with its gradient."""

        @tf.custom_gradient
        def function(*tensors):
            def gradients(*by_results):
                # Where no gradient of the gradient is taken, they need none.
                again = results if _records_nothing() else given(results)(*tensors)
                return backward()(*tensors, *tf.nest.flatten(again), *by_results)

            return results, gradients

        return function

    def program(*tensors):
        if _records_nothing():
            return forward(*tensors)
        # TensorFlow's own gradient would have the forward pass write to memory all that
        # it multiplies: what is stopped is not recorded, and has none.
        return given(forward(*map(tf.stop_gradient, tensors)))(*tensors)

    return program


def _records_nothing():
    return tf.executing_eagerly() and not record.could_possibly_record()


def _traced(function, specs):
    """The function as a program of XLA's, outside of its caller's graph and tapes.

    The graph may be gone at the next call, and no tape records while another gradient
    is taken. A new thread knows of neither.
    """

    def within(*tensors):
        token = _IN_PROGRAM.set(True)
        try:
            return function(*tensors)
        finally:
            _IN_PROGRAM.reset(token)

    program = tf.function(
        within, input_signature=specs, jit_compile=True, autograph=False
    )
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(program.get_concrete_function).result()


@functools.cache
def _has_xla():
    with tf.init_scope():
        try:
            tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0.0))
        except (tf.errors.OpError, ValueError):
            return False
    return True


# ----------------------------------------------------------------------- sums


def constant_sums(x, kernels, window, start, finish):
    """As `sums`, in the order that XLA makes the fastest loops of.

    The gradient is a window sum of its own: TensorFlow would differentiate every slice
    and every strip by itself.
    """
    if not (_IN_PROGRAM.get() and has_thin_rim(x, window)):
        return plain.constant_sums(x, kernels, window, start, finish)

    @tf.custom_gradient
    def summed(x):
        def backward(*by_results):
            merged, grid = merge(x, window)
            kept = _barrier(*correlate(merged, kernels, grid, hold=_held))
            with tf.GradientTape() as tape:
                tape.watch(kept)
                results = [unmerge(y, grid) for y in finish(kept)]
            by_sums = _barrier(*tape.gradient(results, kept, list(by_results)))
            return reshape(_transposed(by_sums, merged, kernels, grid), tf.shape(x))

        written = written_sums(x, kernels, window, finish, _begin, _overwrite)
        return tuple(written), backward

    return list(summed(start(x)))


def _transposed(by_sums, x, kernels, window):
    """The gradient by x from the gradients by the sums (of stride 1) over x.

    The flipped kernels slide over the gradients and a border of zeros; what arrives at
    the border of x is added where the border came from.
    """
    pads = {
        axis: (reach * unit, reach * unit)
        for axis, reach, unit in zip(
            window.axes, window.spans, window.units, strict=True
        )
    }
    terms = []
    for i, gradient in enumerate(by_sums):
        gradient = zero_pad(gradient, pads)
        terms += correlate(gradient, kernels.flipped(i), window.without_border())
    with tf.GradientTape() as tape:
        tape.watch(x)
        padded = window.pad(x)
    return tape.gradient(padded, x, total(terms))


def _barrier(*tensors):
    """The tensors themselves, each computed before anything that needs it."""

    @tf.custom_gradient
    def kept(*tensors):
        results = xla.optimization_barrier(*tensors)
        for result, tensor in zip(results, tensors, strict=True):
            result.set_shape(tensor.shape)
        return results, lambda *gradients: gradients

    return kept(*tensors)


def _held(tensor):
    return _barrier(tensor)[0]


def _begin(x, part, start):
    if on_gpu():
        # One pass; to ask at every element where it stands costs a GPU nothing.
        return tf.pad(part, [(0, 0), *around(x, part, start)])
    # Behind a barrier: a compiler that sees the zeros computes the whole result in one
    # loop that asks at every element where it stands.
    (empty,) = xla.optimization_barrier(tf.zeros_like(x))
    return _overwrite(tf.stop_gradient(empty), part, start)


def _overwrite(x, part, start):
    @tf.custom_gradient
    def overwritten(x, part):
        def backward(g):
            by_part = tf.slice(g, start, tf.shape(part))
            return _overwrite(g, tf.zeros_like(part), start), by_part

        return keras.ops.slice_update(x, start, part), backward

    return overwritten(x, part)


# ---------------------------------------------------------------------- norms


def norms_of_tiles(x, kernels, window):
    """The root of the weighted sum of squares of each tile, or None in a portable file.

    TensorFlow would differentiate slice by slice, each into a whole tensor.
    """
    if is_portable():
        return None
    gradient = _gradient_of_norms
    return compiled(_norms_of_tiles, x, kernels, window, gradient=gradient)


def _norms_of_tiles(x, kernels, window):
    x, restore = wide(x)
    return restore(tile_norms(x, kernels, window))


def _gradient_of_norms(x, kernels, window, y, g):
    x, restore = wide(x)
    (y, _), (g, _) = wide(y), wide(g)
    return restore(gradient_of_tile_norms(x, y, g, kernels, window))
