"""A layer against an oracle: one function a comparison, of the layer's class.

The tests of the layers call these with our classes, the tests of planted faults with
classes that are wrong in one way: it is the same comparison that must fail there.
"""

import functools

import numpy as np
import oracles
import pytest
from contract import assert_close, built, to_numpy

# What SciPy calls each border.
SCIPY = {
    "symmetric": "reflect",
    "reflect": "mirror",
    "edge": "nearest",
    "wrap": "wrap",
    "constant": "constant",
}
SHAPES = {1: (2, 9, 3), 2: (2, 8, 7, 2), 3: (2, 5, 6, 4, 2)}


def image(rank, seed=0):
    return np.random.default_rng(seed).normal(size=SHAPES[rank]).astype("float32")


def derivative_equals_the_loops(cls, smooth, rank, mode):
    """`mode` is a border mode or "valid"; all three forms of output."""
    x = image(rank)
    border = {"padding": "valid"} if mode == "valid" else {"border_mode": mode}
    geometry = {"padding": "valid"} if mode == "valid" else {"padding": "same"}
    geometry |= {"mode": mode, "centred": True}
    kernels = [oracles.derivative(rank, a, smooth) for a in range(rank)]
    maps = [
        oracles.each_channel(
            functools.partial(oracles.correlate, kernel=kernel, **geometry), x
        )
        for kernel in kernels
    ]
    assert_close(to_numpy(cls(**border)(x)), oracles.interleave(maps))
    assert_close(to_numpy(cls(output="stack", **border)(x)), np.stack(maps, -1))
    assert_close(
        to_numpy(cls(output="magnitude", **border)(x)),
        np.sqrt(sum(m**2 for m in maps)),
    )


def derivative_equals_scipy(op, name, rank, mode):
    """`op` is a function of a batch and keyword arguments; one axis at a time."""
    ndimage = pytest.importorskip("scipy.ndimage")
    x = image(rank)
    got = to_numpy(op(x, output="stack", border_mode=mode))
    for axis in range(rank):
        operator = functools.partial(
            getattr(ndimage, name), axis=axis, mode=SCIPY[mode]
        )
        assert_close(got[..., axis], oracles.each_channel(operator, x))


def ramp_has_the_documented_scale(cls, slope, rank):
    """A ramp of slope one gives `slope`, 2 under "smooth" and 1 under "unit"."""
    scales = [({}, slope), ({"normalize": "smooth"}, 2), ({"normalize": "unit"}, 1)]
    # What scales a wider window is the same along every axis.
    wider = [
        ({"normalize": "unit", "dilation_rate": 2}, 1),
        ({"normalize": "unit", "kernel_size": 5}, 1),
    ]
    for axis in range(rank):
        ramp = np.indices((7,) * rank)[axis].astype("float32")[None, ..., None]
        for arguments, value in scales + wider * (axis == 0):
            # Far from the border, which takes the longest to compile.
            got = to_numpy(cls(axis=axis, padding="valid", **arguments)(ramp))
            np.testing.assert_allclose(got, value, rtol=1e-6)


def lp_pool_equals_the_loops(cls, rank, size, strides, padding):
    """Several orders of the norm, as sums and as means; of both ways to sum on a rank.

    The orders differ in what is summed, not in which window it is of.
    """
    x = image(rank)
    geometry = {"strides": strides or size, "padding": padding}
    orders = [(2, True), (2.5, True)]
    if rank == 2:
        orders += [(2, False), (1, False), (3, False)]
    for p, mean in orders:
        expected = oracles.each_channel(
            lambda i, p=p, mean=mean: oracles.lp_pool(
                i, p, (size,) * rank, mean, **geometry
            ),
            x,
        )
        got = to_numpy(cls(size, strides, padding, p=p, mean=mean)(x))
        assert_close(got, expected, message=f"p={p} mean={mean}")


def weighted_pool_equals_the_loops(cls, rank, size, strides, padding):
    """An array of weights that no symmetry hides."""
    x = image(rank)
    geometry = {"strides": strides or size, "padding": padding}
    weights = 1 + np.random.default_rng(5).random(size=(size,) * rank)
    expected = oracles.each_channel(
        lambda i: oracles.weighted_pool(i, weights, **geometry), x
    )
    assert_close(to_numpy(cls(size, strides, padding, weights=weights)(x)), expected)


def learned_conv_equals_the_loops(cls, rank, mode, flip):
    """Strided, with a bias, under "same"."""
    x = image(rank)
    layer = built(
        functools.partial(cls, 2, 3, 2, "same", border_mode=mode, flip=flip), x
    )
    kernel, bias = layer.get_weights()
    expected = oracles.conv(x, kernel, flip=flip, strides=2, padding="same", mode=mode)
    assert_close(to_numpy(layer(x)), expected + bias)
