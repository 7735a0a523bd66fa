"""Every layer against the contract, against the plain loops, and in use."""

import functools
import inspect
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import oracles
import pytest
from comparisons import (
    SHAPES,
    derivative_equals_the_loops,
    image,
    learned_conv_equals_the_loops,
    lp_pool_equals_the_loops,
    ramp_has_the_documented_scale,
    weighted_pool_equals_the_loops,
)
from contract import (
    BACKEND,
    KEEPS_FLOAT64,
    TRAINS,
    assert_close,
    built,
    float64,
    gradient,
    keeps_the_contract,
    on_the_first,
    share,
    to_numpy,
)

from kerasconv import backends, layers, ops
from kerasconv.models import load_model

MODES = ("symmetric", "reflect", "edge", "wrap", "constant")


def emboss(rank, **kwargs):
    kernels = np.random.default_rng(9).normal(size=(2,) + (3,) * rank)
    return layers.FixedConv(kernels.round(2), **kwargs)


# name: layer of a rank and keyword arguments
TABLE = {
    "FixedConv": emboss,
    "FixedConv-stack-strided": functools.partial(
        emboss, output="stack", strides=2, border_mode="wrap"
    ),
    "PrewittConv": lambda rank, **k: layers.PrewittConv(**k),
    "PrewittConv-magnitude-dilated": lambda rank, **k: layers.PrewittConv(
        output="magnitude", dilation_rate=2, border_mode="reflect", **k
    ),
    "SobelConv-axis": lambda rank, **k: layers.SobelConv(axis=-1, **k),
    "SobelConv-stack": lambda rank, **k: layers.SobelConv(output="stack", **k),
    "SobelConv-magnitude": lambda rank, **k: layers.SobelConv(
        output="magnitude", normalize="unit", **k
    ),
    "SobelConv-valid": lambda rank, **k: layers.SobelConv(padding="valid", **k),
    "LearnedConv": lambda rank, **k: layers.LearnedConv(4, **k),
    "LearnedConv-flip-wrap": lambda rank, **k: layers.LearnedConv(
        3, 3, 2, "same", border_mode="wrap", flip=True, **k
    ),
    "LearnedConv-fixed": lambda rank, **k: layers.LearnedConv(
        3,
        kernel_initializer="sobel",
        fixed_filters=np.ones((3,) * rank),
        padding="same",
        dilation_rate=2,
        **k,
    ),
    "LpPool-3": lambda rank, **k: layers.LpPool(p=3, padding="same", **k),
    "LpPool-1": lambda rank, **k: layers.LpPool(p=1, mean=True, **k),
    "LpPool-2.5": lambda rank, **k: layers.LpPool(
        3, 2, padding="same", p=2.5, mean=True, **k
    ),
    "L2Pool": lambda rank, **k: layers.L2Pool(**k),
    "L2Pool-mean-same": lambda rank, **k: layers.L2Pool(3, 2, "same", mean=True, **k),
    "WeightedPool": lambda rank, **k: layers.WeightedPool(**k),
    "WeightedPool-same": lambda rank, **k: layers.WeightedPool(
        2, 1, "same", weights="inverse_distance", **k
    ),
    "WeightedPool-array": lambda rank, **k: layers.WeightedPool(
        3, None, weights=1 + np.arange(3.0**rank).reshape((3,) * rank), **k
    ),
    "WeightedPool-learned": lambda rank, **k: layers.WeightedPool(
        weights="learned", **k
    ),
    "WeightedPool-per-channel": lambda rank, **k: layers.WeightedPool(
        3, 2, "same", weights="learned", per_channel=True, **k
    ),
}
# The ranks on which each is held to the contract: all three of every class, and of
# the magnitude, whose gradient is its own. The loops below compare values on each rank.
RANKS = {
    "FixedConv": [1],
    "FixedConv-stack-strided": [2],
    "PrewittConv": [3],
    "PrewittConv-magnitude-dilated": [1, 3],
    "SobelConv-axis": [2],
    "SobelConv-stack": [3],
    "SobelConv-magnitude": [2],
    "SobelConv-valid": [1],
    "LearnedConv": [2],
    "LearnedConv-flip-wrap": [1],
    "LearnedConv-fixed": [3],
    "LpPool-3": [1],
    "LpPool-1": [2],
    "LpPool-2.5": [3],
    "L2Pool": [2],
    "L2Pool-mean-same": [1, 3],
    "WeightedPool": [3],
    "WeightedPool-same": [1],
    "WeightedPool-array": [2],
    "WeightedPool-learned": [1, 3],
    "WeightedPool-per-channel": [2],
}
# Of each class one is held to all of the contract, the others to what the rank, the
# layout or the dtype may change. Of PrewittConv only the kernel is its own.
WHOLE = [
    "FixedConv",
    "L2Pool",
    "LearnedConv",
    "LpPool-3",
    "SobelConv-magnitude",
    "WeightedPool-per-channel",
]
each_layer = pytest.mark.parametrize("name", TABLE)
each_rank = pytest.mark.parametrize("rank", [1, 2, 3])
trains = pytest.mark.skipif(not TRAINS, reason=f"{BACKEND} does not train")


def maker(name, rank):
    return functools.partial(TABLE[name], rank)


# ------------------------------------------------------------------ contract


CASES = [(name, rank) for name in RANKS for rank in RANKS[name]]


def dealt():
    """The cases of this backend.

    Each is held to the contract on one of the backends that compile, and on those that
    do not; the loops below compare values on all.
    """
    variants = [case for case in CASES if case[0] not in WHOLE]
    whole = [case for case in CASES if case[0] in WHOLE]
    return share(whole) + share(variants)


