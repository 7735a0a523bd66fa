"""The layers against the peers, each in its own words. None shares code with us."""

import functools

import keras
import numpy as np
import oracles
import pytest
from comparisons import SCIPY, derivative_equals_scipy, image
from contract import assert_close, built, on_the_first, to_numpy

from kerasconv import kernels, layers, ops

each_rank = pytest.mark.parametrize("rank", [1, 2, 3])
# The loops stand against every backend; the peers against one that compiles nothing.
peers = on_the_first("numpy", "torch", "openvino", "jax", "tensorflow")


@peers
@pytest.mark.parametrize("mode", SCIPY)
@each_rank
def test_prewitt_equals_scipy_under_every_border(rank, mode):
    """Sobel stands against the loops; here one border of it."""
    derivative_equals_scipy(ops.prewitt, "prewitt", rank, mode)
    if mode == "symmetric":
        derivative_equals_scipy(ops.sobel, "sobel", rank, mode)


@peers
@pytest.mark.parametrize("mode", SCIPY)
@each_rank
def test_any_kernel_equals_scipy_correlate(rank, mode):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = image(rank)
    kernel = np.random.default_rng(1).normal(size=(5, 3, 3)[:rank]).astype("float32")
    got = to_numpy(ops.fixed_conv(x, kernel, border_mode=mode))
    expected = oracles.each_channel(
        lambda i: ndimage.correlate(i, kernel, mode=SCIPY[mode]), x
    )
    assert_close(got, expected)


@peers
@each_rank
def test_laplacian_equals_scipy(rank):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = image(rank)
    got = to_numpy(ops.fixed_conv(x, kernels.laplacian(rank)))
    assert_close(got, oracles.each_channel(ndimage.laplace, x))


@peers
@pytest.mark.parametrize("name", ["prewitt", "sobel"])
def test_derivatives_equal_scikit_image(name):
    """Its `_h` is axis 0, `_v` axis 1."""
    filters = pytest.importorskip("skimage.filters")
    x = image(2)
    op = functools.partial(getattr(ops, name), x, normalize="smooth")
    for axis, suffix in enumerate("hv"):
        operator = getattr(filters, f"{name}_{suffix}")
        assert_close(to_numpy(op(axis=axis)), oracles.each_channel(operator, x))


@peers
@pytest.mark.parametrize(
    ("name", "mode"), [("prewitt", "reflect"), ("sobel", "symmetric")]
)
@each_rank
def test_magnitude_equals_scikit_image(rank, name, mode):
    """It divides the sum of squares by the number of axes."""
    filters = pytest.importorskip("skimage.filters")
    x = image(rank)
    op = getattr(ops, name)
    got = to_numpy(op(x, output="magnitude", normalize="smooth", border_mode=mode))
    expected = oracles.each_channel(
        lambda i: getattr(filters, name)(i, mode=SCIPY[mode], axis=range(rank)), x
    )
    # Along one axis it keeps the sign.
    assert_close(got / np.sqrt(rank), np.abs(expected))


@peers
@pytest.mark.parametrize(
    ("size", "border"),
    [
        (3, "BORDER_DEFAULT"),
        (5, "BORDER_DEFAULT"),
        (7, "BORDER_DEFAULT"),
        (7, "BORDER_REFLECT"),
        (5, "BORDER_REPLICATE"),
        (7, "BORDER_CONSTANT"),
    ],
)
def test_sobel_equals_opencv_at_every_ksize(size, border):
    cv2 = pytest.importorskip("cv2")
    mode = {
        "BORDER_DEFAULT": "reflect",
        "BORDER_REFLECT": "symmetric",
        "BORDER_REPLICATE": "edge",
        "BORDER_CONSTANT": "constant",
    }[border]
    x = image(2)
    got = to_numpy(ops.sobel(x, kernel_size=size, border_mode=mode, output="stack"))
    for axis, (dx, dy) in enumerate([(0, 1), (1, 0)]):
        operator = functools.partial(
            cv2.Sobel, ddepth=cv2.CV_32F, dx=dx, dy=dy, ksize=size,
            borderType=getattr(cv2, border),
        )  # fmt: skip
        expected = oracles.each_channel(lambda i, f=operator: f(i.copy()), x)
        assert_close(got[..., axis], expected)


