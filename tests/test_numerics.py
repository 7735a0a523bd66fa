"""Where floating point is at its edge."""

import contextvars
import functools

import keras
import numpy as np
import pytest
from contract import (
    BACKEND,
    TRAINS,
    assert_close,
    built,
    float64,
    gradient,
    share,
    to_numpy,
)

from kerasconv import kernels, layers, ops

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
        ("sobel", "float16"),
        ("l2-mean", "float16"),
        ("l2", "bfloat16"),
        ("l3", "bfloat16"),
    ],
)
def test_norm_of_exactly_zero_has_gradient_zero_in_half_the_bits(name, dtype):
    """In float32 the test below says so, in float64 the contract."""
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


COMPILED = ("l2", "l2-mean", "sobel")


@trains
@pytest.mark.parametrize("mode", ["graph", "XLA"])
@pytest.mark.parametrize("name", COMPILED)
def test_the_gradient_is_the_same_compiled(name, mode):
    if name not in share(COMPILED, "tensorflow", "jax", "torch"):
        pytest.skip("another backend compiles this one")
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


@trains
@pytest.mark.parametrize("p", [1.5, 3])
def test_the_second_derivative_of_a_p_norm_is_its_formula_and_zero_by_zeros(p):
    x = np.array([[3, 0, 0, 0], [1, -2, -0.5, 4]]).reshape(2, 2, 2, 1)
    v = np.array([[2, 5, 3, 1], [1, 3, -2, 0.5]]).reshape(x.shape)
    layer = layers.LpPool((1, 2), p=p, dtype="float64")
    norm = (np.abs(x) ** p).sum(2, keepdims=True) ** (1 / p)
    norm[norm == 0] = 1
    slope = np.sign(x) * (np.abs(x) / norm) ** (p - 1)
    # By the formula it is infinite by a zero where p < 2.
    bent = np.where(x == 0, 0, np.abs(np.where(x == 0, 1, x)) ** (p - 2))
    bent = bent * norm ** (1 - p) * v
    expected = (p - 1) * (bent - slope / norm * (slope * v).sum(2, keepdims=True))
    with float64():
        ones = np.ones((2, 2, 1, 1))
        second = slope_of(lambda x: slope_of(layer, x, ones), x, v)
    assert_close(to_numpy(second), expected, 1e-12, 1e-12)


# ------------------------------------------------------------ constant images

# Numbers with long mantissas, of all sizes: a rounded sum of them would show.
CONSTANTS = (0.1, -1 / 3, 123.456, 7.7e-20, 3e37)

# Every pair of rank, operator, size, scale, step and border at least once.
DERIVATIVES = [
    (1, "sobel", 9, "unit", {}),
    (1, "prewitt", 7, "smooth", {"strides": 2, "border_mode": "wrap"}),
    (2, "sobel", 3, "smooth", {"border_mode": "edge"}),
    (2, "sobel", 7, None, {"strides": 2, "border_mode": "reflect"}),
    (2, "prewitt", 3, "unit", {"dilation_rate": 2, "border_mode": "reflect"}),
    (2, "prewitt", 7, None, {"padding": "valid"}),
    (2, "prewitt", 5, "smooth", {"border_mode": "constant"}),
    (3, "prewitt", 3, "smooth", {"border_mode": "wrap"}),
    (3, "sobel", 5, "unit", {"strides": 2}),
    (3, "sobel", 3, None, {"padding": "valid", "dilation_rate": 2}),
]


def constant_images(rank):
    x = np.empty((len(CONSTANTS), *(17, 16, 15)[:rank], 2), "float32")
    x[:] = np.reshape(CONSTANTS, (-1, *[1] * (rank + 1)))
    return x


@pytest.mark.dealt
@pytest.mark.parametrize(("rank", "name", "size", "scale", "steps"), DERIVATIVES)
def test_the_derivative_of_a_constant_image_is_exactly_zero(
    rank, name, size, scale, steps
):
    op = functools.partial(getattr(ops, name), kernel_size=size, normalize=scale)
    y = to_numpy(op(constant_images(rank), **steps))
    if steps.get("border_mode") == "constant":  # zeros outside are another constant
        reach = size // 2
        y = y[:, reach:-reach, reach:-reach]
    np.testing.assert_array_equal(y, 0)


@pytest.mark.parametrize(
    "kernel",
    [
        kernels.laplacian(2),
        kernels.laplacian(2) / 7,
        [[-0.1, 0.3], [-0.2, 0.0]],
        np.outer([0.1, 0.2, -0.3], [1, 3, 1]),
    ],
)
def test_any_kernel_that_sums_to_zero_gives_exactly_zero_for_a_constant(kernel):
    x = constant_images(2)
    for strides in (1, 2):
        y = to_numpy(ops.fixed_conv(x, kernel, strides=strides))
        np.testing.assert_array_equal(y, 0)


