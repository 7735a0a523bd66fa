"""The window: its borders, its taps, its geometry."""

import functools
import itertools
from copy import copy

import keras
import numpy as np
import oracles
import pytest
from contract import to_numpy
from scipy import ndimage

from kerasconv.layers import SobelConv, Window, WindowLayer
from kerasconv.window import Kernels, window_sums
from kerasconv.window.slices import weighs_exactly

MODES = ("symmetric", "reflect", "edge", "wrap", "constant")


@pytest.mark.dealt
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_border_equals_numpy_pad(rank, mode):
    """Also on axes of length 1, and where the border is longer than the image."""
    random = np.random.default_rng(0)
    for shape, size in itertools.product(
        [(5, 4, 3), (1, 2, 3), (2, 1, 1)], [(3, 3, 3), (8, 5, 2)]
    ):
        x = random.normal(size=(2, *shape[:rank], 2)).astype("float32")
        window = Window.of(rank, size[:rank], padding="same", border_mode=mode)
        pads = [((k - 1) // 2, k // 2) for k in size[:rank]]
        expected = np.pad(x, [(0, 0), *pads, (0, 0)], mode=mode)
        padded = window.pad(keras.ops.convert_to_tensor(x))
        np.testing.assert_array_equal(to_numpy(padded), expected)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="other backends know every length when they compute",
)
@pytest.mark.parametrize("mode", MODES)
def test_border_equals_numpy_pad_where_lengths_are_unknown(mode):
    import tensorflow as tf

    for size, strides in [(3, 1), (9, 1), (4, 3)]:
        window = Window.of(2, size, strides, padding="same", border_mode=mode)
        padded = tf.function(
            window.pad,
            input_signature=[tf.TensorSpec((None, None, None, 1))],
            autograph=False,
        )
        for shape in [(1, 5, 7, 1), (2, 1, 2, 1)]:
            x = np.random.default_rng(1).normal(size=shape).astype("float32")
            pads = [(0, 0), *window.pads(shape[1:3]), (0, 0)]
            np.testing.assert_array_equal(padded(x), np.pad(x, pads, mode=mode))


@pytest.fixture
def on_gpu(backend, monkeypatch):
    """Has the backend compile as it does for a GPU; gives what compiles a function."""
    if backend == "jax":
        import jax

        from kerasconv.window.backends import jax as module

        compile = jax.jit
    elif backend == "tensorflow":
        import tensorflow as tf

        from kerasconv.window.backends import tensorflow as module

        def compile(function):
            return tf.function(function, jit_compile=True, autograph=False)

    elif backend == "torch":
        import torch

        from kerasconv.window import slices
        from kerasconv.window.backends import torch as module

        for each in (module, slices):
            monkeypatch.setattr(
                each, "gathers", lambda x: torch.compiler.is_compiling()
            )
        return functools.partial(torch.compile, dynamic=False, backend="aot_eager")
    else:
        pytest.skip(f"{backend} compiles nothing for a GPU")
    monkeypatch.setattr(module, "on_gpu", lambda: True)
    return compile


@pytest.mark.parametrize("mode", MODES)
def test_what_is_compiled_for_a_gpu_computes_what_scipy_does(mode, on_gpu):
    x = np.random.default_rng(2).normal(size=(2, 11, 13, 3)).astype("float32")
    layer = SobelConv(output="magnitude", border_mode=mode)
    layer(x)  # built
    found = to_numpy(on_gpu(lambda x: layer(x))(keras.ops.convert_to_tensor(x)))
    of_scipy = {"symmetric": "reflect", "reflect": "mirror", "edge": "nearest"}
    sobel = functools.partial(ndimage.sobel, mode=of_scipy.get(mode, mode))
    # `ndimage.sobel` smooths along every other axis: so a plane at a time.
    for channel in range(3):
        plane = np.float64(x[..., channel])
        dy, dx = (np.stack([sobel(image, axis) for image in plane]) for axis in (0, 1))
        np.testing.assert_allclose(
            found[..., channel], np.hypot(dy, dx), rtol=1e-5, atol=1e-5
        )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="others compile on sight or never"
)
class TestProgramsOfTensorFlow:
    @pytest.fixture
    def programs(self, monkeypatch):
        """Counts the programs that are compiled, from none."""
        from kerasconv.window.backends import tensorflow

        for cache in (tensorflow._calls, tensorflow._program):
            cache.cache_clear()
        monkeypatch.setattr(tensorflow, "_numbers", itertools.count())
        return lambda: next(copy(tensorflow._numbers))

    def test_a_shape_is_compiled_at_its_third_eager_call(self, programs):
        for length in (7, 8, 9):
            first, second = sums(length), sums(length)
            assert programs() == length - 7, "not on sight"
            third = sums(length)
            assert programs() == length - 6
            np.testing.assert_array_equal(first, second)
            np.testing.assert_allclose(third, first, rtol=1e-6)

    def test_a_graph_is_compiled_at_once(self, programs):
        import tensorflow as tf

        eager = sums(7)
        np.testing.assert_allclose(tf.function(sums)(7), eager, rtol=1e-6)
        assert programs() == 1

    def test_what_is_kept_is_bounded_and_the_rest_still_computed(
        self, programs, monkeypatch
    ):
        from kerasconv.window.backends import tensorflow

        monkeypatch.setattr(tensorflow, "_PROGRAMS", 1)
        for length in (7, 8):
            expected = sums(length)
            for _ in range(3):
                np.testing.assert_allclose(sums(length), expected, rtol=1e-6)
        assert programs() == 2, "the second was asked for"
        assert tensorflow._program.cache_info().currsize == 2


