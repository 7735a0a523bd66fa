"""What the tests of layers share: tensors, tolerances, and our facts of the contract.

The contract itself is `kerasconv.testing.check_layer`, which any layer can be held to.
`keeps_the_contract` holds a layer of the package to it with nothing let off, and adds
what only a layer with a window can be asked: which outputs a value reaches.
"""

import json
import os

import keras
import numpy as np
import oracles
import pytest
import scheduling

from kerasconv import backends, testing
from kerasconv.testing import check_layer
from kerasconv.testing import float64_context as float64  # noqa: F401

BACKEND = keras.backend.backend()
TRAINS = backends.BACKENDS[BACKEND].trains
# OpenVINO's CPU computes in float32, and its Keras backend narrows to that.
KEEPS_FLOAT64 = BACKEND != "openvino"
# What may depend on the rank, the layout and the dtype; the rest is left to one rank.
CORE = (
    "refuses_another_rank",
    "output_shape_is_as_computed",
    "symbolic_output_is_as_computed",
    "unknown_batch",
    "unknown_sizes",
    "data_formats_agree",
    "batch_of_one",
    "empty_batch",
    "computes_in_float16",
    "computes_in_mixed_float16",
    "computes_in_float64",
    "range_of_float16",
    "integer_input",
    "bool_input",
    "config_is_json",
    "config_mirrors_the_constructor",
    "config_round_trip",
    "twin_gives_equal_outputs",
    "every_weight_is_used",
    "gradient_by_input",
    "gradient_by_weights",
    "gradient_at_zero",
)


def on_the_first(*names):
    """A mark: of the backends that are tested, the first of these runs the test.

    For what is the same code on each of them, and dear on those that compile. What is
    marked `once` may run on a backend that cannot train.
    """
    tested = os.environ.get("KERASCONV_TESTED", "").split()
    first = next((name for name in names if name in tested), None)
    return pytest.mark.skipif(first != BACKEND, reason=f"it runs on {first}")


def share(cases, *names):
    """What this backend takes of the cases: those that compile deal them out."""
    others = scheduling.sharers(*(names or ("jax", "tensorflow", "openvino")))
    return cases[others.index(BACKEND) :: len(others)] if BACKEND in others else cases


trains_on_one = on_the_first("torch", "jax", "tensorflow")
starts_soonest = on_the_first("numpy", "openvino", "jax", "torch", "tensorflow")


def to_numpy(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype(
        "float64"
        if keras.backend.standardize_dtype(x.dtype) == "float64"
        else "float32"
    )


def built(make, x, seed=0, **kwargs):
    """A new layer, built for x, with random weights."""
    layer = make(**kwargs)
    layer.build(x.shape)
    random = np.random.default_rng(seed)
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
    return layer


def assert_close(a, b, rtol=2e-6, atol=2e-6, message=""):
    scale = max(1.0, float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b))))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, err_msg=message)


def gradient(layer, x, seed=1):
    """A random weighted sum of the outputs, and its gradients by x and the weights."""
    if not layer.built:
        layer.build(x.shape)
    cotangent = np.random.default_rng(seed).normal(
        size=layer.compute_output_shape(x.shape)
    )
    return testing.gradient(layer, x, [cotangent.astype(x.dtype)])


def keeps_the_contract(make, x, *, sums_channels=False, whole=False, **facts):
    """Hold one of our layers to the contract; return the report.

    Args:
        make: Function that makes a new layer.
        x: Batch of at least two images, channels last.
        sums_channels: Whether an output channel sees every input channel.
        whole: Whether to run every check, or `CORE` only.
        **facts: As `check_layer` takes them, where the layer differs from ours.
    """
    ours = {
        "any_size": True,
        "integers": True,
        "float64": KEEPS_FLOAT64,
        "empty_batch": True,
        "tolerance": 2e-6,
    }
    # A change that a mirrored border cancels is none, a NaN there is: the windows
    # themselves say more. And all layers load in a fresh process as one model.
    exclude = ["nan_stays_local", "loads_in_a_fresh_process"]
    checks = None if whole else CORE
    report = check_layer(make, x, checks=checks, exclude=exclude, **{**ours, **facts})
    layer = built(make, x)
    config = layer.get_config()
    assert json.loads(json.dumps(config)) == config, "only JSON scalars and lists"
    reaches_its_windows_only(layer, x, sums_channels)
    return report


def reaches_its_windows_only(layer, x, sums_channels):
    """A change, a NaN, an infinity reach only the windows and channel that see them."""
    window, spatial = layer.window_for(x.shape), x.shape[1:-1]
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
    y, rank = to_numpy(layer(x)), len(spatial)
    for value in (1e3, np.nan, np.inf, -np.inf):
        changed = x.copy()
        changed[(0, *index, 0)] = value
        got = to_numpy(layer(changed))
        if not np.isnan(value) or BACKEND != "openvino":  # its maximum drops NaN
            assert np.any(got[0][seen] != y[0][seen]), f"{value} must show"
        assert_close(got[1:], y[1:], message=f"another image than that of {value}")
        assert_close(got[0][~seen], y[0][~seen], message="a window that sees it not")
        if not sums_channels:
            channels = y.shape[rank + 1] // x.shape[-1]
            others = range(channels, y.shape[rank + 1])
            assert_close(
                np.take(got[0], others, axis=rank),
                np.take(y[0], others, axis=rank),
                message="another channel",
            )
