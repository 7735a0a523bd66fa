"""Where floating point is at its edge."""

import functools

import keras
import numpy as np
import pytest
from contract import BACKEND, TRAINS, assert_close, built, float64, gradient, to_numpy

from kerasconv import layers, ops

if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch

trains = pytest.mark.skipif(not TRAINS, reason=f"{BACKEND} does not train")


def norms():
    """Layers whose slope is infinite, or undefined, where the window is zero."""
    return {
        "sobel": functools.partial(layers.SobelConv, output="magnitude"),
        "prewitt": functools.partial(layers.PrewittConv, output="magnitude"),
        "l2": layers.L2Pool,
        "l2-mean": functools.partial(layers.L2Pool, 3, 2, "same", mean=True),
        "l1": functools.partial(layers.LpPool, p=1),
        "l1.5": functools.partial(layers.LpPool, p=1.5),
        "l3": functools.partial(layers.LpPool, p=3),
    }


@trains
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, "float32") for name in norms()),
        ("sobel", "float16"),
        ("l2-mean", "float16"),
        ("l2", "bfloat16"),
        ("l3", "bfloat16"),
    ],
)
def test_norm_of_exactly_zero_has_gradient_zero(name, dtype):
    layer = norms()[name](dtype=dtype)
    x = np.zeros((1, 6, 6, 2), "float32")
    loss, (slope,) = gradient(layer, x)
    assert loss == 0
    np.testing.assert_array_equal(slope, 0)


@trains
@pytest.mark.parametrize("name", norms())
def test_zero_windows_leave_the_gradient_of_others_alone(name):
    x = np.zeros((1, 12, 12, 1), "float32")
    x[0, :4, :4, 0] = np.random.default_rng(0).normal(size=(4, 4))
    _, (slope,) = gradient(norms()[name](), x)
    assert np.isfinite(slope).all()
    assert np.abs(slope[0, :4, :4]).max() > 0.1
    np.testing.assert_array_equal(slope[0, 8:, 8:], 0)


def slope_of(function, x, cotangent, *, compiled=False):
    """The gradient of sum(function(x) * cotangent), as a function of x or compiled."""
    x, cotangent = (
        keras.ops.convert_to_tensor(a, getattr(a.dtype, "name", None))
        for a in (x, cotangent)
    )
    if BACKEND == "jax":
        slope = jax.grad(lambda x: (function(x) * cotangent).sum())
        return (jax.jit(slope) if compiled else slope)(x)
    if BACKEND == "torch":
        # Without Inductor, which needs a C++ compiler.
        run = torch.compile(function, backend="aot_eager") if compiled else function
        x = x.requires_grad_()
        y = run(x)
        return torch.autograd.grad(y, x, cotangent, create_graph=not compiled)[0]

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x, cotangent)

    return (tf.function(slope, jit_compile=compiled == "XLA") if compiled else slope)(x)


@trains
@pytest.mark.parametrize("mode", ["graph", "XLA"])
@pytest.mark.parametrize("name", ["l2", "l2-mean", "l3", "sobel"])
def test_the_gradient_is_the_same_compiled(name, mode):
    if mode == "XLA" and BACKEND != "tensorflow":
        pytest.skip(f"{BACKEND} has one compiler")
    rng, layer = np.random.default_rng(3), norms()[name]()
    # Windows of two fit in nine and seven with a rest, and one of them is zero.
    x = rng.normal(size=(2, 9, 7, 3)).astype("float32")
    x[0, :4, :4] = 0
    g = rng.normal(size=layer.compute_output_shape(x.shape)).astype("float32")
    layer.build(x.shape)
    expected = to_numpy(slope_of(layer, x, g))
    assert_close(to_numpy(slope_of(layer, x, g, compiled=mode)), expected, 1e-6)
    np.testing.assert_array_equal(expected[0, :2, :2], 0)


@trains
@pytest.mark.parametrize("mean", [False, True])
def test_the_second_derivative_of_the_l2_norm_is_its_formula(mean):
    rng = np.random.default_rng(4)
    x, direction = rng.normal(size=(2, 2, 5, 7, 2))
    x[0, :2, :2] = 0
    layer = layers.L2Pool(mean=mean, dtype="float64")
    g = rng.normal(size=(2, 2, 3, 2))
    # Along v, the slope x / |x| changes by v / |x| - x <x, v> / |x|^3.
    expected = np.zeros_like(x)
    for n, i, j, c in np.ndindex(*g.shape):
        at = n, slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2), c
        if norm := np.sqrt((x[at] ** 2).sum()):
            along = (x[at] * direction[at]).sum()
            bent = direction[at] / norm - x[at] * along / norm**3
            expected[at] = g[n, i, j, c] * bent / (2 if mean else 1)
    with float64():
        second = to_numpy(slope_of(lambda x: slope_of(layer, x, g), x, direction))
    # At zero there is none.
    assert np.isfinite(second[0, :2, :2]).all()
    second[0, :2, :2] = 0
    assert_close(second, expected, 1e-12, 1e-12)


