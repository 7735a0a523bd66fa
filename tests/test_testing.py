"""The contract as a public function: what it says, and that it sees what is wrong.

Every planted fault is a layer of ours, wrong in one way. It must fail the check, or
the comparison with an oracle, that names the fault, and ours must pass the same.
"""

import dataclasses
import doctest
import functools

import keras
import numpy as np
import pytest
from comparisons import (
    derivative_equals_scipy,
    image,
    learned_conv_equals_the_loops,
    lp_pool_equals_the_loops,
    ramp_has_the_documented_scale,
    weighted_pool_equals_the_loops,
)
from contract import BACKEND, KEEPS_FLOAT64, TRAINS, share, starts_soonest

from kerasconv import kernels, layers, ops
from kerasconv.testing import ContractError, check, check_layer, list_checks
from kerasconv.window import window_sums

# ------------------------------------------------------------------ planted faults


class WrongSign(layers.SobelConv):
    """Previous minus next."""

    def call(self, inputs):
        return -super().call(inputs)


class NotNormalized(layers.SobelConv):
    """Takes `normalize` and leaves it be."""

    operator = staticmethod(
        lambda rank, axis=None, size=3, normalize=None: kernels.sobel(rank, axis, size)
    )


class WrongBorder(layers.PrewittConv):
    """Mirrors about the last pixel where it should mirror about the edge."""

    def make_window(self, rank):
        right = super().make_window(rank)
        reflects = right.border_mode == "symmetric"
        return dataclasses.replace(right, border_mode="reflect") if reflects else right


class WrongCorners(layers.SobelConv):
    """Right along the edges, zeros outside of the corners."""

    def call(self, inputs):
        right = super().call(inputs)
        wrong = ops.sobel(inputs, output=self._output, border_mode="constant")
        corner = np.zeros((1, *right.shape[1:3], *[1] * (len(right.shape) - 3)), bool)
        corner[:, :: corner.shape[1] - 1, :: corner.shape[2] - 1] = True
        return keras.ops.where(corner, wrong, right)


class SwappedAxes(layers.SobelConv):
    """(dx, dy) where (dy, dx) is documented."""

    def make_kernels(self, rank):
        right = super().make_kernels(rank)
        return dataclasses.replace(
            right, dense=right.dense[::-1], factors=right.factors[::-1]
        )


class MeanForSum(layers.LpPool):
    """Always the power mean."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mean = True


class CountsPadding(layers.WeightedPool):
    """Zeros outside count as values."""

    def call(self, inputs):
        x = self.window.pad(keras.ops.convert_to_tensor(inputs))
        return window_sums(x, self._kernels, self.window.without_border())


class Flips(layers.LearnedConv):
    """The convolution of a textbook where cross-correlation was asked for."""

    def __init__(self, *args, flip=False, **kwargs):
        super().__init__(*args, flip=not flip, **kwargs)


class WrongStride(layers.LpPool):
    """Takes every stride-th window of stride one, under "same" too."""

    def call(self, inputs):
        rank = len(inputs.shape) - 2
        strides = self.make_window(rank).strides
        all_windows = ops.lp_pool(
            inputs, self.pool_size, 1, self.padding, p=self.p, mean=self.mean
        )
        return all_windows[(slice(None), *(slice(None, None, s) for s in strides))]


class LosesBias(layers.LearnedConv):
    """Has a bias and does not add it."""

    def call(self, inputs):
        return super().call(inputs) - keras.ops.convert_to_tensor(self.bias)


@keras.saving.register_keras_serializable(package="faults")
class ForgetsMean(layers.LpPool):
    """A config without one of the arguments."""

    def get_config(self):
        config = super().get_config()
        del config["mean"]
        return config


class WrongShape(layers.L2Pool):
    """`compute_output_shape` as if the last window did not fit."""

    def compute_output_shape(self, input_shape):
        batch, length, *rest = super().compute_output_shape(input_shape)
        return (batch, length and length - 1, *rest)


class Narrows(layers.WeightedPool):
    """Rounds its input to float32, and says float64 of the result."""

    def call(self, inputs):
        return super().call(keras.ops.cast(inputs, "float32"))


class BareRoot(layers.L2Pool):
    """The root's derivative is infinite at zero, and NaN times zero is NaN."""

    def call(self, inputs):
        taps = self.window.taps(self.to_compute_dtype(inputs))
        return keras.ops.sqrt(sum(tap * tap for tap in taps))


class Remembers(layers.L2Pool):
    """Adds what it saw before."""

    seen = 0

    def call(self, inputs):
        self.seen += 1
        return super().call(inputs) + 0.01 * self.seen


