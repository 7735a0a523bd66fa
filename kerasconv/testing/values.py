"""Checks of values: NaN, infinity, large and small numbers, and gradients."""

import functools

import numpy as np

from kerasconv._keras import keras
from kerasconv.testing.case import Case, array, double, float64_context, need


def nan_stays_in_its_example(case: Case) -> None:
    """A NaN in one example leaves the others alone."""
    case.need_independence()
    _others_are_left_alone(case, np.nan)


def infinity_stays_in_its_example(case: Case) -> None:
    """An infinity in one example leaves the others alone."""
    case.need_independence()
    for value in (np.inf, -np.inf):
        _others_are_left_alone(case, value)


def _others_are_left_alone(case: Case, value: float) -> None:
    got = case.corrupted(value)
    case.same([y[1:] for y in got], [y[1:] for y in case.y], "the other examples")


def nan_stays_local(case: Case) -> None:
    """NaN and infinity reach only the outputs that a finite change there reaches."""
    # A layer that reads a value twice and cancels it may be let off.
    case.need_values()
    reached = [np.zeros(y.shape, bool) for y in case.y]
    for value in (1e3, -1e3, 1.0):
        got = zip(reached, case.corrupted(value), case.y, strict=True)
        reached = [r | (a != b) for r, a, b in got]
    for value in (np.nan, np.inf, -np.inf):
        case.same(
            [a[~r] for a, r in zip(case.corrupted(value), reached, strict=True)],
            [b[~r] for b, r in zip(case.y, reached, strict=True)],
            f"outputs out of the reach of {value}",
        )


def nan_does_not_vanish(case: Case) -> None:
    """A NaN in the input shows in the output."""
    case.need_float_outputs()
    need(case.keeps_nan, "the layer or the backend drops NaN")
    got = case.corrupted(np.nan)
    assert any(np.isnan(y).any() for y in got), "expected some NaN, got none"


def plain_inputs_are_finite(case: Case) -> None:
    """Zero, constant, large (1000) and small (1e-6) inputs give finite outputs."""
    case.need_floats()
    case.need_float_outputs()
    for constant, size in ((0, 1e3), (1, 1e-6)):
        x = case.each(functools.partial(np.multiply, np.float32(size)))
        for a in keras.tree.flatten(x):
            a[0] = constant
        assert all(np.isfinite(y).all() for y in case.run(case.layer, x)), (
            f"one example of {constant}, the others {size:g} in size: expected finite "
            "outputs, got others"
        )


def gradient_by_input(case: Case) -> None:
    """Gradients by the input are finite differences, in float64."""
    _gradient_is_right(case, weights=False)


def gradient_by_weights(case: Case) -> None:
    """Gradients by every trainable weight are finite differences, in float64."""
    need(case.layer.trainable_weights, "no weight trains")
    _gradient_is_right(case, weights=True)


def _gradient_is_right(case: Case, weights: bool) -> None:
    case.need_training()
    case.need_values()
    case.need_floats()
    case.need_float_outputs()
    # Where float32 is all that there is, differences are coarse.
    step, near = (1e-5, 1e-5) if case.precision < 1e-2 else (1e-3, 3e-2)
    layer, grads = case.double, case.gradients
    count, trained = len(case.leaves), layer.trainable_weights
    values = [double(a) for a in case.leaves]
    with float64_context():
        values += [double(array(w)) for w in trained]

        def total(changed):
            for weight, value in zip(trained, changed[count:], strict=True):
                weight.assign(value)
            x = keras.tree.pack_sequence_as(case.x, changed[:count])
            outputs = zip(case.cotangents, case.run(layer, x), strict=True)
            return sum(np.sum(c * y) for c, y in outputs)

        random = np.random.default_rng(2)
        for k in range(count, len(values)) if weights else range(count):
            what = trained[k - count].path if weights else "the input"
            # One direction at random has a part along every value.
            along = random.normal(size=values[k].shape)
            ahead, behind = (
                total([*values[:k], values[k] + s * along, *values[k + 1 :]])
                for s in (step, -step)
            )
            expected = (ahead - behind) / (2 * step)
            got = np.sum(grads[k] * along)
            assert np.isclose(got, expected, near, near), (
                f"gradient by {what}: expected {expected:.9g}, got {got:.9g}"
            )
        total(values)


def gradient_at_zero(case: Case) -> None:
    """An input of zeros has finite gradients by input and weights."""
    case.need_training()
    case.need_floats()
    case.need_float_outputs()
    zeros = case.each(lambda a: np.zeros(a.shape))
    for k, grad in enumerate(case.gradients_at(zeros)):
        what = "the input" if k < len(case.leaves) else "a weight"
        assert np.isfinite(grad).all(), (
            f"expected finite gradients by {what}, got {np.sum(~np.isfinite(grad))} "
            f"of {grad.size} that are not"
        )
