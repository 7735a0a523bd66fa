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
    with pytest.raises(UsageError, match=r"one of .'shot_noise', .*'fogg'"):
        corruptions.corrupt(images, "fogg")


def test_what_is_no_stack_of_grey_images_is_refused(images):
    for wrong in (images / np.float32(255), images[..., 0], images.repeat(3, -1)):
        with pytest.raises(UsageError, match="`images` must be uint8 of shape"):
            corruptions.corrupt(wrong, "fog")


@pytest.mark.parametrize("family", corruptions.FAMILIES)
def test_a_seed_corrupts_alike_and_changes_the_images(images, family):
    corrupted = corruptions.corrupt(images, family)
    assert corrupted.shape == images.shape
    assert corrupted.dtype == np.uint8
    np.testing.assert_array_equal(corrupted, corruptions.corrupt(images, family))
    assert np.mean(np.any(corrupted != images, axis=(1, 2, 3))) > 0.9


# Mean level and mean change of the bundled digits.
STRENGTHS = {
    "shot_noise": (0.1126, 0.0461),
    "impulse_noise": (0.1974, 0.0839),
    "glass_blur": (0.1396, 0.0931),
    "motion_blur": (0.1370, 0.0931),
    "shear": (0.1371, 0.1035),
    "scale": (0.0493, 0.1312),
    "rotate": (0.1371, 0.1171),
    "brightness": (0.5842, 0.4471),
    "translate": (0.1367, 0.1528),
    "stripe": (0.4974, 0.4716),
    "fog": (0.3558, 0.2852),
    "spatter": (0.1981, 0.0610),
    "dotted_line": (0.1515, 0.0143),
    "zigzag": (0.2476, 0.1105),
    "edges": (0.2648, 0.2275),
}


@pytest.mark.parametrize("family", corruptions.FAMILIES)
def test_each_family_is_as_strong_as_when_the_cards_were_written(images, family):
    corrupted = corruptions.corrupt(images, family) / 255
    change = np.abs(corrupted - images / 255).mean()
    assert (corrupted.mean(), change) == pytest.approx(STRENGTHS[family], abs=5e-4)


@pytest.mark.parametrize("family", ["rotate", "shear"])
def test_images_are_turned_and_sheared_either_way(family):
    spot = np.zeros((40, 28, 28, 1), np.uint8)
    spot[:, 4, 14] = 255
    assert len(np.unique(corruptions.corrupt(spot, family), axis=0)) == 2


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
    # Right about bright images alone: of most families it sees none.
    half = corruptions.evaluate(
        lambda x: np.eye(10)[labels if x.mean() > 50 else 0 * labels], images, labels
    )
    accuracies = [half[family] for family in corruptions.FAMILIES]
    assert {min(accuracies), max(accuracies)} == {np.mean(labels == 0), 1.0}
    assert half["mean"] == pytest.approx(np.mean(accuracies))