def test_magnitude_of_zero_is_zero_without_an_epsilon():
    for make in norms().values():
        y = to_numpy(make()(np.zeros((1, 6, 6, 1), "float32")))
        np.testing.assert_array_equal(y, 0)
    tiny = np.full((1, 4, 4, 1), 1e-12, "float32")
    assert_close(to_numpy(layers.L2Pool()(tiny)) / 2e-12, np.ones((1, 2, 2, 1)))


@pytest.mark.parametrize("size", [1000, 300, 1, 1e-4])
def test_l2_of_float16_is_finite_and_right(size):
    values = np.random.default_rng(1).uniform(0.5, 1, (1, 8, 8, 2)) * size
    x = values.astype("float16")
    exact = np.sqrt(
        sum(x[:, i::2, j::2].astype("float64") ** 2 for i in range(2) for j in range(2))
    )
    for layer in (
        layers.L2Pool(dtype="float16"),
        layers.L2Pool(dtype="mixed_float16"),
    ):
        if BACKEND == "openvino" and layer.dtype_policy.name == "mixed_float16":
            continue
        y = to_numpy(layer(x))
        assert np.isfinite(y).all()
        np.testing.assert_allclose(y, exact, rtol=1e-3, atol=6e-8)


@pytest.mark.parametrize("p", [2, 3, 7])
@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_norms_of_bfloat16_hold_its_whole_range(p, size):
    random = np.random.default_rng(2).uniform(0.5, 1, (1, 4, 4, 1))
    x = keras.ops.cast((random * size).astype("float32"), "bfloat16")
    exact = to_numpy(x).astype("float64")
    y = to_numpy(ops.lp_pool(x, p=p))
    taps = [exact[:, i::2, j::2] for i in range(2) for j in range(2)]
    np.testing.assert_allclose(y, sum(t**p for t in taps) ** (1 / p), rtol=8e-3)


def test_magnitude_of_bfloat16_holds_its_whole_range():
    ramp = (1e25 * np.arange(6.0)).astype("float32")[None, :, None, None]
    x = keras.ops.cast(np.tile(ramp, (1, 1, 6, 1)), "bfloat16")
    y = to_numpy(ops.sobel(x, output="magnitude"))
    np.testing.assert_allclose(y[0, 1:-1, :, 0], 8e25, rtol=2e-2)


@pytest.mark.parametrize("p", [5, 12])
def test_high_powers_do_not_overflow(p):
    x = np.full((1, 4, 4, 1), 1e20, "float32")
    expected = np.full((1, 2, 2, 1), 4 ** (1 / p))
    assert_close(to_numpy(ops.lp_pool(x, p=p)) / 1e20, expected, rtol=1e-5)


def test_odd_p_takes_the_absolute_value():
    x = np.array([[-3.0, -4.0, 0.0, -5.0]], "float32")[..., None]
    expected = [[[(27 + 64) ** (1 / 3)], [5.0]]]
    assert_close(to_numpy(ops.lp_pool(x, p=3)), np.array(expected))


def test_infinity_has_the_norm_infinity():
    x = np.ones((1, 4, 4, 1), "float32")
    x[0, 0, 0, 0] = -np.inf
    for p in (1, 2, 3):
        y = to_numpy(ops.lp_pool(x, p=p))
        assert y[0, 0, 0, 0] == np.inf, p
        assert np.isfinite(y[0, 1:]).all()


@pytest.mark.skipif(BACKEND == "openvino", reason="OpenVINO's CPU computes in float32")
def test_float64_is_computed_in_float64():
    """Differences that float32 cannot see."""
    with float64():
        x = (1 + 1e-12 * np.random.default_rng(3).normal(size=(1, 8, 8, 1))).astype(
            "float64"
        )
        for make in [
            layers.SobelConv,
            functools.partial(layers.SobelConv, output="magnitude"),
            functools.partial(layers.FixedConv, [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        ]:
            y = to_numpy(make(dtype="float64")(x))
            assert 1e-13 < np.abs(y).max() < 1e-10
        for make in [
            layers.L2Pool,
            functools.partial(layers.LpPool, p=3),
            layers.WeightedPool,
            functools.partial(layers.L2Pool, 3, 2, "same", mean=True),
        ]:
            y = to_numpy(make(dtype="float64")(x))
            y = y / y.mean() - 1
            assert 1e-14 < np.abs(y).max() < 1e-11
        conv = built(functools.partial(layers.LearnedConv, 1), x, dtype="float64")
        bumped = x.copy()
        bumped[0, 4, 4, 0] += 1e-11
        assert np.abs(to_numpy(conv(bumped)) - to_numpy(conv(x))).max() > 1e-13


def test_integers_are_not_rescaled():
    x = np.full((1, 4, 4, 1), 200, "uint8")
    np.testing.assert_array_equal(to_numpy(layers.L2Pool()(x)), 400)
    np.testing.assert_array_equal(to_numpy(layers.WeightedPool()(x)), 200)
