"""The contract: what every layer of the package must satisfy, on every backend.

`check_layer(make, x, ...)` holds one layer to it. `make(**kwargs)` returns a new
layer; it must pass `data_format` and `dtype` on. Weights are random in every check,
so that a weight that is not used, saved or loaded shows.
"""

import contextlib
import inspect
import json

import keras
import numpy as np
import oracles

BACKEND = keras.backend.backend()
TRAINS = BACKEND in ("tensorflow", "jax", "torch")
LOW_PRECISION = {"float16": 2e-3, "bfloat16": 2e-2}


def to_numpy(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype(
        "float64"
        if keras.backend.standardize_dtype(x.dtype) == "float64"
        else "float32"
    )


def float64():
    """A context in which the backend can hold float64."""
    if BACKEND in ("jax", "numpy"):  # Keras's numpy backend convolves with JAX
        import jax

        return jax.enable_x64(True)
    return contextlib.nullcontext()


def built(make, x, seed=0, **kwargs):
    """A new layer, built for x, with random weights."""
    layer = make(**kwargs)
    layer.build(x.shape)
    random = np.random.default_rng(seed)
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
    return layer


def first(x):
    """Channels-last to channels-first."""
    return np.moveaxis(x, -1, 1)


def assert_close(a, b, rtol=2e-6, atol=2e-6, message=""):
    scale = max(1.0, float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b))))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, err_msg=message)


# OpenVINO's CPU computes in float32, and its Keras backend narrows to that.
KEEPS_FLOAT64 = BACKEND != "openvino"


def check_layer(
    make, x, *, sums_channels=False, stacks=False, keeps_float64=KEEPS_FLOAT64
):
    """Every cheap check on one layer and one channels-last float32 batch.

    Args:
        make: Function of `data_format` and `dtype` that makes a new layer.
        x: Batch of at least two images, channels last.
        sums_channels: Whether an output channel sees every input channel.
        stacks: Whether the output has a trailing axis after the channels.
        keeps_float64: Whether float64 stays float64 on this backend.
    """
    layer = built(make, x)
    y = to_numpy(layer(x))
    check_shape(layer, x, y)
    check_config(layer, x, y)
    check_layout(make, x, y, stacks)
    check_batches(layer, x, y)
    check_dtypes(make, x, y, keeps_float64)
    check_locality(layer, x, y, sums_channels)


def check_shape(layer, x, y):
    assert y.shape == tuple(layer.compute_output_shape(x.shape))
    unknown = (None, *[None] * (x.ndim - 2), x.shape[-1])
    expected = layer.compute_output_shape(unknown)
    assert len(expected) == y.ndim
    assert expected[1 : x.ndim - 1] == (None,) * (x.ndim - 2)
    assert expected[x.ndim - 1 :] == y.shape[x.ndim - 1 :]
    symbolic = layer(keras.Input(x.shape[1:]))
    assert symbolic.shape == (None, *y.shape[1:])


def check_config(layer, x, y):
    config = layer.get_config()
    assert json.loads(json.dumps(config)) == config, "only JSON scalars and lists"
    arguments = set(inspect.signature(type(layer).__init__).parameters)
    arguments -= {"self", "kwargs"}
    assert arguments <= set(config), "the config mirrors the constructor"
    twin = type(layer).from_config(config)
    assert twin.get_config() == config
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(to_numpy(twin(x)), y)


def check_layout(make, x, y, stacks):
    layer = built(make, first(x), data_format="channels_first")
    got = to_numpy(layer(first(x)))
    assert got.shape == tuple(layer.compute_output_shape(first(x).shape))
    got = np.moveaxis(got, 1, -2 if stacks else -1)
    assert_close(got, y, message="channels_first differs from channels_last")


def check_batches(layer, x, y):
    one = to_numpy(layer(x[1:2]))
    assert_close(one, y[1:2], message="a batch of one")
    none = layer(x[:0])
    assert tuple(none.shape) == (0, *y.shape[1:])