@keras.saving.register_keras_serializable(package="faults")
class Unsaved(keras.layers.Layer):
    """Adds a number of its own that is neither weight nor argument."""

    made = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        Unsaved.made += 1
        self.number = Unsaved.made

    def call(self, inputs):
        return inputs + self.number

    def compute_output_shape(self, input_shape):
        return input_shape


def scipy(cls, name="sobel"):
    derivative_equals_scipy(lambda x, **k: cls(**k)(x), name, 2, "symmetric")


def pools(comparison):
    return functools.partial(comparison, rank=2, size=3, strides=2, padding="same")


# fault: the right class, the wrong one, the comparison of either with an oracle
BY_ORACLE = {
    "sign": (layers.SobelConv, WrongSign, scipy),
    "normalisation": (
        layers.SobelConv,
        NotNormalized,
        functools.partial(ramp_has_the_documented_scale, slope=8, rank=2),
    ),
    "border": (
        layers.PrewittConv,
        WrongBorder,
        functools.partial(scipy, name="prewitt"),
    ),
    "corner": (layers.SobelConv, WrongCorners, scipy),
    "swapped axes": (layers.SobelConv, SwappedAxes, scipy),
    "mean for sum": (layers.LpPool, MeanForSum, pools(lp_pool_equals_the_loops)),
    "counted padding": (
        layers.WeightedPool,
        CountsPadding,
        pools(weighted_pool_equals_the_loops),
    ),
    "flipped kernel": (
        layers.LearnedConv,
        Flips,
        functools.partial(
            learned_conv_equals_the_loops, rank=2, mode="constant", flip=False
        ),
    ),
    "wrong stride": (layers.LpPool, WrongStride, pools(lp_pool_equals_the_loops)),
}
# fault: the right class, the wrong one, its arguments, the checks that name it
BY_CONTRACT = {
    "lost bias": (layers.LearnedConv, LosesBias, {"filters": 3},
                  {"every_weight_is_used"}),
    "config without an argument": (
        layers.LpPool, ForgetsMean, {"p": 3, "mean": True},
        {"config_mirrors_the_constructor", "twin_gives_equal_outputs"}),
    "wrong output shape": (layers.L2Pool, WrongShape, {},
                           {"output_shape_is_as_computed"}),
    "float32 in a float64 layer": (layers.WeightedPool, Narrows, {},
                                   {"computes_in_float64"}),
    "NaN gradient at zero": (layers.L2Pool, BareRoot, {}, {"gradient_at_zero"}),
    "state that no file holds": (
        keras.layers.Identity, Unsaved, {},
        {"twin_gives_equal_outputs", "clones", "saves_and_loads", "copies"}),
    "state that leaks between calls": (
        layers.L2Pool, Remembers, {},
        {"no_state_leaks_between_calls", "inference_repeats"}),
}  # fmt: skip


@pytest.mark.dealt
@pytest.mark.parametrize("fault", BY_ORACLE)
def test_planted_fault_fails_the_comparison_that_the_layer_passes(fault):
    right, wrong, comparison = BY_ORACLE[fault]
    comparison(right)
    with pytest.raises(AssertionError):
        comparison(wrong)


@pytest.mark.dealt
@pytest.mark.parametrize("fault", BY_CONTRACT)
def test_planted_fault_fails_the_check_that_names_it(fault):
    right, wrong, arguments, named = BY_CONTRACT[fault]
    if "float64" in fault and not KEEPS_FLOAT64:
        pytest.skip(f"{BACKEND} has no float64")
    if "gradient" in fault and not TRAINS:
        pytest.skip(f"{BACKEND} does not train")
    held = functools.partial(
        check_layer, inputs=image(2), checks=named, float64=KEEPS_FLOAT64
    )
    assert named <= set(held(lambda: right(**arguments)).passed)
    with pytest.raises(ContractError) as failed:
        held(lambda: wrong(**arguments))
    assert set(failed.value.report.failed) == named


def test_sixteen_faults_are_planted():
    assert len(BY_ORACLE) + len(BY_CONTRACT) == 16


# fault: what the layer makes of its input, the checks that name it
BY_FUNCTION = {
    "the place in the batch counts": (
        lambda x: x + keras.ops.reshape(keras.ops.cumsum(0 * x[:, 0] + 1), (-1, 1)),
        {"order_of_examples", "batch_of_one"}),
    "NaN is dropped": (
        lambda x: keras.ops.where(keras.ops.isnan(x), 0.0, x), {"nan_does_not_vanish"}),
    "NaN reaches what no number does": (
        lambda x: x + 0 * keras.ops.sum(x, axis=1, keepdims=True),
        {"nan_stays_local"}),
    "zeros are divided by zero": (
        lambda x: x / keras.ops.max(keras.ops.abs(x), axis=1, keepdims=True),
        {"plain_inputs_are_finite"}),
    "half of the gradient is lost": (
        lambda x: x / 2 + keras.ops.stop_gradient(x / 2), {"gradient_by_input"}),
}  # fmt: skip