@trains
@pytest.mark.parametrize(
    ("name", "size", "scale", "strides", "mode"),
    [
        ("sobel", 3, "unit", 1, False),
        ("sobel", 3, "unit", 1, "graph"),
        ("prewitt", 5, "smooth", 2, False),
        ("prewitt", 5, "smooth", 2, "XLA"),
    ],
)
def test_the_magnitude_of_a_constant_image_and_its_gradient_are_exactly_zero(
    name, size, scale, strides, mode
):
    if mode == "XLA" and BACKEND != "tensorflow":
        pytest.skip(f"{BACKEND} has one compiler")
    x = constant_images(2)[:4]
    op = functools.partial(
        getattr(ops, name),
        kernel_size=size,
        strides=strides,
        normalize=scale,
        output="magnitude",
    )
    y = to_numpy(op(x))
    np.testing.assert_array_equal(y, 0)
    slope = slope_of(op, x, np.ones_like(y, "float32"), compiled=mode)
    np.testing.assert_array_equal(to_numpy(slope), 0)


@pytest.mark.skipif(BACKEND != "torch", reason="the compiler is PyTorch's")
def test_no_compiled_sum_overflows_where_a_difference_is_zero():
    """Sums in 3 dimensions would: there differences stay before what smooths them."""
    x = keras.ops.convert_to_tensor(constant_images(3))
    layer = layers.SobelConv()
    layer(x)
    torch._dynamo.reset()
    y = torch.compile(layer, backend="aot_eager")(x)
    np.testing.assert_array_equal(to_numpy(y), 0)


# -------------------------------------------------------------- forward mode


@pytest.mark.skipif(BACKEND not in ("jax", "torch"), reason="has no such derivative")
@pytest.mark.parametrize("name", ["sobel", "l2", "l1", "l1.5"])
def test_forward_mode_derivatives_are_those_of_reverse_mode_and_zero_at_zero(name):
    x = np.zeros((1, 6, 6, 1), "float32")
    x[0, :2, :2, 0] = [[3, -4], [1, 2]]
    layer = norms()[name]()
    layer.build(x.shape)
    x = keras.ops.convert_to_tensor(x)
    direction = keras.ops.ones_like(x)
    if BACKEND == "jax":
        _, along = jax.jvp(layer, (x,), (direction,))
        # Compiled: one by one, for a batch of directions, operations take four times
        # as long to compile.
        forward, reverse = (
            jax.jit(jacobian(layer))(x) for jacobian in (jax.jacfwd, jax.jacrev)
        )
    else:
        _, along = torch.func.jvp(layer, (x,), (direction,))
        forward, reverse = torch.func.jacfwd(layer)(x), torch.func.jacrev(layer)(x)
        with torch.autograd.forward_ad.dual_level():
            y = layer(torch.autograd.forward_ad.make_dual(x, direction))
            _, tangent = torch.autograd.forward_ad.unpack_dual(y)
        assert_close(to_numpy(tangent), to_numpy(along))
    assert_close(to_numpy(forward), to_numpy(reverse))
    along, forward = to_numpy(along), to_numpy(forward)
    # A row of the Jacobian summed is the derivative along ones.
    assert_close(along, forward.reshape(*along.shape, -1).sum(-1))
    np.testing.assert_array_equal(along[0, -1:, -1:], 0)


@pytest.mark.skipif(BACKEND != "torch", reason="the compiler is PyTorch's")
def test_derivatives_that_a_program_takes_are_the_same_where_it_is_compiled():
    layer = layers.L2Pool(mean=True)
    x, direction = torch.randn(2, 1, 6, 5, 2, generator=torch.manual_seed(0))
    x[0, :2, :2] = 0
    layer.build(x.shape)

    def along(x):
        return torch.func.jvp(layer, (x,), (direction,))[1]

    def gradient(x):
        return torch.func.grad(lambda x: (layer(x) ** 3).sum())(x)

    def second(x):
        return torch.func.jvp(gradient, (x,), (direction,))[1]

    for program in (along, gradient, second):
        torch._dynamo.reset()
        graph = torch.compile(program, fullgraph=True, backend="aot_eager")
        assert_close(to_numpy(graph(x)), to_numpy(program(x)))


@pytest.mark.skipif(BACKEND != "torch", reason="the compiler is PyTorch's")
@pytest.mark.parametrize("name", ["sobel", "l2"])
def test_a_program_that_takes_no_derivative_takes_the_root_alone(name):
    """What keeps 0 from the gradient is a pass over memory of its own."""
    layer, x = norms()[name](), torch.ones(1, 6, 6, 1)
    layer(x)
    called = set()

    def listed(graph, _):
        called.update(str(node.target) for node in graph.graph.nodes)
        return graph

    torch._dynamo.reset()
    torch.compile(layer, fullgraph=True, backend=listed)(x)
    assert any("sqrt" in each for each in called)
    assert not any("where" in each for each in called)