def check_dtypes(make, x, y, keeps_float64):
    layer32 = built(make, x)
    for dtype, tolerance in LOW_PRECISION.items():
        low = keras.ops.cast(x, dtype)
        layer = built(make, x, dtype=dtype)
        got = layer(low)
        assert keras.backend.standardize_dtype(got.dtype) == dtype
        same = layer32(keras.ops.cast(low, "float32"))
        assert_close(to_numpy(got), to_numpy(same), tolerance, tolerance, dtype)
    with float64():
        exact = built(make, x, dtype="float64")(x.astype("float64"))
        dtype = keras.backend.standardize_dtype(exact.dtype)
        assert dtype == "float64" or not keeps_float64
        assert_close(to_numpy(exact), y)
    whole = np.round(x * 4).astype("int32")
    expected = to_numpy(layer32(whole.astype("float32")))
    for ints in (whole, whole.astype("int8")):
        got = layer32(ints)
        assert keras.backend.standardize_dtype(got.dtype) == "float32"
        assert_close(to_numpy(got), expected, message=f"input {ints.dtype}")
    truth = x > 0
    expected = to_numpy(layer32(truth.astype("float32")))
    assert_close(to_numpy(layer32(truth)), expected, message="bool input")


def check_locality(layer, x, y, sums_channels):
    """NaN and Inf reach only the windows, the channel and the image that see them."""
    window = layer.window_for(x.shape)
    spatial = x.shape[1:-1]
    index = tuple(n // 2 for n in spatial)
    seen = oracles.touched(
        spatial,
        index,
        size=window.size,
        strides=window.strides,
        dilation=window.dilation,
        padding=window.padding,
        mode=window.border_mode,
        centred=window.centred,
    )
    rank = len(spatial)
    for value in (np.nan, np.inf, -np.inf):
        spoilt = x.copy()
        spoilt[(0, *index, 0)] = value
        got = to_numpy(layer(spoilt))
        assert_close(got[1:], y[1:], message="another image of the batch")
        assert_close(got[0][~seen], y[0][~seen], message="a window that sees it not")
        if not sums_channels:
            channels = y.shape[rank + 1] // x.shape[-1]
            assert_close(
                np.take(got[0], range(channels, y.shape[rank + 1]), axis=rank),
                np.take(y[0], range(channels, y.shape[rank + 1]), axis=rank),
                message="another channel",
            )
        if np.isnan(value) and BACKEND != "openvino":  # its maximum drops NaN
            assert np.isnan(got[0][seen]).any(), "NaN must not vanish"


def gradient(layer, x, seed=1):
    """A random weighted sum of the outputs, and its gradients by x and the weights."""
    random = np.random.default_rng(seed)
    cotangent = random.normal(size=layer.compute_output_shape(x.shape))
    cotangent = cotangent.astype(x.dtype)
    if not layer.built:
        layer.build(x.shape)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        xs, weights = tf.constant(x), [w.value for w in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(xs)
            loss = tf.reduce_sum(layer(xs) * cotangent)
        grads = tape.gradient(loss, [xs, *weights])
    elif BACKEND == "jax":
        import jax

        def loss_of(values):
            weights = [*values[1:]]
            y, _ = layer.stateless_call(
                weights, [w.value for w in layer.non_trainable_variables], values[0]
            )
            return (y * cotangent).sum()

        values = [jax.numpy.asarray(x), *[w.value for w in layer.trainable_variables]]
        loss, grads = jax.value_and_grad(loss_of)(values)
    else:
        import torch

        xs = torch.tensor(x, requires_grad=True)
        weights = [w.value for w in layer.trainable_weights]
        loss = (layer(xs) * torch.tensor(cotangent)).sum()
        grads = torch.autograd.grad(loss, [xs, *weights])
    return float(loss), [to_numpy(g) for g in grads]


def check_gradient(make, x, directions=6):
    """Gradients against central differences in float64, by x and by every weight."""
    with float64():
        x = x.astype("float64")
        layer = built(make, x, dtype="float64")
        _, grads = gradient(layer, x)
        values = [x, *layer.get_weights()]
        random = np.random.default_rng(2)
        step = 1e-5

        def loss_at(values):
            layer.set_weights(values[1:])
            return gradient(layer, values[0])[0]

        for k, value in enumerate(values):
            for _ in range(directions):
                along = random.normal(size=value.shape)
                moved = [
                    loss_at([*values[:k], value + s * step * along, *values[k + 1 :]])
                    for s in (1, -1)
                ]
                slope = (moved[0] - moved[1]) / (2 * step)
                np.testing.assert_allclose(
                    np.sum(grads[k] * along), slope, rtol=1e-5, atol=1e-6
                )
        return grads