@pytest.mark.skipif(BACKEND == "openvino", reason="it drops NaN")
@pytest.mark.parametrize("fault", BY_FUNCTION)
def test_a_faulty_function_fails_the_checks_that_name_it(fault):
    function, named = BY_FUNCTION[fault]
    if "gradient" in fault and not TRAINS:
        pytest.skip(f"{BACKEND} does not train")

    class Faulty(keras.layers.Layer):
        """Wrong in one way."""

        def call(self, inputs):
            return function(inputs)

    with pytest.raises(ContractError) as failed:
        check_layer(Faulty, (3, 6), checks=named, keeps_nan=True)
    assert set(failed.value.report.failed) == named


# --------------------------------------------------------------------- the function

SLOW = ("trains", "predict_equals_call", "compiled_equals_eager", "threads",
         "loads_in_a_fresh_process")  # fmt: skip


class Wrong(layers.L2Pool):
    """Wrong in three ways."""

    def call(self, inputs):
        print("called")
        return (
            super().call(inputs)
            + keras.ops.mean(inputs, axis=0, keepdims=True)[:, :1, :1]
        )

    def compute_output_shape(self, input_shape):
        return (*super().compute_output_shape(input_shape), 1)


def test_all_failures_are_reported_with_what_was_expected_and_got():
    names = ["output_shape_is_as_computed", "batch_of_one", "writes_nothing_on_stdout",
             "inference_repeats"]  # fmt: skip
    with pytest.raises(ContractError) as failed:
        check_layer(lambda: Wrong(), (3, 8, 7, 2), checks=names)
    report = failed.value.report
    assert set(report.failed) == set(names[:3])
    assert report.passed == ("can_be_called", "inference_repeats")
    message = str(failed.value)
    assert message.startswith(f"Wrong on {BACKEND}: 2 checks passed, 3 failed")
    for name in names[:3]:
        assert f"- {name}: {list_checks()[name]}" in message
    assert "expected [(3, 4, 3, 2, 1)], got [(3, 4, 3, 2)]" in message
    assert "expected shape" not in message
    assert isinstance(failed.value, AssertionError)


def test_there_are_some_forty_checks_each_of_one_line():
    known = list_checks()
    assert len(known) >= 40
    for name, meaning in known.items():
        assert name.isidentifier()
        assert meaning.endswith(".")
        assert "\n" not in meaning


OF_KERAS = {
    "tanh": lambda: keras.layers.Dense(3, activation="tanh"),
    "BatchNormalization": keras.layers.BatchNormalization(),
    "Dropout": keras.layers.Dropout(0.5),
    "Flatten": keras.layers.Flatten,
    "pool": keras.layers.AveragePooling1D(2),
    "int": keras.layers.Embedding(5, 3),
}


@pytest.mark.parametrize("name", OF_KERAS)
def test_layers_of_keras_keep_it_and_an_input_is_found_for_them(name):
    if name not in share([*OF_KERAS]):
        pytest.skip("another backend that compiles checks it")
    layer = OF_KERAS[name]
    # Keras's batch normalization computes in float32 whatever it is asked for.
    report = check_layer(layer, exclude=[*SLOW, "computes_in_float64"])
    assert len(report.passed) > 25
    assert report.failed == {}


@starts_soonest
def test_a_layer_of_several_inputs_is_checked():
    x = image(2).astype("float64")  # as NumPy makes them
    report = check_layer(keras.layers.Subtract(), [x, x[::-1]], exclude=SLOW)
    assert "order_of_examples" in report.passed
    assert "works_nested" in report.passed


def test_a_fault_of_a_layer_of_keras_is_found():
    """Layer normalization of integers gives integers, mostly zeros."""
    held = functools.partial(
        check_layer, keras.layers.LayerNormalization(), checks=["integer_input"]
    )
    with pytest.raises(ContractError, match="integer_input: Integers compute"):
        held()
    assert held(integers=False).skipped == {
        "integer_input": "the layer takes no integers"
    }


@keras.saving.register_keras_serializable(package="testing")
class Shout(keras.layers.Layer):
    """Adds noise, always, and half of the others."""

    def __init__(self, loudness=1.0, **kwargs):
        super().__init__(**kwargs)
        self.loudness = loudness
        self.noise = keras.random.SeedGenerator(0)

    def call(self, inputs):
        noise = keras.random.normal(keras.ops.shape(inputs), seed=self.noise)
        mean = keras.ops.mean(inputs, axis=0, keepdims=True)
        return inputs + mean / 2 + self.loudness * keras.ops.cast(noise, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "loudness": self.loudness}


