"""The classical kernels, derived from 1-D factors."""

import subprocess
import sys

import numpy as np
import oracles
import pytest

from kerasconv import kernels

pytestmark = pytest.mark.once


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_derivative_kernels_equal_the_definition(rank):
    for make, smooth in [(kernels.prewitt, (1, 1, 1)), (kernels.sobel, (1, 2, 1))]:
        expected = [oracles.derivative(rank, a, smooth) for a in range(rank)]
        np.testing.assert_array_equal(make(rank), expected)
        np.testing.assert_array_equal(make(rank, axis=-1), expected[-1:])


@pytest.mark.parametrize("size", [3, 5, 7])
def test_sobel_kernels_equal_opencv(size):
    cv2 = pytest.importorskip("cv2")
    difference, smooth = cv2.getDerivKernels(1, 0, size)
    expected = oracles.derivative(2, 0, smooth.ravel(), difference.ravel())
    np.testing.assert_array_equal(
        kernels.sobel(2, axis=0, kernel_size=size)[0], expected
    )


def test_larger_prewitt_is_the_slope_of_the_least_squares_line():
    values = np.random.default_rng(0).normal(size=5)
    slope = np.polyfit(np.arange(5.0), values, 1)[0]
    kernel = kernels.prewitt(1, kernel_size=5, normalize="unit")[0]
    assert kernel @ values == pytest.approx(slope)


@pytest.mark.parametrize("size", [(2,), (3, 3), (4, 2, 3), (1, 5)])
@pytest.mark.parametrize(
    "make", [kernels.box, kernels.binomial, kernels.gaussian, kernels.inverse_distance]
)
def test_weights_sum_to_one_fall_off_and_are_symmetric(make, size):
    weights = make(size)
    assert weights.shape == size
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, np.flip(weights))
    assert weights.max() == pytest.approx(weights[tuple(n // 2 for n in size)])
    assert weights.min() == pytest.approx(weights[(0,) * len(size)])


def test_weights_equal_their_definitions():
    np.testing.assert_allclose(
        kernels.binomial((3, 3)), np.outer([1, 2, 1], [1, 2, 1]) / 16
    )
    np.testing.assert_allclose(kernels.box((2, 2)), 0.25)
    weights = kernels.inverse_distance((3, 3))
    ratio = weights / weights[1, 1]
    assert ratio[0, 1] == pytest.approx(1 / 2)
    assert ratio[0, 0] == pytest.approx(1 / (1 + np.sqrt(2)))
    cv2 = pytest.importorskip("cv2")
    for n in (2, 3, 5):
        factor = cv2.getGaussianKernel(n, 0.3 * ((n - 1) / 2 - 1) + 0.8).ravel()
        np.testing.assert_allclose(
            kernels.gaussian((n, 3)), np.outer(factor, kernels.gaussian((3,)))
        )


def test_laplacian_is_the_sum_of_the_second_differences():
    np.testing.assert_array_equal(
        kernels.laplacian(2), [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    )
    assert kernels.laplacian(3)[1, 1, 1] == -6


def test_separate_finds_the_factors_of_a_product_and_only_of_one():
    for kernel in [kernels.sobel(3, 1, 5)[0], -kernels.binomial((3, 4)), [[2.0]]]:
        factors = kernels.separate(kernel)
        letters = "abc"[: len(factors)]
        product = np.einsum(f"{','.join(letters)}->{letters}", *factors)
        np.testing.assert_allclose(product, kernel, rtol=1e-12)
    assert kernels.separate(kernels.laplacian(2)) is None
    assert kernels.separate(np.zeros((3, 3))) is None
    # A zero beside the peak must not hide what lies off its lines.
    assert kernels.separate([[1.0, 0.0], [0.0, 1e-6]]) is None


def test_separate_keeps_whole_numbers_whole():
    factors = kernels.separate(kernels.sobel(2, 1)[0])
    np.testing.assert_array_equal(factors[0], [1, 2, 1])
    np.testing.assert_array_equal(factors[1], [-1, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"kernel_size": 2}, "kernel_size"),
        ({"kernel_size": True}, "kernel_size"),
        ({"normalize": "max"}, "normalize"),
        ({"axis": 2}, "axis"),
        ({"axis": ()}, "axis"),
        ({"axis": (0, -2)}, "axis"),
        ({"axis": 0.0}, "axis"),
    ],
)
def test_bad_argument_is_named(arguments, name):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {name}="):
        kernels.sobel(2, **arguments)


def test_kernels_need_no_keras():
    code = "import sys, kerasconv.kernels; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