@pytest.mark.parametrize(("name", "rank"), CASES)
def test_layer_keeps_the_contract(name, rank):
    if (name, rank) not in dealt():
        pytest.skip("another backend that compiles holds it to the contract")
    keeps_the_contract(
        maker(name, rank),
        image(rank),
        sums_channels=name.startswith("LearnedConv"),
        whole=name in WHOLE,
    )


# Keras's harness compares magnitudes of its own random inputs; a rank each is enough,
# the contract has the rest.
HARNESS = [
    (layers.FixedConv, {"kernels": [[0, 1, 0], [1, -4, 1], [0, 1, 0]]}, 2, 0),
    (layers.PrewittConv, {"output": "magnitude"}, 1, 0),
    (layers.SobelConv, {"axis": [0, 1], "strides": 2}, 2, 0),
    (layers.LearnedConv, {"filters": 3, "fixed_filters": [[1.0] * 3] * 3}, 2, 2),
    (layers.LearnedConv, {"filters": 3, "kernel_initializer": "prewitt"}, 3, 2),
    (layers.LpPool, {"p": 3}, 3, 0),
    (layers.L2Pool, {"padding": "same", "mean": True}, 2, 0),
    (layers.WeightedPool, {"weights": "gaussian"}, 1, 0),
    (layers.WeightedPool, {"weights": "learned", "per_channel": True}, 2, 1),
]


@pytest.mark.parametrize(("cls", "arguments", "rank", "trainable"), HARNESS)
def test_layer_passes_the_harness_of_keras(cls, arguments, rank, trainable):
    from keras.src.testing import TestCase

    if (cls, arguments, rank, trainable) not in share(HARNESS):
        pytest.skip("another backend that compiles runs Keras's harness on it")

    shape = SHAPES[rank]
    TestCase().run_layer_test(
        cls,
        arguments,
        input_shape=shape,
        expected_output_shape=cls(**arguments).compute_output_shape(shape),
        expected_num_trainable_weights=trainable,
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=0,
        expected_num_losses=0,
        supports_masking=False,
        run_mixed_precision_check=BACKEND != "openvino",
    )


# ---------------------------------------------------------- values, by loops


@pytest.mark.dealt
@pytest.mark.parametrize("mode", [*MODES, "valid"])
@each_rank
def test_derivative_equals_the_loops(rank, mode):
    """Of Sobel; of Prewitt, which differs in its kernel alone, SciPy tells."""
    derivative_equals_the_loops(layers.SobelConv, (1, 2, 1), rank, mode)


@pytest.mark.dealt
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("strides", "dilation", "size"),
    [(1, 2, 3), (2, 1, 3), (3, 2, 5), (1, 5, 3), (1, 1, 4)],
)
def test_any_kernel_stride_and_dilation_equals_the_loops(mode, strides, dilation, size):
    """The last of the dilations pads by more than the image is long."""
    for rank in (1, 2):
        x = image(rank)[:, :4]
        kernel = np.random.default_rng(3).normal(size=(size,) * rank).round(2)
        expected = oracles.each_channel(
            lambda i, kernel=kernel: oracles.correlate(
                i,
                kernel,
                strides=strides,
                dilation=dilation,
                padding="same",
                mode=mode,
                centred=True,
            ),
            x,
        )
        layer = layers.FixedConv(
            kernel, strides=strides, dilation_rate=dilation, border_mode=mode
        )
        assert_close(to_numpy(layer(x)), expected)


def test_each_axis_has_its_own_size_stride_and_dilation():
    x = image(3)
    kernel = np.random.default_rng(11).normal(size=(3, 2, 1)).round(2)
    geometry = {"strides": (1, 2, 3), "padding": "same"}
    expected = oracles.each_channel(
        lambda i: oracles.correlate(
            i, kernel, dilation=(1, 3, 2), mode="symmetric", centred=True, **geometry
        ),
        x,
    )
    layer = layers.FixedConv(kernel, strides=(1, 2, 3), dilation_rate=(1, 3, 2))
    assert_close(to_numpy(layer(x)), expected)
    for p in (2, 3):
        expected = oracles.each_channel(
            lambda i, p=p: oracles.lp_pool(i, p, (3, 2, 1), **geometry), x
        )
        pool = layers.LpPool((3, 2, 1), (1, 2, 3), "same", p=p)
        assert_close(to_numpy(pool(x)), expected)


@pytest.mark.dealt
@pytest.mark.parametrize("mode", MODES)
def test_borders_hold_on_axes_of_length_one(mode):
    kernel = np.arange(25.0).reshape(5, 5) - 7
    for shape in [(1, 1, 6, 1), (1, 6, 1, 1), (1, 1, 1, 2), (1, 2, 3, 1)]:
        x = np.random.default_rng(4).normal(size=shape).astype("float32")
        expected = oracles.each_channel(
            lambda i: oracles.correlate(
                i, kernel, padding="same", mode=mode, centred=True
            ),
            x,
        )
        got = to_numpy(layers.FixedConv(kernel, border_mode=mode)(x))
        assert_close(got, expected, message=str(shape))