@starts_soonest
def test_a_random_layer_says_so_and_its_values_are_let_off():
    checks = ["inference_repeats", "batch_of_one", "config_round_trip"]
    with pytest.raises(ContractError, match="inference_repeats"):
        check_layer(Shout(), checks=checks)
    report = check_layer(Shout(), checks=checks, random=True)
    assert report.skipped["inference_repeats"] == "the layer is random"
    quiet = check_layer(Shout(0.0), checks=checks, batch_independent=False)
    assert quiet.skipped == {"batch_of_one": "examples depend on each other"}
    assert "inference_repeats" in quiet.passed


def test_an_instance_is_left_as_it_is():
    layer = keras.layers.Dense(3)
    check_layer(layer, checks=["every_weight_is_used"])
    assert not layer.built
    layer.build((None, 5))
    before = layer.get_weights()
    check_layer(layer, checks=["every_weight_is_used", "weights_are_counted"])
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@starts_soonest
def test_checks_are_chosen_by_name():
    one = check_layer(keras.layers.ReLU, checks=["empty_batch"], empty_batch=True)
    assert one.passed == ("can_be_called", "empty_batch")
    most = check_layer(keras.layers.ReLU, (2, 3), exclude=[*SLOW, "copies"])
    assert "copies" not in {*most.passed, *most.skipped}
    for argument in ({"checks": ["speed"]}, {"exclude": ["speed"]}):
        (name,) = argument
        with pytest.raises(ValueError, match=rf"`{name}`.*list_checks.*'speed'"):
            check_layer(keras.layers.ReLU, **argument)
    with pytest.raises(ValueError, match=r"`checks` must be several names"):
        check_layer(keras.layers.ReLU, checks="copies")


class Bare(keras.layers.Layer):
    """Takes what it needs and nothing that every layer takes."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units))

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.kernel)


def test_what_a_layer_leaves_out_fails_once_and_lets_off_what_needs_it():
    checks = ["takes_the_common_arguments", "output_shape_is_as_computed",
              "unknown_batch", "computes_in_float16", "every_weight_is_used",
              "data_formats_agree"]  # fmt: skip
    with pytest.raises(ContractError) as failed:
        check_layer(Bare(3), checks=checks)
    report = failed.value.report
    assert set(report.failed) == set(checks[:2])
    assert report.skipped == {
        "unknown_batch": "`compute_output_shape` is not implemented",
        "computes_in_float16": "the constructor takes no `dtype`",
        "data_formats_agree": "the layer has no data_format",
    }
    assert "every_weight_is_used" in report.passed


def test_the_dtype_of_an_instance_is_no_matter():
    layer = layers.SobelConv(strides=(2, 1), dtype="float16")
    checks = ["computes_in_bfloat16", "casts_floats", "works_in_sequential"]
    assert set(checks) < set(check_layer(layer, checks=checks).passed)


def test_a_bad_argument_is_named():
    for layer in (3, lambda: 3):
        with pytest.raises(ValueError, match="`layer` must"):
            check_layer(layer)
    with pytest.raises(ValueError, match="at least two examples"):
        check_layer(keras.layers.ReLU, np.zeros((1, 3), "float32"))
    with pytest.raises(ValueError, match="exclude each other"):
        check_layer(keras.layers.ReLU, np.zeros((2, 3)), input_shape=(2, 3))
    with pytest.raises(ValueError, match="`input_shape` must be given"):
        check_layer(lambda: layers.L2Pool(50))


def test_a_layer_that_cannot_be_called_fails_once():
    with pytest.raises(ContractError) as failed:
        check_layer(lambda: layers.L2Pool(5), (2, 3, 3, 1))
    report = failed.value.report
    assert list(report.failed) == ["can_be_called"]
    assert "at least 5 long" in report.failed["can_be_called"]
    assert set(report.skipped.values()) == {"the layer cannot be called"}


def test_a_class_that_no_other_process_could_import_is_let_off_there():
    class Local(keras.layers.Layer):
        """Has no home."""

        def call(self, inputs):
            return inputs

    report = check_layer(Local, checks=["loads_in_a_fresh_process"])
    reason = report.skipped["loads_in_a_fresh_process"]
    assert "Local cannot be imported from test_testing" in reason
    with pytest.raises(ContractError, match="register_keras_serializable"):
        check_layer(Local, checks=["serializes"])


@pytest.mark.once
def test_the_examples_run():
    ran = doctest.testmod(check, extraglobs={"keras": keras})
    assert ran.attempted >= 4
    assert ran.failed == 0