@trains
@pytest.mark.parametrize("channels", [(), (2,)])
def test_the_gradient_by_weights_flows_through_their_sum(channels):
    """A multiple of the weights gives the same, so along themselves there is none."""
    rng = np.random.default_rng(6)
    x = keras.ops.convert_to_tensor(rng.normal(size=(2, 7, 2)).astype("float32"))
    weights = rng.uniform(1, 2, size=(3, *channels)).astype("float32")
    g = rng.normal(size=(2, 3, 2)).astype("float32")
    for compiled in (False, "graph") if channels else (False,):
        slope = slope_of(
            lambda w: ops.weighted_pool(x, weights=w), weights, g, compiled=compiled
        )
        slope = to_numpy(slope)
        assert np.abs(slope).max() > 0.01
        np.testing.assert_allclose((slope * weights).sum(0), 0, atol=1e-6)


# -------------------------------------------------- TensorFlow's own gradients

# Every pair of rank, border (or "tiles", which have a gradient of their own), strides
# and dilation at least once, where they go together.
GEOMETRIES = [
    (1, "symmetric", 1, 2),
    (1, "reflect", 2, 1),
    (1, "edge", 1, 1),
    (1, "wrap", 2, 2),
    (1, "constant", 1, 2),
    (2, "symmetric", 2, 1),
    (2, "reflect", 1, 2),
    (2, "edge", 2, 2),
    (2, "wrap", 1, 1),
    (2, "constant", 1, 1),
    (2, "constant", 2, 2),
    (3, "symmetric", 1, 1),
    (3, "reflect", 1, 1),
    (3, "edge", 1, 2),
    (3, "wrap", 1, 2),
    (3, "valid", 2, 1),
    (1, "tiles", 2, 1),
    (2, "tiles", 3, 1),
    (3, "tiles", 2, 1),
]


@pytest.fixture
def by_operation(monkeypatch):
    """What TensorFlow compiles is run as written: to compile takes a second a case."""
    from kerasconv.window.backends import backend

    monkeypatch.setattr(backend, "compiled", lambda function, x, *a: function(x, *a))
    inside = contextvars.ContextVar("inside", default=True)
    monkeypatch.setattr(backend, "_IN_PROGRAM", inside)
    # The one operation that only XLA has.
    copies = functools.partial(map, tf.identity)
    monkeypatch.setattr(backend.xla, "optimization_barrier", lambda *t: [*copies(t)])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="its custom gradients")
@pytest.mark.parametrize(("rank", "border", "strides", "dilation"), GEOMETRIES)
def test_gradients_of_tensorflow_are_finite_differences_and_so_are_their_own(
    rank, border, strides, dilation, request
):
    if border not in ("tiles", "valid"):  # one of either gradient is compiled
        request.getfixturevalue("by_operation")
    rng = np.random.default_rng(5)
    # Long enough for a thin rim, which the custom gradient of a derivative needs.
    x, u, v = rng.normal(size=(3, 1, *(10, 9, 9)[:rank], 2))
    if border == "tiles":
        layer = layers.L2Pool(strides, mean=rank == 2, dtype="float64")
    else:
        padding = "valid" if border == "valid" else "same"
        layer = layers.SobelConv(
            3,
            strides,
            padding,
            dilation_rate=dilation,
            border_mode="edge" if border == "valid" else border,
            output="magnitude",
            normalize="unit",
            dtype="float64",
        )
    layer.build(x.shape)
    g = rng.normal(size=layer.compute_output_shape(x.shape))
    step = 1e-5

    def difference(function):
        return (function(x + step * v) - function(x - step * v)) / (2 * step)

    slope = to_numpy(slope_of(layer, x, g))
    expected = difference(lambda x: np.sum(to_numpy(layer(x)) * g))
    np.testing.assert_allclose(np.sum(slope * v), expected, 1e-6, 1e-8)
    second = to_numpy(slope_of(lambda x: slope_of(layer, x, g), x, u))
    expected = difference(lambda x: np.sum(to_numpy(slope_of(layer, x, g)) * u))
    np.testing.assert_allclose(np.sum(second * v), expected, 1e-5, 1e-7)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="its custom gradients")
@pytest.mark.parametrize("name", ["l2", "sobel"])
def test_the_forward_pass_in_a_graph_writes_its_result_and_nothing_for_the_gradient(
    name,
):
    layer, x = norms()[name](), np.zeros((2, 9, 7, 3), "float32")
    layer.build(x.shape)
    g = tf.ones(layer.compute_output_shape(x.shape))

    graph = tf.function(lambda x: slope_of(layer, x, g)).get_concrete_function(x).graph
    calls = [op for op in graph.get_operations() if op.type.endswith("PartitionedCall")]
    assert [len(call.outputs) for call in calls] == [1, 1]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="its custom gradients")
@pytest.mark.usefixtures("by_operation")
def test_the_gradient_by_a_kernel_that_is_no_product_is_its_transpose():
    rng = np.random.default_rng(5)
    layer = layers.FixedConv(rng.normal(size=(3, 3)), dtype="float64")
    x, u, g = rng.normal(size=(3, 1, 10, 9, 1))
    slope = to_numpy(slope_of(layer, x, g))
    np.testing.assert_allclose(np.sum(slope * u), np.sum(g * to_numpy(layer(u))))


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
