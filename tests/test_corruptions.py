"""Corruptions: the same every time, of the right kind, and no more than asked."""

import numpy as np
import pytest

from kerasconv import corruptions, data
from kerasconv.errors import UsageError

pytestmark = pytest.mark.once


@pytest.fixture
def images(digits):
    return np.rint(digits[0] * 255).astype(np.uint8)


def test_there_are_as_many_families_as_in_mnist_c():
    assert len(corruptions.FAMILIES) == len(corruptions.MNIST_C) == 15
    names = {name for name in data.DATASETS if name.startswith("mnist_corrupted/")}
    assert names == {f"mnist_corrupted/{name}" for name in corruptions.MNIST_C.values()}


def test_an_unknown_family_is_refused_with_the_known(images):
    with pytest.raises(UsageError, match=r"one of shot_noise, .*'fogg'"):
        corruptions.corrupt(images, "fogg")


@pytest.mark.parametrize("family", corruptions.FAMILIES)
def test_a_seed_corrupts_alike_and_changes_the_images(images, family):
    corrupted = corruptions.corrupt(images, family)
    assert corrupted.shape == images.shape
    assert corrupted.dtype == np.uint8
    np.testing.assert_array_equal(corrupted, corruptions.corrupt(images, family))
    assert np.mean(np.any(corrupted != images, axis=(1, 2, 3))) > 0.9


def test_rotation_keeps_the_ink_and_turns_it(images):
    corrupted = corruptions.corrupt(images, "rotate").astype(float)
    ink = corrupted.sum((1, 2, 3)) / images.sum((1, 2, 3))
    np.testing.assert_allclose(ink, 1, atol=0.06)


def test_scaling_leaves_the_share_of_ink_that_the_area_says(images):
    corrupted = corruptions.corrupt(images, "scale").astype(float)
    ink = corrupted.sum() / images.sum()
    assert ink == pytest.approx(0.6**2, rel=0.03)


def test_brightness_lifts_every_pixel_by_half(images):
    corrupted = corruptions.corrupt(images, "brightness")
    expected = np.round(np.clip(images / np.float32(255) + 0.5, 0, 1) * 255)
    np.testing.assert_array_equal(corrupted, expected.astype(np.uint8))


def test_stripes_invert_two_bands_and_nothing_else(images):
    corrupted = corruptions.corrupt(images, "stripe")
    band = np.zeros(28, bool)
    band[:7] = band[14:21] = True
    np.testing.assert_array_equal(corrupted[:, :, band], 255 - images[:, :, band])
    np.testing.assert_array_equal(corrupted[:, :, ~band], images[:, :, ~band])


def test_impulses_strike_one_pixel_in_six(images):
    grey = np.full_like(images, 128)
    corrupted = corruptions.corrupt(grey, "impulse_noise")
    assert np.mean(corrupted == 0) == pytest.approx(0.085, abs=0.01)
    assert np.mean(corrupted == 255) == pytest.approx(0.085, abs=0.01)


def test_lines_only_add_ink(images):
    for family in ("dotted_line", "zigzag", "spatter"):
        assert np.all(corruptions.corrupt(images, family) >= images)


def test_the_figure_is_the_mean_over_the_families(images, digits):
    labels = digits[1]

    def seer(corrupted):
        return np.eye(10)[labels[: len(corrupted)]]

    facts = corruptions.evaluate(seer, images, labels)
    assert set(facts) == {*corruptions.FAMILIES, "mean"}
    assert set(facts.values()) == {1.0}
    blind = corruptions.evaluate(lambda x: np.eye(10)[[0] * len(x)], images, labels)
    assert blind["mean"] == pytest.approx(np.mean(labels == 0))