@peers
@pytest.mark.parametrize("normalized", [False, True])
def test_sobel_equals_kornia(normalized):
    """Its order is (dx, dy), its border edge, `normalized` divides by 8."""
    torch = pytest.importorskip("torch")
    filters = pytest.importorskip("kornia.filters")
    x = image(2)
    got = to_numpy(
        ops.sobel(
            x,
            axis=(1, 0),
            output="stack",
            border_mode="edge",
            normalize="unit" if normalized else None,
        )
    )
    expected = filters.spatial_gradient(
        torch.tensor(np.moveaxis(x, -1, 1)), "sobel", normalized=normalized
    ).numpy()
    assert_close(got, np.transpose(expected, (0, 3, 4, 1, 2)))


@peers
@pytest.mark.parametrize("p", [1, 2, 4])
@pytest.mark.parametrize("rank", [1, 2])
def test_lp_pool_equals_torch(rank, p):
    torch = pytest.importorskip("torch")
    x = np.abs(image(rank))
    for size, strides in [(2, None), (3, 2)]:
        pool = getattr(torch.nn, f"LPPool{rank}d")(p, size, strides)
        expected = pool(torch.tensor(np.moveaxis(x, -1, 1))).numpy()
        got = to_numpy(ops.lp_pool(x, size, strides, p=p))
        assert_close(got, np.moveaxis(expected, 1, -1), 5e-6, 5e-6)


@peers
def test_sobel_equals_tf_image():
    tf = pytest.importorskip("tensorflow")
    x = image(2)
    got = to_numpy(ops.sobel(x, output="stack", border_mode="reflect"))
    assert_close(got, tf.image.sobel_edges(tf.constant(x)).numpy())


@pytest.mark.dealt
@pytest.mark.parametrize(
    ("rank", "arguments"),
    [
        (1, {"padding": "same", "strides": 2}),
        (2, {"padding": "same", "strides": 2}),
        (3, {"padding": "same", "strides": 2}),
        (2, {}),
        (1, {"dilation_rate": 2, "kernel_size": 2}),
        (3, {"dilation_rate": 2, "kernel_size": 2}),
        (1, {"groups": 2, "filters": 4, "use_bias": False}),
        (2, {"groups": 2, "filters": 4, "use_bias": False}),
        (2, {"padding": "same", "kernel_size": 4, "activation": "relu"}),
    ],
    ids=str,
)
def test_learned_conv_equals_keras_with_the_same_weights(rank, arguments):
    x = image(rank)[..., :2]
    arguments = {"filters": 3, "kernel_size": 3, **arguments}
    ours = built(functools.partial(layers.LearnedConv, **arguments), x)
    theirs = getattr(keras.layers, f"Conv{rank}D")(**arguments)
    theirs.build(x.shape)
    assert [(w.name, w.shape) for w in ours.weights] == [
        (w.name, w.shape) for w in theirs.weights
    ]
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(to_numpy(ours(x)), to_numpy(theirs(x)))
    assert ours.compute_output_shape(x.shape) == theirs.compute_output_shape(x.shape)


def test_learned_conv_equals_keras_causal():
    x = image(1)
    arguments = {"filters": 3, "kernel_size": 3, "padding": "causal"}
    ours = built(functools.partial(layers.LearnedConv, **arguments), x)
    theirs = keras.layers.Conv1D(**arguments)
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    assert_close(to_numpy(ours(x)), to_numpy(theirs(x)))


@pytest.mark.once
@pytest.mark.parametrize("padding", ["valid", "same"])
@each_rank
def test_pools_have_the_shapes_of_keras(rank, padding):
    x = image(rank)
    for size, strides in [(2, None), (3, 2), (2, 3)]:
        pool = getattr(keras.layers, f"MaxPooling{rank}D")(size, strides, padding)
        expected = pool.compute_output_shape(x.shape)
        for layer in (
            layers.L2Pool(size, strides, padding),
            layers.WeightedPool(size, strides, padding),
        ):
            assert layer.compute_output_shape(x.shape) == expected