@pytest.mark.dealt
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("rank", "size", "strides"),
    # All ways that windows lie on an axis in rank two, and two of them in the others.
    [
        *((2, *way) for way in [(2, None), (3, 2), (3, 1), (2, 3)]),
        *((rank, *way) for rank in (1, 3) for way in [(2, None), (3, 2)]),
    ],
)
def test_pools_equal_the_loops(rank, size, strides, padding):
    lp_pool_equals_the_loops(layers.LpPool, rank, size, strides, padding)
    weighted_pool_equals_the_loops(layers.WeightedPool, rank, size, strides, padding)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_learned_pool_is_a_softmax_over_positions(padding, per_channel):
    x = image(2)
    layer = built(
        functools.partial(
            layers.WeightedPool,
            3,
            2,
            padding,
            weights="learned",
            per_channel=per_channel,
        ),
        x,
    )
    logits = layer.get_weights()[0].reshape(9, -1)
    weights = np.exp(logits) / np.exp(logits).sum(0)
    assert layer.count_params() == 9 * (2 if per_channel else 1)
    expected = [
        oracles.each_channel(
            lambda i, c=c: oracles.weighted_pool(
                i,
                weights[:, c if per_channel else 0].reshape(3, 3),
                strides=2,
                padding=padding,
            ),
            x[..., c : c + 1],
        )
        for c in range(2)
    ]
    assert_close(to_numpy(layer(x)), np.concatenate(expected, -1))


def test_learned_pool_starts_as_average_pooling():
    x = image(2)
    pool = layers.WeightedPool(3, 2, weights="learned")
    average = keras.layers.AveragePooling2D(3, 2)
    assert_close(to_numpy(pool(x)), to_numpy(average(x)))


@pytest.mark.dealt
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("mode", MODES)
@each_rank
def test_learned_conv_equals_the_loops_under_every_border(rank, mode, flip):
    learned_conv_equals_the_loops(layers.LearnedConv, rank, mode, flip)


@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_causal_convolution_sees_no_later_value(mode):
    x = image(1)
    layer = built(
        functools.partial(
            layers.LearnedConv,
            2,
            padding="causal",
            dilation_rate=2,
            border_mode=mode,
            use_bias=False,
        ),
        x,
    )
    (kernel,) = layer.get_weights()
    expected = oracles.conv(x, kernel, dilation=2, padding="causal", mode=mode)
    assert_close(to_numpy(layer(x)), expected)
    later = x.copy()
    later[:, 5:] = 99
    np.testing.assert_array_equal(
        to_numpy(layer(later))[:, :5], to_numpy(layer(x))[:, :5]
    )


# ------------------------------------------------------------------- options


@pytest.mark.dealt
@pytest.mark.parametrize(
    ("cls", "ramps"),
    [(layers.PrewittConv, (2, 6, 18)), (layers.SobelConv, (2, 8, 32))],
)
@each_rank
def test_ramp_of_slope_one_gives_the_documented_scale(cls, ramps, rank):
    ramp_has_the_documented_scale(cls, ramps[rank - 1], rank)


def test_axes_come_in_the_order_asked_for():
    x = image(3)
    z, y, w = (to_numpy(layers.SobelConv(axis=a)(x)) for a in range(3))
    got = to_numpy(layers.SobelConv(axis=(-1, 0), output="stack")(x))
    assert_close(got, np.stack([w, z], -1))
    assert_close(to_numpy(layers.SobelConv()(x)), oracles.interleave([z, y, w]))


