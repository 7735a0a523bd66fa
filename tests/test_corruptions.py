"""Corruptions: the same every time, of the right kind, and no more than asked."""

import numpy as np
import pytest

from kerasconv import corruptions

pytestmark = pytest.mark.once


@pytest.fixture
def images(digits):
    return np.rint(digits[0] * 255).astype(np.uint8)


def test_there_are_as_many_families_as_in_mnist_c():
    from kerasconv.data import CORRUPTIONS

    assert len(corruptions.FAMILIES) == len(CORRUPTIONS) == 15


@pytest.mark.parametrize("family", corruptions.FAMILIES)
def test_a_seed_spoils_alike_and_changes_the_images(images, family):
    spoilt = corruptions.corrupt(images, family)
    assert spoilt.shape == images.shape
    assert spoilt.dtype == np.uint8
    np.testing.assert_array_equal(spoilt, corruptions.corrupt(images, family))
    assert np.mean(np.any(spoilt != images, axis=(1, 2, 3))) > 0.9


def test_rotation_keeps_the_ink_and_turns_it(images):
    spoilt = corruptions.corrupt(images, "rotate").astype(float)
    ink = spoilt.sum((1, 2, 3)) / images.sum((1, 2, 3))
    np.testing.assert_allclose(ink, 1, atol=0.06)


def test_scaling_leaves_the_share_of_ink_that_the_area_says(images):
    spoilt = corruptions.corrupt(images, "scale").astype(float)
    ink = spoilt.sum() / images.sum()
    assert ink == pytest.approx(0.6**2, rel=0.03)


def test_brightness_lifts_every_pixel_by_half(images):
    spoilt = corruptions.corrupt(images, "brightness")
    expected = np.round(np.clip(images / np.float32(255) + 0.5, 0, 1) * 255)
    np.testing.assert_array_equal(spoilt, expected.astype(np.uint8))


def test_stripes_invert_two_bands_and_nothing_else(images):
    spoilt = corruptions.corrupt(images, "stripe")
    band = np.zeros(28, bool)
    band[:7] = band[14:21] = True
    np.testing.assert_array_equal(spoilt[:, :, band], 255 - images[:, :, band])
    np.testing.assert_array_equal(spoilt[:, :, ~band], images[:, :, ~band])


def test_impulses_strike_one_pixel_in_six(images):
    grey = np.full_like(images, 128)
    spoilt = corruptions.corrupt(grey, "impulse_noise")
    assert np.mean(spoilt == 0) == pytest.approx(0.085, abs=0.01)
    assert np.mean(spoilt == 255) == pytest.approx(0.085, abs=0.01)


def test_lines_only_add_ink(images):
    for family in ("dotted_line", "zigzag", "spatter"):
        assert np.all(corruptions.corrupt(images, family) >= images)


def test_the_figure_is_the_mean_over_the_families(images, digits):
    labels = digits[1]

    def seer(spoilt):
        return np.eye(10)[labels[: len(spoilt)]]

    facts = corruptions.evaluate(seer, images, labels)
    assert set(facts) == {*corruptions.FAMILIES, "mean"}
    assert set(facts.values()) == {1.0}
    blind = corruptions.evaluate(lambda x: np.eye(10)[[0] * len(x)], images, labels)
    assert blind["mean"] == pytest.approx(np.mean(labels == 0))