def test_jax_forgets_its_programs_where_shape_after_shape_comes(backend, monkeypatch):
    if backend != "jax":
        pytest.skip("others keep none, or not for ever")
    from kerasconv.window.backends import jax

    monkeypatch.setattr(jax, "_PROGRAMS", 3)
    jax._kept.clear(), jax._jitted.clear_cache()
    for length in (5, 6, 7, 5, 8, 5):
        np.testing.assert_array_equal(
            sums(length)[0, 1:-1, 0], 4 * np.arange(1, length - 1)
        )
        assert jax._jitted._cache_size() <= 3
    assert len(jax._kept) == 2


def sums(length):
    """Derivatives of one signal."""
    x = keras.ops.reshape(
        keras.ops.arange(length, dtype="float32") ** 2, (1, length, 1)
    )
    window = Window.of(1, 3, padding="same", border_mode="edge")
    return window_sums(x, Kernels.of(np.array([[-1.0, 0.0, 1.0]])), window)


@pytest.mark.dealt
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_taps_are_what_each_position_of_the_window_sees(rank, data_format):
    x = np.random.default_rng(2).normal(size=(7, 6, 5)[:rank]).astype("float32")
    geometry = {"strides": 2, "dilation": 2}
    window = Window.of(
        rank, 3, **geometry, padding="same", border_mode="wrap", data_format=data_format
    )
    seen = oracles.windows(x, (3,) * rank, **geometry, padding="same", mode="wrap")
    batch = x[None, ..., None] if data_format == "channels_last" else x[None, None]
    taps = window.taps(keras.ops.convert_to_tensor(batch))
    for tap, position in zip(taps, np.ndindex(*window.size), strict=True):
        np.testing.assert_array_equal(
            to_numpy(tap).reshape(seen.shape[:rank]), seen[(..., *position)]
        )


@pytest.mark.once
def test_output_shape_counts_the_windows():
    for n, k, s, d, padding, centred in itertools.product(
        range(1, 9), (1, 2, 3), (1, 2, 3), (1, 2), ("valid", "same"), (True, False)
    ):
        window = Window.of(1, k, s, d, padding=padding, centred=centred)
        if padding == "valid" and n <= (k - 1) * d:
            with pytest.raises(ValueError, match="at least"):
                window.output_shape((1, n, 1))
            continue
        image = np.zeros(n)
        expected = oracles.windows(
            image, (k,), strides=s, dilation=d, padding=padding, centred=centred
        )
        assert window.output_shape((1, n, 1)) == (1, len(expected), 1)
        assert window.output_shape((None, None, 1), channels=4) == (None, None, 4)


@pytest.mark.once
def test_kernels_are_plain_numbers_that_hash():
    array = np.random.default_rng(3).normal(size=(2, 3, 3))
    kernels = Kernels.of(array)
    assert len(kernels) == 2
    assert hash(kernels) == hash(Kernels.of(array))
    assert kernels != Kernels.of(-array)
    np.testing.assert_array_equal(np.reshape(kernels.dense, array.shape), array)


@pytest.mark.once
@pytest.mark.parametrize(
    ("smooth", "may"),
    [
        ([1, 2, 1], True),
        ([1, 1, 1], True),
        ([1, 4, 6, 4, 1], False),  # a product with 6 rounds
        ([0.25, 0.5, 0.25], False),  # what is tiny loses digits
    ],
)
def test_a_difference_may_follow_what_smooths_it_only_by_exact_products(smooth, may):
    for factors in ([[-1, 0, 1], smooth], [smooth, [-1, 0, 1]]):
        assert weighs_exactly(factors) is may


@pytest.mark.once
def test_a_difference_follows_no_sum_of_many_values():
    assert weighs_exactly([[-1, 1], [1, 1, 1], [1, 1, 1]])
    assert not weighs_exactly([[-1, 1], [1, 2, 1], [1, 2, 1]])
    assert weighs_exactly(None)


def test_layer_without_a_window_says_so():
    with pytest.raises(NotImplementedError):
        WindowLayer().build((None, 5, 5, 1))