def test_kernel_is_there_to_look_at_and_no_weight():
    layer = layers.SobelConv()
    with pytest.raises(ValueError, match="Build"):
        _ = layer.kernel
    layer.build((None, 5, 5, 3))
    assert layer.weights == []
    np.testing.assert_array_equal(
        layer.kernel,
        [
            [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
            [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        ],
    )
    with pytest.raises(AttributeError):
        layer.kernel = 0


TRANSPOSED = [*((1, mode) for mode in MODES), (2, "reflect"), (3, "wrap")]


@trains
@pytest.mark.parametrize(("rank", "mode"), TRANSPOSED)
def test_the_gradient_of_a_sum_is_its_transpose(rank, mode):
    """For linear L and any u: <u, slope of <c, L x>> = <c, L u>."""
    if (rank, mode) not in share(TRANSPOSED, "jax", "tensorflow"):
        pytest.skip("another backend that compiles takes this border")
    rng = np.random.default_rng(rank)
    size = (3, 2, 2)[:rank]  # with borders on both sides and on one
    kernels = [rng.normal(size=size), np.ones(size)]
    layer = layers.FixedConv(kernels, border_mode=mode)
    x, u = rng.normal(size=(2, 2, *(9, 8, 7)[:rank], 2)).astype("float32")
    _, (slope,) = gradient(layer, x)
    expected, _ = gradient(layer, u)
    np.testing.assert_allclose((slope * u).sum(), expected, rtol=1e-4)


@pytest.mark.dealt
@pytest.mark.parametrize("start", ["prewitt", "sobel"])
@each_rank
def test_learned_conv_starts_from_the_classical_filters(rank, start):
    x = image(rank)
    conv = layers.LearnedConv(
        rank + 1, padding="same", border_mode="symmetric", kernel_initializer=start
    )
    got = to_numpy(conv(x))
    gray = x.mean(-1, keepdims=True)
    cls = layers.PrewittConv if start == "prewitt" else layers.SobelConv
    expected = to_numpy(cls()(gray))
    assert_close(got[..., :rank], expected)
    assert_close(got[..., rank], expected[..., 0], message="filters are used in turn")
    assert conv.count_params() == 3**rank * x.shape[-1] * (rank + 1) + rank + 1


def test_learned_conv_starts_from_an_array():
    x = image(2)
    kernel = np.random.default_rng(6).normal(size=(3, 3, 2, 4)).astype("float32")
    conv = layers.LearnedConv(4, kernel_initializer=kernel)
    conv.build(x.shape)
    np.testing.assert_array_equal(conv.get_weights()[0], kernel)
    with pytest.raises(ValueError, match="kernel_initializer"):
        layers.LearnedConv(5, kernel_initializer=kernel).build(x.shape)


def test_fixed_filters_follow_the_learned_ones_and_stay():
    x = image(2)
    fixed = np.random.default_rng(7).normal(size=(2, 3, 3)).astype("float32")
    conv = built(
        functools.partial(layers.LearnedConv, 3, fixed_filters=fixed, flip=True), x
    )
    alone = layers.LearnedConv(3, flip=True)
    alone.build(x.shape)
    alone.set_weights(conv.get_weights())
    y = to_numpy(conv(x))
    assert_close(y[..., :3], to_numpy(alone(x)))
    gray = x.mean(-1, keepdims=True)
    expected = oracles.conv(gray, np.moveaxis(fixed, 0, -1)[:, :, None], flip=True)
    assert_close(y[..., 3:], expected)


# ------------------------------------------------------------------- in use


UNKNOWN = ["SobelConv-magnitude", "L2Pool-mean-same", "WeightedPool-per-channel"]
UNKNOWN += ["LearnedConv-flip-wrap"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_sizes_work_through_predict(name):
    """One model, two sizes of image and two of batch."""
    if name not in share(UNKNOWN, "openvino", "tensorflow", "jax"):
        pytest.skip("another backend that compiles takes this layer")
    inputs = keras.Input((None, None, 2))
    layer = built(maker(name, 2), image(2))
    model = keras.Model(inputs, layer(inputs))
    for shape in [(3, 8, 7, 2), (2, 9, 6, 2), (1, 5, 5, 2)]:
        x = np.random.default_rng(8).normal(size=shape).astype("float32")
        # OpenVINO convolves in bfloat16 in `predict` where the CPU has it.
        tolerance = 2e-2 if BACKEND == "openvino" else 2e-6
        y = model.predict(x, verbose=0)
        assert_close(y, to_numpy(layer(x)), tolerance, tolerance)


@trains
@pytest.mark.parametrize("jit", [False, True])
def test_layers_train_in_a_sequential_model(jit):
    if BACKEND == "jax" and not jit:
        pytest.skip(
            "it compiles each operation alone, and computes what it does in one"
        )
    if BACKEND == "torch" and jit:
        pytest.skip("a minute; Inductor has a layer below, gradients test_numerics")
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(10)
    # Without compilation the last batch is smaller than the others.
    x = random.integers(0, 255, (8 if jit else 11, 10, 10, 1), dtype="uint8")
    y = random.integers(0, 2, len(x))
    model = keras.Sequential(
        [
            layers.SobelConv(output="magnitude"),
            layers.WeightedPool(2, weights="learned", per_channel=True),
            layers.LearnedConv(2, kernel_initializer="sobel", border_mode="edge"),
            layers.L2Pool(),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit,
    )
    model.build(x.shape)
    before = model.get_weights()
    history = model.fit(x, y, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.any(old != new), "every weight learns"


@pytest.mark.parametrize("name", ["sobel", "prewitt", "l2_pool", "weighted_pool"])
def test_op_means_the_same_as_its_layer(name):
    cls = {
        "sobel": layers.SobelConv,
        "prewitt": layers.PrewittConv,
        "l2_pool": layers.L2Pool,
        "weighted_pool": layers.WeightedPool,
    }[name]
    x = image(2)
    expected = to_numpy(cls(padding="same")(x))
    op = getattr(ops, name)
    assert_close(to_numpy(op(x, padding="same")), expected)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, op(inputs, padding="same"))
    assert_close(to_numpy(model(x)), expected)
    with float64():
        exact = op(x.astype("float64"))
        dtype = keras.backend.standardize_dtype(exact.dtype)
        assert dtype == "float64" or not KEEPS_FLOAT64


FORMS = {
    "list": np.ndarray.tolist,
    "array": np.asarray,
    "integers": lambda a: a.astype("int32"),
    "tensor": keras.ops.convert_to_tensor,
    "variable": keras.Variable,
}


@pytest.mark.dealt
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_weighted_pool_divides_weights_of_every_form_by_their_sum(
    form, channels, padding
):
    """One for all channels, or a trailing axis of them."""
    x = image(2)
    weights = np.arange(1, 9 * channels + 1, dtype="float32").reshape(3, 3, channels)
    given = FORMS[form](weights if channels > 1 else weights[..., 0])
    maps = [
        oracles.each_channel(
            lambda i, w=weights[..., c % channels]: oracles.weighted_pool(
                i, w, strides=2, padding=padding
            ),
            x[..., c : c + 1],
        )
        for c in range(2)
    ]
    expected = np.concatenate(maps, -1)
    pool = functools.partial(ops.weighted_pool, padding=padding, weights=given)
    assert_close(to_numpy(pool(x)), expected)
    inputs = keras.Input(x.shape[1:])
    assert_close(to_numpy(keras.Model(inputs, pool(inputs))(x)), expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("weights", "rule"),
    [
        ([1, -1, 1], "0 or more, not all 0"),
        ([0, 0, 0], "0 or more, not all 0"),
        ([[1, 0], [1, 0], [1, 0]], "0 or more, not all 0"),
        ([1, 1], "the shape of the window"),
        ([[1, 2, 3]] * 3, "the shape of the window"),
    ],
)
def test_weighted_pool_refuses_weights_of_every_form_by_one_rule(form, weights, rule):
    given = FORMS[form](np.asarray(weights, "float32"))
    with pytest.raises(ValueError, match=rf"`weights` must .*{rule}.*Received"):
        ops.weighted_pool(np.zeros((1, 7, 2), "float32"), weights=given)


def test_weighted_pool_refuses_weights_that_are_not_finite_or_would_be_learned():
    x = np.zeros((1, 7, 2), "float32")
    for form in ("list", "array", "tensor", "variable"):
        weights = FORMS[form](np.asarray([1, np.nan, 1], "float32"))
        with pytest.raises(ValueError, match=r"`weights`.*finite"):
            ops.weighted_pool(x, weights=weights)
    for given in (x, keras.Input((7, 2))):
        with pytest.raises(ValueError, match=r"WeightedPool.*Received: weights='learn"):
            ops.weighted_pool(given, weights="learned")


# ------------------------------------------------------------ save and load

# Which starts soonest in a process of its own.
QUICK = ("numpy", "openvino", "jax", "torch", "tensorflow")


@on_the_first("torch", "jax", "tensorflow")
def test_a_model_loads_in_a_fresh_process_on_another_backend(tmp_path):
    """Every layer of the table in one model, in the ranks that the contract takes.

    What starts at once reads it: the contract saves and loads each layer on every one.
    """
    others = [n for n in QUICK if n in backends.installed() and n != BACKEND]
    if not others:
        pytest.skip("no other backend is installed")
    other = others[0]
    inputs, outputs, xs = [], [], []
    for rank in (1, 2, 3):
        x = image(rank)
        symbol = keras.Input(x.shape[1:])
        inputs.append(symbol)
        xs.append(x)
        for name in TABLE:
            if rank not in RANKS[name]:
                continue
            y = built(maker(name, rank), x)(symbol)
            outputs.append(keras.layers.Flatten()(y))
    model = keras.Model(inputs, keras.layers.Concatenate()(outputs))
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "x.npz", *xs)
    np.save(tmp_path / "y.npy", to_numpy(model(xs)))
    code = f"""
        import kerasconv.layers, keras, numpy as np
        assert keras.backend.backend() == {other!r}
        model = keras.saving.load_model("model.keras")
        y = keras.ops.convert_to_numpy(model(list(np.load("x.npz").values())))
        expected = np.load("y.npy")
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={
            **os.environ,
            "KERAS_BACKEND": other,
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


# ----------------------------------------------------------------- bad input

BAD = [
    (layers.SobelConv, {"axis": 1.5}, "axis"),
    (layers.SobelConv, {"axis": "x"}, "axis"),
    (layers.SobelConv, {"axis": [0, None]}, "axis"),
    (layers.SobelConv, {"output": "vector"}, "output"),
    (layers.SobelConv, {"output": None}, "output"),
    (layers.SobelConv, {"normalize": "l2"}, "normalize"),
    (layers.SobelConv, {"kernel_size": 4}, "kernel_size"),
    (layers.SobelConv, {"kernel_size": 1}, "kernel_size"),
    (layers.PrewittConv, {"kernel_size": 3.0}, "kernel_size"),
    (layers.SobelConv, {"padding": "full"}, "padding"),
    (layers.SobelConv, {"padding": "causal"}, "padding"),
    (layers.SobelConv, {"border_mode": "mirror"}, "border_mode"),
    (layers.SobelConv, {"strides": 0}, "strides"),
    (layers.SobelConv, {"strides": -1}, "strides"),
    (layers.SobelConv, {"strides": 1.5}, "strides"),
    (layers.SobelConv, {"strides": True}, "strides"),
    (layers.SobelConv, {"strides": ()}, "strides"),
    (layers.SobelConv, {"strides": (1, 1, 1, 1)}, "strides"),
    (layers.SobelConv, {"dilation_rate": 0}, "dilation_rate"),
    (layers.SobelConv, {"dilation_rate": None}, "dilation_rate"),
    (layers.SobelConv, {"data_format": "NHWC"}, "data_format"),
    (layers.FixedConv, {"kernels": 3}, "kernels"),
    (layers.FixedConv, {"kernels": []}, "kernels"),
    (layers.FixedConv, {"kernels": [[1, 2], [3]]}, "kernels"),
    (layers.FixedConv, {"kernels": "sobel"}, "kernels"),
    (layers.FixedConv, {"kernels": [1, np.nan]}, "kernels"),
    (layers.FixedConv, {"kernels": np.zeros((1,) * 5)}, "kernels"),
    (layers.LearnedConv, {"filters": 0}, "filters"),
    (layers.LearnedConv, {"filters": 2.5}, "filters"),
    (layers.LearnedConv, {"filters": (2, 2)}, "filters"),
    (layers.LearnedConv, {"filters": 3, "groups": 2}, "groups"),
    (layers.LearnedConv, {"filters": 3, "groups": 0}, "groups"),
    (layers.LearnedConv, {"filters": 3, "kernel_size": 0}, "kernel_size"),
    (layers.LearnedConv, {"filters": 3, "strides": 2, "dilation_rate": 2}, "strides"),
    (layers.LearnedConv, {"filters": 3, "padding": "full"}, "padding"),
    (layers.LearnedConv, {"filters": 3, "flip": 1}, "flip"),
    (layers.LearnedConv, {"filters": 3, "border_mode": "zeros"}, "border_mode"),
    (
        layers.LearnedConv,
        {"filters": 3, "padding": "causal", "border_mode": "symmetric"},
        "border_mode",
    ),
    (layers.LearnedConv, {"filters": 2, "fixed_filters": "x"}, "fixed_filters"),
    (
        layers.LearnedConv,
        {"filters": 2, "groups": 2, "fixed_filters": [[1.0]]},
        "fixed_filters",
    ),
    (
        layers.LearnedConv,
        {"filters": 2, "kernel_initializer": []},
        "kernel_initializer",
    ),
    (layers.LpPool, {"p": 0.5}, "p"),
    (layers.LpPool, {"p": float("inf")}, "p"),
    (layers.LpPool, {"p": "2"}, "p"),
    (layers.L2Pool, {"pool_size": 0}, "pool_size"),
    (layers.L2Pool, {"pool_size": (2, 0)}, "pool_size"),
    (layers.L2Pool, {"strides": "2"}, "strides"),
    (layers.L2Pool, {"mean": 1}, "mean"),
    (layers.WeightedPool, {"weights": "linear"}, "weights"),
    (layers.WeightedPool, {"weights": [1.0, -1.0, 1.0]}, "weights"),
    (layers.WeightedPool, {"weights": [0.0, 0.0, 0.0]}, "weights"),
    (layers.WeightedPool, {"weights": [0.0, 0.0, 1.0], "padding": "same"}, "weights"),
    (layers.WeightedPool, {"weights": [1.0, 1.0]}, "weights"),
    (layers.WeightedPool, {"per_channel": True}, "per_channel"),
]


@pytest.mark.parametrize(("cls", "arguments", "name"), BAD)
def test_bad_argument_is_named_at_construction(cls, arguments, name):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: .*{name}"):
        cls(**arguments)


@pytest.mark.once
@pytest.mark.parametrize("filters", [0, -1, 2.5, (2, 2)])
def test_the_number_of_filters_is_said_to_be_one_positive_int(filters):
    """Not one per spatial axis, as sizes may be."""
    with pytest.raises(ValueError, match=r"^`filters` must be a positive int\. Rec"):
        layers.LearnedConv(filters)


OPERATIONS = {
    layers.FixedConv: lambda x, **k: ops.fixed_conv(x, **{"kernels": [1, 2], **k}),
    layers.PrewittConv: ops.prewitt,
    layers.SobelConv: ops.sobel,
    layers.LearnedConv: lambda x, **k: ops.conv(x, np.ones((3, 1, 2), "float32"), **k),
    layers.LpPool: lambda x, **k: ops.lp_pool(x, **{"p": 3, **k}),
    layers.L2Pool: ops.l2_pool,
    layers.WeightedPool: ops.weighted_pool,
}
NEEDED = {
    layers.FixedConv: {"kernels": [1, 2]},
    layers.LpPool: {"p": 3},
    layers.LearnedConv: {"filters": 2},
}
# What only a layer with weights of its own has.
OF_LAYERS = {
    "filters",
    "groups",
    "fixed_filters",
    "kernel_initializer",
    "kernel_size",
    "per_channel",
}


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (cls, arguments)
        for cls, arguments, name in BAD
        if cls is not layers.LearnedConv or name not in OF_LAYERS
        # A layer knows one name more.
        if name != "per_channel" and arguments != {"weights": "linear"}
    ],
)
def test_an_operation_says_of_a_bad_argument_what_its_layer_says(cls, arguments):
    with pytest.raises(ValueError, match="Received") as of_layer:
        cls(**arguments)
    arguments = {k: v for k, v in arguments.items() if k != "filters"}
    with pytest.raises(ValueError, match="Received") as of_operation:
        OPERATIONS[cls](np.zeros((1, 7, 1), "float32"), **arguments)
    assert str(of_operation.value) == str(of_layer.value)


@pytest.mark.parametrize(
    ("kernel", "padding"),
    [
        (np.ones((3, 1)), "valid"),
        (np.ones((3, 2, 4)), "valid"),
        (np.ones((3, 0, 4)), "valid"),
        ("sobel", "valid"),
        ([[1, 2], [3]], "valid"),
        (np.ones((3, 3, 1, 2)), "causal"),
    ],
)
def test_conv_refuses_a_kernel_that_does_not_fit(kernel, padding):
    x = np.zeros((1, 5, 5, 1)[: 4 if padding == "causal" else 3], "float32")
    name = "padding" if padding == "causal" else "kernel"
    with pytest.raises(ValueError, match=name):
        ops.conv(x[..., :1], kernel, padding=padding)


SQUARE = {layers.FixedConv: {"kernels": np.ones((3, 3))}}


@pytest.mark.parametrize("call", [*OPERATIONS.values(), *OPERATIONS])
def test_a_single_image_is_refused_where_the_rank_is_given(call):
    """Else it is a batch of signals, which a data pipeline feeds without a word."""
    image = np.zeros((32, 32, 1), "float32")
    if isinstance(call, type):
        run = call(rank=2, **{**NEEDED.get(call, {}), **SQUARE.get(call, {})})
    else:
        run = functools.partial(call, rank=2, **SQUARE.get(call, {}))
    with pytest.raises(ValueError, match=r"4 axes.*batch axis.*x\[None\]"):
        run(image)


@each_layer
def test_a_built_layer_says_how_to_add_the_batch_axis(name):
    layer = maker(name, 2)()
    layer.build(image(2).shape)
    with pytest.raises(ValueError, match=r"4 axes.*x\[None\]"):
        layer(image(2)[0])


def test_images_of_a_pipeline_are_read_as_images():
    """As the docstring of SobelConv shows it, whatever the backend."""
    images = image(2)
    sobel = layers.SobelConv(rank=2)
    for one, expected in zip(images, to_numpy(sobel(images)), strict=True):
        assert_close(to_numpy(sobel(one[None]))[0], expected)


@pytest.mark.once
@pytest.mark.parametrize("rank", [None, 1, 2, 3])
@pytest.mark.parametrize("cls", OPERATIONS)
def test_the_rank_is_part_of_the_config(cls, rank):
    layer = cls(rank=rank, **NEEDED.get(cls, {}))
    assert layer.get_config()["rank"] == rank
    again = cls.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("cls", OPERATIONS)
def test_padding_and_data_format_are_taken_in_any_case_as_keras_takes_them(cls):
    layer = cls(padding="SAME", data_format="Channels_First", **NEEDED.get(cls, {}))
    assert layer.get_config()["padding"] == "same"
    assert layer.get_config()["data_format"] == "channels_first"
    x = image(1)[..., :1]
    lower = OPERATIONS[cls](x, padding="same")
    assert_close(to_numpy(OPERATIONS[cls](x, padding="Same")), to_numpy(lower))


@pytest.mark.skipif(BACKEND == "openvino", reason="OpenVINO has no complex tensors")
@pytest.mark.parametrize("call", [*OPERATIONS.values(), layers.SobelConv()])
def test_complex_input_is_refused(call):
    with pytest.raises(ValueError, match="real numbers"):
        call(np.zeros((1, 7, 1), "complex64"))


@pytest.mark.parametrize("value", [None, [], np.array([["a"]]), np.array([[None]])])
@pytest.mark.parametrize("call", OPERATIONS.values())
def test_an_operation_on_what_is_no_numbers_says_what_it_takes(call, value):
    with pytest.raises(ValueError, match="must be a tensor or an array of numbers"):
        call(value)


NO_NUMBERS = [None, "x", b"x", 3, True, [], {}, [[1.0, 2.0]], object()]
NO_NUMBERS += [np.full((1, 7, 1), value, dtype=object) for value in ("a", None, 1.0)]
NO_NUMBERS += [np.full((1, 7, 1), "a"), np.full((1, 7, 1), "2026", "datetime64[Y]")]


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("cls", OPERATIONS)
def test_a_layer_on_what_is_no_numbers_says_what_it_takes(cls, built):
    layer = cls(**NEEDED.get(cls, {}))
    if built:
        layer.build((None, 7, 1))
    for value in NO_NUMBERS:
        with pytest.raises(ValueError, match="must be a tensor or an array of numbers"):
            layer(value)


@pytest.mark.parametrize("call", [*OPERATIONS.values(), layers.SobelConv()])
def test_a_single_number_is_told_how_many_axes_it_lacks(call):
    with pytest.raises(ValueError, match="must have 3, 4 or 5 axes"):
        call(np.ones((), "float32"))


KERAS_ORDER = [
    (layers.LearnedConv, keras.layers.Conv2D, "filters"),
    (ops.conv, keras.ops.conv, "inputs"),
    (layers.L2Pool, keras.layers.MaxPooling2D, "pool_size"),
    (layers.LpPool, keras.layers.MaxPooling2D, "pool_size"),
    (layers.WeightedPool, keras.layers.AveragePooling2D, "pool_size"),
    (ops.l2_pool, keras.ops.max_pool, "inputs"),
    (ops.lp_pool, keras.ops.max_pool, "inputs"),
    (ops.weighted_pool, keras.ops.average_pool, "inputs"),
]


@pytest.mark.once
@pytest.mark.parametrize(("ours", "theirs", "first"), KERAS_ORDER)
def test_arguments_stand_in_keras_order_and_ours_alone_need_their_name(
    ours, theirs, first
):
    def positional(call):
        found = inspect.signature(call).parameters.values()
        names = [p.name for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]
        return [first if name == "x" else name for name in names]

    expected = [n for n in positional(theirs) if n not in ("name", "self")]
    assert positional(ours) == expected


@pytest.mark.once
@pytest.mark.parametrize(
    "cls", [layers.FixedConv, layers.PrewittConv, layers.SobelConv]
)
def test_arguments_of_fixed_kernels_stand_in_the_order_of_keras_convolutions(cls):
    # Not of the class: of that Python 3.11.2 gives what `__new__` of Keras takes.
    found = inspect.signature(cls.__init__).parameters
    common = ["strides", "padding", "data_format", "dilation_rate"]
    assert list(found)[2:6] == common
    kinds = found.values()
    ours = [p.name for p in kinds if p.kind is p.KEYWORD_ONLY]
    assert {"output", "border_mode", "rank"} <= set(ours)


# ------------------------------------------------------------ symbolic inputs


@pytest.mark.dealt
@pytest.mark.parametrize("mode", ["valid", *MODES])
@pytest.mark.parametrize("cls", OPERATIONS)
def test_an_operation_on_a_symbolic_tensor_computes_the_same(cls, mode):
    x, arguments = image(1)[..., :1], {}
    if mode == "valid":
        arguments["padding"] = "valid"
    elif cls in (layers.LpPool, layers.L2Pool, layers.WeightedPool):
        if mode != "constant":
            pytest.skip("pools have no border")
        arguments["padding"] = "same"
    else:
        arguments = {"padding": "same", "border_mode": mode}
    operation = OPERATIONS[cls]
    expected = to_numpy(operation(x, **arguments))
    for shape in (x.shape[1:], (None, 1)):
        inputs = keras.Input(shape)
        outputs = operation(inputs, **arguments)
        known = tuple(
            n if n is None else m
            for n, m in zip(outputs.shape, expected.shape, strict=True)
        )
        assert known == outputs.shape
        model = keras.Model(inputs, outputs)
        assert_close(to_numpy(model(x)), expected)


@pytest.mark.once
def test_keras_names_the_module_to_import_where_nothing_was(tmp_path):
    inputs = keras.Input((5, 5, 1))
    keras.Model(inputs, layers.SobelConv()(inputs)).save(tmp_path / "model.keras")
    code = "import keras; keras.saving.load_model('model.keras')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": min(backends.installed(), key=QUICK.index)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.strip().splitlines()[-1]
    assert "Could not locate class 'SobelConv'" in said
    assert "'module': 'kerasconv.layers'" in said


def test_a_model_of_operations_is_saved_and_loaded(tmp_path):
    x = image(2)
    inputs = keras.Input(x.shape[1:])
    edges = ops.sobel(inputs, output="magnitude", border_mode="wrap")
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")
    outputs = ops.l2_pool(ops.conv(edges, kernel, padding="same"), 2)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    for load in (keras.saving.load_model, load_model):
        loaded = load(tmp_path / "model.keras")
        assert_close(to_numpy(loaded(x)), to_numpy(model(x)))


@pytest.mark.parametrize(
    ("layer", "shape", "name"),
    [
        (layers.SobelConv(axis=2), (None, 5, 5, 1), "axis"),
        (layers.SobelConv(axis=(0, -2)), (None, 5, 5, 1), "axis"),
        (layers.SobelConv(strides=(1, 1)), (None, 5, 1), "strides"),
        (layers.SobelConv(dilation_rate=(1, 1)), (None, 5, 1), "dilation_rate"),
        (layers.FixedConv([1, 2, 3]), (None, 5, 5, 1), "kernels"),
        (layers.L2Pool((2, 2)), (None, 5, 1), "pool_size"),
        (layers.WeightedPool(weights=[1, 1, 1]), (None, 5, 5, 1), "weights"),
        (layers.LearnedConv(2, (3, 3)), (None, 5, 1), "kernel_size"),
        (layers.LearnedConv(2, padding="causal"), (None, 5, 5, 1), "causal"),
        (layers.LearnedConv(2, groups=2), (None, 5, 5, 3), "groups"),
        (layers.LearnedConv(2, fixed_filters=[1, 2]), (None, 5, 1), "fixed_filters"),
        (
            layers.LearnedConv(2, (3, 5), kernel_initializer="sobel"),
            (None, 9, 9, 1),
            "kernel_size",
        ),
    ],
)
def test_argument_that_does_not_fit_the_rank_is_named_at_build(layer, shape, name):
    with pytest.raises(ValueError, match=name):
        layer.build(shape)


@pytest.mark.parametrize(
    "layer",
    [
        layers.SobelConv(padding="valid"),
        layers.L2Pool(3),
        layers.WeightedPool(),
        layers.LearnedConv(2),
    ],
)
@pytest.mark.parametrize(
    "shape", [(5, 1), (5,), (1, 2, 2, 1), (1, 5, 0, 1), (1, 2, 2, 2, 2, 1)]
)
def test_wrong_rank_or_too_small_an_input_is_refused(layer, shape):
    with pytest.raises(ValueError, match=str(shape[-2]) if len(shape) > 1 else "5"):
        type(layer).from_config(layer.get_config()).build(shape)


@pytest.mark.parametrize("layer", [layers.SobelConv, layers.L2Pool, layers.LearnedConv])
def test_an_image_without_channels_is_refused(layer):
    with pytest.raises(ValueError, match="at least one channel"):
        layer(3, data_format="channels_last")(np.zeros((1, 6, 6, 0), "float32"))


def test_input_smaller_than_the_window_is_refused_after_an_unknown_size():
    layer = layers.L2Pool(3)
    layer.build((None, None, None, 1))
    with pytest.raises(ValueError, match="at least 3"):
        layer(np.zeros((1, 5, 2, 1), "float32"))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has such graphs")
@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("name", ["SobelConv-magnitude", "L2Pool", "WeightedPool-same"])
def test_an_empty_batch_of_a_graph_that_knew_no_batch_gives_an_empty_result(name, xla):
    import tensorflow as tf

    x = image(2)
    layer = maker(name, 2)()
    expected = to_numpy(layer(x))
    graph = tf.function(
        lambda t: layer(t),
        input_signature=[tf.TensorSpec([None, *x.shape[1:]])],
        jit_compile=xla,
    )
    for n in (2, 0, 1):
        got = graph(tf.constant(x[:n])).numpy()
        assert got.shape == expected[:n].shape
        assert_close(got, expected[:n])


@pytest.mark.skipif(BACKEND != "torch", reason="the compiler is PyTorch's")
def test_inductor_compiles_a_layer_that_computes_the_same():
    import torch

    x = torch.tensor(image(1))
    layer = layers.L2Pool()
    layer.build(x.shape)
    torch._dynamo.reset()
    with torch.no_grad():
        assert_close(to_numpy(torch.compile(layer)(x)), to_numpy(layer(x)))


@pytest.mark.skipif(BACKEND != "torch", reason="only PyTorch has such graphs")
def test_torch_compiles_a_pool_that_it_has_to_build_into_one_graph():
    import torch

    x = torch.tensor(image(1))
    torch._dynamo.reset()
    graph = torch.compile(layers.L2Pool(), fullgraph=True, backend="eager")
    assert_close(to_numpy(graph(x)), to_numpy(layers.L2Pool()(x)))


@pytest.mark.skipif(BACKEND != "torch", reason="only PyTorch has such graphs")
@pytest.mark.parametrize("name", WHOLE)
def test_torch_compiles_a_layer_into_one_graph(name):
    import torch

    rank = min(RANKS[name])
    x = torch.tensor(image(rank))
    layer = maker(name, rank)()
    layer.build(x.shape)
    torch._dynamo.reset()
    with torch.no_grad():
        # What breaks the graph raises here; Dynamo alone, without the slow compiler.
        graph = torch.compile(layer, fullgraph=True, dynamic=False, backend="eager")
        assert_close(to_numpy(graph(x)), to_numpy(layer(x)))
    # With a gradient, in one graph too.
    x.requires_grad_()
    graph(x).sum().backward()
    compiled, x.grad = x.grad, None
    layer(x).sum().backward()
    assert_close(to_numpy(compiled), to_numpy(x.grad))
