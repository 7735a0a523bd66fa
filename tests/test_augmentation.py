"""Random changes of training images: of the size asked, and only in training."""

import numpy as np
import pytest
from contract import trains_on_one
from scipy import ndimage

from kerasconv import backends
from kerasconv._keras import keras
from kerasconv.augmentation import RandomGain, RandomInversion, RandomNoise, RandomWarp

LAYERS = {
    "gain": lambda seed=None: RandomGain(0.3, seed=seed),
    "noise": lambda seed=None: RandomNoise(0.2, seed=seed),
    "inversion": lambda seed=None: RandomInversion(1.0, seed=seed),
    "warp": lambda seed=None: RandomWarp(10, 0.1, 0.1, 1.5, 0.6, seed=seed),
}

pytestmark = pytest.mark.skipif(
    not backends.BACKENDS[keras.backend.backend()].trains,
    reason="Keras cannot train on this backend",
)


def applied(layer, images):
    return keras.ops.convert_to_numpy(layer(images, training=True))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
class TestEvery:
    def test_inference_leaves_the_images_alone(self, make, digits):
        images = digits[0][:4]
        out = keras.ops.convert_to_numpy(make()(images))
        np.testing.assert_array_equal(out, images)

    def test_training_changes_each_image_by_itself_and_keeps_the_range(
        self, make, digits
    ):
        images = np.repeat(digits[0][:1], 4, axis=0)
        out = applied(make(seed=1), images)
        assert out.shape == images.shape
        assert out.min() >= 0
        assert out.max() <= 1 + 1e-6
        assert len({image.tobytes() for image in out}) == 4

    def test_a_seed_gives_the_same_changes_and_the_next_call_others(self, make, digits):
        images = digits[0][:4]
        layer = make(seed=3)
        first = applied(layer, images)
        np.testing.assert_array_equal(first, applied(make(seed=3), images))
        assert np.abs(first - applied(layer, images)).max() > 1e-3

    def test_the_config_makes_the_same_layer(self, make):
        layer = make(seed=3)
        twin = type(layer).from_config(layer.get_config())
        assert twin.get_config() == layer.get_config()
        assert layer.compute_output_shape((None, 28, 28, 1)) == (None, 28, 28, 1)


# How large the changes are, the same on every backend: statistics of many images.


@trains_on_one
def test_gain_scales_about_nought():
    images = np.full((2000, 1, 1, 1), 0.5, "float32")
    out = applied(RandomGain(0.3, seed=0), images).ravel() / 0.5
    assert out.min() == pytest.approx(0.7, abs=0.01)
    assert out.max() == pytest.approx(1.3, abs=0.01)
    assert np.all(applied(RandomGain(0.3), np.zeros((2, 3, 3, 1), "float32")) == 0)


@trains_on_one
def test_noise_has_deviations_from_nought_to_the_factor():
    images = np.full((400, 20, 20, 1), 0.5, "float32")
    sd = applied(RandomNoise(0.1, seed=0), images).std((1, 2, 3))
    assert sd.min() < 0.01
    assert sd.max() == pytest.approx(0.1, rel=0.15)
    assert sd.mean() == pytest.approx(0.05, rel=0.15)


@trains_on_one
def test_an_inversion_is_of_one_rectangle_in_the_share_of_images_asked():
    images = np.full((600, 12, 9, 1), 0.25, "float32")
    out = applied(RandomInversion(0.5, seed=0), images)[..., 0]
    changed = out == 0.75
    assert np.all(changed | (out == 0.25))
    struck = changed.any((1, 2))
    assert 0.35 < struck.mean() < 0.5  # some rectangles hold no pixel
    for mask in changed[struck]:
        rows, columns = mask.any(1), mask.any(0)
        np.testing.assert_array_equal(mask, np.outer(rows, columns))
        assert np.all(np.diff(np.flatnonzero(rows)) == 1)
        assert np.all(np.diff(np.flatnonzero(columns)) == 1)
    sides = changed[struck].any(2).sum(1)
    assert sides.max() >= 11


def test_a_warp_by_nothing_changes_nothing(digits):
    images = digits[0][:4]  # of the shape that the tests above compiled
    np.testing.assert_allclose(applied(RandomWarp(), images), images, atol=1e-6)


def test_the_sampling_is_scipys_bilinear_one(digits):
    from kerasconv.augmentation import _sampled

    random = np.random.default_rng(0)
    images = 1 - digits[0][:3]  # bright up to the rim
    y, x = random.uniform(-3, 31, (2, 3, 28, 28)).astype("float32")
    out = keras.ops.convert_to_numpy(
        _sampled(*map(keras.ops.convert_to_tensor, (images, y, x)))
    )
    padded = np.pad(images[..., 0], ((0, 0), (1, 1), (1, 1)))
    for i in range(3):
        expected = ndimage.map_coordinates(
            padded[i], [y[i] + 1, x[i] + 1], order=1, mode="constant"
        )
        np.testing.assert_allclose(out[i, ..., 0], expected, atol=1e-5)


@trains_on_one
def test_a_shift_is_as_large_as_asked():
    """The centre of mass of a spot says where it went."""
    images = np.zeros((500, 21, 21, 1), "float32")
    images[:, 10, 10] = 1
    out = applied(RandomWarp(shift=3, seed=0), images)[..., 0]
    rows = np.arange(21)
    moved = (out.sum(2) @ rows) / out.sum((1, 2)) - 10
    assert 2.7 < np.abs(moved).max() <= 3.001
    assert abs(moved.mean()) < 0.3


@trains_on_one
def test_a_warp_goes_as_far_as_asked():
    """An image whose values are its coordinates says where each pixel came from."""
    image = np.moveaxis(np.indices((21, 21)), 0, -1).astype("float32")
    images = np.repeat(image[None], 400, axis=0)

    def slopes(**strength):
        """Row and column taken, minus the pixel's own, and by one row or column on."""
        taken = applied(RandomWarp(**strength, seed=0), images)
        by_row = (taken[:, 12, 10] - taken[:, 8, 10]) / 4
        by_column = (taken[:, 10, 12] - taken[:, 10, 8]) / 4
        return taken[:, 10, 10] - 10, by_row, by_column

    _, by_row, by_column = slopes(rotation=30)
    angle = np.degrees(np.arctan2(by_row[:, 1], by_row[:, 0]))
    np.testing.assert_allclose(np.hypot(*by_row.T), 1, atol=1e-4)
    np.testing.assert_allclose(by_row[:, 0], by_column[:, 1], atol=1e-4)
    assert (angle.min(), angle.max()) == pytest.approx((-30, 30), abs=1)
    _, by_row, by_column = slopes(zoom=0.2)
    for scale in (by_row[:, 0], by_column[:, 1]):
        assert (scale.min(), scale.max()) == pytest.approx((0.8, 1.2), abs=0.01)
    assert np.corrcoef(by_row[:, 0], by_column[:, 1])[0, 1] < 0.3
    _, by_row, _ = slopes(shear=0.2)
    assert np.abs(by_row[:, 1]).max() == pytest.approx(0.2, abs=0.01)
    moved, *_ = slopes(bend=0.5)
    np.testing.assert_allclose(moved.std(0), 0.5, rtol=0.15)


def test_a_factor_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"`factor` must be .* 0 to 1\..*factor=2"):
        RandomGain(2)
