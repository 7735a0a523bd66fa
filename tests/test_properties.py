"""What must hold for every image, tried on many."""

import numpy as np
import pytest
from contract import assert_close, on_the_first, to_numpy

from kerasconv import ops

hypothesis = pytest.importorskip("hypothesis")
given, st = hypothesis.given, hypothesis.strategies

# On a backend that does not compile, which takes seconds an example: that the others
# compute the same, the loops say.
pytestmark = on_the_first("numpy", "torch", "jax", "tensorflow", "openvino")

MODES = ("symmetric", "reflect", "edge", "wrap", "constant")

settings = hypothesis.settings(max_examples=20, deadline=None, derandomize=True)
ranks = st.sampled_from([1, 2, 3])
modes = st.sampled_from(MODES)
derivatives = st.sampled_from([ops.sobel, ops.prewitt])
seeds = st.integers(0, 2**32 - 1)
outputs = st.sampled_from(["components", "stack", "magnitude"])
SIZES = {1: (9,), 2: (7, 7), 3: (5, 5, 5)}


def image(seed, rank):
    size = (1, *SIZES[rank], 2)
    return np.random.default_rng(seed).normal(size=size).astype("float32")


@settings
@given(derivatives, seeds, ranks, modes, st.floats(-3, 3, width=32))
def test_derivative_is_linear(op, seed, rank, mode, factor):
    x, y = image(seed, rank), image(seed + 1, rank)
    both = op(x + np.float32(factor) * y, border_mode=mode)
    parts = to_numpy(op(x, border_mode=mode)) + factor * to_numpy(
        op(y, border_mode=mode)
    )
    assert_close(to_numpy(both), parts, 1e-5, 1e-5)


@settings
@given(derivatives, seeds, modes)
def test_transposing_the_image_swaps_the_components(op, seed, mode):
    x = image(seed, 2)
    y = to_numpy(op(x, output="stack", border_mode=mode))
    swapped = to_numpy(op(np.swapaxes(x, 1, 2), output="stack", border_mode=mode))
    assert_close(np.swapaxes(swapped, 1, 2)[..., ::-1], y)


@settings
@given(derivatives, seeds, ranks, modes)
def test_mirroring_the_image_mirrors_and_negates(op, seed, rank, mode):
    x = image(seed, rank)
    for axis in range(rank):
        y = to_numpy(op(x, axis=axis, border_mode=mode))
        mirrored = to_numpy(op(np.flip(x, axis + 1), axis=axis, border_mode=mode))
        assert_close(mirrored, -np.flip(y, axis + 1))


@settings
@given(derivatives, seeds, ranks, outputs, st.integers(-3, 3))
def test_shift_of_the_image_moves_the_output(op, seed, rank, output, by):
    x = image(seed, rank)
    y = to_numpy(op(x, output=output, border_mode="wrap"))
    moved = to_numpy(op(np.roll(x, by, 1), output=output, border_mode="wrap"))
    assert_close(moved, np.roll(y, by, 1))


@settings
@given(derivatives, seeds, ranks, modes, outputs, st.sampled_from([2, 3]))
def test_stride_takes_every_stride_th_value(op, seed, rank, mode, output, s):
    x = image(seed, rank)
    for padding in ("same", "valid"):
        given = {"output": output, "border_mode": mode, "padding": padding}
        y = to_numpy(op(x, **given))
        every = (slice(None), *[slice(None, None, s)] * rank)
        assert_close(to_numpy(op(x, strides=s, **given)), y[every])


@settings
@given(seeds, ranks, st.floats(-100, 100, width=32))
def test_l2_pool_scales_with_the_image(seed, rank, factor):
    x = image(seed, rank)
    y = to_numpy(ops.l2_pool(np.float32(factor) * x))
    assert_close(y, abs(factor) * to_numpy(ops.l2_pool(x)))


@settings
@given(
    ranks,
    st.floats(-1e3, 1e3, width=32),
    st.sampled_from([2, 3]),
    st.sampled_from([1, 2]),
    st.sampled_from(["valid", "same"]),
    st.sampled_from(["binomial", "gaussian", "inverse_distance"]),
)
def test_weighted_pool_of_a_constant_is_that_constant(
    rank, value, size, strides, padding, weights
):
    x = np.full((1, *SIZES[rank], 2), value, "float32")
    y = to_numpy(ops.weighted_pool(x, size, strides, padding, weights=weights))
    assert_close(y, np.full_like(y, value))


@settings
@given(seeds, ranks, st.sampled_from([1, 2, 3]))
def test_pool_stride_takes_every_stride_th_window(seed, rank, s):
    x = image(seed, rank)
    for op in (ops.l2_pool, ops.weighted_pool):
        y = to_numpy(op(x, 3, 1))
        every = (slice(None), *[slice(None, None, s)] * rank)
        assert_close(to_numpy(op(x, 3, s)), y[every])
